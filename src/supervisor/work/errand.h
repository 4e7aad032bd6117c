/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a worker that was forked ahead is told: all that the tasks of an operation read.
 */
#ifndef POOLINIT_SUPERVISOR_WORK_ERRAND_H
#define POOLINIT_SUPERVISOR_WORK_ERRAND_H

#include "supervisor/work/work.h"

/* The tasks' `arg`s, by their types. Those that there are not are NULL. */
struct errand {
	const struct volume_work *work;
	const struct operation *operation;
	const struct operation *next; /* of the same pool: what comes then */
};

/* More does not fit in a socket at once. */
#define ERRAND_LIMIT (128 * 1024)
/* Everything of it, and of the tasks; others: the pools around, for a start, else empty. False: it is too
 * much, or there is no memory, and the worker cannot be told. */
bool errand_tell(struct buf *b, const struct task *task, const struct errand *errand,
                 const struct pool_views *others);
/* Send what was told, all at once, or fail: the supervisor does not wait for a worker. */
bool errand_send(int fd, const struct buf *told);
/* A task's `await`, whose `arg` is the supervisor: what its tasks read has come when it returns. Of the
 * supervisor's lists nothing is left that an operation could take for the present. */
int errand_await(int fd, struct task *task, struct task *then);

#endif
