/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vol-upload and vol-download: a client's file, pipe or socket on one side, a volume on the other.
 *
 * A volume that was uploaded in part is neither the old nor the new one. There is no way back from that, so
 * that the message says how far it came, and whether what was written is on the disk.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/util.h"
#include "volumes/copy.h"
#include "volumes/frames.h"
#include "volumes/transfer.h"

/* ---- both ways ---- */

/* Open the volume as its pool's type does, with the rights of root, which the process still has. */
static int open_content(vol_open_fn *open_volume, const struct pool_def *d, struct op *op,
                        const struct volume *v, bool write, uint64_t *size, struct err *e)
{
	if (!open_volume)
		return err_set(e, ERR_UNSUPPORTED,
		               "volumes of %s pools can be neither uploaded nor downloaded",
		               pool_type_word(d->type));
	return open_volume(d, op, v, write, size, e);
}

/* A client's file is read or written from where it stands. */
int transfer_client_end(struct copy_end *end, int fd, struct err *e)
{
	off_t at;

	if (copy_end_set(end, fd, "the client's file", e) < 0)
		return -1;
	at = end->seeks ? lseek(fd, 0, SEEK_CUR) : 0;
	if (at < 0)
		return err_sys(e, errno, "cannot use the client's file");
	end->at = (uint64_t)at;
	return 0;
}

/* The volume is open. From here on the process has the client's rights: what the kernel, or whoever listens
 * at a socket, allows root is not to be had by passing a descriptor. */
int transfer_become_client(const struct transfer *t, struct err *e)
{
	if (!t->passed || geteuid() != 0 || t->uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(t->gid, t->gid, t->gid) < 0 ||
	    setresuid(t->uid, t->uid, t->uid) < 0)
		return err_sys(e, errno, "cannot take the client's rights");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* forgotten with the change */
	return 0;
}

/* The client's file is left at the position where it was read or written to, as by read(2) and write(2). */
void transfer_client_advance(const struct copy_end *end)
{
	if (end->seeks)
		lseek(end->fd, (off_t)end->at, SEEK_SET);
}

/* Is all of the range in the volume? Compared without adding: both numbers come from a client. */
int transfer_check_range(const char *what, uint64_t offset, uint64_t length, const char *name, uint64_t size,
                         struct err *e)
{
	const unsigned long long at = offset, has = size;

	if (offset > size)
		return err_set(e, ERR_INVALID, "cannot %s at byte %llu: volume \"%s\" ends at %llu", what, at,
		               name, has);
	if (length != UINT64_MAX && length > size - offset)
		return err_set(e, ERR_INVALID,
		               "cannot %s %llu bytes at byte %llu: volume \"%s\" ends at %llu", what,
		               (unsigned long long)length, at, name, has);
	return 0;
}

/* ---- upload ---- */

/* Has the volume the size that it has? A device has; a file is as long as what is written: an image goes
 * into a volume that was made empty for it, as with virsh. */
static bool is_bounded(const struct volume *v)
{
	return streq(v->type, "block");
}

/* How many bytes a client's file still has to give, where that can be known before. */
static bool known_length(const struct copy_end *from, uint64_t *length)
{
	struct stat st;

	if (!from->seeks || from->block || fstat(from->fd, &st) < 0)
		return false;
	*length = (uint64_t)st.st_size > from->at ? (uint64_t)st.st_size - from->at : 0;
	return true;
}

/* How many bytes will be written at most. Zeros are written, too, where a device is to have holes. */
uint64_t transfer_most(const struct transfer *t, const struct copy_end *from)
{
	uint64_t most = t->length ? t->length : UINT64_MAX, coming;

	return known_length(from, &coming) ? least(coming, most) : most;
}

/* Does it all fit? Asked before anything is written, if it can be known: of a pipe it cannot. A file grows.
 */
static int check_upload(const struct transfer *t, uint64_t coming, const struct volume *v, uint64_t size,
                        struct err *e)
{
	if (is_bounded(v))
		return transfer_check_range("upload", t->offset, t->length ? t->length : coming, v->name,
		                            size, e);
	if (transfer_check_range("upload", t->offset, 0, v->name, size, e) < 0)
		return -1;
	return transfer_check_range("upload", t->offset, t->length, v->name, INT64_MAX, e);
}

/* The volume is full: has the stream more? */
int transfer_check_rest(const struct copy_end *from, uint64_t done, const char *name, uint64_t room,
                        struct err *e)
{
	char byte;
	ssize_t n;

	if (done < room || from->seeks)
		return 0;
	do
		n = read(from->fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? err_set(e, ERR_INVALID, "volume \"%s\" is full after %llu bytes, and there are more",
	                        name, (unsigned long long)done)
	              : 0;
}

/* The upload itself. How many bytes will come is known of a file only: progress counts up to that, or up to
 * what the caller or the device allows. */
static int upload(struct copy *c, const struct volume *v, struct transfer *t, uint64_t size, struct err *e)
{
	uint64_t room = size - t->offset;
	bool flushed;
	int rc;

	c->pace.total = c->pace.op->writes;
	if (c->pace.total == UINT64_MAX)
		c->pace.total = is_bounded(v) ? room : 0;
	c->length = t->length;
	if (!c->length)
		c->length = is_bounded(v) ? room : COPY_TO_END;
	c->to.at = t->offset;
	c->sparse = t->sparse;
	rc = t->framed ? frames_upload(c, e) : copy_run(c, e);
	t->done = c->done;
	transfer_client_advance(&c->from);
	if (rc == 0 && t->length == 0 && is_bounded(v) && !t->framed)
		rc = transfer_check_rest(&c->from, c->done, v->name, room, e);
	/* Also after a failure: what the message says of the volume's content is to be true after a crash. */
	flushed = fdatasync(c->to.fd) == 0;
	if (!flushed && rc == 0)
		rc = err_sys(e, errno, "cannot write volume \"%s\"", v->name);
	if (rc < 0 && c->pace.op->explain)
		c->pace.op->explain(c->pace.op, e);
	if (rc < 0 && c->done && flushed)
		err_wrap(e, ERR_KEEP,
		         "volume \"%s\" now holds the first %llu bytes of the upload, and what it held "
		         "before behind them",
		         v->name, (unsigned long long)c->done);
	else if (rc < 0 && c->done)
		err_wrap(e, ERR_KEEP,
		         "what of the first %llu bytes of the upload volume \"%s\" now holds is not known",
		         (unsigned long long)c->done, v->name);
	return rc;
}

int transfer_upload(vol_open_fn *open_volume, const struct pool_def *d, struct op *op, const struct volume *v,
                    struct transfer *t, struct err *e)
{
	demand(op && v->name && t->stream >= 0, e);

	/* What is not passed is a pipe whose other end the supervisor has. */
	struct copy c = { .pace = { .op = op, .doing = "upload the volume" }, .in_memory = !t->passed };
	cleanup_close int fd = -1;
	uint64_t size = 0;

	t->done = 0;
	if (transfer_client_end(&c.from, t->stream, e) < 0)
		return -1;
	/* The client's file is looked at before, the rights are given up after the volume is open: in the
	 * other order the client could not open the volume, or would be read with root's rights. */
	op->writes = transfer_most(t, &c.from);
	fd = open_content(open_volume, d, op, v, true, &size, e);
	if (fd < 0 || copy_end_set(&c.to, fd, v->name, e) < 0 || transfer_become_client(t, e) < 0 ||
	    check_upload(t, op->writes, v, size, e) < 0)
		return -1;
	return upload(&c, v, t, size, e);
}

/* ---- download ---- */

int transfer_download(vol_open_fn *open_volume, const struct pool_def *d, struct op *op,
                      const struct volume *v, struct transfer *t, struct err *e)
{
	demand(op && v->name && t->stream >= 0, e);

	struct copy c = { .pace = { .op = op, .doing = "download the volume" },
		          .sparse = t->sparse,
		          .in_memory = !t->passed };
	cleanup_close int fd = -1;
	uint64_t size = 0;
	int rc;

	t->done = 0;
	if (transfer_client_end(&c.to, t->stream, e) < 0)
		return -1;
	fd = open_content(open_volume, d, op, v, false, &size, e);
	transfer_cut(t, size);
	if (fd < 0 || copy_end_set(&c.from, fd, v->name, e) < 0 || transfer_become_client(t, e) < 0 ||
	    transfer_check_range("download", t->offset, t->length, v->name, size, e) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* a client that goes is an error, not our end */
	c.from.at = t->offset;
	c.length = c.pace.total = t->length ? t->length : size - t->offset;
	c.sparse = t->sparse && c.to.seeks;
	rc = t->framed ? frames_download(&c, e) : copy_run(&c, e);
	t->done = c.done;
	transfer_client_advance(&c.to);
	return rc;
}
