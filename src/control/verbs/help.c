/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Help made from the verb table, so that it cannot disagree with the code; completion asks for it, too.
 */
#include "control/verbs/verbs.h"

#include <ctype.h>

#include "base/util.h"

const char *const help_values[] = { "WORD", "", "DURATION", "NUMBER", "SIZE", "FILE", "FILE" };

void help_names(const struct verb *v, struct buf *out)
{
	for (; v->name; v++)
		buf_printf(out, "%s\n", v->name);
}

bool help_is_file(const struct verb_arg *a)
{
	return a->kind == ARG_FILE || a->kind == ARG_DATA;
}

const char *help_of_arg(const struct verb_arg *a)
{
	static const char prefix[] = "poolctl: ";

	return starts_with(a->help, prefix) ? a->help + strlen(prefix) : a->help;
}

/* "pool", "[--build]", "[timeout=DURATION]" */
static void usage_arg(const struct verb_arg *a, struct buf *out)
{
	const char *open = a->required ? "" : "[", *close = a->required ? "" : "]";

	if (a->positional)
		buf_printf(out, " %s%s%s", open, a->name, close);
	else if (a->kind == ARG_FLAG)
		buf_printf(out, " %s--%s%s", open, a->name, close);
	else
		buf_printf(out, " %s%s=%s%s", open, a->name, help_values[a->kind], close);
}

void help_usage(const struct verb *v, struct buf *out)
{
	buf_adds(out, v->name);
	for (const struct verb_arg *a = v->args; a->name; a++)
		if (!help_is_file(a))
			usage_arg(a, out);
	if (v->payload_max)
		buf_adds(out, v->payload_required ? " = N" : " [= N]");
}

void help_typed(const struct verb *v, struct buf *out)
{
	buf_adds(out, v->name);
	for (const struct verb_arg *a = v->args; a->name; a++)
		usage_arg(a, out);
}

/* An argument with its help, in a column; for people. */
static void help_arg(const struct verb_arg *a, struct buf *out)
{
	const char *value = help_values[a->kind];
	size_t before = out->len;

	if (a->positional)
		buf_printf(out, "    [--%s] %s", a->name, value);
	else
		buf_printf(out, "    --%s%s%s", a->name, *value ? " " : "", value);
	buf_printf(out, "%*s  %s%s%s\n", out->len - before < 26 ? (int)(26 - (out->len - before)) : 0, "",
	           help_of_arg(a), a->level ? "; needs the level " : "",
	           a->level ? verb_level_word(a->level) : "");
}

void help_verb(const struct verb *v, struct buf *out)
{
	buf_printf(out, "  NAME\n    %s - %s\n\n  SYNOPSIS\n    ", v->name, v->help);
	help_typed(v, out);
	buf_adds(out, "\n\n");
	if (!v->args->name)
		return;
	buf_adds(out, "  OPTIONS\n");
	for (const struct verb_arg *a = v->args; a->name; a++)
		help_arg(a, out);
	buf_addc(out, '\n');
}
