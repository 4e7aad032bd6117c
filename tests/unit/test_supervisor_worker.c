/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Workers and companion programs that misbehave: the loop goes on, whoever asked is told once, and nothing is
 * left.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "log_text.h"
#include "fixture.h"
#include "supervisor/companions/companions.h"

/* what must happen has so long, however busy the machine is: nobody waits for the end of it */
#define PATIENCE SECONDS(60)

static struct loop loop;
static struct supervisor *s;
static char dir[PATH_MAX], run[PATH_MAX];

static bool none_left(void)
{
	return !s->workers;
}

static bool until(bool (*condition)(void), uint64_t ms)
{
	uint64_t deadline = clock_ms() + ms;

	while (!condition() && clock_ms() < deadline)
		loop_round(&loop, clock_ms() + 20);
	return condition();
}

static void begin(void)
{
	struct supervisor_options o = { .run_dir = run };
	struct err e = { 0 };

	fixture_make(dir);
	fixture_path(run, "%s/run", dir);
	CHECK(loop_init(&loop, &e) == 0);
	s = supervisor_new(&loop, &o, &e);
	CHECK(s && until(none_left, PATIENCE));
}

static void end(void)
{
	supervisor_free(s);
	loop_close(&loop);
	fixture_remove(dir);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* ---- one job, and what is heard of it ---- */

static struct {
	unsigned done, gone, records;
	bool left;
	struct err err;
	uint64_t at, gone_at;
} heard;

static void on_done(struct worker *w, const struct err *e, bool left)
{
	(void)w;
	heard.done++;
	heard.left = left;
	heard.err = e ? *e : (struct err){ 0 };
	heard.at = clock_ms();
}

static void on_gone(struct worker *w)
{
	(void)w;
	heard.gone++;
	heard.gone_at = clock_ms();
}

static void on_record(struct worker *w, const struct line *l)
{
	(void)w;
	heard.records += line_has(l, "x");
}

static bool is_done(void)
{
	return heard.done > 0;
}
static bool is_gone(void)
{
	return heard.gone > 0;
}

static struct worker *work(int (*body)(struct worker_io *io, void *arg, struct err *e), uint64_t timeout)
{
	struct task task = { .what = "test",
		             .run = body,
		             .timeout = timeout,
		             .on_done = on_done,
		             .on_gone = on_gone,
		             .on_record = on_record };
	struct err e = { 0 };

	memset(&heard, 0, sizeof(heard));
	return worker_start(s, &task, &e);
}

static void say(struct worker_io *io, const char *text)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, text);
	worker_send(io, &b);
	buf_free(&b);
}

/* The loop's own pulse: the longest pause between two of its beats. */
static struct {
	struct timer timer;
	uint64_t last, longest;
} pulse;

static void beat(struct timer *t)
{
	uint64_t now = clock_ms();

	if (now - pulse.last > pulse.longest)
		pulse.longest = now - pulse.last;
	pulse.last = now;
	loop_arm(&loop, t, now + 5);
}

static void pulse_begin(void)
{
	pulse.timer = (struct timer){ .on_expiry = beat };
	pulse.last = clock_ms();
	pulse.longest = 0;
	loop_arm(&loop, &pulse.timer, 0);
}

static uint64_t pulse_end(void)
{
	loop_disarm(&loop, &pulse.timer);
	printf("# longest pause of the loop: %llu ms\n", (unsigned long long)pulse.longest);
	return pulse.longest;
}

static int flood_lines(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	while (heard.done == 0) /* in this copy of it: for ever */
		say(io, "- x=y\n- x=y\n- x=y\n- x=y\n- x=y\n- x=y\n- x=y\n- x=y\n");
	return 0;
}

static int flood_one_line(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	while (heard.done == 0)
		say(io, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		        "xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	return 0;
}

static int flood_payload(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	say(io, "= 18446744073709551615\n");
	return flood_one_line(io, arg, e);
}

static void a_flood_does_not_keep_the_loop(void)
{
	begin();
	CHECK(work(flood_lines, 300) != NULL);
	pulse_begin();
	CHECK(until(is_done, 5000));
	CHECK_INT(heard.err.class, ERR_TIMEOUT);
	CHECK(heard.records > 1000);
	CHECK(until(is_gone, 6000));
	CHECK(pulse_end() < 2000);
	CHECK_INT(heard.done, 1);
	CHECK(until(none_left, 1000));
	end();
}

/* The worker has ended, but something it started holds its descriptor and goes on. */
static int leave_a_flood_behind(struct worker_io *io, void *arg, struct err *e)
{
	if (fork() == 0) {
		alarm(3);
		flood_lines(io, arg, e);
	}
	return 0;
}

static void a_flood_of_a_descendant_does_not_keep_the_loop(void)
{
	begin();
	CHECK(work(leave_a_flood_behind, SECONDS(5)) != NULL);
	pulse_begin();
	CHECK(until(is_done, 2000));
	CHECK(pulse_end() < 2000);
	CHECK(until(none_left, 500));
	end();
}

/* More than is passed on, of bytes that look like a worker's lines. */
static int long_payload(struct worker_io *io, void *arg, struct err *e)
{
	struct buf b = BUF_INIT;

	(void)arg, (void)e;
	buf_printf(&b, "= %d\n", WORKER_PAYLOAD_LIMIT + 1);
	while (b.len < WORKER_PAYLOAD_LIMIT)
		buf_adds(&b, "- x=y\nOK\n");
	worker_send(io, &b);
	return 0;
}

/* What the log has of lines that are not understood. */
static int babble(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	for (int i = 0; i < 1000; i++)
		say(io, "what?\n");
	return 0;
}

static void one_worker_is_the_cause_of_few_lines(void)
{
	struct buf text = BUF_INIT;
	int lines = 0;

	begin();
	CHECK(log_set("warn", NULL) == 0);
	CHECK(work(babble, SECONDS(20)) != NULL);
	CHECK(until(is_done, 15000));
	CHECK(until(none_left, 1000));
	log_text(&text, 0);
	for (const char *at = buf_str(&text); (at = strstr(at, "not understood")); at++)
		lines++;
	CHECK_INT(lines, 200);
	CHECK(strstr(buf_str(&text), "and 800 more") != NULL);
	buf_free(&text);
	log_set("error", NULL);
	end();
}

static void an_endless_answer_ends_the_worker(void)
{
	int (*const bodies[])(struct worker_io *, void *, struct err *) = { flood_one_line, flood_payload,
		                                                            long_payload };

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		begin();
		CHECK(work(bodies[i], SECONDS(20)) != NULL);
		CHECK(until(is_done, 15000));
		CHECK_INT(heard.err.class, ERR_TOO_LONG);
		CHECK_INT(heard.records, 0);
		CHECK(until(none_left, 1000));
		end();
	}
}

/* ---- ends ---- */

static int sleep_on(struct worker_io *io, void *arg, struct err *e)
{
	(void)io, (void)arg, (void)e;
	while (heard.done == 0)
		pause();
	return 0;
}

static int ignore_term(struct worker_io *io, void *arg, struct err *e)
{
	signal(SIGTERM, SIG_IGN);
	say(io, "- x=ready\n");
	return sleep_on(io, arg, e);
}

static bool has_spoken(void)
{
	return heard.records > 0;
}

/* Where it is not known how much there is to read, what has been read shows that it goes on. */
static void a_record_may_begin_its_time_anew(void)
{
	for (int each = 0; each < 2; each++) {
		begin();
		struct worker *w = work(ignore_term, SECONDS(600));
		CHECK(w != NULL);
		w->task.renewed_for = each ? SECONDS(120) : 0;
		loop_arm(&loop, &w->deadline, clock_ms() + SECONDS(300));
		CHECK(until(has_spoken, PATIENCE));
		CHECK_INT(w->deadline.deadline > clock_ms() + SECONDS(400), each);
		worker_cancel(w);
		CHECK(until(is_gone, PATIENCE));
		end();
	}
}

static void a_stopped_worker_is_ended_by_the_ladder(void)
{
	begin();
	struct worker *w = work(sleep_on, 200);
	pid_t pid = w->pid;
	kill(pid, SIGSTOP);
	CHECK(until(is_done, PATIENCE));
	CHECK_INT(heard.err.class, ERR_TIMEOUT);
	CHECK_STR(heard.err.message, "test did not end within 200 ms");
	CHECK(heard.left);
	CHECK(until(is_gone, PATIENCE));
	CHECK(kill(pid, 0) < 0);
	CHECK_INT(heard.done, 1);
	end();
}

static void one_that_ignores_term_is_killed(void)
{
	begin();
	CHECK(work(ignore_term, 500) != NULL);
	CHECK(until(has_spoken, 400));
	CHECK(until(is_gone, PATIENCE));
	CHECK(heard.gone_at - heard.at >= 1500 && heard.gone_at - heard.at < 4000);
	end();
}

static void a_killed_worker_is_told_by_its_signal(void)
{
	static const int signals[] = { SIGKILL, SIGSEGV, SIGABRT };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		begin();
		struct worker *w = work(ignore_term, SECONDS(9));
		CHECK(until(has_spoken, PATIENCE));
		kill(w->pid, signals[i]);
		CHECK(until(is_done, PATIENCE));
		CHECK_INT(heard.err.class, ERR_INTERNAL);
		CHECK(!heard.left && heard.gone == 0);
		CHECK(strstr(heard.err.message, "signal") || strstr(heard.err.message, "without an answer"));
		CHECK(none_left());
		end();
	}
}

static void cancelled_twice_is_told_once(void)
{
	begin();
	struct worker *w = work(sleep_on, NEVER);
	worker_cancel(w);
	CHECK_INT(heard.done, 1);
	CHECK_INT(heard.err.class, ERR_STATE);
	CHECK(heard.left);
	worker_cancel(w);
	CHECK(until(is_gone, PATIENCE));
	CHECK_INT(heard.done, 1);
	CHECK_INT(heard.gone, 1);
	end();
}

static void a_disowned_worker_goes_silently(void)
{
	begin();
	struct worker *w = work(sleep_on, SECONDS(9));
	worker_disown(w);
	CHECK(until(none_left, PATIENCE));
	CHECK_INT(heard.done, 0);
	CHECK_INT(heard.gone, 0);
	end();
}

static int say_nothing(struct worker_io *io, void *arg, struct err *e)
{
	(void)io, (void)arg, (void)e;
	_exit(0);
}

static int say_nonsense(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	say(io, "\x01\x02\xff\n=\n= x\n= -1\n! x\n* y\n@t OK\n- \n-\nERR\nERR x y z\n- x=1\n");
	return 0;
}

static void nonsense_is_no_answer(void)
{
	begin();
	work(say_nothing, SECONDS(9));
	CHECK(until(is_done, PATIENCE));
	CHECK_INT(heard.err.class, ERR_INTERNAL);
	work(say_nonsense, SECONDS(9));
	CHECK(until(is_done, PATIENCE));
	CHECK(until(none_left, PATIENCE));
	end();
}

/* ---- one after the other ---- */

static unsigned nexts;

static void on_next(struct worker *w)
{
	nexts++;
	CHECK_STR(w->task.what, "second");
}

static int do_first(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg, (void)e;
	say(io, "- x=1\n");
	return 0;
}

static int fail(struct worker_io *io, void *arg, struct err *e)
{
	(void)io, (void)arg;
	return err_set(e, ERR_STORAGE, "it fails");
}

static int do_second(struct worker_io *io, void *arg, struct err *e)
{
	(void)e;
	say(io, *(pid_t *)arg == getpid() ? "- x=2\n" : "- y=2\n");
	return 0;
}

/* The first job remembers, in the child's memory, who it was. */
static int remember(struct worker_io *io, void *arg, struct err *e)
{
	(void)e;
	*(pid_t *)arg = getpid();
	return do_first(io, arg, e);
}

static struct worker *work_twice(int (*first)(struct worker_io *, void *, struct err *), uint64_t first_ms,
                                 int (*second)(struct worker_io *, void *, struct err *), uint64_t second_ms)
{
	pid_t pid = 0; /* read and written in the child's copy */
	struct task then = { .what = "second",
		             .run = second,
		             .arg = &pid,
		             .timeout = second_ms,
		             .on_done = on_done,
		             .on_gone = on_gone,
		             .on_record = on_record };
	struct task task = { .what = "first",
		             .run = first,
		             .arg = &pid,
		             .timeout = first_ms,
		             .on_done = on_done,
		             .on_gone = on_gone,
		             .on_record = on_record,
		             .then = &then,
		             .on_next = on_next };
	struct err e = { 0 };

	memset(&heard, 0, sizeof(heard));
	nexts = 0;
	return worker_start(s, &task, &e);
}

static void one_child_does_two_jobs(void)
{
	begin();
	CHECK(work_twice(remember, SECONDS(9), do_second, NEVER) != NULL);
	CHECK(until(is_done, PATIENCE));
	CHECK_INT(nexts, 1);
	CHECK_INT(heard.done, 1);
	CHECK_INT(heard.err.class, ERR_NONE);
	CHECK_INT(heard.records, 2);
	CHECK(none_left());
	end();
}

static void after_a_failure_there_is_no_second(void)
{
	begin();
	CHECK(work_twice(fail, SECONDS(9), do_second, NEVER) != NULL);
	CHECK(until(is_done, PATIENCE));
	CHECK_INT(nexts, 0);
	CHECK_INT(heard.err.class, ERR_STORAGE);
	CHECK_INT(heard.records, 0);
	CHECK(none_left());
	end();
}

static void the_second_may_fail_or_die(void)
{
	int (*const bodies[])(struct worker_io *, void *, struct err *) = { fail, say_nothing };
	const enum err_class classes[] = { ERR_STORAGE, ERR_INTERNAL };

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		begin();
		CHECK(work_twice(do_first, SECONDS(9), bodies[i], SECONDS(9)) != NULL);
		CHECK(until(is_done, PATIENCE));
		CHECK_INT(nexts, 1);
		CHECK_INT(heard.done, 1);
		CHECK_INT(heard.err.class, classes[i]);
		CHECK(none_left());
		end();
	}
}

static bool is_next(void)
{
	return nexts > 0;
}

/* The second has a time of its own: what is left of the first one's does not end it, and its own does. */
static void each_has_its_time(void)
{
	begin();
	struct worker *w = work_twice(do_first, SECONDS(600), sleep_on, 100);
	CHECK(w != NULL);
	CHECK(until(is_next, PATIENCE));
	CHECK(until(is_done, PATIENCE));
	CHECK_INT(heard.err.class, ERR_TIMEOUT);
	CHECK(strncmp(heard.err.message, "second", 6) == 0);
	CHECK(until(is_gone, PATIENCE));
	end();
}

/* One that is ended while the first is under way has no second, whatever the child has done meanwhile. */
static void what_is_cancelled_has_no_second(void)
{
	begin();
	struct worker *w = work_twice(do_first, SECONDS(9), do_second, NEVER);
	CHECK(w != NULL);
	worker_cancel(w);
	CHECK_INT(heard.done, 1);
	CHECK_INT(heard.err.class, ERR_STATE);
	CHECK(until(is_gone, PATIENCE));
	CHECK_INT(nexts, 0);
	CHECK_INT(heard.done, 1);
	end();
}

/* ---- when there is no room ---- */

static void no_descriptor_is_an_error_and_no_leak(void)
{
	struct rlimit before, none;
	int probe;

	begin();
	getrlimit(RLIMIT_NOFILE, &before);
	probe = dup(0);
	for (int more = 0; more < 3; more++) {
		none = (struct rlimit){ (rlim_t)(probe + more), before.rlim_max };
		setrlimit(RLIMIT_NOFILE, &none);
		struct worker *w = work(say_nothing, SECONDS(9));
		setrlimit(RLIMIT_NOFILE, &before);
		CHECK(w == NULL);
		CHECK(none_left());
	}
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	int after = dup(0);
	CHECK_INT(after, probe + 1);
	close(after);
	close(probe);
	work(say_nothing, SECONDS(9));
	CHECK(until(is_done, PATIENCE));
	end();
}

/* ---- companions ---- */

static const char *const sleeper[] = { "sleep", "1000", NULL };
static const char *const failing[] = { "false", NULL };
static const char *const missing[] = { "/nowhere/there-is-none", NULL };
static const char *const stubborn[] = { "sh", "-c", "trap '' TERM; while :; do sleep 1; done", NULL };

static char flag[PATH_MAX], *prepared; /* the latter: by this process */

/* The flag file says what prepare and ready answer: its first byte. None: all is well. */
static int look(char wanted)
{
	FILE *f = fopen(flag, "re");
	int c = f ? fgetc(f) : 0;

	if (f)
		fclose(f);
	return c == wanted;
}

static int prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	(void)d, (void)op, prepared = flag;
	if (look('P'))
		return err_set(e, ERR_STORAGE, "prepare fails");
	return look('F') ? 1 : 0;
}

static int ready(const struct pool_def *d, struct op *op, struct err *e)
{
	(void)d, (void)op;
	raise(look('K') ? SIGKILL : 0);
	while (look('W'))
		pause();
	return look('R') || (look('S') && !prepared) ? err_set(e, ERR_STORAGE, "it does not answer") : 0;
}

static void set_flag(const char *text)
{
	fixture_bytes(flag, text, strlen(text));
}

static struct service service;

static struct service_view view(void)
{
	struct service_view v = { .state = "none" };

	service_at(s, 0, &v);
	return v;
}

static bool is_state(const char *word)
{
	uint64_t deadline = clock_ms() + PATIENCE;

	while (!streq(view().state, word) && clock_ms() < deadline)
		loop_round(&loop, clock_ms() + 20);
	return streq(view().state, word);
}

static void begin_service(const char *const *argv, bool notifies, const char *how)
{
	begin();
	fixture_path(flag, "%s/flag", dir);
	set_flag(how);
	service = (struct service){
		.name = "companion", .prepare = prepare, .argv = argv, .notifies = notifies, .ready = ready
	};
}

static int need(void)
{
	struct err e = { 0 };

	return service_need(s, &service, NULL, &e);
}

static void end_service(void)
{
	pid_t pid = view().pid;

	if (pid > 0)
		kill(pid, SIGKILL);
	end();
}

static void it_comes_up_and_comes_back(void)
{
	begin_service(sleeper, false, "S");
	CHECK(need() < 0 && is_state("ready"));
	CHECK(need() == 0);
	kill(view().pid, SIGKILL);
	CHECK(is_state("down"));
	CHECK(need() < 0 && is_state("ready"));
	CHECK_INT(view().restarts, 1);
	end_service();
}

static void it_fails_at_each_stage_and_comes_up_at_last(void)
{
	static const char *const how[] = { "P", "R", "K" };

	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		begin_service(sleeper, false, how[i]);
		CHECK(need() < 0 && is_state("down"));
		CHECK(need() < -1);
		CHECK_INT(view().pid, 0);
		set_flag("");
		CHECK(is_state("ready"));
		end_service();
	}
}

static void a_program_that_ends_or_is_not_there_is_tried_again(void)
{
	const char *const *const programs[] = { failing, missing };

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		begin_service(programs[i], true, "");
		CHECK(need() < 0 && is_state("down"));
		CHECK(need() < -1);
		service.argv = sleeper;
		service.notifies = false;
		CHECK(is_state("ready"));
		end_service();
	}
}

static bool companion_goes(pid_t pid, uint64_t ms)
{
	uint64_t deadline = clock_ms() + ms;

	while (view().pid == pid && clock_ms() < deadline)
		loop_round(&loop, clock_ms() + 20);
	return view().pid != pid;
}

static void notify(const char *text, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.80s/notify-companion", run);
	CHECK(sendto(fd, text, len, 0, (struct sockaddr *)&a, sizeof(a)) == (ssize_t)len);
	close(fd);
}

static void it_is_asked_only_when_it_says_that_it_is_ready(void)
{
	char big[2000];

	begin_service(sleeper, true, "");
	CHECK(need() < 0 && is_state("starting"));
	memset(big, 'x', sizeof(big));
	notify(big, sizeof(big));
	notify("WATCHDOG=1", 10);
	notify("", 0);
	for (int i = 0; i < 10; i++)
		loop_round(&loop, clock_ms() + 10);
	CHECK_STR(view().state, "starting");
	notify("STATUS=fine\nREADY=1\n", 20);
	CHECK(is_state("ready"));
	notify("READY=1", 7);
	CHECK(is_state("ready"));
	end_service();
}

/* It is not waited for a word of one that only tells. */
static void what_one_tells_changes_nothing_of_itself(void)
{
	begin_service(sleeper, false, "");
	service.tells = true;
	CHECK(need() < 0 && is_state("ready"));
	notify("STATUS=session 1: interrupted\n", 30);
	notify("READY=1", 7);
	for (int i = 0; i < 10; i++)
		loop_round(&loop, clock_ms() + 10);
	CHECK_STR(view().state, "ready");
	CHECK_INT(view().restarts, 0);
	end_service();
}

/* Its time is long: the clock is put forward. */
static void one_that_never_says_so_is_ended(void)
{
	begin_service(sleeper, true, "");
	CHECK(need() < 0 && is_state("starting"));
	pid_t pid = view().pid;
	CHECK(loop.timers && loop.timers->deadline > clock_ms() + SECONDS(5));
	CHECK(!companion_goes(pid, 200));
	loop.timers->deadline = clock_ms();
	CHECK(companion_goes(pid, PATIENCE));
	CHECK(need() < -1);
	end_service();
}

/* It ignores SIGTERM and does not answer: without a SIGKILL it would stay, and nothing would ever be
 * ready. */
static void one_that_does_not_go_is_killed(void)
{
	begin_service(stubborn, false, "R");
	CHECK(need() < 0 && is_state("asking"));
	pid_t pid = view().pid;
	CHECK(pid > 0);
	CHECK(companion_goes(pid, PATIENCE));
	service.argv = sleeper;
	set_flag("");
	CHECK(is_state("ready"));
	end_service();
}

static void another_ones_that_has_gone_is_replaced(void)
{
	begin_service(sleeper, false, "F");
	CHECK(need() < 0 && is_state("foreign"));
	CHECK_INT(view().pid, 0);
	service_doubt(s, &service, NULL);
	CHECK(need() == 0); /* while it is asked again it counts as what it was */
	CHECK(until(none_left, PATIENCE));
	CHECK(is_state("foreign"));
	set_flag("");
	service_doubt(s, &service, NULL);
	CHECK(is_state("ready"));
	CHECK(view().pid > 0);
	end_service();
}

static void ours_that_answers_no_more_is_replaced(void)
{
	begin_service(sleeper, false, "");
	CHECK(need() < 0 && is_state("ready"));
	pid_t pid = view().pid;
	service_doubt(s, &service, NULL);
	CHECK(need() == 0);
	CHECK(until(none_left, PATIENCE));
	CHECK_INT(view().pid, pid);
	set_flag("R");
	service_doubt(s, &service, NULL);
	CHECK(companion_goes(pid, PATIENCE));
	set_flag("");
	CHECK(is_state("ready"));
	CHECK(view().pid != pid);
	end_service();
}

/* One that does not know how to ends by it, which is no failure; where nothing was kept it is let be. */
static void it_goes_along_with_the_root_or_is_replaced(void)
{
	begin_service(sleeper, false, "");
	CHECK(need() < 0 && is_state("ready"));
	pid_t pid = view().pid;
	supervisor_followed(s);
	CHECK(!companion_goes(pid, 200));
	service.programs = sleeper;
	supervisor_followed(s);
	CHECK(companion_goes(pid, PATIENCE) && is_state("ready"));
	CHECK_INT(view().restarts, 0);
	end_service();
}

static bool over;
static void on_over(void *arg)
{
	(void)arg;
	over = true;
}
static bool is_over(void)
{
	return over;
}

static void shutdown_takes_it_along_at_every_stage(void)
{
	static const char *const stages[] = { "preparing", "asking", "ready", "down" };

	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		begin_service(sleeper, false, ((const char *[]){ "", "W", "", "P" })[i]);
		CHECK(need() < 0 && is_state(stages[i]));
		pid_t pid = view().pid;
		over = false;
		supervisor_shutdown(s, clock_ms() + PATIENCE, on_over, NULL);
		CHECK(until(is_over, PATIENCE) && until(none_left, PATIENCE));
		CHECK_INT(view().pid, 0);
		CHECK(pid == 0 || kill(pid, 0) < 0);
		end_service();
	}
}

int main(void)
{
	log_set("error", NULL);
	alarm(600);
	RUN(a_flood_does_not_keep_the_loop);
	RUN(a_flood_of_a_descendant_does_not_keep_the_loop);
	RUN(an_endless_answer_ends_the_worker);
	RUN(one_worker_is_the_cause_of_few_lines);
	RUN(a_record_may_begin_its_time_anew);
	RUN(a_stopped_worker_is_ended_by_the_ladder);
	RUN(one_that_ignores_term_is_killed);
	RUN(a_killed_worker_is_told_by_its_signal);
	RUN(cancelled_twice_is_told_once);
	RUN(a_disowned_worker_goes_silently);
	RUN(nonsense_is_no_answer);
	RUN(one_child_does_two_jobs);
	RUN(after_a_failure_there_is_no_second);
	RUN(the_second_may_fail_or_die);
	RUN(each_has_its_time);
	RUN(what_is_cancelled_has_no_second);
	RUN(no_descriptor_is_an_error_and_no_leak);
	RUN(it_comes_up_and_comes_back);
	RUN(it_fails_at_each_stage_and_comes_up_at_last);
	RUN(a_program_that_ends_or_is_not_there_is_tried_again);
	RUN(it_is_asked_only_when_it_says_that_it_is_ready);
	RUN(what_one_tells_changes_nothing_of_itself);
	RUN(one_that_never_says_so_is_ended);
	RUN(one_that_does_not_go_is_killed);
	RUN(another_ones_that_has_gone_is_replaced);
	RUN(ours_that_answers_no_more_is_replaced);
	RUN(it_goes_along_with_the_root_or_is_replaced);
	RUN(shutdown_takes_it_along_at_every_stage);
	return check_done();
}
