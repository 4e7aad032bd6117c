/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The supervisor as a whole: its making, the moment from which it moves pools, what it is told about devices
 * and the network, its end.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "supervisor/config/registry.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/documents.h"
#include "supervisor/requests/requests.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/waiting.h"
#include "system/device.h"

#define DESCRIPTORS 65536 /* each pool's volumes take one, each operation under way two */
#define AT_ONCE     32    /* workers: a thousand would need a thousand times their memory */
/* clients are not let in before; each reader of definitions has half of that */
#define SETTLE_WITHIN SECONDS(20)

/* ---- making ---- */

/* The soft limit of most machines is 1024, and the hard one far above. */
static void take_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= DESCRIPTORS)
		return;
	r.rlim_cur = r.rlim_max < DESCRIPTORS ? r.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &r); /* where it cannot be, there is room for fewer */
}

/* NULL: no memory. */
static char *path_below(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* What this supervisor keeps of itself lies below run_dir: state/, secrets/, and later config/. That state/
 * is there already says that an earlier one has been here. */
static int make_directories(struct supervisor *s, struct err *e)
{
	char *state = path_below(s->options.run_dir, "state"),
	     *secrets = path_below(s->options.run_dir, "secrets");
	int rc = -1;

	s->run_config = path_below(s->options.run_dir, "config");
	if (!state || !secrets || !s->run_config)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	else if (file_mkdirs(s->options.run_dir, 0750, e) == 0) {
		s->had_state = access(state, F_OK) == 0;
		rc = file_mkdirs(state, 0700, e);
	}
	s->secret_dirs = calloc(2, sizeof(*s->secret_dirs));
	if (s->secret_dirs)
		s->secret_dirs[0] = secrets;
	else
		rc = err_set(e, ERR_NO_MEMORY, "out of memory");
	free(state);
	return rc;
}

/* What an earlier supervisor has left in run_dir; the first one of a boot finds nothing, and need not send
 * workers to look. */
static int add_own_sources(struct supervisor *s, struct err *e)
{
	if (access(s->run_config, F_OK) == 0) { /* what was defined over the socket, for this boot */
		if (supervisor_add_source(s, SOURCE_DIRECTORY, s->run_config, NULL, e) < 0)
			return -1;
		s->sources->priority = PRIORITY_SOCKET;
	}
	return s->had_state ? sources_add_state(s, e) : 0;
}

/* Those who keep out of the way of a reader of definitions. */
static void on_source_over(struct supervisor *s)
{
	loop_arm(s->loop, &s->changer, 0);
	reload_on_source(s);
}

static void supervisor_advance(struct supervisor *s);
static void supervisor_worker_over(struct supervisor *s);
static void shutdown_step(struct supervisor *s);
/* What lies above a room, and that it calls all the same (inside.h). */
static const struct upward upward = {
	.steps = pool_steps,
	.on_pool_clock = pool_on_clock,
	.on_pool_gone = volume_jobs_orphan,
	.on_kick = requests_kick,
	.on_source_over = on_source_over,
	.advance = supervisor_advance,
	.step_shutdown = shutdown_step,
	.on_worker_over = supervisor_worker_over,
};

static void on_shutdown_deadline(struct timer *t);
static void on_starter(struct timer *t);

struct supervisor *supervisor_new(struct loop *l, const struct supervisor_options *o, struct err *e)
{
	demand_or(l && o && o->run_dir, NULL);

	struct supervisor *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	s->up = &upward;
	s->loop = l;
	s->options = *o;
	device_ask_keeps(o->run_dir);
	s->starter.on_expiry = on_starter;
	s->changer.on_expiry = requests_on_changer;
	s->saver.on_expiry = state_on_saver;
	s->shutdown.timer.on_expiry = on_shutdown_deadline;
	s->starter.owner = s->changer.owner = s->saver.owner = s->shutdown.timer.owner = s;
	s->mounts_chore.origin = "mounts";
	s->mounts_chore.meanwhile = "what others mount and unmount is seen at the next refresh only";
	s->mounts_chore.attempt = mounts_watch;
	s->mounts_chore.owner = s;
	take_descriptors();
	if (make_directories(s, e) < 0 || add_own_sources(s, e) < 0) {
		supervisor_free(s);
		return NULL;
	}
	return s;
}

/* Workers and services that still run are left to themselves: whoever frees the supervisor has stopped them,
 * or is about to end. */
void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	/* workers first: none of what they call back is there afterwards */
	while (s->workers)
		worker_drop(s->workers);
	waiting_free(s);
	documents_free(s);
	requests_free(s);
	volume_jobs_free(s);
	chore_end(&s->mounts_chore);
	services_free(s); /* before the pools, whose end is that of their companions */
	registry_free(s);
	left_out_free(s);
	watch_free(s);
	mounts_free(s);
	sources_free(s);
	state_free(s);
	events_free(s);
	loop_disarm(s->loop, &s->shutdown.timer);
	loop_disarm(s->loop, &s->pause.timer);
	loop_disarm(s->loop, &s->starter);
	loop_disarm(s->loop, &s->saver);
	loop_disarm(s->loop, &s->settle);
	free(s->run_config);
	for (const char **dir = s->secret_dirs; dir && *dir; dir++)
		free((char *)(uintptr_t)*dir);
	free(s->secret_dirs);
	free(s);
}

struct loop *supervisor_loop(struct supervisor *s)
{
	return s->loop;
}

const struct supervisor_options *supervisor_options(const struct supervisor *s)
{
	return &s->options;
}

bool supervisor_owns(const struct supervisor *s, pid_t pid)
{
	for (const struct worker *w = s->workers; w; w = w->next)
		if (w->pid == pid)
			return true;
	if (documents_own(s, pid) || waiting_own(s, pid))
		return true;
	for (size_t i = 0;; i++) {
		struct service_view v;

		if (!service_at(s, i, &v))
			return false;
		if (v.pid == pid)
			return true;
	}
}

/* ---- what is wanted ---- */

/* "NAME,NAME,…" holds this name? */
static bool is_in_names(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return true;
	return false;
}

bool supervisor_autostarts(const struct supervisor_options *o, const char *name, bool marked)
{
	demand_or(o && name, false);
	if (is_in_names(o->needed, name))
		return true;
	if (!o->autostart)
		return marked;
	if (streq(o->autostart, "all") || streq(o->autostart, "none"))
		return o->autostart[0] == 'a';
	return is_in_names(o->autostart, name);
}

/* Each pool once: what an earlier supervisor knew of it goes before its mark. */
static void judge(struct supervisor *s)
{
	for (struct pool *p = s->pools, *next; p; p = next) {
		next = p->next;
		if (p->want.judged)
			continue;
		p->want.judged = true;
		if (!p->want.recalled && supervisor_autostarts(&s->options, p->name, p->def.autostart))
			pool_want(p, true);
		else if (p->want.active)
			p->times.wanted = clock_ms();
		p->tries.due = true;
		loop_arm(s->loop, &s->starter, 0);
	}
}

/* One pool a round of the loop: a hundred forks in a row would keep clients and events waiting. */
static void on_starter(struct timer *t)
{
	struct supervisor *s = t->owner;
	struct pool *p = s->pools;

	if (workers_busy(s) >= AT_ONCE) {
		loop_arm(s->loop, &s->starter, clock_ms() + 10);
		return;
	}
	while (p && !p->tries.due)
		p = p->next;
	if (!p) {
		waiting_expect(s); /* the steps may have begun no operation, after which it would be */
		return;
	}
	p->tries.due = false;
	loop_arm(s->loop, &s->starter, 0);
	pool_step(p);
}

/* Until every source that does not wait for a device has been read, a later one may still replace a
 * definition. */
static bool settled(const struct supervisor *s)
{
	for (const struct source *src = s->sources; src; src = src->next)
		if (!src->done && !src->waits_for && !src->device)
			return false;
	return true;
}

/* Once: who asked for it is told, and forgotten. */
static void tell_settled(struct supervisor *s)
{
	void (*fn)(void *arg) = s->on_settled;

	s->on_settled = NULL;
	loop_disarm(s->loop, &s->settle);
	if (fn)
		fn(s->settled_arg);
}

static void on_settle(struct timer *t)
{
	tell_settled(t->owner);
}

/* A source has been read, or will not be: is it time to tell people, and to move pools? */
static void supervisor_advance(struct supervisor *s)
{
	if (!settled(s) || s->shutdown.on)
		return;
	pools_recall(s);
	tell_settled(s);
	if (!s->going)
		return;
	s->moving = !s->pause.on;
	judge(s);
	waiting_expect(s);
}

void supervisor_when_settled(struct supervisor *s, void (*fn)(void *arg), void *arg)
{
	s->on_settled = fn;
	s->settled_arg = arg;
	s->settle = (struct timer){ .on_expiry = on_settle, .owner = s };
	loop_arm(s->loop, &s->settle, clock_ms() + SETTLE_WITHIN);
}

void supervisor_go(struct supervisor *s)
{
	s->going = true;
	chore_try(s, &s->mounts_chore);
	supervisor_advance(s);
}

void supervisor_device_event(struct supervisor *s, const char *sysname)
{
	if (s->shutdown.on)
		return;
	sources_kick(s, NULL);
	pools_kick(s, "device", sysname);
	degraded_kick(s);
	for (struct listener *l = s->listeners, *next; l; l = next) {
		next = l->next;
		if (l->on_device)
			l->on_device(l);
	}
	for (struct pool *p = s->pools; p; p = p->next)
		if (p->want.active && sysname && p->phase == PHASE_FAILED && p->reason.waits_for &&
		    streq(path_base(p->reason.waits_for), sysname)) {
			p->tries.again = p->tries.due = true; /* what a disk holds may be another thing now */
			loop_arm(s->loop, &s->starter, 0);
		}
}

void supervisor_network_event(struct supervisor *s)
{
	if (!s->shutdown.on)
		pools_kick(s, "network", "");
}

/* ---- a pause ---- */

/* Nothing is under way, or its time is over. One look a round is enough, whatever ends in it. */
static void on_pause_timer(struct timer *t)
{
	struct supervisor *s = t->owner;
	void (*done)(void *arg) = s->pause.done;
	struct worker_view v;

	if (worker_at(s, 0, &v) && clock_ms() < s->pause.deadline) {
		loop_arm(s->loop, t, s->pause.deadline);
		return;
	}
	s->pause.done = NULL;
	done(s->pause.arg);
}

/* A worker is over: it may have been the last one that a pause waits for. */
static void supervisor_worker_over(struct supervisor *s)
{
	waiting_expect(s);
	if (s->pause.done)
		loop_arm(s->loop, &s->pause.timer, 0);
}

void supervisor_pause(struct supervisor *s, uint64_t deadline, void (*done)(void *arg), void *arg)
{
	demand_or(done && !s->pause.on, );
	s->pause.on = true;
	s->pause.deadline = deadline;
	s->pause.done = done;
	s->pause.arg = arg;
	s->pause.timer = (struct timer){ .on_expiry = on_pause_timer, .owner = s };
	s->moving = false;
	waiting_renew(s); /* it has the paths of before */
	loop_arm(s->loop, &s->pause.timer, 0);
}

void supervisor_changed_root(struct supervisor *s)
{
	s->options.own_devices = false;
	waiting_renew(s); /* it would work in the old one */
	sources_change_root(s);
}

void supervisor_followed(struct supervisor *s)
{
	services_follow_root(s);
}

bool supervisor_pack(const struct supervisor *s, const char *root, bool systemd)
{
	return services_pack(s, root, systemd);
}

void supervisor_resume(struct supervisor *s)
{
	loop_disarm(s->loop, &s->pause.timer);
	s->pause.on = false;
	s->pause.done = NULL;
	s->moving = s->going;
	for (struct pool *p = s->pools; p; p = p->next)
		p->tries.due = true;
	loop_arm(s->loop, &s->starter, 0);
}

/* ---- the end ---- */

bool supervisor_shutting_down(const struct supervisor *s)
{
	return s->shutdown.on;
}

/* All have stopped, or time is over. Called once: done is forgotten with it. */
static void finish_shutdown(struct supervisor *s)
{
	void (*done)(void *arg) = s->shutdown.done;

	loop_disarm(s->loop, &s->shutdown.timer);
	for (const struct pool *p = s->pools; p; p = p->next)
		if (pool_is_active(p))
			log_warn(LF_POOL, "%s: not stopped: %s", p->name,
			         p->reason.text ? p->reason.text : phase_word(p->phase));
	state_clear(s);
	s->shutdown.done = NULL;
	if (done)
		done(s->shutdown.arg);
}

static void on_shutdown_deadline(struct timer *t)
{
	finish_shutdown(t->owner);
}

/* Something has ended: those that it kept busy may stop now; when nothing moves any more, the companions go;
 * then it is done. */
static void shutdown_step(struct supervisor *s)
{
	bool busy = false;

	if (!s->shutdown.on || !s->shutdown.done)
		return;
	for (const struct pool *p = s->pools; p; p = p->next)
		busy |= p->work.worker || p->work.jobs ||
		        (p->phase == PHASE_STOPPING && !p->tries.stop_failed);
	if (busy)
		return;
	services_stop(s);
	if (services_gone(s))
		finish_shutdown(s);
}

void supervisor_shutdown(struct supervisor *s, uint64_t deadline, void (*done)(void *arg), void *arg)
{
	demand_or(done, );
	if (s->shutdown.on)
		return;
	s->shutdown.on = true;
	s->shutdown.deadline = deadline;
	s->shutdown.done = done;
	s->shutdown.arg = arg;
	s->moving = true;
	loop_arm(s->loop, &s->shutdown.timer, deadline);
	events_emit(s, &(struct event){ .name = "shutdown" });
	volume_jobs_cancel_all(s);
	/* what a pool does now is cancelled, and its end leads to the stop; pools on which others stand fail
	 * to stop, and try again when those have (stopping.c) */
	for (struct pool *p = s->pools, *next; p; p = next) {
		next = p->next;
		pool_want(p, false);
		p->tries.stop_failed = false;
		if (p->work.worker && p->phase != PHASE_STOPPING)
			worker_cancel(p->work.worker);
		else
			pool_step(p);
	}
	shutdown_step(s);
}
