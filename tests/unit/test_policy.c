/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Boot policy: when boot is over, whether it failed, and what is said of it. The pools are made by hand; the
 * clock is a number.
 */
#include <limits.h>
#include "check.h"
#include "base/util.h"
#include "boot/policy.h"

#define BEGAN 1000

static struct pool pools[8];
static size_t npools;
static struct policy policy;
static struct verdict v;

static void begin(void)
{
	memset(pools, 0, sizeof(pools));
	npools = 0;
	policy = (struct policy){ .began = BEGAN, .timeout = SECONDS(90) };
}

static struct pool *pool(const char *name, enum phase phase, const char *reason)
{
	struct pool *p = &pools[npools];

	*p = (struct pool){ .name = (char *)(uintptr_t)name,
		            .phase = phase,
		            .reason.text = (char *)(uintptr_t)reason,
		            .want.active = true,
		            .def.boot = { .require = -1, .order = INT_MIN } };
	p->times.wanted = BEGAN + 10;
	if (phase == PHASE_ACTIVE)
		p->times.active = BEGAN + 100;
	if (npools)
		pools[npools - 1].next = p;
	npools++;
	return p;
}

static void judge(uint64_t after)
{
	policy_judge(&policy, npools ? pools : NULL, true, BEGAN + after, &v);
}

static const char *line(uint64_t after)
{
	static struct buf b;

	buf_reset(&b);
	policy_line(&policy, npools ? pools : NULL, BEGAN + after, &b);
	return buf_str(&b);
}

static const char *state(bool over, bool problems)
{
	return policy_state(&policy, npools ? pools : NULL, over, problems, BEGAN + SECONDS(200));
}

static void no_pools_is_over_at_once(void)
{
	begin();
	judge(0);
	CHECK(v.done);
	CHECK_INT(v.action, ONFAIL_CONTINUE);
	CHECK_STR(line(3), "pools 0/0 active in 3 ms");
	CHECK_STR(state(true, false), "ready");
}

static void not_before_the_definitions_are_read(void)
{
	begin();
	policy_judge(&policy, NULL, false, BEGAN, &v);
	CHECK(!v.done);
	CHECK_INT(v.look_again, BEGAN + SECONDS(90));
	/* a configuration disk that never came */
	policy_judge(&policy, NULL, false, BEGAN + SECONDS(90), &v);
	CHECK(v.done);
}

static void all_active_is_over_and_timed_by_the_last(void)
{
	begin();
	pool("a", PHASE_ACTIVE, NULL);
	pool("b", PHASE_ACTIVE, NULL)->times.active = BEGAN + 412;
	judge(5000);
	CHECK(v.done);
	CHECK_INT(v.active, 2);
	CHECK_STR(line(5000), "pools 2/2 active in 412 ms");
	CHECK_STR(state(true, false), "ready");
	CHECK_STR(state(true, true), "degraded");
	CHECK_STR(state(false, false), "starting");
}

static void pools_that_nobody_requires_hold_boot_up_while_things_move(void)
{
	begin();
	pool("a", PHASE_ACTIVE, NULL);
	pool("late", PHASE_WAITING, "no device LABEL=x");
	judge(200);
	CHECK(!v.done);
	CHECK_INT(v.look_again, BEGAN + 100 + POLICY_SETTLE);
	judge(100 + POLICY_SETTLE - 1);
	CHECK(!v.done);
	judge(100 + POLICY_SETTLE);
	CHECK(v.done);
	CHECK_INT(v.missing, 0);
	CHECK_STR(line(6000), "pools 1/2 active in 6000 ms, waiting: late (no device LABEL=x)");
	CHECK_STR(state(true, false), "degraded");
}

static void a_permanent_failure_holds_nothing_up(void)
{
	begin();
	pool("a", PHASE_ACTIVE, NULL);
	pool("bad", PHASE_FAILED, "authentication rejected");
	judge(150);
	CHECK(v.done);
	CHECK_STR(line(150), "pools 1/2 active in 150 ms, failed: bad (authentication rejected)");
}

static void unwanted_pools_count_for_nothing(void)
{
	begin();
	pool("a", PHASE_ACTIVE, NULL);
	pool("off", PHASE_INACTIVE, NULL)->want.active = false;
	judge(150);
	CHECK(v.done);
	CHECK_STR(line(150), "pools 1/1 active in 100 ms");
}

static void required_pools_have_until_the_deadline(void)
{
	static const char *const names[] = { "vm" };

	begin();
	policy.require = names;
	policy.nrequire = 1;
	policy.onfail = ONFAIL_REBOOT;
	pool("vm", PHASE_RETRYING, "no route");
	judge(SECONDS(89));
	CHECK(!v.done);
	CHECK_INT(v.look_again, BEGAN + SECONDS(90));
	judge(SECONDS(90));
	CHECK(v.done);
	CHECK_INT(v.missing, 1);
	CHECK_INT(v.action, ONFAIL_REBOOT);
	CHECK_STR(state(true, false), "failed");
	pools[0].phase = PHASE_ACTIVE;
	judge(SECONDS(90));
	CHECK_INT(v.missing, 0);
	CHECK_INT(v.action, ONFAIL_CONTINUE);
	CHECK_STR(state(true, false), "ready");
}

static void a_required_pool_that_failed_for_good_is_not_waited_for(void)
{
	begin();
	policy.onfail = ONFAIL_POWEROFF;
	pool("vm", PHASE_FAILED, "authentication rejected")->def.boot.require = 1;
	judge(500);
	CHECK(v.done);
	CHECK_INT(v.missing, 1);
	CHECK_INT(v.action, ONFAIL_POWEROFF);
}

static void a_required_pool_that_failed_for_what_may_change_has_until_its_deadline(void)
{
	static const enum err_class may_change[] = { ERR_WRONG_FORMAT, ERR_CONFLICT, ERR_NO_SECRET,
		                                     ERR_READ_ONLY };

	for (size_t i = 0; i < ARRAY_LEN(may_change); i++) {
		begin();
		policy.onfail = ONFAIL_POWEROFF;

		struct pool *p = pool("vm", PHASE_FAILED, "its disk holds nothing yet");

		p->def.boot.require = 1;
		p->reason.class = may_change[i];
		judge(500);
		CHECK(!v.done);
		judge(SECONDS(1000));
		CHECK(v.done);
		CHECK_INT(v.action, ONFAIL_POWEROFF);
	}
}

static void a_degraded_pool_is_active_but_the_machine_is_degraded(void)
{
	begin();
	pool("a", PHASE_ACTIVE, NULL)->want.active = true;
	CHECK_STR(state(true, false), "ready");
	pool("x", PHASE_DEGRADED, "it is read-only")->want.active = true;
	CHECK_STR(state(true, false), "degraded");
	CHECK_STR(line(150), "pools 1/2 active in 100 ms, degraded: x (it is read-only)");
	pool("y", PHASE_HUNG, "the storage does not answer")->want.active = true;
	pool("z", PHASE_WAITING, "no device")->want.active = true;
	CHECK_STR(line(150), "pools 1/4 active in 150 ms, degraded: x (it is read-only), hung: y (the "
	                     "storage does not answer), waiting: z (no device)");
}

static void a_required_pool_counts_even_if_it_is_not_to_be_started(void)
{
	static const char *const names[] = { "vm" };

	begin();
	policy.require = names;
	policy.nrequire = 1;
	pool("vm", PHASE_INACTIVE, NULL)->want.active = false;
	judge(SECONDS(90));
	CHECK_INT(v.missing, 1);
	CHECK_STR(line(SECONDS(90)), "pools 0/0 active in 90000 ms, waiting: vm (inactive)");
}

static void a_definition_may_have_its_own_deadline_and_policy(void)
{
	struct pool *p;

	begin();
	policy.onfail = ONFAIL_REBOOT;
	p = pool("vm", PHASE_WAITING, NULL);
	p->def.boot.require = 1;
	p->def.boot.timeout_ms = SECONDS(30);
	p->def.boot.onfail = ONFAIL_CONTINUE;
	judge(SECONDS(29));
	CHECK(!v.done);
	judge(SECONDS(30));
	CHECK(v.done);
	CHECK_INT(v.missing, 1);
	CHECK_INT(v.action, ONFAIL_CONTINUE);
}

static void require_no_in_a_definition_requires_nothing(void)
{
	begin();
	pool("vm", PHASE_WAITING, NULL)->def.boot.require = 0;
	judge(SECONDS(10));
	CHECK(v.done);
	CHECK_INT(v.missing, 0);
}

static void the_most_drastic_policy_of_those_missing_wins(void)
{
	static const enum onfail ways[] = { ONFAIL_SHELL, ONFAIL_POWEROFF, ONFAIL_CONTINUE, ONFAIL_REBOOT };
	static const char *const names[] = { "a", "b", "c", "d" };

	begin();
	for (size_t i = 0; i < 4; i++) {
		struct pool *p = pool(names[i], PHASE_FAILED, NULL);

		p->def.boot.require = 1;
		p->def.boot.onfail = ways[i];
	}
	judge(0);
	CHECK_INT(v.missing, 4);
	CHECK_INT(v.action, ONFAIL_POWEROFF);
	pools[1].phase = PHASE_ACTIVE;
	judge(0);
	CHECK_INT(v.action, ONFAIL_REBOOT);
	pools[3].phase = PHASE_ACTIVE;
	judge(0);
	CHECK_INT(v.action, ONFAIL_SHELL);
}

static void a_required_pool_that_nobody_defines_is_missing(void)
{
	static const char *const names[] = { "vm", "nowhere", "neither" };

	begin();
	policy.require = names;
	policy.nrequire = 3;
	policy.onfail = ONFAIL_SHELL;
	pool("vm", PHASE_ACTIVE, NULL);
	judge(200);
	CHECK(v.done);
	CHECK_INT(v.missing, 2);
	CHECK_INT(v.action, ONFAIL_SHELL);
	CHECK_STR(line(200), "pools 1/1 active in 100 ms, required but not defined: nowhere, neither");
	policy_judge(&policy, pools, false, BEGAN + 200, &v); /* its definition may still come */
	CHECK(!v.done);
	CHECK_INT(v.missing, 0);
}

static void hung_and_half_started_pools_are_not_active(void)
{
	static const enum phase not_up[] = { PHASE_INACTIVE, PHASE_CHECKING, PHASE_WAITING, PHASE_STARTING,
		                             PHASE_HUNG,     PHASE_RETRYING, PHASE_FAILED,  PHASE_STOPPING };

	for (size_t i = 0; i < ARRAY_LEN(not_up); i++) {
		begin();
		pool("x", not_up[i], NULL)->def.boot.require = 1;
		judge(SECONDS(100));
		CHECK_INT(v.active, 0);
		CHECK_INT(v.missing, 1);
	}
	begin();
	pool("x", PHASE_DEGRADED, "one path is down")->def.boot.require = 1;
	judge(SECONDS(100));
	CHECK_INT(v.active, 1);
	CHECK_INT(v.missing, 0);
}

static void a_root_is_waited_for_and_then_missing(void)
{
	begin();
	policy.needs_root = true;
	policy.no_root = "LABEL=A: no device holds it now";
	pool("a", PHASE_ACTIVE, NULL);
	judge(SECONDS(1000)); /* the search has its own clock */
	CHECK(!v.done);
	CHECK_STR(state(false, false), "starting");
	CHECK(strstr(line(200), ", no root: LABEL=A: no device holds it now"));
	policy.root_failed = true;
	policy.onfail = ONFAIL_REBOOT;
	judge(200);
	CHECK(v.done);
	CHECK_INT(v.missing, 1);
	CHECK_INT(v.action, ONFAIL_REBOOT);
	CHECK_STR(state(true, false), "failed");
}

static void with_a_root_only_required_pools_are_waited_for(void)
{
	begin();
	policy.needs_root = true;
	pool("late", PHASE_WAITING, "no device");
	judge(20);
	CHECK(v.done);
	CHECK_INT(v.missing, 0);
	pool("vm", PHASE_WAITING, "no device")->def.boot.require = 1;
	judge(20);
	CHECK(!v.done);
}

static void a_timeout_for_ever_does_not_wrap(void)
{
	begin();
	policy.timeout = NEVER;
	pool("vm", PHASE_WAITING, NULL)->def.boot.require = 1;
	judge(SECONDS(1000000));
	CHECK(!v.done);
	CHECK(v.look_again == NEVER);
}

static void the_line_names_all_and_cuts_long_reasons(void)
{
	char longest[400];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	begin();
	pool("a", PHASE_WAITING, longest);
	pool("b", PHASE_STARTING, NULL);
	pool("c", PHASE_WAITING, NULL)->reason.waits_for = (char *)(uintptr_t) "device=/dev/sdx";
	const char *text = line(1);
	CHECK(strlen(text) < 300);
	CHECK(strstr(text, "xxx…), b (starting), c (device=/dev/sdx)") != NULL);
}

int main(void)
{
	RUN(no_pools_is_over_at_once);
	RUN(not_before_the_definitions_are_read);
	RUN(all_active_is_over_and_timed_by_the_last);
	RUN(pools_that_nobody_requires_hold_boot_up_while_things_move);
	RUN(a_permanent_failure_holds_nothing_up);
	RUN(unwanted_pools_count_for_nothing);
	RUN(required_pools_have_until_the_deadline);
	RUN(a_required_pool_that_failed_for_good_is_not_waited_for);
	RUN(a_required_pool_that_failed_for_what_may_change_has_until_its_deadline);
	RUN(a_degraded_pool_is_active_but_the_machine_is_degraded);
	RUN(a_required_pool_counts_even_if_it_is_not_to_be_started);
	RUN(a_definition_may_have_its_own_deadline_and_policy);
	RUN(require_no_in_a_definition_requires_nothing);
	RUN(the_most_drastic_policy_of_those_missing_wins);
	RUN(a_required_pool_that_nobody_defines_is_missing);
	RUN(hung_and_half_started_pools_are_not_active);
	RUN(a_root_is_waited_for_and_then_missing);
	RUN(with_a_root_only_required_pools_are_waited_for);
	RUN(a_timeout_for_ever_does_not_wrap);
	RUN(the_line_names_all_and_cuts_long_reasons);
	return check_done();
}
