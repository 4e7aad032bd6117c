/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fs: a filesystem on a block device, mounted at the target path.
 * Spec: storage.html, "Filesystem pool". Volumes are the files in it: see list.c.
 *
 * What is on the device decides what is mounted, and the definition has to agree with it: a filesystem is
 * never mounted by guess, and a device that holds something else is never formatted without being told so.
 * The mount itself is done by system/mount.c; that it is ours is told by the mount table and by the device
 * below it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include "backends/backend.h"
#include "backends/health.h"
#include "backends/identity.h"
#include "backends/mounted.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "system/btrfs.h"
#include "system/device.h"
#include "system/format.h"
#include "system/links.h"
#include "system/module.h"
#include "system/mount.h"
#include "system/sysfs.h"
#include "system/target.h"
#include "system/ufs.h"
#include "system/xfs.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

/* FAT wants its character sets as modules of their own; what the kernel was built to use by default is among
 * these. */
#define VFAT_MODULES "nls_cp437 nls_iso8859-1 nls_ascii nls_utf8"

/* A format that a definition may name: what libblkid calls what must be on the device, and how the kernel
 * mounts it. */
/* clang-format off */
static const struct filesystem {
	const char *format;
	const char *holds[4];           /* libblkid's types that will do, and NULL */
	const char *kernel;             /* the kernel's name */
	const char *instead;            /* another driver that mounts it where the kernel has no such name */
	const char *options;            /* before the definition's own */
	const char *needs;              /* modules that it asks for when it mounts: character sets */
} filesystems[] = {
	{ "ext2",     { "ext2" },                    "ext2",     "ext4", NULL, NULL },
	{ "ext3",     { "ext3" },                    "ext3",     "ext4", NULL, NULL },
	{ "ext4",     { "ext4", "ext3", "ext2" },    "ext4",     NULL,   NULL, NULL },
	{ "xfs",      { "xfs" },                     "xfs",      NULL,   NULL, NULL },
	{ "btrfs",    { "btrfs" },                   "btrfs",    NULL,   NULL, NULL },
	{ "vfat",     { "vfat" },                    "vfat",     NULL,   NULL, VFAT_MODULES },
	{ "exfat",    { "exfat" },                   "exfat",    NULL,   NULL, NULL },
	{ "f2fs",     { "f2fs" },                    "f2fs",     NULL,   NULL, NULL },
	{ "ntfs",     { "ntfs" },                    "ntfs3",    "ntfs", NULL, NULL },
	{ "iso9660",  { "iso9660" },                 "iso9660",  NULL,   "ro", NULL },
	{ "udf",      { "udf" },                     "udf",      NULL,   NULL, NULL },
	{ "erofs",    { "erofs" },                   "erofs",    NULL,   "ro", NULL },
	{ "squashfs", { "squashfs", "squashfs3" },   "squashfs", NULL,   "ro", NULL },
	{ "romfs",    { "romfs" },                   "romfs",    NULL,   "ro", NULL },
	{ "cramfs",   { "cramfs" },                  "cramfs",   NULL,   "ro", NULL },
	{ "ufs",      { "ufs" },                     "ufs",      NULL,   "ro", NULL },
	{ "gfs",      { "gfs" },                     "gfs",      NULL,   NULL, NULL },
	{ "gfs2",     { "gfs2" },                    "gfs2",     NULL,   NULL, NULL },
	{ "ocfs2",    { "ocfs2" },                   "ocfs2",    NULL,   NULL, NULL },
	{ "hfs",      { "hfs" },                     "hfs",      NULL,   NULL, NULL },
	{ "hfs+",     { "hfsplus" },                 "hfsplus",  NULL,   NULL, "nls_utf8" },
	{ "vmfs",     { "VMFS", "VMFS_volume_member" }, "vmfs",  NULL,   NULL, NULL },
};
/* clang-format on */

/* fs_validate() has seen to it that there is exactly one. */
static const char *device_of(const struct pool_def *d)
{
	return d->source.devices[0].path;
}

/* libvirt's grammar takes several devices; one filesystem is on one (btrfs finds its others by itself). */
static int fs_validate(const struct pool_def *d, struct err *e)
{
	if (d->source.ndevices != 1)
		return err_set(e, ERR_INVALID, "a fs pool needs exactly one source device, not %zu",
		               d->source.ndevices);
	return 0;
}

/* ---- what to mount ---- */

/* Does a device with this content hold that filesystem, by any of the names that libblkid has for it? */
static bool is_held_by(const struct filesystem *f, const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(f->holds) && f->holds[i]; i++)
		if (streq(f->holds[i], type))
			return true;
	return false;
}

/* NULL: a format that libvirt knows and nobody here. */
static const struct filesystem *by_format(const char *format)
{
	for (size_t i = 0; i < ARRAY_LEN(filesystems); i++)
		if (streq(filesystems[i].format, format))
			return &filesystems[i];
	return NULL;
}

/* For auto: the filesystem that is on the device. One that is not in the table goes by libblkid's name, which
 * is the kernel's for most. */
static const struct filesystem *by_content(const struct device_content *c, struct filesystem *other)
{
	if (!streq(c->usage, "filesystem"))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(filesystems); i++)
		if (streq(filesystems[i].holds[0], c->type))
			return &filesystems[i];
	*other = (struct filesystem){ .format = c->type, .holds = { c->type }, .kernel = c->type };
	return other;
}

/* btrfs, for one, is not among the formats that libvirt lets a definition name. */
static bool can_be_named(const char *format)
{
	for (const char *const *word = pool_type_info(POOL_FS)->formats; *word; word++)
		if (streq(*word, format))
			return true;
	return false;
}

/* Compare what the device holds with what the definition says. A format that is named decides alone: what
 * else its files hold does not matter. `other` is room for a filesystem that is not in the table. */
static const struct filesystem *choose_filesystem(const struct pool_def *d, const char *device,
                                                  struct device_content *c, struct filesystem *other,
                                                  struct err *e)
{
	bool any = !d->source.format || streq(d->source.format, "auto");
	const struct filesystem *f = any ? NULL : by_format(d->source.format);
	struct device_content again;
	char text[192];

	if (f && device_holds(device, f->holds, c))
		return f;
	if (device_content(device, c, e) < 0)
		return NULL;
	/* The first look may have met a read error that has gone meanwhile. */
	if (f &&
	    (c->all[0] || c->ambivalent ? device_holds(device, f->holds, &again) : is_held_by(f, c->type)))
		return f;
	f = any ? by_content(c, other) : NULL;
	if (f && c->all[0] && can_be_named(f->format))
		f = NULL; /* the definition can say which one is meant */
	if (f && is_held_by(f, c->type))
		return f;
	device_content_text(c, text, sizeof(text));
	if (!any)
		err_set(e, ERR_WRONG_FORMAT, "%s holds %s, the definition says %s", device, text,
		        d->source.format);
	else if (c->all[0])
		err_set(e, ERR_WRONG_FORMAT,
		        "%s holds %s: name the one that is meant as <format> in the definition, or erase the "
		        "other one (wipefs)",
		        device, text);
	else
		err_set(e, ERR_WRONG_FORMAT, "%s holds %s, not a filesystem", device, text);
	if (e)
		/* it may get another content */
		snprintf(e->waits_for, sizeof(e->waits_for), "device=%.200s", device);
	return NULL;
}

/* The kernel's name for it, its driver loaded. What cannot be loaded is left to the mount, and to
 * mount_explain(). */
static const char *driver(const struct filesystem *f)
{
	const char *const names[] = { f->kernel, f->instead };
	char alias[80];

	if (f->needs)
		module_load_wanted(f->needs);
	for (size_t i = 0; i < ARRAY_LEN(names) && names[i]; i++) {
		if (mount_type_known(names[i]))
			return names[i];
		snprintf(alias, sizeof(alias), "fs-%s", names[i]);
		if (module_load(alias, NULL) < 0)
			module_load(names[i], NULL);
		if (mount_type_known(names[i]))
			return names[i];
	}
	return f->kernel;
}

/* A driver that cannot be loaded is why the kernel has no such filesystem, and a character set why it refuses
 * the options. Where there is no driver to load, its name is all that can be said. */
static int mount_explain(const struct filesystem *f, struct err *e)
{
	size_t len = strlen(e->message);
	char names[80];

	snprintf(names, sizeof(names), "%s %s", f->kernel, f->instead ? f->instead : "");
	if (e->sys == ENODEV || e->sys == ENOENT)
		module_explain(names, e);
	if (e->sys == ENODEV && !e->message[len])
		snprintf(e->message + len, sizeof(e->message) - len,
		         ": it has no driver %s%s%s, built in or as a module", f->kernel,
		         f->instead ? " or " : "", f->instead ? f->instead : "");
	else if (e->sys == EINVAL && f->needs)
		module_explain(f->needs, e);
	return -1;
}

/* ---- the operations ---- */

/* Drivers mount read-only what they do not dare to write to (an HFS+ with a journal), and the mount table
 * shows that as it shows a filesystem that an error has made read-only. The mount is made so as well, which
 * tells the one from the other. */
static void settle_read_only(const struct pool_def *d, const char *options, struct op *op)
{
	struct statvfs s;
	char value[2];

	if (mount_option_value(options, "ro", value, sizeof(value)) || statvfs(d->target.path, &s) < 0 ||
	    !(s.f_flag & ST_RDONLY))
		return;
	op_note(op, "the kernel mounts %s read-only: no volume can be made or changed", device_of(d));
	mount_protect(d->target.path);
}

/* Mount it, with the table's options before the definition's own, which may take them back. */
static int fs_mount(const struct pool_def *d, const char *device, dev_t dev, const struct filesystem *f,
                    const struct device_content *c, struct op *op, struct err *e)
{
	cleanup_buf struct buf options = BUF_INIT;
	const char *fstype = driver(f);
	char value[2];

	if (f->options)
		buf_adds(&options, f->options);
	else if (device_is_read_only(dev)) {
		buf_adds(&options, "ro");
		op_note(op, "%s is write-protected: mounting it read-only", device);
	}
	if (streq(f->kernel, "ufs") && ufs_option(device, &options, e) < 0)
		return -1;
	mount_options(d, &options);
	if (options.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot mount %s: out of memory", device);
	if (streq(fstype, "btrfs") && btrfs_gather(device, c->uuid, e) < 0) {
		if (!mount_option_value(buf_str(&options), "degraded", value, sizeof(value)))
			return -1;
		err_clear(e);
	}
	if (mount_make(&(struct mount_request){ .fstype = fstype,
	                                        .source = device,
	                                        .target = d->target.path,
	                                        .options = buf_str(&options) },
	               e) < 0)
		return mount_explain(f, e);
	settle_read_only(d, buf_str(&options), op);
	return 0;
}

/* A device that cannot be asked is the right one if it is the one that carried the pool before. */
static bool fs_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	int matches = d->source.ndevices == 1 ? device_matches(device_of(d), mount_device(m)) : 0;

	if (d->source.ndevices != 1)
		return false;
	return matches > 0 || (matches < 0 && d->target.place.known && m->dev == d->target.place.dev) ||
	       (streq(m->fstype, "btrfs") && btrfs_has_member(mount_device(m), device_of(d)));
}

/* See whether it is mounted already, find the device, look at what it holds, mount it. */
static int fs_start(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct filesystem *f;
	struct filesystem other;
	struct device_content content;
	enum pool_state state;
	char device[PATH_MAX];
	dev_t dev;

	if (fs_validate(d, e) < 0 || mount_check(d, fs_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state == STATE_ACTIVE) /* by an earlier supervisor, or by somebody else: it is what is wanted */
		return 0;
	if (device_find(device_of(d), device, sizeof(device), &dev, e) < 0)
		return -1;
	f = choose_filesystem(d, device, &content, &other, e);
	if (f && fs_mount(d, device, dev, f, &content, op, e) == 0)
		return 0;
	if (f && streq(f->kernel, "xfs"))
		xfs_explain(device, content.uuid, e);
	return -1;
}

/* Does the definition say read-only, or its format? */
static bool is_asked_read_only(const struct pool_def *d, const struct mount_entry *m)
{
	for (size_t i = 0; i < d->nmount_options; i++)
		if (streq(d->mount_options[i].name, "ro"))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(filesystems); i++)
		if (filesystems[i].options && streq(filesystems[i].kernel, m->fstype))
			return true;
	return false;
}

/* In a pool's detail: the mount was read-only when it was first looked at. Its driver cannot write then; what
 * becomes so later was an error's doing, or somebody's. */
#define BEGAN_READ_ONLY " ro"

static bool began_read_only(const struct mount_entry *m, const struct op *op)
{
	static const char key[] = "mount=";
	char value[2];

	if (op->detail && starts_with(op->detail, key) && atoi(op->detail + strlen(key)) == m->id)
		return strstr(op->detail, BEGAN_READ_ONLY) != NULL;
	return mount_option_value(m->options, "ro", value, sizeof(value)) != NULL;
}

/* Is it meant to be read-only? */
static bool is_meant_read_only(const struct pool_def *d, const struct mount_entry *m, const struct op *op)
{
	return is_asked_read_only(d, m) || began_read_only(m, op) || device_is_read_only(mount_device(m));
}

/* It can be used, but not for what most want of it; who wants no more says so in the definition. */
static void warn_protected(const struct pool_def *d, const struct mount_entry *m, struct op *op)
{
	if (!op->warning[0] && !is_asked_read_only(d, m) && device_is_read_only(mount_device(m)))
		snprintf(op->warning, sizeof(op->warning),
		         "%.80s is write-protected, so it is mounted read-only: no volume can be made or "
		         "changed",
		         m->source);
}

/* Ask the filesystem itself. A path that does not lead to it is not its fault. */
static bool is_sick(const struct pool_def *d, const struct mount_entry *m, struct op *op)
{
	cleanup_close int fd = target_open_path(d->target.path, O_PATH, NULL);

	return fd >= 0 && health_look(m, fd, is_meant_read_only(d, m, op), op);
}

/* Is the pool's filesystem mounted? Then *m is its mount, for mount_entry_free(). The table may be one that
 * was read before the filesystem met an error: then it is read again. */
static bool find_mount(const struct pool_def *d, const struct op *op, struct mount_entry *m)
{
	if (mount_of_pool(d, m, NULL) <= 0)
		return false;
	if (!health_is_worse(m, op))
		return true;
	mount_entry_free(m);
	mountinfo_forget();
	return mount_of_pool(d, m, NULL) > 0;
}

/* Besides being there, the filesystem has to be well: the kernel says of a dead disk's filesystem that it is
 * mounted. */
static int fs_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                    struct err *e)
{
	struct mount_entry m;

	if (mount_pool_check(d, fs_is_mount, op, state, detail, e) < 0)
		return -1;
	if (*state == STATE_INACTIVE || !find_mount(d, op, &m))
		return 0;
	health_count(&m, op, detail);
	if (detail && began_read_only(&m, op))
		buf_adds(detail, BEGAN_READ_ONLY);
	health_warn(&m, d->target.path, op);
	warn_protected(d, &m, op);
	if (is_sick(d, &m, op))
		*state = STATE_DEGRADED;
	mount_entry_free(&m);
	return 0;
}

/* The disk's number is the ground, and what it stands on: a disk that is pulled out is gone from /sys at
 * once, though its filesystem is still mounted. */
static int fs_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	char sysname[NAME_MAX + 1];
	struct mount_entry m;
	dev_t dev;

	(void)op;
	if (mount_of_pool(d, &m, e) <= 0)
		return -1;
	dev = mount_device(&m);
	if (device_sysname(dev, sysname, sizeof(sysname))) {
		buf_printf(words, "%s=%u:%u", sysname, major(dev), minor(dev));
		health_ground(&m, words);
		device_below(sysname, words);
	}
	mount_entry_free(&m);
	return 0;
}

/* Does the disk answer again? What a filesystem needs first lies at its beginning. */
static bool can_be_read(const struct mount_entry *m)
{
	static char head[128 * 1024] __attribute__((aligned(4096)));
	char node[PATH_MAX];

	if (device_node(mount_device(m), node, sizeof(node)) < 0)
		return false;
	cleanup_close int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);

	return fd >= 0 && file_pread(fd, head, sizeof(head), 0) > 0;
}

/* Where an error has made a filesystem read-only, a flush does nothing and says that it is done: what others
 * had written is lost all the same. Who makes one read-only on purpose has it flushed first, and the mount is
 * read-only as well. */
static bool is_flushed_in_vain(const struct pool_def *d, const struct op *op)
{
	struct mount_entry m;
	char value[2];
	bool vain;

	if (mount_of_pool(d, &m, NULL) <= 0)
		return false;
	vain = mount_option_value(m.super_options, "ro", value, sizeof(value)) &&
	       !mount_option_value(m.options, "ro", value, sizeof(value)) && !is_meant_read_only(d, &m, op);
	mount_entry_free(&m);
	return vain;
}

/* Unmount. That it was flushed in vain has to be found out before: afterwards there is no mount to ask. */
static int fs_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	bool vain = is_flushed_in_vain(d, op);

	if (mount_pool_stop(d, fs_is_mount, op, e) < 0)
		return -1;
	if (vain && !op->lost[0])
		snprintf(op->lost, sizeof(op->lost), "an error had made %.120s read-only", d->target.path);
	return 0;
}

/* The kernel does not make a filesystem that has shut down well again: it is mounted anew when its disk
 * answers and nobody has anything of it open. A disk that is gone may come back under another name. */
static int fs_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	struct mount_entry m;
	int rc = 0;

	if (mount_of_pool(d, &m, e) <= 0)
		return 0;
	op->aborted = op->detail && strstr(op->detail, " aborted");
	if (is_sick(d, &m, op) && (asked || !health_disk_is_there(&m) || can_be_read(&m)))
		rc = fs_stop(d, op, e) < 0 ? -1 : 1;
	mount_entry_free(&m);
	return rc;
}

/* Make the directory, and with a flag the filesystem. The device is looked at before anything is made, so
 * that a refusal changes nothing. Afterwards the new filesystem is looked for as a start would: if that does
 * not find it, the build has failed. */
static int fs_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	struct device_content content;
	struct filesystem other;
	char device[PATH_MAX];
	dev_t dev;

	if (!flags || (flags & BUILD_ABSENT))
		return files_build(d, op, flags, e);
	if (fs_validate(d, e) < 0 || format_possible(d->source.format, e) < 0 ||
	    format_claim(device_of(d), flags & BUILD_OVERWRITE, device, sizeof(device), &dev, e) < 0)
		return -1;
	if (files_build(d, op, 0, e) < 0)
		return -1;
	/* A signature that mkfs leaves would make the device's content doubtful. */
	if (((flags & BUILD_OVERWRITE) && format_wipe_ends(device, e) < 0) ||
	    format_make(d->source.format, device, op->deadline, e) < 0)
		return -1;
	return choose_filesystem(d, device, &content, &other, e) ? 0 : -1;
}

/* The device, the filesystem on it and the directory: a second pool may meet this one in any of them. */
static int fs_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const struct places *places = places_now(e);
	dev_t dev;

	(void)op;
	if (!places)
		return -1;
	if (identity_device(device_of(d), &dev, facts))
		identity_filesystem(dev, device_of(d), facts);
	identity_path(places, d->target.path, IDENTITY_PLACE, facts);
	return 0;
}

const struct backend fs_backend = {
	.type = POOL_FS,
	.summary = "a filesystem on a block device, mounted; volumes are its files",
	.watched = true,
	.waits_for = WAIT_DEVICE,
	.needs_disk = true,
	.image = IMAGE("fs", "ext4 xfs btrfs vfat isofs " VFAT_MODULES, "", ""),
	.deadline = { .start = SECONDS(60),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.validate = fs_validate,
	.check = fs_check,
	.ground = fs_ground,
	.revive = fs_revive,
	.start = fs_start,
	.stop = fs_stop,
	.builds_directory = true,
	.build = fs_build,
	.delete = files_delete,
	.identify = fs_identify,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
