/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is told of a pool to an operation. Whoever lets an operation know more of it adds it here and to
 * struct pool_view, and a forked worker and one that has waited are told the same.
 */
#include "supervisor/work/view.h"

#include "backends/backend.h"
#include "base/contract.h"
#include "base/util.h"

/* Is there a pool that makes multipath maps, or will in a moment? Whatever stands on a LUN comes up from its
 * map then, and waits for that. One that cannot make them holds nobody up. */
static const struct backend *maker_of_maps(const struct supervisor *s)
{
	static const bool holds[PHASES] = {
		[PHASE_INACTIVE] = true, [PHASE_CHECKING] = true, [PHASE_STARTING] = true,
		[PHASE_ACTIVE] = true,   [PHASE_DEGRADED] = true,
	};

	for (const struct pool *p = s->pools; p; p = p->next) {
		const struct backend *b = backend_find(p->type);

		if (b && b->makes_maps && p->want.active && holds[p->phase] && p->def.xml &&
		    b->makes_maps(p->def.xml))
			return b;
	}
	return NULL;
}

/* All but the maker, for which all pools have to be looked at. */
static void view_copy(struct pool_view *t, const struct pool *p)
{
	const struct pool_definition *def = &p->def;
	const struct pool_life *life = &p->life;
	const struct summary *next = def->next_facts;

	memset(t, 0, sizeof(*t)); /* between the members, too: all its bytes are told */
	t->name = p->name;
	t->xml = def->xml;
	t->next_xml = def->next_xml;
	t->origin = def->origin;
	t->target = def->target;
	t->next_target = next ? next->target : NULL;
	t->detail = life->detail;
	t->ground = life->ground;
	t->identity = life->identity;
	t->place = life->place;
	t->address = life->address;
	t->avoid = life->avoid;
	t->fill = p->reason.fill;
	t->free_extents = p->volumes.free_extents;
	t->type = p->type;
	t->next_type = next ? next->type : p->type;
	t->has_next = next != NULL;
	t->phase = p->phase;
	t->address_answered = life->address_answered;
	t->sizes = p->volumes.sizes;
	t->index = p->volumes.index;
	t->index_files[0] = p->volumes.base.fd;
	t->index_files[1] = p->volumes.over.fd;
}

void view_fill(struct pool_view *t, const struct pool *p)
{
	demand_or(t && p, );
	view_copy(t, p);
	t->maker = maker_of_maps(p->sup);
}

void view_note(const char **slot, const char *text)
{
	demand_or(slot, );

	struct note {
		struct note *next;
		char text[];
	} * note;
	static struct note *notes; /* so that none is lost, whatever is noted over it */
	size_t size = text && *text ? strlen(text) + 1 : 0;

	*slot = NULL;
	note = size ? malloc(sizeof(*note) + size) : NULL;
	if (!note)
		return;
	note->next = notes;
	notes = note;
	*slot = memcpy(note->text, text, size);
}

const struct volindex *view_index(const struct pool_view *t)
{
	return t->index.base.n ? &t->index : NULL;
}

int views_of(const struct supervisor *s, enum which_pools which, struct pool_views *all)
{
	demand_or(s && all, -1);

	size_t n = 0;

	for (const struct pool *p = s->pools; p; p = p->next)
		n++;
	*all = (struct pool_views){ .list = calloc(n + 1, sizeof(*all->list)) };
	if (!all->list)
		return -1;
	for (const struct pool *p = s->pools; p; p = p->next)
		if (which == POOLS_ALL || phase_is_active(p->phase) || p->phase == PHASE_STARTING)
			view_copy(&all->list[all->n++], p);
	return 0;
}
