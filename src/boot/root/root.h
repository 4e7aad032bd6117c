/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The root that the machine goes on with: waited for, and mounted where the switch takes it from.
 */
#ifndef POOLINIT_BOOT_ROOT_ROOT_H
#define POOLINIT_BOOT_ROOT_ROOT_H

#include <limits.h>
#include "base/line.h"
#include "boot/parameters.h"
#include "supervisor/supervisor.h"
#include "supervisor/work/worker.h"

#define ROOT_DIR   "/sysroot" /* where the new root is mounted; systemd's and dracut's name for it */
#define ROOT_LINKS 0x10 /* openat2(2)'s RESOLVE_IN_ROOT: links lead to where they will in the new root */

/* After the change of root: asks the supervisor to stop all pools, and to end, within so many ms. No service
 * manager sends it to those that it does not know. */
#define ROOT_STOP_SIGNAL SIGUSR1
#define ROOT_STOP_TIME   SECONDS(15)

/* ---- mount.c: in a worker ---- */

/* One root, and what the supervisor knows of it. Read by the worker in its copy of our memory. */
struct root_order {
	struct supervisor *sup;
	const struct parameters *parameters;
	const struct root *root;
	struct worker_io *io;        /* the worker's own */
	char target[PATH_MAX];       /* ROOT_POOL: where the pool is mounted */
	char record[LINE_MAX_BYTES]; /* ROOT_VOLUME: the volume's record */
	char layers[PATH_MAX];       /* overlay=pool:…: where that one is mounted */
};
/* Mount it at ROOT_DIR, and look whether there is an init on it, which is told as "- init=PATH". A check of
 * its filesystem, which may take hours, is told as "- fsck=yes" when it begins and "- fsck=no" when it is
 * over. On failure nothing is mounted there. arg: struct root_order. Classes: those of device_find() and
 * mount_make(); ERR_WRONG_FORMAT: it is no root (no init, no directory for /proc, no filesystem). */
int root_mount(struct worker_io *io, void *arg, struct err *e);

/* ---- search.c: in the supervisor ---- */

/* The owner fills in the first part; the rest is the search's own, and may be read. */
struct root_search {
	struct supervisor *sup;
	const struct parameters *parameters;
	uint64_t began;               /* clock_ms(): the roots share parameters->timeout from then on */
	void (*on_change)(void *arg); /* found, failed or why has changed; from the loop */
	void *arg;

	bool found;          /* one is mounted at ROOT_DIR */
	bool failed;         /* all had their turn; they are still tried at each event */
	char init[PATH_MAX]; /* of the one that was found */
	char why[400];       /* there is none yet; "" before the first attempt has ended */
	size_t at;           /* whose turn it is */
	unsigned attempts;   /* in this turn */
	bool again;          /* something happened while a worker looked */
	struct worker *worker;
	struct timer timer;
	struct listener listener;
	struct root_order order;
};
/* Begin with the first root. Each is awaited for its share of the time, and tried at each event that may help
 * it; what cannot become better (another filesystem, no init) loses its turn at once. */
void root_search_begin(struct root_search *s);
/* Try no more. Harmless if it was not begun. */
void root_search_end(struct root_search *s);

#endif
