/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2 images made and grown in-process (QEMU docs/interop/qcow2.txt). Only files that we have just made, or
 * whose every table has been checked, are written to.
 */
#ifndef POOLINIT_VOLUMES_IMAGE_QCOW2_H
#define POOLINIT_VOLUMES_IMAGE_QCOW2_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum qcow2_preallocation { QCOW2_PREALLOC_OFF, QCOW2_PREALLOC_METADATA, QCOW2_PREALLOC_FALLOC };

struct qcow2_options {
	uint64_t capacity;     /* bytes; rounded up to 512 */
	uint64_t cluster_size; /* 0: 65536; 512 … 2 MiB, a power of two */
	const char *compat;    /* NULL: "1.1"; "0.10", "1.1" */
	bool lazy_refcounts, extended_l2;
	enum qcow2_preallocation preallocation;
	/* as text; NULL; a backing file without its format is refused: QEMU would probe what a guest has
	 * written */
	const char *backing, *backing_format;
};

/* Say what cannot be: ERR_INVALID, before anything is written (cluster size, features that need compat 1.1,
 * capacity beyond the format, a backing file without its format). */
int qcow2_check(const struct qcow2_options *o, struct err *e);
/* Write a new image into an empty regular file. The header is written last: a file that is cut short before
 * is no image at all. Does not sync. Errors as qcow2_check(), and those of the file. */
int qcow2_create(int fd, const struct qcow2_options *o, struct err *e);
/* Grow it. The header is changed last, by one write: before it the image is the old one, after it the new. 1:
 * not ours to do (snapshots, bitmaps, encryption, a corrupt or dirty mark, an unknown feature, a backing
 * file, shrinking): use qemu-img; nothing was changed. ERR_BUSY: another program (a running guest) has it
 * open and locked as QEMU does. ERR_INVALID: beyond what the format can hold. Syncs. fd: open for reading and
 * writing. */
int qcow2_grow(int fd, uint64_t capacity, struct err *e);

#endif
