/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability of storage servers.
 */
#ifndef POOLINIT_BACKENDS_SERVERS_H
#define POOLINIT_BACKENDS_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backends/backend.h"
#include "base/err.h"

struct address {
	char text[64]; /* numeric; IPv6 without brackets */
	int family;    /* AF_INET, AF_INET6 */
	int port;
	unsigned rank; /* 0: whoever takes only one of the name's addresses takes this one */
};

/* All addresses of a name; musl's name service gives no more than these. */
struct addresses {
	size_t n;
	struct address list[48];
};

/* Resolve a host name or numeric address (getaddrinfo(3)); an IPv6 address may stand in brackets. Name
 * service trouble and "no route" are ERR_WAIT_NETWORK (waits_for "network"); ERR_INVALID: too long to be a
 * name. Blocks for as long as the name service takes. */
int net_resolve(const char *host, int port, struct addresses *out, struct err *e);
/* Is this numeric address among them, as text? */
bool net_has(const struct addresses *set, const char *text);
/* Have two names an address in common? */
bool net_same_host(const char *a, const char *b);
/* The same_server() of a type with servers. */
bool net_same_server(const struct pool_def *a, const struct pool_def *b, char *out, size_t size);

/* Something that is done with the first address of a host that will do. */
struct net_trial {
	const char *host;
	int port, family; /* AF_UNSPEC: both */
	/* by a TCP connection, before use; only where there is a choice; not at all */
	enum { PROBE_ALWAYS, PROBE_SEVERAL, PROBE_NEVER } probe;
	/* clock_ms(): at most half of the time till then is spent on addresses that are silent */
	uint64_t deadline;
	/* knows which address has answered last, and hears of the one that answers now; or NULL */
	struct op *op;
	bool one_of_several; /* hosts: it hears of the address also where the name has no other */
	/* 0: done. -1: what it said holds for the host. 1: another address may do. */
	int (*use)(void *arg, const struct address *a, struct err *e);
	void *arg;
};
/* Try each address of the host in turn, until one does. The error names all that were tried and what each
 * said; it is a temporary one if one of them was, but for what `use` ended with -1. ERR_INVALID: the name
 * has no address of the family that is wanted. */
int net_try(const struct net_trial *t, struct err *e);
/* Put two failures in one sentence, in `all`. The class is that of the one which is more worth another try.
 */
void net_also(struct err *all, const struct err *one);
/* Is it a failure that another address or server may not have? */
bool net_another_may_do(const struct err *e);

/* A TCP connection, made by that time (clock_ms()); it does not block. The descriptor is the caller's; -1:
 * ERR_WAIT_SERVER, ERR_WAIT_NETWORK as of net_reachable(). */
int net_connect(const struct address *a, uint64_t deadline, struct err *e);
/* Can a TCP connection be made? Quick, to keep dead servers away from calls that block for minutes: at most
 * timeout_ms. ERR_WAIT_SERVER (refused, timed out) with waits_for "server=HOST:PORT"; ERR_WAIT_NETWORK (no
 * route or address). */
int net_reachable(const struct address *a, uint64_t timeout_ms, struct err *e);
/* The local address from which a would be reached (for NFS's clientaddr=). */
int net_local(const struct address *a, char *text, size_t size, struct err *e);

#endif
