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
#include "base/contract.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/secret/store.h"
#include "supervisor/config/registry.h"
#include "supervisor/news/news.h"
#include "supervisor/requests/requests.h"
#include "supervisor/work/waiting.h"

/* ---- in the worker ---- */

/* A copy of our memory: what it is asked, and where to look. */
struct secret_work {
	const struct request *request;
	struct secret_store store;
	char config[4096];
	struct worker_io *io;
};

/* Each worker first removes what one that was killed has left half-written. `writes`: it will change
 * something. */
static void work_begin(struct secret_work *w, struct worker_io *io, const struct request *r, bool writes)
{
	const struct supervisor *s = r->sup;
	const char *dir = writes ? place_enter(r->sup, io) : s->options.config_dir;

	*w = (struct secret_work){ .request = r,
		                   .io = io,
		                   .store = { .dirs = s->secret_dirs, .run = s->secret_dirs[0] } };
	if (dir && (size_t)snprintf(w->config, sizeof(w->config), "%s/secrets", dir) < sizeof(w->config))
		w->store.config = w->config;
	secret_store_sweep(&w->store);
}

/* What was changed is seen by others from now on. */
static int work_end(const struct secret_work *w, struct err *e)
{
	const struct source *place = w->request->sup->place;

	return place ? place_copy_secrets(place, e) : 0;
}

/* Which secret it was, what it is for, and where it is kept. */
static void send_secret(struct worker_io *io, const struct secret_def *s, const enum secret_kept *kept)
{
	cleanup_buf struct buf b = BUF_INIT;
	char text[UUID_TEXT];

	line_begin(&b, "-");
	line_str(&b, "secret", uuid_print(&s->uuid, text));
	line_str(&b, "usage", secret_usage_word(s->usage));
	line_str(&b, "id", s->usage_id);
	if (kept)
		line_str(&b, "kept", *kept == KEPT_CONFIG ? "config" : "run");
	line_end(&b);
	worker_send(io, &b);
}

/* In the worker: the definition has been read closed in, and is read again from our own form of it. */
static int run_define(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	struct secret_work w;
	struct secret_def s;
	enum secret_kept kept;
	int result;

	work_begin(&w, io, r, true);
	if (secret_read(&s, r->xml, r->xml_len, "(socket)", e) < 0)
		return -1;
	result = secret_store_define(&w.store, &s, &kept, e);
	if (result == 0 && (result = work_end(&w, e)) == 0)
		send_secret(io, &s, &kept);
	secret_def_free(&s);
	return result;
}

/* Base64 may have line ends; what is kept has none. */
static int decode(const struct request *r, struct secret_value *out, struct err *e)
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

/* The value is in this process' memory only as long as it takes to write it. */
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
	send_secret(w->io, s, &kept);
	return 0;
}

/* A memfd takes all of it at once, or memory is short. */
static int write_answer(int fd, const void *data, size_t len, struct err *e)
{
	if (write(fd, data, len) != (ssize_t)len)
		return err_set(e, ERR_NO_MEMORY, "cannot pass the value on: out of memory");
	return 0;
}

/* Into the memfd that the client gets. What stands between is wiped. */
static int get_value(const struct secret_work *w, const struct secret_def *s, const char *dir, struct err *e)
{
	cleanup_secret_value struct secret_value value = { 0 };
	const struct request *r = w->request;
	char uuid[UUID_TEXT];
	int result;

	if (s->private && !r->order.trusted)
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
		send_secret(w->io, s, NULL);
	return result;
}

static int print(const struct secret_work *w, const struct secret_def *s, const char *dir, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)dir;
	secret_print(s, &text);
	send_secret(w->io, s, NULL);
	return worker_send_text(w->io, &text, e);
}

static int secret_forget_value(const struct secret_work *w, const struct secret_def *s, const char *dir,
                               struct err *e)
{
	(void)dir;
	if (secret_store_forget(&w->store, s, e) < 0)
		return -1;
	send_secret(w->io, s, NULL);
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

/* Find the secret that is meant, and do what is asked with it. */
static int run_one(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	bool writes = r->order.action == SECRET_ACT_SET || r->order.action == SECRET_ACT_FORGET;
	struct secret_work w;
	struct secret_def s;
	const char *dir;
	int result;

	work_begin(&w, io, r, writes);
	if (secret_store_find(&w.store, r->which, &s, &dir, e) < 0)
		return -1;
	result = on_one[r->order.action](&w, &s, dir, e);
	if (result == 0 && writes)
		result = work_end(&w, e);
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

/* One record, without the value. */
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
	const struct request *r = arg;
	struct listing l = { .order = &r->order };
	struct secret_work w;
	int result;

	work_begin(&w, io, r, false);
	result = secret_store_each(&w.store, list_one, &l, e);
	if (result == 0)
		result = worker_send_text(io, &l.records, e);
	buf_free(&l.records);
	return result;
}

/* In the worker: beginning is all that it takes. */
static int run_sweep_secrets(struct worker_io *io, void *arg, struct err *e)
{
	struct secret_work w;

	work_begin(&w, io, arg, true);
	return work_end(&w, e);
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

static int (*work_of(enum secret_action action))(struct worker_io *io, void *arg, struct err *e)
{
	if (action == SECRET_ACT_DEFINE)
		return run_define;
	return action == SECRET_ACT_LIST ? run_list : run_one;
}

void secret_was_here(struct supervisor *s)
{
	demand_or(s, );
	documents_renew(s);
	waiting_renew(s);
}

/* Pools that failed for want of this secret look again. */
static void after_secret(struct request *r, const struct err *e)
{
	const char *event = actions[r->order.action].event;

	if (e && request_sweeps(r, e, run_sweep_secrets))
		return;
	if (!e && event) {
		struct event ev = { .name = event };

		event_str(&ev, "secret", r->secret);
		event_str(&ev, "usage", r->usage);
		event_str(&ev, "id", r->usage_id);
		events_emit(r->sup, &ev);
	}
	if (!e && r->order.action == SECRET_ACT_SET)
		failed_kick(r->sup, ERR_NO_SECRET);
	if (r->order.action == SECRET_ACT_SET)
		secret_was_here(r->sup);
	request_end(r, e);
}

static void after_secret_read(struct request *r, const struct err *e);

/* A definition is read first. What was given is wiped here: whoever has it now has a copy. */
static void change_secret(struct request *r)
{
	const struct sent_document d = {
		.kind = DOCUMENT_SECRET, .validate = r->order.validate, .text = r->data, .len = r->data_len
	};
	enum secret_action action = r->order.action;
	struct err e = { 0 };
	int rc = action == SECRET_ACT_DEFINE && !r->xml
	                 ? request_read(r, &d, after_secret_read, &e)
	                 : request_write(r, actions[action].what, work_of(action), after_secret, &e);

	request_wipe(r);
	if (rc < 0)
		request_end(r, &e);
}

static void after_secret_read(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (!e && !r->text)
		err_set(&problem, ERR_NO_MEMORY, "cannot take the definition: out of memory");
	if (e || problem.class) {
		request_end(r, e ? e : &problem);
		return;
	}
	request_take_text(r);
	change_secret(r);
}

/* A copy of all that is asked. The memfd for an answer is made here, because a worker cannot hand one up. */
static int take_order(struct request *r, const struct secret_order *o, struct err *e)
{
	r->subject = SUBJECT_SECRETS;
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
	require((size_t)o->action < ARRAY_LEN(actions), e);
	demand(w && (o->data || o->len == 0), e);
	demand(o->which || o->action == SECRET_ACT_DEFINE || o->action == SECRET_ACT_LIST, e);

	struct request *r = request_new(s, NULL, w, e);

	if (!r)
		return -1;
	if (take_order(r, o, e) < 0)
		return request_refuse(r);
	request_change(r, change_secret);
	return 0;
}
