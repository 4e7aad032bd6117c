/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the worker that waits is told: all of it, and nothing that points into memory which it has by chance.
 */
#include "supervisor/work/errand.c"
#include "supervisor/work/waiting.c"

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

static struct supervisor sup;

/* Each text another one, each third of them none, and one that is empty; every byte behind them is 1. */
static void fill(const struct shape *shape, void *of, char (*room)[32])
{
	const char **texts = of;

	memset((char *)of + shape->bytes, 1, shape->end - shape->bytes);
	for (size_t i = 0; i < shape->bytes / sizeof(*texts); i++) {
		snprintf(room[i], sizeof(*room), "%s%zu", i == 1 ? "" : "text ", i);
		if (i == 1)
			room[i][0] = '\0';
		texts[i] = i % 3 == 2 ? NULL : room[i];
	}
}

/* As it was, in other memory. */
static void check_same(const struct shape *shape, const void *got, const void *want)
{
	const char *const *a = got, *const *b = want;

	for (size_t i = 0; i < shape->bytes / sizeof(*a); i++) {
		CHECK_STR(a[i], b[i]);
		CHECK(!a[i] || a[i] != b[i]);
	}
	CHECK(memcmp((const char *)got + shape->bytes, (const char *)want + shape->bytes,
	             shape->end - shape->bytes) == 0);
}

/* From one end to the other, without a socket. */
static bool pass(const struct task *task, const struct errand *errand, const struct pool_views *others,
                 struct task *got, struct task *then)
{
	static char space[ERRAND_LIMIT];
	static struct given given[8]; /* a worker ends with what it was told */
	static size_t n;
	cleanup_buf struct buf b = { .limit = ERRAND_LIMIT + 1 };
	struct told told;

	if (!errand_tell(&b, task, errand, others))
		return false;
	memcpy(&told, b.data, sizeof(told));
	CHECK_INT(told.size, b.len);
	memcpy(space, b.data + sizeof(told), b.len - sizeof(told));
	memset(b.data, 0xff, b.len);
	*got = (struct task){ .arg = &sup };
	struct told_rest r = { space, space + told.size - sizeof(told) };
	CHECK(n < ARRAY_LEN(given));
	hear_all(&r, &told, &given[n++], got, then);
	CHECK(r.at == r.end);
	return true;
}

static void a_start_and_its_refresh_are_told_whole(void)
{
	static char texts[6][32][32];
	static const char *const only[] = { "a volume", "another", NULL };
	struct pool_view pool, list[2];
	struct operation o, next;
	struct task got, then,
		after = { .what = "refresh", .run = operation_refresh, .timeout = 7 },
		task = {
			.what = "start", .run = operation_start, .timeout = 5, .prompt = true, .then = &after
		};

	fill(&view_shape, &pool, texts[0]);
	fill(&view_shape, &list[0], texts[1]);
	fill(&view_shape, &list[1], texts[2]);
	fill(&operation_shape, &o, texts[3]);
	fill(&operation_shape, &next, texts[4]);
	o.only = NULL;
	next.only = only;
	o.pool = next.pool = &pool;
	CHECK(pass(&task, &(struct errand){ .operation = &o, .next = &next }, &(struct pool_views){ list, 2 },
	           &got, &then));
	const struct operation *a = got.arg, *b = then.arg;
	CHECK(got.run == operation_start && got.timeout == 5 && got.prompt);
	CHECK(then.run == operation_refresh && then.timeout == 7 && !then.prompt);
	CHECK_STR(got.what, "start");
	check_same(&operation_shape, a, &o);
	check_same(&operation_shape, b, &next);
	check_same(&view_shape, a->pool, &pool);
	CHECK(a->pool == b->pool && a->sup == &sup && b->sup == &sup);
	CHECK(a->others.n == 2 && !a->only && b->only && !b->only[2]);
	check_same(&view_shape, &a->others.list[0], &list[0]);
	check_same(&view_shape, &a->others.list[1], &list[1]);
	CHECK_STR(b->only[0], "a volume");
	CHECK_STR(b->only[1], "another");
}

/* An update of no names looks at the ground and folds the index; one without a list looks at everything. */
static void no_names_are_told_as_a_list_of_none(void)
{
	static const char *const only[] = { NULL };
	struct pool_view pool = { .name = "p" };
	struct operation o = { .pool = &pool, .only = only };
	struct task got, then, task = { .what = "update", .run = operation_refresh };

	for (int list = 1; list >= 0; list--) {
		o.only = list ? only : NULL;
		CHECK(pass(&task, &(struct errand){ .operation = &o }, &(struct pool_views){ NULL, 0 }, &got,
		           &then));
		const struct operation *a = got.arg;
		CHECK_INT(a->only != NULL, list);
		CHECK(!a->only || !a->only[0]);
	}
}

/* Somebody has said since the fork what is to be logged. */
static void what_is_to_be_logged_is_told(void)
{
	struct pool_view pool = { .name = "p" };
	struct operation o = { .pool = &pool };
	struct task got = { .arg = &sup }, then, task = { .what = "stop", .run = operation_stop };
	cleanup_buf struct buf b = { .limit = ERRAND_LIMIT + 1 };
	static struct given given;
	struct told told;

	CHECK(log_set("info,module=debug,lvm=error", NULL) == 0);
	CHECK(errand_tell(&b, &task, &(struct errand){ .operation = &o }, &(struct pool_views){ 0 }));
	memcpy(&told, b.data, sizeof(told));
	CHECK(log_set("info", NULL) == 0); /* as it was for the worker */
	hear_all(&(struct told_rest){ b.data + sizeof(told), b.data + b.len }, &told, &given, &got, &then);
	CHECK(log_wanted(LF_MODULE, LOG_DEBUG) && !log_wanted(LF_LVM, LOG_WARN) &&
	      log_wanted(LF_POOL, LOG_INFO) && !log_wanted(LF_POOL, LOG_DEBUG));
	CHECK(log_set("info", NULL) == 0);
}

static void nobody_around_is_told_too(void)
{
	struct pool_view pool = { .name = "p" }, none[1];
	struct operation o = { .pool = &pool };
	struct task got, then, task = { .what = "start", .run = operation_start };

	CHECK(pass(&task, &(struct errand){ .operation = &o }, &(struct pool_views){ none, 0 }, &got, &then));
	CHECK(((struct operation *)got.arg)->others.list && !((struct operation *)got.arg)->others.n);
	CHECK(!then.run);
}

static void work_on_a_volume_is_told_whole(void)
{
	static char texts[3][32][32];
	struct pool_view pool, input;
	struct volume_work work;
	struct operation next = { .pool = &pool, .index = 9 };
	struct task got, then, after = { .what = "update", .run = operation_refresh },
			       task = { .what = "vol-clone", .run = volume_work_create, .then = &after };

	fill(&view_shape, &pool, texts[0]);
	fill(&view_shape, &input, texts[1]);
	fill(&work_shape, &work, texts[2]);
	work.pool = &pool;
	work.input = &input;
	CHECK(pass(&task, &(struct errand){ .work = &work, .next = &next }, &(struct pool_views){ 0 }, &got,
	           &then));
	const struct volume_work *w = got.arg;
	const struct operation *b = then.arg;
	check_same(&work_shape, w, &work);
	check_same(&view_shape, w->pool, &pool);
	check_same(&view_shape, w->input, &input);
	CHECK(w->sup == &sup && b->pool == w->pool && b->index == 9);
}

static void what_is_too_much_is_not_told(void)
{
	static char text[ERRAND_LIMIT + 1];
	struct pool_view pool = { .xml = text };
	struct operation o = { .pool = &pool };
	const struct errand errand = { .operation = &o };
	const int keep[] = { 0, 1, 2, 0, 1, -1 }; /* two more are the index's */
	struct task got, then, task = { .what = "stop", .run = operation_stop };

	memset(text, 'x', sizeof(text) - 1);
	CHECK(!pass(&task, &errand, &(struct pool_views){ 0 }, &got, &then));
	text[ERRAND_LIMIT / 2] = '\0';
	CHECK(pass(&task, &errand, &(struct pool_views){ 0 }, &got, &then));
	task.keep = keep;
	CHECK(!pass(&task, &errand, &(struct pool_views){ 0 }, &got, &then));
}

#define CROWD 1600

/* Processor time of telling a start about the other pools, the least of several; ns. */
static int64_t time_of_views(const struct supervisor *s)
{
	struct timespec a, b;
	int64_t least_time = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		struct pool_views all;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		CHECK(views_of(s, POOLS_RUNNING, &all) == 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		free(all.list);
		int64_t took = (b.tv_sec - a.tv_sec) * INT64_C(1000000000) + b.tv_nsec - a.tv_nsec;
		least_time = took < least_time ? took : least_time;
	}
	return least_time;
}

/* Sixteen times as many pools take about sixteen times as long; 256 times would be for each pool to look at
 * all. */
static void many_pools_are_told_of_in_one_walk(void)
{
	static struct pool pools[CROWD];
	struct supervisor s = { .pools = pools };

	for (size_t i = 0; i < CROWD; i++)
		pools[i] = (struct pool){ .sup = &s,
			                  .next = i + 1 < CROWD ? &pools[i + 1] : NULL,
			                  .type = POOL_DIR,
			                  .phase = PHASE_ACTIVE };
	int64_t many = time_of_views(&s);
	s.pools = &pools[CROWD - CROWD / 16];
	int64_t few = time_of_views(&s);
	if (many > 64 * few)
		printf("# %lld ns for %d pools, %lld for a sixteenth of them\n", (long long)many, CROWD,
		       (long long)few);
	CHECK(many <= 64 * few);
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static void descriptors_have_the_numbers_that_they_had(void)
{
	int ends[2], pair[2], files[TOLD_FILES];
	struct told told, sent = { .size = sizeof(sent), .nfiles = 2 };
	struct buf b = BUF_INIT;

	CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	sent.files[0] = ends[1];
	sent.files[1] = ends[0];
	buf_add(&b, &sent, sizeof(sent));
	CHECK(errand_send(pair[0], &b) && receive_head(pair[1], &told, files));
	buf_free(&b);
	CHECK(files[0] != ends[1] && is_same_file(files[0], ends[1]));
	/* as in a worker: the numbers of the one are others' there, the socket's among them */
	int one = dup(pair[0]), two = pair[1];
	told.files[0] = two;
	told.files[1] = files[0];
	int moved = renumber(two, &told, files);
	CHECK(moved >= 0 && moved != two && write(pair[0], "x", 1) == 1);
	char byte = 0;
	CHECK(read(moved, &byte, 1) == 1 && byte == 'x');
	CHECK(write(two, "hello", 5) == 5); /* the pipe's end to write into, */
	char text[6] = "";
	CHECK(read(told.files[1], text, 5) == 5); /* and the one to read from */
	CHECK_STR(text, "hello");
	close(one);
}

/* An index of one volume, sealed as from a worker. */
static int index_of(const char *name)
{
	struct volindex_builder b = { 0 };
	struct volume v = { .name = name, .type = "file", .path = "/p/v", .key = "/p/v" };
	int fd = memfd_create("index", MFD_CLOEXEC);
	struct err e = { 0 };

	CHECK(volindex_add(&b, &v, 1, false) && volindex_write(&b, 1, fd, &e) == 0);
	volindex_builder_free(&b);
	return fd;
}

/* However old the worker is: the files of the index go along, behind what the tasks keep, and it maps them.
 */
static void the_index_is_told_by_its_files(void)
{
	struct pool_view pool = { .name = "p", .index_files = { index_of("here"), -1 } };
	struct operation o = { .pool = &pool, .index = 2 };
	const struct errand errand = { .operation = &o };
	struct task got = { .arg = &sup }, then,
		    task = { .what = "update", .run = operation_refresh, .keep = (const int[]){ 2, -1 } };
	static char space[ERRAND_LIMIT];
	static struct given given;
	int pair[2], files[TOLD_FILES];
	struct told told;

	for (int known = 0; known < 2; known++) {
		cleanup_buf struct buf b = { .limit = ERRAND_LIMIT + 1 };

		pool.index.base.n = (size_t)known; /* none: an index of nothing need not be told */
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		CHECK(errand_tell(&b, &task, &errand, &(struct pool_views){ 0 }) && errand_send(pair[0], &b));
		CHECK(receive_head(pair[1], &told, files));
		ssize_t n = read(pair[1], space, sizeof(space));
		CHECK(n > 0 && told.nfiles == 1 && told.nindex == (uint32_t)known);
		got = (struct task){ .arg = &sup };
		hear_all(&(struct told_rest){ space, space + n }, &told, &given, &got, &then);
		CHECK(!view_index(&given.pool));
		hear_index(&given, &told, files);
		CHECK_INT(view_index(&given.pool) != NULL, known);
		CHECK(!known || volindex_by_name(view_index(&given.pool), "here") == 0);
		forget(&given); /* as before the next operation */
		CHECK(!view_index(&given.pool) && !given.index[0].map);
		close(files[0]);
		close(pair[0]);
		close(pair[1]);
	}
	close(pool.index_files[0]);
}

/* Where definitions come from is not told. */
static void another_source_is_no_work_for_one_that_waits(void)
{
	struct supervisor s = { 0 };
	struct waiting t = { .sup = &s };
	struct pool_view pool = { .name = "p" };
	struct operation o = { .pool = &pool };
	const struct errand errand = { .operation = &o };
	const struct task task = { .run = operation_refresh };
	struct source src = { 0 };

	CHECK(waiting_fits(&t, &task, &errand));
	s.sources = &src;
	CHECK(!waiting_fits(&t, &task, &errand));
}

/* Only the one that was given work last, and that says that it stays. */
static void who_was_lent_and_stays_waits_again(void)
{
	struct loop loop;
	struct err e = { 0 };
	struct supervisor s = { .loop = &loop, .moving = true };
	struct worker w = { .sup = &s, .settled = true, .reported = true };
	struct waiting t = { .sup = &s };

	CHECK(loop_init(&loop, &e) == 0);
	s.workers = &w;
	t.lent = &w;
	CHECK(!waits_again(&t)); /* it ends */
	w.stays = true;
	w.settled = false;
	CHECK(!waits_again(&t)); /* it is not done */
	w.settled = true;
	t.lent = NULL;
	CHECK(!waits_again(&t)); /* another was forked since, or it has what is not to be kept */
	t.lent = &w;
	t.worker = &w;
	CHECK(!waits_again(&t)); /* there is one */
	t.worker = NULL;
	CHECK(waits_again(&t));
	CHECK(t.worker == &w && !s.workers && !w.settled && !w.stays && !w.reported && w.task.owner == &t);
	CHECK(!waits_again(&t));
	loop_close(&loop);
}

/* The lists of all pools are not told. */
static void only_who_looks_into_all_lists_is_forked(void)
{
	struct supervisor s = { 0 };
	struct waiting t = { .sup = &s };
	struct pool_view pool = { .name = "p" };
	struct volume_work work = { .pool = &pool, .operate = true };
	struct operation o = { .pool = &pool, .build = true };
	const struct errand volume = { .work = &work }, start = { .operation = &o };
	struct task task = { .run = volume_work_create };

	CHECK(!waiting_fits(&t, &task, &volume)); /* it may name a backing file */
	task.run = volume_work_resize;
	CHECK(waiting_fits(&t, &task, &volume));
	task.run = volume_work_delete;
	CHECK(waiting_fits(&t, &task, &volume));
	task.run = volume_work_create;
	work.operate = false;
	CHECK(waiting_fits(&t, &task, &volume));
	task.run = operation_start;
	CHECK(!waiting_fits(&t, &task, &start)); /* the disk may be another pool's volume */
	o.build = false;
	CHECK(waiting_fits(&t, &task, &start));
}

/* It would be forked to be ended, or to hold what is left. */
static void none_waits_in_an_initramfs_of_ours(void)
{
	struct loop loop;
	struct err e = { 0 };
	struct supervisor s = { .loop = &loop, .moving = true };

	CHECK(loop_init(&loop, &e) == 0);
	s.options.lives_on = s.options.own_devices = true;
	waiting_expect(&s);
	CHECK(!s.waiting);
	s.options.own_devices = false; /* the root was changed */
	waiting_expect(&s);
	CHECK(s.waiting && s.waiting->timer.armed);
	waiting_free(&s);
	loop_close(&loop);
}

int main(void)
{
	RUN(a_start_and_its_refresh_are_told_whole);
	RUN(no_names_are_told_as_a_list_of_none);
	RUN(what_is_to_be_logged_is_told);
	RUN(nobody_around_is_told_too);
	RUN(work_on_a_volume_is_told_whole);
	RUN(what_is_too_much_is_not_told);
	RUN(many_pools_are_told_of_in_one_walk);
	RUN(descriptors_have_the_numbers_that_they_had);
	RUN(the_index_is_told_by_its_files);
	RUN(another_source_is_no_work_for_one_that_waits);
	RUN(who_was_lent_and_stays_waits_again);
	RUN(only_who_looks_into_all_lists_is_forked);
	RUN(none_waits_in_an_initramfs_of_ours);
	return check_done();
}
