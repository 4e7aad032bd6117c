/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of a machine whose root no longer answers.
 */
#ifndef POOLINIT_BOOT_ROOT_LAST_RESORT_H
#define POOLINIT_BOOT_ROOT_LAST_RESORT_H

#include "base/loop.h"
#include "boot/console.h"
#include "boot/shutdown.h"
#include "boot/watchdog.h"
#include "supervisor/supervisor.h"

/* All of it is its own. One of zeroes does nothing. */
struct last_resort {
	struct supervisor *sup;
	dev_t root;
	struct watch poweroff, reboot; /* process 1 has the other end of each until then */
	const char *verb;              /* which it was; NULL: neither yet */
	struct timer limit, settled;
	bool gone; /* storage was given up */
	struct shutdown shutdown;
	struct payload payload;
	struct watchdog watchdog;
};
/* In the real root: listen for the beginning of the machine's shutdown. From then on storage that does not
 * answer is let go of, and a machine that does not come to its end without it is ended here. */
void last_resort_begin(struct last_resort *r, struct supervisor *sup);
/* The machine's last program asks for the end of all pools: within so many ms, and nothing else is done. */
uint64_t last_resort_stop_time(struct last_resort *r);
/* Listen no more. Harmless if it was not begun. */
void last_resort_end(struct last_resort *r);

#endif
