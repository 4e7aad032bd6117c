/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Logical volumes made, removed, given another size, wiped. Each is one command of LVM's, whose metadata have
 * the old state or the new one, whatever happens. Only a volume that is filled from another takes longer: it
 * has a tag until it is whole, and with that tag nobody sees it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/logical/layout.h"
#include "backends/logical/lvm.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/links.h"
#include "system/sysfs.h"
#include "volumes/block.h"

/* ---- what they have in common ---- */

/* The group, to be changed. */
static int group_open(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	if (group_validate(d, e) < 0 || group_look(d, g, op, e) < 0)
		return -1;
	if (!g->found)
		return err_set(e, ERR_STATE, "volume group \"%s\": %s", group_name(d), g->why);
	if (g->missing) /* what LVM would write then counts them as lost for good */
		return err_set(
			e, ERR_STATE,
			"volume group \"%s\" is not changed while %u of its %u physical volumes %s missing",
			group_name(d), g->missing, g->pvs, g->missing == 1 ? "is" : "are");
	return 0;
}

/* Run a command that changes it, and flush its disks, so that what is told outlives a power cut. What was
 * known of the group is forgotten in any case. */
static int change_group(const char *const *words, const char *vg, struct group *g, struct op *op,
                        struct err *e)
{
	int rc = group_run(words, vg, g, op, NULL, e);

	if (rc == 0)
		rc = group_flush(g->nodes, g->members, e);
	lvm_scan_forget();
	group_report_forget();
	return rc;
}

/* The volume, as it is now. The index may be older than what others have done. */
static const struct group_volume *find_volume(const struct group *g, const struct volume *v, struct err *e)
{
	const struct group_volume *lv = group_volume(g, v->name);

	if (!lv) {
		err_set(e, ERR_NO_VOLUME, "there is no logical volume \"%s\" now", v->name);
		return NULL;
	}
	if (v->key && !streq(v->key, lv->uuid)) {
		err_set(e, ERR_STATE, "\"%s\" is another logical volume now: pool-refresh looks again",
		        v->name);
		return NULL;
	}
	return lv;
}

/* ERR_BUSY names who uses it. */
static int nobody_uses(const char *path, const char *name, struct err *e)
{
	cleanup_buf struct buf who = BUF_INIT;
	char sysname[NAME_MAX + 1];
	struct stat st;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
	    device_sysname(st.st_rdev, sysname, sizeof(sysname)) && device_users(sysname, &who))
		return err_set(e, ERR_BUSY, "logical volume \"%s\" is %s", name, buf_str(&who));
	return 0;
}

static int remove_volume(const char *vg, const char *name, struct group *g, struct op *op, struct err *e)
{
	char target[300];
	const char *const words[] = { "lvremove", "-y", "-f", target, NULL };

	snprintf(target, sizeof(target), "%s/%s", vg, name);
	return change_group(words, vg, g, op, e);
}

/* See group_leftover(). *g is as it is afterwards. Not while a physical volume is missing: see group_open().
 */
static int remove_leftovers(const struct pool_def *d, const char *of_pool, struct group *g, struct op *op,
                            struct err *e)
{
	const struct group_volume *lv;
	struct err why = { 0 };
	bool removed = true, pool;
	char name[128];

	while (removed && g->found && !g->missing && (lv = group_leftover(g, of_pool))) {
		pool = lv->unused;
		snprintf(name, sizeof(name), "%s", lv->name);
		removed = remove_volume(group_name(d), name, g, op, &why) == 0;
		if (!removed)
			op_note(op, "\"%s\" should be removed, and cannot be: %s", name, why.message);
		else if (pool)
			op_note(op, "thin pool \"%s\" was removed with its last volume", name);
		else
			op_note(op, "volume \"%s\" was removed: its making had been broken off", name);
		if (group_look(d, g, op, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- create ---- */

struct new_volume {
	const struct pool_def *d;
	const struct volume_def *v;
	const struct vol_input *from;
	unsigned flags;
	struct volume_layout layout;
	struct group g;
	const struct group_volume *origin; /* what a snapshot is of */
	char path[300];
	struct op *op;
};

/* The volume of this group that a path or a name means. */
static const struct group_volume *own_volume(const struct new_volume *m, const char *what)
{
	char dir[160], mapped[300], vg[128], lv[128];

	snprintf(dir, sizeof(dir), "/dev/%s/", group_name(m->d));
	if (starts_with(what, dir))
		return group_volume(&m->g, what + strlen(dir));
	snprintf(mapped, sizeof(mapped), "%s", what);
	if (starts_with(mapped, "/dev/mapper/") &&
	    lvm_dm_name(mapped + strlen("/dev/mapper/"), vg, sizeof(vg), lv, sizeof(lv)))
		return streq(vg, group_name(m->d)) ? group_volume(&m->g, lv) : NULL;
	return strchr(what, '/') ? NULL : group_volume(&m->g, what);
}

/* A backing store makes it a snapshot; less allocation than capacity makes it sparse, as in libvirt. */
static int settle_layout(struct new_volume *m, struct err *e)
{
	const struct volume_def *v = m->v;
	struct volume_layout *l = &m->layout;

	if (layout_read(v->layout, l, e) < 0)
		return -1;
	if (v->backing.given && v->layout && l->kind != LAYOUT_SNAPSHOT)
		return err_set(e, ERR_INVALID, "a volume with a backing store is a snapshot of it");
	if (v->backing.given && !m->from) {
		l->kind = LAYOUT_SNAPSHOT;
	} else if (!v->layout && !m->from && v->has_allocation && v->allocation < v->capacity) {
		l->kind = LAYOUT_SPARSE;
		l->size = v->allocation;
		if (!l->size)
			return err_set(
				e, ERR_INVALID,
				"a sparse volume needs some allocation for what is written to it; "
				"<layout> thin pool=NAME makes one that takes its space from a thin pool");
	}
	return 0;
}

/* Cloned by reference: a snapshot in the same thin pool. */
static int settle_reflink(struct new_volume *m, struct err *e)
{
	const char *name = m->from->volume->name;

	m->origin = streq_null(m->from->pool->name, m->d->name) ? group_volume(&m->g, name) : NULL;
	if (!m->origin || !m->origin->thin || m->v->layout)
		return err_set(
			e, ERR_UNSUPPORTED,
			"volume \"%s\" cannot share storage with \"%s\": only thin volumes of one group can",
			m->v->name, name);
	m->layout = (struct volume_layout){ .kind = LAYOUT_SNAPSHOT };
	m->from = NULL;
	return 0;
}

/* As in libvirt the document's size is the room for changes, if its layout says nothing of that. From the
 * origin's size on it is the room for all, which is more, for LVM's tables: 0, as where nothing is said. */
static uint64_t settle_room(const struct volume_def *v, uint64_t origin)
{
	uint64_t said = v->has_capacity && !v->layout ? v->capacity : 0;

	if (v->has_allocation)
		said = v->allocation;
	return said < origin ? said : 0;
}

/* A snapshot of a thin volume takes its room from the pool, unless its layout says otherwise. */
static int settle_origin(struct new_volume *m, struct err *e)
{
	const struct volume_def *v = m->v;

	if (m->layout.kind != LAYOUT_SNAPSHOT || m->origin)
		return 0;
	if (!m->v->backing.given)
		return err_set(e, ERR_INVALID, "a snapshot needs a backing store, the volume that it is of");
	m->origin = own_volume(m, m->v->backing.path);
	if (!m->origin)
		return err_set(e, ERR_INVALID,
		               "the backing store %.200s is no volume of group \"%s\": a snapshot is of one",
		               m->v->backing.path, group_name(m->d));
	if (!m->layout.size && !m->origin->thin)
		m->layout.size = settle_room(v, m->origin->size);
	return 0;
}

/* Everything that can be refused before LVM is asked. */
static int check_new_volume(struct new_volume *m, struct err *e)
{
	const struct volume_def *v = m->v;

	if (!check_lvm_name(v->name))
		return err_set(e, ERR_INVALID, "\"%s\" is no name of a logical volume: " LVM_NAME_RULE,
		               v->name);
	if (v->encryption.format)
		return err_set(e, ERR_UNSUPPORTED,
		               "an encrypted logical volume is not made here: encrypt what is put on it");
	if (v->other_format && !streq(v->other_format, "raw"))
		return err_set(
			e, ERR_UNSUPPORTED,
			"a logical volume is raw: an image of format \"%.40s\" can be uploaded into one",
			v->other_format);
	if (v->perms.label)
		op_note(m->op, "the label of volume \"%s\" is not set: a device's is set by its host",
		        v->name);
	if (m->flags & VOL_PREALLOC_METADATA)
		return err_set(e, ERR_UNSUPPORTED, "a logical volume has no tables to be made in advance");
	if (settle_layout(m, e) < 0 || group_open(m->d, &m->g, m->op, e) < 0)
		return -1;
	if ((m->flags & VOL_REFLINK) && settle_reflink(m, e) < 0)
		return -1;
	if (settle_origin(m, e) < 0)
		return -1;
	if (!m->origin && !v->capacity)
		return err_set(e, ERR_INVALID, "the capacity must be given, and not be 0");
	if (group_volume(&m->g, v->name))
		return err_set(e, ERR_EXISTS, "there is a logical volume \"%s\" in group \"%s\" already",
		               v->name, group_name(m->d));
	return 0;
}

static int fill_volume(struct new_volume *m, struct err *e)
{
	char target[300];
	const char *const words[] = { "lvchange", "--deltag", GROUP_UNFINISHED, target, NULL };

	snprintf(target, sizeof(target), "%s/%s", group_name(m->d), m->v->name);
	group_expect_full(m->layout.pool, m->op);
	if (group_explain(m->op, block_vol_fill(m->path, m->d, m->v, m->from, m->op, e), e) < 0)
		return -1;
	return group_open(m->d, &m->g, m->op, e) < 0 ? -1
	                                             : change_group(words, group_name(m->d), &m->g, m->op, e);
}

/* A command that fails in the middle may leave the volume there. One that has neither been `made` by us nor
 * our tag is somebody else's, made since we looked. */
static void unmake(struct new_volume *m, bool made)
{
	const struct group_volume *lv;

	if (group_open(m->d, &m->g, m->op, NULL) == 0 && (lv = group_volume(&m->g, m->v->name)) &&
	    (made || lv->unfinished))
		remove_volume(group_name(m->d), m->v->name, &m->g, m->op, NULL);
	if (m->layout.kind == LAYOUT_THIN && group_open(m->d, &m->g, m->op, NULL) == 0)
		remove_leftovers(m->d, m->layout.pool, &m->g, m->op, NULL);
}

/* A thin pool that is not there is made, and one that is smaller than the layout says grows. */
static int settle_pool(struct new_volume *m, struct err *e)
{
	const struct group_volume *pool = group_volume(&m->g, m->layout.pool);
	const char *vg = group_name(m->d);
	struct layout_words made = { .n = 0 };
	char target[300], size[40];
	const char *const grown[] = { "lvextend", "-y", "-L", size, target, NULL };
	uint64_t wanted = (m->layout.size + 511) / 512 * 512;

	if (m->layout.kind != LAYOUT_THIN || !wanted ||
	    (pool && (pool->attr[0] != 't' || pool->size >= wanted)))
		return 0;
	snprintf(target, sizeof(target), "%s/%s", vg, m->layout.pool);
	snprintf(size, sizeof(size), "%llub", (unsigned long long)wanted);
	if (!pool) {
		layout_pool_words(&m->layout, vg, &m->g, &made);
		m->layout.on[0] = '\0'; /* it lies there, and its volumes in it */
	}
	return change_group(pool ? grown : made.argv, vg, &m->g, m->op, e) < 0
	               ? -1
	               : group_open(m->d, &m->g, m->op, e);
}

/* The thin pool that is there and has to have some room; or "". */
static const char *takes_from(const struct new_volume *m)
{
	return m->origin && m->origin->thin && !m->layout.size ? m->origin->pool : m->layout.pool;
}

static int make_volume(struct new_volume *m, struct err *e)
{
	const char *vg = group_name(m->d);
	struct layout_words w = { .n = 0 };

	snprintf(m->path, sizeof(m->path), "/dev/%s/%s", vg, m->v->name);
	if (settle_pool(m, e) < 0 || layout_words(&m->layout, vg, &m->g, m->v->name, m->v->capacity,
	                                          m->origin, m->from ? GROUP_UNFINISHED : NULL, &w, e) < 0)
		return -1;

	group_expect_full(takes_from(m), m->op);

	bool made = group_explain(m->op, change_group(w.argv, vg, &m->g, m->op, e), e) == 0;

	if (made && block_vol_perms(m->path, m->v, e) == 0 && (!m->from || fill_volume(m, e) == 0))
		return 0;
	unmake(m, made);
	return -1;
}

int logical_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                       const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(op && v->name, e);

	struct new_volume m = { .d = d, .v = v, .from = from, .flags = flags, .op = op };

	if (check_new_volume(&m, e) == 0 && make_volume(&m, e) == 0)
		return 0;
	return err_wrap(e, ERR_KEEP, "cannot make volume \"%s\" in pool \"%s\"", v->name, d->name);
}

int logical_sweep(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	return remove_leftovers(d, NULL, g, op, e);
}

/* ---- delete, resize, wipe ---- */

/* LVM would remove the snapshots with it. Those in a thin pool do not need their origin. */
static int has_no_snapshots(const struct group *g, const struct group_volume *lv, struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT;

	group_snapshots(g, lv, &names);
	if (!names.len)
		return 0;
	return err_set(e, ERR_BUSY, "it has snapshots, which would be lost with it: %s", buf_str(&names));
}

int logical_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	demand(v->name && v->path, e);

	const struct group_volume *lv;
	struct group g;

	if (group_open(d, &g, op, e) < 0 || !(lv = find_volume(&g, v, e)) ||
	    has_no_snapshots(&g, lv, e) < 0 || nobody_uses(v->path, v->name, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot remove volume \"%s\"", v->name);

	char thin_pool[sizeof(lv->pool)];

	snprintf(thin_pool, sizeof(thin_pool), "%s", lv->pool);
	if (remove_volume(group_name(d), v->name, &g, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot remove volume \"%s\"", v->name);
	/* It is gone, whatever becomes of its thin pool. */
	if (thin_pool[0] && group_look(d, &g, op, NULL) == 0)
		remove_leftovers(d, thin_pool, &g, op, NULL);
	return 0;
}

int logical_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                       unsigned flags, struct err *e)
{
	demand(v->name && v->path && !(flags & ~(unsigned)(VOL_ALLOCATE | VOL_SHRINK)), e);

	char target[300], size[40];
	const char *const words[] = { "lvresize", "-y", "-f", "-L", size, target, NULL };
	const struct group_volume *lv;
	struct group g;

	snprintf(target, sizeof(target), "%s/%s", group_name(d), v->name);
	if (group_open(d, &g, op, e) == 0 && (lv = find_volume(&g, v, e))) {
		uint64_t extent = g.extent ? g.extent : 512;
		uint64_t wanted = (capacity / extent + (capacity % extent != 0)) * extent;

		if (wanted == lv->size)
			return 0;
		snprintf(size, sizeof(size), "%llub", (unsigned long long)wanted);
		if (group_may_resize(&g, lv, wanted, flags & VOL_SHRINK, e) == 0 &&
		    (wanted > lv->size || nobody_uses(v->path, v->name, e) == 0) &&
		    change_group(words, group_name(d), &g, op, e) == 0)
			return 0;
	}
	return err_wrap(e, ERR_KEEP, "cannot resize volume \"%s\"", v->name);
}

/* What is written to a snapshot takes room, and where there is not enough of it, the snapshot is lost. */
int logical_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                     struct err *e)
{
	const struct group_volume *lv;
	struct group g;

	if (group_open(d, &g, op, e) < 0 || !(lv = find_volume(&g, v, e)))
		return err_wrap(e, ERR_KEEP, "cannot wipe volume \"%s\"", v->name);
	if (group_is_snapshot(lv))
		return err_set(
			e, ERR_UNSUPPORTED,
			"volume \"%s\" is a %s: writing to all of it would fill it up; delete it instead",
			v->name, group_is_sparse(lv) ? "sparse volume" : "snapshot");
	/* What is trimmed takes no room in a thin pool. Snapshots of it would keep that, too. */
	if (group_room(&g, lv, streq(algorithm, "trim") ? UINT64_MAX : lv->size, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot wipe volume \"%s\"", v->name);
	group_expect_full(lv->pool, op);
	return group_explain(op, block_vol_wipe(d, op, v, algorithm, e), e);
}

/* ---- upload and download ---- */

int logical_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                     uint64_t *size, struct err *e)
{
	demand(op && v->name, e);

	const struct group_volume *lv;
	struct group g;

	if (!write)
		return block_vol_open(d, op, v, write, size, e);
	if (group_look(d, &g, op, e) < 0)
		return -1;
	if (!g.found)
		return err_set(e, ERR_STATE, "volume group \"%s\": %s", group_name(d), g.why);
	if (!(lv = find_volume(&g, v, e)) || group_room(&g, lv, op->writes, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot write to volume \"%s\"", v->name);
	group_expect_full(lv->pool, op);
	return block_vol_open(d, op, v, write, size, e);
}
