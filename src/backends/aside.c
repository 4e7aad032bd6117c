/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Functions run in a child with other privileges; the error travels back through a pipe as it is.
 */
#include "backends/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/util.h"

struct aside {
	int64_t uid, gid;
	const int *files;
	unsigned n;
	int (*change)(const struct aside *a, struct err *e);
};

/* ---- another user ---- */

/* Dumpable again: tools that it starts open its descriptors by /proc. */
static int become(const struct aside *a, struct err *e)
{
	gid_t gid = a->gid >= 0 ? (gid_t)a->gid : getegid();
	uid_t uid = a->uid >= 0 ? (uid_t)a->uid : geteuid();

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_sys(e, errno, "cannot act as user %u, group %u", uid, gid);
	return 0;
}

/* ---- shut off from files ---- */

#define LANDLOCK_ABI_1 0x1fffULL        /* all that the first version knows */
#define MAY_RUN  (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_USE  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* What a program needs to run at all. */
static const struct { const char *path; uint64_t may; } always[] = {
	{ "/usr", MAY_RUN }, { "/bin", MAY_RUN }, { "/sbin", MAY_RUN }, { "/lib", MAY_RUN }, { "/lib64", MAY_RUN }, { "/nix/store", MAY_RUN },
	{ "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE }, { "/proc", MAY_READ }, { "/sys", MAY_READ },
	{ "/dev/null", MAY_USE }, { "/dev/zero", MAY_USE }, { "/dev/urandom", MAY_USE }, { "/dev/random", MAY_USE },
};

static int allow(int rules, int fd, uint64_t may)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = may, .parent_fd = fd };

	return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* What lies in no directory (a file in memory) needs no rule and takes none: EBADFD. */
static int confine(const struct aside *a, struct err *e)
{
	const struct landlock_ruleset_attr all = { .handled_access_fs = LANDLOCK_ABI_1 };
	cleanup_close int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all.handled_access_fs), 0);

	if (rules < 0)                  /* not in this kernel, or not switched on */
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(always); i++) {
		cleanup_close int fd = open(always[i].path, O_PATH | O_CLOEXEC);

		if (fd >= 0 && allow(rules, fd, always[i].may) < 0)
			return err_sys(e, errno, "cannot allow %s to a tool (landlock)", always[i].path);
	}
	for (unsigned i = 0; i < a->n; i++)
		if (allow(rules, a->files[i], MAY_USE) < 0 && errno != EBADFD)
			return err_sys(e, errno, "cannot allow an image to a tool (landlock)");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return err_sys(e, errno, "cannot shut a tool off from files (landlock)");
	return 0;
}

/* ---- the child ---- */

struct outcome { int rc; struct err err; };

_Noreturn static void child(const struct aside *a, aside_fn *run, void *arg, int out, pid_t parent)
{
	struct outcome o = { 0 };

	o.rc = a->change(a, &o.err);
	/* after it: a change of user takes the signal away */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	if (o.rc == 0)
		o.rc = run(arg, &o.err);
	if (write(out, &o, sizeof(o)) != (ssize_t)sizeof(o))
		_exit(1);
	_exit(0);
}

/* One write of less than PIPE_BUF: it comes whole or not at all. */
static int outcome_read(int in, struct outcome *o)
{
	ssize_t n;

	do
		n = read(in, o, sizeof(*o));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*o) ? 0 : -1;
}

static int aside(const struct aside *a, aside_fn *run, void *arg, struct err *e)
{
	struct outcome o = { 0 };
	int ends[2], status = 0;
	pid_t pid, self = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot start a child");
	pid = fork();
	if (pid == 0)
		child(a, run, arg, ends[1], self);
	close(ends[1]);
	if (pid < 0) {
		err_sys(e, errno, "cannot start a child");
		close(ends[0]);
		return -1;
	}
	if (outcome_read(ends[0], &o) < 0)
		o.rc = err_set(&o.err, ERR_INTERNAL, "a child ended without an answer");
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (o.rc < 0 && e)
		*e = o.err;
	return o.rc;
}

int aside_as(int64_t uid, int64_t gid, aside_fn *run, void *arg, struct err *e)
{
	return aside(&(struct aside){ .uid = uid, .gid = gid, .change = become }, run, arg, e);
}

int aside_confined(const int *files, unsigned n, aside_fn *run, void *arg, struct err *e)
{
	return aside(&(struct aside){ .files = files, .n = n, .change = confine }, run, arg, e);
}
