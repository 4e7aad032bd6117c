/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Blocks of memory in a list, the newest first; small things share one, large things and growing arrays have
 * their own.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"

#define BLOCK_SIZE  2048
#define LARGE       (BLOCK_SIZE / 2)
#define SMALL_ARRAY 8 /* items; up to here arrays are just copied */
_Static_assert((SMALL_ARRAY & (SMALL_ARRAY - 1)) == 0 && LARGE < BLOCK_SIZE, "lists double from there");

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

/* A new block of `size` zeroed bytes. `in_front`: small allocations go on there. */
static struct arena_block *block_new(struct arena *a, size_t size, bool in_front)
{
	struct arena_block *b = size < SIZE_MAX / 2 ? calloc(1, sizeof(*b) + size) : NULL;

	if (!b) {
		a->failed = true;
		return NULL;
	}
	b->size = size;
	/* A large block goes behind the first one, in which small things go on. */
	if (in_front || !a->blocks) {
		b->next = a->blocks;
		a->blocks = b;
	} else {
		b->next = a->blocks->next;
		a->blocks->next = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_block *b = a->blocks;
	void *p;

	if (size > SIZE_MAX / 2) {
		a->failed = true;
		return NULL;
	}
	size = (size + align - 1) / align * align;
	if (size == 0)
		size = align; /* each allocation has its own address */
	if (!b || b->size - b->used < size) {
		b = size > LARGE ? block_new(a, size, false) : block_new(a, BLOCK_SIZE, true);
		if (!b)
			return NULL;
	}
	/* What is left in the block before is given up: it is less than was asked for. */
	p = b->data + b->used;
	b->used += size;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy;

	if (!s)
		return NULL;
	n = strnlen(s, n);
	copy = arena_alloc(a, n + 1);
	if (copy)
		memcpy(copy, s, n); /* the NUL is there: allocations are zeroed */
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	demand_or(fmt, NULL);
	va_list ap;
	char *out = NULL;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		a->failed = true;
	else
		out = arena_alloc(a, (size_t)n + 1);
	if (!out)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}

/* An array that has a block of its own grows within it; when that is full, the next block is twice as large,
 * so that a document with thousands of entries costs memory in proportion to them. */
void *arena_grow(struct arena *a, const void *items, size_t n, size_t size)
{
	struct arena_block *b;
	void *copy;

	if (size == 0 || n >= SIZE_MAX / 4 / size) {
		a->failed = true;
		return NULL;
	}
	if (n < SMALL_ARRAY) {
		copy = arena_alloc(a, (n + 1) * size);
	} else {
		for (b = a->blocks; b; b = b->next)
			if (items == b->data && b->used == b->size && (n + 1) * size <= b->size)
				return b->data;
		b = block_new(a, 2 * n * size, false);
		if (b)
			b->used = b->size; /* nothing else goes in there */
		copy = b ? b->data : NULL;
	}
	if (copy && n)
		memcpy(copy, items, n * size);
	return copy;
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
	a->failed = false;
}
