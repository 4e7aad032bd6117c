/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contracts inside the supervisor, which must not end: what would be silent damage there is refused, and the
 * log says so.
 */
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "control/sending.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/steps.h"

static unsigned broken, told;

static void count_broken(const void *where)
{
	(void)where;
	broken++;
}

/* How many contracts were broken since the last time. */
static unsigned refusals(void)
{
	unsigned n = broken;

	broken = 0;
	return n;
}

static void count_told(struct waiter *w, const struct result *r)
{
	(void)w, (void)r;
	told++;
}

static void a_waiter_is_in_one_list(void)
{
	struct waiter *list = NULL, *other = NULL;
	struct waiter w = { .done = count_told }, no_done = { 0 };

	told = 0;
	waiter_park(&list, &w);
	CHECK_INT(refusals(), 0);
	waiter_park(&other, &w);
	waiter_park(&list, &w);
	waiter_park(&list, &no_done);
	CHECK_INT(refusals(), 3);
	CHECK(other == NULL && list == &w && w.next == NULL);
	waiters_finish(&list, &(struct result){ 0 });
	CHECK_INT(told, 1);
	CHECK_INT(refusals(), 0);
}

static void a_list_is_not_moved_to_itself(void)
{
	struct waiter *list = NULL;
	struct waiter w = { .done = count_told };

	waiter_park(&list, &w);
	waiters_move(&list, &list); /* it would never end */
	CHECK_INT(refusals(), 1);
	CHECK(list == &w);
}

static void an_event_has_room_for_its_fields(void)
{
	struct event ev = { .name = "full" };

	for (int i = 0; i < EVENT_FIELDS; i++)
		event_num(&ev, "n", (uint64_t)i);
	CHECK_INT(refusals(), 0);
	event_flag(&ev, "one-more", true);
	event_str(&ev, NULL, "no key");
	CHECK_INT(refusals(), 2);
	CHECK_INT(ev.nfields, EVENT_FIELDS);
}

static unsigned heard;
static void on_event(struct listener *l, const struct event *ev)
{
	(void)l, (void)ev;
	heard++;
}

static void a_listener_is_added_once(void)
{
	struct supervisor s = { 0 };
	struct listener l = { .on_event = on_event };

	heard = 0;
	listener_add(&s, &l);
	listener_add(&s, &l);
	CHECK_INT(refusals(), 1);
	events_emit(&s, &(struct event){ .name = "once" });
	CHECK_INT(heard, 1);
	events_emit(&s, &(struct event){ 0 });
	CHECK_INT(refusals(), 1);
	CHECK_INT(heard, 1);
	events_free(&s);
}

static void a_word_that_is_no_event_is_not_taken_for_one(void)
{
	struct supervisor s = { 0 };

	pools_kick(&s, "devices", NULL); /* would help nobody, without a word */
	CHECK_INT(refusals(), 1);
}

static void there_is_no_phase_beyond_the_last(void)
{
	struct pool p = { .phase = PHASE_WAITING };

	pool_enter(&p, PHASES, NULL);
	CHECK_INT(refusals(), 1);
	CHECK_INT(p.phase, PHASE_WAITING);
	CHECK_STR(phase_word(PHASES), "unknown");
	CHECK_INT(refusals(), 1);
}

static void only_a_definition_that_waits_is_switched_to(void)
{
	char xml[] = "<pool/>";
	struct pool p = { .def.xml = xml };

	registry_switch(&p);
	CHECK_INT(refusals(), 1);
	CHECK(p.def.xml == xml);
}

static void nothing_is_not_sent(void)
{
	struct sending s = { 0 };

	CHECK(!sending_begin(&s, (int[]){ -1, -1 }, NULL, 0));
	CHECK_INT(refusals(), 1);
	CHECK(!sending_is_on(&s));
}

int main(void)
{
	contract_guard(count_broken);
	RUN(a_waiter_is_in_one_list);
	RUN(a_list_is_not_moved_to_itself);
	RUN(an_event_has_room_for_its_fields);
	RUN(a_listener_is_added_once);
	RUN(a_word_that_is_no_event_is_not_taken_for_one);
	RUN(there_is_no_phase_beyond_the_last);
	RUN(only_a_definition_that_waits_is_switched_to);
	RUN(nothing_is_not_sent);
	return check_done();
}
