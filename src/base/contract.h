/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contracts, as code: what a function demands of its caller, and what can only be false if poolinit itself
 * has a mistake. What comes from outside (a document, a device, a person) breaks no contract: that is an
 * error.
 *
 * A worker, a tool or poolctl ends by abort(3): the supervisor reports the worker's death like any other. The
 * supervisor and PID 1 must not end: there a broken contract is logged, and the function refuses. The same
 * macros serve both, because most functions run in both.
 *
 *     require(w->on_event, e);                a function that returns -1 with e filled: ERR_INTERNAL
 *     require_or(data || len == 0, );         one that says nothing
 *     require_or(i < r->n, NULL);             one that answers so
 *
 * demand() and demand_or() say the same of contracts that a small program (-DCONTRACTS_FEW) is built without:
 * there they cost nothing and check nothing, so that their condition may have no effect of its own. A
 * contract whose breach would harm data or memory at once is a require(), which every build checks.
 */
#ifndef POOLINIT_BASE_CONTRACT_H
#define POOLINIT_BASE_CONTRACT_H

#include "base/err.h"

/* Go on if `condition` holds. If not: abort, or, in a guarded process, log it and return -1 with e filled. */
#define require(condition, e)                                                                                \
	do {                                                                                                 \
		if (__builtin_expect(!(condition), 0))                                                       \
			return contract_broken(e);                                                           \
	} while (0)

/* The same in a function without an error; it returns what follows. */
#define require_or(condition, ...)                                                                           \
	do {                                                                                                 \
		if (__builtin_expect(!(condition), 0)) {                                                     \
			contract_broken(NULL);                                                               \
			return __VA_ARGS__;                                                                  \
		}                                                                                            \
	} while (0)

/* require() and require_or(), left out where size is everything; the compiler still reads the condition. */
#ifdef CONTRACTS_FEW
#define demand(condition, e)      require(1 || (condition), e)
#define demand_or(condition, ...) require_or(1 || (condition), __VA_ARGS__)
#else
#define demand(condition, e)      require(condition, e)
#define demand_or(condition, ...) require_or(condition, __VA_ARGS__)
#endif

#define CONTRACT_TEXT "a mistake in poolinit, at %p: please report it"

/* From now on this process goes on when a contract is broken. Its children do not: they end. `log` is told in
 * both where that was; without it, standard error is. (The log itself has contracts: it cannot be asked from
 * here.) */
void contract_guard(void (*log)(const void *where));

/* Log where a contract was broken, and end unless the process is guarded. Returns -1. What is logged is an
 * address, for addr2line(1): in the function that refuses, or where that was called from. */
int contract_broken(struct err *e) __attribute__((cold, noinline));

#ifdef __clang_analyzer__ /* it looks at one file at a time: this is what it returns, as in err.h */
#define contract_broken(e) ((void)(contract_broken)(e), -1)
#endif

#endif
