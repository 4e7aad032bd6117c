/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pools whose targets lie below each other: the inner one waits for the outer one, and goes with it.
 */
#include <stdio.h>
#include "base/contract.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "supervisor/work/work.h"
#include "system/target.h"
#include "volumes/pool_dir.h"

/* A pool that this build cannot start may be somebody else's to mount: nobody here waits for it. */
static bool has_directory(enum pool_type type, const char *target)
{
	return target && (pool_type_info(type)->stands_on & ON_DIRECTORY) && backend_find(type);
}

bool pool_has_directory(const struct pool *p)
{
	return has_directory(p->type, p->def.target);
}

bool pool_lies_in(const struct pool *inner, const struct pool *outer)
{
	return pool_has_directory(inner) && pool_has_directory(outer) &&
	       !streq(inner->def.target, outer->def.target) &&
	       path_is_below(inner->def.target, outer->def.target);
}

/* Does a target lead to its storage, even if that does not answer? */
static bool is_there(enum phase phase)
{
	return phase_is_active(phase) && phase != PHASE_STOPPING;
}

const struct pool *outer_missing(const struct pool *p)
{
	for (const struct pool *q = p->sup->pools; q; q = q->next)
		if (q->want.active && !is_there(q->phase) && pool_lies_in(p, q))
			return q;
	return NULL;
}

bool outer_vouches(const struct pool *p)
{
	for (const struct pool *q = p->sup->pools; q; q = q->next)
		if (q->want.active && pool_lies_in(p, q))
			return true;
	return false;
}

int outer_wait(const char *outer, const char *why, struct err *e)
{
	demand(outer && why, e);

	char waits_for[sizeof(e->waits_for)];

	snprintf(waits_for, sizeof(waits_for), "pool=%s", outer);
	return err_wait(e, ERR_WAIT_DEVICE, waits_for,
	                "its target lies below that of pool \"%s\", which is not active: %s", outer, why);
}

/* As pool_lies_in(). */
static bool target_lies_in(const struct pool_view *inner, const struct pool_view *outer)
{
	return has_directory(inner->type, inner->target) && has_directory(outer->type, outer->target) &&
	       !streq(inner->target, outer->target) && path_is_below(inner->target, outer->target);
}

int outer_check(const struct pool_view *p, const struct pool_views *others, struct err *e)
{
	for (size_t i = 0; i < others->n; i++) {
		const struct pool_view *q = &others->list[i];
		struct pool_def outer = { .type = q->type,
			                  .name = q->name,
			                  .target = { .path = q->target,
			                              .place = target_place_parse(q->place) } };
		struct err why = { 0 };

		if (is_there(q->phase) && target_lies_in(p, q) && !pool_dir_is_same(&outer, &why))
			return outer_wait(q->name, why.message, e);
	}
	return 0;
}
