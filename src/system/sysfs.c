/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading the kernel's view of devices.
 *
 * Attributes are small, are read in one go, and may vanish between two reads: whatever cannot be read is
 * simply not known.
 */
#include "system/sysfs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

bool sysfs_path(char *out, size_t size, const char *fmt, ...)
{
	demand_or(out && size > 0, false);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size;
}

bool sysfs_attribute(const char *dir, const char *name, char *out, size_t size)
{
	demand_or(dir && name && out && size > 0, false);

	char path[PATH_MAX];

	return sysfs_path(path, sizeof(path), "%s/%s", dir, name) &&
	       file_read_line(AT_FDCWD, path, out, size) > 0;
}

bool sysfs_attribute_is(const char *dir, const char *name, const char *value)
{
	char text[64];

	return sysfs_attribute(dir, name, text, sizeof(text)) && streq(text, value);
}

void sysfs_subsystem(const char *dir, char *out, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n = -1;

	if (sysfs_path(path, sizeof(path), "%s/subsystem", dir))
		n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	sysfs_path(out, size, "%s", path_base(target));
}

bool sysfs_to_parent(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return false;
	*slash = '\0';
	return true;
}

bool sysfs_block(const char *sys, const char *sysname, char *dir, int *part)
{
	demand_or(sys && sysname && dir && part, false);

	char path[PATH_MAX], number[16];

	*part = 0;
	if (!sysfs_path(path, sizeof(path), "%s/class/block/%s", sys, sysname) || !realpath(path, dir))
		return false;
	if (sysfs_attribute(dir, "partition", number, sizeof(number))) {
		*part = atoi(number);
		return sysfs_to_parent(dir);
	}
	return true;
}

bool sysfs_partition(const char *disk, const char *name, dev_t *dev)
{
	demand_or(disk && name && dev, false);

	char dir[PATH_MAX], number[32];
	unsigned major, minor;

	if (!sysfs_path(dir, sizeof(dir), "/sys/class/block/%s/%s", disk, name) ||
	    !sysfs_attribute(dir, "partition", number, sizeof(number)) ||
	    !sysfs_attribute(dir, "dev", number, sizeof(number)) ||
	    sscanf(number, "%u:%u", &major, &minor) != 2)
		return false;
	*dev = makedev(major, minor);
	return true;
}

size_t sysfs_attribute_bytes(const char *dir, const char *name, unsigned char *out, size_t size)
{
	char path[PATH_MAX];
	cleanup_close int fd = sysfs_path(path, sizeof(path), "%s/%s", dir, name)
	                               ? open(path, O_RDONLY | O_CLOEXEC)
	                               : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);

	return n > 0 ? (size_t)n : 0;
}

bool device_sysname(dev_t dev, char *out, size_t size)
{
	demand_or(out && size > 0, false);

	char path[64], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	return (size_t)snprintf(out, size, "%s", path_base(link)) < size;
}
