/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a pool type is done: one table of operations a type. All operations run in a worker (a forked child):
 * plain, blocking code that is killed at its deadline. They see a definition, a way to report and an error to
 * fill; no socket, no registry, no boot.
 */
#ifndef POOLINIT_BACKENDS_BACKEND_H
#define POOLINIT_BACKENDS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pool/operation.h"

/* What a start may have to wait for, for plan to tell: a failed start says by itself what it waits for. */
enum wait_kind { WAIT_NOTHING = 0, WAIT_DEVICE = 1 << 0, WAIT_NETWORK = 1 << 1 };

/* A companion program that must run before a pool can start; the supervisor starts it, keeps it running and
 * asks ready(). There is one for all pools of the type, or one for each: that runs until its pool has
 * stopped, and the pool is looked at when it ends before that. The functions run in a worker; d is the pool's
 * definition, or NULL where the program is for all. */
struct service {
	const char *name; /* "iscsid" */
	/* Before each start of the program: make its directories and files. 0; 1: somebody else already runs
	 * one that answers, none of ours is needed. One that an earlier supervisor has left for a pool is
	 * such a one: the pool's stop ends it. */
	int (*prepare)(const struct pool_def *d, struct op *op, struct err *e);
	const char *const *argv; /* one for all: stays in the foreground */
	/* One for each, instead of argv: append the program and its arguments, each with its NUL. Everybody
	 * can read them: no secrets. */
	int (*command)(const struct pool_def *d, struct op *op, struct buf *words, struct err *e);
	/* one for all: it speaks sd_notify(3): READY=1 on NOTIFY_SOCKET; ready() is asked only after that */
	bool notifies;
	/* one for each: only for pools whose start has asked for it, by ERR_WAIT_SERVER with waits_for
	 * "service=NAME"; it is tried again when the program answers */
	bool on_call;
	/* One whose storage lies on the network, and which can be started anew at any time: the programs that
	 * it and its pools run. They are kept when the initramfs goes, and it is sent SIGUSR1 when the real
	 * root is there, which it enters, or ends. NULL: it stays as it is, wherever it is. */
	const char *const *programs;
	bool tells; /* it says there when something has happened to what carries a pool: they are looked at */
	/* Does it answer? Verified by talking to it. One for all that does not notify is waited for here: it
	 * is asked from before its start on. */
	int (*ready)(const struct pool_def *d, struct op *op, struct err *e);
	/* At the end of the machine, until op->deadline: storage that has not answered for `patience` ms is
	 * let go of, so that what waits for it fails. Each is told by op_note(). NULL: none waits */
	void (*let_go)(struct op *op, uint64_t patience);
};

/* What an image with this type has to have, one text in the program, where initramfs/mkimage finds it; names
 * have a space between them. `modules`: kernel modules that a start may need, and plan prints. `more`:
 * others, that the kernel asks for by itself; one with a '~' may be missing. `programs`: those that the
 * backend runs and that belong to the image, each an option --PROGRAM of mkimage's: static ones that are
 * built with poolinit; with an '@' before it one of the build machine's, taken with all that it is linked
 * with; and behind each '+' what that opens by name when it runs, a pattern below the directories of its
 * libraries. What only one format of the type's pools takes is a second text, of "TYPE-FORMAT", behind the
 * first one's NUL. */
#define IMAGE(type, modules, more, programs) "backend:" type ":" modules ":" more ":" programs

struct transfer;

/* One type. What is NULL or 0 is left out: the operation is then "nothing to do", or refused as one that the
 * type does not have. All operations return 0, or -1 with e filled; strings and structs that they are given
 * are the caller's, and good for the call. */
struct backend {
	enum pool_type type;
	const char *summary; /* one line for the tables of the documentation */
	unsigned waits_for;  /* enum wait_kind: what a start may have to wait for (plan prints it) */
	/* what the source's name is the name of, where a start waits for that: "volume group"; or NULL (plan
	 * prints it) */
	const char *needs;
	bool needs_disk;               /* a start needs a block device: without any it is not tried */
	const char *image;             /* IMAGE(): the type as in src/backends/list */
	const struct service *service; /* what must be up first, or NULL */
	/* build() with BUILD_ABSENT makes a directory; of a type without this, building is admin's */
	bool builds_directory;
	/* stop ends what hangs on the storage: it does not wait for operations that are stuck */
	bool stop_frees;
	/* the target is a directory of this machine: changes in it are heard of between refreshes */
	bool watched;
	/* a new device may be this pool's when its name begins with one of these words: "dm- sd"; or NULL */
	const char *grows_by;
	/* what carries it is other pools': it is looked at when any companion tells of something */
	bool hears_services;
	/* ms until the first look at one that is degraded, in case no event tells that it is well; then less
	 * and less often; 0: the house's slow clock, and only with revive() */
	uint64_t look_again;
	/* ms from an end that nobody asked for to the new start; it grows if that happens again */
	uint64_t pause;
	struct {
		uint64_t start, stop, refresh, check;
	} deadline; /* milliseconds; 0: the house's default */

	/* Rules beyond the grammar that need nothing but the definition (formats this build can do, one host
	 * only …). */
	int (*validate)(const struct pool_def *d, struct err *e);
	bool has_mount_words; /* of <mount>; validate() looks at them */
	/* Of a type whose documents have no target, and whose volumes are files: fill in target.path,
	 * target.mount and target.uri, texts of the definition's arena. Touches nothing. */
	int (*locate)(struct pool_def *d, const char *run_dir, struct err *e);
	/* Does a pool of this definition, given in its canonical form, make multipath maps? Then whatever
	 * stands on a LUN waits for its map. NULL: none does. */
	bool (*makes_maps)(const char *xml);
	bool (*holds_paths)(void); /* for multipath_hold(), while such a pool is wanted; in a worker */
	/* Is it active now? Quick; may touch the mount, so it may hang. `detail` (may be NULL) gets what
	 * identifies the active instance: "mount=35", "session=2", "vg=UUID". */
	int (*check)(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
	             struct err *e);
	/* What it stands on at this moment: words "NAME=FACTS", NAME being a device's in /sys ("sda",
	 * "session3"). From /sys alone, so that it costs next to nothing. An event of the kernel's about such
	 * a device has these words made again, and only if they differ the pool is refreshed. */
	int (*ground)(const struct pool_def *d, struct op *op, struct buf *words, struct err *e);
	/* Bring the pool up. One that is active already is success: that is how a new supervisor takes over.
	 * ERR_WAIT_*: an event may help, which e->waits_for names. */
	int (*start)(const struct pool_def *d, struct op *op, struct err *e);
	int (*stop)(const struct pool_def *d, struct op *op, struct err *e); /* ERR_BUSY: something uses it */
	/* Of a pool that is degraded. If only a new start can bring it back, and one may do so now, stop it
	 * for that: 1; else 0. `asked`: somebody wants it, so try whatever the chances: -1 says why it cannot
	 * be stopped. op->lost: as of stop. */
	int (*revive)(const struct pool_def *d, struct op *op, bool asked, struct err *e);
	/* Make what the pool lives on. flags: enum build_flags. A device that holds something is refused, by
	 * what was found, without BUILD_OVERWRITE. */
	int (*build)(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
	/* Unmake it (pool-delete): an empty directory, a volume group. */
	int (*delete)(const struct pool_def *d, struct op *op, struct err *e);
	/* Which pools of this type does `source` offer? Prints libvirt's <sources> document. source: fields
	 * of <source> only; may be empty. */
	int (*find)(const struct pool_def *source, struct op *op, struct buf *out, struct err *e);
	/* What the source is, however it is spelled: one fact a line, "dev=8:1 /dev/disk/by-id/x" (identity.h
	 * lists them), made by the functions there. What is not there has no facts; that is no error. NULL:
	 * what the table of types says (stands_on) is all of it. */
	int (*identify)(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);
	/* Two definitions of the type that want the same of servers that are spelled differently: are they
	 * one server? Then out says so in words. NULL: a type without servers. May ask the name service, but
	 * only if that decides. */
	bool (*same_server)(const struct pool_def *a, const struct pool_def *b, char *out, size_t size);
	/* List the volumes (op->on_index or op->on_volume) and fill in the pool's sizes, in bytes. One volume
	 * that cannot be read is listed with its problem, and fails nothing. */
	int (*refresh)(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);

	/* Volumes. v is as the index knows it. Whatever creates is atomic: after a crash at any point there
	 * is nothing, or the whole volume. */
	int (*vol_create)(const struct pool_def *d, struct op *op, const struct volume_def *v,
	                  const struct vol_input *from /* or NULL */, unsigned flags, struct err *e);
	int (*vol_delete)(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
	int (*vol_resize)(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
	                  unsigned flags, struct err *e);
	/* It changes the allocation: the room of a volume whose capacity is another's, and stays. */
	bool resizes_allocation;
	bool deletes_snapshots; /* vol_delete looks at op->snapshots_too */
	int (*vol_wipe)(const struct pool_def *d, struct op *op, const struct volume *v,
	                const char *algorithm, struct err *e);
	vol_open_fn *vol_open;
	/* vol-upload and vol-download of volumes that no descriptor reads and writes (volumes/store.h), in
	 * place of vol_open: that one gives their bytes to who copies the volume, and is for reading only. */
	int (*vol_transfer)(const struct pool_def *d, struct op *op, const struct volume *v, bool upload,
	                    struct transfer *t, struct err *e);
	/* Volumes that are devices: the facts of one, as identify() has them of pools. What another pool
	 * stands on is not written to. NULL: they are files. */
	void (*vol_identify)(const struct volume *v, struct buf *facts);
};

/* The backend built in for a type, or NULL: "defined and listed, but this build cannot start it". Static
 * storage. */
const struct backend *backend_find(enum pool_type t);

/* Where its storage is on this machine, of a type whose definitions do not say it: see `locate`. All others
 * are left as they are. */
int backend_locate(struct pool_def *d, const char *run_dir, struct err *e);

/* The kernel modules that a start may need, with a space between them: *len bytes of static storage, without
 * a NUL behind them. */
const char *backend_modules(const struct backend *b, size_t *len);

/* May a definition be started at all? The rules that all types have in common (absolute paths, ports that
 * exist), then the type's own. ERR_INVALID or ERR_UNSUPPORTED otherwise. Nothing but the definition is
 * looked at. A type that is not built in has the common rules only. */
int backend_validate(const struct pool_def *d, struct err *e);

/* May a definition be taken from somebody who sends it? Not one that no program could start: whoever sends it
 * is told at once what is wrong with it, and not by a start that comes with the next boot. What this build
 * alone cannot do (ERR_UNSUPPORTED of the above) is taken. ERR_INVALID otherwise. */
int backend_accept(const struct pool_def *d, struct err *e);

/* Append libvirt's <storagepoolCapabilities> (virConnectGetStoragePoolCapabilities), from the tables of
 * types and of backends. */
void capabilities_print(struct buf *out);

#endif
