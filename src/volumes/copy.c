/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copying: the source is taken apart into data and holes; holes are made, data goes by the first way that
 * works for the two ends.
 */
#include "volumes/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/util.h"

/* A hole is made of whole blocks of 64 KiB: smaller ones would make a file of many extents, which is slower
 * to read than the zeros. */
enum { BUFFER = 1024 * 1024, ZERO_BLOCK = 64 * 1024 };

int copy_end_set(struct copy_end *end, int fd, const char *name, struct err *e)
{
	demand(name, e);

	struct stat st;

	*end = (struct copy_end){ .fd = fd, .name = name };
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", name);
	end->block = S_ISBLK(st.st_mode);
	end->seeks = S_ISREG(st.st_mode) || end->block;
	if (!end->seeks && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is neither a file, a block device, a pipe nor a socket",
		               name);
	return 0;
}

/* ---- zeros ---- */

/* Zeros by writing, where neither a hole nor the device's own zeroing can be had. */
static int write_zero_blocks(const struct copy_end *end, uint64_t at, uint64_t length, struct err *e)
{
	static char zeros[ZERO_BLOCK]; /* not const: so it takes no room in the program */

	while (length > 0) {
		size_t size = (size_t)least(sizeof(zeros), length);
		ssize_t n = end->seeks ? pwrite(end->fd, zeros, size, (off_t)at)
		                       : write(end->fd, zeros, size);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = end->fd, .events = POLLOUT };

			/* No deadline here: the worker is ended at the operation's own. */
			poll(&p, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot write to %s", end->name);
		at += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* A hole behind the end of a file is no hole until the file is that long. */
static int grow_to(const struct copy_end *end, uint64_t size, struct err *e)
{
	struct stat st;

	if (fstat(end->fd, &st) < 0 || ((uint64_t)st.st_size < size && ftruncate(end->fd, (off_t)size) < 0))
		return err_sys(e, errno, "cannot write to %s", end->name);
	return 0;
}

int copy_zero(const struct copy_end *end, uint64_t at, uint64_t length, struct err *e)
{
	demand(end->fd >= 0 && at <= UINT64_MAX - length, e);

	uint64_t range[2] = { at, length };

	if (end->block && ioctl(end->fd, (ioctl_request)BLKZEROOUT, range) == 0)
		return 0;
	if (end->seeks && !end->block) {
		if (grow_to(end, at + length, e) < 0)
			return -1;
		if (fallocate(end->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
		              (off_t)length) == 0)
			return 0;
	}
	return write_zero_blocks(end, at, length, e);
}

/* ---- data ---- */

/* Wait until both ends are ready: a client's pipe or socket may not block. */
static int await_ends(const struct copy *c)
{
	struct pollfd to = { .fd = c->to.fd, .events = POLLOUT },
		      from = { .fd = c->from.fd, .events = POLLIN };
	int left = clock_until(c->pace.op->deadline);

	if ((!c->to.seeks && poll(&to, 1, left) < 0) || (!c->from.seeks && poll(&from, 1, left) < 0))
		return errno == EINTR ? 0 : -1;
	return 0;
}

/* From file to file: the filesystem may share the blocks, or a server may copy them without sending them
 * here (copy_file_range(2)). Block devices have no such call. */
static ssize_t by_range(struct copy *c, size_t size)
{
	off_t in = (off_t)c->from.at, out = (off_t)c->to.at;

	if (!c->from.seeks || !c->to.seeks || c->from.block || c->to.block) {
		errno = EINVAL;
		return -1;
	}
	return copy_file_range(c->from.fd, &in, c->to.fd, &out, size, 0);
}

/* From a file into a pipe or socket. */
static ssize_t by_sendfile(struct copy *c, size_t size)
{
	off_t in = (off_t)c->from.at;

	if (!c->from.seeks || c->to.seeks) {
		errno = EINVAL;
		return -1;
	}
	return sendfile(c->to.fd, c->from.fd, &in, size);
}

/* From a pipe into anything, or from a socket into a pipe. */
static ssize_t by_splice(struct copy *c, size_t size)
{
	off_t out = (off_t)c->to.at;

	if (c->from.seeks) {
		errno = EINVAL;
		return -1;
	}
	return splice(c->from.fd, NULL, c->to.fd, c->to.seeks ? &out : NULL, size, SPLICE_F_MOVE);
}

/* Write what was read, blocks of zeros as holes if that is wanted. Returns what is written: less only on
 * failure, which the next call meets again. */
static ssize_t write_out(struct copy *c, const char *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t n = (size_t)least(size - done, c->sparse ? ZERO_BLOCK : BUFFER);
		uint64_t at = c->to.at + done;
		ssize_t written = (ssize_t)n;

		if (c->sparse && c->to.seeks && is_zero(data + done, n)) {
			if (!c->fresh && copy_zero(&c->to, at, n, NULL) < 0)
				return -1;
		} else {
			written = c->to.seeks ? pwrite(c->to.fd, data + done, n, (off_t)at)
			                      : write(c->to.fd, data + done, n);
		}
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN && await_ends(c) == 0)
			continue;
		if (written < 0)
			return -1;
		done += (size_t)written;
	}
	return (ssize_t)done;
}

/* A full buffer where the source gives it, so that blocks of zeros are found at the same places however it is
 * cut. */
static ssize_t read_in(struct copy *c, char *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = c->from.seeks
		                    ? pread(c->from.fd, data + got, size - got, (off_t)(c->from.at + got))
		                    : read(c->from.fd, data + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !c->from.seeks) {
			struct pollfd from = { .fd = c->from.fd, .events = POLLIN };

			if (poll(&from, 1, clock_until(c->pace.op->deadline)) == 0)
				errno = ETIMEDOUT;
			else
				continue;
		}
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Through memory, which always works. The buffer is aligned for descriptors that are open for direct access.
 */
static ssize_t by_memory(struct copy *c, size_t size)
{
	static char buffer[BUFFER] __attribute__((aligned(4096)));
	ssize_t n = read_in(c, buffer, (size_t)least(size, sizeof(buffer)));

	return n > 0 ? write_out(c, buffer, (size_t)n) : n;
}

static ssize_t (*const ways[])(struct copy *, size_t) = { by_range, by_sendfile, by_splice, by_memory };

enum { BY_MEMORY = ARRAY_LEN(ways) - 1 };

/* One chunk of at most `size` bytes by the best way that is left; 0 at the source's end. A way that this pair
 * of files does not take is not tried again; that the kernel copied nothing is believed only of read(2). */
static ssize_t copy_chunk(struct copy *c, uint64_t size)
{
	for (;;) {
		ssize_t n = ways[c->way](c, (size_t)least(size, PACE_CHUNK));

		if (n > 0 || (n == 0 && c->way == BY_MEMORY))
			return n;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && (!c->from.seeks || !c->to.seeks)) {
			if (await_ends(c) < 0)
				return -1;
			continue;
		}
		if (n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EPIPE ||
		              c->way == BY_MEMORY))
			return -1;
		c->way++;
	}
}

/* Both ends go on together, so that an error can say at which byte it was. */
static int advance(struct copy *c, uint64_t n, struct err *e)
{
	c->from.at += n;
	c->to.at += n;
	c->done += n;
	return pace_step(&c->pace, n, e);
}

/* Copy data by whatever way works, until it is done or the source has ended: 1. */
static int copy_data(struct copy *c, uint64_t length, struct err *e)
{
	while (length > 0) {
		ssize_t n = copy_chunk(c, length);

		if (n == 0)
			return 1;
		if (n < 0)
			return err_sys(e, errno, "cannot copy from %s to %s at byte %llu", c->from.name,
			               c->to.name, (unsigned long long)c->from.at);
		length -= length == COPY_TO_END ? 0 : (uint64_t)n;
		if (advance(c, (uint64_t)n, e) < 0)
			return -1;
	}
	return 0;
}

int copy_hole(struct copy *c, uint64_t length, struct err *e)
{
	while (length > 0) {
		/* A hole in a file is made at once, however long it is; zeros to a device take their time. */
		uint64_t n = c->to.seeks && !c->to.block ? length : least(length, PACE_CHUNK);

		if (!c->fresh && copy_zero(&c->to, c->to.at, n, e) < 0)
			return -1;
		length -= n;
		if (advance(c, n, e) < 0)
			return -1;
	}
	return 0;
}

/* Where the source at hand has its next data and where that ends. False: it cannot say. */
static bool next_source_data(const struct copy *c, uint64_t end, uint64_t *data, uint64_t *hole)
{
	off_t at = lseek(c->from.fd, (off_t)c->from.at, SEEK_DATA);

	*data = *hole = end;
	if (at < 0)
		return errno == ENXIO; /* no more of it */
	*data = least((uint64_t)at, end);
	at = lseek(c->from.fd, at, SEEK_HOLE);
	if (at < 0)
		return false;
	*hole = least((uint64_t)at, end);
	return true;
}

/* A regular file with holes that can be seen. */
static int copy_segments(struct copy *c, uint64_t end, struct err *e)
{
	uint64_t data, hole;
	int rc = 0;

	while (c->from.at < end && rc == 0) {
		if (!next_source_data(c, end, &data, &hole))
			return copy_data(c, end - c->from.at, e);
		if (copy_hole(c, data - c->from.at, e) < 0)
			return -1;
		rc = copy_data(c, hole - c->from.at, e);
	}
	return rc;
}

int copy_run(struct copy *c, struct err *e)
{
	demand(c->pace.op && c->from.fd >= 0 && c->to.fd >= 0, e);
	demand(c->from.name && c->to.name, e);

	struct stat st;
	bool holes_seen;
	uint64_t end;
	int rc;

	if (fstat(c->from.fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", c->from.name);
	holes_seen = S_ISREG(st.st_mode);
	/* A block device or a pipe cannot say where it has holes: zeros must be looked for. */
	if (c->in_memory || (c->sparse && !holes_seen))
		c->way = BY_MEMORY;
	if (c->sparse && holes_seen) {
		end = (uint64_t)st.st_size > c->from.at ? (uint64_t)st.st_size : c->from.at;
		if (c->length < end - c->from.at)
			end = c->from.at + c->length;
		rc = copy_segments(c, end, e);
	} else {
		rc = copy_data(c, c->length, e);
	}
	if (rc < 0)
		return -1;
	/* A file that ends with a hole has to be made that long: nothing was written there. */
	if (c->sparse && c->to.seeks && !c->to.block && grow_to(&c->to, c->to.at, e) < 0)
		return -1;
	pace_end(&c->pace);
	return 0;
}
