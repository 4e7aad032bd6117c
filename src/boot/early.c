/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What must be there before anything else can be.
 *
 * The kernel starts PID 1 with whatever the initramfs has: perhaps no /dev, and nothing open. Everything
 * else in the program takes descriptors 0 to 2, /proc and /sys for granted, so that this comes first and
 * depends on none of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/early.h"

struct early_mount {
	const char *type, *target, *options;
	unsigned long flags;
	mode_t mode;
};

/* clang-format off */
static const struct early_mount mounts[] = {
	{ "proc",     "/proc",    NULL,                             MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "sysfs",    "/sys",     NULL,                             MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "devtmpfs", "/dev",     "mode=0755",                      MS_NOSUID,                        0755 },
	{ "devpts",   "/dev/pts", "gid=5,mode=0620,ptmxmode=0666",  MS_NOSUID | MS_NOEXEC,            0755 },
	{ "tmpfs",    "/run",     "mode=0755",                      MS_NOSUID | MS_NODEV,             0755 },
	{ "tmpfs",    "/tmp",     "mode=1777",                      MS_NOSUID | MS_NODEV,             0755 },
};
/* clang-format on */

/* The initial PID namespace has a fixed number, PROC_PID_INIT_INO of the kernel. */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

bool early_is_machine(void)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	if (n < 0)
		return true;
	link[n] = '\0';
	return streq(link, INITIAL_PID_NAMESPACE);
}

bool early_is_initramfs(void)
{
	struct statfs fs;

	return statfs("/", &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

/* Another device than its parent's: something is mounted there. Needs no /proc. */
static bool is_mount_point(const char *path)
{
	char parent[64];
	struct stat here, above;
	size_t len = strlen(path);

	if (len + 4 > sizeof(parent))
		return false;
	memcpy(parent, path, len);
	memcpy(parent + len, "/..", 4);
	return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

/* A directory that is there is used; what is mounted there already is kept, whatever it is. */
static void mount_missing(const struct early_mount *m)
{
	if (mkdir(m->target, m->mode) < 0 && errno != EEXIST && errno != EROFS)
		log_error(LF_BOOT, "cannot make %s: %s", m->target, strerror(errno));
	if (is_mount_point(m->target))
		return;
	if (mount(m->type, m->target, m->type, m->flags, m->options) < 0)
		log_error(LF_BOOT, "cannot mount %s at %s: %s", m->type, m->target, strerror(errno));
}

/* Make sure that 0, 1 and 2 are open. An initramfs without /dev/console starts us with nothing open, and
 * what is opened first would become one of them: a log or a socket that some library writes its messages to.
 */
static void fill_standard_descriptors(const char *path, int flags)
{
	for (int want = 0; want <= 2; want++) {
		if (fcntl(want, F_GETFD) >= 0)
			continue;
		/* The lowest free number is `want`. It stays open across exec, unlike every other descriptor
		 * of the house. */
		int fd = open(path, flags);
		if (fd > 2)
			close(fd);
	}
}

/* Placeholders from before /dev was there give way to the console. */
static void console_to_standard_descriptors(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	for (int want = 0; want <= 2; want++)
		dup2(fd, want);
	if (fd > 2)
		close(fd);
}

/* The kernel's log is where a machine's console shows it; a container's is not its own. */
static void set_up_log(void)
{
	struct err e = { 0 };

	if (!early_is_machine()) {
		log_to_stderr();
		return;
	}
	/* The kernel drops messages of a process that writes many at once, unless told otherwise. */
	file_poke(AT_FDCWD, "/proc/sys/kernel/printk_devkmsg", "on", NULL);
	if (log_to_kmsg(&e) < 0) {
		log_to_stderr();
		log_warn(LF_BOOT, "%s", e.message);
	}
}

void early_setup(void)
{
	bool bare = fcntl(0, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0;

	umask(022);
	if (chdir("/") < 0 || setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1) < 0)
		log_warn(LF_BOOT, "cannot set up the process: %s", strerror(errno));
	fill_standard_descriptors("/", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		mount_missing(&mounts[i]);
	/* An image has its shell where the kernel does not look for a first process (initramfs/mkimage). It
	 * fails where there is none. */
	if (rename("/lib/poolinit/sh", "/bin/sh") < 0 && errno != ENOENT)
		log_warn(LF_BOOT, "there is no /bin/sh: %s", strerror(errno));
	if (bare)
		console_to_standard_descriptors();
	set_up_log();
}
