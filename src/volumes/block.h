/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes that are block devices (logical volumes, LUNs): what all such pool types do alike.
 */
#ifndef POOLINIT_VOLUMES_BLOCK_H
#define POOLINIT_VOLUMES_BLOCK_H

#include "pool/operation.h"

/* The vol_open and vol_wipe of such a pool. v->path is the device; nothing but a block device is opened.
 * ERR_NO_VOLUME: it is not there now; ERR_WRONG_FORMAT: something else is; ERR_BUSY: it is mounted, or
 * another device is built on it, and would be written to. *size is in bytes. d and op may be whatever the
 * caller has. */
int block_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   uint64_t *size, struct err *e);
/* Fill a new volume, the device at path, with the content of another. What is not raw is converted by
 * qemu-img. ERR_INVALID: it is smaller than that content. */
int block_vol_fill(const char *path, const struct pool_def *d, const struct volume_def *v,
                   const struct vol_input *from, struct op *op, struct err *e);
/* Give a new volume, the device at path, the owner and mode that its document wants; the rest stays as the
 * kernel, or udev, has it. */
int block_vol_perms(const char *path, const struct volume_def *v, struct err *e);
int block_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                   struct err *e);

#endif
