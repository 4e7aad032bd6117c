/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between a store and a descriptor, through memory. Blocks of zeros are looked for where they save something:
 * the store is asked for holes, and what comes from outside is looked at.
 */
#include "volumes/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "volumes/copy.h"
#include "volumes/pace.h"

enum { BUFFER = 1024 * 1024, ZERO_BLOCK = 64 * 1024 };
_Static_assert(BUFFER % ZERO_BLOCK == 0, "a buffer is made of blocks");

static char buffer[BUFFER];

/* ---- the descriptor's end ---- */

/* Wait for a pipe or socket. 0; -1 with errno. */
static int end_await(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_until(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

/* A full buffer where there is one; fewer bytes only at its end. -1 with errno. */
static ssize_t end_read(const struct copy_end *end, size_t len, uint64_t deadline)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = end->seeks ? pread(end->fd, buffer + got, len - got, (off_t)(end->at + got))
		                       : read(end->fd, buffer + got, len - got);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno == EAGAIN ? end_await(end->fd, POLLIN, deadline) < 0 : errno != EINTR)
			return -1;
	}
	return (ssize_t)got;
}

static int end_write(const struct copy_end *end, size_t len, uint64_t deadline)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = end->seeks ? pwrite(end->fd, buffer + done, len - done, (off_t)(end->at + done))
		                       : write(end->fd, buffer + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN ? end_await(end->fd, POLLOUT, deadline) < 0 : errno != EINTR)
			return -1;
	}
	return 0;
}

/* ---- into the store ---- */

/* What one copying into a store is about. */
struct inward {
	const struct store *s;
	struct copy_end from;
	uint64_t at, length; /* in the store; length: at most */
	bool fresh;          /* it holds zeros */
	bool sparse;         /* blocks of zeros are not written */
	uint64_t zeros; /* so many lie before what comes next: told to the store in one, as far as they go */
	struct pace pace;
};

/* The zeros that end at `at` are over. */
static int put_zeros(struct inward *c, uint64_t at, struct err *e)
{
	const uint64_t n = c->zeros;

	c->zeros = 0;
	return n && !c->fresh ? c->s->zero(c->s->arg, at - n, n, e) : 0;
}

/* What is in the buffer, block by block where zeros are looked for. */
static int put_buffer(struct inward *c, uint64_t at, size_t len, struct err *e)
{
	size_t n;

	for (size_t done = 0; done < len; done += n) {
		bool zeros = false;

		/* as many blocks of one kind as follow each other */
		for (n = 0; done + n < len; n += least(ZERO_BLOCK, len - done - n)) {
			bool z = c->sparse &&
			         is_zero(buffer + done + n, (size_t)least(ZERO_BLOCK, len - done - n));

			if (n > 0 && z != zeros)
				break;
			zeros = z;
		}
		if (zeros)
			c->zeros += n;
		else if (put_zeros(c, at + done, e) < 0 ||
		         c->s->write(c->s->arg, buffer + done, n, at + done, e) < 0)
			return -1;
	}
	return 0;
}

static int copy_in(struct inward *c, struct err *e)
{
	const uint64_t deadline = c->pace.op->deadline;

	while (c->pace.done < c->length) {
		ssize_t n = end_read(&c->from, (size_t)least(BUFFER, c->length - c->pace.done), deadline);

		if (n < 0)
			return err_sys(e, errno, "cannot read %s at byte %llu", c->from.name,
			               (unsigned long long)c->from.at);
		if (n == 0)
			break;
		if (put_buffer(c, c->at + c->pace.done, (size_t)n, e) < 0)
			return -1;
		c->from.at += (uint64_t)n;
		if (pace_step(&c->pace, (uint64_t)n, e) < 0)
			return -1;
	}
	return put_zeros(c, c->at + c->pace.done, e);
}

/* To its end, or as far as it came: then nothing is under way any more, either. */
static int fill_store(struct inward *c, struct err *e)
{
	int rc = copy_in(c, e);

	if (c->s->settle && c->s->settle(c->s->arg, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

int store_upload(const struct store *s, struct op *op, const struct volume *v, struct transfer *t,
                 struct err *e)
{
	demand(s && op && v->name && t->stream >= 0, e);

	struct inward c = { .s = s,
		            .at = t->offset,
		            .sparse = t->sparse,
		            .pace = { .op = op, .doing = "upload the volume" } };
	int rc;

	t->done = 0;
	if (transfer_client_end(&c.from, t->stream, e) < 0)
		return -1;
	op->writes = transfer_most(t, &c.from);
	if (transfer_become_client(t, e) < 0 ||
	    transfer_check_range("upload", t->offset, t->length ? t->length : op->writes, v->name, s->size,
	                         e) < 0)
		return -1;
	c.length = t->length ? t->length : s->size - t->offset;
	c.pace.total = least(op->writes, c.length);
	rc = fill_store(&c, e);
	t->done = c.pace.done;
	transfer_client_advance(&c.from);
	if (rc == 0 && t->length == 0)
		rc = transfer_check_rest(&c.from, t->done, v->name, c.length, e);
	if (rc < 0 && t->done)
		err_wrap(
			e, ERR_KEEP,
			s->settle
				? "of the upload %2$llu bytes were sent to volume \"%1$s\", which holds them "
				  "or a part of them"
				: "volume \"%s\" now holds the first %llu bytes of the upload, and what it "
				  "held before behind them",
			v->name, (unsigned long long)t->done);
	if (rc == 0)
		pace_end(&c.pace);
	return rc;
}

int store_fill(const struct store *s, int fd, uint64_t len, const char *from, struct op *op, struct err *e)
{
	demand(s && fd >= 0 && len <= s->size && op, e);

	struct inward c = { .s = s,
		            .length = len,
		            .fresh = true,
		            .sparse = true,
		            .pace = { .op = op, .doing = "copy the volume", .total = len } };

	if (copy_end_set(&c.from, fd, from, e) < 0 || fill_store(&c, e) < 0)
		return -1;
	if (c.pace.done < len)
		return err_set(e, ERR_STORAGE, "volume \"%s\" ended after %llu of %llu bytes", from,
		               (unsigned long long)c.pace.done, (unsigned long long)len);
	pace_end(&c.pace);
	return 0;
}

/* ---- out of the store ---- */

/* Write what is in the buffer. */
static int put_out(const struct copy_end *to, size_t n, const struct pace *pace, struct err *e)
{
	if (end_write(to, n, pace->op ? pace->op->deadline : NEVER) == 0)
		return 0;
	return err_sys(e, errno, "cannot write to %s", to->name);
}

/* Copy `len` bytes from `at` on. sparse: the other end can have holes. */
static int copy_out(const struct store *s, uint64_t at, uint64_t len, struct copy_end *to, bool sparse,
                    struct pace *pace, struct err *e)
{
	const uint64_t end = at + len;

	while (at < end) {
		const uint64_t hole = least(s->hole(s->arg, at), end - at);
		const size_t n = (size_t)least(BUFFER, hole ? hole : end - at);

		if (hole)
			memset(buffer, 0, n);
		else if (s->read(s->arg, buffer, n, at, e) < 0)
			return -1;
		if (hole && sparse ? copy_zero(to, to->at, n, e) < 0 : put_out(to, n, pace, e) < 0)
			return -1;
		at += n;
		to->at += n;
		if (pace->op && pace_step(pace, n, e) < 0)
			return -1;
	}
	return 0;
}

int store_download(const struct store *s, struct op *op, const struct volume *v, struct transfer *t,
                   struct err *e)
{
	demand(s && op && v->name && t->stream >= 0, e);

	struct pace pace = { .op = op, .doing = "download the volume" };
	struct copy_end to;
	int rc;

	t->done = 0;
	transfer_cut(t, s->size);
	if (transfer_client_end(&to, t->stream, e) < 0 || transfer_become_client(t, e) < 0 ||
	    transfer_check_range("download", t->offset, t->length, v->name, s->size, e) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* a client that goes is an error, not our end */
	pace.total = t->length ? t->length : s->size - t->offset;
	rc = copy_out(s, t->offset, pace.total, &to, t->sparse && to.seeks, &pace, e);
	t->done = pace.done;
	transfer_client_advance(&to);
	if (rc == 0)
		pace_end(&pace);
	return rc;
}

/* The child has no part in what its parent tells the supervisor: it writes, and ends. */
int store_pipe(const struct store *s, struct err *e)
{
	demand(s, e);

	struct pace none = { 0 };
	struct copy_end to = { .name = "a pipe" };
	const pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	pid_t pid = fork();
	if (pid < 0) {
		int error = errno;

		close(ends[0]);
		close(ends[1]);
		return err_sys(e, error, "cannot read volume \"%s\"", s->name);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		to.fd = ends[1];
		_exit(getppid() == parent && copy_out(s, 0, s->size, &to, false, &none, NULL) == 0 ? 0 : 1);
	}
	close(ends[1]);
	return ends[0];
}
