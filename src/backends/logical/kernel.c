/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the kernel has of a volume group: its active volumes. They are taken away here without LVM, when it
 * cannot read the group any more, because the disk is gone or what is on it is damaged: device-mapper knows
 * whose they are by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "backends/logical/lockd.h"
#include "backends/logical/logical.h"
#include "backends/logical/lvm.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"

#define CONTROL "/dev/mapper/control"
#define NAMED   3 /* volumes whose users are named */

/* ---- which they are ---- */

static int dm_attribute(const char *sysname, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/dm/%s", sysname, name);
	return file_read_line(AT_FDCWD, path, out, size) > 0 ? 0 : -1;
}

/* A part of another volume: LVM keeps these names to itself (lvm(8), "Valid names"). Those of RAID have a
 * uuid like any other. */
static bool is_lvm_part(const char *lv)
{
	static const char *const parts[] = { "_rimage",  "_rmeta",  "_mimage", "_mlog",  "_tdata",   "_tmeta",
		                             "_cdata",   "_cmeta",  "_cvol",   "_corig", "_pmspare", "_vdata",
		                             "_vorigin", "_wcorig", "_iorig",  "_imeta" };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strstr(lv, parts[i]))
			return true;
	return streq(lv, LOCKD_VOLUME);
}

int group_devices(const char *vg, const char *uuid, group_device_fn *fn, void *arg)
{
	DIR *d = opendir("/sys/class/block");
	const struct dirent *entry;
	int result = 0;

	while (d && result == 0 && (entry = readdir(d))) {
		char name[256], dm_uuid[256], group[128], lv[128], of[39];

		if (!starts_with(entry->d_name, "dm-") ||
		    dm_attribute(entry->d_name, "name", name, sizeof(name)) < 0 ||
		    dm_attribute(entry->d_name, "uuid", dm_uuid, sizeof(dm_uuid)) < 0)
			continue;
		if (lvm_dm_vg_uuid(dm_uuid, of) && strlen(dm_uuid) == strlen("LVM-") + 64 &&
		    (!uuid || streq(of, uuid)) && lvm_dm_name(name, group, sizeof(group), lv, sizeof(lv)) &&
		    streq(group, vg) && !is_lvm_part(lv))
			result = fn(entry->d_name, lv, dm_uuid, arg);
	}
	if (d)
		closedir(d);
	return result;
}

static int take_uuid(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	(void)sysname, (void)lv;
	return lvm_dm_vg_uuid(dm_uuid, arg);
}

bool group_active(const char *vg, const char *uuid, char out[39])
{
	out[0] = '\0';
	return group_devices(vg, uuid, take_uuid, out) != 0;
}

/* ---- who uses them ---- */

struct used {
	struct buf text;
	unsigned n;
};

static int add_used(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	cleanup_buf struct buf who = BUF_INIT;
	struct used *u = arg;

	(void)dm_uuid;
	if (u->n == NAMED || !device_users(sysname, &who))
		return 0;
	buf_printf(&u->text, "%slogical volume %s is %s", u->n++ ? "; " : "", lv, buf_str(&who));
	return 0;
}

int group_is_free(const char *vg, const char *uuid, struct err *e)
{
	struct used u = { .n = 0 };

	group_devices(vg, uuid, add_used, &u);
	if (u.n)
		err_set(e, ERR_BUSY, "%s", buf_str(&u.text));
	buf_free(&u.text);
	return u.n ? -1 : 0;
}

/* ---- taking them away ---- */

static bool has_holders(const char *sysname)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	bool has = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/holders", sysname);
	d = opendir(path);
	while (d && !has && (entry = readdir(d)))
		has = entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return has;
}

/* Where no udevd runs, the nodes are LVM's, and ours to take away with the device. */
static void remove_nodes(const char *name)
{
	char path[PATH_MAX], vg[128], lv[128];

	snprintf(path, sizeof(path), "/dev/mapper/%.200s", name);
	unlink(path);
	if (!lvm_dm_name(name, vg, sizeof(vg), lv, sizeof(lv)) || !name_is_component(vg) ||
	    !name_is_component(lv))
		return;
	snprintf(path, sizeof(path), "/dev/%s/%s", vg, lv);
	unlink(path);
	snprintf(path, sizeof(path), "/dev/%s", vg);
	rmdir(path); /* with the last one */
}

static int remove_one(int control, const char *name, bool own_nodes, struct err *e)
{
	struct dm_ioctl io = { .version = { DM_VERSION_MAJOR, 0, 0 },
		               .data_size = sizeof(io),
		               .data_start = sizeof(io) };

	if ((size_t)snprintf(io.name, sizeof(io.name), "%s", name) >= sizeof(io.name))
		return err_set(e, ERR_INTERNAL, "device-mapper has no names as long as \"%s\"", name);
	if (ioctl(control, (ioctl_request)DM_DEV_REMOVE, &io) < 0 && errno != ENXIO)
		return err_sys(e, errno, "cannot take %s away from device-mapper", name);
	if (own_nodes)
		remove_nodes(name);
	return 0;
}

/* sanlock has that one open, and keeps it. */
static bool is_lock_volume(const char *name)
{
	char vg[128], lv[128];

	return lvm_dm_name(name, vg, sizeof(vg), lv, sizeof(lv)) && streq(lv, LOCKD_VOLUME);
}

/* One time round: those on which nothing stands. The number of those that were taken away, or -1. */
static int remove_upper(int control, const char *uuid, bool own_nodes, bool *left, struct err *e)
{
	DIR *d = opendir("/sys/class/block");
	const struct dirent *entry;
	int n = 0;

	*left = false;
	while (d && n >= 0 && (entry = readdir(d))) {
		char name[256], dm_uuid[256], of[39];

		if (!starts_with(entry->d_name, "dm-") ||
		    dm_attribute(entry->d_name, "uuid", dm_uuid, sizeof(dm_uuid)) < 0 ||
		    !lvm_dm_vg_uuid(dm_uuid, of) || !streq(of, uuid) ||
		    dm_attribute(entry->d_name, "name", name, sizeof(name)) < 0 || is_lock_volume(name))
			continue;
		*left = true;
		if (!has_holders(entry->d_name))
			n = remove_one(control, name, own_nodes, e) < 0 ? -1 : n + 1;
	}
	if (d)
		closedir(d);
	return n;
}

int group_take_away(const char *uuid, struct op *op, struct err *e)
{
	cleanup_close int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	bool left;
	int n;

	if (control < 0)
		return err_sys(e, errno, "cannot open %s", CONTROL);
	do
		n = remove_upper(control, uuid, op->own_devices, &left, e);
	while (n > 0);
	if (n == 0 && left)
		return err_set(e, ERR_BUSY, "other devices stand on its volumes");
	return n;
}

/* ---- thin pools ---- */

/* How device-mapper's uuid of an LVM device is made: "LVM-", the ids of group and volume without their
 * dashes, and what LVM uses the device for. */
static bool device_uuid(const char *vg_uuid, const char *lv_uuid, const char *use, char *out, size_t size)
{
	const char *const parts[] = { "LVM-", vg_uuid, lv_uuid, use };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (const char *p = parts[i]; *p; p++) {
			if (*p == '-' && (parts[i] == vg_uuid || parts[i] == lv_uuid))
				continue;
			if (n + 1 == size)
				return false;
			out[n++] = *p;
		}
	out[n] = '\0';
	return true;
}

/* What the kernel says of the device of a pool; it has one target, of this type. */
static bool pool_status(const char *vg_uuid, const char *pool_uuid, const char *use, const char *type,
                        char *out, size_t size)
{
	cleanup_close int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	struct {
		struct dm_ioctl io;
		struct dm_target_spec target;
		char status[512];
	} r = { .io = { .version = { DM_VERSION_MAJOR, 0, 0 },
		        .data_size = sizeof(r),
		        .data_start = sizeof(r.io),
		        .flags = DM_NOFLUSH_FLAG } };

	if (control < 0 || !device_uuid(vg_uuid, pool_uuid, use, r.io.uuid, sizeof(r.io.uuid)) ||
	    ioctl(control, (ioctl_request)DM_TABLE_STATUS, &r) < 0 || r.io.target_count != 1 ||
	    !streq(r.target.target_type, type))
		return false;
	snprintf(out, size, "%.*s", (int)sizeof(r.status), r.status);
	return true;
}

int64_t group_pool_transaction(const char *vg_uuid, const char *pool_uuid)
{
	char status[512], *end = status;

	if (!pool_status(vg_uuid, pool_uuid, "-tpool", "thin-pool", status, sizeof(status)))
		return -1;

	long long transaction = strtoll(status, &end, 10);

	return end > status && *end == ' ' ? transaction : -1;
}

int group_vdo_level(const char *vg_uuid, const char *pool_uuid)
{
	uint64_t used, blocks;
	char status[512];

	if (!pool_status(vg_uuid, pool_uuid, "-vpool", "vdo", status, sizeof(status)) ||
	    sscanf(status, "%*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64, &used, &blocks) != 2 || !blocks ||
	    used > blocks || blocks >> 48)
		return -1;
	return (int)((used * GROUP_WHOLE + blocks / 2) / blocks); /* both are below 2^48 */
}
