/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Replies for people: virsh's tables and sentences where virsh has the verb, the same manner where it has not.
 */
#include "control/client_parts.h"

#include "base/util.h"
#include "pool/size.h"

/* What printing one reply needs. */
struct page {
	const struct command *command;
	struct reply *reply;
	struct buf *out;
	struct err *e;
};

static const char *get(const struct line *l, const char *key)
{
	const char *value = line_get(l, key);

	return value ? value : "-";
}

const char *state_word(const char *phase, const char *active)
{
	return streq(phase, "active") ? active : phase;
}

static void end_page(const struct page *p)
{
	if (!p->command->quiet)
		buf_addc(p->out, '\n');
}

/* "Name:           vol1" */
static void say(const struct page *p, struct arena *a, const char *label, const char *value)
{
	if (value)
		buf_printf(p->out, "%-15s %s\n", label, table_safe(a, value));
}

/* A size as virsh says it: scaled, or in bytes followed by `unit`. */
static void say_size(const struct page *p, const struct line *l, const char *label, const char *key, const char *unit)
{
	uint64_t bytes = line_u64(l, key, 0);
	const char *scaled;
	double value;

	if (!line_has(l, key))
		return;
	if (command_flag(p->command, "bytes")) {
		buf_printf(p->out, "%-15s %llu%s\n", label, (unsigned long long)bytes, unit);
		return;
	}
	size_human(bytes, &value, &scaled);
	buf_printf(p->out, "%-15s %.2f %s\n", label, value, scaled);
}

/* ---- pool-list ---- */

/* virsh pads single columns too; scripts that were written for it expect it. */
static int print_names(const struct page *p)
{
	struct line l;

	for (size_t i = 0; i < p->reply->nrecords; i++) {
		if (reply_record(p->reply, i, &l, p->e) < 0)
			return -1;
		if (line_has(&l, "uuid"))
			buf_printf(p->out, "%-36s", line_get(&l, "uuid"));
		if (line_has(&l, "name"))
			buf_printf(p->out, "%s%-20s", line_has(&l, "uuid") ? " " : "", line_get(&l, "name"));
		buf_addc(p->out, '\n');
	}
	end_page(p);
	return 0;
}

/* Below the table: why those are not active that ought to be. */
static void add_reason(struct buf *reasons, struct arena *a, const struct line *l)
{
	if (line_has(l, "reason"))
		buf_printf(reasons, " %s: %s\n", table_safe(a, get(l, "name")), table_safe(a, get(l, "reason")));
}

static void pool_row(struct table *t, const char **row, const struct line *l, bool details)
{
	row[0] = line_get(l, "name");
	row[1] = state_word(get(l, "phase"), details ? "running" : "active");
	row[2] = line_get(l, "autostart");
	if (!details)
		return;
	row[3] = line_get(l, "persistent");
	row[4] = table_size(&t->arena, l, "capacity");
	row[5] = table_size(&t->arena, l, "allocation");
	row[6] = table_size(&t->arena, l, "available");
}

static int finish_table(const struct page *p, struct table *t, struct buf *notes)
{
	int rc = table_print(t, !p->command->quiet, p->out, p->e);

	end_page(p);
	if (notes->len) {
		buf_adds(p->out, buf_str(notes));
		end_page(p);
	}
	buf_free(notes);
	table_free(t);
	return rc;
}

static int print_pool_list(const struct page *p)
{
	static const char *const titles[] = { "Name", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available" };
	bool details = command_flag(p->command, "details");
	struct buf reasons = BUF_INIT;
	struct table t;
	struct line l;

	if (command_flag(p->command, "uuid") || command_flag(p->command, "name"))
		return print_names(p);
	table_begin(&t, titles, details ? 7 : 3);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = table_row(&t);

		if (!row || reply_record(p->reply, i, &l, p->e) < 0) {
			t.failed = true;
			break;
		}
		pool_row(&t, row, &l, details);
		if (details)
			add_reason(&reasons, &t.arena, &l);
	}
	return finish_table(p, &t, &reasons);
}

static int print_pool_info(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;

	if (p->reply->nrecords == 0)
		return err_set(p->e, ERR_SYNTAX, "the reply holds no record");
	if (reply_record(p->reply, 0, &l, p->e) < 0)
		return -1;
	say(p, &a, "Name:", line_get(&l, "name"));
	say(p, &a, "UUID:", line_get(&l, "uuid"));
	say(p, &a, "State:", state_word(get(&l, "phase"), "running"));
	say(p, &a, "Persistent:", line_get(&l, "persistent"));
	say(p, &a, "Autostart:", line_get(&l, "autostart"));
	say_size(p, &l, "Capacity:", "capacity", "");
	say_size(p, &l, "Allocation:", "allocation", "");
	say_size(p, &l, "Available:", "available", "");
	say(p, &a, "Reason:", line_get(&l, "reason"));
	say(p, &a, "Waits for:", line_get(&l, "waits"));
	end_page(p);
	arena_free(&a);
	return 0;
}

/* ---- volumes ---- */

static void volume_row(struct table *t, const char **row, const struct line *l, bool details)
{
	row[0] = line_get(l, "name");
	row[1] = line_get(l, "path");
	if (!details)
		return;
	row[2] = line_get(l, "type");
	row[3] = table_size(&t->arena, l, "capacity");
	row[4] = table_size(&t->arena, l, "allocation");
}

static int print_vol_list(const struct page *p)
{
	static const char *const titles[] = { "Name", "Path", "Type", "Capacity", "Allocation" };
	bool details = command_flag(p->command, "details");
	struct buf problems = BUF_INIT;
	struct table t;
	struct line l;

	table_begin(&t, titles, details ? 5 : 2);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = table_row(&t);

		if (!row || reply_record(p->reply, i, &l, p->e) < 0) {
			t.failed = true;
			break;
		}
		volume_row(&t, row, &l, details);
		if (details && line_has(&l, "problem"))
			buf_printf(&problems, " %s: %s\n", table_safe(&t.arena, get(&l, "name")), table_safe(&t.arena, get(&l, "problem")));
	}
	return finish_table(p, &t, &problems);
}

static int print_vol_info(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;

	if (p->reply->nrecords == 0)
		return err_set(p->e, ERR_SYNTAX, "the reply holds no record");
	if (reply_record(p->reply, 0, &l, p->e) < 0)
		return -1;
	say(p, &a, "Name:", line_get(&l, "name"));
	say(p, &a, "Type:", line_get(&l, "type"));
	say_size(p, &l, "Capacity:", "capacity", " bytes");
	if (command_flag(p->command, "physical"))
		say_size(p, &l, "Physical:", line_has(&l, "physical") ? "physical" : "allocation", " bytes");
	else
		say_size(p, &l, "Allocation:", "allocation", " bytes");
	say(p, &a, "Problem:", line_get(&l, "problem"));
	end_page(p);
	arena_free(&a);
	return 0;
}

static int print_vol_path(const struct page *p)
{
	struct line l;

	if (p->reply->nrecords == 0)
		return err_set(p->e, ERR_SYNTAX, "the reply holds no record");
	if (reply_record(p->reply, 0, &l, p->e) < 0)
		return -1;
	buf_printf(p->out, "%s\n", get(&l, "path"));
	end_page(p);
	return 0;
}

static int print_text(const struct page *p)
{
	buf_add(p->out, buf_str(&p->reply->text), p->reply->text.len);
	end_page(p);
	return 0;
}

/* ---- the supervisor ---- */

static void status_line(const struct page *p, struct arena *a, const struct line *l)
{
	const char *kind = get(l, "kind");

	if (streq(kind, "supervisor"))
		buf_printf(p->out, "poolinit %s, pid %s: %s, pools %s/%s active of %s defined\n", get(l, "version"), get(l, "pid"), get(l, "state"),
			   get(l, "active"), get(l, "wanted"), get(l, "pools"));
	else if (streq(kind, "worker"))
		buf_printf(p->out, "worker  %s %s, pid %s, %.1f s%s\n", get(l, "operation"), table_safe(a, get(l, "pool")), get(l, "pid"),
			   (double)line_u64(l, "running_ms", 0) / 1000, streq(get(l, "abandoned"), "yes") ? ", abandoned: stuck in the kernel" : "");
	else if (streq(kind, "service"))
		buf_printf(p->out, "service %s: %s, pid %s, started again %s times\n", get(l, "name"), get(l, "state"), get(l, "pid"), get(l, "restarts"));
	else if (streq(kind, "problem"))
		buf_printf(p->out, "problem %s\n", table_safe(a, get(l, "text")));
}

static int print_status(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->reply->nrecords; i++) {
		rc = reply_record(p->reply, i, &l, p->e);
		if (rc == 0)
			status_line(p, &a, &l);
	}
	end_page(p);
	arena_free(&a);
	return rc;
}

/* Seconds since the kernel began, and since the line before. */
static int print_timeline(const struct page *p)
{
	static const char *const titles[] = { "Time", "After", "Pool", "What" };
	struct buf none = BUF_INIT;
	uint64_t last = 0;
	struct table t;
	struct line l;

	table_begin(&t, titles, 4);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = table_row(&t);

		if (!row || reply_record(p->reply, i, &l, p->e) < 0) {
			t.failed = true;
			break;
		}
		uint64_t ms = line_u64(&l, "ms", 0);
		row[0] = arena_printf(&t.arena, "%llu.%03llu s", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
		row[1] = i ? arena_printf(&t.arena, "+%llu ms", (unsigned long long)(ms - last)) : "";
		row[2] = line_has(&l, "pool") ? line_get(&l, "pool") : "";
		row[3] = line_get(&l, "what");
		last = ms;
	}
	return finish_table(p, &t, &none);
}

static int print_log(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->reply->nrecords; i++) {
		rc = reply_record(p->reply, i, &l, p->e);
		if (rc < 0)
			break;
		uint64_t ms = line_u64(&l, "ts", 0);
		buf_printf(p->out, "%6llu.%03llu %-5s %-7s %s\n", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000), get(&l, "level"),
			   get(&l, "facility"), table_safe(&a, get(&l, "text")));
	}
	arena_free(&a);
	return rc;
}

static int print_version(const struct page *p)
{
	struct line l;

	if (p->reply->nrecords == 0 || reply_record(p->reply, 0, &l, p->e) < 0)
		return -1;
	buf_printf(p->out, "poolctl %s\n%s %s, protocol %s\n", POOLINIT_VERSION, get(&l, "program"), get(&l, "version"), get(&l, "protocol"));
	return 0;
}

/* ---- one sentence ---- */

struct sentence { const char *verb; const char *before, *after; };

static const struct sentence sentences[] = {
	{ "pool-define",   "Pool ", " defined" },
	{ "pool-create",   "Pool ", " created" },
	{ "pool-start",    "Pool ", " started" },
	{ "pool-destroy",  "Pool ", " destroyed" },
	{ "pool-undefine", "Pool ", " has been undefined" },
	{ "pool-refresh",  "Pool ", " refreshed" },
};

static int print_done(const struct page *p)
{
	const struct line *l = &p->reply->final;
	const char *verb = p->command->verb->name;
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		if (streq(verb, sentences[i].verb) && !p->command->quiet)
			buf_printf(p->out, "%s%s%s%s%s\n%s\n", sentences[i].before, table_safe(&a, get(l, "pool")), sentences[i].after,
				   p->command->file ? " from " : "", p->command->file ? table_safe(&a, p->command->file) : "",
				   streq(get(l, "kept"), "run") ? "It is kept for this boot only: the configuration directory cannot be written.\n" : "");
	if (streq(verb, "pool-autostart") && !p->command->quiet)
		buf_printf(p->out, "Pool %s %s as autostarted\n\n", table_safe(&a, get(l, "pool")),
			   streq(get(l, "autostart"), "yes") ? "marked" : "unmarked");
	if (streq(verb, "wait") && line_has(l, "pool") && !p->command->quiet)
		buf_printf(p->out, "Pool %s is %s\n\n", table_safe(&a, get(l, "pool")), get(l, "phase"));
	if (streq(verb, "wait") && line_has(l, "state") && !p->command->quiet)
		buf_printf(p->out, "Boot is done: %s\n\n", get(l, "state"));
	arena_free(&a);
	return 0;
}

static const struct { const char *verb; int (*print)(const struct page *p); } pages[] = {
	{ "pool-list",    print_pool_list },
	{ "pool-info",    print_pool_info },
	{ "pool-dumpxml", print_text },
	{ "vol-list",     print_vol_list },
	{ "vol-info",     print_vol_info },
	{ "vol-dumpxml",  print_text },
	{ "vol-path",     print_vol_path },
	{ "status",       print_status },
	{ "timeline",     print_timeline },
	{ "log",          print_log },
	{ "version",      print_version },
};

int print_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e)
{
	struct page p = { c, r, out, e };

	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (streq(c->verb->name, pages[i].verb))
			return pages[i].print(&p);
	return print_done(&p);
}
