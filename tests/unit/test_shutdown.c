/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shutting down when no process can be had: what was not done is not called done, and one step does not use
 * up the time of the next. Nothing of this machine is unmounted, synced or ended: what would do that is
 * replaced.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include "base/file.h"
#include "base/loop.h"
#include "base/mountinfo.h"
#include "base/spawn.h"
#include "base/util.h"
#include "check.h"
#include "log_text.h"
#include "fixture.h"
#include "supervisor/inside.h"

static struct worker *start_or_refuse(struct supervisor *s, const struct task *task, struct err *e);
static pid_t fork_or_refuse(int *pidfd);
static int one_mount(int (*each)(const struct mount_entry *m, void *arg), void *arg, struct err *e);
static void note_sync(void);
static int sync_or_refuse(int fd);

#define worker_start   start_or_refuse
#define spawn_fork     fork_or_refuse
#define mountinfo_each one_mount
#define sync           note_sync
#define syncfs         sync_or_refuse
#define strdup(text)   ((char *)(uintptr_t)(text)) /* a worker's memory goes with it; here it would stay */
#define file_poke(...) ((void)sysrq)
#include "../../src/boot/shutdown.c"
#undef spawn_fork
#undef strdup

static unsigned refusals, synced, workers;
static int sync_error;
static struct loop loop;
static struct supervisor *sup;
static char dir[PATH_MAX], run[PATH_MAX];

static struct worker *start_or_refuse(struct supervisor *s, const struct task *task, struct err *e)
{
	static struct worker started;

	(void)s;
	if (refusals) {
		refusals--;
		err_set(e, ERR_STORAGE, "cannot start the worker for \"%s\"", task->what);
		return NULL;
	}
	workers++;
	started = (struct worker){ .task = *task };
	return &started;
}

static pid_t fork_or_refuse(int *pidfd)
{
	if (!refusals)
		return spawn_fork(pidfd);
	refusals--;
	errno = EAGAIN;
	return -1;
}

static int one_mount(int (*each)(const struct mount_entry *m, void *arg), void *arg, struct err *e)
{
	(void)e;
	return each(&(struct mount_entry){ .dev = makedev(8, 1), .fstype = "ext4", .target = dir }, arg);
}

static void note_sync(void)
{
	synced++;
}

static int sync_or_refuse(int fd)
{
	(void)fd;
	errno = sync_error;
	return sync_error ? -1 : 0;
}

static void a_mount_without_a_process_is_not_called_unmounted(void)
{
	struct worker_io io = { .fd = -1, .deadline = clock_ms() + 300 };
	struct err e = { 0 };

	refusals = 1000;
	CHECK(run_unmount(&io, NULL, &e) < 0);
	CHECK(strstr(e.message, "for 1 no process can be had") != NULL);
	refusals = 0;
}

static void a_process_is_tried_for_again(void)
{
	struct worker_io io = { .fd = -1, .deadline = clock_ms() + SECONDS(20) };
	struct err e = { 0 };

	refusals = 2;
	CHECK(run_unmount(&io, NULL, &e) == 0);
	CHECK(refusals == 0);
}

static void what_has_no_process_is_synced_with_all_the_rest(void)
{
	struct worker_io io = { .fd = -1, .deadline = clock_ms() + 500 };
	struct err e = { 0 };

	refusals = 1000;
	synced = 0;
	CHECK(run_sync(&io, NULL, &e) == 0);
	CHECK(synced == 1);
	refusals = 0;
}

static int hang(const char *target)
{
	(void)target;
	return pause();
}

static void one_that_hangs_and_one_without_a_process_are_told_apart(void)
{
	struct shutdown_mounts list = { .targets = { dir }, .n = 1 };
	struct undone u = { 0 };
	struct err e = { 0 };

	CHECK(answers_open(&e));

	int child = in_child(hang, &list, 0, clock_ms());

	CHECK(child >= 0);
	int again = fcntl(child, F_DUPFD_CLOEXEC, 0);
	await_child(child, clock_ms() + 50, &u);
	await_child(-1, clock_ms() + 50, &u);
	CHECK(u.hung == 1 && u.refused == 1);
	syscall(SYS_pidfd_send_signal, again, SIGKILL, NULL, 0);
	close(again);
}

static unsigned said(const char *what);

static void what_could_not_be_written_is_said(void)
{
	static int (*const steps_that_sync[])(struct worker_io *, void *, struct err *) = { run_unmount,
		                                                                            run_sync };
	char text[1024];
	int pair[2];

	for (size_t i = 0; i < ARRAY_LEN(steps_that_sync); i++) {
		struct err e = { 0 };
		struct worker w = { .sup = sup };
		struct line l;

		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);

		struct worker_io io = { .fd = pair[0], .deadline = clock_ms() + SECONDS(20) };

		sync_error = ENOSPC;
		CHECK(steps_that_sync[i](&io, NULL, &e) == 0);
		sync_error = 0;
		CHECK(steps_that_sync[i](&io, NULL, &e) == 0);
		close(pair[0]);

		ssize_t n = read(pair[1], text, sizeof(text));

		CHECK(n > 1 && !memchr(text, '\n', (size_t)n - 1));
		CHECK(line_parse_reply(text, (size_t)(n > 0 ? n - 1 : 0), &l, &e) == 0);
		CHECK_STR(line_get(&l, "target"), dir);
		worker_says(&w, &l);
		CHECK(said("is not all there: No space left on device") == i + 1);
		close(pair[1]);
	}
}

/* The shutdown of a whole machine, in this step. */
static struct shutdown *at(int step)
{
	static struct shutdown s;

	s = (struct shutdown){ .sup = sup,
		               .way = &ways[0],
		               .machine = true,
		               .bound = clock_ms() + SHUTDOWN_BOUND,
		               .step = step };
	s.timer = (struct timer){ .on_expiry = on_step_timer, .owner = &s };
	return &s;
}

enum { UNMOUNT = 4, SYNC = 5, END = 6 };

static void a_step_without_a_process_keeps_to_its_own_time(void)
{
	struct shutdown *s = at(UNMOUNT);
	uint64_t begun = clock_ms();

	refusals = 1000;
	workers = 0;
	run_shutdown_worker(s, "unmount", 600, run_unmount, NULL);
	CHECK(s->step == UNMOUNT && s->timer.armed);
	while (s->step == UNMOUNT && clock_ms() < s->bound - SECONDS(10))
		loop_round(&loop, clock_ms() + 50);
	CHECK(s->step == SYNC);
	CHECK(clock_ms() - begun >= 600);
	refusals = 0;
	while (!workers && clock_ms() < s->bound)
		loop_round(&loop, clock_ms() + 50);
	CHECK(workers == 1 && s->step == SYNC);
	loop_disarm(&loop, &s->timer);
}

static unsigned said(const char *what)
{
	cleanup_buf struct buf b = BUF_INIT;
	unsigned n = 0;

	log_text(&b, 0);
	for (const char *p = buf_str(&b); (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void a_step_that_is_tried_again_says_so_once(void)
{
	struct watchdog none = { .loop = &loop, .fd = -1 };
	struct shutdown *s = at(END);

	s->watchdog = &none;
	refusals = 3;
	workers = 0;
	end(s);
	while (!workers && clock_ms() < s->bound)
		loop_round(&loop, clock_ms() + 50);
	CHECK(workers == 1 && refusals == 0 && s->step == END);
	CHECK(said("text=\"power off\"") == 1);
	CHECK(said("poweroff") == 1);
	loop_disarm(&loop, &s->timer);
}

int main(void)
{
	struct supervisor_options o = { .run_dir = run };
	struct err e = { 0 };

	fixture_make(dir);
	fixture_path(run, "%s/run", dir);
	CHECK(loop_init(&loop, &e) == 0);
	sup = supervisor_new(&loop, &o, &e);
	CHECK(sup != NULL);
	RUN(a_mount_without_a_process_is_not_called_unmounted);
	RUN(a_process_is_tried_for_again);
	RUN(what_has_no_process_is_synced_with_all_the_rest);
	RUN(what_could_not_be_written_is_said);
	RUN(one_that_hangs_and_one_without_a_process_are_told_apart);
	RUN(a_step_without_a_process_keeps_to_its_own_time);
	RUN(a_step_that_is_tried_again_says_so_once);
	supervisor_free(sup);
	loop_close(&loop);
	fixture_remove(dir);
	return check_done();
}
