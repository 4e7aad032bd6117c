/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Raw images made and resized. Storage is set aside by fallocate(2); zeros are written only where the
 * filesystem lacks it, and only into holes.
 *
 * fallocate(2) marks blocks as the file's without writing them, which is instant and cannot fail later for
 * want of space. Where a filesystem has no such thing (NFS before 4.2) only writing makes sure, and only
 * holes are written: data that is there is not touched.
 */
#include "volumes/image/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/util.h"
#include "volumes/file/room.h"
#include "volumes/pace.h"

#define ALLOCATE_CHUNK (1024u * 1024 * 1024)
_Static_assert(ALLOCATE_CHUNK % PACE_CHUNK == 0, "a large piece is made of looks");

/* Too large for this filesystem, in words: EFBIG and EINVAL say little. */
static int cannot_size(int error, const char *name, uint64_t size, struct err *e)
{
	if (error == EFBIG || error == EINVAL)
		return err_set(e, ERR_INVALID,
		               "cannot give %s %llu bytes: the filesystem has no files of that size", name,
		               (unsigned long long)size);
	return err_sys(e, error, "cannot give %s %llu bytes", name, (unsigned long long)size);
}

/* ftruncate(2) with an answer that says which limit was met. */
static int set_size(int fd, uint64_t size, const char *name, struct err *e)
{
	int rc;

	if (size > INT64_MAX)
		return cannot_size(EFBIG, name, size, e);
	do
		rc = ftruncate(fd, (off_t)size);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? cannot_size(errno, name, size, e) : 0;
}

/* One piece at `at`: zeros written over zeros, so that they get storage; data is left alone. Returns its
 * length, 0 at the end of the file. */
static ssize_t fill_piece(int fd, uint64_t at, size_t size, bool fresh)
{
	static char piece[64 * 1024];
	ssize_t n = (ssize_t)least(sizeof(piece), size);

	if (fresh)
		memset(piece, 0, (size_t)n);
	else
		n = pread(fd, piece, (size_t)n, (off_t)at);
	return n > 0 && is_zero(piece, (size_t)n) ? pwrite(fd, piece, (size_t)n, (off_t)at) : n;
}

/* The slow way, where the filesystem cannot set storage aside. fresh: nothing was written there yet. */
static int fill_slowly(int fd, uint64_t from, uint64_t to, bool fresh, struct pace *p, const char *name,
                       struct err *e)
{
	while (from < to) {
		ssize_t n = fill_piece(fd, from, (size_t)least(SIZE_MAX, to - from), fresh);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot write zeros to %s at byte %llu", name,
			               (unsigned long long)from);
		if (n == 0)
			return 0;
		from += (uint64_t)n;
		if (pace_step(p, (uint64_t)n, e) < 0)
			return -1;
	}
	return 0;
}

/* What cannot fit is refused before the filesystem is filled to the brim for it. */
static int has_room(int fd, uint64_t bytes, const char *name, struct err *e)
{
	struct statvfs s;
	struct stat st;
	uint64_t room;

	if (room_read(fd, &s, &room) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", name);
	/* What the file has already is in neither of the two. */
	room += (uint64_t)st.st_blocks * 512;
	return bytes > room ? err_set(e, ERR_NO_SPACE, "cannot allocate %llu bytes for %s: %llu are free",
	                              (unsigned long long)bytes, name, (unsigned long long)room)
	                    : 0;
}

/* Set storage aside, the size kept. 1: the filesystem cannot. */
static int set_aside(int fd, uint64_t from, uint64_t to, struct pace *p, const char *name, struct err *e)
{
	if (has_room(fd, to - from, name, e) < 0)
		return -1;
	while (from < to) {
		uint64_t n = least(ALLOCATE_CHUNK, to - from);

		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)n) < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EOPNOTSUPP || errno == ENOSYS)
				return 1;
			return err_sys(e, errno, "cannot allocate %llu bytes for %s",
			               (unsigned long long)p->total, name);
		}
		from += n;
		if (pace_step(p, n, e) < 0)
			return -1;
	}
	return 0;
}

int raw_allocate(int fd, uint64_t size, struct op *op, const char *name, struct err *e)
{
	demand(fd >= 0 && op && name, e);

	struct pace p = { .op = op, .doing = "allocate storage", .total = size };
	int rc = set_aside(fd, 0, size, &p, name, e);

	return rc > 0 ? fill_slowly(fd, 0, size, false, &p, name, e) : rc;
}

int raw_create(int fd, uint64_t capacity, uint64_t allocation, struct op *op, const char *name, struct err *e)
{
	demand(fd >= 0 && op && name, e);

	struct pace p = { .op = op, .doing = "allocate storage", .total = allocation };
	int rc;

	if (set_size(fd, allocation > capacity ? allocation : capacity, name, e) < 0)
		return -1;
	/* The size first: a filesystem that has no files of that size says so before storage is set aside. */
	rc = set_aside(fd, 0, allocation, &p, name, e);
	return rc > 0 ? fill_slowly(fd, 0, allocation, true, &p, name, e) : rc;
}

/* Storage beyond the end first, so that the size is changed when nothing can be missing any more. Where only
 * zeros can be written the size comes first. */
static int grow_storage(int fd, uint64_t old, uint64_t capacity, struct op *op, const char *name,
                        struct err *e)
{
	struct pace p = { .op = op, .doing = "allocate storage", .total = capacity - old };
	int rc = set_aside(fd, old, capacity, &p, name, e);

	if (rc < 0 || set_size(fd, capacity, name, e) < 0)
		return -1;
	return rc > 0 ? fill_slowly(fd, old, capacity, true, &p, name, e) : 0;
}

void raw_note_made(int fd, struct op *op)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		op->made = (struct made_file){ st.st_dev, st.st_ino, (uint64_t)st.st_size, st.st_mtim };
}

int raw_resize(int fd, uint64_t capacity, unsigned flags, struct op *op, const char *name, struct err *e)
{
	demand(fd >= 0 && op && name, e);

	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", name);
	if (capacity > INT64_MAX)
		return cannot_size(EFBIG, name, capacity, e);
	if ((flags & VOL_ALLOCATE) && capacity > (uint64_t)st.st_size)
		rc = grow_storage(fd, (uint64_t)st.st_size, capacity, op, name, e);
	else
		rc = set_size(fd, capacity, name, e);
	if (rc == 0 && fsync(fd) < 0)
		rc = err_sys(e, errno, "cannot write %s", name);
	/* back to what it was, and what was set aside beyond the end given back */
	if (rc < 0 && capacity > (uint64_t)st.st_size && ftruncate(fd, st.st_size) < 0)
		op_note(op, "%s could not be set back to %lld bytes after a failure", name,
		        (long long)st.st_size);
	return rc;
}
