/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that concern volumes: all of them answer from the pool's index, none touches the storage.
 */
#include "base/contract.h"
#include "control/verbs/verbs.h"

#include "base/clock.h"
#include "base/line.h"
#include "base/util.h"

#define INDEX_WAIT SECONDS(25) /* less than the limit of any verb: why it was not enough is known here */

/* The volumes have been read: the verb begins anew, and finds them. */
static void index_known(struct waiter *w, const struct result *r)
{
	if (r->err)
		call_fail(call_of(w), r->err);
	else
		call_again(call_of(w));
}

/* A pool that has just become active: its volumes are asked for again when they have been read. True: the
 * call waits for that. */
static bool awaits_index(struct call *c, struct pool *p)
{
	uint64_t wait = call_duration(c, "timeout", 0);
	struct err e = { 0 };

	if (!pool_awaits_index(p))
		return false;
	struct waiter *w = call_waiter(c);
	w->done = index_known;
	if (pool_wait(p, ~0U, clock_ms() + (wait && wait < INDEX_WAIT ? wait : INDEX_WAIT), w, &e) < 0)
		call_fail(c, &e);
	return true;
}

void verb_vol_list(struct call *c)
{
	struct pool *p = call_pool(c);
	struct err e = { 0 };

	if (!p || awaits_index(c, p))
		return;
	if (pool_need_index(p, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	call_index(c, p);
	final_str(c, "pool", p->name);
	final_num(c, "volumes", p->volumes.count);
	call_ok(c);
}

bool call_awaits_index(struct call *c)
{
	struct pool *p = call_arg(c, "pool") ? pool_lookup(call_supervisor(c), call_arg(c, "pool"), NULL)
	                                     : NULL;

	return p && awaits_index(c, p);
}

const char *call_volume(struct call *c, const char *pool_arg, struct pool **pool, size_t *len)
{
	demand_or(pool && len, NULL);

	struct supervisor *s = call_supervisor(c);
	const char *name = pool_arg ? call_arg(c, pool_arg) : NULL, *record = NULL;
	struct pool *in = NULL;
	struct err e = { 0 };

	if (name)
		in = pool_lookup(s, name, &e);
	if (in && awaits_index(c, in))
		return NULL;
	if (in || !name)
		record = volume_lookup(s, in, call_arg(c, "vol"), pool, len, &e);
	if (!record)
		call_fail(c, &e);
	return record;
}

const char *record_parse(const char *record, size_t len, char *text, struct line *l, struct err *e)
{
	demand_or(record && text && l, NULL);
	if (len == 0 || len > LINE_MAX_BYTES) {
		err_set(e, ERR_INTERNAL, "a volume record of %zu bytes", len);
		return NULL;
	}
	memcpy(text, record, len - 1); /* without its LF */
	text[len - 1] = '\0';
	if (line_parse_reply(text, len - 1, l, e) < 0)
		return NULL;
	if (!line_get(l, "name"))
		err_set(e, ERR_INTERNAL, "a volume record without a name");
	return line_get(l, "name");
}

void verb_vol_info(struct call *c)
{
	struct pool *p;
	size_t len;
	const char *record = call_volume(c, "pool", &p, &len);

	if (!record)
		return;
	call_records(c, record, len);
	final_str(c, "pool", p->name);
	call_ok(c);
}

/* One key of a volume's record. */
static void answer_key(struct call *c, const char *key)
{
	char text[LINE_MAX_BYTES + 1];
	struct line l;
	struct err e = { 0 };
	struct pool *p;
	size_t len;
	const char *record = call_volume(c, "pool", &p, &len);

	if (!record)
		return;
	if (!record_parse(record, len, text, &l, &e)) {
		call_fail(c, &e);
		return;
	}
	const char *value = line_get(&l, key);
	if (!value && streq(key, "key")) /* as it is left out where it is the path */
		value = line_get(&l, "path");
	if (!value) {
		err_set(&e, ERR_INTERNAL, "the index of pool \"%s\" has no %s for volume \"%s\"", p->name,
		        key, call_arg(c, "vol"));
		call_fail(c, &e);
		return;
	}
	record_begin(c);
	record_str(c, key, value);
	record_end(c);
	final_str(c, "pool", p->name);
	call_ok(c);
}

void verb_vol_path(struct call *c)
{
	answer_key(c, "path");
}

void verb_vol_name(struct call *c)
{
	answer_key(c, "name");
}

void verb_vol_key(struct call *c)
{
	answer_key(c, "key");
}

void verb_vol_pool(struct call *c)
{
	char uuid[UUID_TEXT];
	struct pool *p;
	size_t len;

	if (!call_volume(c, NULL, &p, &len))
		return;
	record_begin(c);
	if (!call_flag(c, "uuid"))
		record_str(c, "pool", p->name);
	record_str(c, "uuid", uuid_print(&p->uuid, uuid));
	record_end(c);
	call_ok(c);
}

/* Is it what was asked for, by that and by nothing else? */
static bool is_asked(const char *record, size_t len, const char *path, const char *key)
{
	char text[LINE_MAX_BYTES + 1];
	struct line l;

	if (!record_parse(record, len, text, &l, NULL))
		return false;
	if (path && !streq_null(line_get(&l, "path"), path))
		return false;
	return !key || streq_null(line_has(&l, "key") ? line_get(&l, "key") : line_get(&l, "path"), key);
}

void verb_vol_lookup(struct call *c)
{
	const char *any = call_arg(c, "what"), *path = call_arg(c, "path"), *key = call_arg(c, "key");
	const char *by_place = path ? path : key, *what = any ? any : by_place;
	struct err e = { 0 };
	struct pool *p;
	size_t len;

	if (!what || (any && (path || key)) || (path && key)) {
		err_set(&e, what ? ERR_INVALID : ERR_MISSING,
		        "vol-lookup needs a path or a key: one of what=, path=, key=");
		call_fail(c, &e);
		return;
	}
	const char *record = volume_lookup(call_supervisor(c), NULL, what, &p, &len, &e);
	if (record && !is_asked(record, len, path, key)) {
		record = NULL;
		err_set(&e, ERR_NO_VOLUME, "no volume with the %s \"%s\" in any active pool",
		        path ? "path" : "key", what);
	}
	if (!record) {
		call_fail(c, &e);
		return;
	}
	call_records(c, record, len);
	final_str(c, "pool", p->name);
	call_ok(c);
}

bool volume_document(struct call *c, const char *record, size_t len, const char *copy, struct buf *xml)
{
	char text[LINE_MAX_BYTES + 1];
	struct line l;
	struct volume v;
	struct err e = { 0 };
	int rc = record_parse(record, len, text, &l, &e) ? volume_from_record(&l, &v, &e) : -1;

	if (rc == 0 && copy) {
		v.name = copy;
		/* -1: who is nobody over NFS cannot be given it, so that it is whose who makes it */
		v.owner |= 0u - (v.owner >> 31);
		v.group |= 0u - (v.group >> 31);
	}
	if (rc == 0)
		volume_print(&v, xml);
	if (xml->failed)
		rc = err_set(&e, ERR_NO_MEMORY, "cannot print the document: out of memory");
	if (rc < 0)
		call_fail(c, &e);
	return rc == 0;
}

/* The record says all that the document does: no worker is needed. */
void verb_vol_dumpxml(struct call *c)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct pool *p;
	size_t len;
	const char *record = call_volume(c, "pool", &p, &len);

	if (!record || !volume_document(c, record, len, NULL, &xml))
		return;
	call_bytes(c, xml.data, xml.len);
	final_str(c, "pool", p->name);
	call_ok(c);
}
