/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The directory that a path leads to, found without following what a user could have put there; and which
 * directory that is.
 */
#ifndef POOLINIT_SYSTEM_TARGET_H
#define POOLINIT_SYSTEM_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

/* The end of a path: the directory it is in (an O_PATH descriptor, the caller's), and its name there: never a
 * link, "." for "/" and for a path that ends in a link to it. */
struct target_end {
	int dir;
	char name[NAME_MAX + 1];
};

/* Walk to the end of an absolute path, which need not exist itself. end->dir is the caller's to close. A
 * link on the way is followed only if it and its directory are root's and nobody else may write there;
 * otherwise ERR_DENIED names it and its owner. `make`: directories that are missing on the way are made
 * (0755). A directory that is missing, or is none: e->sys is the errno. ERR_INVALID: the path is not
 * absolute. Touches nothing that is mounted at the end itself. */
int target_walk(const char *path, bool make, struct target_end *end, struct err *e);
/* The same, opened as a directory with these flags (O_PATH, O_RDONLY). The caller closes it. */
int target_open_path(const char *path, int flags, struct err *e);
/* The path under which the mount table knows the end of a walk. */
int target_end_path(const struct target_end *end, char out[PATH_MAX], struct err *e);
/* Make it (0711) if it is missing, and what is missing on the way; then open it. *made (may be NULL): it was
 * missing. */
int target_make(const char *path, int flags, bool *made, struct err *e);
/* Remove it, an empty directory, and sync the one above. The errno of rmdir(2) is in e->sys. */
int target_remove(const char *path, struct err *e);

/* A directory, whatever path leads to it. mount: the kernel's number of the mount it is seen through; 0: any
 * will do. */
struct dir_place {
	bool known;
	dev_t dev;
	ino_t ino;
	int mount;
};

/* Which directory is it that fd is open on? Its device, inode and mount. A server is not asked. The error
 * names no directory: the caller puts its path in front. */
int target_place(int fd, struct dir_place *place, struct err *e);
/* "MOUNT:DEVICE:INODE", as records and the state in run_dir have it; what is not of that form is no place. */
void target_place_print(const struct dir_place *place, char *out, size_t size);
struct dir_place target_place_parse(const char *text);

/* Is who owns what is open there said by somebody who may be anybody (FUSE)? */
bool target_owners_are_hearsay(int fd);

#endif
