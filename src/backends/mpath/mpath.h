/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the mpath backend have in common: mpath.c (the operations), maps.c (device-mapper),
 * table.c (its words), paths.c (disks that are paths), assemble.c (maps made of them).
 *
 * Facts: kernel drivers/md/dm-mpath.c and Documentation/admin-guide/device-mapper; multipath-tools for what
 * maps are called: the uuid is "mpath-" and the LUN's identifier.
 */
#ifndef POOLINIT_BACKENDS_MPATH_MPATH_H
#define POOLINIT_BACKENDS_MPATH_MPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define MPATH_PATHS  32  /* of one map that are looked at */
#define MPATH_NAME   128 /* device-mapper's limit of a name, with its NUL */
#define MPATH_PREFIX "mpath-"

/* ---- table.c ---- */

struct mpath_path {
	unsigned major, minor;
	unsigned group; /* from 0, in the order in which they are tried */
	bool active;    /* else it has failed, and gets no requests until it is reinstated */
};

/* A map as device-mapper has it. */
struct mpath_map {
	char name[MPATH_NAME];
	char id[MPATH_NAME]; /* its uuid without the prefix: the LUN's identifier; else its name */
	bool is_lun;         /* its uuid has that prefix */
	unsigned major, minor;
	uint64_t size; /* bytes */
	bool open;     /* somebody has it open, or it carries another device */
	size_t npaths;
	struct mpath_path paths[MPATH_PATHS];
};

/* Read the paths from a "multipath" target's status (dm-mpath.c, STATUSTYPE_INFO). Paths beyond MPATH_PATHS
 * are left out. False: it is not such a status. */
bool mpath_status(const char *params, struct mpath_map *m);
/* Append a table's parameters for these paths, which are sorted by group. `alua`: the storage says which of
 * its ports are better. `queue`: requests wait while there is no path at all. */
void mpath_table(const struct mpath_path *paths, size_t n, bool alua, bool queue, struct buf *out);
/* Are the same devices in the same groups? Both are sorted by group, and device within one. */
bool mpath_same(const struct mpath_path *a, size_t na, const struct mpath_path *b, size_t nb);
void mpath_sort(struct mpath_path *paths, size_t n);

/* ---- maps.c ---- */

struct mpath_maps {
	struct mpath_map *item;
	size_t n;
};

/* All multipath maps there are, by minor number. A kernel without device-mapper has none. The caller frees
 * m->item. */
int mpath_maps_read(struct mpath_maps *m, struct err *e);
/* Make the node of a map in /dev/mapper, where nobody else does. */
void mpath_node(const char *name);
/* Make a map of `size` bytes, or give one another table. */
int mpath_create(const char *name, const char *id, uint64_t size, const char *table, struct err *e);
int mpath_reload(const char *name, uint64_t size, const char *table, struct err *e);
/* Take a map away. ERR_BUSY: somebody uses it. */
int mpath_remove(const char *name, struct err *e);
/* Tell a map something: "reinstate_path 8:16", "fail_if_no_path". */
int mpath_message(const char *name, const char *text, struct err *e);

/* ---- paths.c ---- */

/* A SCSI disk that is, or may be, a path. */
struct mpath_disk {
	char block[32]; /* "sdb" */
	unsigned major, minor;
	char id[MPATH_NAME]; /* of its LUN: paths to one LUN have the same */
	char session[32];    /* of iSCSI: "session3", or "" */
	bool session_in;     /* and it is logged in */
	bool shared;         /* its transport has several ways to a LUN: iSCSI, Fibre Channel */
	char state[24];      /* the kernel's word for it: "running" */
	bool alua;           /* its target has port groups that differ, */
	unsigned port_group; /* this one is its, */
	char access[32];     /* and the kernel knows it to be "active/optimized"; or "" */
	uint64_t size;
};

struct mpath_disks {
	struct mpath_disk *item;
	size_t n;
};

/* All SCSI disks that say who they are, sorted by identifier, then name; from sysfs alone. The caller frees
 * d->item. */
int mpath_disks_read(const char *sys, struct mpath_disks *d, struct err *e);

/* ---- assemble.c ---- */

struct op;
/* Bring the machine's maps up to date with its disks: make those that are missing, add paths that came, leave
 * out those that went, and reinstate paths that answer again. What cannot be done for one LUN is a note, and
 * keeps no other from it. */
int mpath_assemble(struct op *op, struct err *e);
/* Take away all maps of LUNs that it makes, or has found; none of them if one is in use (ERR_BUSY). */
int mpath_take_apart(struct err *e);

#endif
