/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device events when no process can be had, or processes are killed: nothing that was to be done is
 * forgotten, and it is seen meanwhile. Workers are the test's own here, so that no real device is touched.
 */
#include "system/uevent.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "supervisor/inside.h"

static struct worker *start_or_refuse(struct supervisor *s, const struct task *task, struct err *e);

#define worker_start start_or_refuse
#include "../../src/boot/devices.c"
#undef worker_start

static struct loop loop;
static struct supervisor *s;
static struct devices *d;
static char dir[PATH_MAX], run[PATH_MAX];
static bool refuse;
static struct worker started[16];
static size_t nstarted;

static struct worker *start_or_refuse(struct supervisor *sup, const struct task *task, struct err *e)
{
	if (refuse || nstarted == ARRAY_LEN(started)) {
		err_set(e, ERR_STORAGE, "cannot start the worker for \"%s\"", task->what);
		return NULL;
	}
	started[nstarted] = (struct worker){ .sup = sup, .task = *task };
	return &started[nstarted++];
}

/* The worker that does this and has not ended; waits for it as long as a back-off may last. */
static struct worker *running(const char *what)
{
	uint64_t deadline = clock_ms() + 15000;

	do {
		for (size_t i = 0; i < nstarted; i++)
			if (started[i].task.run && streq(started[i].task.what, what))
				return &started[i];
		loop_round(&loop, clock_ms() + 50);
	} while (clock_ms() < deadline);
	return NULL;
}

static bool ends(const char *what, enum err_class class)
{
	struct worker *w = running(what);
	struct err e = { 0 };

	if (!w)
		return false;
	w->task.run = NULL;
	if (class)
		err_set(&e, class, "the worker for \"%s\" ended", what);
	w->task.on_done(w, class ? &e : NULL, false);
	return true;
}

static bool problem_of(const char *origin)
{
	for (const struct problem *p = supervisor_problems(s); p; p = p->next)
		if (streq(p->origin, origin))
			return true;
	return false;
}

static bool problem(void)
{
	return problem_of("devices");
}

/* Is anything under way, or meant to be? */
static bool at_rest(void)
{
	for (size_t i = 0; i < nstarted; i++)
		if (started[i].task.run)
			return false;
	return !d->again.armed && !d->late.armed;
}

static void event(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/devices/test/block/%s", name);
	take_event(d, &(struct uevent){ .action = "add", .devpath = path, .subsystem = "block" });
	start_waiting(d);
}

static void alias(const char *text)
{
	take_event(d, &(struct uevent){ .action = "add",
	                                .devpath = "/devices/test",
	                                .subsystem = "pci",
	                                .modalias = text });
	start_waiting(d);
}

static void begin(bool without)
{
	struct supervisor_options o = { .run_dir = run, .own_devices = true };
	struct err e = { 0 };

	fixture_make(dir);
	fixture_path(run, "%s/run", dir);
	nstarted = 0;
	refuse = without;
	CHECK(loop_init(&loop, &e) == 0);
	s = supervisor_new(&loop, &o, &e);
	d = s ? devices_watch(s, &e) : NULL;
	CHECK(d != NULL);
	/* Events of the machine's own devices are none of the test's. */
	stop_watching(d, &d->uevents);
}

static void end(void)
{
	devices_free(d);
	supervisor_free(s);
	loop_close(&loop);
	fixture_remove(dir);
}

static void a_walk_without_a_process_is_made_later(void)
{
	begin(true);
	CHECK(problem());
	refuse = false;
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(!problem());
	end();
}

static void a_walk_that_was_killed_is_made_again(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_INTERNAL));
	CHECK(problem());
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(!problem());
	end();
}

static void a_walk_that_is_given_up_is_no_success(void)
{
	begin(false);
	for (int i = 0; i <= WALK_TRIES; i++) {
		d->pause = 0; /* no long waits here */
		CHECK(ends("coldplug", ERR_STORAGE));
	}
	CHECK(problem());
	event("vdz");
	CHECK(ends("device-links", ERR_NONE));
	CHECK(problem());
	end();
}

static void a_walk_that_always_dies_is_given_up(void)
{
	begin(false);
	for (int i = 0; i <= WALK_TRIES; i++) {
		d->pause = 0;
		CHECK(ends("coldplug", ERR_INTERNAL));
	}
	CHECK(at_rest());
	CHECK(problem());
	end();
}

static void a_shortage_after_a_walk_that_was_given_up_is_a_new_one(void)
{
	begin(false);
	for (int i = 0; i <= WALK_TRIES; i++) {
		d->pause = i < WALK_TRIES ? 0 : AGAIN_MOST; /* no long waits here, but the last one was */
		CHECK(ends("coldplug", ERR_STORAGE));
	}
	refuse = true;
	event("vdz");
	CHECK(d->again.armed && d->pause == AGAIN_FIRST);
	refuse = false;
	CHECK(ends("device-links", ERR_NONE));
	CHECK(problem());
	start_walk(d);
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(!problem());
	end();
}

static void a_device_that_kills_its_reader_is_named_and_left(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	event("vdz");
	for (int i = 0; i <= DEVICE_TRIES; i++) {
		CHECK(!problem_of("vdz"));
		CHECK(ends("device-links", ERR_INTERNAL));
		/* Nobody else waits for it. */
		event("vdy");
		struct worker *w = nstarted && started[nstarted - 1].task.run ? &started[nstarted - 1] : NULL;
		CHECK(w && streq(((struct batch *)w->task.arg)->names[0], "vdy"));
		CHECK(ends("device-links", ERR_NONE));
	}
	CHECK(problem_of("vdz"));
	CHECK(!problem_of("vdy"));
	CHECK(!problem());
	CHECK(at_rest());
	event("vdz");
	CHECK(ends("device-links", ERR_NONE));
	CHECK(!problem_of("vdz"));
	end();
}

static void of_several_the_one_that_kills_the_reader_is_found(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	add_pending(d, "vdx");
	event("vdy");
	CHECK(ends("device-links", ERR_INTERNAL));
	CHECK(!d->again.armed && !problem());
	struct worker *w = running("device-links");
	CHECK(w && ((struct batch *)w->task.arg)->n == 1 &&
	      streq(((struct batch *)w->task.arg)->names[0], "vdx"));
	CHECK(ends("device-links", ERR_NONE));
	w = running("device-links");
	CHECK(w && ((struct batch *)w->task.arg)->n == 1 &&
	      streq(((struct batch *)w->task.arg)->names[0], "vdy"));
	CHECK(ends("device-links", ERR_NONE));
	CHECK(at_rest());
	end();
}

static void names_are_kept(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	refuse = true;
	event("vdy");
	CHECK(problem());
	refuse = false;
	CHECK(ends("device-links", ERR_INTERNAL));
	struct worker *w = running("device-links");
	CHECK(w && streq(((struct batch *)w->task.arg)->names[0], "vdy"));
	CHECK(problem());
	CHECK(ends("device-links", ERR_NONE));
	CHECK(!problem());
	end();
}

static void more_names_than_fit_make_a_walk(void)
{
	char name[16];

	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	refuse = true;
	for (int i = 0; i < PENDING + 10; i++) {
		snprintf(name, sizeof(name), "vd%d", i);
		event(name);
	}
	refuse = false;
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(!problem());
	end();
}

static void modules_are_kept(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	refuse = true;
	alias("pci:v00001AF4");
	CHECK(problem());
	refuse = false;
	CHECK(ends("modules", ERR_INTERNAL));
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(!problem());
	end();
}

static void what_device_mapper_adds_has_links_when_it_has_changed(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	event("dm-0");
	CHECK_INT(nstarted, 1);
	take_event(d,
	           &(struct uevent){ .action = "change", .devpath = "/devices/dm-0", .subsystem = "block" });
	start_waiting(d);
	CHECK(ends("device-links", ERR_NONE));
	event("vda");
	CHECK(ends("device-links", ERR_NONE));
	end();
}

/* What it does not come to in its time, another one does. */
static void a_walk_that_has_just_begun_loads_modules_first(void)
{
	begin(false);
	CHECK(running("coldplug"));
	started[0].started = clock_ms();
	alias("pci:v00001AF4");
	CHECK_INT(nstarted, 1);
	CHECK(ends("modules", ERR_NONE));
	CHECK(clock_ms() >= started[0].started + WALK_FIRST);
	started[0].started = clock_ms();
	alias("pci:v00001AF5");
	CHECK_INT(nstarted, 2);
	CHECK(ends("coldplug", ERR_NONE));
	CHECK_INT(nstarted, 3); /* it may have missed this one */
	CHECK(ends("modules", ERR_NONE));
	end();
}

/* Whoever makes events faster than they are read must not have the loop for good. */
static bool leaves_the_rest(void (*read_some)(struct watch *w, uint32_t events))
{
	struct watch w = { .owner = d };
	int fds[2], sent = 0, left = 0;
	char byte;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	while (sent < 2 * UEVENT_TURN && send(fds[1], "x", 1, 0) == 1)
		sent++;
	w.fd = fds[0];
	read_some(&w, 0);
	while (recv(fds[0], &byte, 1, 0) == 1)
		left++;
	close(fds[0]);
	close(fds[1]);
	return sent == 2 * UEVENT_TURN && left == UEVENT_TURN;
}

static void events_without_end_leave_others_their_turn(void)
{
	begin(false);
	CHECK(ends("coldplug", ERR_NONE));
	CHECK(leaves_the_rest(on_uevents));
	CHECK(leaves_the_rest(on_udevd));
	end();
}

int main(void)
{
	RUN(events_without_end_leave_others_their_turn);
	RUN(a_walk_without_a_process_is_made_later);
	RUN(a_walk_that_was_killed_is_made_again);
	RUN(a_walk_that_is_given_up_is_no_success);
	RUN(a_walk_that_always_dies_is_given_up);
	RUN(a_shortage_after_a_walk_that_was_given_up_is_a_new_one);
	RUN(a_device_that_kills_its_reader_is_named_and_left);
	RUN(of_several_the_one_that_kills_the_reader_is_found);
	RUN(names_are_kept);
	RUN(more_names_than_fit_make_a_walk);
	RUN(modules_are_kept);
	RUN(what_device_mapper_adds_has_links_when_it_has_changed);
	RUN(a_walk_that_has_just_begun_loads_modules_first);
	return check_done();
}
