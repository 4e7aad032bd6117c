/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who was left behind. A process that looks at what does not answer sleeps in the kernel, and nothing ends it
 * before the storage does. It holds a lock then, on one byte of a file in the run directory, which goes when
 * it goes: so the next refresh, after a restart too, knows the entry and leaves it alone. There are never
 * more such processes than places.
 *
 * The byte's number: the place, then 56 bits that stand for the entry's path. The locks are those of open
 * files, shared with a process by fork(2).
 */
#include "system/stuck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "base/util.h"

enum {
	HERE = 4, /* in one pool */
	PLACE_BITS = 56,
};

#define PLACE ((uint64_t)1 << PLACE_BITS)
#define SEED  0x706f6f6c696e6974ULL
_Static_assert(PLACE_BITS > 0 && PLACE_BITS < 64, "a place is the offset of a lock: not negative");

static uint64_t number_of(const char *path)
{
	return hash_text(SEED, path) & (PLACE - 1);
}

/* One lock of an open file (F_OFD_… of fcntl(2)). With F_OFD_GETLK: 1 if somebody else has it, and *held
 * where; else 0. -1: it was not to be had. */
static int lock(int file, int command, short type, uint64_t from, uint64_t len, uint64_t *held)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)from, .l_len = (off_t)len
	};
	int rc = fcntl(file, command, &l);

	if (held)
		*held = (uint64_t)l.l_start;
	return rc < 0 ? -1 : l.l_type != F_UNLCK;
}

int stuck_file(const struct stuck *s)
{
	cleanup_buf struct buf path = BUF_INIT;

	if (!s->run_dir)
		return -1;
	buf_printf(&path, "%s/unanswered", s->run_dir);
	return path.failed ? -1 : open(buf_str(&path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void stuck_read(struct stuck *s, const char *run_dir)
{
	cleanup_close int file = -1;
	uint64_t held;

	*s = (struct stuck){ .run_dir = run_dir };
	file = stuck_file(s);
	if (file < 0 || lock(file, F_OFD_GETLK, F_WRLCK, 0, 0, NULL) <= 0)
		return;
	for (uint64_t place = 0; place < STUCK_MOST; place++)
		if (lock(file, F_OFD_GETLK, F_WRLCK, place * PLACE, PLACE, &held) > 0)
			s->numbers[s->n++] = held % PLACE;
}

bool stuck_is(struct stuck *s, const char *path)
{
	demand_or(path, false);

	uint64_t number = number_of(path);

	for (unsigned i = 0; i < s->n; i++)
		if (s->numbers[i] == number) {
			s->here++;
			return true;
		}
	return false;
}

bool stuck_has_room(const struct stuck *s)
{
	return s->here < HERE && s->n < STUCK_MOST;
}

/* A whole place first, which is free or not; then all but one byte of it is given back. */
bool stuck_hold(struct stuck *s, int file, const char *path)
{
	demand_or(path && s->n <= STUCK_MOST, false);

	uint64_t number = number_of(path), place = 0;

	if (!stuck_has_room(s))
		return false;
	/* Without a file nobody else learns of it; the limit of this worker holds all the same. */
	while (file >= 0 && place < STUCK_MOST &&
	       lock(file, F_OFD_SETLK, F_WRLCK, place * PLACE, PLACE, NULL) < 0)
		place++;
	if (place == STUCK_MOST)
		return false;
	if (file >= 0 && number > 0)
		lock(file, F_OFD_SETLK, F_UNLCK, place * PLACE, number, NULL);
	if (file >= 0 && number < PLACE - 1)
		lock(file, F_OFD_SETLK, F_UNLCK, place * PLACE + number + 1, PLACE - number - 1, NULL);
	s->numbers[s->n++] = number;
	s->here++;
	return true;
}
