/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The last program of a machine, in namespaces of its own: the former root is unmounted with all that lies on
 * it, then the supervisor is asked to stop its pools, then the machine ends. reboot(2) in a process namespace
 * ends its first process, by a signal that says how (reboot(2), "Behavior inside PID namespaces").
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "check.h"
#include "fixture.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "boot/root/ending.h"
#include "boot/root/root.h"

#define PATIENCE SECONDS(60)

static int report;

static void say(const char *text)
{
	if (write(report, text, strlen(text)) < 0)
		_exit(1);
}

static int is_old(const struct mount_entry *m, void *arg)
{
	(void)arg;
	return path_is_below(m->target, "/oldroot");
}

/* What the supervisor has to find when it is asked. Its name it has from process 1, at once. */
static _Noreturn void be_supervisor(const sigset_t *stop)
{
	sigwaitinfo(stop, NULL);
	say(mountinfo_each(is_old, NULL, NULL) ? "the old root is still there" : "asked");
	_exit(0);
}

/* Somebody who does not end when asked. */
static _Noreturn void be_stubborn(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

static void build(void)
{
	static const char *const mounts[] = { "/tmp/r/oldroot", "/tmp/r/oldroot/proc", "/tmp/r/oldroot/run",
		                              "/tmp/r/oldroot/srv/data", "/tmp/r/oldroot/srv/data/deep" };

	CHECK(fixture_namespace(0) && fixture_cover("/tmp"));
	CHECK(mkdir("/tmp/r", 0755) == 0 && fixture_cover("/tmp/r"));
	CHECK(mkdir("/tmp/r/proc", 0755) == 0 && mount("proc", "/tmp/r/proc", "proc", 0, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		CHECK(file_mkdirs(mounts[i], 0755, NULL) == 0);
		CHECK(fixture_cover(mounts[i]));
	}
	CHECK(chdir("/tmp/r") == 0 && chroot(".") == 0 && chdir("/") == 0);
}

/* Process 1. */
static _Noreturn void end_machine(const char *how, bool supervised)
{
	char name[] = ENDING_ROLE, verb[16], option[] = "--log-color", *argv[] = { name, verb, option, NULL };
	sigset_t stop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "poolinit");
	snprintf(verb, sizeof(verb), "%s", how);
	sigemptyset(&stop);
	sigaddset(&stop, ROOT_STOP_SIGNAL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	build();
	if (check_case_failed)
		say("the machine could not be built");
	if (supervised && fork() == 0)
		be_supervisor(&stop);
	if (!supervised && fork() == 0)
		be_stubborn();
	ending_main(3, argv);
	_exit(1);
}

/* The signal by which the machine has ended; 0: it has not. said: what the supervisor had to say. */
static int run_end(const char *how, bool supervised, char said[256])
{
	int ends[2], status = 0;
	ssize_t n;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t first = unshare(CLONE_NEWPID) < 0 ? -1 : fork();

		report = ends[1];
		if (first == 0)
			end_machine(how, supervised);
		waitpid(first, &status, 0);
		_exit(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	}
	close(ends[1]);
	n = read(ends[0], said, 255);
	said[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void the_root_goes_first_and_then_the_pools(void)
{
	char said[256];

	CHECK_INT(run_end("poweroff", true, said), SIGINT);
	CHECK_STR(said, "asked");
	CHECK_INT(run_end("reboot", true, said), SIGHUP);
	CHECK_STR(said, "asked");
}

/* A word that nobody knows switches off: going on is no choice. */
static void whatever_it_is_told_the_machine_ends(void)
{
	char said[256];

	CHECK_INT(run_end("halt", true, said), SIGINT);
	CHECK_INT(run_end("what", true, said), SIGINT);
	CHECK_STR(said, "asked");
}

static void who_does_not_end_is_left_behind(void)
{
	char said[256];
	uint64_t began = clock_ms();

	CHECK_INT(run_end("reboot", false, said), SIGHUP);
	CHECK(clock_ms() - began >= ROOT_STOP_TIME);
}

static void it_is_for_process_1_alone(void)
{
	char name[] = ENDING_ROLE, verb[] = "poweroff", *argv[] = { name, verb, NULL };

	CHECK(ending_main(2, argv) > 0);
}

int main(void)
{
	RUN(it_is_for_process_1_alone);
	if (getuid() != 0) {
		printf("skip the end of a machine: namespaces of processes and mounts take root\n");
		return check_done();
	}
	RUN(the_root_goes_first_and_then_the_pools);
	RUN(whatever_it_is_told_the_machine_ends);
	RUN(who_does_not_end_is_left_behind);
	return check_done();
}
