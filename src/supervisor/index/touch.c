/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names to look at again: what a volume operation has changed, and what inotify has heard of. They are
 * collected while something else is under way, and one update takes them all: the pool's refresh, of some
 * names only.
 *
 * A volume operation waits for its update, so that comes at once. A change from elsewhere has time: the
 * update comes when it is quiet, and not much later where it is never quiet; then there is a pause, so that a
 * file that is written all the time costs next to nothing.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"

#define NAMES    256         /* more than these: everything is looked at */
#define QUIET    50          /* ms without another change */
#define LONGEST  500         /* ms from the first change, whatever comes */
#define PAUSE    SECONDS(1)  /* from the end of such an update to the next, or */
#define SHARE    4           /* so many times as long as it took, or */
#define PATIENCE SECONDS(4)  /* this, whichever is less */
#define DOUBT    SECONDS(10) /* until the kernel has done what it does about an error */

struct touch {
	struct touch *next;
	char name[];
};

struct touches {
	struct touch *names;
	size_t n;
	bool all;
	bool due;       /* the update comes when it is the pool's turn */
	bool by_itself; /* because of the timer */
	struct waiter *waiters;
	struct timer timer;
	uint64_t first; /* clock_ms() of the first change that waits for the timer; 0: none */
	uint64_t began; /* of the last one that came by itself; 0: somebody asked for this one */
	uint64_t next;  /* before this, none comes by itself */
};

/* All that were collected have been looked at, or need not be. */
static void forget_names(struct touches *t)
{
	while (t->names) {
		struct touch *gone = t->names;

		t->names = gone->next;
		free(gone);
	}
	t->n = 0;
}

/* The pool gets its turn: the step that is due then is the update. */
static void take_turn(struct pool *p)
{
	p->tries.due = true;
	loop_arm(p->sup->loop, &p->sup->starter, 0);
}

/* It has been quiet, or has not been for too long. */
static void on_quiet(struct timer *timer)
{
	struct pool *p = timer->owner;

	p->volumes.touches->first = 0;
	p->volumes.touches->due = p->volumes.touches->by_itself = true;
	take_turn(p);
}

/* Most pools never need one: it is made for the first change. NULL: no memory. */
static struct touches *touches_of(struct pool *p)
{
	if (!p->volumes.touches) {
		p->volumes.touches = calloc(1, sizeof(*p->volumes.touches));
		if (p->volumes.touches)
			p->volumes.touches->timer = (struct timer){ .on_expiry = on_quiet, .owner = p };
	}
	return p->volumes.touches;
}

/* NULL: everything. */
static void touch_add(struct touches *t, const char *name)
{
	size_t size = name ? strlen(name) + 1 : 0;
	struct touch *new;

	for (const struct touch *k = t->names; k && name; k = k->next)
		if (streq(k->name, name))
			return;
	new = name && !t->all && t->n < NAMES ? malloc(sizeof(*new) + size) : NULL;
	if (!new) {
		t->all = true;
		forget_names(t);
		return;
	}
	memcpy(new->name, name, size);
	new->next = t->names;
	t->names = new;
	t->n++;
}

int pool_touch(struct pool *p, const char *name, struct waiter *w)
{
	demand_or(name && *name, -1);

	struct touches *t;

	if (!pool_is_active(p) || p->phase == PHASE_STOPPING || p->phase == PHASE_HUNG)
		return -1;
	t = touches_of(p);
	if (t) {
		touch_add(t, name);
		t->due = true;
	} else {
		p->want.refresh = true;
	}
	if (w)
		waiter_park(t ? &t->waiters : &p->waiters, w);
	take_turn(p);
	return 0;
}

/* The update comes when nothing has changed for a moment, and LONGEST after the first change in any case; not
 * before the pause is over that the last one has earned. */
static void when_quiet(struct pool *p, struct touches *t)
{
	uint64_t now = clock_ms(), at = now + QUIET;

	if (t->due)
		return;
	if (!t->first)
		t->first = now;
	if (at > t->first + LONGEST)
		at = t->first + LONGEST;
	loop_arm(p->sup->loop, &t->timer, at > t->next ? at : t->next);
}

/* Without memory for the collection everything is looked at, at once. */
static struct touches *collect(struct pool *p)
{
	struct touches *t = touches_of(p);

	if (!t) {
		p->want.refresh = true;
		take_turn(p);
	}
	return t;
}

void touch_later(struct pool *p, const char *name)
{
	struct touches *t = collect(p);

	if (!t)
		return;
	touch_add(t, name);
	when_quiet(p, t);
}

/* An update of no names: its worker looks at the ground first. */
void touch_look(struct pool *p)
{
	struct touches *t = collect(p);

	if (t)
		when_quiet(p, t);
}

void touch_doubt(struct pool *p)
{
	if (p->phase != PHASE_ACTIVE || p->tries.doubted)
		return;
	p->tries.doubted = true;
	loop_arm(p->sup->loop, &p->tries.retry, clock_ms() + DOUBT);
}

enum touch_due touch_due(const struct pool *p)
{
	const struct touches *t = p->volumes.touches;

	if (!t || !t->due)
		return TOUCH_NONE;
	return t->all ? TOUCH_ALL : TOUCH_NAMES;
}

/* Those who asked are the new refresh's from now on: it begins after what they did. */
const char **touch_take(struct pool *p)
{
	struct touches *t = p->volumes.touches;
	const char **names = NULL;
	size_t n = 0;

	if (!t)
		return NULL;
	waiters_move(&t->waiters, &p->volumes.lookers);
	if (!t->all)
		names = calloc(t->n + 1, sizeof(*names));
	for (const struct touch *k = t->names; names && k; k = k->next)
		names[n++] = k->name;
	t->began = t->by_itself ? clock_ms() : 0;
	t->due = t->all = t->by_itself = false;
	t->first = 0;
	loop_disarm(p->sup->loop, &t->timer);
	return names;
}

void touch_taken(struct pool *p)
{
	if (p->volumes.touches)
		forget_names(p->volumes.touches);
}

void touch_asked(struct pool *p, struct waiter *w)
{
	if (p->volumes.touches)
		p->volumes.touches->began = 0;
	waiter_park(&p->volumes.lookers, w);
}

void touch_over(struct pool *p, const struct err *e)
{
	struct touches *t = p->volumes.touches;
	uint64_t now = clock_ms();

	if (t && t->began) {
		uint64_t pause = (now - t->began) * SHARE;

		pause = pause < PAUSE ? PAUSE : pause;
		t->next = now + (pause > PATIENCE ? PATIENCE : pause);
	}
	waiters_finish(&p->volumes.lookers, &(struct result){ .err = e, .pool = p });
}

void touch_drop(struct pool *p)
{
	struct touches *t = p->volumes.touches;
	struct err e = { 0 };

	p->volumes.touches = NULL;
	err_set(&e, ERR_STATE, "pool \"%s\" is no longer active", p->name);
	waiters_finish(&p->volumes.lookers, &(struct result){ .err = &e, .pool = p });
	if (!t)
		return;
	loop_disarm(p->sup->loop, &t->timer);
	forget_names(t);
	waiters_finish(&t->waiters, &(struct result){ .err = &e, .pool = p });
	free(t);
}
