/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Calls of ONC RPC, for the types whose servers speak it: NFS and gluster. For workers.
 */
#ifndef POOLINIT_BACKENDS_RPC_H
#define POOLINIT_BACKENDS_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backends/servers.h"
#include "base/buf.h"
#include "base/xdr.h"

#define RPC_ANSWER_LIMIT (1024 * 1024) /* bytes */

struct rpc_call {
	uint32_t program, version, procedure;
	const struct buf *arguments; /* or NULL */
};
/* Call a procedure by TCP (RFC 5531, with the record marks of section 11), and wait for the answer. *results
 * are in `answer`, which the caller frees. ERR_WAIT_SERVER: it is not reached, or does not answer in time;
 * ERR_UNSUPPORTED: it has no such program, version or procedure; ERR_AUTH: it does not take who we are;
 * ERR_TOO_LONG: more than RPC_ANSWER_LIMIT; ERR_STORAGE: it is no answer. */
int rpc_call(const struct address *server, const struct rpc_call *c, uint64_t deadline, struct buf *answer,
             struct xdr *results, struct err *e);
/* Is there an answer to the call of that number, and is it a good one? Then x is at its results. Errors as
 * rpc_call(). */
int rpc_answer_read(struct xdr *x, uint32_t number, struct err *e);

#endif
