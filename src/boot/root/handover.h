/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The change of root: process 1 becomes the real init, and the supervisor lives on in the new root.
 *
 * With root= there are two processes from the beginning. Process 1 does nothing but wait, so that it can
 * become another program at any moment; its child is the supervisor, which stays the same process before,
 * during and after. The child's name begins with '@', by which systemd knows that it is not to be killed, and
 * it is in a control group of its own, "/poolinit".
 */
#ifndef POOLINIT_BOOT_ROOT_HANDOVER_H
#define POOLINIT_BOOT_ROOT_HANDOVER_H

#include <limits.h>
#include "base/err.h"
#include "base/loop.h"
#include "supervisor/supervisor.h"

struct handover {
	int to_first; /* the socket to process 1, of handover_fork(); -1: not of this process */
	struct supervisor *sup;
	/* Called just before the supervisor leaves the initramfs. */
	void (*on_leave)(void *arg);
	/* Once: process 1 is the real init; or e: it could not become that, and the machine has no init. */
	void (*on_over)(void *arg, const struct err *e);
	void *arg;
	/* its own: */
	char init[PATH_MAX];
	int old_root;
	struct watch answer;
};

/* Fork the supervisor. Returns in the child, with the socket; signals that ask process 1 for an end are
 * passed on to it, and one that dies before the change is started anew, here. Process 1 itself only comes
 * back with -1: no process can be had, or one after the other has died. argv: of main(); its words become the
 * real init's. */
int handover_fork(char **argv, struct err *e);
/* Begin the change: wait until no worker uses a path of the initramfs, 5 s at most, move all mounts into
 * ROOT_DIR, enter it, and let process 1 do the same and become `init`, a path there. Returns at once. */
void handover_begin(struct handover *h, const char *init);

#endif
