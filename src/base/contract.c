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
	static const char text[] = "a mistake in poolinit, at %p: please report it";
	const void *at = __builtin_return_address(0);

	log_error(LF_WORKER, text, at);
	if (guarded != getpid())
		abort();
	return err_set(e, ERR_INTERNAL, text, at);
}
