/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The change of root, in the order in which it happens: the fork at the beginning, what process 1 does beside
 * the supervisor, and the steps of the change itself.
 *
 * Nobody is in both roots at a time, and nobody is in the old one for longer than the change takes. While
 * mounts move, /proc, /dev and /run are missing for whoever is still in the initramfs; so no operation is
 * under way then, and the supervisor, which goes on answering its clients, opens nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/core.h"
#include "boot/root/ending.h"
#include "boot/root/handover.h"
#include "boot/root/moving.h"
#include "boot/root/root.h"
#include "supervisor/work/worker.h"

#define QUIET_WITHIN SECONDS(5)  /* what is under way by then fails, and is tried again in the new root */
#define MOVE_TIME    SECONDS(30) /* the new root may be a slow disk, on which directories are made */
#define FREE_TIME    SECONDS(60)
#define DEATHS       5

/* ---- process 1 ---- */

/* The way that there is no way back from. What goes wrong is told to the supervisor, if it is there. */
static void become_init(const char *init, char **argv, int fd)
{
	char text[256];
	sigset_t none, before;
	int n;

	sigemptyset(&none);
	if (chdir(ROOT_DIR) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0) {
		n = snprintf(text, sizeof(text), "cannot enter the new root: %s", strerror(errno));
	} else {
		argv[0] = (char *)(uintptr_t)init;
		sigprocmask(SIG_SETMASK, &none, &before);
		execv(init, argv);
		n = snprintf(text, sizeof(text), "cannot run %.150s: %s", init, strerror(errno));
		/* We hear again of an end, and of the supervisor's. */
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		log_error(LF_BOOT, "%s", text);
}

/* Signals ask process 1 for an end, which is the supervisor's to bring about. Is the supervisor dead? */
static bool take_signals(int signals, pid_t supervisor)
{
	struct signalfd_siginfo info;
	pid_t pid;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			kill(supervisor, (int)info.ssi_signo);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if (pid == supervisor)
				return true;
	}
	return false;
}

/* Wait beside the supervisor: first for the path of the init, then for the word to go on. Comes back when the
 * supervisor has died, unless it has taken the ground from under us: then there is only the way forward. */
static void stand_by(int fd, pid_t supervisor, int signals, char **argv)
{
	struct pollfd polled[] = { { .fd = signals, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char init[PATH_MAX] = "", text[PATH_MAX];

	for (;;) {
		poll(polled, ARRAY_LEN(polled), -1);
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

		if (n > 0 && *init) {
			become_init(init, argv, fd);
		} else if (n > 0) {
			memcpy(init, text, (size_t)n);
			init[n] = '\0';
		} else if (n == 0) {
			polled[1].fd = -1;
		}
		if (!take_signals(signals, supervisor))
			continue;
		if (*init && access(DEFAULT_RUN_DIR, F_OK) < 0) { /* it has moved */
			root_move_mounts(ROOT_DIR, true, NULL);
			become_init(init, argv, fd);
		}
		return;
	}
}

/* ---- the supervisor's beginning ---- */

/* The child: orphans are ours, as they would be process 1's; the log's descriptor is opened anew, because it
 * belongs to who opened it. */
static void become_supervisor(char **argv)
{
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "poolinit");
	if (argv[0] && *argv[0])
		argv[0][0] = '@';
	root_join_group();
	log_to_kmsg(NULL);
}

int handover_fork(char **argv, struct err *e)
{
	sigset_t all, before;
	int signals, pair[2];

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	for (unsigned i = 0; signals >= 0 && i < DEATHS; i++) {
		pid_t pid = -1;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (pid = fork()) < 0)
			break;
		if (pid == 0) {
			close(pair[0]);
			close(signals);
			sigprocmask(SIG_SETMASK, &before, NULL);
			become_supervisor(argv);
			return pair[1];
		}
		close(pair[1]);
		stand_by(pair[0], pid, signals, argv);
		close(pair[0]);
		errno = ECHILD;
		log_error(LF_BOOT, "the supervisor has died before the real root was there");
	}
	return err_sys(e, errno, "cannot keep a supervisor beside process 1");
}

/* ---- the change, in order ---- */

static void handover_over(struct handover *h, const struct err *e)
{
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	h->on_over(h->arg, e);
	supervisor_resume(h->sup);
}

/* 5: the initramfs is given back beside the real init, which need not wait for it. */
static int run_free_initramfs(struct worker_io *io, void *arg, struct err *e)
{
	const struct handover *h = arg;

	(void)io;
	(void)e;
	root_free_initramfs(h->old_root);
	return 0;
}

static void freed(struct worker *w, const struct err *e, bool left)
{
	(void)w;
	(void)left;
	if (e)
		log_warn(LF_BOOT, "the memory of the initramfs: %s", e->message);
}

static void free_initramfs(struct handover *h)
{
	struct task task = { .what = "free-initramfs",
		             .timeout = FREE_TIME,
		             .run = run_free_initramfs,
		             .arg = h,
		             .keep = (const int[]){ h->old_root, -1 },
		             .on_done = freed };
	struct err e = { 0 };

	if (!worker_start(h->sup, &task, &e))
		freed(NULL, &e, false);
	close(h->old_root);
}

/* 4: process 1 has closed its end, as it is another program now; or it says why it is not. */
static void on_first_answer(struct watch *w, uint32_t events)
{
	struct handover *h = w->owner;
	char text[256];
	ssize_t n = recv(h->to_first, text, sizeof(text) - 1, MSG_DONTWAIT);
	struct err e = { 0 };

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_unwatch(supervisor_loop(h->sup), w);
	close(h->to_first);
	h->to_first = -1;
	supervisor_followed(h->sup); /* with an init or without: the initramfs is empty */
	if (n > 0) {
		text[n] = '\0';
		err_set(&e, ERR_STORAGE, "%s", text);
	} else {
		free_initramfs(h);
	}
	handover_over(h, e.class ? &e : NULL);
}

/* 3: the mounts are where they belong; we follow them, and process 1 follows us. Nothing of the
 * console, of a terminal or of the old root stays in use. */
static void follow_mounts(struct worker *w, const struct err *problem, bool left)
{
	struct handover *h = w->task.owner;
	struct err e = { 0 };
	int null;

	(void)left;
	if (problem)
		log_error(LF_BOOT, "%s", problem->message);
	h->old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_enter() < 0)
		log_error(LF_BOOT, "cannot enter the new root: %s", strerror(errno));
	supervisor_changed_root(h->sup);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	h->answer = (struct watch){ .fd = -1, .on_event = on_first_answer, .owner = h };
	if (loop_watch(supervisor_loop(h->sup), &h->answer, h->to_first, EPOLLIN, &e) < 0 ||
	    send(h->to_first, "go", 2, MSG_NOSIGNAL) < 0) {
		err_sys(&e, errno, "cannot tell process 1 to go on");
		handover_over(h, &e);
	}
}

static int run_move(struct worker_io *io, void *arg, struct err *e)
{
	const struct handover *h = arg;
	struct err why = { 0 };

	(void)io;
	if (supervisor_take_secrets(h->sup, &why) < 0)
		log_error(LF_CONFIG, "%s", why.message);
	root_tell_udev();
	ending_prepare(ROOT_DIR);
	if (supervisor_pack(h->sup, ROOT_DIR, ending_has_systemd(ROOT_DIR)))
		ending_allow_programs();
	return root_move_mounts(ROOT_DIR, true, e);
}

/* 2: nobody works in the initramfs any more. Process 1 hears of the init first: should we die between here
 * and the end, it knows what to do. */
static void move(void *arg)
{
	struct handover *h = arg;
	struct task task = { .what = "change-root",
		             .timeout = MOVE_TIME,
		             .run = run_move,
		             .arg = h,
		             .on_done = follow_mounts,
		             .owner = h };
	struct err e = { 0 };

	if (send(h->to_first, h->init, strlen(h->init), MSG_NOSIGNAL) < 0)
		err_sys(&e, errno, "cannot tell process 1 of its init");
	else if (h->on_leave)
		h->on_leave(h->arg);
	if (e.class || !worker_start(h->sup, &task, &e))
		handover_over(h, &e);
}

void handover_begin(struct handover *h, const char *init)
{
	demand_or(h->to_first >= 0 && init && h->on_over, );
	snprintf(h->init, sizeof(h->init), "%s", init);
	/* 1 */
	supervisor_pause(h->sup, clock_ms() + QUIET_WITHIN, move, h);
}
