/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask about definitions: each request is either refused at once, changing nothing, or parked until its outcome is known.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "supervisor/internal.h"

/* A request under way in a worker of its own: it outlives the one who asked, and the pool. */
struct request {
	struct request *next;           /* in the order in which they came */
	struct supervisor *sup;
	struct waiter *waiters;
	char *pool;                     /* name, or NULL */
	char *xml;
	size_t xml_len;
	struct summary *summary;
	enum define_mode mode;
	bool on;                        /* autostart */
	char *text;                     /* printed XML that came back */
	size_t text_len;
	bool kept_in_config;
	char *kept_file;                /* there: its path */
	void (*then)(struct request *r, const struct err *e);
	void (*change)(struct request *r);      /* what it does to the definitions, when it is its turn; or NULL */
	bool changing;                  /* it is its turn */
};

static void request_free(struct request *r)
{
	struct supervisor *s = r->sup;
	struct request **at = &s->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	if (r->changing)
		loop_arm(s->loop, &s->changer, 0);
	free(r->pool);
	free(r->xml);
	free(r->text);
	free(r->kept_file);
	summary_free(r->summary);
	free(r);
}

static struct request *request_new(struct supervisor *s, const char *pool, struct waiter *w, struct err *e)
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

/* Refused before anything began: the waiter is the caller's again. */
static int request_refuse(struct request *r)
{
	waiter_withdraw(r->waiters);
	request_free(r);
	return -1;
}

static void request_end(struct request *r, const struct err *e)
{
	struct result result = {
		.err = e, .pool = r->pool ? pool_by_name(r->sup, r->pool) : NULL, .text = r->text, .text_len = r->text_len,
		.kept = r->kept_in_config ? "config" : "run",
	};

	waiters_finish(&r->waiters, &result);
	request_free(r);
}

/* ---- one change at a time ---- */

/* Definitions are changed one after the other, each from the look at what there is to the end of its worker. So what is on disk is what is
 * defined, however many ask at once. */
void requests_on_changer(struct timer *t)
{
	struct supervisor *s = t->owner;
	struct request *r = s->requests;

	while (r && !r->changing)
		r = r->next;
	if (r)
		return;                 /* its end leads here again */
	for (r = s->requests; r && !r->change;)
		r = r->next;
	if (r) {
		r->changing = true;
		r->change(r);
	}
}

static void request_change(struct request *r, void (*change)(struct request *r))
{
	r->change = change;
	loop_arm(r->sup->loop, &r->sup->changer, 0);
}

static void on_request_record(struct worker *w, const struct line *l)
{
	struct request *r = w->job.owner;
	const char *problem = line_get(l, "problem"), *class = line_get(l, "class");

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

/* Foreign bytes, with the NULs that may be in them. */
static char *copy_bytes(const char *data, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

static void on_request_text(struct worker *w, const char *data, size_t len)
{
	struct request *r = w->job.owner;

	free(r->text);
	r->text = copy_bytes(data, len);
	r->text_len = r->text ? len : 0;
}

static void on_request_done(struct worker *w, const struct err *e, bool left)
{
	struct request *r = w->job.owner;

	(void)left;
	r->then(r, e);
}

static int request_run(struct request *r, const char *what, uint64_t timeout, int (*run)(struct worker_io *, void *, struct err *), void *arg,
		       void (*then)(struct request *, const struct err *), struct err *e)
{
	struct job job = {
		.what = what, .timeout = timeout, .run = run, .arg = arg, .on_record = on_request_record, .on_payload = on_request_text,
		.on_done = on_request_done, .owner = r,
	};

	r->then = then;
	return worker_start(r->sup, &job, e) ? 0 : -1;
}

/* ---- printing ---- */

static void after_print(struct request *r, const struct err *e)
{
	struct err lost = { 0 };

	if (!e && !r->text) {
		err_set(&lost, ERR_NO_MEMORY, "cannot print the document: out of memory");
		e = &lost;
	}
	request_end(r, e);
}

int pool_dumpxml(struct pool *p, bool inactive, struct waiter *w, struct err *e)
{
	struct operation o = { .pool = p, .live = !inactive && pool_is_active(p) };
	struct request *r = request_new(p->sup, p->name, w, e);

	if (!r)
		return -1;
	return request_run(r, "print", DEADLINE_PARSE, operation_print, &o, after_print, e) < 0 ? request_refuse(r) : 0;
}

int volume_dumpxml(struct pool *p, const char *record, size_t len, struct waiter *w, struct err *e)
{
	char line[LINE_MAX_BYTES + 1];
	struct operation o = { .pool = p, .text = line, .text_len = len > 0 ? len - 1 : 0 };
	struct request *r;

	if (len == 0 || len > LINE_MAX_BYTES)
		return err_set(e, ERR_INTERNAL, "a volume record of %zu bytes", len);
	memcpy(line, record, o.text_len);
	line[o.text_len] = '\0';
	r = request_new(p->sup, p->name, w, e);
	if (!r)
		return -1;
	return request_run(r, "print", DEADLINE_PARSE, operation_print_volume, &o, after_print, e) < 0 ? request_refuse(r) : 0;
}

/* ---- keeping definitions, in the worker ---- */

static void send_kept(struct worker_io *io, const char *where, const char *file)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "kept", where);
	line_str(&b, "file", file);
	line_end(&b);
	worker_send(io, &b);
	buf_free(&b);
}

/* A configuration directory that cannot be written is no failure: the definition then lives in run_dir, for this boot. */
static bool only_for_this_boot(const struct err *e)
{
	return e->class == ERR_READ_ONLY || e->class == ERR_DENIED;
}

static const char *file_in_config(const struct request *r)
{
	const struct pool *p = pool_by_name(r->sup, r->pool);

	return p && p->kept_in_config ? p->origin : NULL;
}

static int run_keep(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const char *dir = r->sup->options.config_dir, *file = file_in_config(r);
	char path[PATH_MAX];
	struct err why = { 0 };

	if (dir && config_keep(dir, r->pool, file, r->xml, &why) == 0) {
		config_definition_path(dir, r->pool, path, sizeof(path));
		send_kept(io, "config", file ? file : path);
		return 0;
	}
	if (dir && !only_for_this_boot(&why)) {
		*e = why;
		return -1;
	}
	if (config_keep(r->sup->run_config, r->pool, NULL, r->xml, e) < 0)
		return -1;
	send_kept(io, "run", NULL);
	return 0;
}

static int run_forget(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const struct pool *p = pool_by_name(r->sup, r->pool);
	struct err why = { 0 };
	bool gone = true;

	if (p && p->kept_in_config && config_forget(r->sup->options.config_dir, r->pool, p->origin, &why) < 0) {
		if (!only_for_this_boot(&why)) {
			*e = why;
			return -1;
		}
		gone = false;
	}
	if (config_forget(r->sup->run_config, r->pool, NULL, &why) < 0 && why.sys != ENOENT) {
		*e = why;
		return -1;
	}
	send_kept(io, gone && p && p->kept_in_config ? "config" : "run", NULL);
	return 0;
}

static int run_mark(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const struct pool *p = pool_by_name(r->sup, r->pool);
	struct err why = { 0 };

	if (p && p->kept_in_config && config_mark_autostart(r->sup->options.config_dir, r->pool, p->origin, r->on, &why) == 0) {
		send_kept(io, "config", NULL);
		return 0;
	}
	if (p && p->kept_in_config && !only_for_this_boot(&why)) {
		*e = why;
		return -1;
	}
	if (config_mark_autostart(r->sup->run_config, r->pool, NULL, r->on, e) < 0)
		return -1;
	send_kept(io, "run", NULL);
	return 0;
}

/* ---- define, create ---- */

static int run_parse(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	struct pool_def def;

	if (sandbox_enter(e) < 0 || pool_read(&def, r->xml, r->xml_len, "(socket)", e) < 0)
		return -1;
	int rc = config_check_length(&def, "(socket)", e);
	if (rc == 0)
		operation_send_definition(io, &(struct config_item){ .def = &def, .origin = "(socket)" });
	pool_def_free(&def);
	return rc;
}

/* Where it will be found at the next start: the definition in use, or the one that waits for the stop. */
static void note_origin(struct pool *p, const char *file)
{
	char **origins[] = { &p->origin, p->next_facts ? &p->next_facts->origin : NULL };

	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		char *copy = origins[i] ? strdup(file) : NULL;

		if (!copy)
			continue;
		free(*origins[i]);
		*origins[i] = copy;
	}
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
	if (r->kept_in_config && r->kept_file)
		note_origin(p, r->kept_file);
	pool_look_again(p);
	state_save(p);
	struct buf name = BUF_INIT;
	line_quote(&name, p->name, strlen(p->name));
	events_emit(s, "pool-defined", " pool=%s persistent=%s", buf_str(&name), p->persistent ? "yes" : "no");
	buf_free(&name);
	return p;
}

static void after_keep(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (!e && !install(r, &problem))
		e = &problem;
	request_end(r, e);
}

static void create_now(struct request *r)
{
	struct err e = { 0 };
	struct pool *p = install(r, &e);

	if (!p) {
		request_end(r, &e);
		return;
	}
	while (r->waiters) {            /* they are told when it is up */
		struct waiter *w = r->waiters;

		waiter_withdraw(w);
		waiter_park(&p->waiters, w);
	}
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
	if (pool_is_active(p) || p->worker)
		return err_set(e, ERR_STATE, "pool \"%s\" is already active", p->name);
	return err_set(e, ERR_EXISTS, "pool \"%s\" is already defined (%s): start it with pool-start", p->name, p->origin);
}

static void change_define(struct request *r)
{
	struct err e = { 0 };

	if (admit(r, &e) == 0 && r->mode == DEFINE_TRANSIENT)
		create_now(r);
	else if (e.class != ERR_NONE || request_run(r, "keep-definition", DEADLINE_KEEP, run_keep, r, after_keep, &e) < 0)
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

int pool_define(struct supervisor *s, const char *xml, size_t len, enum define_mode mode, struct waiter *w, struct err *e)
{
	struct request *r = request_new(s, NULL, w, e);

	if (!r)
		return -1;
	r->mode = mode;
	r->xml = copy_bytes(xml, len);
	r->xml_len = len;
	if (!r->xml) {
		err_set(e, ERR_NO_MEMORY, "cannot read the definition: out of memory");
		return request_refuse(r);
	}
	return request_run(r, "parse", DEADLINE_PARSE, run_parse, r, after_parse, e) < 0 ? request_refuse(r) : 0;
}

/* ---- undefine, autostart ---- */

static void after_forget(struct request *r, const struct err *e)
{
	struct pool *p = pool_by_name(r->sup, r->pool);
	struct err busy = { 0 };

	if (!e && p && (pool_is_active(p) || p->worker)) {
		err_set(&busy, ERR_STATE, "pool \"%s\" was started meanwhile: it is forgotten when it stops", p->name);
		p->persistent = false;
		state_save(p);
		e = &busy;
	}
	if (!e && p) {
		struct buf name = BUF_INIT;

		line_quote(&name, p->name, strlen(p->name));
		events_emit(r->sup, "pool-undefined", " pool=%s", buf_str(&name));
		buf_free(&name);
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
		return err_set(e, ERR_STATE, "pool \"%s\" is %s: stop it first (pool-destroy)", name, phase_word(p->phase));
	return 0;
}

static void change_undefine(struct request *r)
{
	struct err e = { 0 };

	if (may_be_undefined(pool_by_name(r->sup, r->pool), r->pool, &e) < 0 ||
	    request_run(r, "forget-definition", DEADLINE_KEEP, run_forget, r, after_forget, &e) < 0)
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

	if (!e && p)
		p->autostart = r->on;
	request_end(r, e);
}

static int may_be_marked(const struct pool *p, const char *name, struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", name);
	if (!p->persistent)
		return err_set(e, ERR_STATE, "pool \"%s\" is transient: it cannot be marked for autostart (pool-define it)", name);
	return 0;
}

static void change_mark(struct request *r)
{
	struct err e = { 0 };

	if (may_be_marked(pool_by_name(r->sup, r->pool), r->pool, &e) < 0 ||
	    request_run(r, "mark-autostart", DEADLINE_KEEP, run_mark, r, after_mark, &e) < 0)
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
