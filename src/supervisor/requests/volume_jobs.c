/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operations on volumes: each is a job with a number. A document is read first; then the job is let in, if
 * nobody else works on its volume; its worker runs; and when the pool's index shows what came of it, whoever
 * asked is told.
 *
 *     reading (a document) → let in → working → looking (at the volume, or for leftovers) → told
 *
 * One that is cancelled, or too late, is told of when its worker has gone and what it left is removed; too
 * late, but for JOB_END at most.
 */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"
#include "supervisor/requests/volume_jobs.h"
#include "supervisor/steps/steps.h"
#include "supervisor/work/waiting.h"
#include "supervisor/work/work.h"

#define JOBS_MAX 64
/* at what an operation has changed, or left: its outcome is known, and is told then all the same */
#define LOOK_WITHIN SECONDS(15)
/* the kernel has written by then what it kept back; ext4 does so every 5 s */
#define DEADLINE_DELETE SECONDS(600) /* of a file with very many extents */

/* clang-format off */
static const struct operation_row operations[] = {
	[VOLUME_CREATE]   = { volume_work_create,   "volume-created",  NEVER, true },
	[VOLUME_DELETE]   = { volume_work_delete,   "volume-deleted",  DEADLINE_DELETE, true },
	[VOLUME_RESIZE]   = { volume_work_resize,   "volume-resized",  NEVER, true },
	[VOLUME_WIPE]     = { volume_work_wipe,     "volume-wiped",    NEVER, false },
	[VOLUME_UPLOAD]   = { volume_work_upload,   "volume-uploaded", NEVER, false },
	[VOLUME_DOWNLOAD] = { volume_work_download, NULL,              NEVER, false },
};
/* clang-format on */

/* ---- the list ---- */

/* The job keeps its pools from being stopped no longer. */
static void job_uncount(struct volume_job *j)
{
	if (j->counted && j->pool)
		j->pool->work.jobs--;
	if (j->counted && j->input_pool)
		j->input_pool->work.jobs--;
	j->counted = false;
}

/* Out of the list. Its worker has gone, or is not its own any more. */
static void job_free(struct volume_job *j)
{
	struct volume_job **at = &j->sup->jobs;

	while (*at && *at != j)
		at = &(*at)->next;
	if (*at)
		*at = j->next;
	job_uncount(j);
	waiter_withdraw(&j->look);
	update_drop(&j->update);
	loop_disarm(j->sup->loop, &j->timer);
	free(j->pool_name);
	free(j->name);
	free(j->input);
	free(j->work.record);
	free(j->work.xml);
	free(j->work.algorithm);
	free(j);
}

/* The name in a volume's record. */
static char *name_of(const char *record)
{
	char text[LINE_MAX_BYTES + 1];
	struct line l;
	size_t len = strlen(record);

	if (len > LINE_MAX_BYTES)
		return NULL;
	memcpy(text, record, len + 1);
	if (line_parse_reply(text, len, &l, NULL) < 0 || !line_get(&l, "name"))
		return NULL;
	return strdup(line_get(&l, "name"));
}

static void on_job_timer(struct timer *t);

/* A copy of everything that is asked; NULL: out of memory. */
static struct volume_job *job_new(struct supervisor *s, const struct volume_order *o)
{
	struct volume_job *j = calloc(1, sizeof(*j)), **at = &s->jobs;
	bool create = o->operation == VOLUME_CREATE,
	     transfer = o->operation == VOLUME_UPLOAD || o->operation == VOLUME_DOWNLOAD;

	if (!j)
		return NULL;
	*j = (struct volume_job){ .sup = s,
		                  .row = &operations[o->operation],
		                  .operation = o->operation,
		                  .verb = o->verb,
		                  .number = s->last_job + 1,
		                  .started = clock_ms(),
		                  .pool = o->pool,
		                  .input_pool = o->input_pool,
		                  .detach = o->detach,
		                  .timer = { .on_expiry = on_job_timer, .owner = j },
		                  .look = { .owner = j },
		                  .update = { .index = -1 },
		                  .work = { .sup = s,
		                            .flags = o->flags,
		                            .capacity = o->capacity,
		                            .stream = transfer ? o->stream : -1,
		                            .passed = o->passed,
		                            .uid = o->uid,
		                            .gid = o->gid,
		                            .connection = transfer ? o->connection : -1,
		                            .offset = o->offset,
		                            .length = o->length,
		                            .sparse = o->sparse,
		                            .operate = o->operate,
		                            .origin = o->name ? "(socket)" : "(canonical)",
		                            .has_capacity = o->name != NULL,
		                            .has_allocation = o->has_allocation } };
	j->timeout = o->timeout ? o->timeout : j->row->timeout;
	j->pool_name = strdup(o->pool->name);
	if (o->xml && o->name) { /* a document is read first */
		j->work.xml = copy_bytes(o->xml, o->xml_len);
		j->work.xml_len = o->xml_len;
	}
	if (o->algorithm)
		j->work.algorithm = strdup(o->algorithm);
	if (o->record && o->record_len > 0)
		j->work.record = copy_bytes(o->record, o->record_len - 1); /* without its LF */
	if (j->work.record)
		*(create ? &j->input : &j->name) = name_of(j->work.record);
	if (o->name)
		j->name = strdup(o->name);
	while (*at)
		at = &(*at)->next;
	*at = j;
	if (!j->pool_name || (o->xml && o->name && !j->work.xml) || (o->algorithm && !j->work.algorithm) ||
	    (o->record && !j->input && !j->name) || (o->name && !j->name)) {
		job_free(j);
		return NULL;
	}
	s->last_job++;
	j->pool->work.jobs++;
	if (j->input_pool)
		j->input_pool->work.jobs++;
	j->counted = true;
	return j;
}

bool job_at(const struct supervisor *s, size_t i, struct job_view *v)
{
	const struct volume_job *j = s->jobs;

	while (j && i--)
		j = j->next;
	if (!j)
		return false;
	*v = (struct job_view){ .number = j->number,
		                .started = j->started,
		                .done = j->done,
		                .total = j->total,
		                .verb = j->verb,
		                .pool = j->pool_name,
		                .volume = j->name,
		                .ending = j->ending };
	return true;
}

/* ---- its end ---- */

/* Who asked; once. */
static void job_tell(struct volume_job *j, const struct err *e)
{
	struct result r = { .err = e,
		            .pool = j->pool,
		            .job = j->number,
		            .volume = j->name,
		            .bytes = j->bytes,
		            .taken = j->taken };

	waiters_finish(&j->waiters, &r);
}

static void tell_cancellers(struct volume_job *j, const struct err *e)
{
	struct result r = { .err = e, .pool = j->pool, .job = j->number, .volume = j->name };

	waiters_finish(&j->cancellers, &r);
}

/* outcome: with the job and how it ended; else only what has become of the volume. */
static void emit(struct volume_job *j, const char *event, bool outcome)
{
	struct event ev = { .name = event };

	if (outcome) {
		event_num(&ev, "job", j->number);
		event_str(&ev, "operation", j->verb);
	}
	event_str(&ev, "pool", j->pool_name);
	event_str(&ev, "volume", j->name);
	if (outcome && j->err.class != ERR_NONE) {
		event_str(&ev, "class", err_word(j->err.class));
		event_str(&ev, "reason", j->err.message);
	}
	events_emit(j->sup, &ev);
}

/* What a disk has refused harms its filesystem when the kernel writes next. */
static void look_later(struct volume_job *j)
{
	if (j->pool && !j->cancelled && (j->err.class == ERR_STORAGE || j->err.class == ERR_READ_ONLY))
		touch_doubt(j->pool);
}

/* All is over, and what there is to see can be seen. */
static void job_conclude(struct volume_job *j)
{
	const struct err *e = j->err.class == ERR_NONE ? NULL : &j->err;
	struct supervisor *s = j->sup;
	struct pool *p = j->pool;

	job_uncount(j);
	look_later(j);
	if (!e && j->row->event)
		emit(j, j->row->event, false);
	emit(j, "job-ended", true);
	if (e && j->detach)
		log_warn(LF_POOL, "%s: job %" PRIu64 ": %s", j->pool_name, j->number, e->message);
	job_tell(j, e);
	tell_cancellers(j, NULL);
	job_free(j);
	if (s->shutdown.on && p)
		pool_step(p);
	s->up->step_shutdown(s);
}

/* How the look went is of no interest to whoever asked: the operation's outcome is known. */
static void on_look(struct waiter *w, const struct result *r)
{
	struct volume_job *j = w->owner;

	if (r->err)
		log_debug(LF_POOL, "%s: after %s: %s", j->pool_name, j->verb, r->err->message);
	job_conclude(j);
}

/* Another job of the pool, which will sweep when it ends, if this one must not. */
static struct volume_job *other_job(const struct volume_job *j)
{
	for (struct volume_job *k = j->sup->jobs; k; k = k->next)
		if (k != j && k->counted && k->pool == j->pool)
			return k;
	return NULL;
}

/* Was the operation refused because the pool's directory is another one, or cannot be reached, or because its
 * filesystem has come to harm? Then the pool has to be looked at. A cancelled job says nothing of that. */
static bool is_about_target(const struct volume_job *j)
{
	static const enum err_class telling[] = { ERR_STATE, ERR_DENIED, ERR_STORAGE, ERR_READ_ONLY };

	for (size_t i = 0; i < ARRAY_LEN(telling); i++)
		if (j->err.class == telling[i])
			return !j->cancelled;
	return false;
}

/* Its worker has gone, or goes on to the look itself. The index is brought up to date before anybody is told;
 * leftovers are removed by a refresh while no job is under way. */
static void job_look(struct volume_job *j, struct worker *goes_on)
{
	struct volume_job *other = j->sweep ? other_job(j) : NULL;
	struct err e = { 0 };
	int rc = -1;

	job_uncount(j);
	loop_disarm(j->sup->loop, &j->timer);
	if (other)
		other->sweep = true;
	j->look.done = on_look;
	j->looking = true;
	if (goes_on && j->pool && !j->sweep && !j->sup->shutdown.on &&
	    update_begins(&j->update, j->pool, goes_on, &j->look))
		rc = 0;
	else if (goes_on)
		worker_disown(goes_on);
	if (rc < 0 && j->pool && !j->sup->shutdown.on && j->let_in && job_check_pool(j->pool, &e) == 0) {
		if (j->sweep)
			rc = pool_refresh(j->pool, 0, &j->look, &e);
		else if (j->name && (j->row->event || is_about_target(j)))
			rc = pool_touch(j->pool, j->name, &j->look);
	}
	if (rc < 0)
		job_conclude(j);
	else
		loop_arm(j->sup->loop, &j->timer,
		         least(clock_ms() + LOOK_WITHIN,
		               j->timeout == NEVER ? NEVER : j->started + j->timeout + JOB_END));
}

/* A worker that was being ended has gone. */
static void on_job_gone(struct worker *w)
{
	struct volume_job *j = w->task.owner;

	j->worker = NULL;
	job_look(j, NULL);
}

/* It went well, and its worker has begun the update. */
static void on_next(struct worker *w)
{
	struct volume_job *j = w->task.owner;

	j->worker = NULL;
	job_look(j, w);
}

/* What whoever wants to end it is told. */
static int hangs(const struct volume_job *j, struct err *e)
{
	return err_set(e, ERR_HUNG,
	               "job %" PRIu64 " hangs in the kernel and cannot be ended (status lists its worker)",
	               j->number);
}

/* One timer for all that a job may be late with; where it stands tells which. */
static void on_job_timer(struct timer *t)
{
	struct volume_job *j = t->owner;
	struct err e = { 0 };

	if (j->looking) { /* the operation is over: its outcome does not depend on the look */
		waiter_withdraw(&j->look);
		job_conclude(j);
		return;
	}
	if (!j->ending) { /* let in, and nobody is to wait for its end */
		job_tell(j, NULL);
		return;
	}
	if (j->late) {
		j->late = false;
		err_set(&e, ERR_TIMEOUT,
		        "%s; it is being ended (job-list shows it until what it left is removed)",
		        j->err.message);
		job_tell(j, &e);
		loop_arm(j->sup->loop, &j->timer, clock_ms() + GONE_WITHIN);
		return;
	}
	j->hangs = true;
	/* Left behind: its volume stays its own, the pool may be stopped. */
	hangs(j, &e);
	job_uncount(j);
	job_tell(j, &j->err);
	tell_cancellers(j, &e);
	if (j->sup->shutdown.on && j->pool)
		pool_step(j->pool);
	j->sup->up->step_shutdown(j->sup);
}

/* `left`: its worker is being ended, and on_gone follows. */
static void ended(struct volume_job *j, const struct err *e, bool left)
{
	if (e)
		j->err = *e;
	if (j->cancelled) {
		err_set(&j->err, ERR_STATE, "job %" PRIu64 " (%s) was cancelled", j->number, j->verb);
	} else if (e && e->class == ERR_TIMEOUT) {
		err_wrap(&j->err, ERR_KEEP, "job %" PRIu64, j->number);
	}
	j->sweep |= left || (e && e->class == ERR_INTERNAL);
	if (!left) {
		j->worker = NULL;
		job_look(j, NULL);
		return;
	}
	j->ending = true;
	j->late = !j->cancelled && err_is(e, ERR_TIMEOUT);
	loop_arm(j->sup->loop, &j->timer, clock_ms() + (j->late ? JOB_END : GONE_WITHIN));
}

/* ---- its work ---- */

/* Notes, progress, and what has become of a descriptor that was passed. */
static void on_job_record(struct worker *w, const struct line *l)
{
	struct volume_job *j = w->task.owner;

	if (line_has(l, "note") && worker_may_log(w))
		log_info(LF_POOL, "%s: %s: %s", j->pool_name, j->verb, line_get(l, "note"));
	if (line_has(l, "taken")) {
		j->taken = true;
		if (j->detach && !j->ending && streq(line_get(l, "taken"), "yes"))
			loop_arm(j->sup->loop, &j->timer, 0);
	}
	for (struct waiter *x = j->waiters;
	     x && line_has(l, "taken") && streq(line_get(l, "taken"), "unused"); x = x->next)
		if (x->unused)
			x->unused(x, j->number);
	if (line_has(l, "bytes"))
		j->bytes = line_u64(l, "bytes", 0);
	if (!line_has(l, "progress"))
		return;
	j->done = line_u64(l, "progress", 0);
	j->total = line_u64(l, "total", 0);
	for (struct waiter *x = j->waiters, *next; x; x = next) {
		next = x->next;
		if (x->progress)
			x->progress(x, j->number, j->done, j->total);
	}
}

static void on_job_done(struct worker *w, const struct err *e, bool left)
{
	ended(w->task.owner, e, left);
}

/* What its time is, or the time that is left of it after its document was read. */
static uint64_t time_left(const struct volume_job *j, uint64_t most)
{
	uint64_t gone = clock_ms() - j->started, left = j->timeout > gone ? j->timeout - gone : 1;

	if (j->timeout == NEVER)
		left = NEVER;
	return left < most ? left : most;
}

/* As they are when its worker begins. */
static void tell_pools(struct volume_job *j)
{
	view_fill(&j->view, j->pool);
	j->work.pool = &j->view;
	if (!j->input_pool)
		return;
	view_fill(&j->input_view, j->input_pool);
	j->work.input = &j->input_view;
}

/* Its worker, which goes on to look at the volume if the operation is a short one; the others have a client's
 * descriptors, and are forked with them. */
static int volume_job_begin(struct volume_job *j, struct err *e)
{
	bool goes_on = j->row->is_short && update_prepare(&j->update, j->pool, &j->view, j->name);
	const struct errand errand = { .work = &j->work, .next = goes_on ? &j->update.operation : NULL };
	const int streams[] = { j->work.stream, j->work.connection, -1 }, index[] = { j->update.index, -1 };
	struct task task = { .what = j->verb,
		             .pool = j->pool_name,
		             .timeout = time_left(j, NEVER),
		             .run = j->row->work,
		             .prompt = j->row->is_short,
		             .arg = &j->work,
		             .keep = goes_on ? index : streams,
		             .on_record = on_job_record,
		             .on_done = on_job_done,
		             .on_gone = on_job_gone,
		             .owner = j,
		             .then = goes_on ? &j->update.task : NULL,
		             .on_next = on_next };

	j->update.task.owner = j;
	tell_pools(j);
	j->worker = j->row->is_short ? waiting_start(j->sup, &task, &errand, e)
	                             : worker_start(j->sup, &task, e);
	if (!j->worker)
		return -1;
	if (j->detach && !j->work.passed) /* otherwise the client may go when its descriptor has been taken */
		loop_arm(j->sup->loop, &j->timer, 0);
	return 0;
}

/* ---- a document first ---- */

/* The reader says which volume the document is about. */
static void on_read_record(struct worker *w, const struct line *l)
{
	struct volume_job *j = w->task.owner;
	const char *name = line_get(l, "volume");

	if (!name || j->name)
		return;
	if (!name_is_component(name)) { /* a worker's word: it has seen foreign bytes */
		err_set(&w->err, ERR_INTERNAL, "a worker described a volume without a name");
		return;
	}
	j->name = strdup(name);
	j->work.has_capacity = streq_null(line_get(l, "capacity"), "yes");
	j->work.has_allocation = streq_null(line_get(l, "allocation"), "yes");
}

/* Our own canonical form of the document. */
static void on_read_text(struct worker *w, const char *data, size_t len)
{
	struct volume_job *j = w->task.owner;

	free(j->work.xml);
	j->work.xml = copy_bytes(data, len);
	j->work.xml_len = len;
}

/* Now it is known which volume it is about: the job is let in and begins, or is refused. */
static void on_read(struct worker *w, const struct err *e, bool left)
{
	struct volume_job *j = w->task.owner;
	struct err problem = { 0 };

	if (!e && !left && j->name && j->work.xml) {
		if (job_let_in(j, &problem) == 0 && volume_job_begin(j, &problem) == 0)
			return;
		e = &problem;
	} else if (!e) {
		err_set(&problem, ERR_NO_MEMORY, "cannot take over the document: out of memory");
		e = &problem;
	}
	j->let_in = false;
	ended(j, e, left);
}

/* The document is read closed in; meanwhile the job has a number, and no volume. */
static int job_read(struct volume_job *j, const struct volume_order *o, struct err *e)
{
	const struct sent_document d = { .kind = DOCUMENT_VOLUME,
		                         .validate = o->validate,
		                         .is_copy = j->work.record != NULL,
		                         .text = o->xml,
		                         .len = o->xml_len,
		                         .pool = o->pool->def.xml,
		                         .pool_len = strlen(o->pool->def.xml) };
	struct task task = { .what = "parse",
		             .pool = j->pool_name,
		             .timeout = time_left(j, DEADLINE_PARSE),
		             .prompt = true,
		             .on_record = on_read_record,
		             .on_payload = on_read_text,
		             .on_done = on_read,
		             .on_gone = on_job_gone,
		             .owner = j };

	j->worker = document_read(j->sup, &d, &task, e);
	return j->worker ? 0 : -1;
}

/* ---- what is asked ---- */

/* Before there is a job: what would be refused in any case. */
static int may_start(const struct supervisor *s, const struct volume_order *o, struct err *e)
{
	unsigned n = 0;

	if (s->shutdown.on)
		return err_set(e, ERR_STATE, "cannot begin %s: shutting down", o->verb);
	if (job_check_pool(o->pool, e) < 0)
		return -1;
	for (const struct volume_job *j = s->jobs; j; j = j->next)
		n++;
	if (n >= JOBS_MAX)
		return err_set(e, ERR_LIMIT,
		               "%d jobs are under way already, which is the limit (job-list shows them)",
		               JOBS_MAX);
	return 0;
}

int volume_start(struct supervisor *s, const struct volume_order *o, struct waiter *w, uint64_t *job,
                 struct err *e)
{
	require((size_t)o->operation < ARRAY_LEN(operations), e);
	demand(o->verb && o->pool && w, e);
	demand(o->record || o->operation == VOLUME_CREATE, e);

	struct volume_job *j;

	if (may_start(s, o, e) < 0)
		return -1;
	j = job_new(s, o);
	if (!j)
		return err_set(e, ERR_NO_MEMORY, "cannot begin %s: out of memory", o->verb);
	if (o->operation == VOLUME_CREATE && !o->name ? job_read(j, o, e) < 0
	                                              : job_let_in(j, e) < 0 || volume_job_begin(j, e) < 0) {
		job_free(j);
		return -1;
	}
	waiter_park(&j->waiters, w);
	if (job)
		*job = j->number;
	return 0;
}

/* Its worker is ended, and the rest follows from that. */
static void cancel(struct volume_job *j)
{
	if (!j->worker || j->ending)
		return; /* it has ended: only the look at the pool is missing, or the end of its worker */
	j->cancelled = true;
	worker_cancel(j->worker);
}

int volume_cancel(struct supervisor *s, uint64_t job, struct waiter *w, struct err *e)
{
	struct volume_job *j = s->jobs;

	while (j && j->number != job)
		j = j->next;
	if (!j)
		return err_set(e, ERR_INVALID, "there is no job %" PRIu64 " (job-list shows those under way)",
		               job);
	if (j->hangs)
		return hangs(j, e);
	if (w)
		waiter_park(&j->cancellers, w);
	cancel(j);
	return 0;
}

/* ---- when the pool, or all, goes ---- */

void volume_jobs_orphan(struct pool *p)
{
	for (struct volume_job *j = p->sup->jobs; j; j = j->next) {
		if (j->pool != p && j->input_pool != p)
			continue;
		job_uncount(j);
		if (j->pool == p)
			j->pool = NULL;
		if (j->input_pool == p)
			j->input_pool = NULL;
		cancel(j);
	}
}

void volume_jobs_cancel_all(struct supervisor *s)
{
	for (struct volume_job *j = s->jobs; j; j = j->next)
		cancel(j);
}

void volume_jobs_free(struct supervisor *s)
{
	while (s->jobs) {
		while (s->jobs->waiters)
			waiter_withdraw(s->jobs->waiters);
		while (s->jobs->cancellers)
			waiter_withdraw(s->jobs->cancellers);
		job_free(s->jobs);
	}
}
