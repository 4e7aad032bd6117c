/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Replies for people: virsh's tables and sentences where virsh has the verb, the same manner where it has
 * not.
 *
 * Tables and sentences are virsh's to the letter where it has the verb, because scripts read them. What
 * comes from a pool or a volume (names, paths, reasons) may be any bytes, and goes through table_safe()
 * before it meets a terminal.
 */
#include "poolctl/parts.h"

#include <unistd.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/size.h"

/* "Name:           vol1" */
static void page_line(const struct page *p, struct arena *a, const char *label, const char *value)
{
	if (value)
		buf_printf(p->out, "%-15s %s\n", label, table_safe(a, value));
}

/* A size as virsh says it: scaled, or in bytes followed by `unit`. */
static void say_size(const struct page *p, const struct line *l, const char *label, const char *key,
                     const char *unit)
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

/* One a line, without the blanks behind it that older virsh had: they get into scripts' variables. */
static int print_names(const struct page *p)
{
	struct line l;

	for (size_t i = 0; i < p->reply->nrecords; i++) {
		if (reply_record(p->reply, i, &l, p->e) < 0)
			return -1;
		if (line_has(&l, "uuid"))
			buf_adds(p->out, line_get(&l, "uuid"));
		if (line_has(&l, "name"))
			buf_printf(p->out, "%s%s", line_has(&l, "uuid") ? " " : "", line_get(&l, "name"));
		buf_addc(p->out, '\n');
	}
	page_end(p);
	return 0;
}

/* Below the table: why those are not active that ought to be, and what is wrong with those that are. */
static void add_record_reasons(struct buf *reasons, struct arena *a, const struct line *l)
{
	static const char *const keys[] = { "reason", "warning" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (line_has(l, keys[i]))
			buf_printf(reasons, " %s: %s\n", table_safe(a, record_get(l, "name")),
			           table_safe(a, record_get(l, keys[i])));
}

/* Cells of virsh's pool-list. The state is ours where virsh knows only "inactive". */
static void pool_list_row(struct table *t, const char **row, const struct line *l, bool details)
{
	row[0] = line_get(l, "name");
	row[1] = pool_state_word(record_get(l, "phase"), details ? "running" : "active");
	row[2] = line_get(l, "autostart");
	if (!details)
		return;
	row[3] = line_get(l, "persistent");
	row[4] = table_size(&t->arena, l, "capacity");
	row[5] = table_size(&t->arena, l, "allocation");
	row[6] = table_size(&t->arena, l, "available");
}

/* pool-list. --uuid and --name ask for the names alone, without a table, as in virsh. */
static int print_pool_list(const struct page *p)
{
	static const char *const titles[] = { "Name",     "State",      "Autostart", "Persistent",
		                              "Capacity", "Allocation", "Available" };
	bool details = command_flag(p->command, "details");
	struct buf reasons = BUF_INIT;
	struct table t;
	struct line l;

	if (command_flag(p->command, "uuid") || command_flag(p->command, "name"))
		return print_names(p);
	table_begin(&t, titles, details ? 7 : 3);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		pool_list_row(&t, row, &l, details);
		if (details)
			add_record_reasons(&reasons, &t.arena, &l);
	}
	return page_table(p, &t, &reasons);
}

/* pool-info: virsh's lines, then ours (why it is not active, what it waits for, what is wrong with it). */
static int print_pool_info(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;

	if (page_record(p, &l) < 0)
		return -1;
	page_line(p, &a, "Name:", line_get(&l, "name"));
	page_line(p, &a, "UUID:", line_get(&l, "uuid"));
	page_line(p, &a, "State:", pool_state_word(record_get(&l, "phase"), "running"));
	page_line(p, &a, "Persistent:", line_get(&l, "persistent"));
	page_line(p, &a, "Autostart:", line_get(&l, "autostart"));
	say_size(p, &l, "Capacity:", "capacity", "");
	say_size(p, &l, "Allocation:", "allocation", "");
	say_size(p, &l, "Available:", "available", "");
	page_line(p, &a, "Reason:", line_get(&l, "reason"));
	page_line(p, &a, "Waits for:", line_get(&l, "waits"));
	page_line(p, &a, "Warning:", line_get(&l, "warning"));
	page_line(p, &a, "Fill:", line_get(&l, "fill"));
	page_end(p);
	arena_free(&a);
	return 0;
}

/* ---- volumes ---- */

/* Cells of virsh's vol-list. */
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

/* vol-list. What is wrong with single volumes stands below the table, so that the columns stay virsh's. */
static int print_vol_list(const struct page *p)
{
	static const char *const titles[] = { "Name", "Path", "Type", "Capacity", "Allocation" };
	bool details = command_flag(p->command, "details");
	struct buf problems = BUF_INIT;
	struct table t;
	struct line l;

	table_begin(&t, titles, details ? 5 : 2);
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		volume_row(&t, row, &l, details);
		if (details && line_has(&l, "problem"))
			buf_printf(&problems, " %s: %s\n", table_safe(&t.arena, record_get(&l, "name")),
			           table_safe(&t.arena, record_get(&l, "problem")));
	}
	return page_table(p, &t, &problems);
}

/* What few volumes have, at the end of their page. */
static void page_volume_end(const struct page *p, struct arena *a, const struct line *l)
{
	page_line(p, a, "Paths:", line_get(l, "paths"));
	page_line(p, a, "Snapshots:", line_get(l, "snapshots"));
	page_line(p, a, "Problem:", line_get(l, "problem"));
	page_end(p);
	arena_free(a);
}

/* vol-info. --physical replaces the allocation, and --bytes the scaled sizes, as in virsh. */
static int print_vol_info(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;

	if (page_record(p, &l) < 0)
		return -1;
	page_line(p, &a, "Name:", line_get(&l, "name"));
	page_line(p, &a, "Type:", line_get(&l, "type"));
	say_size(p, &l, "Capacity:", "capacity", " bytes");
	if (command_flag(p->command, "physical"))
		say_size(p, &l, "Physical:", line_has(&l, "physical") ? "physical" : "allocation", " bytes");
	else
		say_size(p, &l, "Allocation:", "allocation", " bytes");
	page_volume_end(p, &a, &l);
	return 0;
}

/* vol-lookup: what virsh has no verb for, in its manner. */
static int print_vol_lookup(const struct page *p)
{
	struct arena a = { 0 };
	struct line l;

	if (page_record(p, &l) < 0)
		return -1;
	page_line(p, &a, "Name:", line_get(&l, "name"));
	page_line(p, &a, "Pool:", line_get(&p->reply->final, "pool"));
	page_line(p, &a, "Path:", line_get(&l, "path"));
	page_line(p, &a, "Key:", line_has(&l, "key") ? line_get(&l, "key") : line_get(&l, "path"));
	page_line(p, &a, "Type:", line_get(&l, "type"));
	say_size(p, &l, "Capacity:", "capacity", " bytes");
	say_size(p, &l, "Allocation:", "allocation", " bytes");
	page_volume_end(p, &a, &l);
	return 0;
}

/* ---- verbs that answer with one value ---- */

/* clang-format off */
static const struct { const char *verb, *key; } values[] = {
	{ "pool-name", "name" }, { "pool-uuid", "uuid" },
	{ "vol-path", "path" }, { "vol-name", "name" }, { "vol-key", "key" }, { "vol-pool", "pool" },
};
/* clang-format on */

/* A value alone, for scripts. On a terminal it is made safe: a path may hold anything. */
static int print_value(const struct page *p)
{
	const char *key = command_flag(p->command, "uuid") ? "uuid" : NULL, *value;
	struct arena a = { 0 };
	struct line l;

	for (size_t i = 0; i < ARRAY_LEN(values) && !key; i++)
		if (streq(p->command->verb->name, values[i].verb))
			key = values[i].key;
	if (page_record(p, &l) < 0)
		return -1;
	value = record_get(&l, key);
	/* a script needs it as it is */
	buf_printf(p->out, "%s\n", isatty(STDOUT_FILENO) ? table_safe(&a, value) : value);
	arena_free(&a);
	page_end(p);
	return 0;
}

/* ---- secrets ---- */

/* secret-list: what each secret is for. One that is for nothing is "Unused", as in virsh. */
static int print_secret_list(const struct page *p)
{
	static const char *const titles[] = { "UUID", "Usage" };
	struct buf none = BUF_INIT;
	struct table t;
	struct line l;

	table_begin(&t, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < p->reply->nrecords; i++) {
		const char **row = page_row(p, &t, i, &l);

		if (!row)
			break;
		row[0] = line_get(&l, "uuid");
		row[1] = line_has(&l, "id") ? arena_printf(&t.arena, "%s %s", record_get(&l, "usage"),
		                                           record_get(&l, "id"))
		                            : "Unused";
	}
	return page_table(p, &t, &none);
}

/* ---- documents ---- */

/* A document as the server has printed it, and virsh's empty line below. */
static int print_reply_text(const struct page *p)
{
	buf_add(p->out, buf_str(&p->reply->text), p->reply->text.len);
	if (streq(p->command->verb->name, "pool-capabilities"))
		page_end(p); /* virsh has two empty lines there */
	page_end(p);
	return 0;
}

/* clang-format off */
/* Verbs that are not here answer with OK alone, or with a text. */
static const struct { const char *verb; int (*print)(const struct page *p); } pages[] = {
	{ "pool-list",   print_pool_list },
	{ "pool-info",   print_pool_info },
	{ "pool-name",   print_value },
	{ "pool-uuid",   print_value },
	{ "vol-list",    print_vol_list },
	{ "vol-info",    print_vol_info },
	{ "vol-lookup",  print_vol_lookup },
	{ "vol-path",    print_value },
	{ "vol-name",    print_value },
	{ "vol-key",     print_value },
	{ "vol-pool",    print_value },
	{ "secret-list", print_secret_list },
	{ "job-list",    print_jobs },
	{ "status",      print_status },
	{ "timeline",    print_timeline },
	{ "blame",       print_blame },
	{ "log",         print_log },
	{ "version",     print_version },
};
/* clang-format on */

int print_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e)
{
	demand(c->verb && r && out, e);

	struct page p = { c, r, out, e };

	if (r->has_text)
		return print_reply_text(&p);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (streq(c->verb->name, pages[i].verb))
			return pages[i].print(&p);
	return print_sentence(&p);
}
