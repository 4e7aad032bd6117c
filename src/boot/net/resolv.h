/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /etc/resolv.conf, put together from everybody who knows name servers: the command line, and each DHCP
 * lease.
 */
#ifndef POOLINIT_BOOT_NET_RESOLV_H
#define POOLINIT_BOOT_NET_RESOLV_H

#include "base/err.h"

#define RESOLV_COMMAND_LINE "0-command-line" /* an origin; sorts before the names of interfaces */

/* Keep `text` (lines of resolv.conf(5); empty: none) as what `origin` says, in run_dir/network/ORIGIN.dns,
 * and write /etc/resolv.conf anew from all of them, in the order of their names, so that what the operator
 * says comes first. Blocking for as long as a local file takes. The supervisor and DHCP scripts may call it
 * at the same time. */
int resolv_set(const char *run_dir, const char *origin, const char *text, struct err *e);

#endif
