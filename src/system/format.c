/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Formatting devices, and above all not formatting them: what libblkid finds on one, who uses it, mkfs.
 *
 * Every question comes before the first write: is it the right device, is it in use, is it write-protected,
 * is anything on it? A device that cannot be read counts as one that holds something.
 */
#include "system/format.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/device.h"
#include "system/links.h"
#include "system/signature.h"
#include "system/sysfs.h"

#define END_BYTES (1024 * 1024)

static char ends[64 * 1024]; /* what is read from a device, or zeros for it: one worker does one thing */

/* ---- what is on it ---- */

static void add_found(struct buf *found, const char *text)
{
	if (!strstr(buf_str(found), text)) /* GPT has two headers, some filesystems a backup */
		buf_printf(found, "%s%s", found->len ? ", " : "", text);
}

/* One signature, in the operator's words: "an ext4 filesystem (label vm)". */
static void describe_signature(blkid_probe p, struct buf *found)
{
	const char *type = probe_value(p, "TYPE"), *usage = probe_value(p, "USAGE"),
		   *label = probe_value(p, "LABEL"), *table = probe_value(p, "PTTYPE");
	cleanup_buf struct buf text = BUF_INIT;

	if (type && usage && streq(usage, "filesystem"))
		buf_printf(&text, "%s %s filesystem", strchr("aeioux", type[0]) ? "an" : "a", type);
	else if (type) {
		struct device_content c = { 0 };
		char words[128];

		snprintf(c.type, sizeof(c.type), "%s", type);
		buf_adds(&text, device_content_text(&c, words, sizeof(words)));
		if (streq(words, type)) {
			buf_reset(&text);
			buf_printf(&text, "data of type %s", type);
		}
	} else if (table) {
		buf_printf(&text, "a %s partition table", table);
	}
	if (type && label && *label)
		buf_printf(&text, " (label %.80s)", label);
	if (text.len)
		add_found(found, buf_str(&text));
}

/* A device that does not answer is not opened: the read would never return. */
static int open_answering(const char *path, int flags, struct err *e)
{
	char waits_for[sizeof(e->waits_for)], sysname[NAME_MAX + 1];
	struct stat st;

	snprintf(waits_for, sizeof(waits_for), "device=%s", path);
	if (stat(path, &st) < 0)
		return err_wait(e, ERR_WAIT_DEVICE, waits_for, "device %s does not exist now", path);
	if (!S_ISBLK(st.st_mode))
		return err_set(e, ERR_WRONG_FORMAT, "%s is not a block device", path);
	if (device_sysname(st.st_rdev, sysname, sizeof(sysname)) && device_stalled("/sys", sysname))
		return err_wait(e, ERR_WAIT_DEVICE, waits_for,
		                "%s does not answer now (suspended, blocked or offline)", path);

	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot open %s", path);
}

int format_look(const char *path, struct buf *found, struct err *e)
{
	demand(path && found, e);

	cleanup_close int fd = open_answering(path, O_RDONLY, e);
	blkid_probe p = fd < 0 ? NULL : blkid_new_probe();
	int rc = 1;

	if (fd < 0)
		return -1;
	if (!p || blkid_probe_set_device(p, fd, 0, 0) != 0) {
		blkid_free_probe(p);
		return err_set(e, ERR_STORAGE, "cannot look at %s: %s", path, strerror(errno));
	}
	blkid_probe_enable_superblocks(p, 1);
	/* One whose checksum is wrong was data all the same. */
	blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE |
	                                             BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(p, 1);
	blkid_probe_set_partitions_flags(p, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	while ((rc = blkid_do_probe(p)) == 0)
		describe_signature(p, found);
	blkid_free_probe(p);
	if (rc < 0)
		return device_cannot_read(path, fd, e);
	return found->failed ? err_set(e, ERR_NO_MEMORY, "cannot look at %s: out of memory", path) : 0;
}

/* The first byte in a range that is not zero. 1 found, 0 none, -1 with errno. */
static int first_byte(int fd, uint64_t from, uint64_t len, uint64_t *at)
{
	for (ssize_t n; len > 0; from += (uint64_t)n, len -= (uint64_t)n) {
		n = file_pread(fd, ends, len < sizeof(ends) ? (size_t)len : sizeof(ends), from);
		if (n <= 0) {
			errno = n < 0 ? errno : EIO; /* a device is as long as it says */
			return -1;
		}
		for (ssize_t i = 0; i < n; i++)
			if (ends[i]) {
				*at = from + (uint64_t)i;
				return 1;
			}
	}
	return 0;
}

/* Databases, raw guest disks and detached headers have no signature: bytes that are not zero are data,
 * whoever wrote them. */
static int refuse_bytes(const char *spec, const char *path, struct err *e)
{
	cleanup_close int fd = open_answering(path, O_RDONLY, e);
	uint64_t size = 0, at;
	int rc;

	if (fd < 0)
		return -1;
	if (ioctl(fd, (ioctl_request)BLKGETSIZE64, &size) < 0)
		return err_sys(e, errno, "cannot get the size of %s", path);

	uint64_t end = size < END_BYTES ? size : END_BYTES, last = size - end > end ? size - end : end;

	rc = first_byte(fd, 0, end, &at);
	if (rc == 0)
		rc = first_byte(fd, last, size - last, &at);
	if (rc < 0)
		return device_cannot_read(path, fd, e);
	if (rc > 0)
		return err_set(e, ERR_EXISTS,
		               "%s holds data that nothing here recognises (byte %llu is not zero): nothing "
		               "was written (--overwrite, which needs the level \"admin\", goes over it)",
		               spec, (unsigned long long)at);
	return 0;
}

/* ---- whose it is ---- */

/* The kernel knows best: what is mounted, held by device-mapper or md, or used as swap cannot be opened
 * exclusively, in whatever namespace that is. The list of users gives it a name, and finds those who merely
 * have it open. */
static int in_use(const char *path, dev_t dev, struct err *e)
{
	cleanup_buf struct buf who = BUF_INIT;
	char sysname[NAME_MAX + 1];
	struct err why = { 0 };

	if (device_sysname(dev, sysname, sizeof(sysname)) && device_users(sysname, &who))
		return err_set(e, ERR_BUSY, "%s is in use (%s): nothing was written", path, buf_str(&who));

	cleanup_close int fd = open_answering(path, O_RDONLY | O_EXCL, &why);

	if (fd < 0 && err_is(&why, ERR_BUSY))
		return err_set(e, ERR_BUSY,
		               "%s is in use (the kernel does not say by whom): nothing was written", path);
	if (fd < 0 && e)
		*e = why;
	return fd < 0 ? -1 : 0;
}

int format_claim(const char *spec, bool overwrite, char *path, size_t size, dev_t *dev, struct err *e)
{
	demand(spec && path && size > 0 && dev, e);

	cleanup_buf struct buf found = BUF_INIT;

	if (device_find(spec, path, size, dev, e) < 0 || in_use(path, *dev, e) < 0)
		return -1;
	if (device_is_read_only(*dev))
		return err_set(e, ERR_READ_ONLY, "%s is write-protected", path);
	if (overwrite)
		return 0;
	if (format_look(path, &found, e) < 0)
		return -1;
	if (found.len)
		return err_set(e, ERR_EXISTS, "%s holds %s: nothing was written (--overwrite formats it)",
		               spec, buf_str(&found));
	return refuse_bytes(spec, path, e);
}

int format_flush(const char *path, struct err *e)
{
	cleanup_close int fd = open_answering(path, O_RDONLY, e);

	if (fd < 0)
		return -1;
	return fsync(fd) < 0 ? err_sys(e, errno, "cannot write to %s", path) : 0;
}

/* ---- mkfs ---- */

/* The program that makes each format of a definition. Without `force` mkfs asks, or refuses what we have
 * looked at already. */
/* clang-format off */
static const struct maker { const char *format, *program, *force; } makers[] = {
	{ "ext2",  "mkfs.ext2",    "-F" },
	{ "ext3",  "mkfs.ext3",    "-F" },
	{ "ext4",  "mkfs.ext4",    "-F" },
	{ "xfs",   "mkfs.xfs",     "-f" },
	{ "vfat",  "mkfs.vfat",    "-I" },
	{ "udf",   "mkfs.udf",     NULL },
	{ "gfs2",  "mkfs.gfs2",    "-O" },
	{ "ocfs2", "mkfs.ocfs2",   "-x" },
	{ "hfs+",  "mkfs.hfsplus", NULL },
};
/* clang-format on */

/* The program for a format, found and there; NULL with e. */
static const struct maker *maker_of(const char *format, struct err *e)
{
	const struct maker *m = NULL;

	for (size_t i = 0; i < ARRAY_LEN(makers); i++)
		if (streq(makers[i].format, format))
			m = &makers[i];
	if (!m && streq(format, "auto"))
		err_set(e, ERR_INVALID,
		        "the definition does not say which filesystem to make: its format is auto (<format "
		        "type='ext4'/> would say it)");
	else if (!m)
		err_set(e, ERR_UNSUPPORTED, "filesystems of format %s are not made by any program known here",
		        format);
	else if (!spawn_find(m->program)) {
		err_set(e, ERR_NO_TOOL, "cannot make a filesystem of format %s: %s is not installed", format,
		        m->program);
		m = NULL;
	}
	return m;
}

int format_possible(const char *format, struct err *e)
{
	return maker_of(format, e) ? 0 : -1;
}

int format_make(const char *format, const char *path, uint64_t deadline, struct err *e)
{
	demand(format && path, e);

	const struct maker *m = maker_of(format, e);

	if (!m)
		return -1;

	/* The flag is left out by letting the path take its place. */
	const char *const argv[] = { m->program, m->force ? m->force : path, m->force ? path : NULL, NULL };
	struct tool t = { .argv = argv, .deadline = deadline };
	int rc = spawn_ok(&t, e);

	tool_free(&t);
	if (rc == 0)
		rc = format_flush(path, e); /* not every mkfs does so */
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot make a filesystem of format %s on %s", format, path)
	              : 0;
}

/* ---- blank ends ---- */

/* Write zeros. -1 with errno. */
static int zero(int fd, uint64_t from, uint64_t len)
{
	memset(ends, 0, sizeof(ends));
	while (len > 0) {
		size_t part = len < sizeof(ends) ? (size_t)len : sizeof(ends);
		ssize_t n = pwrite(fd, ends, part, (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		from += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Opened exclusively: the kernel refuses what it uses itself, whatever the caller has found out before. */
static int wipe_device(const char *path, bool tail, struct err *e)
{
	cleanup_close int fd = open_answering(path, O_WRONLY | O_EXCL, e);
	uint64_t size = 0;

	if (fd < 0)
		return -1;
	if (ioctl(fd, (ioctl_request)BLKGETSIZE64, &size) < 0)
		return err_sys(e, errno, "cannot get the size of %s", path);

	uint64_t end = size < END_BYTES ? size : END_BYTES;

	if (zero(fd, 0, end) < 0 || (tail && zero(fd, size - end, end) < 0) || fsync(fd) < 0)
		return err_sys(e, errno, "cannot write to %s", path);
	return 0;
}

int format_wipe_ends(const char *path, struct err *e)
{
	return wipe_device(path, true, e);
}

int format_wipe_head(const char *path, struct err *e)
{
	return wipe_device(path, false, e);
}
