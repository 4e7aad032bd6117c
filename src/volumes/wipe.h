/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Wiping a file or block device, for all pool types.
 */
#ifndef POOLINIT_VOLUMES_WIPE_H
#define POOLINIT_VOLUMES_WIPE_H

#include "pool/operation.h"

/* What virsh's vol-wipe knows, the word that libvirt's documentation has for each. */
extern const char *const wipe_algorithms[]; /* "zero", "nnsa", …, "trim"; NULL-terminated */

/* ERR_INVALID, listing those that there are, for a word that is no algorithm. */
int wipe_check(const char *algorithm, struct err *e);
/* Wipe all of what fd (O_RDWR) is open on; the size stays. "zero" makes it zeros, giving storage back where
 * a file is sparse already; "trim" gives all storage back; the others are scrub(1)'s: ERR_NO_TOOL where that
 * is not installed. Syncs. name is for messages. ERR_UNSUPPORTED: "trim", and it cannot be done there;
 * ERR_TIMEOUT: part of it is wiped.
 *
 * On flash and on filesystems that copy on write an overwritten block may survive elsewhere: no algorithm
 * here promises more than that the volume reads as wiped. */
int wipe(int fd, const char *algorithm, struct op *op, const char *name, struct err *e);

#endif
