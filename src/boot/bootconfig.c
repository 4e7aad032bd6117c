/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /proc/bootconfig: one key a line, its values quoted after it.
 *
 * The kernel has parsed the source already and prints it in one form; so this reads that form alone and
 * needs none of the source's syntax (braces, ':=', comments within a line).
 */
#include <stdbool.h>
#include <stddef.h>
#include "base/contract.h"
#include "base/util.h"
#include "boot/bootconfig.h"

/* Where the reading is, and whom it tells. */
struct bootconfig_reader {
	char *p; /* what comes next */
	unsigned line;
	bootconfig_fn *fn;
	void *arg;
	struct err *e;
};

/* The one kind of error, with the line at which the reading has stopped. */
static int bad(struct bootconfig_reader *r, const char *what)
{
	return err_set(r->e, ERR_SYNTAX, "line %u: %s", r->line, what);
}

/* Words of a key are letters, digits, '-' and '_'; '.' stands between them (lib/bootconfig.c of the kernel).
 */
static bool key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_' || c == '.';
}

/* `key = `: the key, ended; or NULL. */
static char *read_key(struct bootconfig_reader *r)
{
	char *key = r->p, *end = key;

	while (key_char(*end))
		end++;
	if (end == key || strncmp(end, " = ", 3) != 0) {
		bad(r, end == key ? "a key is missing" : "the key is not followed by \" = \"");
		return NULL;
	}
	*end = '\0';
	r->p = end + 3;
	return key;
}

/* One quoted value; it may contain newlines. The kernel chooses a quote that the value does not contain. */
static char *read_value(struct bootconfig_reader *r)
{
	char quote = *r->p, *value, *end;

	if (quote != '"' && quote != '\'') {
		bad(r, "a value does not begin with a quote");
		return NULL;
	}
	value = r->p + 1;
	end = strchr(value, quote);
	if (!end) {
		bad(r, "a value's closing quote is missing");
		return NULL;
	}
	for (const char *c = value; c < end; c++)
		r->line += *c == '\n';
	*end = '\0';
	r->p = end + 1;
	return value;
}

/* One line: a key and its values. Each is delivered as soon as it is read, ended in place. */
static int read_entry(struct bootconfig_reader *r)
{
	char *key = read_key(r);

	while (key) {
		char *value = read_value(r);

		if (!value)
			return -1;
		bool more = starts_with(r->p, ", ");
		if (!more && *r->p && *r->p != '\n')
			return bad(r, "text after a value's closing quote");
		r->fn(key, value, r->arg);
		if (!more)
			return 0;
		r->p += 2;
	}
	return -1;
}

int bootconfig_split(char *text, bootconfig_fn *fn, void *arg, struct err *e)
{
	demand(text && fn, e);

	struct bootconfig_reader r = { .p = text, .line = 1, .fn = fn, .arg = arg, .e = e };

	while (*r.p) {
		if (*r.p == '#')
			r.p += strcspn(r.p, "\n");
		else if (*r.p != '\n' && read_entry(&r) < 0)
			return -1;
		if (*r.p == '\n') {
			r.p++;
			r.line++;
		}
	}
	return 0;
}
