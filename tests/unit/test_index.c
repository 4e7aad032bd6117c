/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index of volumes: made, searched, adopted; and what may lie in its place.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/util.h"
#include "pool/volindex.h"
#include "supervisor/index/index.h"
#include "check.h"

#define SEED 12345

/* ---- making one ---- */

static int make(struct volindex_builder *b, bool seal)
{
	struct err e = { 0 };
	int fd = index_new(&e);

	CHECK(fd >= 0 && volindex_write(b, SEED, fd, &e) == 0);
	if (seal)
		CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
	volindex_builder_free(b);
	return fd;
}

static void add(struct volindex_builder *b, const char *name, const char *path, const char *key)
{
	const struct volume v = { .name = name,
		                  .type = "file",
		                  .path = path,
		                  .key = key,
		                  .format = "raw",
		                  .capacity = 1,
		                  .allocation = 1 };

	CHECK(volindex_add(b, &v, SEED, false));
}

static int some(void)
{
	struct volindex_builder b = { 0 };

	add(&b, "zebra", "/t/zebra", "/t/zebra");
	add(&b, "a b", "/t/a b", "/t/a b");
	add(&b, "quote\"d", "/t/quote\"d", "key=1");
	add(&b, "plain", "/t/plain", "unique");
	add(&b, "other", "/t/elsewhere", "/t/elsewhere");
	return make(&b, true);
}

struct mapped {
	char *data;
	size_t len;
	struct volindex x;
};

static void map(struct mapped *m, int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	m->len = (size_t)st.st_size;
	m->data = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(m->data != MAP_FAILED && volindex_open(&m->x, m->data, m->len));
	close(fd);
}

static void unmap(struct mapped *m)
{
	munmap(m->data, m->len);
}

/* ---- finding ---- */

static void records_come_sorted_by_name(void)
{
	static const char *const sorted[] = { "a b", "other", "plain", "quote\"d", "zebra" };
	struct mapped m;

	map(&m, some());
	CHECK_INT(m.x.n, ARRAY_LEN(sorted));
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		char name[64];
		size_t len;
		const char *record = volindex_record(&m.x, i, &len);

		CHECK(record && volindex_name(record, len, name, sizeof(name)));
		CHECK_STR(name, sorted[i]);
		CHECK_INT(volindex_by_name(&m.x, sorted[i]), i);
		CHECK_INT(volindex_place(&m.x, sorted[i]), i);
	}
	CHECK_INT(volindex_by_name(&m.x, "zebr"), -1);
	CHECK_INT(volindex_by_name(&m.x, "zebra2"), -1);
	CHECK_INT(volindex_by_name(&m.x, ""), -1);
	CHECK_INT(volindex_by_name(&m.x, "/t/zebra"), -1);
	CHECK_INT(volindex_place(&m.x, "a"), 0);
	CHECK_INT(volindex_place(&m.x, "pla"), 2);
	CHECK_INT(volindex_place(&m.x, "~"), 5);
	size_t len;
	CHECK(volindex_record(&m.x, 5, &len) == NULL);
	unmap(&m);
}

static void ten_thousand_are_found(void)
{
	struct volindex_builder b = { 0 };
	struct mapped m;
	char name[32], path[64];
	size_t at;

	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "volume%d", i);
		snprintf(path, sizeof(path), "/target/%s", name);
		add(&b, name, path, path);
	}
	map(&m, make(&b, true));
	CHECK_INT(m.x.n, 10000);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "volume%d", i);
		snprintf(path, sizeof(path), "/target/%s", name);
		long found = volindex_by_name(&m.x, name);
		at = 0;
		CHECK(found >= 0 && volindex_next(&m.x, hash_text(m.x.seed, path), &at) == found);
		CHECK(at < 200); /* and not by walking through all */
	}
	unmap(&m);
}

static void an_empty_one_is_one(void)
{
	struct volindex_builder b = { 0 };
	struct mapped m;
	struct volindex none;
	size_t len;

	map(&m, make(&b, true));
	CHECK_INT(m.x.n, 0);
	CHECK_INT(m.x.records_len, 0);
	CHECK_INT(volindex_by_name(&m.x, "x"), -1);
	CHECK_INT(volindex_place(&m.x, "x"), 0);
	CHECK(volindex_record(&m.x, 0, &len) == NULL);
	CHECK(volindex_open(&none, NULL, 0));
	CHECK_INT(volindex_by_name(&none, "x"), -1);
	unmap(&m);
}

/* Kept from the last one, in order, with a new one between. */
static void records_are_kept_as_they_are(void)
{
	struct volindex_builder b = { 0 };
	const struct volume v = { .name = "middle", .type = "file", .path = "/t/middle", .key = "/t/middle" };
	struct mapped old, new;
	size_t len;

	map(&old, some());
	for (size_t i = 0; i < old.x.n; i++) {
		if (i == 1)
			CHECK(volindex_add(&b, &v, SEED, true));
		volindex_keep(&b, &old.x.entries[i], volindex_record(&old.x, i, &len));
	}
	map(&new, make(&b, true));
	CHECK_INT(new.x.n, 6);
	CHECK_INT(volindex_by_name(&new.x, "middle"), 1);
	CHECK_INT(volindex_by_name(&new.x, "quote\"d"), 4);
	CHECK_INT(new.x.records_len, old.x.records_len + strlen("- name=middle type=file path=/t/middle "
	                                                        "key=/t/middle capacity=0 allocation=0\n"));
	unmap(&old);
	unmap(&new);
}

static void what_no_line_can_hold_is_left_out(void)
{
	struct volindex_builder b = { 0 };
	char path[8192];
	struct volume v = { .name = "x", .type = "block", .path = path };
	struct mapped m;

	memset(path, 'd', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	add(&b, "before", "/b", "/b");
	CHECK(!volindex_add(&b, &v, SEED, false));
	add(&b, "after", "/a", "/a");
	map(&m, make(&b, true));
	CHECK_INT(m.x.n, 2);
	CHECK(volindex_by_name(&m.x, "before") >= 0 && volindex_by_name(&m.x, "after") >= 0 &&
	      volindex_by_name(&m.x, "x") < 0);
	unmap(&m);
}

/* ---- what may lie in its place ---- */

/* Everything that can be asked of it. */
static void ask(const struct volindex *x)
{
	static const char *const names[] = { "zebra", "a b", "quote\"d", "plain", "/t/plain", "", "key=1" };
	char name[64];
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		long found = volindex_by_name(x, names[i]);
		size_t at = 0;

		CHECK(found < (long)x->n && volindex_place(x, names[i]) <= x->n);
		while (volindex_next(x, hash_text(x->seed, names[i]), &at) >= 0)
			;
	}
	for (size_t i = 0; i < x->n + 2; i++) {
		const char *record = volindex_record(x, i, &len);

		if (record)
			volindex_name(record, len, name, sizeof(name));
	}
}

/* A copy that ends where the memory ends: reading behind it is seen. */
static void try_bytes(const char *data, size_t len)
{
	char *copy = aligned_alloc(8, (len + 7) & ~(size_t)7 ? (len + 7) & ~(size_t)7 : 8);
	struct volindex x;

	memcpy(copy, data, len);
	if (volindex_open(&x, copy, len))
		ask(&x);
	free(copy);
}

static void any_bytes_are_survived(void)
{
	struct mapped m;
	uint32_t chance = 1;

	map(&m, some());
	for (size_t len = 0; len <= m.len; len++) /* cut off anywhere */
		try_bytes(m.data, len);
	for (size_t i = 0; i < m.len; i++) /* any byte another */
		for (int bit = 0; bit < 8; bit += 7) {
			m.data[i] = (char)(m.data[i] ^ 1 << bit);
			try_bytes(m.data, m.len);
			m.data[i] = (char)(m.data[i] ^ 1 << bit);
		}
	for (int round = 0; round < 2000; round++) { /* many others */
		char saved[8];

		chance = chance * 1664525 + 1013904223;
		size_t at = (chance >> 8) % (m.len - sizeof(saved));
		memcpy(saved, m.data + at, sizeof(saved));
		memset(m.data + at, round & 1 ? 0xff : 0, sizeof(saved));
		try_bytes(m.data, m.len);
		memcpy(m.data + at, saved, sizeof(saved));
	}
	unmap(&m);
}

static void a_tail_that_promises_too_much_is_refused(void)
{
	struct mapped m;
	struct volindex x;

	map(&m, some());
	for (size_t field = 0; field < 3; field++)
		for (int shift = 0; shift < 64; shift++) {
			char *at = m.data + m.len - 40 + 8 * field;
			uint64_t was, is = UINT64_MAX >> shift;

			memcpy(&was, at, 8);
			memcpy(at, &is, 8);
			CHECK(!volindex_open(&x, m.data, m.len) || is == was);
			memcpy(at, &was, 8);
		}
	CHECK(volindex_open(&x, m.data, m.len));
	unmap(&m);
}

/* ---- in the supervisor ---- */

static struct supervisor sup;
static struct pool pool;

static void begin(void)
{
	pool = (struct pool){ .sup = &sup,
		              .name = (char *)(uintptr_t) "p",
		              .index = -1,
		              .fresh_index = -1,
		              .phase = PHASE_ACTIVE };
	sup = (struct supervisor){ .pools = &pool };
}

static void found(const char *what, const char *name)
{
	struct err e = { 0 };
	struct pool *in = NULL;
	char begins[64];
	size_t len = 0;
	const char *record = volume_lookup(&sup, NULL, what, &in, &len, &e);

	snprintf(begins, sizeof(begins), "- name=%s ", name ? name : "");
	CHECK(name ? record && in == &pool && strncmp(record, begins, strlen(begins)) == 0 &&
	                      record[len - 1] == '\n'
	           : !record && err_is(&e, ERR_NO_VOLUME));
}

static void volumes_are_found_by_name_path_and_key(void)
{
	struct err e = { 0 };

	begin();
	CHECK(index_adopt(&pool, some(), &e) == 0);
	CHECK_INT(pool.nvolumes, 5);
	CHECK(pool.index_len < pool.index_size && pool.index_map[pool.index_len - 1] == '\n');
	found("plain", "plain");
	found("/t/plain", "plain");
	found("unique", "plain");
	found("key=1", "\"quote\\\"d\"");
	found("/t/a b", "\"a b\"");
	found("/t/elsewhere", "other");
	found("/t/other", NULL);
	found("nothing", NULL);
	found("", NULL);
	found("plain ", NULL);
	index_drop(&pool);
	found("plain", NULL);
	CHECK_INT(pool.index, -1);
	CHECK_INT(pool.nvolumes, 0);
}

static void what_was_not_finished_is_not_adopted(void)
{
	struct volindex_builder b = { 0 };
	struct err e = { 0 };

	begin();
	CHECK(index_adopt(&pool, some(), &e) == 0);
	add(&b, "new", "/new", "/new");
	/* not sealed: whoever holds it could cut it off under us */
	CHECK(index_adopt(&pool, make(&b, false), &e) < 0);
	CHECK(err_is(&e, ERR_INTERNAL));
	int fd = index_new(&e);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(index_adopt(&pool, fd, &e) < 0); /* empty */
	CHECK(fcntl(fd, F_GETFD) < 0);         /* and closed */
	fd = index_new(&e);
	CHECK(write(fd, "- name=x type=file path=/x\n", 27) == 27 &&
	      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(index_adopt(&pool, fd, &e) < 0); /* something else */
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(index_adopt(&pool, fd, &e) < 0);
	found("plain", "plain"); /* the old one stands */
	index_drop(&pool);
}

int main(void)
{
	RUN(records_come_sorted_by_name);
	RUN(ten_thousand_are_found);
	RUN(an_empty_one_is_one);
	RUN(records_are_kept_as_they_are);
	RUN(what_no_line_can_hold_is_left_out);
	RUN(any_bytes_are_survived);
	RUN(a_tail_that_promises_too_much_is_refused);
	RUN(volumes_are_found_by_name_path_and_key);
	RUN(what_was_not_finished_is_not_adopted);
	return check_done();
}
