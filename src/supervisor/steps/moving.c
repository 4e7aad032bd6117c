/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What all steps of the state machine have in common: that one is taken, the operation that it begins, what
 * is told of that, and what becomes of a pool whose start has failed. The steps themselves are a table
 * (steps.c), which is reached through struct upward: a step may call for the next one.
 */
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/moves.h"
#include "supervisor/work/waiting.h"

/* Move one pool a step toward what is wanted of it. Called whenever something may have changed; never
 * blocks. */
void pool_step(struct pool *p)
{
	if (p->work.worker || !p->sup->moving) /* one operation at a time; its end calls us again */
		return;
	if (p->work.jobs && p->sup->shutdown.on) /* they are being ended, which calls us again */
		return;
	if (p->work.stuck > 0 && p->want.active && p->phase != PHASE_STOPPING)
		return; /* what was left behind goes first: its end is the event */
	for (const struct step *step = p->sup->up->steps; step->act; step++)
		if (step->want == p->want.active && step->phase == p->phase) {
			if (!step->on_event || p->tries.again)
				step->act(p);
			return;
		}
}

void pool_on_clock(struct timer *t)
{
	struct pool *p = t->owner;

	p->want.refresh |= (p->tries.doubted || p->reason.fill) && p->phase == PHASE_ACTIVE;
	p->tries.doubted = false;
	p->tries.again = true;
	pool_step(p);
}

/* ---- an operation ---- */

uint64_t step_deadline(uint64_t asked, uint64_t option, uint64_t backends, uint64_t house)
{
	const uint64_t first[] = { asked, option, backends };

	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		if (first[i])
			return first[i];
	return house;
}

uint64_t pool_refresh_time(const struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	return step_deadline(p->want.refresh_timeout, p->sup->options.refresh_deadline,
	                     b ? b->deadline.refresh : 0, DEADLINE_REFRESH);
}

void pool_answer(struct pool *p, const struct err *e)
{
	struct result r = { .err = e, .pool = p };

	waiters_finish(&p->served, &r);
	waiters_finish(&p->waiters, &r);
}

/* But for their numbers: a filesystem that meets an error each second has one warning. */
static bool is_same_warning(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	for (;; a++, b++) {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b || !*a)
			return *a == *b;
	}
}

/* Said when it is new, and when it is over. */
static void take_warning(struct pool *p, const char *text)
{
	struct event ev = { .name = "pool-warning" };
	bool known = is_same_warning(p->reason.warning ? p->reason.warning : "", text);

	pool_set_text(&p->reason.warning, text);
	if (known)
		return;
	if (*text)
		log_warn(LF_POOL, "%s: warning: %s", p->name, text);
	else
		log_info(LF_POOL, "%s: the warning is over", p->name);
	event_str(&ev, "pool", p->name);
	event_str(&ev, "warning", text);
	events_emit(p->sup, &ev);
}

void step_on_note(struct worker *w, const struct line *l)
{
	struct pool *p = w->task.owner;
	const char *note = line_get(l, "note");

	if (note && worker_may_log(w))
		log_info(LF_POOL, "%s: %s", p->name, note);
	p->life.begun |= line_has(l, "begun");
	left_out_take(p->sup, l);
	if (line_has(l, "detail"))
		pool_set_text(&p->life.detail, line_get(l, "detail"));
	if (line_has(l, "place"))
		pool_set_text(&p->life.place, line_get(l, "place"));
	if (line_has(l, "avoid"))
		pool_set_text(&p->life.avoid, line_get(l, "avoid"));
	if (line_has(l, "warning"))
		take_warning(p, line_get(l, "warning"));
	if (line_has(l, "fill"))
		pool_set_text(&p->reason.fill, line_get(l, "fill"));
	if (line_has(l, "address")) {
		pool_set_text(&p->life.address, line_get(l, "address"));
		p->life.address_answered = streq_null(line_get(l, "answered"), "yes");
	}
	if (line_has(l, "lost"))
		pool_set_text(&p->work.lost, line_get(l, "lost"));
	if (line_has(l, "identity"))
		pool_set_text(&p->life.identity, line_get(l, "identity"));
}

/* A worker that could not even be forked: whoever asked is told; the pool is as before, and it is tried when
 * there may be more room. */
void step_no_worker(struct pool *p, const struct err *e)
{
	if (!p->reason.text || !streq(p->reason.text, e->message))
		log_error(LF_WORKER, "%s: %s", p->name, e->message);
	pool_set_text(&p->reason.text, e->message);
	loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + BACKOFF_FIRST);
	pool_answer(p, p->life.fresh ? NULL : e); /* the start did succeed */
}

/* What carries it now, word by word. Without memory for it the pool hears of no events. */
static void on_ground(struct worker *w, const char *data, size_t len)
{
	struct pool *p = w->task.owner;

	free(p->life.ground);
	p->life.ground = strndup(data, len);
}

void step_fill(struct pool *p, struct task *task, struct operation *o, struct pool_view *t)
{
	view_fill(t, p);
	o->pool = t;
	o->sup = p->sup;
	task->pool = p->name;
	task->owner = p;
	task->subject = p;
	task->prompt = true;
	task->arg = o;
	if (!task->on_record)
		task->on_record = step_on_note;
	task->on_payload = on_ground;
}

bool step_launch(struct pool *p, struct task *task, struct operation *o, struct pool_view *t, struct err *e)
{
	const struct errand errand = { .operation = o, .next = task->then ? task->then->arg : NULL };

	require_or(!p->work.worker, false); /* two operations at once on one storage */
	step_fill(p, task, o, t);
	p->tries.again = false;
	p->tries.came = 0;
	loop_disarm(p->sup->loop, &p->tries.retry);
	p->work.worker = waiting_start(p->sup, task, &errand, e);
	return p->work.worker != NULL;
}

void step_on_gone(struct worker *w)
{
	struct pool *p = w->task.owner;

	require_or(p->work.stuck > 0, );
	p->work.stuck--;
	p->tries.again = p->work.stuck == 0;
	if (p->tries.again && p->phase == PHASE_INACTIVE && !p->want.active && w->task.run == operation_start)
		pool_enter(p, PHASE_CHECKING, NULL); /* it may have done at last what nobody wants any more */
	pool_step(p);
}

void step_over(struct pool *p, bool left)
{
	p->work.worker = NULL;
	p->work.stuck += left;
}

/* ---- a start that has failed ---- */

/* A transient pool that is no longer active. */
void step_forget(struct pool *p)
{
	pool_enter(p, PHASE_INACTIVE, NULL);
	state_forget(p, false);
	registry_remove(p);
}

void step_start_failed(struct pool *p, const struct err *e)
{
	demand_or(e, );

	enum err_remedy remedy = err_remedy(e->class);
	struct err said = *e;

	p->tries.attempts++;
	if (remedy == REMEDY_NONE) {
		pool_enter(p, PHASE_FAILED, e);
	} else {
		pool_enter(p, remedy == REMEDY_EVENT ? PHASE_WAITING : PHASE_RETRYING, e);
		uint64_t pause = retry_pause(p->tries.attempts);
		loop_arm(p->sup->loop, &p->tries.retry,
		         clock_ms() + (remedy == REMEDY_EVENT ? SLOW_LOOK : pause));
		if (p->waiters && p->def.persistent && !p->def.live)
			err_wrap(&said, ERR_KEEP,
			         "cannot start pool \"%s\" yet (it is tried again until pool-destroy)",
			         p->name);
	}
	pool_answer(p, &said);
	/* pool-create failed: nothing is left of it */
	if (!p->def.persistent && !p->times.active && !p->want.recalled) {
		if (!p->life.begun) {
			step_forget(p);
			return;
		}
		pool_want(p, false);
		pool_step(p);
		return;
	}
	if (e->class != ERR_CONFLICT)
		failed_kick(p->sup, ERR_CONFLICT); /* it is not in the way of others any more */
	if (p->def.live) { /* pool-create over a definition that is kept: that one is back */
		pool_want(p, false);
		pool_step(p);
		return;
	}
	/* Something came while we looked, or what we looked for is no longer what is wanted. */
	if (p->def.next_xml ||
	    (remedy == REMEDY_EVENT ? p->tries.came : events_help(p, p->tries.came, p->tries.news)))
		(p->def.next_xml ? pool_look_again : pool_look_at_news)(p);
}
