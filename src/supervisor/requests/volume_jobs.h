/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A job: an operation on a volume that has a number in job-list. Private to its two files.
 */
#ifndef POOLINIT_SUPERVISOR_REQUESTS_VOLUME_JOBS_H
#define POOLINIT_SUPERVISOR_REQUESTS_VOLUME_JOBS_H

#include "supervisor/inside.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"

/* What is special about an operation: one row each, in volume_jobs.c. */
struct operation_row {
	int (*work)(struct worker_io *io, void *arg, struct err *e);
	const char *event; /* what it did, when it went well; NULL: nothing changed */
	uint64_t timeout;
	bool is_short; /* mostly: its worker goes on to look at what came of it */
};

/* One job, from the moment in which it was asked for until everybody has been told and its leftovers are
 * removed. */
struct volume_job {
	struct volume_job *next; /* in the order in which they came */
	struct supervisor *sup;
	const struct operation_row *row;
	enum volume_operation operation;
	const char *verb;
	uint64_t number, started, timeout;
	struct pool *pool, *input_pool; /* NULL: gone, or none */
	char *pool_name;
	char *name;  /* of its volume; NULL: not known before its document is read */
	char *input; /* of the volume that it copies, or NULL */
	struct volume_work work;
	struct pool_view view, input_view; /* what its worker is told of the two pools */
	bool detach;
	bool taken;   /* its worker has the descriptor that was passed */
	bool counted; /* in pool->work.jobs */
	bool let_in;  /* its volumes are its own from now on */
	bool ending, cancelled;
	bool late;    /* its time is over, and whoever waits is to be told of that soon */
	bool hangs;   /* its worker does not even die */
	bool looking; /* its worker has gone: only the look at the pool is missing */
	bool sweep;   /* a worker was killed: it may have left something behind */
	struct worker *worker;
	uint64_t done, total, bytes;
	struct err err; /* class ERR_NONE: it went well */
	struct timer timer;
	struct waiter *waiters;
	struct waiter *cancellers;
	struct update update; /* which its worker goes on to, */
	struct waiter look;   /* and the end of that look, or of another, when its worker has gone */
};

/* ERR_HUNG, ERR_STATE: nothing can be done to its volumes now. */
int job_check_pool(const struct pool *p, struct err *e);
/* From now on its volumes are its own. ERR_BUSY names the job that has one of them; ERR_EXISTS;
 * ERR_NO_POOL. */
int job_let_in(struct volume_job *j, struct err *e);

#endif
