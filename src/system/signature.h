/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All signatures on a device, and which of them are what the device holds: a filesystem's files may hold
 * bytes that look like another one.
 */
#ifndef POOLINIT_SYSTEM_SIGNATURE_H
#define POOLINIT_SYSTEM_SIGNATURE_H

#include <blkid/blkid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define SIGNATURES 8 /* on one device; what comes after them does not count */
_Static_assert(SIGNATURES >= 2, "ambivalent is more than one");

struct signature {
	char type[32], usage[16]; /* as libblkid calls them */
	char label[256], uuid[64];
	char part[64];    /* the uuid of this one device, where the filesystem may have several */
	uint64_t at, end; /* the bytes that gave it away; where the filesystem ends, 0: it does not say */
};

struct signatures {
	struct signature items[SIGNATURES];
	size_t n;
};

/* What the probe has found under that name ("TYPE", "UUID"); NULL: nothing. Good until the next probing. */
const char *probe_value(blkid_probe p, const char *name);
/* Append those that the probe's filters leave; fd is the device that the probe was given. -1: something
 * could not be read, and what comes after it is not among them. */
int signatures_read(blkid_probe p, int fd, struct signatures *out);
/* It lies within the files of another one of them. */
bool signature_is_content(const struct signatures *all, const struct signature *s);
/* The signature that makes the device a member of something else (an array, a volume group, a container), and
 * is no content; or NULL. */
const struct signature *signatures_member(const struct signatures *all);
/* "xfs and iso9660". */
void signatures_text(const struct signatures *all, char *out, size_t size);

#endif
