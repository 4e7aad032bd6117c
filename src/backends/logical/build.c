/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volume groups: making one, removing one, finding which there are, and what they stand on.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include "backends/identity.h"
#include "backends/logical/lockd.h"
#include "backends/logical/logical.h"
#include "backends/logical/lvm.h"
#include "backends/logical/lvm_scan.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/device.h"
#include "system/format.h"

/* ---- build, delete ---- */

static bool group_is_listed(const dev_t *devices, size_t n, dev_t dev)
{
	for (size_t i = 0; i < n; i++)
		if (devices[i] == dev)
			return true;
	return false;
}

struct claimed {
	char path[MEMBERS_MAX][PATH_MAX];
	dev_t dev[MEMBERS_MAX];
	size_t n;
};

/* Every device is looked at before the first one is written to. */
static int claim_all(const struct pool_def *d, unsigned flags, struct claimed *c, struct err *e)
{
	if (d->source.ndevices == 0)
		return err_set(e, ERR_INVALID,
		               "the definition names no device to make volume group \"%s\" on",
		               group_name(d));
	if (d->source.ndevices > MEMBERS_MAX)
		return err_set(e, ERR_INVALID, "a volume group on more than %d devices is not made here",
		               MEMBERS_MAX);
	for (; c->n < d->source.ndevices; c->n++) {
		if (format_claim(d->source.devices[c->n].path, flags & BUILD_OVERWRITE, c->path[c->n],
		                 sizeof(c->path[0]), &c->dev[c->n], e) < 0)
			return -1;
		if (group_is_listed(c->dev, c->n, c->dev[c->n]))
			return err_set(e, ERR_INVALID, "the definition names %s twice", c->path[c->n]);
	}
	return 0;
}

/* The group's first physical volume among the claimed devices; or NULL. */
static const char *claimed_member(const struct claimed *c, const struct group *g)
{
	for (size_t i = 0; i < g->members; i++)
		if (group_is_listed(c->dev, c->n, g->member[i]))
			return g->nodes[i];
	return NULL;
}

/* One that hosts share is never built over. Where the machine has an LVM of its own, with a system ID, that
 * LVM says whether the group is for this host: it shows no other. */
static bool is_anothers(const struct lvm_scan *s, struct group *g, struct op *op, char *why, size_t size)
{
	const struct lvm_label *l = g->label;

	if (lockd_keeps(l))
		snprintf(why, size, "it is shared by hosts that lock it (%s)", l->lock_type);
	if (lockd_keeps(l) || group_is_refused(l, op, why, size))
		return true;
	if (!l->system_id[0])
		return false;
	lvm_id_print(l->vg, g->uuid);
	if (group_report(l->name, g, op, NULL) == 0 && g->found)
		return false;
	group_say_hidden(s, g, why, size);
	return true;
}

/* What another host may be using is not overwritten, whatever was asked. */
static int check_owners(const struct claimed *c, struct op *op, struct err *e)
{
	const struct lvm_scan *s = lvm_scan(op, NULL, e);
	struct lvm_group found;
	char why[300];

	for (size_t i = 0; s && i < s->n && lvm_scan_group(s, NULL, i, &found); i++) {
		struct group g = { .found = true, .label = found.label };
		const char *node;

		group_members(s, &found, &g);
		node = claimed_member(c, &g);
		if (node && is_anothers(s, &g, op, why, sizeof(why)))
			return err_set(
				e, ERR_EXISTS,
				"%s is a physical volume of group \"%s\", which is not ours to remove: %s",
				node, found.label->name, why);
	}
	return s ? 0 : -1;
}

/* A group of that name may go only if all of it is overwritten. */
static int name_is_free(const char *vg, const struct claimed *c, struct op *op, struct err *e)
{
	const struct lvm_scan *s = lvm_scan(op, NULL, e);
	struct lvm_group found;

	for (size_t i = 0; s && i < s->n && lvm_scan_group(s, vg, i, &found); i++) {
		struct group g = { .found = true };
		bool whole = true;

		group_members(s, &found, &g);
		for (size_t m = 0; m < g.members; m++)
			whole = whole && group_is_listed(c->dev, c->n, g.member[m]);
		if (!whole || g.members < found.label->pvs)
			return err_set(e, ERR_EXISTS,
			               "there is a volume group \"%s\" already, on other devices than the "
			               "definition's: nothing was written",
			               vg);
	}
	return s ? 0 : -1;
}

static int members_make(const struct claimed *c, size_t *made, struct op *op, struct err *e)
{
	for (*made = 0; *made < c->n; ++*made) {
		const char *const words[] = { "pvcreate", "-y", "-ff", c->path[*made], NULL };
		const char *const only[] = { c->path[*made], NULL };

		if (format_wipe_ends(c->path[*made], e) < 0 || lvm_run(words, only, op, NULL, e) < 0)
			return -1;
	}
	return 0;
}

int group_flush(const char *const *nodes, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (format_flush(nodes[i], e) < 0)
			return -1;
	return 0;
}

static void members_unmake(const struct claimed *c, size_t made, struct op *op)
{
	for (size_t i = 0; i < made; i++) {
		const char *const words[] = { "pvremove", "-y", c->path[i], NULL };
		const char *const only[] = { c->path[i], NULL };

		if (lvm_run(words, only, op, NULL, NULL) == 0)
			format_wipe_ends(c->path[i], NULL);
	}
}

int logical_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	const char *vg = group_name(d);
	cleanup_free struct claimed *c = calloc(1, sizeof(*c));
	cleanup_free const char **words = calloc(d->source.ndevices + 4, sizeof(*words));
	size_t made = 0, n = 0;
	int rc;

	if (!c || !words)
		return err_set(e, ERR_NO_MEMORY, "cannot make volume group \"%s\": out of memory", vg);
	if (group_validate(d, e) < 0 || claim_all(d, flags, c, e) < 0 || check_owners(c, op, e) < 0 ||
	    name_is_free(vg, c, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot make volume group \"%s\"", vg);
	words[n++] = "vgcreate";
	words[n++] = vg;
	for (size_t i = 0; i < c->n; i++)
		words[n++] = c->path[i];
	rc = members_make(c, &made, op, e) == 0 ? lvm_run(words, words + 2, op, NULL, e) : -1;
	if (rc < 0)
		members_unmake(c, made, op);
	else
		rc = group_flush(words + 2, c->n, e);
	lvm_scan_forget();
	group_report_forget();
	return rc == 0 ? 0 : err_wrap(e, ERR_KEEP, "cannot make volume group \"%s\"", vg);
}

/* The definition's devices that were the group's are no physical volumes afterwards, as libvirt leaves
 * them. */
int logical_delete(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *vg = group_name(d);
	const char *const words[] = { "vgremove", "-f", vg, NULL };
	struct err why = { 0 };
	struct group g;
	int rc = 0;

	if (group_validate(d, e) < 0 || group_look(d, &g, op, e) < 0 || group_is_free(vg, g.uuid, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot remove volume group \"%s\"", vg);
	if (!g.found)
		return err_set(e, ERR_STATE, "cannot remove volume group \"%s\": %s", vg, g.why);
	if (g.missing)
		return err_set(e, ERR_STATE,
		               "cannot remove volume group \"%s\": %u of its %u physical volumes are missing",
		               vg, g.missing, g.pvs);
	if (group_run(words, vg, &g, op, NULL, e) < 0 || group_flush(g.nodes, g.members, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot remove volume group \"%s\"", vg);
	for (size_t i = 0; i < d->source.ndevices; i++) {
		char path[PATH_MAX];
		const char *const remove[] = { "pvremove", "-y", path, NULL }, *const only[] = { path, NULL };
		dev_t dev;

		if (device_find(d->source.devices[i].path, path, sizeof(path), &dev, &why) < 0 ||
		    !group_has_member(&g, dev))
			continue;
		if (lvm_run(remove, only, op, NULL, &why) == 0)
			format_wipe_head(path, NULL); /* if it cannot be, the next build says what is there */
		else
			rc = err_set(e, why.class,
			             "volume group \"%s\" is gone, but %s stays a physical volume: %s", vg,
			             path, why.message);
	}
	lvm_scan_forget();
	group_report_forget();
	return rc;
}

/* ---- which groups are there, and what they stand on ---- */

/* What the disks themselves say: a group of which LVM would show nothing, or make something up, is not
 * offered. */
static void group_print(const struct lvm_scan *s, const struct lvm_group *found, struct pool_device *devices,
                        struct buf *out)
{
	struct pool_def def = { .type = POOL_LOGICAL,
		                .source = { .format = "lvm2",
		                            .name = (char *)(uintptr_t)found->label->name,
		                            .devices = devices } };
	struct group g = { .found = true };

	group_members(s, found, &g);
	for (size_t i = 0; i < g.members; i++)
		devices[def.source.ndevices++] = (struct pool_device){ .path = (char *)(uintptr_t)g.nodes[i],
			                                               .part_separator = -1 };
	if (def.source.ndevices && check_lvm_name(def.source.name))
		pool_source_print(&def, out);
}

/* One <source> a group. */
int logical_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	cleanup_free struct pool_device *devices = calloc(MEMBERS_MAX, sizeof(*devices));
	const struct lvm_scan *s = lvm_scan(op, NULL, e);
	struct lvm_group found;
	char why[300];

	(void)source;
	if (!s)
		return err_wrap(e, ERR_KEEP, "cannot look for volume groups");
	if (!devices)
		return err_set(e, ERR_NO_MEMORY, "cannot look for volume groups: out of memory");
	for (size_t i = 0; i < s->n && lvm_scan_group(s, NULL, i, &found); i++)
		if (!group_is_refused(found.label, op, why, sizeof(why)))
			group_print(s, &found, devices, out);
	return 0;
}

struct slaves {
	struct buf *facts;
	const char *vg;
};

/* The disks below an active volume, which sysfs knows without asking them. */
static int add_slaves(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	struct slaves *s = arg;
	char path[PATH_MAX], number_text[32], uuid[39], spelling[400];
	struct dirent *entry;
	unsigned a, b;
	DIR *dir;

	(void)lv;
	snprintf(spelling, sizeof(spelling), "volume group %s", s->vg);
	if (lvm_dm_vg_uuid(dm_uuid, uuid))
		buf_printf(s->facts, "vg=%s %s\n", uuid, s->vg);
	snprintf(path, sizeof(path), "/sys/class/block/%.64s/slaves", sysname);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/block/%.64s/dev", entry->d_name);
		if (entry->d_name[0] != '.' && !starts_with(entry->d_name, "dm-") &&
		    file_read_line(AT_FDCWD, path, number_text, sizeof(number_text)) > 0 &&
		    sscanf(number_text, "%u:%u", &a, &b) == 2)
			identity_number(makedev(a, b), spelling, s->facts);
	}
	if (dir)
		closedir(dir);
	return 0;
}

/* The kernel knows an active group, but for its disks that no volume lies on: those are known to who has
 * looked at all devices. The disks are asked only about a group that is not active and whose devices the
 * definition does not name. */
int logical_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const char *vg = group_name(d);
	struct slaves s = { facts, vg };
	size_t before = facts->len;
	char spelling[160];
	struct group g;

	if (group_validate(d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->source.ndevices; i++)
		identity_device(d->source.devices[i].path, NULL, facts);
	group_devices(vg, NULL, add_slaves, &s);
	if ((facts->len > before && !lvm_scan_is_made()) || group_seek(d, &g, op, NULL) < 0 || !g.found)
		return 0;
	buf_printf(facts, "vg=%s %s\n", g.uuid, vg);
	snprintf(spelling, sizeof(spelling), "volume group %s", vg);
	for (size_t i = 0; i < g.members; i++)
		identity_number(g.member[i], spelling, facts);
	return 0;
}
