/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The worker that waits for work. It is forked in a quiet moment (workers_busy()), and told what to do when
 * there is something (errand.h). What cannot be told (the mapping of an index, the list of sources) has to be
 * as it was at the fork: waiting_fits(). Otherwise a worker is forked, as where there is none that waits.
 *
 * It keeps nothing of ours busy: it has closed all descriptors but its socket, and ends when that is closed.
 */
#include "supervisor/work/waiting.h"

#include "base/clock.h"
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/work/work.h"

struct waiting {
	struct supervisor *sup;
	struct worker *worker; /* or NULL */
	struct timer timer;    /* then one is forked */
	bool answered; /* a round has passed, in which whoever asked for the last operation was answered */
	bool failed;   /* the last one ended by itself: the next is forked after an operation */
	/* as they were at the fork: */
	uint64_t last_index;
	const struct source *last_source;
};

/* ---- one that waits ---- */

/* It has ended with nothing to do. */
static void on_waiting_end(struct worker *w, const struct err *e, bool left)
{
	struct waiting *t = w->task.owner;

	(void)left;
	log_debug(LF_WORKER, "a worker that waited has ended: %s", e ? e->message : "it waited no longer");
	t->worker = NULL;
	t->failed = true;
}

static const struct source *last_source(const struct supervisor *s)
{
	const struct source *src = s->sources;

	while (src && src->next)
		src = src->next;
	return src;
}

/* It is wanted no more. */
static void waiting_drop(struct waiting *t)
{
	if (t->worker)
		worker_dismiss(t->worker);
	t->worker = NULL;
}

/* All is quiet: time to fork it. Without memory for one the next operation forks its own. */
static void on_idle(struct timer *timer)
{
	struct waiting *t = timer->owner;
	struct supervisor *s = t->sup;
	struct task task = { .what = "wait",
		             .timeout = NEVER,
		             .await = errand_await,
		             .run = operation_stop,
		             .arg = s,
		             .on_done = on_waiting_end,
		             .owner = t };

	if (t->worker || !s->moving || s->shutdown.on || workers_busy(s))
		return;
	if (!t->answered) {
		t->answered = true;
		loop_arm(s->loop, &t->timer, 0);
		return;
	}
	t->last_index = s->last_index;
	t->last_source = last_source(s);
	t->worker = worker_ahead(s, &task, NULL);
}

static struct waiting *waiting_of(struct supervisor *s)
{
	struct waiting *t = s->waiting ? s->waiting : calloc(1, sizeof(*t));

	if (t && !s->waiting) {
		t->sup = s;
		t->timer = (struct timer){ .on_expiry = on_idle, .owner = t };
		s->waiting = t;
	}
	return t;
}

/* Not in an initramfs of ours, which is soon left, and where every process counts. */
void waiting_expect(struct supervisor *s)
{
	bool leaves = s->options.lives_on && s->options.own_devices;
	struct waiting *t = s->moving && !leaves && !s->shutdown.on && !workers_busy(s) ? waiting_of(s)
	                                                                                : NULL;

	if (!t)
		return;
	if (t->failed) { /* that one is over */
		t->failed = false;
		return;
	}
	if (t->worker && t->last_index != s->last_index)
		waiting_drop(t); /* it would keep the memory of indexes that are no more */
	if (t->worker || t->timer.armed)
		return;
	t->answered = false;
	loop_arm(s->loop, &t->timer, 0);
}

void waiting_renew(struct supervisor *s)
{
	if (!s->waiting || !s->waiting->worker)
		return;
	waiting_drop(s->waiting);
	waiting_expect(s);
}

bool waiting_own(const struct supervisor *s, pid_t pid)
{
	return s->waiting && s->waiting->worker && s->waiting->worker->pid == pid;
}

void waiting_free(struct supervisor *s)
{
	struct waiting *t = s->waiting;

	if (!t)
		return;
	loop_disarm(s->loop, &t->timer);
	if (t->worker)
		worker_drop(t->worker);
	free(t);
	s->waiting = NULL;
}

/* ---- an operation ---- */

/* Its volumes are none, or were mapped before the fork. */
static bool has_mapped(const struct waiting *t, const struct pool_view *p)
{
	return !p || !p->index.base.n || p->number <= t->last_index;
}

/* Is the worker's copy right in all that it is not told? */
static bool waiting_fits(const struct waiting *t, const struct task *task, const struct errand *errand)
{
	const struct volume_work *work = errand->work;
	bool needs_all;

	/* They look at all pools: whoever builds, for the disk; whoever makes a volume at the level
	 * "operate", for what it stands on; and whoever changes one that is a device, for the pools that
	 * stand on it. */
	if (work && task->run != volume_work_create)
		needs_all = volumes_are_devices(work->pool->type);
	else
		needs_all = work ? work->operate : errand->operation->build;
	if (needs_all)
		return false;
	return has_mapped(t, work ? work->pool : errand->operation->pool) &&
	       has_mapped(t, work ? work->input : NULL) && t->last_source == last_source(t->sup);
}

/* The worker that waits does it. NULL: it cannot; if it does not take it, it is gone. */
static struct worker *waiting_takes(struct waiting *t, const struct task *task, const struct errand *errand)
{
	cleanup_buf struct buf b = { .limit = ERRAND_LIMIT + 1 };
	struct pool_views others = { 0 };
	struct worker *w = t->worker;
	bool told = waiting_fits(t, task, errand);

	if (told && task->run == operation_start)
		told = views_of(t->sup, POOLS_RUNNING, &others) == 0;
	told = told && errand_tell(&b, task, errand, &others);
	free(others.list);
	if (!told)
		return NULL;
	t->worker = NULL;
	worker_assign(w, task);
	if (errand_send(w->output.fd, &b))
		return w;
	worker_disown(w);
	return NULL;
}

struct worker *waiting_start(struct supervisor *s, const struct task *task, const struct errand *errand,
                             struct err *e)
{
	demand_or(task && errand && (errand->work || errand->operation), NULL);

	struct worker *w = s->waiting && s->waiting->worker ? waiting_takes(s->waiting, task, errand) : NULL;

	return w ? w : worker_start(s, task, e);
}
