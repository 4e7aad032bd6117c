/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Groups that several hosts share: lvmlockd(8) has their locks, and LVM asks it. A group of these is used
 * only with its locks.
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LOCKD_H
#define POOLINIT_BACKENDS_LOGICAL_LOCKD_H

#include <stdbool.h>
#include <stddef.h>
#include "backends/logical/logical.h"

/* The hidden volume of a group of sanlock's that its leases are on: it is active as long as the lockspace is
 * started. */
#define LOCKD_VOLUME "lvmlock"

/* Is it a group whose locks lvmlockd has? */
bool lockd_keeps(const struct lvm_label *group);
/* True: its locks cannot be had here. `out`: what is missing, and what to do; a clause. Asks lvmlockd, for
 * some seconds at most. */
bool lockd_lacks(const struct lvm_label *group, char *out, size_t size);
/* ERR_TIMEOUT: lvmlockd is there and does not answer, so that LVM would wait for it. */
int lockd_is_not_stuck(struct err *e);
/* It was deactivated: say so if its locks could not be given back. */
void lockd_left(const char *vg, const struct group *g, struct op *op);
/* Of what LVM says of locks, the cause and what to do. -1, with the class that belongs to it. */
int lockd_explain(struct err *e);

#endif
