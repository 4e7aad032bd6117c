/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How much room it takes to write to a volume, and whether it is there. A snapshot whose room is full is
 * lost, whether it was written to or its origin; a thin pool that is full fails all its volumes.
 */
#include <stdio.h>
#include <string.h>
#include "backends/logical/logical.h"
#include "base/util.h"

#define USUAL_CHUNK 4096 /* of a snapshot, lvcreate(8) */
#define EXCEPTION   16   /* bytes that a chunk takes in the table of those that a snapshot holds */

bool group_is_snapshot(const struct group_volume *lv)
{
	return lv->attr[0] == 's' || lv->attr[0] == 'S';
}

bool group_is_sparse(const struct group_volume *lv)
{
	return group_is_snapshot(lv) && lv->origin[0] == '[';
}

/* A header, the chunks, and their tables, of which the last is never full. */
uint64_t group_snapshot_room(uint64_t bytes, uint64_t chunk)
{
	if (!chunk)
		chunk = USUAL_CHUNK;

	uint64_t chunks = bytes / chunk + (bytes % chunk != 0), table = chunk / EXCEPTION;

	return (1 + chunks + (chunks + table) / table) * chunk;
}

/* Of `size` bytes, of which `used` of GROUP_WHOLE are taken, rounded down. */
static uint64_t room_left(uint64_t size, int used)
{
	uint64_t left = used < GROUP_WHOLE ? (uint64_t)(GROUP_WHOLE - used) : 0;

	return size / GROUP_WHOLE * left + size % GROUP_WHOLE * left / GROUP_WHOLE;
}

/* Of a snapshot. LVM rounds what is taken, in either direction. */
static uint64_t snapshot_left(const struct group_volume *s)
{
	return room_left(s->size, s->data < 0 ? 0 : s->data + 1);
}

/* What `bytes` take in a snapshot, wherever they are written: a chunk that is touched is kept whole, and
 * once. So it is never more than what the snapshot lacks of all. */
static uint64_t snapshot_needs(const struct group_volume *s, uint64_t bytes)
{
	uint64_t chunk = s->chunk ? s->chunk : USUAL_CHUNK, all = group_snapshot_room(s->origin_size, chunk),
		 used = s->size - snapshot_left(s), needed = group_snapshot_room(bytes, chunk) + chunk;

	return least(needed, all > used ? all - used : 0);
}

void group_snapshots(const struct group *g, const struct group_volume *lv, struct buf *names)
{
	for (size_t i = 0; i < g->nvolumes; i++)
		if (streq(g->volumes[i].origin, lv->name) && group_is_snapshot(&g->volumes[i]))
			buf_printf(names, "%s%s", names->len ? ", " : "", g->volumes[i].name);
}

/* Those of its snapshots that have not enough room. One that is lost already has nothing to lose. */
static int snapshots_survive(const struct group *g, const struct group_volume *lv, uint64_t bytes,
                             struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT;

	for (size_t i = 0; i < g->nvolumes; i++) {
		const struct group_volume *s = &g->volumes[i];

		if (group_is_snapshot(s) && !s->lost && streq(s->origin, lv->name) &&
		    snapshot_needs(s, bytes) > snapshot_left(s))
			buf_printf(&names, "%s%s (room for %llu)", names.len ? ", " : "", s->name,
			           (unsigned long long)snapshot_left(s));
	}
	if (!names.len)
		return 0;
	return err_set(e, ERR_BUSY,
	               "it has snapshots, which keep what is written over, up to %llu bytes; those that have "
	               "not the room would be lost with it: %s: give them more room (vol-resize), or delete "
	               "them first",
	               (unsigned long long)bytes, buf_str(&names));
}

static bool shares_blocks(const struct group *g, const struct group_volume *lv)
{
	bool shares = lv->origin[0];

	for (size_t i = 0; i < g->nvolumes; i++)
		shares |= streq(g->volumes[i].origin, lv->name);
	return shares;
}

/* What is written to a thin volume takes room in its pool where nothing was before, and where it is shared
 * with another volume. How much that is is known only if all of it is written. */
static int thin_room(const struct group *g, const struct group_volume *lv, uint64_t bytes, struct err *e)
{
	const struct group_volume *pool = group_volume(g, lv->pool);
	uint64_t needed, left;

	if (!pool || lv->data < 0 || pool->data < 0)
		return 0;
	needed = least(bytes, shares_blocks(g, lv) ? lv->size : room_left(lv->size, lv->data));
	left = room_left(pool->size, pool->data);
	if (needed <= left)
		return 0;
	return err_set(e, ERR_NO_SPACE,
	               "that would write up to %llu bytes to thin pool \"%s\", which has room for %llu: "
	               "delete volumes of it, or make it larger (a new volume with <layout> thin pool=%s "
	               "size=MORE does)",
	               (unsigned long long)needed, pool->name, (unsigned long long)left, pool->name);
}

/* What is written to a snapshot or a sparse volume itself. */
static int own_room(const struct group_volume *s, uint64_t bytes, struct err *e)
{
	uint64_t needed = snapshot_needs(s, bytes), left = snapshot_left(s);

	if (needed <= left)
		return 0;
	return err_set(e, ERR_NO_SPACE,
	               "that would write up to %llu bytes to a %s that has room for %llu, and it is lost "
	               "when that is full: give it more room (vol-resize)",
	               (unsigned long long)needed, group_is_sparse(s) ? "sparse volume" : "snapshot",
	               (unsigned long long)left);
}

int group_room(const struct group *g, const struct group_volume *lv, uint64_t bytes, struct err *e)
{
	uint64_t most = least(bytes, group_is_snapshot(lv) ? lv->origin_size : lv->size);

	if (snapshots_survive(g, lv, most, e) < 0)
		return -1;
	if (group_is_snapshot(lv))
		return own_room(lv, most, e);
	/* A thin pool that fills up loses nothing: what may fit is tried. */
	return lv->thin && bytes != UINT64_MAX ? thin_room(g, lv, most, e) : 0;
}

static void explain_full(const struct op *op, struct err *e)
{
	if (e && err_is(e, ERR_NO_SPACE)) {
		struct err was = *e;

		err_set(e, was.class, "%s: %s", was.message, op->full);
	}
}

void group_expect_full(const char *pool, struct op *op)
{
	op->explain = *pool ? explain_full : NULL;
	snprintf(op->full, sizeof(op->full),
	         "thin pool \"%s\" is full: delete volumes of it, or make it larger (a new volume with "
	         "<layout> thin pool=%s size=MORE does)",
	         pool, pool);
}

int group_explain(const struct op *op, int rc, struct err *e)
{
	if (rc < 0 && op->explain)
		op->explain(op, e);
	return rc;
}

/* ---- another size ---- */

/* The room can be no more than all changes take, and what is in it stays. */
static int check_new_room(const struct group *g, const struct group_volume *s, uint64_t wanted, struct err *e)
{
	uint64_t extent = g->extent ? g->extent : 512, all = group_snapshot_room(s->origin_size, s->chunk),
		 used = s->size - snapshot_left(s);
	const char *what = group_is_sparse(s) ? "sparse volume" : "snapshot";

	all = (all + extent - 1) / extent * extent;
	if (s->lost)
		return err_set(e, ERR_STATE, "this %s ran out of room and is lost: delete it", what);
	if (wanted > all)
		return err_set(e, ERR_INVALID,
		               "the size of a %s is the room for what is written to it, which can be %llu "
		               "bytes at most; its capacity, %llu, cannot be changed",
		               what, (unsigned long long)all, (unsigned long long)s->origin_size);
	if (wanted < s->size && wanted < used)
		return err_set(e, ERR_INVALID,
		               "the size of a %s is the room for what is written to it, and up to %llu bytes "
		               "of that are taken",
		               what, (unsigned long long)used);
	return 0;
}

int group_may_resize(const struct group *g, const struct group_volume *lv, uint64_t wanted, bool shrink,
                     struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT;

	group_snapshots(g, lv, &names);
	if (!wanted)
		return err_set(e, ERR_INVALID, "a logical volume has at least one extent");
	if (names.len)
		return err_set(e, ERR_BUSY,
		               "it has snapshots, and LVM gives it no other size as long as it is active and "
		               "they are there: delete them first: %s",
		               buf_str(&names));
	if (wanted < lv->size && !shrink)
		return err_set(
			e, ERR_INVALID,
			"%llu bytes are less than the %llu that it has: shrinking loses data and must be "
			"asked for (--shrink)",
			(unsigned long long)wanted, (unsigned long long)lv->size);
	return group_is_snapshot(lv) ? check_new_room(g, lv, wanted, e) : 0;
}
