/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Making and unmaking the directory that a pool's files live in.
 */
#include "backends/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/file.h"
#include "base/util.h"

#define BTRFS_MAGIC 0x9123683Eu

enum { MODE_DEFAULT = 0711, MODE_PARENTS = 0755 };

/* ioctl(2) itself: C libraries disagree about the type of a request. */
static int attributes(int fd, unsigned long request, int *value)
{
	return (int)syscall(SYS_ioctl, fd, request, value);
}

/* Disk images on btrfs fragment badly unless copy-on-write is off for their directory; only a definition that asks for it may fail by it. */
static int set_cow(int fd, const char *target, int cow, struct err *e)
{
	struct statfs s;
	int flags;

	if (fstatfs(fd, &s) < 0 || (unsigned)s.f_type != BTRFS_MAGIC)
		return cow < 0 ? 0 : err_set(e, ERR_UNSUPPORTED, "cannot set copy-on-write of %s: it is not on btrfs", target);
	if (cow == 1)
		return 0;
	if (attributes(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		if (attributes(fd, FS_IOC_SETFLAGS, &flags) == 0)
			return 0;
	}
	return cow < 0 ? 0 : err_sys(e, errno, "cannot turn copy-on-write off for %s", target);
}

/* The directory that the target is in, made with those above it where it is not there. *name: the target's own. */
static int open_parent(const char *target, const char **name, struct err *e)
{
	cleanup_free char *parent = strdup(target);
	char *slash;
	int fd;

	if (!parent)
		return err_set(e, ERR_NO_MEMORY, "cannot make directory %s: out of memory", target);
	slash = strrchr(parent, '/');
	if (!slash)
		return err_set(e, ERR_INVALID, "cannot make directory \"%s\": not an absolute path", target);
	*name = slash[1] ? strrchr(target, '/') + 1 : ".";
	*slash = '\0';
	if (*parent && file_mkdirs(parent, MODE_PARENTS, e) < 0)
		return -1;
	fd = open(*parent ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot open directory %s", *parent ? parent : "/");
}

static bool has_wishes(const struct pool_def *d)
{
	const struct pool_perms *p = &d->target.perms;

	return p->owner >= 0 || p->group >= 0 || p->mode >= 0 || d->cow >= 0;
}

/* A link in the target's place is not followed: whoever may put one there would choose what gets another owner. A pool whose directory is reached through
 * one is built where there is nothing to do. */
static int open_target(int parent, const char *name, const char *target, bool leave, struct err *e)
{
	struct stat st;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), saved = errno;

	if (fd >= 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return fd >= 0 ? fd : err_sys(e, saved, "cannot open directory %s", target);
	if (!leave)
		return err_set(e, ERR_INVALID, "cannot set owner and mode of %s: it is a symbolic link, and links are not followed here (name the "
			       "directory itself in the definition)", target);
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot open directory %s", target);
}

/* -1 leaves the owner or the group as it is; owner before mode, because chown(2) clears the set-id bits. */
static int set_perms(int fd, const struct pool_def *d, bool made, struct err *e)
{
	const struct pool_perms *p = &d->target.perms;
	const char *target = d->target.path;

	if ((p->owner >= 0 || p->group >= 0) && fchown(fd, (uid_t)p->owner, (gid_t)p->group) < 0)
		return err_sys(e, errno, "cannot give %s to %lld:%lld", target, (long long)p->owner, (long long)p->group);
	if ((made || p->mode >= 0) && fchmod(fd, p->mode >= 0 ? (mode_t)p->mode & 07777 : MODE_DEFAULT) < 0)
		return err_sys(e, errno, "cannot set the mode of %s", target);
	return made || d->cow >= 0 ? set_cow(fd, target, d->cow, e) : 0;
}

int files_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	const char *target = d->target.path, *name = NULL;
	cleanup_close int parent = -1, fd = -1;
	bool made, leave;

	(void)op;
	if (flags & (BUILD_OVERWRITE | BUILD_NO_OVERWRITE))
		return err_set(e, ERR_INVALID, "a pool of type %s has no device that could be formatted: build it without --overwrite and --no-overwrite",
			       pool_type_word(d->type));
	parent = open_parent(target, &name, e);
	if (parent < 0)
		return -1;
	made = mkdirat(parent, name, MODE_DEFAULT) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, errno, "cannot make directory %s", target);
	leave = !made && ((flags & BUILD_ABSENT) || !has_wishes(d));
	fd = open_target(parent, name, target, leave, e);
	if (fd < 0)
		return -1;
	return leave ? 0 : set_perms(fd, d, made, e);
}

int files_delete(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *target = d->target.path;

	(void)op;
	if (rmdir(target) == 0)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return err_set(e, ERR_STATE, "cannot remove directory %s: it is not empty, and only an empty one is removed", target);
	if (errno == EBUSY)
		return err_set(e, ERR_BUSY, "cannot remove directory %s: something is mounted there", target);
	if (errno == ENOENT)
		return err_set(e, ERR_STATE, "cannot remove directory %s: it does not exist", target);
	return err_sys(e, errno, "cannot remove directory %s", target);
}
