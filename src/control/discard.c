/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Getting rid of a client's descriptor. close(2) of a file on a network or FUSE filesystem writes back what is dirty, or asks a server that may not
 * answer: whoever closes may hang, and that must not be the supervisor. So a grandchild that shares our table of descriptors does it; it is
 * nobody's child, and when it hangs, nobody waits for it.
 */
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/util.h"
#include "control/verb.h"

/* As fork(2), but with the same table. The child makes system calls and nothing else. */
static pid_t fork_sharing(void)
{
	struct clone_args a = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static _Noreturn void end(void)
{
	for (;;)
		syscall(SYS_exit_group, 0);
}

void discard_fd(int fd)
{
	int status;

	if (fd < 0)
		return;
	pid_t child = fork_sharing();
	if (child == 0) {
		pid_t closer = fork_sharing();

		if (closer <= 0)
			syscall(SYS_close, fd);
		end();
	}
	if (child > 0)
		waitpid(child, &status, 0);     /* it ends at once, and leaves the work to its child */
	else
		close(fd);
}
