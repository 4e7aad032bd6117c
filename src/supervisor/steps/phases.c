/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool enters a phase: it is noted, logged and told. Which phase comes next is decided in steps.c.
 */
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/steps.h"

/* ---- waiting for one ---- */

/* A pool that has just become active is waited for until its volumes are known too: who waited will ask for
 * them next. */
static bool reached(const struct waiter *w, const struct pool *p)
{
	return (w->phases & 1U << p->phase) && !pool_awaits_index(p);
}

void waiters_tell_phase(struct pool *p)
{
	struct supervisor *s = p->sup;

	for (struct waiter *w = s->waits, *next; w; w = next) {
		next = w->next;
		if (w->pool != p || !reached(w, p))
			continue;
		waiter_withdraw(w);
		w->done(w, &(struct result){ .pool = p });
		next = s->waits; /* the list may have changed under us; those told are no longer in it */
	}
}

/* Its time is over; or it need not have waited, and is told in a round of its own. */
static void on_wait_over(struct timer *t)
{
	struct waiter *w = t->owner;
	struct pool *p = w->pool;
	struct err e = { 0 };

	waiter_withdraw(w);
	if (reached(w, p)) {
		w->done(w, &(struct result){ .pool = p });
		return;
	}
	if (w->phases & 1U << p->phase)
		err_set(&e, ERR_TIMEOUT, "pool \"%s\" is %s, but its volumes are still being read", p->name,
		        phase_word(p->phase));
	else
		err_set(&e, ERR_TIMEOUT, "pool \"%s\" is still %s%s%s", p->name, phase_word(p->phase),
		        p->reason.text ? ": " : "", p->reason.text ? p->reason.text : "");
	w->done(w, &(struct result){ .err = &e, .pool = p });
}

int pool_wait(struct pool *p, unsigned phases, uint64_t deadline, struct waiter *w, struct err *e)
{
	demand(phases && w && w->done, e);
	w->pool = p;
	w->phases = phases;
	w->timer = (struct timer){ .on_expiry = on_wait_over, .owner = w };
	waiter_park(&p->sup->waits, w);
	loop_arm(p->sup->loop, &w->timer, reached(w, p) ? 0 : deadline);
	return 0;
}

/* ---- entering one ---- */

/* Is this where it was before its last attempt, for the same reason? */
static bool waits_on(const struct pool *p)
{
	const struct pool_stage *end = p->times.stages + p->times.nstages;

	return p->times.nstages > 1 && end[-1].phase == PHASE_STARTING && end[-2].phase == p->phase &&
	       streq_null(end[-2].waits, p->reason.waits_for);
}

/* For the timeline. A pool that was stopped begins a new way. */
static void note_stage(struct pool *p, enum phase from, uint64_t now)
{
	struct pool_times *t = &p->times;

	if (from == PHASE_INACTIVE)
		while (t->nstages)
			pool_stage_drop(p, 0);
	if (waits_on(p)) {
		pool_stage_drop(p, t->nstages - 1);
		return;
	}
	if (t->nstages == POOL_STAGES)
		pool_stage_drop(p, POOL_STAGES / 2);
	t->stages[t->nstages] = (struct pool_stage){ .since = now, .phase = p->phase };
	pool_set_text(&t->stages[t->nstages++].waits, p->reason.waits_for);
}

static void note_times(struct pool *p, enum phase from)
{
	uint64_t now = clock_ms();

	note_stage(p, from, now);
	if (p->phase == PHASE_ACTIVE)
		p->times.active = now;
	else if (p->phase == PHASE_DEGRADED)
		p->tries.revive_at = now + SLOW_LOOK; /* so that people see it */
}

/* How loud it is said depends on the phase, and on whether it is news. */
static void log_phase(struct pool *p, enum phase from)
{
	static const enum log_level levels[PHASES] = {
		[PHASE_INACTIVE] = LOG_INFO,  [PHASE_CHECKING] = LOG_DEBUG, [PHASE_WAITING] = LOG_INFO,
		[PHASE_STARTING] = LOG_DEBUG, [PHASE_ACTIVE] = LOG_INFO,    [PHASE_DEGRADED] = LOG_WARN,
		[PHASE_HUNG] = LOG_ERR_,      [PHASE_RETRYING] = LOG_WARN,  [PHASE_FAILED] = LOG_ERR_,
		[PHASE_STOPPING] = LOG_DEBUG,
	};
	bool said = p->reason.said && p->reason.text && streq(p->reason.said, p->reason.text) &&
	            (p->phase == PHASE_WAITING || p->phase == PHASE_RETRYING || p->phase == PHASE_FAILED);
	/* what stands on it has to stop first */
	bool its_turn_comes = p->sup->shutdown.on && p->phase == PHASE_ACTIVE;
	/* a refresh fails, which is said by it, or no more */
	bool same = from == p->phase && p->phase == PHASE_ACTIVE;
	enum log_level level = p->work.lost && p->phase == PHASE_INACTIVE ? LOG_ERR_ : levels[p->phase];

	if (said || its_turn_comes || same)
		level = LOG_DEBUG;
	if (p->phase != PHASE_STARTING)
		pool_set_text(&p->reason.said, p->reason.text);

	log_msg(LF_POOL, level, "%s: %s%s%s%s", p->name, phase_word(p->phase),
	        from == PHASE_CHECKING && p->phase == PHASE_ACTIVE ? " (taken over as it is)" : "",
	        p->reason.text ? ": " : "", p->reason.text ? p->reason.text : "");
}

void pool_enter(struct pool *p, enum phase phase, const struct err *why)
{
	require_or((unsigned)phase < PHASES, );

	enum phase from = p->phase;
	bool was_active = pool_is_active(p);
	bool changed = from == phase && (phase == PHASE_ACTIVE || phase == PHASE_DEGRADED) &&
	               !(why ? streq_null(p->reason.text, why->message) : !p->reason.text);

	p->reason.class = why ? why->class : ERR_NONE;
	/* while it is tried again, the last reason stands */
	if (why || phase != PHASE_STARTING || from == PHASE_INACTIVE)
		pool_set_text(&p->reason.text, why ? why->message : NULL);
	pool_set_text(&p->reason.waits_for, why ? why->waits_for : NULL);
	p->phase = phase;
	if (phase == PHASE_INACTIVE && !p->want.active)
		service_release(p);
	if (!pool_is_active(p)) {
		pool_set_text(&p->reason.warning, NULL); /* it was of what is over */
		pool_set_text(&p->reason.fill, NULL);
		if (was_active)
			/* what it met at its target may have gone before the next look, which tells it that
			 * then */
			p->life.seen = 0;
	}
	if (from == phase && !changed)
		return;
	if (!changed)
		note_times(p, from);
	log_phase(p, from);
	state_save(p);
	events_phase(p, from);
	waiters_tell_phase(p);
	if (pool_is_active(p) && !was_active)
		sources_kick(p->sup, p->name); /* one may be kept in it */
}

void pool_want(struct pool *p, bool active)
{
	p->want.active = active;
	if (active)
		p->times.wanted = clock_ms();
}
