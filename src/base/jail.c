/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The root directory of a jail is a small tmpfs, built over /proc of a mount namespace that nobody else has.
 * Then it becomes the root, and all that was mounted before goes from the namespace: it must not keep pools'
 * filesystems in use.
 */
#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/sandbox.h"
#include "base/util.h"

#define TABLE_MAX (16 * 1024 * 1024)
/* where the new root is built: there is always such a directory, and a new one is mounted anyway */
#define ROOT "/proc"

#define MAY_RUN (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_USE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* What a program needs to run at all; what is not there is left out. The tool can read every file below them,
 * even one that only root may read. So a directory that an administrator fills is shown to the programs of
 * the same place alone. */
static const struct {
	const char *path;
	uint64_t may;
	const char *place; /* of programs that see it; NULL: all do */
} parts[] = {
	{ "/bin", MAY_RUN, NULL },
	{ "/sbin", MAY_RUN, NULL },
	{ "/lib", MAY_RUN, NULL },
	{ "/lib64", MAY_RUN, NULL },
	{ "/usr/bin", MAY_RUN, NULL },
	{ "/usr/sbin", MAY_RUN, NULL },
	{ "/usr/lib", MAY_RUN, NULL },
	{ "/usr/lib64", MAY_RUN, NULL },
	{ "/usr/local/bin", MAY_RUN, "/usr/local/" },
	{ "/usr/local/sbin", MAY_RUN, "/usr/local/" },
	{ "/usr/local/lib", MAY_RUN, "/usr/local/" },
	{ "/nix/store", MAY_RUN, "/nix/" },
	{ "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE, NULL },
	{ "/dev/null", MAY_USE, NULL },
	{ "/dev/zero", MAY_USE, NULL },
	{ "/dev/urandom", MAY_USE, NULL },
	{ "/dev/random", MAY_USE, NULL },
};

/* The tool is not run at all: running it with less shut off would be what the jail is there to prevent. */
static int refuse_to_run(int problem, const char *doing, const char *path, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
	               "it is not run, because it cannot be shut off from this system: cannot %s %s: %s",
	               doing, path, strerror(problem));
}

/* ---- the root directory ---- */

/* The directories above a path, then a place for what is to be there. */
static int make_place(const char *path, bool directory)
{
	char at[512];
	int fd;

	snprintf(at, sizeof(at), "%s", path);
	for (char *p = strchr(at + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(at, 0755) < 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	if (directory)
		return mkdir(at, 0755) < 0 && errno != EEXIST ? -1 : 0;
	if (access(at, F_OK) == 0) /* in a part that is there already, and read-only */
		return 0;
	fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* The path is shown alone, without what is mounted below it, and read-only. Devices can be written all the
 * same. */
static int show_in_root(const char *path, struct err *e)
{
	char at[512];
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	snprintf(at, sizeof(at), ROOT "%s", path);
	if (make_place(at, S_ISDIR(st.st_mode)) < 0 || mount(path, at, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, at, NULL,
	          MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | (S_ISCHR(st.st_mode) ? 0 : MS_NODEV),
	          NULL) < 0)
		return refuse_to_run(errno, "show it", path, e);
	return 0;
}

/* The kernel's first root cannot be exchanged: each mount on it is taken away instead. */
static int unmount_outside(const struct mount_entry *m, void *arg)
{
	(void)arg;
	if (!streq(m->target, "/") && !streq(m->target, ROOT) && !starts_with(m->target, ROOT "/"))
		umount2(m->target, MNT_DETACH);
	return 0;
}

/* `table`: the mounts as they were before the new root covered the kernel's own list of them. It is
 * changed. */
static int become_root(char *table, struct err *e)
{
	if (chdir(ROOT) < 0)
		return refuse_to_run(errno, "enter", ROOT, e);
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0
		               ? refuse_to_run(errno, "leave", "the old root", e)
		               : 0;
	if (errno != EINVAL)
		return refuse_to_run(errno, "change", "the root", e);
	mountinfo_parse(table, unmount_outside, NULL);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return refuse_to_run(errno, "move", "the root", e);
	return 0;
}

/* Links to the program count as where they lead. */
static bool is_in_place(const char *program, const char *place)
{
	char real[PATH_MAX];

	return !place || starts_with(program, place) || (realpath(program, real) && starts_with(real, place));
}

int jail_build(const char *program, struct err *e)
{
	demand(program && *program == '/', e);

	cleanup_buf struct buf table = BUF_INIT;

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", TABLE_MAX, &table, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot read the mount table");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return refuse_to_run(errno, "keep to itself", "its mounts", e);
	if (mount("tmpfs", ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	          "mode=0755,size=64k,nr_inodes=128") < 0)
		return refuse_to_run(errno, "mount", "an empty directory", e);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (is_in_place(program, parts[i].place) && show_in_root(parts[i].path, e) < 0)
			return -1;
	if (show_in_root(program, e) < 0) /* it may be a mount of its own */
		return -1;
	/* A /proc of the tool's own namespace: it shows the tool and what it starts, and no files but pids
	 * (Linux 5.8). */
	if (mkdir(ROOT "/proc", 0555) < 0 ||
	    mount("proc", ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	          "subset=pid,hidepid=ptraceable") < 0)
		return refuse_to_run(errno, "mount", "a /proc of its own", e);
	if (mount(NULL, ROOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	          NULL) < 0)
		return refuse_to_run(errno, "protect", "its root", e);
	return become_root(table.data, e);
}

/* ---- what the tool gives up ---- */

static int allow(int rules, int fd, uint64_t may)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = may, .parent_fd = fd };

	return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* A file in memory lies in no directory: it needs no rule, and the kernel takes none (EBADFD). /proc itself
 * is not allowed, only what /proc/self/fd leads to. */
static int close_paths(int first, unsigned n, struct err *e)
{
	/* all that the first version knows */
	const struct landlock_ruleset_attr all = { .handled_access_fs = 0x1fff };
	cleanup_close int rules = (int)syscall(SYS_landlock_create_ruleset, &all,
	                                       sizeof(all.handled_access_fs), 0);

	if (rules < 0) /* not in this kernel, or not switched on */
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		cleanup_close int fd = open(parts[i].path, O_PATH | O_CLOEXEC);

		if (fd >= 0 && allow(rules, fd, parts[i].may) < 0)
			return refuse_to_run(errno, "allow", parts[i].path, e);
	}
	for (unsigned i = 0; i < n; i++)
		if (allow(rules, first + (int)i, MAY_USE) < 0 && errno != EBADFD)
			return refuse_to_run(errno, "allow", "a file", e);
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0
	               ? refuse_to_run(errno, "restrict", "its files", e)
	               : 0;
}

/* All capabilities are dropped but one. CAP_DAC_OVERRIDE lets the tool open its files again, whoever owns
 * them. With no_new_privs exec gives nothing back. */
static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2],
		keep[2] = { { .effective = 1U << CAP_DAC_OVERRIDE, .permitted = 1U << CAP_DAC_OVERRIDE } };

	if (syscall(SYS_capget, &head, caps) < 0)
		return refuse_to_run(errno, "read", "its capabilities", e);
	for (int cap = 0; cap < 64; cap++)
		if (cap != CAP_DAC_OVERRIDE)
			/* fails where there is no such one, or nothing to drop it with */
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	keep[0].permitted &= caps[0].permitted;
	keep[0].effective = keep[0].permitted;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, keep) < 0)
		return refuse_to_run(errno, "drop", "its capabilities", e);
	return 0;
}

int jail_enter(int first, unsigned n, struct err *e)
{
	demand(first > 2 || n == 0, e);
	if (drop_capabilities(e) < 0 || close_paths(first, n, e) < 0)
		return -1;
	return sandbox_enter_tool(e);
}
