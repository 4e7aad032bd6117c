/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Boot as it goes on. Events only arm a timer that is due at once: the judgement is made from the loop, after
 * all that an event brings with it, and once for many events.
 *
 * `wait boot` and PID 1 hear of the end of boot in the same way. The verdict with which boot was over stays:
 * a pool that comes later changes the state that is shown, but not the outcome of the boot.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/progress.h"

static const struct pool *pools(const struct progress *p)
{
	return pool_first(p->sup);
}

/* It is taken out of the list before it is called, as it may be freed by that. */
static void answer_waiter(struct waiter *w, const struct err *e)
{
	waiter_withdraw(w);
	w->done(w, &(struct result){ .err = e });
}

/* ---- those who wait for boot ---- */

static void answer_waiters(struct progress *p)
{
	while (p->waiters)
		answer_waiter(p->waiters, NULL);
}

/* Those whose time is up are told what is missing. Returns the soonest deadline of the others. */
static uint64_t tell_late(struct progress *p, uint64_t now)
{
	uint64_t soonest = NEVER;

	for (struct waiter *w = p->waiters, *next; w; w = next) {
		next = w->next;
		if (w->timer.deadline > now) {
			if (w->timer.deadline < soonest)
				soonest = w->timer.deadline;
			continue;
		}
		cleanup_buf struct buf line = BUF_INIT;
		struct err e = { 0 };

		policy_line(&p->policy, pools(p), now, &line);
		err_set(&e, ERR_TIMEOUT, "boot is not over yet: %s", buf_str(&line));
		answer_waiter(w, &e);
		next = p->waiters; /* the list may have changed under us; those told are no longer in it */
	}
	return soonest;
}

int progress_wait(struct progress *p, uint64_t deadline, struct waiter *w, struct err *e)
{
	require(w->done, e);
	(void)e;
	/* The timer is never armed: one timer of ours stands for all. */
	w->timer = (struct timer){ .deadline = deadline };
	w->next = p->waiters;
	if (w->next)
		w->next->link = &w->next;
	w->link = &p->waiters;
	p->waiters = w;
	loop_arm(supervisor_loop(p->sup), &p->look, 0);
	return 0;
}

/* ---- looking ---- */

/* One line, in the log and for the service manager, when boot is over and once more when the last pool has
 * come. */
static void say_line(struct progress *p, uint64_t now)
{
	cleanup_buf struct buf line = BUF_INIT, status = BUF_INIT;

	policy_line(&p->policy, pools(p), now, &line);
	log_info(LF_BOOT, "%s", buf_str(&line));
	buf_printf(&status, "STATUS=%s", buf_str(&line));
	notify_send(buf_str(&status));
}

/* Once. The event comes before on_over: what that does (a reboot) would be news without a cause. */
static void boot_is_over(struct progress *p, const struct verdict *v, uint64_t now)
{
	p->over = true;
	p->verdict = *v;
	milestone(p->sup, "ready");
	say_line(p, now);
	struct event ev = { .name = "boot" };
	event_str(&ev, "state", progress_state(p));
	event_num(&ev, "active", v->active);
	event_num(&ev, "wanted", v->wanted);
	events_emit(p->sup, &ev);
	if (p->on_over)
		p->on_over(p->arg, v);
}

/* A name that no definition has is a problem of the command line, told once. */
static void check_defined(struct progress *p, const char *parameter, const char *name)
{
	struct err e = { 0 };

	if (policy_is_defined(pools(p), name))
		return;
	err_set(&e, ERR_NO_POOL, "%s: no pool is called \"%.200s\"", parameter, name);
	supervisor_add_problem(p->sup, "(command line)", &e);
}

/* Once all definitions have been read: who names a pool that is none has mistyped it. */
static void check_all_defined(struct progress *p)
{
	const char *autostart = supervisor_options(p->sup)->autostart;
	char name[POLICY_NAME];

	if (p->checked || !supervisor_sources_read(p->sup))
		return;
	p->checked = true;
	for (size_t i = 0; i < p->policy.nrequire; i++)
		check_defined(p, "poolinit.require", p->policy.require[i]);
	if (!autostart || streq(autostart, "all") || streq(autostart, "none"))
		return;
	while (policy_next_name(&autostart, name))
		check_defined(p, p->autostart ? p->autostart : "poolinit.autostart", name);
}

/* The one place where boot is judged. In this order: mistyped names are told, the verdict is made, those who
 * wait are answered, and the timer is set for the moment at which time alone would change something. */
static void on_progress_due(struct timer *t)
{
	struct progress *p = t->owner;
	uint64_t now = clock_ms(), again = NEVER;
	struct verdict v;

	check_all_defined(p);
	policy_judge(&p->policy, pools(p), supervisor_sources_read(p->sup), now, &v);
	if (!p->over && v.done) {
		boot_is_over(p, &v, now);
	} else if (!p->over) {
		again = v.look_again;
	} else if (!p->complete && v.active == v.wanted && !supervisor_shutting_down(p->sup)) {
		say_line(p, now); /* the late ones have come after all */
	}
	p->complete |= p->over && v.active == v.wanted;
	if (p->over)
		answer_waiters(p);
	else if (p->waiters) {
		uint64_t soonest = tell_late(p, now);

		if (soonest < again)
			again = soonest;
	}
	if (again != NEVER)
		loop_arm(supervisor_loop(p->sup), &p->look, again);
}

void progress_look(struct progress *p)
{
	loop_arm(supervisor_loop(p->sup), &p->look, 0);
}

/* Any event may change the verdict. A timer that is due at once stands for all events of this turn. */
static void on_pool_event(struct listener *l, const struct event *ev)
{
	(void)ev;
	progress_look(l->owner);
}

const char *progress_state(const struct progress *p)
{
	return policy_state(&p->policy, pools(p), p->over, supervisor_problems(p->sup) != NULL, clock_ms());
}

void progress_begin(struct progress *p, struct supervisor *s)
{
	demand_or(s, );
	p->sup = s;
	p->listener = (struct listener){ .on_event = on_pool_event, .owner = p };
	p->look = (struct timer){ .on_expiry = on_progress_due, .owner = p };
	listener_add(s, &p->listener);
	loop_arm(supervisor_loop(s), &p->look, 0);
}

void progress_end(struct progress *p)
{
	if (!p->sup)
		return;
	listener_remove(p->sup, &p->listener);
	loop_disarm(supervisor_loop(p->sup), &p->look);
	answer_waiters(p);
	p->sup = NULL;
}

/* ---- readiness ---- */

void notify_send(const char *text)
{
	demand_or(text, );

	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	cleanup_close int fd = -1;

	if (len < 2 || len >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, len);
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (void *)&a,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_debug(LF_BOOT, "cannot notify the service manager: %s", strerror(errno));
}

void notify_fd(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "\n", 1) != 1)
		log_warn(LF_BOOT, "cannot tell readiness on descriptor %d: %s", fd, strerror(errno));
	close(fd);
}
