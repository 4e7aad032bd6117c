/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Into the new root: what is mounted in the initramfs moves along, and the initramfs itself is given back.
 */
#ifndef POOLINIT_BOOT_ROOT_MOVING_H
#define POOLINIT_BOOT_ROOT_MOVING_H

#include "base/err.h"

/* Move each mount of the initramfs to the same path below `root`, the new one; but those of the kernel's own
 * filesystems and of /run only if `all`. The directory is made if it is missing
 * and can be. /tmp is left behind, and if `all` unmounted: that of the new root may be on its disk. What
 * cannot be moved is unmounted as soon as nobody uses it, because nobody could reach it; e then says what and
 * why, and the others are moved all the same. Blocking. Once it has begun /proc and /dev are there no more
 * for whoever is in the initramfs. */
int root_move_mounts(const char *root, bool all, struct err *e);
/* Note each device-mapper device that is there for the udevd of the new root, unless one has noted it. */
void root_tell_udev(void);
/* Enter ROOT_DIR for good: it becomes this process's root and working directory. -1 with errno. */
int root_enter(void);
/* Enter a control group of our own, below the root of the second hierarchy, which systemd takes over as it
 * finds it and leaves alone. It stays when the mount has gone. Without such groups in the kernel there is
 * nothing to be kept out of. */
void root_join_group(void);
/* Remove all files of the initramfs, whose root directory is open as fd; what is mounted in it is left alone.
 * Nothing at all, if that is no filesystem in memory. */
void root_free_initramfs(int fd);

#endif
