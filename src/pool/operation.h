/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An operation on a pool or on one of its volumes, as whoever carries it out sees it: what it is given, how
 * it reports, what it may be asked for. All operations run in a worker (a forked child): plain, blocking code
 * that is killed at its deadline.
 */
#ifndef POOLINIT_POOL_OPERATION_H
#define POOLINIT_POOL_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/line.h"
#include "pool/def.h"
#include "pool/secret/secret.h"
#include "pool/voldef.h"
#include "pool/volindex.h"
#include "pool/volume.h"

/* What check found of a pool: not there; there; there, but with less than it is made of (a volume group
 * without one of its disks). The last is used like the second, and op->why says what is missing. */
enum pool_state { STATE_INACTIVE, STATE_ACTIVE, STATE_DEGRADED };

/* A raw file as it was when a worker had made it, or given it another size: while it is still that, its
 * beginning need not be read. ino 0: none. */
struct made_file {
	dev_t dev;
	ino_t ino;
	uint64_t size;
	struct timespec changed;
};

/* What an operation is given, and how it reports. Made by the supervisor's worker; tests make their own. */
struct op {
	uint64_t deadline;              /* clock_ms(); tools and waits end by it */
	const char *run_dir;            /* our /run/poolinit: for private state such as iSCSI records */
	const char *const *secret_dirs; /* NULL-terminated */
	bool own_devices;               /* no udevd here: device nodes and links are ours to make */
	/* stop, at shutdown: a mount whose server is gone may be detached (MNT_FORCE|MNT_DETACH) */
	bool force;
	const struct volindex *index; /* of the pool's volumes, as they were seen last; or NULL */
	/* refresh: look at these names alone (NULL-terminated) and take the rest from the index; NULL: at
	 * all */
	const char *const *only;
	bool operate; /* asked for at the level "operate": what only root may use is refused */
	bool begun;   /* start, out: it made something that its failure leaves there: stop takes it away */
	/* of the server's addresses the one that was used last, where its name has several; or NULL */
	const char *address;
	bool address_answered; /* and it did; else nothing came of it */
	struct made_file made; /* vol_create, vol_resize, out; refresh, in: of the same worker */
	/* refresh: no volume operation is under way here: leftovers of broken ones may be removed */
	bool sweep;
	bool state_known;      /* refresh: it has seen on its way what check would say, */
	enum pool_state state; /* this: check is not asked */
	char why[400];         /* check, refresh: why it is not active, or not wholly; a clause; or "" */
	char warning[240];     /* check: what is wrong though it is active, a sentence; or "" */
	char fill[400]; /* check, refresh: how full they are that fill up unseen, "tp0 data=41.27%"; or "" */
	const char *detail; /* check: what the last one has put in `detail`, or NULL */
	bool aborted;       /* check: of an ext4 filesystem, the journal */
	/* refresh, out: what is free on a disk, "START-END START-END", in bytes; freed by who gave it */
	struct buf free_extents;
	/* in and out: what may not be tried again until it has changed, as it brought down who tried, or the
	 * other end refused us; or "" */
	char avoid[120];
	char lost[240]; /* stop: why what was written last is not all on the disk, a clause; or "" */
	void *arg;
	void (*on_volume)(struct op *op, const struct volume *v); /* refresh: one call a volume, any order */
	/* refresh, instead of on_volume: all volumes as records, sorted by name, with hashes of `seed`; NULL:
	 * those of the index, unchanged. May be NULL itself. */
	int (*on_index)(struct op *op, struct volindex_builder *volumes, struct err *e);
	uint64_t seed; /* the index's, if there is one */
	/* a sentence for the log: what was skipped or repaired */
	void (*on_note)(struct op *op, const char *text);
	void (*on_progress)(struct op *op, uint64_t done, uint64_t total);
	/* All devices that a look at every one of them has left out, "/dev/sdb: does not answer", one a line.
	 * `by`: whose look. May be NULL. */
	void (*on_left_out)(struct op *op, const char *by, const char *lines);
	/* A server has several addresses, and this one is about to be used, or has answered: the next start
	 * begins with it. May be NULL. */
	void (*on_address)(struct op *op, const char *address, bool answered);
	/* build: the name of the active pool that lists a volume of this path, or NULL: none does. */
	const char *(*volume_owner)(struct op *op, const char *path);
	bool snapshots_too; /* vol_delete: its snapshots may go with it */
	/* vol_open, to write: how many bytes will be, at most; UINT64_MAX: that is not known */
	uint64_t writes;
	/* vol_open, out: add to the error what is known of its cause when the volume cannot be written; or
	 * NULL. full: its own */
	void (*explain)(const struct op *op, struct err *e);
	char full[300];
};

/* Sizes of an active pool in bytes, and owner and mode of its target directory (has_perms is false if it has
 * none). */
struct pool_sizes {
	uint64_t capacity, allocation, available;
	bool has_perms;
	unsigned mode;
	uint32_t owner, group;
};

/* How a pool is built or started with building (pool-build, pool-start --build). Without a flag no filesystem
 * is made, but a directory gets its owner and mode, and a volume group its devices. BUILD_ABSENT: the most
 * that somebody may ask for who is not admin. An absent directory is made; what is there stays as it is. */
enum build_flags { BUILD_NO_OVERWRITE = 1 << 0, BUILD_OVERWRITE = 1 << 1, BUILD_ABSENT = 1 << 2 };

/* How a volume is made. VOL_PREALLOC_METADATA: the tables of an image that has some are written at once.
 * VOL_REFLINK: share the blocks of the input volume, or fail. The words are those of virsh vol-create-from.
 */
enum vol_create_flags { VOL_PREALLOC_METADATA = 1 << 0, VOL_REFLINK = 1 << 1 };
/* VOL_ALLOCATE: what is added has its blocks at once. VOL_SHRINK: the volume may become smaller, and what
 * was behind its new end is lost; without it that is refused. */
enum vol_resize_flags { VOL_ALLOCATE = 1 << 0, VOL_SHRINK = 1 << 1 };
enum vol_delete_flags { VOL_SNAPSHOTS_TOO = 1 << 0 };
/* The stream has a frame before each part (volumes/frames.h); a download that reaches behind the volume's
 * end ends there, and is no mistake. */
enum vol_transfer_flags { VOL_FRAMED = 1 << 0, VOL_UP_TO_END = 1 << 1 };

/* Open a volume's content for upload (write) or download. Returns the descriptor, which is the caller's;
 * *size: how many bytes there are. -1 with e filled. */
typedef int vol_open_fn(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                        uint64_t *size, struct err *e);

/* The volume that a new one is made from (vol-create-from, vol-clone), as its own pool's index knows it. All
 * of it belongs to the caller, and is not changed. */
struct vol_input {
	const struct pool_def *pool;
	vol_open_fn *open; /* of its pool's type; NULL: that has none */
	const struct volume *volume;
};

/* Write a sentence for the log through op->on_note, at most 511 bytes of it. Nothing happens where there is
 * none, or no op. */
void op_note(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
