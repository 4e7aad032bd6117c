/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine: each pool is moved a step toward what is wanted of it, whenever something may have changed. No order is configured:
 * what lacks something waits for it, and looks again when it may be there.
 *
 *     inactive → waiting(for what) → starting → active ⇄ degraded, hung
 *                      ↑                 ↓          ↓
 *                      └── retrying      failed     stopping → inactive
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/internal.h"

#define LATE_STOP     SECONDS(600)      /* for so long a stop that was reported as failed may happen after all */

/* ---- starting an operation ---- */

static uint64_t deadline_of(uint64_t asked, uint64_t option, uint64_t backends, uint64_t house)
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

	return deadline_of(p->refresh_timeout, p->sup->options.refresh_deadline, b ? b->deadline.refresh : 0, DEADLINE_REFRESH);
}

void pool_answer(struct pool *p, const struct err *e)
{
	struct result r = { .err = e, .pool = p };

	waiters_finish(&p->served, &r);
	waiters_finish(&p->waiters, &r);
}

static void on_note(struct worker *w, const struct line *l)
{
	struct pool *p = w->job.owner;
	const char *note = line_get(l, "note");

	if (note && worker_may_log(w))
		log_info(LF_POOL, "%s: %s", p->name, note);
	p->begun |= line_has(l, "begun");
	left_out_take(p->sup, l);
	if (line_has(l, "detail"))
		pool_set_text(&p->detail, line_get(l, "detail"));
	if (line_has(l, "place"))
		pool_set_text(&p->place, line_get(l, "place"));
	if (line_has(l, "lost"))
		pool_set_text(&p->lost, line_get(l, "lost"));
	if (line_has(l, "identity"))
		pool_set_text(&p->identity, line_get(l, "identity"));
}

/* A worker that could not even be forked: whoever asked is told; the pool is as before, and it is tried when there may be more room. */
static void no_worker(struct pool *p, const struct err *e)
{
	if (!p->reason || !streq(p->reason, e->message))
		log_error(LF_WORKER, "%s: %s", p->name, e->message);
	pool_set_text(&p->reason, e->message);
	loop_arm(p->sup->loop, &p->retry, clock_ms() + BACKOFF_FIRST);
	pool_answer(p, p->fresh ? NULL : e);    /* the start did succeed */
}

static void on_ground(struct worker *w, const char *data, size_t len)
{
	struct pool *p = w->job.owner;

	free(p->ground);
	p->ground = strndup(data, len);
}

/* The operation's arguments are read by the child from its copy of our memory: they need to live only until the fork. */
static bool launch(struct pool *p, struct job *job, struct operation *o, struct err *e)
{
	o->pool = p;
	job->pool = p->name;
	job->owner = p;
	job->subject = p;
	job->arg = o;
	if (!job->on_record)
		job->on_record = on_note;
	job->on_payload = on_ground;
	p->again = false;
	p->came = 0;
	loop_disarm(p->sup->loop, &p->retry);
	p->worker = worker_start(p->sup, job, e);
	return p->worker != NULL;
}

static void on_gone(struct worker *w)
{
	struct pool *p = w->job.owner;

	p->stuck--;
	p->again = p->stuck == 0;
	if (p->again && p->phase == PHASE_INACTIVE && !p->want_active && w->job.run == operation_start)
		pool_enter(p, PHASE_CHECKING, NULL);    /* it may have done at last what nobody wants any more */
	pool_step(p);
}

static void operation_over(struct pool *p, bool left)
{
	p->worker = NULL;
	p->stuck += left;
}

/* ---- start ---- */

static void begin_stop(struct pool *p);

/* A transient pool that is no longer active. */
static void forget(struct pool *p)
{
	pool_enter(p, PHASE_INACTIVE, NULL);
	state_forget(p, false);
	registry_remove(p);
}

static void start_failed(struct pool *p, const struct err *e)
{
	enum err_remedy remedy = err_remedy(e->class);
	struct err said = *e;

	p->attempts++;
	if (remedy == REMEDY_NONE) {
		pool_enter(p, PHASE_FAILED, e);
	} else {
		pool_enter(p, remedy == REMEDY_EVENT ? PHASE_WAITING : PHASE_RETRYING, e);
		uint64_t pause = retry_pause(p->attempts);
		loop_arm(p->sup->loop, &p->retry, clock_ms() + (remedy == REMEDY_EVENT ? SLOW_LOOK : pause));
		if (p->waiters && p->persistent && !p->live)
			err_wrap(&said, ERR_KEEP, "cannot start pool \"%s\" yet (it is tried again until pool-destroy)", p->name);
	}
	pool_answer(p, &said);
	if (!p->persistent && !p->times.active && !p->recalled) {       /* pool-create failed: nothing is left of it */
		if (!p->begun) {
			forget(p);
			return;
		}
		pool_want(p, false);
		pool_step(p);
		return;
	}
	if (e->class != ERR_CONFLICT)
		failed_kick(p->sup, ERR_CONFLICT); /* it is not in the way of others any more */
	if (p->live) {                  /* pool-create over a definition that is kept: that one is back */
		pool_want(p, false);
		pool_step(p);
		return;
	}
	/* Something came while we looked, or what we looked for is no longer what is wanted. */
	if (p->next_xml || (remedy == REMEDY_EVENT ? p->came : events_help(p, p->came)))
		pool_look_again(p);
}

static void on_started(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->job.owner;
	struct supervisor *s = p->sup;
	const struct backend *b = backend_find(p->type);

	operation_over(p, left);
	if (!p->want_active) {                  /* pool-destroy came meanwhile: undo what was done */
		begin_stop(p);
	} else if (e) {
		if (b && b->service)
			service_doubt(s, b->service);
		p->begun |= left || e->class == ERR_TIMEOUT || e->class == ERR_INTERNAL;        /* it could not say how far it had come */
		start_failed(p, e);
	} else {
		p->attempts = 0;
		p->begun = false;
		p->stale = false;               /* these were of its last life */
		p->refresh_timeout = 0;
		p->stop_tried = 0;
		p->seen = 0;                    /* it may stand on another mount than in its last life: the next look says which */
		p->fresh = p->refresh_wanted = true;
		pool_enter(p, PHASE_ACTIVE, NULL);
		pool_step(p);
		pools_kick(s, "pool");
	}
}

static void begin_start(struct pool *p)
{
	if (p->next_xml && !p->live)
		registry_switch(p);     /* it is not active: the newest definition is in use */
	const struct backend *b = backend_find(p->type);
	struct operation o = { .build = p->build_wanted, .build_flags = p->build_flags };
	struct err e = { 0 };

	if (!b) {
		err_set(&e, ERR_UNSUPPORTED, "pools of type \"%s\" can be defined and listed, but this build cannot start them",
			pool_type_word(p->type));
		start_failed(p, &e);
		return;
	}
	const struct pool *outer = mounts_outer(p);
	if (outer) {
		mounts_wait(outer, outer->reason ? outer->reason : phase_word(outer->phase), &e);
		start_failed(p, &e);
		return;
	}
	int service = b->service ? service_need(p->sup, b->service, &e) : 0;
	p->again &= service == 0;
	if (service < -1) {             /* whoever asked need not wait for the next attempt to hear of this one */
		start_failed(p, &e);
		return;
	}
	if (service < 0) {
		pool_enter(p, PHASE_WAITING, &e);
		loop_arm(p->sup->loop, &p->retry, clock_ms() + SLOW_LOOK);
		return;
	}
	struct job job = {
		.what = "start", .run = operation_start, .on_done = on_started, .on_gone = on_gone,
		.timeout = deadline_of(p->timeout, p->sup->options.start_deadline, b->deadline.start, DEADLINE_START),
	};
	pool_enter(p, PHASE_STARTING, NULL);
	p->timeout = 0;
	if (!launch(p, &job, &o, &e)) {
		start_failed(p, &e);
		return;
	}
	p->build_wanted = false;
	p->build_flags = 0;
}

/* What has failed for good is left alone until somebody asks for it; only a conflict with another pool passes when that one stops, want of a secret
 * when it gets its value, and what a device holds may have changed when a device has. */
static void begin_again(struct pool *p)
{
	if (p->reason_class == ERR_NONE || p->reason_class == ERR_CONFLICT || p->reason_class == ERR_NO_SECRET || p->reason_class == ERR_WRONG_FORMAT)
		begin_start(p);
}

/* ---- refresh, and the look at a hung pool ---- */

static void refresh_facts(struct pool *p, const struct line *l)
{
	p->sizes.capacity = line_u64(l, "capacity", 0);
	p->sizes.allocation = line_u64(l, "allocation", 0);
	p->sizes.available = line_u64(l, "available", 0);
	p->sizes.has_perms = line_has(l, "mode");
	p->sizes.mode = (unsigned)line_u64(l, "mode", 0);
	p->sizes.owner = (uint32_t)line_u64(l, "owner", 0);
	p->sizes.group = (uint32_t)line_u64(l, "group", 0);
}

static void on_refresh_record(struct worker *w, const struct line *l)
{
	struct pool *p = w->job.owner;
	const char *state = line_get(l, "state");

	on_note(w, l);
	if (line_has(l, "watch"))
		watch_number(p, (int)line_u64(l, "watch", 0));
	if (line_has(l, "capacity"))
		refresh_facts(p, l);
	p->unchanged |= line_has(l, "unchanged");
	if (!state)
		return;
	p->found = streq(state, "active") ? STATE_ACTIVE : streq(state, "degraded") ? STATE_DEGRADED : STATE_INACTIVE;
	pool_set_text(&p->found_why, line_get(l, "reason"));
}

/* It is not there: it was never really started, or a stop that was reported as failed has happened after all, or somebody else did it. */
static void lost(struct pool *p)
{
	bool stopped = p->stop_failed || (p->stop_tried && clock_ms() - p->stop_tried < LATE_STOP);
	const char *found = p->found_why ? p->found_why : "it is no longer active";
	struct err why = { 0 };

	if (stopped || !p->want_active)
		err_set(&why, ERR_STORAGE, "%s: the stop that was asked for has happened after all", found);
	else if (p->fresh)
		err_set(&why, ERR_STORAGE, "its start was reported as done, but %s", found);
	else
		err_set(&why, ERR_STORAGE, "%s, though it is wanted: it is started again after a pause (pool-destroy ends that)", found);
	index_drop(p);
	if (stopped)                    /* who wanted it refreshed; who stops it hears of its end */
		waiters_finish(&p->served, &(struct result){ .err = &why, .pool = p });
	if (stopped || (p->type == POOL_DIR && mounts_vouched(p)))
		pool_set_text(&p->place, NULL);
	if (stopped || !p->want_active) {
		pool_want(p, false);
		pool_enter(p, PHASE_INACTIVE, &why);
	} else if (p->fresh) {
		start_failed(p, &why);
	} else {
		pool_taken_away(p, &why);
	}
	failed_kick(p->sup, ERR_CONFLICT);
}

/* Nothing answers below. What was left behind says by its end that it is time to look again; if nothing was, the clock does. */
static void hung(struct pool *p, const struct err *e, bool left)
{
	struct err why = { 0 };

	err_set(&why, ERR_HUNG, "the storage does not answer: %s", e->message);
	pool_enter(p, PHASE_HUNG, &why);
	p->refresh_wanted = false;
	p->refresh_timeout = 0;
	pool_answer(p, &why);
	if (!left)
		loop_arm(p->sup->loop, &p->retry, clock_ms() + SLOW_LOOK);
}

/* Who asked while it was under way wants to see what is there now. */
static void answer_refresh(struct pool *p, const struct err *e)
{
	if (p->refresh_wanted)
		waiters_finish(&p->served, &(struct result){ .err = e, .pool = p });
	else
		pool_answer(p, e);
}

/* A refresh that failed is tried again on a slow clock: the trouble may pass without an event. */
static void refresh_failed(struct pool *p, const struct err *e, bool left)
{
	bool known = p->reason && streq(p->reason, e->message);

	if (e->class == ERR_TIMEOUT) {
		hung(p, e, left);
		return;
	}
	if (e->class != ERR_STATE) {            /* not one that we cancelled ourselves */
		log_msg(LF_POOL, known ? LOG_DEBUG : LOG_WARN, "%s: refresh: %s", p->name, e->message);
		pool_enter(p, p->phase == PHASE_HUNG || p->found == STATE_DEGRADED ? PHASE_DEGRADED : p->phase, e);
		p->stale = true;
		loop_arm(p->sup->loop, &p->retry, clock_ms() + SLOW_LOOK);
	}
	answer_refresh(p, p->fresh ? NULL : e); /* the start did succeed */
}

static void emit_refreshed(struct pool *p)
{
	cleanup_buf struct buf name = BUF_INIT;

	line_quote(&name, p->name, strlen(p->name));
	events_emit(p->sup, "pool-refreshed", " pool=%s volumes=%llu", buf_str(&name), (unsigned long long)p->nvolumes);
}

/* What the refresh has written becomes the index, unless it found that the old one is right. Takes over fd. */
static int take_index(struct pool *p, int fd, struct err *e)
{
	if (!p->unchanged)
		return index_adopt(p, fd, e);
	close(fd);
	return 0;
}

/* One that only a new start can bring back is looked at again by itself. */
static void refreshed(struct pool *p, const struct backend *b)
{
	bool sick = p->found == STATE_DEGRADED && b->revive;
	struct err still = { 0 };

	p->refreshed = clock_ms();
	p->stop_failed = false;
	p->stale = sick;
	if (p->found == STATE_DEGRADED)
		pool_degraded(p);
	else
		pool_enter(p, PHASE_ACTIVE, NULL);
	if (sick)
		loop_arm(p->sup->loop, &p->retry, p->revive_at);
	if (!p->updating || (b->ground && !b->watched && !p->unchanged))
		emit_refreshed(p);
	touch_over(p, NULL);
	if (p->reviving && p->found == STATE_DEGRADED)
		err_set(&still, ERR_STORAGE, "pool \"%s\" is still degraded: %s", p->name, p->reason ? p->reason : "");
	answer_refresh(p, still.class ? &still : NULL);
}

static void on_refreshed(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->job.owner;
	const struct backend *b = backend_find(p->type);
	struct err problem = { 0 };
	int fd = p->fresh_index;

	operation_over(p, left);
	p->fresh_index = -1;
	if (b->watched && !p->updating)
		watch_over(p->sup);
	if (e || p->found == STATE_INACTIVE)
		close(fd);
	else if (take_index(p, fd, &problem) < 0)
		e = &problem;
	if (e) {
		touch_over(p, e);
		refresh_failed(p, e, left);
	} else if (p->found == STATE_INACTIVE) {
		lost(p);
	} else {
		refreshed(p, b);
	}
	p->reviving = false;
	p->revive_asked &= p->phase == PHASE_DEGRADED;  /* by who came while this one was under way */
	p->fresh = false;
	waiters_tell_phase(p);
	pool_step(p);
}

/* No process, or no descriptor, is left for it: those who want to know the volumes are told so too. */
static void cannot_refresh(struct pool *p, const struct err *e)
{
	if (p->fresh_index >= 0)
		close(p->fresh_index);
	p->fresh_index = -1;
	p->refresh_wanted = p->stale = true;
	no_worker(p, e);
	p->fresh = false;
	waiters_tell_phase(p);
}

/* Of everything, or only of the names that were touched: also those that are touched when everything is looked at need no other look. */
static void refresh_with(struct pool *p, uint64_t timeout, bool some)
{
	const char **names = touch_take(p);
	const struct backend *b = backend_find(p->type);
	struct operation o = { .only = some ? names : NULL, .sweep = !some && !p->jobs, .inotify = -1 };
	struct err e = { 0 };

	p->reviving = !some && p->revive_asked;
	if (p->reviving)
		o.revive = REVIVE_ASKED;
	else if (!some && p->phase == PHASE_DEGRADED && !p->jobs && clock_ms() >= p->revive_at)
		o.revive = REVIVE_IF_WELL;
	if (o.revive != REVIVE_NO)
		p->revive_at = clock_ms() + SLOW_LOOK;

	p->refresh_wanted = false;
	p->updating = o.only != NULL;
	p->unchanged = false;
	p->found = STATE_ACTIVE;
	o.index = p->fresh_index = index_new(&e);
	if (o.index >= 0) {
		if (b->watched && !p->updating)
			o.inotify = watch_begin(p->sup);
		struct job job = {
			.what = timeout == NEVER ? "probe" : p->updating ? "update" : "refresh", .run = operation_refresh, .timeout = timeout,
			.on_record = on_refresh_record, .on_done = on_refreshed, .on_gone = on_gone,
			.keep = (const int[]){ o.index, o.inotify, -1 },
		};
		if (!launch(p, &job, &o, &e) && b->watched && !p->updating)
			watch_over(p->sup);
	}
	if (p->worker && !p->updating) {
		p->refresh_timeout = 0;
		p->revive_asked = false;
		waiters_move(&p->waiters, &p->served);
	} else if (!p->worker) {
		cannot_refresh(p, &e);
	}
	touch_taken(p);
	free(names);
}

static void begin_refresh(struct pool *p)
{
	enum touch_due touched = touch_due(p);
	bool all = p->refresh_wanted || p->stale || p->index < 0 || touched == TOUCH_ALL;

	if (!p->waiters)                /* who wanted it so soon has gone: no reason to call the storage hung */
		p->refresh_timeout = 0;
	if ((p->refresh_wanted || (p->stale && p->again) || touched != TOUCH_NONE) && backend_find(p->type))
		refresh_with(p, pool_refresh_time(p), !all);
}

/* A hung pool is looked at by a worker without a deadline: it blocks where the storage blocks, and its end is the event that the storage
 * answers again. No clock is needed. */
static void begin_probe(struct pool *p)
{
	refresh_with(p, NEVER, false);
}

/* ---- check: taking over from an earlier supervisor ---- */

/* What was taken over needs its companion as much as what was started: iscsid repairs sessions. */
static void need_companion(const struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	if (b && b->service)
		service_need(p->sup, b->service, NULL);
}

static void on_checked(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->job.owner;
	struct supervisor *s = p->sup;

	operation_over(p, left);
	if (!p->want_active && (e || p->found != STATE_INACTIVE)) {
		begin_stop(p);          /* it is, or may be, what it should not be */
		return;
	}
	if (e && e->class == ERR_TIMEOUT) {
		hung(p, e, left);
	} else if (e || p->found == STATE_INACTIVE) {
		pool_enter(p, PHASE_INACTIVE, NULL);    /* if it is active all the same, its start finds that out */
	} else {
		p->refresh_wanted = true;
		if (p->found == STATE_DEGRADED)
			pool_degraded(p);
		else
			pool_enter(p, PHASE_ACTIVE, NULL);
		need_companion(p);
		pools_kick(s, "pool");
	}
	pool_step(p);
	shutdown_step(s);
}

static void begin_check(struct pool *p)
{
	const struct backend *b = backend_find(p->type);
	struct operation o = { 0 };
	struct job job = {
		.what = "check", .run = operation_check, .timeout = b && b->deadline.check ? b->deadline.check : SECONDS(10),
		.on_record = on_refresh_record, .on_done = on_checked, .on_gone = on_gone,
	};
	struct err e = { 0 };

	p->found = STATE_INACTIVE;
	if (!launch(p, &job, &o, &e))
		no_worker(p, &e);
}

/* ---- stop ---- */

/* The pool is stopped all the same: nobody can write it again. */
static bool has_lost(struct pool *p, struct err *e)
{
	if (!p->lost)
		return false;
	err_set(e, ERR_STORAGE, "pool \"%s\" is stopped, but what was written to it last is not all on the disk: %s", p->name, p->lost);
	log_error(LF_POOL, "%s: stopped, but what was written last is not all on the disk: %s", p->name, p->lost);
	pool_set_text(&p->lost, NULL);
	return true;
}

/* A definition given while the pool was active is in use from now on; a transient pool is forgotten. */
static void settle(struct pool *p)
{
	struct err lost = { 0 };
	const struct err *why = has_lost(p, &lost) ? &lost : NULL;

	index_drop(p);
	memset(&p->sizes, 0, sizeof(p->sizes));
	pool_set_text(&p->detail, NULL);
	pool_set_text(&p->place, NULL);
	p->begun = false;
	if (why || p->phase != PHASE_INACTIVE)  /* why it has become inactive stands */
		pool_enter(p, PHASE_INACTIVE, why);
	pool_answer(p, why);
	if (p->next_xml)
		registry_switch(p);
}

static void stop_failed(struct pool *p, const struct err *e, bool left)
{
	bool undoing = p->begun;        /* it has not been active: what a start had begun should go */
	enum phase phase = p->was == PHASE_DEGRADED ? PHASE_DEGRADED : PHASE_ACTIVE;    /* as it was: the look tells if that has changed */
	struct err why = *e;

	if (left)
		err_set(&why, ERR_HUNG, "the storage does not answer: %s", e->message);
	p->stop_failed = true;
	p->stop_tried = e->class == ERR_BUSY ? 0 : clock_ms();          /* then nothing was tried */
	if (!p->sup->shutdown.on)
		p->want_active = p->refresh_wanted = true;      /* still there, so still wanted: nothing is lost by a failed stop; but look */
	if (left || !undoing) {
		pool_enter(p, left ? PHASE_HUNG : phase, &why);
	} else {
		pool_enter(p, PHASE_RETRYING, &why);
		loop_arm(p->sup->loop, &p->retry, clock_ms() + retry_pause(++p->attempts));
	}
	pool_answer(p, &why);
}

static void on_stopped(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->job.owner;
	struct supervisor *s = p->sup;

	operation_over(p, left);
	if (e) {
		stop_failed(p, e, left);
		pool_step(p);
	} else {
		settle(p);
		if (!p->persistent && !p->want_active)
			forget(p);
		else
			pool_step(p);
		pools_kick(s, "pool");
		failed_kick(s, ERR_CONFLICT);
		shutdown_retry(s);
	}
	shutdown_step(s);
}

static void stop_now(struct pool *p)
{
	const struct backend *b = backend_find(p->type);
	bool hurry = p->sup->shutdown.on;
	struct operation o = { .force = hurry && p->was == PHASE_HUNG };
	uint64_t timeout = deadline_of(p->timeout, p->sup->options.stop_deadline, b ? b->deadline.stop : 0, DEADLINE_STOP);
	struct job job = { .what = "stop", .run = operation_stop, .on_done = on_stopped, .on_gone = on_gone };
	struct err e = { 0 };

	if (hurry && p->sup->shutdown.deadline < clock_ms() + timeout)
		timeout = (uint64_t)clock_until(p->sup->shutdown.deadline);
	job.timeout = timeout;
	if (launch(p, &job, &o, &e)) {
		p->timeout = 0;
		return;
	}
	if (p->waiters && !hurry)       /* whoever asked is refused, and the pool stays as it is; what has to stop by itself stops later */
		stop_failed(p, &e, false);
	no_worker(p, &e);
}

/* Whatever runs is ended first; the stop itself begins when it has gone. */
static void begin_stop(struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	if (p->sup->shutdown.on && p->stop_failed)
		return;
	p->was = p->phase;
	pool_enter(p, PHASE_STOPPING, NULL);
	p->again = false;
	if (p->stuck == 0 || (p->sup->shutdown.on && p->was == PHASE_HUNG) || (b && b->stop_frees))
		stop_now(p);
	else
		loop_arm(p->sup->loop, &p->retry, clock_ms() + SECONDS(10));
}

/* STOPPING without a worker: the ended operation has gone, or does not go. */
static void continue_stop(struct pool *p)
{
	struct err e = { 0 };

	if (p->stuck == 0) {
		stop_now(p);
	} else if (p->again) {
		err_set(&e, ERR_HUNG, "an operation of pool \"%s\" hangs in the kernel and cannot be ended", p->name);
		stop_failed(p, &e, true);
		shutdown_step(p->sup);
	}
}

static void give_up(struct pool *p)
{
	const struct backend *b = backend_find(p->type);

	/* Parts of it may be there: they go first. A start that is stuck is looked after when it has gone (on_gone). */
	if (p->begun && b && b->stop && (p->stuck == 0 || b->stop_frees)) {
		begin_stop(p);
		return;
	}
	loop_disarm(p->sup->loop, &p->retry);
	p->attempts = 0;
	if (p->place && p->type != POOL_DIR && p->reason)
		log_warn(LF_POOL, "%s: nothing is unmounted: %s", p->name, p->reason);
	p->build_wanted = false;        /* it was asked for with a start that is wanted no more */
	p->build_flags = 0;
	settle(p);
	mounts_kick_inner(p);
	if (!p->persistent && p->stuck == 0)    /* the stuck start may do at last what nobody wants: on_gone looks */
		forget(p);
}

/* ---- the table ---- */

static const struct step {
	bool want;
	enum phase phase;
	bool on_event;                  /* only when something happened since the last look (p->again) */
	void (*act)(struct pool *p);
} steps[] = {
	{ true,  PHASE_INACTIVE, false, begin_start },
	{ true,  PHASE_WAITING,  true,  begin_start },
	{ true,  PHASE_RETRYING, true,  begin_start },
	{ true,  PHASE_STARTING, true,  begin_start },
	{ true,  PHASE_FAILED,   true,  begin_again },
	{ true,  PHASE_ACTIVE,   false, begin_refresh },
	{ true,  PHASE_DEGRADED, false, begin_refresh },
	{ true,  PHASE_HUNG,     true,  begin_probe },
	{ true,  PHASE_CHECKING, false, begin_check },
	{ false, PHASE_CHECKING, false, begin_check },
	{ true,  PHASE_STOPPING, false, continue_stop },
	{ false, PHASE_STOPPING, false, continue_stop },
	{ false, PHASE_ACTIVE,   false, begin_stop },
	{ false, PHASE_DEGRADED, false, begin_stop },
	{ false, PHASE_HUNG,     false, begin_stop },
	{ false, PHASE_INACTIVE, false, give_up },
	{ false, PHASE_STARTING, false, give_up },
	{ false, PHASE_WAITING,  false, give_up },
	{ false, PHASE_RETRYING, false, give_up },
	{ false, PHASE_FAILED,   false, give_up },
};

/* Move one pool a step toward what is wanted of it. Called whenever something may have changed; never blocks. */
void pool_step(struct pool *p)
{
	if (p->worker || !p->sup->moving)               /* one operation at a time; its end calls us again */
		return;
	if (p->jobs && p->sup->shutdown.on)             /* they are being ended, which calls us again */
		return;
	if (p->stuck > 0 && p->want_active && p->phase != PHASE_STOPPING)
		return;                                 /* what was left behind goes first: its end is the event */
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i].want == p->want_active && steps[i].phase == p->phase) {
			if (!steps[i].on_event || p->again)
				steps[i].act(p);
			return;
		}
}
