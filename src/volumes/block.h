/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes that are block devices (logical volumes, LUNs): what all such pool types do alike.
 */
#ifndef POOLINIT_VOLUMES_BLOCK_H
#define POOLINIT_VOLUMES_BLOCK_H

#include "pool/operation.h"

/* The vol_open and vol_wipe of such a pool. A device that is mounted or held by another one (ERR_BUSY) is not
 * written to. */
int block_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   uint64_t *size, struct err *e);
int block_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                   struct err *e);

#endif
