/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Asking a device that may not answer, or may bring down who reads it: a process of its own does it, and is
 * left behind if need be. It waits for the answer: while it is there, nobody else has to, and its end says
 * that the device may be asked again. It writes to the file of those that were left behind then, which the
 * supervisor hears.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"
#include "system/stuck.h"

#define PATIENCE SECONDS(2) /* with one device */

static const char *run_dir;

void device_ask_keeps(const char *dir)
{
	run_dir = dir;
}

int device_ask_listen(void)
{
	cleanup_close int file = stuck_file(&(struct stuck){ .run_dir = run_dir });
	cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0 ? steal_fd(&fd) : -1;
}

static int err_silent(const char *node, struct err *e)
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

/* Shared with the process that asks: where it is, and that nobody waits for it any more. */
struct ask_progress {
	volatile size_t at;
	volatile bool over;
};

/* Wait for its end, as long as it comes from one device to the next. */
static bool has_ended(pid_t child, int *status, const struct ask_progress *p, uint64_t patience)
{
	size_t at;

	do {
		at = p->at;
		if (wait_for(child, status, clock_ms() + patience))
			return true;
	} while (p->at != at);
	return false;
}

/* It did not come past this device. */
static void blame_device(const char *node, pid_t child, bool ended, int status, struct stuck *stuck, int file,
                         struct err *why)
{
	if (ended) {
		err_set(why, ERR_STORAGE, "%s brings down who reads it (signal %d)", node, WTERMSIG(status));
		return;
	}
	if (file < 0 || !stuck_hold(stuck, file, node))
		kill(child, SIGKILL);
	err_silent(node, why);
}

/* Ask the devices from `from` on with one process; the number of the first that it did not come to. */
static size_t ask_from(const struct device_questions *q, size_t from, struct ask_progress *p, char *answers)
{
	struct stuck stuck;
	cleanup_close int file = -1;
	bool ended;
	pid_t child;
	int status;

	stuck_read(&stuck, run_dir);
	file = stuck_file(&stuck);
	for (; from < q->n && (stuck_is(&stuck, q->nodes[from]) || !stuck_has_room(&stuck)); from++)
		err_silent(q->nodes[from], &q->whys[from]);
	p->at = from;
	if (from == q->n)
		return from;
	child = fork();
	if (child < 0) {
		err_sys(&q->whys[from], errno, "cannot ask %s", q->nodes[from]);
		return from + 1;
	}
	if (child == 0) {
		file_keep_only(file); /* it may be left behind */
		for (; p->at < q->n && !p->over && !stuck_is(&stuck, q->nodes[p->at]); p->at++)
			q->fn(q->nodes[p->at], answers + p->at * q->size);
		_exit(p->over && pwrite(file, "", 1, 0) < 0);
	}
	ended = has_ended(child, &status, p, q->patience ? q->patience : PATIENCE);
	if (ended && WIFEXITED(status))
		return p->at;
	blame_device(q->nodes[p->at], child, ended, status, &stuck, file, &q->whys[p->at]);
	return p->at + 1;
}

int device_ask_all(const struct device_questions *q, struct err *e)
{
	demand(q->fn && (q->n == 0 || (q->nodes && q->args && q->whys)), e);
	demand(q->size > 0, e);

	size_t bytes = q->n * q->size;
	/* The progress of each process is its own: one that was left behind still looks at it. */
	for (size_t from = 0, next; from < q->n; from = next) {
		struct ask_progress *p = mmap(NULL, sizeof(*p) + bytes, PROT_READ | PROT_WRITE,
		                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return err_sys(e, errno, "cannot ask %s", q->nodes[from]);
		memcpy(p + 1, q->args, bytes);
		next = ask_from(q, from, p, (char *)(p + 1));
		/* Whoever was left behind with this mapping sees that nobody waits, and ends at its next
		 * step. */
		p->over = true;
		memcpy(q->args, p + 1, bytes);
		munmap(p, sizeof(*p) + bytes);
	}
	return 0;
}

int device_ask(const char *node, device_ask_fn *fn, void *arg, size_t size, struct err *e)
{
	demand(node && fn && arg, e);

	struct err why = { 0 };
	struct device_questions q = {
		.nodes = &node, .n = 1, .fn = fn, .args = arg, .size = size, .whys = &why
	};

	if (device_ask_all(&q, e) < 0)
		return -1;
	if (why.class != ERR_NONE && e)
		*e = why;
	return why.class != ERR_NONE ? -1 : 0;
}

struct content_question {
	struct device_content content;
	int rc;
	struct err why;
};

static void answer_content(const char *node, void *arg)
{
	struct content_question *q = arg;

	q->rc = device_content(node, &q->content, &q->why);
}

int device_content_bounded(const char *path, struct device_content *out, struct err *e)
{
	demand(path && out, e);

	struct content_question q = { .rc = -1 };

	*out = (struct device_content){ 0 };
	if (device_ask(path, answer_content, &q, sizeof(q), e) < 0)
		return -1;
	*out = q.content;
	if (q.rc < 0 && e)
		*e = q.why;
	return q.rc;
}
