/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The list of pools, by name, and the rules for letting a definition in: one name, one uuid, one source.
 *
 * What is in use is never changed under a pool: a definition that comes meanwhile is put aside, and the two
 * are swapped when it has stopped. The source is compared as a text here, which costs nothing; what it means
 * is compared by workers (work/conflict.c).
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/volindex.h"
#include "supervisor/companions/companions.h"
#include "supervisor/config/registry.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/work/work.h"

void summary_free(struct summary *m)
{
	if (!m)
		return;
	free(m->name);
	free(m->target);
	free(m->source_key);
	free(m->origin);
	free(m);
}

/* Now, or as soon as it stops. */
static bool registry_has_source(const struct pool *p, const char *key)
{
	return streq(p->def.source_key, key) ||
	       (p->def.next_facts && streq(p->def.next_facts->source_key, key));
}

int registry_admit(struct supervisor *s, const struct summary *m, struct err *e)
{
	demand(m && m->name && m->source_key && m->origin, e);

	const struct pool *same_uuid = pool_by_uuid(s, &m->uuid), *same_name = pool_by_name(s, m->name);
	char text[UUID_TEXT];

	if (protected_admit(s, m, e) < 0)
		return -1;
	if (same_uuid && !streq(same_uuid->name, m->name))
		return err_set(e, ERR_EXISTS, "pool \"%s\" has the uuid %s of pool \"%s\" (%s)", m->name,
		               uuid_print(&m->uuid, text), same_uuid->name, same_uuid->def.origin);
	/* Over the socket, a name that stands for another uuid is a mistake; between sources, the later one
	 * simply replaces it. */
	if (same_name && !uuid_equal(&same_name->uuid, &m->uuid) && streq(m->origin, "(socket)"))
		return err_set(e, ERR_EXISTS, "pool \"%s\" already exists with the uuid %s, from %s", m->name,
		               uuid_print(&same_name->uuid, text), same_name->def.origin);
	for (const struct pool *p = s->pools; p && m->source_key[0]; p = p->next)
		if (registry_has_source(p, m->source_key) && !streq(p->name, m->name))
			return err_set(e, ERR_CONFLICT,
			               "pool \"%s\" has the same source as pool \"%s\" (%s): %s", m->name,
			               p->name, p->def.origin, m->source_key);
	return 0;
}

/* At its place in the order of names. */
static void insert(struct supervisor *s, struct pool *p)
{
	struct pool **at = &s->pools;

	while (*at && strcmp((*at)->name, p->name) < 0)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

/* One without a definition yet: take_facts() follows. NULL: no memory. */
static struct pool *pool_new(struct supervisor *s, const struct summary *m)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sup = s;
	p->volumes.base.fd = p->volumes.over.fd = p->work.fresh_index = -1;
	p->tries.retry = (struct timer){ .on_expiry = s->up->on_pool_clock, .owner = p };
	p->name = strdup(m->name);
	p->def.persistent = true;
	if (!p->name) {
		free(p);
		return NULL;
	}
	p->times.defined = clock_ms();
	insert(s, p);
	return p;
}

static char *copy_or_null(const char *s)
{
	return s ? strdup(s) : NULL;
}

/* The strings of a definition, replaced together or not at all. */
static int take_facts(struct pool *p, const struct summary *m, const char *xml, size_t len, struct err *e)
{
	char *target = copy_or_null(m->target), *key = strdup(m->source_key), *origin = strdup(m->origin),
	     *text = strndup(xml, len);

	if (!key || !origin || !text || (m->target && !target)) {
		free(target);
		free(key);
		free(origin);
		free(text);
		return err_set(e, ERR_NO_MEMORY, "cannot keep the definition of pool \"%s\": out of memory",
		               m->name);
	}
	free(p->def.origin);
	p->def.origin = origin;
	p->def.boot = m->boot;
	free(p->def.target);
	free(p->def.source_key);
	service_release(p); /* its companion was that of what the pool was */
	free(p->def.xml);
	pool_set_text(&p->life.place, NULL);
	pool_set_text(&p->life.address, NULL);
	p->def.target = target;
	p->def.source_key = key;
	p->def.xml = text;
	p->uuid = m->uuid;
	p->type = m->type;
	return 0;
}

/* The pool is in use: the new definition waits until it stops. */
static int put_aside(struct pool *p, const struct summary *m, const char *xml, size_t len, struct err *e)
{
	struct summary *next = calloc(1, sizeof(*next));
	char *text = strndup(xml, len);

	if (next) {
		*next = (struct summary){ .name = strdup(m->name),
			                  .target = copy_or_null(m->target),
			                  .source_key = strdup(m->source_key),
			                  .origin = strdup(m->origin),
			                  .uuid = m->uuid,
			                  .type = m->type,
			                  .boot = m->boot };
	}
	if (!next || !text || !next->name || !next->source_key || !next->origin) {
		summary_free(next);
		free(text);
		return err_set(e, ERR_NO_MEMORY, "cannot keep the definition of pool \"%s\": out of memory",
		               m->name);
	}
	summary_free(p->def.next_facts);
	free(p->def.next_xml);
	p->def.next_facts = next;
	p->def.next_xml = text;
	return 0;
}

/* So that nothing has to be copied. */
static void swap_text(char **a, char **b)
{
	char *text = *a;

	*a = *b;
	*b = text;
}

/* Nothing is copied: it cannot fail. */
void registry_switch(struct pool *p)
{
	require_or(p->def.next_facts && p->def.next_xml, );

	struct summary *m = p->def.next_facts;

	service_release(p);
	swap_text(&p->def.target, &m->target);
	swap_text(&p->def.source_key, &m->source_key);
	swap_text(&p->def.origin, &m->origin);
	swap_text(&p->def.xml, &p->def.next_xml);
	pool_set_text(&p->life.place, NULL);
	pool_set_text(&p->life.address, NULL);
	p->uuid = m->uuid;
	p->type = m->type;
	p->def.boot = m->boot;
	summary_free(m);
	free(p->def.next_xml);
	p->def.next_facts = NULL;
	p->def.next_xml = NULL;
	p->def.live = false;
}

int registry_lend(struct pool *p, const struct summary *m, const char *xml, size_t len, struct err *e)
{
	demand(m && xml && !pool_is_active(p), e);

	const struct summary own = { .name = p->name,
		                     .target = p->def.target,
		                     .source_key = p->def.source_key,
		                     .origin = p->def.origin,
		                     .uuid = p->uuid,
		                     .type = p->type,
		                     .boot = p->def.boot };

	if (!p->def.next_xml && put_aside(p, &own, p->def.xml, strlen(p->def.xml), e) < 0)
		return -1;
	if (take_facts(p, m, xml, len, e) < 0)
		return -1;
	p->def.live = true;
	return 0;
}

void pool_note_origin(struct pool *p, const char *file)
{
	demand_or(file, );

	char **origins[] = { p->def.live ? NULL : &p->def.origin,
		             p->def.next_facts ? &p->def.next_facts->origin : NULL };

	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		char *copy = origins[i] ? strdup(file) : NULL;

		if (!copy)
			continue;
		free(*origins[i]);
		*origins[i] = copy;
	}
}

struct pool *registry_apply(struct supervisor *s, const struct summary *m, const char *xml, size_t len,
                            int priority, struct err *e)
{
	demand_or(m && m->name && m->source_key && m->origin && xml, NULL);

	struct pool *p = pool_by_name(s, m->name);
	bool made = !p;

	if (p && p->def.priority > priority)
		return p; /* a later source has spoken already */
	if (registry_admit(s, m, e) < 0)
		return NULL;
	if (p && p->def.priority < priority && !streq(p->def.origin, m->origin))
		log_info(LF_CONFIG, "pool \"%s\": the definition in %s replaces that in %s", m->name,
		         m->origin, p->def.origin);
	if (!p)
		p = pool_new(s, m);
	if (!p) {
		err_set(e, ERR_NO_MEMORY, "cannot define pool \"%s\": out of memory", m->name);
		return NULL;
	}
	bool in_use = pool_is_active(p) || p->work.worker || p->work.stuck || p->def.live;
	if ((in_use ? put_aside(p, m, xml, len, e) : take_facts(p, m, xml, len, e)) < 0) {
		if (made)
			registry_remove(p);
		return NULL;
	}
	p->def.priority = priority;
	if (!streq(m->origin, "(socket)"))
		p->def.autostart = m->autostart;
	return p;
}

/* Only its memory: registry_remove() has seen to all that knows it. */
static void pool_free(struct pool *p)
{
	while (p->times.nstages)
		pool_stage_drop(p, 0);
	free(p->name);
	free(p->def.target);
	free(p->def.source_key);
	free(p->def.xml);
	free(p->def.next_xml);
	summary_free(p->def.next_facts);
	free(p->def.origin);
	free(p->reason.text);
	free(p->reason.waits_for);
	free(p->reason.warning);
	free(p->reason.fill);
	free(p->reason.said);
	free(p->life.detail);
	free(p->life.identity);
	free(p->life.place);
	free(p->life.address);
	free(p->life.ground);
	free(p->work.found_why);
	free(p->work.lost);
	free(p->life.avoid);
	free(p->volumes.free_extents);
	free(p->tries.news);
	free(p);
}

/* Forget a pool. No operation of it is under way, but one that was left behind may still be there: it is
 * nobody's from now on. Those who wait for the pool are told that it is gone. */
void registry_remove(struct pool *p)
{
	struct supervisor *s = p->sup;
	struct err gone = { 0 };

	for (struct pool **at = &s->pools; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	for (struct worker *w = s->workers; w; w = w->next)
		if (w->task.subject == p)
			worker_disown(w);
	s->up->on_pool_gone(p);
	service_release(p);
	loop_disarm(s->loop, &p->tries.retry);
	index_drop(p);
	err_set(&gone, ERR_NO_POOL, "pool \"%s\" is no longer defined", p->name);
	waiters_move(&p->served, &p->waiters);
	waiters_finish(&p->waiters, &(struct result){ .err = &gone });
	for (struct waiter *w = s->waits, *next; w; w = next) {
		next = w->next;
		if (w->pool == p) {
			waiter_withdraw(w);
			loop_disarm(s->loop, &w->timer);
			w->done(w, &(struct result){ .err = &gone });
		}
	}
	pool_free(p);
}

void registry_free(struct supervisor *s)
{
	while (s->pools)
		registry_remove(s->pools);
	supervisor_forget_problems(s, NULL);
}
