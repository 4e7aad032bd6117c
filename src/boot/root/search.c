/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The search for a root. The roots of the list have one turn each, in their order, and each turn has its
 * share of the time that boot has. In its turn a root is tried at once, at each event that may help it, and
 * by a clock where no event tells. When all turns are over boot has failed, and what is done about that is
 * the policy's; a machine that goes on waiting is given the first root that comes after all.
 */
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/root/root.h"

#define MOUNT_TIME SECONDS(60)    /* of one attempt: a journal may have to be replayed, */
#define LEAST_TIME SECONDS(10)    /* but a disk that hangs is not to take the time of the next root */
#define FSCK_TIME  SECONDS(86400) /* whoever ends it before it has ended makes it worse */
#define AGAIN_MOST SECONDS(8)

static void look(struct root_search *s);

static const struct root *current(const struct root_search *s)
{
	return &s->parameters->roots.items[s->at];
}

/* When the turn is over: the i-th of n roots has until i/n of the time. NEVER, when all are. */
static uint64_t turn_ends(const struct root_search *s)
{
	uint64_t timeout = s->parameters->timeout;
	size_t n = s->parameters->roots.n;

	if (s->failed || timeout > (NEVER - s->began) / ROOTS_LIMIT)
		return NEVER;
	return s->began + timeout * (s->at + 1) / n;
}

static void search_changed(struct root_search *s)
{
	if (s->on_change)
		s->on_change(s->arg);
}

/* The one whose turn it is did not come now. In its turn it is tried again, unless only a person can help. */
static void not_now(struct root_search *s, const struct err *e)
{
	uint64_t now = clock_ms(), ends = turn_ends(s);
	uint64_t pause = SECONDS(1) << (s->attempts < 3 ? s->attempts : 3);
	bool waits = err_remedy(e->class) != REMEDY_NONE && now < ends && !s->failed;

	snprintf(s->why, sizeof(s->why), "%s: %.300s", current(s)->text, e->message);
	if (!s->failed && (s->attempts == 0 || !waits))
		log_msg(LF_BOOT, waits ? LOG_INFO : LOG_ERR_, "root %s", s->why);
	s->attempts++;
	if (!waits) {
		s->attempts = 0;
		s->at++;
		if (s->at == s->parameters->roots.n) {
			s->at = 0;
			s->failed = true;
			pause = AGAIN_MOST;
		} else {
			pause = 0;
		}
	}
	if (s->again)
		pause = 0;
	loop_arm(supervisor_loop(s->sup), &s->timer, now + least(pause, ends > now ? ends - now : 0));
	search_changed(s);
}

/* ---- one attempt ---- */

/* What an attempt has from now on. A check of the filesystem does not count. */
static uint64_t attempt_time(const struct root_search *s)
{
	uint64_t now = clock_ms(), ends = turn_ends(s);

	return ends < now + MOUNT_TIME ? larger(ends, now + LEAST_TIME) - now : MOUNT_TIME;
}

static void on_root_record(struct worker *w, const struct line *l)
{
	struct root_search *s = w->task.owner;

	if (line_has(l, "fsck"))
		worker_time(w, streq(line_get(l, "fsck"), "yes") ? FSCK_TIME : MOUNT_TIME);
	if (line_has(l, "init"))
		snprintf(s->init, sizeof(s->init), "%s", line_get(l, "init"));
	if (line_has(l, "note"))
		log_warn(LF_BOOT, "root %s: %s", current(s)->text, line_get(l, "note"));
}

static void on_root_mounted(struct worker *w, const struct err *e, bool left)
{
	struct root_search *s = w->task.owner;

	(void)left;
	s->worker = NULL;
	if (e) {
		not_now(s, e);
		return;
	}
	s->found = true;
	supervisor_booted(s->sup, current(s)->text);
	s->why[0] = '\0';
	loop_disarm(supervisor_loop(s->sup), &s->timer);
	log_info(LF_BOOT, "root %s: mounted, its init is %s", current(s)->text, s->init);
	search_changed(s);
}

/* The pool that the root lies on: what there is to say of it, if it is not ready. NULL: e says what it lacks.
 */
static struct pool *pool_of(struct root_search *s, const struct root *r, struct err *e)
{
	struct pool *p = pool_by_name(s->sup, r->name);

	if (!p && supervisor_sources_read(s->sup))
		err_set(e, ERR_NO_POOL, "no pool is called \"%s\"", r->name);
	else if (!p)
		err_set(e, ERR_BUSY, "no pool is called \"%s\" so far", r->name);
	else if (!pool_is_active(p))
		err_set(e, p->phase == PHASE_FAILED ? p->reason.class : ERR_BUSY, "pool \"%s\" is %s%s%.250s",
		        r->name, phase_word(p->phase), p->reason.text ? ": " : "",
		        p->reason.text ? p->reason.text : "");
	else if (r->kind == ROOT_POOL || pool_need_index(p, e) == 0)
		return p;
	return NULL;
}

/* Where a pool is mounted. -1: it is not there yet, or never will be. */
static int ask_target(struct root_search *s, const struct root *r, char target[PATH_MAX], struct err *e)
{
	const struct pool *p = pool_of(s, r, e);

	if (!p)
		return -1;
	snprintf(target, PATH_MAX, "%s", p->def.target ? p->def.target : "");
	return 0;
}

/* What the worker is to be told of a root that is a volume. */
static int ask_volume(struct root_search *s, const struct root *r, struct err *e)
{
	struct root_order *o = &s->order;
	struct pool *p = pool_of(s, r, e);
	const char *record;
	size_t len;

	if (!p)
		return -1;
	record = volume_find(p, r->volume, &len);
	if (!record || len > sizeof(o->record)) /* it may be made yet */
		return err_set(e, ERR_BUSY, "pool \"%s\" has no volume \"%s\"", r->name, r->volume);
	memcpy(o->record, record, len);
	o->record[len - 1] = '\0';
	return 0;
}

/* All that the worker needs of us. -1: something is not there yet. */
static int give_order(struct root_search *s, struct err *e)
{
	const struct parameters *p = s->parameters;
	const struct root *r = current(s);

	s->order.sup = s->sup;
	s->order.parameters = p;
	s->order.root = r;
	if (p->tries && p->place && !supervisor_sources_read(s->sup) &&
	    clock_ms() < s->began + p->timeout / 8)
		return err_set(e, ERR_BUSY, "the place where its boots are counted is not there so far");
	if (p->overlay.name && ask_target(s, &p->overlay, s->order.layers, e) < 0)
		return -1;
	if (r->kind == ROOT_POOL)
		return ask_target(s, r, s->order.target, e);
	if (r->kind == ROOT_VOLUME)
		return ask_volume(s, r, e);
	/* What is not even in /dev needs no worker to say so, at each device that comes. */
	if (*r->name == '/' && access(r->name, F_OK) < 0)
		return err_set(e, ERR_WAIT_DEVICE, "device %s does not exist now", r->name);
	return 0;
}

/* Try the one whose turn it is. */
static void look(struct root_search *s)
{
	struct task task = { .what = "root",
		             .run = root_mount,
		             .arg = &s->order,
		             .on_record = on_root_record,
		             .on_done = on_root_mounted,
		             .owner = s };
	struct err e = { 0 };

	if (s->worker || s->found || supervisor_shutting_down(s->sup)) {
		s->again = true;
		return;
	}
	s->again = false;
	loop_disarm(supervisor_loop(s->sup), &s->timer);
	if (!s->parameters->roots.n) { /* the operator was told of each what to write instead */
		s->failed = true;
		snprintf(s->why, sizeof(s->why), "root= has none that can be meant");
		search_changed(s);
		return;
	}
	if (give_order(s, &e) < 0) {
		not_now(s, &e);
		return;
	}
	task.timeout = attempt_time(s);
	s->worker = worker_start(s->sup, &task, &e);
	if (!s->worker)
		not_now(s, &e);
}

/* ---- what brings it there ---- */

static void on_root_timer(struct timer *t)
{
	look(t->owner);
}

/* From the loop, once for many events. */
static void look_soon(struct root_search *s)
{
	s->again |= s->worker != NULL;
	if (!s->found && !s->worker)
		loop_arm(supervisor_loop(s->sup), &s->timer, 0);
}

static void on_root_device(struct listener *l)
{
	struct root_search *s = l->owner;

	if (s->failed || current(s)->kind == ROOT_DEVICE)
		look_soon(s);
}

/* Whatever is told of pools: that one is active, that its volumes were read, that definitions are there. */
static void on_root_event(struct listener *l, const struct event *ev)
{
	struct root_search *s = l->owner;

	(void)ev;
	if (current(s)->kind != ROOT_DEVICE || s->parameters->tries || s->parameters->overlay.name)
		look_soon(s);
}

void root_search_begin(struct root_search *s)
{
	s->timer = (struct timer){ .on_expiry = on_root_timer, .owner = s };
	s->listener = (struct listener){ .on_event = on_root_event, .on_device = on_root_device, .owner = s };
	if (s->parameters->roots.n) /* without one no event can help */
		listener_add(s->sup, &s->listener);
	look_soon(s);
}

void root_search_end(struct root_search *s)
{
	if (!s->sup)
		return;
	listener_remove(s->sup, &s->listener);
	loop_disarm(supervisor_loop(s->sup), &s->timer);
	if (s->worker)
		worker_disown(s->worker);
	s->worker = NULL;
}
