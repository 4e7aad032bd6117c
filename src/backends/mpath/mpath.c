/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mpath: the multipath devices of this machine; there is one such pool. Specification: storage.html,
 * "Multipath pools".
 *
 * As libvirt has it the pool lists what is there, and changes nothing. With <format type='auto'/>, which is
 * ours, it makes the maps itself as long as no multipathd does, and takes them away when it is stopped.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "backends/mpath/mpath.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/module.h"
#include "system/multipath.h"
#include "system/sysfs.h"
#include "volumes/block.h"

#define CONTROL "/dev/mapper/control"
#define MODULES "dm-multipath dm-service-time dm-round-robin dm-queue-length scsi_dh_alua sd_mod"

/* Are the maps ours to make? */
static bool maps_are_ours(const struct pool_def *d)
{
	return d->source.format && streq(d->source.format, "auto") && !multipathd_runs();
}

/* ---- what a path is doing ---- */

/* In one word: "active", "failed", "blocked" (its session is away for a moment), "gone". */
static const char *path_word(const struct mpath_path *p)
{
	char sysname[32], dir[PATH_MAX], state[32];

	if (!device_sysname(makedev(p->major, p->minor), sysname, sizeof(sysname)))
		return "gone";
	if (!p->active)
		return "failed";
	if (!sysfs_path(dir, sizeof(dir), "/sys/class/block/%s/device", sysname) ||
	    !sysfs_attribute(dir, "state", state, sizeof(state)) || streq(state, "running") ||
	    streq(state, "live"))
		return "active";
	return streq(state, "blocked") ? "blocked" : "failed";
}

/* "sdb=active sdc=failed", and how many are not active. */
static size_t paths_text(const struct mpath_map *m, struct buf *out)
{
	size_t sick = 0;

	for (size_t i = 0; i < m->npaths; i++) {
		const struct mpath_path *p = &m->paths[i];
		const char *word = path_word(p);
		char name[32];

		if (!device_sysname(makedev(p->major, p->minor), name, sizeof(name)))
			snprintf(name, sizeof(name), "%u:%u", p->major, p->minor);
		buf_printf(out, "%s%s=%s", i ? " " : "", name, word);
		sick += !streq(word, "active");
	}
	return sick;
}

/* ---- operations ---- */

static bool mpath_holds_paths(void)
{
	return !multipathd_runs();
}

/* The canonical text of a definition has it in these words. */
static bool mpath_makes_maps(const char *xml)
{
	return strstr(xml, "<format type='auto'/>");
}

static int mpath_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct err why = { 0 };

	module_load_wanted(MODULES);
	if (access(CONTROL, F_OK) < 0) {
		err_set(&why, ERR_WAIT_DEVICE, "the kernel has no device-mapper");
		module_explain("dm-mod dm-multipath", &why);
		return err_wait(e, ERR_WAIT_DEVICE, "device=" CONTROL, "%s", why.message);
	}
	return maps_are_ours(d) ? mpath_assemble(op, e) : 0;
}

/* The pool is what the machine has: it is there when device-mapper is. */
static int mpath_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                       struct err *e)
{
	(void)d, (void)detail, (void)e;
	*state = access(CONTROL, F_OK) == 0 ? STATE_ACTIVE : STATE_INACTIVE;
	if (*state == STATE_INACTIVE)
		snprintf(op->why, sizeof(op->why), "the kernel has no device-mapper any more");
	return 0;
}

/* Maps with the states of their paths; where maps are made here, also the disks that are paths, or may become
 * some. */
static int mpath_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	struct mpath_maps maps = { 0 };
	struct mpath_disks disks = { 0 };
	int rc = mpath_maps_read(&maps, e);

	(void)op;
	for (size_t i = 0; rc == 0 && i < maps.n; i++) {
		const struct mpath_map *m = &maps.item[i];

		buf_printf(words, " dm-%u=%s:%llx", m->minor, m->name, (unsigned long long)m->size);
		for (size_t k = 0; k < m->npaths; k++)
			buf_printf(words, ":%u:%u%s", m->paths[k].major, m->paths[k].minor,
			           path_word(&m->paths[k]));
	}
	if (rc == 0 && maps_are_ours(d))
		rc = mpath_disks_read("/sys", &disks, e);
	for (size_t i = 0; rc == 0 && i < disks.n; i++) {
		const struct mpath_disk *k = &disks.item[i];

		buf_printf(words, " %s=%s:%llx:%s:%s", k->block, k->id, (unsigned long long)k->size, k->state,
		           k->access);
		if (k->session[0])
			buf_printf(words, " %s=%s", k->session, k->session_in ? "in" : "out");
	}
	free(maps.item);
	free(disks.item);
	return rc;
}

static void map_report(const struct mpath_map *m, struct op *op, struct pool_sizes *sizes, size_t *sick_maps)
{
	cleanup_buf struct buf paths = BUF_INIT;
	char name[32], path[PATH_MAX], problem[160];
	size_t sick = paths_text(m, &paths);
	struct volume v = {
		.name = name, .type = "block", .key = m->id, .path = path, .paths = buf_str(&paths)
	};
	struct stat st;

	snprintf(name, sizeof(name), "dm-%u", m->minor);
	snprintf(path, sizeof(path), "/dev/mapper/%s", m->name);
	v.capacity = v.allocation = v.physical = m->size;
	if (op->own_devices && access(path, F_OK) < 0) /* whoever made the map left its node to udev */
		mpath_node(m->name);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		volume_from_stat(&v, &st);
	if (sick) {
		snprintf(problem, sizeof(problem), "%zu of %zu paths are not active", sick, m->npaths);
		v.problem = problem;
		if (!(*sick_maps)++)
			snprintf(op->why, sizeof(op->why),
			         "multipath map %.128s: %zu of %zu paths are not active: %.160s", m->name,
			         sick, m->npaths, buf_str(&paths));
	}
	sizes->capacity += m->size;
	sizes->allocation += m->size;
	op->on_volume(op, &v);
}

static int mpath_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct mpath_maps maps = { 0 };
	size_t sick = 0;

	if (maps_are_ours(d) && mpath_assemble(op, e) < 0)
		return -1;
	if (mpath_maps_read(&maps, e) < 0)
		return -1;
	for (size_t i = 0; i < maps.n; i++) {
		char sysname[32];

		snprintf(sysname, sizeof(sysname), "dm-%u", maps.item[i].minor);
		if (op->own_devices)
			device_links_unread(sysname, op->run_dir, NULL);
		map_report(&maps.item[i], op, sizes, &sick);
	}
	if (sick > 1)
		snprintf(op->why + strlen(op->why), sizeof(op->why) - strlen(op->why), " (and %zu more maps)",
		         sick - 1);
	op->state = sick ? STATE_DEGRADED : STATE_ACTIVE;
	op->state_known = true;
	free(maps.item);
	return 0;
}

static int mpath_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	(void)op;
	return maps_are_ours(d) ? mpath_take_apart(e) : 0;
}

const struct backend mpath_backend = {
	.type = POOL_MPATH,
	.summary = "the machine's multipath devices",
	.waits_for = WAIT_DEVICE,
	.image = IMAGE("mpath", MODULES, "~scsi_dh_rdac ~scsi_dh_emc ~scsi_dh_hp_sw", ""),
	.grows_by = "dm- sd",
	.hears_services = true,
	.look_again = SECONDS(2),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(30),
	              .check = SECONDS(10) },
	.makes_maps = mpath_makes_maps,
	.holds_paths = mpath_holds_paths,
	.check = mpath_check,
	.ground = mpath_ground,
	.start = mpath_start,
	.stop = mpath_stop,
	.refresh = mpath_refresh,
	.vol_wipe = block_vol_wipe,
	.vol_open = block_vol_open,
	.vol_identify = identity_volume,
};
