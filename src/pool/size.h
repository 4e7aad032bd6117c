/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sizes: scaled integers as XML and the command line have them, and as people read them.
 */
#ifndef POOLINIT_POOL_SIZE_H
#define POOLINIT_POOL_SIZE_H

#include <stdint.h>
#include "base/err.h"

/* Read a decimal number without sign or fraction, and a unit as in libvirt's scaledInteger ("KiB", "k",
 * "MB", "bytes", …; NULL or "": bytes); *out is in bytes. Letters mean powers of 1024 alone and with "iB",
 * powers of 1000 with "B"; case does not count. ERR_INVALID for anything else, and above INT64_MAX: off_t
 * has no more. *out is untouched then. */
int size_parse(const char *number, const char *unit, uint64_t *out, struct err *e);
/* The same for "10G", "512MiB", "1000": number and unit in one word, as virsh takes them. */
int size_parse_word(const char *text, uint64_t *out, struct err *e);
/* Split a size as virsh prints it: value and unit of the largest binary unit not above it ("1.50", "GiB").
 * *unit is static. For people: the value is rounded, and is not to be read again. */
void size_human(uint64_t bytes, double *value, const char **unit);

#endif
