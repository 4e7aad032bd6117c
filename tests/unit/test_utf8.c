/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The quick look at plain text: eight bytes at once find what a look at each byte finds.
 */
#include <string.h>

#include "base/utf8.h"
#include "check.h"

static size_t byte_by_byte(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] >= 0x20 && s[i] < 0x7f)
		i++;
	return i;
}

static void every_byte_at_every_place(void)
{
	char text[40];

	for (size_t at = 0; at < sizeof(text); at++)
		for (int c = 0; c < 256; c++) {
			memset(text, c % 2 ? ' ' : '~', sizeof(text));
			text[at] = (char)c;
			CHECK_INT(utf8_plain(text, sizeof(text)), byte_by_byte(text, sizeof(text)));
		}
}

static void every_length(void)
{
	char text[40];

	memset(text, 'a', sizeof(text));
	for (size_t n = 0; n <= sizeof(text); n++)
		CHECK_INT(utf8_plain(text, n), n);
}

/* A borrow or a carry of one byte changes its neighbour, and must not make it look plain. */
static void bad_neighbours(void)
{
	char text[16];

	for (int first = 0; first < 256; first++)
		for (int second = 0; second < 256; second++) {
			memset(text, 'a', sizeof(text));
			text[3] = (char)first;
			text[4] = (char)second;
			CHECK_INT(utf8_plain(text, sizeof(text)), byte_by_byte(text, sizeof(text)));
		}
}

int main(void)
{
	RUN(every_byte_at_every_place);
	RUN(every_length);
	RUN(bad_neighbours);
	return check_done();
}
