/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading lines: check the bytes, cut them into tokens, give each token its meaning. Writing is in
 * line_write.c.
 *
 * More than one space between tokens, and spaces at the end, are taken for one and none: people type them.
 * Everything else is as strict as the grammar.
 */
#include "base/line.h"

#include <limits.h>
#include <string.h>

#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"

/* A token of the line; quoted ones are already unescaped. */
struct token {
	char *text;
	size_t len;
	bool quoted;      /* the whole of it: "…" */
	char *value;      /* behind the first '=' of key=value, unescaped; or NULL */
	bool value_given; /* false for "key=" */
};

/* Where the reading is. It goes forward only; what it has passed may have been written over. */
struct line_reader {
	char *next, *end;
	struct err *e;
};

/* ---- bytes ---- */

/* Before anything else: a line is text, so that whatever is taken out of it can be logged and shown. */
static int check_line_bytes(const char *s, size_t len, struct err *e)
{
	for (size_t i = utf8_plain(s, len); i < len; i += utf8_plain(s + i, len - i)) {
		size_t n = utf8_len(s + i, len - i);

		if (n == 0)
			return err_set(e, ERR_SYNTAX, "byte %zu of the line is not UTF-8 text", i + 1);
		if (s[i] == '\0')
			return err_set(e, ERR_SYNTAX, "byte %zu of the line is NUL", i + 1);
		if (utf8_is_control(s + i, n))
			return err_set(
				e, ERR_SYNTAX,
				"byte %zu of the line is a control character; write it as \\xHH in quotes",
				i + 1);
		i += n;
	}
	return 0;
}

/* Is this a verb, a key, a tag? */
static bool is_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '.' || s[i] == '-'))
			return false;
	return len > 0;
}

/* ---- tokens ---- */

/* Undo one escape at r->next, behind the backslash. The byte, or -1. */
static int unescape(struct line_reader *r)
{
	static const char names[] = "\"\\nt", bytes[] = "\"\\\n\t";
	const char *at = r->next < r->end ? memchr(names, *r->next, sizeof(names) - 1) : NULL;
	int high, low;

	if (at) {
		r->next++;
		return bytes[at - names];
	}
	if (r->end - r->next < 3 || *r->next != 'x')
		return err_set(r->e, ERR_SYNTAX,
		               "unknown escape in quotes; known are \\\" \\\\ \\n \\t \\xHH");
	high = hex_digit(r->next[1]);
	low = hex_digit(r->next[2]);
	if (high < 0 || low < 0 || high + low == 0)
		return err_set(r->e, ERR_SYNTAX, "\\x in quotes needs two hexadecimal digits, and not 00");
	r->next += 3;
	return high * 16 + low;
}

/* r->next is behind the opening quote. Unescapes in place; leaves r->next behind the closing one. */
static int read_quoted(struct line_reader *r, char **text, size_t *len)
{
	char *out = r->next;

	*text = out;
	while (r->next < r->end && *r->next != '"') {
		int c = (unsigned char)*r->next++;

		if (c == '\\')
			c = unescape(r);
		if (c < 0)
			return -1;
		*out++ = (char)c;
	}
	if (r->next == r->end)
		return err_set(r->e, ERR_SYNTAX, "a quote is not closed");
	r->next++;
	if (r->next < r->end && *r->next != ' ')
		return err_set(r->e, ERR_SYNTAX, "text directly behind a closing quote");
	*out = '\0';
	*len = (size_t)(out - *text);
	return 0;
}

/* A word, or key=value with either kind of value. */
static int read_word(struct line_reader *r, struct token *t)
{
	char *at = r->next, *end = r->end;
	size_t ignored;

	for (t->text = at; at < end && *at != ' '; at++) {
		if (*at > '=' && *at != '\\') /* most of them */
			continue;
		if (*at == '\\' || *at == '"')
			return err_set(r->e, ERR_SYNTAX, "%s within a word; put the whole value in quotes",
			               *at == '"' ? "a quote" : "a backslash");
		if (*at != '=' || t->value)
			continue;
		t->len = (size_t)(at - t->text);
		t->value = at + 1;
		t->value_given = t->value < end && *t->value != ' ';
		if (t->value_given && *t->value == '"') {
			r->next = t->value + 1;
			if (read_quoted(r, &t->value, &ignored) < 0)
				return -1;
			at = r->next;
			break;
		}
	}
	r->next = at;
	if (t->value)
		t->text[t->len] = '\0'; /* over the '=' */
	else
		t->len = (size_t)(at - t->text);
	return 0;
}

/* The next token. 1 read, 0 no more, -1 error. Ends it with a NUL, which falls on a space, a quote, or the
 * line's end. */
static int read_token(struct line_reader *r, struct token *t)
{
	int rc;

	while (r->next < r->end && *r->next == ' ')
		r->next++;
	if (r->next == r->end)
		return 0;
	memset(t, 0, sizeof(*t));
	t->quoted = *r->next == '"';
	if (t->quoted) {
		r->next++;
		rc = read_quoted(r, &t->text, &t->len);
	} else {
		rc = read_word(r, t);
	}
	if (rc == 0 && r->next < r->end)
		*r->next++ = '\0';
	return rc < 0 ? rc : 1;
}

/* ---- meaning ---- */

/* Decimal without sign or leading zeros, at most INT64_MAX. */
static bool read_count(const char *s, uint64_t *n)
{
	*n = 0;
	if (!*s || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || *n > (uint64_t)(INT64_MAX - (*s - '0')) / 10)
			return false;
		*n = *n * 10 + (uint64_t)(*s - '0');
	}
	return true;
}

/* "= N" and nothing behind it. */
static int read_payload(struct line_reader *r, struct line *l)
{
	struct token t;
	int got = read_token(r, &t);

	if (got < 0)
		return -1;
	if (got == 0 || t.quoted || t.value || !read_count(t.text, &l->payload_len))
		return err_set(r->e, ERR_SYNTAX,
		               "\"=\" announces a payload and needs its length in bytes: = N");
	l->has_payload = true;
	got = read_token(r, &t);
	return got <= 0 ? got : err_set(r->e, ERR_SYNTAX, "text behind the payload's length");
}

/* A "=" alone. */
static bool is_payload_mark(const struct token *t)
{
	return !t->quoted && t->len == 0 && t->value && !t->value_given;
}

static bool is_given(const struct line *l, const char *key)
{
	for (size_t i = 0; i < l->nargs; i++)
		if (l->args[i].key && streq(l->args[i].key, key))
			return true;
	return false;
}

/* *marks: of the keys that there are, so that most are known to be new without being compared with each. */
static int add_arg(struct line *l, const struct token *t, uint64_t *marks, struct err *e)
{
	bool flag = !t->quoted && starts_with(t->text, "--");
	const char *key = t->value ? t->text : NULL;
	struct line_arg *arg = &l->args[l->nargs];

	if (flag)
		key = t->text + 2;
	if (l->nargs == LINE_ARGS)
		return err_set(e, ERR_TOO_LONG, "more than %d arguments in one line", LINE_ARGS);
	if (key && (!is_name(key, t->len - (flag ? 2 : 0)) || key[0] == '-'))
		return err_set(e, ERR_SYNTAX,
		               "\"%.64s\" is not the name of an argument; a value with '=' belongs in quotes",
		               key);
	if (t->value && !t->value_given)
		return err_set(e, ERR_SYNTAX, "no value behind \"%.64s=\"; an empty one is %.64s=\"\"", key,
		               key);
	if (key) {
		uint64_t mark = UINT64_C(1) << (((unsigned char)key[0] + 3u * (unsigned char)key[1]) % 64);

		if ((*marks & mark) && is_given(l, key))
			return err_set(e, ERR_SYNTAX, "\"%.64s\" is given twice", key);
		*marks |= mark;
	}
	arg->key = key;
	arg->value = key ? t->value : t->text;
	l->nargs++;
	return 0;
}

/* All that is behind the verb, or behind the mark of a reply. A payload's length is the last of a request. */
static int read_args(struct line_reader *r, struct line *l, bool payload_allowed)
{
	uint64_t marks = 0;
	struct token t;
	int got;

	while ((got = read_token(r, &t)) > 0) {
		if (payload_allowed && is_payload_mark(&t))
			return read_payload(r, l);
		if (add_arg(l, &t, &marks, r->e) < 0)
			return -1;
	}
	return got;
}

static bool is_tag(const struct token *t)
{
	return t->len >= 2 && t->len <= LINE_TAG + 1 && is_name(t->text + 1, t->len - 1) && !t->value;
}

/* Requests and replies begin alike: the bytes are checked, the tag is taken, and the first token behind it
 * comes into *first. 1; 0 for an empty line; -1. */
static int begin_line(struct line_reader *r, char *text, size_t len, struct line *l, struct token *first,
                      struct err *e)
{
	int got;

	memset(l, 0, sizeof(*l));
	if (len > 0 && text[len - 1] == '\r')
		len--;
	text[len] = '\0';
	*r = (struct line_reader){ .next = text, .end = text + len, .e = e };
	if (check_line_bytes(text, len, e) < 0)
		return -1;
	got = read_token(r, first);
	if (got <= 0 || first->quoted || first->text[0] != '@')
		return got;
	if (!is_tag(first))
		return err_set(e, ERR_SYNTAX, "a tag is @ and 1 to %d of A-Z a-z 0-9 _ . -", LINE_TAG);
	l->tag = first->text + 1;
	got = read_token(r, first);
	return got ? got : err_set(e, ERR_SYNTAX, "nothing behind the tag");
}

int line_parse(char *text, size_t len, struct line *l, struct err *e)
{
	demand(text && l, e);

	struct line_reader r;
	struct token verb;
	int got;

	if (len >= LINE_MAX_BYTES) {
		memset(l, 0, sizeof(*l));
		return err_set(e, ERR_TOO_LONG, "line is longer than %d bytes", LINE_MAX_BYTES);
	}
	got = begin_line(&r, text, len, l, &verb, e);
	if (got <= 0)
		return got;
	if (verb.quoted || verb.value || !is_name(verb.text, verb.len) || verb.text[0] == '-')
		return err_set(e, ERR_SYNTAX, "line does not begin with a verb");
	l->kind = LINE_REQUEST;
	l->head = verb.text;
	return read_args(&r, l, true);
}

/* clang-format off */
static const struct { const char *mark; enum line_kind kind; } reply_kinds[] = {
	{ "-",   LINE_RECORD },
	{ "OK",  LINE_OK },
	{ "ERR", LINE_ERR },
	{ "*",   LINE_GREETING },
	{ "!",   LINE_EVENT },
};
/* clang-format on */

/* An ERR has a code of three digits, a class and a text, as bare words. */
static bool is_error(const struct line *l)
{
	uint64_t code;

	if (l->nargs < 3 || l->args[0].key || l->args[1].key || l->args[2].key)
		return false;
	return read_count(l->args[0].value, &code) && code >= 100 && code <= 999;
}

int line_parse_reply(char *text, size_t len, struct line *l, struct err *e)
{
	struct line_reader r;
	struct token mark;
	int got = begin_line(&r, text, len, l, &mark, e);

	if (got <= 0)
		return got;
	if (is_payload_mark(&mark)) {
		l->kind = LINE_PAYLOAD;
		return read_payload(&r, l);
	}
	for (size_t i = 0; !mark.quoted && !mark.value && i < ARRAY_LEN(reply_kinds); i++)
		if (streq(mark.text, reply_kinds[i].mark))
			l->kind = reply_kinds[i].kind;
	if (l->kind == LINE_EMPTY)
		return err_set(e, ERR_SYNTAX, "not a line that a server sends");
	if (read_args(&r, l, false) < 0)
		return -1;
	if (l->kind == LINE_ERR && !is_error(l))
		return err_set(e, ERR_SYNTAX, "ERR needs a code, a class and a text");
	return 0;
}

/* ---- looking things up ---- */

static const struct line_arg *find_arg(const struct line *l, const char *key)
{
	for (size_t i = 0; i < l->nargs; i++)
		if (l->args[i].key && streq(l->args[i].key, key))
			return &l->args[i];
	return NULL;
}

const char *line_get(const struct line *l, const char *key)
{
	demand_or(l && key, NULL);

	const struct line_arg *arg = find_arg(l, key);

	if (!arg)
		return NULL;
	return arg->value ? arg->value : "";
}

bool line_has(const struct line *l, const char *key)
{
	return find_arg(l, key) != NULL;
}

uint64_t line_u64(const struct line *l, const char *key, uint64_t otherwise)
{
	const char *s = line_get(l, key);
	uint64_t n = 0;

	if (!s || !*s)
		return otherwise;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > (UINT64_MAX - (uint64_t)(*s - '0')) / 10)
			return otherwise;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	return n;
}

void line_to_err(const struct line *l, struct err *e)
{
	demand_or(l, );

	const char *waits = line_get(l, "waits");

	if (l->kind != LINE_ERR || !is_error(l)) {
		err_set(e, ERR_INTERNAL, "not an error line");
		return;
	}
	err_wait(e, err_class_from_word(l->args[1].value), waits, "%s", l->args[2].value);
}
