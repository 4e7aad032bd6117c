/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From an answer to a reply: fields of the verb's records, which were kept as lines, in the order and the
 * form of the procedure. A list of volumes is the only one that may be long: its records are read from the
 * pool's index and made into items at once.
 */
#include "control/rpc/rpc.h"

#include "base/contract.h"
#include "base/line.h"
#include "base/util.h"
#include "pool/secret/secret.h"
#include "pool/volume.h"

/* ---- lines ---- */

/* Where somebody has come who reads records, and the one that was read last. */
struct record_reader {
	const char *at, *end;
	struct line l;
	char text[LINE_MAX_BYTES + 1];
};

/* The next record in r->l. False: there is none. */
static bool record_next(struct record_reader *r)
{
	const char *lf = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;
	size_t len = lf ? (size_t)(lf - r->at) : 0;

	if (!lf || len > LINE_MAX_BYTES)
		return false;
	memcpy(r->text, r->at, len);
	r->text[len] = '\0';
	r->at = lf + 1;
	return line_parse_reply(r->text, len, &r->l, NULL) == 0;
}

static void records_of(const struct virt_reply *r, struct record_reader *reader)
{
	reader->at = buf_str(&r->c->records);
	reader->end = reader->at + r->c->records.len;
}

/* The only record of an answer. */
static int answer_record(const struct virt_reply *r, struct record_reader *reader, struct err *e)
{
	records_of(r, reader);
	return record_next(reader) ? 0
	                           : err_set(e, ERR_INTERNAL, "%s has answered nothing", r->c->verb->name);
}

/* The fields of the answer's end, as a line of their own. */
static int answer_finals(const struct virt_reply *r, struct record_reader *reader, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;

	buf_adds(&line, "-");
	buf_add(&line, buf_str(&r->c->finals), r->c->finals.len);
	buf_adds(&line, "\n");
	reader->at = buf_str(&line);
	reader->end = reader->at + line.len;

	bool found = record_next(reader);

	reader->at = reader->end = NULL; /* the line goes: what was read of it is the reader's */
	return found ? 0 : err_set(e, ERR_INTERNAL, "%s has answered nothing", r->c->verb->name);
}

static const char *answer_field(const struct record_reader *r, const char *key)
{
	const char *value = line_get(&r->l, key);

	return value ? value : "";
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
	struct record_reader reader;

	return answer_record(r, &reader, e) < 0 ? -1 : put_pool(r->out, &reader, "name", e);
}

int reply_made_pool(struct virt_reply *r, struct err *e)
{
	struct record_reader reader;

	return answer_finals(r, &reader, e) < 0 ? -1 : put_pool(r->out, &reader, "pool", e);
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
	struct record_reader reader;

	if (answer_record(r, &reader, e) < 0)
		return -1;
	xdr_put(r->out, virt_pool_state(&reader));
	xdr_put_long(r->out, line_u64(&reader.l, "capacity", 0));
	xdr_put_long(r->out, line_u64(&reader.l, "allocation", 0));
	xdr_put_long(r->out, line_u64(&reader.l, "available", 0));
	return 0;
}

int reply_is_active(struct virt_reply *r, struct err *e)
{
	struct record_reader reader;

	if (answer_record(r, &reader, e) < 0)
		return -1;
	xdr_put(r->out, virt_pool_state(&reader) != POOL_IS_INACTIVE);
	return 0;
}

/* ---- one field ---- */

int reply_field(struct virt_reply *r, struct err *e)
{
	struct record_reader reader;

	if (answer_record(r, &reader, e) < 0)
		return -1;
	xdr_put_text(r->out, answer_field(&reader, r->q->row->field));
	return 0;
}

int reply_flag(struct virt_reply *r, struct err *e)
{
	struct record_reader reader;

	if (answer_record(r, &reader, e) < 0)
		return -1;
	xdr_put(r->out, is_yes(answer_field(&reader, r->q->row->field)));
	return 0;
}

/* Of the answer's end. */
int reply_count(struct virt_reply *r, struct err *e)
{
	struct record_reader reader;

	if (answer_finals(r, &reader, e) < 0)
		return -1;
	xdr_put(r->out, (uint32_t)line_u64(&reader.l, r->q->row->field, 0));
	return 0;
}

/* ---- lists ---- */

/* Those of the records that fit; their number comes before them. -1: e is filled. */
static int put_list(struct virt_reply *r,
                    int (*put)(struct buf *, const struct record_reader *, struct err *), bool counted,
                    struct err *e)
{
	cleanup_buf struct buf items = BUF_INIT;
	struct record_reader reader;
	uint32_t n = 0, all = 0;

	for (records_of(r, &reader); record_next(&reader); all++) {
		if (n >= r->q->most)
			continue;
		if (put(&items, &reader, e) < 0)
			return -1;
		n++;
	}
	if (r->q->most && all > LIST_MOST)
		return err_set(e, ERR_TOO_LONG, "%u are too many for one list, which has at most %d", all,
		               LIST_MOST);
	xdr_put(r->out, n);
	buf_add(r->out, buf_str(&items), items.len);
	if (counted)
		xdr_put(r->out, all);
	r->out->failed |= items.failed;
	return 0;
}

static int put_listed_pool(struct buf *out, const struct record_reader *from, struct err *e)
{
	return put_pool(out, from, "name", e);
}

int reply_pools(struct virt_reply *r, struct err *e)
{
	return put_list(r, put_listed_pool, true, e);
}

static int put_name(struct buf *out, const struct record_reader *from, struct err *e)
{
	(void)e;
	xdr_put_text(out, answer_field(from, "name"));
	return 0;
}

static int put_uuid_text(struct buf *out, const struct record_reader *from, struct err *e)
{
	(void)e;
	xdr_put_text(out, answer_field(from, "uuid"));
	return 0;
}

int reply_names(struct virt_reply *r, struct err *e)
{
	return put_list(r, streq(r->q->row->field, "uuid") ? put_uuid_text : put_name, false, e);
}

/* ---- volumes ---- */

/* A record without a key has its path for one. */
static void put_volume(struct buf *out, const char *pool, const struct record_reader *v)
{
	xdr_put_text(out, pool);
	xdr_put_text(out, answer_field(v, "name"));
	xdr_put_text(out, line_has(&v->l, "key") ? answer_field(v, "key") : answer_field(v, "path"));
}

int reply_volume(struct virt_reply *r, struct err *e)
{
	struct record_reader volume, end;

	if (answer_record(r, &volume, e) < 0 || answer_finals(r, &end, e) < 0)
		return -1;
	put_volume(r->out, answer_field(&end, "pool"), &volume);
	return 0;
}

/* The answer names it; the index has its key. */
int reply_made_volume(struct virt_reply *r, struct err *e)
{
	struct record_reader end, volume;

	if (answer_finals(r, &end, e) < 0)
		return -1;

	const struct pool *p = pool_by_name(r->c->peer->server->sup, answer_field(&end, "pool"));
	size_t len;
	const char *record = p ? volume_find(p, answer_field(&end, "volume"), &len) : NULL;

	if (!record)
		return err_set(e, ERR_NO_VOLUME, "volume \"%.300s\" was made, and is gone again",
		               answer_field(&end, "volume"));
	volume.at = record;
	volume.end = record + len;
	if (!record_next(&volume))
		return err_set(e, ERR_INTERNAL, "the index of pool \"%s\" has a record that is none",
		               p->name);
	put_volume(r->out, p->name, &volume);
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
	struct record_reader v;

	if (answer_record(r, &v, e) < 0)
		return -1;

	uint64_t allocation = line_u64(&v.l, "allocation", 0);

	xdr_put(r->out, volume_kind(answer_field(&v, "type")));
	xdr_put_long(r->out, line_u64(&v.l, "capacity", 0));
	xdr_put_long(r->out, line_u64(&v.l, size, allocation));
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

/* ---- volumes, many ---- */

#define INDEX_CHUNK (64 * 1024)

/* One record of the index as an item of the list. */
static void add_item(struct call *c, const char *pool, const struct record_reader *v)
{
	const struct virt_request *q = c->own;

	if (q->row->reply == reply_volumes)
		put_volume(&c->records, pool, v);
	else
		xdr_put_text(&c->records, answer_field(v, "name"));
}

/* A part of the index's file, some records at a time. False: it could not be read. */
static bool take_part(struct call *c, const char *pool, int fd, const struct file_part *part, char *chunk)
{
	struct virt_request *q = c->own;
	uint64_t at = part->at, end = part->at + part->len;
	struct record_reader reader;

	while (at < end && q->listed < q->most) {
		size_t want = (size_t)least(end - at, INDEX_CHUNK);
		ssize_t n = pread(fd, chunk, want, (off_t)at);

		if (n <= 0)
			return false;
		reader.at = chunk;
		reader.end = chunk + n;
		while (q->listed < q->most && record_next(&reader)) {
			add_item(c, pool, &reader);
			q->listed++;
		}
		if (reader.at == chunk) /* no whole record in so many bytes */
			return false;
		at += (uint64_t)(reader.at - chunk);
	}
	return true;
}

void reply_take_index(struct call *c, const int fds[2], const struct file_part *parts, size_t n)
{
	const struct virt_request *q = c->own;
	const char *pool = call_arg(c, "pool");
	const struct pool *p = pool_by_name(c->peer->server->sup, pool);

	/* The list is too long, or is not wanted: the reply says so. */
	if (!p || p->volumes.count > LIST_MOST || q->most == 0 || q->row->reply == reply_count)
		return;

	cleanup_free char *chunk = malloc(INDEX_CHUNK);

	c->records.failed |= !chunk;
	for (size_t i = 0; chunk && i < n; i++)
		c->records.failed |= !take_part(c, pool, fds[parts[i].file], &parts[i], chunk);
}

static int put_items(struct virt_reply *r, bool counted, struct err *e)
{
	struct record_reader end;

	if (answer_finals(r, &end, e) < 0)
		return -1;

	uint64_t all = line_u64(&end.l, "volumes", 0);

	if (all > LIST_MOST && r->q->most)
		return err_set(
			e, ERR_TOO_LONG,
			"pool \"%s\" has %llu volumes, and one list of this protocol at most %d: each can "
			"be looked up by its name, and \"poolctl vol-list\" shows them all",
			answer_field(&end, "pool"), (unsigned long long)all, LIST_MOST);
	xdr_put(r->out, r->q->listed);
	buf_add(r->out, buf_str(&r->c->records), r->c->records.len);
	if (counted)
		xdr_put(r->out, (uint32_t)all);
	return 0;
}

int reply_volumes(struct virt_reply *r, struct err *e)
{
	return put_items(r, true, e);
}

int reply_volume_names(struct virt_reply *r, struct err *e)
{
	return put_items(r, false, e);
}

/* ---- secrets ---- */

static int put_secret(struct buf *out, const struct record_reader *from, const char *uuid, struct err *e)
{
	if (put_uuid(out, answer_field(from, uuid), e) < 0)
		return -1;
	xdr_put(out, secret_usage_from_word(answer_field(from, "usage")));
	xdr_put_text(out, answer_field(from, "id"));
	return 0;
}

static int put_listed_secret(struct buf *out, const struct record_reader *from, struct err *e)
{
	return put_secret(out, from, "uuid", e);
}

int reply_secrets(struct virt_reply *r, struct err *e)
{
	return put_list(r, put_listed_secret, true, e);
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
	struct record_reader s;

	for (records_of(r, &s); record_next(&s);)
		if (is_asked_secret(q, &s))
			return put_secret(r->out, &s, "uuid", e);
	return err_set(e, ERR_NO_SECRET, "no secret with the %s \"%.300s\"", q->usage_id ? "usage" : "uuid",
	               q->usage_id ? q->usage_id : q->uuid);
}

int reply_made_secret(struct virt_reply *r, struct err *e)
{
	struct record_reader end;

	return answer_finals(r, &end, e) < 0 ? -1 : put_secret(r->out, &end, "secret", e);
}
