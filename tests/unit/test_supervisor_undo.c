/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is over leaves no trace: problems that are, and starts that have failed. Real workers, but fork(2) can
 * be told to fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/inside.h"
#include "supervisor/steps/moves.h"

static bool no_forks;

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (no_forks) {
		errno = EAGAIN;
		return -1;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

static struct loop loop;
static struct supervisor *s;
static char dir[PATH_MAX], config[PATH_MAX], run[PATH_MAX];
static bool over;
static enum err_class class;

static void told(struct waiter *w, const struct result *r)
{
	(void)w;
	over = true;
	class = r->err ? r->err->class : ERR_NONE;
}

static bool is_over(void)
{
	return over;
}
static bool is_settled(void)
{
	return s->moving && supervisor_sources_read(s);
}
static bool waits(void)
{
	return s->pools && s->pools->phase == PHASE_WAITING;
}

/* Rounds of the loop until it is so; false: not within ten seconds. */
static bool until(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + SECONDS(10);

	while (!condition() && clock_ms() < deadline)
		loop_round(&loop, clock_ms() + 50);
	return condition();
}

/* A supervisor, with a pool that waits for its device. */
static void begin(void)
{
	static struct supervisor_options options;
	struct err e = { 0 };
	char xml[3 * PATH_MAX];

	fixture_make(dir);
	fixture_path(config, "%s/config", dir);
	fixture_path(run, "%s/run", dir);
	snprintf(xml, sizeof(xml),
	         "<pool type='fs'><name>p</name><source><device "
	         "path='%s/none'/></source><target><path>%s/p</path></target></pool>",
	         dir, dir);
	fixture(config, xml, "storage/p.xml");
	fixture(config, "", "storage/autostart/p.xml");
	options = (struct supervisor_options){ .config_dir = config, .run_dir = run };
	CHECK(loop_init(&loop, &e) == 0);
	s = supervisor_new(&loop, &options, &e);
	CHECK(s && supervisor_add_source(s, SOURCE_DIRECTORY, config, NULL, &e) == 0);
	supervisor_go(s);
	CHECK(until(is_settled));
}

static void end(void)
{
	no_forks = false;
	supervisor_free(s);
	loop_close(&loop);
	fixture_remove(dir);
}

static int problems_of(const char *origin)
{
	int n = 0;

	for (const struct problem *p = supervisor_problems(s); p; p = p->next)
		n += streq(p->origin, origin);
	return n;
}

static void problems_that_are_over_are_forgotten_and_noted_again(void)
{
	struct err a = { 0 }, b = { 0 };

	err_set(&a, ERR_STORAGE, "one");
	err_set(&b, ERR_STORAGE, "two");
	begin();
	for (int i = 0; i < 3; i++) {
		CHECK(supervisor_note_problem(s, "stays", i ? &b : &a) == (i < 2));
		CHECK(supervisor_note_problem(s, "goes", &a) && !supervisor_note_problem(s, "goes", &a));
		CHECK(supervisor_note_problem(s, "goes", &b));
		CHECK_INT(problems_of("goes"), 2);
		supervisor_forget_problems(s, "goes");
		CHECK_INT(problems_of("goes"), 0);
		CHECK_INT(problems_of("stays"), i ? 2 : 1);
	}
	end();
}

/* It was never active, and is not called so because what it had begun could not be undone. */
static void what_could_not_be_undone_is_not_active(void)
{
	struct waiter w = { .done = told };
	struct err e = { 0 };

	begin();
	CHECK(until(waits));
	s->pools->life.begun = true;
	no_forks = true;
	over = false;
	CHECK(pool_stop(s->pools, 0, &w, &e) == 0 && until(is_over));
	CHECK(class != ERR_NONE);
	CHECK(!pool_is_active(s->pools) && s->pools->times.active == 0);
	no_forks = over = false;
	w = (struct waiter){ .done = told };
	CHECK(pool_stop(s->pools, 0, &w, &e) == 0 && until(is_over));
	CHECK_INT(class, ERR_NONE);
	CHECK(s->pools->phase == PHASE_INACTIVE && s->pools->times.active == 0);
	end();
}

static bool is_idle(void)
{
	return s->pools->phase == PHASE_INACTIVE && !s->pools->work.worker &&
	       (!loop.timers || loop.timers->deadline > clock_ms());
}

/* The directory that it lives on is made, and the pool is not started with that. */
static void a_failed_pool_is_built_and_left_until_somebody_starts_it(void)
{
	struct waiter w = { .done = told };
	struct err e = { 0 };
	struct pool *p;

	begin();
	CHECK(until(waits));
	p = s->pools;
	err_set(&e, ERR_WRONG_FORMAT, "it holds something else");
	step_start_failed(p, &e);
	CHECK(p->phase == PHASE_FAILED && p->want.active);
	over = false;
	CHECK(pool_build(p, 0, 0, &w, &e) == 0 && until(is_over));
	CHECK_INT(class, ERR_NONE);
	CHECK(!p->want.active);
	CHECK(until(is_idle) && p->phase == PHASE_INACTIVE);
	/* and this begins one attempt, whose outcome is its own */
	over = false;
	w = (struct waiter){ .done = told };
	CHECK(pool_start(p, 0, 0, &w, &e) == 0 && until(is_over));
	CHECK_INT(class, ERR_WAIT_DEVICE);
	end();
}

static bool has_no_pool(void)
{
	return !s->pools;
}

/* As pool-list calls it inactive: whatever it waits for. */
static void what_waits_or_has_failed_can_be_undefined(void)
{
	struct waiter w;
	struct err e;

	for (int failed = 0; failed <= 1; failed++) {
		w = (struct waiter){ .done = told };
		e = (struct err){ 0 };
		begin();
		CHECK(until(waits));
		err_set(&e, ERR_WRONG_FORMAT, "it holds something else");
		if (failed)
			step_start_failed(s->pools, &e);
		over = false;
		CHECK(pool_undefine(s->pools, &w, &e) == 0 && until(is_over));
		CHECK_INT(class, ERR_NONE);
		CHECK(until(has_no_pool));
		end();
	}
}

static void what_is_asked_for_or_half_started_is_not_undefined(void)
{
	struct waiter w = { .done = told }, start = { .done = told };
	struct err e = { 0 };

	begin();
	CHECK(until(waits));
	s->pools->life.begun = true;
	CHECK(pool_undefine(s->pools, &w, &e) < 0 && e.class == ERR_STATE);
	CHECK(strstr(e.message, "pool-destroy"));
	s->pools->life.begun = false;
	over = false;
	CHECK(pool_start(s->pools, 0, 0, &start, &e) == 0);
	CHECK(pool_undefine(s->pools, &w, &e) < 0 && e.class == ERR_STATE);
	CHECK(until(is_over) && s->pools->want.active);
	end();
}

/* What is written down by hand may run for years like this; what is defined now is looked at. */
static void a_device_is_not_named_twice(void)
{
	static const char xml[] = "<pool type='logical'><name>twice</name><source><device path='/dev/vdx'/>"
				  "<device path='/dev/vdy'/><device path='/dev/vdx'/><name>vg</name></source>"
				  "<target><path>/dev/vg</path></target></pool>";
	struct waiter w = { .done = told };
	struct err e = { 0 };

	begin();
	over = false;
	CHECK(pool_define(s, &(struct define_order){ .xml = xml, .xml_len = strlen(xml) }, &w, &e) == 0);
	CHECK(until(is_over));
	CHECK_INT(class, ERR_INVALID);
	CHECK(!pool_by_name(s, "twice"));
	end();
}

int main(void)
{
	log_set("error", NULL);
	alarm(60);
	RUN(problems_that_are_over_are_forgotten_and_noted_again);
	RUN(what_could_not_be_undone_is_not_active);
	RUN(what_waits_or_has_failed_can_be_undefined);
	RUN(what_is_asked_for_or_half_started_is_not_undefined);
	RUN(a_device_is_not_named_twice);
	RUN(a_failed_pool_is_built_and_left_until_somebody_starts_it);
	return check_done();
}
