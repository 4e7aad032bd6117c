/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume made from another one: is it a copy of bytes or a conversion, may it be done, and then the doing.
 */
#include "volumes/file/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/image/image.h"
#include "system/target.h"
#include "volumes/copy.h"
#include "volumes/file/volume.h"
#include "volumes/image/header.h"
#include "volumes/image/qcow2.h"
#include "volumes/image/qemu_img.h"
#include "volumes/image/raw.h"
#include "volumes/pool_dir.h"

/* The volume that is there. */
struct clone_source {
	const struct pool_def *pool;
	const struct volume *v;
	int fd;
	uint64_t size; /* bytes of the file or device */
	uint64_t capacity;
	const char *format; /* "raw" for what has none, and for iso */
	bool luks;
	struct image image;                              /* of the formats that have a header */
	struct qemu_img_open under[QEMU_IMG_LAYERS - 1]; /* its backing files, for a conversion */
	size_t layers;
};

/* Those that may be under another image. */
static const char *const formats[] = { "raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc" };

/* An ISO image is raw for whoever copies it, and so is what has no format that is known. */
static const char *plain_format(const char *format)
{
	return !format || streq(format, "iso") || streq(format, "unknown") ? "raw" : format;
}

/* What a volume's bytes are. The format of a device says what kind of partition it is or what table it has.
 */
static const char *source_format(const struct volume *v)
{
	return streq(v->type, "block") ? "raw" : plain_format(v->format);
}

/* ---- what is there ---- */

/* Open the source and find out what it really is: its header is read again here, since the index may be
 * older than what a guest has done to it. */
static int source_open(struct clone_source *s, const struct vol_input *from, struct op *op, struct err *e)
{
	*s = (struct clone_source){
		.pool = from->pool, .v = from->volume, .fd = -1, .format = source_format(from->volume)
	};
	if (!from->open)
		return err_set(e, ERR_UNSUPPORTED, "volumes of %s pools cannot be read",
		               pool_type_word(from->pool->type));
	s->fd = from->open(from->pool, op, from->volume, false, &s->size, e);
	if (s->fd < 0)
		return -1;
	s->capacity = s->size;
	s->luks = from->volume->encryption && starts_with(from->volume->encryption, "luks");
	if (streq(s->format, "raw") && !s->luks)
		return 0;
	if (image_file_look(s->fd, s->size, s->format, from->volume->name, &s->image, e) < 0)
		return -1;
	s->capacity = s->image.capacity;
	s->luks = s->image.encryption && starts_with(s->image.encryption, "luks");
	return 0;
}

/* ---- what is to be done ---- */

/* Are the new image's options those of the one that is there? What the document leaves out is as it is. */
static bool same_options(const struct volume_def *v, const struct clone_source *s)
{
	if (!streq(s->format, "qcow2"))
		return true;
	if ((v->compat && !streq_null(v->compat, s->image.compat)) ||
	    (v->cluster_size && v->cluster_size != s->image.cluster_size))
		return false;
	return !v->features_given ||
	       (v->lazy_refcounts == s->image.lazy_refcounts && v->extended_l2 == s->image.extended_l2);
}

/* A copy of the bytes keeps the passphrase: that is what is meant when the document names none. */
static bool same_encryption(const struct volume_def *v, const struct clone_source *s)
{
	if (v->encryption.format)
		return v->encryption.nsecrets == 0 && s->luks && streq(v->encryption.format, "luks");
	return !s->luks;
}

/* The bytes can stay as they are if nothing that the document asks for is different. */
static bool is_copy(const struct volume_def *v, const struct clone_source *s, unsigned flags)
{
	return streq(plain_format(v->format), s->format) && same_encryption(v, s) && same_options(v, s) &&
	       !(flags & VOL_PREALLOC_METADATA);
}

/* Two pools may be one directory under two paths; asked by device and inode. */
static bool is_same_directory(const struct pool_def *a, const struct pool_def *b)
{
	cleanup_close int one = a->target.path ? pool_dir_open(a, O_PATH, NULL) : -1,
			  two = b->target.path ? pool_dir_open(b, O_PATH, NULL) : -1;
	struct stat x, y;

	return one >= 0 && two >= 0 && fstat(one, &x) == 0 && fstat(two, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* The backing file of a copy is the source's own: the document may name it, or none. */
static int check_clone_backing(const struct pool_def *d, const struct volume_def *v,
                               const struct clone_source *s, bool copy, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT;
	const char *backing = s->image.backing;

	if (*backing)
		image_backing_path(s->v->path, backing, &path);
	if (v->backing.given && (!*backing || (!streq_null(v->backing.path, backing) &&
	                                       !streq_null(v->backing.path, buf_str(&path)))))
		return err_set(e, ERR_UNSUPPORTED,
		               "a volume made from another one cannot have a different backing file");
	if (*backing && copy && *backing != '/' && !is_same_directory(d, s->pool))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" names its backing file relative to its own directory (%.200s): "
		               "a copy elsewhere would not find it",
		               s->v->name, backing);
	return 0;
}

/* All that can be refused before a byte is copied: the capacity, files elsewhere, what a conversion cannot
 * do. */
static int check_source(const struct pool_def *d, const struct volume_def *v, const struct clone_source *s,
                        unsigned flags, struct err *e)
{
	bool copy = is_copy(v, s, flags);

	if (v->capacity && v->capacity < s->capacity)
		return err_set(e, ERR_INVALID,
		               "a capacity of %llu bytes is less than the %llu of volume \"%s\"",
		               (unsigned long long)v->capacity, (unsigned long long)s->capacity, s->v->name);
	if (s->image.format && image_file_complete(s->fd, &s->image, s->v->name, e) < 0)
		return -1;
	if (!copy && (flags & VOL_REFLINK))
		return err_set(e, ERR_UNSUPPORTED, "a conversion cannot share storage with volume \"%s\"",
		               s->v->name);
	if (!copy && s->image.encryption && !s->luks)
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is encrypted as \"%s\" and cannot be converted", s->v->name,
		               s->image.encryption);
	return check_clone_backing(d, v, s, copy, e);
}

/* ---- the doing ---- */

/* A device has its size, and holds what was there before. */
static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

/* Shared storage if the filesystem can, else data by data, holes kept. */
static int copy_content(int fd, const struct volume_def *v, const struct clone_source *s, unsigned flags,
                        struct op *op, struct err *e)
{
	struct copy c = { .length = s->size,
		          .sparse = true,
		          .fresh = !is_device(fd),
		          .pace = { .op = op, .doing = "copy the volume", .total = s->size } };

	/* FICLONE shares all blocks in one step (btrfs, XFS; ioctl_ficlone(2)). */
	if (ioctl(fd, (ioctl_request)FICLONE, s->fd) == 0)
		return 0;
	if (flags & VOL_REFLINK)
		return err_set(e, ERR_UNSUPPORTED, "\"%s\" cannot share storage with volume \"%s\": %s",
		               v->name, s->v->name,
		               errno == EXDEV ? "they are on different filesystems"
		                              : "the filesystem has no reflinks");
	if (copy_end_set(&c.from, s->fd, s->v->name, e) < 0 || copy_end_set(&c.to, fd, v->name, e) < 0 ||
	    copy_run(&c, e) < 0)
		return -1;
	if (c.done != s->size)
		return err_set(e, ERR_STORAGE, "volume \"%s\" ended after %llu of %llu bytes", s->v->name,
		               (unsigned long long)c.done, (unsigned long long)s->size);
	return 0;
}

/* ---- conversion ---- */

/* The name of a volume of that pool, from a path that a header gives; NULL: it lies elsewhere. */
static const char *volume_name(const struct pool_def *pool, const char *path)
{
	const char *target = pool->target.uri ? pool->target.uri : pool->target.path;
	size_t len = target ? strlen(target) : 0;

	return len && strncmp(path, target, len) == 0 && path[len] == '/' && name_is_component(path + len + 1)
	               ? path + len + 1
	               : NULL;
}

/* The image that is named by the header of the one above. It is opened only as a volume of the same pool, of
 * the format that the header gives it. */
static int layer_open(struct clone_source *s, const struct op *op, const char *above, struct image *image,
                      struct buf *path, struct err *e)
{
	struct qemu_img_open *o = &s->under[s->layers];
	cleanup_buf struct buf next = BUF_INIT;
	struct stat st;
	const char *name;

	image_backing_path(above, image->backing, &next);
	name = volume_name(s->pool, buf_str(&next));
	if (!name || next.failed)
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" has a backing file (%.200s) that is no volume of pool \"%s\", "
		               "and is not opened",
		               s->v->name, image->backing, s->pool->name);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (streq(formats[i], image->backing_format))
			o->format = formats[i];
	if (!o->format)
		return err_set(e, ERR_UNSUPPORTED,
		               "the format of volume \"%s\"'s backing file %.200s is not known", s->v->name,
		               image->backing);
	o->fd = file_volume_open(s->pool, op, name, O_RDONLY, &st, e);
	if (o->fd < 0)
		return err_wrap(e, ERR_KEEP, "volume \"%s\" has a backing file that cannot be used",
		                s->v->name);
	s->layers++;
	/* A raw file ends the chain; of any other format the header says whether it goes on. */
	image->backing[0] = '\0';
	if (!streq(o->format, "raw") &&
	    (image_file_look(o->fd, (uint64_t)st.st_size, o->format, name, image, e) < 0 ||
	     image_file_complete(o->fd, image, name, e) < 0))
		return -1;
	if (!streq(o->format, "raw") && image->encryption)
		return err_set(e, ERR_UNSUPPORTED, "volume \"%s\" has an encrypted backing file", s->v->name);
	buf_reset(path);
	buf_adds(path, buf_str(&next));
	return 0;
}

/* What is under it, down to the last. */
static int layers_open(struct clone_source *s, const struct op *op, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT;
	struct image image = s->image;

	buf_adds(&path, s->v->path);
	while (image.backing[0]) {
		if (s->layers == ARRAY_LEN(s->under))
			return err_set(e, ERR_UNSUPPORTED, "volume \"%s\" has more than %zu images under it",
			               s->v->name, s->layers);
		if (layer_open(s, op, buf_str(&path), &image, &path, e) < 0)
			return -1;
		if (s->layers > 1)
			s->under[s->layers - 2].backing = &s->under[s->layers - 1];
	}
	return 0;
}

/* A private value is shown to nobody, and what it protects to root alone: for others the new volume has to be
 * protected so too. */
static int check_private(const struct volume_def *v, const struct clone_source *s,
                         const struct secret_value *old, const struct secret_value *new, const struct op *op,
                         struct err *e)
{
	if (!old->private || !op->operate || (v->encryption.format && new->private))
		return 0;
	return err_set(
		e, ERR_DENIED,
		"volume \"%s\" is encrypted with a private secret: its content is taken out of it with the "
		"level \"admin\" only, or into a volume that is encrypted with a private secret too",
		s->v->name);
}

/* Convert the source by qemu-img into the new file. Its backing files are flattened into it. */
static int convert(int fd, const struct volume_def *v, struct clone_source *s, unsigned flags,
                   const struct secret_value *secret, struct op *op, struct err *e)
{
	struct secret_value old = { 0 };
	struct volume_def wanted = *v;
	const struct qemu_img_open from = { s->fd,   s->format,
		                            s->luks, s->luks ? &old : NULL,
		                            0,       s->image.backing[0] ? &s->under[0] : NULL };
	const struct qemu_img_open to = {
		fd, v->format, v->encryption.format != NULL, v->encryption.format ? secret : NULL, 0, NULL
	};
	int rc;

	if (s->image.backing[0] && (s->luks || v->encryption.format))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" has a backing file: it is not converted from or to encryption",
		               s->v->name);
	if (layers_open(s, op, e) < 0)
		return -1;
	if (s->luks && file_volume_secret(op, s->v, &old, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot read volume \"%s\"", s->v->name);
	/* Nothing of the source is cut off, and what it lay on is in the new image. */
	if (wanted.capacity < s->capacity)
		wanted.capacity = s->capacity;
	wanted.backing.given = false;
	rc = check_private(v, s, &old, secret, op, e);
	if (rc == 0)
		rc = qemu_img_convert(&wanted, flags, &from, &to, op, e);
	secret_value_free(&old);
	return rc;
}

/* From the source's capacity to the one that is wanted. What was converted with encryption has it from the
 * beginning. */
static int grow_clone(int fd, const struct volume_def *v, const struct clone_source *s, struct op *op,
                      struct err *e)
{
	const struct qemu_img_open image = {
		fd, v->format, false, NULL, s->image.backing[0] ? v->capacity : 0, NULL
	};
	int rc = 1;

	if (v->capacity <= s->capacity)
		return 0;
	if (streq(plain_format(v->format), "raw"))
		return ftruncate(fd, (off_t)v->capacity) < 0
		               ? err_sys(e, errno, "cannot give \"%s\" %llu bytes", v->name,
		                         (unsigned long long)v->capacity)
		               : 0;
	if (streq(v->format, "qcow2"))
		rc = qcow2_grow(fd, v->capacity, e);
	return rc > 0 ? qemu_img_resize(&image, v->capacity, false, op, e) : rc;
}

/* Check, copy or convert, grow, and set storage aside: each step may fail, and the caller takes the whole
 * file away then. */
static int fill_clone(int fd, const struct pool_def *d, const struct volume_def *v, struct clone_source *s,
                      unsigned flags, const struct secret_value *secret, struct op *op, struct err *e)
{
	bool copy = is_copy(v, s, flags);
	uint64_t capacity = v->capacity > s->capacity ? v->capacity : s->capacity;

	if (check_source(d, v, s, flags, e) < 0)
		return -1;
	if (copy && s->luks && v->capacity > s->capacity)
		return err_set(e, ERR_UNSUPPORTED,
		               "a copy of an encrypted volume has its capacity: resize it afterwards");
	if ((copy ? copy_content(fd, v, s, flags, op, e) : convert(fd, v, s, flags, secret, op, e)) < 0)
		return -1;
	if (is_device(fd))
		return 0;
	if (!v->encryption.format && grow_clone(fd, v, s, op, e) < 0)
		return -1;
	/* holes are kept unless all of it is to have storage */
	if (streq(plain_format(v->format), "raw") && !v->encryption.format &&
	    (!v->has_allocation || v->allocation >= capacity))
		return raw_allocate(fd, capacity, op, v->name, e);
	return 0;
}

int clone_content(int fd, const struct pool_def *d, const struct volume_def *v, const struct vol_input *from,
                  unsigned flags, const struct secret_value *secret, struct op *op, struct err *e)
{
	demand(fd >= 0 && d && v->name && from && from->pool && from->volume && op, e);

	struct clone_source s;
	int rc = source_open(&s, from, op, e);

	if (rc == 0)
		rc = fill_clone(fd, d, v, &s, flags, secret, op, e);
	if (s.fd >= 0)
		close(s.fd);
	for (size_t i = 0; i < s.layers; i++)
		close(s.under[i].fd);
	return rc;
}
