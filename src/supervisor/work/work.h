/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What workers do with pools and volumes, and what they look at before they do it. All of it happens in the
 * forked child, which has a copy of our memory; how one is forked is in worker.h.
 */
#ifndef POOLINIT_SUPERVISOR_WORK_WORK_H
#define POOLINIT_SUPERVISOR_WORK_WORK_H

#include "supervisor/inside.h"
#include "supervisor/work/view.h"

/* ---- operation.c ---- */

/* What a worker is to do with a pool. The worker has a copy: it need live only until it was given. First
 * texts, then, from `build` on, what has no pointer, as in struct pool_view; from `only` on errand.c knows
 * each field. */
struct operation {
	/* start: this device was not there, and nothing has happened since but to those; NULL: it may be
	 * any */
	const char *missing, *news;
	/* From here to `only` no byte is between the members: all of them are told. */
	bool build;
	bool force;
	bool sweep;           /* refresh: leftovers of broken volume operations may be removed */
	bool live;            /* print: with the live sizes */
	unsigned build_flags; /* enum build_flags */
	int index;            /* refresh: where the volume records go */
	int inotify;          /* refresh: watch the directory with it; -1: do not */
	int errors;           /* and hear of its filesystem's errors with this, or -1 */
	/* refresh: stop it first if only a new start can bring it back */
	enum { REVIVE_NO, REVIVE_IF_WELL, REVIVE_ASKED } revive;
	const char *const *only; /* refresh: look at these names alone; NULL: at all */
	const struct supervisor
		*sup; /* its options, and where definitions come from; who builds reads its pools, too */
	struct pool_view *pool;
	struct pool_views others; /* start: pools that run; without a list the worker was forked for it */
};
/* The pool's definition, read from its canonical form once in a worker, however many tasks that does, and
 * where its storage is on this machine. Given back when the task ends. */
int worker_definition(const struct supervisor *s, const struct pool_view *p, struct pool_def *def,
                      struct err *e);
void worker_definition_back(const struct pool_view *p, struct pool_def *def);
/* What a task of this worker has made, for the next one. */
extern struct made_file worker_made;
/* In one that stays: what its tasks have left for each other is nothing to the next operation. */
void worker_forget(void);
/* May a pool of that type be built with these flags? name: the pool's. ERR_DENIED: that takes the level
 * admin. */
int build_admit(enum pool_type type, const char *name, unsigned flags, struct err *e);

/* Each is a task's `run`, whose arg is a struct operation. What it finds is told in records ("- state=…",
 * "- place=…", "- identity=…", the ground as a payload), and its outcome is the worker's. */

/* Bring the pool up, after looking whether anything is against it. Succeeds on one that is up. */
int operation_start(struct worker_io *io, void *arg, struct err *e);
/* Make what the pool lives on. */
int operation_build(struct worker_io *io, void *arg, struct err *e);
/* Unmake it. */
int operation_delete(struct worker_io *io, void *arg, struct err *e);
/* Take the pool down. What could not be written any more is told as "lost", and is no failure. */
int operation_stop(struct worker_io *io, void *arg, struct err *e);
/* Only look whether it is up. */
int operation_check(struct worker_io *io, void *arg, struct err *e);
/* Read its volumes into o->index, and tell its sizes. Succeeds too if it is found to be down:
 * "state=inactive". */
int operation_refresh(struct worker_io *io, void *arg, struct err *e);
/* Send its document. */
int operation_print(struct worker_io *io, void *arg, struct err *e);

/* ---- volume.c ---- */
/* What it reads of the job: first texts, then, from `xml_len` on, what has no pointer, as in struct
 * pool_view; from `sup` on errand.c knows each field. */
struct volume_work {
	char *record;       /* the volume, or the one that is copied; without LF, or NULL */
	char *xml;          /* create: in canonical form; */
	const char *origin; /* what messages call it then */
	char *algorithm;
	/* From here to `sup` likewise. */
	size_t xml_len;
	bool has_capacity, has_allocation;
	bool sparse;
	bool operate; /* see struct op */
	unsigned flags;
	uint64_t capacity;
	int stream;
	int connection;
	size_t passed;
	uid_t uid;
	gid_t gid;
	uint64_t offset, length;
	struct supervisor *sup;
	const struct pool_view *pool, *input; /* input: the pool of the volume that is copied, or NULL */
};
/* Each is a task's `run`, whose arg is a struct volume_work. Notes, progress and, of a transfer, how many
 * bytes it moved are told in records. */
int volume_work_create(struct worker_io *io, void *arg, struct err *e);
int volume_work_delete(struct worker_io *io, void *arg, struct err *e);
int volume_work_resize(struct worker_io *io, void *arg, struct err *e);
int volume_work_wipe(struct worker_io *io, void *arg, struct err *e);
int volume_work_upload(struct worker_io *io, void *arg, struct err *e);
int volume_work_download(struct worker_io *io, void *arg, struct err *e);

/* ---- conflict.c ---- */
enum conflict_with { CONFLICT_DEFINED, CONFLICT_RUNNING };
/* Does the definition stand on what another pool stands on, however it is spelled: any that is defined, or
 * only those that run or are being started? ERR_CONFLICT names both and says what they share. */
int conflict_check(const struct pool_views *others, const struct pool_def *d, struct op *op,
                   enum conflict_with with, struct err *e);
/* ---- volume_ground.c: volumes that other pools stand on; no_volume_ground.c where they are all files ----
 */
/* Do pools of the type have volumes that are devices? Whoever changes one looks at all pools. */
bool volumes_are_devices(enum pool_type type);
/* In a worker that was forked for it: may what the volume holds be lost? ERR_BUSY names another pool that
 * stands on it and runs, or is being started. */
int volume_check_ground(const struct backend *b, const struct volume_work *work, const struct volume *v,
                        struct op *op, struct err *e);

/* ---- protected.c ---- */
/* Is the target, for types that have a directory, none of the supervisor's or the kernel's, nor
 * in one, nor around one? ERR_INVALID names both. By its text; and in a worker, by what it leads to. */
int protected_admit(const struct supervisor *s, const struct summary *m, struct err *e);
int protected_check(const struct supervisor *s, const struct pool_def *d, struct err *e);

/* ---- outer.c: pools whose targets lie below each other's ---- */
/* Its files are in a directory that this build can use: one that it cannot may be somebody else's to mount,
 * and nobody here waits for it. */
bool pool_has_directory(const struct pool *p);
/* Do both have directories, and lies the one below the other? */
bool pool_lies_in(const struct pool *inner, const struct pool *outer);
/* A pool whose target this one's lies below, and that is wanted and not active yet; or NULL. */
const struct pool *outer_missing(const struct pool *p);
/* -1, with ERR_WAIT_DEVICE and "pool=NAME": until that one is active. why: what keeps it. */
int outer_wait(const char *outer, const char *why, struct err *e);
/* Its target lies below that of a pool that is wanted: what is there is that one's business. */
bool outer_vouches(const struct pool *p);
/* In the worker: are those outside it that are active there now? ERR_WAIT_DEVICE names one that is not. */
int outer_check(const struct pool_view *p, const struct pool_views *others, struct err *e);

#endif
