/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading the kernel's view of devices. Directories and roots are given as paths, so that tests can show
 * trees of their own.
 *
 * Facts: kernel Documentation/ABI (stable/sysfs-block, testing/sysfs-class-…). An attribute that is missing
 * is no error: it depends on the kernel and the device.
 */
#ifndef POOLINIT_SYSTEM_SYSFS_H
#define POOLINIT_SYSTEM_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* snprintf() that says whether all of it fitted. A path that was cut off would be another device's. */
bool sysfs_path(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* First line of an attribute below a device's directory, without its line end; false if it is absent or
 * empty, and out is "" then. */
bool sysfs_attribute(const char *dir, const char *name, char *out, size_t size);
/* Does the first line of that attribute say `value`? False too where there is none. */
bool sysfs_attribute_is(const char *dir, const char *name, const char *value);
/* A binary attribute, as much of it as fits. Its length, or 0. */
size_t sysfs_attribute_bytes(const char *dir, const char *name, unsigned char *out, size_t size);
/* What the link dir/subsystem names: "pci", "scsi"; empty for directories that are no devices. */
void sysfs_subsystem(const char *dir, char *out, size_t size);
/* Cut the last component off. False at the top. */
bool sysfs_to_parent(char *dir);
/* A block device's real directory (PATH_MAX); for a partition that of its disk, and *part its number (else
 * 0). False: no such device. `sys` is "/sys", or a test's own tree. */
bool sysfs_block(const char *sys, const char *sysname, char *dir, int *part);
/* Is `name` a partition of the disk (both are the kernel's names)? And which device it is. */
bool sysfs_partition(const char *disk, const char *name, dev_t *dev);
/* The kernel's name for a device number: "sda1", or "cciss!c0d0", where '!' stands for '/'. False: it is
 * gone, or the name does not fit. */
bool device_sysname(dev_t dev, char *out, size_t size);

#endif
