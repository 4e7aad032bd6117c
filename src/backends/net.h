/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability of storage servers.
 */
#ifndef POOLINIT_BACKENDS_NET_H
#define POOLINIT_BACKENDS_NET_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct address {
	char text[64];          /* numeric; IPv6 without brackets */
	int family;             /* AF_INET, AF_INET6 */
	int port;
};

/* Resolve a host name or numeric address (getaddrinfo). Name service trouble and "no route" are ERR_WAIT_NETWORK. */
int net_resolve(const char *host, int port, struct address *out, struct err *e);
/* Can a TCP connection be made? Quick, to keep dead servers away from calls that block for minutes: at most timeout_ms.
 * ERR_WAIT_SERVER (refused, timed out) with waits_for "server=HOST:PORT"; ERR_WAIT_NETWORK (no route or address). */
int net_reachable(const struct address *a, uint64_t timeout_ms, struct err *e);
/* The local address from which a would be reached (for NFS's clientaddr=). */
int net_local(const struct address *a, char *text, size_t size, struct err *e);

#endif
