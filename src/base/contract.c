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

void contract_broken(void)
{
	log_error(LF_WORKER, "a contract was broken at %p: this is a mistake in poolinit; please report it",
	          __builtin_return_address(0));
	if (guarded != getpid())
		abort();
}

int contract_refuse(struct err *e)
{
	return err_set(e, ERR_INTERNAL, "refused because of a mistake in poolinit; the log says where");
}
