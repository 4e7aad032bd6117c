/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * btrfs on several devices: the kernel has to be told of each before one of them is mounted, and names any of
 * them afterwards.
 */
#ifndef POOLINIT_SYSTEM_BTRFS_H
#define POOLINIT_SYSTEM_BTRFS_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

/* Tell the kernel of all devices of the filesystem with this uuid, which is on `device`. ERR_WAIT_DEVICE
 * (waits_for "device=UUID=…"): some are missing, and the mount would fail. The module is loaded. Reads other
 * devices only where the kernel says that the filesystem has several. Facts: ioctls BTRFS_IOC_SCAN_DEV and
 * BTRFS_IOC_DEVICES_READY of include/uapi/linux/btrfs.h. */
int btrfs_gather(const char *device, const char *uuid, struct err *e);
/* Has the mounted filesystem that is on `dev` another device that `spec` (see device.h) names? mount(8)'s
 * table shows one of its devices only. False where none is mounted. */
bool btrfs_has_member(dev_t dev, const char *spec);
/* The errors of its devices that the mounted filesystem on `dev` has counted, on its disks, until somebody
 * resets that: reads, writes, flushes, checksums, generations together. 0 where there is none, or the kernel
 * does not tell (/sys/fs/btrfs/UUID/devinfo/N/error_stats, Linux 5.14). */
unsigned long btrfs_errors(dev_t dev);

#endif
