/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an operation is told of pools, and all that it can see of them. A worker may have been forked before
 * the operation was asked for (waiting.h), and its copy of our pools may be an old one. So operations read no
 * struct pool, but this, which is told whole.
 */
#ifndef POOLINIT_SUPERVISOR_WORK_VIEW_H
#define POOLINIT_SUPERVISOR_WORK_VIEW_H

#include "supervisor/inside.h"

/* First texts and nothing else (NULL: there is none), then, from `type` on, what has no pointer into memory
 * of ours: errand.c tells each of the two parts whole, so that none of it can be forgotten there. */
struct pool_view {
	const char *name, *xml, *next_xml, *origin, *target, *next_target; /* of struct pool_definition */
	const char *detail, *ground, *identity, *place, *address, *avoid;  /* of struct pool_life */
	const char *fill, *free_extents; /* of struct pool_reason and struct pool_volumes */
	enum pool_type type, next_type;  /* next_type: of next_xml, if that is known */
	bool has_next;
	enum phase phase;
	bool address_answered;
	const struct backend
		*maker; /* of some pool that makes multipath maps, or will soon, or NULL; static */
	struct pool_sizes sizes;
	int index_files[2];    /* base and overlay; -1: none. A worker that has waited maps them itself, */
	struct volindex index; /* and is not told this */
};
/* All that there is to tell of the pool now. The texts are the pool's. */
void view_fill(struct pool_view *t, const struct pool *p);
/* In the worker: note what has been found, for the next task. A text for which there is no memory is NULL.
 * The old one may be anybody's, and is left alone: the worker ends soon. */
void view_note(const char **slot, const char *text);
/* What is known of its volumes. NULL: nothing, or that there are none. */
const struct volindex *view_index(const struct pool_view *t);

/* Several of them. */
struct pool_views {
	struct pool_view *list; /* NULL: nobody has looked yet */
	size_t n;
};
enum which_pools { POOLS_ALL, POOLS_RUNNING /* active, or being started */ };
/* Those of the supervisor, without `maker`, which counts for the pool that is worked on; list is to be
 * freed. -1: out of memory. */
int views_of(const struct supervisor *s, enum which_pools which, struct pool_views *all);

#endif
