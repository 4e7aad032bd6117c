/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shutting down, step by step. What may block is done by workers, and a step whose time is over is left for
 * the next.
 *
 * The order is that of who needs whom: the payload uses volumes, pools use mounts and sessions, other
 * processes may use anything, and only then are filesystems unmounted and synced. A step that cannot end
 * leaves its processes behind; the bound is kept because a machine that does not go down is worse than one
 * that goes down with a filesystem to check.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <poll.h>
#include <sys/reboot.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/spawn.h"
#include "base/util.h"
#include "boot/early.h"
#include "boot/shutdown.h"
#include "supervisor/work/worker.h"

/* Together less than SHUTDOWN_BOUND; the pools have what is left of it. */
#define PAYLOAD_TIME  SECONDS(5)
#define TERM_TIME     SECONDS(2)
#define KILL_TIME     SECONDS(1)
#define UNMOUNT_TIME  SECONDS(7)
#define MOUNT_TIME    SECONDS(2) /* of each mount */
#define SYNC_TIME     SECONDS(4)
#define REBOOT_TIME   SECONDS(1)
#define NO_ROOM_PAUSE 250 /* ms, when no process can be had */
#define AFTER_POOLS   (TERM_TIME + KILL_TIME + UNMOUNT_TIME + SYNC_TIME + REBOOT_TIME)
_Static_assert(PAYLOAD_TIME + AFTER_POOLS < SHUTDOWN_BOUND, "time is left for the pools");

/* A way to end: its word, reboot(2)'s command, the key of sysrq that does the same by force (0: none), and
 * what the log says. */
struct shutdown_way {
	const char *word;
	int command;
	char sysrq;
	const char *says;
};

/* clang-format off */
static const struct shutdown_way ways[] = {
	{ "poweroff", RB_POWER_OFF,   'o', "power off" },
	{ "reboot",   RB_AUTOBOOT,    'b', "reboot" },
	{ "halt",     (int)RB_HALT_SYSTEM, 0,  "halt" },
};
/* clang-format on */

const char *shutdown_word(int sig)
{
	switch (sig) {
	case SIGTERM:
	case SIGINT:
		return "reboot";
	case SIGUSR1:
		return "halt";
	case SIGUSR2:
	case SIGPWR:
		return "poweroff";
	default:
		return NULL;
	}
}

static void next_step(struct shutdown *s);

/* ---- in workers: what may hang ---- */

#define MOUNTS 512

/* Mounts that may hold data, as they are when the step begins. */
struct shutdown_mounts {
	char *targets[MOUNTS];
	size_t n;
};

/* Filesystems that hold data although no block device is below them. */
static const char *const data_types[] = {
	"nfs", "nfs4",    "cifs", "smb3",    "ceph",     "9p",        "btrfs",
	"zfs", "overlay", "fuse", "fuseblk", "virtiofs", "glusterfs",
};

/* Is there something that a lost write would be missed from? Mounts of memory and of the kernel's own are
 * left alone. */
static bool holds_data(const struct mount_entry *m)
{
	if (major(m->dev) != 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(data_types); i++)
		if (streq(m->fstype, data_types[i]) || starts_with(m->fstype, "fuse."))
			return true;
	return false;
}

/* Keep a mount that may hold data. More than MOUNTS are left to sync(2). */
static int note_mount(const struct mount_entry *m, void *arg)
{
	struct shutdown_mounts *list = arg;

	if (list->n < MOUNTS && holds_data(m) && (list->targets[list->n] = strdup(m->target)))
		list->n++;
	return 0;
}

/* The errno of what the disk or the server refused; 0: all is written. What is no directory, or may not be
 * opened, is not asked. */
static int sync_mount(const char *target)
{
	int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int error = fd < 0 && (errno == EIO || errno == ESTALE || errno == ESHUTDOWN) ? errno : 0;

	if (fd >= 0 && syncfs(fd) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* Unmounted, or at least read-only: clean either way. */
static int put_away(const char *target)
{
	if (umount2(target, UMOUNT_NOFOLLOW) < 0)
		mount(NULL, target, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	return 0;
}

/* What is told of each by its child, in memory that it shares with us. */
static int *answers;

/* Memory that children can write to: their exit status is not collected, since nobody may wait for them. */
static bool answers_open(struct err *e)
{
	answers = mmap(NULL, MOUNTS * sizeof(*answers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	               -1, 0);
	if (answers == MAP_FAILED)
		err_sys(e, errno, "no memory for what filesystems answer");
	return answers != MAP_FAILED;
}

/* Run fn for the i-th in a child and give its pidfd: the child may hang. -1: until the limit no process could
 * be had. */
static int in_child(int (*fn)(const char *target), const struct shutdown_mounts *list, size_t i,
                    uint64_t limit)
{
	int pidfd, left;
	pid_t pid;

	while ((pid = spawn_fork(&pidfd)) < 0 && (left = clock_until(limit)) > 0)
		poll(NULL, 0, left < NO_ROOM_PAUSE ? left : NO_ROOM_PAUSE);
	if (pid == 0) {
		answers[i] = fn(list->targets[i]);
		_exit(0);
	}
	return pid < 0 ? -1 : pidfd;
}

/* Those for which it was not done. */
struct undone {
	size_t hung, refused;
};

static void send_lost(struct worker_io *io, const char *target, int error)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "target", target);
	line_str(&b, "lost", strerror(error));
	worker_send_record(io, &b);
}

/* Wait for a child of in_child(), and close its pidfd. */
static void await_child(int pidfd, uint64_t deadline, struct undone *u)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	if (pidfd < 0) {
		u->refused++;
		return;
	}
	do
		n = poll(&p, 1, clock_until(deadline));
	while (n < 0 && errno == EINTR);
	u->hung += n <= 0;
	close(pidfd);
}

/* One sentence for all that was not done, and why. */
static int undone(const struct undone *u, const char *what, struct err *e)
{
	if (!u->hung && !u->refused)
		return 0;
	return err_set(e, ERR_HUNG,
	               "%zu filesystems are not %s: %zu do not answer, for %zu no process can be had",
	               u->hung + u->refused, what, u->hung, u->refused);
}

/* All at once: one that hangs does not keep the others. */
static void sync_each(struct worker_io *io, const struct shutdown_mounts *list, uint64_t limit,
                      struct undone *left)
{
	int children[MOUNTS];

	for (size_t i = 0; i < list->n; i++)
		children[i] = in_child(sync_mount, list, i, limit);
	for (size_t i = 0; i < list->n; i++) {
		await_child(children[i], limit, left);
		if (answers[i])
			send_lost(io, list->targets[i], answers[i]);
		answers[i] = 0;
	}
}

/* The mounts as they are now, and room for what each of them answers. */
static int list_mounts(struct shutdown_mounts *list, struct err *e)
{
	signal(SIGCHLD, SIG_IGN); /* children that have ended take no room that the next may need */
	return answers_open(e) ? mountinfo_each(note_mount, list, e) : -1;
}

/* The newest mounts first: they may lie on older ones. They are synced before, for an unmount does not tell
 * what could not be written. */
static int run_unmount(struct worker_io *io, void *arg, struct err *e)
{
	struct shutdown_mounts list = { .n = 0 };
	struct undone left = { 0 }, unsynced = { 0 };

	(void)arg;
	if (list_mounts(&list, e) < 0)
		return -1;
	sync_each(io, &list, least(clock_ms() + MOUNT_TIME, io->deadline), &unsynced);
	while (list.n-- > 0) {
		uint64_t limit = least(clock_ms() + MOUNT_TIME, io->deadline);

		await_child(in_child(put_away, &list, list.n, limit), limit, &left);
	}
	return undone(&left, "unmounted", e);
}

/* What cannot be unmounted is at least written. A little time is kept for the answer itself. */
static int run_sync(struct worker_io *io, void *arg, struct err *e)
{
	struct shutdown_mounts list = { .n = 0 };
	struct undone left = { 0 };

	(void)arg;
	if (list_mounts(&list, e) < 0)
		return -1;
	sync_each(io, &list, io->deadline - 200, &left);
	if (left.hung)
		return undone(&left, "synced", e);
	sync(); /* those without a process too */
	return 0;
}

/* In a worker too: the kernel may hang in it, in a driver that has lost its device. */
static int run_reboot(struct worker_io *io, void *arg, struct err *e)
{
	const struct shutdown_way *way = arg;

	(void)io;
	reboot(way->command);
	return err_sys(e, errno, "reboot(2)");
}

/* ---- the steps ---- */

static void time_for(struct shutdown *s, uint64_t ms)
{
	loop_arm(supervisor_loop(s->sup), &s->timer, clock_ms() + ms);
}

/* The worker of a step has answered, or its time is over: either way it is the next one's turn. */
static void shutdown_worker_over(struct worker *w, const struct err *e, bool left)
{
	struct shutdown *s = w->task.owner;

	(void)left;
	if (e)
		log_warn(LF_BOOT, "%s: %s", w->task.what, e->message);
	next_step(s);
}

/* A filesystem that could not write its last data is named in the log: after the reboot nobody else would
 * tell. */
static void worker_says(struct worker *w, const struct line *l)
{
	if (line_has(l, "target") && line_has(l, "lost") && worker_may_log(w))
		log_error(LF_BOOT, "%s: what was written last is not all there: %s", line_get(l, "target"),
		          line_get(l, "lost"));
}

static void step_done(void *arg)
{
	next_step(arg);
}

typedef int run_fn(struct worker_io *io, void *arg, struct err *e);

/* Give a step to a worker. Where no process can be had it is tried again, within the time of the step; then
 * the step is left out. */
static void run_shutdown_worker(struct shutdown *s, const char *what, uint64_t time, run_fn *run, void *arg)
{
	struct task task = { .what = what,
		             .timeout = time,
		             .run = run,
		             .arg = arg,
		             .on_record = worker_says,
		             .on_done = shutdown_worker_over,
		             .owner = s };
	uint64_t now = clock_ms();
	struct err e = { 0 };

	if (s->retry_until) /* what is left of its time */
		task.timeout = now < s->retry_until ? s->retry_until - now : 1;
	if (worker_start(s->sup, &task, &e))
		return;
	if (!s->retry_until) {
		log_error(LF_BOOT, "%s: it is tried again", e.message);
		s->retry_until = now + time < s->bound ? now + time : s->bound;
	}
	if (now < s->retry_until) { /* there may be more room in a moment */
		time_for(s, NO_ROOM_PAUSE);
		return;
	}
	log_error(LF_BOOT, "%s is not done: no process can be had", what);
	next_step(s);
}

/* First the appliance's program, which uses the volumes. */
static void stop_payload(struct shutdown *s)
{
	payload_stop(s->payload, clock_ms() + PAYLOAD_TIME, step_done, s);
}

/* Then the pools, each in its own way. They have what the later steps leave of the time. */
static void stop_pools(struct shutdown *s)
{
	supervisor_shutdown(s->sup, s->bound - AFTER_POOLS, step_done, s);
}

/* Is there a child at all, alive or not? As PID 1 all processes without a parent are ours. */
static bool any_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* Tell all processes, and wait for them at most so long. Every process is a descendant of PID 1, and becomes
 * its child when its parent dies: no child is left when none is left at all. */
static void signal_all(struct shutdown *s, int sig, uint64_t time)
{
	kill(-1, sig);
	if (sig == SIGTERM)
		kill(-1, SIGCONT);
	if (s->beside || any_child())
		time_for(s, time);
	else
		next_step(s);
}

/* All other processes are asked to end. Nothing of ours may start one any more, or this would not end. */
static void terminate_all(struct shutdown *s)
{
	if (s->on_last_processes)
		s->on_last_processes(s->arg);
	signal_all(s, SIGTERM, TERM_TIME);
}

static void kill_all(struct shutdown *s)
{
	signal_all(s, SIGKILL, KILL_TIME);
}

/* In a container the mounts are not ours. */
static void unmount(struct shutdown *s)
{
	if (s->machine)
		run_shutdown_worker(s, "unmount", UNMOUNT_TIME, run_unmount, NULL);
	else
		next_step(s);
}

/* Once more before the end: what could not be unmounted has to be on the disk as well. */
static void sync_all(struct shutdown *s)
{
	if (s->machine)
		run_shutdown_worker(s, "sync", SYNC_TIME, run_sync, NULL);
	else
		next_step(s);
}

/* The machine's end. The watchdog is put off before: a machine that is being switched off must not be reset.
 */
static void end(struct shutdown *s)
{
	if (!s->retry_until)
		log_info(LF_BOOT, "%s", s->way->says);
	watchdog_stop(s->watchdog);
	run_shutdown_worker(s, s->way->word, SECONDS(10), run_reboot, (void *)(uintptr_t)s->way);
}

/* The kernel did not do it: in a container it may not, then our end is the container's; on a machine a driver
 * hangs in it. */
static void end_by_force(struct shutdown *s)
{
	char sysrq[2] = { s->way->sysrq, '\0' };

	if (!s->machine)
		_exit(0);
	log_error(LF_BOOT, "reboot(2) does not end the machine");
	if (*sysrq)
		file_poke(AT_FDCWD, "/proc/sysrq-trigger", sysrq, NULL);
	time_for(s, SECONDS(10));
}

static void (*const steps[])(struct shutdown *s) = {
	stop_payload, stop_pools, terminate_all, kill_all, unmount, sync_all, end, end_by_force,
};
enum { STEP_TERMINATE = 2, STEP_KILL = 3 };

/* Steps only go forward, and the last one is repeated: there is nothing after it. */
static void next_step(struct shutdown *s)
{
	loop_disarm(supervisor_loop(s->sup), &s->timer);
	s->retry_until = 0;
	if (s->step < (int)ARRAY_LEN(steps) - 1)
		s->step++;
	steps[s->step](s);
}

/* Either the step's time is over, or a process may be had by now for a step that had none. */
static void on_step_timer(struct timer *t)
{
	struct shutdown *s = t->owner;

	if (s->retry_until)
		steps[s->step](s);
	else
		next_step(s);
}

void shutdown_child_gone(struct shutdown *s)
{
	if (s->way && (s->step == STEP_TERMINATE || s->step == STEP_KILL) && s->timer.armed && !any_child())
		time_for(s, 0);
}

int shutdown_begin(struct shutdown *s, const char *how, struct err *e)
{
	demand(how && s->payload && s->watchdog, e);
	require(s->sup, e);

	const struct shutdown_way *way = NULL;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (streq(how, ways[i].word))
			way = &ways[i];
	if (!way)
		return err_set(e, ERR_INVALID, "init cannot \"%.40s\": it can poweroff, reboot or halt", how);
	if (s->way)
		return err_set(e, ERR_STATE, "%s is under way already", s->way->says);
	s->way = way;
	s->machine = early_is_machine();
	s->bound = clock_ms() + SHUTDOWN_BOUND;
	s->step = -1;
	s->timer = (struct timer){ .on_expiry = on_step_timer, .owner = s };
	log_info(LF_BOOT, "%s: stopping everything, at most %d s", way->says, (int)(SHUTDOWN_BOUND / 1000));
	if (s->machine) /* else sessions are the host's */
		supervisor_let_go(s->sup, &(struct letting_go){ .patience = SERVER_PATIENCE,
		                                                .within = SHUTDOWN_BOUND });
	/* From the loop, so that whoever asked is answered first. */
	time_for(s, 0);
	return 0;
}
