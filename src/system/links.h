/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stable names of block devices, made from sysfs by the same rules as udev's (60-persistent-storage.rules,
 * path_id, scsi_id), and who uses a device. What device.h offers on top works on /sys and /dev; here the
 * roots are given, so that tests can bring their own.
 */
#ifndef POOLINIT_SYSTEM_LINKS_H
#define POOLINIT_SYSTEM_LINKS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

struct device_roots {
	const char *sys; /* "/sys" */
	const char *dev; /* "/dev" */
	const char *run; /* which links are ours is kept in run/links/NAME */
};

/* Write the name by the way to the device: "pci-0000:00:05.0", "ip-192.0.2.7:3260-iscsi-iqn.…-lun-1", with
 * "-partN" for a partition. -1: nothing stable leads there, or udev's rules for that bus are not known here.
 */
int link_by_path(const char *sys, const char *sysname, char *out, size_t size);

/* "-boot0" for "mmcblk0boot0", else "": an eMMC's boot areas are disks of their own at the same place and
 * with the same serial number. */
const char *link_boot_area(const char *sysname, char *out, size_t size);
/* Write what scsi_id(8) prints with --whitelisted --replace-whitespace: "3600…", "1IET_0001…". *naa (may be
 * NULL): it is a world wide name. -1: the device does not say. Read from sysfs, which has the pages that the
 * kernel has read: the device is not asked. */
int link_scsi_serial(const char *sys, const char *sysname, char *out, size_t size, bool *naa);
/* Does nobody else have such a serial number: is it a world wide name (NAA, EUI-64) with its maker's number
 * in it? NAA's kind 3 is anybody's to give. LUNs of tgt have no maker, and two of its servers the same names.
 */
bool link_serial_is_unique(const char *serial);
/* Would a read wait for somebody: is the device suspended in device-mapper, or a SCSI or NVMe disk whose
 * connection is lost, or on top of such a one? */
bool device_stalled(const char *sys, const char *sysname);
/* One device while its names are collected. */
struct link_names {
	const struct device_roots *roots;
	const char *sysname; /* "sda1" */
	char dir[PATH_MAX];  /* of the disk, in /sys/devices */
	char part[16];       /* "", "-part1" */
	struct buf *out;
};
/* Append one name, and what ends it. */
void link_name_add(struct link_names *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* by_id.c: by-id names that need no look at the content. */
void link_names_by_id(struct link_names *n);

/* Append all link names below dev ("disk/by-id/…"), one a line. `content`: look at what is on the device,
 * too, which may block. Nothing is appended for devices that have no names: RAM disks, floppies, hidden
 * parts of logical volumes. */
void link_names(const struct device_roots *r, const char *sysname, bool content, struct buf *out);
/* Make links that are missing, take away what this device no longer is called. A name that another device
 * has stays with it. `content`: as above; without it the names stay that the content gave before. The list
 * of our links is written before stale ones go, so that a crash leaves none that nobody remembers. */
int links_update(const struct device_roots *r, const char *sysname, bool content, struct err *e);
/* The same for every block device of the machine. */
int links_update_all(const struct device_roots *r, struct err *e);

/* Who uses a block device or one of its partitions: mount points, swap, devices on top, up to three
 * processes. Appends "mounted at /srv, open in qemu (123)" to `who`; false (and nothing appended) if nobody
 * does. `sysname` as in /sys/class/block. Processes that merely have it open are waited for, up to 2.5 s,
 * which is a little longer than a reader of ours has for a device: most only look at it. */
bool device_users(const char *sysname, struct buf *who);
/* Does the kernel use it: a mount, swap, a device on top? Nobody is asked or waited for. */
bool device_is_claimed(const char *sysname);

/* What a device stands on, down to the disks, as words " NAME=there" or " NAME=gone" (it has been taken out)
 * appended to `words`, each once. */
void device_below(const char *sysname, struct buf *words);
/* Does it stand on others, and have all disks below it been taken out? It is still there then, and answers
 * nothing but errors, even when they are back. */
bool device_is_lost(const char *sysname);

#endif
