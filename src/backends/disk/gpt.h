/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two copies of a gpt: where they are, and which of them is whole. (UEFI specification 2.10, 5.3.)
 */
#ifndef POOLINIT_BACKENDS_DISK_GPT_H
#define POOLINIT_BACKENDS_DISK_GPT_H

#include <stdbool.h>
#include "backends/disk/table_image.h"

/* Read what of a gpt lies outside both ends of the disk: a backup that was at the end when the disk was
 * smaller, and entries beyond the usual number. Nothing is read of a disk without one. */
int gpt_load(struct table_image *i, struct err *e);
/* Which of the two copies libfdisk could not use: by magic, place and checksums. One that is not at the end
 * of the disk counts as bad. */
void gpt_copies(const struct table_image *i, bool *primary_bad, bool *backup_bad);
/* Where partitions end: behind that are the second copy's entries, once it is written to the disk's end. */
uint64_t gpt_end(const struct table_image *i);

#endif
