/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zpool gives a whole disk a partition, and waits until udev's database has it: for half a minute, and fails
 * then. Where no udevd runs, a process stands in for it while zpool runs, and writes what zpool asks libudev
 * for: that the device is initialized, or, as many builds of it have that, that it has links; its own node is
 * named as one. Source: OpenZFS, lib/libzutil/os/linux, zutil_import_os.c; systemd,
 * src/libsystemd/sd-device.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "backends/zfs/zfs.h"
#include "base/file.h"
#include "base/util.h"
#include "system/device.h"
#include "system/uevent.h"

#define DATABASE     "/run/udev/data"
#define ENTRIES_MOST 512

static unsigned written[ENTRIES_MOST][2]; /* numbers of devices */
static size_t entries;

static void database_path(unsigned major, unsigned minor, char out[64])
{
	snprintf(out, 64, DATABASE "/b%u:%u", major, minor);
}

/* name: of the node below /dev */
static void write_entry(unsigned major, unsigned minor, const char *name)
{
	char path[64], text[NAME_MAX + 16];

	database_path(major, minor, path);
	snprintf(text, sizeof(text), "S:%.*s\nI:1\n", NAME_MAX, name);
	if (entries == ENTRIES_MOST)
		return;

	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || file_write(fd, text, strlen(text)) < 0)
		return;
	written[entries][0] = major;
	written[entries++][1] = minor;
}

/* Until the other end of the pipe is closed. Then what was written goes again: it is true no longer than
 * zpool needs it. */
static _Noreturn void stand_in(int events, int end)
{
	struct pollfd p[] = { { .fd = events, .events = POLLIN }, { .fd = end, .events = POLLIN } };
	char bytes[UEVENT_MAX], path[64];
	struct uevent u;
	int got;

	prctl(PR_SET_NAME, "udev-stand-in");
	while (poll(p, ARRAY_LEN(p), -1) < 0 || !p[1].revents)
		while (p[0].revents && (got = uevent_read(events, bytes, sizeof(bytes), &u)) != UEVENT_EMPTY)
			if (got == UEVENT_GOT && streq_null(u.devtype, "partition") && u.devname &&
			    !streq(u.action, "remove"))
				write_entry(u.major, u.minor, u.devname);
	for (size_t i = 0; i < entries; i++) {
		database_path(written[i][0], written[i][1], path);
		unlink(path);
	}
	_exit(0);
}

/* One that cannot be started is not missed where zpool has no partition to make. */
void zfs_udev_begin(struct zfs_udev *s)
{
	cleanup_close int events = -1;
	int ends[2];

	*s = (struct zfs_udev){ .end = -1 };
	if (device_udevd_runs() || file_mkdirs(DATABASE, 0755, NULL) < 0 ||
	    (events = uevent_open(NULL)) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	s->pid = fork();
	if (s->pid == 0) {
		close(ends[1]);
		stand_in(events, ends[0]);
	}
	close(ends[0]);
	s->end = ends[1];
}

void zfs_udev_end(struct zfs_udev *s)
{
	if (s->end < 0)
		return;
	close(s->end);
	s->end = -1;
	if (s->pid > 0)
		waitpid(s->pid, NULL, 0);
}
