/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The change of root, in namespaces of their own: a filesystem in memory is the initramfs, another one below
 * it the root, and this program is the real init as well. The supervisor is killed at all moments: the root's
 * init runs in the end, with everything in its place.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#define supervisor_followed note_followed
#include "check.h"
#include "fixture.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/root/root.h"
#include "boot/root/handover.c"

#define INITRAMFS "/tmp/initramfs"
#define ROOT      INITRAMFS ROOT_DIR
#define OVER      "/run/over"
#define SECRET    "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87.base64"
#define KILLS     200
#define PATIENCE  SECONDS(60)

/* How often the supervisor has begun, and when the first one is killed, µs; 0: not at all. */
static struct shared {
	unsigned lives, kill_at, followed;
	char init[32];
} * shared;

static char *own_name; /* argv[0] of main(), which ps shows */
static int report;     /* where the supervisor says that there is no init */

void note_followed(struct supervisor *s)
{
	(void)s;
	shared->followed++;
}

/* ---- as the init of the real root ---- */

static _Noreturn void say_and_end(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(1);
	_exit(0);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 3; /* itself, and what every directory has */
}

/* The supervisor is our child: it says when it is through, or it is dead. */
static bool supervisor_lives(void)
{
	for (uint64_t end = clock_ms() + PATIENCE; clock_ms() < end; poll(NULL, 0, 5)) {
		if (access(OVER, F_OK) == 0)
			return true;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return false;
	}
	say_and_end("the supervisor neither ends nor goes on");
}

static _Noreturn void be_init(char **argv)
{
	cleanup_buf struct buf text = BUF_INIT;
	char pid[16] = "", path[64], word[64] = "";
	struct stat st;

	if (!argv[1] || !streq(argv[1], "word") || argv[2])
		say_and_end("the words of the command line are not those of the kernel");
	if (access("/in-the-initramfs", F_OK) == 0 || access("/in-the-root", F_OK) < 0)
		say_and_end("this is not the real root");
	if (access("/run/marker", F_OK) < 0 || stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode))
		say_and_end("/run or /dev has not moved");
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL) < 0)
		say_and_end("/proc has not moved");
	if (strstr(buf_str(&text), ROOT_DIR))
		say_and_end("mounts are left below " ROOT_DIR);
	if (access(DEFAULT_RUN_DIR "/secrets/" SECRET, F_OK) < 0)
		say_and_end("a secret of the initramfs is gone");
	if (descriptors() != 3)
		say_and_end("descriptors are open that are not the init's");
	if (!supervisor_lives())
		say_and_end("alone");
	file_read_line(AT_FDCWD, OVER, pid, sizeof(pid));
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	file_read_line(AT_FDCWD, path, word, sizeof(word));
	if (word[0] != '@')
		say_and_end("the supervisor's name does not begin with @");
	snprintf(path, sizeof(path), "/proc/%s/root", pid);
	memset(word, 0, sizeof(word));
	if (readlink(path, word, sizeof(word) - 1) < 0 || !streq(word, "/"))
		say_and_end("the supervisor is not in the real root");
	say_and_end("good");
}

/* ---- as the initramfs ---- */

/* What a dynamic program needs: /usr, and the links to it. */
static void lend(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	fixture_path(from, "/%s", name);
	fixture_path(to, ROOT "/%s", name);
	n = readlink(from, link, sizeof(link) - 1);
	if (n >= 0) {
		link[n] = '\0';
		CHECK(symlink(link, to) == 0);
	} else if (access(from, F_OK) == 0) {
		CHECK(mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0);
	}
}

static void copy_self(void)
{
	cleanup_close int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_close int to = open(ROOT "/sbin/init", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char data[65536];
	ssize_t n;

	while ((n = read(from, data, sizeof(data))) > 0)
		CHECK(write(to, data, (size_t)n) == n);
}

static void build(void)
{
	static const char *const directories[] = { "proc", "run", "dev", "sys" };

	CHECK(fixture_namespace(0) && fixture_cover("/tmp"));
	CHECK(mkdir(INITRAMFS, 0755) == 0 && fixture_cover(INITRAMFS));
	CHECK(mkdir(ROOT, 0755) == 0 && fixture_cover(ROOT));
	for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
		char path[PATH_MAX];

		fixture_path(path, INITRAMFS "/%s", directories[i]);
		CHECK(mkdir(path, 0755) == 0);
		fixture_path(path, ROOT "/%s", directories[i]);
		CHECK(mkdir(path, 0755) == 0);
	}
	lend("usr");
	lend("lib");
	lend("lib64");
	CHECK(mkdir(ROOT "/sbin", 0755) == 0);
	copy_self();
	fixture_bytes(INITRAMFS "/in-the-initramfs", "", 0);
	fixture_bytes(INITRAMFS "/config/secrets/" SECRET, "QQ==", 4);
	fixture_bytes(ROOT "/in-the-root", "", 0);
	/* in the order of early.c, by which the change goes */
	CHECK(mount("proc", INITRAMFS "/proc", "proc", 0, NULL) == 0);
	CHECK(fixture_cover(INITRAMFS "/dev") && fixture_cover(INITRAMFS "/run"));
	fixture_bytes(INITRAMFS "/run/marker", "", 0);
	fixture_bytes(INITRAMFS "/dev/null", "", 0);
	CHECK(mount("/dev/null", INITRAMFS "/dev/null", NULL, MS_BIND, NULL) == 0);
	/* as systemd has /usr in its initramfs: it is not to cover what the root has there */
	CHECK(mkdir(INITRAMFS "/sbin", 0755) == 0 &&
	      mount(INITRAMFS "/sbin", INITRAMFS "/sbin", NULL, MS_BIND, NULL) == 0);
	CHECK(chdir(INITRAMFS) == 0 && chroot(".") == 0 && chdir("/") == 0);
}

static void when_over(void *arg, const struct err *e)
{
	char pid[16];

	(void)arg;
	if (e) {
		sigset_t asked;

		sigemptyset(&asked);
		sigaddset(&asked, SIGUSR2);
		sigprocmask(SIG_BLOCK, &asked, NULL);
		kill(1, SIGUSR2);
		CHECK(sigtimedwait(&asked, NULL, &(struct timespec){ .tv_sec = PATIENCE / 2000 }) == SIGUSR2);
		if (check_case_failed)
			say_and_end("process 1 does not hear of an end");
		CHECK(write(report, e->message, strlen(e->message)) > 0);
		return;
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL); /* it has come through */
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	fixture_bytes("/run/half", pid, strlen(pid));
	rename("/run/half", OVER);
}

/* The supervisor: nothing but the change of root. */
static _Noreturn void supervise(int to_first)
{
	static const struct supervisor_options options = { .config_dir = "/config",
		                                           .run_dir = DEFAULT_RUN_DIR };
	struct handover h = { .to_first = to_first, .on_over = when_over };
	struct loop loop;
	struct err e = { 0 };

	if (shared->lives++ == 0 && shared->kill_at) {
		struct itimerval timer = { .it_value = { 0, (suseconds_t)shared->kill_at } };

		setitimer(ITIMER_REAL, &timer, NULL);
	}
	if (loop_init(&loop, &e) < 0 || !(h.sup = supervisor_new(&loop, &options, &e)) ||
	    supervisor_add_source(h.sup, SOURCE_DIRECTORY, options.config_dir, NULL, &e) < 0) {
		fprintf(stderr, "%s\n", e.message);
		_exit(1);
	}
	supervisor_go(h.sup);
	handover_begin(&h, shared->init);
	loop_run(&loop);
	_exit(1);
}

/* Process 1 of the machine; what its init says goes to the pipe. */
static _Noreturn void boot_machine(int out)
{
	char word[] = "word", *argv[] = { own_name, word, NULL };
	struct err e = { 0 };
	int to_first;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 1);
	report = out;
	build();
	if (check_case_failed)
		say_and_end("the machine could not be built");
	to_first = handover_fork(argv, &e);
	if (to_first >= 0)
		supervise(to_first);
	say_and_end(e.message);
}

/* ---- the cases ---- */

/* What the init has said. */
static const char *run_machine(const char *init, unsigned kill_at)
{
	static char said[256];
	int ends[2];
	ssize_t n, len = 0;

	*shared = (struct shared){ .kill_at = kill_at };
	snprintf(shared->init, sizeof(shared->init), "%s", init);
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) { /* the first child after this is process 1 */
		pid_t first = unshare(CLONE_NEWPID) < 0 ? -1 : fork();

		if (first == 0)
			boot_machine(ends[1]);
		close(ends[1]);
		waitpid(first, NULL, 0);
		_exit(0);
	}
	close(ends[1]);
	if (poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, (int)PATIENCE) > 0 &&
	    (n = read(ends[0], said, sizeof(said) - 1)) > 0) /* each says all in one */
		len = n;
	said[len] = '\0';
	close(ends[0]);
	kill(pid, SIGKILL); /* and the machine with it */
	waitpid(pid, NULL, 0);
	return said;
}

static void the_supervisor_lives_on_beside_the_real_init(void)
{
	CHECK_STR(run_machine("/sbin/init", 0), "good");
	CHECK_INT(shared->lives, 1);
	CHECK_INT(shared->followed, 1);
}

/* Killed late it leaves the init alone; killed early there is another one. */
static void whenever_the_supervisor_dies_the_real_init_runs(void)
{
	unsigned again = 0, alone = 0;

	srand48(1);
	for (int i = 0; i < KILLS && !check_case_failed; i++) {
		unsigned at = 1 + (unsigned)lrand48() % 20000;
		const char *said = run_machine("/sbin/init", at);

		if (!streq(said, "good") && !streq(said, "alone"))
			printf("# killed after %u µs, in life %u: \"%s\"\n", at, shared->lives, said);
		CHECK(streq(said, "good") || streq(said, "alone"));
		again += shared->lives > 1;
		alone += streq(said, "alone");
	}
	printf("# %d times killed, %u times begun anew, %u times gone too late for that\n", KILLS, again,
	       alone);
}

static void an_init_that_cannot_run_is_told_and_process_1_stays(void)
{
	CHECK_STR(run_machine("/in-the-root", 0), "cannot run /in-the-root: Permission denied");
	CHECK_STR(run_machine("/nowhere", 0), "cannot run /nowhere: No such file or directory");
	CHECK_INT(shared->lives, 1);
	CHECK_INT(shared->followed, 1); /* iscsid, too, is in the root that has the mounts */
}

int main(int argc, char **argv)
{
	if (argc > 0 && getpid() == 1 && streq(argv[0], "/sbin/init"))
		be_init(argv);
	own_name = argv[0];
	file_keep_only(-1); /* what whoever runs us has left open would be the init's, too */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (getuid() != 0 || shared == MAP_FAILED) {
		printf("skip the change of root: namespaces of processes and mounts take root\n");
		return 0;
	}
	RUN(the_supervisor_lives_on_beside_the_real_init);
	RUN(an_init_that_cannot_run_is_told_and_process_1_stays);
	RUN(whenever_the_supervisor_dies_the_real_init_runs);
	return check_done();
}
