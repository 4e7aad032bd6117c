/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options, read by a table.
 *
 * A row says what an option is called, what its value looks like and where it goes. Only long options exist,
 * so that a script says what it means.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "base/word.h"
#include "boot/options.h"
#include "boot/roles.h"

/* The whole of --help, from the tables: usage, what the role does, options, exit statuses. */
static void print_role_help(const struct role_help *role, const struct option_row *rows, size_t n)
{
	printf("usage: poolinit %s%s", role->name, n ? " [OPTION]…" : "");
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind == OPTION_WORD)
			printf(" %s", rows[i].name);
	printf("\n\n%s\n%s", role->does, n ? "\n" : "");
	for (size_t i = 0; i < n; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s%s", rows[i].kind == OPTION_WORD ? "" : "--",
		         rows[i].name, rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
		printf("  %-28s %s\n", left, rows[i].help);
	}
	if (role->statuses)
		printf("\nexit status: %s\n", role->statuses);
}

/* Say which option was probably meant: "--confg" for "--config". */
static int unknown(const char *name, size_t len, const struct option_row *rows, size_t n, struct err *e)
{
	char given[64];
	struct word_guess guess = { .given = given, .best = WORD_NEAR };

	snprintf(given, sizeof(given), "%.*s", (int)(len < sizeof(given) ? len : sizeof(given) - 1), name);
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind != OPTION_WORD)
			word_offer(&guess, rows[i].name);
	if (guess.near)
		return err_set(e, ERR_UNKNOWN_KEY, "there is no option --%s: did you mean --%s?", given,
		               guess.near);
	return err_set(e, ERR_UNKNOWN_KEY, "there is no option --%s: see --help", given);
}

/* Put a value where its row points. What the pointer is depends on the row's kind, which the table's author
 * has to get right. */
static int take_role_option(const struct option_row *row, const char *value, struct err *e)
{
	demand(row->out, e);

	char *end;
	long number;
	int r = 0;

	switch (row->kind) {
	case OPTION_TEXT:
		*(const char **)row->out = value;
		if (!*value)
			r = err_set(e, ERR_INVALID, "the value is empty");
		break;
	case OPTION_WORD: /* options_parse() has it */
		break;
	case OPTION_FLAG:
		*(bool *)row->out = true;
		break;
	case OPTION_DURATION:
		r = clock_parse(value, row->out, e);
		break;
	case OPTION_NUMBER:
		number = strtol(value, &end, 10);
		if (end == value || *end || number < 0 || number > 65535)
			r = err_set(e, ERR_INVALID, "\"%s\" is not a number from 0 to 65535", value);
		else
			*(int *)row->out = (int)number;
		break;
	}
	return r < 0 ? err_wrap(e, ERR_KEEP, "--%s", row->name) : 0;
}

/* The whole name and no abbreviation: a script that uses one would break with the next option. */
static const struct option_row *find_option(const char *name, size_t len, const struct option_row *rows,
                                            size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind != OPTION_WORD && strlen(rows[i].name) == len &&
		    strncmp(rows[i].name, name, len) == 0)
			return &rows[i];
	return NULL;
}

/* The row of the which-th bare word, or NULL. */
static const struct option_row *find_word(size_t which, const struct option_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind == OPTION_WORD && which-- == 0)
			return &rows[i];
	return NULL;
}

int options_parse(int argc, char **argv, const struct role_help *role, const struct option_row *rows,
                  size_t n, struct err *e)
{
	demand(role && (rows || n == 0), e);

	size_t words = 0;

	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + 2, *value;
		const struct option_row *row;

		if (streq(argv[i], "--help") || streq(argv[i], "-h")) {
			print_role_help(role, rows, n);
			return 1;
		}
		row = argv[i][0] != '-' || !argv[i][1] ? find_word(words, rows, n) : NULL;
		if (row) {
			words++;
			*(const char **)row->out = argv[i];
			continue;
		}
		if (!starts_with(argv[i], "--") || !*name)
			return err_set(e, ERR_INVALID, "\"%s\" is not expected here: see --help", argv[i]);
		size_t len = strcspn(name, "=");
		row = find_option(name, len, rows, n);
		if (!row)
			return unknown(name, len, rows, n, e);
		if (row->kind == OPTION_FLAG && name[len] == '=')
			return err_set(e, ERR_INVALID, "--%s takes no value", row->name);
		if (name[len] == '=')
			value = name + len + 1;
		else if (row->kind == OPTION_FLAG)
			value = "";
		else if (i + 1 < argc)
			value = argv[++i];
		else
			return err_set(e, ERR_MISSING, "--%s needs a value: %s", row->name, row->value);
		if (take_role_option(row, value, e) < 0)
			return -1;
	}
	return 0;
}

int options_take(int argc, char **argv, const struct role_help *role, const struct option_row *rows, size_t n)
{
	struct err e = { 0 };
	int r = options_parse(argc, argv, role, rows, n, &e);

	if (r < 0)
		fprintf(stderr, "poolinit %s: %s\n", role->name, e.message);
	if (r == 0)
		return -1;
	return r > 0 ? 0 : EXIT_USAGE;
}
