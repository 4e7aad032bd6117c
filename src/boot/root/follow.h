/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The change of root in an initramfs that has an init of its own. That init does it; the supervisor lives on,
 * sees it in the mount table, and follows.
 */
#ifndef POOLINIT_BOOT_ROOT_FOLLOW_H
#define POOLINIT_BOOT_ROOT_FOLLOW_H

#include <limits.h>
#include "base/err.h"
#include "base/loop.h"
#include "supervisor/supervisor.h"

struct follow {
	struct supervisor *sup;
	void (*on_over)(void *arg); /* once: this process is in the new root */
	void *arg;
	/* its own: */
	dev_t initramfs;
	struct watch table;
	struct timer patience;
	bool leaving;           /* asked for, or mounts have begun to move */
	struct waiter *waiters; /* one: who has asked */
	char root[PATH_MAX];
};

/* In an initramfs: watch for the change of root, and prepare for it (a control group of our own; the secrets,
 * whose files will be deleted, in /run). Elsewhere nothing at all. -1: the supervisor will stay behind. */
int follow_begin(struct follow *f, struct err *e);
/* The root is about to be changed to this directory: begin nothing more, and move what is mounted in the
 * initramfs there, but for what its init moves itself. Whoever waits is answered when that is done, with an
 * error if something had to be unmounted, because there is no directory for it. Pools then rest until the
 * root is changed, however long somebody looks around before: what they have mounted is there. Errors:
 * ERR_UNSUPPORTED: this is no initramfs; ERR_INVALID; ERR_BUSY: somebody has asked already. */
int follow_ask(struct follow *f, const char *root, struct waiter *w, struct err *e);
void follow_end(struct follow *f);

#endif
