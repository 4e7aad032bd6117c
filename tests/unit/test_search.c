/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The time that an attempt at a root has, with a worker of the test's own: that of a check of the filesystem
 * is not that of what comes before and behind it.
 */
#include <poll.h>
#include <sys/mman.h>
#include "check.h"
#include "fixture.h"

#define root_mount test_root_mount
#include "boot/root/search.c"

#define PATIENCE SECONDS(60)

static volatile int *step; /* how far the worker may go */
static struct loop loop;
static struct root_search search;
static bool checked; /* what is awaited: the time of a check, or that of a mount */

static void say(struct worker_io *io, const char *word)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "-");
	line_str(&b, "fsck", word);
	worker_send_record(io, &b);
}

static void await_step(int n)
{
	for (uint64_t end = clock_ms() + PATIENCE; *step < n && clock_ms() < end;)
		poll(NULL, 0, 5);
}

int test_root_mount(struct worker_io *io, void *arg, struct err *e)
{
	(void)arg;
	await_step(1);
	say(io, "yes");
	await_step(2);
	say(io, "no");
	await_step(3);
	return err_set(e, ERR_WRONG_FORMAT, "the test is over");
}

static bool is_as_awaited(void)
{
	uint64_t left = search.worker ? search.worker->deadline.deadline - clock_ms() : 0;

	return search.worker && (checked ? left > FSCK_TIME / 2 : left <= MOUNT_TIME);
}

static void on_look(struct timer *t)
{
	uint64_t *end = t->owner;

	if (is_as_awaited() || clock_ms() > *end)
		loop_stop(&loop);
	else
		loop_arm(&loop, t, clock_ms() + 5);
}

static bool comes_to_be(bool check)
{
	uint64_t end = clock_ms() + PATIENCE;
	struct timer t = { .on_expiry = on_look, .owner = &end };

	checked = check;
	loop_arm(&loop, &t, 0);
	loop_run(&loop);
	loop_disarm(&loop, &t);
	return is_as_awaited();
}

static void a_mount_has_no_more_time_because_a_check_may_come(void)
{
	static const struct supervisor_options options = { .config_dir = "/nowhere", .run_dir = "/tmp" };
	static struct parameters parameters = { .timeout = SECONDS(300), .fsck = 1 };
	struct err e = { 0 };

	parameters.roots.n = 1;
	parameters.roots.items[0] = (struct root){ .kind = ROOT_DEVICE,
		                                   .text = "LABEL=A",
		                                   .name = "LABEL=A" };
	CHECK(loop_init(&loop, &e) == 0);
	search = (struct root_search){ .sup = supervisor_new(&loop, &options, &e),
		                       .parameters = &parameters,
		                       .began = clock_ms() };
	CHECK(search.sup != NULL);
	root_search_begin(&search);
	CHECK(comes_to_be(false));
}

static void a_check_has_its_time(void)
{
	*step = 1;
	CHECK(comes_to_be(true));
}

static void and_when_it_is_over_a_mount_has_that_of_a_mount(void)
{
	*step = 2;
	CHECK(comes_to_be(false));
	*step = 3;
	root_search_end(&search);
}

static void answered(struct waiter *w, const struct result *r)
{
	(void)w;
	CHECK(r->err && err_is(r->err, ERR_STATE)); /* there is no place where it could be counted */
	loop_stop(&loop);
}

/* Its count is found by its text: another one would be taken, and no count would change. */
static void only_a_root_of_the_list_is_said_to_be_good(void)
{
	static const char *const others[] = { "UUID=1",
		                              "LABEL=",
		                              "LABEL=AA",
		                              "pool:sys",
		                              "pool:sys/b,LABEL=A",
		                              "LABEL=A,",
		                              "LABEL=A,pool:sys/b" };
	static const char *const good[] = { "LABEL=A", "pool:sys/b" };
	struct waiter w = { .done = answered };
	struct err e = { 0 };

	CHECK(supervisor_boot_good(search.sup, "LABEL=A", &w, &e) < 0 && err_is(&e, ERR_INVALID));
	supervisor_roots(search.sup, "LABEL=A,pool:sys/b");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		CHECK(supervisor_boot_good(search.sup, others[i], &w, &e) < 0 && err_is(&e, ERR_INVALID));
		e = (struct err){ 0 };
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK(supervisor_boot_good(search.sup, good[i], &w, &e) == 0);
		loop_run(&loop);
	}
}

static void told(void *arg)
{
	(void)arg;
	loop_stop(&loop);
}

static void on_patience(struct timer *t)
{
	(void)t;
	loop_stop(&loop);
}

/* root= names only what cannot be meant: that is told at once, and no event has it look at a root that is not
 * there. */
static void no_root_has_failed_at_once_whatever_comes(void)
{
	static struct parameters none = { .timeout = SECONDS(300) };
	struct root_search s = {
		.sup = search.sup, .parameters = &none, .began = clock_ms(), .on_change = told
	};

	struct timer patience = { .on_expiry = on_patience };

	root_search_begin(&s);
	loop_arm(&loop, &patience, clock_ms() + PATIENCE);
	loop_run(&loop);
	loop_disarm(&loop, &patience);
	CHECK(s.failed && !s.found && s.why[0] && !s.worker);
	for (int i = 0; i < 2; i++) {
		supervisor_device_event(search.sup, "vda");
		CHECK(s.failed && !s.timer.armed && !s.worker && s.at == 0);
	}
	root_search_end(&s);
}

int main(void)
{
	step = mmap(NULL, sizeof(*step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (step == MAP_FAILED || !fixture_namespace(0) || !fixture_cover("/tmp")) {
		printf("skip the search for a root: namespaces take root\n");
		return 0;
	}
	RUN(a_mount_has_no_more_time_because_a_check_may_come);
	RUN(a_check_has_its_time);
	RUN(and_when_it_is_over_a_mount_has_that_of_a_mount);
	RUN(only_a_root_of_the_list_is_said_to_be_good);
	RUN(no_root_has_failed_at_once_whatever_comes);
	return check_done();
}
