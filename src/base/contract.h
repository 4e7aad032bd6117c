/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contracts, as code: what a function demands of its caller, and what can only be false if poolinit itself
 * has a mistake. What comes from outside (a document, a device, a person) breaks no contract: that is an
 * error.
 *
 * A worker, a tool or poolctl ends by abort(3): the supervisor reports the worker's death like any other. The
 * supervisor and PID 1 must not end: there a broken contract is logged, and the function refuses, as the
 * second part of require() says. One macro serves both, because most functions run in both.
 *
 *     require(w->on_event, contract_refuse(e));       a function with an error
 *     require(n <= b->len, );                         a function without a result
 */
#ifndef POOLINIT_BASE_CONTRACT_H
#define POOLINIT_BASE_CONTRACT_H

#include "base/err.h"

/* Go on if `condition` holds. If not: abort, or, in a guarded process, log and return what follows. */
#define require(condition, ...)                                                                              \
	do {                                                                                                 \
		if (__builtin_expect(!(condition), 0)) {                                                     \
			contract_broken();                                                                   \
			return __VA_ARGS__;                                                                  \
		}                                                                                            \
	} while (0)

/* From now on this process goes on when a contract is broken. Its children do not: they end. */
void contract_guard(void);

/* Log where a contract was broken (an address, for addr2line(1)), and end unless the process is guarded. */
void contract_broken(void) __attribute__((cold, noinline));

/* The error of a request that is refused because of it: ERR_INTERNAL. Returns -1. */
int contract_refuse(struct err *e) __attribute__((cold, noinline));

#endif
