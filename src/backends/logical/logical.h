/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the logical backend have in common: group.c (which group it is), report.c (what LVM says
 * of it), lockd.c (who has its locks), kernel.c (what is active of it), logical.c (what is done with it),
 * build.c (making, unmaking, finding them), volumes.c (what is done with its volumes), layout.c (how they lie
 * there), fill.c (how full they are) and room.c (what may be written to them).
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LOGICAL_H
#define POOLINIT_BACKENDS_LOGICAL_LOGICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "backends/backend.h"
#include "backends/logical/lvm_scan.h"
#include "base/buf.h"

#define MEMBERS_MAX 256
#define GROUP_WHOLE 10000 /* hundredths of a per cent */

/* What check_lvm_name() demands, for messages. */
#define LVM_NAME_RULE "letters, digits and any of + _ . - make one (no '-' first), of 127 bytes at most"

extern const struct backend logical_backend;

/* A logical volume that LVM shows, put together from the rows of its segments. */
struct group_volume {
	char name[128], uuid[40], attr[12]; /* attr: lv_attr, lvs(8) */
	char origin[128];                   /* of a snapshot; "[…]": a hidden one; or "" */
	bool unfinished;                    /* it is being filled, or that was broken off */
	bool unmade;                        /* a thin one that its pool does not know: see group_report() */
	bool unused;                        /* a thin pool that was made here, and has no volumes */
	bool thin;                          /* its space is a thin pool's, */
	char pool[128];                     /* of this name */
	uint64_t transaction;               /* of a pool: its last one; of a thin volume: that before it */
	bool lost;                          /* a snapshot that ran out of room */
	bool out;                           /* of space, or of metadata that can be written */
	int data, metadata;                 /* how full, of GROUP_WHOLE; -1: it does not fill */
	uint64_t size;
	uint64_t origin_size, chunk; /* of a snapshot, whose size is the room for changes; bytes */
	struct buf devices;          /* "/dev/sda /dev/sdb" */
};

/* What is known of a group. */
struct group {
	bool found;    /* LVM can work with it */
	bool unsure;   /* it is not found, and a device could not be read: it may be there all the same */
	bool active;   /* the kernel has volumes of it */
	bool deadly;   /* LVM's code has died of it */
	bool shared;   /* with other hosts: lvmlockd has its locks (lockd.h) */
	char mark[17]; /* of what its disks say: it changes when that does */
	char uuid[39];
	char why[300];                 /* it is not found: why; a clause */
	const struct lvm_label *label; /* what a disk says of it, or NULL; good until lvm_scan_forget() */
	/* those devices in /dev, NULL-terminated: what LVM may look at. Good until lvm_scan_forget() */
	const char *nodes[MEMBERS_MAX + 1];
	unsigned pvs, missing;
	dev_t member[MEMBERS_MAX]; /* the devices of its physical volumes, as far as they are there */
	size_t members;
	unsigned inactive;                  /* volumes that activation concerns and that are not active, */
	char idle[300];                     /* and their names: "lv0, lv1" */
	uint64_t size, available, extent;   /* bytes */
	const struct group_volume *volumes; /* good until group_report_forget(), or another look */
	size_t nvolumes;
};

/* ---- group.c ---- */

/* The group's name: <source><name>, else the pool's own, as libvirt has it. */
const char *group_name(const struct pool_def *d);
/* May a group have that name? ERR_INVALID. */
int group_validate(const struct pool_def *d, struct err *e);
/* Which group of that name is the pool's: the one on the devices that the definition names, else the one that
 * is active, else the only one. Then ask LVM. A group that is not there is found == false, and no error.
 * ERR_WAIT_DEVICE: there are two of that name, and nothing tells which is meant. */
int group_look(const struct pool_def *d, struct group *g, struct op *op, struct err *e);
/* The same without asking LVM: what the disks say is enough. */
int group_seek(const struct pool_def *d, struct group *g, struct op *op, struct err *e);
bool group_has_member(const struct group *g, dev_t dev);
/* Why LVM does not show a group that its disks hold (g->label, g->member): a clause. */
void group_say_hidden(const struct lvm_scan *s, const struct group *g, char *out, size_t size);
/* The devices of a group that was found, into g->nodes and g->member. */
void group_members(const struct lvm_scan *s, const struct lvm_group *found, struct group *g);
/* Is it not to be worked with, whatever LVM says: another host's, or locked in a way that is not known here?
 * `out`: why; a clause. */
bool group_is_refused(const struct lvm_label *group, const struct op *op, char *out, size_t size);

/* ---- report.c ---- */

/* Run a command on its devices. If LVM's own code dies of it, found is false from then on, and op->avoid
 * keeps other commands off until the group's metadata has changed. */
int group_run(const char *const *words, const char *vg, struct group *g, struct op *op, struct buf *out,
              struct err *e);
/* Has LVM's code died of it as it is? Then found is false. */
bool group_is_avoided(struct group *g, const struct op *op);
/* What LVM says of a group and its volumes. It is asked once in a process, until group_report_forget(): a
 * start, the check after it and the first refresh make do with one report. A group that it does not show is
 * found == false, and no error.
 * A thin volume is in LVM's metadata before its pool is told to make it. When the power goes in between, the
 * volume can neither be activated nor have any data: LVM tells the pool only when it makes another one. */
int group_report(const char *vg, struct group *g, struct op *op, struct err *e);
/* What was done to it has changed it. */
void group_report_forget(void);
/* It was activated: what the report said of that is out of date, and the kernel knows. Where only LVM can say
 * what has become of a volume (a snapshot, a thin pool) the report is forgotten. */
void group_activated(const char *vg, const struct group *g);
/* LVM's tag of a volume that is being filled: until it is whole nobody sees it. */
#define GROUP_UNFINISHED "poolinit-unfinished"
/* And of a thin pool that was made here: it goes with its last volume. */
#define GROUP_OWN_POOL "poolinit-pool"
/* One that is to be removed, or NULL. of_pool: the thin pool of that name, if it is unused: another one may
 * just have been made for its first volume. NULL, while no operation is under way: any that is unused, and
 * volumes that were being filled or made. */
const struct group_volume *group_leftover(const struct group *g, const char *of_pool);
/* The volume of that name, or NULL. */
const struct group_volume *group_volume(const struct group *g, const char *name);
/* Is it active, and no pool of thin or VDO volumes? That is what libvirt lists. */
bool group_lists(const struct group_volume *v);
/* Is it a RAID volume, a part of which has been away, and is to be taken in again? */
bool group_needs_refresh(const struct group_volume *v);
/* A number in a report, or in sysfs. */
uint64_t group_number(const char *text);

/* ---- fill.c ---- */

/* Say in op->fill how full they are that fill up, and in op->warning which are beyond a mark. One that is
 * full, so that writes to its volumes fail; or NULL. */
const struct group_volume *group_fill(const struct pool_def *d, const struct group *g, struct op *op);

/* ---- room.c ---- */

/* Has it a room of its own for changes, so that it is lost when that is full? A snapshot in a thin pool has
 * none. A sparse volume is LVM's snapshot of nothing. */
bool group_is_snapshot(const struct group_volume *lv);
bool group_is_sparse(const struct group_volume *lv);
/* The room that a snapshot needs for so many bytes of changes, LVM's tables among it. chunk: the snapshot's;
 * 0: as a new one has it. Source: LVM's lib/metadata/snapshot_manip.c. */
uint64_t group_snapshot_room(uint64_t bytes, uint64_t chunk);
/* Append the names of its snapshots that are not thin, with a comma between them. */
void group_snapshots(const struct group *g, const struct group_volume *lv, struct buf *names);
/* May so many bytes be written to it? UINT64_MAX: it is not known how many. ERR_BUSY names the snapshots that
 * would be lost; ERR_NO_SPACE: its own room, or its thin pool's, is too small. */
int group_room(const struct group *g, const struct group_volume *lv, uint64_t bytes, struct err *e);
/* From now on op->explain says of an error for want of space that this thin pool, or none (""), is full. */
void group_expect_full(const char *pool, struct op *op);
/* rc, and if that is a failure, e with op->explain's word. */
int group_explain(const struct op *op, int rc, struct err *e);
/* May it get that size, whole extents? Of a snapshot that is its room. LVM does it for no volume that has
 * snapshots, and gives these no more than they can use. */
int group_may_resize(const struct group *g, const struct group_volume *lv, uint64_t wanted, bool shrink,
                     struct err *e);

/* ---- kernel.c ---- */

/* Call fn for each active device of the group that is not a hidden part of another; a result other than 0
 * ends the walk and is returned. */
typedef int group_device_fn(const char *sysname, const char *lv, const char *dm_uuid, void *arg);
int group_devices(const char *vg, const char *uuid /* or NULL: any of that name */, group_device_fn *fn,
                  void *arg);
/* Is there such a device? Whose it is: its uuid, as LVM prints it. */
bool group_active(const char *vg, const char *uuid, char out[39]);
/* Does nobody use a volume of it? ERR_BUSY names volumes and users. Snapshots and pools hold the hidden parts
 * of their own group, which are not looked at; so whoever holds a visible one is a stranger. An origin is the
 * exception: its snapshots sit on its hidden "-real" device, not on it. */
int group_is_free(const char *vg, const char *uuid, struct err *e);
/* Take all devices of the group with that uuid away from device-mapper, from the top down, without asking
 * LVM. ERR_BUSY: one is open. */
int group_take_away(const char *uuid, struct op *op, struct err *e);
/* The last transaction that an active thin pool has taken part in, or -1. Both uuids as LVM prints them.
 * Source: the kernel's admin-guide/device-mapper/thin-provisioning.rst, "Status". */
int64_t group_pool_transaction(const char *vg_uuid, const char *pool_uuid);
/* How full an active VDO pool is, of GROUP_WHOLE, or -1: LVM knows it only of the driver that was outside the
 * kernel. Source: admin-guide/device-mapper/vdo.rst, "Status". */
int group_vdo_level(const char *vg_uuid, const char *pool_uuid);

/* ---- build.c: operations of the table ---- */

int logical_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e);
int logical_delete(const struct pool_def *d, struct op *op, struct err *e);
int logical_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e);
int logical_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);
/* LVM writes past the kernel's memory, but not past the disks' own: flush these. */
int group_flush(const char *const *nodes, size_t n, struct err *e);

/* ---- volumes.c: likewise ---- */

int logical_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                       const struct vol_input *from, unsigned flags, struct err *e);
int logical_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
int logical_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                       unsigned flags, struct err *e);
int logical_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                     struct err *e);
/* To write, it also looks whether there is room: see group_room(). */
int logical_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                     uint64_t *size, struct err *e);
/* Remove the volumes that were being filled when their worker was killed, as far as that can be done. *g is
 * as it is afterwards. */
int logical_sweep(const struct pool_def *d, struct group *g, struct op *op, struct err *e);

#endif
