/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way of a pool: which stages are kept of it, and what it is said to have cost.
 */
#include "control/verbs/system.c"
#include "supervisor/steps/phases.c"

#include "check.h"

static struct pool p;
static uint64_t now;

/* A second after the last one. */
static void enter(enum phase phase, const char *waits)
{
	enum phase from = p.phase;

	now += 1000;
	pool_set_text(&p.reason.waits_for, waits);
	p.phase = phase;
	note_stage(&p, from, now);
}

static void begin(void)
{
	now = 0;
	p = (struct pool){ 0 };
}

static void end(void)
{
	while (p.times.nstages)
		pool_stage_drop(&p, 0);
	pool_set_text(&p.reason.waits_for, NULL);
}

static const struct pool_stage *stage(size_t i)
{
	CHECK(i < p.times.nstages);
	return &p.times.stages[i];
}

static void attempts_in_vain_are_no_stages(void)
{
	begin();
	for (int i = 0; i < 100; i++) {
		enter(PHASE_STARTING, NULL);
		enter(PHASE_WAITING, "device=/dev/a");
	}
	CHECK_INT(p.times.nstages, 2);
	CHECK_INT(stage(1)->since, 2000);
	CHECK_STR(stage(1)->waits, "device=/dev/a");
	enter(PHASE_STARTING, NULL);
	enter(PHASE_ACTIVE, NULL);
	CHECK_INT(p.times.nstages, 4);
	CHECK_INT(stage(2)->since, 201000);
	end();
}

static void what_is_waited_for_next_is_another_stage(void)
{
	begin();
	enter(PHASE_STARTING, NULL);
	enter(PHASE_WAITING, "network");
	enter(PHASE_STARTING, NULL);
	enter(PHASE_RETRYING, "server=a");
	enter(PHASE_STARTING, NULL);
	CHECK_INT(p.times.nstages, 5);
	CHECK_STR(stage(1)->waits, "network");
	CHECK_STR(stage(3)->waits, "server=a");
	end();
}

/* It was up in between. */
static void the_same_wait_later_is_another_stage(void)
{
	begin();
	enter(PHASE_WAITING, "device=/dev/a");
	enter(PHASE_ACTIVE, NULL);
	enter(PHASE_WAITING, "device=/dev/a");
	CHECK_INT(p.times.nstages, 3);
	end();
}

static void a_pool_that_was_stopped_begins_anew(void)
{
	begin();
	enter(PHASE_STARTING, NULL);
	enter(PHASE_ACTIVE, NULL);
	enter(PHASE_STOPPING, NULL);
	enter(PHASE_INACTIVE, NULL);
	CHECK_INT(p.times.nstages, 4);
	enter(PHASE_STARTING, NULL);
	CHECK_INT(p.times.nstages, 1);
	CHECK_INT(stage(0)->since, 5000);
	end();
}

static void of_a_long_way_beginning_and_end_are_kept(void)
{
	begin();
	enter(PHASE_WAITING, "device=/dev/a");
	enter(PHASE_STARTING, NULL);
	enter(PHASE_ACTIVE, NULL);
	for (int i = 0; i < 50; i++) {
		enter(PHASE_DEGRADED, NULL);
		enter(PHASE_ACTIVE, NULL);
	}
	CHECK_INT(p.times.nstages, POOL_STAGES);
	CHECK_STR(stage(0)->waits, "device=/dev/a");
	CHECK_INT(stage(2)->phase, PHASE_ACTIVE);
	CHECK_INT(stage(2)->since, 3000);
	CHECK_INT(stage(POOL_STAGES - 1)->since, now);
	for (size_t i = 1; i < p.times.nstages; i++)
		CHECK(stage(i)->since > stage(i - 1)->since);
	end();
}

static void a_pool_costs_what_it_took_to_become_active(void)
{
	struct cost cost = { 0 };

	begin();
	enter(PHASE_STARTING, NULL);
	enter(PHASE_WAITING, "network");
	enter(PHASE_STARTING, NULL);
	enter(PHASE_RETRYING, "server=a");
	now += 5000;
	enter(PHASE_STARTING, NULL);
	enter(PHASE_ACTIVE, NULL);
	enter(PHASE_DEGRADED, NULL);
	add_up(&cost, &p.times, now + 60000);
	CHECK_INT(cost.ms, 10000);
	CHECK_INT(cost.in[PHASE_STARTING], 3000);
	CHECK_INT(cost.in[PHASE_WAITING], 1000);
	CHECK_INT(cost.in[PHASE_RETRYING], 6000);
	CHECK_INT(cost.in[PHASE_ACTIVE], 0);
	CHECK_STR(cost.waits, "server=a");
	end();
}

static void what_still_waits_costs_until_now_and_what_has_failed_no_more(void)
{
	struct cost waits = { 0 }, failed = { 0 }, none = { 0 };

	begin();
	add_up(&none, &p.times, 99);
	CHECK_INT(none.ms, 0);
	enter(PHASE_STARTING, NULL);
	enter(PHASE_WAITING, "network");
	add_up(&waits, &p.times, now + 7000);
	CHECK_INT(waits.ms, 8000);
	enter(PHASE_STARTING, NULL);
	enter(PHASE_FAILED, NULL);
	add_up(&failed, &p.times, now + 7000);
	CHECK_INT(failed.ms, 3000);
	CHECK_STR(failed.waits, "network");
	end();
}

int main(void)
{
	RUN(attempts_in_vain_are_no_stages);
	RUN(what_is_waited_for_next_is_another_stage);
	RUN(the_same_wait_later_is_another_stage);
	RUN(a_pool_that_was_stopped_begins_anew);
	RUN(of_a_long_way_beginning_and_end_are_kept);
	RUN(a_pool_costs_what_it_took_to_become_active);
	RUN(what_still_waits_costs_until_now_and_what_has_failed_no_more);
	return check_done();
}
