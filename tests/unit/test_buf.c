/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers and arenas: growth, limits, sticky failure.
 */
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "check.h"

static void empty_is_a_string(void)
{
	struct buf b = BUF_INIT;
	char *s;

	CHECK_STR(buf_str(&b), "");
	s = buf_steal(&b);
	CHECK_STR(s, "");
	free(s);
	buf_free(&b);
}

static void grows_and_stays_terminated(void)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < 1000; i++) {
		buf_printf(&b, "%d,", i % 10);
		CHECK_INT(b.data[b.len], 0);
	}
	CHECK_INT(b.len, 2000);
	CHECK(strncmp(b.data, "0,1,2,3,", 8) == 0);
	buf_free(&b);
	CHECK(b.data == NULL && b.len == 0);
}

static void holds_nul_bytes(void)
{
	struct buf b = BUF_INIT;

	buf_add(&b, "a\0b", 3);
	buf_addc(&b, '\0');
	CHECK_INT(b.len, 4);
	CHECK(memcmp(b.data, "a\0b\0", 5) == 0);
	buf_free(&b);
}

static void limit_is_exact_and_sticky(void)
{
	struct buf b = { .limit = 8 };

	buf_adds(&b, "12345678");
	CHECK(!b.failed);
	buf_addc(&b, '9');
	CHECK(b.failed);
	CHECK_STR(buf_str(&b), "12345678");
	buf_consume(&b, 4);
	buf_adds(&b, "x");
	CHECK_STR(buf_str(&b), "5678");
	CHECK(buf_steal(&b) == NULL);
	CHECK(b.data == NULL && !b.failed);
}

static void limit_holds_for_printf(void)
{
	struct buf b = { .limit = 4 };

	buf_printf(&b, "%s", "12345");
	CHECK(b.failed);
	CHECK_INT(b.len, 0);
	buf_reset(&b);
	buf_printf(&b, "%d", 1234);
	CHECK(!b.failed);
	CHECK_STR(buf_str(&b), "1234");
	buf_free(&b);
}

static void absurd_lengths_fail_without_wrapping(void)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "x");
	buf_add(&b, "", SIZE_MAX - 1);
	CHECK(b.failed);
	CHECK_STR(buf_str(&b), "x");
	buf_free(&b);
}

static void consume_more_than_there_is(void)
{
	struct buf b = BUF_INIT;

	buf_consume(&b, 3);
	buf_adds(&b, "abcdef");
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	CHECK_STR(buf_str(&b), "cdef");
	buf_consume(&b, 100);
	CHECK_STR(buf_str(&b), "");
	CHECK_INT(b.len, 0);
	buf_free(&b);
}

static void steal_leaves_an_empty_buffer(void)
{
	struct buf b = BUF_INIT;
	char *s;

	buf_adds(&b, "owned");
	s = buf_steal(&b);
	CHECK_STR(s, "owned");
	CHECK(b.data == NULL && b.len == 0 && b.size == 0);
	free(s);
}

static void arena_memory_is_zeroed_and_apart(void)
{
	struct arena a = { 0 };
	char *last = NULL;

	for (size_t size = 0; size < 5000; size += 97) {
		char *p = arena_alloc(&a, size);

		CHECK(p && p != last && (uintptr_t)p % sizeof(void *) == 0);
		for (size_t i = 0; i < size; i++)
			CHECK_INT(p[i], 0);
		memset(p, 'x', size);
		last = p;
	}
	arena_free(&a);
	CHECK(a.blocks == NULL);
}

static void arena_strings(void)
{
	struct arena a = { 0 };

	CHECK_STR(arena_strdup(&a, "text"), "text");
	CHECK_STR(arena_strndup(&a, "text", 2), "te");
	CHECK_STR(arena_strndup(&a, "te", 100), "te");
	CHECK_STR(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	CHECK(arena_strdup(&a, NULL) == NULL);
	CHECK(arena_strndup(&a, NULL, 3) == NULL);
	CHECK(!a.failed);
	arena_free(&a);
}

static void arena_lists_grow_with_their_items(void)
{
	struct arena a = { 0 };
	int *items = NULL, *others = NULL;

	for (int i = 0; i < 3000; i++) {
		items = arena_grow(&a, items, (size_t)i, sizeof(*items));
		items[i] = i;
		arena_strdup(&a, "something between");
		others = arena_grow(&a, others, (size_t)i, sizeof(*others));
		others[i] = -i;
	}
	for (int i = 0; i < 3000; i++)
		CHECK(items[i] == i && others[i] == -i);
	arena_free(&a);
}

static void arena_grow_copies_foreign_arrays(void)
{
	static const int fixed[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct arena a = { 0 };
	int *copy = arena_grow(&a, fixed, 9, sizeof(int));

	CHECK(copy && copy != fixed && copy[8] == 9);
	copy[9] = 10;
	arena_free(&a);
}

static void arena_refuses_what_cannot_be(void)
{
	struct arena a = { 0 };

	CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
	CHECK(a.failed);
	a.failed = false;
	CHECK(arena_alloc(&a, SIZE_MAX / 2 + 1) == NULL);
	CHECK(a.failed);
	a.failed = false;
	CHECK(arena_grow(&a, NULL, SIZE_MAX / 2, 16) == NULL);
	CHECK(a.failed);
	arena_free(&a);
	CHECK(!a.failed);
}

int main(void)
{
	RUN(empty_is_a_string);
	RUN(grows_and_stays_terminated);
	RUN(holds_nul_bytes);
	RUN(limit_is_exact_and_sticky);
	RUN(limit_holds_for_printf);
	RUN(absurd_lengths_fail_without_wrapping);
	RUN(consume_more_than_there_is);
	RUN(steal_leaves_an_empty_buffer);
	RUN(arena_memory_is_zeroed_and_apart);
	RUN(arena_strings);
	RUN(arena_lists_grow_with_their_items);
	RUN(arena_grow_copies_foreign_arrays);
	RUN(arena_refuses_what_cannot_be);
	return check_done();
}
