/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What of rbd needs no cluster: <layout> of an image, and the room of a pool in the monitors' answer.
 */
#include "backends/rbd/layout.c"
#include "backends/rbd/room.c"
#include "check.h"

static void layouts_that_are_taken(void)
{
	struct rbd_layout l;

	CHECK(rbd_layout_read(NULL, &l, NULL) == 0 && !l.order && !l.has_features && !l.flat);
	CHECK(rbd_layout_read(" order=20\tfeatures=0x3d\n", &l, NULL) == 0);
	CHECK(l.order == 20 && l.has_features && l.features == 61);
	CHECK(rbd_layout_read("stripe-unit=65536 stripe-count=16 data-pool=fast flat", &l, NULL) == 0);
	CHECK(l.stripe_unit == 65536 && l.stripe_count == 16 && streq(l.data_pool, "fast") && l.flat);
	CHECK(rbd_layout_read("features=0", &l, NULL) == 0 && l.has_features && !l.features);
}

static void layouts_that_are_refused(void)
{
	static const char *const wrong[] = { "order=11",
		                             "order=26",
		                             "order=",
		                             "order",
		                             "order=-1",
		                             "order=20x",
		                             "order= 20",
		                             "features=many",
		                             "colour=blue",
		                             "flat=1",
		                             "data-pool=",
		                             "stripe-unit=65536",
		                             "stripe-count=2",
		                             "stripe-count=0 stripe-unit=65536",
		                             "order=99999999999999999999999" };
	struct rbd_layout l;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err e = { 0 };

		CHECK(rbd_layout_read(wrong[i], &l, &e) < 0 && err_is(&e, ERR_INVALID));
	}
	struct err e = { 0 };

	CHECK(rbd_layout_read("features=125", &l, &e) < 0 && err_is(&e, ERR_UNSUPPORTED));
}

static void room_of_a_pool(void)
{
	static const char json[] =
		"{\"stats\":{\"total_bytes\":9},\"pools\":["
		"{\"name\":\"rbd\",\"id\":1,\"stats\":{\"stored\":100,\"objects\":3,\"max_avail\":900}},"
		"{\"name\":\"empty\",\"id\":2,\"stats\":{\"stored\":0,\"max_avail\":0}},"
		"{\"name\":\"odd\",\"id\":3,\"stats\":{\"stored\":-7,\"max_avail\":\"x\"}},"
		"{\"name\":\"cut\",\"id\":4,\"stats\":{\"stored\":1";
	struct pool_sizes s = { .capacity = 5 };

	CHECK(rbd_room_read(json, "rbd", &s) && s.allocation == 100 && s.available == 900 &&
	      s.capacity == 1000);
	s = (struct pool_sizes){ .capacity = 5 };
	CHECK(!rbd_room_read(json, "empty", &s) && s.capacity == 5);
	CHECK(!rbd_room_read(json, "odd", &s) && s.capacity == 5);
	CHECK(!rbd_room_read(json, "cut", &s) && s.capacity == 5);
	CHECK(!rbd_room_read(json, "absent", &s) && s.capacity == 5);
	CHECK(!rbd_room_read("", "rbd", &s) && !rbd_room_read("\"name\":\"rbd\"}}", "rbd", &s));
}

int main(void)
{
	RUN(layouts_that_are_taken);
	RUN(layouts_that_are_refused);
	RUN(room_of_a_pool);
	return check_done();
}
