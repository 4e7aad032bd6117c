/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who uses a block device: so that "busy" comes with a name.
 *
 * The kernel does not say who holds a device, so that all that may hold one are asked: the mount table, the
 * list of swaps, devices on top, and the open files of every process. Nothing is opened for it.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

#define SWAPS_LIMIT (64 * 1024)

#define OPEN_PATIENCE 2500 /* ms; a little more than a reader of ours has with one device */
/* until it is looked again, if no closing is seen: a node of another name may have been opened */
#define OPEN_PAUSE 50

/* What was found: the words, whether somebody has it for longer than a look, and whether only the kernel is
 * asked. */
struct users {
	struct buf *who;
	bool lasting, kernel_only;
}; /* lasting: not merely open */
struct mounted_search {
	dev_t dev;
	const char *what;
	struct users *users;
};

static void user_name(struct buf *who, const char *how, const char *what)
{
	buf_printf(who, "%s%s %s", who->len ? ", " : "", how, what);
}

static void user_add(struct users *u, const char *how, const char *what)
{
	u->lasting = true;
	user_name(u->who, how, what);
}

static int user_mount(const struct mount_entry *m, void *arg)
{
	struct mounted_search *s = arg;

	/* btrfs shows a device number of its own: there the source tells. */
	if (m->dev == s->dev || streq(m->source, s->what))
		user_add(s->users, "mounted at", m->target);
	return 0;
}

/* /proc/swaps names the node by which it was switched on. */
static void user_swap(const char *node, struct users *u)
{
	cleanup_buf struct buf swaps = BUF_INIT;

	if (file_read(AT_FDCWD, "/proc/swaps", SWAPS_LIMIT, &swaps, NULL) == 0)
		for (const char *p = buf_str(&swaps); *p; p += strcspn(p, "\n"), p += *p == '\n')
			if (strncmp(p, node, strlen(node)) == 0 && isspace((unsigned char)p[strlen(node)]))
				user_add(u, "used as", "swap");
}

/* Devices on top, by the name that people know of a device-mapper one. */
static void user_holders(const char *sysname, struct users *u)
{
	char path[PATH_MAX], name[256];
	struct dirent *entry;
	DIR *d = sysfs_path(path, sizeof(path), "/sys/class/block/%s/holders", sysname) ? opendir(path)
	                                                                                : NULL;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!sysfs_path(path, sizeof(path), "/sys/class/block/%s", entry->d_name) ||
		    !sysfs_attribute(path, "dm/name", name, sizeof(name)))
			sysfs_path(name, sizeof(name), "%s", entry->d_name);
		user_add(u, "held by", name);
	}
	if (d)
		closedir(d);
}

/* Does one of this process's descriptors stand for the device? stat() on the magic link looks at the open
 * file, not at a path. */
static bool process_has_open(const char *pid, dev_t dev)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *d = sysfs_path(path, sizeof(path), "/proc/%s/fd", pid) ? opendir(path) : NULL;

	while (d && !found && (entry = readdir(d))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);

		if (n < 5 || memcmp(target, "/dev/", 5) != 0)
			continue; /* never stat what may lie on a dead server */
		found = fstatat(dirfd(d), entry->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) &&
		        st.st_rdev == dev;
	}
	if (d)
		closedir(d);
	return found;
}

/* Up to three, by name and number. Whoever is asked about here may end meanwhile: what cannot be read is
 * passed. */
static void user_processes(dev_t dev, struct users *u)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (d && found < 3 && (entry = readdir(d))) {
		char path[64], name[64] = "?", text[128];

		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == (int)getpid() ||
		    !process_has_open(entry->d_name, dev))
			continue;
		if (sysfs_path(path, sizeof(path), "/proc/%.16s/comm", entry->d_name))
			file_read_line(AT_FDCWD, path, name, sizeof(name));
		sysfs_path(text, sizeof(text), "%s (%.16s)", name, entry->d_name);
		user_name(u->who, "open in", text);
		found++;
	}
	if (d)
		closedir(d);
}

/* All users of one device: mounts, swap, devices on top; and processes, unless only the kernel's own use
 * counts. */
static void users_of_one(const char *sysname, struct users *u)
{
	char dir[PATH_MAX], number[32], node[PATH_MAX];
	struct mounted_search search = { .users = u, .what = node };
	unsigned major, minor;

	if (!sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", sysname) ||
	    !sysfs_attribute(dir, "dev", number, sizeof(number)) ||
	    sscanf(number, "%u:%u", &major, &minor) != 2 ||
	    !sysfs_path(node, sizeof(node), "/dev/%s", sysname))
		return;
	search.dev = makedev(major, minor);
	mountinfo_each(user_mount, &search, NULL);
	user_swap(node, u);
	user_holders(sysname, u);
	if (!u->kernel_only)
		user_processes(search.dev, u);
}

/* A disk is in use if one of its partitions is. */
static void users_of_all(const char *sysname, struct users *u)
{
	char path[PATH_MAX], part[PATH_MAX];
	struct dirent *entry;
	DIR *d = sysfs_path(path, sizeof(path), "/sys/class/block/%s", sysname) ? opendir(path) : NULL;

	users_of_one(sysname, u);
	while (d && (entry = readdir(d)))
		if (starts_with(entry->d_name, sysname) &&
		    sysfs_path(part, sizeof(part), "%s/%s/partition", path, entry->d_name) &&
		    access(part, F_OK) == 0)
			users_of_one(entry->d_name, u);
	if (d)
		closedir(d);
}

/* Many a program looks at a device for a moment, as soon as somebody has closed it: udevd, what its rules
 * start, a search for a label of ours. */
bool device_users(const char *sysname, struct buf *who)
{
	demand_or(sysname && who, false);

	uint64_t until = clock_ms() + OPEN_PATIENCE;
	cleanup_close int closing = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p = { .fd = closing, .events = POLLIN };
	char node[PATH_MAX], events[4096];
	size_t before = who->len;
	struct users u;

	/* Before the first look, or the last closing could pass between the two. */
	if (closing >= 0 && sysfs_path(node, sizeof(node), "/dev/%s", sysname))
		inotify_add_watch(closing, node, IN_CLOSE);
	do {
		while (closing >= 0 && read(closing, events, sizeof(events)) > 0)
			;
		who->len = before;
		if (who->data)
			who->data[before] = '\0';
		u = (struct users){ .who = who };
		users_of_all(sysname, &u);
	} while (who->len > before && !u.lasting && clock_ms() < until && poll(&p, 1, OPEN_PAUSE) >= 0);
	return who->len > before;
}

bool device_is_claimed(const char *sysname)
{
	demand_or(sysname, false);

	cleanup_buf struct buf who = BUF_INIT;
	struct users u = { .who = &who, .kernel_only = true };

	users_of_all(sysname, &u);
	return u.lasting;
}
