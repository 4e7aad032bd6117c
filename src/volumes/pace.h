/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Long loops: between two chunks the deadline is looked at, and progress told now and then.
 */
#ifndef POOLINIT_VOLUMES_PACE_H
#define POOLINIT_VOLUMES_PACE_H

#include <stdint.h>
#include "pool/operation.h"

#define PACE_CHUNK (16u * 1024 * 1024) /* bytes between two looks, where storage does the work itself */
_Static_assert(PACE_CHUNK % 4096 == 0, "pieces stay aligned for direct access");

/* The state of one loop. The caller fills in op, doing and total, and leaves the rest 0. */
struct pace {
	struct op *op;
	const char *doing; /* "copy disk.img": for the error at the deadline */
	uint64_t total;    /* 0: not known */
	uint64_t done;
	uint64_t told; /* clock_ms() of the last report */
};

/* Note that n more bytes are done, and tell progress if 200 ms have passed since it was told. ERR_TIMEOUT
 * once the deadline of op has passed: whoever loops ends then, and says what state it leaves. */
int pace_step(struct pace *p, uint64_t n, struct err *e);
/* All of it is done: told once more, so that the last word is "100 %". */
void pace_end(struct pace *p);

#endif
