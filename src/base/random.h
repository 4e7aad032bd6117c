/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random numbers.
 */
#ifndef POOLINIT_BASE_RANDOM_H
#define POOLINIT_BASE_RANDOM_H

#include <stddef.h>

/* Fill with bytes that nobody can foresee; or, as long as the kernel has gathered no randomness (seconds of a
 * boot, on machines without a source of their own), that are different each time. Never waits, and opens
 * nothing: workers that are closed in may call it. getrandom(2), GRND_INSECURE. */
void random_fill(void *out, size_t size);

#endif
