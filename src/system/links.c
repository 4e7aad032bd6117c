/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /dev/disk/by-* where no udev makes them. All the names of a device (by_path.c, by_id.c, and here by what is
 * on it), then the links themselves. The rules are those of udev's 60-persistent-storage.rules, so that names
 * stay the same with and without it.
 *
 * Which links a device has got is kept in a file of the run directory. Without it nobody could tell a link
 * of ours from one that somebody else has made, and stale ones would stay when a device changes its name or
 * goes.
 */
#include "system/links.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"
#include "system/multipath.h"
#include "system/signature.h"
#include "system/sysfs.h"

#define LINKS_LIMIT (64 * 1024) /* bytes of a device's list of links */
_Static_assert(LINKS_LIMIT > PATH_MAX, "one link fits whatever its name");

/* ---- by-uuid, by-label, by-part*: what is on the device ---- */

/* "Lit is\xe9" cannot be a file name everywhere: udev's \x20 form, by libblkid, which defines it. */
static void name_encoded(struct link_names *n, const char *kind, const char *value)
{
	char encoded[4 * 256 + 1];

	if (value && value[0] && blkid_encode_string(value, encoded, sizeof(encoded)) == 0)
		link_name_add(n, "disk/%s%s", kind, encoded);
}

/* Names by what is on the device, for what can be mounted. Members of arrays get none: their uuid is the
 * array's. */
static void names_filesystem(struct link_names *n, blkid_probe probe)
{
	const char *usage = probe_value(probe, "USAGE"), *type = probe_value(probe, "TYPE"),
		   *uuid = probe_value(probe, "UUID");

	if (type && streq(type, "LVM2_member"))
		name_encoded(n, "by-id/lvm-pv-uuid-", uuid);
	if (!usage)
		return;
	if (streq(usage, "filesystem") || streq(usage, "other") || streq(usage, "crypto"))
		name_encoded(n, "by-uuid/", uuid);
	if (streq(usage, "filesystem") || streq(usage, "other"))
		name_encoded(n, "by-label/", probe_value(probe, "LABEL"));
}

/* Names by what is on the device. Read non-blocking, so that an empty drive does not wait for its medium. */
static void names_content(struct link_names *n)
{
	char path[PATH_MAX];
	blkid_probe probe = NULL;
	cleanup_close int fd = -1;

	if (!sysfs_path(path, sizeof(path), "%s/%s", n->roots->dev, n->sysname))
		return;
	for (char *p = path + strlen(n->roots->dev); *p; p++)
		if (*p == '!') /* sysfs writes "cciss/c0d0" so */
			*p = '/';
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	probe = blkid_new_probe();
	if (fd >= 0 && probe && blkid_probe_set_device(probe, fd, 0, 0) == 0 &&
	    blkid_probe_get_size(probe) > 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
		                                                 BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
		blkid_probe_enable_partitions(probe, 1);
		blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
		/* More than one signature: udev makes no links then, and neither does anybody know what it
		 * is. */
		if (blkid_do_safeprobe(probe) >= 0) {
			names_filesystem(n, probe);
			name_encoded(n, "by-partuuid/", probe_value(probe, "PART_ENTRY_UUID"));
			name_encoded(n, "by-partlabel/", probe_value(probe, "PART_ENTRY_NAME"));
		}
	}
	if (probe)
		blkid_free_probe(probe);
}

/* Devices whose content is nobody's business, and those that would block: floppies, RAM disks, raw flash. */
static bool nameless(const char *sysname)
{
	static const char *const prefixes[] = { "ram", "fd", "mtd", "zram" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (starts_with(sysname, prefixes[i]))
			return true;
	return false;
}

/* Hidden parts of a logical volume or of a pool: their uuid has a suffix. What they hold belongs to the
 * volume above. */
static bool dm_private(const struct link_names *n)
{
	char uuid[256];

	return sysfs_attribute(n->dir, "dm/uuid", uuid, sizeof(uuid)) && starts_with(uuid, "LVM-") &&
	       strlen(uuid) > strlen("LVM-") + 64;
}

/* Does what it stands on answer? A multipath map needs one of its paths, anything else all that is below it.
 */
static bool stalls_below(const char *sys, const char *dir)
{
	char slaves[PATH_MAX], uuid[160];
	bool one_will_do = sysfs_attribute(dir, "dm/uuid", uuid, sizeof(uuid)) && starts_with(uuid, "mpath-");
	DIR *d = sysfs_path(slaves, sizeof(slaves), "%s/slaves", dir) ? opendir(slaves) : NULL;
	const struct dirent *entry;
	size_t below = 0, stalled = 0;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		below++;
		stalled += device_stalled(sys, entry->d_name);
	}
	if (d)
		closedir(d);
	return one_will_do ? below && stalled == below : stalled > 0;
}

bool device_stalled(const char *sys, const char *sysname)
{
	char dir[PATH_MAX], state[64];
	int part;

	if (!sysfs_block(sys, sysname, dir, &part))
		return false;
	if (sysfs_attribute_is(dir, "dm/suspended", "1"))
		return true;
	if (sysfs_attribute(dir, "device/state", state, sizeof(state)) && !streq(state, "running") &&
	    !streq(state, "live"))
		return true;
	return stalls_below(sys, dir);
}

/* The name that udev gave to ATA disks before, and still gives beside the other one: by the port alone. */
static void name_ata_before(struct link_names *n, const char *path)
{
	static const char ata[] = "-ata-";
	const char *port = strstr(path, ata);

	if (!port)
		return;
	port += strlen(ata);
	port += strspn(port, "0123456789");
	link_name_add(n, "disk/by-path/%.*s%s", (int)(port - path), path, n->part);
}

void link_names(const struct device_roots *r, const char *sysname, bool content, struct buf *out)
{
	demand_or(sysname && out && r->sys && r->dev, );

	struct link_names n = { .roots = r, .sysname = sysname, .out = out };
	char path[600];
	int part;

	if (nameless(sysname) || !sysfs_block(r->sys, sysname, n.dir, &part) || dm_private(&n))
		return;
	if (part)
		sysfs_path(n.part, sizeof(n.part), "-part%d", part);
	if (link_by_path(r->sys, sysname, path, sizeof(path)) == 0) {
		link_name_add(&n, "disk/by-path/%s", path);
		/* The name that udev gave to virtio disks before, and still gives beside the other one. */
		if (starts_with(sysname, "vd") && starts_with(path, "pci-"))
			link_name_add(&n, "disk/by-path/virtio-%s", path);
		name_ata_before(&n, path);
	}
	link_names_by_id(&n);
	if (content && !device_stalled(r->sys, sysname) && !multipath_is_path(r->sys, sysname))
		names_content(&n);
}

/* ---- the links ---- */

/* "../../sda1" for "disk/by-id/x" and "sda1". */
static bool link_target(const char *name, const char *node, char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = name; *p && n + 4 < size; p++)
		if (*p == '/') {
			/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): more follows */
			memcpy(out + n, "../", 3);
			n += 3;
		}
	return sysfs_path(out + n, size - n, "%s", node);
}

/* The owner of a link: 1 it is ours already; 0 it is free (nobody's, or of a device that is gone); -1 it is
 * another device's. */
static int link_owner(const char *path, const char *target)
{
	char now[PATH_MAX];
	ssize_t n = readlink(path, now, sizeof(now) - 1);
	struct stat st;

	if (n < 0)
		return errno == ENOENT ? 0 : -1;
	now[n] = '\0';
	if (streq(now, target))
		return 1;
	return stat(path, &st) < 0 && errno == ENOENT ? 0 : -1;
}

/* 1: the link is there and ours; 0: the name is another device's; -1: it could not be made. */
static int link_make(const struct device_roots *r, const char *name, const char *node, struct err *e)
{
	char path[PATH_MAX], beside[PATH_MAX], target[PATH_MAX];
	int owner;

	if (!sysfs_path(path, sizeof(path), "%s/%s", r->dev, name) ||
	    !link_target(name, node, target, sizeof(target)) ||
	    !sysfs_path(beside, sizeof(beside), "%s.%d.new", path, (int)getpid()))
		return err_set(e, ERR_TOO_LONG, "cannot make link %s: the name is too long", name);
	owner = link_owner(path, target);
	if (owner != 0)
		return owner > 0;
	*strrchr(path, '/') = '\0';
	if (file_mkdirs(path, 0755, e) < 0)
		return -1;
	path[strlen(path)] = '/';
	/* A dangling link is replaced by rename(2), in one step: nobody sees the name missing. */
	if (symlink(target, beside) < 0 || rename(beside, path) < 0) {
		int saved = errno;

		unlink(beside);
		return err_sys(e, saved, "cannot make link %s", path);
	}
	return 1;
}

/* Take a link away, if it is this device's. The name comes from a file in run_dir: what does not look like
 * one of ours is left alone. */
static void link_remove(const struct device_roots *r, const char *name, const char *node)
{
	char path[PATH_MAX], target[PATH_MAX], now[PATH_MAX];
	ssize_t n;

	if (strstr(name, "..") || !starts_with(name, "disk/") ||
	    !sysfs_path(path, sizeof(path), "%s/%s", r->dev, name) ||
	    !link_target(name, node, target, sizeof(target)))
		return;
	n = readlink(path, now, sizeof(now) - 1);
	if (n < 0)
		return;
	now[n] = '\0';
	if (streq(now, target))
		unlink(path);
}

static bool list_has(const struct buf *list, const char *line, size_t len)
{
	const char *p = buf_str(list);

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n == len && memcmp(p, line, n) == 0)
			return true;
		p += n + (p[n] == '\n');
	}
	return false;
}

/* The next line of a list, NUL-terminated in place, or NULL. *at goes on behind it. */
static char *list_next(char **at)
{
	char *line = *at, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*at = end ? end + 1 : NULL;
	return line;
}

/* Links that were ours and are not any more. */
static void links_drop_stale(const struct device_roots *r, struct buf *old, const struct buf *now,
                             const char *node)
{
	char *at = old->data, *line;

	while ((line = list_next(&at)))
		if (!list_has(now, line, strlen(line)))
			link_remove(r, line, node);
}

int links_update(const struct device_roots *r, const char *sysname, bool content, struct err *e)
{
	demand(sysname && r->sys && r->dev && r->run, e);

	cleanup_buf struct buf wanted = BUF_INIT, ours = BUF_INIT, old = BUF_INIT;
	char record[PATH_MAX], dir[PATH_MAX], node[NAME_MAX + 1];
	char *at, *line;
	int result = 0;

	if (!name_is_component(sysname) || !sysfs_path(node, sizeof(node), "%s", sysname) ||
	    !sysfs_path(dir, sizeof(dir), "%s/links", r->run) ||
	    !sysfs_path(record, sizeof(record), "%s/%s", dir, sysname))
		return err_set(e, ERR_INVALID, "\"%s\" is no name of a block device", sysname);
	for (char *p = node; *p; p++)
		if (*p == '!')
			*p = '/';
	file_read(AT_FDCWD, record, LINKS_LIMIT, &old, NULL);
	link_names(r, sysname, content, &wanted);
	if (!content) /* what it held when it was read last */
		buf_adds(&wanted, buf_str(&old));
	at = wanted.data;
	while ((line = list_next(&at))) {
		int made = link_make(r, line, node, e);

		if (made > 0)
			buf_printf(&ours, "%s\n", line);
		else if (made < 0)
			result = -1;
	}
	if (wanted.failed || ours.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot make links for %s: out of memory", sysname);
	if (streq(buf_str(&old), buf_str(&ours)))
		return result;
	if (!ours.len && result == 0) {
		links_drop_stale(r, &old, &ours, node);
		return file_remove(AT_FDCWD, record, e);
	}
	if (file_mkdirs(dir, 0755, e) < 0 || file_replace(AT_FDCWD, record, ours.data, ours.len, 0644, e) < 0)
		result = -1;
	links_drop_stale(r, &old, &ours, node);
	return result;
}

/* Each entry of a directory; the first failure is remembered, the others still get their links. */
static int links_update_each(const struct device_roots *r, const char *dir, bool gone_only, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int result = 0;

	while (d && (entry = readdir(d))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.' ||
		    !sysfs_path(path, sizeof(path), "%s/class/block/%s", r->sys, entry->d_name))
			continue;
		if (gone_only && access(path, F_OK) == 0)
			continue;
		if (links_update(r, entry->d_name, true, result == 0 ? e : NULL) < 0)
			result = -1;
	}
	if (d)
		closedir(d);
	return result;
}

int links_update_all(const struct device_roots *r, struct err *e)
{
	char dir[PATH_MAX];

	/* What is gone gives its names free before those that are there ask for them. */
	if (!sysfs_path(dir, sizeof(dir), "%s/links", r->run) || links_update_each(r, dir, true, e) < 0)
		return -1;
	return sysfs_path(dir, sizeof(dir), "%s/class/block", r->sys) ? links_update_each(r, dir, false, e)
	                                                              : -1;
}

/* ---- as device.h has it ---- */

bool device_udevd_runs(void)
{
	return access("/run/udev/control", F_OK) == 0;
}

int device_links(const char *sysname, const char *run_dir, struct err *e)
{
	const struct device_roots roots = { "/sys", "/dev", run_dir };

	return links_update(&roots, sysname, true, e);
}

int device_links_unread(const char *sysname, const char *run_dir, struct err *e)
{
	const struct device_roots roots = { "/sys", "/dev", run_dir };

	return links_update(&roots, sysname, false, e);
}

int device_links_all(const char *run_dir, struct err *e)
{
	const struct device_roots roots = { "/sys", "/dev", run_dir };

	return links_update_all(&roots, e);
}
