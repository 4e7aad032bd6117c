/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is told of what: those who wait for an answer, those who listen, people who look at `status`, and pools
 * that an event may help. Nothing here knows what a pool does then.
 */
#ifndef POOLINIT_SUPERVISOR_NEWS_NEWS_H
#define POOLINIT_SUPERVISOR_NEWS_NEWS_H

#include "supervisor/inside.h"

/* ---- waiters.c: parked questions ---- */

/* Tell all of the list the same, and leave it empty. Who is told may park again, in the same list too, and is
 * not told twice. r is read during the call only. */
void waiters_finish(struct waiter **list, const struct result *r);
/* Put a waiter into a list; its done is set, and it is in no other. */
void waiter_park(struct waiter **list, struct waiter *w);
/* All of one list go to another, which keeps its own. */
void waiters_move(struct waiter **from, struct waiter **to);

/* ---- events.c ---- */

/* The event that p has come from that phase into the one that it has now, told to listeners in both ways. */
void events_phase(struct pool *p, enum phase from);
/* Forget what happened. Listeners are their owners'. */
void events_free(struct supervisor *s);

/* ---- left_out.c ---- */
/* A worker's record "- left-out=LVM devices=…", if it is one: status shows it until the next look of that
 * kind. */
void left_out_take(struct supervisor *s, const struct line *l);
/* Forget all of them. */
void left_out_free(struct supervisor *s);

/* ---- kick.c: whom an event may help ---- */

/* The pool's next attempt comes when it is its turn, and not when its time has come. Pools that neither wait
 * nor retry are left alone. */
void pool_look_again(struct pool *p);
/* The same; of the devices it need ask none but those in its news. */
void pool_look_at_news(struct pool *p);
/* The same for what concerns this pool alone and no device, also if it is being started: it may have looked
 * just before. Its pauses begin anew. */
void pool_kick(struct pool *p);
/* May these events help the pool? bits: of the table in kick.c, as tries.came collects them while a pool is
 * being started; news: the devices that they were about, or NULL. */
bool events_help(const struct pool *p, unsigned bits, const char *news);
/* Something happened that may let a start succeed now: `what` is "device", "network", "service", or "pool";
 * NULL: anything. sysname: of the device; "": nothing has happened to one, or that is told; NULL: nobody
 * knows to which. */
void pools_kick(struct supervisor *s, const char *what, const char *sysname);
/* What some pools failed for has passed, though it is no event: the conflict with a pool that has stopped,
 * want of a secret that has a value now. */
void failed_kick(struct supervisor *s, enum err_class class);
/* A disk has come, or a pool has gone: those whose disk was taken away are looked at, for it may be there
 * again and nobody may have it open any more. */
void degraded_kick(struct supervisor *s);
#define SLOW_LOOK     SECONDS(30) /* for what should come as an event, in case the event was lost */
#define BACKOFF_FIRST SECONDS(1)
/* The pause after so many failures in a row, in milliseconds, with some chance in it. */
uint64_t retry_pause(unsigned failures);

#endif
