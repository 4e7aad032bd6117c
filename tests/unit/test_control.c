/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verb table's own rules, and what poolctl prints where no server's answer could bring it about.
 */
#include <string.h>
#include "base/util.h"
#include "check.h"
#include "control/client_parts.h"
#include "control/verbs.h"

static void table_of_verbs_keeps_its_promises(void)
{
	const struct verb *v;
	size_t n = 0;

	for (size_t i = 0; (v = verb_at(i)); i++) {
		bool optional = false;

		CHECK(verb_find(v->name) == v);
		CHECK(v->help && v->help[0] && v->answer && v->run);
		CHECK(!v->payload_required || v->payload_max > 0);
		for (n = 0; v->args[n].name; n++) {
			const struct verb_arg *a = &v->args[n];

			CHECK(verb_arg(v, a->name) == a);       /* no name twice */
			CHECK(a->help && a->help[0]);
			CHECK(!(a->kind == ARG_FLAG && a->positional));
			CHECK(!(a->positional && a->required && optional));
			optional = optional || (a->positional && !a->required);
		}
		CHECK(n <= VERB_ARGS && n <= LINE_ARGS);
	}
	CHECK(!verb_find("") && !verb_find("pool") && !verb_find("pool-list ") && !verb_find("POOL-LIST"));
}

static void reading_never_needs_more_than_read(void)
{
	static const char *const change[] = { "pool-define", "pool-create", "pool-undefine", "pool-autostart", "shutdown" };

	for (size_t i = 0; i < ARRAY_LEN(change); i++)
		CHECK_INT(verb_find(change[i])->level, LEVEL_ADMIN);
	CHECK_INT(verb_find("pool-start")->level, LEVEL_OPERATE);
	CHECK_INT(verb_find("pool-list")->level, LEVEL_READ);
	CHECK_INT(verb_find("wait")->level, LEVEL_READ);
}

static void usage_is_made_from_the_table(void)
{
	struct buf b = BUF_INIT;

	help_usage(verb_find("pool-start"), &b);
	CHECK_STR(buf_str(&b), "pool-start pool [--build] [timeout=DURATION]");
	buf_reset(&b);
	help_usage(verb_find("pool-define"), &b);
	CHECK_STR(buf_str(&b), "pool-define [--validate] = N");
	buf_free(&b);
}

static void man_text_has_no_stray_control_lines(void)
{
	struct buf b = BUF_INIT;

	help_man(&b);
	for (const char *line = buf_str(&b); *line; line = strchr(line, '\n') + 1) {
		CHECK(*line != '\'' && *line != '\n');
		CHECK(*line != '.' || strchr("STBR", line[1]));
	}
	buf_free(&b);
}

static void terminals_are_safe_from_names(void)
{
	struct arena a = { 0 };
	const char *plain = "plain n\xc3\xa4me";

	CHECK(table_safe(&a, plain) == plain);
	CHECK_STR(table_safe(&a, "a\033[2Jb"), "a\\x1b[2Jb");
	CHECK_STR(table_safe(&a, "two\nlines\r\t\x7f"), "two\\x0alines\\x0d\\x09\\x7f");
	CHECK_STR(table_safe(&a, "\xff\xfe half \xc3"), "\\xff\\xfe half \\xc3");
	CHECK_STR(table_safe(&a, "c1 \xc2\x9b"), "c1 \\xc2\\x9b");
	CHECK_STR(table_safe(&a, ""), "");
	arena_free(&a);
}

static void tables_have_columns(void)
{
	static const char *const titles[] = { "Name", "State" };
	struct buf out = BUF_INIT;
	struct err e = { 0 };
	struct table t;

	table_begin(&t, titles, 2);
	CHECK_INT(table_print(&t, true, &out, &e), 0);
	CHECK_STR(buf_str(&out), " Name   State\n---------------\n");
	const char **row = table_row(&t);
	row[0] = "n\xc3\xa4hen";                        /* five characters, six bytes */
	row = table_row(&t);
	row[0] = "x";
	row[1] = "a\nb";
	buf_reset(&out);
	CHECK_INT(table_print(&t, true, &out, &e), 0);
	CHECK_STR(buf_str(&out), " Name    State\n-----------------\n n\xc3\xa4hen   -\n x       a\\x0ab\n");
	buf_reset(&out);
	CHECK_INT(table_print(&t, false, &out, &e), 0);
	CHECK_STR(buf_str(&out), " n\xc3\xa4hen   -\n x       a\\x0ab\n");
	buf_free(&out);
	table_free(&t);
}

/* A reply of one record, as it arrives. */
static void json_of(const char *record, const char *expected)
{
	struct command c = { .verb = verb_find("pool-info") };
	struct reply r = { 0 };
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	buf_add(&r.raw, record, strlen(record) + 1);
	r.records = calloc(1, sizeof(*r.records));
	r.records[0].len = strlen(record);
	r.nrecords = 1;
	CHECK_INT(json_reply(&c, &r, &out, &e), 0);
	CHECK_STR(buf_str(&out), expected);
	buf_free(&out);
	reply_free(&r);
}

static void json_keeps_what_a_value_is(void)
{
	json_of("- name=123 capacity=456 autostart=yes reason=yes", "{\"name\": \"123\", \"capacity\": 456, \"autostart\": true, \"reason\": \"yes\"}\n");
	json_of("- name=\"a \\\"b\\\" \\\\ \\n\\t\\x1b\\x7f\"", "{\"name\": \"a \\\"b\\\" \\\\ \\n\\t\\u001b\\u007f\"}\n");
	json_of("- name=\"\\xff\\xc3\\xa4\"", "{\"name\": \"\\u00ff\xc3\xa4\"}\n");
	json_of("- capacity=007 allocation=x autostart=perhaps", "{\"capacity\": \"007\", \"allocation\": \"x\", \"autostart\": \"perhaps\"}\n");
	json_of("-", "{}\n");
}

static void json_of_an_error_is_an_object(void)
{
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	err_wait(&e, ERR_WAIT_DEVICE, "device=/dev/\"x\"", "no \"x\"");
	json_error(&e, &out);
	CHECK_STR(buf_str(&out), "{\"error\": {\"code\": 501, \"class\": \"wait-device\", \"message\": \"no \\\"x\\\"\", \"waits\": \"device=/dev/\\\"x\\\"\"}}\n");
	buf_free(&out);
}

int main(void)
{
	RUN(table_of_verbs_keeps_its_promises);
	RUN(reading_never_needs_more_than_read);
	RUN(usage_is_made_from_the_table);
	RUN(man_text_has_no_stray_control_lines);
	RUN(terminals_are_safe_from_names);
	RUN(tables_have_columns);
	RUN(json_keeps_what_a_value_is);
	RUN(json_of_an_error_is_an_object);
	return check_done();
}
