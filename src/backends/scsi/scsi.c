/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * scsi: a SCSI host of this machine, or a virtual Fibre Channel port; its LUNs are the volumes.
 * Specification: storage.html, "SCSI volume pools".
 *
 * A host belongs to the machine: start finds it and has it look for LUNs, stop leaves it and its disks as
 * they are. Only a virtual port may be ours: one that start has made, or that the definition calls managed,
 * is taken away by stop, and its LUNs go with it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "backends/luns.h"
#include "backends/scsi/scsi.h"
#include "base/file.h"
#include "base/util.h"
#include "system/module.h"
#include "volumes/block.h"

static int scsi_validate(const struct pool_def *d, struct err *e)
{
	const struct pool_adapter *a = &d->source.adapter;

	if (a->kind == ADAPTER_SCSI_HOST && a->name && scsi_host_number(a->name) < 0)
		return err_set(
			e, ERR_INVALID,
			"\"%.60s\" is no name of a SCSI host: \"host\", \"scsi_host\" or \"fc_host\" and "
			"its number",
			a->name);
	if (a->kind == ADAPTER_FC_HOST && a->parent && scsi_host_number(a->parent) < 0)
		return err_set(e, ERR_INVALID, "the parent \"%.60s\" is no name of a SCSI host", a->parent);
	return 0;
}

/* ---- which host ---- */

static int scsi_host(const struct pool_def *d)
{
	return scsi_adapter_host("/sys", &d->source.adapter);
}

/* What is wrong with a Fibre Channel host's link; "": nothing. */
static void link_trouble(int host, char *out, size_t size)
{
	char state[64];

	fc_port_state("/sys", host, state, sizeof(state));
	out[0] = '\0';
	if (state[0] && !streq(state, "Online"))
		snprintf(out, size, "the port of host%d is not online: %s", host, state);
}

static int scsi_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                      struct err *e)
{
	char what[160], trouble[120];
	int host = scsi_host(d);

	(void)e;
	*state = STATE_INACTIVE;
	if (host < 0) {
		snprintf(op->why, sizeof(op->why), "%s is not there",
		         scsi_adapter_text(&d->source.adapter, what, sizeof(what)));
		return 0;
	}
	link_trouble(host, trouble, sizeof(trouble));
	if (trouble[0])
		snprintf(op->why, sizeof(op->why), "%s", trouble);
	if (detail)
		buf_printf(detail, "host=%d", host);
	/* a refresh may have said of LUNs that they are not well */
	*state = op->why[0] ? STATE_DEGRADED : STATE_ACTIVE;
	return 0;
}

/* The host and its disks: an event about one of them, or about a new one below the host, has this made
 * again. */
static int scsi_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	char trouble[120];
	int host = scsi_host(d);

	(void)op;
	if (host < 0)
		return 0;
	link_trouble(host, trouble, sizeof(trouble));
	buf_printf(words, "host%d=%s", host, trouble[0] ? "down" : "there");
	return luns_ground(host, words, e);
}

static int scsi_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	char what[160];
	int host = scsi_host(d);

	(void)op, (void)e;
	if (host >= 0)
		buf_printf(facts, "scsihost=%d %s\n", host,
		           scsi_adapter_text(&d->source.adapter, what, sizeof(what)));
	return 0;
}

/* ---- a virtual port ---- */

/* A file that says that a port is ours to take away, where the definition does not: libvirt writes
 * managed='yes' into its copy of it. */
static bool vport_mark(const struct pool_def *d, const struct op *op, char path[PATH_MAX])
{
	char wwpn[WWN_TEXT];

	return fc_wwn(d->source.adapter.wwpn, wwpn) &&
	       snprintf(path, PATH_MAX, "%s/vports/%s", op->run_dir, wwpn) < PATH_MAX;
}

/* Who made it is noted before it is made: a port that nobody takes away keeps its LUNs. */
static int vport_note(const struct pool_def *d, const struct op *op, struct err *e)
{
	char path[PATH_MAX], dir[PATH_MAX];

	if (d->source.adapter.managed == 0 || !vport_mark(d, op, path))
		return 0;
	snprintf(dir, sizeof(dir), "%s/vports", op->run_dir);
	return file_mkdirs(dir, 0755, e) < 0 ? -1 : file_replace(AT_FDCWD, path, "", 0, 0644, e);
}

/* A physical port that bears these names is used as it is, unless the definition wants one made. */
static int vport_start(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct pool_adapter *a = &d->source.adapter;
	char what[160], path[PATH_MAX];
	int parent = fc_parent_choose("/sys", a, e);

	if (parent < 0 || vport_note(d, op, e) < 0)
		return -1;
	op->begun = a->managed != 0;
	if (fc_vport_make("/sys", parent, a, e) < 0) {
		if (vport_mark(d, op, path))
			unlink(path);
		return -1;
	}
	return scsi_host(d) >= 0 ? 0
	                         : err_wait(e, ERR_WAIT_DEVICE, "device=/sys/class/fc_host",
	                                    "host%d has made %s, and the kernel does not show it yet", parent,
	                                    scsi_adapter_text(a, what, sizeof(what)));
}

/* One that is there already has to be the one that is meant. */
static int vport_adopt(const struct pool_def *d, int host, struct err *e)
{
	const struct pool_adapter *a = &d->source.adapter;
	int parent = fc_vport_parent("/sys", host);
	int wanted = a->parent ? scsi_host_number(a->parent) : -1;
	char what[160];

	if (a->parent_wwnn && a->parent_wwpn)
		wanted = fc_host_find("/sys", a->parent_wwnn, a->parent_wwpn);
	scsi_adapter_text(a, what, sizeof(what));
	if (parent < 0 && (a->managed == 1 || wanted >= 0))
		return err_set(e, ERR_INVALID, "%s is a physical port (host%d), and no virtual one", what,
		               host);
	if (wanted >= 0 && parent != wanted)
		return err_set(e, ERR_INVALID, "%s is on host%d, and the definition wants it on host%d", what,
		               parent, wanted);
	return 0;
}

/* Its LUNs go with it, so one in use keeps it. One that is gone (host -1) is ours no more: who makes it again
 * may be somebody else. */
static int vport_stop(const struct pool_def *d, struct op *op, int host, struct err *e)
{
	const struct pool_adapter *a = &d->source.adapter;
	int parent = fc_vport_parent("/sys", host);
	char path[PATH_MAX], what[160];
	bool marked = vport_mark(d, op, path) && access(path, F_OK) == 0;

	if (host < 0)
		return marked ? file_remove(AT_FDCWD, path, e) : 0;
	if (parent < 0 || a->managed == 0 || (a->managed != 1 && !marked))
		return 0;
	scsi_adapter_text(a, what, sizeof(what));
	if (luns_in_use(host, e))
		return err_wrap(e, ERR_BUSY, "cannot take away %s", what);
	if (fc_vport_remove("/sys", parent, a, e) < 0)
		return -1;
	return marked ? file_remove(AT_FDCWD, path, e) : 0;
}

/* ---- operations ---- */

static int scsi_start(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct pool_adapter *a = &d->source.adapter;
	int host = scsi_host(d);
	char what[160];

	if (scsi_validate(d, e) < 0)
		return -1;
	scsi_adapter_text(a, what, sizeof(what));
	if (host < 0 && a->kind == ADAPTER_SCSI_HOST)
		return err_wait(e, ERR_WAIT_DEVICE, "device=/sys/class/scsi_host", "%s is not there now",
		                what);
	if (a->kind == ADAPTER_FC_HOST && (host < 0 ? vport_start(d, op, e) : vport_adopt(d, host, e)) < 0)
		return -1;
	if (op->own_devices)
		module_load_wanted("sd_mod");
	host = scsi_host(d);
	if (luns_rescan(host, op, e) < 0 || luns_settle(host, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look for the LUNs of %s", what);
	return 0;
}

static int scsi_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	int host = scsi_host(d);

	if (scsi_validate(d, e) < 0)
		return -1;
	return d->source.adapter.kind == ADAPTER_FC_HOST ? vport_stop(d, op, host, e) : 0;
}

static int scsi_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct luns_health health;
	char what[160], name[24];
	int host = scsi_host(d);

	scsi_adapter_text(&d->source.adapter, what, sizeof(what));
	if (host < 0)
		return err_set(e, ERR_STORAGE, "%s is not there any more", what);
	/* What somebody removes by hand is not attached again by the event that tells of it: only who asks
	 * for all has the bus asked. */
	bool asked = op->only || luns_rescan(host, op, e) == 0;
	if (!asked && !err_is(e, ERR_WAIT_SERVER))
		return err_wrap(e, ERR_KEEP, "cannot look for the LUNs of %s", what);
	if (luns_refresh(d, host, op, sizes, &health, e) < 0)
		return -1;
	snprintf(name, sizeof(name), "host%d", host);
	if (!asked)
		snprintf(op->why, sizeof(op->why), "%s does not answer the question for its LUNs", name);
	luns_trouble(&health, name, op->why, sizeof(op->why));
	return 0;
}

/* What the kernel has set offline is tried again. */
static int scsi_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	int host = scsi_host(d);

	(void)op, (void)asked, (void)e;
	if (host >= 0)
		luns_wake(host);
	return 0;
}

const struct backend scsi_backend = {
	.type = POOL_SCSI,
	.summary = "a SCSI host or virtual Fibre Channel port; its LUNs",
	.waits_for = WAIT_DEVICE,
	.image = IMAGE("scsi", "sd_mod", "sr_mod ~scsi_transport_fc", ""),
	.stop_frees = true,
	.deadline = { .start = SECONDS(60),
	              .stop = SECONDS(45),
	              .refresh = SECONDS(60),
	              .check = SECONDS(10) },
	.validate = scsi_validate,
	.check = scsi_check,
	.ground = scsi_ground,
	.identify = scsi_identify,
	.start = scsi_start,
	.stop = scsi_stop,
	.revive = scsi_revive,
	.refresh = scsi_refresh,
	.vol_wipe = block_vol_wipe,
	.vol_open = block_vol_open,
	.vol_identify = identity_volume,
};
