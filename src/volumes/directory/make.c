/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Making and unmaking the directory that a pool's files live in.
 *
 * Ownership and mode are set through an open descriptor of the directory that was made or found, never by
 * its path.
 */
#include "volumes/directory/list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/target.h"

#define BTRFS_MAGIC 0x9123683Eu

enum { MODE_DEFAULT = 0711 };

/* ioctl(2) itself: C libraries disagree about the type of a request. */
static int attributes(int fd, unsigned long request, int *value)
{
	return (int)syscall(SYS_ioctl, fd, request, value);
}

/* Disk images on btrfs fragment badly unless copy-on-write is off for their directory; only a definition that
 * asks for it may fail by it. */
static int set_cow(int fd, const char *target, int cow, struct err *e)
{
	struct statfs s;
	int flags;

	if (fstatfs(fd, &s) < 0 || (unsigned)s.f_type != BTRFS_MAGIC)
		return cow < 0 ? 0
		               : err_set(e, ERR_UNSUPPORTED,
		                         "cannot set copy-on-write of %s: it is not on btrfs", target);
	if (cow == 1)
		return 0;
	if (attributes(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		if (attributes(fd, FS_IOC_SETFLAGS, &flags) == 0)
			return 0;
	}
	return cow < 0 ? 0 : err_sys(e, errno, "cannot turn copy-on-write off for %s", target);
}

static bool has_wishes(const struct pool_def *d)
{
	const struct pool_perms *p = &d->target.perms;

	return p->owner >= 0 || p->group >= 0 || p->mode >= 0 || d->cow >= 0;
}

/* -1 leaves the owner or the group as it is; owner before mode, because chown(2) clears the set-id bits. */
static int set_target_perms(int fd, const struct pool_def *d, bool made, struct err *e)
{
	const struct pool_perms *p = &d->target.perms;
	const char *target = d->target.path;

	if ((p->owner >= 0 || p->group >= 0) && fchown(fd, (uid_t)p->owner, (gid_t)p->group) < 0)
		return err_sys(e, errno, "cannot give %s to %lld:%lld", target, (long long)p->owner,
		               (long long)p->group);
	if ((made || p->mode >= 0) && fchmod(fd, p->mode >= 0 ? (mode_t)p->mode & 07777 : MODE_DEFAULT) < 0)
		return err_sys(e, errno, "cannot set the mode of %s", target);
	return made || d->cow >= 0 ? set_cow(fd, target, d->cow, e) : 0;
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

int files_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	demand(d->target.path, e);

	cleanup_close int fd = -1;
	bool made;

	(void)op;
	if (flags & (BUILD_OVERWRITE | BUILD_NO_OVERWRITE))
		return err_set(e, ERR_INVALID,
		               "a pool of type %s has no device that could be formatted: build it without "
		               "--overwrite and --no-overwrite",
		               pool_type_word(d->type));
	fd = target_make(d->target.path, O_RDONLY, &made, e);
	if (fd < 0)
		return -1;
	if (!made && ((flags & BUILD_ABSENT) || !has_wishes(d)))
		return 0;
	/* target_make() follows links that only root can make. Owner and mode are not given away through
	 * those either. */
	if (is_link(d->target.path))
		return err_set(e, ERR_INVALID,
		               "cannot set owner and mode of %s: it is a symbolic link (name the directory "
		               "itself in the definition)",
		               d->target.path);
	if (set_target_perms(fd, d, made, e) < 0)
		return -1;
	return file_sync_dir(fd) < 0
	               ? err_sys(e, errno, "directory %s is made, but cannot be synced", d->target.path)
	               : 0;
}

int files_delete(const struct pool_def *d, struct op *op, struct err *e)
{
	demand(d->target.path, e);

	const char *target = d->target.path;
	struct err why = { 0 };

	(void)op;
	if (target_remove(target, &why) == 0)
		return 0;
	if (why.sys == ENOTEMPTY || why.sys == EEXIST)
		return err_set(
			e, ERR_STATE,
			"cannot remove directory %s: it is not empty, and only an empty one is removed",
			target);
	if (why.sys == EBUSY)
		return err_set(e, ERR_BUSY, "cannot remove directory %s: something is mounted there", target);
	if (why.sys == ENOENT)
		return err_set(e, ERR_STATE, "cannot remove directory %s: it does not exist", target);
	if (e)
		*e = why;
	return -1;
}
