/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is on a device: its signatures through libblkid, and where it cannot be read.
 */
#include "system/device.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/buf.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device_probe.h"
#include "system/links.h"
#include "system/signature.h"
#include "system/sysfs.h"

#define PAGE      4096
#define LOOKED_AT (1024 * 1024) /* bytes at each end of a device in which a read error is looked for */
#define LARGE     (256 * 1024)
#define NEAR      (64 * 1024) /* as much as libblkid reads at once */

blkid_probe device_probe(const char *path, int *fd, struct err *e)
{
	char waits_for[sizeof(e->waits_for)], sysname[NAME_MAX + 1];
	struct stat st;
	blkid_probe p;

	snprintf(waits_for, sizeof(waits_for), "device=%s", path);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
	    device_sysname(st.st_rdev, sysname, sizeof(sysname)) && device_stalled("/sys", sysname)) {
		err_wait(e, ERR_WAIT_DEVICE, waits_for,
		         "%s does not answer now (%s is suspended, blocked or offline)", path, sysname);
		return NULL;
	}
	*fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0) {
		if (errno == ENOENT || errno == ENXIO || errno == ENODEV || errno == ENOMEDIUM)
			err_wait(e, ERR_WAIT_DEVICE, waits_for, "%s is not there: %s", path, strerror(errno));
		else
			err_sys(e, errno, "cannot open %s", path);
		return NULL;
	}
	p = blkid_new_probe();
	bool set = p && blkid_probe_set_device(p, *fd, 0, 0) == 0;
	if (set && blkid_probe_get_size(p) > 0)
		return p;
	blkid_free_probe(p);
	if (set) { /* it opens all the same; an event says when there is something in it */
		err_wait(e, ERR_WAIT_DEVICE, waits_for, "%s has no medium: nothing is attached to it now",
		         path);
		return NULL;
	}
	err_set(e, ERR_STORAGE, "cannot look at %s: %s", path, strerror(errno));
	return NULL;
}

/* A value of the probe, cut off where it does not fit; "" where it has none. */
static void copy_probe_value(blkid_probe p, const char *name, char *out, size_t size)
{
	const char *value = probe_value(p, name);

	if (value)
		snprintf(out, size, "%s", value);
}

/* The signature that counts, in the terms of the answer. The two structs have fields of different sizes. */
static void take_signature(struct device_content *out, const struct signature *s)
{
	memcpy(out->type, s->type, sizeof(s->type));
	memcpy(out->usage, s->usage, sizeof(s->usage));
	memcpy(out->label, s->label, sizeof(s->label));
	memcpy(out->uuid, s->uuid, sizeof(s->uuid));
}

/* The first of these bytes that cannot be read, to a page; UINT64_MAX: all can. Page by page only where that
 * is: a disk may be far. */
static uint64_t unreadable(int fd, uint64_t from, uint64_t to, size_t step)
{
	static char bytes[LARGE];

	for (uint64_t at = from & ~(uint64_t)(PAGE - 1); at < to;) {
		if (file_pread(fd, bytes, (size_t)least(step, to - at), at) >= 0)
			at += step;
		else if (step == PAGE)
			return at;
		else
			step = PAGE;
	}
	return UINT64_MAX;
}

/* Of where it cannot be read. libblkid does not say it, but moves the descriptor to where it reads, and gives
 * up at an error. Else: signatures are at both ends. A disk of which nothing can be read has its beginning
 * named. */
static uint64_t first_unreadable(int fd)
{
	uint64_t size = 0, at, last = (uint64_t)lseek(fd, 0, SEEK_CUR);

	if (ioctl(fd, (ioctl_request)BLKGETSIZE64, &size) < 0)
		size = 0;
	at = unreadable(fd, 0, least(PAGE, size), PAGE);
	if (at == UINT64_MAX && last < size)
		at = unreadable(fd, last, last + least(NEAR, size - last), PAGE);
	if (at == UINT64_MAX)
		at = unreadable(fd, 0, least(LOOKED_AT, size), LARGE);
	if (at == UINT64_MAX && size > LOOKED_AT)
		at = unreadable(fd, size - LOOKED_AT, size, LARGE);
	return at;
}

/* The trouble may pass, so that it is tried again, by the clock and when a device changes. */
int device_cannot_read(const char *path, int fd, struct err *e)
{
	demand(path && fd >= 0, e);

	char waits_for[sizeof(e->waits_for)];
	uint64_t at = first_unreadable(fd);

	snprintf(waits_for, sizeof(waits_for), "device=%s", path);
	if (at == UINT64_MAX) /* it could be read again meanwhile */
		err_wait(e, ERR_STORAGE, waits_for, "cannot read %s: %s", path, strerror(EIO));
	else
		err_wait(e, ERR_STORAGE, waits_for, "cannot read %s at %llu: %s", path,
		         (unsigned long long)at, strerror(EIO));
	if (e)
		e->sys = EIO;
	return -1;
}

/* libblkid looks no further than the first member of an array, and a file's bytes may look like one. If all
 * but one are a file's, that one counts. */
static int look_closer(blkid_probe p, int fd, struct device_content *out)
{
	struct signatures all = { .n = 0 };
	const struct signature *only = NULL;
	size_t count = 0;

	blkid_reset_probe(p);
	if (signatures_read(p, fd, &all) < 0)
		return -1;
	if (all.n < 2)
		return 0;
	signatures_text(&all, out->all, sizeof(out->all));
	for (size_t i = 0; i < all.n; i++)
		if (!signature_is_content(&all, &all.items[i])) {
			only = &all.items[i];
			count++;
		}
	if (count == 1)
		take_signature(out, only);
	return 0;
}

int device_safeprobe(blkid_probe p)
{
	int rc;

	errno = 0;
	rc = blkid_do_safeprobe(p);
	return rc < 0 && errno == 0 ? DEVICE_AMBIVALENT : rc;
}

int device_content(const char *path, struct device_content *out, struct err *e)
{
	demand(path && out, e);

	cleanup_close int fd = -1;
	blkid_probe p = device_probe(path, &fd, e);
	int rc;

	*out = (struct device_content){ 0 };
	if (!p)
		return -1;
	blkid_probe_enable_superblocks(p, 1);
	blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
	                                             BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(p, 1);
	rc = device_safeprobe(p);
	out->ambivalent = rc == DEVICE_AMBIVALENT;
	if (rc == 0) {
		copy_probe_value(p, "TYPE", out->type, sizeof(out->type));
		copy_probe_value(p, "LABEL", out->label, sizeof(out->label));
		copy_probe_value(p, "UUID", out->uuid, sizeof(out->uuid));
		copy_probe_value(p, "USAGE", out->usage, sizeof(out->usage));
		copy_probe_value(p, "PTTYPE", out->table, sizeof(out->table));
	}
	if ((out->ambivalent || streq(out->usage, "raid") || streq(out->usage, "crypto")) &&
	    look_closer(p, fd, out) < 0)
		rc = -1;
	blkid_free_probe(p);
	return rc < 0 && rc != DEVICE_AMBIVALENT ? device_cannot_read(path, fd, e) : 0;
}

bool device_holds(const char *path, const char *const *types, struct device_content *out)
{
	demand_or(path && types && out, false);

	struct signatures all = { .n = 0 };
	cleanup_close int fd = -1;
	blkid_probe p = device_probe(path, &fd, NULL);
	bool holds = false;

	*out = (struct device_content){ 0 };
	if (!p)
		return false;
	blkid_probe_enable_superblocks(p, 1);
	blkid_probe_filter_superblocks_type(p, BLKID_FLTR_ONLYIN, (char **)(uintptr_t)types);
	signatures_read(p, fd, &all);
	if (all.n) {
		all.n = 1;
		blkid_reset_probe(p);
		blkid_probe_filter_superblocks_usage(p, BLKID_FLTR_ONLYIN,
		                                     BLKID_USAGE_RAID | BLKID_USAGE_CRYPTO);
		signatures_read(p, fd, &all);
		holds = !signatures_member(&all);
	}
	blkid_free_probe(p);
	if (holds)
		take_signature(out, all.items);
	return holds;
}

/* Members of something else, as people call them. */
/* clang-format off */
static const struct { const char *type, *text; } members[] = {
	{ "LVM2_member",       "an LVM physical volume" },
	{ "LVM1_member",       "an LVM physical volume" },
	{ "crypto_LUKS",       "a LUKS container" },
	{ "linux_raid_member", "a member of a RAID array" },
	{ "zfs_member",        "a member of a ZFS pool" },
	{ "mpath_member",      "a path of a multipath device" },
	{ "swap",              "swap space" },
};
/* clang-format on */

const char *device_content_text(const struct device_content *c, char *out, size_t size)
{
	require_or(size > 0, out);
	for (size_t i = 0; !c->all[0] && i < ARRAY_LEN(members); i++)
		if (streq(c->type, members[i].type)) {
			snprintf(out, size, "%s", members[i].text);
			return out;
		}
	if (c->all[0])
		snprintf(out, size, "the signatures of %s", c->all);
	else if (c->ambivalent)
		snprintf(out, size, "the signatures of more than one filesystem");
	else if (c->type[0])
		snprintf(out, size, "%s", c->type);
	else if (c->table[0])
		snprintf(out, size, "a %s partition table", c->table);
	else
		snprintf(out, size, "nothing that is recognised");
	return out;
}
