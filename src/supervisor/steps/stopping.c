/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine's steps toward an end: the check whether a pool is what an earlier supervisor left, the
 * stop, and the giving up of one that never came up.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "supervisor/config/registry.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/moves.h"
#include "supervisor/work/work.h"

/* ---- check: taking over from an earlier supervisor ---- */

/* What we know of this pool is used once. One that was up is looked at before it is touched: what is active
 * is taken over as it is. One that has been moved already has a newer state of its own. */
static void recall(struct pool *p, const struct early_state *st)
{
	if (p->want.judged)
		return;
	p->want.recalled = true;
	p->want.active = st->want;
	p->def.outdated = st->outdated;
	pool_set_text(&p->life.place, st->place);
	pool_set_text(&p->life.address, st->address);
	p->life.address_answered = p->life.address != NULL;
	if (st->gone && !p->work.worker)
		registry_remove(p);
	else if (st->active && p->phase == PHASE_INACTIVE)
		pool_enter(p, PHASE_CHECKING, NULL);
}

void pools_recall(struct supervisor *s)
{
	struct early_state **at = &s->early, *st;

	while ((st = *at)) {
		struct pool *p = pool_by_name(s, st->name);

		if (!p) {
			at = &st->next;
			continue;
		}
		*at = st->next;
		recall(p, st);
		state_early_free(st);
	}
}

/* What was taken over needs its companion as much as what was started: iscsid repairs sessions. */
static void need_companion(const struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	if (b && b->service)
		service_need(p->sup, b->service, p, NULL);
}

/* It is taken over as it is, or counts as inactive, or is stopped because nobody wants it. */
static void on_checked(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->task.owner;
	struct supervisor *s = p->sup;

	step_over(p, left);
	if (p->def.outdated) { /* from now on it is as any pool that was defined anew while it is in use */
		p->def.live = p->def.outdated = false;
		if (p->def.next_facts)
			pool_note_origin(p, p->def.next_facts->origin);
	}
	if (!p->want.active && (e || p->work.found != STATE_INACTIVE)) {
		step_stop(p); /* it is, or may be, what it should not be */
		return;
	}
	if (e && e->class == ERR_TIMEOUT) {
		step_hung(p, e, left);
	} else if (e || p->work.found == STATE_INACTIVE) {
		/* if it is active all the same, its start finds that out */
		pool_enter(p, PHASE_INACTIVE, NULL);
	} else {
		p->want.refresh = true;
		if (p->work.found == STATE_DEGRADED)
			pool_degraded(p);
		else
			pool_enter(p, PHASE_ACTIVE, NULL);
		need_companion(p);
		pools_kick(s, "pool", NULL);
	}
	pool_step(p);
	s->up->step_shutdown(s);
}

void step_check(struct pool *p)
{
	const struct backend *b = backend_find(p->type);
	struct operation o = { 0 };
	struct task task = {
		.what = "check",
		.run = operation_check,
		.timeout = b && b->deadline.check ? b->deadline.check : SECONDS(10),
		.on_record = step_on_record,
		.on_done = on_checked,
		.on_gone = step_on_gone,
	};
	struct pool_view view;
	struct err e = { 0 };

	p->work.found = STATE_INACTIVE;
	if (!step_launch(p, &task, &o, &view, &e))
		step_no_worker(p, &e);
}

/* ---- stop ---- */

/* The pool is stopped all the same: nobody can write it again. */
static bool has_lost(struct pool *p, struct err *e)
{
	if (!p->work.lost)
		return false;
	err_set(e, ERR_STORAGE,
	        "pool \"%s\" is stopped, but what was written to it last is not all on the disk: %s", p->name,
	        p->work.lost);
	return true;
}

/* A definition given while the pool was active is in use from now on; a transient pool is forgotten. */
static void settle(struct pool *p)
{
	struct err said = { 0 };
	const struct err *why = has_lost(p, &said) ? &said : NULL;

	index_drop(p);
	memset(&p->volumes.sizes, 0, sizeof(p->volumes.sizes));
	pool_set_text(&p->life.detail, NULL);
	pool_set_text(&p->life.place, NULL);
	p->life.begun = false;
	if (why || p->phase != PHASE_INACTIVE)      /* why it has become inactive stands */
		pool_enter(p, PHASE_INACTIVE, why); /* which logs it, once, as an error */
	pool_set_text(&p->work.lost, NULL);
	pool_answer(p, why);
	if (p->def.next_xml)
		registry_switch(p);
}

/* The pool is what it was, and wanted again: a stop that fails must not leave it half-forgotten. */
static void stop_failed(struct pool *p, const struct err *e, bool left)
{
	bool undoing = p->life.begun; /* it has not been active: what a start had begun should go */
	/* as it was: the look tells if that has changed */
	enum phase phase = p->work.was == PHASE_DEGRADED || p->work.was == PHASE_HUNG ? p->work.was
	                                                                              : PHASE_ACTIVE;
	struct err why = *e;

	if (left)
		err_set(&why, ERR_HUNG, "the storage does not answer: %s", e->message);
	p->tries.stop_failed = true;
	p->tries.stop_tried = e->class == ERR_BUSY ? 0 : clock_ms(); /* then nothing was tried */
	if (!p->sup->shutdown.on)
		/* still there, so still wanted: nothing is lost by a failed stop; but look */
		p->want.active = p->want.refresh = true;
	if (left || !undoing) {
		p->tries.again |= phase == PHASE_HUNG && !left; /* does it answer now? */
		pool_enter(p, left ? PHASE_HUNG : phase, &why);
	} else {
		pool_enter(p, PHASE_RETRYING, &why);
		loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + retry_pause(++p->tries.attempts));
	}
	pool_answer(p, &why);
}

/* A pool has stopped: those that could not stop because it used them try again. */
static void retry_stops(struct supervisor *s)
{
	for (struct pool *p = s->pools, *next; s->shutdown.on && p; p = next) {
		next = p->next;
		if (!p->tries.stop_failed || p->work.stuck)
			continue;
		p->tries.stop_failed = false;
		pool_step(p);
	}
}

/* It is down. Others may have waited for that: those that want its storage, those that it used, the shutdown.
 */
static void on_stopped(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->task.owner;
	struct supervisor *s = p->sup;

	step_over(p, left);
	if (e) {
		stop_failed(p, e, left);
		pool_step(p);
	} else {
		settle(p);
		if (!p->def.persistent && !p->want.active)
			step_forget(p);
		else
			pool_step(p);
		pools_kick(s, "pool", NULL);
		failed_kick(s, ERR_CONFLICT);
		degraded_kick(s);
		retry_stops(s);
	}
	s->up->step_shutdown(s);
}

/* At shutdown the time is what is left, and a pool that hangs is let go of by force. */
static void stop_now(struct pool *p)
{
	const struct backend *b = backend_find(p->type);
	bool hurry = p->sup->shutdown.on;
	struct operation o = { .force = hurry && p->work.was == PHASE_HUNG };
	uint64_t timeout = step_deadline(p->want.timeout, p->sup->options.stop_deadline,
	                                 b ? b->deadline.stop : 0, DEADLINE_STOP);
	struct task task = {
		.what = "stop", .run = operation_stop, .on_done = on_stopped, .on_gone = step_on_gone
	};
	struct pool_view view;
	struct err e = { 0 };

	if (hurry && p->sup->shutdown.deadline < clock_ms() + timeout)
		timeout = (uint64_t)clock_until(p->sup->shutdown.deadline);
	task.timeout = timeout;
	if (step_launch(p, &task, &o, &view, &e)) {
		p->want.timeout = 0;
		return;
	}
	/* whoever asked is refused, and the pool stays as it is; what has to stop by itself stops later */
	if (p->waiters && !hurry)
		stop_failed(p, &e, false);
	step_no_worker(p, &e);
}

/* Whatever runs is ended first; the stop itself begins when it has gone. */
void step_stop(struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	if (p->sup->shutdown.on && p->tries.stop_failed)
		return;
	p->work.was = p->phase;
	pool_enter(p, PHASE_STOPPING, NULL);
	p->tries.again = false;
	if (p->work.stuck == 0 || (p->sup->shutdown.on && p->work.was == PHASE_HUNG) || (b && b->stop_frees))
		stop_now(p);
	else
		loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + SECONDS(10));
}

/* STOPPING without a worker: the ended operation has gone, or does not go. */
void step_stop_on(struct pool *p)
{
	struct err e = { 0 };

	if (p->work.stuck == 0) {
		stop_now(p);
	} else if (p->tries.again) {
		err_set(&e, ERR_HUNG, "an operation of pool \"%s\" hangs in the kernel and cannot be ended",
		        p->name);
		stop_failed(p, &e, true);
		p->sup->up->step_shutdown(p->sup);
	}
}

void step_give_up(struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	/* Parts of it may be there: they go first. A start that is stuck is looked after when it has gone
	 * (on_gone). */
	if (p->life.begun && b && b->stop && (p->work.stuck == 0 || b->stop_frees)) {
		step_stop(p);
		return;
	}
	loop_disarm(p->sup->loop, &p->tries.retry);
	p->tries.attempts = 0;
	if (p->life.place && pool_type_info(p->type)->mounts && p->reason.text)
		log_warn(LF_POOL, "%s: nothing is unmounted: %s", p->name, p->reason.text);
	p->want.build = false; /* it was asked for with a start that is wanted no more */
	p->want.build_flags = 0;
	settle(p);
	mounts_kick_inner(p);
	/* the stuck start may do at last what nobody wants: on_gone looks */
	if (!p->def.persistent && p->work.stuck == 0)
		step_forget(p);
}
