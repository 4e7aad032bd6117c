/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first milliseconds of PID 1: the kernel's filesystems, standard descriptors, the log.
 */
#ifndef POOLINIT_BOOT_EARLY_H
#define POOLINIT_BOOT_EARLY_H

#include <stdbool.h>

/* Mount what is missing of /proc /sys /dev /dev/pts /run /tmp, give descriptors 0, 1, 2 to the console where
 * the kernel has not, log to /dev/kmsg (to standard error in a container), set PATH and umask. What fails is
 * logged: nothing of it is a reason to stop. Once, before anything else is opened. */
void early_setup(void);

/* Is this the machine's own PID namespace? In another one (a container, a test) the machine's mounts,
 * watchdog and keys are not ours. Without /proc: yes, as then nobody has mounted it yet. Fact: the initial
 * namespaces have fixed inode numbers (kernel include/linux/proc_ns.h). */
bool early_is_machine(void);
/* Is / the initramfs (or a tmpfs that took its place)? */
bool early_is_initramfs(void);

#endif
