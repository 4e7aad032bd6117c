/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is wrong with definitions and the like, as `status` shows it: each problem once, until what it came
 * from has been looked at again.
 *
 * A directory may have thousands of bad files, and each may be found again at each reload: so besides the
 * list, in the order in which they were found, there are short lists by hash in which one is looked for.
 */
#include "base/contract.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/inside.h"

/* The short list in which a problem of that text is, if it is known. */
static struct problem **slot_of(struct supervisor *s, const char *origin, const char *text)
{
	return &s->problem_slots[hash_text(hash_text(0, origin), text) % PROBLEM_SLOTS];
}

/* Is it that origin, or (below) a path in it? */
static bool is_of(const char *origin, const char *wanted, bool below)
{
	size_t len = strlen(wanted);

	return below ? starts_with(origin, wanted) && (!origin[len] || origin[len] == '/')
	             : streq(origin, wanted);
}

/* NULL: of any origin. */
static void pool_forget_parts(struct supervisor *s, const char *origin, bool below)
{
	s->last_problem = &s->problems;
	for (struct problem **at = &s->problems, *p; (p = *at);) {
		if (p->lent || (origin && !is_of(p->origin, origin, below))) {
			s->last_problem = at = &p->next;
			continue;
		}
		struct problem **same = slot_of(s, p->origin, p->text);
		while (*same != p)
			same = &(*same)->same_hash;
		*same = p->same_hash;
		*at = p->next;
		free(p->origin);
		free(p->text);
		free(p);
	}
}

void supervisor_forget_problems(struct supervisor *s, const char *origin)
{
	pool_forget_parts(s, origin, false);
}

void supervisor_forget_problems_below(struct supervisor *s, const char *dir)
{
	demand_or(dir, );
	pool_forget_parts(s, dir, true);
}

/* Said once: a problem that is known already is not reported again. */
void supervisor_add_problem(struct supervisor *s, const char *origin, const struct err *e)
{
	if (supervisor_note_problem(s, origin, e))
		log_error(LF_CONFIG, "%s", e->message);
}

bool supervisor_note_problem(struct supervisor *s, const char *origin, const struct err *e)
{
	demand_or(origin && e, false);

	struct problem **slot = slot_of(s, origin, e->message), *p;

	for (p = *slot; p; p = p->same_hash)
		if (streq(p->origin, origin) && streq(p->text, e->message))
			return false;
	p = calloc(1, sizeof(*p));
	if (!p) {
		s->lost_problems++;
		return true;
	}
	p->origin = strdup(origin);
	p->text = strdup(e->message);
	p->class = e->class;
	if (!p->origin || !p->text) {
		free(p->origin);
		free(p->text);
		free(p);
		s->lost_problems++;
		return true;
	}
	p->same_hash = *slot;
	*slot = p;
	*(s->problems ? s->last_problem : &s->problems) = p;
	s->last_problem = &p->next;
	return true;
}

unsigned supervisor_lost_problems(const struct supervisor *s)
{
	return s->lost_problems;
}

const struct problem *supervisor_problems(const struct supervisor *s)
{
	return s->problems;
}
