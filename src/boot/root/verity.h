/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A root whose every block is checked against one hash, which the boot loader vouches for: dm-verity.
 *
 *     roothash=HEX[,HEX…]      of each root of root=, or one for all
 *     verityhash=WHERE[,…]     its hash tree: the byte at which it begins behind the data, or a device
 */
#ifndef POOLINIT_BOOT_ROOT_VERITY_H
#define POOLINIT_BOOT_ROOT_VERITY_H

#include <stddef.h>
#include "base/err.h"

/* What a root has of roothash= and verityhash= ("": nothing): ERR_INVALID, ERR_MISSING: no root can be
 * checked by it; ERR_UNSUPPORTED: this program cannot check any. Nothing is opened. */
int verity_check(const char *hash, const char *tree, struct err *e);
/* What is on a device, as a device that gives an error where it is not what the hash says. hash: hexadecimal
 * digits; tree: the offset of the tree's superblock in bytes, or the device with it, as device_find() takes
 * it. The new device's node is written to `out`. In a worker: the superblock is anybody's bytes.
 *
 * Classes: those of device_find() and verity_check(); ERR_WRONG_FORMAT: there is no tree, or
 * its root has another hash; ERR_UNSUPPORTED: this kernel, or this program, cannot do it. On failure no
 * device is left. */
int verity_open(const char *node, const char *hash, const char *tree, char *out, size_t size, struct err *e);
/* The attempt at a root is over: the new device goes with its last user, at once if it has none. Harmless
 * where there is none. rc: 0: it is mounted at ROOT_DIR, and the systemd there is told that this is done. */
void verity_over(int rc);

#endif
