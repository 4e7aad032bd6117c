/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Partitions of a disk that device-mapper makes (a multipath device). The kernel has none there: each is a
 * linear map on top, with the name and the uuid that kpartx(8) gives it, "part1-" before the disk's own. What
 * kpartx or multipathd has made is so found, and not made twice: by its uuid, for its name is as who made it
 * was told to call it ("mpatha-part1").
 *
 * Facts: kernel Documentation/admin-guide/device-mapper/linear.rst, linux/dm-ioctl.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/blkpg.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "backends/disk/disk.h"
#include "base/contract.h"
#include "base/util.h"
#include "system/sysfs.h"

#define CONTROL "/dev/mapper/control"
#define ROOM    512 /* of a table of one line */

/* One request: the header, and behind it the line of a table. */
struct mapper_request {
	struct dm_ioctl io;
	char data[ROOM];
};

/* About the map of that uuid. Who gives a name as well asks for another one. */
static struct mapper_request request_for(const char *uuid)
{
	struct mapper_request r = { .io = { .version = { DM_VERSION_MAJOR, 0, 0 },
		                            .data_size = sizeof(r),
		                            .data_start = sizeof(r.io) } };

	snprintf(r.io.uuid, sizeof(r.io.uuid), "%s", uuid);
	return r;
}

static int mapper_ask(struct mapper_request *r, unsigned long what)
{
	cleanup_close int control = open(CONTROL, O_RDWR | O_CLOEXEC);

	return control < 0 ? -1 : ioctl(control, (ioctl_request)what, r);
}

bool mapped_is(const char *sysname)
{
	return starts_with(sysname, "dm-");
}

/* ---- which there are ---- */

/* Where on its disk it begins. */
static bool map_start(const char *uuid, uint64_t *start)
{
	struct mapper_request r = request_for(uuid);
	const struct dm_target_spec *spec = (const void *)((const char *)&r + sizeof(r.io));
	unsigned a, b;

	r.io.flags = DM_STATUS_TABLE_FLAG;
	if (mapper_ask(&r, DM_TABLE_STATUS) < 0 || r.io.target_count != 1 ||
	    !streq(spec->target_type, "linear"))
		return false;
	r.data[ROOM - 1] = '\0';
	return sscanf(r.data + sizeof(*spec), "%u:%u %" SCNu64, &a, &b, start) == 3;
}

static bool mapped_read(const char *sysname, struct kernel_part *out)
{
	char dir[PATH_MAX], uuid[DM_UUID_LEN], number[32], size[32];
	unsigned a, b;

	if (!sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", sysname) ||
	    !sysfs_attribute(dir, "dm/uuid", uuid, sizeof(uuid)) ||
	    sscanf(uuid, "part%u-", &out->number) != 1 || !map_start(uuid, &out->start) ||
	    !sysfs_attribute(dir, "dev", number, sizeof(number)) || sscanf(number, "%u:%u", &a, &b) != 2 ||
	    !sysfs_attribute(dir, "size", size, sizeof(size)))
		return false;
	out->start *= 512;
	out->size = strtoull(size, NULL, 10) * 512;
	out->dev = makedev(a, b);
	return sysfs_path(out->sysname, sizeof(out->sysname), "%s", sysname);
}

size_t mapped_parts(const char *sysname, struct kernel_part *out, size_t max)
{
	char path[PATH_MAX];
	DIR *d = sysfs_path(path, sizeof(path), "/sys/class/block/%s/holders", sysname) ? opendir(path)
	                                                                                : NULL;
	struct dirent *entry;
	size_t n = 0;

	while (d && n < max && (entry = readdir(d)))
		if (mapped_is(entry->d_name) && mapped_read(entry->d_name, &out[n]))
			n++;
	if (d)
		closedir(d);
	return n;
}

/* ---- changing them ---- */

static void part_uuid(const struct disk *disk, unsigned number, char uuid[DM_UUID_LEN])
{
	char dir[PATH_MAX], own[DM_UUID_LEN - sizeof("part4294967295-")] = "";

	if (sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", disk->sysname))
		sysfs_attribute(dir, "dm/uuid", own, sizeof(own));
	snprintf(uuid, DM_UUID_LEN, "part%u-%s", number, own);
}

static int load_and_resume(const struct disk *disk, const char *uuid, uint64_t start, uint64_t size)
{
	struct mapper_request load = request_for(uuid), resume = request_for(uuid);
	struct dm_target_spec *spec = (void *)((char *)&load + sizeof(load.io));

	*spec = (struct dm_target_spec){ .length = size / 512, .target_type = "linear" };
	snprintf(load.data + sizeof(*spec), ROOM - sizeof(*spec), "%u:%u %" PRIu64, major(disk->dev),
	         minor(disk->dev), start / 512);
	load.io.target_count = 1;
	return mapper_ask(&load, DM_TABLE_LOAD) < 0 ? -1 : mapper_ask(&resume, DM_DEV_SUSPEND);
}

/* udev makes /dev/mapper/NAME where it runs. */
static void make_node(const char *name, dev_t dev)
{
	char path[PATH_MAX], target[32];

	snprintf(target, sizeof(target), "../dm-%u", minor(dev));
	if (device_udevd_runs() || !sysfs_path(path, sizeof(path), "/dev/mapper/%s", name))
		return;
	unlink(path); /* of a device that is gone: names are unique in device-mapper */
	symlink(target, path);
}

static int mapped_add(const struct disk *disk, unsigned number, const char *uuid, uint64_t start,
                      uint64_t size)
{
	struct mapper_request create = request_for(uuid), drop = request_for(uuid);

	disk_volume_name(disk, number, create.io.name, sizeof(create.io.name));
	if (mapper_ask(&create, DM_DEV_CREATE) < 0)
		return -1;
	if (load_and_resume(disk, uuid, start, size) < 0) {
		int saved = errno;

		mapper_ask(&drop, DM_DEV_REMOVE);
		errno = saved;
		return -1;
	}
	make_node(create.io.name, (dev_t)create.io.dev);
	return 0;
}

static int map_remove(const char *uuid)
{
	struct mapper_request look = request_for(uuid), drop = request_for(uuid);
	char path[PATH_MAX];

	if (mapper_ask(&look, DM_DEV_STATUS) < 0 || mapper_ask(&drop, DM_DEV_REMOVE) < 0)
		return -1;
	if (sysfs_path(path, sizeof(path), "/dev/mapper/%s", look.io.name) && !device_udevd_runs())
		unlink(path);
	return 0;
}

int mapped_tell(const struct disk *disk, int what, unsigned number, uint64_t start, uint64_t size)
{
	char uuid[DM_UUID_LEN];

	part_uuid(disk, number, uuid);
	if (what == BLKPG_ADD_PARTITION)
		return mapped_add(disk, number, uuid, start, size);
	if (what == BLKPG_DEL_PARTITION)
		return map_remove(uuid);
	return load_and_resume(disk, uuid, start, size);
}
