/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One connected client: bytes in, lines, requests one after the other, answers out. Everything of a client is done in its own turn of the
 * loop (on_turn); what happens elsewhere, an answer from the supervisor or an event, only leaves its bytes and asks for a turn.
 *
 * A client that does not read makes nobody wait but itself: its next request is not run before the unsent output is small again. One that
 * goes on sending all the same is dropped.
 */
#include "control/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#define READ_CHUNK   4096
#define INPUT_SIZE   (CONTROL_IN_LIMIT + STREAM_CHUNK + 1)
#define SKIP_LIMIT   (1024 * 1024)      /* a refused payload up to this size is thrown away; a bigger one ends the connection */
#define TURN_CALLS   64                 /* requests, and bytes of an index, in one turn: then it is the others' */
#define TURN_INDEX   (256 * 1024)

static size_t unsent(const struct peer *p)
{
	return p->out.len - p->out_done;
}

static bool all_sent(const struct peer *p)
{
	return !unsent(p) && p->index < 0;
}

/* ---- what to hear about ---- */

static bool wants_input(const struct peer *p)
{
	return !p->eof && !p->closing && !p->borrowed && p->in.len < CONTROL_IN_LIMIT;
}

static bool wants_turn(const struct peer *p)
{
	return p->dead || p->busy || !all_sent(p) || (p->call && p->call->stage == CALL_FINISHED);
}

static void set_interest(struct peer *p)
{
	/* Hang-ups always: a client that is parked and has closed its sending half has nothing else to tell us. */
	uint32_t events = EPOLLHUP | (wants_input(p) ? EPOLLIN : 0) | (wants_turn(p) ? EPOLLOUT : 0);

	if (events != p->watch.events)
		loop_change(p->server->loop, &p->watch, events);
	if (!wants_turn(p) || p->in.len < CONTROL_IN_LIMIT)
		loop_disarm(p->server->loop, &p->stall);
	else if (!p->stall.armed)
		loop_arm(p->server->loop, &p->stall, clock_ms() + CONTROL_STALL);
}

void peer_wake(struct peer *p)
{
	set_interest(p);
}

static void stalled(struct timer *t)
{
	struct peer *p = t->owner;

	log_info(LF_CONTROL, "client %d (uid %u) dropped: it sends requests and does not read the answers", (int)p->pid, (unsigned)p->uid);
	peer_free(p);
}

/* ---- output ---- */

/* What had to wait for the index follows it. */
static void end_index(struct peer *p)
{
	close(p->index);
	p->index = -1;
	buf_forget(&p->out);
	p->out = p->held;
	p->out_done = 0;
	p->held = (struct buf)BUF_INIT;
}

/* The number of bytes that the socket took; 0: it takes none now, or the client is gone. */
static size_t send_some(struct peer *p)
{
	ssize_t n;

	if (unsent(p))
		n = send(p->fd, p->out.data + p->out_done, unsent(p), MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		n = sendfile(p->fd, p->index, &p->index_at, p->index_left < TURN_INDEX ? p->index_left : TURN_INDEX);
	if (n > 0)
		return (size_t)n;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->dead = true;
	return 0;
}

/* Send until all is sent, the socket is full, or this turn has sent its share of an index. */
static void flush(struct peer *p)
{
	size_t index_sent = 0, n;

	while (!all_sent(p) && index_sent < TURN_INDEX) {
		bool from_index = !unsent(p);

		n = send_some(p);
		if (n == 0)
			return;
		loop_disarm(p->server->loop, &p->stall);        /* it reads: the time begins anew */
		if (!from_index) {
			p->out_done += n;
			continue;
		}
		index_sent += n;
		p->index_left -= n;
		if (p->index_left == 0)
			end_index(p);
	}
	if (!all_sent(p))
		return;
	buf_forget(&p->out);
	p->out_done = 0;
	if (!p->held.len)
		p->event_bytes = 0;
}

static void say_lost(struct peer *p)
{
	if (!p->events_lost || p->replying || !all_sent(p))
		return;
	buf_printf(&p->out, "! event=overrun lost=%llu\n", (unsigned long long)p->events_lost);
	p->events_lost = 0;
}

/* Events are for those who read them: beyond the limit they are only counted. Never inside an answer: where one has begun, or
 * an index is being sent, the event waits behind it. */
void peer_event(struct peer *p, const char *line, size_t len)
{
	struct buf *b = p->index >= 0 || p->replying ? &p->held : &p->out;

	if (p->call && p->call->waits_boot) {   /* looked at in its next turn: whoever tells of the event is not done yet */
		p->busy = true;
		set_interest(p);
	}
	if (!p->subscribed || p->dead || p->closing)
		return;
	if (p->events_lost || p->event_bytes + len > CONTROL_OUT_LIMIT) {
		p->events_lost++;
		return;
	}
	buf_add(b, line, len);
	p->event_bytes += len;
	p->dead = p->dead || b->failed;
	set_interest(p);
}

void peer_say(struct peer *p, const struct buf *line)
{
	if (line->failed || unsent(p) > READ_CHUNK || p->dead)
		return;
	p->replying = true;
	buf_add(&p->out, line->data, line->len);
	p->dead = p->out.failed;
	set_interest(p);
}

static void answer_error(struct peer *p, const char *tag, const struct err *e)
{
	if (tag)
		buf_printf(&p->out, "@%s ", tag);
	line_error(&p->out, e);
	p->dead = p->dead || p->out.failed;     /* an answer that is lost is worse than a connection that ends */
}

/* After an OK of subscribe: the events since then, and from now on all of them. */
static void begin_events(struct peer *p, const struct call *c)
{
	struct buf past = BUF_INIT;
	uint64_t lost = 0;

	p->subscribed = true;
	if (!c->replay)
		return;
	events_replay(p->server->sup, c->since, &past, &lost);
	if (lost)
		buf_printf(&p->out, "! event=overrun lost=%llu\n", (unsigned long long)lost);
	buf_add(&p->out, buf_str(&past), past.len);
	p->dead = p->dead || past.failed;
	buf_free(&past);
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
static void answer(struct peer *p)
{
	struct call *c = p->call;
	bool index = c->index >= 0;

	call_answer(c, &p->out, index ? &p->held : &p->out);
	if (index) {
		p->index = steal_fd(&c->index);
		p->index_at = 0;
		p->index_left = c->index_len;
	}
	p->dead = p->dead || p->out.failed || p->held.failed;
	if (c->subscribe && !c->failed)
		begin_events(p, c);
	if (p->replying && !index && p->held.len) {     /* events that waited for the end of this answer */
		buf_add(&p->out, p->held.data, p->held.len);
		buf_free(&p->held);
		p->dead = p->dead || p->out.failed;
	}
	p->replying = false;
	p->closing = p->closing || c->quit;
	skip_payload(p, c->stream.left);
	end_borrowed(p, c);
	p->call = NULL;
	call_free(c);
}

/* ---- input ---- */

/* The answer to what cannot be followed any further: one ERR, and the end. */
static void give_up(struct peer *p, enum err_class class, const char *why)
{
	struct err e = { 0 };

	err_set(&e, class, "%s", why);
	answer_error(p, NULL, &e);
	p->closing = true;
	buf_forget(&p->in);
}

/* Might the line be the head of a payload? Then its bytes cannot be told from requests, when the line itself is not understood. */
static bool announces_payload(const char *line, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (line[i] == '=' && line[i - 1] == ' ')
			return true;
	return false;
}

/* What is still to come of a payload that nobody wants any more is got out of the way. */
static void skip_payload(struct peer *p, uint64_t len)
{
	if (len > SKIP_LIMIT) {
		p->closing = true;
		buf_forget(&p->in);
		return;
	}
	p->skip = len;
}

/* A request that is refused before it began: say why. */
static void refuse(struct peer *p, struct call *c, const struct err *e)
{
	answer_error(p, c->line.tag, e);
	if (c->line.has_payload)
		skip_payload(p, c->line.payload_len);
}

/* passes: the line came with a descriptor, or with others of which one has it. */
static void take_line(struct peer *p, const char *line, size_t len, bool passes)
{
	struct err e = { 0 };
	struct call *c;

	if (memchr(line, '\0', len)) {
		give_up(p, ERR_SYNTAX, "a NUL byte in a line");
		return;
	}
	c = call_new(p, line, len);
	if (!c) {
		p->dead = true;
		return;
	}
	if (line_parse(c->text, len, &c->line, &e) < 0) {
		answer_error(p, c->line.tag, &e);
		if (announces_payload(line, len)) {
			p->closing = true;
			buf_forget(&p->in);
		}
		call_free(c);
		return;
	}
	if (c->line.kind == LINE_EMPTY) {
		call_free(c);
		return;
	}
	if (call_check(c, p->level, &e) < 0) {
		refuse(p, c, &e);
		call_free(c);
		return;
	}
	p->call = c;
	p->active = clock_ms();
	c->passed = passes && c->verb->data ? p->borrowed : 0;
	if (c->stage == CALL_RUNNING)
		call_run(c);
}

/* Bytes that have arrived already, for a payload or for nobody. */
static void feed_payload(struct peer *p)
{
	struct call *c = p->call;
	size_t n = c->payload_len - c->payload_got;

	if (n > p->in.len)
		n = p->in.len;
	memcpy(c->payload + c->payload_got, buf_str(&p->in), n);
	c->payload_got += n;
	buf_consume(&p->in, n);
	explicit_bzero(p->in.data + p->in.len, n);      /* it may be a secret */
	if (c->payload_got == c->payload_len)
		call_run(c);
}

static void feed_skip(struct peer *p)
{
	size_t n = p->skip < p->in.len ? (size_t)p->skip : p->in.len;

	p->skip -= n;
	buf_consume(&p->in, n);
}

/* What has arrived, before the client said that no more will: half a request is none. */
static void end_of_input(struct peer *p)
{
	if (p->call && p->call->stage == CALL_PAYLOAD) {
		char why[96];

		snprintf(why, sizeof(why), "the payload ended after %zu of %zu bytes: nothing was done", p->call->payload_got, p->call->payload_len);
		call_free(p->call);
		p->call = NULL;
		give_up(p, ERR_SYNTAX, why);
	} else if (!p->call && p->in.len) {
		give_up(p, ERR_SYNTAX, "the last line has no end: nothing was done");
	} else if (!p->call) {
		p->closing = true;
	}
}

/* One step with what is there: false if there is nothing to do before more bytes come, go, or the supervisor answers. */
static bool step(struct peer *p)
{
	struct call *c = p->call;
	const char *lf;

	if (c && stream_is_open(c))
		return stream_step(p);
	if (c && c->stage == CALL_FINISHED) {
		answer(p);
		return true;
	}
	if (p->dead || p->closing || (c && c->stage != CALL_PAYLOAD) || p->index >= 0 || unsent(p) >= CONTROL_OUT_LIMIT)
		return false;
	if (p->in.len && (c || p->skip)) {
		if (c)
			feed_payload(p);
		else
			feed_skip(p);
		return true;
	}
	if (c && c->payload_got == c->payload_len) {            /* an empty payload */
		call_run(c);
		return true;
	}
	lf = p->in.len ? memchr(p->in.data, '\n', p->in.len < LINE_MAX_BYTES ? p->in.len : LINE_MAX_BYTES) : NULL;
	if (lf) {
		char line[LINE_MAX_BYTES];
		size_t len = (size_t)(lf - p->in.data);
		bool passes = p->borrowed && p->in.len <= p->borrowed;

		memcpy(line, p->in.data, len);
		buf_consume(&p->in, len + 1);
		take_line(p, line, len, passes);
		return true;
	}
	if (p->borrowed)
		give_up(p, ERR_INVALID, "a descriptor that no request takes: it comes with the whole line of vol-upload or vol-download");
	else if (p->in.len >= LINE_MAX_BYTES)
		give_up(p, ERR_TOO_LONG, "a line of more than 4096 bytes");
	else if (p->eof)
		end_of_input(p);
	return false;
}

/* The buffer is made in its full size: one that grows leaves copies behind. */
static bool open_input(struct peer *p)
{
	if (p->in.data)
		return true;
	p->in.data = malloc(INPUT_SIZE);
	if (!p->in.data)
		return false;
	p->in.data[0] = '\0';
	p->in.size = INPUT_SIZE;
	return true;
}

/* Bytes that come with a descriptor are copied and left where they are: whoever takes them has the descriptor to close. *borrowed: it is so. */
static ssize_t receive(struct peer *p, void *data, size_t size, size_t most, bool *borrowed)
{
	ssize_t n = passed_peek(p->fd, data, most, borrowed);

	if (n <= 0)
		return n;
	if (!*borrowed)
		return recv(p->fd, data, (size_t)n < size ? (size_t)n : size, MSG_DONTWAIT);
	/* In the midst of a payload, or behind more than we look at: nobody will ever get to it. */
	if ((size_t)n == most || p->skip || (p->call && (p->call->stage == CALL_PAYLOAD || p->call->stream.in))) {
		log_info(LF_CONTROL, "client %d (uid %u) dropped: a descriptor that belongs to no request", (int)p->pid, (unsigned)p->uid);
		p->dead = true;
		return -1;
	}
	return n;
}

static void read_some(struct peer *p)
{
	struct call *c = p->call;
	bool payload = c && c->stage == CALL_PAYLOAD && c->payload_got < c->payload_len && !p->in.len, borrowed = false;
	ssize_t n;

	if (payload)
		n = receive(p, c->payload + c->payload_got, c->payload_len - c->payload_got, c->payload_len - c->payload_got, &borrowed);
	else if (open_input(p))
		n = receive(p, p->in.data + p->in.len, c && stream_is_open(c) ? STREAM_CHUNK : READ_CHUNK, INPUT_SIZE - 1 - p->in.len, &borrowed);
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

	flush(p);
	while (!p->dead && ran && budget > 0) {
		for (ran = false; !p->dead && budget > 0 && step(p); budget -= p->call && stream_is_open(p->call) ? STREAM_COST : 1)
			ran = true;
		if (!p->dead)
			flush(p);
	}
	p->busy = budget <= 0;
}

/* Is it in the midst of a payload, of which the rest comes behind a descriptor? Then it will never go on. */
static bool is_stuck(const struct peer *p)
{
	const struct call *c = p->call;

	return p->borrowed && !p->in.len && (p->skip || (c && (c->stage == CALL_PAYLOAD || (stream_is_open(c) && c->stream.in))));
}

/* A client's turn: take in, run, send. */
static void on_turn(struct watch *w, uint32_t events)
{
	struct peer *p = w->owner;

	if ((events & EPOLLIN) && wants_input(p))
		read_some(p);
	if (p->call)
		call_look_at_boot(p->call);
	work(p);
	p->dead = p->dead || is_stuck(p);
	if (!p->in.len)
		buf_forget(&p->in);
	say_lost(p);
	/* Hung up for good: nobody is there to answer. What was begun for it goes on, what was not begun is not. */
	if (p->dead || (p->closing && all_sent(p)) || (events & (EPOLLHUP | EPOLLERR))) {
		peer_free(p);
		return;
	}
	set_interest(p);
}

void peer_on_stream(struct watch *w, uint32_t events)
{
	struct peer *p = w->owner;

	(void)events;
	loop_unwatch(p->server->loop, w);
	on_turn(&p->watch, 0);
}

/* ---- beginning and end ---- */

struct peer *peer_new(struct server *srv)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p)
		*p = (struct peer){ .server = srv, .fd = -1, .index = -1, .active = clock_ms(), .watch = { .fd = -1, .on_event = on_turn, .owner = p },
				    .stall = { .on_expiry = stalled, .owner = p } };
	return p;
}

int peer_begin(struct peer *p, struct err *e)
{
	struct server *srv = p->server;

	buf_printf(&p->out, "* poolinit 1 %s boot=%s state=%s\n", POOLINIT_VERSION, srv->boot_id,
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
	call_free(p->call);
	loop_disarm(srv->loop, &p->stall);
	loop_unwatch(srv->loop, &p->watch);
	if (p->index >= 0)
		close(p->index);
	buf_forget(&p->in);
	buf_forget(&p->out);
	buf_free(&p->held);
	passed_leave(p);
}

void peer_dismiss(struct peer *p, const struct err *e)
{
	if (!p->replying && p->index < 0)
		answer_error(p, NULL, e);
	flush(p);
	peer_free(p);
}

void peer_farewell(struct peer *p, const struct err *e)
{
	if (p->call && p->call->stage == CALL_PARKED) {
		waiter_withdraw(&p->call->waiter);
		call_fail(p->call, e);
	}
	if (p->call && p->call->stage == CALL_FINISHED)
		answer(p);
	flush(p);
}
