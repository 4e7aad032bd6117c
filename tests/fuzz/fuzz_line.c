/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: the line codec. Whatever is taken can be written again and is then read as the same; whatever
 * bytes are given as a value come back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parser(char *text, size_t len, struct line *l, struct err *e);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static char *copy(const void *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\n';
	return text;
}

static void write_args(struct buf *b, const struct line *l)
{
	for (size_t i = 0; i < l->nargs; i++) {
		const struct line_arg *a = &l->args[i];

		if (!a->key) {
			line_word(b, a->value);
		} else if (a->value) {
			line_str(b, a->key, a->value);
		} else {
			buf_adds(b, " --");
			buf_adds(b, a->key);
		}
	}
	if (l->has_payload)
		buf_printf(b, " = %llu", (unsigned long long)l->payload_len);
}

static void require_same(const struct line *a, const struct line *b)
{
	require(a->kind == b->kind && a->nargs == b->nargs);
	require(a->has_payload == b->has_payload && a->payload_len == b->payload_len);
	require(streq_null(a->head, b->head) && streq_null(a->tag, b->tag));
	for (size_t i = 0; i < a->nargs; i++)
		require(streq_null(a->args[i].key, b->args[i].key) &&
		        streq_null(a->args[i].value, b->args[i].value));
}

static void request(const uint8_t *data, size_t size)
{
	char *text = copy(data, size);
	struct err e = { 0 };
	struct line l, again;

	if (line_parse(text, size, &l, &e) < 0) {
		require(e.class == ERR_SYNTAX || e.class == ERR_TOO_LONG);
	} else if (l.kind == LINE_REQUEST) {
		struct buf b = BUF_INIT;

		if (l.tag)
			buf_printf(&b, "@%s ", l.tag);
		line_begin(&b, l.head);
		write_args(&b, &l);
		if (b.len < LINE_MAX_BYTES) { /* what needed no quotes before may be longer now */
			require(line_parse(b.data, b.len, &again, &e) == 0);
			require_same(&l, &again);
		}
		buf_free(&b);
	} else {
		require(l.kind == LINE_EMPTY);
	}
	free(text);
}

static void reply(const uint8_t *data, size_t size)
{
	char *text = copy(data, size);
	struct err e = { 0 }, carried = { 0 };
	struct line l, again;

	if (line_parse_reply(text, size, &l, &e) == 0 && l.kind == LINE_ERR) {
		struct buf b = BUF_INIT;

		line_to_err(&l, &carried);
		require(carried.class != ERR_NONE);
		line_error(&b, &carried);
		require(line_parse_reply(b.data, b.len - 1, &again, &e) == 0 && again.kind == LINE_ERR);
		require(streq(again.args[2].value, carried.message));
		buf_free(&b);
	}
	free(text);
}

static void value(const uint8_t *data, size_t size)
{
	char *text = copy(data, size);
	struct buf b = BUF_INIT;
	struct err e = { 0 };
	struct line l;

	text[size] = '\0';
	line_begin(&b, "- ");
	line_str(&b, "key", text);
	line_word(&b, text);
	require(line_parse_reply(b.data, b.len, &l, &e) == 0 && l.nargs == 2);
	require(streq(line_get(&l, "key"), text) && streq(l.args[1].value, text));
	buf_free(&b);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	request(data, size);
	reply(data, size);
	value(data, size);
	return 0;
}
