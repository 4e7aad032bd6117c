/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool stands on: paths, by filesystem and path in it; devices, by number and content.
 *
 * A conflict (same.c) is found by comparing facts as texts. So each fact is written in one way only: device
 * numbers instead of names, uuids in lower case, paths by filesystem and path within it. Facts are made by
 * workers, since most of them ask a device or a name server.
 */
#include "backends/identity.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "backends/health.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/mount.h"
#include "system/sysfs.h"

#define LINKS_MAX 40 /* as the kernel has it */

/* ---- the mount table ---- */

struct places {
	struct mount_entry *items;
	size_t n, room;
	bool failed;
};

/* A copy of one mount. The only option that is of interest is whether anything can be written there. */
static int take_entry(const struct mount_entry *m, void *arg)
{
	struct places *t = arg;
	struct mount_entry *copy;

	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		void *items = realloc(t->items, room * sizeof(*t->items));

		if (!items) {
			t->failed = true;
			return 1;
		}
		t->items = items;
		t->room = room;
	}
	copy = &t->items[t->n];
	*copy = (struct mount_entry){ .id = m->id,
		                      .parent = m->parent,
		                      .dev = m->dev,
		                      .root = strdup(m->root),
		                      .target = strdup(m->target),
		                      .fstype = strdup(m->fstype),
		                      .source = strdup(m->source),
		                      .super_options = health_marked(m) ? strdup("ro") : NULL };
	t->n++;
	t->failed |= !copy->root || !copy->target || !copy->fstype || !copy->source;
	return t->failed;
}

void places_free(struct places *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		mount_entry_free(&t->items[i]);
	if (t)
		free(t->items);
	free(t);
}

/* The table from a text, or as it is now. All or nothing: with a part of it, a path would be seen through
 * the wrong mount. */
static struct places *places_new(char *text, struct err *e)
{
	struct places *t = calloc(1, sizeof(*t));

	if (t && text)
		mountinfo_parse(text, take_entry, t);
	else if (t && mountinfo_each(take_entry, t, e) < 0)
		goto failed;
	if (t && !t->failed)
		return t;
	err_set(e, ERR_NO_MEMORY, "cannot read the mount table: out of memory");
failed:
	places_free(t);
	return NULL;
}

const struct places *places_now(struct err *e)
{
	static struct places *kept;
	static unsigned of;
	unsigned reading = mountinfo_reading();

	/* As long as the table is the one that was read for it: 0 says that this is not known. */
	if (kept && reading && reading == of)
		return kept;
	places_free(kept);
	kept = places_new(NULL, e);
	of = reading;
	return kept;
}

struct places *places_parse(char *text)
{
	demand_or(text, NULL);
	return places_new(text, NULL);
}

/* Filesystems that may not answer. */
static bool is_remote(const char *fstype)
{
	static const char *const remote[] = { "nfs",  "nfs4",   "cifs",   "smb3",      "9p",    "afs",
		                              "ceph", "autofs", "lustre", "glusterfs", "ncpfs", "coda" };

	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if (streq(remote[i], fstype))
			return true;
	return starts_with(fstype, "fuse");
}

/* Is something mounted at exactly this path whose files are not to be touched? We run from what is mounted at
 * "/". */
static bool is_forbidden(const struct places *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (streq(t->items[i].target, path) && !streq(path, "/") && is_remote(t->items[i].fstype))
			return true;
	return false;
}

/* The mount on top of `below` at this path, or `below`. */
static const struct mount_entry *mount_over(const struct places *t, const struct mount_entry *below,
                                            const char *path)
{
	const struct mount_entry *top = below;

	for (size_t i = 0, rounds = 0; rounds <= t->n && i < t->n; i++) {
		const struct mount_entry *m = &t->items[i];

		if (!streq(m->target, path) || m == top || m->parent != top->id || m->id == top->id)
			continue;
		top = m;
		i = (size_t)-1; /* there may be another on top of it, listed anywhere */
		rounds++;
	}
	return top;
}

/* ---- paths ---- */

/* One more name. The path has no '/' at its end, and "" is the root. */
static bool path_append(char *out, size_t size, const char *name, size_t n)
{
	size_t len = strlen(out);

	if (len + n + 2 > size)
		return false;
	out[len] = '/';
	memcpy(out + len + 1, name, n);
	out[len + 1 + n] = '\0';
	return true;
}

/* The way to the directory above. "" is the root. */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

/* One link on the way: what it says goes in front of the rest of the way. */
static bool follow(char *done, char *rest, const char *link)
{
	char next[PATH_MAX];

	if (snprintf(next, sizeof(next), "%s/%s", link, rest) >= (int)sizeof(next))
		return false;
	memcpy(rest, next, strlen(next) + 1);
	if (link[0] == '/')
		done[0] = '\0';
	else
		cut_last(done);
	return true;
}

bool places_resolve(const struct places *t, const char *path, char *out, size_t size)
{
	demand_or(path && out && size > 1, false);

	char rest[PATH_MAX], link[PATH_MAX];
	bool blind = false;
	int links = 0;

	if (snprintf(rest, sizeof(rest), "%s", path) >= (int)sizeof(rest) || size < 2)
		return false;
	out[0] = '\0';
	while (rest[strspn(rest, "/")]) {
		const char *name = rest + strspn(rest, "/");
		size_t n = strcspn(name, "/");
		ssize_t got;

		if (n == 2 && memcmp(name, "..", 2) == 0)
			cut_last(out);
		else if ((n != 1 || *name != '.') && !path_append(out, size, name, n))
			return false;
		bool stepped = *name != '.' || (n != 1 && (n != 2 || name[1] != '.'));
		memmove(rest, name + n, strlen(name + n) + 1);
		blind |= is_forbidden(t, out);
		got = stepped && !blind ? readlink(out, link, sizeof(link) - 1) : -1;
		if (got < 0)
			continue;
		link[got] = '\0';
		if (++links > LINKS_MAX || !follow(out, rest, link))
			return false;
	}
	if (!out[0])
		memcpy(out, "/", 2);
	return true;
}

/* The mount through which one sees the path; `itself`: what is mounted right there counts. */
static const struct mount_entry *mount_of(const struct places *t, const char *path, bool itself)
{
	const struct mount_entry *m = NULL;
	char part[PATH_MAX];

	/* The root is the entry whose parent is not in the table. */
	for (size_t i = 0; i < t->n && !m; i++) {
		bool has_parent = false;

		for (size_t k = 0; k < t->n && !has_parent; k++)
			has_parent = k != i && t->items[k].id == t->items[i].parent;
		if (!has_parent && streq(t->items[i].target, "/"))
			m = &t->items[i];
	}
	if (!m)
		return NULL;
	if (!streq(path, "/") || itself)
		m = mount_over(t, m, "/");
	for (const char *at = path; at && *at && !streq(path, "/");) {
		const char *next = strchr(at + 1, '/');
		size_t n = next ? (size_t)(next - path) : strlen(path);

		if (!next && !itself)
			break;
		memcpy(part, path, n);
		part[n] = '\0';
		m = mount_over(t, m, part);
		at = next;
	}
	return m;
}

int places_mount(const struct places *t, const char *path)
{
	char canonical[PATH_MAX];
	const struct mount_entry *m = places_resolve(t, path, canonical, sizeof(canonical))
	                                      ? mount_of(t, canonical, true)
	                                      : NULL;

	if (!m)
		return 0;
	return m->super_options ? -m->id : m->id;
}

/* A part of a fact's value, which ends at the first space and the first line break. */
static void add_value(const char *text, struct buf *facts)
{
	for (const char *c = text; *c; c++) {
		if (*c == ' ' || *c == '\n' || *c == '\\')
			buf_printf(facts, "\\%03o", (unsigned)*c);
		else
			buf_addc(facts, *c);
	}
}

static const char place_key[] = "place", files_key[] = "files";

/* A path by its filesystem and by the way to it there: the mount's own root (a bind mount, a subvolume) and
 * what is below the mount's target. Two paths to one directory have the same fact, whatever mounts they lead
 * through. */
static void path_fact(const struct places *t, const char *key, const char *path, const char *canonical,
                      struct buf *facts)
{
	const struct mount_entry *m = mount_of(t, canonical, key == files_key);

	if (!m)
		return;

	const char *below = canonical + (streq(m->target, "/") ? 0 : strlen(m->target));
	const char *root = streq(m->root, "/") ? "" : m->root;
	dev_t dev = mount_device(m);

	below = streq(below, "/") ? "" : below;
	buf_printf(facts, "%s=%u:%u:", key, major(dev), minor(dev));
	add_value(root, facts);
	add_value(below, facts);
	buf_printf(facts, "%s %s\n", !*root && !*below ? "/" : "", path);
}

void identity_path(const struct places *t, const char *path, unsigned which, struct buf *facts)
{
	demand_or(t && path && facts, );
	demand_or(which && !(which & ~(unsigned)(IDENTITY_PLACE | IDENTITY_FILES)), );

	char canonical[PATH_MAX];

	if (!places_resolve(t, path, canonical, sizeof(canonical)))
		return;
	if (which & IDENTITY_PLACE)
		path_fact(t, place_key, path, canonical, facts);
	if (which & IDENTITY_FILES)
		path_fact(t, files_key, path, canonical, facts);
}

/* ---- devices ---- */

/* A map of multipath's, or a partition of one: "mpath-3600…", "part2-mpath-3600…" is what multipathd and
 * kpartx give it as its uuid in device-mapper. */
static bool map_serial(const char *dir, char *id, size_t size, int *part)
{
	static const char map[] = "mpath-";
	char uuid[256];
	int used = 0;

	if (!sysfs_attribute(dir, "dm/uuid", uuid, sizeof(uuid)))
		return false;
	if (sscanf(uuid, "part%d-%n", part, &used) != 1)
		used = 0;
	return starts_with(uuid + used, map) && sysfs_path(id, size, "%s", uuid + used + strlen(map));
}

/* Which LUN it is, or which file below a loop device: the kernel shows one for each way to it. What a disk
 * says of itself counts only where nobody else says the same. A partition has its number behind it. */
static void add_lun(dev_t dev, const char *spelling, struct buf *facts)
{
	char sysname[NAME_MAX + 1], dir[PATH_MAX], id[PATH_MAX], offset[32];
	int part = 0;

	if (!device_sysname(dev, sysname, sizeof(sysname)) || !sysfs_block("/sys", sysname, dir, &part))
		return;
	if (!map_serial(dir, id, sizeof(id), &part) &&
	    !(link_scsi_serial("/sys", sysname, id, sizeof(id), NULL) == 0 && link_serial_is_unique(id)) &&
	    !sysfs_attribute(dir, "loop/backing_file", id, sizeof(id)))
		return;
	if (!sysfs_attribute(dir, "loop/offset", offset, sizeof(offset)))
		offset[0] = '\0';
	buf_adds(facts, "lun=");
	add_value(id, facts);
	buf_printf(facts, ":%s:%d %s\n", offset, part, spelling);
}

void identity_number(dev_t dev, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "dev=%u:%u %s\n", major(dev), minor(dev), spelling);
	add_lun(dev, spelling, facts);
}

void identity_filesystem(dev_t dev, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "files=%u:%u:/ %s\n", major(dev), minor(dev), spelling);
}

/* Append a fact whose value means the same in either case. The value ends at a blank, so that none may be in
 * it. */
static void add_lower(const char *key, const char *value, const char *spelling, struct buf *facts)
{
	buf_printf(facts, "%s=", key);
	for (; *value; value++)
		buf_addc(facts, (char)(*value == ' ' ? '_' : tolower((unsigned char)*value)));
	buf_printf(facts, " %s\n", spelling);
}

bool identity_device(const char *spec, dev_t *where, struct buf *facts)
{
	demand_or(spec && facts, false);

	struct device_content content;
	char path[PATH_MAX];
	dev_t dev;

	if (starts_with(spec, "PARTUUID="))
		add_lower("partuuid", spec + strlen("PARTUUID="), spec, facts);
	if (device_find(spec, path, sizeof(path), &dev, NULL) < 0) {
		if (starts_with(spec, "UUID="))
			add_lower("fsuuid", spec + strlen("UUID="), spec, facts);
		return false;
	}
	identity_number(dev, spec, facts);
	/* The kernel takes all disks with one uuid for one btrfs. Of every other filesystem a snapshot or a
	 * clone has the same one, and is another filesystem. */
	if (device_content_bounded(path, &content, NULL) == 0 && streq(content.type, "btrfs") &&
	    content.uuid[0])
		add_lower("fsuuid", content.uuid, spec, facts);
	if (where)
		*where = dev;
	return true;
}

/* ---- volumes ---- */

void identity_volume(const struct volume *v, struct buf *facts)
{
	demand_or(v && facts, );

	char sysname[NAME_MAX + 1], dir[PATH_MAX];
	const struct dirent *entry;
	struct stat st;
	dev_t part;
	DIR *d;

	if (!v->path || stat(v->path, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	identity_number(st.st_rdev, v->path, facts);
	if (!device_sysname(st.st_rdev, sysname, sizeof(sysname)) ||
	    !sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", sysname))
		return;
	d = opendir(dir);
	while (d && (entry = readdir(d)))
		if (sysfs_partition(sysname, entry->d_name, &part))
			identity_number(part, entry->d_name, facts);
	if (d)
		closedir(d);
}
