/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The list of pools, by name, and what can be told of one by looking at it.
 *
 * A list is enough: a machine has tens of pools, and the slowest thing that is done for each of them, a
 * process, takes a thousand times as long as a walk through all. It is in the order of names because that is
 * how people are shown it.
 */
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/inside.h"

static const char *const phase_words[PHASES] = {
	"inactive", "checking", "waiting",  "starting", "active",
	"degraded", "hung",     "retrying", "failed",   "stopping",
};

const char *phase_word(enum phase p)
{
	demand_or((unsigned)p < PHASES, "unknown");
	return phase_words[p];
}

int phase_from_word(const char *word)
{
	demand_or(word, -1);
	for (int i = 0; i < PHASES; i++)
		if (streq(phase_words[i], word))
			return i;
	return -1;
}

void pool_set_text(char **slot, const char *text)
{
	demand_or(slot, );

	char *copy = text && *text ? strdup(text) : NULL;

	free(*slot);
	*slot = copy;
}

void pool_stage_drop(struct pool *p, size_t i)
{
	struct pool_times *t = &p->times;

	require_or(i < t->nstages, );
	free(t->stages[i].waits);
	t->nstages--;
	memmove(t->stages + i, t->stages + i + 1, (t->nstages - i) * sizeof(*t->stages));
}

struct pool *pool_first(struct supervisor *s)
{
	return s->pools;
}

struct pool *pool_by_name(struct supervisor *s, const char *name)
{
	demand_or(name, NULL);
	for (struct pool *p = s->pools; p; p = p->next)
		if (streq(p->name, name))
			return p;
	return NULL;
}

struct pool *pool_by_uuid(struct supervisor *s, const struct uuid *u)
{
	demand_or(u, NULL);
	for (struct pool *p = s->pools; p; p = p->next)
		if (uuid_equal(&p->uuid, u))
			return p;
	return NULL;
}

struct pool *pool_lookup(struct supervisor *s, const char *name_or_uuid, struct err *e)
{
	demand_or(name_or_uuid, NULL);

	struct pool *p = pool_by_name(s, name_or_uuid);
	struct uuid u;

	if (!p && uuid_read(name_or_uuid, &u))
		p = pool_by_uuid(s, &u);
	if (!p)
		err_set(e, ERR_NO_POOL,
		        "no pool with the name or uuid \"%s\" (pool-list --all shows what there is)",
		        name_or_uuid);
	return p;
}

bool phase_is_active(enum phase phase)
{
	return phase == PHASE_ACTIVE || phase == PHASE_DEGRADED || phase == PHASE_HUNG ||
	       phase == PHASE_STOPPING;
}

bool pool_is_active(const struct pool *p)
{
	return phase_is_active(p->phase);
}
