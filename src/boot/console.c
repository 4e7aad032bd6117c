/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Children with a terminal: unlike workers and tools they get the console as their standard descriptors, and
 * a session that owns it.
 *
 * A program that ends is started again, later each time, because whoever looks at the console of an
 * appliance has nothing but that program. The pause grows so that one which cannot run does not fill the
 * log.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/spawn.h"
#include "base/util.h"
#include "boot/console.h"

#define AGAIN_FIRST SECONDS(1)
#define AGAIN_LAST  SECONDS(60)
_Static_assert(AGAIN_FIRST << 6 >= AGAIN_LAST, "six failures lead to the longest wait");
#define STAYED_UP SECONDS(10) /* after this long it counts as having worked */

int console_open(int flags)
{
	char active[256], path[270];
	const char *last;
	int fd;

	if (file_read_line(AT_FDCWD, "/sys/class/tty/console/active", active, sizeof(active)) > 0) {
		last = strrchr(active, ' ');
		snprintf(path, sizeof(path), "/dev/%s", last ? last + 1 : active);
		fd = open(path, O_RDWR | O_CLOEXEC | flags);
		if (fd >= 0)
			return fd;
	}
	return open("/dev/console", O_RDWR | O_CLOEXEC | flags);
}

/* In the child: signals as they are by default, a session of its own with the console as its terminal,
 * nothing else open, and an environment that is ours. It never returns. */
static _Noreturn void run_program(const char *path)
{
	const char *term = getenv("TERM");
	char term_env[80];
	sigset_t none;
	int tty;

	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	tty = console_open(0);
	if (tty >= 0) {
		ioctl(tty, TIOCSCTTY, 1);
		for (int fd = 0; fd <= 2; fd++)
			dup2(tty, fd);
	}
	syscall(SYS_close_range, 3U, ~0U, 0);
	snprintf(term_env, sizeof(term_env), "TERM=%.60s", term ? term : "linux");
	char path_env[] = "PATH=/sbin:/bin:/usr/sbin:/usr/bin", home_env[] = "HOME=/";
	char *const env[] = { path_env, home_env, term_env, NULL };
	char *const argv[] = { (char *)(uintptr_t)path, NULL };
	execve(path, argv, env);
	dprintf(2, "poolinit: cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* Returns the pid, watched by w through its pidfd; or -1. */
static pid_t start_program(struct loop *l, const char *path, struct watch *w, struct err *e)
{
	pid_t pid = fork();
	int pidfd;

	if (pid < 0)
		return err_sys(e, errno, "cannot run %s", path);
	if (pid == 0)
		run_program(path);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0 && loop_watch(l, w, pidfd, EPOLLIN, e) == 0)
		return pid;
	if (pidfd < 0)
		err_sys(e, errno, "cannot watch %s", path);
	else
		close(pidfd);
	spawn_forget(l, pid);
	return -1;
}

/* Watch it no more and close its descriptor. */
static void close_watch(struct loop *l, struct watch *w)
{
	int fd = w->fd;

	loop_unwatch(l, w);
	if (fd >= 0)
		close(fd);
}

/* A program of the console has ended: how, and what is done about it. */
static void log_end(const char *path, pid_t pid, int status, const char *then)
{
	log_warn(LF_BOOT, "%s %s%s", path, memory_ending(pid, NULL, status, 0), then);
}

/* ---- the payload ---- */

/* Tell whoever waits for its end, once. */
static void payload_gone(struct payload *p)
{
	void (*on_gone)(void *arg) = p->on_gone;

	loop_disarm(p->loop, &p->timer);
	p->on_gone = NULL;
	if (on_gone)
		on_gone(p->arg);
}

/* The pause doubles with each failure in a row, from AGAIN_FIRST up to AGAIN_LAST. */
static void start_payload_later(struct payload *p)
{
	uint64_t pause = AGAIN_FIRST << (p->failures < 6 ? p->failures : 6);

	p->failures++;
	loop_arm(p->loop, &p->timer, clock_ms() + (pause < AGAIN_LAST ? pause : AGAIN_LAST));
}

/* Start it now. A start that fails counts as a failure like any other end: an image may lack the program. */
static void payload_run(struct payload *p)
{
	struct err e = { 0 };

	p->started = clock_ms();
	p->pid = start_program(p->loop, p->path, &p->exit, &e);
	if (p->pid > 0)
		return;
	p->pid = 0;
	log_error(LF_BOOT, "poolinit.exec: %s", e.message);
	start_payload_later(p);
}

/* The pidfd is readable when the child is a zombie; a wake-up without one says nothing. */
static void on_payload_exit(struct watch *w, uint32_t events)
{
	struct payload *p = w->owner;
	pid_t pid = p->pid;
	int status = 0;

	(void)events;
	if (waitpid(pid, &status, WNOHANG) == 0)
		return;
	close_watch(p->loop, w);
	p->pid = 0;
	if (p->stopping) {
		payload_gone(p);
		return;
	}
	if (clock_ms() - p->started >= STAYED_UP)
		p->failures = 0;
	log_end(p->path, pid, status, ": it is started again");
	start_payload_later(p);
}

/* The timer means two things: the pause before the next start is over, or the time for an orderly end is. */
static void on_payload_timer(struct timer *t)
{
	struct payload *p = t->owner;

	if (!p->stopping) {
		payload_run(p);
	} else if (p->pid > 0) {
		log_warn(LF_BOOT, "%s did not end by SIGTERM: killed", p->path);
		kill(-p->pid, SIGKILL);
		kill(p->pid, SIGKILL);
		/* If even that does not end it, nobody waits any longer. */
		close_watch(p->loop, &p->exit);
		payload_gone(p);
	}
}

void payload_start(struct payload *p, struct loop *l, const char *path)
{
	demand_or(l && path, );
	*p = (struct payload){ .loop = l, .path = path };
	p->exit = (struct watch){ .fd = -1, .on_event = on_payload_exit, .owner = p };
	p->timer = (struct timer){ .on_expiry = on_payload_timer, .owner = p };
	payload_run(p);
}

void payload_stop(struct payload *p, uint64_t deadline, void (*on_gone)(void *arg), void *arg)
{
	p->stopping = true;
	p->on_gone = on_gone;
	p->arg = arg;
	if (!p->path || p->pid <= 0) {
		if (p->path)
			loop_disarm(p->loop, &p->timer);
		p->on_gone = NULL;
		on_gone(arg);
		return;
	}
	kill(-p->pid, SIGTERM);
	kill(p->pid, SIGTERM);
	/* An interactive shell ignores TERM but not HUP. */
	kill(-p->pid, SIGHUP);
	loop_arm(p->loop, &p->timer, deadline);
}

/* ---- the emergency shell ---- */

/* Close what the offer has opened, then say how it ended: on_over may begin something new. */
static void end_shell(struct shell *s, enum shell_outcome o)
{
	shell_end(s);
	s->on_over(s->arg, o);
}

static void on_shell_exit(struct watch *w, uint32_t events)
{
	struct shell *s = w->owner;

	(void)events;
	if (waitpid(s->pid, NULL, WNOHANG) == 0)
		return;
	s->pid = 0;
	log_info(LF_BOOT, "the emergency shell was left: boot goes on");
	end_shell(s, SHELL_LEFT);
}

/* Small images have busybox's sh; others may have bash alone. */
static const char *find_shell(void)
{
	return spawn_find("sh") ? spawn_find("sh") : spawn_find("bash");
}

/* Anything that is typed is a yes. End of file means that the terminal is gone: the question stays,
 * unanswered. */
static void on_answer(struct watch *w, uint32_t events)
{
	struct shell *s = w->owner;
	struct err e = { 0 };
	char text[128];
	ssize_t n = read(w->fd, text, sizeof(text));
	const char *sh = find_shell();

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	loop_unwatch(s->loop, w);
	if (n <= 0) {
		log_warn(LF_BOOT, "nobody can answer on the console: reboot when the time is over");
		return;
	}
	loop_disarm(s->loop, &s->timer);
	close(s->tty);
	s->tty = -1;
	if (!sh)
		err_set(&e, ERR_NO_TOOL, "there is no shell in this image");
	else
		s->pid = start_program(s->loop, sh, &s->exit, &e);
	if (e.class != ERR_NONE) {
		s->pid = 0;
		log_error(LF_BOOT, "emergency shell: %s", e.message);
		end_shell(s, SHELL_LEFT);
	}
}

/* Nobody has asked for the shell, or the console takes no answer. */
static void on_patience_over(struct timer *t)
{
	end_shell(t->owner, SHELL_TIMEOUT);
}

void shell_offer(struct shell *s, struct loop *l, const char *why,
                 void (*on_over)(void *arg, enum shell_outcome o), void *arg)
{
	demand_or(l && on_over && why, );

	struct err e = { 0 };

	*s = (struct shell){
		.loop = l, .tty = console_open(O_NOCTTY | O_NONBLOCK), .on_over = on_over, .arg = arg
	};
	s->answer = (struct watch){ .fd = -1, .on_event = on_answer, .owner = s };
	s->exit = (struct watch){ .fd = -1, .on_event = on_shell_exit, .owner = s };
	s->timer = (struct timer){ .on_expiry = on_patience_over, .owner = s };
	loop_arm(l, &s->timer, clock_ms() + SHELL_PATIENCE);
	if (s->tty < 0) {
		log_error(LF_BOOT, "no console to offer a shell on: reboot in %d s",
		          (int)(SHELL_PATIENCE / 1000));
		return;
	}
	dprintf(s->tty,
	        "\npoolinit: boot failed: %s\npoolinit: press Enter for a shell; without it the machine "
	        "reboots in %d minutes\n",
	        why, (int)(SHELL_PATIENCE / 60000));
	/* What was typed before the question is no answer to it. */
	ioctl(s->tty, TCFLSH, TCIFLUSH);
	if (loop_watch(l, &s->answer, s->tty, EPOLLIN, &e) < 0)
		log_error(LF_BOOT, "emergency shell: %s", e.message);
}

void shell_end(struct shell *s)
{
	if (!s->loop)
		return;
	loop_disarm(s->loop, &s->timer);
	loop_unwatch(s->loop, &s->answer);
	close_watch(s->loop, &s->exit);
	if (s->tty >= 0)
		close(s->tty);
	s->tty = -1;
	if (s->pid > 0)
		kill(-s->pid, SIGHUP);
}
