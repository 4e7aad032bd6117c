/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stable names of LUNs: links below a pool's target. Ours are made when they are needed; udevd's are
 * waited for.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include "backends/luns_inside.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"

#define WAIT_LINK SECONDS(5) /* for udev's link after the block device */

static int link_compare(const void *a, const void *b)
{
	const struct lun_link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return strcmp(x->path, y->path);
}

void lun_links_free(struct link_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].path);
	free(l->item);
	*l = (struct link_list){ 0 };
}

static int link_add(struct link_list *l, dev_t dev, const char *dir, const char *name)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *path;

	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 64;
		struct lun_link *more = realloc(l->item, size * sizeof(*more));

		if (!more)
			return -1;
		l->item = more;
		l->size = size;
	}
	path = malloc(len);
	if (!path)
		return -1;
	snprintf(path, len, "%s/%s", dir, name);
	l->item[l->n++] = (struct lun_link){ dev, path };
	return 0;
}

/* The directory once, all its links to block devices, sorted by device and name. A directory that is not
 * there has none. */
static int links_read(const char *dir, struct link_list *l, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int result = 0;

	lun_links_free(l);
	if (!d)
		return errno == ENOENT ? 0
		                       : err_sys(e, errno, "cannot look for stable device names in %s", dir);
	while (result == 0 && (entry = readdir(d))) {
		struct stat st;

		if (entry->d_name[0] == '.' || entry->d_type != DT_LNK ||
		    fstatat(dirfd(d), entry->d_name, &st, 0) < 0 || !S_ISBLK(st.st_mode))
			continue;
		if (link_add(l, st.st_rdev, dir, entry->d_name) < 0)
			result = err_set(e, ERR_NO_MEMORY, "cannot list %s: out of memory", dir);
	}
	closedir(d);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), link_compare);
	return result;
}

const char *lun_link_of(const struct link_list *l, dev_t dev, const char *preferred)
{
	const char *first = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (l->item[i].dev != dev)
			continue;
		if (streq(path_base(l->item[i].path), preferred))
			return l->item[i].path;
		if (!first)
			first = l->item[i].path;
	}
	return first;
}

/* Has every LUN its link? */
static bool links_complete(const struct link_list *links, const struct lun_list *luns)
{
	for (size_t i = 0; i < luns->n; i++) {
		char node[sizeof("/dev/") + sizeof(luns->item[i].block)];
		struct stat st;

		snprintf(node, sizeof(node), "/dev/%s", luns->item[i].block);
		if (luns->item[i].block[0] && stat(node, &st) == 0 && !lun_link_of(links, st.st_rdev, ""))
			return false;
	}
	return true;
}

/* Is the link that is there this LUN's, and not that of a disk which had the same number before? */
static bool is_own_link(const char *link, const struct lun *lun)
{
	const char *name = path_base(link);

	return (lun->by_path && streq(name, lun->by_path)) ||
	       (lun->serial && strlen(lun->serial) > 1 && strstr(name, lun->serial + 1));
}

/* Those that are missing. Names by content are made when the kernel's event tells of the disk: none of them
 * is reported here. */
static int links_make(const char *dir, const struct lun_list *luns, struct op *op, struct link_list *links,
                      struct err *e)
{
	bool made = false;

	for (size_t i = 0; i < luns->n; i++) {
		const struct lun *lun = &luns->item[i];
		char node[sizeof("/dev/") + sizeof(lun->block)];
		const char *link = NULL;
		struct stat st;

		snprintf(node, sizeof(node), "/dev/%s", lun->block);
		if (!lun->block[0])
			continue;
		if (stat(node, &st) == 0)
			link = lun_link_of(links, st.st_rdev, lun->by_path ? lun->by_path : "");
		if (link && is_own_link(link, lun))
			continue;
		if (device_links_unread(lun->block, op->run_dir, e) < 0)
			return -1;
		made = true;
	}
	return made ? links_read(dir, links, e) : 0;
}

int lun_links_await(const char *dir, const struct lun_list *luns, struct op *op, struct link_list *links,
                    struct err *e)
{
	uint64_t deadline = sooner(op->deadline, clock_ms() + WAIT_LINK);
	cleanup_close int watch = -1;

	if (links_read(dir, links, e) < 0)
		return -1;
	if (op->own_devices)
		return links_make(dir, luns, op, links, e);
	if (!device_udevd_runs())
		return 0;
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0)
		return err_sys(e, errno, "cannot wait for links in %s", dir);
	for (;;) {
		struct pollfd p = { .fd = watch, .events = POLLIN };

		if (inotify_add_watch(watch, dir, IN_CREATE | IN_MOVED_TO) < 0)
			inotify_add_watch(watch, "/dev/disk", IN_CREATE | IN_MOVED_TO);
		luns_drain(watch);
		if (links_read(dir, links, e) < 0)
			return -1;
		if (links_complete(links, luns) || !clock_until(deadline))
			return 0;
		if (poll(&p, 1, clock_until(deadline)) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for links in %s", dir);
	}
}
