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
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/grammar/grammar.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"

static void request_free(struct request *r)
{
	struct supervisor *s = r->sup;
	struct request **at = &s->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	if (s->changing == r) {
		s->changing = NULL;
		loop_arm(s->loop, &s->changer, 0);
	}
	loop_disarm(s->loop, &r->timer);
	free(r->pool);
	free(r->xml);
	free(r->text);
	free(r->kept_file);
	summary_free(r->summary);
	free(r);
}

struct request *request_new(struct supervisor *s, const char *pool, struct waiter *w, struct err *e)
{
	struct request *r = calloc(1, sizeof(*r)), **at = &s->requests;

	if (r && pool)
		r->pool = strdup(pool);
	if (!r || (pool && !r->pool)) {
		free(r);
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	r->sup = s;
	while (*at)
		at = &(*at)->next;
	*at = r;
	if (w)
		waiter_park(&r->waiters, w);
	return r;
}

void requests_free(struct supervisor *s)
{
	while (s->requests) {
		while (s->requests->waiters)
			waiter_withdraw(s->requests->waiters);
		request_free(s->requests);
	}
	loop_disarm(s->loop, &s->changer);
}

int request_refuse(struct request *r)
{
	waiter_withdraw(r->waiters);
	request_free(r);
	return -1;
}

void request_end(struct request *r, const struct err *e)
{
	struct result result = {
		.err = e,
		.pool = r->pool ? pool_by_name(r->sup, r->pool) : NULL,
		.text = r->text,
		.text_len = r->text_len,
		.kept = r->kept_in_config ? "config" : "run",
	};

	waiters_finish(&r->waiters, &result);
	request_free(r);
}

/* ---- one change at a time ---- */

/* Definitions are changed one after the other, each from the look at what there is until its worker has gone.
 * So what is on disk is what is defined, however many ask at once. */
void requests_on_changer(struct timer *t)
{
	struct supervisor *s = t->owner;
	struct request *r = s->requests;

	if (s->changing || sources_sweep(s))
		return; /* their end leads here again */
	while (r && !r->change)
		r = r->next;
	if (r) {
		loop_disarm(s->loop, &r->timer);
		s->changing = r;
		r->change(r);
	}
}

static void on_turn_over(struct timer *t)
{
	struct request *r = t->owner;
	struct err e = { 0 };

	err_set(&e, ERR_BUSY,
	        "nothing was changed: another change of definitions has been under way for %d s (status "
	        "lists its worker)",
	        (int)(TURN_WITHIN / 1000));
	request_end(r, &e);
}

static void limit_wait(struct request *r, timer_fn *over, uint64_t ms)
{
	r->timer = (struct timer){ .on_expiry = over, .owner = r };
	loop_arm(r->sup->loop, &r->timer, clock_ms() + ms);
}

void request_change(struct request *r, void (*change)(struct request *r))
{
	r->change = change;
	limit_wait(r, on_turn_over, TURN_WITHIN);
	loop_arm(r->sup->loop, &r->sup->changer, 0);
}

static void on_request_record(struct worker *w, const struct line *l)
{
	struct request *r = w->task.owner;
	const char *problem = line_get(l, "problem"), *class = line_get(l, "class"),
		   *note = line_get(l, "note");

	if (note && worker_may_log(w))
		log_info(LF_POOL, "%s: %s", w->task.what, note);
	if (problem) {
		err_set(&w->err, err_class_from_word(class ? class : ""), "%s", problem);
		return;
	}
	if (line_has(l, "kept")) {
		r->kept_in_config = streq(line_get(l, "kept"), "config");
		free(r->kept_file);
		r->kept_file = line_get(l, "file") ? strdup(line_get(l, "file")) : NULL;
	}
	if (!line_has(l, "pool") || r->summary)
		return;
	r->summary = calloc(1, sizeof(*r->summary));
	if (r->summary && summary_from_line(r->summary, l, &w->err) < 0) {
		summary_free(r->summary);
		r->summary = NULL;
	}
}

static void on_request_text(struct worker *w, const char *data, size_t len)
{
	struct request *r = w->task.owner;

	free(r->text);
	r->text = copy_bytes(data, len);
	r->text_len = r->text ? len : 0;
}

int request_take_xml(struct request *r, const char *xml, size_t len, struct err *e)
{
	r->xml = copy_bytes(xml, len);
	r->xml_len = len;
	return r->xml ? 0 : err_set(e, ERR_NO_MEMORY, "cannot read the document: out of memory");
}

static void on_request_done(struct worker *w, const struct err *e, bool left)
{
	struct request *r = w->task.owner;

	(void)left;
	r->then(r, e);
}

static int run_job(struct request *r, struct task *task, void (*then)(struct request *, const struct err *),
                   struct err *e)
{
	task->on_record = on_request_record;
	task->on_payload = on_request_text;
	task->owner = r;
	r->then = then;
	r->worker = worker_start(r->sup, task, e);
	return r->worker ? 0 : -1;
}

int request_run(struct request *r, const char *what, uint64_t timeout,
                int (*run)(struct worker_io *, void *, struct err *), void *arg,
                void (*then)(struct request *, const struct err *), struct err *e)
{
	return run_job(r,
	               &(struct task){ .what = what,
	                               .timeout = timeout,
	                               .prompt = true,
	                               .run = run,
	                               .arg = arg,
	                               .on_done = on_request_done },
	               then, e);
}

/* ---- workers that write ---- */

/* It does not go: whoever asked is not kept any longer, but the next change is. */
static void on_left_behind(struct timer *t)
{
	struct request *r = t->owner;

	waiters_finish(&r->waiters,
	               &(struct result){ .err = &r->failure,
	                                 .pool = r->pool ? pool_by_name(r->sup, r->pool) : NULL });
}

static void on_written(struct worker *w, const struct err *e, bool left)
{
	struct request *r = w->task.owner;

	if (!left) {
		r->then(r, e);
		return;
	}
	if (r->failure.class == ERR_NONE)
		r->failure = *e;
	limit_wait(r, on_left_behind, GONE_WITHIN);
}

static void on_writer_gone(struct worker *w)
{
	struct request *r = w->task.owner;
	struct err e = r->failure;

	loop_disarm(r->sup->loop, &r->timer);
	r->then(r, &e);
}

/* As request_run(); what follows waits until the worker has gone, however long that takes: while it is there
 * it may still write. */
static int request_write(struct request *r, const char *what,
                         int (*run)(struct worker_io *, void *, struct err *),
                         void (*then)(struct request *, const struct err *), struct err *e)
{
	return run_job(r,
	               &(struct task){ .what = what,
	                               .timeout = DEADLINE_KEEP,
	                               .run = run,
	                               .arg = r,
	                               .on_done = on_written,
	                               .on_gone = on_writer_gone },
	               then, e);
}

void request_emit(struct supervisor *s, const char *event, const char *pool)
{
	struct event ev = { .name = event };

	event_str(&ev, "pool", pool);
	events_emit(s, &ev);
}

/* ---- define, create ---- */

static int run_parse(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	struct pool_def def;
	struct config_item item = { .def = &def, .origin = "(socket)" };

	if (sandbox_enter(e) < 0 ||
	    (r->validate && grammar_check(GRAMMAR_POOL, r->xml, r->xml_len, "(socket)", e) < 0) ||
	    pool_read(&def, r->xml, r->xml_len, "(socket)", e) < 0)
		return -1;
	int rc = config_print(&item, e);
	if (rc == 0)
		operation_send_definition(io, &item);
	config_item_free(&item);
	pool_def_free(&def);
	return rc;
}

static struct pool *install(struct request *r, struct err *e)
{
	struct supervisor *s = r->sup;
	struct pool *p = registry_apply(s, r->summary, r->xml, r->xml_len, PRIORITY_SOCKET, e);

	if (!p)
		return NULL;
	p->judged = true;
	p->persistent = r->mode == DEFINE_PERSISTENT;
	p->kept_in_config = r->kept_in_config;
	if (r->kept_in_config && r->kept_file) {
		pool_note_origin(p, r->kept_file);
		supervisor_forget_problems(s, s->options.config_dir); /* it is there now */
	}
	pool_look_again(p);
	state_save(p);
	struct event ev = { .name = "pool-defined" };
	event_str(&ev, "pool", p->name);
	event_flag(&ev, "persistent", p->persistent);
	events_emit(s, &ev);
	return p;
}

/* The definition that is kept steps aside until the pool stops. */
static struct pool *lend(struct request *r, struct pool *p, struct err *e)
{
	if (registry_lend(p, r->summary, r->xml, r->xml_len, e) < 0)
		return NULL;
	p->judged = true;
	state_save(p);
	return p;
}

static int run_sweep(struct worker_io *io, void *arg, struct err *e)
{
	const struct supervisor *s = ((const struct request *)arg)->sup;

	(void)io;
	(void)e;
	if (s->options.config_dir)
		config_sweep(s->options.config_dir);
	config_sweep(s->run_config);
	return 0;
}

static void after_sweep(struct request *r, const struct err *e)
{
	(void)e;
	request_end(r, &r->failure);
}

/* A worker that was killed may have left a file half-written: that goes before anybody is told. */
static bool sweeps(struct request *r, const struct err *e)
{
	r->failure = *e;
	return (err_is(e, ERR_INTERNAL) || err_is(e, ERR_TIMEOUT)) &&
	       request_write(r, "sweep-definitions", run_sweep, after_sweep, NULL) == 0;
}

static void after_keep(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (e && sweeps(r, e))
		return;
	if (!e && !install(r, &problem))
		e = &problem;
	request_end(r, e);
}

static void create_now(struct request *r)
{
	struct err e = { 0 };
	struct pool *there = pool_by_name(r->sup, r->summary->name),
		    *p = there ? lend(r, there, &e) : install(r, &e);

	if (!p) {
		request_end(r, &e);
		return;
	}
	p->build_wanted = r->build != 0;
	p->build_flags = r->build & ~START_BUILD;
	p->timeout = r->timeout;
	waiters_move(&r->waiters, &p->waiters); /* they are told when it is up */
	request_free(r);
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
	if (p->worker || p->want_active || p->stuck)
		return err_set(e, ERR_STATE, "pool \"%s\" is %s: stop it first (pool-destroy)", p->name,
		               p->want_active ? phase_word(p->phase) : "being worked on");
	return 0;
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

	if (pool_read(&def, r->xml, r->xml_len, "(socket)", e) < 0)
		return -1;
	return protected_check(s, &def, e) < 0 ? -1 : conflict_check(s, &def, &op, CONFLICT_DEFINED, e);
}

static void keep(struct request *r)
{
	struct err e = { 0 };

	if (request_write(r, "keep-definition", work_keep, after_keep, &e) < 0)
		request_end(r, &e);
}

static void after_conflict(struct request *r, const struct err *e)
{
	if (e && (err_is(e, ERR_CONFLICT) || err_is(e, ERR_INVALID))) {
		request_end(r, e);
		return;
	}
	if (e)
		log_info(LF_CONFIG, "%s: not compared with the other pools: %s", r->pool, e->message);
	keep(r);
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
	else if (e.class != ERR_NONE ||
	         request_run(r, "compare", DEADLINE_COMPARE, run_conflict, r, after_conflict, &e) < 0)
		request_end(r, &e);
}

static void after_parse(struct request *r, const struct err *e)
{
	struct err problem = { 0 };
	char *canonical = r->text;

	if (!e && r->summary)
		r->pool = strdup(r->summary->name);
	if (!e && (!r->pool || !canonical)) {
		err_set(&problem, ERR_NO_MEMORY, "the definition could not be taken over: out of memory");
		e = &problem;
	}
	if (e) {
		request_end(r, e);
		return;
	}
	free(r->xml);
	r->xml = canonical;
	r->xml_len = r->text_len;
	r->text = NULL;
	r->text_len = 0;
	request_change(r, change_define);
}

int pool_define(struct supervisor *s, const struct define_order *o, struct waiter *w, struct err *e)
{
	struct request *r = request_new(s, NULL, w, e);

	if (!r)
		return -1;
	r->mode = o->mode;
	r->validate = o->validate;
	r->build = o->build;
	r->timeout = o->timeout;
	if (request_take_xml(r, o->xml, o->xml_len, e) < 0)
		return request_refuse(r);
	return request_run(r, "parse", DEADLINE_PARSE, run_parse, r, after_parse, e) < 0 ? request_refuse(r)
	                                                                                 : 0;
}

/* ---- undefine, autostart ---- */

static void after_forget(struct request *r, const struct err *e)
{
	struct pool *p = pool_by_name(r->sup, r->pool);
	struct err busy = { 0 };

	if (!e && p && (pool_is_active(p) || p->worker)) {
		err_set(&busy, ERR_STATE, "pool \"%s\" was started meanwhile: it is forgotten when it stops",
		        p->name);
		p->persistent = false;
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

static int may_be_undefined(const struct pool *p, const char *name, struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", name);
	if (pool_is_active(p) || p->worker || p->want_active)
		return err_set(e, ERR_STATE, "pool \"%s\" is %s: stop it first (pool-destroy)", name,
		               phase_word(p->phase));
	return 0;
}

static void change_undefine(struct request *r)
{
	struct err e = { 0 };

	if (may_be_undefined(pool_by_name(r->sup, r->pool), r->pool, &e) < 0 ||
	    request_write(r, "forget-definition", work_forget, after_forget, &e) < 0)
		request_end(r, &e);
}

int pool_undefine(struct pool *p, struct waiter *w, struct err *e)
{
	struct request *r;

	if (may_be_undefined(p, p->name, e) < 0)
		return -1;
	r = request_new(p->sup, p->name, w, e);
	if (r)
		request_change(r, change_undefine);
	return r ? 0 : -1;
}

static void after_mark(struct request *r, const struct err *e)
{
	struct pool *p = pool_by_name(r->sup, r->pool);

	if (e && sweeps(r, e))
		return;
	if (!e && p) {
		p->autostart = r->on;
		p->marked_here = !r->kept_in_config;
	}
	request_end(r, e);
}

static int may_be_marked(const struct pool *p, const char *name, struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", name);
	if (!p->persistent)
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
