/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of root=: which roots the machine may go on with, in the order in which they are tried.
 *
 *     root=A[,B…]     A: /dev/…, UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=…, pool:NAME, pool:NAME/VOLUME
 */
#ifndef POOLINIT_BOOT_ROOT_ROOTS_H
#define POOLINIT_BOOT_ROOT_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/err.h"

#define ROOTS_LIMIT 8 /* of one list: two are an update's, and each has its share of the time */

enum root_kind {
	ROOT_DEVICE, /* the filesystem on a device */
	ROOT_POOL,   /* what a pool has mounted */
	ROOT_VOLUME, /* the filesystem on a pool's volume */
};

struct root {
	enum root_kind kind;
	const char *text;   /* as it was given */
	const char *name;   /* the device as device_find() takes it, or the pool */
	const char *volume; /* NULL but for ROOT_VOLUME */
};

struct root_list {
	struct root items[ROOTS_LIMIT];
	size_t n; /* 0: no root= */
};

/* Take the value of root= apart. All texts are copied into the arena. ERR_INVALID names the item and says
 * what it lacks or what to write instead; ERR_TOO_LONG: more than ROOTS_LIMIT. On failure *list is as it
 * was. What a list means that names one thing twice is "try it twice", which is harmless.
 *
 * Facts: bootparam(7) and Documentation/admin-guide/kernel-parameters.txt for the kernel's own forms. Those
 * which name a device by number, or something that is no device (/dev/nfs, /dev/ram0), are refused with what
 * to write instead. A comma separates, so that a label with a comma in it is named by its link in
 * /dev/disk/by-label, where udev writes it as "\x2c". */
int roots_parse(const char *value, struct arena *a, struct root_list *list, struct err *e);

/* The pools that they lie on, and the one of the overlay if its name is not NULL: "NAME,NAME", from the
 * arena. NULL: none, or out of memory. */
const char *roots_pools(const struct root_list *list, const struct root *overlay, struct arena *a);

/* rootfstype=: a filesystem as the kernel calls it: [a-z0-9_.-], at most 31 bytes, beginning with a letter.
 */
bool roots_is_fstype(const char *s);

#endif
