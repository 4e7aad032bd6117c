/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The volumes of a pool as the last refresh found them, what tells that they have changed since, and what is
 * to be looked at again. Readers of the index are in supervisor.h (volume_find() …).
 */
#ifndef POOLINIT_SUPERVISOR_INDEX_INDEX_H
#define POOLINIT_SUPERVISOR_INDEX_INDEX_H

#include "supervisor/inside.h"

/* ---- index.c ---- */
int index_new(struct err *e); /* an empty memfd, for volindex_write() in the worker */
/* Swap it in, or lay it over the one that is there; takes over fd. */
int index_adopt(struct pool *p, int fd, struct err *e);
/* in the worker: what is known of the volumes; NULL: nothing, or that there are none */
const struct volindex *pool_index(const struct pool *p);
/* the pool is no longer active: nothing is known, watched or to be looked at */
void index_drop(struct pool *p);

/* ---- touch.c: names to look at again (pool_touch()) ---- */
enum touch_due { TOUCH_NONE, TOUCH_NAMES, TOUCH_ALL };
void touch_later(struct pool *p, const char *name); /* something has changed there; NULL: anything may have */
void touch_look(struct pool *p);                    /* what it stands on may have changed */
enum touch_due touch_due(const struct pool *p);     /* is it time? */
/* A refresh begins: which names it is to look at, NULL-terminated (free it; the names live until
 * touch_taken()); NULL: at all. */
const char **touch_take(struct pool *p);
void touch_taken(struct pool *p); /* its worker has them */
/* an update of other names is under way, of whose end w is told */
void touch_asked(struct pool *p, struct waiter *w);
void touch_over(struct pool *p, const struct err *e); /* it has ended */
void touch_drop(struct pool *p);                      /* there is no index any more */

/* ---- watch.c: inotify and fanotify ---- */
int watch_begin(struct supervisor *s); /* the descriptor for a refresh, or -1; watch_over() follows its end */
/* in the worker, a directory that is open; the watch's number, or -1 */
int watch_directory(int inotify, int dir);
void watch_number(struct pool *p, int number);   /* what the worker got */
int watch_errors_of(const struct supervisor *s); /* the other descriptor, or -1 */
/* in the worker: hear of errors of the filesystem that this directory is in; its number, or 0 */
uint64_t watch_errors(int fanotify, int dir);
void watch_over(struct supervisor *s);
void watch_drop(struct pool *p);
void watch_free(struct supervisor *s);

#endif
