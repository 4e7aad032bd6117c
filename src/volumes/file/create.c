/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * File volumes made: the definition is checked, the file built unseen, filled, given owner and mode, and
 * named.
 */
#include "volumes/file/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/target.h"
#include "volumes/file/aside.h"
#include "volumes/file/clone.h"
#include "volumes/file/publish.h"
#include "volumes/image/qcow2.h"
#include "volumes/image/qemu_img.h"
#include "volumes/image/raw.h"
#include "volumes/pool_dir.h"

/* libvirt's own defaults for new volumes. */
enum { MODE_FILE = 0600, MODE_DIRECTORY = 0711 };

/* One volume in the making. */
struct making {
	const struct pool_def *d;
	struct op *op;
	/* the document's, with what it left out filled in; its strings are the document's or below */
	struct volume_def v;
	const struct vol_input *from;
	unsigned flags;
	struct secret_value secret;
	struct buf known_text; /* the backing volume's record */
	struct line known_line;
};

static bool makes_raw(const struct volume_def *v)
{
	return !v->format || streq(v->format, "raw") || streq(v->format, "iso");
}

/* "dir" as a format is libvirt's way to ask for a directory. */
static bool makes_directory(const struct volume_def *v)
{
	return v->format && streq(v->format, "dir");
}

/* ---- the backing file: rules in volume.h ---- */

/* QEMU's names of formats that a backing file may have. */
static const struct {
	const char *word, *driver;
} backing_formats[] = {
	{ "raw", "raw" },         { "iso", "raw" },     { "qcow2", "qcow2" }, { "qcow", "qcow" },
	{ "qed", "qed" },         { "vmdk", "vmdk" },   { "vdi", "vdi" },     { "vpc", "vpc" },
	{ "ploop", "parallels" }, { "bochs", "bochs" }, { "cloop", "cloop" }, { "dmg", "dmg" },
};

static const char *backing_driver(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(backing_formats); i++)
		if (streq(backing_formats[i].word, word))
			return backing_formats[i].driver;
	return NULL;
}

/* "nbd:…", "json:…": a colon before any slash. */
static bool is_protocol(const char *path)
{
	return path[strcspn(path, ":/")] == ':';
}

/* It is looked at from the pool's directory, which is where QEMU looks for a relative one later. */
static int backing_exists(const struct making *m, const char *path, struct err *e)
{
	cleanup_close int dir = pool_dir_open(m->d, O_PATH, e);
	struct stat st;

	if (dir < 0)
		return -1;
	/* who may name volumes only learns nothing of what a link leads to */
	if (fstatat(dir, path, &st, AT_NO_AUTOMOUNT | (m->op->operate ? AT_SYMLINK_NOFOLLOW : 0)) < 0)
		return err_set(e, ERR_INVALID, "the backing file %.200s cannot be used: %s", path,
		               strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, ERR_INVALID,
		               "the backing file %.200s is neither a regular file nor a block device", path);
	return 0;
}

/* The name under which the pool's index may know it; NULL: it lies elsewhere. */
static const char *backing_name(const struct pool_def *d, const char *path)
{
	size_t len = strlen(d->target.path);

	if (!strchr(path, '/'))
		return path;
	if (strncmp(path, d->target.path, len) != 0 || path[len] != '/' || strchr(path + len + 1, '/'))
		return NULL;
	return path + len + 1;
}

/* Check the backing file, and fill in its format and, where none is given, the capacity. A format is never
 * guessed from its content: what is in it a guest may have written, and a raw disk with a qcow2 header would
 * give that guest any file of the host (see QEMU's documentation of "backing_fmt"). */
static int backing_settle(struct making *m, struct err *e)
{
	const char *path = m->v.backing.path, *name;
	struct volume known = { 0 };
	bool is_known;

	if (!path || !*path)
		return err_set(e, ERR_INVALID, "the backing store has no path");
	if (is_protocol(path))
		return err_set(e, ERR_INVALID,
		               "the backing file \"%.200s\" would be taken for a network protocol: use an "
		               "absolute path, or one that begins with \"./\"",
		               path);
	if (backing_exists(m, path, e) < 0)
		return -1;
	name = backing_name(m->d, path);
	is_known = name && file_volume_known(m->op, name, &m->known_text, &m->known_line, &known);
	if (!m->v.backing.format)
		m->v.backing.format = is_known ? known.format : NULL;
	if (!m->v.backing.format)
		return err_set(e, ERR_INVALID,
		               "the format of the backing file %.200s must be given: it is no known volume "
		               "of pool \"%s\"",
		               path, m->d->name);
	if (!backing_driver(m->v.backing.format))
		return err_set(e, ERR_INVALID, "a backing file cannot be of format \"%s\"",
		               m->v.backing.format);
	m->v.backing.format = backing_driver(m->v.backing.format);
	if (is_known && known.format && !streq_null(backing_driver(known.format), m->v.backing.format))
		return err_set(e, ERR_INVALID, "the backing volume \"%s\" is of format %s, not %s",
		               known.name, known.format, m->v.backing.format);
	if (m->v.has_capacity || m->from)
		return 0;
	if (!is_known)
		return err_set(e, ERR_INVALID,
		               "the capacity must be given: the backing file %.200s is no known volume of "
		               "pool \"%s\"",
		               path, m->d->name);
	m->v.capacity = known.capacity;
	if (!m->v.has_allocation)
		m->v.allocation = m->v.capacity;
	return 0;
}

/* ---- checks: nothing is touched yet ---- */

static bool is_plain_qcow2(const struct making *m)
{
	return m->v.format && streq(m->v.format, "qcow2") && !m->v.encryption.format && !m->from;
}

/* libvirt's rule: all of it is allocated if the document wants that much, else the tables alone. */
static enum qcow2_preallocation preallocation(const struct making *m)
{
	if (!(m->flags & VOL_PREALLOC_METADATA))
		return QCOW2_PREALLOC_OFF;
	return m->v.capacity > m->v.allocation ? QCOW2_PREALLOC_METADATA : QCOW2_PREALLOC_FALLOC;
}

/* The definition in the terms of qcow2.h. Nothing is copied: the strings are the definition's. */
static struct qcow2_options qcow2_options(const struct making *m)
{
	const struct volume_def *v = &m->v;

	return (struct qcow2_options){
		.capacity = v->capacity,
		.cluster_size = v->cluster_size,
		.compat = v->compat,
		.lazy_refcounts = v->lazy_refcounts,
		.extended_l2 = v->extended_l2,
		.preallocation = preallocation(m),
		.backing = v->backing.given ? v->backing.path : NULL,
		.backing_format = v->backing.given ? v->backing.format : NULL,
	};
}

/* A volume that is a directory has no content, so that everything about content is refused. */
static int check_directory(const struct making *m, struct err *e)
{
	if (m->from || m->v.backing.given || m->v.encryption.format || m->flags)
		return err_set(e, ERR_UNSUPPORTED,
		               "a directory is made empty: it has no source, backing file, encryption or "
		               "preallocation");
	return 0;
}

/* A clone that is encrypted without a secret keeps the one that it has. */
static bool keeps_secret(const struct making *m)
{
	return m->from && m->v.encryption.nsecrets == 0;
}

/* Everything that can be refused is refused here, before there is a file. Defaults come first, because later
 * checks look at the filled-in definition. */
static int check_making(struct making *m, struct err *e)
{
	struct qcow2_options o;

	if (makes_directory(&m->v))
		return check_directory(m, e);
	if (m->from && (!m->v.has_capacity))
		m->v.capacity = 0;
	if (!m->from && !m->v.has_capacity && !m->v.backing.given)
		return err_set(e, ERR_INVALID, "the capacity must be given");
	if (m->v.backing.given && makes_raw(&m->v))
		return err_set(e, ERR_UNSUPPORTED, "a raw volume cannot have a backing file");
	if (m->v.backing.given && !m->from && backing_settle(m, e) < 0)
		return -1;
	if (!keeps_secret(m) && qemu_img_check(&m->v, m->flags, e) < 0)
		return -1;
	if (m->v.encryption.nsecrets &&
	    secret_find_volume(&m->v.encryption.secrets[0], m->op->secret_dirs, &m->secret, e) < 0)
		return -1;
	o = qcow2_options(m);
	return is_plain_qcow2(m) ? qcow2_check(&o, e) : 0;
}

/* ---- content ---- */

/* Elsewhere than on btrfs a raw volume that asks for it is refused, as libvirt does; for images it is a wish.
 * ioctl(2)'s request as both C libraries take it. */
static int set_nocow(int fd, bool must, const char *name, struct err *e)
{
	struct statfs s;
	int flags = 0;

	if (fstatfs(fd, &s) < 0 || (unsigned)s.f_type != BTRFS_SUPER_MAGIC)
		return !must ? 0
		             : err_set(e, ERR_UNSUPPORTED,
		                       "copy-on-write cannot be turned off for \"%s\": it is not on btrfs",
		                       name);
	if (ioctl(fd, (ioctl_request)FS_IOC_GETFLAGS, &flags) < 0)
		return err_sys(e, errno, "cannot turn copy-on-write off for \"%s\"", name);
	flags |= FS_NOCOW_FL;
	return ioctl(fd, (ioctl_request)FS_IOC_SETFLAGS, &flags) < 0
	               ? err_sys(e, errno, "cannot turn copy-on-write off for \"%s\"", name)
	               : 0;
}

/* Copy-on-write goes first, as the kernel takes the flag only for an empty file. */
static int content(struct making *m, int fd, struct err *e)
{
	const struct volume_def *v = &m->v;
	const struct qcow2_options o = qcow2_options(m);
	const struct qemu_img_open to = {
		fd, v->format, v->encryption.format != NULL, v->encryption.format ? &m->secret : NULL, 0, NULL
	};

	if (v->nocow && set_nocow(fd, makes_raw(v), v->name, e) < 0)
		return -1;
	if (m->from)
		return clone_content(fd, m->d, v, m->from, m->flags, &m->secret, m->op, e);
	if (makes_raw(v) && !v->encryption.format)
		return raw_create(fd, v->capacity, v->allocation, m->op, v->name, e);
	if (is_plain_qcow2(m))
		return qcow2_create(fd, &o, e);
	return qemu_img_create(v, m->flags, &to, m->op, e);
}

/* ---- owner, mode, label ---- */

/* The SELinux label of the document, where this kernel has SELinux; elsewhere it means nothing, and that is
 * noted. */
static int set_label(int fd, const struct making *m, struct err *e)
{
	const char *label = m->v.perms.label;

	if (!label)
		return 0;
	if (access("/sys/fs/selinux", F_OK) < 0) {
		op_note(m->op, "the label of volume \"%s\" is not set: this kernel has no SELinux",
		        m->v.name);
		return 0;
	}
	return fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) < 0
	               ? err_sys(e, errno, "cannot label volume \"%s\" as %.200s", m->v.name, label)
	               : 0;
}

/* Owner before mode, because chown(2) clears the set-id bits; -1 leaves one as it is. */
static int set_made_perms(int fd, const struct making *m, struct err *e)
{
	const struct pool_perms *p = &m->v.perms;
	mode_t mode = makes_directory(&m->v) ? MODE_DIRECTORY : MODE_FILE;

	if (p->mode >= 0)
		mode = (mode_t)p->mode & 07777;
	if (set_label(fd, m, e) < 0)
		return -1;
	if ((p->owner >= 0 || p->group >= 0) && fchown(fd, (uid_t)p->owner, (gid_t)p->group) < 0)
		return err_sys(e, errno, "cannot give volume \"%s\" to %lld:%lld", m->v.name,
		               (long long)p->owner, (long long)p->group);
	return fchmod(fd, mode) < 0 ? err_sys(e, errno, "cannot set the mode of volume \"%s\"", m->v.name)
	                            : 0;
}

/* ---- all of it ---- */

/* Content, then label, owner and mode, then the name: whoever sees the volume sees it as it is meant to be.
 * Owner and mode come after the content, since an owner may already write to it then. */
static int make(void *arg, struct err *e)
{
	struct making *m = arg;
	struct publish p;
	int dir = pool_dir_open(m->d, O_RDONLY, e);

	if (dir < 0 || publish_begin(&p, dir, m->d->target.path, m->v.name, makes_directory(&m->v), e) < 0)
		return -1;
	if ((!makes_directory(&m->v) && content(m, p.fd, e) < 0) || set_made_perms(p.fd, m, e) < 0) {
		publish_abandon(&p);
		return -1;
	}
	if (!makes_directory(&m->v) && makes_raw(&m->v) && !m->from && !m->v.encryption.format)
		raw_note_made(p.fd, m->op);
	return publish_finish(&p, e);
}

/* An export with root_squash lets root make nothing where the owner may. */
static bool owner_may(const struct making *m, const struct err *e)
{
	return err_is(e, ERR_DENIED) && pool_type_info(m->d->type)->root_is_nobody && m->v.perms.owner > 0;
}

int file_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                    const struct vol_input *from, unsigned flags, struct err *e)
{
	demand(op && v->name && d->target.path, e);

	struct making m = { .d = d, .op = op, .v = *v, .from = from, .flags = flags };
	struct err why = { 0 };
	int rc = check_making(&m, &why);

	if (rc == 0)
		rc = make(&m, &why);
	/* Once more from the beginning, as the owner: nothing of the first attempt is left. */
	if (rc < 0 && owner_may(&m, &why))
		rc = aside_as(m.v.perms.owner, m.v.perms.group, make, &m, &why);
	secret_value_free(&m.secret);
	buf_free(&m.known_text);
	if (rc == 0)
		return 0;
	err_wrap(&why, ERR_KEEP, "cannot make volume \"%s\" in pool \"%s\"", v->name, d->name);
	if (e)
		*e = why;
	return -1;
}
