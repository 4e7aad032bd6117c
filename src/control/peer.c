/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One connected client: bytes in, requests, answers out. What the bytes mean is the codec's affair; how many
 * requests may be under way at once is said in its table. Everything of a client is done in its own turn of
 * the loop (on_turn); what happens elsewhere, an answer from the supervisor or an event, only leaves its
 * bytes and asks for a turn.
 *
 * A client that does not read makes nobody wait but itself: its next request is not run before the unsent
 * output is small again. One that goes on sending all the same is dropped.
 */
#include "control/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "control/codec.h"

#define READ_CHUNK 4096
/* a refused payload up to this size is thrown away; a bigger one ends the connection */
#define SKIP_LIMIT (1024 * 1024)
#define TURN_CALLS 64 /* requests in one turn: then it is the others' */

/* ---- its requests ---- */

/* A call is over, answered or not. */
static void calls_free_one(struct peer *p, struct call *c)
{
	struct call **at = &p->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	p->ncalls--;
	if (p->feeding == c)
		p->feeding = NULL;
	call_free(c);
}

/* Bytes of one stream, of whichever can go on. */
static bool calls_stream(struct peer *p)
{
	for (struct call *c = p->calls; c; c = c->next)
		if (stream_is_open(c) && peer_codec(p)->stream(c))
			return true;
	return false;
}

/* Those that wait are told why they need not wait any longer. */
static void calls_end(struct peer *p, const struct err *e)
{
	for (struct call *c = p->calls; c; c = c->next) {
		if (c->stage == CALL_PARKED) {
			waiter_withdraw(&c->waiter);
			call_fail(c, e);
		}
		call_end_stream(c);
	}
}

/* ---- answers ---- */

/* It has sent up to the limit, or much waits for it, and nothing could be sent to it for as long as that may
 * be. A socket takes more only when three quarters of it were read; who reads slowly has read something. */
static void stalled(struct timer *t)
{
	struct peer *p = t->owner;
	int before = p->unread;

	peer_begin_stall(p);
	if (p->unread < before)
		return;
	log_info(LF_CONTROL, "client %d (uid %u) dropped: it does not read its answers", (int)p->pid,
	         (unsigned)p->uid);
	peer_free(p);
}

static void skip_payload(struct peer *p, uint64_t len);

/* The request with the descriptor is over. What no worker has taken can only go with the connection. */
static void end_borrowed(struct peer *p, const struct call *c)
{
	if (!c->passed)
		return;
	if (c->taken)
		p->borrowed = 0;
	else
		p->closing = true;
}

/* The call is finished: its answer, as a whole, behind what is still to be sent. */
static void answer(struct peer *p, struct call *c)
{
	bool file = sending_is_on(&c->files);

	peer_codec(p)->answer(c, &p->out, file ? &p->held : &p->out);
	if (file) {
		p->files = c->files;
		c->files = (struct sending){ .n = 0 };
	}
	p->dead = p->dead || p->out.failed || p->held.failed || c->records.failed || c->finals.failed;
	if (c->subscribe && !c->failed)
		peer_begin_events(p, c);
	if (p->replying && !file && p->held.len) { /* events that waited for the end of this answer */
		buf_add(&p->out, p->held.data, p->held.len);
		buf_free(&p->held);
		p->dead = p->dead || p->out.failed;
	}
	p->replying = false;
	p->closing = p->closing || c->quit;
	if (p->feeding == c)
		skip_payload(p, c->stream.left);
	end_borrowed(p, c);
	calls_free_one(p, c);
}

/* ---- input ---- */

/* Give the input buffer back, with none of its bytes left behind: the next turn's client gets it, for a new
 * one would be mapped and unmapped with each request. Only what was ever written is wiped: to touch
 * the rest would cost a page fault for each page of it, with each request. */
static void forget_input(struct peer *p)
{
	if (p->in.data)
		explicit_bzero(p->in.data, p->in_used);
	p->in_used = 0;
	if (!p->server->input)
		p->server->input = p->in.data;
	else if (p->in.data)
		munmap(p->in.data, INPUT_SIZE);
	p->in = (struct buf)BUF_INIT;
}

void peer_hang_up(struct peer *p)
{
	p->closing = true;
	forget_input(p);
}

void peer_give_up(struct peer *p, enum err_class class, const char *why)
{
	demand_or(why, );

	struct err e = { 0 };

	err_set(&e, class, "%s", why);
	peer_error(p, NULL, &e);
	peer_hang_up(p);
}

/* What is still to come of a payload that nobody wants any more is got out of the way. */
static void skip_payload(struct peer *p, uint64_t len)
{
	if (len > SKIP_LIMIT)
		peer_hang_up(p);
	else
		p->skip = len;
}

void peer_refuse(struct peer *p, struct call *c, const struct err *e)
{
	require_or(c && c->peer == p && e, );
	peer_error(p, c->tag, e);
	if (c->has_payload)
		skip_payload(p, c->announced);
	call_free(c);
}

void peer_take(struct peer *p, struct call *c, bool passes)
{
	require_or(c && c->peer == p && c->verb, );
	calls_add(p, c);
	p->active = clock_ms();
	c->passed = passes && c->verb->data ? p->borrowed : 0;
	if (c->stage == CALL_RUNNING)
		call_run(c);
}

/* Bytes that have arrived already, for a payload. False: it has to wait for more. */
static bool feed_payload(struct peer *p)
{
	struct call *c = p->feeding;
	size_t n = c->payload_len - c->payload_got;

	if (n > p->in.len)
		n = p->in.len;
	if (n) {
		memcpy(c->payload + c->payload_got, p->in.data, n);
		c->payload_got += n;
		buf_consume(&p->in, n);
		explicit_bzero(p->in.data + p->in.len, n); /* it may be a secret */
	}
	if (c->payload_got < c->payload_len)
		return n > 0;
	p->feeding = NULL;
	call_run(c);
	return true;
}

/* Bytes that nobody wants. */
static void feed_skip(struct peer *p)
{
	size_t n = p->skip < p->in.len ? (size_t)p->skip : p->in.len;

	p->skip -= n;
	buf_consume(&p->in, n);
}

/* Does a call wait for messages that cannot come any more? Its volume would be busy for as long as a job may
 * take. */
static bool misses_messages(const struct peer *p)
{
	for (const struct call *c = p->calls; c; c = c->next)
		if (c->stream.messages && c->stream.in && stream_is_open(c))
			return true;
	return false;
}

/* What has arrived, before the client said that no more will: half a request is none. */
static void end_of_input(struct peer *p)
{
	struct call *c = p->feeding;

	if (misses_messages(p)) {
		p->dead = true;
	} else if (c) {
		char why[96];

		snprintf(why, sizeof(why), "the payload ended after %zu of %zu bytes: nothing was done",
		         c->payload_got, c->payload_len);
		calls_free_one(p, c);
		peer_give_up(p, ERR_SYNTAX, why);
	} else if (!p->calls && p->in.len) {
		peer_give_up(p, ERR_SYNTAX, "the last line has no end: nothing was done");
	} else if (!p->calls) {
		p->closing = true;
	}
}

/* What was sent is run or passed on: a payload's bytes, those of one that nobody wants, or the next request.
 * False: there is nothing of it. */
static bool step_input(struct peer *p)
{
	if (p->feeding)
		return feed_payload(p);
	if (p->skip && p->in.len) {
		feed_skip(p);
		return true;
	}
	return peer_codec(p)->take(p);
}

/* What the client says next. False: nothing, before more bytes come, go, or the supervisor answers. */
static bool step_request(struct peer *p)
{
	if (p->dead || p->closing || sending_is_on(&p->files) || peer_unsent(p) >= CONTROL_OUT_LIMIT)
		return false;
	if (p->feeding ? p->feeding->stage != CALL_PAYLOAD : p->ncalls >= peer_codec(p)->calls)
		return false;
	if (step_input(p))
		return true;
	if (p->closing)
		return false;
	if (p->borrowed)
		peer_give_up(p, ERR_INVALID,
		             "a descriptor that no request takes: it comes with the whole line of vol-upload "
		             "or vol-download");
	else if (p->eof)
		end_of_input(p);
	return false;
}

static bool step_stream(struct peer *p)
{
	p->streamed = calls_stream(p);
	return p->streamed;
}

/* One step with what is there: false if there is nothing to do. A stream that never lacks bytes lets a
 * request go first after each of its steps: it may be the one that ends it. */
static bool step(struct peer *p)
{
	struct call *over = calls_answerable(p);
	bool request_first = p->streamed && !p->feeding;

	if (over) {
		answer(p, over);
		return true;
	}
	if (!request_first && step_stream(p))
		return true;
	if (step_request(p)) {
		p->streamed = false;
		return true;
	}
	return request_first && step_stream(p);
}

/* The buffer is made in its full size: one that grows leaves copies behind. A worker that is forked while
 * half a secret is in it does not have that. */
static bool open_input(struct peer *p)
{
	if (p->in.data)
		return true;
	p->in.data = p->server->input ? p->server->input : memory_unforked(INPUT_SIZE);
	p->server->input = NULL;
	if (!p->in.data)
		return false;
	p->in.data[0] = '\0';
	p->in.size = INPUT_SIZE;
	return true;
}

/* Bytes that come with a descriptor are copied and left where they are: whoever takes them has the descriptor
 * to close. *borrowed: it is so. */
static ssize_t receive(struct peer *p, char *data, size_t size, size_t most, bool *borrowed)
{
	ssize_t n = p->sealed ? recv(p->fd, data, size, MSG_DONTWAIT)
	                      : passed_peek(p->fd, data, most, borrowed);

	if (n <= 0)
		return n;
	if (data == p->in.data + p->in.len)
		p->in_used = (size_t)larger(p->in_used, p->in.len + (size_t)n + 1);
	if (p->sealed)
		return n;
	if (!*borrowed)
		return recv(p->fd, data, (size_t)n < size ? (size_t)n : size, MSG_DONTWAIT);
	/* In the midst of a payload, or behind more than we look at: nobody will ever get to it. */
	if ((size_t)n == most || p->skip || p->feeding) {
		log_info(LF_CONTROL, "client %d (uid %u) dropped: a descriptor that belongs to no request",
		         (int)p->pid, (unsigned)p->uid);
		p->dead = true;
		return -1;
	}
	return n;
}

/* Into the payload itself, if one is arriving: it may be a secret, and is copied nowhere else. */
static void read_some(struct peer *p)
{
	struct call *c = p->feeding;
	bool payload = c && c->stage == CALL_PAYLOAD && c->payload_got < c->payload_len && !p->in.len,
	     borrowed = false;
	ssize_t n;

	if (payload)
		n = receive(p, c->payload + c->payload_got, c->payload_len - c->payload_got,
		            c->payload_len - c->payload_got, &borrowed);
	else if (open_input(p))
		n = receive(p, p->in.data + p->in.len, c && stream_is_open(c) ? STREAM_CHUNK : READ_CHUNK,
		            INPUT_SIZE - 1 - p->in.len, &borrowed);
	else
		n = -1, errno = ENOMEM;
	if (n < 0) {
		p->dead = p->dead || (errno != EAGAIN && errno != EINTR);
		return;
	}
	p->borrowed = borrowed ? (size_t)n : 0;
	p->eof = n == 0;
	if (payload) {
		c->payload_got += (size_t)n;
	} else {
		p->in.len += (size_t)n;
		p->in.data[p->in.len] = '\0';
	}
}

/* Run what can be run and send what can be sent, until neither goes on or this turn's share is used up. */
static void work(struct peer *p)
{
	int budget = TURN_CALLS;
	bool ran = true;

	peer_flush(p);
	while (!p->dead && ran && budget > 0) {
		for (ran = false; !p->dead && budget > 0 && step(p);
		     budget -= calls_any_streams(p) ? STREAM_COST : 1)
			ran = true;
		/* Without a step nothing is new. To send what is old here would leave a stream that waited
		 * for that with nobody to wake it. */
		if (!p->dead && ran)
			peer_flush(p);
	}
	p->busy = budget <= 0;
}

/* Is it in the midst of a payload, of which the rest comes behind a descriptor? Then it will never go on. */
static bool is_stuck(const struct peer *p)
{
	const struct call *c = p->feeding;

	return p->borrowed && !p->in.len &&
	       (p->skip || (c && (c->stage == CALL_PAYLOAD || stream_is_open(c))));
}

/* A client's turn: take in, run, send. */
static void on_turn(struct watch *w, uint32_t events)
{
	struct peer *p = w->owner;

	if ((events & EPOLLIN) && peer_wants_input(p) && !(p->feeding && p->spliced))
		read_some(p);
	work(p);
	p->dead = p->dead || is_stuck(p);
	if (!p->in.len)
		forget_input(p);
	peer_say_lost(p);
	/* Hung up for good: nobody is there to answer. What was begun for it goes on, what was not begun is
	 * not. */
	if (p->dead || (p->closing && peer_all_sent(p)) || (events & (EPOLLHUP | EPOLLERR))) {
		peer_free(p);
		return;
	}
	peer_wake(p);
}

/* ---- beginning and end ---- */

struct peer *peer_new(struct server *srv)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p)
		*p = (struct peer){ .server = srv,
			            .fd = -1,
			            .active = clock_ms(),
			            .watch = { .fd = -1, .on_event = on_turn, .owner = p },
			            .stall = { .on_expiry = stalled, .owner = p } };
	return p;
}

int peer_begin(struct peer *p, struct err *e)
{
	demand(p->fd >= 0 && !p->watch.watched, e);

	struct server *srv = p->server;

	peer_codec(p)->greet(&p->out, srv->boot_id,
	                     srv->options.state ? srv->options.state(srv->options.arg) : "ready");
	if (p->out.failed)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	if (p->out.failed || loop_watch(srv->loop, &p->watch, p->fd, EPOLLIN | EPOLLOUT, e) < 0) {
		buf_free(&p->out);
		passed_leave(p);
		return -1;
	}
	p->next = srv->peers;
	srv->peers = p;
	srv->npeers++;
	return 0;
}

void peer_free(struct peer *p)
{
	struct server *srv = p->server;

	for (struct peer **at = &srv->peers; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	srv->npeers--;
	while (p->calls)
		calls_free_one(p, p->calls);
	if (peer_codec(p)->leave)
		peer_codec(p)->leave(p);
	loop_disarm(srv->loop, &p->stall);
	loop_unwatch(srv->loop, &p->watch);
	sending_end(&p->files);
	forget_input(p);
	buf_forget(&p->out);
	buf_free(&p->held);
	passed_leave(p);
}

void peer_dismiss(struct peer *p, const struct err *e)
{
	if (!p->replying && !sending_is_on(&p->files))
		peer_error(p, NULL, e);
	peer_flush(p);
	peer_free(p);
}

void peer_farewell(struct peer *p, const struct err *e)
{
	calls_end(p, e);
	for (struct call *c; (c = calls_answerable(p));)
		answer(p, c);
	peer_flush(p);
}
