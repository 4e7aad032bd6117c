/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One name in a pool's directory: what it is, and for a file that has changed, what its header says. Nothing
 * but a regular file is opened, nothing that a file names is opened, and as little as possible is read: no
 * holes, and mostly one page.
 *
 * Whose facts are shown? Those of the directory's own entries, and behind a link those that whoever put it
 * there may read: the kernel decides, because who follows a link has the rights of its owner (eyes_of()). A
 * hard link tells nothing of who made it: see files_is_doubtful().
 */
#include "volumes/directory/parts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/utf8.h"
#include "base/util.h"
#include "system/target.h"

#define FIRST_READ 4096 /* enough for most headers */
_Static_assert(FIRST_READ <= IMAGE_HEADER_BYTES, "the rest is read behind it");
#define NOBODY 65534
#define LINKED 256 /* so much of where a link leads to is told */

struct look *look_new(const struct pool_def *d, int dir, struct op *op, bool remote)
{
	demand_or(d->target.path && dir >= 0 && op, NULL);

	struct look *k = calloc(1, sizeof(*k));
	const char *target;

	if (!k)
		return NULL;
	/* one by one: the buffer in it is not touched before it is needed */
	k->def = d;
	k->dir = dir;
	k->descriptors = -1;
	k->cache = op->index;
	k->seed = op->seed;
	k->named = op->only != NULL;
	k->remote = remote;
	k->hearsay = target_owners_are_hearsay(dir);
	k->op = op;
	k->made_file = op->made;
	stuck_read(&k->stuck, op->run_dir);
	clock_gettime(CLOCK_REALTIME, &k->now);
	fstat(dir, &k->target_stat);
	target = d->target.uri ? d->target.uri : d->target.path;
	buf_printf(&k->path, "%s/", streq(target, "/") ? "" : target);
	k->path_len = k->path.len;
	if (k->path.failed) {
		free(k);
		return NULL;
	}
	return k;
}

void look_goes_on(struct look *k, size_t done, size_t names)
{
	if (k->op->on_progress)
		k->op->on_progress(k->op, done, names);
}

void look_free(struct look *k)
{
	if (!k)
		return;
	volindex_builder_free(&k->made);
	buf_free(&k->path);
	free(k);
}

/* A name in a URI (RFC 3986), with the characters left as they are that libxml2 leaves, and so libvirt. */
static void add_escaped(struct buf *b, const char *name)
{
	for (; *name; name++) {
		bool plain = isalnum((unsigned char)*name) || strchr("-_.!~*'()@:&=+$,;", *name);

		buf_printf(b, plain ? "%c" : "%%%02X", (unsigned char)*name);
	}
}

/* The type of a volume that other hosts see under the same name is another word. */
static const char *type_word(const struct look *k, const char *type)
{
	if (k->def->target.uri && streq(type, "dir"))
		return "netdir";
	return k->def->target.uri && streq(type, "file") ? "network" : type;
}

const char *look_path(struct look *k, const char *name)
{
	demand_or(name, "");
	k->path.len = k->path_len;
	(k->def->target.uri ? add_escaped : buf_adds)(&k->path, name);
	return buf_str(&k->path);
}

/* ---- what stat(2) says ---- */

/* A name with control characters, or that is not UTF-8, is no volume: it could not be written to a line, or
 * shown. */
static bool name_is_clean(const char *name)
{
	size_t left;

	while (*name > ' ' && *name < 0x7f) /* nearly all of them */
		name++;
	left = strlen(name);
	for (size_t n; left; name += n, left -= n) {
		n = utf8_len(name, left);
		if (n == 0 || utf8_is_control(name, n))
			return false;
	}
	return true;
}

/* A file that was written within the clock's granularity of now may be written again without its times
 * changing: it gets no inode, so that the next refresh reads it again. Two seconds where the filesystem keeps
 * whole seconds only. */
static bool is_settled(const struct look *k, const struct stat *st)
{
	int64_t age = (int64_t)(k->now.tv_sec - st->st_ctim.tv_sec) * 1000 +
	              (k->now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;

	return age > (st->st_ctim.tv_nsec == 0 ? 2000 : 20);
}

bool files_is_doubtful(const struct stat *dir, const struct stat *st)
{
	bool others = dir->st_uid != 0 || dir->st_mode & (S_IWGRP | S_IWOTH);

	return S_ISREG(st->st_mode) && st->st_nlink > 1 && others &&
	       (st->st_uid != dir->st_uid || st->st_uid == 0);
}

/* Facts of the inode. Only a regular file has sizes of its own here. */
static void fill_from_stat(const struct look *k, struct volume *v, const struct stat *st)
{
	v->physical = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	v->allocation = S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks * 512 : 0;
	volume_from_stat(v, st);
	v->inode = S_ISREG(st->st_mode) && is_settled(k, st) ? st->st_ino : 0;
}

/* ---- making a record ---- */

/* The record just made is the one that the index has already: subdirectories, files that are written all the
 * time. */
static bool is_cached_record(const struct look *k, long cached)
{
	const struct volindex_item *i = &k->made.items[k->made.n - 1];
	size_t len;
	const char *record = cached < 0 ? NULL : volindex_record(k->cache, (size_t)cached, &len);

	return record && len == i->e.len && memcmp(record, k->made.own.data + i->e.offset, len) == 0;
}

/* Make the record of a volume and note where it is. One that the last index has in the same words is not
 * made twice. */
static void add_look(struct look *k, const char *name, long cached, struct volume *v, struct look_outcome *o)
{
	size_t before = k->made.own.len;

	v->name = name;
	v->type = type_word(k, v->type);
	v->path = v->key = look_path(k, name);
	if (!volindex_add(&k->made, v, k->seed, true)) {
		o->verdict = VERDICT_LONG;
		return;
	}
	k->made.failed |= k->path.failed;
	if (k->made.failed)
		return;
	o->verdict = VERDICT_NEW;
	o->at = (uint32_t)(k->made.n - 1);
	if (is_cached_record(k, cached)) {
		k->made.n--;
		k->made.own.len = before;
		o->verdict = VERDICT_KEPT;
		o->at = (uint32_t)cached;
	}
}

/* A file whose facts are not known, or are not to be shown, is listed all the same: it is there. */
static void tell_without_facts(struct look *k, const char *name, bool directory, const char *problem,
                               struct look_outcome *o)
{
	const char *type = directory ? "dir" : "file";

	add_look(k, name, cache_find(k, name),
	         &(struct volume){ .type = type, .format = directory ? type : "raw", .problem = problem }, o);
}

/* A name that cannot be looked at is listed with the reason. One that somebody has merely asked about, and
 * that was not there before, is not. */
static void tell_unseen(struct look *k, const char *name, int error, struct look_outcome *o)
{
	char problem[128];

	if (k->named && cache_find(k, name) < 0) {
		o->verdict = VERDICT_GONE;
		return;
	}
	snprintf(problem, sizeof(problem), "cannot be looked at: %s", strerror(error));
	tell_without_facts(k, name, false, problem, o);
}

void look_silent(struct look *k, const struct name *name, bool ours, struct look_outcome *o)
{
	char problem[LINKED + 80], text[LINKED];
	bool left = o->verdict == VERDICT_LEFT;
	ssize_t len = ours && (name->type == DT_LNK || name->type == DT_UNKNOWN)
	                      ? readlinkat(k->dir, name->text, text, sizeof(text) - 1)
	                      : -1;

	text[len < 0 ? 0 : len] = '\0';
	snprintf(problem, sizeof(problem), "%s%s%s",
	         left ? "is not looked at, because others do not answer" : SILENT,
	         len < 0 ? "" : ": it is a link to ", text);
	tell_without_facts(k, name->text, name->type == DT_DIR, problem, o);
}

void look_broken(struct look *k, const char *name, struct look_outcome *o)
{
	struct volume v = { .type = "file",
		            .format = "raw",
		            .problem = "its header brings down whoever reads it" };
	struct stat st;

	if (fstatat(k->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
		fill_from_stat(k, &v, &st);
		v.capacity = v.physical;
		v.inode = 0;
	}
	add_look(k, name, -1, &v, o);
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

/* Everything but a regular file. */
static void look_at_other(struct look *k, const char *name, long cached, const struct stat *st,
                          struct look_outcome *o)
{
	struct volume v = { 0 };

	o->verdict = VERDICT_SPECIAL;
	if (!S_ISDIR(st->st_mode) && !S_ISBLK(st->st_mode))
		return;
	fill_from_stat(k, &v, st);
	if (S_ISDIR(st->st_mode))
		v.type = v.format = "dir";
	else
		fill_from_device(&v, st->st_rdev);
	add_look(k, name, cached, &v, o);
}

/* ---- reading a header ---- */

int look_reopen(int descriptors, int seen, int flags)
{
	demand_or(seen >= 0, -1);

	const int always = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char digits[12] = { 0 }, *number = digits + sizeof(digits) - 1;
	int fd;

	do
		*--number = (char)('0' + seen % 10);
	while (seen /= 10);
	fd = openat(descriptors, number, flags | always | O_NOATIME);
	return fd < 0 && errno == EPERM ? openat(descriptors, number, flags | always) : fd;
}

/* A file being read: what is known of its holes. */
struct header_reading {
	int fd;
	uint64_t size, allocation;
	uint64_t hole; /* nothing but holes from here on */
	bool sparse;   /* it may have holes, and asking costs little */
};

/* Where the data begins, at or behind an offset; never more than what is known. */
static uint64_t next_header_data(struct header_reading *r, uint64_t offset)
{
	off_t at;

	if (!r->sparse)
		return offset;
	if (offset >= r->hole)
		return r->size;
	at = lseek(r->fd, (off_t)offset, SEEK_DATA);
	if (at < 0 && errno == ENXIO) {
		r->hole = offset;
		return r->size;
	}
	return at < 0 ? offset : (uint64_t)at;
}

/* The same; what is all hole is not read, which would only fill the page cache with zeroes. */
static ssize_t read_or_zero(struct header_reading *r, uint64_t offset, unsigned char *out, size_t n)
{
	if (next_header_data(r, offset) < offset + n)
		return file_pread(r->fd, out, n, offset);
	if (offset >= r->size)
		return 0;
	n = n < r->size - offset ? n : (size_t)(r->size - offset);
	memset(out, 0, n);
	return (ssize_t)n;
}

static size_t read_elsewhere(void *arg, uint64_t offset, unsigned char *out, size_t n)
{
	ssize_t got = read_or_zero(arg, offset, out, n);

	return got < 0 ? 0 : (size_t)got;
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *p++;
	return value;
}

/* The head of a qcow2 image, if all of it is in the first FIRST_READ bytes: its fields, its extensions up to
 * the one that ends them, the backing name. */
static bool is_whole_qcow2(const unsigned char *head)
{
	uint64_t version = big_endian(head + 4, 4), backing = big_endian(head + 8, 8), at = 72;

	if (memcmp(head, "QFI\xfb", 4) != 0 || version < 2 || version > 3)
		return false;
	if (version == 3)
		at = big_endian(head + 100, 4);
	while (at + 8 <= FIRST_READ && big_endian(head + at, 4) != 0)
		at += 8 + ((big_endian(head + at + 4, 4) + 7) & ~7ULL);
	return at + 8 <= FIRST_READ &&
	       (backing == 0 || (backing < FIRST_READ && big_endian(head + 16, 4) <= FIRST_READ - backing));
}

/* More of the head, from where it ends; holes are not read, and not even zeroed where it is zero already.
 * What has any data at all mostly begins with it. */
static ssize_t read_more(struct look *k, struct header_reading *r, size_t from, size_t to)
{
	ssize_t len;

	if ((from > 0 || r->allocation == 0) && next_header_data(r, from) >= to) {
		if (k->stained > from)
			memset(k->head + from, 0, k->stained - from);
		k->stained = k->stained < from ? k->stained : from;
		return (ssize_t)to;
	}
	if (from == 0 && r->allocation > sizeof(k->head))
		posix_fadvise(r->fd, 0, 0, POSIX_FADV_RANDOM); /* no read-ahead into the image */
	len = file_pread(r->fd, k->head + from, to - from, from);
	if (k->stained < to)
		k->stained = to;
	return len < 0 ? -1 : (ssize_t)from + len;
}

/* As much of the beginning as may matter, into k->head. -1 with errno. */
static ssize_t read_head(struct look *k, struct header_reading *r)
{
	size_t size = r->size < sizeof(k->head) ? (size_t)r->size : sizeof(k->head);
	ssize_t len = read_more(k, r, 0, size < FIRST_READ ? size : FIRST_READ);

	if (len < FIRST_READ || size == FIRST_READ || is_whole_qcow2(k->head))
		return len;
	return read_more(k, r, FIRST_READ, size);
}

/* Facts of the header. The strings stay in the image, which outlives the record's making. */
static void fill_from_image(struct volume *v, const struct image *i)
{
	v->format = i->format;
	v->content = i->content;
	v->capacity = i->capacity;
	v->backing = i->backing[0] ? i->backing : NULL;
	v->backing_format = i->backing_format[0] ? i->backing_format : NULL;
	v->data_file = i->data_file[0] ? i->data_file : NULL;
	v->encryption = i->encryption;
	v->compat = i->compat;
	v->cluster_size = i->cluster_size;
	v->lazy_refcounts = i->lazy_refcounts;
	v->extended_l2 = i->extended_l2;
	v->problem = i->problem[0] ? i->problem : NULL;
}

/* Read the header and tell its facts. What cannot be read (fd -1, and errno) is a raw volume with a problem.
 */
static void read_image(struct look *k, int fd, struct volume *v, struct image *image, char *problem,
                       size_t size)
{
	struct header_reading r = { .fd = fd,
		                    .size = v->physical,
		                    .allocation = v->allocation,
		                    .hole = v->physical,
		                    .sparse = !k->remote && v->allocation < v->physical };
	ssize_t len = fd < 0 ? -1 : read_head(k, &r);

	if (len < 0) {
		snprintf(problem, size, "cannot be read: %s", strerror(errno));
		v->problem = problem;
		v->inode = 0; /* it may be readable next time, though nothing of it changes */
		return;
	}
	image_probe_file(k->head, (size_t)len, &(struct image_file){ v->physical, read_elsewhere, &r },
	                 image);
	fill_from_image(v, image);
}

/* Half of the time that a new file takes is the second opening. On a filesystem of this machine nobody but
 * root can have put a device where a regular file was a moment ago; a FIFO is opened without waiting, a link
 * not at all, and fstat(2) comes before the first byte. */
static int open_at_once(const struct look *k, const char *name)
{
	return openat(k->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
}

/* A file that is looked at already, through `seen` (O_PATH), so that what is opened is the regular file that
 * was seen, whatever is put in its place meanwhile; or open for reading (fd). */
static void read_seen(struct look *k, const char *name, long cached, int seen, int fd, const struct stat *st,
                      struct look_outcome *o)
{
	cleanup_close int opened = fd < 0 && st->st_size ? look_reopen(k->descriptors, seen, O_RDONLY) : -1;
	struct volume v = { .type = "file", .format = "raw" };
	struct image image;
	char problem[128];

	fill_from_stat(k, &v, st);
	v.capacity = v.physical;
	if (v.physical)
		read_image(k, fd < 0 ? opened : fd, &v, &image, problem, sizeof(problem));
	o->disguised = cached >= 0 && cache_is_raw(k, cached) && !streq(v.format, "raw");
	add_look(k, name, cached, &v, o);
}

/* Listed without facts, because whoever made the link need not have the right to know them. */
static void tell_doubtful(struct look *k, const char *name, struct look_outcome *o)
{
	tell_without_facts(
		k, name, false,
		"is a hard link to what may be somebody else's: not looked at, and for root alone to use", o);
}

/* `regular`: that is what the directory says it is. `entry`: what it is opened as, which is the name, or
 * where a link in the same directory leads. */
static void read_volume_file(struct look *k, const char *name, const char *entry, long cached, bool regular,
                             struct look_outcome *o)
{
	cleanup_close int fd = regular && !k->remote ? open_at_once(k, entry) : -1;
	cleanup_close int seen = fd < 0 ? openat(k->dir, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	struct stat st;

	/* as what is a link now, and was a file a moment ago: whoever changed it is heard of */
	o->verdict = VERDICT_GONE;
	if ((fd < 0 && seen < 0) || fstat(fd < 0 ? seen : fd, &st) < 0) {
		if (errno != ENOENT)
			tell_unseen(k, name, errno, o);
		return;
	}
	if (S_ISLNK(st.st_mode))
		return;
	if (!S_ISREG(st.st_mode))
		look_at_other(k, name, cached, &st, o);
	else if (files_is_doubtful(&k->target_stat, &st))
		tell_doubtful(k, name, o);
	else
		read_seen(k, name, cached, seen, fd, &st, o);
}

/* ---- one name ---- */

/* Is it, by all that stat(2) says, still the file that this process has made? */
static bool is_made_here(const struct look *k, const struct stat *st)
{
	const struct made_file *m = &k->made_file;

	return m->ino && m->ino == st->st_ino && m->dev == st->st_dev && m->size == (uint64_t)st->st_size &&
	       m->changed.tv_sec == st->st_mtim.tv_sec && m->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* Its content is as the last index says; something else of it has changed. */
static bool tell_again(struct look *k, const char *name, long cached, const struct stat *st,
                       struct look_outcome *o)
{
	char copy[LINE_MAX_BYTES + 1];
	struct volume v;
	struct line l;

	if (!cache_volume(k, cached, copy, sizeof(copy), &l, &v))
		return false;
	fill_from_stat(k, &v, st);
	if (is_made_here(k, st))
		v.capacity = v.physical;
	add_look(k, name, cached, &v, o);
	return true;
}

/* A raw file that this process has just made, or made larger or smaller: what is in it is known. */
static bool tell_made(struct look *k, const char *name, long cached, const struct stat *st,
                      struct look_outcome *o)
{
	struct volume v = { .type = "file", .format = "raw" };

	if (!is_made_here(k, st))
		return false;
	if (cached >= 0)
		return cache_is_raw(k, cached) && tell_again(k, name, cached, st, o);
	fill_from_stat(k, &v, st);
	v.capacity = v.physical;
	add_look(k, name, cached, &v, o);
	return true;
}

/* The file is as it was when the last index was made. Its record is taken over, or made again where only
 * times of reading or allocation differ. */
static bool tell_kept(struct look *k, const char *name, long cached, const struct stat *st,
                      struct look_outcome *o)
{
	bool all;

	if (cached < 0 || !cache_holds(k, cached, st, &all))
		return false;
	o->verdict = VERDICT_KEPT;
	o->at = (uint32_t)cached;
	return all || tell_again(k, name, cached, st, o);
}

/* In the order of what it costs: refuse, take over from the last index, take what this process knows, read.
 */
static void look_at_file(struct look *k, const char *name, const char *entry, const struct stat *st,
                         bool may_read, struct look_outcome *o)
{
	long cached = cache_find(k, name);

	if (files_is_doubtful(&k->target_stat, st)) {
		tell_doubtful(k, name, o);
		return;
	}
	if (tell_kept(k, name, cached, st, o) || tell_made(k, name, cached, st, o))
		return;
	o->verdict = VERDICT_READ;
	if (may_read)
		read_volume_file(k, name, entry, cached, false, o);
}

/* ---- links ---- */

/* The user who put a link there, and with whose rights it is followed: its owner. Where that is root it is
 * the directory's owner, who may have moved it there. A link of root's with other names is nobody's, and so
 * is any link where owners are hearsay. */
static uint32_t eyes_of(const struct look *k, const struct stat *link)
{
	if (k->hearsay)
		return NOBODY;
	if (link->st_uid != 0)
		return link->st_uid;
	if (k->target_stat.st_uid != 0)
		return k->target_stat.st_uid;
	return link->st_nlink > 1 ? NOBODY : 0;
}

bool look_link(struct look *k, const char *name, uint32_t eyes, char *text, size_t size)
{
	demand_or(size > 0, false);

	cleanup_close int fd = openat(k->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISLNK(st.st_mode) || eyes_of(k, &st) != eyes)
		return false;
	len = readlinkat(fd, "", text, size - 1);
	text[len < 0 ? 0 : len] = '\0';
	return len > 0;
}

/* A target that this user cannot open has no facts for others. */
static void look_behind_at(struct look *k, const char *name, int seen, const struct stat *st,
                           struct look_outcome *o)
{
	long cached = cache_find(k, name);
	cleanup_close int fd = k->eyes ? look_reopen(k->descriptors, seen, O_RDONLY) : -1;

	if (k->eyes && fd < 0 && (errno == EACCES || errno == EPERM))
		tell_without_facts(k, name, false, "is a link to what its owner may not read", o);
	else if (!tell_kept(k, name, cached, st, o))
		read_seen(k, name, cached, seen, fd, st, o);
}

/* O_PATH asks no automounter at the end of a path to mount anything. */
void look_behind(struct look *k, const char *name, const char *text, struct look_outcome *o)
{
	cleanup_close int seen = -1;
	struct stat st;

	if (text)
		seen = openat(*text == '/' ? AT_FDCWD : k->dir, text, O_PATH | O_CLOEXEC);
	o->verdict = VERDICT_LINK;
	if (!text || (seen < 0 && (errno == EACCES || errno == EPERM)))
		tell_without_facts(k, name, false, "is a link to what its owner may not read", o);
	else if (seen < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return;
	else if (seen < 0 || fstat(seen, &st) < 0)
		tell_unseen(k, name, errno, o);
	else if (S_ISREG(st.st_mode))
		look_behind_at(k, name, seen, &st, o);
	else
		look_at_other(k, name, cache_find(k, name), &st, o);
}

/* The worker itself looks only at what is on the directory's own filesystem and has nothing mounted on it.
 * Everything else is for a reader, which may be left behind. */
static int stat_entry(const struct look *k, const char *name, bool may_read, struct stat *st)
{
	cleanup_close int fd = may_read ? -1 : file_seek(k->dir, name, RESOLVE_NO_XDEV);

	if (may_read)
		return fstatat(k->dir, name, st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	return fd < 0 ? -1 : fstat(fd, st);
}

/* A link to a plain name is looked at like that entry. All others are followed with their owner's rights. */
static void look_at_link(struct look *k, const char *name, const struct stat *link, bool may_read,
                         struct look_outcome *o)
{
	char text[NAME_MAX + 2];
	ssize_t len = readlinkat(k->dir, name, text, sizeof(text) - 1);
	struct stat st;

	o->verdict = VERDICT_FOLLOW;
	o->at = eyes_of(k, link);
	text[len < 0 ? 0 : len] = '\0';
	if (len <= 0 || len > NAME_MAX || strchr(text, '/') || *text == '.' ||
	    stat_entry(k, text, may_read, &st) < 0)
		return;
	if (S_ISREG(st.st_mode))
		look_at_file(k, name, text, &st, may_read, o);
}

void look_at(struct look *k, const struct name *name, bool may_read, struct look_outcome *o)
{
	demand_or(k && name->text && o, );

	struct stat st;
	int rc;

	*o = (struct look_outcome){ .verdict = VERDICT_NAME };
	if (!name_is_clean(name->text))
		return;
	if (name->type == DT_REG && may_read && !k->cache) {
		read_volume_file(k, name->text, name->text, -1, true, o);
		return;
	}
	/* The worker itself asks a server nothing about single entries: each question may take for ever. */
	rc = !may_read && k->remote ? -1 : stat_entry(k, name->text, may_read, &st);
	if (rc < 0 && !may_read && (k->remote || errno == EXDEV))
		o->verdict = VERDICT_NONE;
	else if (rc < 0 && errno == ENOENT)
		o->verdict = VERDICT_GONE;
	else if (rc < 0)
		tell_unseen(k, name->text, errno, o);
	else if (S_ISLNK(st.st_mode))
		look_at_link(k, name->text, &st, may_read, o);
	else if (S_ISREG(st.st_mode))
		look_at_file(k, name->text, name->text, &st, may_read, o);
	else
		look_at_other(k, name->text, cache_find(k, name->text), &st, o);
}
