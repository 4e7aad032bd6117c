/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks that are paths, from sysfs: a map is among the holders of each of its paths, and has a uuid that
 * begins with "mpath-", whoever made it.
 *
 * multipathd holds a lock on the file with its process number as long as it runs, and answers on a socket,
 * whose protocol is a length (size_t) and a text, both ways. While many paths fail it may be too busy for
 * that. A socket that somebody only holds for it, as a service manager may, does not answer either; it runs
 * then as soon as it is asked.
 */
#include "system/multipath.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

#define ANSWERS_WITHIN SECONDS(2)
#define PIDFILE        "/run/multipathd.pid"

/* ---- multipathd ---- */

static bool daemon_holds_lock(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = open(PIDFILE, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static int daemon_connect(const char *name, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(to.sun_path, name, len);
	return fd >= 0 && connect(fd, (void *)&to,
	                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0
	               ? steal_fd(&fd)
	               : -1;
}

static bool daemon_says(int fd)
{
	static const char question[] = "show daemon";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = sizeof(question);
	char answer[1];

	return send(fd, &len, sizeof(len), MSG_NOSIGNAL) == sizeof(len) &&
	       send(fd, question, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       poll(&p, 1, (int)ANSWERS_WITHIN) == 1 && recv(fd, answer, sizeof(answer), 0) == 1;
}

/* The name was abstract (with a NUL in front) until multipath-tools 0.9, and is a path as well since then. */
static bool daemon_ask(void)
{
	static const char abstract[] = "\0/org/kernel/linux/storage/multipathd";
	static const char path[] = "/run/multipathd.socket";
	const struct {
		const char *name;
		size_t len;
	} names[] = { { abstract, sizeof(abstract) - 1 }, { path, sizeof(path) - 1 } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_close int fd = daemon_connect(names[i].name, names[i].len);

		if (fd >= 0 && daemon_says(fd))
			return true;
	}
	return false;
}

bool multipathd_runs(void)
{
	static enum { UNASKED, ABSENT, RUNS } known;

	if (known == UNASKED)
		known = daemon_holds_lock() || daemon_ask() ? RUNS : ABSENT;
	return known == RUNS;
}

/* ---- paths ---- */

static bool (*holder)(void);

void multipath_hold(bool (*holds)(void))
{
	holder = holds;
}

/* The map among a disk's holders: its name in /sys. */
static bool map_above(const char *dir, char *out, size_t size)
{
	char path[PATH_MAX], uuid[160];
	DIR *d = sysfs_path(path, sizeof(path), "%s/holders", dir) ? opendir(path) : NULL;
	const struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		found = entry->d_name[0] != '.' &&
		        sysfs_path(path, sizeof(path), "%s/holders/%s", dir, entry->d_name) &&
		        sysfs_attribute(path, "dm/uuid", uuid, sizeof(uuid)) && starts_with(uuid, "mpath-");
		if (found && out)
			snprintf(out, size, "%s", entry->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

/* A disk of iSCSI or Fibre Channel that says who it is: others like it may be ways to the same LUN. */
static bool may_be_path(const char *sys, const char *dir)
{
	char serial[512];

	return starts_with(path_base(dir), "sd") && (strstr(dir, "/session") || strstr(dir, "/rport-")) &&
	       link_scsi_serial(sys, path_base(dir), serial, sizeof(serial), NULL) == 0;
}

bool multipath_is_path(const char *sys, const char *sysname)
{
	demand_or(sys && sysname, false);

	char dir[PATH_MAX];
	int part;

	if (!sysfs_block(sys, sysname, dir, &part))
		return false;
	return map_above(dir, NULL, 0) || (holder && may_be_path(sys, dir) && holder());
}

bool multipath_map_of(dev_t path, dev_t *map)
{
	demand_or(map, false);

	char sysname[NAME_MAX + 1], name[NAME_MAX + 1], dir[PATH_MAX], text[32];
	unsigned a, b;
	int part;

	if (!device_sysname(path, sysname, sizeof(sysname)) || !sysfs_block("/sys", sysname, dir, &part) ||
	    part || !map_above(dir, name, sizeof(name)) ||
	    !sysfs_path(dir, sizeof(dir), "/sys/class/block/%s", name) ||
	    !sysfs_attribute(dir, "dev", text, sizeof(text)) || sscanf(text, "%u:%u", &a, &b) != 2)
		return false;
	*map = makedev(a, b);
	return true;
}
