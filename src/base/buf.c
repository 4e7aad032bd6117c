/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A growable byte buffer; see buf.h for what "failed" means.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/contract.h"

#define FIRST_SIZE 64

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->size = 0;
	b->failed = false;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Make room for `more` bytes and the NUL. False, with `failed` set, if there cannot be. Memory doubles, so
 * that appending byte by byte costs no more than in one piece. */
static bool reserve(struct buf *b, size_t more)
{
	size_t want = b->size ? b->size : FIRST_SIZE;
	char *data;

	if (b->failed)
		return false;
	if (more >= SIZE_MAX / 2 - b->len || (b->limit && b->len + more > b->limit)) {
		b->failed = true;
		return false;
	}
	if (b->len + more < b->size)
		return true;
	while (want <= b->len + more)
		want *= 2;
	data = realloc(b->data, want);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->size = want;
	return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	require_or(data || len == 0, );
	if (!reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

char *buf_extend(struct buf *b, size_t len)
{
	if (!reserve(b, len))
		return NULL;
	b->len += len;
	b->data[b->len] = '\0';
	return b->data + b->len - len;
}

void buf_adds(struct buf *b, const char *s)
{
	demand_or(s, );
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	demand_or(fmt, );
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		b->failed = true;
	if (n < 0 || !reserve(b, (size_t)n))
		return;
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else if (n) {
		memmove(b->data, b->data + n, b->len - n);
		b->len -= n;
	}
	if (b->data)
		b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b)
{
	char *data;

	buf_add(b, "", 0); /* an empty buffer still gives an owned "" */
	if (b->failed) {
		buf_free(b);
		return NULL;
	}
	data = b->data;
	b->data = NULL;
	b->len = b->size = 0;
	return data;
}
