/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The supervisor in this process, with real workers below it: requests that cross each other, operations that end in the wrong moment,
 * files of an earlier supervisor. The one thing that is faked is fork(2), which can be told to fail.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/waiting.h"

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

/* ---- a supervisor below a directory of its own ---- */

static struct {
	char dir[64], config[PATH_MAX], run[PATH_MAX];
	struct loop loop;
	struct supervisor *s;
	struct supervisor_options options;
} env;

static void begin(void)
{
	char root[PATH_MAX];

	fixture_make(root);
	snprintf(env.dir, sizeof(env.dir), "%.63s", root);
	fixture_path(env.config, "%s/config", env.dir);
	fixture_path(env.run, "%s/run", env.dir);
	fixture(env.config, "", "storage/autostart/.keep");
	env.options = (struct supervisor_options){ .config_dir = env.config, .run_dir = env.run };
}

static void round_once(void)
{
	loop_round(&env.loop, clock_ms() + 50);
}

static bool settled(void)
{
	return env.s->moving && supervisor_sources_read(env.s);
}

/* Rounds of the loop until it is so; false: not within ten seconds. */
static bool until(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + SECONDS(10);

	while (!condition() && clock_ms() < deadline)
		round_once();
	return condition();
}

static void launch_only(void)
{
	struct err e = { 0 };

	CHECK(loop_init(&env.loop, &e) == 0);
	env.s = supervisor_new(&env.loop, &env.options, &e);
	CHECK(env.s && supervisor_add_source(env.s, SOURCE_DIRECTORY, env.config, NULL, &e) == 0);
	supervisor_go(env.s);
}

static void launch(void)
{
	launch_only();
	CHECK(until(settled));
}

/* As if it had been killed: nothing is stopped, nothing is said. */
static void kill_it(void)
{
	supervisor_free(env.s);
	loop_close(&env.loop);
	env.s = NULL;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void end(void)
{
	forks_to_fail = 0;
	kill_it();
	fixture_remove(env.dir);
}

static void define(const char *name, const char *target, bool autostart)
{
	char xml[2048], file[300], to[300];

	snprintf(xml, sizeof(xml), "<pool type='dir'><name>%s</name><target><path>%s%s</path></target></pool>", name, env.dir, target);
	snprintf(file, sizeof(file), "storage/%s.xml", name);
	fixture(env.config, xml, "%s", file);
	snprintf(to, sizeof(to), "storage/autostart/%s.xml", name);
	if (autostart)
		fixture_link(env.config, file, to);
}

static void make_dir(const char *name)
{
	fixture(env.dir, "", "%s/.keep", name);
}

static struct pool *pool(const char *name)
{
	return pool_by_name(env.s, name);
}

static bool a_has_a_worker(void) { return pool("a")->work.worker; }

static bool in_phase(const char *name, enum phase phase)
{
	const struct pool *p = pool(name);

	return p && p->phase == phase;
}

static bool file_exists(const char *fmt, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), fmt, env.dir, name) < 0)
		return false;
	return access(path, F_OK) == 0;
}

static pid_t worker_pid(const char *what)
{
	struct worker_view v;

	for (size_t i = 0; worker_at(env.s, i, &v); i++)
		if (streq(v.what, what) && !v.abandoned)
			return v.pid;
	return 0;
}

/* ---- those who ask ---- */

struct ask {
	struct waiter w;
	unsigned told;
	enum err_class class;
	char text[800];
};
static struct ask one, two, three;

static void told(struct waiter *w, const struct result *r)
{
	struct ask *a = w->owner;

	a->told++;
	a->class = r->err ? r->err->class : ERR_NONE;
	snprintf(a->text, sizeof(a->text), "%s", r->err ? r->err->message : "");
}

static struct waiter *asked(struct ask *a)
{
	*a = (struct ask){ .w = { .done = told, .owner = a } };
	return &a->w;
}

static bool one_told(void) { return one.told > 0; }
static bool two_told(void) { return two.told > 0; }
static bool a_is_up(void) { return in_phase("a", PHASE_ACTIVE); }
static bool both_told(void) { return one.told > 0 && two.told > 0; }
static bool no_workers(void) { return !env.s->workers && (!env.loop.timers || env.loop.timers->deadline > clock_ms()); }
static bool a_works(void) { return pool("a") && pool("a")->work.worker; }
static bool a_active(void) { return in_phase("a", PHASE_ACTIVE); }
static bool a_refreshed(void) { return a_active() && pool_has_index(pool("a")) && !pool("a")->work.worker; }

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

static bool it_keeps(void) { return worker_of("keep-definition") != NULL; }
static bool it_does_not_keep(void) { return !it_keeps(); }

static int ask_to_define(const char *name, struct ask *a)
{
	struct err e = { 0 };
	char xml[2048];

	snprintf(xml, sizeof(xml), "<pool type='dir'><name>%s</name><target><path>%s/%s</path></target></pool>", name, env.dir, name);
	return pool_define(env.s, &(struct define_order){ .xml = xml, .xml_len = strlen(xml) }, asked(a), &e);
}

/* While a writer that is too late is being ended it may still write: neither the sweep nor the next change begins before it has gone. */
static void a_change_waits_for_the_end_of_the_last_ones_worker(void)
{
	pid_t pid = 0;

	begin();
	launch();
	CHECK(ask_to_define("a", &one) == 0 && until(it_keeps));
	if (it_keeps()) {
		pid = worker_of("keep-definition")->pid;
		kill(pid, SIGSTOP);                     /* TERM does not end it, KILL does */
		loop_arm(&env.loop, &worker_of("keep-definition")->deadline, 0);
	}
	CHECK(ask_to_define("b", &two) == 0);
	for (uint64_t end = clock_ms() + SECONDS(10); it_keeps() && worker_of("keep-definition")->pid == pid && clock_ms() < end;) {
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

/* Whoever asks during a refresh waits for the next one; the first does not have to. And the longest time that was asked for holds. */
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
	waitid(P_PID, (id_t)reader, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);     /* it has read the directory; we have not heard yet */
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
	CHECK(pool_has_index(pool("a")));           /* the refresh had its own time */
	end();
}

/* ---- definitions ---- */

static int ask_define(const char *xml, struct ask *a)
{
	struct err e = { 0 };

	return pool_define(env.s, &(struct define_order){ .xml = xml, .xml_len = strlen(xml) }, asked(a), &e);
}

static const char *xml_of(const char *name, const char *target)
{
	static char xml[4][2048];
	static unsigned i;
	char *out = xml[i++ % 4];

	snprintf(out, 2048, "<pool type='dir'><name>%s</name><uuid>11111111-2222-3333-4444-%012x</uuid><target><path>%s%s</path></target></pool>",
		 name, (unsigned)name[0], env.dir, target);
	return out;
}

static bool is_keeping(void) { return worker_pid("keep-definition") > 0; }
static bool none_is_parsing(void) { return worker_pid("parse") == 0; }

static void two_definitions_with_one_source_leave_one_file(void)
{
	begin();
	launch();
	CHECK(ask_define(xml_of("a", "/same"), &one) == 0);
	CHECK(ask_define(xml_of("b", "/same"), &two) == 0);
	CHECK(until(is_keeping));
	pid_t keeper = worker_pid("keep-definition");
	kill(keeper, SIGSTOP);          /* the second comes while the first is being written */
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

static bool a_waits(void) { return in_phase("a", PHASE_WAITING); }
static bool a_has_no_worker(void) { return !pool("a")->work.worker; }
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

/* ---- an earlier supervisor's files ---- */

static void state_file(const char *name, const char *text)
{
	fixture(env.run, text, "state/%s", name);
}

static void what_was_stopping_is_not_left_active(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	CHECK(until(a_works));
	CHECK_INT(pool("a")->phase, PHASE_CHECKING);
	CHECK(pool_stop(pool("a"), 0, asked(&one), &e) == 0);
	CHECK(until(one_told));
	CHECK_INT(one.class, ERR_NONE);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	CHECK(pool("a")->times.nstages > 0);
	end();
}

static bool over;
static unsigned stops_seen;

static void on_over(void *arg)
{
	(void)arg;
	over = true;
}

static bool is_over(void) { return over; }

static void count_stops(struct listener *l, struct pool *p, enum phase from)
{
	(void)l, (void)from;
	stops_seen += p->phase == PHASE_STOPPING;
}

static void shutdown_stops_what_is_being_looked_at(void)
{
	struct listener l = { .on_phase = count_stops };

	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	listener_add(env.s, &l);
	CHECK(until(a_works));
	over = false;
	stops_seen = 0;
	supervisor_shutdown(env.s, clock_ms() + SECONDS(8), on_over, NULL);
	CHECK(until(is_over));
	CHECK_INT(stops_seen, 1);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	listener_remove(env.s, &l);
	end();
}

static void a_killed_check_does_not_lose_the_pool(void)
{
	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	CHECK(until(a_works));
	kill(pool("a")->work.worker->pid, SIGKILL);
	CHECK(until(a_refreshed));
	end();
}

static void a_transient_pool_that_was_stopping_is_forgotten(void)
{
	char text[2048];

	begin();
	snprintf(text, sizeof(text), "- state=t want=inactive active=yes transient=yes\n%s", xml_of("t", "/gone"));
	state_file("t", text);
	launch();
	CHECK(until(no_workers));
	CHECK(!pool("t"));
	CHECK(!file_exists("%s/run/state/%s", "t"));
	end();
}

static void a_transient_pool_that_was_retried_is_kept(void)
{
	char text[2048];

	begin();
	snprintf(text, sizeof(text), "- state=a want=active active=no transient=yes\n%s", xml_of("a", "/not-yet"));
	state_file("a", text);
	launch();
	CHECK(until(a_waits));
	end();
}

static bool other_refreshed(void) { return in_phase("other", PHASE_ACTIVE) && no_workers(); }

/* One file that is no state must cost no other pool its own. */
static void garbage_in_the_state_directory_harms_nobody(void)
{
	static const char *const garbage[] = {
		"= 99999\n", "OK\n", "ERR 900 internal \"made up\"\n", "\n\n", "- state=z want=active", "\x01\xff\xfe\n", "- state\n", "- pool=x\n",
		"- problem=x\n", "- state=a want=active active=yes\n= 12\n", "- state=other want=inactive active=no\n",
	};
	char name[16];

	begin();
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		snprintf(name, sizeof(name), "A%02zu", i);
		state_file(name, garbage[i]);
	}
	fixture(env.run, "", "state/directory/in/it");
	make_dir("other");
	define("other", "/other", false);
	state_file("other", "- state=other want=active active=yes\n");
	launch();
	CHECK(until(other_refreshed));
	CHECK(pool("other") && pool("other")->want.active);
	for (const struct pool *p = pool_first(env.s); p; p = p->next)
		CHECK_STR(p->name, "other");
	end();
}

static bool nothing_moves(void)
{
	bool moves = !no_workers();

	for (const struct pool *p = pool_first(env.s); p; p = p->next)
		moves |= p->tries.due || p->phase == PHASE_CHECKING || p->phase == PHASE_STARTING;
	return !moves;
}

static void states_of_pools_with_odd_names_do_not_mix(void)
{
	static const char *const names[] = { "a", "a.new", "b\"q", "new", "ü ö", "x.xml" };
	struct err e = { 0 };

	begin();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char target[300];

		snprintf(target, sizeof(target), "/t%zu", i);
		make_dir(target + 1);
		define(names[i], target, false);
	}
	launch();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK(pool_start(pool(names[i]), 0, false, asked(&one), &e) == 0 && until(one_told));
		CHECK_INT(one.class, ERR_NONE);
	}
	/* "a" changes last: its file is written when all the others are there */
	CHECK(pool_stop(pool("a"), 0, asked(&one), &e) == 0 && until(one_told));
	kill_it();
	launch();
	CHECK(until(nothing_moves));
	for (size_t i = 1; i < ARRAY_LEN(names); i++) {
		CHECK(pool(names[i]) && pool(names[i])->want.recalled);
		CHECK(in_phase(names[i], PHASE_ACTIVE));
	}
	CHECK(in_phase("a", PHASE_INACTIVE));
	end();
}

/* ---- reading definitions ---- */

static bool has_a(void) { return pool("a") != NULL; }

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
		CHECK(pool_wait(pool("a"), 1U << PHASE_ACTIVE, clock_ms() + SECONDS(9), &chain[i].w, &e) == 0);
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

/* ---- shutdown in every phase ---- */

static void shutdown_ends_whatever_the_pools_do(void)
{
	for (int rounds = 0; rounds < 8; rounds++) {
		begin();
		for (int i = 0; i < 6; i++) {
			char name[16], target[16];

			snprintf(name, sizeof(name), "p%d", i);
			snprintf(target, sizeof(target), "/d%d", i);
			if (i != 3)
				make_dir(target + 1);
			define(name, target, i != 5);
		}
		launch();
		for (int i = 0; i < rounds; i++)
			round_once();
		over = false;
		uint64_t began = clock_ms();
		supervisor_shutdown(env.s, began + SECONDS(8), on_over, NULL);
		CHECK(until(is_over));
		CHECK(clock_ms() - began < SECONDS(6));
		for (const struct pool *p = pool_first(env.s); p; p = p->next)
			CHECK_INT(p->phase, PHASE_INACTIVE);
		end();
	}
}

static void nothing_starts_after_shutdown(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	over = false;
	supervisor_shutdown(env.s, clock_ms() + SECONDS(8), on_over, NULL);
	CHECK(until(is_over));
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) < 0);
	supervisor_device_event(env.s, NULL);
	supervisor_network_event(env.s);
	CHECK(supervisor_add_source(env.s, SOURCE_XML, "(late)", xml_of("l", "/a"), &e) == 0);
	CHECK(until(no_workers));
	round_once();
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	CHECK(!pool("l") || pool("l")->phase == PHASE_INACTIVE);
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
	RUN(a_stop_before_the_first_step_is_answered); RUN(a_stop_while_no_worker_can_be_forked_is_answered);
	RUN(a_start_that_could_not_be_forked_happens_later);
	RUN(what_cannot_be_forked_of_an_active_pool_is_refused);
	RUN(refreshes_that_come_one_on_the_other_are_all_answered);
	RUN(a_change_waits_for_the_end_of_the_last_ones_worker);
	RUN(a_stop_while_it_is_being_started_leaves_it_stopped); RUN(two_stops_are_both_answered);
	RUN(a_refresh_asked_for_during_another_sees_what_came_between);
	RUN(the_time_given_to_one_operation_is_not_anothers);
	RUN(two_definitions_with_one_source_leave_one_file); RUN(define_and_undefine_at_once_leave_one_truth);
	RUN(a_better_definition_is_used_by_the_next_attempt); RUN(a_better_definition_is_tried_at_once);
	RUN(what_was_stopping_is_not_left_active); RUN(shutdown_stops_what_is_being_looked_at);
	RUN(a_killed_check_does_not_lose_the_pool); RUN(a_transient_pool_that_was_stopping_is_forgotten);
	RUN(a_transient_pool_that_was_retried_is_kept); RUN(garbage_in_the_state_directory_harms_nobody);
	RUN(states_of_pools_with_odd_names_do_not_mix); RUN(a_killed_reader_loses_no_definition);
	RUN(a_reader_that_cannot_be_forked_comes_later); RUN(who_is_told_may_withdraw_the_others);
	RUN(those_who_wait_for_a_pool_hear_that_it_is_gone); RUN(shutdown_ends_whatever_the_pools_do);
	RUN(nothing_starts_after_shutdown); RUN(a_refresh_of_what_has_stopped_after_all_is_refused);
	return check_done();
}
