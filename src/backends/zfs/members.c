/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which disk belongs to which zpool, by what libblkid reads of their labels. zpool import would look at every
 * device of the machine itself, and wait for each: it is shown those alone that are the zpool's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/zfs/zfs.h"
#include "base/contract.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/sysfs.h"

#define MEMBERS_MOST 4096 /* devices that are looked at */

static const char *const zfs_types[] = { "zfs_member", NULL };

/* What a process of its own is asked about a device, and its answer. */
struct label_question {
	bool holds;
	char zpool[ZFS_NAME], guid[ZFS_GUID];
};

static void answer_label(const char *node, void *arg)
{
	struct label_question *q = arg;
	struct device_content c;

	q->holds = device_holds(node, zfs_types, &c);
	snprintf(q->zpool, sizeof(q->zpool), "%s", c.label);
	snprintf(q->guid, sizeof(q->guid), "%.*s", ZFS_GUID - 1, c.uuid);
}

struct member_search {
	struct zfs_members *found;
	bool failed;
};

static void note_silent(struct zfs_members *m, const char *node, const char *why)
{
	buf_printf(&m->silent, "%s: %s\n", node, why);
}

/* One more device that is to be asked. True: no more. */
static bool member_add(const char *sysname, const char *path, dev_t dev, void *arg)
{
	struct member_search *s = arg;
	struct zfs_members *m = s->found;

	if (starts_with(sysname, "zd"))
		return false;
	if (device_stalled("/sys", sysname)) {
		note_silent(m, path, "does not answer now (suspended, blocked or offline)");
		return false;
	}
	if ((m->n & (m->n - 1)) == 0) { /* twice as many, from each power of two on */
		struct zfs_member *grown = realloc(m->list, (m->n ? 2 * m->n : 1) * sizeof(*grown));

		s->failed = !grown;
		if (!grown)
			return true;
		m->list = grown;
	}
	m->list[m->n] = (struct zfs_member){ .dev = dev };
	if ((size_t)snprintf(m->list[m->n].node, sizeof(m->list[m->n].node), "%s", path) <
	    sizeof(m->list[m->n].node))
		m->n++;
	return m->n == MEMBERS_MOST;
}

/* zpool finds a disk again by the name under which it was shown it: one that stays, where there is one. */
static void prefer_stable_name(struct zfs_member *k)
{
	static const char by_id[] = "/dev/disk/by-id";
	DIR *dir = starts_with(k->node, "/dev/mapper/") ? NULL : opendir(by_id);
	char best[NAME_MAX + 1] = "";
	const struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) &&
		    st.st_rdev == k->dev && (!best[0] || strcmp(entry->d_name, best) < 0))
			snprintf(best, sizeof(best), "%s", entry->d_name);
	if (dir)
		closedir(dir);
	if (best[0] && sizeof(by_id) + strlen(best) < sizeof(k->node))
		snprintf(k->node, sizeof(k->node), "%s/%.140s", by_id, best);
}

/* Keep those that bear a label. */
static void take_answers(struct zfs_members *m, const struct label_question *asked,
                         const struct err *silences)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (silences[i].class != ERR_NONE)
			note_silent(m, m->list[i].node, silences[i].message);
		if (silences[i].class != ERR_NONE || !asked[i].holds)
			continue;
		m->list[kept] = m->list[i];
		snprintf(m->list[kept].zpool, ZFS_NAME, "%s", asked[i].zpool);
		snprintf(m->list[kept].guid, ZFS_GUID, "%s", asked[i].guid);
		prefer_stable_name(&m->list[kept++]);
	}
	m->n = kept;
}

static int ask_all(struct zfs_members *m, struct err *e)
{
	cleanup_free struct label_question *asked = calloc(m->n, sizeof(*asked));
	cleanup_free struct err *silences = calloc(m->n, sizeof(*silences));
	cleanup_free const char **nodes = calloc(m->n, sizeof(*nodes));

	if (!asked || !silences || !nodes)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < m->n; i++)
		nodes[i] = m->list[i].node;
	if (device_ask_all(&(struct device_questions){ .nodes = nodes,
	                                               .n = m->n,
	                                               .fn = answer_label,
	                                               .args = asked,
	                                               .size = sizeof(*asked),
	                                               .whys = silences },
	                   e) < 0)
		return -1;
	take_answers(m, asked, silences);
	return 0;
}

int zfs_members_read(struct zfs_members *m, struct op *op, struct err *e)
{
	demand(m && op, e);

	struct member_search s = { .found = m };

	*m = (struct zfs_members){ 0 };
	if (device_each(member_add, &s, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look for zpools");
	if (s.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot look for zpools: out of memory");
	if (m->n && ask_all(m, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look for zpools");
	if (op->on_left_out)
		op->on_left_out(op, "zfs", buf_str(&m->silent));
	return 0;
}

void zfs_members_free(struct zfs_members *m)
{
	free(m->list);
	buf_free(&m->silent);
	*m = (struct zfs_members){ 0 };
}

/* ---- which zpool is meant ---- */

/* The member on a device of the definition: the device itself, or, since zpool makes a partition on a whole
 * disk, the first one on it. */
static const struct zfs_member *member_on(const struct zfs_members *m, const char *spec)
{
	char path[PATH_MAX];
	dev_t dev;

	if (!spec || device_find(spec, path, sizeof(path), &dev, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < m->n; i++) {
		char sysname[NAME_MAX + 1], disk[NAME_MAX + 1];
		dev_t part;

		if (m->list[i].dev == dev)
			return &m->list[i];
		if (device_sysname(m->list[i].dev, sysname, sizeof(sysname)) &&
		    device_sysname(dev, disk, sizeof(disk)) && sysfs_partition(disk, sysname, &part))
			return &m->list[i];
	}
	return NULL;
}

int zfs_members_choose(const struct zfs_members *m, const struct pool_def *d, const char *zpool,
                       char guid[ZFS_GUID], struct err *e)
{
	char room[PATH_MAX];

	guid[0] = '\0';
	for (size_t i = 0; i < d->source.ndevices; i++) {
		const struct zfs_member *k = member_on(m, pool_device(d, i, room));

		if (k && k->guid[0] && !streq(k->zpool, zpool))
			return err_set(e, ERR_WRONG_FORMAT,
			               "%s is a disk of zpool \"%.100s\", not of \"%.100s\"",
			               d->source.devices[i].path, k->zpool, zpool);
		if (k && k->guid[0]) {
			snprintf(guid, ZFS_GUID, "%s", k->guid);
			return 0;
		}
	}
	for (size_t i = 0; i < m->n; i++) {
		if (!streq(m->list[i].zpool, zpool) || streq(m->list[i].guid, guid))
			continue;
		if (guid[0]) {
			char wait[ZFS_NAME + 8];

			snprintf(wait, sizeof(wait), "zpool=%.200s", zpool);
			return err_wait(
				e, ERR_WAIT_DEVICE, wait,
				"there are two zpools \"%.100s\", of guid %s and %s: name a device of the "
				"right one in the definition, or take the disks of the other away",
				zpool, guid, m->list[i].guid);
		}
		snprintf(guid, ZFS_GUID, "%s", m->list[i].guid);
	}
	return 0;
}
