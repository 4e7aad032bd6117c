/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SCSI disks as paths: which of them are ways to one LUN. A world wide name with its maker's number in it
 * says so wherever it is seen. Any other identifier was made up by somebody, and two servers may have come to
 * the same: it makes one LUN only within one target. To take two LUNs for one would mix their data.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "backends/mpath/mpath.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

#define DISKS 16384

/* ---- whose LUN it is ---- */

/* Write the part of a device's path that begins with this and a number ("session3"); false: it has none. */
static bool part_of_path(const char *dir, const char *prefix, char *out, size_t size)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof(wanted), "/%s", prefix);
	at = strstr(dir, wanted);
	if (!at)
		return false;
	snprintf(out, size, "%.*s", (int)strcspn(at + 1, "/"), at + 1);
	return true;
}

/* What the target calls itself: an iSCSI name, or the world wide name of a Fibre Channel node. */
static bool target_of(const char *sys, const char *dir, char *out, size_t size)
{
	char part[64], path[PATH_MAX];

	if (part_of_path(dir, "session", part, sizeof(part)))
		return sysfs_path(path, sizeof(path), "%s/class/iscsi_session/%s", sys, part) &&
		       sysfs_attribute(path, "targetname", out, size);
	return part_of_path(dir, "rport-", part, sizeof(part)) &&
	       sysfs_path(path, sizeof(path), "%s/class/fc_remote_ports/%s", sys, part) &&
	       sysfs_attribute(path, "node_name", out, size);
}

/* FNV-1a, so that the identifiers of two targets differ and stay short. */
static uint32_t target_hash(const char *target)
{
	uint32_t hash = 2166136261u;

	for (; *target; target++)
		hash = (hash ^ (unsigned char)*target) * 16777619u;
	return hash;
}

static bool lun_id(const char *sys, const char *dir, const char *block, char out[MPATH_NAME])
{
	/* device-mapper's uuids have 128 characters: "mpath-", this, '-' and eight digits */
	enum { SERIAL_MOST = 128 - (sizeof(MPATH_PREFIX) - 1) - 9 };
	char serial[512], target[256];

	if (link_scsi_serial(sys, block, serial, sizeof(serial), NULL) < 0 || strlen(serial) > SERIAL_MOST)
		return false;
	if (link_serial_is_unique(serial)) {
		snprintf(out, MPATH_NAME, "%.113s", serial);
		return true;
	}
	if (!target_of(sys, dir, target, sizeof(target)))
		return false;
	snprintf(out, MPATH_NAME, "%.113s-%08x", serial, target_hash(target));
	return true;
}

/* ---- what its target says of the way ---- */

/* The target port group that this way leads to: a descriptor of page 0x83 (SPC-4, 7.8.5.8: type 5, of the
 * port). */
static bool port_group(const char *dir, unsigned *group)
{
	enum { GROUP = 5, OF_PORT = 0x10 };
	unsigned char page[1024];
	size_t len = sysfs_attribute_bytes(dir, "vpd_pg83", page, sizeof(page)), end;

	if (len < 4)
		return false;
	end = 4 + (size_t)(page[2] << 8 | page[3]);
	if (end > len)
		end = len;
	for (size_t at = 4; at + 4 <= end && at + 4 + page[at + 3] <= end; at += 4 + (size_t)page[at + 3])
		if ((page[at + 1] & 0x3f) == (OF_PORT | GROUP) && page[at + 3] >= 4) {
			*group = (unsigned)(page[at + 6] << 8 | page[at + 7]);
			return true;
		}
	return false;
}

/* Does it have port groups at all (SPC-4, 6.6.2: TPGS)? */
static bool has_port_groups(const char *dir)
{
	enum { TPGS = 0x30 };
	unsigned char inquiry[36];

	return sysfs_attribute_bytes(dir, "inquiry", inquiry, sizeof(inquiry)) > 5 && (inquiry[5] & TPGS);
}

/* ---- the disks ---- */

/* From the directory of its SCSI device. */
static bool disk_read(const char *sys, const char *dir, const char *block, struct mpath_disk *k)
{
	char path[PATH_MAX], text[64];

	if (!lun_id(sys, dir, block, k->id) ||
	    !sysfs_path(path, sizeof(path), "%s/class/block/%s", sys, block) ||
	    !sysfs_attribute(path, "dev", text, sizeof(text)) ||
	    sscanf(text, "%u:%u", &k->major, &k->minor) != 2 ||
	    !sysfs_attribute(path, "size", text, sizeof(text)))
		return false;
	k->size = strtoull(text, NULL, 10) * 512;
	snprintf(k->block, sizeof(k->block), "%.31s", block);
	sysfs_attribute(dir, "state", k->state, sizeof(k->state));
	sysfs_attribute(dir, "access_state", k->access, sizeof(k->access));
	k->alua = has_port_groups(dir) && port_group(dir, &k->port_group);
	if (part_of_path(dir, "session", k->session, sizeof(k->session)) &&
	    sysfs_path(path, sizeof(path), "%s/class/iscsi_session/%s", sys, k->session))
		k->session_in = sysfs_attribute_is(path, "state", "LOGGED_IN");
	k->shared = k->session[0] || strstr(dir, "/rport-");
	return k->size > 0;
}

static bool block_of(const char *dir, char *out, size_t size)
{
	char path[PATH_MAX];
	DIR *d = sysfs_path(path, sizeof(path), "%s/block", dir) ? opendir(path) : NULL;
	const struct dirent *entry;

	out[0] = '\0';
	while (d && (entry = readdir(d)))
		if (starts_with(entry->d_name, "sd"))
			snprintf(out, size, "%.31s", entry->d_name);
	if (d)
		closedir(d);
	return out[0];
}

static int disk_compare(const void *a, const void *b)
{
	const struct mpath_disk *x = a, *y = b;
	int by_id = strcmp(x->id, y->id);

	return by_id ? by_id : strverscmp(x->block, y->block);
}

static int disk_add(const char *sys, const char *name, struct mpath_disks *all)
{
	char path[PATH_MAX], dir[PATH_MAX], block[32];
	struct mpath_disk one = { .major = 0 };
	struct mpath_disk *more;

	if (!sysfs_path(path, sizeof(path), "%s/bus/scsi/devices/%s", sys, name) || !realpath(path, dir) ||
	    !block_of(dir, block, sizeof(block)) || !disk_read(sys, dir, block, &one) || all->n == DISKS)
		return 0;
	more = realloc(all->item, (all->n + 1) * sizeof(*more));
	if (!more)
		return -1;
	all->item = more;
	more[all->n++] = one;
	return 0;
}

int mpath_disks_read(const char *sys, struct mpath_disks *d, struct err *e)
{
	demand(sys && d, e);

	char path[PATH_MAX];
	const struct dirent *entry;
	int rc = 0;

	*d = (struct mpath_disks){ 0 };
	DIR *dir = sysfs_path(path, sizeof(path), "%s/bus/scsi/devices", sys) ? opendir(path) : NULL;

	while (dir && rc == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			rc = disk_add(sys, entry->d_name, d);
	if (dir)
		closedir(dir);
	if (d->n)
		qsort(d->item, d->n, sizeof(*d->item), disk_compare);
	return rc < 0 ? err_set(e, ERR_NO_MEMORY, "cannot list SCSI disks: out of memory") : 0;
}
