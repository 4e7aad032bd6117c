/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing lines. What is written here is read back by line.c byte for byte.
 */
#include "base/line.h"

#include <stdio.h>
#include <string.h>

#include "base/contract.h"
#include "base/utf8.h"
#include "base/util.h"

/* May this ASCII byte stand in a word? */
static bool is_bare(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Length of the text character at s that needs no escape; 0: it needs one. */
static size_t text_char(const char *s, size_t left)
{
	size_t n = utf8_len(s, left);

	if (n == 0 || utf8_is_hidden(s, n) || *s == '"' || *s == '\\')
		return 0;
	return n;
}

static bool needs_quotes(const char *value, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		while (i < len && is_bare((unsigned char)value[i])) /* mostly all of them */
			i++;
		n = i == len || (unsigned char)value[i] < 0x80 ? 0 : text_char(value + i, len - i);
		if (n == 0)
			return i < len;
	}
	return len == 0;
}

/* The escapes of line.c's unescape(): four have a letter, all other bytes are \xHH. */
static void add_escape(struct buf *b, char c)
{
	static const char names[] = "\"\\nt", bytes[] = "\"\\\n\t";
	const char *at = c ? strchr(bytes, c) : NULL;
	char text[5];

	if (at)
		snprintf(text, sizeof(text), "\\%c", names[at - bytes]);
	else
		snprintf(text, sizeof(text), "\\x%02x", (unsigned char)c);
	buf_adds(b, text);
}

static void add_quoted(struct buf *b, const char *value, size_t len)
{
	size_t start = 0, i = 0;

	buf_addc(b, '"');
	while (i < len) {
		size_t n = text_char(value + i, len - i);

		if (n == 0) {
			buf_add(b, value + start, i - start);
			add_escape(b, value[i]);
			start = i + 1;
			n = 1;
		}
		i += n;
	}
	buf_add(b, value + start, len - start);
	buf_addc(b, '"');
}

void line_quote(struct buf *b, const char *value, size_t len)
{
	demand_or(value || len == 0, );
	if (needs_quotes(value, len))
		add_quoted(b, value, len);
	else
		buf_add(b, value, len);
}

/* A space, unless one is there: heads end with one or not, as they are written. */
static void add_space(struct buf *b)
{
	if (b->len == 0 || b->data[b->len - 1] != ' ')
		buf_addc(b, ' ');
}

/* " key=" or "key=", and up to 20 more bytes: in one piece, as records have many of them. */
static void add_key_and(struct buf *b, const char *key, const char *more, size_t len)
{
	bool space = b->len == 0 || b->data[b->len - 1] != ' ';
	size_t n = strlen(key);
	char text[64];

	if (n + 2 + len > sizeof(text)) {
		add_space(b);
		buf_adds(b, key);
		buf_addc(b, '=');
		buf_add(b, more, len);
		return;
	}
	text[0] = ' ';
	memcpy(text + 1, key, n); /* NOLINT(bugprone-not-null-terminated-result): more follows */
	text[n + 1] = '=';
	memcpy(text + n + 2, more, len);
	buf_add(b, text + !space, n + 1 + len + space);
}

void line_begin(struct buf *b, const char *head)
{
	buf_adds(b, head);
}

void line_word(struct buf *b, const char *value)
{
	if (!value)
		return;
	add_space(b);
	if (starts_with(value, "--")) /* would be read as a flag */
		add_quoted(b, value, strlen(value));
	else
		line_quote(b, value, strlen(value));
}

void line_str(struct buf *b, const char *key, const char *value)
{
	demand_or(key && *key, );
	if (!value)
		return;
	add_key_and(b, key, "", 0);
	line_quote(b, value, strlen(value));
}

void line_num(struct buf *b, const char *key, uint64_t value)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + value % 10);
	while (value /= 10);
	add_key_and(b, key, digits + i, sizeof(digits) - i);
}

void line_fmt(struct buf *b, const char *key, const char *fmt, ...)
{
	cleanup_buf struct buf value = BUF_INIT;
	char few[64];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(few, sizeof(few), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(few)) { /* a number or a time, mostly: no memory is needed */
		line_str(b, key, few);
		return;
	}
	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	if (value.failed)
		b->failed = true;
	else
		line_str(b, key, buf_str(&value));
}

void line_end(struct buf *b)
{
	buf_addc(b, '\n');
}

void line_error(struct buf *b, const struct err *e)
{
	enum err_class c = e->class == ERR_NONE ? ERR_INTERNAL : e->class;

	buf_printf(b, "ERR %d %s ", err_code(c), err_word(c));
	add_quoted(b, e->message, strlen(e->message));
	if (e->waits_for[0])
		line_str(b, "waits", e->waits_for);
	line_end(b);
}
