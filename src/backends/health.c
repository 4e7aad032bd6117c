/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Is a mounted filesystem well? See health.h.
 */
#include "backends/health.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "backends/device.h"
#include "backends/links.h"
#include "backends/mount.h"
#include "base/file.h"
#include "base/util.h"

/* What the kernel writes among the options of a filesystem that has come to harm. */
static const struct { const char *option, *text; } marks[] = {
	{ "shutdown",     "the kernel has shut it down after an error" },
	{ "emergency_ro", "the kernel has made it read-only after an error" },
};

/* In a pool's detail: this mount was seen with an aborted journal, which it keeps. */
#define ABORTED " aborted"
/* ext4's number for EROFS, kept with its last error: what it says of whoever comes after the one that found the journal aborted. */
#define REFUSES_WRITES "8"

bool health_disk_is_there(const struct mount_entry *m)
{
	dev_t dev = mount_device(m);
	char sysname[NAME_MAX + 1];

	if (major(dev) == 0)            /* btrfs: the device that its source names has no node any more */
		return m->source[0] != '/' || access(m->source, F_OK) == 0;
	return device_sysname(dev, sysname, sizeof(sysname)) && !device_is_lost(sysname);
}

static bool ext4_word(const struct mount_entry *m, const char *name, char *out, size_t size)
{
	char path[PATH_MAX], sysname[NAME_MAX + 1];

	if (!starts_with(m->fstype, "ext") || !device_sysname(m->dev, sysname, sizeof(sysname)))
		return false;
	snprintf(path, sizeof(path), "/sys/fs/ext4/%.200s/%s", sysname, name);
	return file_read_line(AT_FDCWD, path, out, size) > 0;
}

static unsigned long ext4_errors(const struct mount_entry *m)
{
	char text[32];

	return ext4_word(m, "errors_count", text, sizeof(text)) ? strtoul(text, NULL, 10) : 0;
}

void health_count(const struct mount_entry *m, struct op *op, struct buf *detail)
{
	const char *last = op->detail && atoi(op->detail + strcspn(op->detail, "0123456789")) == m->id ? strstr(op->detail, " errors=") : NULL;
	unsigned long now = ext4_errors(m), then = last ? strtoul(last + strlen(" errors="), NULL, 10) : 0;
	bool aborted = last && strstr(last, ABORTED);
	char where[64] = "", code[8] = "";

	if (!detail || !starts_with(m->fstype, "ext"))
		return;
	if (now > then) {
		ext4_word(m, "last_error_func", where, sizeof(where));
		op_note(op, "the filesystem on %s has errors (%lu counted, the last one in %s): have it checked (e2fsck)", m->source, now, where);
		ext4_word(m, "last_error_errcode", code, sizeof(code));
		aborted |= last && (streq(where, "ext4_journal_check_start") || streq(code, REFUSES_WRITES));
	}
	buf_printf(detail, " errors=%lu%s", now, aborted ? ABORTED : "");
	op->aborted = aborted;
}

bool health_look(const struct mount_entry *m, int fd, bool read_only, struct op *op)
{
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
		why = errno == EIO ? "the kernel answers with an I/O error, as after it has shut it down" : strerror(errno);
	if (known && !read_only && (mount_option_value(m->super_options, "ro", value, sizeof(value)) || (v.f_flag & ST_RDONLY)))
		why = "it is read-only: an error has made it so, or somebody";
	if (!why && op->aborted)
		why = "its journal was aborted after an error: nothing can be written";
	if (!why)
		return false;
	snprintf(op->why, sizeof(op->why), "%s", why);
	return true;
}
