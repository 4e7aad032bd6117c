/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What becomes of a process in which a contract is broken; see contract.h.
 */
#include "base/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pid_t guarded; /* a worker's number is another one, although it inherits this */
static void (*log_broken)(const void *where);

void contract_guard(void (*log)(const void *where))
{
	guarded = getpid();
	log_broken = log;
}

int(contract_broken)(struct err *e)
{
	const void *where = __builtin_return_address(0);

	err_set(e, ERR_INTERNAL, CONTRACT_TEXT, where);
	if (log_broken)
		log_broken(where);
	else
		fprintf(stderr, "poolinit: " CONTRACT_TEXT "\n", where);
	if (guarded != getpid())
		abort();
	return -1;
}
