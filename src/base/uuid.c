/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UUIDs as text, and new ones.
 */
#include "base/uuid.h"

#include <stdio.h>

#include "base/contract.h"
#include "base/random.h"
#include "base/util.h"

bool uuid_read(const char *text, struct uuid *u)
{
	demand_or(text && u, false);

	struct uuid parsed;

	while (is_space(*text))
		text++;
	for (size_t i = 0; i < sizeof(parsed.b); i++) {
		while (i > 0 && (*text == '-' || *text == ' '))
			text++;
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return false;
		parsed.b[i] = (unsigned char)(high << 4 | low);
		text += 2;
	}
	while (is_space(*text))
		text++;
	if (*text)
		return false;
	*u = parsed;
	return true;
}

char *uuid_print(const struct uuid *u, char out[UUID_TEXT])
{
	const unsigned char *b = u->b;

	snprintf(out, UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
	         b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	         b[15]);
	return out;
}

static void set_version(struct uuid *u, unsigned version)
{
	u->b[6] = (unsigned char)((u->b[6] & 0x0f) | version << 4);
	u->b[8] = (unsigned char)((u->b[8] & 0x3f) | 0x80);
}

void uuid_make(struct uuid *u)
{
	random_fill(u->b, sizeof(u->b));
	set_version(u, 4);
}

static uint64_t fnv1a(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

void uuid_from_text(const char *text, struct uuid *u)
{
	uint64_t first = fnv1a(UINT64_C(0xcbf29ce484222325), text);
	/* another basis: the second half says more */
	uint64_t second = fnv1a(first ^ UINT64_C(0x9e3779b97f4a7c15), text);

	for (int i = 0; i < 8; i++) {
		u->b[i] = (unsigned char)(first >> (56 - 8 * i));
		u->b[8 + i] = (unsigned char)(second >> (56 - 8 * i));
	}
	set_version(u, 8);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
