/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hash of texts, for tables whose keys others may choose.
 */
#ifndef POOLINIT_BASE_HASH_H
#define POOLINIT_BASE_HASH_H

#include <stdint.h>

/* The hash of a text; never 0. The same seed and text have the same hash on every machine of one byte order.
 * Who must not be told which texts collide takes a seed that nobody knows. It is no cryptographic hash. */
uint64_t hash_text(uint64_t seed, const char *text);

#endif
