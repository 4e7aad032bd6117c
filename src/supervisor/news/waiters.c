/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parked questions: told when an operation ends or a pool reaches a phase; withdrawn when whoever asked has
 * gone.
 *
 * A waiter lives in its owner's struct and is a member of at most one list. It knows the pointer that leads
 * to it, so that it can be taken out without knowing the list: that may be another one by now.
 */
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/news/news.h"

void waiter_park(struct waiter **list, struct waiter *w)
{
	/* parked twice it would be in two lists, and the first would lose its end */
	require_or(list && w && w->done && !w->link, );
	w->next = *list;
	if (w->next)
		w->next->link = &w->next;
	w->link = list;
	*list = w;
}

/* Out of its list, wherever that is. Harmless if it is in none. */
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
	require_or(from && to && from != to, ); /* it would never end */
	while (*from) {
		struct waiter *w = *from;

		waiter_unlink(w);
		waiter_park(to, w);
	}
}

void waiters_finish(struct waiter **list, const struct result *r)
{
	demand_or(list && r, );

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
