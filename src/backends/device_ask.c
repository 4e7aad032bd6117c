/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Asking a device that may not answer, or may bring down who reads it: a process of its own does it, and is left behind if need be. It waits
 * for the answer: while it is there, nobody else has to, and its end says that the device may be asked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backends/device.h"
#include "backends/files_parts.h"
#include "base/clock.h"
#include "base/util.h"

#define PATIENCE SECONDS(2)             /* with one device */

static const char *run_dir;

void device_ask_keeps(const char *dir)
{
	run_dir = dir;
}

static int silent(const char *node, struct err *e)
{
	return err_set(e, ERR_STORAGE, "%s does not answer", node);
}

/* 1: it has ended. */
static int wait_for(pid_t child, int *status, uint64_t until)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int rc;

	while ((rc = waitpid(child, status, WNOHANG)) == 0 && clock_ms() < until)
		poll(&p, 1, pidfd < 0 ? 10 : clock_until(until));
	return rc == child;
}

/* Who is left behind keeps nothing of its worker open but the file that says so: the worker's end is to be seen. */
static void let_go(int file)
{
	if (file > 3)
		syscall(SYS_close_range, 3u, (unsigned)file - 1, 0);
	syscall(SYS_close_range, (unsigned)(file < 2 ? 2 : file) + 1, ~0u, 0);
}

static int outcome(const char *node, pid_t child, struct stuck *stuck, int file, struct err *e)
{
	int status;

	if (wait_for(child, &status, clock_ms() + PATIENCE)) {
		if (WIFEXITED(status))
			return 0;
		return err_set(e, ERR_STORAGE, "%s brings down who reads it (signal %d)", node, WTERMSIG(status));
	}
	if (file < 0 || !stuck_hold(stuck, file, node))
		kill(child, SIGKILL);
	return silent(node, e);
}

int device_ask(const char *node, device_ask_fn *fn, void *arg, size_t size, struct err *e)
{
	struct stuck stuck;
	cleanup_close int file = -1;
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int rc;

	if (shared == MAP_FAILED)
		return err_sys(e, errno, "cannot ask %s", node);
	memcpy(shared, arg, size);
	stuck_read(&stuck, run_dir);
	file = stuck_file(&stuck);
	if (stuck_is(&stuck, node) || !stuck_has_room(&stuck)) {
		rc = silent(node, e);
	} else if ((child = fork()) < 0) {
		rc = err_sys(e, errno, "cannot ask %s", node);
	} else if (child == 0) {
		let_go(file);
		fn(node, shared);
		_exit(0);
	} else {
		rc = outcome(node, child, &stuck, file, e);
	}
	if (rc == 0)
		memcpy(arg, shared, size);
	munmap(shared, size);
	return rc;
}
