/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Making a file or directory so that it is seen whole or not at all.
 *
 * A file has no name while it is made (O_TMPFILE) and gets one by link(2), which replaces nothing. Where the
 * filesystem has no such files (NFS, CIFS, FAT) it is built beside its place as ".poolinit-XXXXXXXX" and
 * renamed without replacing. Whoever builds holds a lock on it for as long as it has that name; one that can
 * be locked by somebody else is the leftover of a builder that died, and files_refresh() removes it.
 */
#ifndef POOLINIT_VOLUMES_FILE_PUBLISH_H
#define POOLINIT_VOLUMES_FILE_PUBLISH_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

#define PUBLISH_PREFIX ".poolinit-"

struct publish {
	const char *target, *name; /* the directory's path and the entry's name; the caller's */
	int dir;                   /* the directory */
	int fd;                    /* the new file (O_RDWR) or directory */
	bool directory;
	char temp[32]; /* the name that it is built under; empty: none */
};

/* Make a new empty file (mode 0600) or directory (0700) in the directory that `dir` is open on; `dir` is
 * taken over. The file is open for reading and writing, and still unseen. target: the directory's path, for
 * messages. ERR_EXISTS where the name is taken, ERR_INVALID where it is no name for an entry. On failure
 * nothing is left; otherwise publish_finish() or publish_abandon() must follow. A worker has one at a time,
 * because the handler of SIGTERM knows one. */
int publish_begin(struct publish *p, int dir, const char *target, const char *name, bool directory,
                  struct err *e);
/* Sync it, give it its name, sync the directory: after a power cut it is there whole, or not at all. On
 * failure (ERR_EXISTS: somebody was faster) nothing is left of it. Closes. */
int publish_finish(struct publish *p, struct err *e);
/* Take it away. Closes. What is closed already may be abandoned again. */
void publish_abandon(struct publish *p);

/* Take the lock that says "alive" on an entry that is being built, or learn (false) that its builder has
 * it. */
bool publish_lock(int fd);
/* A name that only unfinished entries have: such a volume can be neither made nor listed. */
bool publish_is_temporary(const char *name);

#endif
