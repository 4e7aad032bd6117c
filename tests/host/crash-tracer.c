/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crash-tracer: let one worker of a supervisor come as far as its n-th system call, and no further.
 *
 *     crash-tracer PID WORKER N kill [WITHOUT]        kill -9 when the call is entered: it is not carried out
 *     crash-tracer PID WORKER N ERRNO [WITHOUT]       the n-th call that writes fails with that number; it is
 *     not carried out either
 *
 * WITHOUT: tmpfile makes the filesystem one that has no files without a name, noreplace one that cannot
 * rename without replacing either. WORKER is what the worker calls itself (PR_SET_NAME); others run as they
 * like, and so do the supervisor and tools that the worker starts, which die with it. "ready" is written once
 * the supervisor is watched; "CALL NUMBER" when the n-th call was reached, or "ended COUNT" when the worker
 * had fewer; then the supervisor is let go.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <elf.h>

#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif

/* What the kernel says of a call (linux/ptrace.h, which does not go together with sys/ptrace.h). */
struct call {
	unsigned char op, pad[3];
	unsigned arch;
	unsigned long long instruction, stack, nr, args[6];
};
enum { CALL_ENTRY = 1, CALL_EXIT = 2 };

/* Calls that put something onto storage. */
static const long writing[] = {
	SYS_write,     SYS_pwrite64,  SYS_writev,    SYS_pwritev,         SYS_ftruncate,
	SYS_fallocate, SYS_fsync,     SYS_fdatasync, SYS_openat,          SYS_mkdirat,
	SYS_linkat,    SYS_renameat2, SYS_renameat,  SYS_unlinkat,        SYS_symlinkat,
	SYS_fchmod,    SYS_fchown,    SYS_fsetxattr, SYS_copy_file_range, SYS_sendfile,
	SYS_splice,
#ifdef SYS_open
	SYS_open,      SYS_rename,    SYS_unlink,    SYS_mkdir,           SYS_link,
	SYS_symlink,   SYS_chmod,     SYS_chown,
#endif
};

/* Opening writes only if it makes something. */
static bool is_writing(const struct call *c)
{
	unsigned long long flags = (long)c->nr == SYS_openat ? c->args[2] : 0;

#ifdef SYS_open
	if ((long)c->nr == SYS_open)
		flags = c->args[1];
	if ((long)c->nr == SYS_open || (long)c->nr == SYS_openat)
#else
	if ((long)c->nr == SYS_openat)
#endif
		return flags & (O_CREAT | O_TMPFILE) & ~(unsigned long long)O_DIRECTORY;
	for (size_t i = 0; i < sizeof(writing) / sizeof(writing[0]); i++)
		if (writing[i] == (long)c->nr)
			return true;
	return false;
}

static void die(const char *what)
{
	fprintf(stderr, "crash-tracer: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The worker's word for itself, if this call gives it one. */
static bool names_itself(pid_t pid, const struct call *c, const char *worker)
{
	char name[17] = "";
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	struct iovec ours = { name, 16 }, theirs = { (void *)(size_t)c->args[1], 16 };

	if ((long)c->nr != SYS_prctl || c->args[0] != PR_SET_NAME)
		return false;
	for (ours.iov_len = theirs.iov_len = 16; theirs.iov_len > 0; ours.iov_len = --theirs.iov_len)
		if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) > 0)
			return strncmp(name, worker, 15) == 0;
	return false;
}

/* The call that is being entered becomes none. */
static void skip_call(pid_t pid)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, (void *)__builtin_offsetof(struct user_regs_struct, orig_rax),
	           (void *)-1L) < 0)
		die("cannot skip a call");
#elif defined(__aarch64__)
	int none = -1;
	struct iovec v = { &none, sizeof(none) };

	if (ptrace(PTRACE_SETREGSET, pid, (void *)0x404, &v) < 0)
		die("cannot skip a call");
#else
#error "which register holds the system call?"
#endif
}

static void set_result(pid_t pid, long result)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, (void *)__builtin_offsetof(struct user_regs_struct, rax),
	           (void *)result) < 0)
		die("cannot set a result");
#else
	struct user_regs_struct regs;
	struct iovec v = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &v) < 0)
		die("cannot set a result");
	regs.regs[0] = (unsigned long long)result;
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &v) < 0)
		die("cannot set a result");
#endif
}

static struct {
	pid_t supervisor, worker; /* worker 0: not seen yet */
	const char *name;
	long n, count;
	int error;    /* 0: kill */
	int without;  /* 1: tmpfile, 2: noreplace too */
	int failing;  /* between entry and exit of a call that is to fail: with what */
	long reached; /* its number */
	bool done;
} t;

/* What the filesystem has not got: the error that says so, or 0. */
static int missing(const struct call *c)
{
	if (t.without >= 1 && (long)c->nr == SYS_openat && (c->args[2] & (O_TMPFILE & ~O_DIRECTORY)))
		return EOPNOTSUPP;
	return t.without >= 2 && (long)c->nr == SYS_renameat2 ? EINVAL : 0;
}

static void at_call(pid_t pid)
{
	struct call c = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(c), &c) < 0)
		return;
	if (c.op == CALL_EXIT && t.failing && pid == t.worker) {
		set_result(pid, -t.failing);
		t.done = t.done || t.reached;
		t.failing = 0;
		return;
	}
	if (c.op != CALL_ENTRY)
		return;
	if (!t.worker && names_itself(pid, &c, t.name)) {
		t.worker = pid;
		return;
	}
	if (pid != t.worker || t.done)
		return;
	t.failing = missing(&c);
	if (t.failing)
		skip_call(pid);
	if ((t.error && (t.failing || !is_writing(&c))) || ++t.count != t.n)
		return;
	t.reached = (long)c.nr;
	if (t.error) {
		skip_call(pid);
		t.failing = t.error;
		return;
	}
	kill(pid, SIGKILL);
	t.done = true;
}

/* A process that is no concern of ours any more. */
static void let_go(pid_t pid, int sig)
{
	ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)sig);
}

static void on_stop(pid_t pid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		at_call(pid);
		sig = 0;
	} else if (event) {
		sig = 0;
	}
	if (pid == t.supervisor)
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)sig);
	else if (t.done || (t.worker && pid != t.worker))
		let_go(pid, sig);
	else
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
}

/* The worker that waits was forked before we came, and may be the one. */
static void watch_child(pid_t pid, long options)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) == 0)
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
}

/* The supervisor, which is stopped meanwhile so that it is in no fork, and all its children. */
static void watch_all(long options)
{
	char path[64];
	int pid, status;

	if (ptrace(PTRACE_SEIZE, t.supervisor, NULL, (void *)options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, t.supervisor, NULL, NULL) < 0 ||
	    waitpid(t.supervisor, &status, __WALL) < 0 || !WIFSTOPPED(status))
		die("cannot watch the supervisor");
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)t.supervisor, (int)t.supervisor);
	FILE *children = fopen(path, "r");
	while (children && fscanf(children, "%d", &pid) == 1)
		watch_child(pid, options);
	if (!children || fclose(children) != 0)
		die("cannot watch the supervisor's children");
	on_stop(t.supervisor, status);
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE |
	                     PTRACE_O_TRACEVFORK;
	int status;
	pid_t pid;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: crash-tracer PID WORKER N kill|ERRNO [tmpfile|noreplace]\n");
		return 2;
	}
	t.without = argc == 5 ? 0 : strcmp(argv[5], "tmpfile") == 0 ? 1 : 2;
	t.supervisor = (pid_t)strtol(argv[1], NULL, 10);
	t.name = argv[2];
	t.n = strtol(argv[3], NULL, 10);
	t.error = strcmp(argv[4], "kill") == 0 ? 0 : (int)strtol(argv[4], NULL, 10);
	watch_all(options);
	puts("ready");
	fflush(stdout);
	while (!(t.error && t.done) && ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status))
			on_stop(pid, status);
		else if (pid == t.worker)
			break;
		else if (pid == t.supervisor)
			return 3;
	}
	if (t.done)
		printf("call %ld\n", t.reached);
	else
		printf("ended %ld\n", t.count);
	return 0; /* which lets the supervisor go */
}
