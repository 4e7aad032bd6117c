/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where a supervisor begins and ends: the files of an earlier one, and shutdown in every phase.
 */
#include "base/log.h"
#include "supervised.h"

/* ---- an earlier supervisor's files ---- */

static void state_file(const char *name, const char *text)
{
	fixture(env.run, text, "state/%s", name);
}

static void what_was_stopping_is_not_left_active(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	CHECK(until(a_works));
	CHECK_INT(pool("a")->phase, PHASE_CHECKING);
	CHECK(pool_stop(pool("a"), 0, asked(&one), &e) == 0);
	CHECK(until(one_told));
	CHECK_INT(one.class, ERR_NONE);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	CHECK(pool("a")->times.nstages > 0);
	end();
}

static bool over;
static unsigned stops_seen;

static void on_over(void *arg)
{
	(void)arg;
	over = true;
}

static bool is_over(void)
{
	return over;
}

static void count_stops(struct listener *l, struct pool *p, enum phase from)
{
	(void)l, (void)from;
	stops_seen += p->phase == PHASE_STOPPING;
}

static void shutdown_stops_what_is_being_looked_at(void)
{
	struct listener l = { .on_phase = count_stops };

	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	listener_add(env.s, &l);
	CHECK(until(a_works));
	over = false;
	stops_seen = 0;
	supervisor_shutdown(env.s, clock_ms() + SECONDS(8), on_over, NULL);
	CHECK(until(is_over));
	CHECK_INT(stops_seen, 1);
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	listener_remove(env.s, &l);
	end();
}

static void a_killed_check_does_not_lose_the_pool(void)
{
	begin();
	make_dir("a");
	define("a", "/a", false);
	state_file("a", "- state=a want=active active=yes\n");
	launch();
	CHECK(until(a_works));
	kill(pool("a")->work.worker->pid, SIGKILL);
	CHECK(until(a_refreshed));
	end();
}

static void a_transient_pool_that_was_stopping_is_forgotten(void)
{
	char text[2048];

	begin();
	snprintf(text, sizeof(text), "- state=t want=inactive active=yes transient=yes\n%s",
	         xml_of("t", "/gone"));
	state_file("t", text);
	launch();
	CHECK(until(no_workers));
	CHECK(!pool("t"));
	CHECK(!file_exists("%s/run/state/%s", "t"));
	end();
}

static void a_transient_pool_that_was_retried_is_kept(void)
{
	char text[2048];

	begin();
	snprintf(text, sizeof(text), "- state=a want=active active=no transient=yes\n%s",
	         xml_of("a", "/not-yet"));
	state_file("a", text);
	launch();
	CHECK(until(a_waits));
	end();
}

static bool other_refreshed(void)
{
	return in_phase("other", PHASE_ACTIVE) && no_workers();
}

/* One file that is no state must cost no other pool its own. */
static void garbage_in_the_state_directory_harms_nobody(void)
{
	static const char *const garbage[] = {
		"= 99999\n",
		"OK\n",
		"ERR 900 internal \"made up\"\n",
		"\n\n",
		"- state=z want=active",
		"\x01\xff\xfe\n",
		"- state\n",
		"- pool=x\n",
		"- problem=x\n",
		"- state=a want=active active=yes\n= 12\n",
		"- state=other want=inactive active=no\n",
	};
	char name[16];

	begin();
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		snprintf(name, sizeof(name), "A%02zu", i);
		state_file(name, garbage[i]);
	}
	fixture(env.run, "", "state/directory/in/it");
	make_dir("other");
	define("other", "/other", false);
	state_file("other", "- state=other want=active active=yes\n");
	launch();
	CHECK(until(other_refreshed));
	CHECK(pool("other") && pool("other")->want.active);
	for (const struct pool *p = pool_first(env.s); p; p = p->next)
		CHECK_STR(p->name, "other");
	end();
}

static bool nothing_moves(void)
{
	bool moves = !no_workers();

	for (const struct pool *p = pool_first(env.s); p; p = p->next)
		moves |= p->tries.due || p->phase == PHASE_CHECKING || p->phase == PHASE_STARTING;
	return !moves;
}

static void states_of_pools_with_odd_names_do_not_mix(void)
{
	static const char *const names[] = { "a", "a.new", "b\"q", "new", "ü ö", "x.xml" };
	struct err e = { 0 };

	begin();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char target[300];

		snprintf(target, sizeof(target), "/t%zu", i);
		make_dir(target + 1);
		define(names[i], target, false);
	}
	launch();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK(pool_start(pool(names[i]), 0, false, asked(&one), &e) == 0 && until(one_told));
		CHECK_INT(one.class, ERR_NONE);
	}
	/* "a" changes last: its file is written when all the others are there */
	CHECK(pool_stop(pool("a"), 0, asked(&one), &e) == 0 && until(one_told));
	kill_it();
	launch();
	CHECK(until(nothing_moves));
	for (size_t i = 1; i < ARRAY_LEN(names); i++) {
		CHECK(pool(names[i]) && pool(names[i])->want.recalled);
		CHECK(in_phase(names[i], PHASE_ACTIVE));
	}
	CHECK(in_phase("a", PHASE_INACTIVE));
	end();
}

/* ---- shutdown in every phase ---- */

static void shutdown_ends_whatever_the_pools_do(void)
{
	for (int rounds = 0; rounds < 8; rounds++) {
		begin();
		for (int i = 0; i < 6; i++) {
			char name[16], target[16];

			snprintf(name, sizeof(name), "p%d", i);
			snprintf(target, sizeof(target), "/d%d", i);
			if (i != 3)
				make_dir(target + 1);
			define(name, target, i != 5);
		}
		launch();
		for (int i = 0; i < rounds; i++)
			round_once();
		over = false;
		uint64_t began = clock_ms();
		supervisor_shutdown(env.s, began + SECONDS(8), on_over, NULL);
		CHECK(until(is_over));
		CHECK(clock_ms() - began < SECONDS(6));
		for (const struct pool *p = pool_first(env.s); p; p = p->next)
			CHECK_INT(p->phase, PHASE_INACTIVE);
		end();
	}
}

static void nothing_starts_after_shutdown(void)
{
	struct err e = { 0 };

	begin();
	make_dir("a");
	define("a", "/a", false);
	launch();
	over = false;
	supervisor_shutdown(env.s, clock_ms() + SECONDS(8), on_over, NULL);
	CHECK(until(is_over));
	CHECK(pool_start(pool("a"), 0, false, asked(&one), &e) < 0);
	supervisor_device_event(env.s, NULL);
	supervisor_network_event(env.s);
	CHECK(supervisor_add_source(env.s, SOURCE_XML, "(late)", xml_of("l", "/a"), &e) == 0);
	CHECK(until(no_workers));
	round_once();
	CHECK_INT(pool("a")->phase, PHASE_INACTIVE);
	CHECK(!pool("l") || pool("l")->phase == PHASE_INACTIVE);
	end();
}

int main(void)
{
	log_set("error", NULL);
	alarm(120);
	RUN(what_was_stopping_is_not_left_active);
	RUN(shutdown_stops_what_is_being_looked_at);
	RUN(a_killed_check_does_not_lose_the_pool);
	RUN(a_transient_pool_that_was_stopping_is_forgotten);
	RUN(a_transient_pool_that_was_retried_is_kept);
	RUN(garbage_in_the_state_directory_harms_nobody);
	RUN(states_of_pools_with_odd_names_do_not_mix);
	RUN(shutdown_ends_whatever_the_pools_do);
	RUN(nothing_starts_after_shutdown);
	return check_done();
}
