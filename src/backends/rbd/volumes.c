/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images removed, given another size, wiped.
 */
#include <errno.h>
#include <stdio.h>
#include "backends/rbd/rbd.h"
#include "base/contract.h"
#include "base/util.h"
#include "volumes/pace.h"

int rbd_image_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   rbd_image_t *image, struct err *e)
{
	struct rbd_pool *pool;
	uint64_t features = 0;
	int answer;

	if (rbd_pool_open(d, op, &pool, e) < 0)
		return -1;
	*image = NULL;
	answer = write ? rbd_open(pool->io, v->name, image, NULL)
	               : rbd_open_read_only(pool->io, v->name, image, NULL);
	if (answer == -ENOENT)
		return err_set(e, ERR_NO_VOLUME, "there is no image \"%s\" now", v->name);
	if (answer < 0)
		return rbd_error(e, answer, "cannot open image \"%s\"", v->name);
	if (!write)
		return 0;
	if (rbd_get_features(*image, &features) == 0 && !(features & RBD_FEATURE_JOURNALING))
		return 0;
	rbd_close(*image);
	return err_set(e, ERR_UNSUPPORTED, "image \"%s\" has a journal, and this program writes none",
	               v->name);
}

int rbd_progress(uint64_t done, uint64_t total, void *arg)
{
	struct op *op = arg;

	op->on_progress(op, done, total);
	return 0;
}

/* Whoever has an image open to write watches it. We are one of those. */
static int check_unused(rbd_image_t image, struct err *e)
{
	rbd_image_watcher_t watchers[8];
	size_t open = ARRAY_LEN(watchers);
	int answer = rbd_watchers_list(image, watchers, &open);

	if (answer == 0)
		rbd_watchers_list_cleanup(watchers, open);
	if (answer == -ERANGE || (answer == 0 && open > 1))
		return err_set(e, ERR_BUSY, "somebody has it open");
	return answer < 0 ? rbd_error(e, answer, "cannot ask who uses it") : 0;
}

/* What would keep the image from going is found out before its snapshots go: they would be lost, and the
 * image be there still. */
static int check_removable(rbd_image_t image, struct err *e)
{
	rbd_linked_image_spec_t clones[8];
	size_t n = ARRAY_LEN(clones);
	int answer = rbd_list_children3(image, clones, &n);

	if (answer == -ERANGE)
		return err_set(e, ERR_BUSY, "there are clones of its snapshots: %zu of them", n);
	if (answer >= 0 && n > 0) {
		err_set(e, ERR_BUSY,
		        "there are clones of its snapshots: image \"%.100s\"%s of Ceph pool \"%.100s\"",
		        clones[0].image_name, clones[0].trash ? " in the trash" : "", clones[0].pool_name);
		rbd_linked_image_spec_list_cleanup(clones, n);
		return -1;
	}
	/* A user may be kept from asking other pools for clones. */
	if (answer < 0 && answer != -EPERM)
		return rbd_error(e, answer, "cannot ask who uses it");
	return check_unused(image, e);
}

/* Those with clones cannot go: the clones would lose what they share with it. None is removed before all may
 * be. */
static int remove_snapshots(rbd_image_t image, const rbd_snap_info_t *snaps, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		int is_protected = 0, answer = rbd_snap_is_protected(image, snaps[i].name, &is_protected);

		if (answer >= 0 && is_protected)
			answer = rbd_snap_unprotect(image, snaps[i].name);
		if (answer == -EBUSY)
			return err_set(e, ERR_BUSY, "there are clones of its snapshot \"%.100s\"",
			               snaps[i].name);
		if (answer < 0)
			return rbd_error(e, answer, "cannot remove its snapshot \"%.100s\"", snaps[i].name);
	}
	for (int i = 0; i < n; i++) {
		const int answer = rbd_snap_remove(image, snaps[i].name);

		if (answer < 0)
			return rbd_error(e, answer, "cannot remove its snapshot \"%.100s\"", snaps[i].name);
	}
	return 0;
}

/* Its snapshots would be lost with it: they go only if that was asked for. */
static int deal_with_snapshots(rbd_image_t image, bool remove, struct err *e)
{
	rbd_snap_info_t snaps[256];
	int room = ARRAY_LEN(snaps), n = rbd_snap_list(image, snaps, &room), rc;
	cleanup_buf struct buf names = BUF_INIT;

	if (n == 0)
		return 0;
	if (n < 0 && n != -ERANGE)
		return rbd_error(e, n, "cannot ask for its snapshots");
	if (n < 0)
		return err_set(e, ERR_BUSY, "it has %d snapshots, which would be lost with it", room);
	for (int i = 0; i < n; i++)
		buf_printf(&names, "%s%s", i ? " " : "", snaps[i].name);
	if (remove)
		rc = check_removable(image, e) < 0 ? -1 : remove_snapshots(image, snaps, n, e);
	else
		rc = err_set(e, ERR_BUSY, "it has snapshots, which would be lost with it: %s",
		             buf_str(&names));

	rbd_snap_list_end(snaps);
	return rc;
}

int rbd_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	demand(v->name && op, e);

	struct rbd_pool *pool;
	rbd_image_t image;
	int answer = 0, rc = -1;

	if (rbd_image_open(d, op, v, true, &image, e) == 0) {
		rc = deal_with_snapshots(image, op->snapshots_too, e);
		rbd_close(image);
	}
	if (rc == 0 && (rc = rbd_pool_open(d, op, &pool, e)) == 0)
		answer = rbd_remove_with_progress(pool->io, v->name, rbd_progress, op);
	if (rc == 0 && answer == -EBUSY)
		rc = err_set(e, ERR_BUSY, "somebody has it open, or a clone of it is there");
	else if (rc == 0 && answer < 0)
		rc = rbd_error(e, answer, "the cluster refuses");
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot remove volume \"%s\"", v->name) : 0;
}

int rbd_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                   unsigned flags, struct err *e)
{
	demand(v->name && op, e);

	uint64_t now = 0;
	rbd_image_t image;
	int answer, rc = 0;

	if (flags & VOL_ALLOCATE)
		return err_set(e, ERR_UNSUPPORTED, "an image takes its space when it is written");
	if (rbd_image_open(d, op, v, true, &image, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot resize volume \"%s\"", v->name);
	answer = rbd_get_size(image, &now);
	if (answer == 0 && capacity < now && !(flags & VOL_SHRINK))
		rc = err_set(e, ERR_INVALID, "it has %llu bytes, and may become smaller only with --shrink",
		             (unsigned long long)now);
	else if (answer == 0 && capacity < now)
		rc = check_unused(image, e);
	if (rc == 0 && answer == 0 && capacity != now)
		answer = rbd_resize2(image, capacity, capacity < now, rbd_progress, op);
	if (rc == 0 && answer < 0)
		rc = rbd_error(e, answer, "the cluster refuses");
	rbd_close(image);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot resize volume \"%s\"", v->name) : 0;
}

/* ---- wipe ---- */

#define WIPE_STEP (64 * 1024 * 1024)

int rbd_image_zero(rbd_image_t image, uint64_t at, uint64_t len, struct err *e)
{
	const uint64_t end = at + len;
	ssize_t n = 0;

	for (uint64_t step; n >= 0 && at < end; at += step) {
		step = least(end - at, WIPE_STEP);
		n = rbd_write_zeroes(image, at, (size_t)step, 0, 0);
	}
	return n < 0 ? rbd_error(e, (int)n, "cannot write to the image") : 0;
}

/* "zero": it reads as zeros. "trim": it gives all that it has back. Snapshots of it keep what they have. */
static int wipe_image(rbd_image_t image, bool trim, struct op *op, struct err *e)
{
	struct pace pace = { .op = op, .doing = "wipe the image" };
	int answer = rbd_get_size(image, &pace.total);

	while (answer >= 0 && pace.done < pace.total) {
		const uint64_t step = least(pace.total - pace.done, WIPE_STEP);

		answer = trim ? rbd_discard(image, pace.done, step) : 0;
		if (answer >= 0 && !trim && rbd_image_zero(image, pace.done, step, e) < 0)
			return -1;
		if (answer >= 0 && pace_step(&pace, step, e) < 0)
			return -1;
	}
	if (answer >= 0)
		answer = rbd_flush(image);
	if (answer < 0)
		return rbd_error(e, answer, "it is wiped up to byte %llu", (unsigned long long)pace.done);
	pace_end(&pace);
	return 0;
}

int rbd_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                 struct err *e)
{
	demand(v->name && algorithm && op, e);

	bool trim = streq(algorithm, "trim");
	rbd_image_t image;
	int rc;

	if (!trim && !streq(algorithm, "zero"))
		return err_set(e, ERR_UNSUPPORTED, "an image can be wiped with zero and trim, not with %s",
		               algorithm);
	rc = rbd_image_open(d, op, v, true, &image, e);
	if (rc == 0) {
		rc = check_unused(image, e) < 0 ? -1 : wipe_image(image, trim, op, e);
		rbd_close(image);
	}
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot wipe volume \"%s\"", v->name) : 0;
}
