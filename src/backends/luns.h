/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A SCSI host's LUNs as volumes: shared by iscsi and scsi.
 */
#ifndef POOLINIT_BACKENDS_LUNS_H
#define POOLINIT_BACKENDS_LUNS_H

#include "backends/backend.h"

/* How a host's LUNs were found: how many there are, how many of them are not well, and of the first such one
 * its name and why. */
struct luns_health {
	size_t n, sick;
	char first[64], why[160];
};

/* Report every disk and rom of SCSI host `host` as a volume "unit:B:T:L" with its stable name under the
 * definition's target path; waits, by uevent, until the disks that the bus has reported have their block
 * devices. Each is read by a process that may hang: one that does not answer, or cannot be read, is reported
 * with its problem, and counted in *health. *sizes is filled from nothing: a LUN that holds
 * something is allocated as a whole, one that holds nothing is available. ERR_LIMIT, or what was not to be
 * had of the machine itself. */
int luns_refresh(const struct pool_def *d, int host, struct op *op, struct pool_sizes *sizes,
                 struct luns_health *health, struct err *e);
/* One clause for the pool, if a LUN is not well: which is the first such one, and how many there are. `of`:
 * whose they are, "host5". Else out stays as it is. */
void luns_trouble(const struct luns_health *health, const char *of, char *out, size_t size);
/* Ask the host to look for LUNs now ("- - -" to /sys/class/scsi_host/hostN/scan); returns when the kernel
 * has looked. A host that this process has asked is not asked again. ERR_WAIT_SERVER: it has not come back in
 * time, and is left to it. */
int luns_rescan(int host, struct op *op, struct err *e);
/* Wait, by uevent, until what the bus has reported has block devices, and (where no udevd runs) make their
 * links. Nothing is read. */
int luns_settle(int host, struct op *op, struct err *e);
/* The kernel sets a LUN offline whose commands fail, and leaves it so for good: let it be tried again. */
void luns_wake(int host);
/* Append " sda=FACTS" for each of the host's disks, from /sys alone. */
int luns_ground(int host, struct buf *words, struct err *e);
/* Does somebody use one of the host's LUNs? e then names LUN and user (ERR_BUSY). True as well where that
 * cannot be told: whoever asks wants to take them away. */
bool luns_in_use(int host, struct err *e);

#endif
