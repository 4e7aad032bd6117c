/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which disk a definition means, and what table it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include "backends/disk/disk.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

int disk_find(const struct pool_def *d, struct disk *disk, struct err *e)
{
	char dir[PATH_MAX];
	int part;

	*disk = (struct disk){ .fd = -1, .image = { .copy = -1, .disk = -1 } };
	require(d->source.ndevices > 0, e);
	disk->spec = d->source.devices[0].path;
	if (device_find(disk->spec, disk->path, sizeof(disk->path), &disk->dev, e) < 0)
		return -1;
	if (!device_sysname(disk->dev, disk->sysname, sizeof(disk->sysname)) ||
	    !sysfs_block("/sys", disk->sysname, dir, &part))
		return err_set(e, ERR_STORAGE, "%s is no disk that the kernel knows", disk->spec);
	if (part)
		return err_set(e, ERR_INVALID,
		               "%s is a partition itself (%s): a disk pool is made on a whole disk",
		               disk->spec, disk->sysname);
	disk_name_volumes(d, disk);
	return 0;
}

/* ---- opening ---- */

/* Not exclusively: its partitions may be mounted. Past the kernel's cache, see table_image.h. */
static int open_disk(struct disk *disk, bool write, struct err *e)
{
	char waits_for[sizeof(e->waits_for)];
	struct hd_geometry geometry;
	uint64_t size = 0;
	int sector = 512;

	snprintf(waits_for, sizeof(waits_for), "device=%.240s", disk->spec);
	if (device_stalled("/sys", disk->sysname))
		return err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                "%s does not answer now (suspended, blocked or offline)", disk->spec);
	disk->fd = open(disk->path, (write ? O_RDWR : O_RDONLY) | O_DIRECT | O_NONBLOCK | O_CLOEXEC);
	if (disk->fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM) && write)
		return err_set(e, ERR_READ_ONLY, "%s is write-protected", disk->spec);
	if (disk->fd < 0)
		return err_sys(e, errno, "cannot open %s", disk->spec);
	if (ioctl(disk->fd, (ioctl_request)BLKGETSIZE64, &size) < 0 ||
	    ioctl(disk->fd, (ioctl_request)BLKSSZGET, &sector) < 0)
		return err_sys(e, errno, "cannot get the size of %s", disk->spec);
	if (size == 0)
		return err_wait(e, ERR_WAIT_DEVICE, waits_for, "%s has no medium", disk->spec);
	if (write && flock(disk->fd, LOCK_EX) < 0)
		return err_sys(e, errno, "cannot lock %s", disk->spec);
	if (table_image_open(&disk->image, disk->fd, disk->spec, size, (unsigned)sector, e) < 0)
		return -1;
	if (ioctl(disk->fd, (ioctl_request)HDIO_GETGEO, &geometry) == 0 && geometry.heads &&
	    geometry.sectors) {
		disk->image.heads = geometry.heads;
		disk->image.track = geometry.sectors;
	}
	return 0;
}

void disk_close(struct disk *disk)
{
	if (disk->image.copy >= 0)
		table_image_close(&disk->image);
	util_close(&disk->fd);
	disk->fd = -1;
}

/* ---- its table ---- */

/* It holds something, and no table that a pool can be made of. */
static int no_table(const struct disk *disk, struct err *e)
{
	char text[128];

	if (streq(disk->content.table, "PMBR"))
		return err_set(e, ERR_WRONG_FORMAT,
		               "%s is protected as a gpt disk, but neither copy of its table can be read",
		               disk->spec);
	if (disk->content.type[0] || disk->content.table[0] || disk->content.ambivalent)
		return err_set(e, ERR_WRONG_FORMAT, "%s has no partition table: it holds %s", disk->spec,
		               device_content_text(&disk->content, text, sizeof(text)));
	return err_set(e, ERR_WRONG_FORMAT, "%s has no partition table (pool-build makes one)", disk->spec);
}

/* A pc98 label means what its writer's geometry makes of it, and here that is parted's. */
static int read_as_parted(struct disk *disk, struct err *e)
{
	if (!parted_geometry(disk->path, &disk->image.heads, &disk->image.track))
		return 0;
	return table_read(&disk->image, LABEL_NONE, &disk->table, e);
}

static int disk_read_table(struct disk *disk, struct err *e)
{
	enum label found = label_from_blkid(disk->content.table);

	if (streq(disk->content.type, "LVM2_member")) {
		disk->table = (struct partition_table){ .label = LABEL_LVM2, .size = disk->image.size };
		return 0;
	}
	if (found == LABEL_NONE &&
	    (disk->content.type[0] || disk->content.table[0] || disk->content.ambivalent))
		return no_table(disk, e);
	if (table_read(&disk->image, found, &disk->table, e) == 0)
		return disk->table.label == LABEL_PC98 ? read_as_parted(disk, e) : 0;
	return e && err_is(e, ERR_WRONG_FORMAT) ? no_table(disk, e) : -1;
}

/* A definition without a label takes the one that is there. */
static int label_matches(const struct pool_def *d, const struct disk *disk, struct err *e)
{
	enum label wanted = label_from_word(d->source.format);

	if (wanted == LABEL_NONE || wanted == disk->table.label)
		return 0;
	return err_set(e, ERR_WRONG_FORMAT, "%s has a %s label, but the definition says %s", disk->spec,
	               label_info(disk->table.label)->word, label_info(wanted)->word);
}

int disk_open(const struct pool_def *d, bool write, struct disk *disk, struct err *e)
{
	if (disk_find(d, disk, e) < 0 || open_disk(disk, write, e) < 0 ||
	    device_content(disk->path, &disk->content, e) < 0 || disk_read_table(disk, e) < 0)
		return -1;
	return label_matches(d, disk, e);
}

int disk_open_blank(const struct pool_def *d, struct disk *disk, struct err *e)
{
	return disk_find(d, disk, e) < 0 ? -1 : open_disk(disk, true, e);
}

int disk_reread(const struct pool_def *d, struct disk *disk, struct err *e)
{
	struct table_image old = disk->image;

	int rc = table_image_open(&disk->image, disk->fd, disk->spec, old.size, old.sector, e);

	disk->image.heads = old.heads;
	disk->image.track = old.track;
	table_image_close(&old);
	if (rc < 0)
		return -1;
	if (device_content(disk->path, &disk->content, e) < 0 || disk_read_table(disk, e) < 0)
		return -1;
	return label_matches(d, disk, e);
}

int disk_commit(struct disk *disk, const struct partition_table *old, struct op *op, struct err *e)
{
	char dir[PATH_MAX];
	struct table_image_commit how = {
		.rank = table_rank, .arg = old, .keep_dir = dir, .keep_name = disk->sysname
	};

	if (!sysfs_path(dir, sizeof(dir), "%s/tables", op->run_dir))
		return err_set(e, ERR_TOO_LONG, "the run directory's name is too long");
	return table_image_commit(&disk->image, &how, e) < 0 ? -1 : 0;
}
