/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the state machine have in common: steps.c (the table, starting), refreshing.c and
 * stopping.c.
 */
#ifndef POOLINIT_SUPERVISOR_STEPS_MOVES_H
#define POOLINIT_SUPERVISOR_STEPS_MOVES_H

#include "supervisor/steps/steps.h"

/* ---- moving.c ---- */

/* The time for an operation, in milliseconds: the first that is given (not 0) of what was asked for, the
 * option, the backend's and the house's own. */
uint64_t step_deadline(uint64_t asked, uint64_t option, uint64_t backends, uint64_t house);
/* Fill in what all operations of a pool have in common, and what they are told of it now, which is in t. */
void step_fill(struct pool *p, struct task *task, struct operation *o, struct pool_view *t);
/* Have a worker do it: one that waits, or a new one. It has a copy of the operation's arguments. False: e
 * says why. */
bool step_launch(struct pool *p, struct task *task, struct operation *o, struct pool_view *t, struct err *e);
/* A worker that could not even be forked: whoever asked is told; the pool is as before, and it is tried when
 * there may be more room. */
void step_no_worker(struct pool *p, const struct err *e);
/* The pool's worker has ended, or is left behind. */
void step_over(struct pool *p, bool left);
/* For a job's on_gone and on_record: one that was left behind has ended; what every operation may tell. */
void step_on_gone(struct worker *w);
void step_on_note(struct worker *w, const struct line *l);
/* The start has failed: what next depends on the class. The pool may be gone afterwards. */
void step_start_failed(struct pool *p, const struct err *e);
/* A transient pool that is no longer active. */
void step_forget(struct pool *p);

/* ---- refreshing.c ---- */

/* The step of a pool that is up: a refresh of everything, or of some names, if one is due. */
void step_refresh(struct pool *p);
/* A hung pool is looked at by a worker without a deadline. */
void step_probe(struct pool *p);
/* Nothing answers below. */
void step_hung(struct pool *p, const struct err *e, bool left);
/* For a job's on_record: what check and refresh have found. */
void step_on_record(struct worker *w, const struct line *l);
/* The first refresh, which the worker of the start goes on to: prepared before it is forked, so that `job`
 * and `o` can be the start's next. False: it cannot be had, and comes as one of its own later. Once prepared,
 * it is dropped, or its worker begins it. */
bool step_prepare_refresh(struct pool *p, struct task *task, struct operation *o, struct pool_view *t);
/* The start has failed: give back what was prepared. Harmless if nothing was. */
void step_drop_refresh(struct pool *p);
/* The worker has begun it: it is the pool's refresh from now on. */
void step_refresh_begins(struct pool *p);

/* ---- stopping.c ---- */

/* An earlier supervisor had it: look whether it is up. */
void step_check(struct pool *p);
/* Whatever runs is ended first; the stop itself begins when it has gone. */
void step_stop(struct pool *p);
/* A stop that has not begun yet. */
void step_stop_on(struct pool *p);
/* It is not wanted and not up: parts of it that are there go. The pool may be gone afterwards. */
void step_give_up(struct pool *p);

#endif
