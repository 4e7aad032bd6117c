/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Functions run in a child with other privileges; the error travels back through a pipe as it is.
 *
 * An export with root_squash turns root into nobody at the server, while the owner of a file may do what
 * root may not. Changing users for good needs a process of its own, and that is this child.
 */
#include "volumes/file/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/contract.h"
#include "base/util.h"

struct aside {
	int64_t uid, gid;
};

/* ---- another user ---- */

/* CAP_SYS_ADMIN is kept, because confining a tool takes namespaces and mounts. It opens no file. */
static int keep_one_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct one[2] = { { .effective = 1U << CAP_SYS_ADMIN,
		                                         .permitted = 1U << CAP_SYS_ADMIN } };

	return (int)syscall(SYS_capset, &head, one);
}

/* Dumpable again: it opens its own descriptors by /proc. */
static int become(const struct aside *a, struct err *e)
{
	gid_t gid = a->gid >= 0 ? (gid_t)a->gid : getegid();
	uid_t uid = a->uid >= 0 ? (uid_t)a->uid : geteuid();

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 || keep_one_capability() < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_sys(e, errno, "cannot act as user %u, group %u", uid, gid);
	return 0;
}

/* ---- the child ---- */

/* What comes back through the pipe, as it lies in memory: both ends are the same program. */
struct aside_outcome {
	int rc;
	struct err err;
};

_Noreturn static void child(const struct aside *a, aside_fn *run, void *arg, int out, pid_t parent)
{
	struct aside_outcome o = { 0 };

	o.rc = become(a, &o.err);
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
static int outcome_read(int in, struct aside_outcome *o)
{
	ssize_t n;

	do
		n = read(in, o, sizeof(*o));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*o) ? 0 : -1;
}

int aside_as(int64_t uid, int64_t gid, aside_fn *run, void *arg, struct err *e)
{
	demand(run && uid <= UINT32_MAX && gid <= UINT32_MAX, e);

	const struct aside a = { uid, gid };
	struct aside_outcome o = { 0 };
	int ends[2], status = 0;
	pid_t pid, self = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot start a child");
	pid = fork();
	if (pid == 0)
		child(&a, run, arg, ends[1], self);
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
