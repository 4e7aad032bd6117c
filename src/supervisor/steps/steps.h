/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine: how a pool is moved toward what is wanted of it.
 */
#ifndef POOLINIT_SUPERVISOR_STEPS_STEPS_H
#define POOLINIT_SUPERVISOR_STEPS_STEPS_H

#include "supervisor/inside.h"
#include "supervisor/work/work.h"

/* ---- phases.c ---- */
void pool_enter(struct pool *p, enum phase phase, const struct err *why); /* change phase, tell everybody */
void pool_want(struct pool *p, bool active);
void waiters_tell_phase(struct pool *p); /* those who wait for the one that it is in */

/* ---- steps.c ---- */
/* For struct upward. */
extern const struct step pool_steps[];

/* ---- moving.c ---- */
/* A step toward what is wanted of it, if there is one to take. */
void pool_step(struct pool *p);
void pool_on_clock(struct timer *t); /* p->retry */
/* all who wait for an operation of it; NULL: it went well */
void pool_answer(struct pool *p, const struct err *e);
uint64_t pool_refresh_time(const struct pool *p); /* ms that its next refresh may take */

/* ---- ground.c: what carries an active pool ---- */
/* Does an event concern who stands on `ground`, or may it be a new device of theirs (backend.h: ground,
 * grows_by)? */
bool ground_concerns(const char *ground, const char *grows_by, const struct uevent *u);
/* it is not active any more, though nobody stopped it here */
void pool_taken_away(struct pool *p, const struct err *why);
void pool_degraded(struct pool *p); /* for p->found_why, if that is known */
/* degraded pools are looked at when a device that did not answer has done so at last */
void ground_listen(struct supervisor *s);

/* ---- stopping.c ---- */
/* Pools were defined: what did an earlier supervisor know of them? */
void pools_recall(struct supervisor *s);

/* ---- mounts.c: the mount table ---- */
int mounts_watch(void *supervisor, struct err *e); /* a chore */
void mounts_free(struct supervisor *s);
void mounts_kick_inner(const struct pool *p); /* those that wait for this one need not any more */

/* ---- refreshing.c ---- */
/* The update that the worker of a volume operation goes on to, so that nobody has to be forked
 * for it */
struct update {
	int index;
	uint64_t number;
	const char *only[2];
	struct operation operation;
	struct task task;
};
/* Before the fork: what shall be looked at is the name. False: there is none to be had, and pool_touch() does
 * it. */
bool update_prepare(struct update *u, struct pool *p, const char *name);
/* The worker has begun it. False: it does not count, because the pool's index is another one by now,
 * something else is under way in the pool, or a refresh of everything is due. True: it is the pool's
 * operation now, and w is told of its end. */
bool update_begins(struct update *u, struct pool *p, struct worker *worker, struct waiter *w);
void update_drop(struct update *u);

#endif
