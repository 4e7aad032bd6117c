/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One thread, one epoll: descriptors, deadlines, nothing else. Children are descriptors (pidfd), signals are
 * a descriptor (signalfd). With nothing to do the loop sleeps for ever: an idle process has no wake-ups.
 * Nothing here allocates; a watch or a timer lives in its owner's struct.
 */
#ifndef POOLINIT_BASE_LOOP_H
#define POOLINIT_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct loop;
struct watch;
struct timer;

typedef void watch_fn(struct watch *w, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
typedef void timer_fn(struct timer *t);

struct watch {
	int fd; /* -1: not watched (loop_unwatch() sets that: take the number first if you are to close it) */
	uint32_t events;
	watch_fn *on_event;
	void *owner;
	bool watched; /* the loop's own: a watch of zeroes is not watched */
};

struct timer {
	uint64_t deadline; /* clock_ms(); meaningful while armed */
	timer_fn *on_expiry;
	void *owner;
	struct timer *next; /* the loop's own: armed timers, soonest first */
	bool armed;
};

struct loop_batch;

struct loop {
	int epoll;
	struct timer *timers;
	bool stop;
	struct loop_batch *batch; /* the events being delivered, so that a watch can be withdrawn meanwhile */
};

/* An empty loop. loop_close() gives its epoll back; watches and timers are their owners' to care for. */
int loop_init(struct loop *l, struct err *e);
void loop_close(struct loop *l);
/* Call w->on_event whenever one of `events` (EPOLLIN, EPOLLOUT) or an error is there for fd, which stays the
 * caller's to close. w must stay where it is until loop_unwatch(). -1 if the kernel does not take it. */
int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events, struct err *e);
/* Ask for other events of what is watched; 0: keep it, ask for nothing. */
void loop_change(struct loop *l, struct watch *w, uint32_t events);
/* Watch it no more. Harmless if it is not watched. No event comes after it, not even one that has arrived. */
void loop_unwatch(struct loop *l, struct watch *w);
/* Call t->on_expiry at `deadline`; NEVER disarms; arming again moves it. What is past is now, behind all that
 * are due: one timer is called a round, and one that always comes back must not keep the others waiting. */
void loop_arm(struct loop *l, struct timer *t, uint64_t deadline);
/* Call it no more. Harmless if it is not armed; a timer disarms itself before it is called. */
void loop_disarm(struct loop *l, struct timer *t);
/* Deliver events until loop_stop(). Returns only then: errors of epoll itself are not errors of the
 * process. */
void loop_run(struct loop *l);
/* One round: wait at most until `deadline`, deliver what is there. false: nothing was. For tests and for the
 * drain at shutdown. */
bool loop_round(struct loop *l, uint64_t deadline);
/* loop_run() returns once the event at hand has been delivered. */
void loop_stop(struct loop *l);

#endif
