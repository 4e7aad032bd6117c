/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Block devices as volumes: opened, filled and wiped.
 */
#include "volumes/block.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/util.h"
#include "volumes/file/clone.h"
#include "volumes/wipe.h"

/* Looked at before it is opened, so that nothing but a block device ever is. O_EXCL: the kernel refuses what
 * is mounted or part of another device. */
static int open_device(const char *path, int mode, struct err *e)
{
	cleanup_close int seen = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	char by_fd[40];
	int fd;

	if (seen < 0 || fstat(seen, &st) < 0)
		return errno == ENOENT ? err_set(e, ERR_NO_VOLUME, "there is no device %s now", path)
		                       : err_sys(e, errno, "cannot open %s", path);
	if (!S_ISBLK(st.st_mode))
		return err_set(e, ERR_WRONG_FORMAT, "%s is not a block device", path);
	/* O_PATH opens nothing: a tape or a terminal at that name would have done something already. Opened
	 * by its descriptor it is what was looked at, even if another thing has the name by now. */
	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", seen);
	fd = open(by_fd, mode | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return err_set(e, ERR_BUSY, "%s is in use: it is mounted, or another device is built on it",
		               path);
	return fd < 0 ? err_sys(e, errno, "cannot open %s", path) : fd;
}

int block_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   uint64_t *size, struct err *e)
{
	demand(v->path && size, e);

	int fd = open_device(v->path, write ? O_RDWR | O_EXCL : O_RDONLY, e);

	(void)d, (void)op;
	if (fd >= 0 && ioctl(fd, (ioctl_request)BLKGETSIZE64, size) < 0) {
		err_sys(e, errno, "cannot get the size of %s", v->path);
		close(fd);
		return -1;
	}
	return fd;
}

int block_vol_fill(const char *path, const struct pool_def *d, const struct volume_def *v,
                   const struct vol_input *from, struct op *op, struct err *e)
{
	demand(path && v->name && from, e);

	static const struct secret_value none;
	struct volume_def plain = *v; /* a device's content is all of it: nothing is under it */
	cleanup_close int fd = open_device(path, O_RDWR | O_EXCL, e);

	plain.format = NULL;
	plain.backing.given = false;
	if (fd < 0 || clone_content(fd, d, &plain, from, 0, &none, op, e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_sys(e, errno, "cannot write %s", path) : 0;
}

int block_vol_perms(const char *path, const struct volume_def *v, struct err *e)
{
	const struct pool_perms *p = &v->perms;

	if ((p->owner >= 0 || p->group >= 0) && chown(path, (uid_t)p->owner, (gid_t)p->group) < 0)
		return err_sys(e, errno, "cannot give %s to %lld:%lld", path, (long long)p->owner,
		               (long long)p->group);
	if (p->mode >= 0 && chmod(path, (mode_t)p->mode & 07777) < 0)
		return err_sys(e, errno, "cannot set the mode of %s", path);
	return 0;
}

int block_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                   struct err *e)
{
	demand(v->path && algorithm && op, e);

	cleanup_close int fd = -1;

	(void)d;
	if (wipe_check(algorithm, e) < 0)
		return -1;
	fd = open_device(v->path, O_RDWR | O_EXCL, e);
	return fd < 0 ? -1 : wipe(fd, algorithm, op, v->path, e);
}
