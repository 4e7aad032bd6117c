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
#include <sys/types.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/line.h"
#include "pool/def.h"
#include "pool/secret.h"
#include "pool/voldef.h"
#include "pool/volindex.h"
#include "pool/volume.h"

/* What check found. */
enum pool_state { STATE_INACTIVE, STATE_ACTIVE, STATE_DEGRADED };

/* What an operation is given, and how it reports. Made by the supervisor's worker; tests make their own. */
struct op {
	uint64_t deadline;                      /* clock_ms(); tools and waits end by it */
	const char *run_dir;                    /* our /run/poolinit: for private state such as iSCSI records */
	const char *const *secret_dirs;         /* NULL-terminated */
	bool own_devices;                       /* no udevd here: device nodes and links are ours to make */
	bool force;                             /* stop, at shutdown: a mount whose server is gone may be detached (MNT_FORCE|MNT_DETACH) */
	const char *cache;                      /* the records of the last volume index, cache_len bytes, sorted by name, or NULL */
	size_t cache_len;
	const struct volindex *index;           /* refresh: that index, to compare with; or NULL */
	const char *const *only;                /* refresh: look at these names alone (NULL-terminated) and take the rest from the index; NULL: at all */
	bool operate;                           /* asked for at the level "operate": what only root may use is refused */
	bool begun;                             /* start, out: it made something that its failure leaves there: stop takes it away */
	const char *address;                    /* of the server's addresses the one that was used last, where its name has several; or NULL */
	bool address_answered;                  /* and it did; else nothing came of it */
	bool sweep;                             /* refresh: no volume operation is under way here: leftovers of broken ones may be removed */
	bool state_known;                       /* refresh: it has seen on its way what check would say, */
	enum pool_state state;                  /* this: check is not asked */
	char why[400];                          /* check, refresh: why it is not active, or not wholly; a clause; or "" */
	char warning[240];                      /* check: what is wrong though it is active, a sentence; or "" */
	const char *detail;                     /* check: what the last one has put in `detail`, or NULL */
	bool aborted;                           /* check: of an ext4 filesystem, the journal */
	char avoid[120];                        /* in and out: what may not be tried again, as it brought down who tried, until it has changed; or "" */
	char lost[240];                         /* stop: why what was written last is not all on the disk, a clause; or "" */
	void *arg;
	void (*on_volume)(struct op *op, const struct volume *v);       /* refresh: one call a volume, any order */
	/* refresh, instead of on_volume: all volumes as records, sorted by name, with hashes of `seed`; NULL: those of the index, unchanged. May be NULL itself. */
	int (*on_index)(struct op *op, struct volindex_builder *volumes, struct err *e);
	uint64_t seed;                                                  /* the index's, if there is one */
	void (*on_note)(struct op *op, const char *text);               /* a sentence for the log: what was skipped or repaired */
	void (*on_progress)(struct op *op, uint64_t done, uint64_t total);
	/* All devices that a look at every one of them has left out, "/dev/sdb: does not answer", one a line. `by`: whose look. May be NULL. */
	void (*on_left_out)(struct op *op, const char *by, const char *lines);
	/* A server has several addresses, and this one is about to be used, or has answered: the next start begins with it. May be NULL. */
	void (*on_address)(struct op *op, const char *address, bool answered);
};

/* The live pool, and who may do what in its target directory, where it has one. */
struct pool_sizes { uint64_t capacity, allocation, available; bool has_perms; unsigned mode; uint32_t owner, group; };

enum wait_kind { WAIT_NOTHING = 0, WAIT_DEVICE = 1 << 0, WAIT_NETWORK = 1 << 1 };

/* A companion program that must run before pools of a type can start; the supervisor starts it, keeps it running and asks ready(). */
struct service {
	const char *name;                       /* "iscsid" */
	/* Runs in a worker before each start of the program: make its directories and files. 0; 1: somebody else already runs one that answers, none of
	 * ours is needed. */
	int (*prepare)(struct op *op, struct err *e);
	const char *const *argv;                /* stays in the foreground */
	bool notifies;                          /* it speaks sd_notify(3): READY=1 on NOTIFY_SOCKET; ready() is asked only after that */
	bool tells;                             /* it says there when something has happened to what carries a pool: they are looked at */
	/* Runs in a worker: does it answer? Verified by talking to it. */
	int (*ready)(struct op *op, struct err *e);
};

/* How a pool is built or started with building (pool-build, pool-start --build). Without a flag no filesystem is made, but a directory gets its owner and
 * mode, and a volume group its devices. BUILD_ABSENT: the most that somebody may ask for who is not admin. An absent directory is made; what is there stays
 * as it is. */
enum build_flags { BUILD_NO_OVERWRITE = 1 << 0, BUILD_OVERWRITE = 1 << 1, BUILD_ABSENT = 1 << 2 };

enum vol_create_flags { VOL_PREALLOC_METADATA = 1 << 0, VOL_REFLINK = 1 << 1 };
enum vol_resize_flags { VOL_ALLOCATE = 1 << 0, VOL_SHRINK = 1 << 1 };

/* The volume that a new one is made from (vol-create-from, vol-clone), as its own pool's index knows it. */
struct vol_input {
	const struct pool_def *pool;
	const struct volume *volume;
};

/* What virsh's vol-wipe knows; files.c and the block pools share it (wipe.c). */
extern const char *const wipe_algorithms[];     /* "zero", "nnsa", …, "trim"; NULL-terminated */

struct backend {
	enum pool_type type;
	const char *summary;                    /* one line for the tables of the documentation */
	unsigned waits_for;                     /* enum wait_kind: what a start may have to wait for (plan prints it) */
	const char *const *modules;             /* kernel modules a start may need, NULL-terminated, or NULL */
	const struct service *service;          /* what must be up first, or NULL */
	bool builds_directory;                  /* build() with BUILD_ABSENT makes a directory; of a type without this, building is admin's */
	bool stop_frees;                        /* stop ends what hangs on the storage: it does not wait for operations that are stuck */
	bool watched;                           /* the target is a directory of this machine: changes in it are heard of between refreshes */
	const char *grows_by;                   /* a new device may be this pool's when its name begins so: "dm-"; or NULL */
	uint64_t pause;                         /* ms from an end that nobody asked for to the new start; it grows if that happens again */
	struct { uint64_t start, stop, refresh, check; } deadline;      /* milliseconds; 0: the house's default */

	/* Rules beyond the grammar that need nothing but the definition (formats this build can do, one host only …). */
	int (*validate)(const struct pool_def *d, struct err *e);
	/* Is it active now? Quick; may touch the mount, so it may hang. `detail` (may be NULL) gets what identifies the active
	 * instance: "mount=35", "session=2", "vg=UUID". */
	int (*check)(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail, struct err *e);
	/* What it stands on at this moment: words "NAME=FACTS", NAME being a device's in /sys ("sda", "session3"). From /sys alone, so that it costs next
	 * to nothing. An event of the kernel's about such a device has these words made again, and only if they differ the pool is refreshed. */
	int (*ground)(const struct pool_def *d, struct op *op, struct buf *words, struct err *e);
	int (*start)(const struct pool_def *d, struct op *op, struct err *e);
	int (*stop)(const struct pool_def *d, struct op *op, struct err *e);    /* ERR_BUSY: something uses it */
	/* Of a pool that is degraded. If only a new start can bring it back, and one may do so now, stop it for that: 1; else 0. `asked`: somebody wants
	 * it, so try whatever the chances: -1 says why it cannot be stopped. op->lost: as of stop. */
	int (*revive)(const struct pool_def *d, struct op *op, bool asked, struct err *e);
	/* Make what the pool lives on. flags: enum build_flags. A device that holds something is refused, by what was found, without BUILD_OVERWRITE. */
	int (*build)(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
	/* Unmake it (pool-delete): an empty directory, a volume group. */
	int (*delete)(const struct pool_def *d, struct op *op, struct err *e);
	/* Which pools of this type does `source` offer? Prints libvirt's <sources> document. source: fields of <source> only; may be empty. */
	int (*find)(const struct pool_def *source, struct op *op, struct buf *out, struct err *e);
	/* What the source is, however it is spelled: one fact a line, "dev=8:1 /dev/disk/by-id/x" (identity.h lists them), made by the functions there. What
	 * is not there has no facts; that is no error. */
	int (*identify)(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);
	/* Are two names of servers one server? NULL: a type without servers. May ask the name service. */
	bool (*same_host)(const char *a, const char *b);
	int (*refresh)(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);

	/* Volumes. v is as the index knows it. Whatever creates is atomic: after a crash at any point there is nothing, or the whole volume. */
	int (*vol_create)(const struct pool_def *d, struct op *op, const struct volume_def *v, const struct vol_input *from /* or NULL */,
			  unsigned flags, struct err *e);
	int (*vol_delete)(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
	int (*vol_resize)(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity, unsigned flags, struct err *e);
	int (*vol_wipe)(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm, struct err *e);
	/* Open its content for upload (write) or download. Returns the descriptor, *size how much there is. */
	int (*vol_open)(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size, struct err *e);
};

/* Write a sentence through op->on_note, if there is one. */
void op_note(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One a type; backend.c's table has those that are built in. */
extern const struct backend dir_backend, fs_backend, netfs_backend, logical_backend, iscsi_backend;

/* The backend built in for a type, or NULL: "defined and listed, but this build cannot start it". */
const struct backend *backend_find(enum pool_type t);

/* May a definition be started at all? The rules that all types have in common (absolute paths, ports that exist), then the type's own. */
int backend_validate(const struct pool_def *d, struct err *e);

/* libvirt's <storagepoolCapabilities>, from the table (capabilities.c). */
void capabilities_print(struct buf *out);

/* vol-upload, vol-download, for every type that has vol_open (transfer.c). `stream` is the client's file, pipe or socket. sparse: holes stay holes
 * (skipped when written to a regular file or a volume, found by SEEK_DATA when read). length 0: to the end. *done: bytes, holes among them. */
struct transfer {
	int stream;
	bool passed; uid_t uid; gid_t gid;      /* a descriptor of that user's: it is read and written with the user's rights, not root's */
	uint64_t offset, length; bool sparse; uint64_t done;
};
int transfer_upload(const struct backend *b, const struct pool_def *d, struct op *op, const struct volume *v, struct transfer *t, struct err *e);
int transfer_download(const struct backend *b, const struct pool_def *d, struct op *op, const struct volume *v, struct transfer *t, struct err *e);

#endif
