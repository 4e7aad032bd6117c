/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a SCSI host's bus has reported, from sysfs alone: disks and roms, and whether each has its block
 * device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "backends/luns_inside.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/uevent.h"

#define LUNS_LIMIT 16384       /* the kernel's own limit for one target is 16383 */
#define WAIT_BLOCK SECONDS(10) /* for a disk's block device after the bus reported it */

enum { SCSI_DISK = 0, SCSI_ROM = 5 };

static int lun_compare(const void *a, const void *b)
{
	const struct lun *x = a, *y = b;

	if (x->bus != y->bus)
		return x->bus < y->bus ? -1 : 1;
	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return (x->lun > y->lun) - (x->lun < y->lun);
}

static void lun_block_device(const char *sys, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/block", sys, name);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			snprintf(out, size, "%.63s", entry->d_name);
	if (d)
		closedir(d);
}

static int lun_add(struct lun_list *l, const struct lun *lun)
{
	if (l->n == LUNS_LIMIT)
		return -1;
	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 16;
		struct lun *more = realloc(l->item, size * sizeof(*more));

		if (!more)
			return -1;
		l->item = more;
		l->size = size;
	}
	l->item[l->n++] = *lun;
	l->without_block += !lun->block[0];
	return 0;
}

void luns_free(struct lun_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].by_path);
		free(l->item[i].serial);
	}
	free(l->item);
	*l = (struct lun_list){ 0 };
}

void luns_name(struct lun_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct lun *lun = &l->item[i];
		char text[600];

		if (lun->block[0] && link_by_path("/sys", lun->block, text, sizeof(text)) == 0)
			lun->by_path = strdup(text);
		if (lun->block[0] && link_scsi_serial("/sys", lun->block, text, sizeof(text), NULL) == 0)
			lun->serial = strdup(text);
	}
}

/* A target may have a LUN that it connects nothing to (SPC-4, 6.6.2: the peripheral qualifier). The kernel
 * gives such a one no driver, ever. */
static bool lun_is_connected(const char *sys, const char *name)
{
	enum { QUALIFIER = 0xe0 };
	char path[PATH_MAX];
	unsigned char inquiry = 0;
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/inquiry", sys, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, &inquiry, 1) < 1 || !(inquiry & QUALIFIER);
}

int luns_list(const char *sys, int host, struct lun_list *l, struct err *e)
{
	char path[PATH_MAX], text[16];
	struct dirent *entry;
	int result = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/bus/scsi/devices", sys);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot list SCSI devices in %s", path);
	luns_free(l);
	while (result == 0 && (entry = readdir(d))) {
		struct lun lun = { 0 };
		int used = 0;

		if (sscanf(entry->d_name, "%u:%u:%u:%llu%n", &lun.host, &lun.bus, &lun.target, &lun.lun,
		           &used) != 4 ||
		    entry->d_name[used] || (int)lun.host != host)
			continue;
		snprintf(path, sizeof(path), "%s/bus/scsi/devices/%.64s/type", sys, entry->d_name);
		if (file_read_line(AT_FDCWD, path, text, sizeof(text)) < 1 ||
		    (atoi(text) != SCSI_DISK && atoi(text) != SCSI_ROM) ||
		    !lun_is_connected(sys, entry->d_name))
			continue;
		lun_block_device(sys, entry->d_name, lun.block, sizeof(lun.block));
		if (lun_add(l, &lun) < 0)
			result = err_set(e, ERR_LIMIT,
			                 "cannot list the LUNs of host %d: more than %d, or out of memory",
			                 host, LUNS_LIMIT);
	}
	closedir(d);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), lun_compare);
	return result;
}

void luns_drain(int fd)
{
	char bytes[UEVENT_MAX];

	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
}

int luns_await(int host, struct op *op, struct lun_list *l, struct err *e)
{
	uint64_t deadline = sooner(op->deadline, clock_ms() + WAIT_BLOCK);
	/* Opened before the first look, or the event could pass between the two. */
	cleanup_close int events = uevent_open(e);

	if (events < 0)
		return -1;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLIN };

		luns_drain(events);
		if (luns_list("/sys", host, l, e) < 0)
			return -1;
		if (!l->without_block || !clock_until(deadline))
			return 0;
		if (poll(&p, 1, clock_until(deadline)) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for the disks of host %d", host);
	}
}

/* Sectors of 512 bytes, whatever the device's own are. */
uint64_t lun_size(const char *block)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), "/sys/class/block/%s/size", block);
	return file_read_line(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) * 512 : 0;
}

void lun_state(const char *block, char *out, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/block/%s/device/state", block);
	if (file_read_line(AT_FDCWD, path, out, size) < 1 || streq(out, "running"))
		out[0] = '\0';
}
