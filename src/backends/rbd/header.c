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
struct decoder {
	const unsigned char *at;
	size_t left;
	bool bad; /* there was less than was asked for */
};

static uint64_t number_next(struct decoder *r, unsigned bytes)
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
static struct decoder next_part(struct decoder *r, uint64_t len)
{
	struct decoder part = { .at = r->at, .left = (size_t)len };

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
static void next_text(struct decoder *r, char *text, size_t size)
{
	const struct decoder t = next_part(r, number_next(r, 4));

	if (t.left && memchr(t.at, '\0', t.left))
		r->bad = true;
	snprintf(text, size, "%.*s", r->bad ? 0 : (int)least(t.left, size - 1), (const char *)t.at);
}

/* A struct's members. Whatever a later version has behind them is passed over. */
static struct decoder next_struct(struct decoder *r)
{
	number_next(r, 2);
	return next_part(r, number_next(r, 4));
}

#define DECODER(answer, len)                                                                                 \
	{                                                                                                    \
		.at = (answer), .left = (answer) ? (len) : 0                                                 \
	}

bool rbd_read_size(const void *answer, size_t len, uint64_t *size, unsigned *order)
{
	struct decoder r = DECODER(answer, len);

	*order = (unsigned)number_next(&r, 1);
	*size = number_next(&r, 8);
	return !r.bad && *order < 64;
}

bool rbd_read_number(const void *answer, size_t len, uint64_t *number)
{
	struct decoder r = DECODER(answer, len);

	*number = number_next(&r, 8);
	return !r.bad;
}

bool rbd_read_text(const void *answer, size_t len, char *text, size_t size)
{
	demand_or(size, false);

	struct decoder r = DECODER(answer, len);

	next_text(&r, text, size);
	return !r.bad;
}

bool rbd_read_parent(const void *answer, size_t len, struct rbd_parent *p)
{
	struct decoder whole = DECODER(answer, len), r = next_struct(&whole);

	p->pool = (int64_t)number_next(&r, 8);
	next_text(&r, p->namespace, sizeof(p->namespace));
	next_text(&r, p->image, sizeof(p->image));
	p->snapshot = number_next(&r, 8);
	return !whole.bad && !r.bad;
}

bool rbd_read_snapshot_ids(const void *answer, size_t len, uint64_t *ids, size_t room, size_t *n)
{
	struct decoder r = DECODER(answer, len);

	number_next(&r, 8); /* the newest that there ever was */
	*n = (size_t)number_next(&r, 4);
	if (*n > r.left / 8)
		return false;
	for (size_t i = 0; i < *n && i < room; i++)
		ids[i] = number_next(&r, 8);
	return !r.bad;
}

bool rbd_read_snapshot(const void *answer, size_t len, struct rbd_snapshot *s)
{
	struct decoder whole = DECODER(answer, len), r = next_struct(&whole), kind;

	number_next(&r, 8); /* its id */
	kind = next_struct(&r);
	s->of_a_user = number_next(&kind, 4) == 0;
	next_text(&r, s->name, sizeof(s->name));
	return !whole.bad && !r.bad && !kind.bad;
}

/* Two bits an object, the first in the highest: 0 is one that does not exist. */
bool rbd_read_object_map(const void *map, size_t len, uint64_t size, uint64_t object, uint64_t *allocated)
{
	demand_or(object, false);

	struct decoder r = DECODER(map, len), head = next_part(&r, number_next(&r, 4)),
		       count = next_struct(&head);
	const uint64_t n = number_next(&count, 8), last = n ? n - 1 : 0;
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
