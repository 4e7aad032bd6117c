/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What switch_root(8) does, klibc's run-init, busybox's and systemd's own: they move /proc, /sys, /dev and
 * /run into the new root, one after the other, delete the files of the initramfs, and move the new root over
 * the initramfs's. Whoever lives on from before is left in an empty directory, and finds nothing by its path.
 *
 * The new root then lies over the old one, and "/.." leads there: the kernel goes up from a process's root
 * to that root itself, and from there into what is mounted over it (Linux, fs/namei.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "boot/early.h"
#include "boot/root/ending.h"
#include "boot/root/follow.h"
#include "boot/root/moving.h"
#include "supervisor/work/worker.h"

#define TOP          "/.."
#define QUIET_TIME   SECONDS(5) /* what is under way by then is tried again in the new root */
#define MOVE_TIME    SECONDS(20)
#define PREPARE_TIME SECONDS(30)
#define PATIENCE     SECONDS(60)

/* ---- before ---- */

/* There was no change of root after all. */
static void stay(struct follow *f)
{
	f->leaving = false;
	loop_disarm(supervisor_loop(f->sup), &f->patience);
	supervisor_resume(f->sup);
}

static void on_patience(struct timer *t)
{
	log_warn(LF_BOOT, "the root was not changed: pools go on here");
	stay(t->owner);
}

/* Their files go with the initramfs. */
static void take_secrets(const struct follow *f)
{
	struct err e = { 0 };

	if (supervisor_take_secrets(f->sup, &e) < 0)
		log_error(LF_CONFIG, "%s", e.message);
}

static int run_move_away(struct worker_io *io, void *arg, struct err *e)
{
	const struct follow *f = arg;

	(void)io;
	take_secrets(f); /* some may be new, or have come from a device */
	if (supervisor_pack(f->sup, f->root, ending_has_systemd(f->root)))
		ending_allow_programs();
	return root_move_mounts(f->root, false, e);
}

static void answer_asker(struct follow *f, const struct err *e)
{
	struct waiter *asker = f->waiters;

	if (!asker)
		return;
	waiter_withdraw(asker);
	asker->done(asker, &(struct result){ .err = e });
}

static void moved_away(struct worker *w, const struct err *e, bool left)
{
	(void)left;
	answer_asker(w->task.owner, e);
}

/* Nothing is under way in the initramfs any more. */
static void move_away(void *arg)
{
	struct follow *f = arg;
	struct task task = { .what = "move-mounts",
		             .timeout = MOVE_TIME,
		             .run = run_move_away,
		             .arg = f,
		             .on_done = moved_away,
		             .owner = f };
	struct err e = { 0 };

	if (*f->root && !worker_start(f->sup, &task, &e))
		answer_asker(f, &e);
}

static void let_go(struct follow *f, uint64_t quiet_within)
{
	f->leaving = true;
	if (!*f->root)
		loop_arm(supervisor_loop(f->sup), &f->patience, clock_ms() + PATIENCE);
	supervisor_pause(f->sup, clock_ms() + quiet_within, move_away, f);
}

int follow_ask(struct follow *f, const char *root, struct waiter *w, struct err *e)
{
	struct mount_entry m = { 0 };
	char path[sizeof(f->root)];
	bool mounted;

	if (f->table.fd < 0)
		return err_set(e, ERR_UNSUPPORTED, "follow: this is no initramfs");
	/* Pools would rest for ever if a root were awaited that cannot come from there. The path itself is
	 * not looked at: whatever it leads through may not answer. */
	snprintf(path, sizeof(path), "%s", root);
	path_tidy(path);
	mounted = strlen(root) < sizeof(path) && mountinfo_find(path, &m, NULL) > 0 && m.dev != f->initramfs;
	mount_entry_free(&m);
	if (!mounted)
		return err_set(e, ERR_INVALID, "follow: no root is mounted at %.200s", root);
	if (f->leaving)
		return err_set(e, ERR_BUSY, "follow: the root is being changed already");
	memcpy(f->root, path, sizeof(f->root));
	f->waiters = w;
	w->next = NULL;
	w->link = &f->waiters;
	let_go(f, QUIET_TIME);
	return 0;
}

/* ---- after ---- */

/* Is what lies on top another root, and is nothing missing there that we live on? */
static bool is_changed(const struct follow *f, bool *whole)
{
	static const char *const needed[] = { TOP "/proc/1/stat", TOP "/sys/block", TOP "/dev/null" };
	char run[PATH_MAX];
	struct stat st;

	snprintf(run, sizeof(run), TOP "%s", supervisor_options(f->sup)->run_dir);
	*whole = access(run, F_OK) == 0;
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		*whole &= access(needed[i], F_OK) == 0;
	return stat(TOP, &st) == 0 && st.st_dev != f->initramfs;
}

static int run_settle_in(struct worker_io *io, void *arg, struct err *e)
{
	(void)io;
	(void)arg;
	(void)e;
	root_tell_udev();
	ending_prepare("/");
	return 0;
}

static void settled_in(struct worker *w, const struct err *e, bool left)
{
	(void)w;
	(void)left;
	if (e)
		log_warn(LF_BOOT, "the end of this machine: %s", e->message);
}

static void enter_new_root(struct follow *f)
{
	struct task task = {
		.what = "follow-root", .timeout = PREPARE_TIME, .run = run_settle_in, .on_done = settled_in
	};
	struct err e = { 0 };

	if (chdir(TOP) < 0 || chroot(".") < 0) {
		log_error(LF_BOOT, "cannot enter the new root: %s", strerror(errno));
		return;
	}
	follow_end(f);
	supervisor_changed_root(f->sup);
	supervisor_followed(f->sup);
	if (!worker_start(f->sup, &task, &e))
		settled_in(NULL, &e, false);
	f->on_over(f->arg);
	stay(f);
}

static void on_move(struct watch *w, uint32_t events)
{
	struct follow *f = w->owner;
	bool whole, changed = is_changed(f, &whole);

	(void)events;
	if (!whole && !f->leaving)
		let_go(f, 0);
	if (whole && changed)
		enter_new_root(f);
}

/* ---- from beginning to end ---- */

int follow_begin(struct follow *f, struct err *e)
{
	cleanup_close int fd = -1;
	struct stat st;

	f->table = (struct watch){ .fd = -1, .on_event = on_move, .owner = f };
	f->patience = (struct timer){ .on_expiry = on_patience, .owner = f };
	if (!early_is_initramfs() || !early_is_machine() || stat("/", &st) < 0)
		return 0;
	f->initramfs = st.st_dev;
	root_join_group();
	take_secrets(f);
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot watch the mounts");
	if (loop_watch(supervisor_loop(f->sup), &f->table, fd, EPOLLPRI, e) < 0)
		return -1;
	steal_fd(&fd);
	return 0;
}

void follow_end(struct follow *f)
{
	int fd = f->table.fd;

	if (fd < 0 || !f->sup)
		return;
	loop_disarm(supervisor_loop(f->sup), &f->patience);
	loop_unwatch(supervisor_loop(f->sup), &f->table);
	close(fd);
}
