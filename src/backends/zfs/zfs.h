/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the zfs backend have in common: tool.c (zpool and zfs run, and their tables), state.c
 * (how the zpool is), members.c (which disks are of which zpool), import.c (bringing a zpool in and giving it
 * up), zvols.c (device nodes), zfs.c (what is done with the pool), build.c (making, unmaking, finding them)
 * and volumes.c (what is done with its volumes). All of it is for workers: a program may wait for a disk.
 */
#ifndef POOLINIT_BACKENDS_ZFS_ZFS_H
#define POOLINIT_BACKENDS_ZFS_ZFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "backends/backend.h"
#include "base/buf.h"

#define ZFS_NAME  256 /* of a dataset, with the NUL: ZFS_MAX_DATASET_NAME_LEN */
#define ZFS_GUID  24  /* a number of 64 bits as text */
#define ZFS_DISKS 256 /* of one zpool, at most */

extern const struct backend zfs_backend;

/* ---- tool.c ---- */

/* The dataset whose volumes are the pool's: <source><name>, else the pool's own name, as libvirt has it. With
 * a slash in it, it is one inside of a zpool. */
const char *zfs_dataset(const struct pool_def *d);
bool zfs_is_nested(const struct pool_def *d);
/* The zpool that it is in: what stands before the first slash. */
void zfs_zpool(const struct pool_def *d, char out[ZFS_NAME]);
/* May a dataset, or a part of its name, be called so? zfs(8): letters, digits and _ - : . and blanks. */
bool zfs_check_part(const char *name);
/* Is it the name of something below that dataset? Asked of all that zfs prints before it is a path or an
 * argument: who made the zpool has written its properties, and a property may have newlines and tabs in it,
 * which zfs prints as they are. */
bool zfs_is_inside(const char *name, const char *dataset);
/* May a dataset be called so? ERR_INVALID. */
int zfs_validate(const struct pool_def *d, struct err *e);

/* Run "zpool …" or "zfs …", until op->deadline. `out` (may be NULL) gets what it prints. The error is its own
 * first complaint, of a class that the words tell (ERR_BUSY, ERR_EXISTS, ERR_NO_SPACE …), else ERR_STORAGE.
 */
int zfs_run(const char *const *argv, struct op *op, struct buf *out, struct err *e);
/* The same with standard input, for a key. */
int zfs_run_told(const char *const *argv, const void *input, size_t len, struct op *op, struct err *e);
/* Take the next line of a table with tabs between (-H): up to `most` fields, each NUL-terminated. Their
 * number; 0 at the end. *text moves on, and is changed in place. */
size_t zfs_row(char **text, char **fields, size_t most);
/* A number in a table; 0 for "-" and "none". */
uint64_t zfs_number(const char *text);
/* The only value of a property, "zfs get -H -p -o value". */
int zfs_get(const char *dataset, const char *property, char *out, size_t size, struct op *op, struct err *e);

/* ---- state.c ---- */

/* A disk of a zpool, as zpool status has it. */
struct zfs_disk {
	char path[160]; /* what zpool calls it: a node, or a number where that is not there */
	char was[160];  /* where it was when it was there; or "" */
	char state[16]; /* "ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "UNAVAIL", "REMOVED", "AVAIL" … */
	char node[32];  /* the kernel's name, "vda1"; "" if it is no device that is there */
};
struct zfs_state {
	char state[16];
	char status[200]; /* zpool's sentence about what is wrong; or "" */
	char errors[120]; /* and about data that was lost; or "" */
	struct zfs_disk disks[ZFS_DISKS];
	size_t n;
};

/* What the kernel says of an imported zpool without waiting for any disk: "ONLINE", "DEGRADED", "SUSPENDED".
 * False: it is not imported. Source: /proc/spl/kstat/zfs/POOL/state, of OpenZFS from 0.8 on. */
bool zfs_kernel_state(const char *zpool, char *out, size_t size);
static inline bool zfs_is_imported(const char *zpool)
{
	char state[16];

	return zfs_kernel_state(zpool, state, sizeof(state));
}
/* Ask zpool status. *s is filled in any case. */
int zfs_state_read(const char *zpool, struct zfs_state *s, struct op *op, struct err *e);
/* Take apart what it printed; the text is changed. For tests, too. */
void zfs_state_parse(char *text, struct zfs_state *s);
/* A clause that says which disks are not well; false: all are. */
bool zfs_state_sick(const struct zfs_state *s, char *out, size_t size);
/* Is it a state in which a disk gives no data? */
bool zfs_disk_is_away(const struct zfs_disk *k);

/* ---- members.c ---- */

/* A disk that bears the label of a zpool, whether that is imported or not. */
struct zfs_member {
	char node[160]; /* in /dev; below /dev/disk/by-id, where it has a name there */
	dev_t dev;
	char zpool[ZFS_NAME], guid[ZFS_GUID]; /* "": a cache, which does not say whose it is */
};
struct zfs_members {
	struct zfs_member *list;
	size_t n;
	struct buf silent; /* disks that do not answer, "/dev/sdb (does not answer)"; free with the list */
};
#define cleanup_zfs_members __attribute__((cleanup(zfs_members_free)))

/* Look at all disks, each for a bounded time; op->on_left_out() is told. The kernel's own zvols are not
 * looked at: what is on them is a guest's. */
int zfs_members_read(struct zfs_members *m, struct op *op, struct err *e);
void zfs_members_free(struct zfs_members *m);
/* The guid of the zpool of that name: the one on the devices that the definition names, else the only one.
 * "": none is there. ERR_WAIT_DEVICE: there are two, and nothing tells which is meant; ERR_WRONG_FORMAT: a
 * device of the definition is another zpool's. */
int zfs_members_choose(const struct zfs_members *m, const struct pool_def *d, const char *zpool,
                       char guid[ZFS_GUID], struct err *e);

/* ---- import.c ---- */

/* Bring the zpool in, unless it is imported already, and note that this pool uses it. What was imported here
 * is noted as well: zfs_give_up() takes it out.
 * ERR_WAIT_DEVICE: disks are missing without which it cannot be used; ERR_BUSY: another host has used it
 * last, or one of that name is imported that is on other disks than the definition's.
 */
int zfs_bring_in(const struct pool_def *d, struct op *op, struct err *e);
/* This pool uses it no more; export it if it was imported here, and no other pool uses it. ERR_BUSY names who
 * uses a volume. */
int zfs_give_up(const struct pool_def *d, struct op *op, struct err *e);
/* Does another of our pools use the dataset (the zpool, by its name), or one in it? */
bool zfs_is_shared(const struct pool_def *d, const struct op *op, const char *dataset);
/* Does this one use it? Any may use what was not imported here. */
bool zfs_uses(const struct pool_def *d, const struct op *op);
/* The descriptor of a lock, till it is closed: no other pool of ours begins or ends to use the zpool. Nor may
 * its holder, by the two above, which would wait for it. */
int zfs_lock(const struct pool_def *d, const struct op *op, struct err *e);
/* The zpool, which is not there yet and is locked, is ours to give up. */
int zfs_claim(const struct pool_def *d, const struct op *op, struct err *e);
/* The zpool is gone: so are the notes about it. */
void zfs_forget(const struct pool_def *d, const struct op *op);
/* See that /dev/zfs is there. ERR_UNSUPPORTED says why not. */
int zfs_load_driver(struct op *op, struct err *e);
/* The state and complaint of one zpool in the list that "zpool import" prints; the text is changed. False: it
 * is not in it. For tests, too. */
bool zfs_offer_parse(char *text, const char *guid, char *state, size_t state_size, char *status,
                     size_t status_size);

/* ---- key.c ---- */

/* The key of an encrypted dataset that has none yet: the value of the secret whose usage is the volume
 * /dev/zvol/DATASET. 0 too for one that is not encrypted. ERR_NO_SECRET: there is none; ERR_AUTH: it is not
 * the key. */
int zfs_load_key(const struct pool_def *d, struct op *op, struct err *e);

/* ---- udev.c ---- */

/* Let what zpool asks udev's database be answered while it makes partitions, where no udevd runs. */
struct zfs_udev {
	int end;
	pid_t pid;
};
void zfs_udev_begin(struct zfs_udev *s);
void zfs_udev_end(struct zfs_udev *s);

/* ---- zvols.c ---- */

#define ZVOL_DIR "/dev/zvol"

/* The path of a volume's device, from its full name; "": the directory of all. And the name from such a path.
 */
void zvol_path(const char *name, char out[PATH_MAX]);
void zvol_dataset(const char *path, char out[ZFS_NAME]);
/* Bring the links /dev/zvol/ZPOOL/… up to date, as udev's rule makes them. Where there is no udev, stale ones
 * go; else it is trusted with those that are there. A device that does not answer is passed over. op->only:
 * those that have a link are not asked. */
void zvols_link(const char *zpool, struct op *op);
/* Of a zpool that is exported, or (path is not NULL) of a volume that is removed: take the links away, where
 * they are ours. */
void zvols_unlink(const char *zpool, const char *path, struct op *op);
/* Make links to the zpool's new devices until there is one at `path`: 0, or ERR_TIMEOUT. events: of
 * uevent_open(), opened before the volume was made. */
int zvols_await(const char *zpool, const char *path, int events, struct op *op, struct err *e);
/* Is the device at that path the volume whose path it is? ERR_NO_VOLUME: it is not. Asked before its content
 * is touched. */
int zvol_is_at(const char *path, struct err *e);
/* Call fn for each link below /dev/zvol/NAME; a result other than 0 ends the walk and is returned. */
typedef int zvol_fn(const char *path, const char *sysname, void *arg);
int zvols_each(const char *name, zvol_fn *fn, void *arg);
/* Does nobody use a volume of that dataset? ERR_BUSY names volume and users. */
int zvols_are_free(const char *name, struct err *e);
/* Does nobody use the volume at that path? Likewise. */
int zvol_is_free(const char *path, struct err *e);

/* ---- build.c, volumes.c: operations of the table ---- */

int zfs_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
int zfs_delete(const struct pool_def *d, struct op *op, struct err *e);
int zfs_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e);
int zfs_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);
int zfs_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);
int zfs_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                   const struct vol_input *from, unsigned flags, struct err *e);
int zfs_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
int zfs_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                   unsigned flags, struct err *e);
int zfs_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                 struct err *e);
int zfs_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                 struct err *e);

#endif
