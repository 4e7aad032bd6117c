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
#include <unistd.h>
#include "backends/mpath/mpath.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/operation.h"
#include "system/device.h"
#include "system/links.h"
#include "system/scsi.h"

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

/* Is somebody else on it? Then it cannot be a path; the map's own hold does not count. */
static bool is_taken(const struct mpath_lun *l, size_t i)
{
	return !path_in_map(l, i) && device_is_claimed(l->disks[i].block);
}

/* The paths that the map should have. A disk that is no path now and does not work is left out. */
static size_t wanted_paths(struct mpath_lun *l, struct mpath_path *out, struct op *op)
{
	int priority[MPATH_PATHS];
	bool alua = l->disks[0].alua;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		l->priority[i] = alua ? alua_priority(l->looks[i].access) : -1;
	for (size_t i = 0; i < l->n; i++) {
		const struct mpath_disk *k = &l->disks[i];

		if (!path_in_map(l, i) && !streq(k->state, "running"))
			continue;
		if (is_taken(l, i)) {
			op_note(op, "%s is no path of %s: it is in use by itself", k->block, k->id);
			continue;
		}
		priority[n] = l->priority[i] >= 0 ? l->priority[i] : inherited_priority(l, i);
		out[n++] = (struct mpath_path){ .major = k->major, .minor = k->minor };
	}
	for (size_t i = 0; i < n; i++)
		out[i].group = alua ? group_of(priority, n, priority[i]) : (unsigned)i;
	mpath_sort(out, n);
	return n;
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

/* No path is left. */
static int map_without_paths(const struct mpath_map *m, struct err *e)
{
	return m->open ? 0 : mpath_remove(m->name, e);
}

/* One that has grown is known to be larger through one path before the kernel has looked at the others. */
static uint64_t smallest_size(const struct mpath_lun *l)
{
	uint64_t size = l->disks[0].size;

	for (size_t i = 1; i < l->n; i++)
		if (l->disks[i].size < size)
			size = l->disks[i].size;
	return size;
}

static int map_bring_up_to_date(struct mpath_lun *l, struct op *op, struct err *e)
{
	cleanup_buf struct buf table = BUF_INIT;
	const struct mpath_disk *k = &l->disks[0];
	struct mpath_path wanted[MPATH_PATHS];
	size_t n = wanted_paths(l, wanted, op);
	uint64_t size = smallest_size(l);
	int rc;

	if (n == 0 || (!l->map && n == 1 && !k->shared))
		return 0;
	if (l->map && l->map->size == size && mpath_same(wanted, n, l->map->paths, l->map->npaths))
		return 0;
	mpath_table(wanted, n, k->alua, may_queue(), &table);
	if (table.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot make multipath map %s: out of memory", k->id);
	rc = l->map ? mpath_reload(l->map->name, size, buf_str(&table), e)
	            : mpath_create(k->id, k->id, size, buf_str(&table), e);
	if (rc == 0)
		op_note(op, "multipath map %s: %zu path%s", k->id, n, n == 1 ? "" : "s");
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
		if (streq(maps->item[i].id, id))
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

int mpath_assemble(struct op *op, struct err *e)
{
	struct mpath_disks disks = { 0 };
	struct mpath_maps maps = { 0 };
	struct err why = { 0 };
	size_t n;
	int rc = -1;

	if (mpath_disks_read("/sys", &disks, e) == 0 && mpath_maps_read(&maps, e) == 0)
		rc = 0;
	for (size_t i = 0; rc == 0 && i < disks.n; i += n) {
		struct mpath_lun l = { .disks = &disks.item[i] };

		for (n = 1; i + n < disks.n && streq(disks.item[i + n].id, l.disks->id); n++)
			;
		l.n = n < MPATH_PATHS ? n : MPATH_PATHS;
		l.map = map_find(&maps, l.disks->id);
		if ((l.map || l.n > 1 || l.disks->shared) && lun_assemble(&l, op, &why) < 0)
			op_note(op, "%s", why.message);
	}
	for (size_t i = 0; rc == 0 && i < maps.n; i++)
		if (!has_disk(&disks, maps.item[i].id) && map_without_paths(&maps.item[i], &why) < 0)
			op_note(op, "%s", why.message);
	free(disks.item);
	free(maps.item);
	return rc;
}
