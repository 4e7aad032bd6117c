/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernel's partitions of a disk, made those of its table one by one (BLKPG, linux/blkpg.h). The kernel is
 * never told to read the table anew (BLKRRPART): that needs all partitions to be free, and takes all of them
 * away for a moment. What it knows of a partition that stays is not touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include "backends/disk/disk.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

/* ---- what it has ---- */

static uint64_t attribute_number(const char *dir, const char *name)
{
	char text[32];

	return sysfs_attribute(dir, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

static bool part_read(const char *disk, const char *name, struct kernel_part *out)
{
	char dir[PATH_MAX];
	dev_t dev;

	if (!sysfs_partition(disk, name, &dev) ||
	    !sysfs_path(dir, sizeof(dir), "/sys/class/block/%s/%s", disk, name))
		return false;
	*out = (struct kernel_part){ .number = (unsigned)attribute_number(dir, "partition"),
		                     .start = attribute_number(dir, "start") * 512,
		                     .size = attribute_number(dir, "size") * 512,
		                     .dev = dev };
	return sysfs_path(out->sysname, sizeof(out->sysname), "%s", name);
}

size_t kernel_parts(const char *sysname, struct kernel_part *out, size_t max)
{
	char path[PATH_MAX];

	if (mapped_is(sysname))
		return mapped_parts(sysname, out, max);

	DIR *d = sysfs_path(path, sizeof(path), "/sys/class/block/%s", sysname) ? opendir(path) : NULL;
	struct dirent *entry;
	size_t n = 0;

	while (d && n < max && (entry = readdir(d)))
		if (starts_with(entry->d_name, sysname) && part_read(sysname, entry->d_name, &out[n]))
			n++;
	if (d)
		closedir(d);
	return n;
}

const struct kernel_part *kernel_find(const struct kernel_part *list, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].number == number)
			return &list[i];
	return NULL;
}

bool kernel_part(const char *sysname, unsigned number, struct kernel_part *out)
{
	struct kernel_part list[PARTITIONS_MAX];
	size_t n = kernel_parts(sysname, list, ARRAY_LEN(list));
	const struct kernel_part *k = kernel_find(list, n, number);

	if (k)
		*out = *k;
	return k != NULL;
}

/* ---- changing it ---- */

static int tell(const struct disk *disk, int what, unsigned number, uint64_t start, uint64_t size)
{
	struct blkpg_partition part = { .start = (long long)start,
		                        .length = (long long)size,
		                        .pno = (int)number };
	struct blkpg_ioctl_arg arg = { .op = what, .datalen = sizeof(part), .data = &part };

	if (mapped_is(disk->sysname))
		return mapped_tell(disk, what, number, start, size);
	return ioctl(disk->fd, (ioctl_request)BLKPG, &arg);
}

/* Its links come and go with it, where they are ours; the event of the kernel's would bring that about a
 * moment later. */
static void links_follow(const char *sysname, struct op *op)
{
	if (op->own_devices)
		device_links(sysname, op->run_dir, NULL);
}

static int is_busy(const struct kernel_part *p, struct err *e)
{
	cleanup_buf struct buf who = BUF_INIT;

	if (device_users(p->sysname, &who))
		return err_set(e, ERR_BUSY, "%s is in use (%s)", p->sysname, buf_str(&who));
	return 0;
}

static int part_forget(const struct disk *disk, const struct kernel_part *p, struct op *op, struct err *e)
{
	if (is_busy(p, e) < 0)
		return -1;
	if (tell(disk, BLKPG_DEL_PARTITION, p->number, 0, 0) < 0 && errno != ENXIO)
		return err_sys(e, errno, "the kernel does not let go of %s", p->sysname);
	links_follow(p->sysname, op);
	return 0;
}

int kernel_forget(const struct disk *disk, unsigned number, struct op *op, struct err *e)
{
	struct kernel_part p;

	if (!kernel_part(disk->sysname, number, &p) || part_forget(disk, &p, op, e) == 0)
		return 0;
	return err_wrap(e, ERR_KEEP, "the table of %s is as it was", disk->spec);
}

int kernel_forget_all(const struct disk *disk, struct op *op, struct err *e)
{
	struct kernel_part list[PARTITIONS_MAX];
	size_t n = kernel_parts(disk->sysname, list, ARRAY_LEN(list));
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = is_busy(&list[i], e);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = part_forget(disk, &list[i], op, e);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "the table of %s is as it was", disk->spec) : 0;
}

/* How long the kernel makes it: of an extended partition only what a boot loader may need, so that nobody
 * mounts it over the others. */
static uint64_t kernel_size(const struct disk *disk, const struct partition *p)
{
	return p->kind == PARTITION_EXTENDED ? least(p->size, larger(disk->image.sector, 1024)) : p->size;
}

int kernel_add(const struct disk *disk, const struct partition *p, struct op *op, struct err *e)
{
	struct kernel_part there;

	if (tell(disk, BLKPG_ADD_PARTITION, p->number, p->start, kernel_size(disk, p)) < 0)
		return err_sys(e, errno, "the kernel does not take partition %u of %s", p->number,
		               disk->spec);
	if (kernel_part(disk->sysname, p->number, &there))
		links_follow(there.sysname, op);
	return 0;
}

static int part_follow(const struct disk *disk, const struct partition *p, const struct kernel_part *k,
                       struct err *e)
{
	if (k->size == kernel_size(disk, p) ||
	    tell(disk, BLKPG_RESIZE_PARTITION, p->number, p->start, kernel_size(disk, p)) == 0)
		return 0;
	return err_sys(e, errno, "the kernel does not take the new size of %s", k->sysname);
}

/* Has the kernel this one as the table has it? */
static bool kernel_has(const struct disk *disk, const struct partition *p, const struct kernel_part *list,
                       size_t n)
{
	const struct kernel_part *k = kernel_find(list, n, p->number);

	return k && k->start == p->start && k->size == kernel_size(disk, p);
}

/* Is it in the way of the table's partitions? One that the table moves is, and so is one that the table does
 * not have, or calls the whole disk, where another one comes or grows. All others stay: what is in the table
 * is not all that a kernel may find on a disk (slices of BSD in a dos partition). */
static bool is_in_the_way(const struct disk *disk, const struct kernel_part *list, size_t n,
                          const struct kernel_part *k)
{
	const struct partition *own = table_find(&disk->table, k->number);

	if (own && !own->whole)
		return own->start != k->start;
	for (size_t i = 0; i < disk->table.n; i++) {
		const struct partition *p = &disk->table.list[i];

		if (!p->hidden && !kernel_has(disk, p, list, n) &&
		    k->start < p->start + kernel_size(disk, p) && p->start < k->start + k->size)
			return true;
	}
	return false;
}

/* Those in the way go. They are chosen before any goes: each has a part in what the others are. */
static int clear_the_way(const struct disk *disk, struct kernel_part *list, size_t n, struct op *op,
                         struct err *e)
{
	bool goes[PARTITIONS_MAX];

	for (size_t i = 0; i < n; i++)
		goes[i] = is_in_the_way(disk, list, n, &list[i]);
	for (size_t i = 0; i < n; i++) {
		if (goes[i] && part_forget(disk, &list[i], op, e) < 0)
			return -1;
		if (goes[i])
			list[i].number = 0;
	}
	return 0;
}

bool kernel_agrees(const struct disk *disk, unsigned number)
{
	const struct partition *p = table_find(&disk->table, number);
	struct kernel_part k;
	bool found = kernel_part(disk->sysname, number, &k);

	return p ? found && kernel_has(disk, p, &k, 1) : !found;
}

int kernel_follow(const struct disk *disk, struct op *op, struct err *e)
{
	struct kernel_part list[PARTITIONS_MAX];
	size_t n = kernel_parts(disk->sysname, list, ARRAY_LEN(list));
	int rc = 0;

	if (clear_the_way(disk, list, n, op, e) < 0)
		return -1;
	/* First those that shrink: another one may grow to where they were. */
	for (unsigned grow = 0; grow < 2; grow++)
		for (size_t i = 0; i < disk->table.n; i++) {
			const struct partition *p = &disk->table.list[i];
			const struct kernel_part *k = kernel_find(list, n, p->number);

			if (k && !p->hidden && (kernel_size(disk, p) > k->size) == (grow == 1) &&
			    part_follow(disk, p, k, e) < 0)
				return -1;
		}
	for (size_t i = 0; i < disk->table.n; i++) {
		const struct partition *p = &disk->table.list[i];

		if (!p->hidden && !kernel_find(list, n, p->number) &&
		    kernel_add(disk, p, op, rc == 0 ? e : NULL) < 0)
			rc = -1; /* one that lies beyond the disk's end; the others are there all the same */
	}
	return rc;
}
