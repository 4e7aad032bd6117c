/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The parts of a disk that hold its partition table, copied into memory. libfdisk reads and writes the copy;
 * what differs afterwards is written to the disk, sector by sector, in an order that leaves the old table or
 * the new one whenever the power goes.
 */
#ifndef POOLINIT_BACKENDS_DISK_TABLE_IMAGE_H
#define POOLINIT_BACKENDS_DISK_TABLE_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define TABLE_PAGE 4096

struct table_image_page; /* one of those that were read, as it was */

struct table_image {
	const char *name; /* the disk's, for messages; the caller's */
	int disk;         /* its descriptor: the caller's */
	int copy;         /* a file in memory, as long as the disk, with holes for what was not read */
	unsigned sector;  /* bytes; what the disk writes as a whole or not at all */
	uint64_t size;    /* of the disk, in bytes */
	/* its geometry, which somebody has made up: a pc98 table means nothing without */
	unsigned heads, track;
	struct table_image_page *pages;
	size_t n, room;
};

/* Make an empty copy of a disk that is open as `disk`: with O_DIRECT, where it is a block device, because the
 * kernel's cache of the whole disk knows nothing of what is written through a partition. sector: a power of
 * two, TABLE_PAGE at most. table_image_close() in every case. */
int table_image_open(struct table_image *i, int disk, const char *name, uint64_t size, unsigned sector,
                     struct err *e);
void table_image_close(struct table_image *i);

/* Read a range of the disk into the copy, in whole pages; what was read before stays as it is. A range beyond
 * the end is cut off. ERR_STORAGE. */
int table_image_load(struct table_image *i, uint64_t at, uint64_t len, struct err *e);
/* Bytes of the copy; zeros where nothing was read. False: beyond the end. */
int table_image_get(const struct table_image *i, uint64_t at, void *out, size_t len);

/* When a sector may be written: those of rank 0 first, and each rank is on the disk before the next one
 * begins. */
#define TABLE_RANKS 5
typedef unsigned table_image_rank_fn(uint64_t at, const void *arg);
/* How sectors are written, and where the old ones are kept meanwhile. */
struct table_image_commit {
	table_image_rank_fn *rank;
	const void *arg;
	const char *keep_dir;  /* "/run/poolinit/tables"; made if it is missing */
	const char *keep_name; /* "vda" */
};
/* Write to the disk what has changed in the copy. The old sectors are kept in keep_dir as
 * NAME-0xOFFSET.bak until the new ones are written. If one cannot be, the old ones are put back: the error
 * says whether that was possible, and where they are if it was not. ERR_INTERNAL: libfdisk has changed what
 * was not read before; nothing was written then. Returns how many sectors have changed. */
int table_image_commit(struct table_image *i, const struct table_image_commit *how, struct err *e);

#endif
