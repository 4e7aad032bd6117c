/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The directory that a pool's target path leads to: found without following what a user could have put there, and compared with the one that
 * the pool had when it was started.
 */
#ifndef POOLINIT_BACKENDS_TARGET_H
#define POOLINIT_BACKENDS_TARGET_H

#include <limits.h>
#include "base/err.h"
#include "pool/def.h"

/* The end of a path: the directory it is in (an O_PATH descriptor, the caller's), and its name there: never a link, "." for "/" and for a
 * path that ends in a link to it. */
struct target_end { int dir; char name[NAME_MAX + 1]; };

/* Walk to the end of an absolute path, which need not exist itself. A link on the way is followed only if it and its directory are root's and nobody
 * else may write there; otherwise ERR_DENIED names it and its owner. `make`: directories that are missing on the way are made (0755). A directory
 * that is missing, or is none: e->sys is the errno. Touches nothing that is mounted at the end itself. */
int target_walk(const char *path, bool make, struct target_end *end, struct err *e);
/* The same, opened as a directory with these flags (O_PATH, O_RDONLY). The caller closes it. */
int target_open_path(const char *path, int flags, struct err *e);
/* The path under which the mount table knows the end of a walk. */
int target_end_path(const struct target_end *end, char out[PATH_MAX], struct err *e);
/* Make it (0711) if it is missing, and what is missing on the way; then open it. *made (may be NULL): it was missing. */
int target_make(const char *path, int flags, bool *made, struct err *e);
/* Remove it, an empty directory. */
int target_remove(const char *path, struct err *e);

/* Which directory is it? Its device, inode and mount. */
int target_place(int fd, struct pool_place *place, struct err *e);
/* "MOUNT:DEVICE:INODE", as records and the state in run_dir have it; what is not of that form is no place. */
void target_place_print(const struct pool_place *place, char *out, size_t size);
struct pool_place target_place_parse(const char *text);

/* Is who owns what is open there said by somebody who may be anybody (FUSE)? */
bool target_owners_are_hearsay(int fd);

/* Open a pool's target directory: of a dir pool the same directory, of one that mounts the same mount of it. ERR_STATE: it is another one than
 * d->target.place says, or none is there now (e->sys is the errno then); else as target_open_path(). */
int target_open(const struct pool_def *d, int flags, struct err *e);
/* For a check: does the path lead to the pool's directory? 1; 0: it does not, and `why` (its message) says what is in the way. Never -1. */
int target_is_same(const struct pool_def *d, struct err *why);

#endif
