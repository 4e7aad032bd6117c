/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The volumes of a pool as the last refresh found them, what tells that they have changed since, and what is
 * to be looked at again. Readers of the index are in supervisor.h (volume_find() …).
 */
#ifndef POOLINIT_SUPERVISOR_INDEX_INDEX_H
#define POOLINIT_SUPERVISOR_INDEX_INDEX_H

#include "supervisor/inside.h"

/* ---- index.c ---- */

/* An empty memfd, for volindex_write() in the worker. The caller closes it, or gives it to index_adopt(). */
int index_new(struct err *e);
/* Swap a new index in, or lay it over the one that is there if it is an overlay of that. Takes over fd, also
 * on failure: ERR_INTERNAL, the worker has not finished it; the old index stays. Records that were found
 * before are gone afterwards. */
int index_adopt(struct pool *p, int fd, struct err *e);
/* The pool is no longer active: nothing is known, watched or to be looked at. Who waits for a look is told
 * ERR_STATE. */
void index_drop(struct pool *p);

/* ---- touch.c: names to look at again (pool_touch()) ---- */

enum touch_due { TOUCH_NONE, TOUCH_NAMES, TOUCH_ALL };
/* Something has changed there, which has time until it is quiet; NULL: anything may have. */
void touch_later(struct pool *p, const char *name);
/* What the pool stands on may have changed, and no name has: it is looked at when it is quiet. */
void touch_look(struct pool *p);
/* Storage has refused something. What the kernel does about that shows some seconds later, and nothing tells:
 * an active pool is looked at once more then. */
void touch_doubt(struct pool *p);
/* Is it time for an update of some names, or of all? */
enum touch_due touch_due(const struct pool *p);
/* A refresh begins: which names it is to look at, NULL-terminated (free it; the names live until
 * touch_taken()); NULL: at all. */
const char **touch_take(struct pool *p);
/* The names are forgotten: the worker that was forked has a copy. */
void touch_taken(struct pool *p);
/* An update of other names is under way, of whose end w is told. */
void touch_asked(struct pool *p, struct waiter *w);
/* The update has ended, with e or well (NULL): who waits for it is told. */
void touch_over(struct pool *p, const struct err *e);
/* There is no index any more: nothing is to be looked at, and who waits for it is told ERR_STATE. */
void touch_drop(struct pool *p);

/* ---- watch.c: inotify and fanotify ---- */

/* A refresh begins that may add a watch: the inotify descriptor for its worker, or -1. watch_over() follows
 * when the refresh has ended, in either case. */
int watch_begin(struct supervisor *s);
/* In the worker: watch a directory that is open. The watch's number, or -1. */
int watch_directory(int inotify, int dir);
/* In the supervisor: the number that the worker has told. 0 or less: none. */
void watch_number(struct pool *p, int number);
/* The fanotify descriptor, or -1. */
int watch_errors_of(const struct supervisor *s);
/* In the worker: hear of errors of the filesystem that this directory is in. Its number, or 0. */
uint64_t watch_errors(int fanotify, int dir);
/* The refresh of a watch_begin() has ended. */
void watch_over(struct supervisor *s);
/* The pool's directory is not watched any more. */
void watch_drop(struct pool *p);
/* Close all descriptors. */
void watch_free(struct supervisor *s);

#endif
