/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operations on volumes in a supervisor in this process, with real workers: who is let in, what happens when
 * something goes while they run. The one thing that is faked is fork(2), which can be told to fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/config/registry.h"

static int forks_before_failure = -1; /* -1: none fails */

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (forks_before_failure == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (forks_before_failure > 0)
		forks_before_failure--;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

/* ---- a supervisor below a directory of its own, with one pool and one volume ---- */

static struct {
	char dir[64], config[PATH_MAX], run[PATH_MAX];
	struct loop loop;
	struct supervisor *s;
	struct supervisor_options options;
	int pipe[2];
} env;

static bool until(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + SECONDS(20);

	while (!condition() && clock_ms() < deadline)
		loop_round(&env.loop, clock_ms() + 50);
	return condition();
}

static struct pool *pool(void)
{
	return pool_by_name(env.s, "one");
}

static bool volume_known(void)
{
	size_t len;

	return pool() && volume_find(pool(), "v", &len);
}

static bool no_jobs(void)
{
	return !env.s->jobs;
}

static void begin(void)
{
	char root[PATH_MAX], xml[1024];
	struct err e = { 0 };

	fixture_make(root);
	snprintf(env.dir, sizeof(env.dir), "%.63s", root);
	fixture_path(env.config, "%s/config", env.dir);
	fixture_path(env.run, "%s/run", env.dir);
	fixture(env.dir, "content", "one/v");
	snprintf(xml, sizeof(xml),
	         "<pool type='dir'><name>one</name><target><path>%s/one</path></target></pool>", env.dir);
	fixture(env.config, xml, "storage/one.xml");
	fixture_link(env.config, "storage/one.xml", "storage/autostart/one.xml");
	env.options = (struct supervisor_options){ .config_dir = env.config, .run_dir = env.run };
	CHECK(pipe2(env.pipe, O_CLOEXEC) == 0);
	CHECK(loop_init(&env.loop, &e) == 0);
	env.s = supervisor_new(&env.loop, &env.options, &e);
	CHECK(env.s && supervisor_add_source(env.s, SOURCE_DIRECTORY, env.config, NULL, &e) == 0);
	supervisor_go(env.s);
	CHECK(until(volume_known));
}

static void end(void)
{
	forks_before_failure = -1;
	supervisor_free(env.s);
	loop_close(&env.loop);
	close(env.pipe[0]);
	if (env.pipe[1] >= 0)
		close(env.pipe[1]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	fixture_remove(env.dir);
}

/* ---- one who asks ---- */

struct asker {
	struct waiter w;
	int told;
	enum err_class class;
	char volume[64];
	uint64_t job, bytes;
	int progress;
};

static void on_told(struct waiter *w, const struct result *r)
{
	struct asker *a = w->owner;

	a->told++;
	a->class = r->err ? r->err->class : ERR_NONE;
	a->job = r->job;
	a->bytes = r->bytes;
	snprintf(a->volume, sizeof(a->volume), "%s", r->volume ? r->volume : "");
}

static struct asker *asking;

static bool told(void)
{
	return asking->told > 0;
}

static enum err_class answer_of(struct asker *a)
{
	asking = a;
	CHECK(until(told));
	CHECK_INT(a->told, 1);
	return a->class;
}

/* Begin it; what was refused at once is the answer. */
static uint64_t ask(struct asker *a, struct volume_order *o)
{
	struct err e = { 0 };
	uint64_t job = 0;

	*a = (struct asker){ .w = { .done = on_told, .owner = a } };
	o->verb = "test";
	o->pool = o->pool ? o->pool : pool();
	if (volume_start(env.s, o, &a->w, &job, &e) < 0) {
		a->told = 1;
		a->class = e.class;
		CHECK(e.message[0] && !a->w.link);
	}
	return job;
}

static uint64_t create(struct asker *a, const char *name, bool detach)
{
	char xml[256];
	struct volume_order o = { .operation = VOLUME_CREATE, .xml = xml, .detach = detach };

	snprintf(xml, sizeof(xml), "<volume><name>%s</name><capacity>4096</capacity></volume>", name);
	o.xml_len = strlen(xml);
	return ask(a, &o);
}

/* An upload from a pipe: it goes on until the pipe is closed. */
static uint64_t upload(struct asker *a)
{
	struct volume_order o = { .operation = VOLUME_UPLOAD, .stream = env.pipe[0] };

	o.record = volume_find(pool(), "v", &o.record_len);
	return ask(a, &o);
}

static uint64_t simple(struct asker *a, enum volume_operation operation)
{
	struct volume_order o = { .operation = operation, .algorithm = "zero", .capacity = 8192 };

	o.record = volume_find(pool(), "v", &o.record_len);
	return ask(a, &o);
}

static void finish_upload(void)
{
	close(env.pipe[1]);
	env.pipe[1] = -1;
}

/* ---- the cases ---- */

static void a_volume_is_known_when_its_maker_is_told(void)
{
	struct asker a;
	size_t len;

	begin();
	uint64_t job = create(&a, "new", false);
	CHECK_INT(a.told, 0);
	CHECK_INT(pool()->work.jobs, 1);
	CHECK_INT(answer_of(&a), ERR_NONE);
	CHECK_STR(a.volume, "new");
	CHECK_INT(a.job, job);
	CHECK(volume_find(pool(), "new", &len));
	CHECK(no_jobs() && pool()->work.jobs == 0);
	end();
}

static void documents_that_are_none(void)
{
	struct asker a;

	begin();
	create(&a, "a/b", false);
	CHECK_INT(answer_of(&a), ERR_INVALID);
	create(&a, "<", false);
	CHECK_INT(answer_of(&a), ERR_XML);
	create(&a, "v", false);
	CHECK_INT(answer_of(&a), ERR_EXISTS);
	CHECK(no_jobs() && pool()->work.jobs == 0);
	end();
}

static void one_job_a_volume(void)
{
	static const enum volume_operation others[] = { VOLUME_DELETE, VOLUME_RESIZE, VOLUME_WIPE,
		                                        VOLUME_UPLOAD, VOLUME_DOWNLOAD };
	struct asker first, a, twin;

	begin();
	upload(&first);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		simple(&a, others[i]);
		CHECK_INT(answer_of(&a), ERR_BUSY);
	}
	create(&a, "v", false);
	CHECK_INT(answer_of(&a), ERR_BUSY);
	create(&a, "w", false);
	create(&twin, "w", false);
	CHECK_INT((answer_of(&a) == ERR_NONE) + (answer_of(&twin) == ERR_NONE), 1);
	CHECK_INT(first.told, 0);
	finish_upload();
	CHECK_INT(answer_of(&first), ERR_NONE);
	end();
}

static void no_more_than_the_limit(void)
{
	struct asker first, many[63], a;
	cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct volume_order o = { .operation = VOLUME_DOWNLOAD, .stream = null };
	int n = 0;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(many); i++) { /* those who only read share a volume */
		o.record = volume_find(pool(), "v", &o.record_len);
		ask(&many[i], &o);
	}
	create(&first, "w", true);
	create(&a, "x", false);
	CHECK_INT(answer_of(&a), ERR_LIMIT);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		n += answer_of(&many[i]) == ERR_NONE;
	CHECK_INT(n, 63);
	CHECK(until(no_jobs));
	create(&a, "x", false);
	CHECK_INT(answer_of(&a), ERR_NONE);
	end();
}

static void no_worker_to_be_had(void)
{
	struct asker a;

	begin();
	forks_before_failure = 0;
	simple(&a, VOLUME_WIPE);
	CHECK(a.told == 1 && a.class != ERR_NONE);
	create(&a, "new", false);
	CHECK(a.told == 1 && a.class != ERR_NONE);
	CHECK(no_jobs() && pool()->work.jobs == 0);
	forks_before_failure = 1; /* the document is read, and then there is none */
	create(&a, "new", true);
	CHECK_INT(a.told, 0);
	CHECK(answer_of(&a) != ERR_NONE);
	forks_before_failure = -1;
	CHECK(no_jobs() && pool()->work.jobs == 0);
	create(&a, "new", false);
	CHECK_INT(answer_of(&a), ERR_NONE);
	end();
}

static void detached_is_told_at_once(void)
{
	struct asker a;
	struct volume_order o = { .operation = VOLUME_UPLOAD, .detach = true };

	begin();
	o.stream = env.pipe[0];
	o.record = volume_find(pool(), "v", &o.record_len);
	uint64_t job = ask(&a, &o);
	CHECK_INT(a.told, 0); /* but not before it has returned */
	CHECK_INT(answer_of(&a), ERR_NONE);
	CHECK_INT(a.job, job);
	CHECK(!no_jobs());
	finish_upload();
	CHECK(until(no_jobs));
	CHECK_INT(a.told, 1);
	end();
}

static void cancelled_at_every_stage(void)
{
	struct asker a, c;
	struct err e = { 0 };
	struct job_view v;

	begin();
	for (int rounds = 0; rounds < 4; rounds++) {
		uint64_t job = create(&a, "new", false);

		for (int i = 0; i < rounds; i++)
			loop_round(&env.loop, clock_ms() + 20);
		c = (struct asker){ .w = { .done = on_told, .owner = &c } };
		if (volume_cancel(env.s, job, &c.w, &e) == 0)
			CHECK_INT(answer_of(&c), ERR_NONE);
		answer_of(&a);
		CHECK(a.class == ERR_NONE || a.class == ERR_STATE || a.class == ERR_EXISTS);
		CHECK(no_jobs() && pool()->work.jobs == 0);
	}
	uint64_t job = upload(&a);
	CHECK(job_at(env.s, 0, &v) && v.number == job && !v.ending && !job_at(env.s, 1, &v));
	CHECK(volume_cancel(env.s, job, NULL, &e) == 0 && volume_cancel(env.s, job, NULL, &e) == 0);
	CHECK(job_at(env.s, 0, &v) && v.ending);
	CHECK_INT(answer_of(&a), ERR_STATE);
	CHECK_INT(volume_cancel(env.s, job, NULL, &e), -1);
	CHECK_INT(e.class, ERR_INVALID);
	end();
}

static void its_time_is_over(void)
{
	struct asker a;
	struct volume_order o = { .operation = VOLUME_UPLOAD, .timeout = 100 };

	begin();
	o.stream = env.pipe[0];
	o.record = volume_find(pool(), "v", &o.record_len);
	ask(&a, &o);
	CHECK_INT(answer_of(&a), ERR_TIMEOUT);
	CHECK(no_jobs() && pool()->work.jobs == 0);
	end();
}

static void its_pool_is_not_stopped(void)
{
	struct asker a, s = { .w = { .done = on_told, .owner = &s } };
	struct err e = { 0 };

	begin();
	upload(&a);
	CHECK_INT(pool_stop(pool(), 0, &s.w, &e), -1);
	CHECK_INT(e.class, ERR_BUSY);
	CHECK(strstr(e.message, "job 1") != NULL);
	CHECK(pool_refresh(pool(), 0, &s.w, &e) == 0);
	CHECK_INT(answer_of(&s), ERR_NONE);
	finish_upload();
	CHECK_INT(answer_of(&a), ERR_NONE);
	s = (struct asker){ .w = { .done = on_told, .owner = &s } };
	CHECK(pool_stop(pool(), 0, &s.w, &e) == 0);
	CHECK_INT(answer_of(&s), ERR_NONE);
	end();
}

static void its_pool_goes_all_the_same(void)
{
	struct asker a;

	begin();
	upload(&a);
	while (pool()->work.worker)
		loop_round(&env.loop, clock_ms() + 50);
	registry_remove(pool());
	CHECK_INT(answer_of(&a), ERR_STATE);
	CHECK(until(no_jobs));
	end();
}

static void the_supervisor_goes(void)
{
	struct asker a, b;

	begin();
	upload(&a);
	create(&b, "new", false);
	end();
	CHECK_INT(a.told + b.told, 0); /* withdrawn: nobody is there to tell */
	CHECK(!a.w.link && !b.w.link);
}

static bool over;

static void on_over(void *arg)
{
	(void)arg;
	over = true;
}

static bool is_over(void)
{
	return over;
}

static void shutdown_ends_jobs_first(void)
{
	struct asker a, late;
	uint64_t began = clock_ms();

	begin();
	over = false;
	upload(&a);
	supervisor_shutdown(env.s, clock_ms() + SECONDS(15), on_over, NULL);
	create(&late, "late", false);
	CHECK_INT(late.class, ERR_STATE);
	CHECK(pool()->phase == PHASE_ACTIVE); /* it waits for the job */
	CHECK(until(is_over));
	CHECK_INT(answer_of(&a), ERR_STATE);
	CHECK_INT(pool()->phase, PHASE_INACTIVE);
	CHECK(no_jobs());
	CHECK(clock_ms() - began < SECONDS(10));
	end();
}

int main(void)
{
	log_set("error", NULL);
	RUN(a_volume_is_known_when_its_maker_is_told);
	RUN(documents_that_are_none);
	RUN(one_job_a_volume);
	RUN(no_more_than_the_limit);
	RUN(no_worker_to_be_had);
	RUN(detached_is_told_at_once);
	RUN(cancelled_at_every_stage);
	RUN(its_time_is_over);
	RUN(its_pool_is_not_stopped);
	RUN(its_pool_goes_all_the_same);
	RUN(the_supervisor_goes);
	RUN(shutdown_ends_jobs_first);
	return check_done();
}
