/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A SCSI host's LUNs as volumes: shared by iscsi (and later scsi).
 */
#ifndef POOLINIT_BACKENDS_LUNS_H
#define POOLINIT_BACKENDS_LUNS_H

#include "backends/backend.h"

/* Report every disk and rom of SCSI host `host` (of one target id, or -1 for all) as a volume "unit:B:T:L" with its stable name under the definition's target
 * path; waits, by uevent, until the disks that the bus has reported have their block devices. */
int luns_refresh(const struct pool_def *d, int host, struct op *op, struct pool_sizes *sizes, struct err *e);
/* Ask the host to look for LUNs now; returns when the kernel has looked. */
int luns_rescan(int host, struct err *e);
/* Wait, by uevent, until what the bus has reported has block devices, and (where no udevd runs) make their links. */
int luns_settle(int host, struct op *op, struct err *e);
/* Append " sda=FACTS" for each of the host's disks, from /sys alone. */
int luns_ground(int host, struct buf *words, struct err *e);
/* Does somebody use one of the host's LUNs? e then names LUN and user. */
bool luns_in_use(int host, struct err *e);

#endif
