/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What only xfs has: one filesystem of a UUID may be mounted, unless told otherwise.
 */
#ifndef POOLINIT_SYSTEM_XFS_H
#define POOLINIT_SYSTEM_XFS_H

#include "base/err.h"

/* After a mount that failed with EINVAL: is a filesystem with this UUID mounted? Then e says so, and what to
 * do (ERR_BUSY); it may pass. Else e stays as it is; e may be NULL. Asks the mounted filesystems themselves
 * (XFS_IOC_FSGEOMETRY_V1). */
void xfs_explain(const char *device, const char *uuid, struct err *e);

#endif
