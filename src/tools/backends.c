/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `poolinit backends`: which pool types this build can start, and what each of them needs; from the table of
 * backends, so that neither people nor the documentation have to guess.
 *
 * The table is the same that the supervisor works by: what is printed here cannot differ from what a build
 * does.
 */
#include <stdio.h>
#include <string.h>
#include "backends/backend.h"
#include "base/buf.h"
#include "base/util.h"
#include "boot/options.h"
#include "boot/roles.h"

/* A type without a backend can be defined and listed all the same. */
static const char *state_of(const struct backend *b)
{
	return b ? "works" : "defined only";
}

/* What a start may have to wait for: "network, iscsid", "device"; "-" for nothing, or for a type that cannot
 * be started here. */
static void print_needs(const struct backend *b, struct buf *out)
{
	const char *sep = "";

	if (b && b->waits_for & WAIT_DEVICE) {
		buf_adds(out, "device");
		sep = ", ";
	}
	if (b && b->waits_for & WAIT_NETWORK) {
		buf_printf(out, "%snetwork", sep);
		sep = ", ";
	}
	if (b && b->service && !b->service->on_call) {
		buf_printf(out, "%s%s", sep, b->service->name);
		sep = ", ";
	}
	if (!*sep)
		buf_adds(out, "-");
}

static const char *summary_of(const struct backend *b)
{
	return b ? b->summary : "-";
}

/* One word a line, for scripts: only types that this build can start. */
static void print_words(struct buf *out)
{
	for (int t = 0; t < POOL_TYPES; t++)
		if (backend_find((enum pool_type)t))
			buf_printf(out, "%s\n", pool_type_word((enum pool_type)t));
}

/* As the README has it; docs/generate puts it there. */
static void print_markdown(struct buf *out)
{
	buf_adds(out, "| type | state | what it is | a start may wait for |\n|---|---|---|---|\n");
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct backend *b = backend_find((enum pool_type)t);

		buf_printf(out, "| `%s` | %s | %s | ", pool_type_word((enum pool_type)t), state_of(b),
		           summary_of(b));
		print_needs(b, out);
		buf_adds(out, " |\n");
	}
}

/* As people read it: one row a type, built in or not. */
static void print_table(struct buf *out)
{
	buf_printf(out, " %-12s   %-12s   %-16s   %s\n", "Type", "State", "Waits for", "What it is");
	buf_adds(out,
	         "-----------------------------------------------------------------------------------\n");
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct backend *b = backend_find((enum pool_type)t);
		cleanup_buf struct buf needs = BUF_INIT;

		print_needs(b, &needs);
		buf_printf(out, " %-12s   %-12s   %-16s   %s\n", pool_type_word((enum pool_type)t),
		           state_of(b), buf_str(&needs), summary_of(b));
	}
}

/* An operation that not every backend has, and where in its table that stands. All have start and refresh;
 * one that makes volumes can fill them from others. */
/* clang-format off */
static const struct column {
	const char *word;
	size_t at;
} columns[] = {
	{ "find",                     offsetof(struct backend, find) },
	{ "build",                    offsetof(struct backend, build) },
	{ "delete",                   offsetof(struct backend, delete) },
	{ "vol-create, vol-clone",    offsetof(struct backend, vol_create) },
	{ "vol-delete",               offsetof(struct backend, vol_delete) },
	{ "vol-resize",               offsetof(struct backend, vol_resize) },
	{ "vol-wipe",                 offsetof(struct backend, vol_wipe) },
	{ "vol-upload, vol-download", offsetof(struct backend, vol_open) },
};
/* clang-format on */

static const char *yes_or_no(const struct backend *b, const struct column *c)
{
	void (*function)(void);

	memcpy(&function, (const char *)b + c->at, sizeof(function));
	return function ? "yes" : "-";
}

/* Which operations the types have, as the README has it. What is "-" is answered with "unsupported". */
static void print_operations(struct buf *out)
{
	buf_adds(out, "| type |");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		buf_printf(out, " %s |", columns[i].word);
	buf_adds(out, "\n|---|---|---|---|---|---|---|---|---|\n");
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct backend *b = backend_find((enum pool_type)t);

		if (!b)
			continue;
		buf_printf(out, "| `%s` |", pool_type_word(b->type));
		for (size_t i = 0; i < ARRAY_LEN(columns); i++)
			buf_printf(out, " %s |", yes_or_no(b, &columns[i]));
		buf_adds(out, "\n");
	}
}

static const struct {
	const char *word;
	void (*print)(struct buf *out);
} formats[] = {
	{ "table", print_table },
	{ "list", print_words },
	{ "markdown", print_markdown },
	{ "operations", print_operations },
};

int backends_main(int argc, char **argv)
{
	cleanup_buf struct buf out = BUF_INIT;
	const char *format = "table";
	const struct option_row rows[] = {
		{ "format", "WORD", OPTION_TEXT, &format,
		  "table (the default), list (the types that work), markdown, operations" },
	};
	static const struct role_help help = {
		"backends",
		"Print the pool types, and which of them this build can start.",
		"0 printed, 1 could not be written, 64 wrong usage",
	};
	int status = options_take(argc, argv, &help, rows, ARRAY_LEN(rows));

	if (status >= 0)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (!streq(formats[i].word, format))
			continue;
		formats[i].print(&out);
		if (!out.failed && fwrite(buf_str(&out), 1, out.len, stdout) == out.len &&
		    fflush(stdout) == 0)
			return 0;
		fprintf(stderr, "poolinit backends: cannot write the table\n");
		return 1;
	}
	fprintf(stderr, "poolinit backends: --format is table, list, markdown or operations, not \"%.80s\"\n",
	        format);
	return EXIT_USAGE;
}
