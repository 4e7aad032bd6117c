/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The volume group of a pool: which of those that are there it is, and what LVM says of it. Names are
 * anybody's to give, so that another disk may bring a second group of ours; a group is known by its uuid.
 */
#include <limits.h>
#include <stdio.h>
#include "backends/logical/lockd.h"
#include "backends/logical/logical.h"
#include "backends/logical/lvm.h"
#include "backends/logical/lvm_scan.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/device.h"
#include "system/links.h"
#include "system/sysfs.h"

const char *group_name(const struct pool_def *d)
{
	return d->source.name ? d->source.name : d->name;
}

int group_validate(const struct pool_def *d, struct err *e)
{
	if (!check_lvm_name(group_name(d)))
		return err_set(e, ERR_INVALID, "\"%s\" is no name of a volume group: " LVM_NAME_RULE,
		               group_name(d));
	return 0;
}

/* ---- which group is it ---- */

bool group_is_refused(const struct lvm_label *group, const struct op *op, char *out, size_t size)
{
	const char *type = group->lock_type;

	out[0] = '\0';
	if (lockd_keeps(group))
		lockd_lacks(group, out, size);
	else if (streq(type, "clvm"))
		snprintf(out, size,
		         "it is shared by hosts that lock it (clvm) with clvmd, which LVM has no longer: "
		         "lvmlockd(8) tells how to change it");
	else if (type[0] && !streq(type, "none"))
		snprintf(out, size, "it has the lock type \"%s\", which is not known here", type);
	else if (group->system_id[0] && op->own_devices)
		snprintf(out, size, "it belongs to the host with the system ID \"%s\"", group->system_id);
	return out[0] != '\0';
}

/* Two devices that are one physical volume. */
static bool say_twice(const struct lvm_scan *s, const struct group *g, char *out, size_t size)
{
	const struct lvm_device *end = s->devices + s->n;

	for (const struct lvm_device *a = s->devices; a < end; a++)
		for (const struct lvm_device *b = a + 1; group_has_member(g, a->dev) && b < end; b++)
			if (group_has_member(g, b->dev) && streq(a->label->pv, b->label->pv)) {
				snprintf(out, size,
				         "%.60s and %.60s are duplicates (a disk and its copy, or two ways "
				         "to one disk) and LVM uses neither: take one away, or have "
				         "multipath make one of them",
				         a->node, b->node);
				return true;
			}
	return false;
}

/* The same where LVM has been asked and does not show it. */
void group_say_hidden(const struct lvm_scan *s, const struct group *g, char *out, size_t size)
{
	const struct lvm_label *group = g->label;

	if (lockd_keeps(group))
		snprintf(out, size, "it is shared by hosts that lock it (%s), and LVM does not show it here",
		         group->lock_type);
	else if (group->system_id[0])
		snprintf(out, size, "it belongs to the host with the system ID \"%s\"", group->system_id);
	else if (!say_twice(s, g, out, size))
		snprintf(out, size, "LVM does not accept it: %s",
		         lvm_trouble()[0] ? lvm_trouble() : "it does not say why (vgck and pvs -v may)");
}

static bool group_stands_on(const struct lvm_scan *s, const struct lvm_group *g, dev_t dev)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->devices[i].dev == dev)
			return lvm_scan_member(s, g, &s->devices[i]);
	return false;
}

/* Does it stand on a device that the definition names? */
static bool is_named(const struct pool_def *d, const struct lvm_scan *s, const struct lvm_group *g)
{
	for (size_t i = 0; i < d->source.ndevices; i++) {
		char path[PATH_MAX];
		dev_t dev;

		if (device_find(d->source.devices[i].path, path, sizeof(path), &dev, NULL) == 0 &&
		    group_stands_on(s, g, dev))
			return true;
	}
	return false;
}

struct choice {
	struct lvm_group all, usable; /* the first, and the first that is not refused */
	unsigned n, nusable;
	char other[39]; /* the second one's uuid */
};

/* True: found for certain. */
static bool choose_group(const struct pool_def *d, const struct lvm_scan *s, const char *active,
                         const struct op *op, struct choice *c, struct lvm_group *g)
{
	const char *vg = group_name(d);
	char why[300], uuid[39];
	bool several = lvm_scan_group(s, vg, 1, g);

	for (size_t i = 0; several && i < s->n && lvm_scan_group(s, vg, i, g); i++)
		if (is_named(d, s, g))
			return true;
	for (size_t i = 0; i < s->n && lvm_scan_group(s, vg, i, g); i++) {
		lvm_id_print(g->label->vg, uuid);
		if (streq(uuid, active))
			return true;
		if (c->n++ == 0)
			c->all = *g;
		else
			snprintf(c->other, sizeof(c->other), "%s", uuid);
		if (!group_is_refused(g->label, op, why, sizeof(why)) && c->nusable++ == 0)
			c->usable = *g;
	}
	return false;
}

/* A device that was left out may be the group's, unless something tells that it is not: metadata of another
 * group, or who uses it now. */
struct suspicion {
	const struct lvm_scan *scan;
	char vg[LVM_ID + 1];
	struct buf ground;
};

static int add_below(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	(void)lv, (void)dm_uuid;
	device_below(sysname, arg);
	return 0;
}

static void suspect(struct suspicion *s, const struct lvm_scan *scan, const char *vg, const char *uuid)
{
	size_t n = 0;

	*s = (struct suspicion){ .scan = scan };
	for (const char *p = uuid; *p && n < LVM_ID; p++)
		if (*p != '-')
			s->vg[n++] = *p;
	if (uuid[0])
		group_devices(vg, uuid, add_below, &s->ground);
}

static bool may_be_its(const struct lvm_device *d, void *arg)
{
	const struct suspicion *s = arg;
	char sysname[NAME_MAX + 1], word[NAME_MAX + 3];

	if (lvm_scan_is_other(s->scan, d, s->vg))
		return false;
	if (!device_sysname(d->dev, sysname, sizeof(sysname)))
		return true;
	snprintf(word, sizeof(word), " %s=", sysname);
	return strstr(buf_str(&s->ground), word) || !device_is_claimed(sysname);
}

/* Of the devices that were left out, those that may hold it. */
static void say_absent(const char *vg, const struct lvm_scan *scan, const char *active, struct group *g)
{
	struct suspicion s;
	char left[200];

	suspect(&s, scan, vg, active);
	lvm_scan_left_out(scan, may_be_its, &s, left, sizeof(left));
	g->unsure = lvm_scan_unsure(scan, may_be_its, &s);
	snprintf(g->why, sizeof(g->why), "no device that answers holds it%s%s", left,
	         strstr(left, "damaged") ? "; vgcfgrestore may restore it, or pvck --repair" : "");
	buf_free(&s.ground);
}

/* 1: it is *found; 0: there is none, and g says why; -1. */
static int find_group(const struct pool_def *d, const struct lvm_scan *s, const char *active,
                      const struct op *op, struct lvm_group *found, struct group *g, struct err *e)
{
	char wait[200], uuid[39];
	struct choice c = { .n = 0 };

	if (choose_group(d, s, active, op, &c, found))
		return 1;
	if (c.n == 0 || active[0]) {
		say_absent(group_name(d), s, active, g);
		return 0;
	}
	if (c.n > 1 && c.nusable != 1) {
		lvm_id_print(c.all.label->vg, uuid);
		snprintf(wait, sizeof(wait), "vg=%s", group_name(d));
		return err_wait(
			e, ERR_WAIT_DEVICE, wait,
			"two volume groups are called \"%s\": rename one of them by its uuid (%s, %s) with "
			"vgrename, or name the devices of the one that is meant in the definition",
			group_name(d), uuid, c.other);
	}
	*found = c.nusable == 1 ? c.usable : c.all;
	return 1;
}

/* ---- what it stands on, and what LVM says of it ---- */

void group_members(const struct lvm_scan *s, const struct lvm_group *found, struct group *g)
{
	uint64_t mark = 0;

	for (size_t i = 0; i < s->n && g->members < MEMBERS_MAX; i++)
		if (lvm_scan_member(s, found, &s->devices[i])) {
			g->nodes[g->members] = s->devices[i].node;
			g->member[g->members++] = s->devices[i].dev;
			mark = (mark << 1 | mark >> 63) ^ s->devices[i].label->mark;
		}
	snprintf(g->mark, sizeof(g->mark), "%016llx", (unsigned long long)mark);
}

int group_seek(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	const char *vg = group_name(d);
	const struct lvm_scan *s = lvm_scan(op, vg, e);
	struct lvm_group found;
	char active[39];
	int rc;

	*g = (struct group){ 0 };
	if (!s)
		return -1;
	group_active(vg, NULL, active);
	rc = find_group(d, s, active, op, &found, g, e);
	if (rc <= 0) {
		snprintf(g->uuid, sizeof(g->uuid), "%s", active);
		g->active = active[0] != '\0';
		return rc;
	}
	lvm_id_print(found.label->vg, g->uuid);
	g->active = group_active(vg, g->uuid, active);
	group_members(s, &found, g);
	if (!g->members)
		snprintf(g->why, sizeof(g->why),
		         "no device is one of the physical volumes that its metadata names");
	else
		g->found = g->active || !group_is_refused(found.label, op, g->why, sizeof(g->why));
	g->label = found.label;
	g->shared = lockd_keeps(found.label);
	return 0;
}

int group_look(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	if (group_seek(d, g, op, e) < 0)
		return -1;
	if (!g->found || group_is_avoided(g, op))
		return 0;
	g->found = false;
	if (group_report(group_name(d), g, op, e) < 0)
		return g->deadly ? 0 : -1;
	if (!g->found && !g->deadly)
		group_say_hidden(lvm_scan(op, NULL, NULL), g, g->why, sizeof(g->why));
	return 0;
}

bool group_has_member(const struct group *g, dev_t dev)
{
	for (size_t i = 0; i < g->members; i++)
		if (g->member[i] == dev)
			return true;
	return false;
}
