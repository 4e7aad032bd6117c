/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How much still fits.
 */
#ifndef POOLINIT_VOLUMES_FILE_ROOM_H
#define POOLINIT_VOLUMES_FILE_ROOM_H

#include <stdint.h>
#include <sys/statvfs.h>

/* Sizes of the filesystem that fd is in, and the bytes that an ordinary user can still write there: without
 * what is kept for root, and within the limit that a quota sets to the directory. -1 with errno. Facts:
 * statvfs(3), and for btrfs the quota tree (kernel include/uapi/linux/btrfs_tree.h). */
int room_read(int fd, struct statvfs *s, uint64_t *left);

#endif
