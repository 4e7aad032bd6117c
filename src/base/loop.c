/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loop: watches first, then the timers that are due, then sleep until the next one.
 */
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

#define BATCH 16

/* Events taken from epoll but perhaps not yet delivered. Rounds nest when a callback drains, hence the
 * chain. */
struct loop_batch {
	struct epoll_event events[BATCH];
	int len;
	struct loop_batch *outer;
};

int loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	if (l->epoll < 0)
		return err_sys(e, errno, "cannot make an event loop");
	return 0;
}

void loop_close(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	while (l->timers)
		loop_disarm(l, l->timers);
	l->epoll = -1;
}

/* ---- watches ---- */

/* epoll reports a hang-up even to those who ask for nothing, which level-triggered would be a busy loop.
 * Edge-triggered and once, it is one wake-up at most, which loop_round() drops. */
static struct epoll_event interest(struct watch *w)
{
	return (struct epoll_event){
		.events = w->events ? w->events : (uint32_t)EPOLLONESHOT | (uint32_t)EPOLLET,
		.data.ptr = w,
	};
}

int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events, struct err *e)
{
	require(w->on_event, e);

	struct epoll_event ev;

	loop_unwatch(l, w);
	w->fd = fd;
	w->events = events;
	ev = interest(w);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		w->fd = -1;
		return err_sys(e, errno, "cannot watch descriptor %d", fd);
	}
	w->watched = true;
	return 0;
}

void loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev;

	if (!w->watched || w->events == events)
		return;
	w->events = events;
	ev = interest(w);
	/* needs no memory: cannot fail for a descriptor that is there */
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (!w->watched) {
		w->fd = -1;
		return;
	}
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->watched = false;
	w->fd = -1;
	for (struct loop_batch *b = l->batch; b; b = b->outer)
		for (int i = 0; i < b->len; i++)
			if (b->events[i].data.ptr == w)
				b->events[i].data.ptr = NULL;
}

/* ---- timers ---- */

void loop_arm(struct loop *l, struct timer *t, uint64_t deadline)
{
	require_or(t->on_expiry || deadline == NEVER, );

	struct timer **at = &l->timers;

	loop_disarm(l, t);
	if (deadline == NEVER)
		return;
	deadline = larger(deadline, clock_ms());
	while (*at && (*at)->deadline <= deadline)
		at = &(*at)->next;
	t->deadline = deadline;
	t->armed = true;
	t->next = *at;
	*at = t;
}

void loop_disarm(struct loop *l, struct timer *t)
{
	if (!t->armed)
		return;
	for (struct timer **at = &l->timers; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	t->next = NULL;
	t->armed = false;
}

/* One timer a round: who has sent something waits for the work of one, not for that of all that are due. */
static bool expire(struct loop *l)
{
	struct timer *t = l->timers;

	if (!t || t->deadline > clock_ms())
		return false;
	loop_disarm(l, t);
	t->on_expiry(t);
	return true;
}

/* ---- running ---- */

/* Call those watches of a round that can (first) or cannot write. A callback may withdraw others of the same
 * round: those are NULL by then, as is who has been called. */
static void call_watches(struct loop_batch *b, bool first)
{
	for (int i = 0; i < b->len; i++) {
		struct watch *w = b->events[i].data.ptr;
		uint32_t events = b->events[i].events;

		if (!w || !!(events & EPOLLOUT) != first)
			continue;
		b->events[i].data.ptr = NULL;
		if (w->events) /* else it asks for nothing by now */
			w->on_event(w, events);
	}
}

/* Who can write has something to say, mostly an answer that somebody waits for: it goes before all else. */
static void deliver(struct loop *l, struct loop_batch *b)
{
	b->outer = l->batch;
	l->batch = b;
	call_watches(b, true);
	call_watches(b, false);
	l->batch = b->outer;
}

bool loop_round(struct loop *l, uint64_t deadline)
{
	struct loop_batch b = { .len = 0 };

	if (l->timers && l->timers->deadline < deadline)
		deadline = l->timers->deadline;
	b.len = epoll_wait(l->epoll, b.events, BATCH, clock_until(deadline));
	if (b.len > 0)
		deliver(l, &b);
	else if (b.len < 0 && errno != EINTR)
		poll(NULL, 0, 100); /* "cannot happen", but if it does the process must not burn a core */
	return expire(l) || b.len > 0;
}

void loop_run(struct loop *l)
{
	while (!l->stop)
		loop_round(l, NEVER);
	l->stop = false;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
