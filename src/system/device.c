/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finding block devices by what they are, and knowing what they hold, through libblkid. A device that does
 * not answer (suspended in device-mapper, a SCSI disk whose session is lost, or one that stands on such a
 * one) is never opened: sysfs knows it without asking the device, and a read would not return.
 */
#include "system/device.h"
#include "system/device_probe.h"
#include "system/links.h"
#include "system/signature.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/buf.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/multipath.h"
#include "system/sysfs.h"

/* ---- what sysfs knows ---- */

/* A device's directory in sysfs, opened, so that what is asked of it is of the same device. */
static int sys_block(const char *sysname)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%s", sysname);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Is there anything in that directory of sysfs? `unseen`: the answer where it cannot be read. */
static bool has_entries(int dirfd, const char *name, bool unseen)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool found = !dir && unseen;

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return found;
}

bool device_is_any(void)
{
	return has_entries(AT_FDCWD, "/sys/class/block", true);
}

/* A path of a multipath map, a member of a volume group or of an array: what stands on it is the device to
 * use. */
static bool has_holder(const char *sysname)
{
	cleanup_close int dir = sys_block(sysname);

	return dir >= 0 &&
	       (has_entries(dir, "holders", false) ||
	        (faccessat(dir, "partition", F_OK, 0) == 0 && has_entries(dir, "../holders", false)));
}

/* Is that path a node of this device? A path that leads nowhere is not. */
static bool is_node_of(const char *path, dev_t dev)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

int device_node(dev_t dev, char *path, size_t size)
{
	demand_or(path && size > 0, -1);

	char sysname[NAME_MAX + 1], dm[NAME_MAX + 1];

	if (!device_sysname(dev, sysname, sizeof(sysname)))
		return -1;

	cleanup_close int dir = sys_block(sysname);

	if (dir >= 0 && file_read_line(dir, "dm/name", dm, sizeof(dm)) > 0) {
		snprintf(path, size, "/dev/mapper/%s", dm);
		if (is_node_of(path, dev))
			return 0;
	}
	for (char *c = sysname; *c; c++)
		if (*c == '!')
			*c = '/';
	snprintf(path, size, "/dev/%s", sysname);
	return is_node_of(path, dev) ? 0 : -1;
}

bool device_is_read_only(dev_t dev)
{
	char path[64], text[8];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/ro", major(dev), minor(dev));
	return file_read_line(AT_FDCWD, path, text, sizeof(text)) > 0 && streq(text, "1");
}

/* ---- which device is it ---- */

/* A name for a device that is not a path. */
/* clang-format off */
static const struct tag {
	const char *prefix, *dir, *value;       /* in a specification; in /dev/disk; as libblkid calls it */
	bool partition; /* told by the partition table, not by what is on the device */
	bool caseless;
} tags[] = {
	{ "LABEL=",     "by-label",     "LABEL",           false, false },
	{ "UUID=",      "by-uuid",      "UUID",            false, true },
	{ "PARTLABEL=", "by-partlabel", "PART_ENTRY_NAME", true,  false },
	{ "PARTUUID=",  "by-partuuid",  "PART_ENTRY_UUID", true,  true },
};
/* clang-format on */

/* NULL: the specification is a path, or nothing. */
static const struct tag *tag_find(const char *spec)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (starts_with(spec, tags[i].prefix))
			return &tags[i];
	return NULL;
}

/* Are they the same, as fstab(5) compares them: labels by case, uuids not? */
static bool is_value(const struct tag *t, const char *value, const char *wanted)
{
	return t->caseless ? strcasecmp(value, wanted) == 0 : streq(value, wanted);
}

/* PARTLABEL and PARTUUID come from the table of the disk that the partition is on: its content is not looked
 * at. */
static int partition_has(blkid_probe p, const struct tag *t, const char *wanted)
{
	const char *value = NULL;
	int rc;

	blkid_probe_enable_superblocks(p, 0);
	blkid_probe_enable_partitions(p, 1);
	blkid_probe_set_partitions_flags(p, BLKID_PARTS_ENTRY_DETAILS);
	rc = device_safeprobe(p);
	if (rc != 0)
		return rc < 0 && rc != DEVICE_AMBIVALENT ? -1 : 0;
	return blkid_probe_lookup_value(p, t->value, &value, NULL) == 0 && is_value(t, value, wanted);
}

/* What belongs to an array or a volume group has a UUID too, but not one to mount; and what lies in a
 * filesystem's files names nothing. */
static int content_has(blkid_probe p, int fd, const struct tag *t, const char *wanted,
                       struct signature *found)
{
	struct signatures all = { .n = 0 };
	const struct signature *member;
	int rc = signatures_read(p, fd, &all);

	member = signatures_member(&all);
	for (size_t i = 0; i < all.n; i++) {
		const struct signature *s = &all.items[i];

		if (!is_value(t, streq(t->value, "UUID") ? s->uuid : s->label, wanted) ||
		    streq(s->usage, "raid") || (member && s != member) || signature_is_content(&all, s))
			continue;
		*found = *s;
		return 1;
	}
	return rc;
}

/* Does the device at path carry the tag? 1, 0; -1: it cannot be told, because the device cannot be read, or
 * is not there. */
static int probe_has(const char *path, const struct tag *t, const char *wanted, struct signature *found,
                     struct err *e)
{
	cleanup_close int fd = -1;
	blkid_probe p = device_probe(path, &fd, e);
	int rc;

	if (!p)
		return -1;
	*found = (struct signature){ .at = 0 };
	rc = t->partition ? partition_has(p, t, wanted) : content_has(p, fd, t, wanted, found);
	blkid_free_probe(p);
	return rc < 0 ? device_cannot_read(path, fd, e) : rc;
}

/* The link that udev keeps for a tag, followed: true if it leads to a block device. */
static bool tag_link(const struct tag *t, const char *wanted, char *path, dev_t *dev)
{
	char encoded[1024], link[PATH_MAX], node[PATH_MAX];
	struct stat st;

	if (blkid_encode_string(wanted, encoded, sizeof(encoded)) != 0)
		return false;
	if (snprintf(link, sizeof(link), "/dev/disk/%s/%s", t->dir, encoded) >= (int)sizeof(link))
		return false;
	if (!realpath(link, node) || stat(node, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	memcpy(path, node, sizeof(node));
	*dev = st.st_rdev;
	return true;
}

int device_leads(const char *spec, const char *sysname)
{
	demand_or(spec && sysname, -1);

	const struct tag *t = tag_find(spec);
	char path[PATH_MAX], name[NAME_MAX + 1];
	struct stat st = { 0 };

	if (t ? !tag_link(t, spec + strlen(t->prefix), path, &st.st_rdev) : stat(spec, &st) < 0)
		return -1;
	return device_sysname(st.st_rdev, name, sizeof(name)) ? starts_with(name, sysname) : -1;
}

#define SEARCHED_MOST 1024

/* One search for a tag: what is wanted, what was found, and who could not be asked. */
struct search {
	const struct tag *tag;
	const char *wanted;
	const char *only; /* these names; NULL: all */
	char path[PATH_MAX];
	dev_t dev;
	struct signature first;
	char other[PATH_MAX];       /* a second device with the same tag */
	struct buf stalled;         /* devices that could not be asked, */
	struct buf unread;          /* and why others that were asked could not be read */
	char *nodes[SEARCHED_MOST]; /* those that are asked */
	dev_t devs[SEARCHED_MOST];
	size_t n;
};

/* Something may be on it, and nothing stands on it: a member's content belongs to what it is a member of. */
static bool is_searchable(const char *sysname, dev_t *dev)
{
	cleanup_close int dir = sys_block(sysname);
	char text[32];
	unsigned a, b;

	if (dir < 0 || starts_with(sysname, "ram") || starts_with(sysname, "fd"))
		return false;
	if (file_read_line(dir, "size", text, sizeof(text)) <= 0 || streq(text, "0"))
		return false;
	if (file_read_line(dir, "dev", text, sizeof(text)) <= 0 || sscanf(text, "%u:%u", &a, &b) != 2)
		return false;
	*dev = makedev(a, b);
	return !has_holder(sysname) && !multipath_is_path("/sys", sysname);
}

int device_each(device_each_fn *fn, void *arg, struct err *e)
{
	demand(fn, e);
	DIR *dir = opendir("/sys/class/block");
	const struct dirent *entry;
	char path[PATH_MAX];
	bool over = false;
	dev_t dev;

	if (!dir)
		return err_sys(e, errno, "cannot list block devices in /sys/class/block");
	while (!over && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_searchable(entry->d_name, &dev) &&
		    device_node(dev, path, sizeof(path)) == 0)
			over = fn(entry->d_name, path, dev, arg);
	closedir(dir);
	return 0;
}

/* Two devices of one filesystem: not two copies of one device. */
static bool is_same_filesystem(const struct signature *a, const struct signature *b)
{
	return streq(a->type, b->type) && a->part[0] && streq(a->uuid, b->uuid) && !streq(a->part, b->part);
}

static struct buf left_out;
static bool searched;
static const char *missing, *news;

void device_search_only(const char *spec, const char *sysnames)
{
	missing = spec;
	news = sysnames;
}

const char *device_left_out(void)
{
	return searched ? buf_str(&left_out) : NULL;
}

/* What a process of its own is asked about a device, and its answer. */
struct tag_question {
	const struct tag *tag;
	char wanted[256];
	int has;
	struct signature found;
	struct err why;
};

static void answer_has_tag(const char *node, void *arg)
{
	struct tag_question *q = arg;

	q->has = probe_has(node, q->tag, q->wanted, &q->found, &q->why);
}

/* One more disk that is to be asked. True: no more. */
static bool search_add(const char *sysname, const char *path, dev_t dev, void *arg)
{
	struct search *s = arg;
	char word[NAME_MAX + 3];

	if (device_stalled("/sys", sysname)) {
		buf_printf(&s->stalled, "%s%s", s->stalled.len ? ", " : "", sysname);
		return false;
	}
	snprintf(word, sizeof(word), " %s ", sysname);
	if (s->only && !strstr(s->only, word))
		return false;
	s->nodes[s->n] = strdup(path);
	s->devs[s->n] = dev;
	return !s->nodes[s->n] || ++s->n == SEARCHED_MOST;
}

/* Once, however often a worker searches. */
static void note_left_out(const char *node, const char *why)
{
	char name[PATH_MAX + 2];

	snprintf(name, sizeof(name), "%s: ", node);
	if (!left_out.len || !strstr(left_out.data, name))
		buf_printf(&left_out, "%s%s\n", name, why);
}

/* What the disk has answered. */
static void search_take(struct search *s, size_t i, const struct tag_question *q, const struct err *silence)
{
	const struct err *why = silence->class == ERR_NONE ? &q->why : silence;
	int has = silence->class == ERR_NONE ? q->has : -1;

	if (has < 0 && err_is(why, ERR_STORAGE)) {
		buf_printf(&s->unread, "%s%s", s->unread.len ? "; " : "", why->message);
		note_left_out(s->nodes[i], why->message);
	}
	if (has <= 0 || s->other[0] || (s->path[0] && is_same_filesystem(&s->first, &q->found)))
		return;
	snprintf(s->path[0] ? s->other : s->path, PATH_MAX, "%s", s->nodes[i]);
	if (!s->other[0]) {
		s->dev = s->devs[i];
		s->first = q->found;
	}
}

/* Ask all devices that may be it, in as few processes as it takes, and put their answers together. */
static int search_all(struct search *s, struct err *e)
{
	cleanup_free struct tag_question *asked = NULL;
	cleanup_free struct err *silences = NULL;
	int rc = device_each(search_add, s, e);

	if (rc < 0 || s->n == 0)
		return rc;
	asked = calloc(s->n, sizeof(*asked));
	silences = calloc(s->n, sizeof(*silences));
	if (!asked || !silences)
		return err_set(e, ERR_NO_MEMORY, "cannot look for a device: out of memory");
	for (size_t i = 0; i < s->n; i++) {
		asked[i].tag = s->tag;
		if (snprintf(asked[i].wanted, sizeof(asked[i].wanted), "%s", s->wanted) >=
		    (int)sizeof(asked[i].wanted))
			return 0; /* no label is so long */
	}
	rc = device_ask_all(&(struct device_questions){ .nodes = (const char *const *)s->nodes,
	                                                .n = s->n,
	                                                .fn = answer_has_tag,
	                                                .args = asked,
	                                                .size = sizeof(*asked),
	                                                .whys = silences },
	                    e);
	for (size_t i = 0; rc == 0 && i < s->n; i++)
		search_take(s, i, &asked[i], &silences[i]);
	return rc;
}

/* Where udevd runs, its links decide (it knows which of a multipath device's nodes is meant); elsewhere all
 * devices are asked, so that two with the same tag are noticed before the wrong one is mounted. */
static int find_tag(const char *spec, const struct tag *t, char *path, size_t size, dev_t *dev, struct err *e)
{
	struct search s = { .tag = t, .wanted = spec + strlen(t->prefix) };
	char waits_for[sizeof(e->waits_for)];
	int rc = 0;

	snprintf(waits_for, sizeof(waits_for), "device=%s", spec);
	s.only = streq_null(missing, waits_for) ? news : NULL;
	if (device_udevd_runs() && tag_link(t, s.wanted, s.path, &s.dev) && device_matches(spec, s.dev) == 0)
		s.path[0] = '\0'; /* a link that is out of date */
	if (!s.path[0]) {
		searched |= !s.only;
		rc = search_all(&s, e);
	}
	if (rc == 0 && s.other[0])
		rc = err_set(e, ERR_CONFLICT,
		             "%s and %s both have %s: name the device by another of its names", s.path,
		             s.other, spec);
	else if (rc == 0 && !s.path[0] && s.unread.len) /* it may be the one */
		rc = err_wait(e, ERR_STORAGE, waits_for, "no device has %s now that can be read: %s", spec,
		              buf_str(&s.unread));
	else if (rc == 0 && !s.path[0])
		rc = err_wait(e, ERR_WAIT_DEVICE, waits_for, "no device has %s now%s%s%s", spec,
		              s.stalled.len ? " (not asked, because suspended or offline: " : "",
		              buf_str(&s.stalled), s.stalled.len ? ")" : "");
	bool over = !s.only || (rc < 0 && !s.unread.len && !s.other[0]);
	buf_free(&s.stalled);
	buf_free(&s.unread);
	while (s.n)
		free(s.nodes[--s.n]);
	if (!over) { /* it is there, or one of them cannot be read: what the others are counts as well */
		missing = NULL;
		if (e)
			err_clear(e);
		return find_tag(spec, t, path, size, dev, e);
	}
	if (rc == 0) {
		snprintf(path, size, "%s", s.path);
		*dev = s.dev;
	}
	return rc;
}

/* A path is taken as it is: whoever wrote it has chosen one of the device's names. */
static int find_path(const char *spec, char *path, size_t size, dev_t *dev, struct err *e)
{
	char waits_for[sizeof(e->waits_for)], sysname[NAME_MAX + 1];
	struct stat st;

	snprintf(waits_for, sizeof(waits_for), "device=%s", spec);
	if (stat(spec, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_wait(e, ERR_WAIT_DEVICE, waits_for, "device %s does not exist now", spec);
		return err_sys(e, errno, "cannot look at device %s", spec);
	}
	if (!S_ISBLK(st.st_mode))
		return err_set(e, ERR_WRONG_FORMAT, "%s is not a block device", spec);
	if (multipath_map_of(st.st_rdev, dev))
		return device_node(*dev, path, size) == 0
		               ? 0
		               : err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                          "%s is a path of a multipath map that has no node", spec);
	if (device_sysname(st.st_rdev, sysname, sizeof(sysname)) && multipath_is_path("/sys", sysname))
		return err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                "%s is a path of a LUN whose multipath map is not there now", spec);
	if ((size_t)snprintf(path, size, "%s", spec) >= size)
		return err_set(e, ERR_INVALID, "the device path is longer than %zu bytes", size - 1);
	*dev = st.st_rdev;
	return 0;
}

/* What a worker has found, if it wants to search once. */
static struct {
	bool wanted;
	char spec[PATH_MAX], path[PATH_MAX];
	dev_t dev;
} found_before;

void device_search_once(void)
{
	found_before.wanted = true;
}

/* The device that was found before, if it still carries the tag; else searched for anew. */
static int find_tag_once(const char *spec, const struct tag *t, char *path, size_t size, dev_t *dev,
                         struct err *e)
{
	if (!streq(found_before.spec, spec) || !is_node_of(found_before.path, found_before.dev) ||
	    device_matches(spec, found_before.dev) != 1) {
		found_before.spec[0] = '\0';
		if (find_tag(spec, t, found_before.path, sizeof(found_before.path), &found_before.dev, e) < 0)
			return -1;
		snprintf(found_before.spec, sizeof(found_before.spec), "%s", spec);
	}
	snprintf(path, size, "%s", found_before.path);
	*dev = found_before.dev;
	return 0;
}

int device_find(const char *spec, char *path, size_t size, dev_t *dev, struct err *e)
{
	demand(spec && path && size > 0 && dev, e);

	const struct tag *t = tag_find(spec);

	if (t)
		return (found_before.wanted ? find_tag_once : find_tag)(spec, t, path, size, dev, e);
	if (spec[0] != '/')
		return err_set(e, ERR_INVALID,
		               "\"%s\" is neither a path nor LABEL=, UUID=, PARTLABEL= or PARTUUID=", spec);
	return find_path(spec, path, size, dev, e);
}

/* Does the path lead to the device, or to one that is a path of it? */
static bool is_way_to(const char *spec, dev_t dev)
{
	struct stat st;
	dev_t map;

	return is_node_of(spec, dev) || (stat(spec, &st) == 0 && S_ISBLK(st.st_mode) &&
	                                 multipath_map_of(st.st_rdev, &map) && map == dev);
}

int device_matches(const char *spec, dev_t dev)
{
	demand_or(spec, -1);

	const struct tag *t = tag_find(spec);
	char path[PATH_MAX], sysname[NAME_MAX + 1];
	struct signature found;

	if (!t)
		return access(spec, F_OK) == 0 ? is_way_to(spec, dev) : -1;
	if (device_sysname(dev, sysname, sizeof(sysname)) && device_stalled("/sys", sysname))
		return 1;
	return device_node(dev, path, sizeof(path)) == 0
	               ? probe_has(path, t, spec + strlen(t->prefix), &found, NULL)
	               : -1;
}
