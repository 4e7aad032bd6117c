/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pools that are mounts: is the mount there and the pool's own, does it answer, and taking it away.
 */
#ifndef POOLINIT_BACKENDS_MOUNTED_H
#define POOLINIT_BACKENDS_MOUNTED_H

#include "pool/operation.h"
#include "system/mount.h"

/* Is the topmost mount at the pool's target its own: the very one that d->target.place says, or else as
 * is_ours() says? STATE_ACTIVE, and detail (may be NULL) gets "mount=ID"; or STATE_INACTIVE; or ERR_BUSY:
 * something else is mounted there; ERR_WAIT_DEVICE: its mount is there, and hidden; ERR_DENIED: a link that
 * is not followed. Reads the mount table only, so that a dead server or device cannot hang it. */
typedef bool mount_ours_fn(const struct pool_def *d, const struct mount_entry *m);
int mount_check(const struct pool_def *d, mount_ours_fn *is_ours, enum pool_state *state, struct buf *detail,
                struct err *e);
/* The check and stop operations of pools that are mounts. check: what is somebody else's, or another mount
 * than d->target.place says, is STATE_INACTIVE, and why is noted; what is ours is asked for its sizes, so
 * that a dead server or device hangs it (the supervisor's probe); an answer that is an error is
 * STATE_DEGRADED and noted. stop: what is somebody else's is left alone, ERR_BUSY; what was written is
 * flushed first, for an unmount does not tell what the disk refused: op->lost does. */
int mount_pool_check(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, enum pool_state *state,
                     struct buf *detail, struct err *e);
int mount_pool_stop(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, struct err *e);
/* Has the program that serves the pool's mount (FUSE) ended? Only another one brings it back. Asks the mount,
 * so that one whose program hangs hangs it. */
bool mount_is_abandoned(const struct pool_def *d);
/* What is mounted at a pool's target: 1, and *m is the caller's to free with mount_entry_free(); 0: nothing;
 * -1 with e. Touches nothing that is mounted. */
int mount_of_pool(const struct pool_def *d, struct mount_entry *m, struct err *e);
/* Append the definition's own options (fs:mount_opts) joined with commas, after a comma where b is not
 * empty. */
void mount_options(const struct pool_def *d, struct buf *b);

#endif
