/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8 as RFC 3629 has it, one sequence at a time.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/contract.h"
#include "base/util.h"

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_len(const char *s, size_t n)
{
	demand_or(s || n == 0, 0);

	const unsigned char *u = (const unsigned char *)s;
	size_t len;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4) /* a continuation, an overlong pair, or beyond U+10FFFF */
		return 0;
	len = 2U + (u[0] >= 0xe0) + (u[0] >= 0xf0);
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!is_continuation(u[i]))
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90)) /* overlong */
		return 0;
	if ((u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf4 && u[1] > 0x8f)) /* surrogates; beyond U+10FFFF */
		return 0;
	return len;
}

bool utf8_is_control(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;

	if (len == 1)
		return u[0] < 0x20 || u[0] == 0x7f;
	return len == 2 && u[0] == 0xc2 && u[1] < 0xa0;
}

bool utf8_is_no_character(const char *s, size_t len)
{
	return len == 3 && (memcmp(s, "\xef\xbf\xbe", 3) == 0 || memcmp(s, "\xef\xbf\xbf", 3) == 0);
}

/* Format characters, joiners, fillers, line and paragraph separators, variation selectors, tags: what takes
 * no room, or turns the text around. */
static const struct {
	unsigned first, last;
} hidden[] = {
	{ 0x00ad, 0x00ad },   { 0x034f, 0x034f },   { 0x0600, 0x0605 },   { 0x061c, 0x061c },
	{ 0x06dd, 0x06dd },   { 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },
	{ 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0xe0fff },
};

unsigned utf8_number(const char *s, size_t len)
{
	demand_or(len >= 1 && len <= 4, 0);

	const unsigned char *u = (const unsigned char *)s;
	unsigned c = len == 1 ? u[0] : u[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (u[i] & 0x3fu);
	return c;
}

bool utf8_is_hidden(const char *s, size_t len)
{
	unsigned c;

	if (len < 2 || utf8_is_control(s, len))
		return utf8_is_control(s, len);
	c = utf8_number(s, len);
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return true;
	return false;
}

size_t utf8_put(char *out, unsigned c)
{
	demand_or(c <= 0x10ffff, 0);

	static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	unsigned more = 0U + (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
	size_t n = 0;

	out[n++] = (char)(lead[more] | c >> 6 * more);
	while (more-- > 0)
		out[n++] = (char)(0x80 | (c >> 6 * more & 0x3f));
	return n;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes at once: the highest bit of a byte tells that it is below a space, DEL, or beyond ASCII. A bit
 * too many costs only time. */
static bool are_plain(const char *s)
{
	uint64_t eight;

	memcpy(&eight, s, sizeof(eight));
	return !((eight | (eight - EACH(' ')) | (eight + EACH(1))) & EACH(0x80));
}

size_t utf8_plain(const char *s, size_t n)
{
	size_t i = 0;

	while (n - i >= sizeof(uint64_t) && are_plain(s + i))
		i += sizeof(uint64_t);
	while (i < n && s[i] >= ' ' && s[i] < 0x7f)
		i++;
	return i;
}

size_t utf8_cut(const char *s, size_t n)
{
	size_t start = n;

	while (start > 0 && n - start < 4 && is_continuation((unsigned char)s[start - 1]))
		start--;
	if (start == 0 || (unsigned char)s[start - 1] < 0xc0)
		return n; /* ends in ASCII, or in bytes that no cut can mend */
	start--;
	return utf8_len(s + start, n - start) > 0 ? n : start;
}
