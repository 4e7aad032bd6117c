/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What becomes of a process in which a contract is broken; see contract.h.
 */
#include "base/contract.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

static pid_t guarded; /* a worker's number is another one, although it inherits this */

void contract_guard(void)
{
	guarded = getpid();
}

int contract_broken(struct err *e)
{
	log_error(LF_WORKER, "a mistake in poolinit, at %p: please report it", __builtin_return_address(0));
	if (guarded != getpid())
		abort();
	return err_set(e, ERR_INTERNAL, "refused because of a mistake in poolinit");
}
