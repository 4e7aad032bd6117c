/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The supervisor's part in secrets: requests that queue, are withdrawn, cannot be forked; a value that is
 * wiped; pools that wait for one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/steps/steps.h"

#define UUID_1 "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
#define XML    "<secret><uuid>" UUID_1 "</uuid><usage type='iscsi'><target>t1</target></usage></secret>"

static int forks_to_fail;

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (forks_to_fail > 0) {
		forks_to_fail--;
		errno = EAGAIN;
		return -1;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

/* ---- a supervisor below a directory of its own ---- */

static struct {
	char dir[PATH_MAX], config[PATH_MAX], run[PATH_MAX];
	struct loop loop;
	struct supervisor *s;
	struct supervisor_options options;
} env;

static void begin(void)
{
	struct err e = { 0 };

	fixture_make(env.dir);
	fixture_path(env.config, "%s/config", env.dir);
	fixture_path(env.run, "%s/run", env.dir);
	fixture(env.config, "", "storage/autostart/.keep");
	env.options = (struct supervisor_options){ .config_dir = env.config, .run_dir = env.run };
	CHECK(loop_init(&env.loop, &e) == 0);
	env.s = supervisor_new(&env.loop, &env.options, &e);
}

static void round_once(void)
{
	loop_round(&env.loop, clock_ms() + 50);
}

static void launch(void)
{
	uint64_t deadline = clock_ms() + SECONDS(10);
	struct err e = { 0 };

	CHECK(env.s && supervisor_add_source(env.s, SOURCE_DIRECTORY, env.config, NULL, &e) == 0);
	supervisor_go(env.s);
	while (!(env.s->moving && supervisor_sources_read(env.s)) && clock_ms() < deadline)
		round_once();
}

static void end(void)
{
	forks_to_fail = 0;
	supervisor_free(env.s);
	loop_close(&env.loop);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	fixture_remove(env.dir);
}

/* ---- who asks ---- */

struct asker {
	struct waiter waiter;
	int told;
	enum err_class class;
	char text[600], secret[40], kept[10];
	off_t value;
};

static int turn;

static void told(struct waiter *w, const struct result *r)
{
	struct asker *a = w->owner;
	struct stat st;

	a->told = ++turn;
	a->class = r->err ? r->err->class : ERR_NONE;
	snprintf(a->text, sizeof(a->text), "%s", r->text ? r->text : "");
	snprintf(a->secret, sizeof(a->secret), "%s", r->secret ? r->secret : "");
	snprintf(a->kept, sizeof(a->kept), "%s", r->kept ? r->kept : "");
	a->value = r->value >= 0 && fstat(r->value, &st) == 0 ? st.st_size : -1;
}

static int ask(struct asker *a, enum secret_action action, const char *which, const char *data, struct err *e)
{
	struct secret_order o = {
		.action = action, .which = which, .data = data, .len = data ? strlen(data) : 0
	};

	*a = (struct asker){ .waiter = { .done = told, .owner = a } };
	return secret_request(env.s, &o, &a->waiter, e);
}

static void wait_for(const struct asker *a)
{
	uint64_t deadline = clock_ms() + SECONDS(10);

	while (!a->told && clock_ms() < deadline)
		round_once();
	CHECK(a->told);
}

static enum err_class outcome(enum secret_action action, const char *which, const char *data)
{
	struct asker a = { 0 };
	struct err e = { 0 };

	if (ask(&a, action, which, data, &e) < 0)
		return e.class;
	wait_for(&a);
	return a.class;
}

/* ---- cases ---- */

static void requests_are_done_in_the_order_in_which_they_came(void)
{
	struct asker a[6] = { 0 };
	struct err e = { 0 };

	begin();
	launch();
	turn = 0;
	CHECK(ask(&a[0], SECRET_ACT_DEFINE, NULL, XML, &e) == 0 &&
	      ask(&a[1], SECRET_ACT_SET, "t1", "dmFsdWU=", &e) == 0 &&
	      ask(&a[2], SECRET_ACT_GET, UUID_1, NULL, &e) == 0 &&
	      ask(&a[3], SECRET_ACT_LIST, NULL, NULL, &e) == 0 &&
	      ask(&a[4], SECRET_ACT_FORGET, "t1", NULL, &e) == 0 &&
	      ask(&a[5], SECRET_ACT_PRINT, "t1", NULL, &e) == 0);
	CHECK(!a[0].told);
	for (int i = 0; i < 6; i++) {
		wait_for(&a[i]);
		CHECK_INT(a[i].told, i + 1);
		CHECK_INT(a[i].class, i < 5 ? ERR_NONE : ERR_NO_SECRET);
	}
	CHECK_STR(a[0].secret, UUID_1);
	CHECK_STR(a[0].kept, "disk");
	CHECK_STR(a[1].secret, UUID_1);
	CHECK_INT(a[2].value, strlen("dmFsdWU="));
	CHECK(strstr(a[3].text, "uuid=" UUID_1 " usage=iscsi id=t1 ephemeral=no private=no value=yes\n"));
	CHECK_INT(a[4].value, -1);
	end();
}

static void who_has_gone_is_not_told_and_the_rest_goes_on(void)
{
	struct asker gone[2] = { 0 }, a = { 0 };
	struct err e = { 0 };

	begin();
	launch();
	CHECK(ask(&gone[0], SECRET_ACT_DEFINE, NULL, XML, &e) == 0 &&
	      ask(&gone[1], SECRET_ACT_SET, "t1", "dmFsdWU=", &e) == 0 &&
	      ask(&a, SECRET_ACT_LIST, NULL, NULL, &e) == 0);
	waiter_withdraw(&gone[0].waiter);
	waiter_withdraw(&gone[1].waiter);
	wait_for(&a);
	CHECK(!gone[0].told && !gone[1].told && strstr(a.text, "value=yes"));
	end();
}

static void a_worker_that_cannot_be_forked_is_said(void)
{
	struct asker a = { 0 }, b = { 0 };
	struct err e = { 0 };

	begin();
	launch();
	forks_to_fail = 1;
	CHECK(ask(&a, SECRET_ACT_DEFINE, NULL, XML, &e) == 0);
	wait_for(&a);
	CHECK(a.class != ERR_NONE && !env.s->requests);
	CHECK(ask(&a, SECRET_ACT_DEFINE, NULL, XML, &e) == 0 &&
	      ask(&b, SECRET_ACT_SET, "t1", "dmFsdWU=", &e) == 0);
	forks_to_fail = 2; /* the second half of the definition, and the value */
	wait_for(&b);
	CHECK(a.told && a.class != ERR_NONE && b.class != ERR_NONE && !env.s->requests);
	CHECK_INT(outcome(SECRET_ACT_PRINT, "t1", NULL), ERR_NO_SECRET);
	end();
}

static void the_end_comes_while_requests_are_under_way(void)
{
	struct asker a = { 0 }, b = { 0 };
	struct err e = { 0 };

	begin();
	launch();
	CHECK(ask(&a, SECRET_ACT_DEFINE, NULL, XML, &e) == 0 &&
	      ask(&b, SECRET_ACT_SET, "t1", "dmFsdWU=", &e) == 0);
	end();
	CHECK(!a.told && !b.told);
}

/* As the iSCSI backend leaves a pool whose secret has no value. */
static void fail(struct pool *p, enum err_class class)
{
	struct err e = { 0 };

	err_set(&e, class, "the start failed");
	p->want.active = true;
	pool_enter(p, PHASE_FAILED, &e);
}

static void a_pool_that_lacked_it_is_tried_again(void)
{
	static const char *const names[] = { "lacks", "other", "unwanted" };
	uint64_t deadline = clock_ms() + SECONDS(10);
	struct pool *p[3];

	begin();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char xml[PATH_MAX + 200];

		snprintf(xml, sizeof(xml),
		         "<pool type='dir'><name>%s</name><target><path>%s/%s</path></target></pool>",
		         names[i], env.dir, names[i]);
		fixture(env.config, xml, "storage/%s.xml", names[i]);
		fixture(env.dir, "", "%s/.keep", names[i]);
	}
	launch();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		p[i] = pool_by_name(env.s, names[i]);
		if (!p[i])
			abort();
	}
	fail(p[0], ERR_NO_SECRET);
	fail(p[1], ERR_AUTH);
	fail(p[2], ERR_NO_SECRET);
	p[2]->want.active = false;
	CHECK_INT(outcome(SECRET_ACT_DEFINE, NULL, XML), ERR_NONE);
	CHECK_INT(outcome(SECRET_ACT_SET, "t1", "%"), ERR_INVALID);
	CHECK_INT(p[0]->phase, PHASE_FAILED);
	CHECK_INT(outcome(SECRET_ACT_SET, "t1", "dmFsdWU="), ERR_NONE);
	while (p[0]->phase != PHASE_ACTIVE && clock_ms() < deadline)
		round_once();
	CHECK_INT(p[0]->phase, PHASE_ACTIVE);
	CHECK_INT(p[1]->phase, PHASE_FAILED);
	CHECK(p[2]->phase != PHASE_ACTIVE && p[2]->phase != PHASE_STARTING);
	end();
}

int main(void)
{
	RUN(requests_are_done_in_the_order_in_which_they_came);
	RUN(who_has_gone_is_not_told_and_the_rest_goes_on);
	RUN(a_worker_that_cannot_be_forked_is_said);
	RUN(the_end_comes_while_requests_are_under_way);
	RUN(a_pool_that_lacked_it_is_tried_again);
	return check_done();
}
