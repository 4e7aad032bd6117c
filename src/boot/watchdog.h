/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The hardware watchdog: resets the machine when PID 1 no longer gets to run.
 */
#ifndef POOLINIT_BOOT_WATCHDOG_H
#define POOLINIT_BOOT_WATCHDOG_H

#include "base/loop.h"

struct watchdog {
	struct loop *loop;
	int fd;            /* -1: none */
	uint64_t interval; /* ms: half its timeout */
	struct timer timer;
};

/* Open /dev/watchdog if there is one, and keep it content from then on, as long as the loop runs. A machine
 * whose PID 1 hangs is reset by it. l must last. */
void watchdog_start(struct watchdog *w, struct loop *l);
/* Look again, if there was none: its driver may have been loaded meanwhile. Nothing happens if it is open. */
void watchdog_look(struct watchdog *w);
/* Disarm it ("magic close"), for an orderly end. */
void watchdog_stop(struct watchdog *w);

#endif
