/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which device belongs to which volume group. LVM's own code is shown the devices of one group only, so
 * something else has to know them: each device's label is read by processes that may hang or crash alone, and
 * what does not answer, cannot be read or brings its reader down is left out by name.
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LVM_SCAN_H
#define POOLINIT_BACKENDS_LOGICAL_LVM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "backends/backend.h"
#include "backends/logical/lvm_label.h"
#include "base/buf.h"

/* A device that was looked at. label NULL: no physical volume, or nothing is known of it. */
struct lvm_device {
	char *node; /* in /dev */
	dev_t dev;
	const struct lvm_label *label;
	const char *problem; /* it is left out: a clause; or NULL */
};

struct lvm_scan {
	struct lvm_device *devices;
	size_t n;
};

/* Look at all devices, as far as they answer; at most once in a process, or since lvm_scan_forget(). `wanted`
 * (may be NULL): the name of a group; when it is complete, nobody waits for what is slow. op->on_left_out()
 * is told. NULL: e says why not. */
const struct lvm_scan *lvm_scan(struct op *op, const char *wanted, struct err *e);
/* Has that been done? */
bool lvm_scan_is_made(void);
/* What was written has changed it. */
void lvm_scan_forget(void);

/* A group, from its newest metadata. */
struct lvm_group {
	const struct lvm_label *label;
};
/* The i-th group of that name (NULL: of any), by the order of devices; false: there are no more. */
bool lvm_scan_group(const struct lvm_scan *s, const char *name, size_t i, struct lvm_group *g);
/* Is the device one of its physical volumes? */
bool lvm_scan_member(const struct lvm_scan *s, const struct lvm_group *g, const struct lvm_device *d);
/* A uuid as LVM prints it, with dashes. */
void lvm_id_print(const char id[LVM_ID], char out[39]);
/* "; left out: /dev/sdb (does not answer)": for a sentence about what was not found. Nothing if all that
 * count were looked at. */
typedef bool lvm_counts_fn(const struct lvm_device *d, void *arg);
void lvm_scan_left_out(const struct lvm_scan *s, lvm_counts_fn *counts, void *arg, char *out, size_t size);
/* Is there a device that counts of which nothing is known now, because it could not be read? */
bool lvm_scan_unsure(const struct lvm_scan *s, lvm_counts_fn *counts, void *arg);
/* Does metadata of another group list the device as its physical volume? `vg`: the group's uuid, as the label
 * has it; "": no group is known. */
bool lvm_scan_is_other(const struct lvm_scan *s, const struct lvm_device *d, const char *vg);

#endif
