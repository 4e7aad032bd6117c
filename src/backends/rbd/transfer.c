/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes into images and out of them. An image is no file of this machine: pieces of it are written and read
 * side by side, as many as hide the time that the cluster takes for one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include "backends/rbd/rbd.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "volumes/copy.h"
#include "volumes/pace.h"
#include "volumes/transfer.h"

#define PIECE  (4 * 1024 * 1024) /* an object of the usual order */
#define PIECES 8

/* A piece that is on its way to the cluster, or from it. */
struct piece {
	rbd_completion_t done; /* NULL: none */
	char *data;
	size_t len;
};

/* They are waited for in the order in which they were begun. */
struct pieces {
	rbd_image_t image;
	struct piece piece[PIECES];
	uint64_t begun, ended; /* pieces */
};

static int pieces_open(struct pieces *w, rbd_image_t image, struct err *e)
{
	*w = (struct pieces){ .image = image };
	for (size_t i = 0; i < PIECES; i++)
		if (!(w->piece[i].data = malloc(PIECE)))
			return err_set(e, ERR_NO_MEMORY, "cannot copy: out of memory");
	return 0;
}

/* Wait for the oldest. Its data are good until the next one is begun. */
static struct piece *pieces_end(struct pieces *w, int *answer)
{
	struct piece *p = &w->piece[w->ended++ % PIECES];

	rbd_aio_wait_for_complete(p->done);
	*answer = (int)rbd_aio_get_return_value(p->done);
	rbd_aio_release(p->done);
	p->done = NULL;
	return p;
}

static void pieces_close(struct pieces *w)
{
	int answer;

	while (w->ended < w->begun)
		pieces_end(w, &answer);
	for (size_t i = 0; i < PIECES; i++)
		free(w->piece[i].data);
}
#define cleanup_pieces __attribute__((cleanup(pieces_close)))

enum piece_kind { PIECE_READ, PIECE_WRITE, PIECE_ZERO };

/* The next piece, whose data are in place if it is to be written. */
static int pieces_begin(struct pieces *w, enum piece_kind kind, uint64_t at, size_t len)
{
	struct piece *p = &w->piece[w->begun % PIECES];
	int answer = rbd_aio_create_completion(NULL, NULL, &p->done);

	p->len = len;
	if (answer == 0 && kind == PIECE_READ)
		answer = rbd_aio_read(w->image, at, len, p->data, p->done);
	else if (answer == 0 && kind == PIECE_WRITE)
		answer = rbd_aio_write(w->image, at, len, p->data, p->done);
	else if (answer == 0)
		answer = rbd_aio_write_zeroes(w->image, at, len, p->done, 0, 0);
	if (answer == 0)
		w->begun++;
	return answer;
}

/* So that pieces after the first are whole objects. */
static size_t piece_length(uint64_t at, uint64_t left)
{
	return (size_t)least(PIECE - at % PIECE, left);
}

/* ---- in ---- */

/* As many bytes as there are, up to len: a pipe gives them in small portions. */
static ssize_t read_fully(struct copy_end *from, char *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = from->seeks ? pread(from->fd, data + got, len - got, (off_t)from->at)
		                        : read(from->fd, data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
		from->at += (uint64_t)n;
	}
	return (ssize_t)got;
}

/* What goes from a stream into an image, from byte `at` of it on. */
struct inflow {
	struct copy_end *from;
	uint64_t at, room; /* at most so many bytes */
	bool sparse;       /* zeros take no space */
	bool fresh;        /* there are zeros already */
	uint64_t written;  /* out: these are the cluster's */
};

static int await_written(struct pieces *w, struct inflow *f, struct pace *pace, struct err *e)
{
	int answer;
	const struct piece *p = pieces_end(w, &answer);

	if (answer < 0)
		return rbd_error(e, answer, "cannot write to the image");
	f->written += p->len;
	return pace_step(pace, p->len, e);
}

static int flow_in(rbd_image_t image, struct inflow *f, struct pace *pace, struct err *e)
{
	cleanup_pieces struct pieces w;
	uint64_t taken = 0;
	int rc = pieces_open(&w, image, e), answer;

	while (rc == 0 && taken < f->room) {
		size_t want = piece_length(f->at + taken, f->room - taken);
		char *data = w.piece[w.begun % PIECES].data;
		ssize_t n;

		if (w.begun - w.ended == PIECES && (rc = await_written(&w, f, pace, e)) < 0)
			break;
		n = read_fully(f->from, data, want);
		if (n < 0)
			rc = err_sys(e, errno, "cannot read %s", f->from->name);
		if (n <= 0)
			break;
		bool zeros = (f->sparse || f->fresh) && is_zero(data, (size_t)n);

		if (zeros && f->fresh) {
			f->written += (uint64_t)n;
			rc = pace_step(pace, (uint64_t)n, e);
		} else if ((answer = pieces_begin(&w, zeros ? PIECE_ZERO : PIECE_WRITE, f->at + taken,
		                                  (size_t)n)) < 0) {
			rc = rbd_error(e, answer, "cannot write to the image");
		}
		taken += (uint64_t)n;
		if ((size_t)n < want)
			break;
	}
	while (rc == 0 && w.ended < w.begun)
		rc = await_written(&w, f, pace, e);
	answer = rbd_flush(image);
	return rc == 0 && answer < 0 ? rbd_error(e, answer, "cannot write to the image") : rc;
}

int rbd_fill(rbd_image_t image, int fd, uint64_t length, struct op *op, struct err *e)
{
	struct copy_end from;
	struct inflow f = { .from = &from, .room = length, .fresh = true };
	struct pace pace = { .op = op, .doing = "copy the volume", .total = length };

	if (copy_end_set(&from, fd, "the volume that is copied", e) < 0 || flow_in(image, &f, &pace, e) < 0)
		return -1;
	pace_end(&pace);
	return 0;
}

/* The image is full: has the stream more? */
static int check_end(struct copy_end *from, uint64_t size, struct err *e)
{
	char byte;

	return read_fully(from, &byte, 1) == 1
	               ? err_set(e, ERR_INVALID, "the image is full after %llu bytes, and there are more",
	                         (unsigned long long)size)
	               : 0;
}

static int image_in(rbd_image_t image, struct copy_end *from, struct transfer *t, uint64_t size,
                    struct op *op, struct err *e)
{
	struct inflow f = { .from = from,
		            .at = t->offset,
		            .room = t->length ? t->length : size - t->offset,
		            .sparse = t->sparse };
	struct pace pace = { .op = op, .doing = "upload the volume", .total = f.room };
	int rc = flow_in(image, &f, &pace, e);

	t->done = f.written;
	if (rc == 0 && !t->length && f.written == f.room)
		rc = check_end(from, size, e);
	if (rc == 0)
		pace_end(&pace);
	else if (t->done)
		err_wrap(e, ERR_KEEP,
		         "it now holds the first %llu bytes of the upload, and perhaps some more",
		         (unsigned long long)t->done);
	return rc;
}

/* ---- out ---- */

static int give_client(struct copy_end *to, const char *data, size_t len, bool sparse, struct err *e)
{
	if (sparse && is_zero(data, len)) {
		to->at += len;
		return 0;
	}
	while (len) {
		ssize_t n = to->seeks ? pwrite(to->fd, data, len, (off_t)to->at) : write(to->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot write %s", to->name);
		data += n;
		len -= (size_t)n;
		to->at += (uint64_t)n;
	}
	return 0;
}

/* The oldest piece, when it has come. */
static int give_piece(struct pieces *w, struct copy_end *to, bool sparse, struct transfer *t,
                      struct pace *pace, struct err *e)
{
	int answer;
	const struct piece *p = pieces_end(w, &answer);

	if (answer < 0)
		return rbd_error(e, answer, "cannot read the image");
	if (give_client(to, p->data, p->len, sparse, e) < 0)
		return -1;
	t->done += p->len;
	return pace_step(pace, p->len, e);
}

static int image_out(rbd_image_t image, struct copy_end *to, struct transfer *t, uint64_t size, struct op *op,
                     struct err *e)
{
	uint64_t total = t->length ? t->length : size - t->offset, asked = 0;
	bool sparse = t->sparse && to->seeks && !to->block;
	struct pace pace = { .op = op, .doing = "download the volume", .total = total };
	cleanup_pieces struct pieces w;
	int rc = pieces_open(&w, image, e);

	while (rc == 0 && t->done < total) {
		while (rc == 0 && asked < total && w.begun - w.ended < PIECES) {
			size_t len = piece_length(t->offset + asked, total - asked);
			int answer = pieces_begin(&w, PIECE_READ, t->offset + asked, len);

			if (answer < 0)
				rc = rbd_error(e, answer, "cannot read the image");
			asked += len;
		}
		if (rc == 0)
			rc = give_piece(&w, to, sparse, t, &pace, e);
	}
	if (rc == 0 && sparse && ftruncate(to->fd, (off_t)to->at) < 0) /* a hole at its end */
		rc = err_sys(e, errno, "cannot write %s", to->name);
	if (rc == 0)
		pace_end(&pace);
	return rc;
}

/* ---- both ---- */

/* Compared without adding: both numbers come from a client. */
static int check_part(const struct transfer *t, uint64_t size, struct err *e)
{
	if (t->offset <= size && t->length <= size - t->offset)
		return 0;
	return err_set(e, ERR_INVALID, "%llu bytes at byte %llu are not in it: it ends at %llu",
	               (unsigned long long)t->length, (unsigned long long)t->offset,
	               (unsigned long long)size);
}

int rbd_vol_transfer(const struct pool_def *d, struct op *op, const struct volume *v, struct transfer *t,
                     bool upload, struct err *e)
{
	demand(op && v->name && t->stream >= 0, e);

	struct copy_end client;
	rbd_image_t image;
	uint64_t size = 0;
	int rc = -1, answer;

	t->done = 0;
	/* The cluster is reached, and the client's file looked at, before the client's rights are taken. */
	if (transfer_client(&client, t->stream, e) < 0 || rbd_image_open(d, op, v, &image, e) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* a client that goes is an error, not our end */
	answer = rbd_get_size(image, &size);
	if (answer < 0)
		rbd_error(e, answer, "cannot ask for its size");
	else if (check_part(t, size, e) == 0 && transfer_become_client(t, e) == 0)
		rc = (upload ? image_in : image_out)(image, &client, t, size, op, e);
	transfer_client_advance(&client);
	rbd_close(image);
	if (rc < 0)
		err_wrap(e, ERR_KEEP, "cannot %s volume \"%s\"", upload ? "upload" : "download", v->name);
	return rc;
}
