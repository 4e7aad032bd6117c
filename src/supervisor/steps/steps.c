/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state machine: each pool is moved a step toward what is wanted of it, whenever something may have
 * changed. No order is configured: what lacks something waits for it, and looks again when it may be there.
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
#include "supervisor/companions/companions.h"
#include "supervisor/config/registry.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/moves.h"
#include "supervisor/work/work.h"
#include "system/device.h"

static void begin_start(struct pool *p);

/* ---- start ---- */

/* It is up. What was noted of its last life, or of earlier attempts, is over. */
static void started(struct pool *p)
{
	p->tries.attempts = 0;
	p->life.begun = false;
	p->tries.stale = false; /* these were of its last life */
	p->want.refresh_timeout = 0;
	p->tries.stop_tried = 0;
	p->life.seen = 0; /* it may stand on another mount than in its last life: the next look says which */
	p->life.fresh = p->want.refresh = true;
	pool_enter(p, PHASE_ACTIVE, NULL);
}

/* It is up, and its worker has begun the first refresh. */
static void on_up(struct worker *w)
{
	struct pool *p = w->task.owner;

	p->tries.again = false;
	p->tries.came = 0;
	started(p);
	step_refresh_begins(p);
	pools_kick(p->sup, "pool", "");
}

/* The start has ended without the refresh: it has failed, or its worker had none to go on to. */
static void on_started(struct worker *w, const struct err *e, bool left)
{
	struct pool *p = w->task.owner;
	struct supervisor *s = p->sup;

	step_over(p, left);
	step_drop_refresh(p);
	if (!p->want.active) { /* pool-destroy came meanwhile: undo what was done */
		step_stop(p);
	} else if (e && service_called(p, e)) {
		begin_start(p);
	} else if (e) {
		/* it could not say how far it had come */
		p->life.begun |= left || e->class == ERR_TIMEOUT || e->class == ERR_INTERNAL;
		step_start_failed(p, e);
	} else {
		started(p);
		pool_step(p);
		pools_kick(s, "pool", "");
	}
}

/* What must be there before a worker is worth its while is looked at here: a backend, the pool outside, the
 * companion. All else the worker finds out. */
static void begin_start(struct pool *p)
{
	p->tries.came = 0; /* this try sees it: one that fails here must not begin anew for it */
	if (p->def.next_xml && !p->def.live)
		registry_switch(p); /* it is not active: the newest definition is in use */
	const struct backend *b = backend_find(p->type);
	struct operation o = { .build = p->want.build, .build_flags = p->want.build_flags };
	char missing[sizeof(((struct err *)0)->waits_for)];
	struct err e = { 0 };

	if (!b) {
		err_set(&e, ERR_UNSUPPORTED,
		        "pools of type \"%s\" can be defined and listed, but this build cannot start them",
		        pool_type_word(p->type));
		step_start_failed(p, &e);
		return;
	}
	const struct pool *outer = outer_missing(p);
	if (outer) {
		outer_wait(outer->name, outer->reason.text ? outer->reason.text : phase_word(outer->phase),
		           &e);
		step_start_failed(p, &e);
		return;
	}
	if (b->needs_disk && !device_is_any()) {
		p->tries.again = false;
		err_wait(&e, ERR_WAIT_DEVICE, "device=/sys/class/block", "there is no block device yet");
		step_start_failed(p, &e);
		return;
	}
	int service = b->service ? service_need(p->sup, b->service, p, &e) : 0;
	p->tries.again &= service == 0;
	if (service < -1) { /* whoever asked need not wait for the next attempt to hear of this one */
		step_start_failed(p, &e);
		return;
	}
	if (service < 0) {
		pool_enter(p, PHASE_WAITING, &e);
		loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + SLOW_LOOK);
		return;
	}
	struct operation look = { .index = -1, .inotify = -1, .errors = -1 };
	struct pool_view view;
	struct task then;
	bool goes_on = step_prepare_refresh(p, &then, &look, &view);
	struct task task = {
		.what = "start",
		.run = operation_start,
		.on_done = on_started,
		.on_gone = step_on_gone,
		.on_next = on_up,
		.then = goes_on ? &then : NULL,
		.keep = (const int[]){ look.index, look.inotify, look.errors, -1 },
		.timeout = step_deadline(p->want.timeout, p->sup->options.start_deadline, b->deadline.start,
		                         DEADLINE_START),
	};
	if (p->phase == PHASE_WAITING && p->reason.class == ERR_WAIT_DEVICE && p->reason.waits_for &&
	    p->tries.news && !strpbrk(p->tries.news, "*+")) {
		snprintf(missing, sizeof(missing), "%s", p->reason.waits_for);
		o.missing = missing;
		o.news = p->tries.news;
	}
	pool_enter(p, PHASE_STARTING, NULL);
	p->want.timeout = 0;
	if (!step_launch(p, &task, &o, &view, &e)) {
		step_drop_refresh(p);
		step_start_failed(p, &e);
		return;
	}
	p->want.build = false;
	p->want.build_flags = 0;
	pool_set_text(&p->tries.news, NULL);
}

/* What has failed for good is left alone until somebody asks for it; only a conflict with another pool passes
 * when that one stops, want of a secret when it gets its value, and what a device holds may have changed when
 * a device has. */
static void begin_again(struct pool *p)
{
	if (p->reason.class == ERR_NONE || p->reason.class == ERR_CONFLICT ||
	    p->reason.class == ERR_NO_SECRET || p->reason.class == ERR_WRONG_FORMAT)
		begin_start(p);
}

/* ---- the table ---- */

/* clang-format off */
const struct step pool_steps[] = {
	{ true,  PHASE_INACTIVE, false, begin_start },
	{ true,  PHASE_WAITING,  true,  begin_start },
	{ true,  PHASE_RETRYING, true,  begin_start },
	{ true,  PHASE_STARTING, true,  begin_start },
	{ true,  PHASE_FAILED,   true,  begin_again },
	{ true,  PHASE_ACTIVE,   false, step_refresh },
	{ true,  PHASE_DEGRADED, false, step_refresh },
	{ true,  PHASE_HUNG,     true,  step_probe },
	{ true,  PHASE_CHECKING, false, step_check },
	{ false, PHASE_CHECKING, false, step_check },
	{ true,  PHASE_STOPPING, false, step_stop_on },
	{ false, PHASE_STOPPING, false, step_stop_on },
	{ false, PHASE_ACTIVE,   false, step_stop },
	{ false, PHASE_DEGRADED, false, step_stop },
	{ false, PHASE_HUNG,     false, step_stop },
	{ false, PHASE_INACTIVE, false, step_give_up },
	{ false, PHASE_STARTING, false, step_give_up },
	{ false, PHASE_WAITING,  false, step_give_up },
	{ false, PHASE_RETRYING, false, step_give_up },
	{ false, PHASE_FAILED,   false, step_give_up },
	{ 0 },
};
/* clang-format on */
