/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What util-linux's switch_root(8) does, in parts that different processes do at different times: mounts are
 * moved by a worker, each process enters the new root by itself, and files are removed when the real init
 * runs already.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "boot/root/moving.h"
#include "boot/root/root.h"

#define MOVES    256
#define TO_EMPTY 0x40 /* move_mount(2)'s MOVE_MOUNT_T_EMPTY_PATH */

/* ---- mounts ---- */

struct moves {
	const char *root;
	bool all;
	dev_t initramfs;
	char *targets[MOVES];
	size_t n;
};

/* The initramfs's own init moves these, or leaves them. */
static bool is_its_own(const char *target)
{
	static const char *const others[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (path_is_below(target, others[i]))
			return true;
	return false;
}

/* Those that do not lie on another one that is moved, nor in the new root. Where the initramfs is mounted
 * over itself (systemd 257 does that with /usr, so that nobody writes to it), that is not for the new root.
 */
static int note_move(const struct mount_entry *m, void *arg)
{
	struct moves *list = arg;

	if (streq(m->target, "/"))
		list->initramfs = m->dev;
	if (m->dev == list->initramfs || path_is_below(m->target, list->root) ||
	    (!list->all && is_its_own(m->target)))
		return 0;
	for (size_t i = 0; i < list->n; i++)
		if (path_is_below(m->target, list->targets[i]))
			return 0;
	if (list->n < MOVES && (list->targets[list->n] = strdup(m->target)))
		list->n++;
	return 0;
}

/* The directory of that path in the new root, made if need be. */
static int open_place(int root, const struct moves *list, const char *target, struct err *e)
{
	char path[PATH_MAX];
	int fd = file_open_how(root, target, O_PATH | O_DIRECTORY, ROOT_LINKS);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	snprintf(path, sizeof(path), "%s%s", list->root, target);
	return file_mkdirs(path, 0755, e) < 0 ? -1
	                                      : file_open_how(root, target, O_PATH | O_DIRECTORY, ROOT_LINKS);
}

static int move_one(int root, const struct moves *list, const char *target, struct err *e)
{
	struct err why = { 0 };
	cleanup_close int place = open_place(root, list, target, &why);

	if (place >= 0 && syscall(SYS_move_mount, AT_FDCWD, target, place, "", TO_EMPTY) == 0)
		return 0;
	err_sys(e, why.class ? why.sys : errno, "%s cannot be moved into the new root, and is unmounted",
	        target);
	umount2(target, MNT_DETACH);
	return -1;
}

/* What udevd keeps in its database of a device-mapper device: without the flag its rules take one that was
 * there before udevd for one that is still being made, and systemd waits for it in vain. The device's number
 * is the kernel's choice. Facts: the udev database as systemd writes it
 * (src/libsystemd/sd-device/device-private.c), and lvm2's udev/10-dm.rules.in. */
static void tell_udev(int dir, const char *name)
{
	char number[32], path[80], text[128];
	int n;

	snprintf(path, sizeof(path), "%.32s/dev", name);
	if (file_read_line(dir, path, number, sizeof(number)) <= 0)
		return;
	snprintf(path, sizeof(path), "/run/udev/data/b%s", number);
	n = snprintf(text, sizeof(text),
	             "I:%llu\nE:DM_UDEV_PRIMARY_SOURCE_FLAG=1\nE:DM_UDEV_RULES_VSN=2\nV:1\n",
	             (unsigned long long)clock_ms() * 1000);
	if (access(path, F_OK) < 0 && file_mkdirs("/run/udev/data", 0755, NULL) == 0)
		file_replace(AT_FDCWD, path, text, (size_t)n, 0644, NULL);
}

void root_tell_udev(void)
{
	DIR *d = opendir("/sys/block");

	for (struct dirent *entry; d && (entry = readdir(d));)
		if (starts_with(entry->d_name, "dm-"))
			tell_udev(dirfd(d), entry->d_name);
	if (d)
		closedir(d);
}

int root_move_mounts(const char *path, bool all, struct err *e)
{
	cleanup_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct moves list = { .root = path, .all = all };
	int rc = 0;

	if (root < 0)
		return err_sys(e, errno, "cannot open the new root %s", path);
	if (all)
		umount2("/tmp", MNT_DETACH);
	if (mountinfo_each(note_move, &list, e) < 0)
		return -1;
	/* systemd shares its mounts, and out of one that is shared none can be moved (Linux, fs/namespace.c).
	 * It does the same when it changes the root. */
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	/* /proc, which was the first, comes last: whoever has to go on with this needs the mount table. */
	while (list.n-- > 0) {
		if (move_one(root, &list, list.targets[list.n], e) < 0)
			rc = -1;
		free(list.targets[list.n]);
	}
	return rc;
}

int root_enter(void)
{
	return chdir(ROOT_DIR) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -1 : 0;
}

/* ---- groups ---- */

void root_join_group(void)
{
	static const char at[] = "/sys/fs/cgroup";
	static const uint32_t groups[] = { CGROUP2_SUPER_MAGIC, 0 };
	cleanup_close int there = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };
	/* To mount it once more would reset the options of a systemd that has mounted it. */
	bool mounted = there >= 0 && file_is_on(there, groups);

	if (!mounted && mount("cgroup2", at, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return;
	if (mkdir("/sys/fs/cgroup/poolinit", 0755) < 0 && errno != EEXIST)
		log_warn(LF_BOOT, "cannot make a control group: %s", strerror(errno));
	else if (file_poke(AT_FDCWD, "/sys/fs/cgroup/poolinit/cgroup.procs", "0", &e) < 0)
		log_warn(LF_BOOT, "cannot enter a control group: %s", e.message);
	if (!mounted)
		umount2(at, MNT_DETACH);
}

/* ---- files ---- */

/* Depth first. Directories on another device are mounts. */
static void remove_below(int dir, dev_t dev)
{
	DIR *d = fdopendir(dir);

	if (!d) {
		close(dir);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		const char *name = entry->d_name;
		struct stat st;

		if (streq(name, ".") || streq(name, "..") ||
		    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		if (S_ISDIR(st.st_mode)) {
			int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (below >= 0)
				remove_below(below, dev);
		}
		unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(d);
}

void root_free_initramfs(int fd)
{
	static const uint32_t memory[] = { RAMFS_MAGIC, TMPFS_MAGIC, 0 };
	struct stat st;

	if (file_is_on(fd, memory) && fstat(fd, &st) == 0)
		remove_below(fd, st.st_dev);
	else
		close(fd);
}
