/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern the supervisor itself, and the connection.
 */
#include "control/verbs/verbs.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"

/* ---- status ---- */

static void status_supervisor(struct call *c, struct buf *b)
{
	const struct supervisor_options *o = supervisor_options(call_supervisor(c));
	uint64_t pools = 0, wanted = 0, count[PHASES] = { 0 };

	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next) {
		pools++;
		wanted += p->want_active;
		count[p->phase]++;
	}
	line_begin(b, "-");
	line_str(b, "kind", "supervisor");
	line_num(b, "pid", (uint64_t)getpid());
	line_str(b, "version", POOLINIT_VERSION);
	line_str(b, "state", call_state(c));
	line_num(b, "pools", pools);
	line_num(b, "wanted", wanted);
	line_num(b, "active", count[PHASE_ACTIVE]);
	line_num(b, "clients", call_clients(c));
	line_str(b, "config", o->config_dir);
	line_str(b, "run", o->run_dir);
	for (enum phase i = PHASE_CHECKING; i < PHASES; i++)
		if (i != PHASE_ACTIVE)
			line_num(b, phase_word(i), count[i]);
	line_end(b);
}

/* Those that are not as they are wanted, and those of which there is something to say. */
static void status_pools(struct supervisor *s, struct buf *b)
{
	uint64_t now = clock_ms();

	for (const struct pool *p = pool_first(s); p; p = p->next) {
		if (!p->reason && !p->warning && (!p->want_active || p->phase == PHASE_ACTIVE))
			continue;
		line_begin(b, "-");
		line_str(b, "kind", "pool");
		line_str(b, "name", p->name);
		line_str(b, "phase", phase_word(p->phase));
		line_str(b, "class", p->reason && p->reason_class != ERR_NONE ? err_word(p->reason_class) : NULL);
		line_str(b, "reason", p->reason);
		line_str(b, "waits", p->waits_for);
		if (p->retry.armed)
			line_num(b, "retry_ms", p->retry.deadline > now ? p->retry.deadline - now : 0);
		line_str(b, "warning", p->warning);
		line_end(b);
	}
}

static void status_workers(const struct supervisor *s, struct buf *b)
{
	uint64_t now = clock_ms();
	struct worker_view v;

	for (size_t i = 0; worker_at(s, i, &v); i++) {
		line_begin(b, "-");
		line_str(b, "kind", "worker");
		line_num(b, "pid", (uint64_t)v.pid);
		line_str(b, "operation", v.what);
		line_str(b, "pool", v.pool);
		line_num(b, "running_ms", now - v.started);
		line_str(b, "abandoned", v.abandoned ? "yes" : "no");
		line_end(b);
	}
}

static void status_services(const struct supervisor *s, struct buf *b)
{
	struct service_view v;

	for (size_t i = 0; service_at(s, i, &v); i++) {
		line_begin(b, "-");
		line_str(b, "kind", "service");
		line_str(b, "name", v.name);
		line_str(b, "state", v.state);
		if (v.pid > 0)
			line_num(b, "pid", (uint64_t)v.pid);
		line_num(b, "restarts", v.restarts);
		line_end(b);
	}
}

static void status_problem(struct buf *b, const char *origin, enum err_class class, const char *text)
{
	line_begin(b, "-");
	line_str(b, "kind", "problem");
	line_str(b, "origin", origin);
	line_str(b, "class", err_word(class));
	line_str(b, "text", text);
	line_end(b);
}

static void status_problems(const struct supervisor *s, struct buf *b)
{
	unsigned lost = supervisor_lost_problems(s);
	char text[120];

	for (const struct problem *p = supervisor_problems(s); p; p = p->next)
		status_problem(b, p->origin, p->class, p->text);
	snprintf(text, sizeof(text), "%u problem%s could not be noted here for want of memory: the log has them", lost, lost == 1 ? "" : "s");
	if (lost)
		status_problem(b, "status", ERR_NO_MEMORY, text);
}

void verb_status(struct call *c)
{
	struct supervisor *s = call_supervisor(c);
	struct buf *b = call_records(c);

	status_supervisor(c, b);
	status_pools(s, b);
	status_workers(s, b);
	status_services(s, b);
	status_problems(s, b);
	left_out_print(s, b);
	line_str(call_ok_args(c), "state", call_state(c));
	call_ok(c);
}

/* ---- reload ---- */

static void reloaded(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);
	uint64_t n = 0;

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	for (const struct problem *p = supervisor_problems(call_supervisor(c)); p; p = p->next)
		n++;
	line_num(call_ok_args(c), "problems", n);
	call_ok(c);
}

void verb_reload(struct call *c)
{
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = reloaded;
	if (supervisor_reload(call_supervisor(c), w, &e) < 0)
		call_fail(c, &e);
}

/* ---- wait ---- */

static int parse_phases(const char *list, unsigned *phases, struct err *e)
{
	char word[32];

	*phases = 0;
	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		size_t len = strcspn(at, ",");
		int phase = -1;

		if (len < sizeof(word)) {
			memcpy(word, at, len);
			word[len] = '\0';
			phase = phase_from_word(word);
		}
		if (phase < 0)
			return err_set(e, ERR_INVALID, "wait: \"%.*s\" is not a phase (active, failed, inactive, waiting, …)",
				       (int)(len < 80 ? len : 80), at);
		*phases |= 1u << phase;
	}
	return 0;
}

static void wait_pool(struct call *c, uint64_t deadline)
{
	const char *list = call_arg(c, "phase");
	unsigned phases = 1u << PHASE_ACTIVE;
	struct err e = { 0 };

	if (list && parse_phases(list, &phases, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	struct pool *p = call_pool(c);
	if (!p)
		return;
	struct waiter *w = call_waiter(c);
	w->done = pool_phase_done;
	if (pool_wait(p, phases, deadline, w, &e) < 0)
		call_fail(c, &e);
}

void verb_wait(struct call *c)
{
	const char *what = call_arg(c, "for");
	uint64_t timeout = call_duration(c, "timeout", NEVER);
	uint64_t deadline = timeout == NEVER ? NEVER : clock_ms() + timeout;
	struct err e = { 0 };

	if (call_arg(c, "pool") && !what) {
		wait_pool(c, deadline);
		return;
	}
	if (what && streq(what, "boot") && !call_arg(c, "pool") && !call_arg(c, "phase")) {
		call_wait_boot(c, deadline);
		return;
	}
	err_set(&e, what ? ERR_INVALID : ERR_MISSING, "wait for what? wait pool=NAME [phase=active,…] or wait boot");
	call_fail(c, &e);
}

/* ---- events, timeline, log ---- */

static uint64_t number(struct call *c, const char *name, uint64_t otherwise)
{
	const char *value = call_arg(c, name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

void verb_subscribe(struct call *c)
{
	call_subscribe(c, number(c, "since", 0), call_arg(c, "since") != NULL);
	call_ok(c);
}

void verb_unsubscribe(struct call *c)
{
	call_unsubscribe(c);
	call_ok(c);
}

struct moment { uint64_t ms; const char *what; const char *pool; size_t order; };

#define POOL_MOMENTS 6

static size_t pool_moments(const struct pool *p, struct moment *m)
{
	const struct moment all[POOL_MOMENTS] = {
		{ p->times.defined, "defined", p->name, 0 },
		{ p->times.wanted, "wanted", p->name, 0 },
		{ p->times.first_start, "start", p->name, 0 },
		{ p->times.last_start == p->times.first_start ? 0 : p->times.last_start, "start-again", p->name, 0 },
		{ p->times.active, "active", p->name, 0 },
		{ p->times.stopped, "stopped", p->name, 0 },
	};
	size_t n = 0;

	for (size_t i = 0; i < POOL_MOMENTS; i++)
		if (all[i].ms)
			m[n++] = all[i];
	return n;
}

/* By time; what happened in the same millisecond stays in the order in which it was collected. */
static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void verb_timeline(struct call *c)
{
	struct supervisor *s = call_supervisor(c);
	struct buf *b = call_records(c);
	size_t n, npools = 0, used = 0;
	const struct milestone *general = milestones(s, &n);

	for (const struct pool *p = pool_first(s); p; p = p->next)
		npools++;
	struct moment *m = calloc(n + npools * POOL_MOMENTS + 1, sizeof(*m));
	if (!m) {
		struct err e = { 0 };

		err_set(&e, ERR_NO_MEMORY, "no memory for the timeline");
		call_fail(c, &e);
		return;
	}
	for (size_t i = 0; i < n; i++)
		m[used++] = (struct moment){ general[i].ms, general[i].name, NULL, 0 };
	for (const struct pool *p = pool_first(s); p; p = p->next)
		used += pool_moments(p, m + used);
	for (size_t i = 0; i < used; i++)
		m[i].order = i;
	qsort(m, used, sizeof(*m), by_time);
	for (size_t i = 0; i < used; i++) {
		line_begin(b, "-");
		line_num(b, "ms", m[i].ms);
		line_str(b, "what", m[i].what);
		line_str(b, "pool", m[i].pool);
		line_end(b);
	}
	free(m);
	line_num(call_ok_args(c), "now", clock_ms());
	call_ok(c);
}

void verb_log(struct call *c)
{
	const char *level = call_arg(c, "level");
	struct err e = { 0 };

	if (level && log_set(level, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	if (!level || call_arg(c, "since"))
		log_dump(call_records(c), number(c, "since", 0));
	call_ok(c);
}

/* ---- help, version, shutdown, quit ---- */

static void help_record(struct buf *b, const struct verb *v)
{
	line_begin(b, "-");
	line_str(b, "verb", v->name);
	line_str(b, "level", verb_level_word(v->level));
	line_str(b, "help", v->help);
	if (v->limit)
		line_num(b, "limit", v->limit / 1000);
	line_end(b);
}

static void help_one(struct buf *b, const struct verb *v)
{
	static const char *const kinds[] = { "word", "flag", "duration", "number", "size" };

	help_record(b, v);
	for (const struct verb_arg *a = v->args; a->name; a++) {
		if (a->kind == ARG_FILE || a->kind == ARG_DATA)         /* poolctl's own: a request has the payload, or a descriptor */
			continue;
		line_begin(b, "-");
		line_str(b, "argument", a->name);
		line_str(b, "kind", kinds[a->kind]);
		line_str(b, "positional", a->positional ? "yes" : "no");
		line_str(b, "required", a->required ? "yes" : "no");
		line_str(b, "help", a->help);
		line_end(b);
	}
	if (v->payload_max) {
		line_begin(b, "-");
		line_num(b, "payload", v->payload_max);
		line_str(b, "required", v->payload_required ? "yes" : "no");
		line_end(b);
	}
}

static void (*const text_formats[])(struct buf *out) = { help_names, help_markdown, help_man };
static const char *const text_format_words[] = { "list", "markdown", "man" };

static int help_text(struct call *c, const char *format, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(text_formats); i++)
		if (streq(format, text_format_words[i])) {
			text_formats[i](&text);
			call_text(c, buf_str(&text), text.len);
			return text.failed ? err_set(e, ERR_NO_MEMORY, "no memory for the help text") : 0;
		}
	return err_set(e, ERR_INVALID, "help: \"%.80s\" is not a format (list, markdown, man)", format);
}

void verb_help(struct call *c)
{
	const char *name = call_arg(c, "verb"), *format = call_arg(c, "format");
	const struct verb *v = name ? verb_find(name) : NULL;
	struct err e = { 0 };
	int rc = 0;

	if (name && !v)
		rc = err_set(&e, ERR_UNKNOWN_VERB, "help: unknown verb \"%.80s\"", name);
	else if (format)
		rc = help_text(c, format, &e);
	else if (v)
		help_one(call_records(c), v);
	else
		for (size_t i = 0; verb_at(i); i++)
			help_record(call_records(c), verb_at(i));
	if (rc < 0)
		call_fail(c, &e);
	else
		call_ok(c);
}

void verb_version(struct call *c)
{
	struct buf *b = call_records(c);

	line_begin(b, "-");
	line_str(b, "program", "poolinit");
	line_str(b, "version", POOLINIT_VERSION);
	line_num(b, "protocol", 1);
	line_end(b);
	call_ok(c);
}

void verb_shutdown(struct call *c)
{
	const char *how = call_arg(c, "how");
	struct err e = { 0 };

	if (!how)
		how = "poweroff";
	if (!streq(how, "poweroff") && !streq(how, "reboot") && !streq(how, "halt") && !streq(how, "exit"))
		err_set(&e, ERR_INVALID, "shutdown: how= is poweroff, reboot, halt or exit, not \"%.80s\"", how);
	else if (call_shutdown(c, how, &e) == 0)
		line_str(call_ok_args(c), "how", how);
	if (e.class)
		call_fail(c, &e);
	else
		call_ok(c);
}

void verb_quit(struct call *c)
{
	call_quit(c);
	call_ok(c);
}
