/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask of a pool itself, start, stop, refresh: refused at once, changing nothing, or parked until
 * its outcome is known. Here it is only noted what is wanted; steps.c does it.
 */
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"

/* The step is taken in the next round of the loop, so that nobody is answered before the request has
 * returned. */
static void step_soon(struct pool *p)
{
	p->tries.again = true;
	loop_arm(p->sup->loop, &p->tries.retry, 0);
}

/* Something of this pool hangs in the kernel and may never go. */
static bool has_left_behind(const struct pool *p)
{
	for (const struct worker *w = p->sup->workers; w; w = w->next)
		if (w->task.subject == p && w->abandoned)
			return true;
	return false;
}

/* Two wishes for one start: what an admin has asked for holds, and gets nothing added by somebody who may ask
 * for less. */
static void want_build(struct pool *p, unsigned flags)
{
	bool is_less = p->want.build && (flags & ~p->want.build_flags & BUILD_ABSENT);
	bool is_more = p->want.build && (p->want.build_flags & ~flags & BUILD_ABSENT);

	if (is_less)
		return;
	p->want.build_flags = is_more ? flags : p->want.build_flags | flags;
	p->want.build = true;
}

/* Of several who ask for one start, the longest holds: each of them has a deadline of its own besides. 0 is
 * the usual one. */
static uint64_t together(const struct pool *p, uint64_t timeout)
{
	if (!p->waiters)
		return timeout;
	return timeout && p->want.timeout ? larger(timeout, p->want.timeout) : 0;
}

/* It is active, but not well: it is stopped and started again, if that can help. */
static int start_anew(struct pool *p, struct waiter *w)
{
	p->want.revive = p->want.refresh = true;
	p->tries.stop_failed = false;
	p->tries.stop_tried = p->tries.losses = 0;
	waiter_park(&p->waiters, w);
	step_soon(p);
	return 0;
}

int pool_start(struct pool *p, uint64_t timeout, unsigned build, struct waiter *w, struct err *e)
{
	demand(w && w->done, e);

	const struct backend *b = backend_find(p->type);

	if (p->sup->shutdown.on)
		return err_set(e, ERR_STATE, "cannot start pool \"%s\": shutting down", p->name);
	if (p->phase == PHASE_HUNG)
		return err_set(e, ERR_HUNG, "pool \"%s\" is active, but hung: %s", p->name,
		               p->reason.text ? p->reason.text : "");
	if (p->phase == PHASE_DEGRADED && p->want.active && b && b->revive && !build)
		return start_anew(p, w);
	if (pool_is_active(p) && p->phase != PHASE_STOPPING)
		return err_set(e, ERR_STATE, "pool \"%s\" is already active", p->name);
	if (p->phase == PHASE_STOPPING)
		return err_set(e, ERR_STATE, "pool \"%s\" is being stopped", p->name);
	if (has_left_behind(p))
		return err_set(e, ERR_HUNG,
		               "cannot start pool \"%s\": an earlier operation still hangs in the kernel "
		               "(status lists it)",
		               p->name);
	if (build && build_admit(p->type, p->name, build, e) < 0)
		return -1;
	p->want.judged = true;
	if (!p->work.worker) /* else it is under way, with a deadline of its own */
		p->want.timeout = together(p, timeout);
	if (build)
		want_build(p, build & ~START_BUILD);
	p->tries.losses = 0;
	p->reason.class = ERR_NONE; /* what it failed for holds it back no more */
	p->tries.attempts = 0;
	p->tries.again = true;
	waiter_park(&p->waiters, w);
	pool_want(p, true);
	step_soon(p);
	return 0;
}

int pool_stop(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e)
{
	demand(w && w->done, e);

	struct err stopped = { 0 };

	if (p->phase == PHASE_INACTIVE && !p->work.worker && !p->want.active)
		return err_set(e, ERR_STATE, "pool \"%s\" is not active", p->name);
	if (p->phase == PHASE_HUNG && p->work.stuck > 0)
		return err_set(e, ERR_HUNG, "cannot stop pool \"%s\": %s", p->name,
		               p->reason.text ? p->reason.text : "the storage does not answer");
	if (p->work.jobs && !volume_jobs_admit_stop(p, "stop", e))
		return -1;
	p->want.judged = true;
	if (p->phase != PHASE_STOPPING) {
		err_set(&stopped, ERR_STATE, "pool \"%s\" is being stopped", p->name);
		pool_answer(p, &stopped);
		p->tries.stop_failed = false;
		p->want.timeout = timeout;
		pool_want(p, false);
		if (p->work.worker)
			worker_cancel(p->work.worker); /* its end leads to the stop */
		else
			step_soon(p);
	}
	waiter_park(&p->waiters, w);
	return 0;
}

int pool_refresh(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e)
{
	demand(w && w->done, e);

	uint64_t before;

	if (p->phase == PHASE_HUNG)
		return err_set(e, ERR_HUNG, "cannot refresh pool \"%s\": %s", p->name,
		               p->reason.text ? p->reason.text : "the storage does not answer");
	if (p->phase != PHASE_ACTIVE && p->phase != PHASE_DEGRADED)
		return err_set(e, ERR_STATE, "pool \"%s\" is not active (%s)", p->name, phase_word(p->phase));
	if (!p->want.active)
		return err_set(e, ERR_STATE, "cannot refresh pool \"%s\": it is being stopped", p->name);
	/* the longest that anybody wants; who says nothing waits while it goes on */
	before = p->want.refresh ? p->want.refresh_timeout : timeout;
	p->want.refresh_timeout = before && timeout ? larger(before, timeout) : 0;
	p->want.refresh = true;
	waiter_park(&p->waiters, w);
	step_soon(p);
	return 0;
}
