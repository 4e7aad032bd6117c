/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dir: a directory that is there. Nothing is mounted; volumes are the files in it: see list.c.
 * Spec: storage.html, "Directory pool".
 *
 * The pool is its directory, and whoever can exchange that directory could have root read and write
 * elsewhere. So a start notes which one it was, and everything later goes through pool_dir_open(), which
 * looks whether it still is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "base/util.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"
#include "volumes/pool_dir.h"

/* There, and the one that it was when the pool was started. Another one is "not there", with a note why. */
static int dir_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                     struct err *e)
{
	struct err why = { 0 };
	struct stat st;

	(void)detail, (void)e;
	cleanup_close int fd = pool_dir_open(d, O_PATH, &why);
	if (fd >= 0 && fstat(fd, &st) < 0) /* asks the storage: opening it so does not */
		err_sys(&why, errno, "cannot look at %s", d->target.path);
	*state = why.class == ERR_NONE ? STATE_ACTIVE : STATE_INACTIVE;
	if (*state == STATE_INACTIVE && d->target.place.known)
		op_note(op, "%s", why.message);
	return 0;
}

/* A directory that is missing may come with another pool's mount: that is a wait, not a failure. So is
 * another one than it had, until somebody says that it is to be taken. */
static int dir_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct err why = { 0 };
	char waits_for[sizeof(e->waits_for)];

	(void)op;
	cleanup_close int fd = pool_dir_open(d, O_RDONLY, &why);
	if (fd >= 0)
		return 0;
	snprintf(waits_for, sizeof(waits_for), "path=%s", d->target.path);
	if (why.sys == ENOENT)
		return err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                "directory %s does not exist (--build makes it)", d->target.path);
	if (err_is(&why, ERR_STATE))
		return err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                "%s: pool-destroy and pool-start take what is there now", why.message);
	if (why.sys == ENOTDIR)
		return err_set(e, ERR_STORAGE, "%s is not a directory", d->target.path);
	if (e)
		*e = why;
	return -1;
}

/* Nothing was mounted by us, so nothing is taken away. */
static int dir_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	(void)d, (void)op, (void)e;
	return 0;
}

/* A directory, by where it is and by whose files one sees there: another pool may be mounted on it, or below
 * it. */
static int dir_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const struct places *places = places_now(e);

	(void)op;
	if (!places)
		return -1;
	identity_path(places, d->target.path, IDENTITY_PLACE | IDENTITY_FILES, facts);
	return 0;
}

const struct backend dir_backend = {
	.type = POOL_DIR,
	.summary = "a directory that exists; volumes are its files",
	.image = IMAGE("dir", "", "", ""),
	.watched = true,
	.deadline = { .start = SECONDS(10),
	              .stop = SECONDS(10),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.check = dir_check,
	.start = dir_start,
	.stop = dir_stop,
	.builds_directory = true,
	.build = files_build,
	.delete = files_delete,
	.identify = dir_identify,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
