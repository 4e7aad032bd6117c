/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zfs: a zpool, or a dataset in one; its volumes (zvols) are the volumes. Specification: storage.html, "ZFS
 * pools". A zpool without one of its disks is used as far as ZFS can do without, and the pool is degraded
 * then, until all of it is well.
 */
#include <fcntl.h>
#include <stdio.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "backends/zfs/zfs.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

/* In what identifies an active pool: the disks below it, " disks=vda1,vdb1". */
#define DISKS " disks="

/* ---- what it stands on ---- */

static int ground_zvol(const char *path, const char *sysname, void *arg)
{
	char dir[PATH_MAX], size[32] = "";
	struct buf *words = arg;

	if (sysname[0] && sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", sysname)) {
		sysfs_attribute(dir, "size", size, sizeof(size));
		buf_printf(words, " %s=%s:%s", sysname, path_base(path), size);
	}
	return 0;
}

/* The volumes, and the disks that the last check has seen. While one is away, any that comes may be it. */
static int zfs_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	const char *disks = op->detail ? strstr(op->detail, DISKS) : NULL;
	char zpool[ZFS_NAME], state[16] = "";

	(void)e;
	zfs_zpool(d, zpool);
	zfs_kernel_state(zpool, state, sizeof(state));
	buf_printf(words, " zpool=%s", state);
	for (const char *p = disks ? disks + strlen(DISKS) : ""; *p && *p != ' '; p += *p == ',') {
		char name[NAME_MAX + 1], dir[PATH_MAX];
		size_t n = strcspn(p, ", ");

		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		p += n;
		if (sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", name))
			buf_printf(words, " %s=%s", name, access(dir, F_OK) == 0 ? "there" : "gone");
	}
	zvols_each(zfs_dataset(d), ground_zvol, words);
	return 0;
}

/* ---- check ---- */

static void print_detail(const char *zpool, const struct zfs_state *s, struct buf *detail)
{
	const char *sep = DISKS;

	buf_printf(detail, "zpool=%s", zpool);
	for (size_t i = 0; i < s->n; i++)
		if (s->disks[i].node[0]) {
			buf_printf(detail, "%s%s", sep, s->disks[i].node);
			sep = ",";
		}
}

/* From what zpool says, with words for it in op. */
static enum pool_state judge_zpool(const char *zpool, const struct zfs_state *s, struct op *op)
{
	char sick[240];
	bool any = zfs_state_sick(s, sick, sizeof(sick));

	if (s->errors[0])
		snprintf(op->warning, sizeof(op->warning),
		         "zpool \"%.60s\" has lost data (%.100s): zpool status -v names it", zpool,
		         s->errors);
	if (streq(s->state, "ONLINE") && !any)
		return STATE_ACTIVE;
	snprintf(op->why, sizeof(op->why), "zpool \"%.60s\" is %s: %s", zpool,
	         streq(s->state, "ONLINE") ? "not whole" : s->state, any ? sick : s->status);
	return STATE_DEGRADED;
}

/* A zpool that waits for its disks answers no question: what the kernel says of it has to do. */
static int zfs_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                     struct err *e)
{
	cleanup_free struct zfs_state *s = calloc(1, sizeof(*s));
	char zpool[ZFS_NAME], now[16];

	*state = STATE_INACTIVE;
	zfs_zpool(d, zpool);
	if (!s)
		return err_set(e, ERR_NO_MEMORY, "cannot look at zpool \"%s\": out of memory", zpool);
	if (!zfs_kernel_state(zpool, now, sizeof(now))) {
		snprintf(op->why, sizeof(op->why), "zpool \"%.200s\" is not imported", zpool);
		return 0;
	}
	if (!zfs_uses(d, op)) {
		snprintf(op->why, sizeof(op->why), "zpool \"%.200s\" is imported for other pools", zpool);
		return 0;
	}
	if (streq(now, "SUSPENDED")) {
		*state = STATE_DEGRADED;
		snprintf(
			op->why, sizeof(op->why),
			"zpool \"%.60s\" is suspended: too many of its disks are gone, and it waits for them",
			zpool);
		if (detail)
			buf_adds(detail, op->detail ? op->detail : "");
		return 0;
	}
	if (zfs_state_read(zpool, s, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look at zpool \"%s\"", zpool);
	*state = judge_zpool(zpool, s, op);
	if (detail)
		print_detail(zpool, s, detail);
	return 0;
}

/* ---- start, stop ---- */

static int dataset_is_there(const struct pool_def *d, struct op *op, struct err *e)
{
	char type[32];

	if (zfs_get(zfs_dataset(d), "type", type, sizeof(type), op, e) < 0)
		return -1;
	return streq(type, "filesystem")
	               ? 0
	               : err_set(e, ERR_WRONG_FORMAT, "\"%s\" is a %s, and volumes are in filesystems",
	                         zfs_dataset(d), type);
}

/* The refresh that follows makes the volumes' links. */
static int zfs_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct err ignored = { 0 };

	if (zfs_validate(d, e) < 0 || zfs_bring_in(d, op, e) < 0)
		return -1;
	if (dataset_is_there(d, op, e) < 0 || zfs_load_key(d, op, e) < 0) {
		zfs_give_up(d, op, &ignored);
		return err_wrap(e, ERR_KEEP, "cannot use dataset \"%s\"", zfs_dataset(d));
	}
	return 0;
}

static int zfs_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	return zfs_validate(d, e) < 0 ? -1 : zfs_give_up(d, op, e);
}

/* ---- back from degraded ---- */

/* A disk that is back under the name that the zpool knows is taken in again. What somebody has taken offline
 * stays so. False: there was none. */
static bool take_in(const char *zpool, const struct zfs_state *s, struct op *op)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		const struct zfs_disk *k = &s->disks[i];
		const char *path = k->was[0] ? k->was : k->path;
		const char *const online[] = { "zpool", "online", zpool, path, NULL };
		struct err why = { 0 };

		if (!zfs_disk_is_away(k) || streq(k->state, "OFFLINE") || access(path, F_OK) < 0)
			continue;
		any = true;
		if (zfs_run(online, op, NULL, &why) < 0)
			op_note(op, "%s is not taken in by zpool \"%s\": %s", path, zpool, why.message);
	}
	return any;
}

/* The ground that is sent next is of the disks that are there now. What the last check has seen lacks one
 * that is back, and nobody would hear of it when it goes again. */
static void renew_detail(const char *zpool, const struct zfs_state *s, struct op *op)
{
	static struct buf seen; /* as long as the worker */

	buf_free(&seen);
	print_detail(zpool, s, &seen);
	op->detail = buf_str(&seen);
}

/* A zpool hears of no disk that goes or comes until it has something to write. So it opens all of them anew;
 * and one that waits for its disks tries them again. */
static int zfs_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	cleanup_free struct zfs_state *s = calloc(1, sizeof(*s));
	char zpool[ZFS_NAME], now[16];
	const char *const clear[] = { "zpool", "clear", zpool, NULL };
	const char *const reopen[] = { "zpool", "reopen", "-n", zpool, NULL };
	struct err why = { 0 };

	(void)asked, (void)e;
	zfs_zpool(d, zpool);
	if (!s || !zfs_kernel_state(zpool, now, sizeof(now)))
		return 0;
	if (zfs_run(streq(now, "SUSPENDED") ? clear : reopen, op, NULL, &why) < 0)
		op_note(op, "zpool \"%s\" does not look at its disks again: %s", zpool, why.message);
	else if (zfs_state_read(zpool, s, op, &why) == 0 &&
	         (!take_in(zpool, s, op) || zfs_state_read(zpool, s, op, &why) == 0))
		renew_detail(zpool, s, op);
	return 0;
}

const struct backend zfs_backend = {
	.type = POOL_ZFS,
	.summary = "a zpool, or a dataset in one; its volumes (zvols)",
	.waits_for = WAIT_DEVICE,
	.needs = "zpool",
	.image = IMAGE("zfs", "zfs", "", "@zpool @zfs"),
	.deadline = { .start = SECONDS(90),
	              .stop = SECONDS(45),
	              .refresh = SECONDS(60),
	              .check = SECONDS(30) },
	.validate = zfs_validate,
	.check = zfs_check,
	.ground = zfs_ground,
	.grows_by = "zd sd vd nvme",
	.look_again = SECONDS(5), /* no event tells that ZFS has copied all to another disk */
	.pause = SECONDS(10),     /* whoever exports a zpool by hand has something to do with it */
	.start = zfs_start,
	.stop = zfs_stop,
	.revive = zfs_revive,
	.build = zfs_build,
	.delete = zfs_delete,
	.find = zfs_find,
	.identify = zfs_identify,
	.refresh = zfs_refresh,
	.vol_create = zfs_vol_create,
	.vol_delete = zfs_vol_delete,
	.vol_resize = zfs_vol_resize,
	.vol_wipe = zfs_vol_wipe,
	.vol_open = zfs_vol_open,
	.vol_identify = identity_volume,
};
