/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vol-upload and vol-download without a descriptor: bytes between the client's connection and the pipe of its
 * job's worker. A chunk of them is in memory at most; whichever side is slow holds up the other, and nobody
 * else.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/contract.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"

bool stream_await(struct call *c, uint32_t events)
{
	struct peer *p = c->peer;
	struct err e = { 0 };

	if (c->stream.watch.fd < 0 &&
	    loop_watch(p->server->loop, &c->stream.watch, c->stream.fd, events, &e) < 0)
		p->dead = true;
	return false;
}

/* The client sends no more, and has not sent all that it announced. What the worker wrote already stays
 * written. */
static bool broken_off(struct call *c)
{
	struct err e = { 0 };

	err_set(&e, ERR_SYNTAX, "the payload ended after %llu of %llu bytes: the volume holds only those",
	        (unsigned long long)(c->announced - c->stream.left), (unsigned long long)c->announced);
	waiter_withdraw(&c->waiter);
	if (c->job)
		volume_cancel(c->peer->server->sup, c->job, NULL, NULL);
	call_end_stream(c);
	c->stream.left = 0;
	call_fail(c, &e);
	return true;
}

/* From what was read of the client into the pipe. */
static bool to_worker(struct call *c)
{
	struct peer *p = c->peer;
	size_t n = c->stream.left < p->in.len ? (size_t)c->stream.left : p->in.len;
	ssize_t done;

	if (c->stream.left == 0) { /* that was all: the worker reads the end */
		call_end_stream(c);
		return true;
	}
	if (n == 0)
		return p->eof ? broken_off(c) : false;
	done = write(c->stream.fd, p->in.data, n);
	if (done < 0 && errno == EAGAIN)
		return stream_await(c, EPOLLOUT);
	if (done < 0 && errno != EINTR) /* the worker reads no more: its end says why */
		call_end_stream(c);
	if (done > 0) {
		c->stream.left -= (uint64_t)done;
		buf_consume(&p->in, (size_t)done);
	}
	return true;
}

/* From the pipe into the output, as soon as that is empty: more of it would be memory. */
static bool to_client(struct call *c)
{
	struct peer *p = c->peer;
	char chunk[STREAM_CHUNK];
	ssize_t n;

	if (p->out.len > p->out_done || sending_is_on(&p->files))
		return false;
	n = read(c->stream.fd, chunk, sizeof(chunk));
	if (n < 0 && errno == EAGAIN)
		return stream_await(c, EPOLLIN);
	if (n > 0) {
		peer_began_answer(p);
		peer_codec(p)->chunk(c, &p->out, chunk, (size_t)n);
		p->dead = p->dead || p->out.failed;
	} else if (n == 0 || errno != EINTR) {
		call_end_stream(c);
	}
	return true;
}

bool stream_plain(struct call *c)
{
	demand_or(stream_is_open(c), false);
	if (c->stage == CALL_FINISHED && (c->failed || c->stream.in)) { /* the rest is of no use */
		call_end_stream(c);
		return true;
	}
	return c->stream.in ? to_worker(c) : to_client(c);
}
