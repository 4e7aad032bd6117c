/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's own directory: what its target path leads to is compared with the directory that the pool had when
 * it was started.
 */
#ifndef POOLINIT_VOLUMES_POOL_DIR_H
#define POOLINIT_VOLUMES_POOL_DIR_H

#include "pool/def.h"
#include "system/target.h"

/* Open a pool's target directory with open(2)'s flags: of a dir pool the same directory, of one that mounts
 * the same mount of it. The descriptor is the caller's. ERR_STATE: it is another one than d->target.place
 * says, or none is there now (e->sys is the errno then); else as target_open_path().
 *
 * Between start and any later operation somebody may mount over the directory, or put a link in its place:
 * without this look root would read and write there. */
int pool_dir_open(const struct pool_def *d, int flags, struct err *e);
/* For a check: does the path lead to the pool's directory? 1; 0: it does not, and `why` (its message) says
 * what is in the way. Never -1. */
int pool_dir_is_same(const struct pool_def *d, struct err *why);

#endif
