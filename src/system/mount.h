/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting through the kernel's mount API (fsopen, fsconfig, fsmount, move_mount), with mount(2) where the
 * kernel or the filesystem lacks it. The kernel's own messages on the filesystem context become part of the
 * error.
 */
#ifndef POOLINIT_SYSTEM_MOUNT_H
#define POOLINIT_SYSTEM_MOUNT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/mountinfo.h"

struct mount_request {
	const char *fstype;
	const char *source;
	const char *target; /* made (0711) if it is missing */
	/* "vers=4.2,addr=…,ro,noatime": flags and filesystem options, as fstab(5) has them; may be NULL */
	const char *options;
	const char *password; /* given to the filesystem as "pass", or NULL; appears in no message */
};

/* Mount. Blocking: a server may take its time, and a worker's deadline is what ends that.
 * nodev,nosuid,noexec are set unless the options say dev, suid, exec: what is on the filesystem is data.
 *
 * Classes: ERR_WAIT_DEVICE, ERR_WRONG_FORMAT, ERR_UNSUPPORTED (no such filesystem in this kernel), ERR_BUSY
 * (something is mounted at the target), ERR_AUTH, ERR_WAIT_SERVER, ERR_READ_ONLY, ERR_INVALID (an option the
 * kernel does not take), ERR_STORAGE; the errno is in e->sys. Values of options appear in no message. On
 * failure nothing is mounted; a directory that was made stays.
 *
 * Facts: fsopen(2), fsconfig(2), fsmount(2), move_mount(2) of Linux 5.2, and kernel
 * Documentation/filesystems/mount_api.rst. */
int mount_make(const struct mount_request *r, struct err *e);
/* Take away what is mounted at target; nothing mounted is success. ERR_BUSY names up to three that use it,
 * looked for until `deadline` (clock_ms()). One mount is taken: what was mounted below it is there again. */
int mount_remove(const char *target, uint64_t deadline, struct err *e);
/* The same, whoever uses it and whether or not its server answers: it is detached. ERR_TIMEOUT at the
 * deadline. */
int mount_detach(const char *target, uint64_t deadline, struct err *e);
/* The path under which the mount table knows a target, found as target.h says, without touching what is
 * mounted there. 1; 0: a directory above it does not exist; -1 with e. */
int mount_path(const char *target, char out[PATH_MAX], struct err *e);
/* The block device of a mount; btrfs, whose mounts have numbers of their own, has it in its source. */
dev_t mount_device(const struct mount_entry *m);
/* Make the mount at the path read-only, as the mount table then shows. -1 with errno; ENOSYS before
 * Linux 5.12.
 */
int mount_protect(const char *target);
/* Is the filesystem type known to the running kernel now (/proc/filesystems)? One whose module is not loaded
 * is not. */
bool mount_type_known(const char *fstype);
/* Value of an option in a comma-separated list, "" for one without a value, NULL: not there. Written to out,
 * cut off at its size; of several the last, as for the kernel. options may be NULL. */
const char *mount_option_value(const char *options, const char *name, char *out, size_t size);

#endif
