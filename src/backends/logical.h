/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two files of the logical backend have in common: logical.c (groups that are there), logical_build.c (making, unmaking, finding them).
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_H
#define POOLINIT_BACKENDS_LOGICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "backends/backend.h"

#define MEMBERS_MAX 256

/* What LVM knows of a group. */
struct group {
	bool found;
	char uuid[39];
	unsigned pvs, missing;
	dev_t member[MEMBERS_MAX];      /* the devices of its physical volumes, as far as they are there */
	size_t members;
	unsigned inactive;              /* volumes that activation concerns and that are not active */
	uint64_t size, available;
};

/* ---- logical.c ---- */

/* The group's name: <source><name>, else the pool's own, as libvirt has it. */
const char *group_name(const struct pool_def *d);
int logical_validate(const struct pool_def *d, struct err *e);
/* Ask LVM. A group that is not there is found == false, and no error. ERR_CONFLICT: there are two of that name. */
int group_look(const char *vg, struct group *g, struct op *op, struct err *e);
bool group_has_member(const struct group *g, dev_t dev);
/* Call fn for each active device of the group that is not a hidden part of another; a result other than 0 ends the walk and is returned. */
typedef int group_device_fn(const char *sysname, const char *lv, const char *dm_uuid, void *arg);
int group_devices(const char *vg, group_device_fn *fn, void *arg);
/* One for it: ERR_BUSY in arg, a struct err, if somebody uses the volume. */
int group_volume_in_use(const char *sysname, const char *lv, const char *dm_uuid, void *arg);

/* ---- logical_build.c: operations of the table ---- */

int logical_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
int logical_delete(const struct pool_def *d, struct op *op, struct err *e);
int logical_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e);
int logical_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);

#endif
