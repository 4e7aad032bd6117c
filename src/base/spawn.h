/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Running a tool (iscsiadm, qemu-img, …) from a worker: by argv, never through a shell; with only descriptors
 * 0, 1, 2 open and those that are given; with a small fixed environment; in its own session and process
 * namespace, which ends with it; with a deadline. Blocking: for workers only.
 */
#ifndef POOLINIT_BASE_SPAWN_H
#define POOLINIT_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

#define SPAWN_OUTPUT_LIMIT (1024 * 1024)
#define SPAWN_FILES        24
#define SPAWN_FILE(i)      (4 + (int)(i))

struct tool {
	/* NULL-terminated; argv[0] is looked up in spawn_path unless it has a slash */
	const char *const *argv;
	const char *const *env; /* further NAME=value, or NULL; PATH and LC_ALL=C are always set */
	const void *input;      /* standard input, or NULL for /dev/null */
	size_t input_len;
	uint64_t deadline; /* clock_ms(), NEVER allowed */
	/* nfiles descriptors that are open in it too: the i-th as SPAWN_FILE(i), by path "/proc/self/fd/N" */
	const int *files;
	unsigned nfiles;
	/* it reads what others wrote: only those files and programs are in its reach (jail.h), or it is not
	 * run */
	bool confined;
	/* its output is a list that is read: more than the limit of it is ERR_TOO_LONG, and not a shorter
	 * list */
	bool whole;
	bool leaves;    /* what it has started stays when it has ended: it serves a mount */
	struct buf out; /* what it wrote to standard output, SPAWN_OUTPUT_LIMIT at most; caller frees */
	struct buf err; /* and to standard error */
	int status;     /* exit status 0..255 */
};

/* Run the tool, and wait. 0 if it ran and exited by itself, whatever its status; else ERR_NO_TOOL,
 * ERR_TIMEOUT (it was sent TERM, then KILL after two seconds), ERR_STORAGE (it died by a signal, named in
 * the message), ERR_UNSUPPORTED (it cannot be confined here), ERR_TOO_LONG (see `whole`). What it has
 * started is gone when this returns, daemons among it (but see `leaves`), and goes when the caller is killed;
 * where the kernel gives no process namespace: what is in its session. tool_free() in every case. */
int spawn_run(struct tool *t, struct err *e);
/* spawn_run(), and a status other than 0 is an ERR_STORAGE "NAME: <last line it wrote to standard error>". */
int spawn_ok(struct tool *t, struct err *e);
/* Last non-empty line of a tool's output, trimmed; points into b. */
const char *spawn_last_line(struct buf *b);
/* What an initramfs has left in memory: in the real root it goes before what has the same name there, and at
 * the end, when systemd has made /run/initramfs the root, it is found as /poolinit. The directory is ours
 * alone: dracut and mkinitcpio unpack a whole system in /run/initramfs, whose tools are not meant for us. */
#define KEPT_PROGRAMS "/run/initramfs/poolinit"
/* Full path of a tool in KEPT_PROGRAMS or /sbin:/bin:/usr/sbin:/usr/bin:/usr/local/…; NULL if there is none.
 * Static storage. */
const char *spawn_find(const char *name);
/* Free what the tool has written (out, err); the rest is the caller's. */
void tool_free(struct tool *t);

/* fork(2) with the child's pidfd, or neither: none is left over when descriptors run out. 0 in the child;
 * -1: errno says why. The C library does not know of it, and would take the parent's number for the child's:
 * the child is to make system calls only, until it ends or execs. */
pid_t spawn_fork(int *pidfd);
/* For children that stay (iscsid, udhcpc): fork and exec with the same hygiene, out_fd as 1 and 2 (-1:
 * /dev/null). Returns the pidfd, or -1; *pid is set. The caller reaps it. Does not wait: where the program is
 * missing the child says so on out_fd and exits with 127. "@NAME" runs the program NAME by that name. */
int spawn_service(const char *const *argv, const char *const *env, int out_fd, pid_t *pid, struct err *e);
/* A child that nobody watches, or waits for, any more: it is killed, and reaped when it has gone, however
 * long that takes. */
void spawn_forget(struct loop *l, pid_t pid);

#endif
