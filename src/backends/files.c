/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A directory's files as volumes. The files belong to guests: names and contents are foreign, anything may be put in the way.
 * Nothing but a regular file is opened, nothing that a file names is opened, and no single file fails the refresh.
 */
#include "backends/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include "base/file.h"
#include "base/utf8.h"
#include "base/util.h"
#include "pool/image.h"

/* ---- the last refresh's records ---- */

/* The records of op->cache, sorted by their first bytes, "- name=NAME" as the codec wrote them. */
struct cached { const char *text; size_t prefix; };

struct cache {
	struct cached *records;
	size_t n;
	const char *end;
};

/* Length of a record's "- name=VALUE". */
static size_t prefix_len(const char *record, const char *end)
{
	const char *p = memchr(record, '=', (size_t)(end - record));

	if (!p)
		return 0;
	if (++p < end && *p == '"')
		for (p++; p < end && *p != '"' && *p != '\n'; p++)
			p += *p == '\\' && p + 1 < end;
	while (p < end && *p != ' ' && *p != '\n')
		p++;
	return (size_t)(p - record);
}

static int cached_compare(const void *a, const void *b)
{
	const struct cached *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->prefix < y->prefix ? x->prefix : y->prefix);

	return order ? order : (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

/* Without memory for it there is no cache: all files are read again, nothing else. */
static void cache_open(struct cache *c, const char *text, size_t len)
{
	size_t lines = 0;

	*c = (struct cache){ .end = text ? text + len : NULL };
	for (const char *p = text; p && p < c->end && (p = memchr(p, '\n', (size_t)(c->end - p))); p++)
		lines++;
	c->records = lines ? calloc(lines, sizeof(*c->records)) : NULL;
	if (!c->records)
		return;
	for (const char *p = text; c->n < lines; p = (const char *)memchr(p, '\n', (size_t)(c->end - p)) + 1)
		c->records[c->n++] = (struct cached){ p, prefix_len(p, c->end) };
	qsort(c->records, c->n, sizeof(*c->records), cached_compare);
}

static const char *cache_find(const struct cache *c, const struct buf *prefix)
{
	const struct cached key = { buf_str(prefix), prefix->len };
	const struct cached *found = c->n ? bsearch(&key, c->records, c->n, sizeof(*c->records), cached_compare) : NULL;

	return found ? found->text : NULL;
}

/* ---- one refresh ---- */

/* Entries that are no volumes: counted, and told in one sentence a kind. */
enum skip { SKIP_NAME, SKIP_LINK, SKIP_SPECIAL, SKIP_KINDS };

static const char *const skip_words[SKIP_KINDS] = {
	[SKIP_NAME]    = "with control characters in the name, or not UTF-8",
	[SKIP_LINK]    = "that are links to nothing",
	[SKIP_SPECIAL] = "that are FIFOs, sockets or character devices",
};

struct refresh {
	const char *target;
	struct op *op;
	int dir;
	struct cache cache;
	struct timespec now;
	struct buf path, line;          /* of the volume at hand */
	unsigned skipped[SKIP_KINDS];
	char first[SKIP_KINDS][64];
	unsigned char head[IMAGE_HEADER_BYTES];
};

static void skip(struct refresh *r, enum skip kind, const char *name)
{
	cleanup_buf struct buf b = BUF_INIT;

	if (r->skipped[kind]++)
		return;
	line_quote(&b, name, strlen(name));
	snprintf(r->first[kind], sizeof(r->first[kind]), "%s", buf_str(&b));
}

static void tell_skipped(struct refresh *r)
{
	for (size_t i = 0; i < SKIP_KINDS; i++)
		if (r->skipped[i])
			op_note(r->op, "%s: %u entries %s are no volumes, the first: %s", r->target, r->skipped[i], skip_words[i], r->first[i]);
}

static bool name_is_clean(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_len(name + i, len - i);
		if (n == 0 || utf8_is_control(name + i, n))
			return false;
	}
	return true;
}

/* A file that was written within the clock's granularity of now may be written again without its times changing: it gets no
 * inode, so that the next refresh reads it again. Two seconds where the filesystem keeps whole seconds only. */
static bool is_settled(const struct refresh *r, const struct stat *st)
{
	int64_t age = (int64_t)(r->now.tv_sec - st->st_ctim.tv_sec) * 1000 + (r->now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;

	return age > (st->st_ctim.tv_nsec == 0 ? 2000 : 20);
}

static void fill_from_stat(const struct refresh *r, struct volume *v, const struct stat *st)
{
	v->physical = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	v->allocation = S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks * 512 : 0;
	v->has_perms = true;
	v->mode = st->st_mode & 07777;
	v->owner = st->st_uid;
	v->group = st->st_gid;
	v->has_times = true;
	v->atime.sec = st->st_atim.tv_sec;
	v->atime.nsec = (uint32_t)st->st_atim.tv_nsec;
	v->mtime.sec = st->st_mtim.tv_sec;
	v->mtime.nsec = (uint32_t)st->st_mtim.tv_nsec;
	v->ctime_.sec = st->st_ctim.tv_sec;
	v->ctime_.nsec = (uint32_t)st->st_ctim.tv_nsec;
	v->inode = S_ISREG(st->st_mode) && is_settled(r, st) ? st->st_ino : 0;
}

static bool is_unchanged(const struct volume *old, const struct stat *st)
{
	return streq(old->type, "file") && old->inode && old->inode == st->st_ino && old->physical == (uint64_t)st->st_size &&
	       old->mtime.sec == st->st_mtim.tv_sec && old->mtime.nsec == (uint32_t)st->st_mtim.tv_nsec &&
	       old->ctime_.sec == st->st_ctim.tv_sec && old->ctime_.nsec == (uint32_t)st->st_ctim.tv_nsec;
}

/* The volume as the last refresh saw it, if the file has not changed since. Its strings live in r->line. */
static bool take_from_cache(struct refresh *r, const char *name, const struct stat *st, struct volume *v)
{
	const char *record, *lf;
	struct line l;

	buf_reset(&r->line);
	line_begin(&r->line, "-");
	line_str(&r->line, "name", name);
	record = cache_find(&r->cache, &r->line);
	if (!record)
		return false;
	lf = memchr(record, '\n', (size_t)(r->cache.end - record));
	buf_reset(&r->line);
	buf_add(&r->line, record, (size_t)(lf - record));
	return !r->line.failed && line_parse_reply(r->line.data, r->line.len, &l, NULL) == 0 && volume_from_record(&l, v, NULL) == 0 &&
	       is_unchanged(v, st);
}

/* Open a file for reading its header, or -1. Looked at through O_PATH first, so that what is opened is the regular file that was seen, whatever
 * is put in its place meanwhile; without blocking, and without marking it as read where we may. */
static int open_regular(int dir, const char *name)
{
	cleanup_close int seen = openat(dir, name, O_PATH | O_CLOEXEC);
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	char path[40];
	int fd;

	if (seen < 0 || fstat(seen, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = ESTALE;
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", seen);
	fd = open(path, flags | O_NOATIME);
	return fd < 0 && errno == EPERM ? open(path, flags) : fd;
}

static ssize_t read_head(int fd, unsigned char *head, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, head + len, size - len, (off_t)len);

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

static void fill_from_image(struct volume *v, const struct image *i)
{
	v->format = i->format;
	v->capacity = i->capacity;
	v->backing = i->backing[0] ? i->backing : NULL;
	v->backing_format = i->backing_format[0] ? i->backing_format : NULL;
	v->encryption = i->encryption;
	v->compat = i->compat;
	v->cluster_size = i->cluster_size;
	v->lazy_refcounts = i->lazy_refcounts;
	v->extended_l2 = i->extended_l2;
	v->problem = i->problem[0] ? i->problem : NULL;
}

/* Read a file's header. What cannot be read is a raw volume with a problem. False: the file is gone. */
static bool take_from_file(struct refresh *r, const char *name, struct volume *v, struct image *image, char *problem, size_t size)
{
	cleanup_close int fd = -1;
	ssize_t len = 0;

	v->format = "raw";
	v->capacity = v->physical;
	if (v->physical == 0)
		return true;
	fd = open_regular(r->dir, name);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd >= 0) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);     /* the header alone: no read-ahead into the image */
		len = read_head(fd, r->head, sizeof(r->head));
	}
	if (fd < 0 || len < 0) {
		snprintf(problem, size, "cannot be read: %s", strerror(errno));
		v->problem = problem;
		v->inode = 0;                   /* it may be readable next time, though nothing of it changes */
		return true;
	}
	image_probe(r->head, (size_t)len, v->physical, image);
	fill_from_image(v, image);
	return true;
}

/* A block device (or a link to one) is a volume of its size, which sysfs tells without opening it. */
static void fill_from_device(struct volume *v, dev_t dev)
{
	char path[64], sectors[32];

	v->type = "block";
	v->format = "raw";
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev), minor(dev));
	if (file_read_line(AT_FDCWD, path, sectors, sizeof(sectors)) > 0)
		v->capacity = v->allocation = v->physical = strtoull(sectors, NULL, 10) * 512;
	else
		v->problem = "there is no such device now";
}

static void report(struct refresh *r, const char *name, const struct stat *st)
{
	struct volume v = { .name = name, .type = "file" };
	struct image image;
	char problem[128];

	if (S_ISREG(st->st_mode) && take_from_cache(r, name, st, &v))
		fill_from_stat(r, &v, st);
	else {
		v = (struct volume){ .name = name, .type = "file" };
		fill_from_stat(r, &v, st);
		if (S_ISDIR(st->st_mode))
			v.type = v.format = "dir";
		else if (S_ISBLK(st->st_mode))
			fill_from_device(&v, st->st_rdev);
		else if (!take_from_file(r, name, &v, &image, problem, sizeof(problem)))
			return;
	}
	v.name = name;
	v.path = v.key = buf_str(&r->path);
	if (r->op->on_volume)
		r->op->on_volume(r->op, &v);
}

/* One that cannot even be looked at is listed all the same: it is there. */
static void report_unseen(struct refresh *r, const char *name, int error)
{
	char problem[128];

	snprintf(problem, sizeof(problem), "cannot be looked at: %s", strerror(error));

	const struct volume v = {
		.name = name, .type = "file", .format = "raw", .problem = problem, .path = buf_str(&r->path), .key = buf_str(&r->path),
	};

	if (r->op->on_volume)
		r->op->on_volume(r->op, &v);
}

static void entry(struct refresh *r, const char *name)
{
	struct stat st;
	bool link = false;
	int rc;

	if (!name_is_clean(name)) {
		skip(r, SKIP_NAME, name);
		return;
	}
	buf_reset(&r->path);
	buf_printf(&r->path, "%s/%s", streq(r->target, "/") ? "" : r->target, name);
	rc = fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW);
	if (rc == 0 && S_ISLNK(st.st_mode)) {
		link = true;
		rc = fstatat(r->dir, name, &st, 0);
	}
	if (rc < 0 && link)
		skip(r, SKIP_LINK, name);
	else if (rc < 0 && errno != ENOENT)
		report_unseen(r, name, errno);
	else if (rc == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)))
		report(r, name, &st);
	else if (rc == 0)
		skip(r, SKIP_SPECIAL, name);
}

static int entries(struct refresh *r, DIR *dir, struct err *e)
{
	const struct dirent *d;

	while (errno = 0, (d = readdir(dir)))
		if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
			entry(r, d->d_name);
	return errno ? err_sys(e, errno, "cannot list directory %s", r->target) : 0;
}

static int sizes_read(int fd, const char *target, struct pool_sizes *sizes, struct err *e)
{
	struct statvfs s;

	if (fstatvfs(fd, &s) < 0)
		return err_sys(e, errno, "cannot get the size of the filesystem at %s", target);
	sizes->capacity = (uint64_t)s.f_blocks * s.f_frsize;
	sizes->available = (uint64_t)s.f_bfree * s.f_frsize;
	sizes->allocation = sizes->capacity - sizes->available;
	return 0;
}

int files_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	const char *target = d->target.path;
	int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct refresh *r;
	int rc = -1;

	if (!dir) {
		err_sys(e, errno, "cannot list directory %s", target);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	r = calloc(1, sizeof(*r));
	if (r) {
		*r = (struct refresh){ .target = target, .op = op, .dir = fd };
		clock_gettime(CLOCK_REALTIME, &r->now);
		cache_open(&r->cache, op->cache, op->cache_len);
		rc = entries(r, dir, e);
		if (rc == 0)
			rc = sizes_read(fd, target, sizes, e);
		tell_skipped(r);
		free(r->cache.records);
		buf_free(&r->path);
		buf_free(&r->line);
		free(r);
	} else {
		err_set(e, ERR_NO_MEMORY, "cannot list directory %s: out of memory", target);
	}
	closedir(dir);
	return rc;
}

/* ---- building ---- */

#define BTRFS_MAGIC 0x9123683Eu

enum { MODE_DEFAULT = 0711, MODE_PARENTS = 0755 };

/* ioctl(2) itself: C libraries disagree about the type of a request. */
static int attributes(int fd, unsigned long request, int *value)
{
	return (int)syscall(SYS_ioctl, fd, request, value);
}

/* Disk images on btrfs fragment badly unless copy-on-write is off for their directory; only a definition that asks for it may fail by it. */
static int set_cow(int fd, const char *target, int cow, struct err *e)
{
	struct statfs s;
	int flags;

	if (fstatfs(fd, &s) < 0 || (unsigned)s.f_type != BTRFS_MAGIC)
		return cow < 0 ? 0 : err_set(e, ERR_UNSUPPORTED, "cannot set copy-on-write of %s: it is not on btrfs", target);
	if (cow == 1)
		return 0;
	if (attributes(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		if (attributes(fd, FS_IOC_SETFLAGS, &flags) == 0)
			return 0;
	}
	return cow < 0 ? 0 : err_sys(e, errno, "cannot turn copy-on-write off for %s", target);
}

static int make_parents(const char *target, struct err *e)
{
	cleanup_free char *parent = strdup(target);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (!slash)
		return err_set(e, ERR_INVALID, "cannot make directory \"%s\": not an absolute path", target);
	*slash = '\0';
	return *parent ? file_mkdirs(parent, MODE_PARENTS, e) : 0;
}

int files_build(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct pool_perms *p = &d->target.perms;
	const char *target = d->target.path;
	cleanup_close int fd = -1;
	bool made;

	(void)op;
	if (make_parents(target, e) < 0)
		return -1;
	made = mkdir(target, MODE_DEFAULT) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, errno, "cannot make directory %s", target);
	fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open directory %s", target);
	/* -1 leaves the owner or the group as it is; owner before mode, because chown(2) clears the set-id bits */
	if ((p->owner >= 0 || p->group >= 0) && fchown(fd, (uid_t)p->owner, (gid_t)p->group) < 0)
		return err_sys(e, errno, "cannot give %s to %lld:%lld", target, (long long)p->owner, (long long)p->group);
	if ((made || p->mode >= 0) && fchmod(fd, p->mode >= 0 ? (mode_t)p->mode & 07777 : MODE_DEFAULT) < 0)
		return err_sys(e, errno, "cannot set the mode of %s", target);
	return made || d->cow >= 0 ? set_cow(fd, target, d->cow, e) : 0;
}
