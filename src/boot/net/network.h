/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The network at boot: loopback, what ip= asks for, and telling the supervisor when anything about links,
 * addresses or routes changed. Event-driven: an interface that appears late, or gets its carrier late, is
 * configured then.
 */
#ifndef POOLINIT_BOOT_NET_NETWORK_H
#define POOLINIT_BOOT_NET_NETWORK_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "boot/parameters.h"
#include "supervisor/supervisor.h"

struct network;

/* Listen to network events for the supervisor; nothing is configured. NULL with e: cannot. Free with
 * network_free(). */
struct network *network_listen(struct supervisor *s, struct err *e);
/* Configure what the parameters say: loopback at once, the rest as interfaces come. What is wrong with a
 * parameter is added to p's problems. Called once. */
void network_configure(struct network *n, struct parameters *p);
/* A pool that is wanted needs the network: without any ip=, and without an address so far, all interfaces
 * with a carrier are asked by DHCP. */
void network_needed(struct network *n);
bool network_owns(const struct network *n, pid_t pid); /* one of the DHCP clients? */
void network_free(struct network *n);                  /* DHCP clients are ended; addresses stay */

#endif
