/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Texts made from the verb table, so that help, the documentation and completion cannot disagree with the code.
 */
#include "control/verbs.h"

#include <ctype.h>

#include "base/util.h"

static const char *const placeholders[] = { "WORD", "", "DURATION", "NUMBER" };

void help_names(struct buf *out)
{
	const struct verb *v;

	for (size_t i = 0; (v = verb_at(i)); i++)
		buf_printf(out, "%s\n", v->name);
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
		buf_printf(out, " %s%s=%s%s", open, a->name, placeholders[a->kind], close);
}

void help_usage(const struct verb *v, struct buf *out)
{
	buf_adds(out, v->name);
	for (const struct verb_arg *a = v->args; a->name; a++)
		usage_arg(a, out);
	if (v->payload_max)
		buf_adds(out, v->payload_required ? " = N" : " [= N]");
}

/* An argument with its help, in a column; for people. */
static void help_arg(const struct verb_arg *a, struct buf *out)
{
	const char *value = placeholders[a->kind];
	size_t before = out->len;

	if (a->positional)
		buf_printf(out, "    [--%s] %s", a->name, value);
	else
		buf_printf(out, "    --%s%s%s", a->name, *value ? " " : "", value);
	buf_printf(out, "%*s  %s%s%s\n", out->len - before < 26 ? (int)(26 - (out->len - before)) : 0, "", a->help,
		   a->level ? "; needs the level " : "", a->level ? verb_level_word(a->level) : "");
}

void help_verb(const struct verb *v, struct buf *out)
{
	buf_printf(out, "  NAME\n    %s - %s\n\n  SYNOPSIS\n    %s%s", v->name, v->help, v->name, v->payload_max ? " FILE" : "");
	for (const struct verb_arg *a = v->args; a->name; a++)
		usage_arg(a, out);
	buf_adds(out, "\n\n");
	if (v->args->name || v->payload_max)
		buf_adds(out, "  OPTIONS\n");
	if (v->payload_max)
		buf_adds(out, "    FILE                    the XML document; - for standard input\n");
	for (const struct verb_arg *a = v->args; a->name; a++)
		help_arg(a, out);
	if (v->args->name || v->payload_max)
		buf_addc(out, '\n');
}

/* ---- docs/PROTOCOL.md ---- */

void help_markdown(struct buf *out)
{
	const struct verb *v;

	for (size_t i = 0; (v = verb_at(i)); i++) {
		buf_printf(out, "### %s\n\n%c%s. Level: %s.\n\n    ", v->name, toupper((unsigned char)v->help[0]), v->help + 1, verb_level_word(v->level));
		help_usage(v, out);
		buf_adds(out, "\n\n");
		for (const struct verb_arg *a = v->args; a->name; a++)
			buf_printf(out, "- `%s`: %s%s%s\n", a->name, a->help, a->level ? "; level: " : "",
				   a->level ? verb_level_word(a->level) : "");
		if (v->payload_max)
			buf_printf(out, "- payload: the XML document, at most %zu bytes\n", v->payload_max);
		buf_printf(out, "%sAnswer: `%s`\n\n", v->args->name || v->payload_max ? "\n" : "", v->answer);
	}
}

/* ---- poolctl(1) ---- */

/* Roff: a '-' that is a hyphen-minus, no line that begins with a control character. */
static void roff(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_adds(out, "\\&");
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

static void man_arg(const struct verb_arg *a, struct buf *out)
{
	const char *value = placeholders[a->kind];

	buf_adds(out, ".TP\n.B ");
	if (!a->positional)
		buf_adds(out, "\\-\\-");
	roff(out, a->name);
	if (*value && !a->positional)
		buf_printf(out, " \\fI%s\\fR", value);
	buf_addc(out, '\n');
	roff(out, a->help);
	buf_addc(out, '\n');
}

void help_man(struct buf *out)
{
	const struct verb *v;

	for (size_t i = 0; (v = verb_at(i)); i++) {
		cleanup_buf struct buf usage = BUF_INIT;

		buf_adds(&usage, v->name);
		if (v->payload_max)
			buf_adds(&usage, " FILE");
		for (const struct verb_arg *a = v->args; a->name; a++)
			usage_arg(a, &usage);
		buf_adds(out, ".SS ");
		roff(out, buf_str(&usage));
		buf_addc(out, '\n');
		roff(out, v->help);
		buf_printf(out, " (level: %s)\n", verb_level_word(v->level));
		if (v->args->name)
			buf_adds(out, ".RS\n");
		for (const struct verb_arg *a = v->args; a->name; a++)
			man_arg(a, out);
		if (v->args->name)
			buf_adds(out, ".RE\n");
	}
}
