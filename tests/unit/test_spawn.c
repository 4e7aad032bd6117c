/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Running tools. The test is its own tool: called with a word it plays the part that word names.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "base/util.h"
#include "check.h"

static char self[4096];

/* ---- the parts ---- */

static int part_echo(void)
{
	char c[4096];
	ssize_t n;

	while ((n = read(0, c, sizeof(c))) > 0)
		if (write(1, c, (size_t)n) != n)
			return 1;
	return 0;
}

static int part_fail(void)
{
	fputs("first\n  the cause\t\n\n", stderr);
	puts("on stdout");
	return 7;
}

static int part_fail_on_stdout(void)
{
	puts("only here");
	return 1;
}

static int write_much(size_t bytes)
{
	char block[8192];

	memset(block, 'x', sizeof(block));
	for (size_t done = 0; done < bytes; done += sizeof(block))
		if (write(1, block, sizeof(block)) != (ssize_t)sizeof(block))
			return 1;
	return 0;
}

static int part_fill(void)
{
	return write_much(SPAWN_OUTPUT_LIMIT);
}

static int part_flood(void)
{
	if (write_much(3 * (size_t)SPAWN_OUTPUT_LIMIT))
		return 1;
	fputs("done\n", stderr);
	return 0;
}

static int part_flood_for_ever(void)
{
	char block[8192];

	memset(block, 'x', sizeof(block));
	while (write(1, block, sizeof(block)) > 0)
		;
	return 1;
}

static int part_hang(void)
{
	alarm(60); /* so that nothing stays behind where spawn fails to end it */
	while (pause() < 0)
		;
	return 1;
}

static int part_hang_on(void)
{
	signal(SIGTERM, SIG_IGN);
	puts("deaf");
	fflush(stdout);
	return part_hang();
}

static int part_die(void)
{
	raise(SIGSEGV);
	return 0;
}

/* The tool is done, but a grandchild keeps its output open, for a while. */
static int part_linger(void)
{
	if (fork() == 0) {
		alarm(60);
		pause();
		_exit(1);
	}
	puts("parent done");
	return 0;
}

/* Holds a FIFO open until it dies. */
static int part_hold(void)
{
	int fd = open(getenv("FIFO"), O_WRONLY);

	return fd < 0 || write(fd, "x", 1) != 1 ? 1 : part_hang();
}

static int part_facts(void)
{
	sigset_t blocked;
	struct sigaction sa;

	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd=%d ", fd);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	sigaction(SIGPIPE, NULL, &sa);
	printf("session=%d blocked=%d pipe=%d\n", getsid(0) == getpid(), sigismember(&blocked, SIGUSR1),
	       sa.sa_handler == SIG_DFL);
	return 0;
}

static int part_env(void)
{
	extern char **environ;

	for (char **v = environ; *v; v++)
		puts(*v);
	return 0;
}

static const struct {
	const char *word;
	int (*play)(void);
} parts[] = {
	{ "echo", part_echo },     { "fail", part_fail },       { "fail-on-stdout", part_fail_on_stdout },
	{ "flood", part_flood },   { "fill", part_fill },       { "flood-for-ever", part_flood_for_ever },
	{ "hang", part_hang },     { "hang-on", part_hang_on }, { "die", part_die },
	{ "linger", part_linger }, { "hold", part_hold },       { "facts", part_facts },
	{ "env", part_env },
};

static struct tool tool(const char *const *argv)
{
	return (struct tool){ .argv = argv, .deadline = clock_ms() + 20000 };
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- the cases ---- */

static void input_comes_back_as_output(void)
{
	struct tool t = tool(ARGV(self, "echo"));
	struct err e = { 0 };
	size_t len = 300000;
	char *data = malloc(len);

	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7);
	t.input = data;
	t.input_len = len;
	CHECK_INT(spawn_ok(&t, &e), 0);
	CHECK_INT(t.out.len, len);
	CHECK(t.out.len == len && memcmp(t.out.data, data, len) == 0);
	free(data);
	tool_free(&t);
}

static void no_input_is_an_empty_one(void)
{
	struct tool t = tool(ARGV(self, "echo"));
	struct err e = { 0 };

	CHECK_INT(spawn_run(&t, &e), 0);
	CHECK_INT(t.status, 0);
	CHECK_INT(t.out.len, 0);
	tool_free(&t);
}

static void a_status_is_not_a_failure_of_run(void)
{
	struct tool t = tool(ARGV(self, "fail"));
	struct err e = { 0 };

	CHECK_INT(spawn_run(&t, &e), 0);
	CHECK_INT(t.status, 7);
	CHECK_STR(buf_str(&t.out), "on stdout\n");
	CHECK_STR(spawn_last_line(&t.err), "the cause");
	tool_free(&t);
}

static void ok_names_tool_and_cause(void)
{
	struct tool t = tool(ARGV(self, "fail"));
	struct err e = { 0 };

	CHECK_INT(spawn_ok(&t, &e), -1);
	CHECK(err_is(&e, ERR_STORAGE));
	CHECK_STR(e.message, "test_spawn: the cause");
	CHECK_INT(t.status, 7);
	tool_free(&t);
	t = tool(ARGV(self, "fail-on-stdout"));
	CHECK_INT(spawn_ok(&t, &e), -1);
	CHECK_STR(e.message, "test_spawn: only here");
	tool_free(&t);
	t = tool(ARGV(self, "no-such-part"));
	CHECK_INT(spawn_ok(&t, &e), -1);
	CHECK_STR(e.message, "test_spawn: ended with status 99 and said nothing");
	tool_free(&t);
}

static void too_much_output_is_dropped(void)
{
	struct tool t = tool(ARGV(self, "flood"));
	struct err e = { 0 };

	CHECK_INT(spawn_ok(&t, &e), 0);
	CHECK_INT(t.out.len, SPAWN_OUTPUT_LIMIT);
	CHECK_STR(buf_str(&t.err), "done\n");
	tool_free(&t);
}

static void of_what_is_read_as_a_list_nothing_is_dropped_without_a_word(void)
{
	struct tool t = tool(ARGV(self, "flood"));
	struct err e = { 0 };

	t.whole = true;
	CHECK_INT(spawn_ok(&t, &e), -1);
	CHECK(err_is(&e, ERR_TOO_LONG));
	CHECK(strstr(e.message, "test_spawn") && strstr(e.message, "1048576"));
	tool_free(&t);
	err_clear(&e);
	t = tool(ARGV(self, "fill")); /* exactly the limit */
	t.whole = true;
	CHECK_INT(spawn_ok(&t, &e), 0);
	CHECK_INT(t.out.len, SPAWN_OUTPUT_LIMIT);
	tool_free(&t);
}

static void a_missing_tool_is_named(void)
{
	struct tool t = tool(ARGV("no-such-tool-at-all"));
	struct err e = { 0 };

	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_NO_TOOL));
	CHECK(strstr(e.message, "no-such-tool-at-all") != NULL && strstr(e.message, "/usr/sbin") != NULL);
	tool_free(&t);
	t = tool(ARGV("/no/such/tool"));
	err_clear(&e);
	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_NO_TOOL));
	tool_free(&t);
	t = tool(ARGV("/etc/passwd"));
	err_clear(&e);
	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_NO_TOOL));
	tool_free(&t);
}

static void tools_are_looked_up(void)
{
	struct tool t = tool(ARGV("true"));
	struct err e = { 0 };

	CHECK(spawn_find("true") != NULL && spawn_find("true")[0] == '/');
	CHECK(spawn_find("no-such-tool-at-all") == NULL);
	CHECK(spawn_find("") == NULL);
	CHECK_INT(spawn_ok(&t, &e), 0);
	tool_free(&t);
}

static void the_deadline_ends_it(void)
{
	struct tool t = tool(ARGV(self, "hang"));
	struct err e = { 0 };
	uint64_t begin = clock_ms();

	t.deadline = begin + 100;
	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_TIMEOUT));
	CHECK(strstr(e.message, "test_spawn") != NULL);
	CHECK(clock_ms() >= begin + 100 && clock_ms() < begin + 1900); /* TERM was enough */
	CHECK(waitpid(-1, NULL, WNOHANG) == -1);
	tool_free(&t);
}

/* Run a part that ends only by its deadline, with so many milliseconds. How many more it took. */
static uint64_t overtime(struct tool *t, const char *part, uint64_t time)
{
	struct err e = { 0 };

	tool_free(t);
	*t = tool(ARGV(self, part));
	t->deadline = clock_ms() + time;
	CHECK_INT(spawn_run(t, &e), -1);
	CHECK(err_is(&e, ERR_TIMEOUT));
	return clock_ms() - t->deadline;
}

static void writing_without_end_does_not_stop_the_clock(void)
{
	struct tool t = { 0 };

	/* On a busy machine it may not have come to that: more time then, and it is ended all the same. */
	for (uint64_t time = 300; t.out.len < SPAWN_OUTPUT_LIMIT && time < 10000; time *= 3)
		CHECK(overtime(&t, "flood-for-ever", time) < 9700);
	CHECK_INT(t.out.len, SPAWN_OUTPUT_LIMIT);
	tool_free(&t);
}

static void who_ignores_term_is_killed(void)
{
	struct tool t = { 0 };

	for (uint64_t time = 1000; !t.out.len && time < 10000; time *= 3) {
		uint64_t more = overtime(&t, "hang-on", time);

		CHECK(!t.out.len || (more >= 2000 && more < 7000));
		CHECK(waitpid(-1, NULL, WNOHANG) == -1);
	}
	CHECK_STR(buf_str(&t.out), "deaf\n");
	tool_free(&t);
}

static void no_time_left_runs_nothing(void)
{
	struct tool t = tool(ARGV(self, "echo"));
	struct err e = { 0 };

	t.deadline = 0;
	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_TIMEOUT));
	CHECK_INT(t.status, -1);
	tool_free(&t);
}

static void a_signal_is_named(void)
{
	struct tool t = tool(ARGV(self, "die"));
	struct err e = { 0 };

	t.env = ARGV("ASAN_OPTIONS=handle_segv=0");
	CHECK_INT(spawn_run(&t, &e), -1);
	CHECK(err_is(&e, ERR_STORAGE));
	CHECK(strstr(e.message, "signal 11") != NULL);
	tool_free(&t);
}

static void a_lingering_grandchild_is_not_waited_for(void)
{
	struct tool t = tool(ARGV(self, "linger"));
	struct err e = { 0 };

	CHECK_INT(spawn_run(&t, &e), 0); /* the tool's time ends before the grandchild does */
	CHECK_STR(buf_str(&t.out), "parent done\n");
	tool_free(&t);
}

/* What a tool has started in the background holds a pipe open: it is gone with the tool, or stays if it may.
 */
static void what_a_tool_leaves_is_gone_unless_it_may_stay(void)
{
	char dir[] = "/tmp/test_spawn.XXXXXX", fifo[64], variable[80];

	CHECK(mkdtemp(dir) != NULL);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(variable, sizeof(variable), "FIFO=%s", fifo);
	CHECK_INT(mkfifo(fifo, 0600), 0);
	for (int leaves = 0; leaves <= 1; leaves++) {
		struct tool t = tool(
			ARGV("/bin/sh", "-c", "exec 3>$FIFO; sleep 1000 >/dev/null 2>&1 & echo $!"));
		struct pollfd p = { .fd = open(fifo, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .events = POLLIN };

		t.env = ARGV(variable);
		t.leaves = leaves;
		CHECK_INT(spawn_run(&t, NULL), 0);
		CHECK_INT(poll(&p, 1, leaves ? 0 : 10000), !leaves);
		if (leaves)
			kill(atoi(buf_str(&t.out)), SIGKILL);
		close(p.fd);
		tool_free(&t);
	}
	unlink(fifo);
	rmdir(dir);
}

/* Whoever runs a tool may be killed; then the tool must not go on alone. */
static void a_tool_dies_with_its_worker(void)
{
	char dir[] = "/tmp/test_spawn.XXXXXX", fifo[64], variable[80], c;
	struct pollfd p = { .events = POLLIN };
	pid_t worker;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(variable, sizeof(variable), "FIFO=%s", fifo);
	CHECK_INT(mkfifo(fifo, 0600), 0);
	worker = fork();
	if (worker == 0) {
		struct tool t = tool(ARGV(self, "hold"));

		t.env = ARGV(variable);
		_exit(spawn_run(&t, NULL) < 0);
	}
	/* An open that waited would do so for ever where the tool does not come. */
	p.fd = open(fifo, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CHECK_INT(poll(&p, 1, 10000), 1);
	CHECK_INT(read(p.fd, &c, 1), 1); /* the tool is there now */
	kill(worker, SIGKILL);
	CHECK(waitpid(worker, NULL, 0) == worker);
	CHECK_INT(poll(&p, 1, 10000), 1); /* and now it is not */
	CHECK(p.revents && read(p.fd, &c, 1) == 0);
	close(p.fd);
	unlink(fifo);
	rmdir(dir);
}

static void nothing_is_inherited(void)
{
	struct tool t = tool(ARGV(self, "facts"));
	struct err e = { 0 };
	sigset_t block, old;
	const int leak = 100;

	CHECK_INT(dup2(STDIN_FILENO, leak), leak); /* no O_CLOEXEC, on purpose */
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	signal(SIGPIPE, SIG_IGN);
	CHECK_INT(spawn_ok(&t, &e), 0);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_STR(buf_str(&t.out), "fd=0 fd=1 fd=2 session=1 blocked=0 pipe=1\n");
	close(leak);
	tool_free(&t);
}

static void works_without_standard_descriptors(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct tool t = tool(ARGV(self, "echo"));

		close(0);
		close(1);
		close(2);
		t.input = "abc";
		t.input_len = 3;
		_exit(spawn_ok(&t, NULL) == 0 && streq(buf_str(&t.out), "abc") ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

static void the_environment_is_small_and_fixed(void)
{
	struct tool t = tool(ARGV(self, "env"));
	struct err e = { 0 };

	setenv("SECRET_OF_THE_PARENT", "x", 1);
	t.env = ARGV("MORE=1", "EVEN=2");
	CHECK_INT(spawn_ok(&t, &e), 0);
	CHECK_STR(buf_str(&t.out), "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/"
	                           "bin\nLC_ALL=C\nMORE=1\nEVEN=2\n");
	tool_free(&t);
}

static void too_large_an_environment_is_refused(void)
{
	const char *env[64] = { 0 };
	struct tool t = tool(ARGV(self, "env"));
	struct err e = { 0 };

	for (int i = 0; i < 60; i++)
		env[i] = "A=1";
	t.env = env;
	CHECK_INT(spawn_run(&t, &e), -1);
	tool_free(&t);
}

static void a_tool_can_be_run_again(void)
{
	struct tool t = tool(ARGV(self, "fail"));
	struct err e = { 0 };

	CHECK_INT(spawn_run(&t, &e), 0);
	CHECK_INT(spawn_run(&t, &e), 0);
	CHECK_STR(buf_str(&t.out), "on stdout\n");
	tool_free(&t);
}

static void last_lines(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "a", "a" },
		{ "a\nb\n", "b" },
		{ "a\n  b c \t\r\n\n", "b c" },
		{ " \n a", "a" },
		{ "50%\r100%\r\n", "100%" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT;

		buf_adds(&b, cases[i].text);
		CHECK_STR(spawn_last_line(&b), cases[i].want);
		buf_free(&b);
	}
}

/* ---- services ---- */

static int wait_service(int pidfd, pid_t pid)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int status = -1;

	CHECK_INT(poll(&p, 1, 20000), 1);
	CHECK(waitpid(pid, &status, WNOHANG) == pid);
	close(pidfd);
	return status;
}

static void a_service_writes_to_its_descriptor(void)
{
	struct err e = { 0 };
	char text[256] = "";
	int out[2], pidfd;
	pid_t pid = -1;

	CHECK_INT(pipe2(out, O_CLOEXEC), 0);
	pidfd = spawn_service(ARGV(self, "facts"), NULL, out[1], &pid, &e);
	CHECK(pidfd >= 0 && pid > 0);
	CHECK(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(wait_service(pidfd, pid), 0);
	close(out[1]);
	CHECK(read(out[0], text, sizeof(text) - 1) > 0);
	CHECK_STR(text, "fd=0 fd=1 fd=2 session=1 blocked=0 pipe=1\n");
	close(out[0]);
}

static void a_missing_service_says_so_and_exits(void)
{
	struct err e = { 0 };
	char text[256] = "";
	int out[2], pidfd, status;
	pid_t pid = -1;

	CHECK_INT(pipe2(out, O_CLOEXEC), 0);
	pidfd = spawn_service(ARGV("no-such-service"), NULL, out[1], &pid, &e);
	CHECK(pidfd >= 0);
	status = wait_service(pidfd, pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 127);
	close(out[1]);
	CHECK(read(out[0], text, sizeof(text) - 1) > 0);
	CHECK(strstr(text, "no-such-service") != NULL);
	close(out[0]);
}

static void a_service_can_be_ended(void)
{
	struct err e = { 0 };
	pid_t pid = -1;
	int pidfd = spawn_service(ARGV(self, "hang"), NULL, -1, &pid, &e), status;

	CHECK(pidfd >= 0);
	kill(pid, SIGTERM);
	status = wait_service(pidfd, pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Programs that live on when an initramfs goes are known by that. */
static void an_at_sign_is_in_the_name_and_not_in_the_path(void)
{
	char name[PATH_MAX + 1], path[64], text[PATH_MAX] = "";
	struct err e = { 0 };
	pid_t pid = -1;
	int pidfd, fd;

	snprintf(name, sizeof(name), "@%s", self);
	pidfd = spawn_service(ARGV(name, "hang"), NULL, -1, &pid, &e);
	CHECK(pidfd >= 0);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	for (uint64_t deadline = clock_ms() + 20000; text[0] != '@' && clock_ms() < deadline;) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
		close(fd);
	}
	CHECK_STR(text, name);
	kill(pid, SIGKILL);
	wait_service(pidfd, pid);
}

static void without_a_descriptor_there_is_no_service(void)
{
	struct rlimit before, none;
	struct err e = { 0 };
	pid_t pid = -1;
	int next = dup(0);

	close(next);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ (rlim_t)next, before.rlim_max };
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
	CHECK_INT(spawn_service(ARGV(self, "hang"), NULL, -1, &pid, &e), -1);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_INT(e.sys, EMFILE);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void who_is_forgotten_is_reaped_without_waiting(void)
{
	struct err e = { 0 };
	struct loop l;
	pid_t pid = -1;
	int pidfd = spawn_service(ARGV(self, "hang"), NULL, -1, &pid, &e);

	CHECK(pidfd >= 0);
	CHECK_INT(loop_init(&l, &e), 0);
	spawn_forget(&l, pid);
	for (uint64_t end = clock_ms() + 20000; l.timers && clock_ms() < end;)
		loop_round(&l, end);
	CHECK(!l.timers);
	CHECK(waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD);
	loop_close(&l);
	close(pidfd);
}

/* The loop ends before the child has been reaped: the leak checker says so if it is lost then. */
static void who_was_not_reaped_when_the_loop_ended_is_not_lost(void)
{
	struct loop l = { 0 };
	struct err e = { 0 };
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	CHECK_INT(loop_init(&l, &e), 0);
	spawn_forget(&l, pid);
	loop_close(&l);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc > 1) {
		for (size_t i = 0; i < ARRAY_LEN(parts); i++)
			if (streq(parts[i].word, argv[1]))
				return parts[i].play();
		return 99;
	}
	if (n < 0)
		return 1;
	alarm(300); /* a test that hangs has failed */
	RUN(input_comes_back_as_output);
	RUN(no_input_is_an_empty_one);
	RUN(a_status_is_not_a_failure_of_run);
	RUN(ok_names_tool_and_cause);
	RUN(too_much_output_is_dropped);
	RUN(of_what_is_read_as_a_list_nothing_is_dropped_without_a_word);
	RUN(a_missing_tool_is_named);
	RUN(tools_are_looked_up);
	RUN(the_deadline_ends_it);
	RUN(writing_without_end_does_not_stop_the_clock);
	RUN(who_ignores_term_is_killed);
	RUN(no_time_left_runs_nothing);
	RUN(a_signal_is_named);
	RUN(a_lingering_grandchild_is_not_waited_for);
	RUN(what_a_tool_leaves_is_gone_unless_it_may_stay);
	RUN(a_tool_dies_with_its_worker);
	RUN(nothing_is_inherited);
	RUN(works_without_standard_descriptors);
	RUN(the_environment_is_small_and_fixed);
	RUN(too_large_an_environment_is_refused);
	RUN(a_tool_can_be_run_again);
	RUN(last_lines);
	RUN(a_service_writes_to_its_descriptor);
	RUN(a_missing_service_says_so_and_exits);
	RUN(a_service_can_be_ended);
	RUN(an_at_sign_is_in_the_name_and_not_in_the_path);
	RUN(without_a_descriptor_there_is_no_service);
	RUN(who_is_forgotten_is_reaped_without_waiting);
	RUN(who_was_not_reaped_when_the_loop_ended_is_not_lost);
	return check_done();
}
