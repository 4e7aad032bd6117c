/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Partition tables as the disk backend sees them, whatever their label. Places and sizes are in bytes.
 *
 * The labels that libfdisk writes are read by it, too; mac and pc98 are only read (foreign.c).
 */
#ifndef POOLINIT_BACKENDS_DISK_TABLE_H
#define POOLINIT_BACKENDS_DISK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backends/disk/table_image.h"
#include "base/err.h"

#define PARTITIONS_MAX 256
#define MIB            (1024 * 1024)

enum label {
	LABEL_NONE,
	LABEL_DOS,
	LABEL_GPT,
	LABEL_SUN,
	LABEL_DVH,
	LABEL_BSD,
	LABEL_MAC,
	LABEL_PC98,
	LABEL_LVM2, /* no table: the whole disk is a physical volume */
};

/* What is known of a label: the same words mean it in a definition, in libfdisk, in libblkid and in
 * parted. */
struct label_info {
	const char *word;  /* of a pool's format: "dvh" */
	const char *fdisk; /* NULL: libfdisk does not know it */
	const char *blkid; /* NULL: libblkid does not */
	unsigned entries;  /* how many partitions it has room for; logical ones are not counted */
	bool small_only;   /* it counts sectors of 512 bytes, whatever the disk's are */
};
const struct label_info *label_info(enum label l);
/* The label of a definition's format, or of libblkid's word; LABEL_NONE: neither. */
enum label label_from_word(const char *word);
enum label label_from_blkid(const char *word);

enum partition_kind { PARTITION_PRIMARY, PARTITION_EXTENDED, PARTITION_LOGICAL };

struct partition {
	unsigned number; /* as the kernel counts: from 1, logical ones from 5 */
	enum partition_kind kind;
	/* it is no volume: the whole disk once more (sun, dvh, bsd), or where the label keeps its own things
	 */
	bool hidden, whole;
	uint64_t start, size;
	const char *format; /* a volume format's word: "linux", "none"; static */
};

struct partition_table {
	enum label label;
	unsigned sector;
	uint64_t size;                         /* of the disk */
	uint64_t first, end;                   /* where partitions may lie */
	uint64_t grain;                        /* they begin at a multiple of it */
	struct partition list[PARTITIONS_MAX]; /* by number */
	size_t n;
	uint64_t links[PARTITIONS_MAX]; /* dos: where the sectors are that describe logical partitions */
	size_t nlinks;
	bool cut;     /* there are more than are listed: it is not changed, or the others would be lost */
	bool foreign; /* libfdisk does not know it: it is only read */
	/* gpt: which of its two copies are bad */
	bool primary_bad, backup_bad;
};

/* Read the table that the disk has. `found` is what libblkid calls it, or LABEL_NONE where that does not
 * know: then ours are tried. ERR_WRONG_FORMAT: there is none that can be read. */
int table_read(struct table_image *i, enum label found, struct partition_table *t, struct err *e);
const struct partition *table_find(const struct partition_table *t, unsigned number);
/* The extended partition, or NULL. */
const struct partition *table_extended(const struct partition_table *t);

/* May the table be written? `changed` is the partition that becomes `size` (0: it is deleted), or NULL.
 * ERR_UNSUPPORTED: not all of its partitions are listed, and the others would be lost; ERR_NO_SPACE: the
 * second copy of the gpt would lie over a partition. All changes of the copy look at that themselves. */
int table_may_change(const struct table_image *i, const struct partition_table *t,
                     const struct partition *changed, uint64_t size, struct err *e);
/* Changes of the copy; table_image_commit() with table_rank() makes them real. What cannot be is ERR_INVALID
 * or as above, what libfdisk refuses is ERR_STORAGE with its own words; the copy is not to be used after
 * that. */
int table_create(struct table_image *i, enum label l, struct err *e);
/* `format` is a volume format's word. name: a gpt partition's, or NULL. */
int table_add(struct table_image *i, const struct partition_table *t, const struct partition *p,
              const char *format, const char *name, struct err *e);
int table_delete(struct table_image *i, const struct partition_table *t, const struct partition *p,
                 struct err *e);
int table_resize(struct table_image *i, const struct partition_table *t, const struct partition *p,
                 uint64_t size, struct err *e);
/* Nothing but what is bad of a gpt's copies. */
int table_mend(struct table_image *i, const struct partition_table *t, struct err *e);
/* A table_image_rank_fn; arg is the table as it was read, or NULL for one that was made anew. */
unsigned table_rank(uint64_t at, const void *arg);

/* Can a partition of that format be said in that label? */
bool format_is_known(enum label l, const char *format);

/* ---- space.c ---- */

struct free_span {
	uint64_t start, end; /* end: behind the last byte */
};

/* What is free, in order: outside of the extended partition, or in it. At most `max` extents are written;
 * returns how many. */
size_t space_free(const struct partition_table *t, bool logical, struct free_span *out, size_t max);
/* The best place for a partition of that size: the smallest extent that has room for it, from an aligned
 * start. False: there is none; *largest is how much would fit. */
bool space_place(const struct partition_table *t, bool logical, uint64_t size, struct free_span *out,
                 uint64_t *largest);
/* How large this partition may become where it is. */
uint64_t space_room(const struct partition_table *t, const struct partition *p);
/* The least size that the label can say which is not smaller; one that no disk has stays larger than all. */
uint64_t space_round_up(const struct partition_table *t, uint64_t size);

/* ---- foreign.c ---- */

/* Read a table that libfdisk does not know; `found` as for table_read(). False: it is none of these. */
bool foreign_read(const struct table_image *i, enum label found, struct partition_table *t);

#endif
