/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One operation = one worker: a forked child that runs plain blocking code under a deadline and answers in
 * the line grammar. At the deadline whoever asked is told; the child gets TERM, two seconds later KILL, and
 * two seconds later it is abandoned: left behind in uninterruptible sleep, listed, and reported once more
 * when it goes after all.
 *
 * A worker belongs to this room from worker_start() until it has gone: callers keep the pointer to cancel it,
 * and forget it in on_done (or on_gone, if it was left).
 */
#ifndef POOLINIT_SUPERVISOR_WORK_WORKER_H
#define POOLINIT_SUPERVISOR_WORK_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"
#include "base/loop.h"

struct supervisor;
struct pool;

/* What the child sees. Everything else it needs it has by fork: task->arg still points to the parent's
 * (copied) memory. One that was forked ahead is told it (errand.h). */
struct worker_io {
	int fd; /* to the supervisor; write through worker_send() */
	uint64_t deadline;
	bool holds; /* what is sent goes out together, with the outcome */
	size_t nheld;
	char held[1024];
};
/* Send lines, all of them, or as much as the supervisor is there to read. b stays the caller's. */
void worker_send(struct worker_io *io, const struct buf *b);
/* From here to the end of the task nothing can hang: what is sent goes with the outcome, so that the
 * supervisor is woken once. */
void worker_hold(struct worker_io *io);
/* Send what was held back, before anything that comes after it. */
void worker_flush(struct worker_io *io);
#define WORKER_PAYLOAD_LIMIT (2 * 1024 * 1024)
/* What this worker has been given leaves nothing behind in it: if all goes well it may wait for more. For its
 * first task, which may change its mind. */
void worker_stays(bool stays);
/* A payload: "= N" and its bytes. ERR_TOO_LONG beyond WORKER_PAYLOAD_LIMIT: nothing is sent. ERR_NO_MEMORY,
 * also for a text that has failed already. */
int worker_send_text(struct worker_io *io, const struct buf *text, struct err *e);
/* End the record that b holds, send it, and free b. */
void worker_send_record(struct worker_io *io, struct buf *b);
/* A sentence for the log, as op->on_note gets it. */
void worker_send_note(struct worker_io *io, const char *text);
/* As worker_send_record(), and a payload with it, in one piece: the supervisor is woken once. -1: for want of
 * memory nothing is sent. */
int worker_send_record_with(struct worker_io *io, struct buf *b, const struct buf *text);

/* What the supervisor gives a worker. Copied; texts must last until on_done, or on_gone. */
struct task {
	const char *what;           /* "start", "refresh", "read-config", … for status and the log */
	const char *pool;           /* the name of its pool, or NULL */
	const struct pool *subject; /* the pool that it moves, and that has to wait for its end; or NULL */
	/* its word is its end: on_done does not wait until the child, which has closed all its files, has
	 * gone */
	bool prompt;
	uint64_t timeout; /* ms; NEVER allowed */
	/* its time begins anew with each record, for so many ms in all: nobody knows how much there is to
	 * read. 0: it does not */
	uint64_t renewed_for;
	/* in a child that was forked ahead: waits for the two tasks that it is to do, which are its own, and
	 * returns what its socket is by then. Called again if it stays. Or NULL */
	int (*await)(int fd, struct task *task, struct task *then);
	/* in the child; its outcome travels as the final OK or ERR */
	int (*run)(struct worker_io *io, void *arg, struct err *e);
	void *arg;
	const int *keep; /* descriptors the child keeps besides 0, 1, 2 and io->fd; -1-terminated; or NULL */
	/* In the supervisor: */
	void (*on_record)(struct worker *w, const struct line *l);          /* a "- " line; or NULL */
	void (*on_payload)(struct worker *w, const char *data, size_t len); /* "= N" and its bytes; or NULL */
	/* Exactly once. e NULL: it went well. `left`: the child is still there (deadline, cancel); on_gone
	 * follows when it goes. */
	void (*on_done)(struct worker *w, const struct err *e, bool left);
	void (*on_gone)(struct worker *w); /* or NULL */
	/* What the same child does next if this went well; copied; its time begins then. Or NULL. */
	const struct task *then;
	/* it does: `then` is the worker's task now, and takes the place of on_done, which is not called for
	 * this one */
	void (*on_next)(struct worker *w);
	void *owner;
};

/* One child. What is below task is this room's own. */
struct worker {
	struct supervisor *sup;
	struct worker *next;
	struct task task, then;
	pid_t pid;
	struct watch exit;   /* pidfd */
	struct watch output; /* its end of the socket pair */
	struct timer deadline;
	int rung;                /* of the kill ladder */
	uint64_t started, kills; /* kills: of memory_watch() */
	struct buf in;
	unsigned lines; /* of the log that it was the cause of */
	bool final_seen, reported, abandoned, exited, overlong;
	bool settled;   /* reported, and nothing is left of it but a process that ends, */
	bool stays;     /* or that waits for more */
	bool of_a_pool; /* that has let go of it, by its end or because this was reported */
	int status;     /* of waitpid */
	struct err err;
};

/* Fork a child that begins at once. NULL: could not fork; e says why and on_done is not called. Never blocks;
 * on_done is never called before the return. */
struct worker *worker_start(struct supervisor *s, const struct task *task, struct err *e);
/* One that is forked now, and whose work comes later: it is in no list, and task->on_done is called if it
 * ends before it has some. */
struct worker *worker_ahead(struct supervisor *s, const struct task *task, struct err *e);
/* What it does from now on, for whom, and in what time, and what comes then; what it is, it is told
 * otherwise. */
void worker_assign(struct worker *w, const struct task *task);
/* It has done its work, and stays: as one that was forked ahead for `task` it waits for more. False: it does
 * not. w may be anything; one that has gone is not there. */
bool worker_again(struct supervisor *s, struct worker *w, const struct task *task);
/* It gets none: it is ended, and goes silently. */
void worker_dismiss(struct worker *w);
/* How many operations are under way. One that a pool is about to begin counts. A worker that only ends does
 * not, nor one that has taken a second: an upload, or storage that hangs, may take days. */
unsigned workers_busy(const struct supervisor *s);
/* It has so many ms from now on. For on_record: it has said what it is about to do. */
void worker_time(struct worker *w, uint64_t ms);
/* May one more line be logged of what the worker says? At its end how many may not is logged. */
bool worker_may_log(struct worker *w);
/* End it early: the ladder begins now; on_done is called at once with ERR_STATE "cancelled". */
void worker_cancel(struct worker *w);
/* The supervisor goes: forget the worker without a word; the child ends by itself (it dies with its
 * parent). */
void worker_drop(struct worker *w);
/* Nobody wants to hear of it any more: it is ended if it still runs, and goes silently. */
void worker_disown(struct worker *w);
#endif
