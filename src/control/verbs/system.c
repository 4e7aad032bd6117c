/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern the supervisor itself, and the connection.
 */
#include "control/verbs/verbs.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"

/* ---- status ---- */

/* The supervisor itself, with how many pools are in each phase. */
static void status_supervisor(struct call *c)
{
	const struct supervisor_options *o = supervisor_options(call_supervisor(c));
	uint64_t pools = 0, wanted = 0, count[PHASES] = { 0 };

	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next) {
		pools++;
		wanted += p->want.active;
		count[p->phase]++;
	}
	record_begin(c);
	record_str(c, "kind", "supervisor");
	record_num(c, "pid", (uint64_t)getpid());
	record_str(c, "version", POOLINIT_VERSION);
	record_str(c, "state", call_state(c));
	record_num(c, "pools", pools);
	record_num(c, "wanted", wanted);
	record_num(c, "active", count[PHASE_ACTIVE]);
	record_num(c, "clients", call_clients(c));
	record_str(c, "config", o->config_dir);
	record_str(c, "run", o->run_dir);
	for (enum phase i = PHASE_CHECKING; i < PHASES; i++)
		if (i != PHASE_ACTIVE)
			record_num(c, phase_word(i), count[i]);
	record_end(c);
}

/* Those that are not as they are wanted, and those of which there is something to say. */
static void status_pools(struct call *c)
{
	uint64_t now = clock_ms();

	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next) {
		if (!p->reason.text && !p->reason.warning && (!p->want.active || p->phase == PHASE_ACTIVE))
			continue;
		record_begin(c);
		record_str(c, "kind", "pool");
		record_str(c, "name", p->name);
		record_str(c, "phase", phase_word(p->phase));
		record_str(c, "class",
		           p->reason.text && p->reason.class != ERR_NONE ? err_word(p->reason.class) : NULL);
		record_str(c, "reason", p->reason.text);
		record_str(c, "waits", p->reason.waits_for);
		if (p->tries.retry.armed)
			record_num(c, "retry_ms",
			           p->tries.retry.deadline > now ? p->tries.retry.deadline - now : 0);
		record_str(c, "warning", p->reason.warning);
		record_end(c);
	}
}

/* Each process that is at work now. */
static void status_workers(struct call *c)
{
	uint64_t now = clock_ms();
	struct worker_view v;

	for (size_t i = 0; worker_at(call_supervisor(c), i, &v); i++) {
		record_begin(c);
		record_str(c, "kind", "worker");
		record_num(c, "pid", (uint64_t)v.pid);
		record_str(c, "operation", v.what);
		record_str(c, "pool", v.pool);
		record_num(c, "running_ms", now - v.started);
		record_flag(c, "abandoned", v.abandoned);
		record_end(c);
	}
}

/* Companions, whoever they belong to. */
static void status_services(struct call *c)
{
	struct service_view v;

	for (size_t i = 0; service_at(call_supervisor(c), i, &v); i++) {
		record_begin(c);
		record_str(c, "kind", "service");
		record_str(c, "name", v.name);
		record_str(c, "state", v.state);
		if (v.pid > 0)
			record_num(c, "pid", (uint64_t)v.pid);
		record_num(c, "restarts", v.restarts);
		record_end(c);
	}
}

static void status_problem(struct call *c, const char *origin, enum err_class class, const char *text)
{
	record_begin(c);
	record_str(c, "kind", "problem");
	record_str(c, "origin", origin);
	record_str(c, "class", err_word(class));
	record_str(c, "text", text);
	record_end(c);
}

/* Where definitions are still to come from: nobody else tells that a disk with them is not there. */
static void status_awaited(struct call *c)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct source_view v;

	for (size_t i = 0; source_at(call_supervisor(c), i, &v); i++) {
		if (v.done || !v.waits_for)
			continue;
		buf_reset(&text);
		buf_printf(&text, "the definitions in %s are awaited: %s", v.where, v.waits_for);
		status_problem(c, v.where, ERR_STORAGE, buf_str(&text));
	}
}

static void status_problems(struct call *c)
{
	const struct supervisor *s = call_supervisor(c);
	unsigned lost = supervisor_lost_problems(s);
	char text[120];

	for (const struct problem *p = supervisor_problems(s); p; p = p->next)
		status_problem(c, p->origin, p->class, p->text);
	snprintf(text, sizeof(text),
	         "%u problem%s could not be noted here for want of memory: the log has them", lost,
	         lost == 1 ? "" : "s");
	if (lost)
		status_problem(c, "status", ERR_NO_MEMORY, text);
}

static void left_out_problem(void *arg, const char *origin, const char *text)
{
	status_problem(arg, origin, ERR_STORAGE, text);
}

void verb_status(struct call *c)
{
	status_supervisor(c);
	status_pools(c);
	status_workers(c);
	status_services(c);
	status_problems(c);
	status_awaited(c);
	left_out_each(call_supervisor(c), left_out_problem, c);
	final_str(c, "state", call_state(c));
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
	final_num(c, "problems", n);
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

/* ---- boot-good ---- */

static void is_good(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (r->err)
		call_fail(c, r->err);
	else
		call_ok(c);
}

void verb_boot_good(struct call *c)
{
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = is_good;
	if (supervisor_boot_good(call_supervisor(c), call_arg(c, "root"), w, &e) < 0)
		call_fail(c, &e);
}

/* ---- follow ---- */

void verb_follow(struct call *c)
{
	call_follow(c, call_arg(c, "root"));
}

/* ---- wait ---- */

/* "active,degraded" as bits 1 << PHASE_…. */
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
			return err_set(e, ERR_INVALID,
			               "wait: \"%.*s\" is not a phase (active, failed, inactive, waiting, …)",
			               (int)(len < 80 ? len : 80), at);
		*phases |= 1u << phase;
	}
	return 0;
}

/* Without phase= it is waited for the active one. */
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
	if (what && !streq(what, "boot") && !call_arg(c, "pool"))
		err_set(&e, ERR_INVALID, "for=%.100s: there is wait boot, and for a pool wait pool=%.100s",
		        what, what);
	else
		err_set(&e, what ? ERR_INVALID : ERR_MISSING,
		        "wait for what? wait pool=NAME [phase=active,…] or wait boot");
	call_fail(c, &e);
}

/* ---- events, timeline ---- */

/* Its kind was checked: it is a number. */
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

/* One line of the timeline; pool NULL: of the whole. */
struct moment {
	uint64_t ms;
	const char *what, *pool, *waits;
	size_t order;
};

#define POOL_MOMENTS (2 + POOL_STAGES)

/* Those that have happened, POOL_MOMENTS at most. */
static size_t pool_moments(const struct pool *p, struct moment *m)
{
	const struct pool_times *t = &p->times;
	size_t n = 0;

	m[n++] = (struct moment){ t->defined, "defined", p->name, NULL, 0 };
	if (t->wanted)
		m[n++] = (struct moment){ t->wanted, "wanted", p->name, NULL, 0 };
	for (size_t i = 0; i < t->nstages; i++)
		m[n++] = (struct moment){ t->stages[i].since, phase_word(t->stages[i].phase), p->name,
			                  t->stages[i].waits, 0 };
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

/* Room for n things of every pool, and `more`; *pools is how many there are. NULL: the call has failed. */
static void *room_for_pools(struct call *c, size_t size, size_t n, size_t more, size_t *pools)
{
	*pools = 0;
	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next)
		++*pools;

	void *room = calloc(*pools * n + more + 1, size);
	if (!room) {
		struct err e = { 0 };

		err_set(&e, ERR_NO_MEMORY, "no memory for the answer");
		call_fail(c, &e);
	}
	return room;
}

void verb_timeline(struct call *c)
{
	struct supervisor *s = call_supervisor(c);
	size_t n, npools, used = 0;
	const struct milestone *general = milestones(s, &n);
	struct moment *m = room_for_pools(c, sizeof(*m), POOL_MOMENTS, n, &npools);

	if (!m)
		return;
	for (size_t i = 0; i < n; i++)
		m[used++] = (struct moment){ general[i].ms, general[i].name, NULL, NULL, 0 };
	for (const struct pool *p = pool_first(s); p; p = p->next)
		used += pool_moments(p, m + used);
	for (size_t i = 0; i < used; i++)
		m[i].order = i;
	qsort(m, used, sizeof(*m), by_time);
	for (size_t i = 0; i < used; i++) {
		record_begin(c);
		record_num(c, "ms", m[i].ms);
		record_str(c, "what", m[i].what);
		record_str(c, "pool", m[i].pool);
		record_str(c, "waits", m[i].waits);
		record_end(c);
	}
	free(m);
	final_num(c, "now", clock_ms());
	call_ok(c);
}

/* ---- blame ---- */

/* What it took a pool to become active, or has taken it so far: milliseconds in each phase. */
struct cost {
	const struct pool *pool;
	uint64_t ms, in[PHASES];
	const char *waits; /* what it waited for longest, or NULL */
};

static void add_up(struct cost *cost, const struct pool_times *t, uint64_t now)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < t->nstages && !phase_is_active(t->stages[i].phase); i++) {
		const struct pool_stage *s = t->stages + i;
		uint64_t ms = (i + 1 < t->nstages ? s[1].since : now) - s->since;

		if (s->phase == PHASE_FAILED || s->phase == PHASE_INACTIVE)
			continue;
		cost->ms += ms;
		cost->in[s->phase] += ms;
		if (s->waits && ms >= longest) {
			longest = ms;
			cost->waits = s->waits;
		}
	}
}

/* The longest first. */
static int by_cost(const void *a, const void *b)
{
	const struct cost *x = a, *y = b;

	return x->ms > y->ms ? -1 : x->ms < y->ms;
}

void verb_blame(struct call *c)
{
	size_t n, used = 0;
	struct cost *costs = room_for_pools(c, sizeof(*costs), 1, 0, &n);

	if (!costs)
		return;
	for (const struct pool *p = pool_first(call_supervisor(c)); p; p = p->next) {
		costs[used].pool = p;
		add_up(&costs[used], &p->times, clock_ms());
		used += p->times.nstages > 0;
	}
	qsort(costs, used, sizeof(*costs), by_cost);
	for (size_t i = 0; i < used; i++) {
		record_begin(c);
		record_str(c, "pool", costs[i].pool->name);
		record_num(c, "ms", costs[i].ms);
		for (enum phase phase = 0; phase < PHASES; phase++)
			if (costs[i].in[phase])
				record_num(c, phase_word(phase), costs[i].in[phase]);
		record_str(c, "waits", costs[i].waits);
		record_end(c);
	}
	free(costs);
	call_ok(c);
}

/* ---- log ---- */

static void log_record(void *arg, const struct log_entry *m)
{
	struct call *c = arg;

	record_begin(c);
	record_num(c, "seq", m->seq);
	record_num(c, "ts", m->ts);
	record_str(c, "level", m->level);
	record_str(c, "facility", m->facility);
	record_str(c, "text", m->text);
	record_end(c);
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
		log_each(number(c, "since", 0), log_record, c);
	call_ok(c);
}

/* ---- help, version, shutdown, quit ---- */

static void help_record(struct call *c, const struct verb *v)
{
	record_begin(c);
	record_str(c, "verb", v->name);
	record_str(c, "level", verb_level_word(v->level));
	record_str(c, "help", v->help);
	if (v->limit)
		record_num(c, "limit", v->limit / 1000);
	record_end(c);
}

/* A verb with its arguments, for programs; people have help_verb(). */
static void help_one(struct call *c, const struct verb *v)
{
	static const char *const kinds[] = { "word", "flag", "duration", "number", "size" };

	help_record(c, v);
	for (const struct verb_arg *a = v->args; a->name; a++) {
		/* poolctl's own: a request has the payload, or a descriptor */
		if (a->kind == ARG_FILE || a->kind == ARG_DATA)
			continue;
		record_begin(c);
		record_str(c, "argument", a->name);
		record_str(c, "kind", kinds[a->kind]);
		record_flag(c, "positional", a->positional);
		record_flag(c, "required", a->required);
		record_str(c, "help", a->help);
		record_end(c);
	}
	if (v->payload_max) {
		record_begin(c);
		record_num(c, "payload", v->payload_max);
		record_flag(c, "required", v->payload_required);
		record_end(c);
	}
}

static void (*const text_formats[])(const struct verb *v, struct buf *out) = { help_names, help_markdown,
	                                                                       help_man };
static const char *const text_format_words[] = { "list", "markdown", "man" };

/* Texts that are made of the whole table. */
static int help_text(struct call *c, const char *format, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(text_formats); i++)
		if (streq(format, text_format_words[i])) {
			text_formats[i](call_verbs(c), &text);
			call_bytes(c, buf_str(&text), text.len);
			return text.failed ? err_set(e, ERR_NO_MEMORY, "no memory for the help text") : 0;
		}
	return err_set(e, ERR_INVALID, "help: \"%.80s\" is not a format (list, markdown, man)", format);
}

void verb_help(struct call *c)
{
	const char *name = call_arg(c, "verb"), *format = call_arg(c, "format");
	const struct verb *v = name ? verb_among(call_verbs(c), name) : NULL;
	struct err e = { 0 };
	int rc = 0;

	if (name && !v)
		rc = err_set(&e, ERR_UNKNOWN_VERB, "help: unknown verb \"%.80s\"", name);
	else if (format)
		rc = help_text(c, format, &e);
	else if (v)
		help_one(c, v);
	else
		for (v = call_verbs(c); v->name; v++)
			help_record(c, v);
	if (rc < 0)
		call_fail(c, &e);
	else
		call_ok(c);
}

void verb_version(struct call *c)
{

	record_begin(c);
	record_str(c, "program", "poolinit");
	record_str(c, "version", POOLINIT_VERSION);
	record_num(c, "protocol", 1);
	record_end(c);
	call_ok(c);
}

void verb_shutdown(struct call *c)
{
	const char *how = call_arg(c, "how");
	struct err e = { 0 };

	if (!how)
		how = "poweroff";
	if (!streq(how, "poweroff") && !streq(how, "reboot") && !streq(how, "halt") && !streq(how, "exit"))
		err_set(&e, ERR_INVALID, "shutdown: how= is poweroff, reboot, halt or exit, not \"%.80s\"",
		        how);
	else if (call_shutdown(c, how, &e) == 0)
		final_str(c, "how", how);
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
