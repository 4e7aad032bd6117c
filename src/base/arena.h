/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory that lives and dies together: a definition and all its strings are freed by one call.
 * Allocations are zeroed. On exhaustion they return NULL and the arena is marked failed.
 */
#ifndef POOLINIT_BASE_ARENA_H
#define POOLINIT_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	bool failed;
};

/* Zeroed memory, aligned for anything, freed with the arena. NULL, and the arena marked, when there is none.
 */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of a text, of at most n bytes of it, or of what printf(3) makes, with its NUL. NULL stays NULL; NULL
 * as well, and the arena marked, when there is no memory. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A copy of an array of n items of `size` bytes with room for one more: for lists that grow while a document
 * is read. The new item is the caller's to write; the old array stays valid until the arena is freed. Items
 * are only ever appended to the copy that came last. */
void *arena_grow(struct arena *a, const void *items, size_t n, size_t size);
/* Everything that came from the arena becomes invalid; the arena is empty, and may be used again. */
void arena_free(struct arena *a);

#endif
