/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of a machine whose root was handed over: what systemd gives control back to when it has nothing
 * left but the root itself (https://systemd.io/INITRD_INTERFACE, /run/initramfs/shutdown).
 */
#ifndef POOLINIT_BOOT_ROOT_ENDING_H
#define POOLINIT_BOOT_ROOT_ENDING_H

#define ENDING_ROLE "shutdown" /* the program's name there */

/* Does the root in this directory have systemd, whose shutdown comes back here? */
bool ending_has_systemd(const char *path);
/* Put this program at /run/initramfs/shutdown, if the init of the new root, whose directory that is, would
 * look for it there. It takes its size in memory. What fails is logged: the machine then ends without it,
 * with its root read-only. */
void ending_prepare(const char *root);
/* Let what lies in /run/initramfs be run, where /run is mounted so that nothing in it can be. */
void ending_allow_programs(void);
/* The role: process 1 in /run/initramfs, the former root at /oldroot. Unmount that, let the supervisor stop
 * its pools, and end the machine as argv[1] says: poweroff, reboot, halt or kexec. Bounded: what hangs is
 * left behind. It returns only if it is not process 1. */
int ending_main(int argc, char **argv);

#endif
