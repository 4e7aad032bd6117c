/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a pool type is done: one table of operations a type. All operations run in a worker (a forked child): plain, blocking code
 * that is killed at its deadline. They see a definition, a way to report and an error to fill; no socket, no registry, no boot.
 */
#ifndef POOLINIT_BACKENDS_BACKEND_H
#define POOLINIT_BACKENDS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/line.h"
#include "pool/def.h"
#include "pool/volume.h"

/* What an operation is given, and how it reports. Made by the supervisor's worker; tests make their own. */
struct op {
	uint64_t deadline;                      /* clock_ms(); tools and waits end by it */
	const char *run_dir;                    /* our /run/poolinit: for private state such as iSCSI records */
	const char *const *secret_dirs;         /* NULL-terminated */
	bool own_devices;                       /* no udevd here: device nodes and links are ours to make */
	bool force;                             /* stop, at shutdown: a mount whose server is gone may be detached (MNT_FORCE|MNT_DETACH) */
	const char *cache;                      /* the last volume index, cache_len bytes, or NULL */
	size_t cache_len;
	void *arg;
	void (*on_volume)(struct op *op, const struct volume *v);       /* refresh: one call a volume, any order */
	void (*on_note)(struct op *op, const char *text);               /* a sentence for the log: what was skipped or repaired */
	void (*on_progress)(struct op *op, uint64_t done, uint64_t total);
};

struct pool_sizes { uint64_t capacity, allocation, available; };

/* What check found. */
enum pool_state { STATE_INACTIVE, STATE_ACTIVE, STATE_DEGRADED };

enum wait_kind { WAIT_NOTHING = 0, WAIT_DEVICE = 1 << 0, WAIT_NETWORK = 1 << 1 };

/* A companion program that must run before pools of a type can start; the supervisor starts it, keeps it running and asks ready(). */
struct service {
	const char *name;                       /* "iscsid" */
	/* Runs in a worker before each start of the program: make its directories and files. 0; 1: somebody else already runs one that answers, none of
	 * ours is needed. */
	int (*prepare)(struct op *op, struct err *e);
	const char *const *argv;                /* stays in the foreground */
	bool notifies;                          /* it speaks sd_notify(3): READY=1 on NOTIFY_SOCKET; ready() is asked only after that */
	/* Runs in a worker: does it answer? Verified by talking to it. */
	int (*ready)(struct op *op, struct err *e);
};

struct backend {
	enum pool_type type;
	const char *summary;                    /* one line for the tables of the documentation */
	unsigned waits_for;                     /* enum wait_kind: what a start may have to wait for (plan prints it) */
	const char *const *modules;             /* kernel modules a start may need, NULL-terminated, or NULL */
	const struct service *service;          /* what must be up first, or NULL */
	struct { uint64_t start, stop, refresh, check; } deadline;      /* milliseconds; 0: the house's default */

	/* Rules beyond the grammar that need nothing but the definition (formats this build can do, one host only …). */
	int (*validate)(const struct pool_def *d, struct err *e);
	/* Is it active now? Quick; may touch the mount, so it may hang. `detail` (may be NULL) gets what identifies the active
	 * instance: "mount=35", "session=2", "vg=UUID". */
	int (*check)(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail, struct err *e);
	int (*start)(const struct pool_def *d, struct op *op, struct err *e);
	int (*stop)(const struct pool_def *d, struct op *op, struct err *e);    /* ERR_BUSY: something uses it */
	int (*build)(const struct pool_def *d, struct op *op, struct err *e);
	int (*refresh)(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);
};

/* Write a sentence through op->on_note, if there is one. */
void op_note(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One a type; backend.c's table has those that are built in. */
extern const struct backend dir_backend, fs_backend, netfs_backend, logical_backend, iscsi_backend;

/* The backend built in for a type, or NULL: "defined and listed, but this build cannot start it". */
const struct backend *backend_find(enum pool_type t);

/* May a definition be started at all? The rules that all types have in common (absolute paths, ports that exist), then the type's own. */
int backend_validate(const struct pool_def *d, struct err *e);

#endif
