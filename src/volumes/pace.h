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

struct pace {
	struct op *op;
	const char *doing; /* "copy disk.img": for the error at the deadline */
	uint64_t total;    /* 0: not known */
	uint64_t done;
	uint64_t told; /* clock_ms() of the last report */
};

/* n more bytes are done. ERR_TIMEOUT once the deadline has passed. */
int pace_step(struct pace *p, uint64_t n, struct err *e);
/* All of it is done: told once more, so that the last word is "100 %". */
void pace_end(struct pace *p);

#endif
