/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * getrandom(2), which the filter of a closed in worker lets through, where it would not have a file opened.
 */
#include "base/random.h"

#include <stdint.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE 4 /* Linux 5.6; linux/random.h */
#endif

void random_fill(void *out, size_t size)
{
	static uint64_t state;
	unsigned char *byte = out;

	if (getrandom(out, size, GRND_INSECURE) == (ssize_t)size)
		return;
	/* A kernel, or a filter of somebody else's, that does not know the flag. Knuth's multiplier (MMIX).
	 */
	state += clock_us() ^ (uint64_t)getpid() << 32;
	while (size--) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		*byte++ = (unsigned char)(state >> 56);
	}
}
