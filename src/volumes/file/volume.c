/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * File volumes that are there: opened, deleted, resized, wiped.
 */
#include "volumes/file/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/target.h"
#include "volumes/directory/parts.h"
#include "volumes/file/aside.h"
#include "volumes/file/room.h"
#include "volumes/image/header.h"
#include "volumes/image/qcow2.h"
#include "volumes/image/qemu_img.h"
#include "volumes/image/raw.h"
#include "volumes/pool_dir.h"
#include "volumes/wipe.h"

/* ---- opening ---- */

/* On a network filesystem root may be nobody (root_squash): then as the file's owner. The descriptor keeps
 * what it was opened with. */
static int open_as_owner(const char *path, int flags, const struct stat *st)
{
	gid_t gid = (gid_t)setfsgid(st->st_gid);
	uid_t uid = (uid_t)setfsuid(st->st_uid);
	int fd = open(path, flags);
	int saved = errno;

	setfsuid(uid);
	setfsgid(gid);
	errno = saved;
	return fd;
}

/* A directory can be listed and deleted; a device of another kind is nobody's volume. */
static int not_openable(const char *name, const struct stat *st, struct err *e)
{
	if (S_ISDIR(st->st_mode))
		return err_set(e, ERR_UNSUPPORTED, "volume \"%s\" is a directory", name);
	return err_set(e, ERR_UNSUPPORTED, "volume \"%s\" is not a regular file", name);
}

/* Judged by what is open already, so that it does not matter what is put in its place. */
static int may_open(const struct op *op, int dir, const char *name, const struct stat *st, struct err *e)
{
	struct stat directory;

	if (!S_ISREG(st->st_mode))
		return not_openable(name, st, e);
	if (!op->operate)
		return 0;
	if (fstat(dir, &directory) < 0)
		return err_sys(e, errno, "cannot open volume \"%s\"", name);
	return !files_is_doubtful(&directory, st)
	               ? 0
	               : err_set(e, ERR_DENIED,
	                         "volume \"%s\" is a hard link to what may be somebody else's: only root may "
	                         "use it (it can be deleted)",
	                         name);
}

int file_volume_open(const struct pool_def *d, const struct op *op, const char *name, int mode,
                     struct stat *st, struct err *e)
{
	demand(name && st && op, e);
	demand(mode == O_RDONLY || mode == O_RDWR, e);

	cleanup_close int dir = -1, seen = -1;
	const int flags = mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[40];
	int fd;

	if (!name_is_component(name))
		return err_set(e, ERR_INVALID, "\"%.100s\" is not the name of a volume in a directory", name);
	dir = pool_dir_open(d, O_PATH, e);
	if (dir < 0)
		return -1;
	/* one component: O_NOFOLLOW says the same */
	seen = file_seek(dir, name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (seen < 0 && errno == ELOOP)
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is a link: nothing is read or written through it", name);
	if (seen < 0 && errno == ENOENT)
		return err_set(e, ERR_NO_VOLUME, "volume \"%s\" is not there any more", name);
	if (seen < 0 || fstat(seen, st) < 0)
		return err_sys(e, errno, "cannot open volume \"%s\"", name);
	if (S_ISLNK(st->st_mode))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is a link: nothing is read or written through it", name);
	if (may_open(op, dir, name, st, e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", seen);
	fd = open(path, flags);
	/* Only on a network filesystem: on this machine's own root is refused for a reason. */
	if (fd < 0 && (errno == EACCES || errno == EPERM) && pool_type_info(d->type)->root_is_nobody)
		fd = open_as_owner(path, flags, st);
	return fd < 0 ? err_sys(e, errno, "cannot open volume \"%s\"", name) : fd;
}

int file_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                  struct err *e)
{
	demand(v->name && size, e);

	struct stat st;
	int fd = file_volume_open(d, op, v->name, write ? O_RDWR : O_RDONLY, &st, e);

	if (fd >= 0)
		*size = (uint64_t)st.st_size;
	return fd;
}

/* ---- what is known ---- */

bool file_volume_known(const struct op *op, const char *name, struct buf *text, struct line *line,
                       struct volume *v)
{
	size_t len = 0;
	long i = op->index ? volindex_by_name(op->index, name) : -1;
	const char *record = i < 0 ? NULL : volindex_record(op->index, (size_t)i, &len);

	buf_reset(text);
	if (record)
		buf_add(text, record, len - 1); /* without its LF */
	return record && !text->failed && line_parse_reply(text->data, text->len, line, NULL) == 0 &&
	       volume_from_record(line, v, NULL) == 0;
}

int file_volume_secret(const struct op *op, const struct volume *v, struct secret_value *out, struct err *e)
{
	const struct volume_secret by_path = { .type = "passphrase", .usage = v->path };

	return secret_find_volume(&by_path, op->secret_dirs, out, e);
}

/* ---- deleting ---- */

/* What goes to the child, if it has to be done as the file's owner. */
struct deletion {
	int dir;
	const char *name;
	const struct pool_def *d;
};

/* Never follows a link: it is the entry that goes. */
static int delete_entry(void *arg, struct err *e)
{
	const struct deletion *del = arg;
	struct stat st;

	if (fstatat(del->dir, del->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot look at volume \"%s\"", del->name);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED, "volume \"%s\" is a device: it is not deleted", del->name);
	if (unlinkat(del->dir, del->name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT) {
		if (errno == ENOTEMPTY || errno == EEXIST)
			return err_set(e, ERR_BUSY, "volume \"%s\" is a directory that is not empty",
			               del->name);
		return err_sys(e, errno, "cannot delete volume \"%s\"", del->name);
	}
	if (fsync(del->dir) < 0 && errno != EINVAL && errno != ENOTSUP)
		return err_sys(e, errno, "volume \"%s\" is deleted, but its directory cannot be synced",
		               del->name);
	return 0;
}

int file_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e)
{
	demand(v->name, e);

	cleanup_close int dir = -1;
	struct deletion del = { .name = v->name, .d = d };
	int rc;

	(void)op;
	if (!name_is_component(v->name))
		return err_set(e, ERR_INVALID, "\"%.100s\" is not the name of a volume in a directory",
		               v->name);
	dir = del.dir = pool_dir_open(d, O_RDONLY, e);
	if (dir < 0)
		return -1;
	/* The entry's directory was opened with root's rights; to unlink needs write permission there, which
	 * on an export with root_squash only the owner may have. */
	rc = delete_entry(&del, e);
	if (rc < 0 && err_is(e, ERR_DENIED) && pool_type_info(d->type)->root_is_nobody && v->has_perms &&
	    v->owner != 0)
		rc = aside_as(v->owner, v->group, delete_entry, &del, e);
	return rc;
}

/* ---- resizing ---- */

/* An ISO image is raw: its bytes are the disc's. */
static bool is_raw_format(const char *format)
{
	return !format || streq(format, "raw") || streq(format, "iso");
}

/* One resize. `now` is the capacity that the volume has, in bytes: the file's length for raw ones. */
struct resize {
	const struct volume *v;
	int fd;
	struct stat st;
	struct image image;
	uint64_t now, capacity;
	unsigned flags;
	bool luks;
	struct op *op;
};

/* The rules of sizes, before anything is changed. */
static int resize_check(const struct resize *r, struct err *e)
{
	const unsigned long long now = r->now, wanted = r->capacity,
				 allocated = (unsigned long long)r->st.st_blocks * 512;
	struct statvfs s;
	uint64_t left;

	if (wanted < now && !(r->flags & VOL_SHRINK))
		return err_set(e, ERR_INVALID,
		               "%llu bytes are less than the %llu that it has: shrinking loses data and must "
		               "be asked for (--shrink)",
		               wanted, now);
	if (wanted < now && wanted < allocated)
		return err_set(e, ERR_INVALID, "%llu bytes are less than the %llu that are allocated to it",
		               wanted, allocated);
	if (!(r->flags & VOL_ALLOCATE))
		return 0;
	if (!is_raw_format(r->v->format) || r->luks)
		return err_set(e, ERR_UNSUPPORTED,
		               "storage can be allocated to raw volumes only, not to %s ones",
		               r->luks ? "encrypted" : r->v->format);
	if (wanted > now && room_read(r->fd, &s, &left) == 0 && wanted - now > left)
		return err_set(e, ERR_NO_SPACE, "%llu more bytes do not fit: the pool has %llu left",
		               wanted - now, (unsigned long long)left);
	return 0;
}

/* qemu-img resizes it. The backing file is not opened: where the image becomes larger an empty one stands in
 * for it, so that what is added reads as zeros. */
static int resize_by_tool(const struct resize *r, struct err *e)
{
	struct secret_value secret = { 0 };
	const struct qemu_img_open image = { r->fd,
		                             r->v->format,
		                             r->luks,
		                             r->luks ? &secret : NULL,
		                             r->image.backing[0] && (r->luks || r->capacity > r->now)
		                                     ? r->capacity
		                                     : 0,
		                             NULL };
	int rc;

	if (image_file_complete(r->fd, &r->image, r->v->name, e) < 0)
		return -1;
	if (r->image.encryption && !r->luks)
		return err_set(e, ERR_UNSUPPORTED, "it is encrypted as \"%s\"", r->image.encryption);
	if (r->luks && file_volume_secret(r->op, r->v, &secret, e) < 0)
		return -1;
	rc = qemu_img_resize(&image, r->capacity, r->capacity < r->now, r->op, e);
	secret_value_free(&secret);
	if (rc == 0 && fsync(r->fd) < 0)
		rc = err_sys(e, errno, "cannot write it");
	return rc;
}

/* Find out how large it is, and whether the wish can be met. Images are asked by their header, encrypted raw
 * ones too: the capacity begins behind it. */
static int resize_open(struct resize *r, struct err *e)
{
	const struct volume *v = r->v;

	r->now = (uint64_t)r->st.st_size;
	/* A hard link of doubtful origin is listed without its facts. Who may resize it at all is root, who
	 * would go by a format that nobody has looked up. */
	if (v->problem && r->st.st_nlink > 1)
		return err_set(e, ERR_UNSUPPORTED, "what is in it was not looked at");
	if (is_raw_format(v->format) && !v->encryption)
		return resize_check(r, e);
	if (image_file_look(r->fd, r->now, is_raw_format(v->format) ? "raw" : v->format, v->name, &r->image,
	                    e) < 0)
		return -1;
	r->now = r->image.capacity;
	r->luks = r->image.encryption && starts_with(r->image.encryption, "luks");
	if (resize_check(r, e) < 0)
		return -1;
	return 0;
}

/* Raw files are resized by their size alone, qcow2 images by us where they are plain, everything else by
 * qemu-img. */
static int resize_run(struct resize *r, struct err *e)
{
	int rc = 1;

	if (resize_open(r, e) < 0)
		return -1;
	if (is_raw_format(r->v->format) && !r->luks)
		return raw_resize(r->fd, r->capacity, r->flags, r->op, r->v->name, e) < 0
		               ? -1
		               : (raw_note_made(r->fd, r->op), 0);
	if (r->capacity == r->now)
		return 0;
	if (streq(r->v->format, "qcow2") && r->capacity > r->now && !r->image.encryption)
		rc = qcow2_grow(r->fd, r->capacity, e);
	return rc > 0 ? resize_by_tool(r, e) : rc;
}

int file_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                    unsigned flags, struct err *e)
{
	demand(v->name && !(flags & ~(unsigned)(VOL_ALLOCATE | VOL_SHRINK)), e);

	struct resize r = { .v = v, .capacity = capacity, .flags = flags, .op = op };
	int rc;

	r.fd = file_volume_open(d, op, v->name, O_RDWR, &r.st, e);
	if (r.fd < 0)
		return -1;
	rc = resize_run(&r, e);
	close(r.fd);
	return rc < 0 ? err_wrap(e, ERR_KEEP, "cannot resize volume \"%s\"", v->name) : 0;
}

/* ---- wiping ---- */

int file_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                  struct err *e)
{
	demand(v->name && algorithm, e);

	cleanup_close int fd = -1;
	struct stat st;

	if (wipe_check(algorithm, e) < 0)
		return -1;
	fd = file_volume_open(d, op, v->name, O_RDWR, &st, e);
	return fd < 0 ? -1 : wipe(fd, algorithm, op, v->name, e);
}
