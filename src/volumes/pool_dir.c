/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The directory of a pool, opened only if it is still the one that the pool was started with.
 */
#include "volumes/pool_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"

/* Called for each mount: nonzero ends the walk, and means that the mount is still there. */
static int has_number(const struct mount_entry *m, void *arg)
{
	return m->id == *(const int *)arg;
}

/* What a pool has mounted is one mount. A directory that was there is the same one through whatever mount it
 * is seen; an automounter or a network filesystem may even have given its filesystem another number, when
 * what it was seen through is gone. What is in memory is another one whenever it is mounted. */
static bool is_same(const struct pool_def *d, int fd, const struct dir_place *now)
{
	static const uint32_t in_memory[] = { TMPFS_MAGIC, RAMFS_MAGIC, OVERLAYFS_SUPER_MAGIC, 0 };
	const struct dir_place *then = &d->target.place;
	bool as_found = !pool_type_info(d->type)->mounts;
	int mount = then->mount;

	if (now->ino != then->ino)
		return false;
	if (now->dev == then->dev)
		return as_found || !mount || !now->mount || now->mount == mount;
	return as_found && mount && major(now->dev) == 0 && major(then->dev) == 0 &&
	       !file_is_on(fd, in_memory) && mountinfo_each(has_number, &mount, NULL) == 0;
}

int pool_dir_open(const struct pool_def *d, int flags, struct err *e)
{
	demand(d->target.path, e);

	const struct dir_place *then = &d->target.place;
	struct dir_place now;
	int fd = target_open_path(d->target.path, flags, e);

	if (fd < 0 && then->known && e && (e->sys == ENOENT || e->sys == ENOTDIR))
		return err_wrap(e, ERR_STATE, "the directory of pool \"%s\" is not there", d->name);
	/* Not known: the pool was started by a version that did not note it, or is not started at all. */
	if (fd < 0 || !then->known)
		return fd;
	if (target_place(fd, &now, e) == 0) {
		if (is_same(d, fd, &now))
			return fd;
		err_set(e, ERR_STATE,
		        now.dev == then->dev && now.ino == then->ino
		                ? "something was mounted or unmounted at %s since pool \"%s\" was started"
		                : "%s leads to another directory than when pool \"%s\" was started",
		        d->target.path, d->name);
	} else {
		err_wrap(e, ERR_KEEP, "cannot use %s, the directory of pool \"%s\"", d->target.path, d->name);
	}
	close(fd);
	return -1;
}

int pool_dir_is_same(const struct pool_def *d, struct err *why)
{
	int fd = pool_dir_open(d, O_PATH, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
