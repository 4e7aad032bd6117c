/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask about definitions: each request is either refused at once, changing nothing, or parked
 * until its outcome is known.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"

/* ---- define, create ---- */

/* The definition that is kept now becomes the pool's. NULL: it is against the rules by now, or memory is
 * short. */
static struct pool *install(struct request *r, struct err *e)
{
	struct supervisor *s = r->sup;
	struct pool *p = registry_apply(s, r->summary, r->xml, r->xml_len, PRIORITY_SOCKET, e);

	if (!p)
		return NULL;
	p->want.judged = true;
	p->def.persistent = r->mode == DEFINE_PERSISTENT;
	p->def.kept_in_config = r->kept_in_config;
	if (r->kept_in_config && r->kept_file) {
		pool_note_origin(p, r->kept_file);
		supervisor_forget_problems(s, s->options.config_dir); /* it is there now */
	}
	pool_look_again(p);
	state_save(p);
	struct event ev = { .name = "pool-defined" };
	event_str(&ev, "pool", p->name);
	event_flag(&ev, "persistent", p->def.persistent);
	events_emit(s, &ev);
	return p;
}

/* The definition that is kept steps aside until the pool stops. */
static struct pool *lend(struct request *r, struct pool *p, struct err *e)
{
	if (registry_lend(p, r->summary, r->xml, r->xml_len, e) < 0)
		return NULL;
	p->want.judged = true;
	state_save(p);
	return p;
}

/* In the worker: what one that was killed has left half-written is removed. */
static int run_sweep(struct worker_io *io, void *arg, struct err *e)
{
	struct supervisor *s = ((const struct request *)arg)->sup;
	const char *dir = place_enter(s, io);

	(void)e;
	if (dir)
		config_sweep(dir);
	config_sweep(s->run_config);
	return 0;
}

/* It is on disk: from here on it is defined. If it is not, nothing is. */
static void after_keep(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (e && request_sweeps(r, e, run_sweep))
		return;
	if (!e && !install(r, &problem))
		e = &problem;
	request_end(r, e);
}

/* A pool that is created is not kept, and is started: whoever asked waits for that, together with others who
 * start it. */
static void create_now(struct request *r)
{
	struct err e = { 0 };
	struct pool *there = pool_by_name(r->sup, r->summary->name),
		    *p = there ? lend(r, there, &e) : install(r, &e);

	if (!p) {
		request_end(r, &e);
		return;
	}
	p->want.build = r->build != 0;
	p->want.build_flags = r->build & ~START_BUILD;
	p->want.timeout = r->timeout;
	waiters_move(&r->waiters, &p->waiters); /* they are told when it is up */
	request_end(r, NULL);
	pool_want(p, true);
	pool_step(p);
}

/* May a definition of this kind be installed now? */
static int admit(struct request *r, struct err *e)
{
	const struct pool *p = pool_by_name(r->sup, r->summary->name);

	if (registry_admit(r->sup, r->summary, e) < 0)
		return -1;
	if (r->mode == DEFINE_PERSISTENT || !p)
		return 0;
	if (pool_is_active(p))
		return err_set(e, ERR_STATE, "pool \"%s\" is already active", p->name);
	if (p->work.worker || p->want.active || p->work.stuck)
		return err_set(e, ERR_STATE, "pool \"%s\" is %s: stop it first (pool-destroy)", p->name,
		               p->want.active ? phase_word(p->phase) : "being worked on");
	return 0;
}

/* Has the comparison found something, or has it only failed? */
static bool is_refusal(const struct err *e)
{
	return err_is(e, ERR_CONFLICT) || err_is(e, ERR_INVALID);
}

/* What the new definition stands on is compared with what the others do. Storage that does not answer is no
 * reason to refuse it: the start finds out. */
static int run_conflict(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const struct supervisor *s = r->sup;
	struct op op = { .deadline = io->deadline,
		         .run_dir = s->options.run_dir,
		         .secret_dirs = s->secret_dirs,
		         .own_devices = s->options.own_devices };
	cleanup_pool_def struct pool_def def = { 0 };
	struct pool_views others;
	struct err why = { 0 };
	bool fits;

	if (views_of(s, POOLS_ALL, &others) < 0)
		return err_set(e, ERR_NO_MEMORY, "cannot compare pool \"%s\" with the others: out of memory",
		               r->pool);
	fits = pool_read(&def, r->xml, r->xml_len, "(socket)", &why) == 0 &&
	       protected_check(s, &def, &why) == 0 &&
	       conflict_check(&others, &def, &op, CONFLICT_DEFINED, &why) == 0;
	free(others.list);
	if (fits)
		return 0;
	if (!is_refusal(&why)) {
		worker_send_note(io, why.message);
		return 0;
	}
	*e = why;
	return -1;
}

/* Without a comparison: there is nobody to compare it with, or it cannot be had. */
static void keep(struct request *r)
{
	struct err e = { 0 };

	if (request_write(r, "keep-definition", work_keep, after_keep, &e) < 0)
		request_end(r, &e);
}

/* The comparing worker has ended before it could go on to keeping. */
static void after_conflict(struct request *r, const struct err *e)
{
	if (is_refusal(e)) {
		request_end(r, e);
		return;
	}
	log_info(LF_CONFIG, "%s: not compared with the other pools: %s", r->pool, e->message);
	keep(r);
}

/* Nothing is against it: the same worker keeps it. */
static void on_compared(struct worker *w)
{
	struct request *r = w->task.owner;

	r->then = after_keep;
}

/* Both in one worker, unless the comparison brings it down, or takes too long. */
static int compare_and_keep(struct request *r, struct err *e)
{
	struct task keeps = request_writer(r, "keep-definition", work_keep),
		    compare = request_task(r, "compare", DEADLINE_COMPARE);

	compare.run = run_conflict;
	compare.then = &keeps;
	compare.on_next = on_compared;
	return request_goes_on(r, worker_start(r->sup, &compare, e), after_conflict);
}

/* A pool that is created is compared when it is started, which is now. */
static void change_define(struct request *r)
{
	struct err e = { 0 };

	bool alone = !r->sup->pools;

	if (admit(r, &e) == 0 && r->mode == DEFINE_TRANSIENT)
		create_now(r);
	else if (e.class == ERR_NONE && alone)
		keep(r);
	else if (e.class != ERR_NONE || compare_and_keep(r, &e) < 0)
		request_end(r, &e);
}

/* It has been read, closed in. What happens to it now waits for its turn. */
static void after_parse(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (!e && r->summary)
		r->pool = strdup(r->summary->name);
	if (!e && (!r->pool || !r->text)) {
		err_set(&problem, ERR_NO_MEMORY, "the definition could not be taken over: out of memory");
		e = &problem;
	}
	if (e) {
		request_end(r, e);
		return;
	}
	request_take_text(r);
	request_change(r, change_define);
}

int pool_define(struct supervisor *s, const struct define_order *o, struct waiter *w, struct err *e)
{
	demand(o && (o->xml || o->xml_len == 0) && w, e);

	const struct sent_document d = {
		.kind = DOCUMENT_POOL, .validate = o->validate, .text = o->xml, .len = o->xml_len
	};
	struct request *r = request_new(s, NULL, w, e);

	if (!r)
		return -1;
	r->mode = o->mode;
	r->build = o->build;
	r->timeout = o->timeout;
	return request_read(r, &d, after_parse, e) < 0 ? request_refuse(r) : 0;
}

/* ---- undefine, autostart ---- */

/* The file is gone. A pool that was started meanwhile is forgotten when it stops. */
static void after_forget(struct request *r, const struct err *e)
{
	struct pool *p = pool_by_name(r->sup, r->pool);
	struct err busy = { 0 };

	if (!e && p && (pool_is_active(p) || p->work.worker)) {
		err_set(&busy, ERR_STATE, "pool \"%s\" was started meanwhile: it is forgotten when it stops",
		        p->name);
		p->def.persistent = false;
		state_save(p);
		e = &busy;
	}
	if (!e && p) {
		pool_enter(p, PHASE_INACTIVE, NULL); /* one that was only just given up */
		request_emit(r->sup, "pool-undefined", p->name);
		state_forget(p, !r->kept_in_config);
		registry_remove(p);
	}
	request_end(r, e);
}

/* Asked twice: when it is asked for, and when it is its turn. One that waits, or whose start has failed, is
 * inactive for whoever asks, unless somebody has just asked for it, or its attempt has left something. */
static int may_be_undefined(const struct pool *p, const char *name, struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", name);
	if (pool_is_active(p) || p->work.worker || p->life.begun ||
	    (p->want.active && p->reason.class == ERR_NONE))
		return err_set(e, ERR_STATE, "pool \"%s\" is %s: stop it first (pool-destroy)", name,
		               phase_word(p->phase));
	return 0;
}

/* It is its turn: what was true when it was asked need not be true now. */
static void change_undefine(struct request *r)
{
	struct pool *p = pool_by_name(r->sup, r->pool);
	struct err e = { 0 };

	if (may_be_undefined(p, r->pool, &e) == 0) {
		pool_want(p, false); /* it is not tried again meanwhile */
		if (request_write(r, "forget-definition", work_forget, after_forget, &e) == 0)
			return;
	}
	request_end(r, &e);
}

int pool_undefine(struct pool *p, struct waiter *w, struct err *e)
{
	demand(w, e);

	struct request *r;

	if (may_be_undefined(p, p->name, e) < 0)
		return -1;
	r = request_new(p->sup, p->name, w, e);
	if (r)
		request_change(r, change_undefine);
	return r ? 0 : -1;
}

/* What the directory says holds, unless the mark could only be kept for this boot. */
static void after_mark(struct request *r, const struct err *e)
{
	struct pool *p = pool_by_name(r->sup, r->pool);

	if (e && request_sweeps(r, e, run_sweep))
		return;
	if (!e && p) {
		p->def.autostart = r->on;
		p->def.marked_here = !r->kept_in_config;
	}
	request_end(r, e);
}

/* Asked twice, as above. */
static int may_be_marked(const struct pool *p, const char *name, struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", name);
	if (!p->def.persistent)
		return err_set(e, ERR_STATE,
		               "pool \"%s\" is transient: it cannot be marked for autostart (pool-define it)",
		               name);
	return 0;
}

static void change_mark(struct request *r)
{
	struct err e = { 0 };

	if (may_be_marked(pool_by_name(r->sup, r->pool), r->pool, &e) < 0 ||
	    request_write(r, "mark-autostart", work_mark, after_mark, &e) < 0)
		request_end(r, &e);
}

int pool_set_autostart(struct pool *p, bool on, struct waiter *w, struct err *e)
{
	demand(w, e);

	struct request *r;

	if (may_be_marked(p, p->name, e) < 0)
		return -1;
	r = request_new(p->sup, p->name, w, e);
	if (!r)
		return -1;
	r->on = on;
	request_change(r, change_mark);
	return 0;
}
