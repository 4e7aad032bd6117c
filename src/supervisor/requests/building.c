/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask about what pools live on: making it, unmaking it. Both keep an inactive pool busy: nothing
 * else is done with it meanwhile, and pool-start waits for the end. Finding what there is: finding.c.
 */
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/requests/requests.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"

/* The request whose worker it is; NULL: whoever asked has been told already. */
static struct request *request_of(const struct worker *w)
{
	struct request *r = w->sup->requests;

	while (r && r->worker != w)
		r = r->next;
	return r;
}

/* Only notes for the log. */
static void on_work_record(struct worker *w, const struct line *l)
{
	if (line_get(l, "note") && worker_may_log(w))
		log_info(LF_POOL, "%s: %s", w->task.pool, line_get(l, "note"));
}

/* The pool's own step comes after: what was asked meanwhile, or the end. */
static void on_work_done(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->task.owner;
	struct request *r = request_of(w);
	bool failed = p->phase == PHASE_FAILED && p->reason.class != ERR_NONE;

	p->work.worker = NULL;
	p->work.stuck += left;
	if (!e)
		log_info(LF_POOL, "%s: %s", p->name, r && r->on ? "built" : "deleted");
	if (r && !e)
		request_emit(p->sup, r->on ? "pool-built" : "pool-deleted", p->name);
	/* What its start has failed for is over, and it is started by whoever asks, not by itself. */
	if (!e && failed)
		pool_want(p, false);
	if (r)
		request_end(r, e);
	if (!e || !failed || !p->want.active ||
	    p->tries.again)                                 /* else nothing has changed that it failed for */
		loop_arm(p->sup->loop, &p->tries.retry, 0); /* pool-destroy may have called us */
	w->sup->up->step_shutdown(w->sup);
}

/* One that was left behind has ended: the pool may be moved again. */
static void on_work_gone(struct worker *w)
{
	struct pool *p = w->task.owner;

	p->work.stuck--;
	pool_step(p);
}

/* Nothing else may use what the pool lives on. */
static int may_be_worked_on(const struct pool *p, const char *verb, struct err *e)
{
	if (p->sup->shutdown.on)
		return err_set(e, ERR_STATE, "cannot %s pool \"%s\": shutting down", verb, p->name);
	/* One whose start has failed for good is not moved any more: building it may be the cure. */
	if (pool_is_active(p) || (p->want.active && p->phase != PHASE_FAILED))
		return err_set(e, ERR_STATE, "cannot %s pool \"%s\": it is %s (pool-destroy stops it)", verb,
		               p->name, p->phase == PHASE_INACTIVE ? "to be started" : phase_word(p->phase));
	if (p->work.worker || p->work.stuck)
		return err_set(
			e, ERR_STATE,
			"cannot %s pool \"%s\": another operation of it is under way (status lists it)", verb,
			p->name);
	return 0;
}

/* Both are the same but for what is run. */
static int build_work(struct pool *p, bool build, unsigned flags, uint64_t timeout, struct waiter *w,
                      struct err *e)
{
	demand(w && !(flags & START_BUILD), e);

	const struct backend *b = backend_find(p->type);
	struct pool_view view;
	struct operation o = { .sup = p->sup, .pool = &view, .build_flags = flags };
	struct task task = {
		.what = build ? "build" : "delete",
		.pool = p->name,
		.timeout = timeout ? timeout : DEADLINE_BUILD,
		.run = build ? operation_build : operation_delete,
		.arg = &o,
		.on_record = on_work_record,
		.on_done = on_work_done,
		.on_gone = on_work_gone,
		.owner = p,
		.subject = p,
	};
	struct request *r;

	if (may_be_worked_on(p, task.what, e) < 0)
		return -1;
	if (!b)
		return err_set(
			e, ERR_UNSUPPORTED,
			"pools of type \"%s\" can be defined and listed, but this build cannot %s them",
			pool_type_word(p->type), task.what);
	r = request_new(p->sup, p->name, w, e);
	if (!r)
		return -1;
	r->on = build;
	p->want.judged = true;
	view_fill(&view, p);
	p->work.worker = r->worker = worker_start(p->sup, &task, e);
	return p->work.worker ? 0 : request_refuse(r);
}

int pool_build(struct pool *p, uint64_t timeout, unsigned flags, struct waiter *w, struct err *e)
{
	return build_work(p, true, flags, timeout, w, e);
}

int pool_delete(struct pool *p, uint64_t timeout, struct waiter *w, struct err *e)
{
	return build_work(p, false, 0, timeout, w, e);
}
