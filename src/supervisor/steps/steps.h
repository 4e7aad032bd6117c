/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine: how a pool is moved toward what is wanted of it.
 */
#ifndef POOLINIT_SUPERVISOR_STEPS_STEPS_H
#define POOLINIT_SUPERVISOR_STEPS_STEPS_H

#include "supervisor/inside.h"
#include "supervisor/work/work.h"

/* ---- phases.c ---- */

/* Change a pool's phase, the only place where that is done. It is noted in run_dir, logged, and told to
 * listeners and to those who wait for the phase. why: the reason, which is copied; NULL: there is none. */
void pool_enter(struct pool *p, enum phase phase, const struct err *why);
/* What is wanted of the pool from now on. pool_step() does something about it. */
void pool_want(struct pool *p, bool active);
/* Tell those who wait for the phase that it is in; its volumes have to be known, too. */
void waiters_tell_phase(struct pool *p);

/* ---- steps.c ---- */

/* For struct upward: the state machine. */
extern const struct step pool_steps[];

/* ---- moving.c ---- */

/* Take a step toward what is wanted of the pool, if there is one to take. May be called at any time, and
 * never blocks. The pool may be gone afterwards. */
void pool_step(struct pool *p);
/* p->tries.retry has expired: the pool looks again. */
void pool_on_clock(struct timer *t);
/* Tell all who wait for an operation of the pool, with e or well (NULL). */
void pool_answer(struct pool *p, const struct err *e);
/* Milliseconds that its next refresh may take. */
uint64_t pool_refresh_time(const struct pool *p);

/* ---- ground.c: what carries an active pool ---- */
/* Does an event concern who stands on `ground`, or may it be a new device of theirs (backend.h: ground,
 * grows_by)? */
bool ground_concerns(const char *ground, const char *grows_by, const struct uevent *u);
/* It is not active any more, though nobody stopped it here: it is started again, after a pause. */
void pool_taken_away(struct pool *p, const struct err *why);
/* It is degraded, for work.found_why if that is known. */
void pool_degraded(struct pool *p);
/* Degraded pools are looked at when a device that did not answer has done so at last. */
void ground_listen(struct supervisor *s);

/* ---- stopping.c ---- */
/* Pools were defined: what did an earlier supervisor know of them? */
void pools_recall(struct supervisor *s);

/* ---- mounts.c: the mount table ---- */

/* Watch the mount table: a chore's attempt, whose owner is the supervisor. Harmless if it is watched. */
int mounts_watch(void *supervisor, struct err *e);
/* Watch it no longer. */
void mounts_free(struct supervisor *s);
/* The pool is given up: those that lie below it and wait for it need not any more. */
void mounts_kick_inner(const struct pool *p);

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
/* Before the worker begins: what shall be looked at is the name; t is filled. False: there is none to be had,
 * and pool_touch() does it. */
bool update_prepare(struct update *u, struct pool *p, struct pool_view *t, const char *name);
/* The worker has begun it. False: it does not count, because the pool's index is another one by now,
 * something else is under way in the pool, or a refresh of everything is due. True: it is the pool's
 * operation now, and w is told of its end. */
bool update_begins(struct update *u, struct pool *p, struct worker *worker, struct waiter *w);
/* It is not needed, or another one does it. Harmless after update_begins(), and twice. */
void update_drop(struct update *u);

#endif
