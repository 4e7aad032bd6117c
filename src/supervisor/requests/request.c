/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What somebody has asked and waits for, whatever it is about: its turn among those that change the same, its
 * workers one after the other, and its end. While a worker that writes is there it may still write: so what
 * follows waits until it has gone, and if it was killed, until what it left half-written is removed.
 */
#include "base/clock.h"
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"

void request_wipe(struct request *r)
{
	if (r->data)
		explicit_bzero(r->data, r->data_len);
	free(r->data);
	r->data = NULL;
}

/* Out of the list. If it was changing something, it is the next one's turn. */
static void request_free(struct request *r)
{
	struct supervisor *s = r->sup;
	struct request **at = &s->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	if (s->changing[r->subject] == r) {
		s->changing[r->subject] = NULL;
		loop_arm(s->loop, &s->changer, 0);
	}
	loop_disarm(s->loop, &r->timer);
	request_wipe(r);
	if (r->value >= 0)
		close(r->value);
	free(r->pool);
	free(r->which);
	free(r->xml);
	free(r->text);
	free(r->kept_file);
	free(r->usage_id);
	summary_free(r->summary);
	free(r);
}

struct request *request_new(struct supervisor *s, const char *pool, struct waiter *w, struct err *e)
{
	struct request *r = calloc(1, sizeof(*r)), **at = &s->requests;

	if (r && pool)
		r->pool = strdup(pool);
	if (!r || (pool && !r->pool)) {
		free(r);
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	r->sup = s;
	r->value = -1;
	while (*at)
		at = &(*at)->next;
	*at = r;
	if (w)
		waiter_park(&r->waiters, w);
	return r;
}

void requests_free(struct supervisor *s)
{
	while (s->requests) {
		while (s->requests->waiters)
			waiter_withdraw(s->requests->waiters);
		request_free(s->requests);
	}
	loop_disarm(s->loop, &s->changer);
}

int request_refuse(struct request *r)
{
	require_or(r->waiters, -1);
	waiter_withdraw(r->waiters);
	request_free(r);
	return -1;
}

void request_end(struct request *r, const struct err *e)
{
	struct result result = {
		.err = e,
		.pool = r->pool ? pool_by_name(r->sup, r->pool) : NULL,
		.text = r->text,
		.text_len = r->text_len,
		.kept = supervisor_kept(r->sup, r->kept_in_config),
		.secret = r->secret[0] ? r->secret : NULL,
		.usage = r->usage,
		.usage_id = r->usage_id,
		.value = r->value,
	};

	waiters_finish(&r->waiters, &result);
	request_free(r);
}

/* ---- one change at a time ---- */

/* Each from the look at what there is until its worker has gone. So what is on disk is what is defined,
 * however many ask at once; and what a crash has left half-written can be told from what is being written. */
static void change_next(struct supervisor *s, enum subject subject)
{
	struct request *r = s->requests;

	while (r && (!r->change || r->subject != subject))
		r = r->next;
	if (!r || s->changing[subject])
		return; /* its end leads here again */
	loop_disarm(s->loop, &r->timer);
	s->changing[subject] = r;
	r->change(r);
}

void requests_on_changer(struct timer *t)
{
	struct supervisor *s = t->owner;

	for (int i = 0; i < SUBJECTS && !sources_sweep(s); i++)
		change_next(s, (enum subject)i);
}

/* Those before it take too long: nothing has begun, so that nothing has to be undone. */
static void on_turn_over(struct timer *t)
{
	struct request *r = t->owner;
	struct err e = { 0 };

	err_set(&e, ERR_BUSY,
	        "nothing was changed: another request about %s has been under way for %d s (status lists its "
	        "worker)",
	        r->subject == SUBJECT_SECRETS ? "secrets" : "definitions", (int)(TURN_WITHIN / 1000));
	request_end(r, &e);
}

/* One timer for whatever it waits for: its turn, a companion, a worker that is being ended. */
static void limit_wait(struct request *r, timer_fn *over, uint64_t ms)
{
	r->timer = (struct timer){ .on_expiry = over, .owner = r };
	loop_arm(r->sup->loop, &r->timer, clock_ms() + ms);
}

void request_change(struct request *r, void (*change)(struct request *r))
{
	require_or(change && !r->change, );
	r->change = change;
	limit_wait(r, on_turn_over, TURN_WITHIN);
	loop_arm(r->sup->loop, &r->sup->changer, 0);
}

/* What the reader of a document may say: how the document is, and nothing of what was done. "problem" is its
 * error, in place of an outcome. */
static void on_document_record(struct worker *w, const struct line *l)
{
	struct request *r = w->task.owner;
	const char *problem = line_get(l, "problem"), *class = line_get(l, "class"),
		   *note = line_get(l, "note");

	if (note && worker_may_log(w))
		log_info(LF_POOL, "%s: %s", w->task.what, note);
	if (problem) {
		err_set(&w->err, err_class_from_word(class ? class : ""), "%s", problem);
		return;
	}
	if (!line_has(l, "pool") || r->summary)
		return;
	r->summary = calloc(1, sizeof(*r->summary));
	if (r->summary && summary_from_line(r->summary, l, &w->err) < 0) {
		summary_free(r->summary);
		r->summary = NULL;
	}
}

/* A word that has room, or nothing. */
static void request_take_word(char *room, size_t size, const char *word)
{
	if (word && strlen(word) < size)
		memcpy(room, word, strlen(word) + 1);
}

/* What a worker that has read nothing foreign may say besides: of a secret, and where a definition is kept.
 */
static void on_request_record(struct worker *w, const struct line *l)
{
	struct request *r = w->task.owner;

	request_take_word(r->secret, sizeof(r->secret), line_get(l, "secret"));
	request_take_word(r->usage, sizeof(r->usage), line_get(l, "usage"));
	if (line_has(l, "id")) {
		free(r->usage_id);
		r->usage_id = strdup(line_get(l, "id"));
	}
	if (line_has(l, "kept")) {
		r->kept_in_config = streq(line_get(l, "kept"), "config");
		free(r->kept_file);
		r->kept_file = line_get(l, "file") ? strdup(line_get(l, "file")) : NULL;
	}
	on_document_record(w, l);
}

/* Without memory for it r->text is NULL, which then() has to look at. */
static void on_request_text(struct worker *w, const char *data, size_t len)
{
	struct request *r = w->task.owner;

	free(r->text);
	r->text = copy_bytes(data, len);
	r->text_len = r->text ? len : 0;
}

static void on_request_done(struct worker *w, const struct err *e, bool left)
{
	struct request *r = w->task.owner;

	(void)left;
	r->worker = NULL; /* another worker may get its address */
	r->then(r, e);
}

struct task request_task(struct request *r, const char *what, uint64_t timeout)
{
	return (struct task){ .what = what,
		              .timeout = timeout,
		              .prompt = true,
		              .arg = r,
		              .on_record = on_request_record,
		              .on_payload = on_request_text,
		              .on_done = on_request_done,
		              .owner = r };
}

int request_goes_on(struct request *r, struct worker *worker,
                    void (*then)(struct request *, const struct err *))
{
	r->then = then;
	r->worker = worker;
	return worker ? 0 : -1;
}

int request_run(struct request *r, const char *what, uint64_t timeout,
                int (*run)(struct worker_io *, void *, struct err *), void *arg,
                void (*then)(struct request *, const struct err *), struct err *e)
{
	demand(run && then, e);

	struct task task = request_task(r, what, timeout);

	task.run = run;
	task.arg = arg;
	return request_goes_on(r, worker_start(r->sup, &task, e), then);
}

int request_read(struct request *r, const struct sent_document *d,
                 void (*then)(struct request *, const struct err *), struct err *e)
{
	demand(d && (d->text || d->len == 0) && then, e);

	struct task task = request_task(r, "parse", DEADLINE_PARSE);

	task.on_record = on_document_record;
	return request_goes_on(r, document_read(r->sup, d, &task, e), then);
}

void request_take_text(struct request *r)
{
	free(r->xml);
	r->xml = r->text;
	r->xml_len = r->text_len;
	r->text = NULL;
	r->text_len = 0;
}

/* ---- workers that write ---- */

/* It does not go: whoever asked is not kept any longer, but the next change is. */
static void on_left_behind(struct timer *t)
{
	struct request *r = t->owner;

	waiters_finish(&r->waiters,
	               &(struct result){ .err = &r->failure,
	                                 .pool = r->pool ? pool_by_name(r->sup, r->pool) : NULL });
}

/* A worker that writes has to be gone before its outcome counts: it may still write. */
static void on_written(struct worker *w, const struct err *e, bool left)
{
	struct request *r = w->task.owner;

	r->worker = NULL;
	if (!left) {
		r->then(r, e);
		return;
	}
	if (r->failure.class == ERR_NONE)
		r->failure = *e;
	limit_wait(r, on_left_behind, GONE_WITHIN);
}

/* Now nothing is written any more: its failure, which is known since it was ended, counts. */
static void on_writer_gone(struct worker *w)
{
	struct request *r = w->task.owner;
	struct err e = r->failure;

	loop_disarm(r->sup->loop, &r->timer);
	r->then(r, &e);
}

struct task request_writer(struct request *r, const char *what,
                           int (*run)(struct worker_io *, void *, struct err *))
{
	struct task task = request_task(r, what, DEADLINE_KEEP);

	task.prompt = false;
	task.run = run;
	task.on_done = on_written;
	task.on_gone = on_writer_gone;
	return task;
}

int request_write(struct request *r, const char *what, int (*run)(struct worker_io *, void *, struct err *),
                  void (*then)(struct request *, const struct err *), struct err *e)
{
	const int keep[] = { r->value, -1 };
	struct task task = request_writer(r, what, run);

	task.keep = keep;

	return request_goes_on(r, worker_start(r->sup, &task, e), then);
}

void request_emit(struct supervisor *s, const char *event, const char *pool)
{
	struct event ev = { .name = event };

	event_str(&ev, "pool", pool);
	events_emit(s, &ev);
}

/* The first failure is what whoever asked is told of; that of the sweep is not. */
static void after_sweep(struct request *r, const struct err *e)
{
	(void)e;
	request_end(r, &r->failure);
}

bool request_sweeps(struct request *r, const struct err *e,
                    int (*run)(struct worker_io *, void *, struct err *))
{
	r->failure = *e;
	return (err_is(e, ERR_INTERNAL) || err_is(e, ERR_TIMEOUT)) &&
	       request_write(r, r->subject == SUBJECT_SECRETS ? "sweep-secrets" : "sweep-definitions", run,
	                     after_sweep, NULL) == 0;
}
