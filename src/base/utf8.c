/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8 as RFC 3629 has it, one sequence at a time.
 */
#include "base/utf8.h"

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_len(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)         /* a continuation, an overlong pair, or beyond U+10FFFF */
		return 0;
	len = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!is_continuation(u[i]))
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90))     /* overlong */
		return 0;
	if ((u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf4 && u[1] > 0x8f))     /* surrogates; beyond U+10FFFF */
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

size_t utf8_cut(const char *s, size_t n)
{
	size_t start = n;

	while (start > 0 && n - start < 4 && is_continuation((unsigned char)s[start - 1]))
		start--;
	if (start == 0 || (unsigned char)s[start - 1] < 0xc0)
		return n;                       /* ends in ASCII, or in bytes that no cut can mend */
	start--;
	return utf8_len(s + start, n - start) > 0 ? n : start;
}
