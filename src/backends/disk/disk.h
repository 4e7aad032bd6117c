/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the disk backend have in common: device.c (which disk it is, and its table), kernel.c
 * (the partitions that the kernel has), disk.c (the pool), volumes.c (its volumes). table.h has the tables
 * themselves.
 */
#ifndef POOLINIT_BACKENDS_DISK_DISK_H
#define POOLINIT_BACKENDS_DISK_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include "backends/backend.h"
#include "backends/disk/table_image.h"
#include "backends/disk/table.h"
#include "base/buf.h"
#include "system/device.h"

extern const struct backend disk_backend;

/* ---- device.c ---- */

/* The disk of a definition, and what was read of it. disk_close() in every case. */
struct disk {
	const char *spec;           /* how the definition calls it; the definition's */
	char path[PATH_MAX];        /* its node */
	char sysname[NAME_MAX + 1]; /* "vda", "dm-3" */
	char name[NAME_MAX + 1];    /* what its partitions' names begin with: "vda", "nvme0n1p", "mpatha" */
	dev_t dev;
	int fd; /* or -1 */
	struct device_content content;
	struct table_image image; /* of what was read */
	struct partition_table table;
};

/* Find the disk. ERR_WAIT_DEVICE; ERR_INVALID: it is a partition itself. Nothing is read. */
int disk_find(const struct pool_def *d, struct disk *disk, struct err *e);
/* Find it, and read its table. To `write`: it is locked against others who keep to such locks (flock(2), as
 * systemd describes it), until it is closed. ERR_WRONG_FORMAT: it holds something else, or another label
 * than the definition has. A whole disk that is a physical volume (lvm2) has an empty table. */
int disk_open(const struct pool_def *d, bool write, struct disk *disk, struct err *e);
/* Only open it: there is nothing to read, or it does not matter. */
int disk_open_blank(const struct pool_def *d, struct disk *disk, struct err *e);
/* Read it once more, after it was changed. */
int disk_reread(const struct pool_def *d, struct disk *disk, struct err *e);
/* Write the changed copy to it; the old table is kept below the run directory meanwhile. `old`: the table
 * that was read, or NULL for a new one. */
int disk_commit(struct disk *disk, const struct partition_table *old, struct op *op, struct err *e);
void disk_close(struct disk *disk);
#define cleanup_disk __attribute__((cleanup(disk_close)))
/* ---- names.c ---- */

/* Fill in disk->name, from its name in /sys and the definition. */
void disk_name_volumes(const struct pool_def *d, struct disk *disk);
/* The name of its volume of that number: "vda1". */
void disk_volume_name(const struct disk *disk, unsigned number, char *out, size_t size);

/* ---- kernel.c ---- */

/* A partition that the kernel has. */
struct kernel_part {
	unsigned number;
	uint64_t start, size; /* bytes */
	dev_t dev;
	char sysname[NAME_MAX + 1];
};

/* Those of a disk, at most `max`; how many. */
size_t kernel_parts(const char *sysname, struct kernel_part *out, size_t max);
/* The one of that number in a list, or NULL. */
const struct kernel_part *kernel_find(const struct kernel_part *list, size_t n, unsigned number);
/* The same without a list. False: the kernel has none of that number. */
bool kernel_part(const char *sysname, unsigned number, struct kernel_part *out);
/* Give the kernel one that it has not, be it in the table or not. */
int kernel_add(const struct disk *disk, const struct partition *p, struct op *op, struct err *e);
/* Take one away from the kernel; one that it has not is none. ERR_BUSY: it is in use, by whom is said. */
int kernel_forget(const struct disk *disk, unsigned number, struct op *op, struct err *e);
/* All of them, or (ERR_BUSY) none. */
int kernel_forget_all(const struct disk *disk, struct op *op, struct err *e);
/* Let the kernel have the partitions of the table as they are there, one by one, so that none that stays is
 * touched. What else it has stays, unless it is in the way of one. ERR_BUSY: one that has to go or to move is
 * in use. */
int kernel_follow(const struct disk *disk, struct op *op, struct err *e);
/* Has the kernel the partition of that number as the table has it, or neither of them one? */
bool kernel_agrees(const struct disk *disk, unsigned number);

/* ---- mapped.c: partitions of a disk that device-mapper makes ---- */

/* Is that disk one? */
bool mapped_is(const char *sysname);
/* As kernel_parts(), of such a disk. */
size_t mapped_parts(const char *sysname, struct kernel_part *out, size_t max);
/* As the ioctl BLKPG: `what` is one of its BLKPG_…; in bytes; -1 with errno. */
int mapped_tell(const struct disk *disk, int what, unsigned number, uint64_t start, uint64_t size);

/* ---- parted.c: what others write ---- */

/* Is there somebody who writes that label? ERR_NO_TOOL: parted is not installed; ERR_UNSUPPORTED: nobody
 * does. */
int parted_can(enum label l, struct err *e);
/* The geometry that parted takes a disk to have. False: it is not installed, or does not say. */
bool parted_geometry(const char *path, unsigned *heads, unsigned *track);
/* The operations of table.h, carried out by parted on the disk itself. ERR_STORAGE with its own words. */
int parted_label(const struct disk *disk, enum label l, struct op *op, struct err *e);
int parted_add(const struct disk *disk, const struct partition *p, const char *format, struct op *op,
               struct err *e);
int parted_delete(const struct disk *disk, const struct partition *p, struct op *op, struct err *e);
int parted_resize(const struct disk *disk, const struct partition *p, uint64_t size, struct op *op,
                  struct err *e);
/* A physical volume on the whole disk: may there be one, make it, take it away. ERR_UNSUPPORTED: a program
 * without LVM. */
int whole_can(struct err *e);
int whole_make(const char *path, struct op *op, struct err *e);
int whole_unmake(const char *path, struct op *op, struct err *e);

/* ---- volumes.c: operations of the table ---- */

int disk_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);
int disk_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                    const struct vol_input *from, unsigned flags, struct err *e);
int disk_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
int disk_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                    unsigned flags, struct err *e);
int disk_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                  struct err *e);
int disk_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                  struct err *e);

#endif
