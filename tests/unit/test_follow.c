/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The change of root that somebody else makes, in a mount namespace: a filesystem in memory is the initramfs,
 * another one below it the root, and a second process is the initramfs's init, which moves mounts as run-init
 * and switch_root do.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "check.h"
#include "fixture.h"
#include "base/clock.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/root/follow.h"

#define INITRAMFS "/tmp/initramfs"
#define NEW       "/new"
#define SECRET    "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87.base64"
#define LATE      "2ec115d7-3a88-3ceb-bc12-0ac909a6fd88.base64"
#define PATIENCE  SECONDS(60)

static struct follow f;
static struct loop loop;
static struct supervisor *sup;
static bool over;         /* on_over was called */
static char answer[1024]; /* of the one who asked: "good", or the error */
static struct waiter asker;

/* ---- the initramfs ---- */

static void build(void)
{
	static const char *const directories[] = { "proc", "run", "dev", "sys" };
	char path[PATH_MAX];

	CHECK(fixture_namespace(0) && fixture_cover("/tmp"));
	CHECK(mkdir(INITRAMFS, 0755) == 0 && fixture_cover(INITRAMFS));
	CHECK(mkdir(INITRAMFS NEW, 0755) == 0 && fixture_cover(INITRAMFS NEW));
	for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
		fixture_path(path, INITRAMFS "/%s", directories[i]);
		CHECK(mkdir(path, 0755) == 0);
		fixture_path(path, INITRAMFS NEW "/%s", directories[i]);
		CHECK(mkdir(path, 0755) == 0);
	}
	fixture_bytes(INITRAMFS "/in-the-initramfs", "", 0);
	fixture_bytes(INITRAMFS "/config/secrets/" SECRET, "QQ==", 4);
	fixture_bytes(INITRAMFS NEW "/in-the-root", "", 0);
	CHECK(mount("/proc", INITRAMFS "/proc", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(mount("/sys", INITRAMFS "/sys", NULL, MS_BIND, NULL) == 0);
	CHECK(fixture_cover(INITRAMFS "/dev") && fixture_cover(INITRAMFS "/run"));
	fixture_bytes(INITRAMFS "/dev/null", "", 0);
	CHECK(mkdir(INITRAMFS "/srv", 0755) == 0 && mkdir(INITRAMFS "/srv/data", 0755) == 0);
	CHECK(fixture_cover(INITRAMFS "/srv/data"));
	fixture_bytes(INITRAMFS "/srv/data/a-volume", "", 0);
	CHECK(chdir(INITRAMFS) == 0 && chroot(".") == 0 && chdir("/") == 0);
}

/* Its init: the mounts first, then the root; `pause` ms lie between two of them. */
static pid_t change_root(int pause)
{
	static const char *const moved[] = { "/dev", "/run", "/sys", "/proc" };
	char to[64];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
		snprintf(to, sizeof(to), NEW "%s", moved[i]);
		if (mount(moved[i], to, NULL, MS_MOVE, NULL) < 0)
			_exit(1);
		poll(NULL, 0, pause);
	}
	_exit(chdir(NEW) < 0 || unlink("/in-the-initramfs") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0);
}

/* ---- the supervisor ---- */

static void when_over(void *arg)
{
	(void)arg;
	over = true;
	loop_stop(&loop);
}

static void when_answered(struct waiter *w, const struct result *r)
{
	(void)w;
	snprintf(answer, sizeof(answer), "%s", r->err ? r->err->message : "good");
	loop_stop(&loop);
}

static void when_late(struct timer *t)
{
	(void)t;
	loop_stop(&loop);
}

static void run_loop(uint64_t most)
{
	struct timer timer = { .on_expiry = when_late };

	loop_arm(&loop, &timer, clock_ms() + most);
	loop_run(&loop);
	loop_disarm(&loop, &timer);
}

static const char *ask(const char *root)
{
	struct err e = { 0 };

	asker = (struct waiter){ .done = when_answered };
	if (follow_ask(&f, root, &asker, &e) < 0) {
		snprintf(answer, sizeof(answer), "%s", e.message);
		return answer;
	}
	run_loop(PATIENCE);
	return answer;
}

static void begin(void)
{
	static const struct supervisor_options options = { .config_dir = "/config",
		                                           .run_dir = DEFAULT_RUN_DIR };
	struct err e = { 0 };

	build();
	CHECK(loop_init(&loop, &e) == 0 && (sup = supervisor_new(&loop, &options, &e)) != NULL);
	CHECK(supervisor_add_source(sup, SOURCE_DIRECTORY, options.config_dir, NULL, &e) == 0);
	supervisor_go(sup);
	f = (struct follow){ .sup = sup, .on_over = when_over };
	CHECK(follow_begin(&f, &e) == 0);
}

static void is_in_the_root(void)
{
	CHECK(over);
	CHECK(access("/in-the-root", F_OK) == 0);
	CHECK(access("/in-the-initramfs", F_OK) < 0);
	CHECK(access("/proc/1/stat", F_OK) == 0 && access("/dev/null", F_OK) == 0);
	CHECK(access(DEFAULT_RUN_DIR "/secrets/" SECRET, F_OK) == 0);
	CHECK(supervisor_options(sup)->config_dir == NULL);
}

/* ---- the cases, each in a process whose mounts end with it ---- */

static void asked_before(void)
{
	int status;

	begin();
	CHECK_STR(ask("new"), "follow: no root is mounted at new");
	CHECK_STR(ask("/nowhere"), "follow: no root is mounted at /nowhere");
	CHECK_STR(ask("/"), "follow: no root is mounted at /");
	CHECK_STR(ask("/srv"), "follow: no root is mounted at /srv");
	CHECK_STR(ask(NEW "/in-the-root"), "follow: no root is mounted at " NEW "/in-the-root");
	CHECK(!f.leaving);
	fixture_bytes("/config/secrets/" LATE, "QQ==", 4); /* its file goes with the initramfs as well */
	CHECK_STR(ask(NEW), "good");
	CHECK(!over && access("/in-the-initramfs", F_OK) == 0);
	CHECK(access(NEW "/srv/data/a-volume", F_OK) == 0 && access("/srv/data/a-volume", F_OK) < 0);
	CHECK(access("/proc/1/stat", F_OK) == 0 && access(DEFAULT_RUN_DIR, F_OK) == 0);
	CHECK_STR(ask(NEW), "follow: the root is being changed already");
	pid_t init = change_root(0);
	run_loop(PATIENCE);
	CHECK(waitpid(init, &status, 0) == init && status == 0);
	is_in_the_root();
	CHECK(access(DEFAULT_RUN_DIR "/secrets/" LATE, F_OK) == 0);
	CHECK(access("/srv/data/a-volume", F_OK) == 0);
	CHECK_STR(ask("/"), "follow: this is no initramfs");
}

/* Whatever the path leads through may have a server that is dead: the supervisor does not go there. */
static void asked_of_one_that_is_dead(void)
{
	char options[64];
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	CHECK(fuse >= 0);
	begin();
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	CHECK(mount("dead", "/srv", "fuse", 0, options) == 0);
	alarm((unsigned)(PATIENCE / 1000));
	CHECK_STR(ask("/srv/root"), "follow: no root is mounted at /srv/root");
	alarm(0);
	umount2("/srv", MNT_DETACH);
}

/* run-init would stop at it. */
static void no_room_for_it(void)
{
	int status;

	begin();
	CHECK(mount(NULL, NEW, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK_STR(ask(NEW "/"),
	          "/srv/data cannot be moved into the new root, and is unmounted: Read-only file system");
	CHECK(access("/srv/data/a-volume", F_OK) < 0 && f.leaving);
	pid_t init = change_root(0);
	run_loop(PATIENCE);
	CHECK(waitpid(init, &status, 0) == init && status == 0);
	is_in_the_root();
}

static void not_asked(int pause)
{
	int status;

	begin();
	pid_t init = change_root(pause);
	run_loop(PATIENCE);
	CHECK(waitpid(init, &status, 0) == init && status == 0);
	is_in_the_root();
}

static void not_asked_and_slow(void)
{
	not_asked(50);
}

static void not_asked_and_fast(void)
{
	not_asked(0);
}

/* What is mounted elsewhere is no change of root. */
static void other_mounts(void)
{
	begin();
	for (int i = 0; i < 3; i++) {
		CHECK(fixture_cover("/srv"));
		run_loop(50);
		CHECK(umount("/srv") == 0);
		run_loop(50);
	}
	CHECK(!over && !f.leaving);
}

static void elsewhere(void)
{
	static const struct supervisor_options options = { .config_dir = "/nowhere", .run_dir = "/tmp" };
	struct err e = { 0 };

	CHECK(fixture_namespace(0) && fixture_cover("/tmp"));
	CHECK(loop_init(&loop, &e) == 0 && (sup = supervisor_new(&loop, &options, &e)) != NULL);
	f = (struct follow){ .sup = sup, .on_over = when_over };
	CHECK(follow_begin(&f, &e) == 0);
	CHECK_STR(ask("/tmp"), "follow: this is no initramfs");
}

static bool holds(void (*check)(void))
{
	int status = 1;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		check();
		fflush(NULL);
		_exit(check_case_failed);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void whoever_asks_finds_what_pools_have_mounted_in_the_new_root(void)
{
	CHECK(holds(asked_before));
	CHECK(holds(no_room_for_it));
	CHECK(access("/dev/fuse", F_OK) < 0 || holds(asked_of_one_that_is_dead));
}

static void a_change_that_nobody_told_of_is_followed(void)
{
	CHECK(holds(not_asked_and_slow));
	CHECK(holds(not_asked_and_fast));
}

static void nothing_else_is(void)
{
	CHECK(holds(other_mounts));
	CHECK(holds(elsewhere));
}

int main(void)
{
	if (getuid() != 0) {
		printf("skip the change of root: namespaces of mounts take root\n");
		return 0;
	}
	RUN(whoever_asks_finds_what_pools_have_mounted_in_the_new_root);
	RUN(a_change_that_nobody_told_of_is_followed);
	RUN(nothing_else_is);
	return check_done();
}
