/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Running a tool: what the child does between fork and exec, how its output is gathered, how it is ended.
 *
 * The tool is a grandchild. The child between is process 1 of the tool's own process namespace: whatever the
 * tool starts, and however that hides, goes when the child ends, and the child ends with the tool, with us,
 * and by SIGKILL.
 *
 * Standard input is a sealed file in memory, not a pipe: nothing to write while reading, and no SIGPIPE.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "base/contract.h"
#include "base/file.h"
#include "base/jail.h"
#include "base/memory.h"
#include "base/util.h"

#define TOOL_PATH "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
#define ENV_MAX   32
#define GRACE     SECONDS(2)  /* between TERM and KILL, and between KILL and giving up */
#define FORGOTTEN 100         /* ms from one look at a child that was killed to the next; */
#define SELDOM    SECONDS(10) /* and at one that does not die */

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

	for (const char *dir = KEPT_PROGRAMS ":/poolinit:" TOOL_PATH; *dir;) {
		size_t len = strcspn(dir, ":");
		int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name);

		if (n > 0 && (size_t)n < sizeof(path) && is_program(path))
			return path;
		dir += len + (dir[len] == ':');
	}
	return NULL;
}

static const char *program_of(const char *const *argv)
{
	const char *name = argv[0] + (argv[0][0] == '@');

	return strchr(name, '/') ? name : spawn_find(name);
}

/* ---- the child, between fork and exec ---- */

struct child {
	const char *const *argv;
	const char *const *env;
	int in, out, err; /* become 0, 1, 2; -1: /dev/null */
	/* gets a struct tool_outcome if there is no exec; closed by exec; -1: say it on 2 instead */
	int status;
	pid_t dies_with;         /* this process; 0: it stays */
	const struct tool *tool; /* its files, and whether it is confined; NULL: neither */
	const char *program;     /* found */
};

/* The descriptor, moved out of the way of those that have fixed numbers. */
static int move_up(int fd, int flags)
{
	if (fd < 0)
		fd = open("/dev/null", flags | O_CLOEXEC);
	return fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FILE(SPAWN_FILES));
}

/* The tool's files, by way of numbers where no other is in the way. */
static int set_files(const struct tool *t)
{
	int moved[SPAWN_FILES];

	if (t->nfiles > SPAWN_FILES) {
		errno = EMFILE;
		return -1;
	}
	for (unsigned i = 0; i < t->nfiles; i++)
		if ((moved[i] = fcntl(t->files[i], F_DUPFD_CLOEXEC, SPAWN_FILE(SPAWN_FILES))) < 0)
			return -1;
	for (unsigned i = 0; i < t->nfiles; i++)
		if (dup2(moved[i], SPAWN_FILE(i)) < 0)
			return -1;
	return 0;
}

/* 0, 1, 2 are what they should be, 3 is the status pipe, then come the tool's files, nothing else is open. */
static int set_descriptors(struct child *c)
{
	int in = move_up(c->in, O_RDONLY), out = move_up(c->out, O_WRONLY), err = move_up(c->err, O_WRONLY);
	unsigned files = c->tool ? c->tool->nfiles : 0, first = c->status < 0 ? 3 : 4 + files;

	if (c->status >= 0)
		c->status = move_up(c->status, 0);
	if (files && set_files(c->tool) < 0)
		return -1;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		return -1;
	if (c->status >= 0 && (c->status = dup3(c->status, 3, O_CLOEXEC)) < 0)
		return -1;
	return (int)syscall(SYS_close_range, first, ~0U, 0);
}

/* A supervisor blocks and ignores signals; what it runs must not inherit that. */
static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		/* fails for KILL, STOP and the C library's own: nothing to reset there */
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The tool's environment: ours is not handed on, since it may tell of people and secrets, and changes what
 * tools print. */
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

/* The report of the child, or of process 1 for it: why there was no exec, or how the tool ended. It is one
 * write of less than PIPE_BUF, so it comes whole or not at all. */
struct tool_outcome {
	int problem;    /* errno of exec */
	int status;     /* waitpid()'s */
	struct err err; /* it could not be confined */
};
_Static_assert(sizeof(struct tool_outcome) <= PIPE_BUF, "one write to a pipe");

static void send_outcome(const struct child *c, const struct tool_outcome *o)
{
	if (write(c->status, o, sizeof(*o)) != (ssize_t)sizeof(*o))
		_exit(126);
}

/* The rest of the way to exec, with all descriptors in place. */
_Noreturn static void run_child(const struct child *c)
{
	const char *env[ENV_MAX];
	struct tool_outcome o = { .problem = ENOENT };

	setsid();
	reset_signals();
	if (c->tool && !c->tool->leaves)
		memory_bound_tool();
	if (c->dies_with && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != c->dies_with)
		_exit(127); /* it was gone before the signal was asked for */
	if (set_environment(env, c->env) < 0)
		o.problem = errno;
	else if (!c->tool || !c->tool->confined || jail_enter(SPAWN_FILE(0), c->tool->nfiles, &o.err) == 0) {
		if (c->program)
			execve(c->program, (char *const *)c->argv, (char *const *)env);
		o.problem = c->program ? errno : ENOENT;
	}
	if (c->status < 0)
		dprintf(2, "cannot run %s: %s\n", c->argv[0], strerror(o.problem));
	else
		send_outcome(c, &o);
	_exit(127);
}

/* ---- process 1 of the tool's namespace ---- */

/* Has our parent ended before prctl(PR_SET_PDEATHSIG) took effect? Its number cannot be compared, because it
 * is in another namespace; its end of the pipe tells. */
static bool is_alone(int status)
{
	struct pollfd p = { .fd = status };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* Until the tool ends: it is told to end by TERM, and killed by USR1. What it is to leave behind may not have
 * a session of its own yet. */
static int attend(pid_t tool, const sigset_t *heard, bool leaves)
{
	int sig, status;
	pid_t pid;

	syscall(SYS_close_range, 0, 2, 0);
	syscall(SYS_close_range, 4, ~0U, 0);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == tool) {
				if (!leaves || status)
					/* its session, where there is no namespace that ends */
					kill(-tool, SIGKILL);
				return status;
			}
		if (sigwait(heard, &sig) != 0 || sig == SIGCHLD)
			continue;
		sig = sig == SIGTERM ? SIGTERM : SIGKILL;
		if (kill(-tool, sig) < 0)
			kill(tool, sig); /* it has no session yet */
	}
}

/* Not dumpable, so that the tool cannot look into this copy of the worker's memory. */
_Noreturn static void run_keeper(struct child *c)
{
	struct tool_outcome o = { 0 };
	sigset_t heard;
	pid_t tool;

	reset_signals();
	sigemptyset(&heard);
	sigaddset(&heard, SIGTERM);
	sigaddset(&heard, SIGUSR1);
	sigaddset(&heard, SIGCHLD);
	sigprocmask(SIG_BLOCK, &heard, NULL);
	setsid();
	umask(022);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (set_descriptors(c) < 0)
		o.problem = errno;
	else if (is_alone(3))
		_exit(127);
	else if (!c->tool->confined || jail_build(c->program, &o.err) == 0) {
		c->dies_with = getpid();
		tool = fork();
		if (tool == 0)
			run_child(c);
		if (tool < 0)
			o.problem = errno;
		else
			o.status = attend(tool, &heard, c->tool->leaves);
	}
	send_outcome(c, &o);
	_exit(0);
}

/* fork(), into namespaces of its own. Where the process namespace cannot be had one goes without, unless the
 * tool must be confined; and so does one that is to leave a process behind. */
static pid_t fork_keeper(const struct tool *t)
{
	const long flags = t->confined ? JAIL_NAMESPACES : CLONE_NEWPID;
	pid_t pid = t->leaves ? -1 : (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	return pid < 0 && !t->confined ? fork() : pid;
}

/* ---- the parent ---- */

/* One run, from outside: what the tool's process 1 and its pipes are to us. */
struct run {
	struct tool *tool;
	const char *name;
	pid_t pid;
	int pidfd, out, err, status; /* our ends; -1: closed */
	bool cut;                    /* not all of its output was kept */
};

static const char *tool_name(const struct tool *t)
{
	return path_base(t->argv[0]);
}

/* The tool's standard input as a file in memory; -1 on failure. */
static int input_file(const struct tool *t, struct err *e)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < t->input_len;) {
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

static void collect_child(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}

/* Why there was no exec, in words: only a program that is missing, or is none, is a missing tool. */
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

/* Fork. Whether there was a tool to exec is known when it ends. */
static int start(struct run *r, int in, int out, int err, struct err *e)
{
	struct tool *t = r->tool;
	struct child c = { t->argv, t->env, in, out, err, -1, 0, t, program_of(t->argv) };
	int status[2], problem;

	if (!c.program)
		return no_tool(t, ENOENT, e);
	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot run %s", r->name);
	r->status = status[0];
	c.status = status[1];
	r->pid = fork_keeper(t);
	if (r->pid == 0)
		run_keeper(&c);
	problem = errno;
	close(status[1]);
	if (r->pid < 0 && t->confined)
		return err_set(
			e, ERR_UNSUPPORTED,
			"%s is not run, because it cannot be shut off from this system: no namespaces: %s",
			r->name, strerror(problem));
	if (r->pid < 0)
		return err_sys(e, problem, "cannot run %s", r->name);
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (r->pidfd >= 0)
		return 0;
	problem = errno;
	kill(r->pid, SIGKILL);
	collect_child(r->pid, NULL);
	return err_sys(e, problem, "cannot run %s", r->name);
}

/* Take what is there, but no more than a full pipe and a bit: whoever writes without end must not keep us
 * from the clock. What is over the limit is read and dropped, so that the tool does not block on us. True:
 * something was. */
static bool gather_output(int *fd, struct buf *b)
{
	char chunk[4096];
	bool cut = false;
	ssize_t n = 1;

	for (int i = 0; i < 32 && n > 0; i++) {
		size_t room = SPAWN_OUTPUT_LIMIT - b->len;

		n = read(*fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(b, chunk, (size_t)n < room ? (size_t)n : room);
		cut |= n > 0 && (size_t)n > room;
	}
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return cut;
	close(*fd);
	*fd = -1;
	return cut;
}

/* Gather output until the tool exits (true) or the deadline passes (false). A grandchild may keep the pipes
 * open: only the tool's own end counts, and what is in the pipes by then. */
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
			/* EINTR; or no memory, which passes */
			p[0].revents = p[1].revents = p[2].revents = 0;
		if (r->out >= 0 && (p[0].revents || p[2].revents))
			r->cut |= gather_output(&r->out, &r->tool->out);
		if (r->err >= 0 && (p[1].revents || p[2].revents))
			gather_output(&r->err, &r->tool->err);
		if (p[2].revents)
			return true;
		if (left == 0)
			return false;
	}
}

/* The keeper has ended: what it has reported, or, if it could not report, how it ended, becomes the answer.
 */
static int finish_tool(struct run *r, struct err *e)
{
	struct tool_outcome o = { 0 };
	ssize_t n;
	int status = 0;

	collect_child(r->pid, &status);
	do
		n = read(r->status, &o, sizeof(o));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(o)) /* killed from outside */
		return err_set(e, memory_took(0, NULL, status, 0) ? ERR_NO_MEMORY : ERR_STORAGE, "%s %s",
		               r->name, memory_ending(0, NULL, status, 0));
	if (o.err.class != ERR_NONE) {
		if (e)
			*e = o.err;
		return err_wrap(e, ERR_KEEP, "cannot run %s", r->name);
	}
	if (o.problem)
		return no_tool(r->tool, o.problem, e);
	if (WIFSIGNALED(o.status))
		return err_set(e, memory_took(0, NULL, o.status, 0) ? ERR_NO_MEMORY : ERR_STORAGE, "%s %s",
		               r->name, memory_ending(0, NULL, o.status, 0));
	r->tool->status = WEXITSTATUS(o.status);
	if (r->tool->whole && (r->cut || r->tool->out.failed))
		return err_set(e, ERR_TOO_LONG, "%s prints more than %d bytes: the list is too long", r->name,
		               SPAWN_OUTPUT_LIMIT);
	return 0;
}

/* TERM to its whole session, then KILL; then it is in uninterruptible sleep, and left. */
static int end_tool(struct run *r, struct err *e)
{
	static const int ladder[] = { SIGTERM, SIGUSR1 }; /* as process 1 understands them */

	for (size_t i = 0; i < ARRAY_LEN(ladder); i++) {
		kill(r->pid, ladder[i]);
		if (!wait_exit(r, clock_ms() + GRACE))
			continue;
		collect_child(r->pid, NULL);
		return err_set(e, ERR_TIMEOUT, "%s did not finish in time and was ended", r->name);
	}
	kill(r->pid, SIGKILL);
	return err_set(e, ERR_TIMEOUT,
	               "%s did not finish in time and cannot be ended (pid %d, uninterruptible)", r->name,
	               (int)r->pid);
}

int spawn_run(struct tool *t, struct err *e)
{
	require(t->argv && t->argv[0] && t->nfiles <= SPAWN_FILES, e);

	struct run r = { .tool = t, .name = tool_name(t), .pidfd = -1, .out = -1, .err = -1, .status = -1 };
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
		rc = wait_exit(&r, t->deadline) ? finish_tool(&r, e) : end_tool(&r, e);
	util_close(&r.out);
	util_close(&r.err);
	util_close(&r.pidfd);
	util_close(&r.status);
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
		return err_set(e, ERR_STORAGE, "%s: ended with status %d and said nothing", tool_name(t),
		               t->status);
	return err_set(e, ERR_STORAGE, "%s: %s", tool_name(t), said);
}

static bool is_space_or_nul(char c)
{
	return is_space(c) || c == '\0';
}

const char *spawn_last_line(struct buf *b)
{
	size_t from;

	while (b->len > 0 && is_space_or_nul(b->data[b->len - 1]))
		b->data[--b->len] = '\0';
	from = b->len;
	while (from > 0 && b->data[from - 1] != '\n' && b->data[from - 1] != '\r' &&
	       b->data[from - 1] != '\0')
		from--;
	while (from < b->len && is_space_or_nul(b->data[from]))
		from++;
	return buf_str(b) + from;
}

void tool_free(struct tool *t)
{
	buf_free(&t->out);
	buf_free(&t->err);
}

/* ---- children that stay ---- */

pid_t spawn_fork(int *pidfd)
{
	demand_or(pidfd, -1);
	return (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, pidfd, 0, 0);
}

/* The supervisor calls this, so nothing here waits: that a program is missing is found out by the child,
 * which says so on its standard error and exits with 127. */
int spawn_service(const char *const *argv, const char *const *env, int out_fd, pid_t *pid, struct err *e)
{
	require(argv && argv[0], e);

	struct child c = { argv, env, -1, out_fd, out_fd, -1, 0, NULL, NULL };
	int pidfd = -1;

	*pid = spawn_fork(&pidfd);
	if (*pid == 0) {
		umask(022);
		c.program = program_of(argv);
		if (chdir("/") < 0 || set_descriptors(&c) < 0)
			_exit(126);
		run_child(&c);
	}
	if (*pid < 0)
		return err_sys(e, errno, "cannot start %s", argv[0]);
	return pidfd;
}

/* A child that was killed, until it is reaped. It is looked at by the clock: a pidfd would be one more
 * descriptor, and may be what there was none of. */
struct forgotten {
	struct forgotten *next;
	struct loop *loop;
	struct timer timer;
	pid_t pid;
	unsigned looks;
};

/* All of them. One that is left when the loop ends is nobody's, and is not lost. */
static struct forgotten *all_forgotten;

static void look_for_end(struct timer *t)
{
	struct forgotten *f = t->owner, **at = &all_forgotten;

	if (waitpid(f->pid, NULL, WNOHANG) == 0) {
		loop_arm(f->loop, t, clock_ms() + (f->looks++ < SELDOM / FORGOTTEN ? FORGOTTEN : SELDOM));
		return;
	}
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

void spawn_forget(struct loop *l, pid_t pid)
{
	struct forgotten *f = calloc(1, sizeof(*f));

	kill(pid, SIGKILL);
	if (!f)
		return; /* it stays a zombie */
	*f = (struct forgotten){ .next = all_forgotten,
		                 .loop = l,
		                 .pid = pid,
		                 .timer = { .on_expiry = look_for_end, .owner = f } };
	all_forgotten = f;
	look_for_end(&f->timer);
}
