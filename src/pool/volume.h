/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a volume is, and how it travels: as one protocol record, from the refresh worker through the index to
 * the client.
 */
#ifndef POOLINIT_POOL_VOLUME_H
#define POOLINIT_POOL_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"

/* A volume that is there. Strings belong to whoever filled it in: a backend's own for the duration of a call
 * of op->on_volume(), the line's for one that was read from a record. Sizes are in bytes. */
struct volume {
	const char *name;
	const char *type; /* "file", "block", "dir", "network", "netdir" */
	const char *key;
	const char *path;
	/* qemu-img's word (image.h has the one for XML); NULL: the pool type has no volume formats */
	const char *format;
	const char *content; /* what a raw image holds, "squashfs", "erofs"; NULL: not known */
	/* What a guest sees; what it takes on the storage; how long the file is (0: not told). */
	uint64_t capacity, allocation, physical;
	bool has_perms;
	unsigned mode;
	uint32_t owner, group;
	bool has_times;
	struct {
		int64_t sec;
		uint32_t nsec;
	} atime, mtime, ctime_;
	uint64_t inode; /* with mtime and ctime: what the next refresh compares; 0 where it means nothing */
	const char *backing, *backing_format; /* as written in the header */
	const char *data_file;                /* of qcow2 whose data are in another file, or NULL */
	const char *encryption;               /* "luks", "qcow", … or NULL */
	const char *compat;
	uint64_t cluster_size;
	bool lazy_refcounts, extended_l2;
	const char *snapshots;             /* "before after", their names, oldest first; or NULL */
	const char *problem;               /* what is wrong with it; such a volume is listed all the same */
	const char *paths;                 /* of a multipath device: "sda=active sdb=failed"; or NULL */
	const char *devices;               /* space-separated source devices (logical, disk) or NULL */
	uint64_t extent_start, extent_end; /* of a partition: where on its disk, in bytes; 0, 0: not told */
};

/* Append "- name=… type=… path=… key=… capacity=… …" and a line end. Keys are fixed (docs/PROTOCOL); absent
 * facts are left out. A record that would not fit a line loses its key where that is its path, then what it
 * lies on and its snapshots, and says so in `problem`. */
void volume_record(const struct volume *v, struct buf *out);
#define VOLUME_RECORD_REST 700 /* what a record has beside name and path, at most, in bytes */
_Static_assert(VOLUME_RECORD_REST < LINE_MAX_BYTES, "a record without its names is a line");
/* The reverse; the strings point into the line and live as long as it. ERR_INTERNAL if it is not such a
 * record: whoever wrote it may have been broken into. A record without a key has its path for one. */
int volume_from_record(const struct line *l, struct volume *v, struct err *e);
/* Append libvirt's canonical volume XML (volume_print.c): the document that vol-dumpxml gives. */
void volume_print(const struct volume *v, struct buf *out);
struct stat;
/* Fill in what the inode of a file or a device node tells: owner, mode (permission bits, set-id and sticky
 * bits, without the file's kind) and times. Sizes are left as they are. */
void volume_from_stat(struct volume *v, const struct stat *st);

#endif
