/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Interfaces, addresses and routes through rtnetlink(7). The kernel answers these requests at once: nothing
 * here waits for the network.
 */
#ifndef POOLINIT_BOOT_NET_RTNL_H
#define POOLINIT_BOOT_NET_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "boot/net/ipparam.h"

struct rtnl {
	int fd; /* -1: closed */
	uint32_t seq;
};

struct rtnl_link {
	int index;
	char name[IFNAMSIZ];
	unsigned char mac[6];
	bool ethernet; /* Ethernet framing (wired, wireless, bonds, bridges …) and no loopback */
	bool loopback, up, carrier;
};

/* Open a socket to the kernel's table of interfaces, addresses and routes; close it with rtnl_close(). One
 * request at a time. */
int rtnl_open(struct rtnl *r, struct err *e);
void rtnl_close(struct rtnl *r);

typedef void rtnl_link_fn(const struct rtnl_link *l, void *arg);
/* Call fn for each interface of the machine, in the kernel's order. What it is given is good for the call. */
int rtnl_links(struct rtnl *r, rtnl_link_fn *fn, void *arg, struct err *e);
/* Switch an interface on. That it is on already is no error. */
int rtnl_link_up(struct rtnl *r, int index, struct err *e);
/* Set the greatest size of a packet, in bytes. The driver may refuse it. */
int rtnl_link_mtu(struct rtnl *r, int index, unsigned mtu, struct err *e);

/* Give an interface an address with its prefix length. What is there already is success. IPv6 addresses are
 * usable at once: duplicates are not looked for (IFA_F_NODAD), which would take a second or two of boot. */
int rtnl_address_add(struct rtnl *r, int index, const struct ip_address *a, struct err *e);
/* Take an address from an interface. That it has none such is no error. */
int rtnl_address_remove(struct rtnl *r, int index, const struct ip_address *a, struct err *e);
/* Set a route to `to` (NULL: the default route) through a gateway on this interface (0.0.0.0: it is on the
 * link); a gateway outside the interface's networks is taken as reachable on the link. An equal one is
 * replaced. */
int rtnl_route_add(struct rtnl *r, int index, const struct ip_address *to, const struct ip_address *gateway,
                   struct err *e);
/* Is there an address other than loopback and link-local ones? */
bool rtnl_has_address(struct rtnl *r);

/* A non-blocking descriptor that hears of links, addresses and routes, for rtnl_heard(); the caller's. -1
 * with e. */
int rtnl_listen(struct err *e);
/* Read what it has heard, so much at a time that others have their turn: true if there was anything, or if
 * something was lost. */
bool rtnl_heard(int fd);

#endif
