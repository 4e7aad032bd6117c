/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From an answer to a reply: fields of the verb's records, which were kept as lines, in the order and the
 * form of the procedure. Lists are in lists.c.
 */
#include "control/rpc/rpc.h"

#include "base/contract.h"
#include "base/util.h"
#include "pool/secret/secret.h"
#include "pool/volume.h"

/* ---- lines ---- */

int broken_record(const struct virt_reply *r, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "%s has answered something that is no record", r->c->verb->name);
}

void records_of(struct virt_reply *r)
{
	r->record.at = buf_str(&r->c->records);
	r->record.end = r->record.at + r->c->records.len;
}

/* The only record of an answer. */
static int answer_record(struct virt_reply *r, struct err *e)
{
	records_of(r);
	return record_next(&r->record)
	               ? 0
	               : err_set(e, ERR_INTERNAL, "%s has answered nothing", r->c->verb->name);
}

/* The fields of the answer's end, as a line of their own. */
int answer_finals(struct virt_reply *r, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;

	buf_adds(&line, "-");
	buf_add(&line, buf_str(&r->c->finals), r->c->finals.len);
	buf_adds(&line, "\n");
	r->end.at = buf_str(&line);
	r->end.end = r->end.at + line.len;

	bool found = record_next(&r->end);

	r->end.at = r->end.end = NULL; /* the line goes: what was read of it is the reader's */
	return found ? 0 : err_set(e, ERR_INTERNAL, "%s has answered nothing", r->c->verb->name);
}

/* What a flag's word says. */
static bool is_yes(const char *value)
{
	return streq(value, "yes");
}

/* ---- documents and values ---- */

int reply_document(struct virt_reply *r, struct err *e)
{
	(void)e;
	xdr_put_bytes(r->out, buf_str(&r->c->records), r->c->records.len);
	return 0;
}

/* The bytes follow from the worker's file: they are never in our memory. */
int reply_value(struct virt_reply *r, struct err *e)
{
	const struct sending *s = &r->c->files;

	if (!sending_is_on(s))
		return reply_document(r, e);
	xdr_put(r->out, (uint32_t)s->parts[0].len);
	r->more = (s->parts[0].len + 3) / 4 * 4;
	return 0;
}

/* ---- pools ---- */

static int put_uuid(struct buf *out, const char *text, struct err *e)
{
	struct uuid u;

	if (!uuid_read(text, &u))
		return err_set(e, ERR_INTERNAL, "\"%.80s\" is not a uuid", text);
	buf_add(out, u.b, sizeof(u.b));
	return 0;
}

static int put_pool(struct buf *out, const struct record_reader *from, const char *name, struct err *e)
{
	xdr_put_text(out, answer_field(from, name));
	return put_uuid(out, answer_field(from, "uuid"), e);
}

int reply_pool(struct virt_reply *r, struct err *e)
{
	return answer_record(r, e) < 0 ? -1 : put_pool(r->out, &r->record, "name", e);
}

int reply_made_pool(struct virt_reply *r, struct err *e)
{
	return answer_finals(r, e) < 0 ? -1 : put_pool(r->out, &r->end, "pool", e);
}

/* How libvirt calls a pool's phase. What is on its way is not there. */
enum libvirt_state {
	POOL_IS_INACTIVE,
	POOL_IS_BUILDING,
	POOL_IS_RUNNING,
	POOL_IS_DEGRADED,
	POOL_IS_INACCESSIBLE
};

static enum libvirt_state virt_pool_state(const struct record_reader *r)
{
	int phase = phase_from_word(answer_field(r, "phase"));

	if (phase == PHASE_DEGRADED)
		return POOL_IS_DEGRADED;
	if (phase == PHASE_HUNG)
		return POOL_IS_INACCESSIBLE;
	return phase == PHASE_ACTIVE || phase == PHASE_STOPPING ? POOL_IS_RUNNING : POOL_IS_INACTIVE;
}

int reply_pool_info(struct virt_reply *r, struct err *e)
{
	if (answer_record(r, e) < 0)
		return -1;
	xdr_put(r->out, virt_pool_state(&r->record));
	xdr_put_long(r->out, line_u64(&r->record.l, "capacity", 0));
	xdr_put_long(r->out, line_u64(&r->record.l, "allocation", 0));
	xdr_put_long(r->out, line_u64(&r->record.l, "available", 0));
	return 0;
}

int reply_is_active(struct virt_reply *r, struct err *e)
{
	if (answer_record(r, e) < 0)
		return -1;
	xdr_put(r->out, virt_pool_state(&r->record) != POOL_IS_INACTIVE);
	return 0;
}

/* ---- one field ---- */

int reply_field(struct virt_reply *r, struct err *e)
{
	if (answer_record(r, e) < 0)
		return -1;
	xdr_put_text(r->out, answer_field(&r->record, r->q->row->field));
	return 0;
}

int reply_flag(struct virt_reply *r, struct err *e)
{
	if (answer_record(r, e) < 0)
		return -1;
	xdr_put(r->out, is_yes(answer_field(&r->record, r->q->row->field)));
	return 0;
}

/* Of the answer's end. */
int reply_count(struct virt_reply *r, struct err *e)
{
	if (answer_finals(r, e) < 0)
		return -1;
	xdr_put(r->out, (uint32_t)line_u64(&r->end.l, r->q->row->field, 0));
	return 0;
}

/* ---- volumes ---- */

/* A record without a key has its path for one. */
void put_volume(struct buf *out, const char *pool, const struct record_reader *v)
{
	xdr_put_text(out, pool);
	xdr_put_text(out, answer_field(v, "name"));
	xdr_put_text(out, line_has(&v->l, "key") ? answer_field(v, "key") : answer_field(v, "path"));
}

int reply_volume(struct virt_reply *r, struct err *e)
{
	if (answer_record(r, e) < 0 || answer_finals(r, e) < 0)
		return -1;
	put_volume(r->out, answer_field(&r->end, "pool"), &r->record);
	return 0;
}

/* The answer names it; the index has its key. */
int reply_made_volume(struct virt_reply *r, struct err *e)
{
	if (answer_finals(r, e) < 0)
		return -1;

	const struct pool *p = pool_by_name(r->c->peer->server->sup, answer_field(&r->end, "pool"));
	size_t len;
	const char *record = p ? volume_find(p, answer_field(&r->end, "volume"), &len) : NULL;

	if (!record)
		return err_set(e, ERR_NO_VOLUME, "volume \"%.300s\" was made, and is gone again",
		               answer_field(&r->end, "volume"));
	r->record.at = record;
	r->record.end = record + len;
	if (!record_next(&r->record))
		return err_set(e, ERR_INTERNAL, "the index of pool \"%s\" has a record that is none",
		               p->name);
	put_volume(r->out, p->name, &r->record);
	return 0;
}

static unsigned volume_kind(const char *type)
{
	static const char *const words[] = { "file", "block", "dir", "network", "netdir", "ploop" };
	unsigned i = 0;

	while (i < ARRAY_LEN(words) && !streq(words[i], type))
		i++;
	return i < ARRAY_LEN(words) ? i : 0;
}

static int put_volume_info(struct virt_reply *r, const char *size, struct err *e)
{
	if (answer_record(r, e) < 0)
		return -1;

	uint64_t allocation = line_u64(&r->record.l, "allocation", 0);

	xdr_put(r->out, volume_kind(answer_field(&r->record, "type")));
	xdr_put_long(r->out, line_u64(&r->record.l, "capacity", 0));
	xdr_put_long(r->out, line_u64(&r->record.l, size, allocation));
	return 0;
}

int reply_volume_info(struct virt_reply *r, struct err *e)
{
	return put_volume_info(r, "allocation", e);
}

/* With flag 1 the allocation is how long the volume is on its storage. */
int reply_volume_physical(struct virt_reply *r, struct err *e)
{
	return put_volume_info(r, r->q->physical ? "physical" : "allocation", e);
}

/* ---- secrets ---- */

int put_secret(struct buf *out, const struct record_reader *from, const char *uuid, struct err *e)
{
	if (put_uuid(out, answer_field(from, uuid), e) < 0)
		return -1;
	xdr_put(out, secret_usage_from_word(answer_field(from, "usage")));
	xdr_put_text(out, answer_field(from, "id"));
	return 0;
}

static bool is_asked_secret(const struct virt_request *q, const struct record_reader *s)
{
	if (!q->usage_id)
		return streq(answer_field(s, "uuid"), q->uuid);
	return secret_usage_from_word(answer_field(s, "usage")) == q->usage &&
	       streq(answer_field(s, "id"), q->usage_id);
}

/* The one that is looked for, of all of them. */
int reply_secret(struct virt_reply *r, struct err *e)
{
	const struct virt_request *q = r->q;
	for (records_of(r); record_next(&r->record);)
		if (is_asked_secret(q, &r->record))
			return put_secret(r->out, &r->record, "uuid", e);
	if (r->record.broken)
		return broken_record(r, e);
	return err_set(e, ERR_NO_SECRET, "no secret with the %s \"%.300s\"", q->usage_id ? "usage" : "uuid",
	               q->usage_id ? q->usage_id : q->uuid);
}

int reply_made_secret(struct virt_reply *r, struct err *e)
{
	return answer_finals(r, e) < 0 ? -1 : put_secret(r->out, &r->end, "secret", e);
}
