/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The relatives of the Unix filesystem: the kernel has one driver for all, which has to be told which it is.
 */
#ifndef POOLINIT_SYSTEM_UFS_H
#define POOLINIT_SYSTEM_UFS_H

#include "base/buf.h"
#include "base/err.h"

/* Append ",ufstype=44bsd" or ",ufstype=ufs2", as the ufs on the device wants it. Nothing is appended where
 * its superblock does not tell (4.2BSD's, Sun's, NeXT's): the definition has to say it. ERR_UNSUPPORTED: a
 * UFS2 whose superblock is where Linux does not look for it. Reads the device. Facts: fs/ufs/ufs_fs.h and
 * Documentation/admin-guide/ufs.rst of the kernel, sys/ufs/ffs/fs.h of the BSDs. */
int ufs_option(const char *device, struct buf *options, struct err *e);

#endif
