/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole files: read, replaced, poked, removed; directories made. The names of paths are at the end.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/syscall.h>

#include "base/contract.h"
#include "base/random.h"
#include "base/util.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* ---- reading ---- */

/* Opened only after it is known to be a regular file: opening a device or a FIFO may have effects of its
 * own. */
static int open_regular(int dirfd, const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, path, &st, 0) < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "cannot read %s: not a regular file", path);
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID, "cannot read %s: not a regular file", path);
	}
	return fd;
}

int file_read_open(int fd, const char *path, size_t limit, struct buf *b, struct err *e)
{
	demand(path && b, e);

	char chunk[4096];
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", path);
		total += (size_t)n;
		if (total > limit)
			return err_set(e, ERR_TOO_LONG, "cannot read %s: longer than %zu bytes", path, limit);
		buf_add(b, chunk, (size_t)n);
	}
	buf_add(b, "", 0);
	if (b->failed)
		return err_set(e, ERR_NO_MEMORY, "cannot read %s: not enough memory", path);
	return 0;
}

int file_read(int dirfd, const char *path, size_t limit, struct buf *b, struct err *e)
{
	cleanup_close int fd = open_regular(dirfd, path, e);

	return fd < 0 ? -1 : file_read_open(fd, path, limit, b, e);
}

/* Up to size bytes; fewer only at the end of the file. -1 with errno. */
static ssize_t read_full(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, out + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

ssize_t file_pread(int fd, void *out, size_t size, uint64_t offset)
{
	demand_or(out || size == 0, -1);

	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, (char *)out + len, size - len, (off_t)(offset + len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

ssize_t file_read_line(int dirfd, const char *path, char *out, size_t size)
{
	demand_or(out && size > 0, -1);

	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;
	char *end;

	if (fd < 0)
		return -1;
	n = read_full(fd, out, size);
	if (n < 0)
		return -1;
	end = memchr(out, '\n', (size_t)n);
	if (!end && (size_t)n == size) {
		errno = EOVERFLOW;
		return -1;
	}
	if (!end)
		end = out + n;
	*end = '\0';
	return end - out;
}

/* ---- writing ---- */

int file_open_how(int dir, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int file_seek(int dir, const char *name, uint64_t resolve)
{
	int fd = file_open_how(dir, name, O_PATH | O_NOFOLLOW, resolve);

	return fd < 0 && errno == ENOSYS ? openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : fd;
}

int file_write(int fd, const void *data, size_t len)
{
	demand_or(data || len == 0, -1);
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

/* The directory that path is in, opened. */
static int open_parent(int dirfd, const char *path)
{
	const char *base = path_base(path);
	size_t len = (size_t)(base - path);
	char dir[4096];

	if (len >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, path, len);
	dir[len] = '\0';
	return openat(dirfd, len ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool file_is_on(int fd, const uint32_t *kinds)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	while (*kinds && (uint32_t)s.f_type != *kinds)
		kinds++;
	return *kinds != 0;
}

/* Directories of some filesystems cannot be synced; those have nothing to lose by it. */
int file_sync_dir(int dir)
{
	cleanup_close int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd >= 0 && fsync(fd) == 0) || errno == EINVAL || errno == ENOTSUP || errno == EROFS ||
	                       errno == EACCES
	               ? 0
	               : -1;
}

void file_random_suffix(char *out, int len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint64_t n;

	random_fill(&n, sizeof(n));
	for (int i = 0; i < len; i++, n /= sizeof(letters) - 1)
		out[i] = letters[n % (sizeof(letters) - 1)];
	out[len] = '\0';
}

enum { SUFFIX = sizeof(".abcdef") - 1 };

/* A new file beside `base`, its name in name[]. */
/* It begins with a dot, and has the name in it: file_sweep() finds it by both, and listings pass it. */
static int open_beside(int dir, const char *base, char *name, size_t size)
{
	int fd = -1;

	for (int attempt = 0; attempt < 16; attempt++) {
		char suffix[7];

		file_random_suffix(suffix, sizeof(suffix) - 1);
		snprintf(name, size, ".%.200s.%s", base, suffix);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

/* fchmod, because the mode given to open is cut by the umask; close is asked too, since NFS reports a full
 * disk there. */
static int write_and_close(int fd, const void *data, size_t len, mode_t mode)
{
	if (file_write(fd, data, len) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd) < 0 && errno != EINTR ? -1 : 0;
}

int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	require(data || len == 0, e);

	const char *base = path_base(path);
	cleanup_close int dir = open_parent(dirfd, path);
	char name[256];
	int fd;

	if (dir < 0)
		return err_sys(e, errno, "cannot write %s", path);
	if (!name_is_component(base))
		return err_set(e, ERR_INVALID, "cannot write %s: not the name of a file", path);
	fd = open_beside(dir, base, name, sizeof(name));
	if (fd < 0)
		return err_sys(e, errno, "cannot write %s", path);
	if (write_and_close(fd, data, len, mode) < 0 || renameat(dir, name, dir, base) < 0) {
		int saved = errno;

		unlinkat(dir, name, 0);
		return err_sys(e, saved, "cannot write %s", path);
	}
	if (file_sync_dir(dir) < 0)
		return err_sys(e, errno, "%s is written, but its directory cannot be synced", path);
	return 0;
}

/* ".NAME.abcdef", as open_beside() makes them. */
static bool is_unfinished(const char *entry, bool (*is_ours)(const char *name))
{
	size_t len = strlen(entry);
	char name[256];

	if (entry[0] != '.' || len < 1 + 1 + SUFFIX || len >= sizeof(name) || entry[len - SUFFIX] != '.')
		return false;
	memcpy(name, entry + 1, len - 1 - SUFFIX);
	name[len - 1 - SUFFIX] = '\0';
	return is_ours(name);
}

void file_sweep(int dir, bool (*is_ours)(const char *name))
{
	demand_or(is_ours, );

	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!entries && fd >= 0)
		close(fd);
	while (entries && (d = readdir(entries)))
		if (is_unfinished(d->d_name, is_ours))
			unlinkat(dir, d->d_name, 0);
	if (entries)
		closedir(entries);
}

int file_poke(int dirfd, const char *path, const char *text, struct err *e)
{
	demand(path && text, e);

	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "cannot write %s", path);
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "cannot write \"%.80s\" to %s", text, path);
	if ((size_t)n != len)
		return err_set(e, ERR_STORAGE, "cannot write \"%.80s\" to %s: only %zd bytes were taken",
		               text, path, n);
	return 0;
}

int file_remove(int dirfd, const char *path, struct err *e)
{
	cleanup_close int dir = -1;

	if (unlinkat(dirfd, path, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot remove %s", path);
	dir = open_parent(dirfd, path);
	if (dir < 0 || file_sync_dir(dir) < 0)
		return err_sys(e, errno, "%s is removed, but its directory cannot be synced", path);
	return 0;
}

/* ---- directories ---- */

static bool path_is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where the directory is there already it does not matter why mkdir refused (EEXIST, or EROFS, EACCES above
 * it). */
static int make_one(const char *path, mode_t mode, bool kept, struct err *e)
{
	int saved;

	if (mkdir(path, mode) == 0) {
		if (!kept)
			return 0;
		cleanup_close int above = open_parent(AT_FDCWD, path);

		return above < 0 || file_sync_dir(above) < 0
		               ? err_sys(e, errno, "directory %s is made, but cannot be synced", path)
		               : 0;
	}
	saved = errno;
	if (path_is_directory(path))
		return 0;
	return err_sys(e, saved == EEXIST ? ENOTDIR : saved, "cannot make directory %s", path);
}

/* Each directory of the path in turn. part is cut at every '/' and made whole again. */
static int make_all(const char *path, mode_t mode, bool kept, struct err *e)
{
	char part[4096];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return err_sys(e, len ? ENAMETOOLONG : ENOENT, "cannot make directory \"%.100s\"", path);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/' || part[i - 1] == '/')
			continue;
		part[i] = '\0';
		if (make_one(part, mode, kept, e) < 0)
			return -1;
		part[i] = '/';
	}
	return make_one(part, mode, kept, e);
}

int file_mkdirs(const char *path, mode_t mode, struct err *e)
{
	return make_all(path, mode, false, e);
}

int file_mkdirs_kept(const char *path, mode_t mode, struct err *e)
{
	return make_all(path, mode, true, e);
}

int file_leave(const char *dir, const char *name, const char *text, struct err *e)
{
	demand(dir && name && text, e);

	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_mkdirs(dir, 0755, e) < 0 ? -1 : file_replace(AT_FDCWD, path, text, strlen(text), 0644, e);
}

/* ---- names ---- */

void path_tidy(char *path)
{
	demand_or(path, );

	const char *scheme = strstr(path, "://");
	const char *from = path;
	char *to = path;

	if (scheme && !memchr(path, '/', (size_t)(scheme - path))) /* a URI: its slashes mean something */
		return;
	/* POSIX leaves two leading slashes to the system */
	if (from[0] == '/' && from[1] == '/' && from[2] != '/') {
		from += 2;
		to += 2;
	}
	while (*from) {
		if (*from != '/') {
			*to++ = *from++;
			continue;
		}
		while (*from == '/')
			from++;
		if (*from || to == path)
			*to++ = '/';
	}
	*to = '\0';
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool name_is_component(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 255 || streq(name, ".") || streq(name, ".."))
		return false;
	for (const char *p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

void file_keep_only(int fd)
{
	if (fd > 3)
		syscall(SYS_close_range, 3u, (unsigned)fd - 1, 0);
	syscall(SYS_close_range, (unsigned)(fd < 2 ? 2 : fd) + 1, ~0u, 0);
}

int file_copy_program(const char *from_path, const char *path, struct err *e)
{
	cleanup_close int from = open(from_path, O_RDONLY | O_CLOEXEC);
	cleanup_close int to = from < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n = to < 0 ? -1 : 1;

	while (n > 0)
		n = sendfile(to, from, NULL, 1 << 20);
	if (n == 0)
		return 0;
	err_sys(e, errno, "cannot copy %s to %s", from_path, path);
	if (to >= 0)
		unlink(path);
	return -1;
}
