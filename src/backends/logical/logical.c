/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * logical: an LVM volume group; its logical volumes are the volumes. Specification: storage.html, "Logical
 * volume pools". A group without one of its physical volumes is activated as far as it goes, as LVM itself
 * does: what is complete, and RAID that can do without. The pool is degraded then, until the rest is there.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "backends/logical/lockd.h"
#include "backends/logical/logical.h"
#include "backends/logical/lvm.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/device.h"
#include "system/links.h"
#include "system/module.h"
#include "system/uevent.h"

#define MEMBERS_WITHIN  SECONDS(5) /* after the last device that has come */
#define MEMBERS_AT_MOST SECONDS(20)

/* In what identifies an active group: it was activated without some of its physical volumes. */
#define MISSING " missing="

/* ---- what it stands on ---- */

/* A volume is renamed and resized under the same device. */
static int ground_volume(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	char path[PATH_MAX], size[32] = "";
	struct buf *words = arg;

	(void)dm_uuid;
	snprintf(path, sizeof(path), "/sys/class/block/%.64s/size", sysname);
	file_read_line(AT_FDCWD, path, size, sizeof(size));
	buf_printf(words, " %s=%s:%s", sysname, lv, size);
	device_below(sysname, words);
	return 0;
}

static int logical_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	(void)e;
	if (op->detail && strstr(op->detail, MISSING))
		buf_adds(words, " pv=gone"); /* a disk that comes may be it */
	return group_devices(group_name(d), NULL, ground_volume, words);
}

/* ---- check ---- */

/* The disks among the words of the ground that have been taken out: "vdb, vdc". */
static bool gone(const struct buf *ground, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (const char *p = buf_str(ground), *end; *p; p = end) {
		p += *p == ' ';
		end = p + strcspn(p, " ");
		if (end - p > 5 && memcmp(end - 5, "=gone", 5) == 0 && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? ", " : "", (int)(end - p - 5),
			                      p);
	}
	return n > 0;
}

/* Its volumes stand on a disk that was taken out. */
static void say_gone(const char *vg, const struct group *g, const char *disks, struct op *op)
{
	struct err who = { 0 };

	if (!g->found)
		snprintf(op->why, sizeof(op->why), "%.60s was taken away under its active volumes; %.290s",
		         disks, g->why);
	else if (group_is_free(vg, g->uuid, &who) < 0)
		snprintf(op->why, sizeof(op->why),
		         "%.60s was taken away under its active volumes, and they fail until they are "
		         "closed: %.260s",
		         disks, who.message);
	else
		snprintf(op->why, sizeof(op->why),
		         "%.60s was taken away under its active volumes: they fail until the pool is stopped "
		         "and started",
		         disks);
}

/* From what LVM knows and what the kernel has. */
static enum pool_state group_state(const struct pool_def *d, const struct group *g, struct op *op)
{
	const struct group_volume *full = g->found && g->active ? group_fill(d, g, op) : NULL;
	const char *vg = group_name(d);
	cleanup_buf struct buf ground = BUF_INIT;
	char disks[64];

	group_devices(vg, g->uuid, ground_volume, &ground);
	if (g->active && !g->missing && gone(&ground, disks, sizeof(disks)))
		say_gone(vg, g, disks, op);
	else if (!g->found)
		snprintf(op->why, sizeof(op->why), "volume group \"%.60s\": %.299s", vg, g->why);
	else if (!g->active && g->inactive)
		snprintf(op->why, sizeof(op->why), "volume group \"%.127s\" has been deactivated", vg);
	else if (g->missing)
		snprintf(op->why, sizeof(op->why), "%u of %u physical volumes %s missing%s%.250s", g->missing,
		         g->pvs, g->missing == 1 ? "is" : "are", g->inactive ? ", and not active: " : "",
		         g->idle);
	else if (g->inactive)
		snprintf(op->why, sizeof(op->why), "logical volumes that are not active: %.280s%s", g->idle,
		         g->shared ? "; another host may have locked them" : "");
	else if (full)
		snprintf(op->why, sizeof(op->why),
		         "\"%.100s\" is full, and what is written to its volumes fails: delete some, or make "
		         "it larger (a new volume with <layout> thin pool=NAME size=MORE does)",
		         full->name);
	else
		return STATE_ACTIVE; /* also a group without volumes: there is nothing to activate in it */
	return g->active ? STATE_DEGRADED : STATE_INACTIVE;
}

static int logical_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                         struct err *e)
{
	const char *vg = group_name(d);
	struct group g;

	*state = STATE_INACTIVE;
	if (group_look(d, &g, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look for volume group \"%s\"", vg);
	*state = group_state(d, &g, op);
	if (detail && *state != STATE_INACTIVE)
		buf_printf(detail, "vg=%s", g.uuid);
	if (detail && *state != STATE_INACTIVE && g.missing)
		buf_printf(detail, MISSING "%u", g.missing);
	return 0;
}

/* ---- start ---- */

/* What stands on a device that should be a physical volume of the group and is not. */
static int wrong_content(const char *vg, const char *spec, const char *path, struct err *e)
{
	struct device_content c;
	char text[128];

	if (device_content_bounded(path, &c, e) < 0)
		return -1;
	if (streq(c.type, "LVM2_member"))
		return err_set(e, ERR_WRONG_FORMAT, "%s is a physical volume, but not of volume group \"%s\"",
		               spec, vg);
	return err_set(e, ERR_WRONG_FORMAT, "%s is no physical volume of \"%s\": it holds %s", spec, vg,
	               device_content_text(&c, text, sizeof(text)));
}

/* Has the look at all devices seen it? One that has come since is not known to be anything. */
static bool was_seen(dev_t dev, struct op *op)
{
	const struct lvm_scan *s = lvm_scan(op, NULL, NULL);

	for (size_t i = 0; s && i < s->n; i++)
		if (s->devices[i].dev == dev)
			return true;
	return false;
}

/* Every device of the definition that exists has to belong to the group: how many do. *absent: one that does
 * not exist. */
static int devices_match(const struct pool_def *d, const struct group *g, const char **absent, struct op *op,
                         struct err *e)
{
	int there = 0;

	*absent = NULL;
	for (size_t i = 0; i < d->source.ndevices; i++) {
		const char *spec = d->source.devices[i].path;
		char path[PATH_MAX];
		struct err found = { 0 };
		dev_t dev;

		if (device_find(spec, path, sizeof(path), &dev, &found) < 0) {
			if (!err_is(&found, ERR_WAIT_DEVICE)) {
				*e = found;
				return -1;
			}
			*absent = spec;
		} else if (!group_has_member(g, dev) && !was_seen(dev, op)) {
			*absent = spec;
		} else if (!group_has_member(g, dev)) {
			return wrong_content(group_name(d), spec, path, e);
		} else {
			there++;
		}
	}
	return there;
}

/* Look for it. Its last physical volumes may be on their way: a group is not used without them before, as
 * long as devices come, and for a moment after. */
static int look_for_members(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	/* Opened before the first look, or the event could pass between the two. */
	cleanup_close int events = uevent_open(e);
	uint64_t last = least(op->deadline, clock_ms() + MEMBERS_AT_MOST);
	int rc = events < 0 ? -1 : group_look(d, g, op, e);

	while (rc == 0 && g->found && g->missing && !g->active &&
	       uevent_disk_comes(events, least(last, clock_ms() + MEMBERS_WITHIN))) {
		lvm_scan_forget();
		group_report_forget();
		rc = group_look(d, g, op, e);
	}
	return rc;
}

/* Is the group there, and on the devices that the definition names? */
static int group_ready(const struct pool_def *d, struct group *g, struct op *op, struct err *e)
{
	const char *vg = group_name(d), *absent;
	char wait[200];
	int there;

	if (look_for_members(d, g, op, e) < 0 || (there = devices_match(d, g, &absent, op, e)) < 0)
		return -1;
	/* On none of its devices it may be another group of that name, which came first. One that is active
	 * stays what it is. */
	if (absent && !there && !(g->active && g->members)) {
		snprintf(wait, sizeof(wait), "device=%.190s", absent);
		return err_wait(e, ERR_WAIT_DEVICE, wait, "device %s is not there", absent);
	}
	snprintf(wait, sizeof(wait), "vg=%s", vg);
	/* No event tells that a device can be read again, or that a lock daemon has been started. */
	if (!g->found)
		return err_wait(e, g->unsure || g->shared ? ERR_STORAGE : ERR_WAIT_DEVICE, wait, "%s",
		                g->why);
	if (absent && !g->missing)
		op_note(op, "volume group \"%s\" is complete without %s, which the definition names", vg,
		        absent);
	return 0;
}

/* What volumes are made of: a group with mirrors or thin volumes is not activated without. */
#define LOGICAL_MODULES                                                                                      \
	"dm-mod dm-mirror dm-snapshot dm-zero dm-thin-pool dm-raid dm-cache dm-cache-smq dm-writecache"

static int lacks_node(const char *sysname, const char *lv, const char *dm_uuid, void *arg)
{
	char path[PATH_MAX];

	(void)sysname, (void)dm_uuid;
	snprintf(path, sizeof(path), "/dev/%s/%s", (const char *)arg, lv);
	return access(path, F_OK) < 0;
}

/* An activation that was broken off may have left devices without their nodes, and what is active LVM does
 * not activate again. Its status says nothing: it fails where a node is there already. */
static void make_nodes(const char *vg, struct group *g, struct op *op)
{
	const char *const words[] = { "vgmknodes", vg, NULL };
	char name[128];

	snprintf(name, sizeof(name), "%s", vg);
	if (op->own_devices && group_devices(vg, g->uuid, lacks_node, name))
		group_run(words, vg, g, op, NULL, NULL);
}

/* Start the group's lockspace on this host, if it is shared; one that is started is success. Nothing can be
 * activated before, and it takes nothing from another host; so whoever starts the pool has asked for it. It
 * stays: others on this host may use the group. */
static int join_lockspace(const char *vg, struct group *g, struct op *op, struct err *e)
{
	const char *const words[] = { "vgchange", "--lockstart", vg, NULL };

	if (!g->shared || group_run(words, vg, g, op, NULL, e) == 0)
		return 0;
	if (err_is(e, ERR_TIMEOUT))
		return err_set(e, ERR_TIMEOUT,
		               "its lockspace has not been joined in time: after a host has failed, sanlock "
		               "waits for minutes until its leases are over, and goes on with it meanwhile");
	return err_wrap(e, ERR_KEEP, "cannot start its lockspace");
}

/* LVM asks for VDO's driver by the name that it had outside the kernel. Linux has it since 6.9, as dm-vdo. */
static void load_vdo(const struct group *g)
{
	for (size_t i = 0; i < g->nvolumes; i++)
		if (g->volumes[i].attr[0] == 'd') {
			module_load("dm-vdo", NULL);
			return;
		}
}

/* Activating what is active changes nothing: so an active group is adopted by the same command. One volume
 * that cannot be activated does not keep the others from it. */
static int activate(const char *vg, struct group *g, struct op *op, struct err *e)
{
	/* of a shared one each volume is for one host at a time */
	const char *const words[] = { "vgchange", g->shared ? "-aey" : "-ay", vg, NULL };
	struct err why = { 0 };
	char active[39], wait[200];

	load_vdo(g);
	bool done = join_lockspace(vg, g, op, &why) == 0 && group_run(words, vg, g, op, NULL, &why) == 0;
	bool any = group_active(vg, g->uuid, active);

	if (any && !g->deadly)
		make_nodes(vg, g, op);
	if (done && (any || !g->missing)) {
		group_activated(vg, g);
		return 0;
	}
	group_report_forget();
	if (strstr(why.message, "mapper")) /* LVM misses the device-mapper, or one of its targets */
		module_explain(LOGICAL_MODULES, &why);
	op->begun = any; /* some of its volumes */
	if (op->begun && !g->deadly) {
		op_note(op, "volume group \"%s\" is not wholly active: %s", vg, why.message);
		return 0;
	}
	snprintf(wait, sizeof(wait), "vg=%s", vg);
	if (g->missing && !g->deadly)
		return err_wait(e, ERR_WAIT_DEVICE, wait,
		                "%u of its %u physical volumes %s missing, and no volume is complete without",
		                g->missing, g->pvs, g->missing == 1 ? "is" : "are");
	*e = why;
	return -1;
}

static int logical_start(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *vg = group_name(d);
	struct group g;

	if (group_validate(d, e) < 0)
		return -1;
	if (group_ready(d, &g, op, e) == 0 && activate(vg, &g, op, e) == 0)
		return 0;
	group_report_forget();
	return err_wrap(e, ERR_KEEP, "cannot activate volume group \"%s\"", vg);
}

/* ---- stop ---- */

/* Without LVM, where it cannot work with the group: its disk is gone, or what is on it is damaged. Nothing is
 * written to a disk by that. */
static int take_away(const char *vg, const struct group *g, struct op *op, struct err *e)
{
	if (group_take_away(g->uuid, op, e) < 0) {
		group_is_free(vg, g->uuid, e); /* somebody may have opened one meanwhile: who? */
		return -1;
	}
	op_note(op, "volume group \"%s\" was deactivated without LVM: %s", vg, g->why);
	return 0;
}

static int deactivate(const char *vg, struct group *g, struct op *op, struct err *e)
{
	const char *const words[] = { "vgchange", "-an", vg, NULL };

	if (group_is_free(vg, g->uuid, e) < 0)
		return -1;
	group_report_forget();
	int rc = g->found ? group_run(words, vg, g, op, NULL, e) : take_away(vg, g, op, e);

	if (rc == 0)
		lockd_left(vg, g, op);
	return rc;
}

/* What is to be stopped is what the kernel has, whatever is known of the disks. */
static int logical_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	const char *vg = group_name(d);
	struct err why = { 0 };
	char active[39];
	struct group g;

	if (group_validate(d, e) < 0)
		return -1;
	if (!group_active(vg, NULL, active))
		return 0;
	if (group_look(d, &g, op, &why) < 0) {
		if (!g.uuid[0]) /* which of that name it is was not found out */
			snprintf(g.uuid, sizeof(g.uuid), "%s", active);
		snprintf(g.why, sizeof(g.why), "%.299s", why.message);
	} else if (!g.active) {
		return 0; /* what is active is another group of that name */
	}
	return deactivate(vg, &g, op, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot deactivate volume group \"%s\"", vg)
	               : 0;
}

/* The physical volumes that were missing are there: what waited for them is activated, and RAID takes them in
 * again. Nothing else is done to what is active. */
static void complete_group(const char *vg, struct group *g, struct op *op)
{
	struct err e = { 0 };
	char target[300];
	const char *const words[] = { "lvchange", "--refresh", target, NULL };

	for (size_t i = 0; i < g->nvolumes; i++) {
		snprintf(target, sizeof(target), "%s/%s", vg, g->volumes[i].name);
		if (group_needs_refresh(&g->volumes[i]) && group_run(words, vg, g, op, NULL, &e) < 0)
			op_note(op, "volume \"%s\": %s", g->volumes[i].name, e.message);
	}
	if (activate(vg, g, op, &e) < 0)
		op_note(op, "volume group \"%s\": %s", vg, e.message);
	group_report_forget();
}

/* Volumes that were active when their disk was taken out do not find it when it is back: they are
 * deactivated, when nobody has one of them open, so that the group is activated anew. */
static int logical_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	cleanup_buf struct buf ground = BUF_INIT;
	const char *vg = group_name(d);
	struct err why = { 0 };
	struct group g;

	bool was_missing = op->detail && strstr(op->detail, MISSING);

	group_devices(vg, NULL, ground_volume, &ground);
	bool is_gone = strstr(buf_str(&ground), "=gone") != NULL;

	if ((!is_gone && !was_missing) || group_look(d, &g, op, &why) < 0 || !g.active || !g.found ||
	    g.missing)
		return 0;
	if (!is_gone) {
		complete_group(vg, &g, op);
		return 0;
	}
	group_state(d, &g, op);
	if (deactivate(vg, &g, op, &why) == 0)
		return 1;
	if (asked && e)
		*e = why;
	return asked ? -1 : 0;
}

/* ---- refresh ---- */

/* The size of what /dev/VG/LV is now; for a snapshot that of its origin. From sysfs, so that a suspended
 * device does not stop us. */
static uint64_t device_size(const char *path, struct stat *st)
{
	char attribute[80], text[32];

	if (stat(path, st) < 0 || !S_ISBLK(st->st_mode))
		return 0;
	snprintf(attribute, sizeof(attribute), "/sys/dev/block/%u:%u/size", major(st->st_rdev),
	         minor(st->st_rdev));
	return file_read_line(AT_FDCWD, attribute, text, sizeof(text)) > 0 ? group_number(text) * 512 : 0;
}

static void volume_report(const char *vg, const struct group_volume *lv, struct op *op)
{
	char path[300], backing[300];
	struct volume v = {
		.name = lv->name, .type = "block", .key = lv->uuid, .path = path, .allocation = lv->size
	};
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%s/%s", vg, lv->name);
	snprintf(backing, sizeof(backing), "/dev/%s/%s", vg, lv->origin);
	v.capacity = device_size(path, &st);
	if (v.capacity) {
		v.has_perms = true;
		v.mode = st.st_mode & 07777;
		v.owner = st.st_uid;
		v.group = st.st_gid;
	} else {
		v.capacity = lv->size;
		v.problem = "LVM says that it is active, but it has no device";
	}
	if (lv->lost)
		v.problem = "it ran out of room for changes, and its content is lost: delete it";
	v.physical = v.capacity;
	v.backing = check_lvm_name(lv->origin) ? backing : NULL; /* not "[hidden]" */
	v.devices = lv->devices.len ? buf_str(&lv->devices) : NULL;
	op->on_volume(op, &v);
}

static int logical_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	const char *vg = group_name(d);
	struct group g;

	if (group_look(d, &g, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot list volume group \"%s\"", vg);
	if (!g.found && group_state(d, &g, op) != STATE_ACTIVE)
		return err_set(e, ERR_STORAGE, "cannot list the volumes: %s", op->why);
	if (op->sweep && logical_sweep(d, &g, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot list volume group \"%s\"", vg);
	sizes->capacity = g.size;
	sizes->available = g.available;
	sizes->allocation = g.size - g.available;
	for (size_t i = 0; i < g.nvolumes; i++)
		if (group_lists(&g.volumes[i]))
			volume_report(vg, &g.volumes[i], op);
	op->state = group_state(d, &g, op);
	op->state_known = !(op->detail && strstr(op->detail, MISSING)); /* else check says what it is now */
	return 0;
}

const struct backend logical_backend = {
	.type = POOL_LOGICAL,
	.summary = "an LVM volume group; its logical volumes",
	.waits_for = WAIT_DEVICE,
	.needs_disk = true,
	.needs = "volume group",
	.image = IMAGE("logical", LOGICAL_MODULES, "raid0 raid1 raid10 raid456 ~dm-vdo",
	               ""), /* levels of dm-raid */
	.deadline = { .start = SECONDS(60),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(60),
	              .check = SECONDS(30) },
	.validate = group_validate,
	.check = logical_check,
	.ground = logical_ground,
	.grows_by = "dm-",
	.pause = SECONDS(10), /* whoever deactivates a group by hand has something to do with it */
	.start = logical_start,
	.stop = logical_stop,
	.revive = logical_revive,
	.build = logical_build,
	.delete = logical_delete,
	.find = logical_find,
	.identify = logical_identify,
	.refresh = logical_refresh,
	.vol_create = logical_vol_create,
	.vol_delete = logical_vol_delete,
	.vol_resize = logical_vol_resize,
	.resizes_allocation = true, /* the two differ for snapshots alone */
	.vol_wipe = logical_vol_wipe,
	.vol_open = logical_vol_open,
	.vol_identify = identity_volume,
};
