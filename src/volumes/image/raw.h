/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Raw images: a file's bytes are the disk's.
 */
#ifndef POOLINIT_VOLUMES_IMAGE_RAW_H
#define POOLINIT_VOLUMES_IMAGE_RAW_H

#include <stdint.h>
#include "pool/operation.h"

/* Give the new, empty file `capacity` bytes, and storage for the first `allocation` of them; an allocation
 * beyond the capacity makes the file that large. name is for messages. ERR_NO_SPACE before the filesystem is
 * filled to the brim; ERR_INVALID: it has no files of that size. Does not sync. */
int raw_create(int fd, uint64_t capacity, uint64_t allocation, struct op *op, const char *name,
               struct err *e);
/* Note in op->made what the file is now: the refresh that follows need not read it. */
void raw_note_made(int fd, struct op *op);
/* Give the file another size, in bytes. The size changes in one step, after the storage was found for it
 * (flags: VOL_ALLOCATE); on failure it is as before. Syncs. */
int raw_resize(int fd, uint64_t capacity, unsigned flags, struct op *op, const char *name, struct err *e);
/* Storage for the first `size` bytes of an image that holds data already: into its holes. */
int raw_allocate(int fd, uint64_t size, struct op *op, const char *name, struct err *e);

#endif
