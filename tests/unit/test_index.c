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
#include "pool/volindex_bytes.h"
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
	bool there;

	map(&m, some());
	CHECK_INT(m.x.n, ARRAY_LEN(sorted));
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		char name[64];
		size_t len;
		const char *record = volindex_record(&m.x, i, &len);

		CHECK(record && volindex_name(record, len, name, sizeof(name)));
		CHECK_STR(name, sorted[i]);
		CHECK_INT(volindex_by_name(&m.x, sorted[i]), i);
		CHECK_INT(volindex_place(&m.x, sorted[i], &there), i);
		CHECK(there);
	}
	CHECK_INT(volindex_by_name(&m.x, "zebr"), -1);
	CHECK_INT(volindex_by_name(&m.x, "zebra2"), -1);
	CHECK_INT(volindex_by_name(&m.x, ""), -1);
	CHECK_INT(volindex_by_name(&m.x, "/t/zebra"), -1);
	CHECK_INT(volindex_place(&m.x, "a", &there), 0);
	CHECK(!there);
	CHECK_INT(volindex_place(&m.x, "pla", &there), 2);
	CHECK_INT(volindex_place(&m.x, "~", &there), 5);
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
	bool there;

	map(&m, make(&b, true));
	CHECK_INT(m.x.n, 0);
	CHECK_INT(m.x.base.records_len, 0);
	CHECK_INT(volindex_by_name(&m.x, "x"), -1);
	CHECK_INT(volindex_place(&m.x, "x", &there), 0);
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
		volindex_keep(&b, volindex_entry(&old.x, i), volindex_record(&old.x, i, &len));
	}
	map(&new, make(&b, true));
	CHECK_INT(new.x.n, 6);
	CHECK_INT(volindex_by_name(&new.x, "middle"), 1);
	CHECK_INT(volindex_by_name(&new.x, "quote\"d"), 4);
	CHECK_INT(new.x.base.records_len,
	          old.x.base.records_len + strlen("- name=middle type=file path=/t/middle "
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
	bool there;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		long found = volindex_by_name(x, names[i]);
		size_t at = 0;

		CHECK(found < (long)x->n && volindex_place(x, names[i], &there) <= x->n);
		while (volindex_next(x, hash_text(x->seed, names[i]), &at) >= 0)
			;
	}
	for (size_t i = 0; i < x->base.n + x->over.n + 2; i++) {
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
			char *at = m.data + m.len - 48 + 8 * field;
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
		              .volumes.base.fd = -1,
		              .volumes.over.fd = -1,
		              .work.fresh_index = -1,
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
	CHECK_INT(pool.volumes.count, 5);
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
	CHECK(!pool_has_index(&pool) && !pool.volumes.index.base.n);
	CHECK_INT(pool.volumes.count, 0);
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
	/* nor is one that may still be written: what is checked once has to stay true */
	add(&b, "new", "/new", "/new");
	int fd = make(&b, false);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	CHECK(index_adopt(&pool, fd, &e) < 0);
	fd = index_new(&e);
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

/* ---- overlays: random changes, compared with a plain table ---- */

#define UNIVERSE 900 /* names; the first BASE are there in the beginning */
#define BASE     300

static struct {
	bool there;
	unsigned capacity;
} model[UNIVERSE];
static uint32_t dice = 1;

static unsigned roll(unsigned sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

/* In the order of their numbers; some have to be quoted. */
static const char *name_of(unsigned i)
{
	static char text[32];

	snprintf(text, sizeof(text), i % 7 ? "v%03u" : "v%03u \"x\"", i);
	return text;
}

static const char *path_of(unsigned i)
{
	static char text[64];

	snprintf(text, sizeof(text), "/t/%s", name_of(i));
	return text;
}

static const char *key_of(unsigned i)
{
	static char text[64];

	snprintf(text, sizeof(text), i % 3 ? "/t/%s" : "key-%s", name_of(i));
	return text;
}

static void add_of(struct volindex_builder *b, unsigned i, uint64_t seed)
{
	const struct volume v = { .name = name_of(i),
		                  .type = "file",
		                  .path = path_of(i),
		                  .key = key_of(i),
		                  .format = "raw",
		                  .capacity = model[i].capacity };

	CHECK(volindex_add(b, &v, seed, true));
}

static int whole_of_model(void)
{
	struct volindex_builder b = { 0 };

	for (unsigned i = 0; i < UNIVERSE; i++)
		if (model[i].there)
			add_of(&b, i, SEED);
	return make(&b, true);
}

/* What a worker does with names that it was told to look at. `looked`: at which. Whether it has written an
 * overlay. */
static bool change_index(const bool *looked, int *fd)
{
	const struct volindex *x = &pool.volumes.index;
	struct volindex_builder b = { .over = x };
	bool over;

	for (unsigned i = 0; i < UNIVERSE; i++) {
		long known = looked[i] ? volindex_by_name(x, name_of(i)) : -1;
		size_t len = 0;
		const char *record = known < 0 ? NULL : volindex_record(x, (size_t)known, &len);
		char capacity[32];

		if (!looked[i])
			continue;
		snprintf(capacity, sizeof(capacity), " capacity=%u ", model[i].capacity);
		bool same = record && model[i].there && memmem(record, len, capacity, strlen(capacity));
		volindex_overlay_until(&b, name_of(i));
		if (same && (size_t)known < x->base.n)
			continue;
		if (same)
			volindex_keep(&b, volindex_entry(x, (size_t)known), record);
		else if (model[i].there)
			add_of(&b, i, x->seed);
		volindex_overlay_set(&b);
	}
	volindex_overlay_end(&b);
	over = b.over;
	*fd = make(&b, true);
	return over;
}

static void list_of_model(struct buf *b)
{
	for (unsigned i = 0; i < UNIVERSE; i++) {
		const struct volume v = { .name = name_of(i),
			                  .type = "file",
			                  .path = path_of(i),
			                  .key = key_of(i),
			                  .format = "raw",
			                  .capacity = model[i].capacity };

		if (model[i].there)
			volume_record(&v, b);
	}
}

static void list_of_index(struct buf *b)
{
	struct volindex_walk walk = { 0 };
	struct volindex_run run;

	while (volindex_run(&pool.volumes.index, &walk, &run))
		buf_add(b, (run.over ? pool.volumes.over.map : pool.volumes.base.map) + run.offset, run.len);
}

static void found_as_in_model(unsigned i)
{
	const char *const names[] = { path_of(i), key_of(i) };
	struct err e = { 0 };
	struct pool *in;
	size_t len = 0;
	char name[64], capacity[32];

	snprintf(capacity, sizeof(capacity), " capacity=%u ", model[i].capacity);
	for (size_t k = 0; k < 3; k++) {
		const char *record = k < 2 ? volume_lookup(&sup, NULL, names[k], &in, &len, &e)
		                           : volume_find(&pool, name_of(i), &len);

		CHECK(!record == !model[i].there);
		CHECK(!record || (volindex_name(record, len, name, sizeof(name)) && streq(name, name_of(i)) &&
		                  memmem(record, len, capacity, strlen(capacity))));
	}
}

static void as_in_model(void)
{
	cleanup_buf struct buf want = BUF_INIT, got = BUF_INIT;
	struct volindex_walk walk = { 0 };
	size_t n = 0, len;
	char name[64];

	for (unsigned i = 0; i < UNIVERSE; i++) {
		long v = model[i].there ? volindex_walk(&pool.volumes.index, &walk) : -1;

		found_as_in_model(i);
		n += model[i].there;
		const char *record = v < 0 ? NULL : volindex_record(&pool.volumes.index, (size_t)v, &len);
		CHECK(!model[i].there ||
		      (record && volindex_name(record, len, name, sizeof(name)) && streq(name, name_of(i))));
	}
	CHECK_INT(volindex_walk(&pool.volumes.index, &walk), -1);
	CHECK_INT(pool.volumes.count, n);
	list_of_model(&want);
	list_of_index(&got);
	CHECK_STR(buf_str(&got), buf_str(&want));
}

static void begin_with_model(void)
{
	struct err e = { 0 };

	begin();
	for (unsigned i = 0; i < UNIVERSE; i++) {
		model[i].there = i % 3 == 1;
		model[i].capacity = i + 1;
	}
	CHECK(index_adopt(&pool, whole_of_model(), &e) == 0);
	as_in_model();
}

static void change_some(bool *looked)
{
	for (unsigned k = roll(5) ? roll(4) : roll(40); k < 40; k += 40 / (1 + roll(8))) {
		unsigned i = roll(UNIVERSE), act = roll(4);

		looked[i] = true;
		model[i].there = act ? act != 1 : model[i].there; /* 0: it is as it was */
		model[i].capacity += act == 2;
	}
}

static void any_changes_are_seen_through_both(void)
{
	unsigned overlays = 0, wholes = 0;
	size_t most = 0;
	struct err e = { 0 };

	begin_with_model();
	for (int round = 0; round < 400; round++) {
		bool looked[UNIVERSE] = { false };
		int fd;

		change_some(looked);
		if (change_index(looked, &fd))
			overlays++;
		else
			wholes++;
		CHECK(index_adopt(&pool, fd, &e) == 0);
		as_in_model();
		CHECK_INT(pool.volumes.number, round + 2);
		most = pool.volumes.index.over.n > most ? pool.volumes.index.over.n : most;
	}
	CHECK(overlays > 200 && wholes > 5);
	CHECK(most > volindex_overlay_limit(&pool.volumes.index) &&
	      most < 2 * volindex_overlay_limit(&pool.volumes.index));
	index_drop(&pool);
	CHECK(!pool_has_index(&pool) && pool.volumes.over.fd < 0 && !pool.volumes.index.n);
}

/* All of the base may go, and come back. */
static void all_may_go_and_come_back(void)
{
	struct err e = { 0 };
	int fd;

	begin_with_model();
	for (int back = 0; back < 2; back++)
		for (unsigned first = 0; first < UNIVERSE; first += 60) {
			bool looked[UNIVERSE] = { false };

			for (unsigned i = first; i < first + 60; i++) {
				looked[i] = i % 3 == 1;
				model[i].there = back && i % 3 == 1;
			}
			change_index(looked, &fd);
			CHECK(index_adopt(&pool, fd, &e) == 0);
			as_in_model();
		}
	index_drop(&pool);
}

static void what_changes_back_leaves_nothing(void)
{
	bool looked[UNIVERSE] = { [0] = true, [1] = true };
	struct err e = { 0 };
	int fd;

	begin_with_model();
	for (int round = 0; round < 2; round++) {
		model[0].there = !model[0].there;
		model[1].there = !model[1].there;
		CHECK(change_index(looked, &fd));
		CHECK(index_adopt(&pool, fd, &e) == 0);
		as_in_model();
		CHECK_INT(pool.volumes.index.over.n,
		          round ? 1 : 2); /* the volume that came back is another one */
	}
	index_drop(&pool);
}

static void a_small_index_is_written_whole(void)
{
	struct err e = { 0 };

	begin();
	for (unsigned i = 0; i < UNIVERSE; i++)
		model[i].there = i < 255;
	for (unsigned n = 255; n < 258; n++) {
		bool looked[UNIVERSE] = { false };
		int fd = whole_of_model();

		CHECK(index_adopt(&pool, fd, &e) == 0);
		CHECK_INT(volindex_overlay_limit(&pool.volumes.index), n < 256 ? 0 : 32);
		looked[n] = model[n].there = true;
		CHECK(change_index(looked, &fd) == (n >= 256));
		CHECK(index_adopt(&pool, fd, &e) == 0);
		as_in_model();
	}
	index_drop(&pool);
}

static void an_overlay_is_of_one_base_only(void)
{
	bool looked[UNIVERSE] = { [5] = true };
	struct err e = { 0 };
	int stale, stray, fd;

	begin_with_model();
	model[5].there = true;
	change_index(looked, &stale);
	change_index(looked, &stray);
	CHECK(index_adopt(&pool, whole_of_model(), &e) == 0);
	CHECK(index_adopt(&pool, stale, &e) < 0); /* the same volumes, but another base */
	CHECK(err_is(&e, ERR_INTERNAL));
	CHECK(fcntl(stale, F_GETFD) < 0); /* and closed */
	as_in_model();
	model[5].there = false;
	change_index(looked, &fd);
	CHECK(index_adopt(&pool, fd, &e) == 0);
	as_in_model();
	index_drop(&pool);
	CHECK(index_adopt(&pool, stray, &e) < 0); /* over nothing */
	CHECK(!pool_has_index(&pool) && pool.volumes.count == 0);
}

/* ---- what may lie in an overlay's place ---- */

static void try_overlay(const struct volindex *base, const char *data, size_t len)
{
	char *copy = aligned_alloc(8, (len + 7) & ~(size_t)7 ? (len + 7) & ~(size_t)7 : 8);
	struct volindex x = *base;
	struct volindex_walk walk = { 0 }, sent = { 0 };
	struct volindex_run run;
	size_t n = 0;

	memcpy(copy, data, len);
	if (volindex_lay(&x, copy, len)) {
		ask(&x);
		while (volindex_walk(&x, &walk) >= 0)
			n++;
		CHECK_INT(n, x.n);
		while (volindex_run(&x, &sent, &run))
			CHECK(run.offset + run.len <= (run.over ? x.over.records_len : x.base.records_len));
	} else {
		CHECK(memcmp(&x, base, sizeof(x)) == 0);
	}
	free(copy);
}

static void any_overlay_is_survived(void)
{
	bool looked[UNIVERSE] = { false };
	struct volindex base;
	struct mapped m = { 0 };
	int fd;

	begin_with_model();
	for (unsigned i = 0; i < 12; i++) {
		looked[i] = true;
		model[i].there = !model[i].there;
	}
	change_index(looked, &fd);
	m.len = (size_t)lseek(fd, 0, SEEK_END);
	m.data = mmap(NULL, m.len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(m.data != MAP_FAILED && volindex_lay(&pool.volumes.index, m.data, m.len) &&
	      pool.volumes.index.over.n == 12);
	base = pool.volumes.index;
	base.over = (struct volindex_part){ 0 };
	base.n = base.base.n;
	for (size_t len = 0; len <= m.len; len += 4)
		try_overlay(&base, m.data, len);
	for (size_t i = 0; i < m.len; i++)
		for (int bit = 0; bit < 8; bit += 7) {
			m.data[i] = (char)(m.data[i] ^ 1 << bit);
			try_overlay(&base, m.data, m.len);
			m.data[i] = (char)(m.data[i] ^ 1 << bit);
		}
	CHECK(!volindex_open(&(struct volindex){ 0 }, m.data, m.len));     /* it is no base, */
	try_overlay(&base, pool.volumes.base.map, pool.volumes.base.size); /* and a base is no overlay */
	unmap(&m);
	close(fd);
	index_drop(&pool);
}

static void places_that_are_not_in_order_are_refused(void)
{
	bool looked[UNIVERSE] = { [0] = true, [1] = true, [2] = true, [899] = true };
	struct volindex x;
	struct mapped m = { 0 };
	int fd;

	begin_with_model();
	model[0].there = true;  /* before all */
	model[1].there = false; /* the base's first */
	model[2].there = true;
	model[899].there = true; /* behind all */
	change_index(looked, &fd);
	m.len = (size_t)lseek(fd, 0, SEEK_END);
	m.data = mmap(NULL, m.len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	x = pool.volumes.index;
	CHECK(volindex_lay(&x, m.data, m.len));
	CHECK_INT(x.n, BASE + 2);
	static const uint32_t good[] = { 0, 0, 1, BASE };
	for (size_t i = 0; i < 4; i++) {
		struct volindex_entry *e = (struct volindex_entry *)(uintptr_t)&x.over.entries[i];
		const uint32_t bad[] = { BASE + 1, UINT32_MAX, i > 2 ? 0 : BASE, i == 1 ? BASE : 2 };

		CHECK_INT(e->place, good[i]);
		for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
			bool right = (i == 2 && k >= 2) || (i == 3 && k == 3);

			e->place = bad[k];
			CHECK(volindex_lay(&x, m.data, m.len) == right);
		}
		e->place = good[i];
	}
	CHECK(volindex_lay(&x, m.data, m.len));
	unmap(&m);
	close(fd);
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
	RUN(any_changes_are_seen_through_both);
	RUN(all_may_go_and_come_back);
	RUN(what_changes_back_leaves_nothing);
	RUN(a_small_index_is_written_whole);
	RUN(an_overlay_is_of_one_base_only);
	RUN(any_overlay_is_survived);
	RUN(places_that_are_not_in_order_are_refused);
	return check_done();
}
