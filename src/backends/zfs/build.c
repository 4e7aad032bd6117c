/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zpools: making one, removing one, finding which there are, and what they stand on.
 */
#include <stdio.h>
#include <sys/sysmacros.h>
#include "backends/identity.h"
#include "backends/zfs/zfs.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/device.h"
#include "system/format.h"
#include "system/sysfs.h"

/* ---- build ---- */

struct zpool_words {
	const char *argv[ZFS_DISKS + 16];
	char paths[ZFS_DISKS][PATH_MAX];
	dev_t devs[ZFS_DISKS];
	size_t n, devices;
};

/* A disk that another pool lists may be a guest's, though it looks empty. */
static int spare_owner(struct op *op, const char *spec, const char *path, struct err *e)
{
	const char *owner = op->volume_owner ? op->volume_owner(op, spec) : NULL;

	if (!owner && op->volume_owner)
		owner = op->volume_owner(op, path);
	if (!owner)
		return 0;
	return err_set(
		e, ERR_EXISTS,
		"%s is a volume of pool \"%s\": nothing was written (--overwrite, which needs the level "
		"\"admin\", goes over it)",
		spec, owner);
}

static int claim_disk(struct zpool_words *w, const char *spec, unsigned flags, struct op *op, struct err *e)
{
	bool overwrite = flags & BUILD_OVERWRITE;
	char *path = w->paths[w->devices];
	dev_t dev;

	if (format_claim(spec, overwrite, path, PATH_MAX, &dev, e) < 0 ||
	    (!overwrite && spare_owner(op, spec, path, e) < 0))
		return -1;
	for (size_t i = 0; i < w->devices; i++)
		if (w->devs[i] == dev)
			return err_set(e, ERR_INVALID, "the definition names %s twice", path);
	snprintf(path, PATH_MAX, "%s",
	         spec); /* as the definition calls it: that name is in the zpool's label */
	w->devs[w->devices++] = dev;
	w->argv[w->n++] = path;
	return 0;
}

/* Every device is looked at before the first one is written to. */
static int claim_disks(const struct pool_def *d, unsigned flags, struct zpool_words *w, struct op *op,
                       struct err *e)
{
	char room[PATH_MAX];

	if (d->source.ndevices > ZFS_DISKS)
		return err_set(e, ERR_INVALID, "a zpool of more than %d devices is not made here", ZFS_DISKS);
	for (size_t i = 0; i < d->source.ndevices; i++) {
		const char *device = pool_device(d, i, room);

		if (!device)
			w->argv[w->n++] = d->source.devices[i].path;
		else if (claim_disk(w, device, flags, op, e) < 0)
			return -1;
	}
	return w->devices ? 0
	                  : err_set(e, ERR_INVALID, "the definition names no device to make zpool \"%s\" on",
	                            zfs_dataset(d));
}

/* Locked before anything is looked at: who builds one of that name meanwhile waits, and finds this one. */
static int make_claimed(const struct pool_def *d, unsigned flags, struct op *op, bool *claimed, struct err *e)
{
	static const char *const first[] = { "zpool", "create", "-o", "cachefile=none", "-m", "none" };
	cleanup_free struct zpool_words *w = calloc(1, sizeof(*w));
	cleanup_close int lock = zfs_lock(d, op, e);
	struct zfs_udev udev;

	if (lock < 0)
		return -1;
	if (!w)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		w->argv[w->n++] = first[i];
	if (flags & BUILD_OVERWRITE)
		w->argv[w->n++] = "-f";
	w->argv[w->n++] = zfs_dataset(d);
	if (claim_disks(d, flags, w, op, e) < 0 || zfs_load_driver(op, e) < 0)
		return -1;
	if (zfs_is_imported(zfs_dataset(d)))
		return err_set(e, ERR_EXISTS, "there is a zpool of that name already");
	if (flags & BUILD_OVERWRITE)
		for (size_t i = 0; i < w->devices; i++)
			if (format_wipe_ends(w->paths[i], e) < 0)
				return -1;
	if (zfs_claim(d, op, e) < 0)
		return -1;
	*claimed = true;
	zfs_udev_begin(&udev);

	int rc = zfs_run(w->argv, op, NULL, e);

	zfs_udev_end(&udev);
	return rc;
}

/* It is exported again, so that start imports it, and stop exports it, as any other; if this ends before
 * that, stop does so all the same. One that zpool had no time to say that it has made is there, too. */
static int make_zpool(const struct pool_def *d, unsigned flags, struct op *op, struct err *e)
{
	struct err ignored = { 0 };
	bool claimed = false;
	int rc = make_claimed(d, flags, op, &claimed, e);

	if (claimed && zfs_give_up(d, op, rc == 0 ? e : &ignored) < 0)
		return -1;
	return rc;
}

/* In a zpool that is there. */
static int make_dataset(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *const argv[] = { "zfs", "create", "-o", "mountpoint=none", zfs_dataset(d), NULL };
	struct err ignored = { 0 };

	if (zfs_bring_in(d, op, e) < 0)
		return -1;

	if (zfs_run(argv, op, NULL, e) == 0)
		return zfs_give_up(d, op, e);
	zfs_give_up(d, op, &ignored);
	return -1;
}

int zfs_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	if (zfs_validate(d, e) < 0)
		return -1;

	int rc = zfs_is_nested(d) ? make_dataset(d, op, e) : make_zpool(d, flags, op, e);

	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot make \"%s\"", zfs_dataset(d)) : 0;
}

/* ---- delete ---- */

/* Nobody begins to use it between the look and the end. */
static int destroy_unused(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *name = zfs_dataset(d);
	const char *const zpool[] = { "zpool", "destroy", name, NULL };
	const char *const dataset[] = { "zfs", "destroy", "-r", name, NULL };
	cleanup_close int lock = zfs_lock(d, op, e);

	if (lock < 0 || zvols_are_free(name, e) < 0)
		return -1;
	if (zfs_is_shared(d, op, name))
		return err_set(e, ERR_BUSY, "another pool, which is active, is in it");
	if (zfs_run(zfs_is_nested(d) ? dataset : zpool, op, NULL, e) < 0)
		return -1;
	if (!zfs_is_nested(d))
		zfs_forget(d, op);
	return 0;
}

/* With all that is in it, as libvirt does; but not while another pool, or somebody else, uses that. */
int zfs_delete(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *what = zfs_is_nested(d) ? "dataset" : "zpool";
	struct err ignored = { 0 };

	if (zfs_validate(d, e) < 0 || zfs_bring_in(d, op, e) < 0)
		return -1;

	int rc = destroy_unused(d, op, e);

	if ((rc < 0 || zfs_is_nested(d)) && zfs_give_up(d, op, rc < 0 ? &ignored : e) < 0)
		rc = -1;
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot remove %s \"%s\"", what, zfs_dataset(d)) : 0;
}

/* ---- which zpools are there, and what they stand on ---- */

static void zpool_print(const struct zfs_members *m, size_t first, struct pool_device *devices,
                        struct buf *out)
{
	struct pool_def def = { .type = POOL_ZFS,
		                .source = { .name = m->list[first].zpool, .devices = devices } };

	for (size_t i = first; i < m->n; i++)
		if (streq(m->list[i].guid, m->list[first].guid))
			devices[def.source.ndevices++] = (struct pool_device){ .path = m->list[i].node,
				                                               .part_separator = -1 };
	if (zfs_validate(&def, NULL) == 0)
		pool_source_print(&def, out);
}

/* One <source> a zpool, imported or not, as the disks themselves say. */
int zfs_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	cleanup_zfs_members struct zfs_members m = { 0 };
	cleanup_free struct pool_device *devices = NULL;

	(void)source;
	if (zfs_members_read(&m, op, e) < 0)
		return -1;
	devices = calloc(m.n + 1, sizeof(*devices));
	if (!devices)
		return err_set(e, ERR_NO_MEMORY, "cannot look for zpools: out of memory");
	for (size_t i = 0; i < m.n; i++) {
		bool told = !m.list[i].guid[0];

		for (size_t k = 0; k < i && !told; k++)
			told = streq(m.list[k].guid, m.list[i].guid);
		if (!told)
			zpool_print(&m, i, devices, out);
	}
	return 0;
}

/* The devices that the definition names; where these tell nothing, the disks that bear the zpool's label. A
 * dataset shares its disks with others of the zpool: its name alone tells it apart. */
int zfs_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	cleanup_zfs_members struct zfs_members m = { 0 };
	char zpool[ZFS_NAME], guid[ZFS_GUID], spelling[ZFS_NAME + 8], room[PATH_MAX];
	const char *device;
	size_t before = facts->len;

	if (zfs_validate(d, e) < 0)
		return -1;
	if (zfs_is_nested(d))
		return 0;
	for (size_t i = 0; i < d->source.ndevices; i++)
		if ((device = pool_device(d, i, room)))
			identity_device(device, NULL, facts);
	zfs_zpool(d, zpool);
	if (facts->len > before || zfs_members_read(&m, op, NULL) < 0 ||
	    zfs_members_choose(&m, d, zpool, guid, NULL) < 0 || !guid[0])
		return 0;
	snprintf(spelling, sizeof(spelling), "zpool %s", zpool);
	for (size_t i = 0; i < m.n; i++)
		if (streq(m.list[i].guid, guid))
			identity_number(m.list[i].dev, spelling, facts);
	return 0;
}
