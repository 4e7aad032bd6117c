/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Is a mounted filesystem well? See health.h.
 *
 * Each filesystem tells of its trouble in its own way: ext4 by counters in sysfs and a mark in its
 * superblock, xfs by an ioctl, btrfs by counters of its devices, all of them by an option that appears in
 * the mount table. Nothing is written to find out: a write to a filesystem that is failing can make it
 * worse.
 */
#include "backends/health.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/btrfs.h"
#include "system/device.h"
#include "system/links.h"
#include "system/mount.h"
#include "system/sysfs.h"
#include "system/target.h"

/* What the kernel writes among the options of a filesystem that has come to harm. */
/* clang-format off */
static const struct { const char *option, *text; } marks[] = {
	{ "shutdown",     "the kernel has shut it down after an error" },
	{ "emergency_ro", "the kernel has made it read-only after an error" },
};
/* clang-format on */

/* In a pool's detail: this mount was seen with an aborted journal, or was made of a filesystem that was
 * marked as having errors. It keeps both. */
#define ABORTED " aborted"
#define MARKED  " marked"
/* ext4's number for EROFS, kept with its last error: what it says of whoever comes after the one that found
 * the journal aborted. */
#define REFUSES_WRITES "8"

bool health_disk_is_there(const struct mount_entry *m)
{
	dev_t dev = mount_device(m);
	char sysname[NAME_MAX + 1];

	if (major(dev) == 0) /* btrfs: the device that its source names has no node any more */
		return m->source[0] != '/' || access(m->source, F_OK) == 0;
	return device_sysname(dev, sysname, sizeof(sysname)) && !device_is_lost(sysname);
}

/* A word that the kernel tells of this ext4 filesystem. False: it is another one, or the kernel does not
 * tell. */
static bool ext4_word(const struct mount_entry *m, const char *name, char *out, size_t size)
{
	char path[PATH_MAX], sysname[NAME_MAX + 1];

	if (!starts_with(m->fstype, "ext") || !device_sysname(m->dev, sysname, sizeof(sysname)))
		return false;
	snprintf(path, sizeof(path), "/sys/fs/ext4/%.200s/%s", sysname, name);
	return file_read_line(AT_FDCWD, path, out, size) > 0;
}

/* 0 for every other filesystem. */
static unsigned long ext4_errors(const struct mount_entry *m)
{
	char text[32];

	return ext4_word(m, "errors_count", text, sizeof(text)) ? strtoul(text, NULL, 10) : 0;
}

/* Is the filesystem marked as having errors, in its superblock (at 1024; s_magic at 0x38, s_state at 0x3a,
 * bit 1 is EXT4_ERROR_FS)? Whoever has met errors marks it, the mount too; what it has counted may be gone.
 * The kernel keeps the superblock in memory, so that reading it asks no disk. */
static bool ext4_is_marked(const struct mount_entry *m)
{
	unsigned char magic_and_state[4] = { 0 };
	char sysname[NAME_MAX + 1];

	if (!device_sysname(m->dev, sysname, sizeof(sysname)) || device_stalled("/sys", sysname))
		return false;

	cleanup_close int fd = open(m->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 &&
	       file_pread(fd, magic_and_state, sizeof(magic_and_state), 1024 + 0x38) ==
	               sizeof(magic_and_state) &&
	       magic_and_state[0] == 0x53 && magic_and_state[1] == 0xef && (magic_and_state[2] & 2);
}

bool health_marked(const struct mount_entry *m)
{
	static const char *const options[] = { "ro", "shutdown", "emergency_ro" };
	char value[2];
	bool marked = mount_option_value(m->options, "ro", value, sizeof(value)) != NULL;

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		marked |= mount_option_value(m->super_options, options[i], value, sizeof(value)) != NULL;
	return marked;
}

void health_ground(const struct mount_entry *m, struct buf *words)
{
	demand_or(m && words, );
	buf_printf(words, ":%lu%s", ext4_errors(m), health_marked(m) ? ":ro" : "");
}

static void __attribute__((format(printf, 4, 5)))
warn(struct op *op, const struct mount_entry *m, const char *check, const char *fmt, ...)
{
	char what[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(op->warning, sizeof(op->warning), "the filesystem on %.60s %s: have it checked (%s)",
	         m->source, what, check);
}

/* What the kernel has found wrong, of xfs: a word of bits in what it tells of the filesystem's geometry
 * (kernel fs/xfs/libxfs/xfs_fs.h: struct xfs_fsop_geom). `checked` says what was looked at, and is set by
 * each replay of the log, which counts the free space anew. */
struct xfs_geometry {
	uint32_t before[28], sick, checked, more[34];
};
_Static_assert(sizeof(struct xfs_geometry) == 256, "struct xfs_fsop_geom has 256 bytes");
_Static_assert(offsetof(struct xfs_geometry, sick) == 112, "behind logsunit");
#define XFS_GEOMETRY _IOR('X', 126, struct xfs_geometry)

void health_warn(const struct mount_entry *m, const char *target, struct op *op)
{
	demand_or(m && target && op, );

	struct xfs_geometry g = { .sick = 0 };
	unsigned long errors;

	if (streq(m->fstype, "xfs")) {
		cleanup_close int fd = target_open_path(target, O_RDONLY, NULL);

		if (fd >= 0 && ioctl(fd, (ioctl_request)XFS_GEOMETRY, &g) == 0 && g.sick)
			warn(op, m, "xfs_repair", "has metadata that is not well (%x)", g.sick);
	} else if (streq(m->fstype, "btrfs") && (errors = btrfs_errors(mount_device(m))) > 0) {
		warn(op, m, "btrfs scrub; btrfs device stats --reset",
		     "has counted %lu errors of its devices", errors);
	}
}

/* What the last check has counted of this mount, in its detail; or NULL. */
static const char *last_count(const struct mount_entry *m, const struct op *op)
{
	bool same = op->detail && atoi(op->detail + strcspn(op->detail, "0123456789")) == m->id;

	return same ? strstr(op->detail, " errors=") : NULL;
}

/* The errors that such a count tells; 0 where there is none. */
static unsigned long errors_of(const char *count)
{
	return count ? strtoul(count + strlen(" errors="), NULL, 10) : 0;
}

bool health_is_worse(const struct mount_entry *m, const struct op *op)
{
	demand_or(m && op, false);
	return ext4_errors(m) > errors_of(last_count(m, op));
}

void health_count(const struct mount_entry *m, struct op *op, struct buf *detail)
{
	demand_or(m && op, );

	const char *last = last_count(m, op);
	unsigned long now = ext4_errors(m), then = errors_of(last);
	bool aborted = last && strstr(last, ABORTED), marked;
	char where[64] = "", code[8] = "";

	if (!detail || !starts_with(m->fstype, "ext"))
		return;
	marked = last ? strstr(last, MARKED) != NULL : ext4_is_marked(m);
	if (now)
		ext4_word(m, "last_error_func", where, sizeof(where));
	if (now > then) {
		ext4_word(m, "last_error_errcode", code, sizeof(code));
		aborted |= last && (streq(where, "ext4_journal_check_start") || streq(code, REFUSES_WRITES));
	}
	if (now)
		warn(op, m, "e2fsck", "has errors (%lu counted%s%s)", now, *where ? ", the last one in " : "",
		     where);
	else if (marked)
		warn(op, m, "e2fsck", "was mounted with errors");
	buf_printf(detail, " errors=%lu%s%s", now, aborted ? ABORTED : "", marked ? MARKED : "");
	op->aborted = aborted;
}

bool health_look(const struct mount_entry *m, int fd, bool read_only, struct op *op)
{
	demand_or(m && op, false);

	const char *why = NULL;
	struct statvfs v = { 0 };
	struct stat st;
	char value[2];

	if (!health_disk_is_there(m))
		why = "its disk is gone";
	for (size_t i = 0; i < ARRAY_LEN(marks) && !why; i++)
		if (mount_option_value(m->super_options, marks[i].option, value, sizeof(value)))
			why = marks[i].text;
	bool known = !why && fstat(fd, &st) == 0 && fstatvfs(fd, &v) == 0;
	if (!why && !known)
		why = errno == EIO ? "the kernel answers with an I/O error, as after it has shut it down"
		                   : strerror(errno);
	if (known && !read_only &&
	    (mount_option_value(m->super_options, "ro", value, sizeof(value)) || (v.f_flag & ST_RDONLY)))
		why = "it is read-only: an error has made it so, or somebody";
	if (!why && op->aborted)
		why = "its journal was aborted after an error: nothing can be written";
	if (!why)
		return false;
	snprintf(op->why, sizeof(op->why), "%s", why);
	return true;
}
