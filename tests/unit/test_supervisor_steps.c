/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The supervisor in this process, with real workers below it: requests that cross each other, operations that
 * end in the wrong moment. The one thing that is faked is fork(2), which can be told to fail.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include "base/log.h"
#include "supervised.h"

static struct ask three;
static int forks_to_fail;

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (forks_to_fail > 0) {
		forks_to_fail--;
		errno = EAGAIN;
		return -1;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

/* ---- requests that cross ---- */

static void a_stop_before_the_first_step_is_answered(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0);
	CHECK(until(both_told));
	CHECK_INT(one.class, ERR_STATE);
	CHECK_INT(two.class, ERR_NONE);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	end();
}

static void a_stop_while_no_worker_can_be_forked_is_answered(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	forks_to_fail = 1000;
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0 && until(one_told));
	CHECK_INT(one.class, ERR_LIMIT);
	CHECK_INT(pool("a")->phase, PHASE_RETRYING);
	CHECK(!pool("a")->work.worker);
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0);
	CHECK(until(both_told));
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	forks_to_fail = 0;
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0 && until(one_told));
	CHECK_INT(one.class, ERR_NONE);
	end();
}

static void a_start_that_could_not_be_forked_happens_later(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	forks_to_fail = 1;
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
	CHECK(until(one_told));
	CHECK_INT(one.class, ERR_LIMIT);
	CHECK(until(a_is_up));
	end();
}

/* ---- changes of definitions ---- */

static struct worker *worker_of(const char *what)
{
	struct worker *w = env.s->workers;

	while (w && !streq(w->task.what, what))
		w = w->next;
	return w;
}

static bool it_keeps(void)
{
	return worker_of("keep-definition") != NULL;
}
static bool it_does_not_keep(void)
{
	return !it_keeps();
}

static int ask_to_define(const char *name, struct ask *a)
{
	struct err e = { 0 };
	char xml[2048];

	snprintf(xml, sizeof(xml),
	         "<pool type='dir'><name>%s</name><target><path>%s/%s</path></target></pool>", name, env.dir,
	         name);
	return pool_define(env.s, &(struct define_order){ .xml = xml, .xml_len = strlen(xml) }, asked(a), &e);
}

/* While a writer that is too late is being ended it may still write: neither the sweep nor the next change
 * begins before it has gone. */
static void a_change_waits_for_the_end_of_the_last_ones_worker(void)
{
	pid_t pid = 0;

	begin();
	launch();
	CHECK(ask_to_define("a", &one) == 0 && until(it_keeps));
	if (it_keeps()) {
		pid = worker_of("keep-definition")->pid;
		kill(pid, SIGSTOP); /* TERM does not end it, KILL does */
		loop_arm(&env.loop, &worker_of("keep-definition")->deadline, 0);
	}
	CHECK(ask_to_define("b", &two) == 0);
	for (uint64_t end = clock_ms() + SECONDS(10);
	     it_keeps() && worker_of("keep-definition")->pid == pid && clock_ms() < end;) {
		CHECK(!worker_of("sweep-definitions"));
		CHECK(!worker_of("compare"));
		round_once();
	}
	CHECK(until(both_told));
	CHECK_INT(one.class, ERR_TIMEOUT);
	CHECK_INT(two.class, ERR_NONE);
	CHECK(until(it_does_not_keep));
	end();
}

/* ---- no process left ---- */

static void what_cannot_be_forked_of_an_active_pool_is_refused(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0 && until(one_told));
	CHECK_INT(one.class, ERR_NONE);
	waiting_free(env.s); /* the worker that waits would do one operation more */
	forks_to_fail = 1000;
	CHECK(pool_refresh(pool("a"), 0, asked(&one), &e) == 0 && until(one_told));
	CHECK_INT(one.class, ERR_LIMIT);
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0 && until(two_told));
	CHECK_INT(two.class, ERR_LIMIT);
	CHECK(pool("a")->phase == PHASE_ACTIVE && pool("a")->want.active);
	forks_to_fail = 0;
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0 && until(two_told));
	CHECK_INT(two.class, ERR_NONE);
	end();
}

/* Whoever asks during a refresh waits for the next one; the first does not have to. And the longest time that
 * was asked for holds. */
static void refreshes_that_come_one_on_the_other_are_all_answered(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0 && until(one_told));
	CHECK(pool_refresh(pool("a"), SECONDS(90), asked(&one), &e) == 0);
	CHECK(pool_refresh(pool("a"), SECONDS(2), asked(&two), &e) == 0);
	CHECK_INT(pool_refresh_time(pool("a")), SECONDS(90));
	waiter_withdraw(&two.w);
	CHECK(until(a_has_a_worker));
	CHECK_INT(pool("a")->work.worker->task.timeout, SECONDS(90));
	CHECK(pool_refresh(pool("a"), 0, asked(&two), &e) == 0);
	CHECK_INT(pool_refresh_time(pool("a")), DEADLINE_REFRESH);
	CHECK(until(one_told));
	CHECK_INT(one.class, ERR_NONE);
	CHECK_INT(two.told, 0);
	CHECK(until(two_told));
	CHECK_INT(two.class, ERR_NONE);
	end();
}

static void a_stop_while_it_is_being_started_leaves_it_stopped(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
	CHECK(until(a_has_a_worker) && pool("a")->phase == PHASE_STARTING);
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0);
	CHECK_INT(one.told, 1);
	CHECK(until(both_told) && until(no_workers));
	CHECK_INT(two.class, ERR_NONE);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	CHECK_INT(pool("a")->work.stuck, 0);
	end();
}

static void two_stops_are_both_answered(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", true);
	launch();
	CHECK(until(a_refreshed));
	CHECK(pool_stop(pool("a"), 0, asked(&one), &e) == 0);
	CHECK(until(a_has_a_worker));
	CHECK(pool_stop(pool("a"), 0, asked(&two), &e) == 0);
	CHECK(until(both_told));
	CHECK_INT(one.class, ERR_NONE);
	CHECK_INT(two.class, ERR_NONE);
	end();
}

static void a_refresh_asked_for_during_another_sees_what_came_between(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", true);
	launch();
	CHECK(until(a_refreshed));
	CHECK(pool_refresh(pool("a"), 0, asked(&one), &e) == 0);
	CHECK(until(a_has_a_worker));
	pid_t reader = worker_pid("refresh");
	CHECK(reader > 0);
	waitid(P_PID, (id_t)reader, &(siginfo_t){ 0 },
	       WEXITED | WNOWAIT); /* it has read the directory; we have not heard yet */
	fixture(env.dir, "x", "a/fresh.img");
	CHECK(pool_refresh(pool("a"), 0, asked(&two), &e) == 0);
	CHECK(until(both_told));
	size_t len;
	CHECK(volume_find(pool("a"), "fresh.img", &len) != NULL);
	CHECK_INT(two.class, ERR_NONE);
	end();
}

static void the_time_given_to_one_operation_is_not_anothers(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
	CHECK(until(a_has_a_worker) && pool("a")->phase == PHASE_STARTING);
	CHECK(pool_start(pool("a"), 1, false, asked(&two), &e) == 0);
	CHECK(until(both_told));
	CHECK_INT(pool("a")->phase, PHASE_ACTIVE);
	CHECK(pool_has_index(pool("a"))); /* the refresh had its own time */
	end();
}

/* ---- definitions ---- */

static int ask_define(const char *xml, struct ask *a)
{
	struct err e = { 0 };

	return pool_define(env.s, &(struct define_order){ .xml = xml, .xml_len = strlen(xml) }, asked(a), &e);
}

static bool is_keeping(void)
{
	return worker_pid("keep-definition") > 0;
}
static bool none_is_parsing(void)
{
	return worker_pid("parse") == 0;
}

static void two_definitions_with_one_source_leave_one_file(void)
{
	begin();
	launch();
	CHECK(ask_define(xml_of("a", "/same"), &one) == 0);
	CHECK(ask_define(xml_of("b", "/same"), &two) == 0);
	CHECK(until(is_keeping));
	pid_t keeper = worker_pid("keep-definition");
	kill(keeper, SIGSTOP); /* the second comes while the first is being written */
	CHECK(until(none_is_parsing));
	kill(keeper, SIGCONT);
	CHECK(until(both_told) && until(no_workers));
	CHECK_INT((one.class == ERR_NONE) + (two.class == ERR_NONE), 1);
	CHECK_INT((one.class == ERR_CONFLICT) + (two.class == ERR_CONFLICT), 1);
	CHECK_INT(file_exists("%s/config/storage/%s.xml", "a"), pool("a") != NULL);
	CHECK_INT(file_exists("%s/config/storage/%s.xml", "b"), pool("b") != NULL);
	end();
}

/* Whatever the order in which their workers end: what is on disk is what is defined. */
static void define_and_undefine_at_once_leave_one_truth(void)
{
	struct err e = { 0 };

	for (int i = 0; i < 6; i++) {
		begin();
		make_dir("a");
		launch();
		CHECK(ask_define(xml_of("a", "/a"), &one) == 0 && until(one_told));
		if (i % 2 == 0) {
			CHECK(ask_define(xml_of("a", "/b"), &one) == 0);
			for (int k = 0; k < i; k++)
				round_once();
			if (pool("a"))
				CHECK(pool_undefine(pool("a"), asked(&two), &e) == 0);
		} else {
			CHECK(pool_undefine(pool("a"), asked(&two), &e) == 0);
			for (int k = 1; k < i; k++)
				round_once();
			CHECK(ask_define(xml_of("a", "/b"), &one) == 0);
		}
		if (pool("a"))
			CHECK(pool_set_autostart(pool("a"), true, asked(&three), &e) == 0);
		CHECK(until(both_told) && until(no_workers));
		CHECK_INT(file_exists("%s/config/storage/%s.xml", "a"), pool("a") != NULL);
		if (file_exists("%s/config/storage/autostart/%s.xml", "a"))
			CHECK(pool("a") && pool("a")->def.autostart);
		end();
	}
}

static bool a_has_no_worker(void)
{
	return !pool("a")->work.worker;
}
/* The worker of a start of "a" is stopped before it has answered: what it has said counts. */
static void hold_a_start(void)
{
	struct pollfd p = { .events = POLLIN };
	struct err e = { 0 };
	siginfo_t end;
	do {
		CHECK(until(a_has_no_worker) && pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
		CHECK(until(a_has_a_worker));
		p.fd = pool("a")->work.worker->output.fd;
		kill(pool("a")->work.worker->pid, SIGSTOP);
		waitid(P_PID, (id_t)pool("a")->work.worker->pid, &end, WSTOPPED | WEXITED | WNOWAIT);
	} while (poll(&p, 1, 0) > 0 && kill(pool("a")->work.worker->pid, SIGCONT) == 0);
}

static void a_better_definition_is_used_by_the_next_attempt(void)
{
	begin();
	make_dir("there");
	launch();
	CHECK(ask_define(xml_of("a", "/not-there"), &one) == 0 && until(one_told));
	hold_a_start();
	CHECK(ask_define(xml_of("a", "/there"), &two) == 0);
	CHECK(until(two_told));
	CHECK_INT(two.class, ERR_NONE);
	CHECK(pool("a")->def.next_xml != NULL);
	kill(pool("a")->work.worker->pid, SIGCONT);
	CHECK(until(a_active));
	CHECK(!pool("a")->def.next_xml);
	end();
}

static void a_better_definition_is_tried_at_once(void)
{
	struct err e = { 0 };

	begin();
	make_dir("there");
	launch();
	CHECK(ask_define(xml_of("a", "/not-there"), &one) == 0 && until(one_told));
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0);
	CHECK(until(a_waits));
	CHECK(ask_define(xml_of("a", "/there"), &two) == 0);
	CHECK(until(a_active));
	end();
}

static bool a_waits_for_out(void)
{
	return a_waits() && streq(pool("a")->reason.waits_for, "pool=out");
}
static bool z_active(void)
{
	return in_phase("z", PHASE_ACTIVE);
}

/* An event comes while a worker looks, which has another look follow. That one fails before its worker
 * begins, for now there is a pool outside that is not active: the event is spent with it, and the pools
 * behind have their turn. */
static void an_event_has_one_more_look_follow_and_not_one_after_the_other(void)
{
	struct err e = { 0 };

	begin();
	make_dir("z");
	define("a", "/out/a", false);
	define("out", "/out", false);
	define("z", "/z", false);
	launch();
	hold_a_start();
	supervisor_device_event(env.s, "vda");
	CHECK(pool("a")->tries.came);
	CHECK(pool_start(pool("out"), 0, false, asked(&two), &e) == 0 && until(two_told));
	kill(pool("a")->work.worker->pid, SIGCONT);
	CHECK(until(a_waits_for_out));
	unsigned attempts = pool("a")->tries.attempts;
	CHECK(pool_start(pool("z"), 0, false, asked(&three), &e) == 0 && until(z_active));
	for (int n = 0; n < 5; n++)
		round_once();
	CHECK(a_waits() && pool("a")->tries.attempts <= attempts);
	end();
}

/* ---- reading definitions ---- */

static bool has_a(void)
{
	return pool("a") != NULL;
}

static void a_killed_reader_loses_no_definition(void)
{
	begin();
	make_dir("a");
	define("a", "/a", true);
	launch_only();
	for (struct worker *w = env.s->workers; w; w = w->next)
		kill(w->pid, SIGKILL);
	CHECK(until(has_a));
	CHECK(until(a_active));
	end();
}

static void a_reader_that_cannot_be_forked_comes_later(void)
{
	begin();
	make_dir("a");
	define("a", "/a", true);
	forks_to_fail = 2;
	launch_only();
	CHECK(until(a_active));
	end();
}

/* ---- those who wait ---- */

static struct ask chain[4];

static void withdraw_all(struct waiter *w, const struct result *r)
{
	told(w, r);
	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		waiter_withdraw(&chain[i].w);
}

static void who_is_told_may_withdraw_the_others(void)
{
	struct err e = { 0 };
	unsigned sum = 0;

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
		asked(&chain[i])->done = withdraw_all;
		CHECK(pool_wait(pool("a"), 1U << PHASE_ACTIVE, clock_ms() + SECONDS(9), &chain[i].w, &e) ==
		      0);
	}
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) == 0 && until(one_told));
	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		sum += chain[i].told;
	CHECK_INT(sum, 1);
	for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
		asked(&chain[i])->done = withdraw_all;
		CHECK(pool_refresh(pool("a"), 0, &chain[i].w, &e) == 0);
	}
	CHECK(until(no_workers));
	for (sum = 0; sum == 0;) {
		round_once();
		for (size_t i = 0; i < ARRAY_LEN(chain); i++)
			sum += chain[i].told;
	}
	CHECK_INT(sum, 1);
	end();
}

static void those_who_wait_for_a_pool_hear_that_it_is_gone(void)
{
	struct err e = { 0 };

	begin();
	define("a", "/a", false);
	launch();
	CHECK(pool_wait(pool("a"), 1U << PHASE_ACTIVE, NEVER, asked(&one), &e) == 0);
	CHECK(pool_undefine(pool("a"), asked(&two), &e) == 0);
	CHECK(until(both_told));
	CHECK_INT(one.class, ERR_NO_POOL);
	CHECK_INT(two.class, ERR_NONE);
	end();
}

static void a_refresh_of_what_has_stopped_after_all_is_refused(void)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", true);
	launch();
	CHECK(until(a_refreshed));
	pool("a")->tries.stop_tried = clock_ms();
	fixture_path(path, "%s/a", env.dir);
	fixture_remove(path);
	CHECK(pool_refresh(pool("a"), 0, asked(&one), &e) == 0 && until(one_told));
	CHECK_INT(one.class, ERR_STORAGE);
	CHECK(in_phase("a", PHASE_INACTIVE) && strstr(one.text, "has happened after all"));
	end();
}

int main(void)
{
	log_set("error", NULL);
	alarm(120);
	RUN(a_stop_before_the_first_step_is_answered);
	RUN(a_stop_while_no_worker_can_be_forked_is_answered);
	RUN(a_start_that_could_not_be_forked_happens_later);
	RUN(a_change_waits_for_the_end_of_the_last_ones_worker);
	RUN(what_cannot_be_forked_of_an_active_pool_is_refused);
	RUN(refreshes_that_come_one_on_the_other_are_all_answered);
	RUN(a_stop_while_it_is_being_started_leaves_it_stopped);
	RUN(two_stops_are_both_answered);
	RUN(a_refresh_asked_for_during_another_sees_what_came_between);
	RUN(the_time_given_to_one_operation_is_not_anothers);
	RUN(two_definitions_with_one_source_leave_one_file);
	RUN(define_and_undefine_at_once_leave_one_truth);
	RUN(a_better_definition_is_used_by_the_next_attempt);
	RUN(a_better_definition_is_tried_at_once);
	RUN(an_event_has_one_more_look_follow_and_not_one_after_the_other);
	RUN(a_killed_reader_loses_no_definition);
	RUN(a_reader_that_cannot_be_forked_comes_later);
	RUN(who_is_told_may_withdraw_the_others);
	RUN(those_who_wait_for_a_pool_hear_that_it_is_gone);
	RUN(a_refresh_of_what_has_stopped_after_all_is_refused);
	return check_done();
}
