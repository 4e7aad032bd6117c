/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Uploads and downloads: packets that have the serial of the call that began them, others between them. Their
 * bytes go through the pipe of the call's job; of a sparse one the pipe has frames, because a hole has no
 * bytes.
 *
 *     upload     reply, then of the client's: data and holes, at last OK; ours: OK
 *     download   reply, then of ours: data and holes, at last data that is empty; the client's: OK; ours: OK
 *
 * The client may give up (ERROR) at any time, which is answered by OK, and so may we, which is the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/contract.h"
#include "base/util.h"
#include "control/rpc/rpc.h"

#define UPLOAD_TURN (256 * 1024)  /* bytes of a packet that are moved in one step */
#define STREAM_PIPE (1024 * 1024) /* bytes that a worker may be ahead, or behind */

/* ---- what a stream is ---- */

static bool is_upload(const struct virt_request *q)
{
	return q->row->number == PROCEDURE_UPLOAD;
}

/* The call that this packet belongs to; NULL: there is none any more. */
static struct call *find_stream(const struct peer *p, const struct packet_header *h)
{
	for (struct call *c = p->calls; c; c = c->next) {
		const struct virt_request *q = c->own;

		if (c->stream.messages && q->head.serial == h->serial && q->head.procedure == h->procedure)
			return c;
	}
	return NULL;
}

/* The reply that tells the client to begin, or that packets will come. */
static void say_reply(struct virt_request *q, struct buf *out)
{
	if (!q->stream.said)
		packet_empty(out, &q->head, PACKET_REPLY, PACKET_OK);
	q->stream.said = true;
}

/* It ends now, with that error, whatever its job comes to. */
static void fail_stream(struct call *c, const struct err *e)
{
	struct peer *p = c->peer;

	if (p->feeding == c) {
		p->skip = c->stream.left;
		p->feeding = NULL;
	}
	/* First: a worker whose stream ends without that is done. */
	if (c->stage == CALL_PARKED && c->job)
		volume_cancel(p->server->sup, c->job, NULL, NULL);
	call_end_stream(c);
	if (c->stage != CALL_PARKED)
		return;
	waiter_withdraw(&c->waiter);
	call_fail(c, e);
}

/* The client wants no more of it: answered when the job is over, so that the volume is free then. */
static void drop_stream(struct call *c)
{
	struct virt_request *q = c->own;
	struct err e = { 0 };

	q->stream.dropped = true;
	if (c->stage == CALL_PARKED && c->job)
		volume_cancel(c->peer->server->sup, c->job, NULL, NULL);
	call_end_stream(c);
	if (c->stage != CALL_PARKED || c->job)
		return;
	waiter_withdraw(&c->waiter);
	err_set(&e, ERR_STATE, "the client has given up the stream");
	call_fail(c, &e);
}

/* ---- packets of the client's ---- */

static void skip_packet(struct peer *p, const struct packet_header *h)
{
	buf_consume(&p->in, PACKET_HEAD);
	p->skip = h->length - PACKET_HEAD;
}

/* Of a download that is over the client says that it knows, and is told that we know it, too. Of everything
 * else that is over nothing is said. */
static void end_known(struct peer *p, const struct packet_header *h)
{
	struct virt_session *s = p->own;

	if (h->type != PACKET_STREAM || h->status == PACKET_CONTINUE)
		return;
	for (size_t i = 0; i < s->nended; i++)
		if (s->ended[i].serial == h->serial && s->ended[i].procedure == h->procedure) {
			packet_empty(&p->out, h, PACKET_STREAM, PACKET_OK);
			s->ended[i] = s->ended[--s->nended];
			return;
		}
}

/* Data of an upload: so much of it as the call has room for goes to its worker. */
static void take_data(struct peer *p, struct call *c, const struct packet_header *h)
{
	struct virt_request *q = c->own;
	uint64_t n = h->length - PACKET_HEAD, room = n;

	skip_packet(p, h);
	if (!is_upload(q) || !stream_is_open(c) || n == 0)
		return;
	if (q->stream.length)
		room = least(n, q->stream.length - q->stream.got);
	q->stream.over |= room < n;
	q->stream.got += room;
	if (room == 0)
		return;
	p->skip = 0;
	p->feeding = c;
	p->spliced = p->held_up = false;
	c->stream.left = room;
	q->stream.rest = n - room;
	q->stream.frame = (struct stream_frame){ .length = room };
	q->stream.has_frame = c->stream.framed;
}

static void refuse_hole(struct call *c, const char *why)
{
	struct err e = { 0 };

	err_set(&e, ERR_SYNTAX, "%s", why);
	fail_stream(c, &e);
}

/* A hole of an upload: 64 bits of length, and flags, of which there are none. */
static bool take_hole(struct peer *p, struct call *c, const struct packet_header *h)
{
	enum { HOLE_BYTES = 12 };
	struct virt_request *q = c->own;
	struct xdr x = { .at = (const unsigned char *)p->in.data + PACKET_HEAD, .left = HOLE_BYTES };
	bool fits = h->length == PACKET_HEAD + HOLE_BYTES;
	uint64_t n = 0;

	if (fits && p->in.len < h->length)
		return false;
	if (fits)
		n = xdr_long(&x);
	fits = fits && xdr_number(&x) == 0;
	skip_packet(p, h);
	if (!stream_is_open(c))
		return true;
	if (!is_upload(q) || !c->stream.framed) {
		refuse_hole(c, "a hole in a stream that is not sparse");
	} else if (!fits || n > INT64_MAX) {
		refuse_hole(c, "a hole of no size");
	} else if (q->stream.length && n > q->stream.length - q->stream.got) {
		q->stream.over = true;
	} else if (n) {
		q->stream.got += n;
		p->feeding = c;
		p->spliced = p->held_up = false;
		c->stream.left = 0;
		q->stream.rest = h->length - PACKET_HEAD;
		p->skip = 0;
		q->stream.frame = (struct stream_frame){ .length = n, .hole = 1 };
		q->stream.has_frame = true;
	}
	return true;
}

/* Its end, as the client sees it. A download that is not over is given up. */
static void take_end(struct peer *p, struct call *c, const struct packet_header *h)
{
	struct virt_request *q = c->own;

	skip_packet(p, h);
	if (h->status == PACKET_OK && is_upload(q))
		call_end_stream(c);
	else if (!q->stream.dropped)
		drop_stream(c);
}

bool streams_take(struct peer *p, const struct packet_header *h)
{
	struct call *c = find_stream(p, h);

	/* An upload that waits for its volume to be known has no worker yet. */
	if (c && is_upload(c->own) && !c->stream.in && c->stage != CALL_FINISHED && h->status != PACKET_ERROR)
		return false;
	if (!c) {
		end_known(p, h);
		skip_packet(p, h);
	} else if (h->type == PACKET_HOLE) {
		return take_hole(p, c, h);
	} else if (h->status == PACKET_CONTINUE) {
		take_data(p, c, h);
	} else {
		take_end(p, c, h);
	}
	return true;
}

/* ---- bytes to and from the worker ---- */

/* The packet is all with the worker: what there was no room for is thrown away. */
static bool packet_over(struct call *c)
{
	struct virt_request *q = c->own;

	c->peer->feeding = NULL;
	c->peer->skip = q->stream.rest;
	return true;
}

/* The worker reads no more. That is its end, which says why, or it has all that the client was to send: what
 * comes now goes nowhere. */
static bool worker_is_deaf(struct call *c)
{
	struct virt_request *q = c->own;

	q->stream.deaf = true;
	q->stream.has_frame = false;
	q->stream.rest += c->stream.left;
	c->stream.left = 0;
	return packet_over(c);
}

/* What is not in the input yet goes from the socket into the pipe, page by page, and not through memory. */
static bool splice_upload(struct call *c)
{
	struct peer *p = c->peer;
	struct pollfd room = { .fd = c->stream.fd, .events = POLLOUT };
	size_t size = (size_t)least(c->stream.left, UPLOAD_TURN);
	ssize_t n;

	p->spliced = true;
	n = splice(p->fd, NULL, c->stream.fd, NULL, size, SPLICE_F_NONBLOCK);
	if (n > 0) {
		c->stream.left -= (uint64_t)n;
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EPIPE)
		return worker_is_deaf(c);
	if (n == 0 || errno != EAGAIN) { /* the client has ended, in the midst of a packet */
		p->dead = true;
		return false;
	}
	if (poll(&room, 1, 0) == 0) { /* it is the pipe that is full */
		p->held_up = true;
		return stream_await(c, EPOLLOUT);
	}
	return false;
}

static bool upload_step(struct call *c)
{
	struct virt_request *q = c->own;
	struct peer *p = c->peer;
	size_t n = (size_t)least(c->stream.left, p->in.len);
	ssize_t done;

	if (p->feeding != c)
		return false;
	p->held_up = false;
	if (q->stream.deaf)
		return worker_is_deaf(c);
	if (!q->stream.has_frame && c->stream.left == 0)
		return packet_over(c);
	if (!q->stream.has_frame && n == 0 && p->sealed)
		return splice_upload(c);
	if (!q->stream.has_frame && n == 0) {
		p->dead |= p->eof; /* in the midst of a packet */
		return false;
	}
	if (q->stream.has_frame)
		done = write(c->stream.fd, &q->stream.frame, sizeof(q->stream.frame)); /* all, or nothing */
	else
		done = write(c->stream.fd, p->in.data, n);
	if (done < 0 && errno == EAGAIN)
		return stream_await(c, EPOLLOUT);
	if (done < 0)
		return errno == EINTR || worker_is_deaf(c);
	if (q->stream.has_frame) {
		q->stream.has_frame = false;
	} else {
		c->stream.left -= (uint64_t)done;
		buf_consume(&p->in, (size_t)done);
	}
	return true;
}

/* What is in the pipe becomes a packet, of which the data goes from there into the socket, page by page.
 * False: it is not worth it, or there is none. */
static bool splice_download(struct call *c, uint64_t most)
{
	enum { LEAST = 16 * 1024, PACKET_DATA = 63 * 4096 };
	struct virt_request *q = c->own;
	struct peer *p = c->peer;
	int n = 0;

	if (ioctl(c->stream.fd, FIONREAD, &n) < 0 || n < LEAST || most < LEAST)
		return false;

	struct file_part part = { .len = (size_t)least(least((uint64_t)n, PACKET_DATA), most) };
	const int fds[] = { c->stream.fd, -1 };
	size_t start;

	if (!sending_begin(&p->files, fds, &part, 1)) /* no descriptor is left: through memory, then */
		return false;
	p->files.pipe = true;
	say_reply(q, &p->out);
	start = packet_begin(&p->out, &q->head, PACKET_STREAM, PACKET_CONTINUE);
	packet_end(&p->out, start, part.len);
	p->dead = p->dead || p->out.failed;
	q->stream.frame.length -= least(part.len, q->stream.frame.length);
	return true;
}

void virt_stream_chunk(const struct call *c, struct buf *out, const char *data, size_t len)
{
	struct virt_request *q = c->own;
	size_t start;

	say_reply(q, out);
	start = packet_begin(out, &q->head, PACKET_STREAM, PACKET_CONTINUE);
	buf_add(out, data, len);
	packet_end(out, start, 0);
}

static void say_hole(struct virt_request *q, struct buf *out)
{
	size_t start;

	say_reply(q, out);
	start = packet_begin(out, &q->head, PACKET_HOLE, PACKET_CONTINUE);
	xdr_put_long(out, q->stream.frame.length);
	xdr_put(out, 0);
	packet_end(out, start, 0);
}

/* What was read of the pipe: a frame, or data of the one that was read before. */
static void framed_said(struct call *c, const char *data, size_t len)
{
	struct virt_request *q = c->own;
	struct peer *p = c->peer;

	if (q->stream.frame.length) {
		virt_stream_chunk(c, &p->out, data, len);
		q->stream.frame.length -= len;
	} else if (len == sizeof(q->stream.frame)) {
		memcpy(&q->stream.frame, data, len);
		if (q->stream.frame.hole) {
			say_hole(q, &p->out);
			q->stream.frame.length = 0;
		}
	} else {
		p->dead = true; /* a worker that does not speak so has been broken into */
	}
	p->dead = p->dead || p->out.failed;
}

static bool framed_step(struct call *c)
{
	struct virt_request *q = c->own;
	struct peer *p = c->peer;
	char chunk[STREAM_CHUNK];
	size_t most = q->stream.frame.length ? (size_t)least(sizeof(chunk), q->stream.frame.length)
	                                     : sizeof(q->stream.frame);
	ssize_t n;

	if (peer_unsent(p) || sending_is_on(&p->files))
		return false;
	if (q->stream.frame.length && splice_download(c, q->stream.frame.length))
		return true;
	n = read(c->stream.fd, chunk, most);
	if (n < 0 && errno == EAGAIN)
		return stream_await(c, EPOLLIN);
	if (n > 0)
		framed_said(c, chunk, (size_t)n);
	else if (n == 0 || errno != EINTR)
		call_end_stream(c);
	return true;
}

bool virt_stream_step(struct call *c)
{
	struct virt_request *q = c->own;

	demand_or(stream_is_open(c), false);
	if (!q->stream.said)
		fcntl(c->stream.fd, F_SETPIPE_SZ, STREAM_PIPE);
	if (c->stage == CALL_FINISHED && c->failed) {
		if (c->peer->feeding == c)
			worker_is_deaf(c);
		call_end_stream(c);
		return true;
	}
	if (is_upload(q)) {
		/* The job may be over before the client says that it has sent all: it has to, first. */
		if (!q->stream.said) {
			if (sending_is_on(&c->peer->files))
				return false;
			say_reply(q, &c->peer->out);
			return true;
		}
		return upload_step(c);
	}
	if (c->stream.framed)
		return framed_step(c);
	if (peer_all_sent(c->peer) && splice_download(c, UINT64_MAX))
		return true;
	return stream_plain(c);
}

/* ---- the end ---- */

/* Of the last ones some are remembered; who forgets to say that it knows is forgotten. */
static void remember_end(struct peer *p, const struct packet_header *h)
{
	struct virt_session *s = p->own;

	if (s->nended == VIRT_ENDED) {
		s->nended--;
		memmove(s->ended, s->ended + 1, s->nended * sizeof(*s->ended));
	}
	s->ended[s->nended++] = *h;
}

static void answer_ended(struct peer *p, struct virt_request *q, struct buf *out)
{
	struct err e = { 0 };

	say_reply(q, out);
	if (q->stream.over) {
		err_set(&e, ERR_NO_SPACE,
		        "the upload has more than the %llu bytes that it was to have: those are written",
		        (unsigned long long)q->stream.length);
		e.sys = ENOSPC;
		packet_error(out, &q->head, PACKET_STREAM, DOMAIN_STREAMS, NULL, &e);
	} else if (is_upload(q)) {
		packet_empty(out, &q->head, PACKET_STREAM, PACKET_OK);
	} else {
		packet_empty(out, &q->head, PACKET_STREAM, PACKET_CONTINUE);
		remember_end(p, &q->head);
	}
}

void streams_answer(const struct call *c, struct buf *out)
{
	struct virt_request *q = c->own;

	if (q->stream.dropped)
		packet_empty(out, &q->head, PACKET_STREAM, PACKET_OK);
	else if (c->failed && q->stream.said)
		packet_error(out, &q->head, PACKET_STREAM, DOMAIN_STREAMS, NULL, &c->err);
	else if (c->failed)
		packet_error(out, &q->head, PACKET_REPLY, DOMAIN_STORAGE, NULL, &c->err);
	else
		answer_ended(c->peer, q, out);
}
