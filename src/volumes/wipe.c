/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Wiping: zeros and trim here, overwriting with patterns by scrub(1).
 *
 * The ways of one algorithm are tried from the cheapest to the surest, each from where the one before it has
 * come to: a device that refuses the clever command halfway is finished by plain writes.
 */
#include "volumes/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/spawn.h"
#include "base/util.h"
#include "volumes/pace.h"

const char *const wipe_algorithms[] = { "zero",      "nnsa",       "dod",    "bsi",  "gutmann", "schneier",
	                                "pfitzner7", "pfitzner33", "random", "trim", NULL };

int wipe_check(const char *algorithm, struct err *e)
{
	demand(algorithm, e);

	char list[160] = "";
	size_t used = 0;

	for (size_t i = 0; wipe_algorithms[i]; i++) {
		if (streq(wipe_algorithms[i], algorithm))
			return 0;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
		                         wipe_algorithms[i]);
	}
	return err_set(e, ERR_INVALID, "algorithm \"%.80s\" is not known, which are %s", algorithm, list);
}

/* One wiping: what is wiped, and how far it has come. */
struct wiping {
	int fd;
	bool block;
	uint64_t size;
	struct pace pace;
	const char *name;
};

/* One step of `n` bytes at `at` for a file and for a block device; an errno that says "not here" leads to the
 * next way. */
typedef int step_fn(const struct wiping *w, uint64_t at, uint64_t n);

/* Give the storage of a range of a file back; it reads as zeros then (fallocate(2)). */
static int punch(const struct wiping *w, uint64_t at, uint64_t n)
{
	return fallocate(w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n);
}

/* Give the storage of the whole file back by way of its size, where no holes can be made. */
static int cut(const struct wiping *w, uint64_t at, uint64_t n)
{
	return at == 0 && ftruncate(w->fd, 0) == 0 ? ftruncate(w->fd, (off_t)n) : -1;
}

static int device_range(const struct wiping *w, unsigned request, uint64_t at, uint64_t n)
{
	uint64_t range[2] = { at, n };

	return ioctl(w->fd, (ioctl_request)request, range);
}

/* Give the storage of a range of a device back. What it reads as is the device's own choice: this is for
 * "trim", not for "zero". */
static int discard(const struct wiping *w, uint64_t at, uint64_t n)
{
	return device_range(w, BLKDISCARD, at, n);
}

/* Zeros by the kernel, which has the device do it where that can (BLKZEROOUT). */
static int zero_out(const struct wiping *w, uint64_t at, uint64_t n)
{
	return device_range(w, BLKZEROOUT, at, n);
}

/* The last way, which works everywhere. */
static int write_zero_pass(const struct wiping *w, uint64_t at, uint64_t n)
{
	static char zeros[256 * 1024]; /* not const: so it takes no room in the program */

	while (n > 0) {
		ssize_t written = pwrite(w->fd, zeros, (size_t)least(sizeof(zeros), n), (off_t)at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		at += (uint64_t)written;
		n -= (uint64_t)written;
	}
	return 0;
}

/* All of it, chunk by chunk, from where w->pace stands. 1: it cannot be done this way here. */
static int run_steps(struct wiping *w, step_fn *step, uint64_t chunk, struct err *e)
{
	while (w->pace.done < w->size) {
		uint64_t at = w->pace.done, n = least(chunk, w->size - at);

		if (step(w, at, n) < 0) {
			if (errno == EINTR)
				continue;
			if (step != write_zero_pass &&
			    (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ENOTTY))
				return 1;
			return err_sys(e, errno, "cannot wipe %s at byte %llu", w->name,
			               (unsigned long long)at);
		}
		if (pace_step(&w->pace, n, e) < 0)
			return -1;
	}
	return 0;
}

#define BIG_CHUNK (256ULL * 1024 * 1024)
_Static_assert(BIG_CHUNK % PACE_CHUNK == 0, "a large piece is made of looks");

static bool is_sparse(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
}

/* A sparse file gives its storage back and stays sparse; anything else is written over. */
static int wipe_zero(struct wiping *w, const struct stat *st, struct err *e)
{
	int rc = 1;

	if (w->block)
		rc = run_steps(w, zero_out, BIG_CHUNK, e);
	else if (is_sparse(st))
		rc = run_steps(w, punch, w->size, e);
	if (rc > 0 && is_sparse(st))
		rc = run_steps(w, cut, w->size, e);
	return rc > 0 ? run_steps(w, write_zero_pass, PACE_CHUNK, e) : rc;
}

/* Give all storage back. Where that is not possible it is said: zeros would not be what was asked for. */
static int wipe_trim(struct wiping *w, struct err *e)
{
	int rc = run_steps(w, w->block ? discard : punch, w->block ? BIG_CHUNK : w->size, e);

	if (rc > 0)
		return err_set(e, ERR_UNSUPPORTED, "cannot trim %s: %s", w->name,
		               w->block ? "the device does not discard"
		                        : "the filesystem cannot make holes in files");
	return rc;
}

/* ---- scrub ---- */

/* Overwriting with patterns, by scrub(1), which gets the open file and nothing else. The words for patterns
 * are its own. */
static int wipe_scrub(const struct wiping *w, const char *algorithm, struct err *e)
{
	char path[32];
	const char *const argv[] = { "scrub", "-f", "-p", algorithm, path, NULL };
	struct tool t = {
		.argv = argv, .deadline = w->pace.op->deadline, .files = &w->fd, .nfiles = 1, .confined = true
	};
	int rc;

	/* Asked here, so that the sentence can say what else would do. */
	if (!spawn_find("scrub"))
		return err_set(e, ERR_NO_TOOL,
		               "wiping with \"%s\" needs scrub, which is not installed (\"zero\" and "
		               "\"trim\" need no tool)",
		               algorithm);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", SPAWN_FILE(0));
	rc = spawn_ok(&t, e);
	tool_free(&t);
	if (rc < 0)
		return err_wrap(e, ERR_KEEP, "cannot wipe %s", w->name);
	/* it fills up the last block of the filesystem */
	if (!w->block && ftruncate(w->fd, (off_t)w->size) < 0)
		return err_sys(e, errno, "cannot set the size of %s back", w->name);
	return 0;
}

/* ---- */

/* How much there is to wipe; and that is the total for progress. */
static int size_of(struct wiping *w, const struct stat *st, struct err *e)
{
	w->block = S_ISBLK(st->st_mode);
	w->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	if (w->block && ioctl(w->fd, (ioctl_request)BLKGETSIZE64, &w->size) < 0)
		return err_sys(e, errno, "cannot get the size of %s", w->name);
	w->pace.total = w->size;
	return 0;
}

int wipe(int fd, const char *algorithm, struct op *op, const char *name, struct err *e)
{
	demand(fd >= 0 && op && algorithm && name, e);

	struct wiping w = { .fd = fd, .name = name, .pace = { .op = op, .doing = "wipe" } };
	struct stat st;
	int rc;

	if (wipe_check(algorithm, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", name);
	if (size_of(&w, &st, e) < 0)
		return -1;
	if (streq(algorithm, "zero"))
		rc = wipe_zero(&w, &st, e);
	else if (streq(algorithm, "trim"))
		rc = wipe_trim(&w, e);
	else
		rc = wipe_scrub(&w, algorithm, e);
	if (rc == 0 && fsync(fd) < 0)
		rc = err_sys(e, errno, "cannot write %s", name);
	if (rc == 0)
		pace_end(&w.pace);
	return rc;
}
