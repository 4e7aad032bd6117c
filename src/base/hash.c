/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Multiply and fold, eight bytes at a time.
 */
#include "base/hash.h"

#include <string.h>

/* All 128 bits of the product matter: the upper half is folded into the lower. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_text(uint64_t seed, const char *text)
{
	size_t left = strlen(text);
	uint64_t hash = seed ^ left, word;

	for (; left >= sizeof(word); text += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = mix(hash ^ word, 0x9e3779b97f4a7c15ULL);
	}
	word = 0;
	memcpy(&word, text, left);
	hash = mix(hash ^ word, 0xe7037ed1a0b428dbULL ^ seed);
	return hash ? hash : 1;
}
