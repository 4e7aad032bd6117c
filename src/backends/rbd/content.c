/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes into images and out of them. A copying reads or writes in order, one block after the other; the
 * cluster takes its time for each. So blocks that are written are on their way while the next ones come, and
 * blocks that will be read are asked for ahead.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include "backends/rbd/rbd.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "volumes/store.h"

#define PIECE  (1024 * 1024)
#define PIECES 16
#define UNIT   (4 * 1024 * 1024) /* what is known to be a hole, is known of so many bytes */
_Static_assert(UNIT % PIECE == 0, "a piece is in one unit");

/* A block on its way to the cluster, or from it. */
struct piece {
	rbd_completion_t done;
	char *data;
	uint64_t at;
	size_t len;
};

/* An image that is open. Its pieces are waited for in the order in which they were begun. */
struct content {
	rbd_image_t image;
	uint64_t size; /* bytes */
	uint64_t end;  /* nothing is asked for ahead from here on */
	struct piece piece[PIECES];
	uint64_t begun, ended; /* pieces */
	unsigned char *used;   /* a bit for each UNIT: not a hole; NULL: that is not known */
};

static void content_close(struct content *c)
{
	for (; c->ended < c->begun; c->ended++) {
		struct piece *p = &c->piece[c->ended % PIECES];

		rbd_aio_wait_for_complete(p->done);
		rbd_aio_release(p->done);
	}
	for (size_t i = 0; i < PIECES; i++)
		free(c->piece[i].data);
	free(c->used);
}
#define cleanup_content __attribute__((cleanup(content_close)))

static int content_open(struct content *c, rbd_image_t image, struct err *e)
{
	int answer = rbd_get_size(image, &c->size);

	if (answer < 0)
		return rbd_error(e, answer, "cannot ask for the size of the image");
	c->image = image;
	c->end = c->size;
	for (size_t i = 0; i < PIECES; i++)
		if (!(c->piece[i].data = malloc(PIECE)))
			return err_set(e, ERR_NO_MEMORY, "cannot read or write the image: out of memory");
	return 0;
}

static int piece_begin(struct content *c, bool write, uint64_t at, size_t len)
{
	struct piece *p = &c->piece[c->begun % PIECES];
	int answer = rbd_aio_create_completion(NULL, NULL, &p->done);

	if (answer < 0)
		return answer;
	p->at = at;
	p->len = len;
	answer = write ? rbd_aio_write(c->image, at, len, p->data, p->done)
	               : rbd_aio_read(c->image, at, len, p->data, p->done);
	if (answer < 0)
		rbd_aio_release(p->done);
	else
		c->begun++;
	return answer;
}

/* The oldest piece is there, or written. Its data are good until the next one is begun. */
static int piece_end(struct content *c)
{
	struct piece *p = &c->piece[c->ended++ % PIECES];

	rbd_aio_wait_for_complete(p->done);

	const ssize_t answer = rbd_aio_get_return_value(p->done);

	rbd_aio_release(p->done);
	return answer < 0 ? (int)answer : 0;
}

/* ---- in ---- */

static int write_content(void *arg, const void *data, size_t len, uint64_t at, struct err *e)
{
	struct content *c = arg;
	int answer = 0;

	for (size_t done = 0, n; answer >= 0 && done < len; done += n) {
		n = (size_t)least(len - done, PIECE);
		if (c->begun - c->ended == PIECES)
			answer = piece_end(c);
		if (answer < 0)
			break;
		memcpy(c->piece[c->begun % PIECES].data, (const char *)data + done, n);
		answer = piece_begin(c, true, at + done, n);
	}
	return answer < 0 ? rbd_error(e, answer, "cannot write to the image") : 0;
}

static int zero_content(void *arg, uint64_t at, uint64_t len, struct err *e)
{
	const struct content *c = arg;

	return rbd_image_zero(c->image, at, len, e);
}

static int content_settle(void *arg, struct err *e)
{
	struct content *c = arg;
	int answer = 0;

	while (c->ended < c->begun) {
		const int one = piece_end(c);

		answer = answer < 0 ? answer : one;
	}
	if (answer >= 0)
		answer = rbd_flush(c->image);
	return answer < 0 ? rbd_error(e, answer, "cannot write to the image") : 0;
}

/* ---- out ---- */

static int mark_used(uint64_t offset, size_t len, int exists, void *arg)
{
	const struct content *c = arg;

	for (uint64_t unit = offset / UNIT; exists && len && unit <= (offset + len - 1) / UNIT; unit++)
		c->used[unit / 8] |= (unsigned char)(1U << unit % 8);
	return 0;
}

/* Where are the image's holes? Its map of objects has them; without one each object would have to be asked
 * for, which is less than to read it. */
static void find_holes(struct content *c)
{
	c->used = calloc(1, (size_t)(c->size / UNIT / 8 + 1));
	if (c->used && rbd_diff_iterate2(c->image, NULL, 0, c->size, 1, 1, mark_used, c) < 0) {
		free(c->used);
		c->used = NULL;
	}
}

static uint64_t hole_from(void *arg, uint64_t at)
{
	const struct content *c = arg;
	uint64_t unit = at / UNIT;

	while (c->used && unit * UNIT < c->size && !(c->used[unit / 8] & 1U << unit % 8))
		unit++;
	return unit * UNIT > at ? least(unit * UNIT, c->size) - at : 0;
}

/* Ask for all that there is room for, from byte `at` on. */
static int read_ahead(struct content *c, uint64_t at)
{
	int answer = 0;

	if (c->ended < c->begun) {
		const struct piece *last = &c->piece[(c->begun - 1) % PIECES];

		at = last->at + last->len;
	}
	while (answer >= 0 && c->begun - c->ended < PIECES) {
		at += hole_from(c, at);
		if (at >= c->end)
			break;
		size_t len = (size_t)least(PIECE - at % PIECE, c->end - at);

		answer = piece_begin(c, false, at, len);
		at += len;
	}
	return answer;
}

/* The piece that byte `at` is in, once it is there. What was asked for ahead in vain is passed over. */
static int piece_at(struct content *c, uint64_t at, const struct piece **piece)
{
	int answer;

	while (c->ended < c->begun) {
		const struct piece *p = &c->piece[c->ended % PIECES];

		if (at >= p->at && at - p->at < p->len)
			break;
		piece_end(c);
	}
	answer = read_ahead(c, at);
	if (answer < 0)
		return answer;
	*piece = &c->piece[c->ended % PIECES];
	rbd_aio_wait_for_complete((*piece)->done);
	return (int)rbd_aio_get_return_value((*piece)->done);
}

static int read_content(void *arg, void *data, size_t len, uint64_t at, struct err *e)
{
	struct content *c = arg;
	const struct piece *p;
	char *to = data;
	size_t n;

	for (; len > 0; to += n, at += n, len -= n) {
		n = (size_t)least(hole_from(c, at), len);
		if (n > 0) {
			memset(to, 0, n);
			continue;
		}

		const int answer = piece_at(c, at, &p);

		if (answer < 0)
			return rbd_error(e, answer, "cannot read the image");
		n = (size_t)least(p->at + p->len - at, len);
		memcpy(to, p->data + (at - p->at), n);
	}
	return 0;
}

/* ---- an image as a store ---- */

static struct store content_store(struct content *c, const char *name)
{
	return (struct store){ .arg = c,
		               .name = name,
		               .size = c->size,
		               .read = read_content,
		               .write = write_content,
		               .zero = zero_content,
		               .settle = content_settle,
		               .hole = hole_from };
}

int rbd_fill(rbd_image_t image, int fd, uint64_t len, const char *from, struct op *op, struct err *e)
{
	cleanup_content struct content c = { .size = 0 };

	if (content_open(&c, image, e) < 0)
		return -1;

	const struct store s = content_store(&c, from);

	return store_fill(&s, fd, len, from, op, e);
}

static int transfer_image(rbd_image_t image, struct op *op, const struct volume *v, bool upload,
                          struct transfer *t, struct err *e)
{
	cleanup_content struct content c = { .size = 0 };

	if (content_open(&c, image, e) < 0)
		return -1;

	const struct store s = content_store(&c, v->name);

	if (upload)
		return store_upload(&s, op, v, t, e);
	if (t->length && t->offset < c.size)
		c.end = t->offset + least(t->length, c.size - t->offset);
	find_holes(&c);
	return store_download(&s, op, v, t, e);
}

int rbd_vol_transfer(const struct pool_def *d, struct op *op, const struct volume *v, bool upload,
                     struct transfer *t, struct err *e)
{
	demand(v->name && op && t, e);

	rbd_image_t image;
	int rc;

	if (rbd_image_open(d, op, v, upload, &image, e) < 0)
		return -1;
	rc = transfer_image(image, op, v, upload, t, e);
	rbd_close(image);
	return rc;
}

/* ---- an image as a pipe ---- */

/* What the thread needs that writes into it. */
struct outflow {
	struct content content;
	int fd;
};

static void outflow_free(struct outflow *o)
{
	content_close(&o->content);
	rbd_close(o->content.image);
	close(o->fd);
	free(o);
}

/* If it fails, the pipe ends early. */
static void *pipe_out(void *arg)
{
	struct outflow *o = arg;
	char *block = malloc(PIECE);
	bool well = block;

	for (uint64_t at = 0, n; well && at < o->content.size; at += n) {
		n = least(PIECE, o->content.size - at);
		well = read_content(&o->content, block, (size_t)n, at, NULL) == 0 &&
		       file_write(o->fd, block, (size_t)n) == 0;
	}
	free(block);
	outflow_free(o);
	return NULL;
}

/* The outflow is the thread's once it runs. */
static int pipe_begin(struct outflow *o, const char *name, uint64_t *size, struct err *e)
{
	pthread_t thread;
	int ends[2], error;

	if (content_open(&o->content, o->content.image, e) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	find_holes(&o->content);
	signal(SIGPIPE, SIG_IGN); /* who reads may stop earlier */
	o->fd = ends[1];
	*size = o->content.size;
	error = pthread_create(&thread, NULL, pipe_out, o);
	if (!error)
		return ends[0];
	close(ends[0]);
	return err_sys(e, error, "cannot read image \"%s\"", name);
}

/* A thread writes, and no child: the connection to the cluster is this process's. */
int rbd_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                 struct err *e)
{
	demand(v->name && op && size, e);

	struct outflow *o;
	rbd_image_t image;

	if (write)
		return err_set(e, ERR_UNSUPPORTED, "image \"%s\" cannot be written as a file", v->name);
	if (rbd_image_open(d, op, v, false, &image, e) < 0)
		return -1;
	o = calloc(1, sizeof(*o));
	if (!o) {
		rbd_close(image);
		return err_set(e, ERR_NO_MEMORY, "cannot read image \"%s\": out of memory", v->name);
	}
	o->fd = -1;
	o->content.image = image;

	const int fd = pipe_begin(o, v->name, size, e);

	if (fd < 0)
		outflow_free(o);
	return fd;
}
