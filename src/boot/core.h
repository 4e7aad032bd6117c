/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the roles init, serve and boot have in common: one loop with the supervisor, the control socket,
 * device and network events, and boot as it goes on.
 */
#ifndef POOLINIT_BOOT_CORE_H
#define POOLINIT_BOOT_CORE_H

#include <stdbool.h>
#include "base/err.h"
#include "base/loop.h"
#include "boot/devices.h"
#include "boot/libvirt.h"
#include "boot/net/network.h"
#include "boot/parameters.h"
#include "boot/progress.h"
#include "boot/root/last_resort.h"
#include "control/server.h"
#include "supervisor/supervisor.h"

#define DEFAULT_RUN_DIR "/run/poolinit"
#define DEFAULT_SOCKET  "/run/poolinit/control"

/* What a role has. It fills in the first part; core_open() makes the second. */
struct core {
	/* Set by the role before core_open(): */
	struct supervisor_options options;
	const char *socket;
	struct progress progress; /* policy, on_over, arg */
	/* The shutdown verb; e: refused. */
	int (*on_shutdown)(void *arg, const char *how, struct err *e);
	/* The verb `follow`, where a role has it; or NULL. */
	int (*on_follow)(void *arg, const char *root, struct waiter *w, struct err *e);
	/* A signal arrived that is neither SIGCHLD nor SIGHUP, which has the definitions read again; and
	 * after children were reaped (reap_all). Either may be NULL. */
	void (*on_signal)(void *arg, int sig);
	void (*on_child)(void *arg);
	/* besides those of the supervisor and the network: reaped by their owners */
	bool (*owns_child)(void *arg, pid_t pid);
	bool libvirt;      /* the sockets of libvirt's daemons are ours, too */
	bool reap_all;     /* PID 1: orphans are ours */
	const char *began; /* the first milestone: "kernel" (init), "exec" */
	void *arg;

	/* Opened here: */
	struct loop loop;
	struct supervisor *sup;
	struct server *server;
	struct libvirt virt;
	struct devices *devices;
	struct network *network;
	struct last_resort last_resort;
	struct watch signals;
	struct timer reap_again;
	/* what is tried again if it cannot be had at once */
	struct chore listens_devices, listens_network, sources;
	struct parameters *parameters;
	const char *config_dir;
	size_t added;    /* of the sources that they name: the directory, other places, definitions */
	bool configures; /* the network is ours to configure */
};

/* Open the loop, the supervisor, the control socket and the two sources of events. The signals that a role
 * handles are blocked and read from the loop; SIGPIPE is ignored. The socket answers from here on. Without
 * devices or network events (a container without the right) it works all the same, with a warning. From here
 * on a broken contract is logged and refused in this process (contract_guard()). On failure nothing is left
 * open. */
int core_open(struct core *c, struct err *e);
/* Hand over the directory of definitions and the sources that the parameters name, report their problems, and
 * let the pools move. What there is no memory for is handed over later, and the pools move then. The
 * parameters live as long as the core. */
void core_add_parameters(struct core *c, const char *config_dir, struct parameters *p);
/* Configure the network as the parameters say, now or when it can be listened to. Problems are added to p; p
 * lives as long as the core. */
void core_configure(struct core *c, struct parameters *p);
/* This process is in another root now: devices are that one's to name, and are listened to as in any running
 * system. */
void core_changed_root(struct core *c);
/* In the real root: stop all pools, within ROOT_STOP_TIME; then done is called. */
void core_stop_pools(struct core *c, void (*done)(void *arg), void *arg);
/* Let go of everything that core_open() made, in the reverse order. Pools stay as they are. */
void core_close(struct core *c);

#endif
