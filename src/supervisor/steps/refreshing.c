/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine's steps of a pool that is up: its refresh, what that finds, and the look at one that
 * hangs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/moves.h"
#include "supervisor/work/work.h"

#define REFRESH_AT_MOST SECONDS(3600) /* however it goes on: somebody may feed us names for ever */
#define LATE_STOP       SECONDS(600) /* for so long a stop that was reported as failed may happen after all */

/* Sizes of the pool, and owner and mode of its directory. */
static void refresh_facts(struct pool *p, const struct line *l)
{
	p->volumes.sizes.capacity = line_u64(l, "capacity", 0);
	p->volumes.sizes.allocation = line_u64(l, "allocation", 0);
	p->volumes.sizes.available = line_u64(l, "available", 0);
	p->volumes.sizes.has_perms = line_has(l, "mode");
	p->volumes.sizes.mode = (unsigned)line_u64(l, "mode", 0);
	p->volumes.sizes.owner = (uint32_t)line_u64(l, "owner", 0);
	p->volumes.sizes.group = (uint32_t)line_u64(l, "group", 0);
	pool_set_text(&p->volumes.free_extents, line_get(l, "free-extents"));
}

void step_on_record(struct worker *w, const struct line *l)
{
	struct pool *p = w->task.owner;
	const char *state = line_get(l, "state");

	step_on_note(w, l);
	if (line_has(l, "watch"))
		watch_number(p, (int)line_u64(l, "watch", 0));
	if (line_has(l, "errors"))
		p->volumes.errors = line_u64(l, "errors", 0);
	if (line_has(l, "capacity"))
		refresh_facts(p, l);
	p->work.unchanged |= line_has(l, "unchanged");
	p->work.revived |= line_has(l, "revived");
	if (!state)
		return;
	p->work.found = streq(state, "active") ? STATE_ACTIVE : STATE_INACTIVE;
	if (streq(state, "degraded"))
		p->work.found = STATE_DEGRADED;
	pool_set_text(&p->work.found_why, line_get(l, "reason"));
}

/* It is not there: it was never really started, or a stop that was reported as failed has happened after all,
 * or somebody else did it. */
static void lost(struct pool *p)
{
	bool stopped = !p->work.revived &&
	               (p->tries.stop_failed ||
	                (p->tries.stop_tried && clock_ms() - p->tries.stop_tried < LATE_STOP));
	const char *found = p->work.found_why ? p->work.found_why : "it is no longer active";
	struct err why = { 0 };

	if (stopped || !p->want.active)
		err_set(&why, ERR_STORAGE, "%s: the stop that was asked for has happened after all", found);
	else if (p->life.fresh)
		err_set(&why, ERR_STORAGE, "its start was reported as done, but %s", found);
	else
		err_set(&why, ERR_STORAGE,
		        "%s; it is wanted, so it is started again after a pause (pool-destroy ends that)",
		        found);
	index_drop(p);
	if (stopped) /* who wanted it refreshed; who stops it hears of its end */
		waiters_finish(&p->served, &(struct result){ .err = &why, .pool = p });
	if (stopped || (!pool_type_info(p->type)->mounts && outer_vouches(p)))
		pool_set_text(&p->life.place, NULL);
	if (stopped || !p->want.active) {
		pool_want(p, false);
		pool_enter(p, PHASE_INACTIVE, &why);
	} else if (p->life.fresh) {
		step_start_failed(p, &why);
	} else {
		pool_taken_away(p, &why);
	}
	failed_kick(p->sup, ERR_CONFLICT);
	degraded_kick(p->sup);
}

/* Nothing answers below. What was left behind says by its end that it is time to look again; if nothing was,
 * the clock does. */
void step_hung(struct pool *p, const struct err *e, bool left)
{
	struct err why = { 0 };

	err_set(&why, ERR_HUNG, "the storage does not answer: %s", e->message);
	pool_enter(p, PHASE_HUNG, &why);
	p->want.refresh = false;
	p->want.refresh_timeout = 0;
	pool_answer(p, &why);
	if (!left)
		loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + SLOW_LOOK);
}

/* Who asked while it was under way wants to see what is there now. */
static void answer_refresh(struct pool *p, const struct err *e)
{
	if (p->want.refresh)
		waiters_finish(&p->served, &(struct result){ .err = e, .pool = p });
	else
		pool_answer(p, e);
}

/* When one that is degraded is looked at again, should nothing tell that it is well. */
static uint64_t next_look(struct pool *p, const struct backend *b, uint64_t now)
{
	if (!b->look_again)
		return p->tries.revive_at > now ? p->tries.revive_at : now + SLOW_LOOK;
	/* What an event has told of may not be over yet. */
	p->tries.look_pause = p->tries.look_pause && !p->work.updating ? 2 * p->tries.look_pause
	                                                               : b->look_again;
	if (p->tries.look_pause > SLOW_LOOK)
		p->tries.look_pause = SLOW_LOOK;
	return now + p->tries.look_pause;
}

/* A refresh that failed is tried again on a slow clock: the trouble may pass without an event. */
static void refresh_failed(struct pool *p, const struct err *e, bool left)
{
	bool known = (p->reason.text && streq(p->reason.text, e->message)) ||
	             (p->phase == PHASE_DEGRADED && p->tries.stale);

	if (e->class == ERR_TIMEOUT) {
		step_hung(p, e, left);
		return;
	}
	if (e->class != ERR_STATE) { /* not one that we cancelled ourselves */
		log_msg(LF_POOL, known ? LOG_DEBUG : LOG_WARN, "%s: refresh: %s", p->name, e->message);
		/* what is wrong says more than what was tried */
		if (p->work.found == STATE_DEGRADED && p->work.found_why)
			pool_degraded(p);
		else
			pool_enter(p,
			           p->phase == PHASE_HUNG || p->work.found == STATE_DEGRADED ? PHASE_DEGRADED
			                                                                     : p->phase,
			           e);
		p->tries.stale = true;
		loop_arm(p->sup->loop, &p->tries.retry,
		         p->work.found == STATE_DEGRADED ? next_look(p, backend_find(p->type), clock_ms())
		                                         : clock_ms() + SLOW_LOOK);
	}
	answer_refresh(p, p->life.fresh ? NULL : e); /* the start did succeed */
}

/* For those who show lists of volumes. */
static void emit_refreshed(struct pool *p)
{
	struct event ev = { .name = "pool-refreshed" };

	event_str(&ev, "pool", p->name);
	event_num(&ev, "volumes", p->volumes.count);
	events_emit(p->sup, &ev);
}

/* What the refresh has written becomes the index, unless it found that the old one is right. Takes over
 * fd. */
static int take_index(struct pool *p, int fd, struct err *e)
{
	if (!p->work.unchanged)
		return index_adopt(p, fd, e);
	close(fd);
	return 0;
}

/* One that only a new start can bring back, or whose recovery nobody tells, is looked at again by itself. */
static void refreshed(struct pool *p, const struct backend *b)
{
	bool sick = p->work.found == STATE_DEGRADED && (b->revive || b->look_again);
	uint64_t now = clock_ms();
	struct err still = { 0 };

	p->volumes.refreshed = now;
	p->tries.stop_failed = false;
	p->tries.stale = sick;
	if (p->work.found == STATE_DEGRADED)
		pool_degraded(p);
	else
		pool_enter(p, PHASE_ACTIVE, NULL);
	if (sick) {
		loop_arm(p->sup->loop, &p->tries.retry, next_look(p, b, now));
		ground_listen(p->sup);
	} else {
		p->tries.look_pause = 0;
	}
	if (!sick && p->reason.fill) /* nothing tells that they fill up: pool_on_clock() looks */
		loop_arm(p->sup->loop, &p->tries.retry, now + SLOW_LOOK);
	if (!p->work.updating || (b->ground && !b->watched && !p->work.unchanged))
		emit_refreshed(p);
	touch_over(p, NULL);
	/* A look at no names folds it. This one may have been at names that are as they were. */
	if (volindex_is_worn(&p->volumes.index))
		touch_look(p);
	if (p->work.reviving && p->work.found == STATE_DEGRADED)
		err_set(&still, ERR_STORAGE, "pool \"%s\" is still degraded: %s", p->name,
		        p->reason.text ? p->reason.text : "");
	answer_refresh(p, still.class ? &still : NULL);
}

/* The refresh has ended: its index is taken, or closed, and what it has found decides what comes next. */
static void on_refreshed(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->task.owner;
	const struct backend *b = backend_find(p->type);
	struct err problem = { 0 };
	int fd = steal_fd(&p->work.fresh_index);

	step_over(p, left);
	if (b->watched && !p->work.updating)
		watch_over(p->sup);
	if (e || p->work.found == STATE_INACTIVE)
		close(fd);
	else if (take_index(p, fd, &problem) < 0)
		e = &problem;
	if (e) {
		touch_over(p, e);
		refresh_failed(p, e, left);
	} else if (p->work.found == STATE_INACTIVE) {
		lost(p);
	} else {
		refreshed(p, b);
	}
	p->work.reviving = false;
	p->want.revive &= p->phase == PHASE_DEGRADED; /* by who came while this one was under way */
	p->life.fresh = false;
	waiters_tell_phase(p);
	pool_step(p);
}

/* No process, or no descriptor, is left for it: those who want to know the volumes are told so too. */
static void cannot_refresh(struct pool *p, const struct err *e)
{
	if (p->work.fresh_index >= 0)
		close(steal_fd(&p->work.fresh_index));
	p->want.refresh = p->tries.stale = true;
	step_no_worker(p, e);
	p->life.fresh = false;
	waiters_tell_phase(p);
}

/* What the refresh under way has found so far: nothing. */
static void begins(struct pool *p, bool updating)
{
	p->want.refresh = p->work.unchanged = p->work.revived = false;
	p->work.updating = updating;
	p->work.found = STATE_ACTIVE;
}

/* Who asked from now on is not served by it. */
static void serves(struct pool *p)
{
	p->want.refresh_timeout = 0;
	p->want.revive = false;
	waiters_move(&p->waiters, &p->served);
}

/* What all refreshes have in common. Its time is that without a sign of life, unless somebody has said how
 * long it may take: a slow link to many files is no storage that hangs. */
static struct task refresh_job(const struct pool *p, const char *what, uint64_t timeout)
{
	return (struct task){ .what = what,
		              .run = operation_refresh,
		              .timeout = timeout,
		              .renewed_for = p->want.refresh_timeout ? 0 : REFRESH_AT_MOST,
		              .on_record = step_on_record,
		              .on_done = on_refreshed,
		              .on_gone = step_on_gone };
}

bool step_prepare_refresh(struct pool *p, struct task *task, struct operation *o, struct pool_view *t)
{
	p->want.refresh_timeout = 0;
	p->work.fresh_index = index_new(NULL);
	if (p->work.fresh_index < 0)
		return false;
	*task = refresh_job(p, "refresh", pool_refresh_time(p));
	*o = (struct operation){ .index = p->work.fresh_index,
		                 .sweep = !p->work.jobs,
		                 .inotify = backend_find(p->type)->watched ? watch_begin(p->sup) : -1,
		                 .errors = watch_errors_of(p->sup) };
	step_fill(p, task, o, t);
	return true;
}

void step_drop_refresh(struct pool *p)
{
	if (p->work.fresh_index < 0)
		return;
	close(steal_fd(&p->work.fresh_index));
	if (backend_find(p->type)->watched)
		watch_over(p->sup);
}

void step_refresh_begins(struct pool *p)
{
	p->work.reviving = false;
	begins(p, false);
	serves(p);
}

/* Is it a refresh of everything that comes next? An update of some names would be taken for it. */
static bool all_is_due(const struct pool *p)
{
	return p->want.refresh || p->tries.stale || !pool_has_index(p) || touch_due(p) == TOUCH_ALL;
}

/* ---- an update after an operation on a volume ---- */

bool update_prepare(struct update *u, struct pool *p, struct pool_view *t, const char *name)
{
	demand_or(name && *name, false);
	*u = (struct update){ .index = all_is_due(p) || p->work.worker ? -1 : index_new(NULL),
		              .number = p->volumes.number,
		              .only = { name } };
	if (u->index < 0)
		return false;
	u->operation = (struct operation){ .only = u->only, .index = u->index, .inotify = -1, .errors = -1 };
	u->task = refresh_job(p, "update", pool_refresh_time(p));
	step_fill(p, &u->task, &u->operation, t);
	u->task.subject = NULL; /* not yet */
	return true;
}

void update_drop(struct update *u)
{
	if (u->index >= 0)
		close(steal_fd(&u->index));
}

bool update_begins(struct update *u, struct pool *p, struct worker *worker, struct waiter *w)
{
	bool up = p->want.active && (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED);

	if (!up || p->work.worker || p->work.stuck || all_is_due(p) || p->volumes.number != u->number)
		return false;
	begins(p, true);
	p->work.reviving = false;
	p->work.fresh_index = steal_fd(&u->index);
	p->work.worker = worker;
	worker->task.owner = p;
	worker->task.subject = p;
	touch_asked(p, w);
	return true;
}

/* ---- a refresh of its own ---- */

/* Of everything, or only of the names that were touched: also those that are touched when everything is
 * looked at need no other look. */
static void refresh_with(struct pool *p, uint64_t timeout, bool some)
{
	const char **names = touch_take(p);
	const struct backend *b = backend_find(p->type);
	struct operation o = {
		.only = some ? names : NULL, .sweep = !some && !p->work.jobs, .inotify = -1, .errors = -1
	};
	struct pool_view view;
	struct err e = { 0 };

	p->work.reviving = !some && p->want.revive;
	if (p->work.reviving)
		o.revive = REVIVE_ASKED;
	else if (!some && p->phase == PHASE_DEGRADED && !p->work.jobs && clock_ms() >= p->tries.revive_at)
		o.revive = REVIVE_IF_WELL;
	if (o.revive != REVIVE_NO)
		p->tries.revive_at = clock_ms() + SLOW_LOOK;

	begins(p, o.only != NULL);
	o.index = p->work.fresh_index = index_new(&e);
	if (o.index >= 0) {
		if (b->watched && !p->work.updating)
			o.inotify = watch_begin(p->sup);
		o.errors = watch_errors_of(p->sup);
		struct task task = refresh_job(p, p->work.updating ? "update" : "refresh", timeout);

		if (timeout == NEVER)
			task.what = "probe";

		task.keep = (const int[]){ o.index, o.inotify, o.errors, -1 };
		if (!step_launch(p, &task, &o, &view, &e) && b->watched && !p->work.updating)
			watch_over(p->sup);
	}
	if (p->work.worker && !p->work.updating) {
		serves(p);
	} else if (!p->work.worker) {
		cannot_refresh(p, &e);
	}
	touch_taken(p);
	free(names);
}

void step_refresh(struct pool *p)
{
	enum touch_due touched = touch_due(p);
	bool all = all_is_due(p);

	if (!p->waiters) /* who wanted it so soon has gone: no reason to call the storage hung */
		p->want.refresh_timeout = 0;
	if ((p->want.refresh || (p->tries.stale && p->tries.again) || touched != TOUCH_NONE) &&
	    backend_find(p->type))
		refresh_with(p, pool_refresh_time(p), !all);
}

/* A hung pool is looked at by a worker without a deadline: it blocks where the storage blocks, and its end is
 * the event that the storage answers again. No clock is needed. */
void step_probe(struct pool *p)
{
	refresh_with(p, NEVER, false);
}
