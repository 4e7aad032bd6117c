/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * btrfs on several devices. What udev's rules and `btrfs device scan` do elsewhere is done here, for the one
 * filesystem that is wanted.
 *
 * The kernel collects the devices of a filesystem as it is told of them (BTRFS_IOC_SCAN_DEV), and mounts
 * only when it knows all. Nobody tells it here but us.
 */
#include "system/btrfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"

#define MOUNTED "/sys/fs/btrfs"

static const char *const btrfs_types[] = { "btrfs", NULL };

#define ASKED_MOST 1024

/* The devices that may hold a part of it, and what each has answered. */
struct member_question {
	char uuid[64];
	bool is_member;
};
/* A look for the other devices of one filesystem: who is asked, and what each has said. */
struct gathering {
	const char *uuid;
	char *nodes[ASKED_MOST];
	struct member_question asked[ASKED_MOST];
	struct err whys[ASKED_MOST];
	size_t n;
};

/* One ioctl of the control device about one node. DEVICES_READY answers 1 while devices are missing. */
static int tell_btrfs(int control, ioctl_request request, const char *path)
{
	struct btrfs_ioctl_vol_args args = { .fd = 0 };

	if ((size_t)snprintf(args.name, sizeof(args.name), "%s", path) >= sizeof(args.name))
		return -1;
	return ioctl(control, request, &args);
}

/* One more device that is to be asked. True: no more fit. */
static bool add_asked(const char *sysname, const char *path, dev_t dev, void *arg)
{
	struct gathering *g = arg;

	(void)dev;
	if (device_stalled("/sys", sysname))
		return false;
	snprintf(g->asked[g->n].uuid, sizeof(g->asked[g->n].uuid), "%s", g->uuid);
	g->nodes[g->n] = strdup(path);
	return !g->nodes[g->n] || ++g->n == ASKED_MOST;
}

/* Asked in a process of its own: is there a btrfs with that uuid on the device? */
static void answer_is_member(const char *node, void *arg)
{
	struct member_question *q = arg;
	struct device_content c;

	q->is_member = device_holds(node, btrfs_types, &c) && strcasecmp(c.uuid, q->uuid) == 0;
}

/* The others are anybody's, and one of them may not answer. */
static int tell_members(int control, const char *uuid, struct err *e)
{
	cleanup_free struct gathering *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(e, ERR_NO_MEMORY,
		               "cannot look for the devices of a btrfs filesystem: out of memory");
	g->uuid = uuid;
	rc = device_each(add_asked, g, e);
	if (rc == 0 && g->n)
		rc = device_ask_all(&(struct device_questions){ .nodes = (const char *const *)g->nodes,
		                                                .n = g->n,
		                                                .fn = answer_is_member,
		                                                .args = g->asked,
		                                                .size = sizeof(g->asked[0]),
		                                                .whys = g->whys },
		                    e);
	for (size_t i = 0; i < g->n; i++) {
		if (rc == 0 && g->asked[i].is_member)
			tell_btrfs(control, (ioctl_request)BTRFS_IOC_SCAN_DEV, g->nodes[i]);
		free(g->nodes[i]);
	}
	return rc;
}

/* Most filesystems have one device: then nobody else's is looked at. Without the control device it is left to
 * the mount. */
int btrfs_gather(const char *device, const char *uuid, struct err *e)
{
	demand(device && uuid, e);

	cleanup_close int control = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
	char waits_for[sizeof(e->waits_for)];

	if (control < 0 || tell_btrfs(control, (ioctl_request)BTRFS_IOC_DEVICES_READY, device) <= 0)
		return 0;
	if (tell_members(control, uuid, e) < 0)
		return -1;
	if (tell_btrfs(control, (ioctl_request)BTRFS_IOC_DEVICES_READY, device) <= 0)
		return 0;
	snprintf(waits_for, sizeof(waits_for), "device=UUID=%s", uuid);
	return err_wait(e, ERR_WAIT_DEVICE, waits_for,
	                "the btrfs filesystem on %s has other devices, and not all of them are there now "
	                "(the mount option \"degraded\" does without)",
	                device);
}

/* ---- once it is mounted ---- */

/* Is the device one of those in this directory; if not `spec`, is one of them what it names? */
static bool in_directory(const char *dir, dev_t dev, const char *spec)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		char path[PATH_MAX], text[32];
		unsigned a, b;

		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s/dev", dir, entry->d_name) >= (int)sizeof(path) ||
		    file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0 ||
		    sscanf(text, "%u:%u", &a, &b) != 2)
			continue;
		found = spec ? device_matches(spec, makedev(a, b)) : makedev(a, b) == dev;
	}
	if (d)
		closedir(d);
	return found;
}

/* The directory in /sys of the mounted filesystem that is on `dev`, and on what `spec` names as well, if that
 * is not NULL. */
static bool find_mounted_sysfs(dev_t dev, const char *spec, char out[PATH_MAX])
{
	DIR *d = opendir(MOUNTED);
	const struct dirent *entry;
	bool has = false;

	while (d && !has && (entry = readdir(d))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(out, PATH_MAX, MOUNTED "/%.200s", entry->d_name);
		snprintf(path, sizeof(path), "%.300s/devices", out);
		has = in_directory(path, dev, NULL) && (!spec || in_directory(path, dev, spec));
	}
	if (d)
		closedir(d);
	return has;
}

bool btrfs_has_member(dev_t dev, const char *spec)
{
	demand_or(spec, false);

	char path[PATH_MAX];

	return find_mounted_sysfs(dev, spec, path);
}

/* Lines of a word and a number. */
static unsigned long sum(const char *text)
{
	unsigned long n = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		n += strtoul(p + strcspn(p, " \n"), NULL, 10);
	return n;
}

unsigned long btrfs_errors(dev_t dev)
{
	char path[PATH_MAX], file[PATH_MAX];
	const struct dirent *entry;
	unsigned long n = 0;

	if (!find_mounted_sysfs(dev, NULL, path))
		return 0;
	memcpy(path + strlen(path), "/devinfo", sizeof("/devinfo"));

	DIR *d = opendir(path);

	while (d && (entry = readdir(d))) {
		cleanup_buf struct buf text = BUF_INIT;

		snprintf(file, sizeof(file), "%.300s/%.100s/error_stats", path, entry->d_name);
		if (entry->d_name[0] != '.' && file_read(AT_FDCWD, file, 4096, &text, NULL) == 0)
			n += sum(buf_str(&text));
	}
	if (d)
		closedir(d);
	return n;
}
