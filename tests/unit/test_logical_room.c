/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Is there room for what is written to a logical volume, and what size may it get?
 * How full is what fills up, and what is removed by itself? Groups as LVM reports
 * them.
 */
#include "backends/logical/logical.h"

#include <errno.h>
#include "base/util.h"
#include "check.h"

#define MIB (1ull << 20)

static struct err e;

static int room(const struct group_volume *volumes, size_t n, const char *name, uint64_t bytes)
{
	const struct group g = { .volumes = volumes, .nvolumes = n };

	e = (struct err){ 0 };
	return group_room(&g, group_volume(&g, name), bytes, &e);
}

static struct group_volume snapshot(const char *name, uint64_t size, int data)
{
	struct group_volume v = { .attr = "swi-a-s---",
		                  .origin = "lin",
		                  .size = size,
		                  .data = data,
		                  .metadata = -1,
		                  .origin_size = 40 * MIB,
		                  .chunk = 4096 };

	snprintf(v.name, sizeof(v.name), "%s", name);
	return v;
}

static const struct group_volume lin = {
	.name = "lin", .attr = "owi-a-s---", .size = 40 * MIB, .data = -1, .metadata = -1
};

static void a_snapshot_that_would_be_lost_is_named(void)
{
	const struct group_volume there[] = { lin, snapshot("small", 8 * MIB, 0),
		                              snapshot("wide", 20 * MIB, 0),
		                              snapshot("used", 20 * MIB, 9000) };

	CHECK_INT(room(there, 4, "lin", 10 * MIB), -1);
	CHECK_INT(e.class, ERR_BUSY);
	CHECK(strstr(e.message, "would be lost with it: small (room for ") != NULL);
	CHECK(strstr(e.message, "used (room for ") != NULL);
	CHECK(strstr(e.message, "wide") == NULL);
	CHECK(strstr(e.message, "vol-resize") != NULL && strstr(e.message, "delete them") != NULL);
	CHECK_INT(room(there, 4, "lin", MIB), 0);
	CHECK_INT(room(there, 4, "lin", 2 * MIB), -1); /* the one that is used has not quite as much */
	CHECK_INT(room(there, 4, "lin", UINT64_MAX), -1);
	CHECK(strstr(e.message, "wide") != NULL);
	CHECK_INT(room(there, 4, "small", MIB), 0);
}

/* Its tables take some, and what is written may begin and end within a chunk. */
static void its_tables_are_counted(void)
{
	const struct group_volume there[] = { lin, snapshot("snap", 8 * MIB, 0) };

	CHECK_INT(room(there, 2, "lin", 8 * MIB), -1);
	CHECK_INT(room(there, 2, "lin", 8 * MIB - 64 * 1024), 0);
}

static void one_with_room_for_all_is_never_lost(void)
{
	const uint64_t all = group_snapshot_room(40 * MIB, 0);
	struct group_volume there[] = { lin, snapshot("snap", all, 0) };

	CHECK(all == 40 * MIB + 42 * 4096); /* a header, and 41 tables of 256 */
	for (int data = 0; data <= GROUP_WHOLE; data += 100) {
		there[1].data = data;
		CHECK_INT(room(there, 2, "lin", 40 * MIB), 0);
	}
	there[1].size = 40 * MIB;
	there[1].data = 2;
	CHECK_INT(room(there, 2, "lin", 40 * MIB), -1);
}

static void what_is_lost_or_another_s_is_not_looked_at(void)
{
	struct group_volume there[] = { lin, snapshot("snap", 4 * MIB, 10000),
		                        snapshot("other", 4 * MIB, 0) };

	there[1].lost = true;
	strcpy(there[2].origin, "lin2");
	CHECK_INT(room(there, 3, "lin", 40 * MIB), 0);
	strcpy(there[2].origin, "lin");
	there[2].attr[0] = 'V'; /* thin: it shares, and its origin does not fill it */
	CHECK_INT(room(there, 3, "lin", 40 * MIB), 0);
	there[2].attr[0] = 'S'; /* being merged */
	CHECK_INT(room(there, 3, "lin", 40 * MIB), -1);
}

static void a_thin_volume_takes_its_pool_s_room(void)
{
	struct group_volume there[] = {
		{ .name = "tp", .attr = "twi-aotz--", .size = 20 * MIB, .data = 5000, .metadata = 100 },
		{ .name = "thin",
		  .attr = "Vwi-aotz--",
		  .thin = true,
		  .pool = "tp",
		  .size = 64 * MIB,
		  .data = 0 },
	};

	CHECK_INT(room(there, 2, "thin", 10 * MIB), 0);
	CHECK_INT(room(there, 2, "thin", 11 * MIB), -1);
	CHECK_INT(e.class, ERR_NO_SPACE);
	CHECK(strstr(e.message, "thin pool \"tp\", which has room for 10485760: delete") != NULL);
	CHECK(strstr(e.message, "pool=tp size=MORE") != NULL);
	CHECK_INT(room(there, 2, "thin", UINT64_MAX), 0); /* a pipe's: what may fit is tried */
	there[1].data = 9000;                             /* the rest of it is 6.4 MiB */
	CHECK_INT(room(there, 2, "thin", 64 * MIB), 0);
	strcpy(there[1].origin, "other"); /* all of it may be shared */
	CHECK_INT(room(there, 2, "thin", 64 * MIB), -1);
	CHECK_INT(room(there, 2, "thin", 10 * MIB), 0);
}

static void a_snapshot_has_room_of_its_own(void)
{
	struct group_volume there[] = { lin, snapshot("snap", 8 * MIB, 5000) };

	CHECK_INT(room(there, 2, "snap", 3 * MIB), 0);
	CHECK_INT(room(there, 2, "snap", 5 * MIB), -1);
	CHECK_INT(e.class, ERR_NO_SPACE);
	CHECK(strstr(e.message, "to a snapshot that has room for ") && strstr(e.message, "vol-resize"));
	CHECK_INT(room(there, 2, "snap", UINT64_MAX), -1);
	strcpy(there[1].origin, "[snap_vorigin]");
	CHECK_INT(room(there, 2, "snap", 5 * MIB), -1);
	CHECK(strstr(e.message, "sparse volume") != NULL);
	there[1].size = 44 * MIB;
	CHECK_INT(room(there, 2, "snap", UINT64_MAX), 0);
}

static void what_is_full_is_said(void)
{
	struct op op = { 0 };

	e = (struct err){ 0 };
	err_sys(&e, ENOSPC, "cannot write");
	group_expect_full("", &op);
	CHECK(!op.explain);
	CHECK_INT(group_explain(&op, -1, &e), -1);
	CHECK(strstr(e.message, "full") == NULL);
	group_expect_full("tp", &op);
	group_explain(&op, 0, &e);
	CHECK(strstr(e.message, "full") == NULL);
	group_explain(&op, -1, &e);
	CHECK(strstr(e.message, ": thin pool \"tp\" is full: ") != NULL);
	CHECK_INT(e.class, ERR_NO_SPACE);
	e = (struct err){ 0 };
	err_sys(&e, EIO, "cannot write");
	group_explain(&op, -1, &e);
	CHECK(strstr(e.message, "full") == NULL);
	group_explain(&op, -1, NULL);
}

static int resize(const struct group_volume *volumes, size_t n, const char *name, uint64_t wanted,
                  bool shrink)
{
	const struct group g = { .volumes = volumes, .nvolumes = n, .extent = 4 * MIB };

	e = (struct err){ 0 };
	return group_may_resize(&g, group_volume(&g, name), wanted, shrink, &e);
}

static void the_size_of_a_snapshot_is_its_room(void)
{
	struct group_volume there[] = { lin, snapshot("snap", 8 * MIB, 6000) };

	CHECK_INT(resize(there, 2, "snap", 16 * MIB, false), 0);
	CHECK_INT(resize(there, 2, "snap", 44 * MIB, false), 0); /* all of it, with LVM's tables */
	CHECK_INT(resize(there, 2, "snap", 48 * MIB, false), -1);
	CHECK_INT(e.class, ERR_INVALID);
	CHECK(strstr(e.message, "size of a snapshot is the room") != NULL);
	CHECK(strstr(e.message, "46137344 bytes at most") != NULL && strstr(e.message, "41943040") != NULL);
	CHECK_INT(resize(there, 2, "snap", 4 * MIB, false), -1);
	CHECK(strstr(e.message, "--shrink") != NULL);
	CHECK_INT(resize(there, 2, "snap", 4 * MIB, true), -1); /* 60 % of 8 MiB are taken */
	CHECK(strstr(e.message, "are taken") != NULL);
	there[1].data = 4000;
	CHECK_INT(resize(there, 2, "snap", 4 * MIB, true), 0);
	there[1].lost = true;
	CHECK_INT(resize(there, 2, "snap", 16 * MIB, false), -1);
	CHECK(strstr(e.message, "lost: delete it") != NULL);
}

static void a_sparse_volume_is_called_so(void)
{
	struct group_volume sp = snapshot("sp", 20 * MIB, 0);

	strcpy(sp.origin, "[sp_vorigin]");
	sp.origin_size = 100 * MIB;
	CHECK_INT(resize(&sp, 1, "sp", 40 * MIB, false), 0);
	CHECK_INT(resize(&sp, 1, "sp", 120 * MIB, false), -1);
	CHECK(strstr(e.message, "sparse volume") != NULL && strstr(e.message, "104857600") != NULL);
}

static void an_origin_keeps_its_size(void)
{
	struct group_volume there[] = { lin, snapshot("snap", 8 * MIB, 0), snapshot("more", 8 * MIB, 0) };

	CHECK_INT(resize(there, 3, "lin", 48 * MIB, false), -1);
	CHECK_INT(e.class, ERR_BUSY);
	CHECK(strstr(e.message, "delete them first: snap, more") != NULL);
	CHECK_INT(resize(there, 3, "lin", 8 * MIB, true), -1);
	CHECK_INT(resize(there, 1, "lin", 48 * MIB, false), 0);
	CHECK_INT(resize(there, 1, "lin", 8 * MIB, false), -1);
	CHECK_INT(resize(there, 1, "lin", 8 * MIB, true), 0);
	CHECK_INT(resize(there, 1, "lin", 0, true), -1);
}

/* op.warning and op.fill of a group with these volumes. */
static const struct group_volume *fill(const struct group_volume *volumes, size_t n, struct op *op)
{
	const struct group g = { .volumes = volumes, .nvolumes = n };
	const struct pool_def d = { .name = "p" };

	*op = (struct op){ 0 };
	return group_fill(&d, &g, op);
}

static void what_fills_up_has_its_name(void)
{
	struct group_volume sp = snapshot("sp", 20 * MIB, 8500);
	struct op op;

	CHECK(fill(&sp, 1, &op) == NULL);
	CHECK_STR(op.warning, "snapshot \"sp\" is filling up (85 %)");
	strcpy(sp.origin, "[sp_vorigin]");
	fill(&sp, 1, &op);
	CHECK_STR(op.warning, "sparse volume \"sp\" is filling up (85 %)");
	CHECK_STR(op.fill, "sp data=85.00%");
	sp.lost = true;
	fill(&sp, 1, &op);
	CHECK_STR(op.warning, "sparse volume \"sp\" ran out of room and is lost: delete it");
}

/* Texts have their length: nobody is to think that what is not in them does not fill up. */
static void what_does_not_fit_is_counted(void)
{
	struct group_volume many[40];
	unsigned told = 0, more = 0;
	struct op op;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = snapshot("snapshot-with-a-name", 20 * MIB, 9900);
		snprintf(many[i].name, sizeof(many[i].name), "snapshot-%zu", i);
	}
	fill(many, ARRAY_LEN(many), &op);
	for (const char *p = op.fill; (p = strstr(p, "data=99.00%")); p++)
		told++;
	end = strstr(op.fill, "; and ");
	CHECK(end && sscanf(end, "; and %u more", &more) == 1);
	CHECK_INT(told + more, ARRAY_LEN(many));
	CHECK(told > 5);
	CHECK(strstr(op.warning, " more") && strlen(op.warning) < sizeof(op.warning) - 1);
	fill(many, 5, &op);
	CHECK(!strstr(op.fill, "more"));
}

/* A pool is removed with all its volumes: one that has some is left alone, whatever it is tagged with. */
static void what_is_left_over(void)
{
	struct group_volume there[] = {
		{ .name = "tp", .attr = "twi-aotz--", .unfinished = true },
		{ .name = "thin", .attr = "Vwi-aotz--", .thin = true, .pool = "tp" },
		{ .name = "lin", .attr = "-wi-a-----" },
	};
	const struct group g = { .volumes = there, .nvolumes = 3 };

	CHECK(group_leftover(&g, NULL) == NULL);
	there[1].unfinished = true;
	CHECK(group_leftover(&g, NULL) == &there[1]);
	CHECK(group_leftover(&g, "tp") == NULL && group_leftover(&g, "thin") == NULL);
	there[0].unused = true;
	CHECK(group_leftover(&g, NULL) == &there[0]);
	CHECK(group_leftover(&g, "tp") == &there[0]);
	CHECK(group_leftover(&g, "other") == NULL && group_leftover(&g, "") == NULL);
}

int main(void)
{
	RUN(a_snapshot_that_would_be_lost_is_named);
	RUN(its_tables_are_counted);
	RUN(one_with_room_for_all_is_never_lost);
	RUN(what_is_lost_or_another_s_is_not_looked_at);
	RUN(a_thin_volume_takes_its_pool_s_room);
	RUN(a_snapshot_has_room_of_its_own);
	RUN(what_is_full_is_said);
	RUN(the_size_of_a_snapshot_is_its_room);
	RUN(a_sparse_volume_is_called_so);
	RUN(an_origin_keeps_its_size);
	RUN(what_fills_up_has_its_name);
	RUN(what_does_not_fit_is_counted);
	RUN(what_is_left_over);
	return check_done();
}
