/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A growable byte buffer with a sticky failure: after an allocation failed, or the limit was reached, all
 * writes are ignored and `failed` is set, so that a caller checks once at the end. The bytes are always
 * NUL-terminated.
 */
#ifndef POOLINIT_BASE_BUF_H
#define POOLINIT_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;   /* NULL while empty; owned */
	size_t len;   /* without the final NUL */
	size_t size;  /* allocated */
	size_t limit; /* 0: none; else a write beyond it fails */
	bool failed;
};

/* clang-format off */
#define BUF_INIT { 0 }
/* clang-format on */
#define cleanup_buf __attribute__((cleanup(buf_free)))

/* Give the memory back. The buffer is empty, and may be used again; its limit stays. */
void buf_free(struct buf *b);
/* Make it empty and forget its failure; keep the memory, and what is in it until it is written over. */
void buf_reset(struct buf *b);
/* Append len bytes, which may be any and must not be the buffer's own. */
void buf_add(struct buf *b, const void *data, size_t len);
/* Append len bytes, which the caller fills in at once: where they are. NULL: failed. */
char *buf_extend(struct buf *b, size_t len);
/* Append a text, a character, what printf(3) makes. Without memory, or beyond the limit, the buffer is marked
 * failed and stays as it was; nobody has to look before the end. */
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Drop the first n bytes, or all. What is left moves to the front. */
void buf_consume(struct buf *b, size_t n);
/* The bytes with their NUL, "" where there are none; never NULL. Good until the buffer is written to. */
const char *buf_str(const struct buf *b);
/* Take the bytes out of it: the caller frees them with free(3). NULL if it has failed; the buffer is empty
 * again in either case. */
char *buf_steal(struct buf *b);

#endif
