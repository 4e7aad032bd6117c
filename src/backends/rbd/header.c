/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the header of an image says: see header.h.
 */
#include "backends/rbd/header.h"

#include <stdio.h>
#include <string.h>
#include "base/contract.h"
#include "base/util.h"

/* What is left to read. After its end everything is 0. */
struct reader {
	const unsigned char *at;
	size_t left;
	bool bad; /* there was less than was asked for */
};

static uint64_t take(struct reader *r, unsigned bytes)
{
	uint64_t n = 0;

	if (r->left < bytes) {
		r->bad = true;
		r->left = 0;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		n |= (uint64_t)r->at[i] << 8 * i;
	r->at += bytes;
	r->left -= bytes;
	return n;
}

/* The next `len` bytes, to be read by themselves. */
static struct reader take_part(struct reader *r, uint64_t len)
{
	struct reader part = { .at = r->at, .left = (size_t)len };

	if (r->left < len) {
		r->bad = true;
		part.bad = true;
		part.left = 0;
		len = r->left;
	}
	r->at += len;
	r->left -= (size_t)len;
	return part;
}

/* A text with a NUL in it is none. */
static void take_text(struct reader *r, char *text, size_t size)
{
	const struct reader t = take_part(r, take(r, 4));

	if (t.left && memchr(t.at, '\0', t.left))
		r->bad = true;
	snprintf(text, size, "%.*s", r->bad ? 0 : (int)least(t.left, size - 1), (const char *)t.at);
}

/* A struct's members. Whatever a later version has behind them is passed over. */
static struct reader take_struct(struct reader *r)
{
	take(r, 2);
	return take_part(r, take(r, 4));
}

#define READER(answer, len) { .at = (answer), .left = (answer) ? (len) : 0 }

bool rbd_read_size(const void *answer, size_t len, uint64_t *size, unsigned *order)
{
	struct reader r = READER(answer, len);

	*order = (unsigned)take(&r, 1);
	*size = take(&r, 8);
	return !r.bad && *order < 64;
}

bool rbd_read_number(const void *answer, size_t len, uint64_t *number)
{
	struct reader r = READER(answer, len);

	*number = take(&r, 8);
	return !r.bad;
}

bool rbd_read_text(const void *answer, size_t len, char *text, size_t size)
{
	demand_or(size, false);

	struct reader r = READER(answer, len);

	take_text(&r, text, size);
	return !r.bad;
}

bool rbd_read_parent(const void *answer, size_t len, struct rbd_parent *p)
{
	struct reader whole = READER(answer, len), r = take_struct(&whole);

	p->pool = (int64_t)take(&r, 8);
	take_text(&r, p->namespace, sizeof(p->namespace));
	take_text(&r, p->image, sizeof(p->image));
	p->snapshot = take(&r, 8);
	return !whole.bad && !r.bad;
}

bool rbd_read_snapshot_ids(const void *answer, size_t len, uint64_t *ids, size_t room, size_t *n)
{
	struct reader r = READER(answer, len);

	take(&r, 8); /* the newest that there ever was */
	*n = (size_t)take(&r, 4);
	if (*n > r.left / 8)
		return false;
	for (size_t i = 0; i < *n && i < room; i++)
		ids[i] = take(&r, 8);
	return !r.bad;
}

bool rbd_read_snapshot(const void *answer, size_t len, struct rbd_snapshot *s)
{
	struct reader whole = READER(answer, len), r = take_struct(&whole), kind;

	take(&r, 8); /* its id */
	kind = take_struct(&r);
	s->of_a_user = take(&kind, 4) == 0;
	take_text(&r, s->name, sizeof(s->name));
	return !whole.bad && !r.bad && !kind.bad;
}

/* Two bits an object, the first in the highest: 0 is one that does not exist. */
bool rbd_read_object_map(const void *map, size_t len, uint64_t size, uint64_t object, uint64_t *allocated)
{
	demand_or(object, false);

	struct reader r = READER(map, len), head = take_part(&r, take(&r, 4)), count = take_struct(&head);
	const uint64_t n = take(&count, 8), last = n ? n - 1 : 0;
	uint64_t there = 0;

	if (count.bad || n != size / object + (size % object != 0) || r.left < n / 4 + (n % 4 != 0))
		return false;
	for (uint64_t i = 0; i < n; i++)
		there += (r.at[i / 4] >> (3 - i % 4) * 2 & 3) != 0;
	*allocated = there * object;
	if (size % object && r.at[last / 4] >> (3 - last % 4) * 2 & 3)
		*allocated -= object - size % object;
	return true;
}
