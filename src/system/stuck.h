/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who was left behind: processes that wait in the kernel for an entry or a device that does not answer.
 */
#ifndef POOLINIT_SYSTEM_STUCK_H
#define POOLINIT_SYSTEM_STUCK_H

#include <stdbool.h>
#include <stdint.h>

#define SILENT "does not answer" /* so begins the problem of an entry that has none */
enum { STUCK_MOST = 32 };

/* The processes that were left behind, as one worker sees them. */
struct stuck {
	const char *run_dir;          /* the caller's; NULL: nobody can say, and nobody is remembered */
	unsigned n, here;             /* in all, and with this pool's entries */
	uint64_t numbers[STUCK_MOST]; /* each stands for the path of its entry */
};

/* Read which devices an earlier reader was left behind with. run_dir NULL: nobody can say. */
void stuck_read(struct stuck *s, const char *run_dir);
/* Is it one that still waits for the entry with that path? It counts as this pool's. Two paths may have one
 * number: then an entry that answers is left out for a while. */
bool stuck_is(struct stuck *s, const char *path);
/* May one more be left behind? Four in one pool, 32 in all: each is a process that nobody can end. */
bool stuck_has_room(const struct stuck *s);
/* An open file for a reader to hold, or -1. Made before it is forked; who it was forked from lets go when it
 * is left behind. */
int stuck_file(const struct stuck *s);
/* The one that has `file` too is left behind. False: there are too many. */
bool stuck_hold(struct stuck *s, int file, const char *path);

#endif
