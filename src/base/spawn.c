/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Running a tool: what the child does between fork and exec, how its output is gathered, how it is ended.
 *
 * Standard input is a sealed file in memory, not a pipe: nothing to write while reading, and no SIGPIPE.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

#define TOOL_PATH "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
#define ENV_MAX   32
#define GRACE     SECONDS(2)    /* between TERM and KILL, and between KILL and giving up */

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* ---- finding ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

const char *spawn_find(const char *name)
{
	static char path[512];

	for (const char *dir = TOOL_PATH; *dir; ) {
		size_t len = strcspn(dir, ":");
		int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name);

		if (n > 0 && (size_t)n < sizeof(path) && is_program(path))
			return path;
		dir += len + (dir[len] == ':');
	}
	return NULL;
}

/* ---- the child, between fork and exec ---- */

struct child {
	const char *const *argv;
	const char *const *env;
	int in, out, err;               /* become 0, 1, 2; -1: /dev/null */
	int status;                     /* gets errno if there is no exec; closed by exec; -1: say it on 2 instead */
	pid_t dies_with;                /* this process; 0: it stays */
};

/* The descriptor, moved out of the way of 0 to 3. */
static int move_up(int fd, int flags)
{
	if (fd < 0)
		fd = open("/dev/null", flags | O_CLOEXEC);
	return fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

/* 0, 1, 2 are what they should be, 3 is the status pipe, nothing else is open. */
static int set_descriptors(const struct child *c)
{
	int in = move_up(c->in, O_RDONLY), out = move_up(c->out, O_WRONLY), err = move_up(c->err, O_WRONLY);
	int status = c->status < 0 ? -1 : move_up(c->status, 0);
	unsigned first = status < 0 ? 3 : 4;

	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		return -1;
	if (status >= 0 && dup3(status, 3, O_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, first, ~0U, 0);
}

/* A supervisor blocks and ignores signals; what it runs must not inherit that. */
static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);           /* fails for KILL, STOP and the C library's own: nothing to reset there */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_environment(const char **to, const char *const *env)
{
	size_t n = 0;

	to[n++] = "PATH=" TOOL_PATH;
	to[n++] = "LC_ALL=C";
	for (; env && *env; env++) {
		if (n == ENV_MAX - 1) {
			errno = E2BIG;
			return -1;
		}
		to[n++] = *env;
	}
	to[n] = NULL;
	return 0;
}

__attribute__((noreturn))
static void run_child(const struct child *c)
{
	const char *env[ENV_MAX];
	const char *program = strchr(c->argv[0], '/') ? c->argv[0] : spawn_find(c->argv[0]);
	int problem = ENOENT;

	setsid();
	reset_signals();
	umask(022);
	if (c->dies_with && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != c->dies_with)
		_exit(127);                     /* it was gone before the signal was asked for */
	if (set_descriptors(c) < 0 || set_environment(env, c->env) < 0)
		problem = errno;
	else if (program) {
		execve(program, (char *const *)c->argv, (char *const *)env);
		problem = errno;
	}
	if (c->status < 0)
		dprintf(2, "cannot run %s: %s\n", c->argv[0], strerror(problem));
	else if (write(3, &problem, sizeof(problem)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- the parent ---- */

struct run {
	struct tool *tool;
	const char *name;
	pid_t pid;
	int pidfd, out, err;            /* our ends; -1: closed */
};

static const char *tool_name(const struct tool *t)
{
	return path_base(t->argv[0]);
}

/* The tool's standard input as a file in memory; -1 on failure. */
static int input_file(const struct tool *t, struct err *e)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < t->input_len; ) {
		ssize_t n = write(fd, (const char *)t->input + done, t->input_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err_sys(e, errno, "cannot run %s: its input", tool_name(t));
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	if (fd < 0)
		return err_sys(e, errno, "cannot run %s: its input", tool_name(t));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* What the child wrote into the status pipe: 0 if it got as far as exec. */
static int exec_problem(int fd)
{
	int problem = 0;
	ssize_t n;

	do
		n = read(fd, &problem, sizeof(problem));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(problem) ? problem : 0;
}

static void reap(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}

static int no_tool(const struct tool *t, int problem, struct err *e)
{
	bool absent = problem == ENOENT || problem == EACCES || problem == ENOEXEC || problem == ENOTDIR;

	if (problem == ENOENT && !strchr(t->argv[0], '/'))
		return err_set(e, ERR_NO_TOOL, "cannot run %s: there is none in " TOOL_PATH, t->argv[0]);
	err_sys(e, problem, "cannot run %s", t->argv[0]);
	if (e && absent)
		e->class = ERR_NO_TOOL;
	return -1;
}

/* Fork; when this returns 0 the tool has been exec'ed. */
static int start(struct run *r, int in, int out, int err, struct err *e)
{
	cleanup_close int from_child = -1;
	struct child c = { r->tool->argv, r->tool->env, in, out, err, -1, getpid() };
	int status[2], problem;

	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot run %s", r->name);
	c.status = status[1];
	from_child = status[0];
	r->pid = fork();
	if (r->pid == 0)
		run_child(&c);
	problem = errno;
	close(status[1]);
	if (r->pid < 0)
		return err_sys(e, problem, "cannot run %s", r->name);
	problem = exec_problem(from_child);
	if (problem == 0) {
		r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
		if (r->pidfd >= 0)
			return 0;
		problem = errno;
		kill(r->pid, SIGKILL);
	}
	reap(r->pid, NULL);
	return no_tool(r->tool, problem, e);
}

/* Take what is there, but no more than a full pipe and a bit: whoever writes without end must not keep us from the clock. What is
 * over the limit is read and dropped, so that the tool does not block on us. */
static void gather(int *fd, struct buf *b)
{
	char chunk[4096];
	ssize_t n = 1;

	for (int i = 0; i < 32 && n > 0; i++) {
		size_t room = SPAWN_OUTPUT_LIMIT - b->len;

		n = read(*fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(b, chunk, (size_t)n < room ? (size_t)n : room);
	}
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(*fd);
	*fd = -1;
}

/* Gather output until the tool exits (true) or the deadline passes (false). A grandchild may keep the pipes open: only the
 * tool's own end counts, and what is in the pipes by then. */
static bool wait_exit(struct run *r, uint64_t deadline)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = r->out, .events = POLLIN },
			{ .fd = r->err, .events = POLLIN },
			{ .fd = r->pidfd, .events = POLLIN },
		};
		int left = clock_until(deadline);

		if (poll(p, ARRAY_LEN(p), left) < 0)
			p[0].revents = p[1].revents = p[2].revents = 0;         /* EINTR; or no memory, which passes */
		if (r->out >= 0 && (p[0].revents || p[2].revents))
			gather(&r->out, &r->tool->out);
		if (r->err >= 0 && (p[1].revents || p[2].revents))
			gather(&r->err, &r->tool->err);
		if (p[2].revents)
			return true;
		if (left == 0)
			return false;
	}
}

/* TERM to its whole session, then KILL; then it is in uninterruptible sleep, and left. */
static int end_tool(struct run *r, struct err *e)
{
	static const int ladder[] = { SIGTERM, SIGKILL };

	for (size_t i = 0; i < ARRAY_LEN(ladder); i++) {
		kill(-r->pid, ladder[i]);
		if (!wait_exit(r, clock_ms() + GRACE))
			continue;
		kill(-r->pid, SIGKILL);         /* what it started and left behind */
		reap(r->pid, NULL);
		return err_set(e, ERR_TIMEOUT, "%s did not finish in time and was ended", r->name);
	}
	return err_set(e, ERR_TIMEOUT, "%s did not finish in time and cannot be ended (pid %d, uninterruptible)", r->name, (int)r->pid);
}

static int finish(struct run *r, struct err *e)
{
	int status = 0;

	reap(r->pid, &status);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_STORAGE, "%s died by signal %d (%s)", r->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	r->tool->status = WEXITSTATUS(status);
	return 0;
}

int spawn_run(struct tool *t, struct err *e)
{
	struct run r = { .tool = t, .name = tool_name(t), .pidfd = -1, .out = -1, .err = -1 };
	cleanup_close int in = -1;
	int out[2], err[2], rc;

	buf_reset(&t->out);
	buf_reset(&t->err);
	t->status = -1;
	if (clock_until(t->deadline) == 0)
		return err_set(e, ERR_TIMEOUT, "no time left to run %s", r.name);
	if (t->input && (in = input_file(t, e)) < 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot run %s", r.name);
	if (pipe2(err, O_CLOEXEC) < 0) {
		rc = err_sys(e, errno, "cannot run %s", r.name);
		close(out[0]);
		close(out[1]);
		return rc;
	}
	r.out = out[0];
	r.err = err[0];
	fcntl(r.out, F_SETFL, O_NONBLOCK);
	fcntl(r.err, F_SETFL, O_NONBLOCK);
	rc = start(&r, in, out[1], err[1], e);
	close(out[1]);
	close(err[1]);
	if (rc == 0)
		rc = wait_exit(&r, t->deadline) ? finish(&r, e) : end_tool(&r, e);
	util_close(&r.out);
	util_close(&r.err);
	util_close(&r.pidfd);
	return rc;
}

int spawn_ok(struct tool *t, struct err *e)
{
	const char *said;

	if (spawn_run(t, e) < 0)
		return -1;
	if (t->status == 0)
		return 0;
	said = spawn_last_line(&t->err);
	if (!*said)
		said = spawn_last_line(&t->out);
	if (!*said)
		return err_set(e, ERR_STORAGE, "%s: ended with status %d and said nothing", tool_name(t), t->status);
	return err_set(e, ERR_STORAGE, "%s: %s", tool_name(t), said);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

const char *spawn_last_line(struct buf *b)
{
	size_t from;

	while (b->len > 0 && is_space(b->data[b->len - 1]))
		b->data[--b->len] = '\0';
	from = b->len;
	while (from > 0 && b->data[from - 1] != '\n' && b->data[from - 1] != '\r' && b->data[from - 1] != '\0')
		from--;
	while (from < b->len && is_space(b->data[from]))
		from++;
	return buf_str(b) + from;
}

void tool_free(struct tool *t)
{
	buf_free(&t->out);
	buf_free(&t->err);
}

/* ---- children that stay ---- */

/* The supervisor calls this, so nothing here waits: that a program is missing is found out by the child, which says so on
 * its standard error and exits with 127. */
int spawn_service(const char *const *argv, const char *const *env, int out_fd, pid_t *pid, struct err *e)
{
	struct child c = { argv, env, -1, out_fd, out_fd, -1, 0 };
	int pidfd, saved;

	*pid = fork();
	if (*pid == 0) {
		if (chdir("/") < 0)
			_exit(126);
		run_child(&c);
	}
	if (*pid < 0)
		return err_sys(e, errno, "cannot start %s", argv[0]);
	pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
	if (pidfd >= 0) {
		fcntl(pidfd, F_SETFD, FD_CLOEXEC);      /* set already where the kernel is new enough */
		return pidfd;
	}
	saved = errno;
	kill(*pid, SIGKILL);
	reap(*pid, NULL);
	return err_sys(e, saved, "cannot watch %s", argv[0]);
}
