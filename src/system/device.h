/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finding block devices by what they are, and knowing what they hold.
 */
#ifndef POOLINIT_SYSTEM_DEVICE_H
#define POOLINIT_SYSTEM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <stdint.h>
#include "base/err.h"

/* Find the device that `spec` names: "/dev/…", or "LABEL=…", "UUID=…", "PARTLABEL=…", "PARTUUID=…"
 * (fstab(5)). path (PATH_MAX) receives its node; *dev its number. Blocking.
 *
 * ERR_WAIT_DEVICE (waits_for "device=SPEC") if there is none now. Where udevd runs, its link in
 * /dev/disk/by-* decides about a tag, unless it is out of date. Elsewhere, or without such a link, all
 * devices in /sys/class/block are probed; two of them with the same tag: ERR_CONFLICT; none, but one could
 * not be read: ERR_STORAGE. ERR_WRONG_FORMAT: the path is no block device; ERR_INVALID: neither path nor
 * tag. */
int device_find(const char *spec, char *path, size_t size, dev_t *dev, struct err *e);

/* What libblkid finds on a device. Empty strings where it has nothing. `type` is the filesystem or member
 * type ("ext4", "LVM2_member"). */
struct device_content {
	char type[64], label[256], uuid[64], usage[32];
	char table[32]; /* partition table type: "gpt", "dos" */
	/* libblkid does not know: the others are empty unless what else there is can only be a file's
	 * bytes */
	bool ambivalent;
	char all[128]; /* where there is more than one signature, the types of all: "xfs and iso9660" */
};
/* Read what is on the device, into out, which is filled in any case. ERR_STORAGE: it cannot be read, and
 * where. ERR_WAIT_DEVICE: not there, or suspended in device-mapper (it is not opened then: the read would
 * never return). A device that holds nothing is no error. */
int device_content(const char *path, struct device_content *out, struct err *e);
/* A read from the device, open as fd, has failed. ERR_STORAGE says where it cannot be read; the error waits
 * for the device. Always -1. */
int device_cannot_read(const char *path, int fd, struct err *e);
/* Does it hold one of these types (libblkid's, NULL-terminated), whatever else its files may hold? Not if the
 * device is a member of an array, a volume group or a container as well, that is: by a signature which no
 * file of that filesystem can have brought. */
bool device_holds(const char *path, const char *const *types, struct device_content *out);
/* The content in the operator's words: "xfs", "a gpt partition table", "an LVM physical volume". Returns
 * out. */
const char *device_content_text(const struct device_content *c, char *out, size_t size);

/* What device_each() calls: the kernel's name, the node, the number. Strings are good for the call. True:
 * that was enough. The device may be one that does not answer: who opens it asks device_stalled() before, or
 * lets device_ask_all() do it. */
typedef bool device_each_fn(const char *sysname, const char *path, dev_t dev, void *arg);
/* Call fn for each block device that may hold something: no RAM disk, floppy or empty drive, nothing that
 * others stand on. A true answer of fn ends it. In no particular order. -1: /sys/class/block cannot be
 * listed. */
int device_each(device_each_fn *fn, void *arg, struct err *e);

/* Let a process of its own ask a device. fn changes what arg points to, `size` bytes without pointers.
 * ERR_STORAGE: the device does not answer, or did not when it was asked before and somebody still waits for
 * it; or it brings down who reads it. */
typedef void device_ask_fn(const char *node, void *arg);
int device_ask(const char *node, device_ask_fn *fn, void *arg, size_t size, struct err *e);
/* device_content() of a device that is another pool's: asked so, for it must not hold this one up. */
int device_content_bounded(const char *path, struct device_content *out, struct err *e);
/* Let all workers that are forked from here on know, by a file in run_dir, which readers were left behind.
 * The text is kept. */
void device_ask_keeps(const char *run_dir);
/* A descriptor that can be read when one that was left behind has its answer; -1: there is none. */
int device_ask_listen(void);
/* Many devices in turn, by one process as long as none of them hangs or brings it down, so that asking costs
 * no process each. args: n times `size` bytes, a multiple of what their alignment needs; whys: n, of class
 * ERR_NONE for those that were asked. -1: e says why nobody could be. */
struct device_questions {
	const char *const *nodes;
	size_t n;
	device_ask_fn *fn;
	void *args;
	size_t size;
	struct err *whys;
	uint64_t patience /* ms with each; 0: 2 s */;
};
int device_ask_all(const struct device_questions *q, struct err *e);

/* A search for `missing` ("device=LABEL=X") found none a moment ago, and need ask none but those devices that
 * something has happened to since: " vda vdb ". What else is searched for is searched for everywhere; NULL:
 * that, too. */
void device_search_only(const char *missing, const char *sysnames);
/* Who asks a second time for a LABEL= or UUID= in this process is given the device that was found, as long as
 * that is called so. */
void device_search_once(void);
/* What the searches of this process for a LABEL= or UUID= have left out: "NODE: why", a line a device. NULL:
 * there was none. */
const char *device_left_out(void);

/* Does `spec` (as device_find() takes it) name this device? 1 or 0; -1: that cannot be told, for the device
 * is gone or cannot be read. Looks at no other device, so that another one's trouble is not ours; a device
 * that does not answer now counts as the right one. */
int device_matches(const char *spec, dev_t dev);
/* Does the kernel have any block device? */
bool device_is_any(void);
/* A node in /dev for a device number; /dev/mapper/NAME for device-mapper. -1: none. That it is the device's
 * is looked at: a name in /dev may be older than the device. */
int device_node(dev_t dev, char *path, size_t size);
/* Write-protected, as the kernel knows it (not opened). False where that is not known. */
bool device_is_read_only(dev_t dev);

/* Bring one device's stable links (/dev/disk/by-{path,id,uuid,label,partuuid,partlabel}) up to date, with
 * the names that udev would give; stale ones of the same device are taken away. Only where no udevd runs.
 * `sysname` is the kernel's name ("sda1"). A device that is gone loses its links. Which links are ours is
 * kept in run_dir/links. Reads the device: blocking. */
int device_links(const char *sysname, const char *run_dir, struct err *e);
/* The same of one that may not answer: it is not read, and what it was called by its content stays. */
int device_links_unread(const char *sysname, const char *run_dir, struct err *e);
/* The same for all block devices there are. The first error is told, the others still get their links. */
int device_links_all(const char *run_dir, struct err *e);
/* Does a path, or the link that is kept for a "LABEL=…", lead to this device, or to a partition of it? 1, 0;
 * -1: to none. */
int device_leads(const char *spec, const char *sysname);
/* What was not there, or could not be read (an error's waits_for: "device=…", "vg=…"): may it be well, now
 * that something has happened to `sysname`? Opens no device, and reads nothing outside /dev and /sys. */
bool device_news_may_help(const char *waits_for, const char *sysname);
bool device_udevd_runs(void); /* /run/udev/control exists */

#endif
