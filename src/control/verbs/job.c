/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that change volumes, or move their content: each begins a job in the supervisor and is answered
 * when that is over.
 */
#include "control/verbs/verbs.h"

#include <inttypes.h>

#include "backends/backend.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/size.h"
#include "pool/voldef.h"
#include "pool/volume.h"
#include "pool/xml.h"
#include "volumes/wipe.h"

/* For errors that are a sentence without names. */
static void fail(struct call *c, enum err_class class, const char *why)
{
	struct err e = { 0 };

	err_set(&e, class, "%s", why);
	call_fail(c, &e);
}

/* ---- beginning a job, and its answer ---- */

/* The operation is over; with --detach, it has been let in. */
static void job_done(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	if (call_flag(c, "detach"))
		final_num(c, "job", r->job);
	if (r->pool)
		final_str(c, "pool", r->pool->name);
	final_str(c, "volume", r->volume);
	call_ok(c);
}

/* From now on the client's connection is needed, and the job ends with it. */
static void over_connection(struct waiter *w, uint64_t job)
{
	call_stream_job(call_of(w), job);
}

/* A descriptor that the worker has taken is out of the client's socket, so that the connection may go on. */
static void transfer_done(struct waiter *w, const struct result *r)
{
	if (r->taken)
		call_taken(call_of(w));
	if (!r->err && !call_flag(call_of(w), "detach"))
		final_num(call_of(w), "bytes", r->bytes);
	job_done(w, r);
}

/* What all jobs have in common. False: the call has failed already. job: its number, or NULL. */
static bool order_begin(struct call *c, struct volume_order *o,
                        void (*done)(struct waiter *w, const struct result *r), uint64_t *job)
{
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	o->verb = call_verb(c);
	o->timeout = call_time_left(c);
	o->detach = call_flag(c, "detach");
	o->operate = call_level(c) < LEVEL_ADMIN;
	w->done = done;
	w->unused = over_connection;
	w->progress = call_flag(c, "progress") ? call_progress : NULL;
	if (volume_start(call_supervisor(c), o, w, job, &e) == 0)
		return true;
	call_fail(c, &e);
	return false;
}

/* The volume that `vol` names. What is changed must be named without doubt: the same name in two pools is
 * not. */
static bool order_find(struct call *c, const char *pool_arg, struct volume_order *o)
{
	const char *what = call_arg(c, "vol");
	bool anywhere = !pool_arg || !call_arg(c, pool_arg);
	struct err e = { 0 };
	size_t len;

	o->record = call_volume(c, pool_arg, &o->pool, &o->record_len);
	if (!o->record)
		return false;
	for (struct pool *p = o->pool->next; p && anywhere && !strchr(what, '/'); p = p->next)
		if (volume_find(p, what, &len)) {
			err_set(&e, ERR_INVALID,
			        "there is a volume \"%s\" in pool \"%s\" and in pool \"%s\": say which with "
			        "pool=",
			        what, o->pool->name, p->name);
			call_fail(c, &e);
			return false;
		}
	return true;
}

static unsigned create_flags(struct call *c)
{
	return (call_flag(c, "prealloc-metadata") ? VOL_PREALLOC_METADATA : 0U) |
	       (call_flag(c, "reflink") ? VOL_REFLINK : 0U);
}

/* Make a volume of that document, or only print it. */
static void create(struct call *c, struct volume_order *o, struct buf *xml)
{
	if (xml->failed)
		fail(c, ERR_NO_MEMORY, "cannot write the volume's document: out of memory");
	else if (call_flag(c, "print-xml")) {
		call_bytes(c, xml->data, xml->len);
		call_ok(c);
	} else {
		o->operation = VOLUME_CREATE;
		o->xml = xml->data;
		o->xml_len = xml->len;
		o->flags = create_flags(c);
		order_begin(c, o, job_done, NULL);
	}
}

/* ---- create ---- */

void verb_vol_create(struct call *c)
{
	struct volume_order o = { .operation = VOLUME_CREATE,
		                  .pool = call_pool(c),
		                  .validate = call_flag(c, "validate"),
		                  .flags = create_flags(c) };

	if (!o.pool)
		return;
	o.xml = call_payload(c, &o.xml_len);
	order_begin(c, &o, job_done, NULL);
}

/* An element with a text, which is escaped. */
static void element(struct buf *b, const char *indent, const char *name, const char *text)
{
	buf_printf(b, "%s<%s>", indent, name);
	xml_escape(b, text);
	buf_printf(b, "</%s>\n", name);
}

static void format(struct buf *b, const char *word)
{
	buf_adds(b, "    <format type='");
	xml_escape(b, word);
	buf_adds(b, "'/>\n");
}

/* XML has no way to say most control characters, and a few others: the volume would get another name than
 * that which the job has. */
static bool is_sayable(struct call *c, const char *arg)
{
	struct err e = { 0 };

	if (check_text(call_arg(c, arg)))
		return true;
	err_set(&e, ERR_INVALID,
	        "%s: \"%s\" contains control characters (or U+FFFE, U+FFFF), or is not UTF-8", call_verb(c),
	        arg);
	call_fail(c, &e);
	return false;
}

/* The document names the volume just so: what stands around it there is no part of it. Others are refused by
 * who reads it. */
static bool is_plain(const char *name)
{
	return name_is_component(name) && !strchr(" \t\r\n", name[0]) &&
	       !strchr(" \t\r\n", name[strlen(name) - 1]);
}

/* The document that virsh makes of the same options. */
static void print_options(struct call *c, const char *backing, struct buf *b)
{
	buf_adds(b, "<volume>\n");
	element(b, "  ", "name", call_arg(c, "name"));
	buf_printf(b, "  <capacity>%" PRIu64 "</capacity>\n", call_size(c, "capacity", 0));
	if (call_arg(c, "allocation"))
		buf_printf(b, "  <allocation>%" PRIu64 "</allocation>\n", call_size(c, "allocation", 0));
	if (call_arg(c, "format") || call_arg(c, "layout")) {
		buf_adds(b, "  <target>\n");
		if (call_arg(c, "format"))
			format(b, call_arg(c, "format"));
		volume_layout_print(call_arg(c, "layout"), b);
		buf_adds(b, "  </target>\n");
	}
	if (backing) {
		buf_adds(b, "  <backingStore>\n");
		element(b, "    ", "path", backing);
		if (call_arg(c, "backing-vol-format"))
			format(b, call_arg(c, "backing-vol-format"));
		buf_adds(b, "  </backingStore>\n");
	}
	buf_adds(b, "</volume>\n");
}

void verb_vol_create_as(struct call *c)
{
	struct volume_order o = { .pool = call_pool(c) };
	const char *below = call_arg(c, "backing-vol"), *record, *backing = NULL;
	char text[LINE_MAX_BYTES + 1];
	cleanup_buf struct buf xml = BUF_INIT;
	struct line l;
	struct err e = { 0 };
	struct pool *p;
	size_t len;

	if (!o.pool || !is_sayable(c, "name"))
		return;
	if (!below && call_arg(c, "backing-vol-format")) {
		fail(c, ERR_MISSING,
		     "vol-create-as: backing-vol-format= says what backing-vol= is, which is missing");
		return;
	}
	if (below) { /* in the same pool by name, anywhere by path or key */
		record = volume_lookup(call_supervisor(c), strchr(below, '/') ? NULL : o.pool, below, &p,
		                       &len, &e);
		if (record && record_parse(record, len, text, &l, &e))
			backing = line_get(&l, "path");
		if (!backing) {
			err_wrap(&e, ERR_KEEP, "backing-vol");
			call_fail(c, &e);
			return;
		}
	}
	print_options(c, backing, &xml);
	if (is_plain(call_arg(c, "name")))
		o.name = call_arg(c, "name");
	o.has_allocation = call_arg(c, "allocation") != NULL;
	create(c, &o, &xml);
}

void verb_vol_create_from(struct call *c)
{
	struct volume_order o = { .operation = VOLUME_CREATE,
		                  .validate = call_flag(c, "validate"),
		                  .flags = create_flags(c) };
	const char *where = strchr(call_arg(c, "vol"), '/') ? NULL : "pool";
	struct pool *p = call_pool(c);

	/* Without a pool of its own the other volume is looked for in the same pool, and by path or key in
	 * all. */
	if (call_arg(c, "inputpool"))
		where = "inputpool";
	if (!p || !order_find(c, where, &o))
		return;
	o.input_pool = o.pool;
	o.pool = p;
	o.xml = call_payload(c, &o.xml_len);
	order_begin(c, &o, job_done, NULL);
}

/* The document of the copy is that of the volume, under the new name. */
void verb_vol_clone(struct call *c)
{
	struct volume_order o = { 0 };
	cleanup_buf struct buf xml = BUF_INIT;

	if (!is_sayable(c, "newname") || !order_find(c, "pool", &o) ||
	    !volume_document(c, o.record, o.record_len, call_arg(c, "newname"), &xml))
		return;
	o.input_pool = o.pool;
	create(c, &o, &xml);
}

/* ---- delete, wipe, resize ---- */

void verb_vol_delete(struct call *c)
{
	struct volume_order o = { .operation = VOLUME_DELETE,
		                  .flags = call_flag(c, "delete-snapshots") ? VOL_SNAPSHOTS_TOO : 0U };

	if (order_find(c, "pool", &o))
		order_begin(c, &o, job_done, NULL);
}

void verb_vol_wipe(struct call *c)
{
	struct volume_order o = { .operation = VOLUME_WIPE, .algorithm = call_arg(c, "algorithm") };
	struct err e = { 0 };

	if (!o.algorithm)
		o.algorithm = "zero";
	if (wipe_check(o.algorithm, &e) < 0) {
		err_wrap(&e, ERR_KEEP, "vol-wipe");
		call_fail(c, &e);
	} else if (order_find(c, "pool", &o)) {
		order_begin(c, &o, job_done, NULL);
	}
}

/* "20G"; with --delta so much more, or with --shrink less; "-5G" is less too. */
static int new_capacity(struct call *c, uint64_t now, uint64_t *capacity, struct err *e)
{
	const char *text = call_arg(c, "capacity");
	bool less = *text == '-', delta = less || call_flag(c, "delta"), shrink = call_flag(c, "shrink");
	uint64_t size;

	if (size_parse_word(text + less, &size, e) < 0)
		return err_wrap(e, ERR_KEEP, "vol-resize: capacity");
	if (less && !shrink)
		return err_set(
			e, ERR_INVALID,
			"vol-resize: capacity \"%s\" would make the volume smaller: that needs --shrink",
			text);
	if (!delta)
		*capacity = size;
	else if (shrink)
		*capacity = size < now ? now - size : 0;
	else if (size > INT64_MAX - now)
		return err_set(e, ERR_INVALID,
		               "vol-resize: capacity \"%s\" more than %" PRIu64 " bytes is too large", text,
		               now);
	else
		*capacity = now + size;
	if (*capacity == 0)
		return err_set(
			e, ERR_INVALID,
			"vol-resize: capacity \"%s\" would leave nothing of volume \"%.300s\" (%" PRIu64
			" bytes)",
			text, call_arg(c, "vol"), now);
	if (*capacity < now && !shrink)
		return err_set(e, ERR_INVALID,
		               "vol-resize: volume \"%.300s\" has %" PRIu64
		               " bytes: making it smaller needs --shrink",
		               call_arg(c, "vol"), now);
	return 0;
}

/* Whoever asked for a capacity is told when that is not what was changed. */
static void room_done(struct waiter *w, const struct result *r)
{
	if (!r->err)
		final_str(call_of(w), "changed", "allocation");
	job_done(w, r);
}

void verb_vol_resize(struct call *c)
{
	struct volume_order o = {
		.operation = VOLUME_RESIZE,
		.flags = (call_flag(c, "allocate") ? VOL_ALLOCATE : 0U) |
		         (call_flag(c, "shrink") ? VOL_SHRINK : 0U),
	};
	char text[LINE_MAX_BYTES + 1];
	struct line l;
	struct err e = { 0 };

	if (!order_find(c, "pool", &o))
		return;
	if (!record_parse(o.record, o.record_len, text, &l, &e)) {
		call_fail(c, &e);
		return;
	}

	const struct backend *b = backend_find(o.pool->type);
	uint64_t capacity = line_u64(&l, "capacity", 0), now = capacity;

	if (b && b->resizes_allocation)
		now = line_u64(&l, "allocation", capacity);
	if (new_capacity(c, now, &o.capacity, &e) < 0)
		call_fail(c, &e);
	else
		order_begin(c, &o, now != capacity ? room_done : job_done, NULL);
}

/* ---- upload, download ---- */

/* With a descriptor the bytes pass us by; without one they are part of the request, or of the answer. */
static void transfer(struct call *c, enum volume_operation operation)
{
	struct volume_order o = {
		.operation = operation,
		.connection = -1,
		.offset = call_size(c, "offset", 0),
		.length = call_size(c, "length", 0),
		.sparse = call_flag(c, "sparse"),
		.flags = call_transfer_flags(c),
	};
	bool upload = operation == VOLUME_UPLOAD, passed, streams, detach = call_flag(c, "detach");
	int pipe = -1;
	uint64_t announced = 0, job;
	struct err e = { 0 };

	if (call_awaits_index(c))
		return;
	passed = call_passes(c, &o);
	streams = call_streams(c, &announced);
	if (passed && streams)
		err_set(&e, ERR_INVALID, "%s: either a descriptor or a payload, not both", call_verb(c));
	else if (!upload && streams)
		err_set(&e, ERR_INVALID, "%s takes no payload", call_verb(c));
	else if (upload && !passed && !streams)
		err_set(&e, ERR_MISSING, "%s needs a descriptor (SCM_RIGHTS), or a payload: %s", call_verb(c),
		        call_payload_hint(c));
	else if (!passed && detach)
		err_set(&e, ERR_INVALID, "%s: detach needs a descriptor: the bytes would have nowhere to go",
		        call_verb(c));
	if (e.class != ERR_NONE) {
		call_fail(c, &e);
		return;
	}
	if (!order_find(c, "pool", &o))
		return;
	/* For the bytes of a download there is one in any case: what is passed may be nothing that can be
	 * written. */
	if ((!passed || (!upload && !detach)) && (pipe = call_stream(c, upload, &e)) < 0) {
		call_fail(c, &e);
		return;
	}
	*(passed ? &o.connection : &o.stream) = pipe;
	if (streams && announced != STREAM_OPEN && (!o.length || o.length > announced))
		o.length = announced;
	if (order_begin(c, &o, transfer_done, &job) && !passed)
		call_stream_job(c, job);
	if (pipe >= 0)
		close(pipe);
}

void verb_vol_upload(struct call *c)
{
	transfer(c, VOLUME_UPLOAD);
}

void verb_vol_download(struct call *c)
{
	transfer(c, VOLUME_DOWNLOAD);
}

/* ---- jobs ---- */

void verb_job_list(struct call *c)
{
	uint64_t now = clock_ms(), n = 0;
	struct job_view v;

	for (; job_at(call_supervisor(c), n, &v); n++) {
		record_begin(c);
		record_num(c, "job", v.number);
		record_str(c, "operation", v.verb);
		record_str(c, "pool", v.pool);
		record_str(c, "volume", v.volume);
		record_num(c, "running_ms", now - v.started);
		if (v.total) {
			record_num(c, "progress", v.done);
			record_num(c, "total", v.total);
		}
		if (v.ending)
			record_flag(c, "ending", true);
		record_end(c);
	}
	final_num(c, "jobs", n);
	call_ok(c);
}

/* The job has ended, and what it left is removed. */
static void cancelled(struct waiter *w, const struct result *r)
{
	struct call *c = call_of(w);

	if (r->err) {
		call_fail(c, r->err);
		return;
	}
	final_num(c, "job", r->job);
	call_ok(c);
}

void verb_job_cancel(struct call *c)
{
	struct waiter *w = call_waiter(c);
	struct err e = { 0 };

	w->done = cancelled;
	if (volume_cancel(call_supervisor(c), strtoull(call_arg(c, "job"), NULL, 10), w, &e) < 0)
		call_fail(c, &e);
}
