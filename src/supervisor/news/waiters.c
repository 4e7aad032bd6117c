/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parked questions: told when an operation ends or a pool reaches a phase; withdrawn when whoever asked has
 * gone.
 */
#include "base/clock.h"
#include "base/util.h"
#include "supervisor/news/news.h"

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
