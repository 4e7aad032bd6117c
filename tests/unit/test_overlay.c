/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looks at some of a directory's many files, which are written as overlays: what comes of them is what a look
 * at all of them would find.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "pool/volindex.h"
#include "supervisor/index/index.h"
#include "volumes/directory/list.h"

#define MANY 400

static char root[PATH_MAX];
static struct supervisor sup;
static struct pool pool;
static unsigned overlays, wholes, unchanged;

static const char *at(const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void make_file(const char *name, size_t size)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	close(fd);
}

static const char *numbered(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof(name), i % 10 ? "disk%03u.img" : "disk %03u.img", i);
	return name;
}

static void begin_pool(void)
{
	fixture_make(root);
	pool = (struct pool){ .sup = &sup,
		              .name = (char *)(uintptr_t) "p",
		              .volumes.base.fd = -1,
		              .volumes.over.fd = -1,
		              .work.fresh_index = -1,
		              .phase = PHASE_ACTIVE };
	sup = (struct supervisor){ .pools = &pool };
	overlays = wholes = unchanged = 0;
}

/* As the supervisor's worker and the supervisor do it. */
static int adopt(struct op *op, struct volindex_builder *b, struct err *e)
{
	int fd;

	if (!b) {
		unchanged++;
		return 0;
	}
	overlays += b->over != NULL;
	wholes += b->over == NULL;
	fd = index_new(e);
	CHECK(fd >= 0 && volindex_write(b, op->seed, fd, e) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
	op->arg = (void *)(intptr_t)fd; /* once the builder's texts are no longer needed */
	return 0;
}

static void look(const char *const *only)
{
	const struct pool_def d = { .type = POOL_DIR, .target.path = root };
	struct op op = { .deadline = NEVER,
		         .on_index = adopt,
		         .seed = pool.volumes.index.base.n ? pool.volumes.index.seed : 5,
		         .index = pool.volumes.index.base.n ? &pool.volumes.index : NULL,
		         .only = only,
		         .arg = (void *)(intptr_t)-1 };
	struct pool_sizes sizes;
	struct err e = { 0 };

	CHECK(files_refresh(&d, &op, &sizes, &e) == 0);
	if ((intptr_t)op.arg >= 0)
		CHECK(index_adopt(&pool, (int)(intptr_t)op.arg, &e) == 0);
}

static void look_at_one(const char *name)
{
	look((const char *const[]){ name, NULL });
}

static void found(const char *name, const char *capacity)
{
	char want[64];
	size_t len = 0;
	const char *record = volume_find(&pool, name, &len);

	snprintf(want, sizeof(want), " capacity=%s ", capacity ? capacity : "");
	CHECK(!record == !capacity);
	CHECK(!record || memmem(record, len, want, strlen(want)));
}

static void list(struct buf *b)
{
	struct volindex_walk walk = { 0 };
	struct volindex_run run;

	while (volindex_run(&pool.volumes.index, &walk, &run))
		buf_add(b, (run.over ? pool.volumes.over.map : pool.volumes.base.map) + run.offset, run.len);
}

/* A file that has just been written has no inode yet: whether it has is no matter here. */
static void forget_inodes(struct buf *b)
{
	for (char *p = b->data; p && (p = strstr(p, " inode="));)
		memmove(p, p + 7 + strspn(p + 7, "0123456789"),
		        strlen(p + 7 + strspn(p + 7, "0123456789")) + 1);
}

/* Until it has one, when another look finds nothing new. */
static void settle(const char *name)
{
	uint64_t deadline = clock_ms() + SECONDS(10);
	const char *record;
	size_t len;

	do {
		look_at_one(name);
		record = volume_find(&pool, name, &len);
	} while (record && !memmem(record, len, " inode=", 7) && clock_ms() < deadline);
	unchanged = 0;
}

/* Whatever was looked at piece by piece is what is seen at one look. */
static void as_seen_at_once(void)
{
	cleanup_buf struct buf before = BUF_INIT, after = BUF_INIT;
	uint64_t n = pool.volumes.count;

	list(&before);
	index_drop(&pool);
	look(NULL);
	list(&after);
	forget_inodes(&before);
	forget_inodes(&after);
	CHECK_STR(buf_str(&before), buf_str(&after));
	CHECK_INT(pool.volumes.count, n);
}

static void some_of_many_are_an_overlay(void)
{
	begin_pool();
	for (unsigned i = 0; i < MANY; i++)
		make_file(numbered(i), 4096);
	look(NULL);
	CHECK_INT(pool.volumes.count, MANY);
	make_file("new", 512);
	look_at_one("new");
	found("new", "512");
	make_file(numbered(7), 8192);
	look_at_one(numbered(7));
	found(numbered(7), "8192");
	CHECK(unlink(at(numbered(10))) == 0);
	look_at_one(numbered(10));
	found(numbered(10), NULL);
	CHECK_INT(overlays, 3);
	CHECK_INT(wholes, 1);
	CHECK_INT(pool.volumes.count, MANY);
	make_file("new", 1024); /* what the overlay has changes, */
	look_at_one("new");
	found("new", "1024");
	make_file(numbered(10), 512); /* comes back, */
	look_at_one(numbered(10));
	found(numbered(10), "512");
	CHECK(unlink(at("new")) == 0); /* and goes */
	look_at_one("new");
	found("new", NULL);
	CHECK_INT(overlays, 6);
	CHECK_INT(pool.volumes.count, MANY);
	as_seen_at_once();
	index_drop(&pool);
	fixture_remove(root);
}

static void what_is_unchanged_is_seen_through_both(void)
{
	begin_pool();
	for (unsigned i = 0; i < MANY; i++)
		make_file(numbered(i), 4096);
	look(NULL);
	make_file("new", 512);
	CHECK(unlink(at(numbered(0))) == 0);
	look((const char *const[]){ "new", numbered(0), NULL });
	CHECK_INT(wholes, 1);
	settle("new");
	settle(numbered(MANY - 1));
	look(NULL);
	CHECK_INT(wholes, 2); /* those that were not settled at first */
	make_file("newer", 512);
	settle("newer");
	CHECK(unlink(at(numbered(1))) == 0);
	look_at_one(numbered(1));
	CHECK_INT(pool.volumes.index.over.n, 2);
	unchanged = 0;
	look_at_one("newer");
	look_at_one(numbered(1));
	look_at_one("never");
	look_at_one(numbered(5));
	look((const char *const[]){ NULL });
	look(NULL);
	CHECK_INT(unchanged, 6);
	make_file(numbered(0), 1); /* what is gone has come again */
	look(NULL);
	CHECK_INT(unchanged, 6);
	CHECK_INT(wholes, 3);
	CHECK_INT(pool.volumes.index.over.n, 0);
	as_seen_at_once();
	index_drop(&pool);
	fixture_remove(root);
}

static void what_is_worn_is_folded(void)
{
	size_t limit;

	begin_pool();
	for (unsigned i = 0; i < MANY; i++)
		make_file(numbered(i), 4096);
	look(NULL);
	limit = volindex_overlay_limit(&pool.volumes.index);
	CHECK(limit > 10 && limit < MANY / 2);
	for (unsigned i = 0; i < limit; i++) {
		CHECK(!volindex_is_worn(&pool.volumes.index));
		CHECK(truncate(at(numbered(i)), 100 + i) == 0);
		look_at_one(numbered(i));
	}
	CHECK(volindex_is_worn(&pool.volumes.index) && overlays == limit && wholes == 1);
	look((const char *const[]){ NULL }); /* when there is time for it */
	CHECK(!volindex_is_worn(&pool.volumes.index) && pool.volumes.index.over.n == 0 && wholes == 2);
	look((const char *const[]){ NULL });
	CHECK_INT(unchanged, 1);
	for (unsigned i = 0; i < 2 * limit; i++) { /* or when there is none */
		CHECK(unlink(at(numbered(i))) == 0);
		look_at_one(numbered(i));
	}
	CHECK(pool.volumes.index.over.n == 0 && wholes == 3 && overlays == 3 * limit - 1);
	CHECK_INT(pool.volumes.count, MANY - 2 * limit);
	as_seen_at_once();
	index_drop(&pool);
	fixture_remove(root);
}

static void many_changes_at_once_are_written_whole(void)
{
	const char *names[MANY + 1] = { NULL };

	begin_pool();
	for (unsigned i = 0; i < MANY; i++) {
		names[i] = strdup(numbered(i));
		make_file(names[i], 4096);
	}
	look(NULL);
	for (unsigned i = 0; i < MANY; i += 2)
		CHECK(truncate(at(names[i]), 1 + i) == 0);
	look(names);
	CHECK_INT(wholes, 2);
	CHECK_INT(overlays, 0);
	as_seen_at_once();
	index_drop(&pool);
	for (unsigned i = 0; i < MANY; i++)
		free((char *)(uintptr_t)names[i]);
	fixture_remove(root);
}

int main(void)
{
	RUN(some_of_many_are_an_overlay);
	RUN(what_is_unchanged_is_seen_through_both);
	RUN(what_is_worn_is_folded);
	RUN(many_changes_at_once_are_written_whole);
	return check_done();
}
