/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people ask about secrets. The supervisor does not read them: a value that is set goes to the worker by
 * fork and is wiped here, one that is asked for goes from the worker into a memfd that the client gets as it
 * is. Requests are done one after the other, so that what a crash has left half-written can be told from what
 * is being written.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "pool/grammar/grammar.h"
#include "pool/secret/store.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"

struct secret_request {
	struct secret_request *next;
	struct supervisor *sup;
	struct waiter *waiters;
	struct worker *worker;
	struct secret_order order;
	char *which, *data; /* the order's, copied */
	size_t data_len;
	char *text; /* what the worker printed */
	size_t text_len;
	char uuid[UUID_TEXT];
	bool kept_in_config;
	int value;          /* memfd, or -1 */
	bool sweeping;      /* its worker was killed: what it left half-written goes before anybody is told */
	struct timer timer; /* of its turn, or of that worker's end */
	struct err failure;
};

static void request_begin(struct supervisor *s);

static void wipe_data(struct secret_request *r)
{
	if (r->data)
		explicit_bzero(r->data, r->data_len);
	free(r->data);
	r->data = NULL;
}

static void secret_request_free(struct secret_request *r)
{
	struct secret_request **at = &r->sup->secrets;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	loop_disarm(r->sup->loop, &r->timer);
	wipe_data(r);
	free(r->which);
	free(r->text);
	if (r->value >= 0)
		close(r->value);
	free(r);
}

void secrets_free(struct supervisor *s)
{
	while (s->secrets) {
		while (s->secrets->waiters)
			waiter_withdraw(s->secrets->waiters);
		secret_request_free(s->secrets);
	}
}

/* ---- in the worker ---- */

/* A copy of our memory: what it is asked, and where to look. */
struct secret_work {
	const struct secret_request *request;
	struct secret_store store;
	char config[4096];
	struct worker_io *io;
};

static void work_begin(struct secret_work *w, struct worker_io *io, const struct secret_request *r)
{
	const struct supervisor *s = r->sup;

	*w = (struct secret_work){ .request = r,
		                   .io = io,
		                   .store = { .dirs = s->secret_dirs, .run = s->secret_dirs[0] } };
	if (s->options.config_dir && (size_t)snprintf(w->config, sizeof(w->config), "%s/secrets",
	                                              s->options.config_dir) < sizeof(w->config))
		w->store.config = w->config;
	secret_store_sweep(&w->store);
}

static void send_secret(struct worker_io *io, const struct uuid *uuid, const enum secret_kept *kept)
{
	cleanup_buf struct buf b = BUF_INIT;
	char text[UUID_TEXT];

	line_begin(&b, "-");
	line_str(&b, "secret", uuid_print(uuid, text));
	if (kept)
		line_str(&b, "kept", *kept == KEPT_CONFIG ? "config" : "run");
	line_end(&b);
	worker_send(io, &b);
}

/* Foreign bytes become libvirt's own form, where they can do no harm. */
static int run_parse_secret(struct worker_io *io, void *arg, struct err *e)
{
	const struct secret_request *r = arg;
	cleanup_buf struct buf text = BUF_INIT;
	struct secret_def s;

	if (sandbox_enter(e) < 0 ||
	    (r->order.validate && grammar_check(GRAMMAR_SECRET, r->data, r->data_len, "(socket)", e) < 0) ||
	    secret_read(&s, r->data, r->data_len, "(socket)", e) < 0)
		return -1;
	secret_print(&s, &text);
	secret_def_free(&s);
	return worker_send_text(io, &text, e);
}

static int run_define(struct worker_io *io, void *arg, struct err *e)
{
	const struct secret_request *r = arg;
	struct secret_work w;
	struct secret_def s;
	enum secret_kept kept;
	int result;

	work_begin(&w, io, r);
	if (secret_read(&s, r->data, r->data_len, "(socket)", e) < 0)
		return -1;
	result = secret_store_define(&w.store, &s, &kept, e);
	if (result == 0)
		send_secret(io, &s.uuid, &kept);
	secret_def_free(&s);
	return result;
}

/* Base64 may have line ends; what is kept has none. */
static int decode(const struct secret_request *r, struct secret_value *out, struct err *e)
{
	long n;

	out->data = malloc(r->data_len + 1);
	out->len = r->data_len;
	if (!out->data)
		return err_set(e, ERR_NO_MEMORY, "cannot take the value: out of memory");
	if (r->order.plain) {
		memcpy(out->data, r->data, r->data_len);
		return 0;
	}
	n = base64_decode(r->data, r->data_len, out->data, r->data_len);
	if (n < 0)
		return err_set(e, ERR_INVALID, "the value is not base64 (with --plain it is taken as it is)");
	out->len = (size_t)n;
	return 0;
}

static int set_value(const struct secret_work *w, const struct secret_def *s, const char *dir, struct err *e)
{
	cleanup_secret_value struct secret_value value = { 0 };
	enum secret_kept kept;

	if (decode(w->request, &value, e) < 0)
		return -1;
	if (value.len == 0)
		return err_set(e, ERR_INVALID, "the value is empty");
	if (secret_store_set(&w->store, s, dir, value.data, value.len, &kept, e) < 0)
		return -1;
	send_secret(w->io, &s->uuid, &kept);
	return 0;
}

static int write_answer(int fd, const void *data, size_t len, struct err *e)
{
	if (write(fd, data, len) != (ssize_t)len)
		return err_set(e, ERR_NO_MEMORY, "cannot pass the value on: out of memory");
	return 0;
}

static int get_value(const struct secret_work *w, const struct secret_def *s, const char *dir, struct err *e)
{
	cleanup_secret_value struct secret_value value = { 0 };
	const struct secret_request *r = w->request;
	char uuid[UUID_TEXT];
	int result;

	if (s->private)
		return err_set(e, ERR_DENIED, "secret %s is private: its value is not shown to anybody",
		               uuid_print(&s->uuid, uuid));
	if (secret_load_value(dir, &s->uuid, &value, e) < 0)
		return -1;
	if (r->order.plain) {
		result = write_answer(r->value, value.data, value.len, e);
	} else {
		struct buf text = { .size = (value.len + 2) / 3 * 4 + 1 };

		text.data = malloc(text.size);
		if (!text.data)
			return err_set(e, ERR_NO_MEMORY, "cannot pass the value on: out of memory");
		base64_encode(value.data, value.len, &text);
		result = write_answer(r->value, text.data, text.len, e);
		explicit_bzero(text.data, text.size);
		free(text.data);
	}
	if (result == 0)
		send_secret(w->io, &s->uuid, NULL);
	return result;
}

static int print(const struct secret_work *w, const struct secret_def *s, const char *dir, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)dir;
	secret_print(s, &text);
	send_secret(w->io, &s->uuid, NULL);
	return worker_send_text(w->io, &text, e);
}

static int secret_forget_value(const struct secret_work *w, const struct secret_def *s, const char *dir,
                               struct err *e)
{
	(void)dir;
	if (secret_store_forget(&w->store, s, e) < 0)
		return -1;
	send_secret(w->io, &s->uuid, NULL);
	return 0;
}

/* What is done with one secret that is there. */
static int (*const on_one[])(const struct secret_work *w, const struct secret_def *s, const char *dir,
                             struct err *e) = {
	[SECRET_ACT_SET] = set_value,
	[SECRET_ACT_GET] = get_value,
	[SECRET_ACT_PRINT] = print,
	[SECRET_ACT_FORGET] = secret_forget_value,
};

static int run_one(struct worker_io *io, void *arg, struct err *e)
{
	const struct secret_request *r = arg;
	struct secret_work w;
	struct secret_def s;
	const char *dir;
	int result;

	work_begin(&w, io, r);
	if (secret_store_find(&w.store, r->which, &s, &dir, e) < 0)
		return -1;
	result = on_one[r->order.action](&w, &s, dir, e);
	secret_def_free(&s);
	return result;
}

/* As virsh selects: both or none of a pair means either. */
static bool wanted(bool yes, bool no, bool is)
{
	return yes == no || yes == is;
}

struct listing {
	const struct secret_order *order;
	struct buf records;
};

static int list_one(const struct secret_def *s, bool has_value, void *arg)
{
	struct listing *l = arg;
	char uuid[UUID_TEXT];

	if (!wanted(l->order->ephemeral, l->order->no_ephemeral, s->ephemeral) ||
	    !wanted(l->order->private, l->order->no_private, s->private))
		return 0;
	line_begin(&l->records, "-");
	line_str(&l->records, "uuid", uuid_print(&s->uuid, uuid));
	line_str(&l->records, "usage", secret_usage_word(s->usage));
	line_str(&l->records, "id", s->usage_id);
	line_str(&l->records, "ephemeral", s->ephemeral ? "yes" : "no");
	line_str(&l->records, "private", s->private ? "yes" : "no");
	line_str(&l->records, "value", has_value ? "yes" : "no");
	line_end(&l->records);
	return 0;
}

static int run_list(struct worker_io *io, void *arg, struct err *e)
{
	const struct secret_request *r = arg;
	struct listing l = { .order = &r->order };
	struct secret_work w;
	int result;

	work_begin(&w, io, r);
	result = secret_store_each(&w.store, list_one, &l, e);
	if (result == 0)
		result = worker_send_text(io, &l.records, e);
	buf_free(&l.records);
	return result;
}

static int run_sweep_secrets(struct worker_io *io, void *arg, struct err *e)
{
	struct secret_work w;

	(void)e;
	work_begin(&w, io, arg);
	return 0;
}

/* ---- in the supervisor ---- */

static const struct {
	const char *what, *event;
} actions[] = {
	[SECRET_ACT_DEFINE] = { "secret-define", "secret-defined" },
	[SECRET_ACT_SET] = { "secret-set-value", "secret-value-changed" },
	[SECRET_ACT_GET] = { "secret-get-value", NULL },
	[SECRET_ACT_LIST] = { "secret-list", NULL },
	[SECRET_ACT_PRINT] = { "secret-dumpxml", NULL },
	[SECRET_ACT_FORGET] = { "secret-undefine", "secret-undefined" },
};

static void secret_request_end(struct secret_request *r, const struct err *e)
{
	struct supervisor *s = r->sup;
	const char *event = actions[r->order.action].event;
	struct result result = {
		.err = e,
		.text = r->text,
		.text_len = r->text_len,
		.kept = r->kept_in_config ? "config" : "run",
		.secret = r->uuid[0] ? r->uuid : NULL,
		.value = r->value,
	};

	if (!e && event) {
		struct event ev = { .name = event };

		event_str(&ev, "secret", r->uuid);
		events_emit(s, &ev);
	}
	if (!e && r->order.action == SECRET_ACT_SET)
		failed_kick(s, ERR_NO_SECRET);
	waiters_finish(&r->waiters, &result);
	secret_request_free(r);
	request_begin(s);
}

static void on_secret_record(struct worker *w, const struct line *l)
{
	struct secret_request *r = w->task.owner;
	const char *uuid = line_get(l, "secret"), *kept = line_get(l, "kept");

	if (uuid && strlen(uuid) < sizeof(r->uuid))
		memcpy(r->uuid, uuid, strlen(uuid) + 1);
	r->kept_in_config = kept && streq(kept, "config");
}

static void on_text(struct worker *w, const char *data, size_t len)
{
	struct secret_request *r = w->task.owner;

	free(r->text);
	r->text = copy_bytes(data, len);
	r->text_len = r->text ? len : 0;
}

static void on_secret_done(struct worker *w, const struct err *e, bool left);
static void on_secret_gone(struct worker *w);

static bool secret_sweeps(struct secret_request *r, const struct err *e)
{
	struct task task = {
		.what = "sweep-secrets",
		.timeout = DEADLINE_KEEP,
		.run = run_sweep_secrets,
		.arg = r,
		.on_done = on_secret_done,
		.on_gone = on_secret_gone,
		.owner = r,
	};

	if (!err_is(e, ERR_INTERNAL) && !err_is(e, ERR_TIMEOUT))
		return false;
	r->failure = *e;
	r->sweeping = true;
	r->worker = worker_start(r->sup, &task, NULL);
	return r->worker;
}

static void worker_over(struct secret_request *r, const struct err *e)
{
	struct err failure = r->failure;

	r->worker = NULL;
	loop_disarm(r->sup->loop, &r->timer);
	if (r->sweeping)
		secret_request_end(r, &failure);
	else if (!e || !secret_sweeps(r, e))
		secret_request_end(r, e);
}

static void secret_limit_wait(struct secret_request *r, timer_fn *over, uint64_t ms)
{
	r->timer = (struct timer){ .on_expiry = over, .owner = r };
	loop_arm(r->sup->loop, &r->timer, clock_ms() + ms);
}

/* The worker does not go: whoever asked is not kept any longer, but the next request is. */
static void on_secret_left_behind(struct timer *t)
{
	struct secret_request *r = t->owner;

	waiters_finish(&r->waiters, &(struct result){ .err = &r->failure });
}

static void on_secret_done(struct worker *w, const struct err *e, bool left)
{
	struct secret_request *r = w->task.owner;

	if (!left) {
		worker_over(r, e);
		return;
	}
	if (!r->sweeping) /* while it is there it may still write: what follows waits */
		r->failure = *e;
	secret_limit_wait(r, on_secret_left_behind, GONE_WITHIN);
}

static void on_secret_gone(struct worker *w)
{
	struct secret_request *r = w->task.owner;
	struct err e = r->failure;

	worker_over(r, &e);
}

static void on_parsed(struct worker *w, const struct err *e, bool left);

static int (*work_of(enum secret_action action))(struct worker_io *io, void *arg, struct err *e)
{
	if (action == SECRET_ACT_DEFINE)
		return run_define;
	return action == SECRET_ACT_LIST ? run_list : run_one;
}

/* 0: a worker has it. What it was given is wiped here: it has a copy. */
static int launch(struct secret_request *r, bool parse, struct err *e)
{
	int keep[] = { r->value, -1 };
	struct task task = {
		.what = actions[r->order.action].what,
		.timeout = parse ? DEADLINE_PARSE : DEADLINE_KEEP,
		.arg = r,
		.owner = r,
		.keep = keep,
		.run = parse ? run_parse_secret : work_of(r->order.action),
		.on_record = on_secret_record,
		.on_payload = on_text,
		.on_done = parse ? on_parsed : on_secret_done,
		.on_gone = parse ? NULL : on_secret_gone,
	};

	loop_disarm(r->sup->loop, &r->timer);
	r->worker = worker_start(r->sup, &task, e);
	wipe_data(r);
	return r->worker ? 0 : -1;
}

static void on_parsed(struct worker *w, const struct err *e, bool left)
{
	struct secret_request *r = w->task.owner;
	struct err problem = { 0 };

	(void)left;
	r->worker = NULL;
	if (!e && !r->text) {
		err_set(&problem, ERR_NO_MEMORY, "cannot take the definition: out of memory");
		e = &problem;
	}
	if (e) {
		secret_request_end(r, e);
		return;
	}
	r->data = r->text;
	r->data_len = r->text_len;
	r->text = NULL;
	if (launch(r, false, &problem) < 0)
		secret_request_end(r, &problem);
}

/* The first in the queue, unless it is under way. */
static void request_begin(struct supervisor *s)
{
	struct secret_request *r = s->secrets;
	struct err e = { 0 };

	if (r && !r->worker && !sources_sweep(s) && launch(r, r->order.action == SECRET_ACT_DEFINE, &e) < 0)
		secret_request_end(r, &e);
}

void secrets_on_sources(struct supervisor *s)
{
	request_begin(s);
}

static void on_secret_turn_over(struct timer *t)
{
	struct secret_request *r = t->owner;
	struct err e = { 0 };

	err_set(&e, ERR_BUSY,
	        "%s: nothing was done: another request about secrets has been under way for %d s (status "
	        "lists its worker)",
	        actions[r->order.action].what, (int)(TURN_WITHIN / 1000));
	secret_request_end(r, &e);
}

static int take_order(struct secret_request *r, const struct secret_order *o, struct err *e)
{
	r->order = *o;
	r->order.data = r->order.which = NULL;
	if (o->which)
		r->which = strdup(o->which);
	if (o->data) {
		r->data = copy_bytes(o->data, o->len);
		r->data_len = o->len;
	}
	if ((o->which && !r->which) || (o->data && !r->data))
		return err_set(e, ERR_NO_MEMORY, "%s: out of memory", actions[o->action].what);
	if (o->action != SECRET_ACT_GET)
		return 0;
	r->value = memfd_create("secret", MFD_CLOEXEC);
	return r->value < 0 ? err_set(e, ERR_NO_MEMORY, "%s: no descriptor left", actions[o->action].what)
	                    : 0;
}

int secret_request(struct supervisor *s, const struct secret_order *o, struct waiter *w, struct err *e)
{
	struct secret_request *r = calloc(1, sizeof(*r)), **at = &s->secrets;

	if (!r)
		return err_set(e, ERR_NO_MEMORY, "%s: out of memory", actions[o->action].what);
	r->sup = s;
	r->value = -1;
	if (take_order(r, o, e) < 0 ||
	    (!s->secrets && !sources_sweep(s) && launch(r, o->action == SECRET_ACT_DEFINE, e) < 0)) {
		secret_request_free(r);
		return -1;
	}
	if (!r->worker)
		secret_limit_wait(r, on_secret_turn_over, TURN_WITHIN);
	while (*at)
		at = &(*at)->next;
	*at = r;
	waiter_park(&r->waiters, w);
	return 0;
}
