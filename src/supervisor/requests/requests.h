/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask, and wait for. A request that has a worker of its own outlives the one who asked, and the
 * pool: requests.c (definitions), building.c (what pools live on), secrets.c.
 */
#ifndef POOLINIT_SUPERVISOR_REQUESTS_REQUESTS_H
#define POOLINIT_SUPERVISOR_REQUESTS_REQUESTS_H

#include "supervisor/requests/documents.h"

/* ---- request.c ---- */

/* Something that somebody has asked. It belongs to this room, and is freed when it ends; all that point to it
 * (workers, the timer) are seen to by then. */
struct request {
	struct request *next; /* in the order in which they came */
	struct supervisor *sup;
	struct waiter *waiters;
	struct worker *worker;
	char *pool; /* name, or NULL */
	char *xml;
	size_t xml_len;
	struct summary *summary;
	enum define_mode mode;
	bool on;        /* autostart */
	unsigned build; /* START_BUILD, enum build_flags */
	uint64_t timeout;
	enum pool_type type; /* of the sources looked for */
	bool waits;          /* for a companion to be ready, */
	struct timer timer;  /* so long; or for its turn; or for the end of a worker that does not go */
	char *text;          /* printed XML that came back */
	size_t text_len;
	bool kept_in_config;
	char *kept_file;           /* there: its path */
	enum subject subject;      /* of its change */
	struct secret_order order; /* about a secret: what is asked, without the texts, which are here: */
	char *which, *data;
	size_t data_len;
	char secret[UUID_TEXT]; /* of which it was, in the end, */
	char usage[16];         /* and what that is for: "" where it is not known, */
	char *usage_id;         /* and of that the name; or NULL */
	int value;              /* memfd, or -1 */
	void (*then)(struct request *r, const struct err *e);
	void (*change)(struct request *r); /* what it does to the definitions, when it is its turn; or NULL */
	struct err failure; /* of the worker that is being ended, or whose leftovers are being removed */
};

/* The waiter is parked on it; or NULL: nobody waits. NULL: out of memory. */
struct request *request_new(struct supervisor *s, const char *pool, struct waiter *w, struct err *e);
/* Refused before anything began: the waiter is the caller's again. -1. */
int request_refuse(struct request *r);
/* Everybody is told, with e or well (NULL), and it is over: r is gone. */
void request_end(struct request *r, const struct err *e);
/* Run it in a worker; then() is told of the end. What the worker sends as payload is r->text. 0; -1: no
 * worker can be had, e says why and then() is not called. */
int request_run(struct request *r, const char *what, uint64_t timeout,
                int (*run)(struct worker_io *, void *, struct err *), void *arg,
                void (*then)(struct request *, const struct err *), struct err *e);
/* Have a document read; then() is told of the end. What comes out is r->text, and of a pool r->summary. */
int request_read(struct request *r, const struct sent_document *d,
                 void (*then)(struct request *, const struct err *), struct err *e);
/* That text is r->xml from now on. */
void request_take_text(struct request *r);
/* As request_run(), for one that writes: then() waits until the worker has gone, however long that takes. It
 * keeps r->value. */
int request_write(struct request *r, const char *what, int (*run)(struct worker_io *, void *, struct err *),
                  void (*then)(struct request *, const struct err *), struct err *e);
/* The outcome of one that writes. If it was killed, run() removes what it may have left half-written before
 * anybody is told: true, and the request ends by itself. */
bool request_sweeps(struct request *r, const struct err *e,
                    int (*run)(struct worker_io *, void *, struct err *));
/* The tasks of these, for who puts two of them together; and its worker, or NULL if none could be had: -1. */
struct task request_task(struct request *r, const char *what, uint64_t timeout);
struct task request_writer(struct request *r, const char *what,
                           int (*run)(struct worker_io *, void *, struct err *));
int request_goes_on(struct request *r, struct worker *worker,
                    void (*then)(struct request *, const struct err *));
/* Forget the value that was given. */
void request_wipe(struct request *r);
/* What is about the same is changed one after the other: when it is its turn. */
void request_change(struct request *r, void (*change)(struct request *r));
/* An event about a pool that carries nothing else. */
void request_emit(struct supervisor *s, const char *event, const char *pool);

#define TURN_WITHIN SECONDS(30) /* a change waits so long for those before it, */
/* and who asked so long for a worker that is being ended: TERM, KILL, and then some */
#define GONE_WITHIN SECONDS(6)
/* Of s->changer: begins the next change of each subject, if nothing is in its way. */
void requests_on_changer(struct timer *t);
/* All requests end without a word: those who wait are withdrawn. */
void requests_free(struct supervisor *s);

/* ---- reload.c ---- */
/* A source has been read: was it the last of a reload? */
void reload_on_source(struct supervisor *s);

/* ---- building.c ---- */
/* A companion is ready, or is not to be had: searches that wait for one go on, or end. */
void requests_kick(struct supervisor *s);

/* ---- volume_jobs.c, volume_admission.c: operations on volumes under way ---- */

/* May the pool be stopped, as far as jobs go? False, ERR_BUSY: one works in it. what: the word for it,
 * "stop". */
bool volume_jobs_admit_stop(const struct pool *p, const char *what, struct err *e);
/* The pool goes: its jobs are ended, and know it no more. */
void volume_jobs_orphan(struct pool *p);
/* At shutdown: all are ended; each end calls the shutdown's next step. */
void volume_jobs_cancel_all(struct supervisor *s);
/* Forget all without a word. */
void volume_jobs_free(struct supervisor *s);

/* ---- keep.c ---- */

/* In the worker, arg is the request. Each sends where the definition, or the mark, is kept now: "config" or
 * "run". Write the definition. */
int work_keep(struct worker_io *io, void *arg, struct err *e);
/* Remove its file. "run" is sent if something defines the pool again at the next boot. */
int work_forget(struct worker_io *io, void *arg, struct err *e);
/* Mark it for autostart, or not (r->on). */
int work_mark(struct worker_io *io, void *arg, struct err *e);

#endif
