/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What docs/generate asks for: documentation made from the verb table.
 */
#include "control/verbs/verbs.h"

#include <ctype.h>

#include "base/util.h"

/* ---- docs/PROTOCOL.md ---- */

/* "- payload: the definition, at most 1048576 bytes". What it is stands in the help of poolctl's argument:
 * "the file with WHAT, or - for …". */
static void payload_line(const struct verb *v, struct buf *out)
{
	static const char with[] = "the file with ";
	const char *what = "";

	for (const struct verb_arg *a = v->args; a->name; a++)
		if (a->kind == ARG_FILE && starts_with(help_of_arg(a), with))
			what = help_of_arg(a) + strlen(with);
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
		if (!help_is_file(a))
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
	const char *value = help_values[a->kind];

	buf_adds(out, ".TP\n.B ");
	if (!a->positional)
		buf_adds(out, "\\-\\-");
	roff(out, a->name);
	if (*value && !a->positional)
		buf_printf(out, " \\fI%s\\fR", value);
	buf_addc(out, '\n');
	roff(out, help_of_arg(a));
	buf_addc(out, '\n');
}

void help_man(const struct verb *v, struct buf *out)
{
	for (; v->name; v++) {
		cleanup_buf struct buf usage = BUF_INIT;

		help_typed(v, &usage);
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
