/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Texts made from the verb table, so that help, the documentation and completion cannot disagree with the
 * code.
 */
#include "control/verbs/verbs.h"

#include <ctype.h>

#include "base/util.h"

static const char *const placeholders[] = { "WORD", "", "DURATION", "NUMBER", "SIZE", "FILE", "FILE" };

void help_names(const struct verb *v, struct buf *out)
{
	for (; v->name; v++)
		buf_printf(out, "%s\n", v->name);
}

/* What poolctl takes from a file is no argument of the request: it is the payload, or a descriptor that goes
 * along. */
static bool is_file_arg(const struct verb_arg *a)
{
	return a->kind == ARG_FILE || a->kind == ARG_DATA;
}

/* Help of an argument as poolctl's user needs it. */
static const char *own_help(const struct verb_arg *a)
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
		buf_printf(out, " %s%s=%s%s", open, a->name, placeholders[a->kind], close);
}

void help_usage(const struct verb *v, struct buf *out)
{
	buf_adds(out, v->name);
	for (const struct verb_arg *a = v->args; a->name; a++)
		if (!is_file_arg(a))
			usage_arg(a, out);
	if (v->payload_max)
		buf_adds(out, v->payload_required ? " = N" : " [= N]");
}

/* "pool-define file [--validate]": what is typed. */
static void usage_typed(const struct verb *v, struct buf *out)
{
	buf_adds(out, v->name);
	for (const struct verb_arg *a = v->args; a->name; a++)
		usage_arg(a, out);
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
	buf_printf(out, "%*s  %s%s%s\n", out->len - before < 26 ? (int)(26 - (out->len - before)) : 0, "",
	           own_help(a), a->level ? "; needs the level " : "",
	           a->level ? verb_level_word(a->level) : "");
}

void help_verb(const struct verb *v, struct buf *out)
{
	buf_printf(out, "  NAME\n    %s - %s\n\n  SYNOPSIS\n    ", v->name, v->help);
	usage_typed(v, out);
	buf_adds(out, "\n\n");
	if (!v->args->name)
		return;
	buf_adds(out, "  OPTIONS\n");
	for (const struct verb_arg *a = v->args; a->name; a++)
		help_arg(a, out);
	buf_addc(out, '\n');
}

/* ---- docs/PROTOCOL.md ---- */

/* "- payload: the definition, at most 1048576 bytes". What it is stands in the help of poolctl's argument:
 * "the file with WHAT, or - for …". */
static void payload_line(const struct verb *v, struct buf *out)
{
	static const char with[] = "the file with ";
	const char *what = "";

	for (const struct verb_arg *a = v->args; a->name; a++)
		if (a->kind == ARG_FILE && starts_with(own_help(a), with))
			what = own_help(a) + strlen(with);
	const char *end = strpbrk(what, ",(");
	int len = (int)(end ? (size_t)(end - what) : strlen(what));
	while (len > 0 && what[len - 1] == ' ')
		len--;
	buf_printf(out, "- payload: %.*s, at most %u bytes\n", len, what, v->payload_max);
}

/* The request's form, its arguments, its answer, its limit. */
static void markdown_request(const struct verb *v, struct buf *out)
{
	buf_adds(out, "    ");
	help_usage(v, out);
	buf_adds(out, "\n\n");
	size_t before = out->len;
	for (const struct verb_arg *a = v->args; a->name; a++)
		if (!is_file_arg(a))
			buf_printf(out, "- `%s`: %s%s%s\n", a->name, a->help, a->level ? "; level: " : "",
			           a->level ? verb_level_word(a->level) : "");
	if (v->payload_max)
		payload_line(v, out);
	if (v->data)
		buf_adds(out,
		         "- data: a descriptor that comes along (SCM_RIGHTS), or bytes, see \"Streams\"\n");
	buf_printf(out, "%sAnswer: `%s`\n\n", out->len > before ? "\n" : "", v->answer);
	if (v->limit)
		buf_printf(out, "Limit: %llu s\n\n", (unsigned long long)(v->limit / 1000));
}

void help_markdown(const struct verb *v, struct buf *out)
{
	for (; v->name; v++) {
		buf_printf(out, "### %s\n\n%c%s. Level: %s.\n\n", v->name, toupper((unsigned char)v->help[0]),
		           v->help + 1, verb_level_word(v->level));
		if (v->local)
			buf_adds(out, "poolctl does this with the help of other verbs: there is no request "
			              "of that name.\n\n");
		else
			markdown_request(v, out);
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

/* As it is typed to poolctl. */
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
	roff(out, own_help(a));
	buf_addc(out, '\n');
}

void help_man(const struct verb *v, struct buf *out)
{
	for (; v->name; v++) {
		cleanup_buf struct buf usage = BUF_INIT;

		usage_typed(v, &usage);
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
