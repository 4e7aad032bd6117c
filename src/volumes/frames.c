/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copying into and out of a stream of frames: data goes the way of all copies, a part at a time.
 */
#include "volumes/frames.h"

#include <errno.h>
#include <unistd.h>

#include "base/util.h"

/* Both ends are behind a hole now. */
static void pass_hole(struct copy *c, uint64_t length)
{
	c->from.at += length;
	c->to.at += length;
	c->done += length;
}

/* The next frame. 0: the stream has ended. */
static int frame_read(struct copy *c, struct stream_frame *f, struct err *e)
{
	ssize_t n;

	do
		n = read(c->from.fd, f, sizeof(*f));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, errno, "cannot read from %s", c->from.name) : n == sizeof(*f);
}

int frames_upload(struct copy *c, struct err *e)
{
	uint64_t room = c->length;
	struct stream_frame f;
	int rc;

	while ((rc = frame_read(c, &f, e)) > 0) {
		if (f.length > room)
			return err_set(e, ERR_INVALID,
			               "volume \"%s\" has room for %llu bytes more, and %llu come",
			               c->to.name, (unsigned long long)room, (unsigned long long)f.length);
		room -= f.length;
		c->length = f.length;
		if ((f.hole ? copy_hole(c, f.length, e) : copy_run(c, e)) < 0)
			return -1;
	}
	return rc;
}

static int frame_write(const struct copy *c, bool hole, uint64_t length, struct err *e)
{
	const struct stream_frame f = { .length = length, .hole = hole };
	ssize_t n;

	do
		n = write(c->to.fd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	return n == sizeof(f) ? 0 : err_sys(e, errno, "cannot write to %s", c->to.name);
}

/* Where the volume has its next data, and where that ends. One that cannot say is all data. */
static void next_stream_part(const struct copy *c, uint64_t end, uint64_t *data, uint64_t *hole)
{
	off_t at = lseek(c->from.fd, (off_t)c->from.at, SEEK_DATA);

	*data = *hole = end;
	if (at < 0 && errno == ENXIO) /* no more of it */
		return;
	*data = at < 0 ? c->from.at : least((uint64_t)at, end);
	at = lseek(c->from.fd, (off_t)*data, SEEK_HOLE);
	*hole = at < 0 ? end : least((uint64_t)at, end);
}

int frames_download(struct copy *c, struct err *e)
{
	uint64_t end = c->from.at + c->length, data, hole;

	while (c->from.at < end) {
		next_stream_part(c, end, &data, &hole);
		if (data > c->from.at) {
			if (frame_write(c, true, data - c->from.at, e) < 0)
				return -1;
			pass_hole(c, data - c->from.at);
		}
		c->length = hole - data;
		if (c->length == 0)
			continue;
		if (frame_write(c, false, c->length, e) < 0 || copy_run(c, e) < 0)
			return -1;
		if (c->from.at < hole)
			return err_set(e, ERR_STORAGE, "%s became shorter while it was read", c->from.name);
	}
	return 0;
}
