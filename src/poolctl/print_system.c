/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Replies for people, of the verbs that virsh has not: the supervisor, its log and timeline, and the jobs
 * under way.
 *
 * No script of virsh's reads these, so that they are laid out for an operator in front of a machine that
 * does not boot: one line a fact, the most important first.
 */
#include "poolctl/parts.h"

#include "base/util.h"

/* The first line of status: who it is, how boot went, and how many pools are in which trouble. */
static void status_summary(const struct page *p, const struct line *l)
{
	static const char *const phases[] = { "degraded", "hung",     "failed",   "retrying",
		                              "waiting",  "checking", "starting", "stopping" };

	buf_printf(p->out, "poolinit %s, pid %s: %s, pools %s/%s active of %s defined",
	           record_get(l, "version"), record_get(l, "pid"), record_get(l, "state"),
	           record_get(l, "active"), record_get(l, "wanted"), record_get(l, "pools"));
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		if (line_u64(l, phases[i], 0))
			buf_printf(p->out, ", %s %s", record_get(l, phases[i]), phases[i]);
	buf_addc(p->out, '\n');
}

/* A pool of status: only those that are not well are told, or have a warning. */
static void status_pool(const struct page *p, struct arena *a, const struct line *l)
{
	const char *name = table_safe(a, record_get(l, "name")), *phase = record_get(l, "phase");

	if (line_has(l, "reason") || !streq(phase, "active"))
		buf_printf(p->out, "pool    %s: %s%s%s\n", name, phase, line_has(l, "reason") ? ": " : "",
		           line_has(l, "reason") ? table_safe(a, record_get(l, "reason")) : "");
	if (line_has(l, "warning"))
		buf_printf(p->out, "warning %s: %s\n", name, table_safe(a, record_get(l, "warning")));
}

/* One record of status, by its kind. Kinds that are not known come from a newer server, and are passed. */
static void status_line(const struct page *p, struct arena *a, const struct line *l)
{
	const char *kind = record_get(l, "kind");

	if (streq(kind, "supervisor"))
		status_summary(p, l);
	else if (streq(kind, "pool"))
		status_pool(p, a, l);
	else if (streq(kind, "worker"))
		buf_printf(p->out, "worker  %s %s, pid %s, %.1f s%s\n", record_get(l, "operation"),
		           table_safe(a, record_get(l, "pool")), record_get(l, "pid"),
		           (double)line_u64(l, "running_ms", 0) / 1000,
		           streq(record_get(l, "abandoned"), "yes") ? ", abandoned: stuck in the kernel"
		                                                    : "");
	else if (streq(kind, "service"))
		buf_printf(p->out, "service %s: %s, pid %s, started again %s times\n", record_get(l, "name"),
		           record_get(l, "state"), record_get(l, "pid"), record_get(l, "restarts"));
	else if (streq(kind, "problem"))
		buf_printf(p->out, "problem %s\n", table_safe(a, record_get(l, "text")));
}

int print_status(const struct page *p)
{
	struct arena a = { 0 };
	bool defined_badly = false;
	struct line l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->reply->nrecords; i++) {
		rc = reply_record(p->reply, i, &l, p->e);
		if (rc == 0)
			status_line(p, &a, &l);
		defined_badly |= rc == 0 && *record_get(&l, "origin") == '/' &&
		                 !starts_with(record_get(&l, "origin"), "/dev/");
	}
	if (defined_badly)
		buf_adds(p->out, "        (files that were mended count after poolctl reload)\n");
	page_end(p);
	arena_free(&a);
	return rc;
}

/* Seconds since the kernel began, and since the line before. */
int print_timeline(const struct page *p)
{
	static const char *const titles[] = { "Time", "After", "Pool", "What" };
	struct buf none = BUF_INIT;
	uint64_t last = 0;
	struct table t;
	struct line l;

	if (command_flag(p->command, "svg"))
		return print_chart(p);
	table_begin(&t, titles, 4);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		uint64_t ms = line_u64(&l, "ms", 0);
		row[0] = arena_printf(&t.arena, "%llu.%03llu s", (unsigned long long)(ms / 1000),
		                      (unsigned long long)(ms % 1000));
		row[1] = i ? arena_printf(&t.arena, "+%llu ms", (unsigned long long)(ms - last)) : "";
		row[2] = line_has(&l, "pool") ? line_get(&l, "pool") : "";
		row[3] = arena_printf(&t.arena, "%s%s%s", record_get(&l, "what"),
		                      line_has(&l, "waits") ? " for " : "",
		                      line_has(&l, "waits") ? line_get(&l, "waits") : "");
		last = ms;
	}
	return page_table(p, &t, &none);
}

/* Pools by what it took them to become active; a phase in which they were not is empty. */
int print_blame(const struct page *p)
{
	static const char *const titles[] = { "Pool",     "Took",     "Checking", "Waiting",
		                              "Retrying", "Starting", "For" };
	static const char *const keys[] = { "ms", "checking", "waiting", "retrying", "starting" };
	struct buf none = BUF_INIT;
	struct table t;
	struct line l;

	table_begin(&t, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		row[0] = line_get(&l, "pool");
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			if (line_has(&l, keys[k]))
				row[1 + k] = arena_printf(&t.arena, "%s ms", line_get(&l, keys[k]));
		row[ARRAY_LEN(keys) + 1] = line_get(&l, "waits");
	}
	return page_table(p, &t, &none);
}

int print_log(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->reply->nrecords; i++) {
		rc = reply_record(p->reply, i, &l, p->e);
		if (rc < 0)
			break;
		uint64_t ms = line_u64(&l, "ts", 0);
		buf_printf(p->out, "%6llu.%03llu %-5s %-7s %s\n", (unsigned long long)(ms / 1000),
		           (unsigned long long)(ms % 1000), record_get(&l, "level"),
		           record_get(&l, "facility"), table_safe(&a, record_get(&l, "text")));
	}
	arena_free(&a);
	return rc;
}

int print_version(const struct page *p)
{
	struct line l;

	if (p->reply->nrecords == 0 || reply_record(p->reply, 0, &l, p->e) < 0)
		return -1;
	buf_printf(p->out, "poolctl %s\n%s %s, protocol %s\n", POOLINIT_VERSION, record_get(&l, "program"),
	           record_get(&l, "version"), record_get(&l, "protocol"));
	return 0;
}

int print_jobs(const struct page *p)
{
	static const char *const titles[] = { "Job", "Operation", "Pool", "Volume", "Running", "Done", "Of" };
	struct buf none = BUF_INIT;
	struct table t;
	struct line l;

	table_begin(&t, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		row[0] = line_get(&l, "job");
		row[1] = line_get(&l, "operation");
		row[2] = line_get(&l, "pool");
		row[3] = line_get(&l, "volume");
		row[4] = arena_printf(&t.arena, "%.1f s%s", (double)line_u64(&l, "running_ms", 0) / 1000,
		                      line_has(&l, "ending") ? ", ending" : "");
		row[5] = table_size(&t.arena, &l, "progress");
		row[6] = table_size(&t.arena, &l, "total");
	}
	return page_table(p, &t, &none);
}
