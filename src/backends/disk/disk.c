/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * disk: a whole disk with a partition table; its partitions are the volumes. Specification: storage.html,
 * "Disk volume pools".
 *
 * A start only looks, tells the kernel of partitions that it does not know (it reads no bsd and pc98 label),
 * and mends the second copy of a gpt. A stop has nothing to do: the partitions stay.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/disk/disk.h"
#include "backends/identity.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/format.h"
#include "system/links.h"
#include "system/sysfs.h"

/* ---- what it stands on ---- */

/* The disk with its size, and each partition with where it is: an event that changes none of it is none of
 * the pool's. */
static int disk_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	struct kernel_part list[PARTITIONS_MAX];
	char path[PATH_MAX], size[32] = "";
	struct disk disk;
	size_t n;

	(void)op;
	if (disk_find(d, &disk, e) < 0)
		return -1;
	if (sysfs_path(path, sizeof(path), "/sys/class/block/%s/size", disk.sysname))
		file_read_line(AT_FDCWD, path, size, sizeof(size));
	buf_printf(words, " %s=%s", disk.sysname, size);
	device_below(disk.sysname, words);
	n = kernel_parts(disk.sysname, list, ARRAY_LEN(list));
	for (size_t i = 0; i < n; i++)
		buf_printf(words, " %s=%llu+%llu", list[i].sysname, (unsigned long long)list[i].start,
		           (unsigned long long)list[i].size);
	return 0;
}

static int disk_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	(void)op;
	require(d->source.ndevices > 0, e);
	identity_device(d->source.devices[0].path, NULL, facts);
	return 0;
}

/* ---- check, start ---- */

static int disk_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                      struct err *e)
{
	cleanup_disk struct disk disk;
	struct err why = { 0 };

	(void)detail, (void)e;
	*state = STATE_INACTIVE;
	if (disk_open(d, false, &disk, &why) < 0) {
		snprintf(op->why, sizeof(op->why), "%.390s", why.message);
		return 0;
	}
	*state = STATE_ACTIVE;
	if (disk.table.label == LABEL_PC98 && !spawn_find("parted"))
		snprintf(op->warning, sizeof(op->warning),
		         "where the partitions of %.80s lie is guessed: a pc98 label does not say by which "
		         "geometry it was made (parted, where it is installed, would)",
		         disk.spec);
	if (disk.table.primary_bad)
		snprintf(
			op->warning, sizeof(op->warning),
			"the first copy of the gpt of %.80s is damaged; the second one is used, and the next "
			"change of a partition mends the first",
			disk.spec);
	return 0;
}

/* Only the second copy: whoever has damaged the first may have meant another label to be there. */
static int mend_backup(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_disk struct disk disk;

	if (disk_open(d, true, &disk, e) < 0)
		return -1;
	if (disk.table.primary_bad || !disk.table.backup_bad)
		return 0;
	if (table_mend(&disk.image, &disk.table, e) < 0 || disk_commit(&disk, &disk.table, op, e) < 0)
		return -1;
	op_note(op,
	        "the second copy of the gpt of %s was damaged or not at the disk's end: it was written anew",
	        disk.spec);
	return 0;
}

static int disk_start(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_disk struct disk disk;
	struct err why = { 0 };

	if (disk_open(d, false, &disk, e) < 0)
		return -1;
	if (disk.table.label == LABEL_LVM2)
		return 0;
	if (kernel_follow(&disk, op, &why) < 0)
		op_note(op, "not all partitions of %s are there: %s", disk.spec, why.message);
	if (disk.table.cut)
		op_note(op,
		        "%s has more partitions than the %zu that are listed, and is not changed for that",
		        disk.spec, disk.table.n);
	if (!disk.table.primary_bad && disk.table.backup_bad && mend_backup(d, op, &why) < 0)
		op_note(op, "the second copy of the gpt of %s is damaged, and cannot be mended: %s",
		        disk.spec, why.message);
	return 0;
}

/* ---- build, delete ---- */

/* All that is to be refused is refused before anything is written. A definition that does not say which label
 * gets a dos one, as in libvirt. */
static int label_to_make(const struct pool_def *d, enum label *l, struct err *e)
{
	*l = label_from_word(d->source.format);
	if (*l == LABEL_NONE)
		*l = LABEL_DOS;
	if (*l == LABEL_LVM2)
		return whole_can(e);
	return label_info(*l)->fdisk ? 0 : parted_can(*l, e);
}

/* The old signatures go first, so that a cut leaves an empty disk and not two kinds of content. */
static int make_label(const struct pool_def *d, enum label l, struct op *op, struct err *e)
{
	cleanup_disk struct disk disk;

	if (disk_find(d, &disk, e) < 0 || format_wipe_ends(disk.path, e) < 0)
		return -1;
	if (l == LABEL_LVM2)
		return whole_make(disk.path, op, e);
	if (!label_info(l)->fdisk)
		return parted_label(&disk, l, op, e);
	if (disk_open_blank(d, &disk, e) < 0 || table_create(&disk.image, l, e) < 0 ||
	    disk_commit(&disk, NULL, op, e) < 0 || disk_reread(d, &disk, e) < 0)
		return -1;
	return kernel_follow(&disk, op, e);
}

/* Is the disk a volume of another pool, by this name? */
static int spare(struct op *op, const char *spec, const char *name, struct err *e)
{
	const char *owner = op->volume_owner ? op->volume_owner(op, name) : NULL;

	if (!owner)
		return 0;
	return err_set(e, ERR_EXISTS,
	               "%s is a volume of pool \"%s\" (%s): nothing was written (--overwrite, which needs "
	               "the level \"admin\", goes over it)",
	               spec, owner, name);
}

/* Pools call their volumes by these names. */
static int spare_links(struct op *op, const struct disk *disk, const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	struct stat st;
	int rc = 0;

	while (d && rc == 0 && (entry = readdir(d))) {
		char path[PATH_MAX];

		if (entry->d_name[0] != '.' && fstatat(dirfd(d), entry->d_name, &st, 0) == 0 &&
		    S_ISBLK(st.st_mode) && st.st_rdev == disk->dev &&
		    sysfs_path(path, sizeof(path), "%s/%s", dir, entry->d_name))
			rc = spare(op, disk->spec, path, e);
	}
	if (d)
		closedir(d);
	return rc;
}

/* A LUN or a logical volume that another pool lists may be a guest's disk, though it looks empty. ERR_EXISTS
 * names the pool. */
static int spare_volumes(struct op *op, const struct disk *disk, struct err *e)
{
	if (spare(op, disk->spec, disk->spec, e) < 0 || spare(op, disk->spec, disk->path, e) < 0)
		return -1;
	return spare_links(op, disk, "/dev/disk/by-path", e) < 0
	               ? -1
	               : spare_links(op, disk, "/dev/disk/by-id", e);
}

static int drop_maps(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_disk struct disk disk;

	return disk_open_blank(d, &disk, e) < 0 ? -1 : kernel_forget_all(&disk, op, e);
}

/* May it be written to? Partitions that device-mapper makes would count as users of their disk: those that
 * are to be overwritten go first, and come back if somebody else uses it. */
static int disk_claim(const struct pool_def *d, const struct disk *disk, bool overwrite, struct op *op,
                      struct err *e)
{
	bool maps = overwrite && mapped_is(disk->sysname);
	struct err ignored = { 0 };
	char path[PATH_MAX];
	dev_t dev;

	if (maps && drop_maps(d, op, e) < 0)
		return -1;
	if (format_claim(disk->spec, overwrite, path, sizeof(path), &dev, e) == 0)
		return 0;

	cleanup_disk struct disk again = { .fd = -1, .image = { .copy = -1 } };

	if (maps && disk_open(d, false, &again, &ignored) == 0)
		kernel_follow(&again, op, &ignored);
	return -1;
}

static int disk_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	cleanup_disk struct disk disk = { .fd = -1, .image = { .copy = -1 } };
	bool overwrite = flags & BUILD_OVERWRITE;
	enum label l;

	if (label_to_make(d, &l, e) < 0 || disk_find(d, &disk, e) < 0 ||
	    (!overwrite && spare_volumes(op, &disk, e) < 0) || disk_claim(d, &disk, overwrite, op, e) < 0 ||
	    disk_open_blank(d, &disk, e) < 0 || kernel_forget_all(&disk, op, e) < 0)
		return -1;
	disk_close(&disk); /* what follows wants it for itself */
	return make_label(d, l, op, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot make a %s label", label_info(l)->word)
	               : 0;
}

/* Only a table that the definition means: a disk that holds something else now is not the pool's. */
static int disk_delete(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_disk struct disk disk;
	char path[PATH_MAX];
	dev_t dev;

	if (disk_open(d, true, &disk, e) < 0)
		return -1;
	/* its own partitions go first: those of a device-mapper disk would count as its users */
	if (kernel_forget_all(&disk, op, e) < 0 ||
	    format_claim(disk.spec, true, path, sizeof(path), &dev, e) < 0) {
		kernel_follow(&disk, op, NULL);
		return -1;
	}
	disk_close(&disk);
	if (disk.table.label == LABEL_LVM2)
		return whole_unmake(path, op, e);
	return format_wipe_ends(path, e);
}

const struct backend disk_backend = {
	.type = POOL_DISK,
	.summary = "a disk with a partition table; its partitions",
	.waits_for = WAIT_DEVICE,
	.needs_disk = true,
	.image = IMAGE("disk", "", "sd_mod ~dm-mod", ""),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(10),
	              .refresh = SECONDS(30),
	              .check = SECONDS(15) },
	.check = disk_check,
	.ground = disk_ground,
	.start = disk_start,
	.build = disk_build,
	.delete = disk_delete,
	.identify = disk_identify,
	.refresh = disk_refresh,
	.vol_create = disk_vol_create,
	.vol_delete = disk_vol_delete,
	.vol_resize = disk_vol_resize,
	.vol_wipe = disk_vol_wipe,
	.vol_open = disk_vol_open,
	.vol_identify = identity_volume,
};
