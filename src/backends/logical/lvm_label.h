/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a physical volume says of itself: its label and header, and of its group's metadata as much as tells
 * which group that is and what it stands on. Anybody may have written these bytes. So nothing here is
 * recursive, every length has a bound, and what is not as it should be is said and left alone.
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LVM_LABEL_H
#define POOLINIT_BACKENDS_LOGICAL_LVM_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	LVM_ID = 32,       /* characters of a uuid, without dashes */
	LVM_NAME = 128,    /* with the NUL */
	LVM_MEMBERS = 256, /* physical volumes of a group */
};

struct lvm_label {
	bool member;       /* there is a label: the device is a physical volume */
	char problem[160]; /* why no more is known of it: a clause; or "" */
	char pv[LVM_ID + 1];
	/* From its copy of the group's metadata; vg "": it has none, or belongs to no group. */
	char vg[LVM_ID + 1], name[LVM_NAME];
	uint64_t seqno;
	uint64_t mark; /* of what was read, made from its checksums: it changes when that does */
	char system_id[LVM_NAME], lock_type[LVM_NAME];
	bool more; /* there are more physical volumes than fit in here */
	unsigned pvs;
	char pv_ids[LVM_MEMBERS][LVM_ID];
};

/* Reads `len` bytes at `at`; both are multiples of LVM_BLOCK, and so is the address. The number of bytes,
 * less at the device's end, or -1 with errno. */
enum { LVM_BLOCK = 4096 };
typedef ssize_t lvm_read_fn(void *arg, void *data, size_t len, uint64_t at);

/* Look at a device. `out` is filled in any case. */
void lvm_label_read(lvm_read_fn *read, void *arg, struct lvm_label *out);

#endif
