/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of PID 1's work: payload, pools, processes, mounts, sync, reboot(2). Each step has a time of its
 * own, and all together SHUTDOWN_BOUND: whatever hangs is left behind.
 */
#ifndef POOLINIT_BOOT_SHUTDOWN_H
#define POOLINIT_BOOT_SHUTDOWN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"
#include "base/err.h"
#include "boot/console.h"
#include "boot/watchdog.h"
#include "supervisor/supervisor.h"

#define SHUTDOWN_BOUND SECONDS(30)
/* With storage on a network. A server that is started anew is back by then. */
#define SERVER_PATIENCE SECONDS(5)

/* The caller fills in the first part before shutdown_begin(); parts that are not in use (no payload) are
 * there all the same. */
struct shutdown {
	struct supervisor *sup;
	struct payload *payload;
	struct watchdog *watchdog;
	/* Called when pools and payload are gone, before all other processes are ended: nothing may be
	 * started again from then on. */
	void (*on_last_processes)(void *arg);
	void *arg;
	bool beside; /* another process 1: who has no parent is not our child */
	/* its own: */
	const struct shutdown_way *way; /* NULL: not shutting down */
	bool machine;                   /* not a container: mounts and filesystems are ours to put in order */
	uint64_t bound; /* clock_ms(); who has less time brings it forward after shutdown_begin() */
	/* there was no process for this step: it is tried again, within its own time; 0: it has one */
	uint64_t retry_until;
	int step;
	struct timer timer;
};

/* Begin: "poweroff", "reboot", "halt". Returns at once; the first step comes from the loop. ERR_INVALID for
 * another word, ERR_STATE if one is under way. From then on the machine ends within SHUTDOWN_BOUND and
 * little more, whatever hangs. */
int shutdown_begin(struct shutdown *s, const char *how, struct err *e);
/* The word for a signal as busybox and sysvinit understand it (TERM, INT: reboot; USR1: halt; USR2, PWR:
 * poweroff), or NULL. */
const char *shutdown_word(int sig);
/* A child was reaped: perhaps it was the last one. */
void shutdown_child_gone(struct shutdown *s);

#endif
