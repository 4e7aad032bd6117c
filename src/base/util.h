/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small things that every file may use: array lengths, scoped clean-up, string comparison.
 */
#ifndef POOLINIT_BASE_UTIL_H
#define POOLINIT_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Is this a build with sanitizers? They need system calls and memory that we do not. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Scoped clean-up: `cleanup_free char *text = …`, `cleanup_close int fd = -1`. */
#define cleanup_free  __attribute__((cleanup(util_free)))
#define cleanup_close __attribute__((cleanup(util_close)))

/* ioctl(2)'s second parameter: glibc and musl do not agree. */
#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif

static inline void util_free(void *p)
{
	free(*(void **)p);
}

static inline void util_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Hand an owned descriptor on: the variable no longer closes it. */
static inline int steal_fd(int *fd)
{
	int f = *fd;

	*fd = -1;
	return f;
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A copy with a NUL behind it; there may be others in it. NULL: out of memory. */
static inline char *copy_bytes(const void *data, size_t len)
{
	char *bytes = (char *)malloc(len + 1);

	if (bytes) {
		memcpy(bytes, data, len);
		bytes[len] = '\0';
	}
	return bytes;
}

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Equal, where NULL equals only NULL. */
static inline bool streq_null(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

static inline bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* And there is something before it. */
static inline bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && streq(s + n - m, suffix);
}

/* White space of ASCII, whatever the locale. */
static inline bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The value of a hexadecimal digit; -1: it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Are all `n` bytes zero? */
static inline bool is_zero(const char *data, size_t n)
{
	return n == 0 || (data[0] == 0 && memcmp(data, data + 1, n - 1) == 0);
}

#endif
