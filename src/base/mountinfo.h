/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The mount table, read from /proc/self/mountinfo (proc_pid_mountinfo(5)), escapes undone.
 */
#ifndef POOLINIT_BASE_MOUNTINFO_H
#define POOLINIT_BASE_MOUNTINFO_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct mount_entry {
	int id;
	int parent;
	dev_t dev;
	char *root; /* within the filesystem */
	char *target;
	char *options; /* per mount */
	char *fstype;
	char *source;
	char *super_options;
};

/* From here on this process reads the table again only when the kernel says that something was mounted, moved
 * or unmounted. What a filesystem says of itself among its options (that it is read-only after an error) is
 * then as it was at the last reading, until mountinfo_forget(). For workers: a child of theirs reads anew. */
void mountinfo_keep(void);
/* The next look reads the table again. */
void mountinfo_forget(void);
/* The descriptor that is kept with the text, or -1. Whoever needs its number forgets the table before. */
int mountinfo_kept(void);
/* The number of the present reading, for who keeps what it made of the table; 0: nothing is kept, or it
 * cannot be read, which the next look says. */
unsigned mountinfo_reading(void);

/* Called for each entry in the table's order; a non-zero answer ends the walk and becomes the result. */
typedef int mount_fn(const struct mount_entry *m, void *arg);
int mountinfo_each(mount_fn *fn, void *arg, struct err *e);
/* The same over a given text, for tests. The text is changed. */
int mountinfo_parse(char *text, mount_fn *fn, void *arg);

/* The topmost mount at exactly this path that can be reached there (not one hidden below another mount). 1
 * found (free with mount_entry_free), 0 not a mount point, -1 error. Reads the table only: never touches the
 * mount itself, so a dead server cannot hang it. */
int mountinfo_find(const char *target, struct mount_entry *out, struct err *e);
/* Free the texts that mountinfo_find() has copied. */
void mount_entry_free(struct mount_entry *m);

/* Is `path` equal to `dir` or below it? Both absolute, without a slash at the end; only the texts are
 * compared. */
bool path_is_below(const char *path, const char *dir);

#endif
