/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The worker that waits for work. It is forked in a quiet moment (workers_busy()), and told what to do when
 * there is something (errand.h). What cannot be told (the list of sources) has to be as it was at the fork:
 * waiting_fits(). Otherwise a worker is forked, as where there is none that waits.
 *
 * It keeps nothing of ours busy: it has closed all descriptors but its socket, and ends when that is closed.
 *
 * A worker that has done what leaves nothing behind in it (worker_stays()) waits again. Guests come and go by
 * such operations, one after the other, and none of them waits for a fork then.
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
	struct worker *lent; /* the last one that was given work; no other was forked since. It may be gone */
	struct timer timer;  /* then one is forked */
	bool answered; /* a round has passed, in which whoever asked for the last operation was answered */
	bool failed;   /* the last one ended by itself: the next is forked after an operation */
	const struct source *last_source; /* as it was at the fork */
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

/* What both are that wait for the first time, and again. */
static struct task waiting_task(struct waiting *t)
{
	return (struct task){ .what = "wait",
		              .timeout = NEVER,
		              .await = errand_await,
		              .run = operation_stop,
		              .arg = t->sup,
		              .on_done = on_waiting_end,
		              .owner = t };
}

/* All is quiet: time to fork it. Without memory for one the next operation forks its own. */
static void on_idle(struct timer *timer)
{
	struct waiting *t = timer->owner;
	struct supervisor *s = t->sup;
	const struct task task = waiting_task(t);

	if (t->worker || !s->moving || s->shutdown.on || workers_busy(s))
		return;
	if (!t->answered) {
		t->answered = true;
		loop_arm(s->loop, &t->timer, 0);
		return;
	}
	t->last_source = last_source(s);
	t->lent = NULL;
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

/* The one that was lent stays, and none is there in its place. */
static bool waits_again(struct waiting *t)
{
	const struct task task = waiting_task(t);

	if (t->worker || !t->lent || !worker_again(t->sup, t->lent, &task))
		return false;
	t->worker = t->lent;
	t->lent = NULL;
	return true;
}

/* Not in an initramfs of ours, which is soon left, and where every process counts. */
void waiting_expect(struct supervisor *s)
{
	bool leaves = s->options.lives_on && s->options.own_devices;
	struct waiting *t = s->moving && !leaves && !s->shutdown.on ? waiting_of(s) : NULL;

	if (!t || waits_again(t) || workers_busy(s))
		return;
	if (t->failed) { /* that one is over */
		t->failed = false;
		return;
	}
	if (t->worker || t->timer.armed)
		return;
	t->answered = false;
	loop_arm(s->loop, &t->timer, 0);
}

void waiting_renew(struct supervisor *s)
{
	if (s->waiting)
		s->waiting->lent = NULL;
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
	return !needs_all && t->last_source == last_source(t->sup);
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
	t->lent = w;
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
