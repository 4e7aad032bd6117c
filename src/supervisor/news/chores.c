/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What must be done once and could not be: for want of memory or descriptors nothing tells when there is room
 * again, so it is tried again by the clock, with pauses that grow. Until it is done it is a problem in
 * `status`. Nothing here needs memory of its own: that may be what is missing.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/news/news.h"

/* What nobody here is allowed to do stays a problem, and is left at that. */
static bool may_pass(const struct err *e)
{
	return err_remedy(e->class) != REMEDY_NONE;
}

/* What is wrong with it now, as the problem that `status` shows; in the log once, when it begins. The problem
 * lies in the chore itself, and is put at the end of the list of all. */
static void say(struct chore *c, const struct err *e)
{
	struct supervisor *s = c->sup;

	snprintf(c->text, sizeof(c->text), "%.400s%s%.150s%s", e->message, c->meanwhile ? ": " : "",
	         c->meanwhile ? c->meanwhile : "", may_pass(e) ? " (it is tried again)" : "");
	c->problem.class = e->class;
	if (c->failures++)
		return;
	c->problem = (struct problem){
		.origin = (char *)(uintptr_t)c->origin, .text = c->text, .class = e->class, .lent = true
	};
	*(s->problems ? s->last_problem : &s->problems) = &c->problem;
	s->last_problem = &c->problem.next;
	log_error(LF_CONFIG, "%s", c->text);
}

/* Its problem leaves the list, which is walked through so that the list knows its new end. */
static void chore_forget(struct chore *c)
{
	struct supervisor *s = c->sup;

	if (c->failures == 0)
		return;
	c->failures = 0;
	s->last_problem = &s->problems;
	for (struct problem **at = &s->problems; *at;) {
		if (*at == &c->problem)
			*at = c->problem.next;
		if (*at)
			s->last_problem = at = &(*at)->next;
	}
}

static void on_chore_retry(struct timer *t)
{
	struct chore *c = t->owner;

	if (!c->sup->shutdown.on)
		chore_try(c->sup, c);
}

bool chore_try(struct supervisor *s, struct chore *c)
{
	demand_or(c && c->attempt && c->origin, false);

	struct err e = { 0 };

	c->sup = s;
	c->retry.on_expiry = on_chore_retry;
	c->retry.owner = c;
	if (c->attempt(c->owner, &e) < 0) {
		say(c, &e);
		if (may_pass(&e))
			loop_arm(s->loop, &c->retry, clock_ms() + retry_pause(c->failures));
		return false;
	}
	if (c->failures)
		log_info(LF_CONFIG, "%s: done after %u attempts", c->origin, c->failures + 1);
	chore_end(c);
	return true;
}

void chore_end(struct chore *c)
{
	if (!c->sup)
		return;
	loop_disarm(c->sup->loop, &c->retry);
	chore_forget(c);
}
