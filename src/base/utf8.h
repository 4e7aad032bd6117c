/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Text from elsewhere: what is well-formed UTF-8, and what must not reach a terminal or a line as it is.
 */
#ifndef POOLINIT_BASE_UTF8_H
#define POOLINIT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1..4) of the well-formed sequence at s, of which n bytes may be read; 0: malformed (overlong,
 * surrogate, beyond U+10FFFF, cut off). RFC 3629. */
size_t utf8_len(const char *s, size_t n);
/* Is the well-formed sequence of len bytes a control character (C0, DEL, C1)? */
bool utf8_is_control(const char *s, size_t len);
/* Is it U+FFFE or U+FFFF, which XML has no way to say? */
bool utf8_is_no_character(const char *s, size_t len);
/* Is it a control character, or a character that nobody sees or that turns the order of others around
 * (U+200B, U+202E, U+FEFF, tags, …)? What people read shows such a character as an escape; names may hold
 * it. */
bool utf8_is_hidden(const char *s, size_t len);
/* How many of the first n bytes are printable ASCII, as nearly all text is: a quick look before a careful
 * one. */
size_t utf8_plain(const char *s, size_t n);
/* The character's number, of the well-formed sequence of len bytes. */
unsigned utf8_number(const char *s, size_t len);
/* The character of that number (up to U+10FFFF) as UTF-8, without a NUL. Returns how many bytes: 4 at most.
 */
size_t utf8_put(char *out, unsigned c);
/* The longest prefix of s, at most n bytes, that does not end inside a sequence. */
size_t utf8_cut(const char *s, size_t n);

#endif
