/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parked questions: told when an operation ends or a pool reaches a phase; withdrawn when whoever asked has
 * gone.
 */
#include "base/clock.h"
#include "base/util.h"
#include "supervisor/news/news.h"
#include "supervisor/index/index.h"
#include "supervisor/steps/steps.h"

void waiter_park(struct waiter **list, struct waiter *w)
{
	w->next = *list;
	if (w->next)
		w->next->link = &w->next;
	w->link = list;
	*list = w;
}

static void waiter_unlink(struct waiter *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->next = NULL;
	w->link = NULL;
}

void waiter_withdraw(struct waiter *w)
{
	if (w->timer.armed && w->pool)
		loop_disarm(w->pool->sup->loop, &w->timer);
	waiter_unlink(w);
}

void waiters_move(struct waiter **from, struct waiter **to)
{
	while (*from) {
		struct waiter *w = *from;

		waiter_unlink(w);
		waiter_park(to, w);
	}
}

void waiters_finish(struct waiter **list, const struct result *r)
{
	struct waiter *mine = *list; /* a new list: those who are told may park again */

	*list = NULL;
	if (mine)
		mine->link = &mine;
	while (mine) {
		struct waiter *w = mine;

		waiter_unlink(w);
		w->done(w, r);
	}
}

/* A pool that has just become active is waited for until its volumes are known too: who waited will ask for
 * them next. */
static bool reached(const struct waiter *w, const struct pool *p)
{
	return (w->phases & 1U << p->phase) && !pool_awaits_index(p);
}

void waiters_tell_phase(struct pool *p)
{
	struct supervisor *s = p->sup;

	for (struct waiter *w = s->waits, *next; w; w = next) {
		next = w->next;
		if (w->pool != p || !reached(w, p))
			continue;
		waiter_withdraw(w);
		w->done(w, &(struct result){ .pool = p });
		next = s->waits; /* the list may have changed under us; those told are no longer in it */
	}
}

static void on_wait_over(struct timer *t)
{
	struct waiter *w = t->owner;
	struct pool *p = w->pool;
	struct err e = { 0 };

	waiter_withdraw(w);
	if (reached(w, p)) {
		w->done(w, &(struct result){ .pool = p });
		return;
	}
	if (w->phases & 1U << p->phase)
		err_set(&e, ERR_TIMEOUT, "pool \"%s\" is %s, but its volumes are still being read", p->name,
		        phase_word(p->phase));
	else
		err_set(&e, ERR_TIMEOUT, "pool \"%s\" is still %s%s%s", p->name, phase_word(p->phase),
		        p->reason ? ": " : "", p->reason ? p->reason : "");
	w->done(w, &(struct result){ .err = &e, .pool = p });
}

int pool_wait(struct pool *p, unsigned phases, uint64_t deadline, struct waiter *w, struct err *e)
{
	(void)e;
	w->pool = p;
	w->phases = phases;
	w->timer = (struct timer){ .on_expiry = on_wait_over, .owner = w };
	waiter_park(&p->sup->waits, w);
	loop_arm(p->sup->loop, &w->timer, reached(w, p) ? 0 : deadline);
	return 0;
}
