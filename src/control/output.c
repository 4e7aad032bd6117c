/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What goes to a client: its answers, the events that it has subscribed to, files. Who has something for it
 * leaves the bytes here and asks for a turn; they are sent in that (peer.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"

/* Unsent bytes that lie in memory which is kept from swap: a list has so many. A stream never has, and its
 * client may take its time. */
#define MUCH       (CONTROL_OUT_LIMIT + STREAM_CHUNK)
#define PART_LIMIT 4096         /* unsent bytes, above which a part of an answer is missed */
#define TURN_FILE  (256 * 1024) /* bytes of a file in one turn: then it is the others' */

bool peer_wants_input(const struct peer *p)
{
	return !p->eof && !p->closing && !p->borrowed && !(p->feeding && p->held_up) &&
	       p->in.len < CONTROL_IN_LIMIT;
}

/* Is there anything to do for it before it sends more? */
static bool wants_turn(const struct peer *p)
{
	return p->dead || p->busy || !peer_all_sent(p) || calls_any_finished(p);
}

void peer_begin_stall(struct peer *p)
{
	ioctl(p->fd, SIOCOUTQ, &p->unread);
	loop_arm(p->server->loop, &p->stall, clock_ms() + CONTROL_STALL);
}

void peer_wake(struct peer *p)
{
	/* Hang-ups always: a client that is parked and has closed its sending half has nothing else to tell
	 * us. */
	uint32_t events = EPOLLHUP | (peer_wants_input(p) ? EPOLLIN : 0) | (wants_turn(p) ? EPOLLOUT : 0);

	if (events != p->watch.events)
		loop_change(p->server->loop, &p->watch, events);
	if (!wants_turn(p) || (p->in.len < CONTROL_IN_LIMIT && peer_unsent(p) <= MUCH))
		loop_disarm(p->server->loop, &p->stall);
	else if (!p->stall.armed)
		peer_begin_stall(p);
}

/* What had to wait for the files follows them. */
static void end_files(struct peer *p)
{
	sending_end(&p->files);
	buf_forget(&p->out);
	p->out = p->held;
	p->out_done = 0;
	p->held = (struct buf)BUF_INIT;
}

/* The number of bytes that the socket took; 0: it takes none now, or the client is gone. */
static size_t send_some(struct peer *p)
{
	ssize_t n;

	if (peer_unsent(p)) {
		n = send(p->fd, p->out.data + p->out_done, peer_unsent(p), MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		const struct file_part *part = &p->files.parts[p->files.next];
		off_t at = (off_t)part->at;

		size_t size = part->len < TURN_FILE ? part->len : TURN_FILE;
		int fd = p->files.fds[part->file];

		if (p->files.pipe)
			n = splice(fd, NULL, p->fd, NULL, size, SPLICE_F_NONBLOCK);
		else
			n = sendfile(p->fd, fd, &at, size);
	}
	if (n > 0)
		return (size_t)n;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->dead = true;
	return 0;
}

/* So much of a file has been sent. */
static void move_on(struct peer *p, size_t n)
{
	struct sending *s = &p->files;
	struct file_part *part = &s->parts[s->next];

	part->at += n;
	part->len -= n;
	if (part->len == 0 && ++s->next == s->n)
		end_files(p);
}

/* Send until all is sent, the socket is full, or this turn has sent its share of a file. */
void peer_flush(struct peer *p)
{
	size_t file_sent = 0, n;

	while (!peer_all_sent(p) && file_sent < TURN_FILE) {
		bool from_file = !peer_unsent(p);

		n = send_some(p);
		if (n == 0)
			return;
		loop_disarm(p->server->loop, &p->stall); /* it reads: the time begins anew */
		if (!from_file) {
			p->out_done += n;
			continue;
		}
		file_sent += n;
		move_on(p, n);
	}
	if (!peer_all_sent(p))
		return;
	buf_forget(&p->out);
	p->out_done = 0;
	if (!p->held.len)
		p->event_bytes = 0;
}

/* An event of this client's alone: so many others it has missed. */
static void say_overrun(struct peer *p, uint64_t lost)
{
	struct event ev = { .name = "overrun" };

	event_num(&ev, "lost", lost);
	peer_codec(p)->event(&p->out, &ev);
}

void peer_say_lost(struct peer *p)
{
	if (!p->events_lost || p->replying || !peer_all_sent(p))
		return;
	say_overrun(p, p->events_lost);
	p->events_lost = 0;
}

/* Events are for those who read them: beyond the limit they are only counted. Never inside an answer: where
 * one has begun, or a file is being sent, the event waits behind it. */
void peer_event(struct peer *p, const struct buf *text)
{
	demand_or(text, );

	struct buf *b = sending_is_on(&p->files) || p->replying ? &p->held : &p->out;

	if (!p->subscribed || p->dead || p->closing)
		return;
	if (p->events_lost || text->failed || p->event_bytes + text->len > CONTROL_OUT_LIMIT) {
		p->events_lost++;
		return;
	}
	buf_add(b, text->data, text->len);
	p->event_bytes += text->len;
	p->dead = p->dead || b->failed;
	peer_wake(p);
}

void peer_began_answer(struct peer *p)
{
	p->replying = peer_codec(p)->calls == 1;
}

/* A file that is being sent is in the midst of another answer: with several under way this part is missed,
 * too. */
void peer_say(struct peer *p, const struct buf *part)
{
	if (part->failed || peer_unsent(p) > PART_LIMIT || sending_is_on(&p->files) || p->dead)
		return;
	peer_began_answer(p);
	buf_add(&p->out, part->data, part->len);
	p->dead = p->out.failed;
	peer_wake(p);
}

void peer_error(struct peer *p, const char *tag, const struct err *e)
{
	demand_or(e, );
	peer_codec(p)->error(&p->out, tag, e);
	p->dead = p->dead || p->out.failed; /* an answer that is lost is worse than a connection that ends */
}

/* Before the client is subscribed for good: it has room, for the ring is smaller than a client's output may
 * be. */
static void say_past(void *arg, const struct event *ev)
{
	struct peer *p = arg;

	peer_codec(p)->event(&p->out, ev);
}

/* After an OK of subscribe: the events since then, and from now on all of them. */
void peer_begin_events(struct peer *p, const struct call *c)
{
	p->subscribed = true;
	if (!c->replay)
		return;
	uint64_t lost = events_forgotten(p->server->sup, c->since);
	if (lost)
		say_overrun(p, lost);
	events_replay(p->server->sup, c->since, say_past, p);
	p->dead = p->dead || p->out.failed;
}
