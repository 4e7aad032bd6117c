/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Is a mounted filesystem well? The kernel shuts a filesystem down, or makes it read-only, when its disk
 * fails, and hardly tells anybody: it is to be looked for.
 */
#ifndef POOLINIT_BACKENDS_HEALTH_H
#define POOLINIT_BACKENDS_HEALTH_H

#include "base/mountinfo.h"
#include "pool/operation.h"

/* Why the filesystem of this mount (fd: its root, O_PATH) is not what the pool's users want, a clause in
 * op->why; false: it is well. `read_only`: it was mounted so. Nothing is written. Whatever the kernel still
 * tells differs between versions and filesystems, so all of it is looked at. */
bool health_look(const struct mount_entry *m, int fd, bool read_only, struct op *op);
/* Errors that a filesystem has met, and that are no reason not to use it now, are said in op->warning as
 * long as it knows of them: until it has been checked and is mounted anew. Of xfs and btrfs this asks
 * (XFS_IOC_FSGEOMETRY's `sick`; the devices' error_stats); `target`: where it is mounted. */
void health_warn(const struct mount_entry *m, const char *target, struct op *op);
/* The same for ext4, which counts the errors that it meets, on the disk (/sys/fs/ext4/DISK/errors_count;
 * kernel Documentation/ABI/testing/sysfs-fs-ext4). Older kernels show in no other way, without a write, that
 * its journal was aborted: op->aborted. What is to be known at the next look is appended to detail: "
 * errors=2 aborted marked". Nothing happens where detail is NULL. */
void health_count(const struct mount_entry *m, struct op *op, struct buf *detail);
/* Has ext4 met errors since the last check (whose detail is op->detail)? Then what the mount table says of it
 * may have changed. Of other filesystems nobody counts: false. */
bool health_is_worse(const struct mount_entry *m, const struct op *op);
/* Append what tells that it may have changed: ":2:ro", to a word of the ground. Nothing is asked that could
 * hang. */
void health_ground(const struct mount_entry *m, struct buf *words);
/* Can nothing be written, or has it been shut down, by what its options say? */
bool health_marked(const struct mount_entry *m);
/* Is the disk below a mount there? Not if a logical volume is, but all the disks that it stands on have been
 * taken out. */
bool health_disk_is_there(const struct mount_entry *m);

#endif
