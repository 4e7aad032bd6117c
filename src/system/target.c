/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a target path to its directory. The kernel would follow any link on the way, and whoever owns a
 * directory above the target may put one there: root would then list, make, own and mount in a place of their
 * choice. So the way is walked one name at a time, unless the kernel says that there is no link on it
 * (openat2(2), Linux 5.6).
 */
#include "system/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/util.h"

#define LINKS_MAX    40 /* as the kernel has it */
#define MODE_PARENTS 0755
#define MODE_TARGET  0711

/* What is asked of statx(2), as the kernel has it: C libraries disagree about how much of it they know. */
struct facts {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare;
	uint64_t ino, more[11];
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mount, rest[13];
};
_Static_assert(sizeof(struct facts) == 256, "struct statx has 256 bytes");
enum { ASK_INO = 0x100, ASK_MOUNT = 0x1000, EMPTY_PATH = 0x1000, DO_NOT_SYNC = 0x4000 };

/* ---- the way ---- */

struct walk {
	const char *path;    /* as it was given */
	char rest[PATH_MAX]; /* of the way */
	int dir, links;
	bool make;
};

/* A user may serve a FUSE mount, and say of anything in it that it is root's. */
bool target_owners_are_hearsay(int fd)
{
	return file_is_on(fd, (const uint32_t[]){ FUSE_SUPER_MAGIC, 0 });
}

/* root, or whoever runs this, who can do no more than that to himself. */
static bool is_trusted_owner(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* Follow the link `name`: what it says goes in front of the rest of the way. It is judged by the descriptor
 * that it is read from. */
static int follow_link(struct walk *w, const char *name, struct err *e)
{
	cleanup_close int link = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char next[PATH_MAX], says[PATH_MAX];
	struct stat st, above;
	ssize_t n = link < 0 ? -1 : readlinkat(link, "", says, sizeof(says) - 1);

	if (n < 0 || fstat(link, &st) < 0 || fstat(w->dir, &above) < 0)
		return err_sys(e, errno, "cannot follow the link \"%s\" in %s", name, w->path);
	if (!is_trusted_owner(st.st_uid) || !is_trusted_owner(above.st_uid) ||
	    ((above.st_mode & 0022) && !(above.st_mode & S_ISVTX)))
		return err_set(e, ERR_DENIED,
		               "the path %s is not followed: \"%s\" in it is a link that others than root "
		               "may make (it is uid %u's, in a directory of uid %u with mode %04o); give the "
		               "path that it leads to",
		               w->path, name, (unsigned)st.st_uid, (unsigned)above.st_uid,
		               (unsigned)above.st_mode & 07777);
	if (target_owners_are_hearsay(link))
		return err_set(e, ERR_DENIED,
		               "the path %s is not followed: \"%s\" in it is a link in a FUSE filesystem, "
		               "whose server may be anybody's; give the path that it leads to",
		               w->path, name);
	says[n] = '\0';
	if (++w->links > LINKS_MAX)
		return err_sys(e, ELOOP, "cannot follow %s", w->path);
	if (snprintf(next, sizeof(next), "%s/%s", says, w->rest) >= (int)sizeof(next))
		return err_sys(e, ENAMETOOLONG, "cannot follow %s", w->path);
	memcpy(w->rest, next, strlen(next) + 1);
	if (says[0] != '/')
		return 0;
	close(w->dir);
	w->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->dir < 0 ? err_sys(e, errno, "cannot open /") : 0;
}

/* Cut the next name off the rest of the way; false: there is none. */
static bool next_component(struct walk *w, char name[NAME_MAX + 1], bool *fits)
{
	const char *from = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(from, "/");

	*fits = n <= NAME_MAX;
	if (n == 0 || !*fits)
		return false;
	memcpy(name, from, n);
	name[n] = '\0';
	from += n;
	memmove(w->rest, from, strlen(from) + 1);
	return true;
}

/* Into one directory. O_NOFOLLOW: if a link has come there since it was looked for, it is not followed. */
static int walk_step(struct walk *w, const char *name, struct err *e)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(w->dir, name, flags);

	if (fd < 0 && errno == ENOENT && w->make &&
	    (mkdirat(w->dir, name, MODE_PARENTS) == 0 ? file_sync_dir(w->dir) == 0 : errno == EEXIST))
		fd = openat(w->dir, name, flags);
	if (fd < 0) {
		err_sys(e, errno, "cannot open directory \"%s\" of %s", name, w->path);
		return -1;
	}
	close(w->dir);
	w->dir = fd;
	return 0;
}

/* The way, name by name. The last name is not opened: it may not exist, or may be where something is mounted
 * that does not answer. ".." at the end is walked, since it has no name of its own there. */
static int walk_way(struct walk *w, struct target_end *end, struct err *e)
{
	char name[NAME_MAX + 1], byte[1];
	bool fits;

	while (next_component(w, name, &fits)) {
		if (readlinkat(w->dir, name, byte, sizeof(byte)) >= 0) {
			if (follow_link(w, name, e) < 0)
				return -1;
		} else if (w->rest[strspn(w->rest, "/")] == '\0' && !streq(name, "..")) {
			memcpy(end->name, name, sizeof(name));
			return 0;
		} else if (walk_step(w, name, e) < 0) {
			return -1;
		}
	}
	memcpy(end->name, ".", 2);
	return fits ? 0 : err_sys(e, ENAMETOOLONG, "cannot open %s", w->path);
}

int target_walk(const char *path, bool make, struct target_end *end, struct err *e)
{
	demand(path && end, e);

	struct walk w = { .path = path, .make = make };

	end->dir = -1;
	if (*path != '/' || snprintf(w.rest, sizeof(w.rest), "%s", path) >= (int)sizeof(w.rest))
		return err_set(e, ERR_INVALID, "\"%.200s\" is not an absolute path, or is too long", path);
	w.dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.dir < 0)
		return err_sys(e, errno, "cannot open /");
	if (walk_way(&w, end, e) < 0) {
		if (w.dir >= 0)
			close(w.dir);
		return -1;
	}
	end->dir = w.dir;
	return 0;
}

/* ---- its end ---- */

/* The end itself, which must be a directory and no link. */
static int open_end(const char *path, const struct target_end *end, int flags, struct err *e)
{
	int fd = openat(end->dir, end->name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		err_sys(e, errno, "cannot open directory %s", path);
	return fd;
}

int target_open_path(const char *path, int flags, struct err *e)
{
	demand(path, e);

	struct target_end end;
	int fd = *path == '/' ? file_open_how(AT_FDCWD, path, flags | O_DIRECTORY, RESOLVE_NO_SYMLINKS) : -1;

	if (fd < 0 && target_walk(path, false, &end, e) == 0) {
		fd = open_end(path, &end, flags, e);
		close(end.dir);
	}
	return fd;
}

int target_make(const char *path, int flags, bool *made, struct err *e)
{
	demand(path, e);

	struct target_end end;
	int fd = -1;

	if (target_walk(path, true, &end, e) < 0)
		return -1;
	bool is_new = mkdirat(end.dir, end.name, MODE_TARGET) == 0;
	if (is_new ? file_sync_dir(end.dir) < 0 : errno != EEXIST)
		err_sys(e, errno, "cannot make directory %s", path);
	else
		fd = open_end(path, &end, flags, e);
	if (made)
		*made = is_new;
	close(end.dir);
	return fd;
}

int target_remove(const char *path, struct err *e)
{
	struct target_end end;
	int rc = target_walk(path, false, &end, e);

	if (rc < 0)
		return -1;
	rc = unlinkat(end.dir, end.name, AT_REMOVEDIR);
	if (rc < 0)
		err_sys(e, errno, "cannot remove directory %s", path);
	else if (file_sync_dir(end.dir) < 0)
		rc = err_sys(e, errno, "directory %s is removed, but the one above it cannot be synced",
		             path);
	close(end.dir);
	return rc;
}

int target_end_path(const struct target_end *end, char out[PATH_MAX], struct err *e)
{
	demand(end->dir >= 0 && out, e);

	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", end->dir);
	n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return err_sys(e, errno, "cannot tell the path of a directory");
	out[n] = '\0';
	if (streq(end->name, "."))
		return 0;
	if (snprintf(out + n, (size_t)(PATH_MAX - n), "%s%s", streq(out, "/") ? "" : "/", end->name) >=
	    (int)(PATH_MAX - n))
		return err_sys(e, ENAMETOOLONG, "cannot tell the path of a directory");
	return 0;
}

/* ---- is it the same ---- */

/* Kernels before 5.8 tell the mount elsewhere. */
static int mount_by_fdinfo(int fd)
{
	char path[40], text[512];
	const char *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	cleanup_close int info = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, "mnt_id:");
	return line ? atoi(line + strlen("mnt_id:")) : 0;
}

/* Attributes that the kernel remembers will do: a server that does not answer is not asked. */
int target_place(int fd, struct dir_place *place, struct err *e)
{
	demand(fd >= 0 && place, e);

	struct facts f;
	struct stat st;

	if (syscall(SYS_statx, fd, "", EMPTY_PATH | DO_NOT_SYNC, ASK_INO | ASK_MOUNT, &f) == 0) {
		*place = (struct dir_place){ .known = true,
			                     .dev = makedev(f.dev_major, f.dev_minor),
			                     .ino = f.ino,
			                     .mount = f.mask & ASK_MOUNT ? (int)f.mount
			                                                 : mount_by_fdinfo(fd) };
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at it");
	*place = (struct dir_place){
		.known = true, .dev = st.st_dev, .ino = st.st_ino, .mount = mount_by_fdinfo(fd)
	};
	return 0;
}

void target_place_print(const struct dir_place *place, char *out, size_t size)
{
	demand_or(out && size > 0, );
	snprintf(out, size, "%d:%llu:%llu", place->mount, (unsigned long long)place->dev,
	         (unsigned long long)place->ino);
}

struct dir_place target_place_parse(const char *text)
{
	unsigned long long numbers[3];
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!text || *text < '0' || *text > '9')
			return (struct dir_place){ 0 };
		numbers[i] = strtoull(text, &end, 10);
		text = *end == ':' ? end + 1 : NULL;
	}
	return (struct dir_place){
		.known = true, .mount = (int)numbers[0], .dev = (dev_t)numbers[1], .ino = (ino_t)numbers[2]
	};
}
