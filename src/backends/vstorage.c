/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vstorage: a cluster of Virtuozzo Storage, mounted at the target path by the client program of its maker,
 * vstorage-mount. Spec: storage.html, "Vstorage pools". Volumes are the files in it: see list.c.
 *
 * The program's arguments are those that libvirt gives it: the owner and mode that the definition has for the
 * target are the mount's, by name. It leaves a process behind that serves the mount (FUSE) and ends with it.
 * Should that one die, the mount stays and answers nothing: then it is taken away and made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "backends/backend.h"
#include "backends/mounted.h"
#include "base/memory.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/module.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"
#include "volumes/pool_dir.h"

#define FSTYPE        "fuse.vstorage"
#define SOURCE_PREFIX "vstorage://"
#define DEFAULT_MODE  0711 /* libvirt's, for the target of a pool */

/* The cluster's own spelling in the mount table. */
static bool vstorage_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	return streq(m->fstype, FSTYPE) && starts_with(m->source, SOURCE_PREFIX) &&
	       streq(m->source + strlen(SOURCE_PREFIX), d->source.name);
}

/* ---- mounting ---- */

/* The client takes names. An image without /etc/passwd has root all the same. */
static int owner_names(const struct pool_perms *perms, char user[64], char group[64], struct err *e)
{
	uid_t uid = perms->owner < 0 ? geteuid() : (uid_t)perms->owner;
	gid_t gid = perms->group < 0 ? getegid() : (gid_t)perms->group;
	const struct passwd *u = getpwuid(uid);
	const struct group *g = getgrgid(gid);

	if ((!u && uid != 0) || (!g && gid != 0))
		return err_set(e, ERR_INVALID,
		               "this machine has no name for %s %u, and vstorage-mount takes a name only",
		               !u && uid != 0 ? "user" : "group", !u && uid != 0 ? uid : gid);
	snprintf(user, 64, "%s", u ? u->pw_name : "root");
	snprintf(group, 64, "%s", g ? g->gr_name : "root");
	return 0;
}

/* Run the client. What it leaves behind stays, for that serves the mount; and it must not be the first to go
 * when memory runs out, as a worker and its tools are: what was written last would be lost with it. */
static int run_client(const struct pool_def *d, const struct op *op, struct err *e)
{
	const struct pool_perms *perms = &d->target.perms;
	char mode[16], user[64], group[64];
	/* what becomes an argument was checked when it was read: it does not begin with '-' */
	const char *const argv[] = { "vstorage-mount",
		                     "-c",
		                     d->source.name,
		                     d->target.path,
		                     "-m",
		                     mode,
		                     "-g",
		                     group,
		                     "-u",
		                     user,
		                     NULL };
	struct tool t = { .argv = argv, .deadline = op->deadline, .leaves = true };
	int rc;

	snprintf(mode, sizeof(mode), "%o", perms->mode < 0 ? DEFAULT_MODE : (unsigned)perms->mode);
	if (owner_names(perms, user, group, e) < 0)
		return -1;
	memory_unbound();
	rc = spawn_ok(&t, e);
	memory_bound();
	tool_free(&t);
	return rc;
}

/* What is in it is data, as of all that is mounted here: the client does not know of that. And its root is
 * asked for once: a FUSE mount's number of it is the kernel's until then, and the client's from then on. */
static void settle_mount(const struct pool_def *d, struct op *op)
{
	cleanup_close int dir = target_open_path(d->target.path, O_PATH, NULL);
	char path[PATH_MAX];
	struct stat st;

	if (mount_path(d->target.path, path, NULL) > 0 &&
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) < 0)
		op_note(op, "%s: programs and devices in it are not shut off: %s", path, strerror(errno));
	if (dir < 0 || fstat(dir, &st) < 0)
		op_note(op, "%s does not answer yet: %s", d->target.path, strerror(errno));
}

static int vstorage_mount(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int dir = target_make(d->target.path, O_PATH, NULL, e);
	enum pool_state state;

	if (dir < 0)
		return -1;
	module_load_wanted("fuse");
	op->begun = true;
	if (run_client(d, op, e) < 0 || mount_check(d, vstorage_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state != STATE_ACTIVE)
		return err_set(e, ERR_STORAGE, "vstorage-mount reports success, but nothing is mounted at %s",
		               d->target.path);
	settle_mount(d, op);
	return 0;
}

/* ---- the operations ---- */

static int vstorage_start(const struct pool_def *d, struct op *op, struct err *e)
{
	enum pool_state state;

	if (mount_check(d, vstorage_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state == STATE_ACTIVE)
		return 0;
	return vstorage_mount(d, op, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot mount cluster \"%s\"", d->source.name)
	               : 0;
}

static int vstorage_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                          struct err *e)
{
	return mount_pool_check(d, vstorage_is_mount, op, state, detail, e);
}

static int vstorage_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	return mount_pool_stop(d, vstorage_is_mount, op, e);
}

/* The kernel says ENOTCONN of a mount whose client has ended: only another client brings it back. */
static bool is_without_client(const struct pool_def *d)
{
	struct err why = { 0 };
	cleanup_close int fd = pool_dir_open(d, O_PATH, &why);
	struct statfs sizes;

	return fd < 0 ? why.sys == ENOTCONN : fstatfs(fd, &sizes) < 0 && errno == ENOTCONN;
}

static int vstorage_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	if (!asked && !is_without_client(d))
		return 0;
	snprintf(op->why, sizeof(op->why), "the client of cluster %.120s had ended", d->source.name);
	return vstorage_stop(d, op, e) < 0 ? -1 : 1;
}

const struct backend vstorage_backend = {
	.type = POOL_VSTORAGE,
	.summary = "a cluster of Virtuozzo Storage, mounted by its client; volumes are its files",
	.waits_for = WAIT_NETWORK,
	.needs = "cluster",
	.image = IMAGE("vstorage", "fuse", "", "@vstorage-mount"),
	.deadline = { .start = SECONDS(60),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.check = vstorage_check,
	.start = vstorage_start,
	.stop = vstorage_stop,
	.revive = vstorage_revive,
	.builds_directory = true,
	.build = files_build,
	.delete = files_delete,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
