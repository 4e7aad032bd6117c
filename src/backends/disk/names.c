/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the partitions of a disk are called.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include "backends/disk/disk.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

/* Partitions of a device-mapper disk are called after the name that its disk has there, and the definition
 * may ask for the "p" between; everywhere else it is there where the name ends with a digit, as the kernel
 * has it. */
void disk_name_volumes(const struct pool_def *d, struct disk *disk)
{
	char dir[PATH_MAX], name[NAME_MAX + 1];
	bool mapped = sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", disk->sysname) &&
	              sysfs_attribute(dir, "dm/name", name, sizeof(name));
	const char *base = mapped ? name : disk->sysname;
	size_t len = strlen(base);
	bool separate = len && isdigit((unsigned char)base[len - 1]);

	separate |= mapped && d->source.devices[0].part_separator == 1;
	snprintf(disk->name, sizeof(disk->name), "%.*s%s", NAME_MAX - 1, base, separate ? "p" : "");
	for (char *p = disk->name; *p; p++)
		if (*p == '!')
			*p = '/';
}

void disk_volume_name(const struct disk *disk, unsigned number, char *out, size_t size)
{
	snprintf(out, size, "%s%u", path_base(disk->name), number);
}
