/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A disk's table as a copy in memory, and how its changes get to the disk.
 */
#include "backends/disk/table_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

#define LOAD_MAX (1024 * 1024)
#define KEPT     10 /* copies of one disk's tables */

struct table_image_page {
	uint64_t at;
	size_t len; /* the last one of a disk may be shorter */
	unsigned char old[TABLE_PAGE];
};

int table_image_open(struct table_image *i, int disk, const char *name, uint64_t size, unsigned sector,
                     struct err *e)
{
	*i = (struct table_image){ .name = name,
		                   .disk = disk,
		                   .copy = -1,
		                   .sector = sector,
		                   .size = size,
		                   .heads = 255,
		                   .track = 63 };
	demand(sector >= 512 && sector <= TABLE_PAGE && !(sector & (sector - 1)), e);
	i->copy = memfd_create("partition-table", MFD_CLOEXEC);
	if (i->copy < 0 || ftruncate(i->copy, (off_t)size) < 0)
		return err_sys(e, errno, "cannot copy the partition table of %s", name);
	return 0;
}

void table_image_close(struct table_image *i)
{
	util_close(&i->copy);
	free(i->pages);
	*i = (struct table_image){ .copy = -1, .disk = -1 };
}

static struct table_image_page *page_find(const struct table_image *i, uint64_t at)
{
	for (size_t n = 0; n < i->n; n++)
		if (i->pages[n].at == at)
			return &i->pages[n];
	return NULL;
}

/* One page that was read, unless it was there before. */
static int page_add(struct table_image *i, uint64_t at, const unsigned char *bytes, size_t len, struct err *e)
{
	if (page_find(i, at))
		return 0;
	if (i->n == i->room) {
		size_t room = i->room ? i->room * 2 : 64;
		struct table_image_page *more = realloc(i->pages, room * sizeof(*more));

		if (!more)
			return err_set(e, ERR_NO_MEMORY,
			               "cannot copy the partition table of %s: out of memory", i->name);
		i->pages = more;
		i->room = room;
	}
	i->pages[i->n] = (struct table_image_page){ .at = at, .len = len };
	memcpy(i->pages[i->n++].old, bytes, len);
	if (pwrite(i->copy, bytes, len, (off_t)at) != (ssize_t)len)
		return err_sys(e, errno, "cannot copy the partition table of %s", i->name);
	return 0;
}

int table_image_load(struct table_image *i, uint64_t at, uint64_t len, struct err *e)
{
	uint64_t from = at & ~(uint64_t)(TABLE_PAGE - 1), to = least(at + len, i->size);
	cleanup_free unsigned char *bytes = NULL;

	if (from >= to)
		return 0;
	to = least((to + TABLE_PAGE - 1) & ~(uint64_t)(TABLE_PAGE - 1), i->size);
	if (to - from > LOAD_MAX)
		return err_set(e, ERR_WRONG_FORMAT,
		               "the partition table of %s is larger than any that is known", i->name);
	bytes = aligned_alloc(TABLE_PAGE, LOAD_MAX);
	if (!bytes)
		return err_set(e, ERR_NO_MEMORY, "cannot read the partition table of %s: out of memory",
		               i->name);
	if (file_pread(i->disk, bytes, (size_t)(to - from), from) != (ssize_t)(to - from))
		return err_sys(e, errno ? errno : EIO,
		               "cannot read the partition table of %s at byte %" PRIu64, i->name, from);
	for (uint64_t p = from; p < to; p += TABLE_PAGE)
		if (page_add(i, p, bytes + (p - from), (size_t)least(TABLE_PAGE, to - p), e) < 0)
			return -1;
	return 0;
}

int table_image_get(const struct table_image *i, uint64_t at, void *out, size_t len)
{
	return file_pread(i->copy, out, len, at) == (ssize_t)len ? 0 : -1;
}

/* ---- what has changed ---- */

/* Sectors in a row that are written at once. */
struct change {
	uint64_t at;
	size_t len;
	unsigned rank;
	const unsigned char *old;
	unsigned char *new;
};

struct changes {
	struct change *list;
	size_t n;
	unsigned char *bytes; /* all new pages, aligned; owned */
	char suffix[8];       /* of the names of the old sectors' copies, behind those that are there */
};

static void changes_free(struct changes *c)
{
	free(c->list);
	free(c->bytes);
}
#define cleanup_changes __attribute__((cleanup(changes_free)))

static int change_compare(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* The sectors of one page that differ; neighbours of one rank are one change. */
static void page_changes(const struct table_image *i, const struct table_image_page *p, unsigned char *now,
                         const struct table_image_commit *how, struct changes *c)
{
	struct change *last = NULL;

	for (size_t at = 0; at < p->len; at += i->sector) {
		unsigned rank;

		if (memcmp(p->old + at, now + at, i->sector) == 0) {
			last = NULL;
			continue;
		}
		rank = how->rank(p->at + at, how->arg);
		if (last && last->rank == rank) {
			last->len += i->sector;
			continue;
		}
		last = &c->list[c->n++];
		*last = (struct change){
			.at = p->at + at, .len = i->sector, .rank = rank, .old = p->old + at, .new = now + at
		};
	}
}

static int changes_find(const struct table_image *i, const struct table_image_commit *how, struct changes *c,
                        struct err *e)
{
	c->list = calloc(i->n * (TABLE_PAGE / 512) + 1, sizeof(*c->list));
	c->bytes = aligned_alloc(TABLE_PAGE, (i->n + 1) * TABLE_PAGE);
	if (!c->list || !c->bytes)
		return err_set(e, ERR_NO_MEMORY, "cannot write the partition table of %s: out of memory",
		               i->name);
	for (size_t n = 0; n < i->n; n++) {
		unsigned char *now = c->bytes + n * TABLE_PAGE;

		if (table_image_get(i, i->pages[n].at, now, i->pages[n].len) < 0)
			return err_sys(e, errno, "cannot write the partition table of %s", i->name);
		page_changes(i, &i->pages[n], now, how, c);
	}
	qsort(c->list, c->n, sizeof(*c->list), change_compare);
	return 0;
}

/* Is there a byte other than zero in what was written to this page of the copy? */
static bool is_written(const struct table_image *i, uint64_t at)
{
	unsigned char b[TABLE_PAGE] = { 0 };

	file_pread(i->copy, b, sizeof(b), at);
	return b[0] || memcmp(b, b + 1, sizeof(b) - 1) != 0;
}

/* The copy has bytes only where pages were read, or libfdisk has written. What is beside the first cannot be
 * undone. The kernel's pages may be larger than ours, and have zeros around what was read. */
static int all_was_read(const struct table_image *i, struct err *e)
{
	for (off_t at = 0, end; (at = lseek(i->copy, at, SEEK_DATA)) >= 0; at = end) {
		end = lseek(i->copy, at, SEEK_HOLE);
		for (off_t p = at & ~(off_t)(TABLE_PAGE - 1); p < end; p += TABLE_PAGE)
			if (!page_find(i, (uint64_t)p) && is_written(i, (uint64_t)p))
				return err_set(e, ERR_INTERNAL,
				               "libfdisk would write to %s at byte %" PRId64
				               ", where no table was: nothing was written",
				               i->name, (int64_t)p);
	}
	return 0;
}

/* ---- the copy for the worst case ---- */

static bool keep_path(const struct table_image_commit *how, const struct changes *c, size_t n, char *out,
                      size_t size)
{
	return sysfs_path(out, size, "%s/%s-0x%08" PRIx64 ".bak%s", how->keep_dir, how->keep_name,
	                  c->list[n].at, c->suffix);
}

static bool is_kept(const struct table_image_commit *how, const struct changes *c)
{
	char path[PATH_MAX];

	for (size_t n = 0; n < c->n; n++)
		if (keep_path(how, c, n, path, sizeof(path)) && access(path, F_OK) == 0)
			return true;
	return false;
}

/* What was kept when an old table could not be put back is all that there is of it: it is not written over.
 */
static int keep_all(const struct table_image *i, const struct table_image_commit *how, struct changes *c,
                    struct err *e)
{
	char path[PATH_MAX];
	int rc = file_mkdirs(how->keep_dir, 0700, e);

	for (unsigned n = 1; n < KEPT && is_kept(how, c); n++)
		snprintf(c->suffix, sizeof(c->suffix), ".%u", n);
	if (rc == 0 && is_kept(how, c))
		rc = err_set(e, ERR_STATE,
		             "there are %d such copies in %s already, of tables that could not be put back",
		             KEPT, how->keep_dir);
	for (size_t n = 0; rc == 0 && n < c->n; n++)
		if (!keep_path(how, c, n, path, sizeof(path)))
			rc = err_set(e, ERR_INTERNAL, "the name of the copy is too long");
		else
			rc = file_replace(AT_FDCWD, path, c->list[n].old, c->list[n].len, 0600, e);
	return rc == 0 ? 0
	               : err_wrap(e, ERR_KEEP,
	                          "cannot keep the old partition table of %s: nothing was written", i->name);
}

static void keep_none(const struct table_image_commit *how, const struct changes *c)
{
	char path[PATH_MAX];

	for (size_t n = 0; n < c->n; n++)
		if (keep_path(how, c, n, path, sizeof(path)))
			unlink(path);
}

/* ---- to the disk ---- */

static bool sectors_write(int disk, uint64_t at, const unsigned char *bytes, size_t len)
{
	return pwrite(disk, bytes, len, (off_t)at) == (ssize_t)len;
}

/* Backwards, so that the old table is whole again as late as it was broken. */
static bool sectors_restore(const struct table_image *i, const struct changes *c, size_t written)
{
	cleanup_free unsigned char *page = aligned_alloc(TABLE_PAGE, TABLE_PAGE);
	bool ok = page != NULL;

	for (size_t n = written; page && n-- > 0;) {
		memcpy(page, c->list[n].old, c->list[n].len);
		ok = sectors_write(i->disk, c->list[n].at, page, c->list[n].len) && ok;
		if (n > 0 && c->list[n].rank != c->list[n - 1].rank)
			ok = fdatasync(i->disk) == 0 && ok;
	}
	return fdatasync(i->disk) == 0 && ok;
}

int table_image_commit(struct table_image *i, const struct table_image_commit *how, struct err *e)
{
	demand(how->rank && how->keep_dir && how->keep_name, e);

	cleanup_changes struct changes c = { 0 };
	size_t n = 0;

	if (all_was_read(i, e) < 0 || changes_find(i, how, &c, e) < 0 || keep_all(i, how, &c, e) < 0)
		return -1;
	for (; n < c.n; n++) {
		if (!sectors_write(i->disk, c.list[n].at, c.list[n].new, c.list[n].len))
			break;
		if ((n + 1 == c.n || c.list[n + 1].rank != c.list[n].rank) && fdatasync(i->disk) < 0)
			break;
	}
	if (n < c.n) {
		err_sys(e, errno, "cannot write the partition table of %s at byte %" PRIu64, i->name,
		        c.list[n].at);
		if (!sectors_restore(i, &c, n + 1))
			return err_wrap(e, ERR_KEEP,
			                "%s may have half of a new partition table (what was there "
			                "before is kept in %s/%s-0x*.bak%s, each for that byte of the disk)",
			                i->name, how->keep_dir, how->keep_name, c.suffix);
		keep_none(how, &c);
		return err_wrap(e, ERR_KEEP, "%s has its old partition table again", i->name);
	}
	keep_none(how, &c);
	return (int)c.n;
}
