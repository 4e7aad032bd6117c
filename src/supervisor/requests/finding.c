/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * find-storage-pool-sources: what there is that a pool could be made of.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/source.h"
#include "supervisor/companions/companions.h"
#include "supervisor/requests/requests.h"
#include "supervisor/work/work.h"

static void send_find_note(struct op *op, const char *text)
{
	worker_send_note(op->arg, text);
}

/* In the worker. The document is our own canonical form by now. */
static int run_find(struct worker_io *io, void *arg, struct err *e)
{
	const struct request *r = arg;
	const struct supervisor *s = r->sup;
	struct op op = { .deadline = io->deadline,
		         .run_dir = s->options.run_dir,
		         .secret_dirs = s->secret_dirs,
		         .own_devices = s->options.own_devices,
		         .on_note = send_find_note,
		         .arg = io };
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_pool_def struct pool_def d = { .type = r->type };

	if (pool_source_read(&d, r->type, r->xml, r->xml_len, "(source)", e) < 0)
		return -1;
	buf_adds(&text, "<sources>\n");
	if (backend_find(r->type)->find(&d, &op, &text, e) < 0)
		return -1;
	buf_adds(&text, "</sources>\n");
	return worker_send_text(io, &text, e);
}

static void after_find(struct request *r, const struct err *e)
{
	struct err lost = { 0 };

	if (!e && !r->text) {
		err_set(&lost, ERR_NO_MEMORY, "cannot list the sources: out of memory");
		e = &lost;
	}
	request_end(r, e);
}

/* Some servers are asked with the help of a companion: when it answers. */
static int find_begin(struct request *r, struct err *e)
{
	const struct backend *b = backend_find(r->type);
	int ready = b->service ? service_need(r->sup, b->service, NULL, e) : 0;

	r->waits = ready == -1;
	if (r->waits) {
		if (!r->timer.armed)
			loop_arm(r->sup->loop, &r->timer, clock_ms() + r->timeout);
		return 0;
	}
	loop_disarm(r->sup->loop, &r->timer);
	return ready < 0 ? -1 : request_run(r, "find", r->timeout, run_find, r, after_find, e);
}

/* The companion is ready, or none is needed. */
static void find_now(struct request *r)
{
	struct err e = { 0 };

	if (find_begin(r, &e) < 0)
		request_end(r, &e);
}

/* The time of the search is over before it could begin. */
static void on_companion_wait_over(struct timer *t)
{
	struct request *r = t->owner;
	struct err e = { 0 };

	err_set(&e, ERR_TIMEOUT, "cannot look for %s pools: %s is not ready", pool_type_word(r->type),
	        backend_find(r->type)->service->name);
	request_end(r, &e);
}

void requests_kick(struct supervisor *s)
{
	for (struct request *r = s->requests, *next; r; r = next) {
		next = r->next;
		if (r->waits)
			find_now(r);
	}
}

/* What is looked for has been read, closed in. */
static void after_read_source(struct request *r, const struct err *e)
{
	struct err problem = { 0 };

	if (!e && !r->text)
		err_set(&problem, ERR_NO_MEMORY, "cannot read the source: out of memory");
	if (e || problem.class) {
		request_end(r, e ? e : &problem);
		return;
	}
	request_take_text(r);
	find_now(r);
}

int pool_find_sources(struct supervisor *s, enum pool_type type, const char *xml, size_t len,
                      uint64_t timeout, struct waiter *w, struct err *e)
{
	demand(w && (!xml || len > 0), e);

	const struct backend *b = backend_find(type);
	static const char nothing[] = "<source/>";
	const struct sent_document d = { .kind = DOCUMENT_SOURCE,
		                         .type = type,
		                         .text = xml ? xml : nothing,
		                         .len = xml ? len : strlen(nothing) };
	struct request *r;

	if (!b || !b->find)
		return err_set(e, ERR_UNSUPPORTED, "pools of type %s cannot be looked for%s",
		               pool_type_word(type), b ? "" : " by this build");
	r = request_new(s, NULL, w, e);
	if (!r)
		return -1;
	r->type = type;
	r->timeout = timeout ? timeout : DEADLINE_FIND;
	r->timer = (struct timer){ .on_expiry = on_companion_wait_over, .owner = r };
	if (xml || (pool_type_info(type)->required & FIELD_HOST))
		return request_read(r, &d, after_read_source, e) < 0 ? request_refuse(r) : 0;
	r->xml = strdup(nothing); /* our own words need no reader */
	r->xml_len = strlen(nothing);
	if (!r->xml)
		err_set(e, ERR_NO_MEMORY, "cannot look for pools: out of memory");
	return !r->xml || find_begin(r, e) < 0 ? request_refuse(r) : 0;
}
