/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask, and wait for. A request that has a worker of its own outlives the one who asked, and the
 * pool: requests.c (definitions) and building.c (what pools live on).
 */
#ifndef POOLINIT_SUPERVISOR_REQUESTS_REQUESTS_H
#define POOLINIT_SUPERVISOR_REQUESTS_REQUESTS_H

#include "supervisor/inside.h"

/* ---- requests.c ---- */
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
	bool validate;
	bool on;        /* autostart */
	unsigned build; /* START_BUILD, enum build_flags */
	uint64_t timeout;
	enum pool_type type; /* of the sources looked for */
	bool waits;          /* for a companion to be ready, */
	struct timer timer;  /* so long; or for its turn; or for the end of a worker that does not go */
	char *text;          /* printed XML that came back */
	size_t text_len;
	bool kept_in_config;
	char *kept_file; /* there: its path */
	void (*then)(struct request *r, const struct err *e);
	void (*change)(struct request *r); /* what it does to the definitions, when it is its turn; or NULL */
	struct err failure; /* of the worker that is being ended, or whose leftovers are being removed */
};

/* The waiter is parked on it; or NULL: nobody waits. NULL: out of memory. */
struct request *request_new(struct supervisor *s, const char *pool, struct waiter *w, struct err *e);
/* Copies the document into it. */
int request_take_xml(struct request *r, const char *xml, size_t len, struct err *e);
/* Refused before anything began: the waiter is the caller's again. -1. */
int request_refuse(struct request *r);
/* Everybody is told, and it is over. */
void request_end(struct request *r, const struct err *e);
/* Run it in a worker; then() is told of the end. What the worker sends as payload is r->text. */
int request_run(struct request *r, const char *what, uint64_t timeout,
                int (*run)(struct worker_io *, void *, struct err *), void *arg,
                void (*then)(struct request *, const struct err *), struct err *e);
/* Definitions are changed one after the other: when it is its turn. */
void request_change(struct request *r, void (*change)(struct request *r));
/* An event about a pool that carries nothing else. */
void request_emit(struct supervisor *s, const char *event, const char *pool);

#define TURN_WITHIN SECONDS(30) /* a change waits so long for those before it, */
/* and who asked so long for a worker that is being ended: TERM, KILL, and then some */
#define GONE_WITHIN SECONDS(6)
void requests_on_changer(struct timer *t);
void requests_free(struct supervisor *s);

/* ---- reload.c ---- */
void reload_on_source(struct supervisor *s); /* one has been read: was it the last? */

/* ---- building.c ---- */
void requests_kick(struct supervisor *s); /* a companion is ready, or is not to be had */

/* ---- secrets.c ---- */
void secrets_on_sources(struct supervisor *s); /* those that waited for sources_sweep() */
void secrets_free(struct supervisor *s);

/* ---- volume_jobs.c, volume_admission.c: operations on volumes under way ---- */
/* false, ERR_BUSY: a job works in it */
bool volume_jobs_admit_stop(const struct pool *p, const char *what, struct err *e);
void volume_jobs_orphan(struct pool *p); /* the pool goes */
void volume_jobs_cancel_all(struct supervisor *s);
void volume_jobs_free(struct supervisor *s);

/* ---- keep.c ---- */
/* In the worker, arg is the request. Each sends where the definition, or the mark, is kept now. */
int work_keep(struct worker_io *io, void *arg, struct err *e);
int work_forget(struct worker_io *io, void *arg, struct err *e);
int work_mark(struct worker_io *io, void *arg, struct err *e);

#endif
