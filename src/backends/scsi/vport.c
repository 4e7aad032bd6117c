/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Virtual ports of Fibre Channel adapters (NPIV): one is made by writing its two names to the adapter's
 * vport_create, and is a SCSI host of its own then. Some drivers have these attributes at the fc_host, others
 * at the scsi_host.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "backends/scsi/scsi.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

static const char *const classes[] = { "fc_host", "scsi_host" };

/* The directory of the adapter that has the attribute; false: neither has. */
static bool port_dir(const char *sys, int host, const char *attribute, char dir[PATH_MAX])
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (sysfs_path(dir, PATH_MAX, "%s/class/%s/host%d", sys, classes[i], host) &&
		    sysfs_path(path, sizeof(path), "%s/%s", dir, attribute) && access(path, F_OK) == 0)
			return true;
	return false;
}

/* A virtual port's directory lies below its adapter's: …/host5/vport-5:0-0/host7/fc_host/host7. */
int fc_vport_parent(const char *sys, int host)
{
	demand_or(sys, -1);

	char path[PATH_MAX], dir[PATH_MAX], *vport, *parent;

	if (!sysfs_path(path, sizeof(path), "%s/class/fc_host/host%d", sys, host) || !realpath(path, dir))
		return -1;
	vport = strstr(dir, "/vport-");
	if (!vport)
		return -1;
	*vport = '\0';
	parent = strrchr(dir, '/');
	return parent ? scsi_host_number(parent + 1) : -1;
}

/* ---- which adapter ---- */

/* Has it room for one more? One that does not say how many it may have is tried. */
static bool vport_fits(const char *sys, int host)
{
	char dir[PATH_MAX], most[16], used[16];

	if (!port_dir(sys, host, "max_npiv_vports", dir) ||
	    !sysfs_attribute(dir, "max_npiv_vports", most, sizeof(most)) ||
	    !sysfs_attribute(dir, "npiv_vports_inuse", used, sizeof(used)))
		return true;
	return strtoul(used, NULL, 10) < strtoul(most, NULL, 10);
}

static bool is_online(const char *sys, int host)
{
	char state[64];

	fc_port_state(sys, host, state, sizeof(state));
	return streq(state, "Online");
}

static bool is_capable(const char *sys, int host)
{
	char dir[PATH_MAX];

	return port_dir(sys, host, "vport_create", dir);
}

/* May one be made on this adapter now? */
static int parent_check(const char *sys, int host, const char *what, struct err *e)
{
	char state[64];

	if (!is_capable(sys, host))
		return err_set(e, ERR_UNSUPPORTED,
		               "%s (host%d) can have no virtual ports: its driver has no vport_create", what,
		               host);
	fc_port_state(sys, host, state, sizeof(state));
	if (state[0] && !streq(state, "Online"))
		return err_wait(e, ERR_WAIT_SERVER, "device=/sys/class/fc_host",
		                "%s (host%d) is not online: %s", what, host, state);
	if (!vport_fits(sys, host))
		return err_set(e, ERR_LIMIT, "%s (host%d) has as many virtual ports as it may have", what,
		               host);
	return host;
}

static int parent_absent(const char *what, struct err *e)
{
	return err_wait(e, ERR_WAIT_DEVICE, "device=/sys/class/fc_host", "%s is not there now", what);
}

/* The first that will do of a fabric, or of all (fabric NULL), in the order of their numbers. A virtual port
 * can have none of its own. */
static int parent_any(const char *sys, const char *fabric, const char *what, struct err *e)
{
	char class[PATH_MAX], dir[PATH_MAX], text[64], has[WWN_TEXT], wants[WWN_TEXT] = "";
	int best = -1, full = 0;
	DIR *d = sysfs_path(class, sizeof(class), "%s/class/fc_host", sys) ? opendir(class) : NULL;
	const struct dirent *entry;

	if (fabric)
		fc_wwn(fabric, wants);
	while (d && (entry = readdir(d))) {
		int host = scsi_host_number(entry->d_name);

		if (host < 0 || !sysfs_path(dir, sizeof(dir), "%s/%s", class, entry->d_name) ||
		    (fabric && (!sysfs_attribute(dir, "fabric_name", text, sizeof(text)) ||
		                !fc_wwn(text, has) || !streq(has, wants))))
			continue;
		if (!is_capable(sys, host) || !is_online(sys, host) || fc_vport_parent(sys, host) >= 0)
			continue;
		if (!vport_fits(sys, host))
			full++;
		else if (best < 0 || host < best)
			best = host;
	}
	if (d)
		closedir(d);
	if (best < 0 && full)
		return err_set(e, ERR_LIMIT, "%s: all that are online have as many virtual ports as they may",
		               what);
	return best < 0 ? parent_absent(what, e) : best;
}

int fc_parent_choose(const char *sys, const struct pool_adapter *a, struct err *e)
{
	demand(sys && a, e);

	char what[160], dir[PATH_MAX];
	int host;

	if (a->parent) {
		snprintf(what, sizeof(what), "the parent %.60s", a->parent);
		host = scsi_host_number(a->parent);
		if (host < 0)
			return err_set(e, ERR_INVALID, "the parent \"%.60s\" is no name of a SCSI host",
			               a->parent);
		if (!sysfs_path(dir, sizeof(dir), "%s/class/fc_host/host%d", sys, host) ||
		    access(dir, F_OK) < 0)
			return parent_absent(what, e);
		return parent_check(sys, host, what, e);
	}
	if (a->parent_wwnn && a->parent_wwpn) {
		snprintf(what, sizeof(what), "the parent %.20s of node %.20s", a->parent_wwpn,
		         a->parent_wwnn);
		host = fc_host_find(sys, a->parent_wwnn, a->parent_wwpn);
		return host < 0 ? parent_absent(what, e) : parent_check(sys, host, what, e);
	}
	if (a->parent_fabric_wwn)
		snprintf(what, sizeof(what), "an adapter in fabric %.20s that can have virtual ports",
		         a->parent_fabric_wwn);
	else
		snprintf(what, sizeof(what), "a Fibre Channel adapter that can have virtual ports");
	return parent_any(sys, a->parent_fabric_wwn, what, e);
}

/* ---- making and taking away ---- */

/* "PORT:NODE", as the transport class reads it (fc_parse_wwn). */
static int vport_write(const char *sys, int parent, const char *attribute, const struct pool_adapter *a,
                       const char *doing, struct err *e)
{
	char wwpn[WWN_TEXT], wwnn[WWN_TEXT], dir[PATH_MAX], path[PATH_MAX], text[2 * WWN_TEXT + 1];

	if (!fc_wwn(a->wwpn, wwpn) || !fc_wwn(a->wwnn, wwnn))
		return err_set(e, ERR_INVALID, "\"%.60s\" and \"%.60s\" are not two world wide names",
		               a->wwpn, a->wwnn);
	if (!port_dir(sys, parent, attribute, dir) ||
	    !sysfs_path(path, sizeof(path), "%s/%s", dir, attribute))
		return err_set(e, ERR_UNSUPPORTED, "%s virtual port %s on host%d: its driver has no %s",
		               doing, wwpn, parent, attribute);
	snprintf(text, sizeof(text), "%s:%s", wwpn, wwnn);
	return file_poke(AT_FDCWD, path, text, e) < 0
	               ? err_wrap(e, ERR_KEEP, "%s virtual port %s on host%d", doing, wwpn, parent)
	               : 0;
}

int fc_vport_make(const char *sys, int parent, const struct pool_adapter *a, struct err *e)
{
	demand(sys && a && a->wwnn && a->wwpn, e);
	return vport_write(sys, parent, "vport_create", a, "cannot make", e);
}

int fc_vport_remove(const char *sys, int parent, const struct pool_adapter *a, struct err *e)
{
	demand(sys && a && a->wwnn && a->wwpn, e);
	return vport_write(sys, parent, "vport_delete", a, "cannot take away", e);
}
