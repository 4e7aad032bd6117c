/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a device stands on. A disk that is taken out while it is in use stays below those that use it, as a
 * link that leads nowhere.
 *
 * sysfs has the answer without asking any device: a device's "slaves" are links to what it stands on, and
 * the link of a disk that was taken out leads nowhere while the device above it is still open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/sysfs.h"

#define DEPTH 4 /* a thin volume stands on its pool, that on hidden volumes, those on a disk */

/* One walk down: the words so far, the disks at its end, and how many of those are gone. */
struct below {
	struct buf *words;
	unsigned disks, gone;
};

/* Is there a word " NAME=" already? */
static bool is_word(const struct buf *words, const char *name)
{
	char word[80];

	return snprintf(word, sizeof(word), " %.64s=", name) > 0 && strstr(buf_str(words), word);
}

/* Append what this device stands on, and go on from there. True: it stands on something. A device that
 * several others share is one word, and counted once. `depth` ends it where the kernel's links went in a
 * circle. */
static bool look_below(const char *sysname, int depth, struct below *b)
{
	char path[PATH_MAX];
	DIR *d = sysfs_path(path, sizeof(path), "/sys/class/block/%s/slaves", sysname) ? opendir(path) : NULL;
	const struct dirent *entry;
	bool stands = false;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		stands = true;
		bool there = faccessat(dirfd(d), entry->d_name, F_OK, 0) == 0;
		if (is_word(b->words, entry->d_name))
			continue;
		buf_printf(b->words, " %s=%s", entry->d_name, there ? "there" : "gone");
		if (!there || depth <= 1 || !look_below(entry->d_name, depth - 1, b)) {
			b->disks++;
			b->gone += !there;
		}
	}
	if (d)
		closedir(d);
	return stands;
}

void device_below(const char *sysname, struct buf *words)
{
	demand_or(sysname && words, );
	look_below(sysname, DEPTH, &(struct below){ .words = words });
}

bool device_is_lost(const char *sysname)
{
	demand_or(sysname, false);

	cleanup_buf struct buf words = BUF_INIT;
	struct below b = { .words = &words };

	look_below(sysname, DEPTH, &b);
	return b.disks && b.gone == b.disks;
}

/* What LVM makes of others, or what has gone. */
static bool is_no_disk(const char *sysname)
{
	char dir[PATH_MAX], uuid[160];
	int part;

	return !sysfs_block("/sys", sysname, dir, &part) ||
	       (sysfs_attribute(dir, "dm/uuid", uuid, sizeof(uuid)) && starts_with(uuid, "LVM-"));
}

/* A volume can be what is meant, but then there is its link, which was made before this is asked; udevd, or
 * LVM, may make theirs later. Outside /dev a path may lead to what does not answer. */
bool device_news_may_help(const char *waits_for, const char *sysname)
{
	demand_or(waits_for && sysname, true);

	const char *spec = waits_for + strcspn(waits_for, "=") + 1;
	bool path = *spec == '/', is_disk = !is_no_disk(sysname);
	int leads;

	if (starts_with(waits_for, "vg="))
		return is_disk;
	if (path && (!starts_with(spec, "/dev/") || strstr(spec, "/../")))
		return true;
	leads = device_leads(spec, sysname);
	if (leads > 0 || (path && leads == 0))
		return leads > 0;
	return is_disk || device_udevd_runs() || (path && !starts_with(spec, "/dev/disk/"));
}
