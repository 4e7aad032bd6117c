/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The list of pools, by name, and what can be told of one by looking at it.
 */
#include "base/util.h"
#include "supervisor/inside.h"

static const char *const phase_words[PHASES] = {
	"inactive", "checking", "waiting",  "starting", "active",
	"degraded", "hung",     "retrying", "failed",   "stopping",
};

const char *phase_word(enum phase p)
{
	return phase_words[p];
}

int phase_from_word(const char *word)
{
	for (int i = 0; i < PHASES; i++)
		if (streq(phase_words[i], word))
			return i;
	return -1;
}

void pool_set_text(char **slot, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	free(*slot);
	*slot = copy;
}

struct pool *pool_first(struct supervisor *s)
{
	return s->pools;
}

struct pool *pool_by_name(struct supervisor *s, const char *name)
{
	for (struct pool *p = s->pools; p; p = p->next)
		if (streq(p->name, name))
			return p;
	return NULL;
}

struct pool *pool_by_uuid(struct supervisor *s, const struct uuid *u)
{
	for (struct pool *p = s->pools; p; p = p->next)
		if (uuid_equal(&p->uuid, u))
			return p;
	return NULL;
}

struct pool *pool_lookup(struct supervisor *s, const char *name_or_uuid, struct err *e)
{
	struct pool *p = pool_by_name(s, name_or_uuid);
	struct uuid u;

	if (!p && uuid_parse(name_or_uuid, &u))
		p = pool_by_uuid(s, &u);
	if (!p)
		err_set(e, ERR_NO_POOL,
		        "no pool with the name or uuid \"%s\" (pool-list --all shows what there is)",
		        name_or_uuid);
	return p;
}

bool pool_is_active(const struct pool *p)
{
	return p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED || p->phase == PHASE_HUNG ||
	       p->phase == PHASE_STOPPING;
}
