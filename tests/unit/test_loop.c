/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loop: nothing withdrawn is called, nothing is lost, nothing spins, and nothing wakes up for no reason.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/util.h"
#include "check.h"

static struct loop loop;
static int called;
static uint32_t seen;

static void count(struct watch *w, uint32_t events)
{
	(void)w;
	called++;
	seen |= events;
}

static void fired(struct timer *t)
{
	called++;
	if (t->owner)
		*(int *)t->owner = called;
}

static void begin(void)
{
	struct err e = { 0 };

	called = 0;
	seen = 0;
	CHECK_INT(loop_init(&loop, &e), 0);
}

/* A descriptor that is readable for ever: a pipe with a byte in it and no writer. */
static int readable(void)
{
	int p[2];

	if (pipe(p) < 0 || write(p[1], "x", 1) != 1)
		abort();
	close(p[1]);
	return p[0];
}

static void finish(struct watch *w)
{
	int fd = w->fd;

	loop_unwatch(&loop, w);
	if (fd >= 0)
		close(fd);
}

/* ---- watches ---- */

static void delivers_as_long_as_there_is_something(void)
{
	struct watch w = { .on_event = count };

	begin();
	CHECK_INT(loop_watch(&loop, &w, readable(), EPOLLIN, NULL), 0);
	CHECK(loop_round(&loop, 0));
	CHECK(loop_round(&loop, 0));
	CHECK_INT(called, 2);
	CHECK(seen & EPOLLIN);
	finish(&w);
	CHECK_INT(w.fd, -1);
	CHECK(!loop_round(&loop, 0));
	CHECK_INT(called, 2);
	loop_close(&loop);
}

static void withdrawing_what_is_not_watched_is_harmless(void)
{
	struct watch zero = { 0 }, w = { .fd = -1, .on_event = count };

	begin();
	CHECK_INT(loop_watch(&loop, &w, readable(), EPOLLIN, NULL), 0);
	loop_unwatch(&loop, &zero);
	loop_change(&loop, &zero, EPOLLIN);
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	finish(&w);
	finish(&w);
	loop_close(&loop);
}

static struct watch pair[2];

/* Whoever is called first withdraws the other and frees nothing: the other must not be called any more. */
static void withdraw_other(struct watch *w, uint32_t events)
{
	struct watch *other = w == &pair[0] ? &pair[1] : &pair[0];

	(void)events;
	called++;
	finish(other);
}

static void no_event_after_withdrawal_in_the_same_batch(void)
{
	begin();
	for (int i = 0; i < 2; i++) {
		pair[i] = (struct watch){ .fd = -1, .on_event = withdraw_other };
		CHECK_INT(loop_watch(&loop, &pair[i], readable(), EPOLLIN, NULL), 0);
	}
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	finish(&pair[0]);
	finish(&pair[1]);
	loop_close(&loop);
}

/* The same, and the struct is used again for another descriptor: the old event is not the new one's. */
static void rewatch_other(struct watch *w, uint32_t events)
{
	struct watch *other = w == &pair[0] ? &pair[1] : &pair[0];
	int p[2];

	(void)events;
	called++;
	finish(other);
	if (pipe(p) == 0)
		loop_watch(&loop, other, p[0], EPOLLIN, NULL);
	finish(w);
}

static void a_reused_watch_gets_no_old_event(void)
{
	begin();
	for (int i = 0; i < 2; i++) {
		pair[i] = (struct watch){ .fd = -1, .on_event = rewatch_other };
		CHECK_INT(loop_watch(&loop, &pair[i], readable(), EPOLLIN, NULL), 0);
	}
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	finish(&pair[0]);
	finish(&pair[1]);
	loop_close(&loop);
}

static void withdraw_other_in_inner_round(struct watch *w, uint32_t events)
{
	w->on_event = withdraw_other;
	(void)events;
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
}

static void withdrawal_reaches_the_outer_batch(void)
{
	begin();
	for (int i = 0; i < 2; i++) {
		pair[i] = (struct watch){ .fd = -1, .on_event = withdraw_other_in_inner_round };
		CHECK_INT(loop_watch(&loop, &pair[i], readable(), EPOLLIN, NULL), 0);
	}
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	finish(&pair[0]);
	finish(&pair[1]);
	loop_close(&loop);
}

static void withdraw_self(struct watch *w, uint32_t events)
{
	(void)events;
	called++;
	finish(w);
	free(w->owner);
}

static void a_watch_may_free_itself(void)
{
	struct watch *w = calloc(1, sizeof(*w));

	begin();
	*w = (struct watch){ .on_event = withdraw_self, .owner = w };
	CHECK_INT(loop_watch(&loop, w, readable(), EPOLLIN, NULL), 0);
	loop_round(&loop, 0);
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	loop_close(&loop);
}

static void asking_for_nothing_is_quiet_even_after_hangup(void)
{
	struct watch w = { .on_event = count };
	int s[2];

	begin();
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_INT(loop_watch(&loop, &w, s[0], EPOLLIN, NULL), 0);
	loop_change(&loop, &w, 0);
	close(s[1]);
	loop_round(&loop, 0); /* may be spent on the one hang-up that epoll insists on */
	uint64_t before = clock_ms();
	loop_round(&loop, before + 50);
	CHECK(clock_ms() >= before + 50);
	CHECK_INT(called, 0);
	loop_change(&loop, &w, EPOLLIN);
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	CHECK(seen & EPOLLHUP);
	finish(&w);
	loop_close(&loop);
}

static void what_cannot_be_watched_is_an_error(void)
{
	struct watch w = { .on_event = count };
	struct err e = { 0 };

	begin();
	CHECK_INT(loop_watch(&loop, &w, -1, EPOLLIN, &e), -1);
	CHECK(e.message[0] != '\0');
	CHECK_INT(w.fd, -1);
	loop_unwatch(&loop, &w);
	loop_close(&loop);
}

static void more_descriptors_than_a_batch(void)
{
	struct watch w[50];

	begin();
	for (int i = 0; i < 50; i++) {
		w[i] = (struct watch){ .on_event = withdraw_self };
		CHECK_INT(loop_watch(&loop, &w[i], readable(), EPOLLIN, NULL), 0);
	}
	for (int i = 0; i < 10 && called < 50; i++)
		loop_round(&loop, 0);
	CHECK_INT(called, 50);
	loop_close(&loop);
}

/* ---- timers ---- */

static void timers_fire_in_order(void)
{
	uint64_t now = clock_ms();
	int order[4] = { 0 };
	struct timer t[4];

	begin();
	for (int i = 0; i < 4; i++)
		t[i] = (struct timer){ .on_expiry = fired, .owner = &order[i] };
	loop_arm(&loop, &t[0], now + 30);
	loop_arm(&loop, &t[1], now + 10);
	loop_arm(&loop, &t[2], now + 20);
	loop_arm(&loop, &t[3], now + 10);
	while (called < 4)
		loop_round(&loop, now + 5000);
	CHECK(clock_ms() >= now + 30);
	CHECK_INT(order[1], 1);
	CHECK_INT(order[3], 2);
	CHECK_INT(order[2], 3);
	CHECK_INT(order[0], 4);
	CHECK(!t[0].armed && loop.timers == NULL);
	loop_close(&loop);
}

static void disarmed_and_never_do_not_fire(void)
{
	struct timer a = { .on_expiry = fired }, b = { .on_expiry = fired };

	begin();
	loop_disarm(&loop, &a);
	loop_arm(&loop, &a, 0);
	loop_arm(&loop, &b, 0);
	loop_disarm(&loop, &a);
	loop_arm(&loop, &b, NEVER);
	CHECK(!a.armed && !b.armed);
	loop_round(&loop, 0);
	CHECK_INT(called, 0);
	loop_close(&loop);
}

static void arming_again_moves_it(void)
{
	struct timer a = { .on_expiry = fired };

	begin();
	loop_arm(&loop, &a, 0);
	loop_arm(&loop, &a, clock_ms() + 100000);
	loop_round(&loop, 0);
	CHECK_INT(called, 0);
	loop_arm(&loop, &a, 0);
	loop_round(&loop, NEVER);
	CHECK_INT(called, 1);
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	loop_close(&loop);
}

static void again(struct timer *t)
{
	called++;
	loop_arm(&loop, t, 0);
}

static void a_timer_for_now_does_not_starve_descriptors(void)
{
	struct timer t = { .on_expiry = again };
	struct watch w = { .on_event = withdraw_self };

	begin();
	loop_arm(&loop, &t, 0);
	CHECK_INT(loop_watch(&loop, &w, readable(), EPOLLIN, NULL), 0);
	loop_round(&loop, 0);
	CHECK_INT(called, 2);
	loop_round(&loop, 0);
	CHECK_INT(called, 3);
	loop_close(&loop);
}

static void a_timer_for_now_does_not_starve_those_that_are_due(void)
{
	struct timer t = { .on_expiry = again }, due = { .on_expiry = fired };

	begin();
	loop_arm(&loop, &due, clock_ms() + 1);
	loop_arm(&loop, &t, 0);
	while (called < 10000 && due.armed)
		loop_round(&loop, 0);
	CHECK(!due.armed);
	loop_disarm(&loop, &t);
	loop_close(&loop);
}

/* Who sends something while many timers are due is heard between them. */
static void timers_for_now_let_descriptors_in_between(void)
{
	struct timer t[3];
	struct watch w = { .on_event = withdraw_self };

	begin();
	for (int i = 0; i < 3; i++) {
		t[i] = (struct timer){ .on_expiry = fired };
		loop_arm(&loop, &t[i], 0);
	}
	loop_round(&loop, 0);
	CHECK_INT(loop_watch(&loop, &w, readable(), EPOLLIN, NULL), 0);
	loop_round(&loop, 0);
	CHECK(w.fd < 0 && t[2].armed);
	loop_round(&loop, 0);
	CHECK_INT(called, 4);
	loop_close(&loop);
}

static struct timer victim;

static void disarm_victim(struct timer *t)
{
	(void)t;
	called++;
	loop_disarm(&loop, &victim);
}

static void a_timer_may_disarm_another_that_is_due(void)
{
	struct timer t = { .on_expiry = disarm_victim };

	begin();
	victim = (struct timer){ .on_expiry = fired };
	loop_arm(&loop, &t, 0);
	loop_arm(&loop, &victim, 0);
	loop_round(&loop, 0);
	loop_round(&loop, 0);
	CHECK_INT(called, 1);
	loop_close(&loop);
}

/* ---- running ---- */

static void stop(struct timer *t)
{
	(void)t;
	called++;
	loop_stop(&loop);
}

static void runs_until_stopped_and_can_run_again(void)
{
	struct timer t = { .on_expiry = stop };

	begin();
	loop_arm(&loop, &t, clock_ms() + 5);
	loop_run(&loop);
	CHECK_INT(called, 1);
	loop_arm(&loop, &t, clock_ms() + 5);
	loop_run(&loop);
	CHECK_INT(called, 2);
	loop_stop(&loop);
	loop_run(&loop); /* a stop before the run is not forgotten */
	loop_close(&loop);
}

static void ignore(int sig)
{
	(void)sig;
}

static void signals_do_not_end_it(void)
{
	struct sigaction sa = { .sa_handler = ignore };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct timer t = { .on_expiry = stop };
	uint64_t deadline;

	begin();
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	deadline = clock_ms() + 60;
	loop_arm(&loop, &t, deadline);
	loop_run(&loop);
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	CHECK_INT(called, 1);
	CHECK(clock_ms() >= deadline);
	loop_close(&loop);
}

static void a_broken_loop_does_not_spin(void)
{
	struct timer t = { .on_expiry = stop };
	struct rusage before, after;

	begin();
	loop_arm(&loop, &t, clock_ms() + 150);
	close(loop.epoll);
	getrusage(RUSAGE_SELF, &before);
	loop_run(&loop);
	getrusage(RUSAGE_SELF, &after);
	CHECK_INT(called, 1);
	CHECK(after.ru_utime.tv_sec == before.ru_utime.tv_sec
	              ? after.ru_utime.tv_usec - before.ru_utime.tv_usec < 100000
	              : 1);
	loop.epoll = -1;
	loop_close(&loop);
}

static void idle_means_no_wakeups(void)
{
	struct watch w = { .on_event = count };
	struct timer far = { .on_expiry = fired };
	struct rusage before, after;
	int p[2];

	begin();
	CHECK_INT(pipe(p), 0);
	CHECK_INT(loop_watch(&loop, &w, p[0], EPOLLIN, NULL), 0);
	loop_arm(&loop, &far, clock_ms() + 100000);
	getrusage(RUSAGE_SELF, &before);
	loop_round(&loop, clock_ms() + 300);
	getrusage(RUSAGE_SELF, &after);
	CHECK(after.ru_nvcsw - before.ru_nvcsw <= 2); /* one sleep */
	CHECK_INT(called, 0);
	close(p[1]);
	finish(&w);
	loop_close(&loop);
	CHECK(!far.armed);
}

int main(void)
{
	RUN(delivers_as_long_as_there_is_something);
	RUN(withdrawing_what_is_not_watched_is_harmless);
	RUN(no_event_after_withdrawal_in_the_same_batch);
	RUN(a_reused_watch_gets_no_old_event);
	RUN(withdrawal_reaches_the_outer_batch);
	RUN(a_watch_may_free_itself);
	RUN(asking_for_nothing_is_quiet_even_after_hangup);
	RUN(what_cannot_be_watched_is_an_error);
	RUN(more_descriptors_than_a_batch);
	RUN(timers_fire_in_order);
	RUN(disarmed_and_never_do_not_fire);
	RUN(arming_again_moves_it);
	RUN(a_timer_for_now_does_not_starve_descriptors);
	RUN(a_timer_for_now_does_not_starve_those_that_are_due);
	RUN(timers_for_now_let_descriptors_in_between);
	RUN(a_timer_may_disarm_another_that_is_due);
	RUN(runs_until_stopped_and_can_run_again);
	RUN(signals_do_not_end_it);
	RUN(a_broken_loop_does_not_spin);
	RUN(idle_means_no_wakeups);
	return check_done();
}
