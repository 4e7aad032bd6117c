/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The mount table is watched: a pool is active only while its target path leads to what was there when it was
 * started. The kernel tells that something was mounted or unmounted, not what: a worker reads the table then,
 * and says of each pool through which mount its target is seen now. Many changes are joined, and there is one
 * look at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include "backends/identity.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "supervisor/news/news.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/work.h"
#include "system/target.h"
#include "volumes/pool_dir.h"

#define QUIET 100         /* ms from the first change to the look */
#define PAUSE 500         /* ms from the end of a look to the next */
#define AGAIN SECONDS(10) /* after a look that failed */

/* The watch on the table, and when there is the next look. */
struct mounts {
	struct supervisor *sup;
	struct watch table;
	struct timer timer;
	uint64_t next; /* clock_ms() before which there is no look */
	bool looking;  /* a worker is there */
	bool again;    /* the table has changed meanwhile */
};

void mounts_kick_inner(const struct pool *p)
{
	for (struct pool *q = p->sup->pools; q; q = q->next)
		if (q->reason.waits_for && starts_with(q->reason.waits_for, "pool=") && pool_lies_in(q, p))
			pool_kick(q);
}

/* ---- looking: in the worker ---- */

/* Those that are there, and those that may wait for what is mounted. */
static bool is_concerned(const struct pool *p)
{
	return pool_has_directory(p) &&
	       (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED || p->phase == PHASE_WAITING ||
	        p->phase == PHASE_RETRYING || p->phase == PHASE_STARTING);
}

/* The table is read once, and looked at for each pool. Only what has changed is told. */
static int mounts_look(struct worker_io *io, void *arg, struct err *e)
{
	const struct mounts *m = arg;
	const struct places *places = places_now(e);

	if (!places)
		return -1;
	for (const struct pool *p = m->sup->pools; p; p = p->next) {
		int mount = is_concerned(p) ? places_mount(places, p->def.target) : p->life.seen;
		struct buf b = BUF_INIT;

		if (mount == p->life.seen)
			continue;
		line_begin(&b, "-");
		line_str(&b, "pool", p->name);
		line_num(&b, "mount", (uint64_t)mount);
		worker_send_record(io, &b);
	}
	return 0;
}

/* ---- looking: in the supervisor ---- */

/* A look is due: soon, but not before the pause is over. One that is under way may have read too early, and
 * is followed by another. */
static void later(struct mounts *m)
{
	uint64_t at = clock_ms() + QUIET;

	m->again = m->looking;
	if (!m->looking && !m->timer.armed)
		loop_arm(m->sup->loop, &m->timer, at > m->next ? at : m->next);
}

/* A pool that is there and is seen through another mount is refreshed: that opens its directory, and finds
 * out what it is now. The same if that mount can be written no more, or again. */
static void on_mounts_record(struct worker *w, const struct line *l)
{
	struct mounts *m = w->task.owner;
	const char *name = line_get(l, "pool");
	struct pool *p = name ? pool_by_name(m->sup, name) : NULL;

	if (!p)
		return;
	int before = p->life.seen;
	p->life.seen = (int)line_u64(l, "mount", 0);
	bool turned = p->life.seen < 0 ? before >= 0 : before == -p->life.seen;
	if (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED) {
		if (!p->life.place || (atoi(p->life.place) == abs(p->life.seen) && !turned))
			return;
		p->want.refresh = p->tries.due = true;
		loop_arm(m->sup->loop, &m->sup->starter, 0);
	} else {
		pool_kick(p);
	}
}

/* A look has ended, and its worker has gone. */
static void over(struct mounts *m)
{
	m->looking = false;
	if (m->again)
		later(m);
}

/* One that was left behind: nothing else looks meanwhile, for it would hang too. */
static void on_mounts_gone(struct worker *w)
{
	over(w->task.owner);
}

/* After a failure there is another look in any case. */
static void on_mounts_seen(struct worker *w, const struct err *e, bool left)
{
	struct mounts *m = w->task.owner;

	m->next = clock_ms() + (e ? AGAIN : PAUSE);
	m->again |= e != NULL;
	if (e)
		log_warn(LF_POOL, "cannot look at the mounts: %s", e->message);
	if (!left)
		over(m);
}

/* Without a pool that it may concern there is no look; the next one that starts sees the table itself. */
static void on_mounts_timer(struct timer *t)
{
	struct mounts *m = t->owner;
	const struct pool *p = m->sup->pools;
	struct err e = { 0 };

	while (p && !is_concerned(p))
		p = p->next;
	if (!p || m->sup->shutdown.on)
		return;
	if (m->sup->pause.on) { /* there may be no mount table for a moment */
		m->next = clock_ms() + PAUSE;
		later(m);
		return;
	}
	m->again = false;
	m->looking = worker_start(m->sup,
	                          &(struct task){ .what = "mounts",
	                                          .timeout = SECONDS(5),
	                                          .run = mounts_look,
	                                          .arg = m,
	                                          .owner = m,
	                                          .on_record = on_mounts_record,
	                                          .on_done = on_mounts_seen,
	                                          .on_gone = on_mounts_gone },
	                          &e) != NULL;
	if (!m->looking) {
		m->next = clock_ms() + SECONDS(1);
		later(m);
	}
}

/* The kernel says that something was mounted or unmounted. */
static void on_change(struct watch *w, uint32_t events)
{
	(void)events;
	later(w->owner);
}

int mounts_watch(void *supervisor, struct err *e)
{
	struct supervisor *s = supervisor;
	struct mounts *m = s->mounts ? NULL : calloc(1, sizeof(*m));
	cleanup_close int fd = m ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;

	if (s->mounts)
		return 0;
	if (!m)
		return err_set(e, ERR_NO_MEMORY, "cannot watch the mounts: out of memory");
	m->sup = s;
	m->table = (struct watch){ .fd = -1, .on_event = on_change, .owner = m };
	m->timer = (struct timer){ .on_expiry = on_mounts_timer, .owner = m };
	if (fd < 0)
		err_sys(e, errno, "cannot watch the mounts");
	if (fd < 0 || loop_watch(s->loop, &m->table, fd, EPOLLPRI, e) < 0) {
		free(m);
		return -1;
	}
	steal_fd(&fd);
	s->mounts = m;
	return 0;
}

void mounts_free(struct supervisor *s)
{
	struct mounts *m = s->mounts;
	int fd = m ? m->table.fd : -1;

	if (!m)
		return;
	loop_disarm(s->loop, &m->timer);
	loop_unwatch(s->loop, &m->table);
	if (fd >= 0)
		close(fd);
	free(m);
}
