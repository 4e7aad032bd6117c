/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What of rbd needs no cluster: <layout> of an image, the room of a pool in the monitors' answer, and what
 * the header of an image answers.
 */
#include "backends/rbd/header.c"
#include "backends/rbd/layout.c"
#include "backends/rbd/options.c"
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
	CHECK(rbd_layout_read("order=022", &l, NULL) == 0 && l.order == 22);
}

static void layouts_that_are_refused(void)
{
	static const char *const wrong[] = { "order=11",
		                             "order=26",
		                             "order=",
		                             "order",
		                             "order=-1",
		                             "order=20x",
		                             "order=0x",
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

	char fill[64];

	rbd_room_read_cluster("{\"stats\":{\"total_bytes\":3000,\"total_used_raw_bytes\":1000},\"pools\":[]}",
	                      fill, sizeof(fill));
	CHECK(streq(fill, "cluster data=33.33%"));
	rbd_room_read_cluster(json, fill, sizeof(fill));
	CHECK(streq(fill, "cluster data=0.00%"));
	rbd_room_read_cluster("{\"stats\":{\"total_bytes\":0}}", fill, sizeof(fill));
	CHECK(!*fill);
	rbd_room_read_cluster("{\"stats\":{\"total_bytes\":9", fill, sizeof(fill));
	CHECK(!*fill);
	CHECK(!rbd_room_read("", "rbd", &s) && !rbd_room_read("\"name\":\"rbd\"}}", "rbd", &s));
}

/* Each answer whole, and then cut off at each byte: only the whole one is taken. */
#define ANSWER(text, read) check_answer(text, sizeof(text) - 1, read)

static void check_answer(const char *bytes, size_t len, bool (*read)(const void *answer, size_t len))
{
	for (size_t n = 0; n <= len; n++) {
		char *copy = malloc(n ? n : 1); /* of its own size, so that reading behind the end is seen */

		memcpy(copy, bytes, n);
		CHECK(read(copy, n) == (n == len));
		free(copy);
	}
	CHECK(!read(NULL, 0));
}

static bool size_is_right(const void *answer, size_t len)
{
	uint64_t size;
	unsigned order;

	return rbd_read_size(answer, len, &size, &order) && size == 0x0807060504030201 && order == 22;
}

static bool parent_is_right(const void *answer, size_t len)
{
	struct rbd_parent p;

	return rbd_read_parent(answer, len, &p) && p.pool == 2 && streq(p.namespace, "ns") &&
	       streq(p.image, "1a2b") && p.snapshot == 7;
}

static bool no_parent_is_right(const void *answer, size_t len)
{
	struct rbd_parent p;

	return rbd_read_parent(answer, len, &p) && p.pool == -1 && !p.image[0];
}

static bool ids_are_right(const void *answer, size_t len)
{
	uint64_t ids[2] = { 0 };
	size_t n;

	return rbd_read_snapshot_ids(answer, len, ids, 2, &n) && n == 3 && ids[0] == 9 && ids[1] == 8;
}

static bool name_is_right(const void *answer, size_t len)
{
	char text[3];

	return rbd_read_text(answer, len, text, sizeof(text)) && streq(text, "vm");
}

/* A struct whose version has two bytes more than ours knows. */
static void answers_of_headers(void)
{
	ANSWER("\x16\1\2\3\4\5\6\7\10", size_is_right);
	ANSWER("\2\1\40\0\0\0"
	       "\2\0\0\0\0\0\0\0\2\0\0\0ns\4\0\0\0"
	       "1a2b\7\0\0\0\0\0\0\0\0\0",
	       parent_is_right);
	ANSWER("\1\1\30\0\0\0\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0\376\377\377\377\377\377\377"
	       "\377",
	       no_parent_is_right);
	ANSWER("\11\0\0\0\0\0\0\0\3\0\0\0\11\0\0\0\0\0\0\0\10\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", ids_are_right);
	ANSWER("\7\0\0\0vm-long", name_is_right);
}

static void answers_that_are_none(void)
{
	static const char many_ids[] = "\11\0\0\0\0\0\0\0\377\377\377\377\11\0\0\0\0\0\0\0",
			  odd_order[] = "\377\1\2\3\4\5\6\7\10", with_nul[] = "\3\0\0\0a\0b";
	uint64_t n, ids[2];
	unsigned order;
	char text[8];
	size_t count;

	CHECK(!rbd_read_snapshot_ids(many_ids, sizeof(many_ids) - 1, ids, 2, &count));
	CHECK(!rbd_read_size(odd_order, sizeof(odd_order) - 1, &n, &order));
	CHECK(!rbd_read_text(with_nul, sizeof(with_nul) - 1, text, sizeof(text)));
}

/* Five objects of 4096 bytes, the last of them short: the first, the third and the last exist. */
static void maps_of_objects(void)
{
	static const char map[] = "\16\0\0\0\1\1\10\0\0\0\5\0\0\0\0\0\0\0\x4c\xc0\0\0\0\0";
	uint64_t allocated = 0;

	CHECK(rbd_read_object_map(map, sizeof(map) - 1, 4 * 4096 + 1, 4096, &allocated) &&
	      allocated == 2 * 4096 + 1);
	CHECK(!rbd_read_object_map(map, sizeof(map) - 1, 4 * 4096, 4096, &allocated));
	CHECK(!rbd_read_object_map(map, 19, 4 * 4096 + 1, 4096, &allocated));
	CHECK(!rbd_read_object_map(map, 0, 0, 4096, &allocated));
}

static bool may_be_set(const char *option)
{
	const struct pool_option one = { option, "x" };

	return rbd_options_check(&one, 1, NULL) == 0;
}

static void options_of_a_definition(void)
{
	CHECK(rbd_options_check(NULL, 0, NULL) == 0);
	CHECK(!may_be_set("mon_host")); /* <host> says it */
	CHECK(may_be_set("client_mount_timeout") && may_be_set("rados_mon_op_timeout"));
	CHECK(may_be_set("rbd_cache") && may_be_set("rbd_default_features") && may_be_set("ms_client_mode"));
	CHECK(!may_be_set("log_file") && !may_be_set("mon_cluster_log_file") && !may_be_set("log_to_stderr"));
	CHECK(!may_be_set("admin_socket") && !may_be_set("immutable_object_cache_sock"));
	CHECK(!may_be_set("keyring") && !may_be_set("keyfile") && !may_be_set("gss_ktab_client_file"));
	CHECK(!may_be_set("run_dir") && !may_be_set("crash_dir") && !may_be_set("chdir"));
	CHECK(!may_be_set("rbd_plugins") && !may_be_set("plugin_dir") && !may_be_set("erasure_code_dir"));
	CHECK(!may_be_set("rbd_persistent_cache_path") && !may_be_set("mon_debug_dump_location"));
	CHECK(!may_be_set("monmap"));
	CHECK(!may_be_set("log file") && !may_be_set(" log_file") && !may_be_set("log\tfile"));
	CHECK(!may_be_set("") && !may_be_set("LOG_FILE") && !may_be_set("log-file") && !may_be_set("--x"));
}

int main(void)
{
	RUN(answers_of_headers);
	RUN(answers_that_are_none);
	RUN(maps_of_objects);
	RUN(layouts_that_are_taken);
	RUN(layouts_that_are_refused);
	RUN(room_of_a_pool);
	RUN(options_of_a_definition);
	return check_done();
}
