/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Maps made of disks, where no multipathd does it. For each LUN: which disks lead to it, in which groups;
 * then the map is made, or given another table if it has other paths; then paths that have failed and answer
 * again are reinstated.
 *
 * A LUN with two paths gets a map wherever it is. One that has only one so far gets it where there may be
 * more of them, because whoever takes that single path now would keep the map from being made later.
 *
 * Groups: where the target says which of its ports are better (ALUA), a group for each kind, the best first.
 * Elsewhere each path is a group of its own, and only one is used at a time: not every storage may be asked
 * for one LUN through two of its controllers.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "backends/mpath/mpath.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/operation.h"
#include "system/device.h"
#include "system/links.h"
#include "system/scsi.h"
#include "system/sysfs.h"

#define SESSION_PATIENCE "5"   /* s for which a path's session may be away before the other path is tried */
#define QUEUE_SECONDS    "120" /* that requests wait while there is no path at all, as iSCSI's own with one */
#define QUEUE_PARAMETER  "/sys/module/dm_multipath/parameters/queue_if_no_path_timeout_secs"

/* ---- what a path says of itself ---- */

/* Asked by a process of its own: the path may not answer. */
struct path_look {
	bool alua, ready;
	unsigned port_group;
	enum scsi_alua access;
};

static void look_at_path(const char *node, void *arg)
{
	struct path_look *l = arg;
	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	l->access = ALUA_UNKNOWN;
	l->ready = fd >= 0 && scsi_is_ready(fd);
	if (l->ready && l->alua)
		l->access = scsi_alua(fd, l->port_group);
}

/* One LUN while its map is made: its disks, and what they answered. */
struct mpath_lun {
	const struct mpath_disk *disks;
	struct path_look looks[MPATH_PATHS];
	int priority[MPATH_PATHS]; /* the more, the better; -1: not known */
	size_t n;
	const struct mpath_map *map; /* or NULL: there is none yet */
};

/* What its map should be. */
struct mpath_plan {
	struct mpath_path paths[MPATH_PATHS];
	size_t n;
	uint64_t size; /* of the smallest path: the kernel learns of one path after the other that a LUN has
	                  grown */
};

static const struct mpath_path *path_in_map(const struct mpath_lun *l, size_t i)
{
	for (size_t p = 0; l->map && p < l->map->npaths; p++)
		if (l->map->paths[p].major == l->disks[i].major &&
		    l->map->paths[p].minor == l->disks[i].minor)
			return &l->map->paths[p];
	return NULL;
}

/* A path that takes requests and has no choice of groups is not asked. */
static bool path_is_asked(const struct mpath_lun *l, size_t i)
{
	const struct mpath_path *p = path_in_map(l, i);

	return streq(l->disks[i].state, "running") && (l->disks[i].alua || (p && !p->active));
}

static int ask_paths(struct mpath_lun *l, struct err *e)
{
	char nodes[MPATH_PATHS][48];
	const char *names[MPATH_PATHS];
	struct path_look looks[MPATH_PATHS];
	struct err whys[MPATH_PATHS] = { 0 };
	size_t which[MPATH_PATHS], n = 0;

	for (size_t i = 0; i < l->n; i++) {
		l->looks[i] = (struct path_look){ .alua = l->disks[i].alua,
			                          .port_group = l->disks[i].port_group,
			                          .access = ALUA_UNKNOWN };
		if (!path_is_asked(l, i))
			continue;
		snprintf(nodes[n], sizeof(nodes[n]), "/dev/%s", l->disks[i].block);
		names[n] = nodes[n];
		looks[n] = l->looks[i];
		which[n++] = i;
	}
	if (n && device_ask_all(&(struct device_questions){ .nodes = names,
	                                                    .n = n,
	                                                    .fn = look_at_path,
	                                                    .args = looks,
	                                                    .size = sizeof(*looks),
	                                                    .whys = whys },
	                        e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (whys[i].class == ERR_NONE)
			l->looks[which[i]] = looks[i];
	return 0;
}

/* ---- groups ---- */

static int alua_priority(enum scsi_alua access)
{
	static const struct {
		enum scsi_alua access;
		int priority;
	} table[] = { { ALUA_OPTIMIZED, 50 }, { ALUA_NON_OPTIMIZED, 10 }, { ALUA_STANDBY, 1 } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].access == access)
			return table[i].priority;
	return access == ALUA_UNKNOWN ? -1 : 0;
}

/* A path that does not answer now is as good as those beside which it stands in the map. */
static int inherited_priority(const struct mpath_lun *l, size_t i)
{
	const struct mpath_path *own = path_in_map(l, i);

	for (size_t k = 0; own && k < l->n; k++) {
		const struct mpath_path *other = path_in_map(l, k);

		if (k != i && other && other->group == own->group && l->priority[k] >= 0)
			return l->priority[k];
	}
	return 0;
}

/* How many different priorities are above this one: the number of its group. */
static unsigned group_of(const int *priority, size_t n, int own)
{
	unsigned above = 0;

	for (size_t i = 0; i < n; i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen |= priority[k] == priority[i];
		above += !seen && priority[i] > own;
	}
	return above;
}

/* ---- which disks are its paths ---- */

/* Is somebody else on it? Then it cannot be a path; the map's own hold does not count. */
static bool is_taken(const struct mpath_lun *l, size_t i)
{
	return !path_in_map(l, i) && device_is_claimed(l->disks[i].block);
}

/* Why a disk is left out, a clause; or NULL. A map that is in use does not shrink: whoever uses it has
 * written behind its new end. */
static const char *why_left_out(const struct mpath_lun *l, size_t i)
{
	if (is_taken(l, i))
		return "is in use by itself";
	return l->map && l->map->open && l->disks[i].size < l->map->size
	               ? "is smaller than the map, which is in use"
	               : NULL;
}

/* A LUN that has no map yet and is in use through one of its disks gets none: what is on it could be used a
 * second time through the map, and neither would know of the other. */
static bool is_used_without_map(const struct mpath_lun *l, struct op *op)
{
	for (size_t i = 0; !l->map && i < l->n; i++)
		if (is_taken(l, i)) {
			op_note(op, "no multipath map is made of %s: its path %s is in use by itself",
			        l->disks[i].id, l->disks[i].block);
			return true;
		}
	return false;
}

/* A disk that is no path now and does not work is left out. */
static void plan_map(struct mpath_lun *l, struct mpath_plan *p, struct op *op)
{
	bool alua = l->disks[0].alua;
	int priority[MPATH_PATHS] = { 0 }; /* of the plan's paths */

	*p = (struct mpath_plan){ .size = UINT64_MAX };
	for (size_t i = 0; i < l->n; i++)
		l->priority[i] = alua ? alua_priority(l->looks[i].access) : -1;
	for (size_t i = 0; i < l->n; i++) {
		const struct mpath_disk *k = &l->disks[i];
		const char *why = why_left_out(l, i);

		if (!path_in_map(l, i) && !streq(k->state, "running"))
			continue;
		if (why) {
			op_note(op, "%s is no path of %s: it %s", k->block, k->id, why);
			continue;
		}
		priority[p->n] = l->priority[i] >= 0 ? l->priority[i] : inherited_priority(l, i);
		p->paths[p->n++] = (struct mpath_path){ .major = k->major, .minor = k->minor };
		p->size = least(p->size, k->size);
	}
	for (size_t i = 0; i < p->n; i++)
		p->paths[i].group = alua ? group_of(priority, p->n, priority[i]) : (unsigned)i;
	mpath_sort(p->paths, p->n);
}

/* ---- a map ---- */

/* A session that is away keeps its requests for two minutes, in case it comes back. With another path they
 * go there, and soon. */
static void shorten_patience(const struct mpath_lun *l)
{
	char path[PATH_MAX], now[16];

	for (size_t i = 0; l->n > 1 && i < l->n; i++) {
		snprintf(path, sizeof(path), "/sys/class/iscsi_session/%s/recovery_tmo", l->disks[i].session);
		if (l->disks[i].session[0] && file_read_line(AT_FDCWD, path, now, sizeof(now)) > 0 &&
		    strtol(now, NULL, 10) > strtol(SESSION_PATIENCE, NULL, 10))
			file_poke(AT_FDCWD, path, SESSION_PATIENCE, NULL);
	}
}

/* May requests wait for a path? Only where the kernel ends that by itself. */
static bool may_queue(void)
{
	char now[16];

	if (file_read_line(AT_FDCWD, QUEUE_PARAMETER, now, sizeof(now)) <= 0)
		return false;
	return !streq(now, "0") || file_poke(AT_FDCWD, QUEUE_PARAMETER, QUEUE_SECONDS, NULL) == 0;
}

static int map_bring_up_to_date(struct mpath_lun *l, struct op *op, struct err *e)
{
	cleanup_buf struct buf table = BUF_INIT;
	const struct mpath_disk *k = &l->disks[0];
	struct mpath_plan p;
	int rc;

	if (is_used_without_map(l, op))
		return 0;
	plan_map(l, &p, op);
	if (p.n == 0 || (!l->map && p.n == 1 && !k->shared))
		return 0;
	if (l->map && l->map->size == p.size && mpath_same(p.paths, p.n, l->map->paths, l->map->npaths))
		return 0;
	mpath_table(p.paths, p.n, k->alua, may_queue(), &table);
	if (table.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot make multipath map %s: out of memory", k->id);
	rc = l->map ? mpath_reload(l->map->name, p.size, buf_str(&table), e)
	            : mpath_create(k->id, k->id, p.size, buf_str(&table), e);
	if (rc == 0)
		op_note(op, "multipath map %s: %zu path%s", k->id, p.n, p.n == 1 ? "" : "s");
	return rc;
}

/* Paths that have failed and answer again are used again; those that the kernel has given up are not waited
 * for by the next request. */
static void set_path_states(const struct mpath_lun *l, struct op *op)
{
	char text[64];

	for (size_t i = 0; l->map && i < l->n; i++) {
		const struct mpath_path *p = path_in_map(l, i);
		bool given_up = p && p->active && strstr(l->disks[i].state, "offline");
		bool is_back = p && !p->active && l->looks[i].ready;

		if (!given_up && !is_back)
			continue;
		snprintf(text, sizeof(text), "%s_path %u:%u", given_up ? "fail" : "reinstate", p->major,
		         p->minor);
		if (mpath_message(l->map->name, text, NULL) == 0 && is_back)
			op_note(op, "multipath map %s: path %s is back", l->map->name, l->disks[i].block);
	}
}

static int lun_assemble(struct mpath_lun *l, struct op *op, struct err *e)
{
	if (ask_paths(l, e) < 0 || map_bring_up_to_date(l, op, e) < 0)
		return -1;
	shorten_patience(l);
	set_path_states(l, op);
	return 0;
}

/* ---- all of them ---- */

static const struct mpath_map *map_find(const struct mpath_maps *maps, const char *id)
{
	for (size_t i = 0; i < maps->n; i++)
		if (maps->item[i].is_lun && streq(maps->item[i].id, id))
			return &maps->item[i];
	return NULL;
}

static bool has_disk(const struct mpath_disks *disks, const char *id)
{
	for (size_t i = 0; i < disks->n; i++)
		if (streq(disks->item[i].id, id))
			return true;
	return false;
}

/* Have all the devices that it stood on gone? */
static bool has_no_paths(const struct mpath_map *m)
{
	char sysname[32];

	for (size_t i = 0; i < m->npaths; i++)
		if (device_sysname(makedev(m->paths[i].major, m->paths[i].minor), sysname, sizeof(sysname)))
			return false;
	return true;
}

/* Of a LUN that is known here. A map of other devices (DASD, virtio), or of no LUN, is its maker's. */
static bool is_ours(const struct mpath_map *m, const struct mpath_disks *disks)
{
	return m->is_lun && (has_disk(disks, m->id) || has_no_paths(m));
}

static int read_disks_and_maps(struct mpath_disks *disks, struct mpath_maps *maps, struct err *e)
{
	return mpath_disks_read("/sys", disks, e) < 0 ? -1 : mpath_maps_read(maps, e);
}

int mpath_assemble(struct op *op, struct err *e)
{
	struct mpath_disks disks = { 0 };
	struct mpath_maps maps = { 0 };
	struct err why = { 0 };
	size_t n;
	int rc = read_disks_and_maps(&disks, &maps, e);

	for (size_t i = 0; rc == 0 && i < disks.n; i += n) {
		struct mpath_lun l = { .disks = &disks.item[i] };

		for (n = 1; i + n < disks.n && streq(disks.item[i + n].id, l.disks->id); n++)
			;
		l.n = n < MPATH_PATHS ? n : MPATH_PATHS;
		l.map = map_find(&maps, l.disks->id);
		if ((l.map || l.n > 1 || l.disks->shared) && lun_assemble(&l, op, &why) < 0)
			op_note(op, "%s", why.message);
	}
	for (size_t i = 0; rc == 0 && i < maps.n; i++) {
		const struct mpath_map *m = &maps.item[i];

		if (!m->open && !has_disk(&disks, m->id) && is_ours(m, &disks) &&
		    mpath_remove(m->name, &why) < 0)
			op_note(op, "%s", why.message);
	}
	free(disks.item);
	free(maps.item);
	return rc;
}

/* ---- and their end ---- */

static int map_is_free(const struct mpath_map *m, struct err *e)
{
	cleanup_buf struct buf who = BUF_INIT;
	char sysname[32];

	snprintf(sysname, sizeof(sysname), "dm-%u", m->minor);
	return device_users(sysname, &who)
	               ? err_set(e, ERR_BUSY, "multipath map %s is %s", m->name, buf_str(&who))
	               : 0;
}

int mpath_take_apart(struct err *e)
{
	struct mpath_disks disks = { 0 };
	struct mpath_maps maps = { 0 };
	int rc = read_disks_and_maps(&disks, &maps, e);

	for (size_t i = 0; rc == 0 && i < maps.n; i++)
		if (is_ours(&maps.item[i], &disks))
			rc = map_is_free(&maps.item[i], e);
	for (size_t i = 0; rc == 0 && i < maps.n; i++)
		if (is_ours(&maps.item[i], &disks)) {
			/* requests that wait for a path would keep it for two minutes */
			mpath_message(maps.item[i].name, "fail_if_no_path", NULL);
			rc = mpath_remove(maps.item[i].name, e);
		}
	free(disks.item);
	free(maps.item);
	return rc;
}
