/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes of a zpool as devices. The kernel calls them zd0, zd16, …, and says by an ioctl which volume each
 * is; the links /dev/zvol/ZPOOL/VOLUME are udev's, and ours where it has not made them yet, or never does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "backends/zfs/zfs.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"
#include "system/uevent.h"

/* Source: OpenZFS, include/sys/fs/zfs.h. */
#define BLKZNAME _IOR(0x12, 125, char[ZFS_NAME])

#define APPEARS_WITHIN SECONDS(20)
#define DEPTH          16 /* of datasets in datasets */

/* ---- links ---- */

/* "tank/vm/a" of zd0, "tank/vm/a-part1" of zd0p1: as udev's 60-zvol.rules has it. */
static bool zvol_name(const char *sysname, char *out, size_t size)
{
	char node[80], dir[PATH_MAX], name[ZFS_NAME] = "";
	int part = 0;

	if (!sysfs_path(node, sizeof(node), "/dev/%s", sysname) || !sysfs_block("/sys", sysname, dir, &part))
		return false;

	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, (ioctl_request)BLKZNAME, name) < 0 || !name[0] || name[ZFS_NAME - 1])
		return false;
	return part ? sysfs_path(out, size, "%s-part%d", name, part) : sysfs_path(out, size, "%s", name);
}

/* A link that leads elsewhere is out of date. */
static void zvol_link(const char *name, const char *sysname)
{
	char path[PATH_MAX], target[PATH_MAX], old[PATH_MAX], *slash;
	size_t n = 0;
	ssize_t len;

	if (!sysfs_path(path, sizeof(path), ZVOL_DIR "/%s", name))
		return;
	for (const char *p = name; *p; p++)
		n += (size_t)(*p == '/' && snprintf(target + 3 * n, sizeof(target) - 3 * n, "../") > 0);
	/* two for /dev/zvol/ZPOOL, and one for each dataset below */
	snprintf(target + 3 * n, sizeof(target) - 3 * n, "../%s", sysname);
	len = readlink(path, old, sizeof(old) - 1);
	if (len >= 0 && (old[len] = '\0', streq(path_base(old), sysname)))
		return;
	slash = strrchr(path, '/');
	*slash = '\0';
	if (file_mkdirs(path, 0755, NULL) < 0)
		return;
	*slash = '/';
	unlink(path);
	if (symlink(target, path) < 0) /* the volume is listed with its problem then */
		return;
}

static void zvol_links_make(const char *zpool)
{
	DIR *dir = opendir("/sys/class/block");
	const struct dirent *entry;
	size_t n = strlen(zpool);
	char name[ZFS_NAME + 16];

	while (dir && (entry = readdir(dir)))
		if (starts_with(entry->d_name, "zd") && zvol_name(entry->d_name, name, sizeof(name)) &&
		    strncmp(name, zpool, n) == 0 && name[n] == '/')
			zvol_link(name, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Of a device that is gone, or another volume now. */
static int link_drop_stale(const char *path, const char *sysname, void *arg)
{
	char name[ZFS_NAME + 16];

	(void)arg;
	if (!sysname[0] || !zvol_name(sysname, name, sizeof(name)) ||
	    !streq(path + strlen(ZVOL_DIR "/"), name))
		unlink(path);
	return 0;
}

void zvols_link(const char *zpool, struct op *op)
{
	demand_or(zpool && op, );
	if (op->own_devices)
		zvols_each(zpool, link_drop_stale, NULL);
	zvol_links_make(zpool);
}

int zvols_await(const char *zpool, const char *path, int events, struct op *op, struct err *e)
{
	uint64_t until = least(op->deadline, clock_ms() + APPEARS_WITHIN);

	do {
		zvols_link(zpool, op);
		if (access(path, F_OK) == 0)
			return 0;
	} while (uevent_disk_comes(events, until));
	return err_set(e, ERR_TIMEOUT, "the kernel has made no device %s for it in time", path);
}

/* ---- walks ---- */

/* The kernel's name of what a link leads to; "": nothing. */
static void link_sysname(int dir, const char *name, char *out, size_t size)
{
	struct stat st;

	if (fstatat(dir, name, &st, 0) < 0 || !S_ISBLK(st.st_mode) || !device_sysname(st.st_rdev, out, size))
		out[0] = '\0';
}

static int walk_zvols(const char *path, int depth, zvol_fn *fn, void *arg)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int rc = 0;

	while (dir && rc == 0 && (entry = readdir(dir))) {
		char child[PATH_MAX], sysname[NAME_MAX + 1];

		if (entry->d_name[0] == '.' ||
		    !sysfs_path(child, sizeof(child), "%s/%s", path, entry->d_name))
			continue;
		if (entry->d_type == DT_DIR && depth > 0) {
			rc = walk_zvols(child, depth - 1, fn, arg);
		} else if (entry->d_type == DT_LNK) {
			link_sysname(dirfd(dir), entry->d_name, sysname, sizeof(sysname));
			rc = fn(child, sysname, arg);
		}
	}
	if (dir)
		closedir(dir);
	return rc;
}

int zvols_each(const char *name, zvol_fn *fn, void *arg)
{
	char path[PATH_MAX];

	demand_or(name && fn, 0);
	return sysfs_path(path, sizeof(path), ZVOL_DIR "/%s", name) ? walk_zvols(path, DEPTH, fn, arg) : 0;
}

/* ---- who uses them ---- */

static int refuse_user(const char *path, const char *sysname, void *arg)
{
	cleanup_buf struct buf who = BUF_INIT;
	struct err *e = arg;

	if (sysname[0] && device_users(sysname, &who))
		return err_set(e, ERR_BUSY, "volume %s is %s", path, buf_str(&who));
	return 0;
}

int zvols_are_free(const char *name, struct err *e)
{
	return zvols_each(name, refuse_user, e);
}

int zvol_is_free(const char *path, struct err *e)
{
	char sysname[NAME_MAX + 1];

	link_sysname(AT_FDCWD, path, sysname, sizeof(sysname));
	return refuse_user(path, sysname, e);
}
