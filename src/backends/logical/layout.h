/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a new logical volume is to lie on its group: the words of <layout>, and what they are for lvcreate(8).
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LAYOUT_H
#define POOLINIT_BACKENDS_LOGICAL_LAYOUT_H

#include "backends/logical/logical.h"

enum layout_kind {
	LAYOUT_LINEAR,
	LAYOUT_STRIPED,
	LAYOUT_THIN,     /* in the thin pool `pool`, which is made with `size`, or made that large */
	LAYOUT_SNAPSHOT, /* of the backing store, with room for `size` of changes */
	LAYOUT_SPARSE,   /* libvirt's: a snapshot of zeros, with room for `size` of what is written */
	LAYOUT_CACHE,    /* with a cache of `size` on the device `cache` */
	LAYOUT_RAID1,
	LAYOUT_RAID5,
	LAYOUT_RAID6,
	LAYOUT_RAID10,
	LAYOUT_VDO,
	LAYOUTS
};

/* What a <layout> says, "thin pool=tp0 size=10G". Numbers that it leaves out are 0, texts "". */
struct volume_layout {
	enum layout_kind kind;
	unsigned stripes, mirrors;
	uint64_t stripe_size, size; /* bytes */
	char pool[128], cache[256];
	char on[512]; /* the physical volumes that it may use, with a comma between them */
};

/* Read it. NULL or "": linear. ERR_INVALID names the word that is wrong; ERR_UNSUPPORTED: VDO, which this
 * program cannot make. */
int layout_read(const char *text, struct volume_layout *out, struct err *e);

/* lvcreate's command line, and what its words point to. */
struct layout_words {
	const char *argv[48 + MEMBERS_MAX]; /* NULL-terminated */
	size_t n;
	char text[12][300];
	unsigned ntext;
	char on[512];
};

/* Make it: a volume of `capacity` bytes, called `name`, in group vg. origin: the volume that a snapshot is
 * of, or NULL; tag: LVM's tag that it is to have, or NULL. The words point to all of these. ERR_INVALID: the
 * layout needs something that the group has not. */
int layout_words(const struct volume_layout *l, const char *vg, const struct group *g, const char *name,
                 uint64_t capacity, const struct group_volume *origin, const char *tag,
                 struct layout_words *w, struct err *e);
/* The same for a layout's thin pool that is not there. It has a command of its own: in one with its first
 * volume LVM would give the volume's tag to the pool. */
void layout_pool_words(const struct volume_layout *l, const char *vg, const struct group *g,
                       struct layout_words *w);

#endif
