/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Replies that are lists. That of a pool's volumes may be long: its items are made of the pool's index, where
 * that lies, straight into the bytes that are sent.
 */
#include "control/rpc/rpc.h"

#include <string.h>

#include "base/contract.h"
#include "base/util.h"

/* ---- items of plain words ---- */

static size_t padded(size_t len)
{
	return (len + 3) / 4 * 4;
}

/* A text where there is room for it; returns where the next one goes. */
static char *put_plain(char *to, const char *text, size_t len)
{
	size_t room = padded(len);

	xdr_write(to, (uint32_t)len);
	if (room > len)
		xdr_write(to + room, 0); /* the bytes behind the text */
	memcpy(to + 4, text, len);
	return to + 4 + room;
}

/* Some texts, one after the other. */
static void add_plain(struct buf *out, const struct plain_field *texts, size_t n)
{
	size_t most = 0;

	for (size_t i = 0; i < n; i++)
		most += 4 + padded(texts[i].len);

	char *to = buf_extend(out, most);

	for (size_t i = 0; to && i < n; i++)
		to = put_plain(to, texts[i].at, texts[i].len);
}

/* ---- lists of an answer's records ---- */

/* The items, of which there are n, have been written behind the place of their number. */
static int end_list(struct virt_reply *r, size_t count_at, uint32_t n, uint32_t all, struct err *e)
{
	if (r->record.broken)
		return broken_record(r, e);
	if (r->q->most && all > LIST_MOST)
		return err_set(e, ERR_TOO_LONG, "%u are too many for one list, which has at most %d", all,
		               LIST_MOST);
	if (!r->out->failed)
		xdr_write(r->out->data + count_at, n);
	return 0;
}

/* One name, or whatever else an item is. -1: e is filled. */
typedef int put_item_fn(struct buf *out, const struct record_reader *from, struct err *e);

/* Those of the records that fit; their number comes before them. */
static int put_list(struct virt_reply *r, put_item_fn *put, bool counted, struct err *e)
{
	size_t count_at = r->out->len;
	uint32_t n = 0, all = 0;

	xdr_put(r->out, 0);
	for (records_of(r); record_next(&r->record); all++) {
		if (n >= r->q->most)
			continue;
		if (put(r->out, &r->record, e) < 0)
			return -1;
		n++;
	}
	if (counted)
		xdr_put(r->out, all);
	return end_list(r, count_at, n, all, e);
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

static int put_listed_secret(struct buf *out, const struct record_reader *from, struct err *e)
{
	return put_secret(out, from, "uuid", e);
}

int reply_secrets(struct virt_reply *r, struct err *e)
{
	return put_list(r, put_listed_secret, true, e);
}

/* The records have the names, in the order of the pools themselves, which have the rest. */
int reply_pools(struct virt_reply *r, struct err *e)
{
	const struct pool *p = pool_first(r->c->peer->server->sup);
	size_t count_at = r->out->len;
	uint32_t n = 0, all = 0;

	xdr_put(r->out, 0);
	for (records_of(r); record_next(&r->record);) {
		const struct pool *found = p;

		while (found && !streq(found->name, answer_field(&r->record, "name")))
			found = found->next;
		if (!found) /* it has gone since */
			continue;
		p = found->next;
		all++;
		if (n >= r->q->most)
			continue;
		xdr_put_text(r->out, found->name);
		buf_add(r->out, found->uuid.b, sizeof(found->uuid.b));
		n++;
	}
	xdr_put(r->out, all);
	return end_list(r, count_at, n, all, e);
}

/* ---- the volumes of a pool ---- */

/* One record of the index as an item of the list: pool, name and key, or the name alone. */
static bool add_listed(struct buf *out, const struct pool *p, bool name_only, size_t i)
{
	const struct volindex_entry *entry = volindex_entry(&p->volumes.index, i);
	size_t len;
	const char *record = volindex_record(&p->volumes.index, i, &len);

	if (!record)
		return false;

	/* a record without a key has its path for one */
	struct plain_field item[] = { { "pool", p->name, strlen(p->name) },
		                      { .key = "name" },
		                      { .key = entry->key ? "key" : "path" } };
	cleanup_reader struct record_reader v = { .at = record, .end = record + len };

	if (record_plain(record, len, item + 1, name_only ? 1 : 2)) {
		add_plain(out, item + name_only, name_only ? 1 : 3);
		return true;
	}
	if (!record_next(&v))
		return false;
	if (name_only)
		xdr_put_text(out, answer_field(&v, "name"));
	else
		put_volume(out, p->name, &v);
	return true;
}

/* Of a reply, before its first item. */
#define LIST_HEAD (PACKET_HEAD + 4)

/* The reply's bytes are made here, with room in front of them for what comes first. */
void reply_take_index(struct call *c, const int fds[2], const struct file_part *parts, size_t n)
{
	const struct pool *p = pool_by_name(c->peer->server->sup, call_arg(c, "pool"));
	struct virt_request *q = c->own;
	struct volindex_walk walk = { 0 };

	(void)fds;
	(void)parts;
	(void)n;
	/* The list is too long, or is not wanted: the reply says so. */
	if (!p || p->volumes.count > LIST_MOST || q->most == 0 || q->row->reply == reply_count)
		return;
	buf_add(&c->records, (char[LIST_HEAD]){ 0 }, LIST_HEAD);
	for (long i; q->listed < q->most && (i = volindex_walk(&p->volumes.index, &walk)) >= 0;) {
		if (!add_listed(&c->records, p, q->row->reply == reply_volume_names, (size_t)i)) {
			q->broken = true;
			return;
		}
		q->listed++;
	}
	volumes_were_read(p);
}

/* The items are there, with room for the head: unless others wait before them they are not copied. */
static void put_items(struct virt_reply *r)
{
	struct buf *items = &r->c->records, *out = r->out;

	if (r->start == 0 && items->len && !items->failed && !out->failed) {
		struct buf head = *out;

		memcpy(items->data, head.data, PACKET_HEAD);
		xdr_write(items->data + PACKET_HEAD, r->q->listed);
		*out = *items;
		*items = head;
		return;
	}
	xdr_put(out, r->q->listed);
	if (items->len)
		buf_add(out, items->data + LIST_HEAD, items->len - LIST_HEAD);
	out->failed |= items->failed;
}

static int put_volumes(struct virt_reply *r, bool counted, struct err *e)
{
	if (answer_finals(r, e) < 0)
		return -1;

	uint64_t all = line_u64(&r->end.l, "volumes", 0);

	if (all > LIST_MOST && r->q->most)
		return err_set(
			e, ERR_TOO_LONG,
			"pool \"%s\" has %llu volumes, and one list of this protocol at most %d: each can "
			"be looked up by its name, and \"poolctl vol-list\" shows them all",
			answer_field(&r->end, "pool"), (unsigned long long)all, LIST_MOST);
	if (r->q->broken)
		return broken_record(r, e);
	put_items(r);
	if (counted)
		xdr_put(r->out, (uint32_t)all);
	return 0;
}

int reply_volumes(struct virt_reply *r, struct err *e)
{
	return put_volumes(r, true, e);
}

int reply_volume_names(struct virt_reply *r, struct err *e)
{
	return put_volumes(r, false, e);
}
