/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A directory's files as volumes: shared by dir, fs, netfs, gluster and vstorage.
 */
#ifndef POOLINIT_VOLUMES_DIRECTORY_LIST_H
#define POOLINIT_VOLUMES_DIRECTORY_LIST_H

#include "pool/operation.h"

/* The refresh operation: not recursive; regular files, directories and block devices are volumes, FIFOs,
 * sockets, character devices, dangling links and names with control characters are skipped without being
 * opened; a file whose inode, size, mtime and ctime are those of op->index is not opened again; a file that
 * cannot be read or understood is listed with its problem. So is a link to what its owner may not read, a
 * hard link to what may be somebody else's, and what does not answer: without facts, and it harms nothing
 * else. Sizes by statvfs. */
int files_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);
/* The build operation: make the target directory with the definition's mode and owner (0711 where it has
 * none). One that is there keeps what the definition does not mention; with BUILD_ABSENT it keeps
 * everything. ERR_INVALID: it is a link and owner or mode would be given away through it, or flags that mean
 * formatting. */
int files_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
/* The delete operation: remove the target directory, which must be empty (ERR_STATE). ERR_BUSY: something is
 * mounted there. */
int files_delete(const struct pool_def *d, struct op *op, struct err *e);

#endif
