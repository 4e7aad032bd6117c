/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A supervisor in the test's own process, with real workers, below a directory of its own; and those who ask
 * it for something.
 */
#ifndef POOLINIT_TESTS_SUPERVISED_H
#define POOLINIT_TESTS_SUPERVISED_H

#include <signal.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/waiting.h"

/* ---- a supervisor below a directory of its own ---- */

static struct {
	char dir[64], config[PATH_MAX], run[PATH_MAX];
	struct loop loop;
	struct supervisor *s;
	struct supervisor_options options;
} env;

static inline void begin(void)
{
	char root[PATH_MAX];

	fixture_make(root);
	snprintf(env.dir, sizeof(env.dir), "%.63s", root);
	fixture_path(env.config, "%s/config", env.dir);
	fixture_path(env.run, "%s/run", env.dir);
	fixture(env.config, "", "storage/autostart/.keep");
	env.options = (struct supervisor_options){ .config_dir = env.config, .run_dir = env.run };
}

static inline void round_once(void)
{
	loop_round(&env.loop, clock_ms() + 50);
}

static inline bool settled(void)
{
	return env.s->moving && supervisor_sources_read(env.s);
}

/* Rounds of the loop until it is so; false: not within ten seconds. */
static inline bool until(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + SECONDS(10);

	while (!condition() && clock_ms() < deadline)
		round_once();
	return condition();
}

static inline void launch_only(void)
{
	struct err e = { 0 };

	CHECK(loop_init(&env.loop, &e) == 0);
	env.s = supervisor_new(&env.loop, &env.options, &e);
	CHECK(env.s && supervisor_add_source(env.s, SOURCE_DIRECTORY, env.config, NULL, &e) == 0);
	supervisor_go(env.s);
}

static inline void launch(void)
{
	launch_only();
	CHECK(until(settled));
}

/* As if it had been killed: nothing is stopped, nothing is said. */
static inline void kill_it(void)
{
	supervisor_free(env.s);
	loop_close(&env.loop);
	env.s = NULL;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static inline void end(void)
{
	kill_it();
	fixture_remove(env.dir);
}

static inline void define(const char *name, const char *target, bool autostart)
{
	char xml[2048], file[300], to[300];

	snprintf(xml, sizeof(xml),
	         "<pool type='dir'><name>%s</name><target><path>%s%s</path></target></pool>", name, env.dir,
	         target);
	snprintf(file, sizeof(file), "storage/%s.xml", name);
	fixture(env.config, xml, "%s", file);
	snprintf(to, sizeof(to), "storage/autostart/%s.xml", name);
	if (autostart)
		fixture_link(env.config, file, to);
}

static inline void make_dir(const char *name)
{
	fixture(env.dir, "", "%s/.keep", name);
}

static inline struct pool *pool(const char *name)
{
	return pool_by_name(env.s, name);
}

static inline bool a_has_a_worker(void)
{
	return pool("a")->work.worker;
}

static inline bool in_phase(const char *name, enum phase phase)
{
	const struct pool *p = pool(name);

	return p && p->phase == phase;
}

static inline bool file_exists(const char *fmt, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), fmt, env.dir, name) < 0)
		return false;
	return access(path, F_OK) == 0;
}

static inline pid_t worker_pid(const char *what)
{
	struct worker_view v;

	for (size_t i = 0; worker_at(env.s, i, &v); i++)
		if (streq(v.what, what) && !v.abandoned)
			return v.pid;
	return 0;
}

static inline const char *xml_of(const char *name, const char *target)
{
	static char xml[4][2048];
	static unsigned i;
	char *out = xml[i++ % 4];

	snprintf(out, 2048,
	         "<pool "
	         "type='dir'><name>%s</name><uuid>11111111-2222-3333-4444-%012x</uuid><target><path>%s%s</"
	         "path></target></pool>",
	         name, (unsigned)name[0], env.dir, target);
	return out;
}

/* ---- those who ask ---- */

struct ask {
	struct waiter w;
	unsigned told;
	enum err_class class;
	char text[800];
};
static struct ask one, two;

static inline void told(struct waiter *w, const struct result *r)
{
	struct ask *a = w->owner;

	a->told++;
	a->class = r->err ? r->err->class : ERR_NONE;
	snprintf(a->text, sizeof(a->text), "%s", r->err ? r->err->message : "");
}

static inline struct waiter *asked(struct ask *a)
{
	*a = (struct ask){ .w = { .done = told, .owner = a } };
	return &a->w;
}

static inline bool one_told(void)
{
	return one.told > 0;
}
static inline bool two_told(void)
{
	return two.told > 0;
}
static inline bool a_is_up(void)
{
	return in_phase("a", PHASE_ACTIVE);
}
static inline bool both_told(void)
{
	return one.told > 0 && two.told > 0;
}
static inline bool no_workers(void)
{
	return !env.s->workers && (!env.loop.timers || env.loop.timers->deadline > clock_ms());
}
static inline bool a_works(void)
{
	return pool("a") && pool("a")->work.worker;
}
static inline bool a_active(void)
{
	return in_phase("a", PHASE_ACTIVE);
}
static inline bool a_refreshed(void)
{
	return a_active() && pool_has_index(pool("a")) && !pool("a")->work.worker;
}
static inline bool a_waits(void)
{
	return in_phase("a", PHASE_WAITING);
}

#endif
