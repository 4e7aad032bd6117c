/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM through liblvm2cmd: no lvm program is needed. For workers: a command may block on a device.
 */
#ifndef POOLINIT_BACKENDS_LOGICAL_LVM_H
#define POOLINIT_BACKENDS_LOGICAL_LVM_H

#include <stdbool.h>
#include <stddef.h>
#include "backends/backend.h"
#include "base/buf.h"

/* One LVM command, given as words; each is quoted on its way into LVM's own line splitter, and a word that
 * cannot be is ERR_INVALID. LVM looks at the devices `only` names (paths, NULL-terminated) and opens no
 * other; NULL: at all. `out` (may be NULL) gets the report, and nothing else that the command says. A failure
 * is ERR_STORAGE with LVM's own first complaint, or ERR_BUSY, ERR_NO_SPACE … where that tells. Its code runs
 * in a process of its own, whose end is another failure: lvm_death(). */
int lvm_run(const char *const *words, const char *const *only, struct op *op, struct buf *out, struct err *e);
/* The same, of a group whose locks lvmlockd has. ERR_TIMEOUT, a moment before op->deadline: it does not
 * answer. */
int lvm_run_locked(const char *const *words, const char *const *only, struct op *op, struct buf *out,
                   struct err *e);

/* How LVM's code died of the last command: "died by signal 11 (…)"; NULL: it did not. */
const char *lvm_death(void);
/* What the last command complained of, though it may have succeeded all the same; or "". */
const char *lvm_trouble(void);

/* Reports. Ask for them with LVM_REPORT between the command and -o. */
#define LVM_REPORT "--noheadings", "--nameprefixes", "--units", "b", "--nosuffix"

struct lvm_field {
	const char *key, *value;
};
#define LVM_FIELDS 32

/* Take apart the next line of a report, KEY='value' pairs without the prefix "LVM2_": number of fields, 0 at
 * the end, or -1 with ERR_STORAGE for a line that is no report. *text moves on; the text is changed in place
 * and the fields point into it. */
int lvm_next(char **text, struct lvm_field *fields, struct err *e);
/* Value of a field of that line; "" if it is absent. */
const char *lvm_get(const struct lvm_field *fields, int n, const char *key);

/* Device-mapper's names of logical volumes, "VG-LV" or "VG-LV-layer" with each '-' of a name doubled. False
 * if it is none. */
bool lvm_dm_name(const char *dm_name, char *vg, size_t vg_size, char *lv, size_t lv_size);
/* "LVM-" and 32 characters of the group's uuid, as device-mapper has it, to LVM's printed form with dashes
 * (39 bytes with the final NUL). */
bool lvm_dm_vg_uuid(const char *dm_uuid, char out[39]);

#endif
