/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * DHCP: busybox's udhcpc as a child that is kept running, one for each interface. What it learns is applied
 * by this same program, called by udhcpc under another name (the role "poolinit-dhcp").
 */
#ifndef POOLINIT_BOOT_NET_DHCP_H
#define POOLINIT_BOOT_NET_DHCP_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/loop.h"

#define DHCP_ROLE "poolinit-dhcp"

struct dhcp_client {
	struct loop *loop;
	const char *run_dir;
	char device[IFNAMSIZ]; /* empty: this client is not in use */
	pid_t pid;
	struct watch exit;
	struct timer again; /* it ended by itself: started again after a while */
	unsigned failures;
	bool complained;
};

/* Start a client for an interface, and again whenever it ends. run_dir is the caller's and must last.
 * ERR_NO_TOOL: there is no udhcpc and no busybox. After an error the client is not in use. */
int dhcp_start(struct dhcp_client *c, struct loop *l, const char *run_dir, const char *device, struct err *e);
/* End the client and watch it no more. Its address stays. One that is not in use may be stopped. */
void dhcp_stop(struct dhcp_client *c);
/* The address that was got for an interface ("192.0.2.100/24"; the file run_dir/network/DEVICE.lease). False:
 * none. */
bool dhcp_lease(const char *run_dir, const char *device, char *address, size_t size);

/* The script's role: argv[1] is udhcpc's event, the environment its facts. Exit status. */
int dhcp_main(int argc, char **argv);

#endif
