/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting through the kernel's mount API (fsopen, fsconfig, fsmount, move_mount), with mount(2) where the kernel or the filesystem lacks it.
 * The kernel's own messages on the filesystem context become part of the error.
 */
#ifndef POOLINIT_BACKENDS_MOUNT_H
#define POOLINIT_BACKENDS_MOUNT_H

#include <limits.h>
#include "backends/backend.h"
#include "base/mountinfo.h"

struct mount_request {
	const char *fstype;
	const char *source;
	const char *target;             /* made (0711) if it is missing */
	const char *options;            /* "vers=4.2,addr=…,ro,noatime": flags and filesystem options, as fstab(5) has them; may be NULL */
	const char *password;           /* given to the filesystem as "pass", or NULL; appears in no message */
};

/* nodev,nosuid,noexec are set unless the options say dev, suid, exec. Classes: ERR_WAIT_DEVICE, ERR_WRONG_FORMAT, ERR_UNSUPPORTED (no such
 * filesystem in this kernel), ERR_BUSY (something is mounted at the target), ERR_AUTH, ERR_WAIT_SERVER, ERR_READ_ONLY, ERR_INVALID (an option the
 * kernel does not take), ERR_STORAGE; the errno is in e->sys. Values of options appear in no message. */
int mount_make(const struct mount_request *r, struct err *e);
/* Take away what is mounted at target; nothing mounted is success. ERR_BUSY names up to three that use it. With op->force it is detached
 * instead, whoever uses it and whether or not its server answers. */
int mount_remove(const char *target, struct op *op, struct err *e);
/* Is the topmost mount at the pool's target its own: the very one that d->target.place says, or else as is_ours() says? STATE_ACTIVE, and detail (may be NULL) gets "mount=ID"; or STATE_INACTIVE; or
 * ERR_BUSY: something else is mounted there; ERR_WAIT_DEVICE: its mount is there, and hidden; ERR_DENIED: a link that is not followed. Reads the mount table only, so that a dead server or device cannot hang it. */
typedef bool mount_ours_fn(const struct pool_def *d, const struct mount_entry *m);
int mount_check(const struct pool_def *d, mount_ours_fn *is_ours, enum pool_state *state, struct buf *detail, struct err *e);
/* The check and stop operations of pools that are mounts. check: what is somebody else's, or another mount than
 * d->target.place says, is STATE_INACTIVE, and why is noted; what is ours is asked for its sizes, so that a dead
 * server or device hangs it (the supervisor's probe); an answer that is an error is STATE_DEGRADED and noted. stop: what is somebody else's is
 * left alone, ERR_BUSY; what was written is flushed first, for an unmount does not tell what the disk refused: op->lost does. */
int mount_pool_check(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, enum pool_state *state, struct buf *detail, struct err *e);
int mount_pool_stop(const struct pool_def *d, mount_ours_fn *is_ours, struct op *op, struct err *e);
/* What is mounted at a pool's target: 1; 0: nothing; -1 with e. */
int mount_of_pool(const struct pool_def *d, struct mount_entry *m, struct err *e);
/* The path under which the mount table knows a target, found as target.h says, without touching what is mounted there. 1; 0: a directory above it does not
 * exist; -1 with e. */
int mount_path(const char *target, char out[PATH_MAX], struct err *e);
/* The block device of a mount; btrfs, whose mounts have numbers of their own, has it in its source. */
dev_t mount_device(const struct mount_entry *m);
/* Is the filesystem type known to the running kernel now (/proc/filesystems)? */
bool mount_type_known(const char *fstype);
/* Value of an option in a comma-separated list, "" for one without a value, NULL: not there. Written to out. */
const char *mount_option_value(const char *options, const char *name, char *out, size_t size);
/* The definition's own options (fs:mount_opts) joined with commas, appended to b after a comma where b is not empty. */
void mount_options(const struct pool_def *d, struct buf *b);

#endif
