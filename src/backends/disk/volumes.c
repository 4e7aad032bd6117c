/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Partitions as volumes: listed, made, deleted, resized.
 *
 * A change is worked out on a copy of the table first. What has to go from the kernel goes before the table
 * is written, because the kernel alone knows for sure whether it is in use; what comes or grows follows
 * after. Where the kernel then refuses what is new, the table is put back.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/disk/disk.h"
#include "base/contract.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"
#include "volumes/block.h"

/* ---- listing ---- */

/* The name below the pool's target that leads to the partition: the first by the alphabet, so that it is the
 * same one each time. The kernel's own, where there is none (yet). */
static void stable_path(const struct pool_def *d, const struct kernel_part *k, char *out, size_t size)
{
	DIR *dir = streq(d->target.path, "/dev") ? NULL : opendir(d->target.path);
	char best[NAME_MAX + 1] = "";
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    S_ISBLK(st.st_mode) && st.st_rdev == k->dev &&
		    (!best[0] || strcmp(entry->d_name, best) < 0))
			snprintf(best, sizeof(best), "%s", entry->d_name);
	if (dir)
		closedir(dir);
	if (best[0])
		sysfs_path(out, size, "%s/%s", d->target.path, best);
	else
		device_node(k->dev, out, size);
}

static uint64_t logical_bytes(const struct partition_table *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].kind == PARTITION_LOGICAL)
			sum += t->list[i].size;
	return sum;
}

/* k: as the kernel has it, or NULL. */
static void partition_report(const struct pool_def *d, const struct disk *disk, const struct partition *p,
                             const struct kernel_part *k, struct op *op)
{
	char name[NAME_MAX + 1], path[PATH_MAX] = "";
	struct volume v = { .name = name,
		            .type = "block",
		            .key = path,
		            .path = path,
		            .format = p->format,
		            .capacity = p->size,
		            .allocation = p->kind == PARTITION_EXTENDED ? logical_bytes(&disk->table)
		                                                        : p->size,
		            .devices = disk->spec,
		            .extent_start = p->start,
		            .extent_end = p->start + p->size };
	struct stat st;

	disk_volume_name(disk, p->number, name, sizeof(name));
	if (k) {
		stable_path(d, k, path, sizeof(path));
	} else {
		sysfs_path(path, sizeof(path), "/dev/%s%u", disk->name, p->number);
		v.problem = "the kernel has no such partition";
	}
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
		v.has_perms = true;
		v.mode = st.st_mode & 07777;
		v.owner = st.st_uid;
		v.group = st.st_gid;
	}
	op->on_volume(op, &v);
}

/* Free space is told as libvirt has it: what is outside of an extended partition, and what is in it. */
static void report_free(const struct disk *disk, struct op *op, struct pool_sizes *sizes)
{
	struct free_span list[2 * PARTITIONS_MAX + 1];

	for (unsigned logical = 0; logical < 2; logical++) {
		size_t n = space_free(&disk->table, logical, list, ARRAY_LEN(list));

		for (size_t i = 0; i < n; i++) {
			sizes->available += list[i].end - list[i].start;
			buf_printf(&op->free_extents, "%s%" PRIu64 "-%" PRIu64,
			           op->free_extents.len ? " " : "", list[i].start, list[i].end);
		}
	}
}

int disk_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct kernel_part list[PARTITIONS_MAX];
	cleanup_disk struct disk disk;
	size_t n;

	if (disk_open(d, false, &disk, e) < 0)
		return -1;
	sizes->capacity = disk.table.size;
	if (disk.table.label == LABEL_LVM2) {
		sizes->allocation = disk.table.size;
		return 0;
	}
	n = kernel_parts(disk.sysname, list, ARRAY_LEN(list));
	for (size_t i = 0; i < disk.table.n; i++) {
		const struct partition *p = &disk.table.list[i];

		if (p->hidden)
			continue;
		partition_report(d, &disk, p, kernel_find(list, n, p->number), op);
		if (p->kind != PARTITION_EXTENDED)
			sizes->allocation += p->size;
	}
	report_free(&disk, op, sizes);
	return 0;
}

/* ---- what a change has in common ---- */

static int open_to_change(const struct pool_def *d, struct disk *disk, struct err *e)
{
	if (disk_open(d, true, disk, e) < 0)
		return -1;
	if (disk->table.label == LABEL_LVM2)
		return err_set(e, ERR_UNSUPPORTED, "%s is a physical volume as a whole: it has no partitions",
		               disk->spec);
	return disk->table.foreign ? parted_can(disk->table.label, e) : 0;
}

static const struct partition *find_partition(const struct disk *disk, const char *name, struct err *e)
{
	char text[NAME_MAX + 1];

	for (size_t i = 0; i < disk->table.n; i++) {
		disk_volume_name(disk, disk->table.list[i].number, text, sizeof(text));
		if (!disk->table.list[i].hidden && streq(text, name))
			return &disk->table.list[i];
	}
	err_set(e, ERR_NO_VOLUME, "%s has no partition %s now", disk->spec, name);
	return NULL;
}

/* The kernel has been told of something that did not come to be, or the table was put back. */
static int undo_change(const struct pool_def *d, struct disk *disk, struct op *op)
{
	struct err ignored = { 0 };

	if (disk_reread(d, disk, &ignored) == 0 && kernel_follow(disk, op, &ignored) == 0)
		return -1;
	op_note(op, "the kernel's partitions of %s are not those of its table: %s", disk->spec,
	        ignored.message);
	return -1;
}

/* The changed copy to the disk, where parted has not written there itself, and then to the kernel. What that
 * says of other partitions than the changed one (one lies behind the disk's end) is no failure. */
static int carry_out(const struct pool_def *d, struct disk *disk, const struct partition_table *old,
                     unsigned number, struct op *op, struct err *e)
{
	struct err why = { 0 };

	if (!old->foreign && disk_commit(disk, old, op, e) < 0)
		return undo_change(d, disk, op);
	if (disk_reread(d, disk, e) < 0)
		return -1;
	if (kernel_follow(disk, op, &why) == 0)
		return 0;
	if (kernel_agrees(disk, number)) {
		op_note(op, "the kernel does not have all partitions of %s: %s", disk->spec, why.message);
		return 0;
	}
	if (e)
		*e = why;
	return err_wrap(e, ERR_KEEP, "the kernel does not take what has changed on %s", disk->spec);
}

/* ---- create ---- */

/* The lowest number that is free. 0: none is. */
static unsigned free_number(const struct partition_table *t)
{
	for (unsigned n = 1; n <= label_info(t->label)->entries; n++)
		if (!table_find(t, n) && !(t->label == LABEL_DVH && (n == 9 || n == 11)) &&
		    !((t->label == LABEL_SUN || t->label == LABEL_BSD) && n == 3))
			return n;
	return 0;
}

static unsigned next_logical(const struct partition_table *t)
{
	unsigned n = 5;

	while (table_find(t, n))
		n++;
	return n;
}

static int say_no_place(const struct disk *disk, uint64_t size, uint64_t largest, unsigned number,
                        struct err *e)
{
	if (!number)
		return err_set(e, ERR_NO_SPACE, "the %s label of %s has no room for another partition%s",
		               label_info(disk->table.label)->word, disk->spec,
		               disk->table.label == LABEL_DOS && !table_extended(&disk->table)
		                       ? " (delete one, and make an extended one in its place)"
		                       : "");
	return err_set(e, ERR_NO_SPACE,
	               "%s has no free place for %" PRIu64 " bytes: the largest has room for %" PRIu64,
	               disk->spec, size, largest);
}

/* Which partition it will be, and where. A primary one as long as there may be one; in dos then a logical
 * one. */
static int choose_place(const struct disk *disk, const char *format, uint64_t size, struct partition *p,
                        struct err *e)
{
	const struct partition_table *t = &disk->table;
	bool extended = streq(format, "extended");
	uint64_t largest = 0, inside = 0;
	struct free_span at;

	*p = (struct partition){ .kind = extended ? PARTITION_EXTENDED : PARTITION_PRIMARY,
		                 .number = free_number(t),
		                 .size = size };
	if (extended && table_extended(t))
		return err_set(e, ERR_EXISTS, "%s has an extended partition already", disk->spec);
	if (p->number && space_place(t, false, size, &at, &largest)) {
		p->start = at.start;
		return 0;
	}
	if (!extended && table_extended(t) && space_place(t, true, size, &at, &inside)) {
		p->kind = PARTITION_LOGICAL;
		p->number = next_logical(t);
		p->start = at.start;
		return 0;
	}
	return say_no_place(disk, size, larger(p->number ? largest : 0, inside),
	                    p->number || table_extended(t) ? 1 : 0, e);
}

/* The name of a gpt partition: what <path> of the document calls it below /dev/disk/by-partlabel. */
static const char *label_wanted(const struct volume_def *v, const struct partition_table *t)
{
	static const char dir[] = "/dev/disk/by-partlabel/";

	return t->label == LABEL_GPT && v->path && starts_with(v->path, dir) ? v->path + strlen(dir) : NULL;
}

/* A gpt has room for 36 units of UTF-16, and libfdisk cuts the rest off. */
static int check_label(const char *name, struct err *e)
{
	enum { UNITS = 36 };
	size_t n = 0;

	for (const char *c = name; *c; c++) {
		n += ((unsigned char)*c & 0xc0) != 0x80;
		n += (unsigned char)*c >= 0xf0; /* two of them */
	}
	if (n == 0 || n > UNITS || strchr(name, '/'))
		return err_set(
			e, ERR_INVALID,
			"a gpt partition cannot be called \"%.120s\": its name has 1 to %d characters, "
			"and no '/'",
			name, UNITS);
	return 0;
}

static int check_wish(const struct disk *disk, const struct volume_def *v, const struct vol_input *from,
                      uint64_t capacity, struct err *e)
{
	const char *format = v->format ? v->format : "none";

	if (v->encryption.format || v->backing.given)
		return err_set(e, ERR_UNSUPPORTED, "a partition has no backing store and no encryption");
	if (!format_is_known(disk->table.label, format))
		return err_set(e, ERR_UNSUPPORTED, "a %s label has no partitions of format %s",
		               label_info(disk->table.label)->word, format);
	if (from && streq(format, "extended"))
		return err_set(e, ERR_UNSUPPORTED,
		               "an extended partition holds others, and no bytes of its own: nothing can be "
		               "copied into it");
	if (capacity == 0)
		return err_set(e, ERR_INVALID, "a partition of 0 bytes cannot be made");
	return label_wanted(v, &disk->table) ? check_label(label_wanted(v, &disk->table), e) : 0;
}

/* The number decides about the name, as it does for the kernel. */
static int check_name(const struct disk *disk, const struct partition *p, const struct volume_def *v,
                      struct err *e)
{
	char name[NAME_MAX + 1];

	disk_volume_name(disk, p->number, name, sizeof(name));
	if (streq(name, v->name))
		return 0;
	return err_set(
		e, ERR_INVALID,
		"the next partition of %s is called %s, and not %.100s: a volume of a disk pool has the "
		"name that the kernel will give it",
		disk->spec, name, v->name);
}

static int add(struct disk *disk, const struct partition_table *old, const struct partition *p,
               const struct volume_def *v, struct op *op, struct err *e)
{
	const char *format = v->format ? v->format : "none";

	if (old->foreign)
		return parted_add(disk, p, format, op, e);
	return table_add(&disk->image, old, p, format, label_wanted(v, old), e);
}

/* It is in the table as `now`, but the kernel has not taken it: make it `size` again, 0: not there. */
static int take_back(const struct pool_def *d, struct disk *disk, const struct partition *now, uint64_t size,
                     struct op *op)
{
	const struct partition *p = table_find(&disk->table, now->number);
	struct err why = { 0 };
	int rc = 0;

	if (!p || p->start != now->start)
		return undo_change(d, disk, op);
	if (disk->table.foreign)
		rc = size ? parted_resize(disk, p, size, op, &why) : parted_delete(disk, p, op, &why);
	else if ((rc = size ? table_resize(&disk->image, &disk->table, p, size, &why)
	                    : table_delete(&disk->image, &disk->table, p, &why)) == 0)
		rc = disk_commit(disk, &disk->table, op, &why);
	if (rc < 0)
		op_note(op, "the table of %s cannot be put back: %s", disk->spec, why.message);
	return undo_change(d, disk, op);
}

/* Copy into it before it is in the table: only the kernel has it meanwhile. So whatever cuts the copy off,
 * the table never names half of one. */
static int fill(const struct pool_def *d, const struct disk *disk, const struct partition *p,
                const struct volume_def *v, const struct vol_input *from, struct op *op, struct err *e)
{
	struct kernel_part made;
	char node[PATH_MAX];
	struct err why = { 0 };
	int rc = -1;

	/* The worker of a copy before this one may have been killed. */
	if (kernel_forget(disk, p->number, op, e) < 0 || kernel_add(disk, p, op, e) < 0)
		return -1;
	if (kernel_part(disk->sysname, p->number, &made) && device_node(made.dev, node, sizeof(node)) == 0)
		rc = block_vol_fill(node, d, v, from, op, e);
	else
		err_set(e, ERR_STORAGE, "the kernel has lost the new partition %u of %s", p->number,
		        disk->spec);
	if (kernel_forget(disk, p->number, op, &why) < 0 && rc == 0) {
		if (e)
			*e = why;
		return -1;
	}
	return rc;
}

int disk_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                    const struct vol_input *from, unsigned flags, struct err *e)
{
	const char *format = v->format ? v->format : "none";
	uint64_t capacity = v->capacity || !from ? v->capacity : from->volume->capacity;
	cleanup_disk struct disk disk;
	struct partition p;

	(void)flags;
	if (open_to_change(d, &disk, e) < 0 || table_may_change(&disk.image, &disk.table, NULL, 0, e) < 0 ||
	    check_wish(&disk, v, from, capacity, e) < 0 ||
	    choose_place(&disk, format, space_round_up(&disk.table, capacity), &p, e) < 0 ||
	    check_name(&disk, &p, v, e) < 0 || (from && fill(d, &disk, &p, v, from, op, e) < 0))
		return -1;

	const struct partition_table old = disk.table;

	if (add(&disk, &old, &p, v, op, e) < 0)
		return -1;
	return carry_out(d, &disk, &old, p.number, op, e) == 0 ? 0 : take_back(d, &disk, &p, 0, op);
}

/* ---- delete ---- */

/* Logical partitions behind it change their number: their devices go and come back under another name. */
static int forget_with_followers(const struct disk *disk, const struct partition *p, struct op *op,
                                 struct err *e)
{
	for (size_t i = 0; p->kind == PARTITION_LOGICAL && i < disk->table.n; i++) {
		const struct partition *other = &disk->table.list[i];

		if (other->kind == PARTITION_LOGICAL && other->number > p->number &&
		    kernel_forget(disk, other->number, op, e) < 0)
			return err_wrap(e, ERR_KEEP, "logical partitions behind it would get other numbers");
	}
	return kernel_forget(disk, p->number, op, e);
}

int disk_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	cleanup_disk struct disk disk;
	const struct partition *p;

	if (open_to_change(d, &disk, e) < 0 || !(p = find_partition(&disk, v->name, e)) ||
	    table_may_change(&disk.image, &disk.table, p, 0, e) < 0)
		return -1;
	if (p->kind == PARTITION_EXTENDED && logical_bytes(&disk.table))
		return err_set(e, ERR_BUSY, "%s holds logical partitions: delete them first", v->name);

	const struct partition_table old = disk.table;
	const struct partition gone = *p;

	if (forget_with_followers(&disk, &gone, op, e) < 0 ||
	    (old.foreign ? parted_delete(&disk, &gone, op, e) : table_delete(&disk.image, &old, &gone, e)) <
	            0)
		return undo_change(d, &disk, op);
	return carry_out(d, &disk, &old, gone.number, op, e);
}

/* ---- resize ---- */

/* Where the last logical partition in it ends: an extended one does not become smaller than that. */
static uint64_t least_size(const struct partition_table *t, const struct partition *p)
{
	uint64_t end = p->start + t->sector;

	for (size_t i = 0; p->kind == PARTITION_EXTENDED && i < t->n; i++)
		if (t->list[i].kind == PARTITION_LOGICAL)
			end = larger(end, t->list[i].start + t->list[i].size);
	return end - p->start;
}

static int check_size(const struct disk *disk, const struct partition *p, const char *name, uint64_t size,
                      unsigned flags, struct err *e)
{
	uint64_t room = space_room(&disk->table, p);
	cleanup_buf struct buf who = BUF_INIT;
	struct kernel_part k;

	if (size > room)
		return err_set(e, ERR_NO_SPACE,
		               "%s cannot have %" PRIu64
		               " bytes: with the free space behind it it has room for "
		               "%" PRIu64,
		               name, size, room);
	if (size == 0)
		return err_set(e, ERR_INVALID, "%s cannot have 0 bytes (vol-delete takes it away)", name);
	if (size >= p->size)
		return 0;
	if (!(flags & VOL_SHRINK))
		return err_set(e, ERR_INVALID,
		               "%s is larger than that: what is behind the new end would be lost (--shrink)",
		               name);
	if (disk->table.foreign)
		return err_set(e, ERR_UNSUPPORTED,
		               "parted, which writes this label, makes no partition smaller "
		               "without asking: delete %s and make it anew",
		               name);
	if (size < least_size(&disk->table, p))
		return err_set(e, ERR_BUSY, "%s holds logical partitions behind that", name);
	if (p->kind != PARTITION_EXTENDED && kernel_part(disk->sysname, p->number, &k) &&
	    device_users(k.sysname, &who))
		return err_set(e, ERR_BUSY, "%s is in use (%s): it is not made smaller", name, buf_str(&who));
	return 0;
}

int disk_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                    unsigned flags, struct err *e)
{
	cleanup_disk struct disk disk;
	const struct partition *p;
	uint64_t size;

	if (open_to_change(d, &disk, e) < 0 || !(p = find_partition(&disk, v->name, e)))
		return -1;
	size = space_round_up(&disk.table, capacity);
	if (check_size(&disk, p, v->name, size, flags, e) < 0 || size == p->size)
		return size == p->size ? 0 : -1;

	const struct partition_table old = disk.table;
	const struct partition was = *p;

	if ((old.foreign ? parted_resize(&disk, &was, size, op, e)
	                 : table_resize(&disk.image, &old, &was, size, e)) < 0)
		return -1;
	return carry_out(d, &disk, &old, was.number, op, e) == 0 ? 0
	                                                         : take_back(d, &disk, &was, was.size, op);
}

/* ---- bytes ---- */

static int has_own_bytes(const struct volume *v, struct err *e)
{
	if (v->format && streq(v->format, "extended"))
		return err_set(e, ERR_UNSUPPORTED,
		               "%s is an extended partition: it holds others, and no bytes of its own",
		               v->name);
	return 0;
}

int disk_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                  struct err *e)
{
	return has_own_bytes(v, e) < 0 ? -1 : block_vol_wipe(d, op, v, algorithm, e);
}

int disk_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                  struct err *e)
{
	return has_own_bytes(v, e) < 0 ? -1 : block_vol_open(d, op, v, write, size, e);
}
