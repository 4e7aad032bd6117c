/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events: a client registers for one kind of them, of one pool or secret or of all, and is told by the number
 * that it got for that.
 */
#include "control/rpc/rpc.h"

#include "base/contract.h"
#include "base/util.h"
#include "pool/secret/secret.h"

enum { EVENT_LIFECYCLE, EVENT_OTHER }; /* OTHER: a refresh of a pool, a change of a secret's value */

/* ---- registering ---- */

static bool is_same_callback(const struct virt_callback *a, const struct virt_callback *b)
{
	return a->event == b->event && a->secret == b->secret && a->any == b->any &&
	       (a->any || uuid_equal(&a->uuid, &b->uuid));
}

/* What stands in the packet is taken; the id is none yet. */
static int take_callback(struct virt_binding *b, struct virt_callback *k, struct err *e)
{
	const unsigned char *uuid = NULL;
	const char *text;

	k->event = (int32_t)xdr_number(&b->x);
	k->any = !xdr_number(&b->x);
	if (k->any)
		return b->x.broken ? virt_undecodable(e) : 0;
	if (!k->secret && virt_text(b, &text, e) < 0)
		return -1;
	uuid = xdr_fixed(&b->x, sizeof(k->uuid.b));
	if (!uuid)
		return virt_undecodable(e);
	memcpy(k->uuid.b, uuid, sizeof(k->uuid.b));
	return 0;
}

static int register_for(struct virt_binding *b, bool secret, struct buf *out, struct err *e)
{
	struct virt_session *s = b->session;
	struct virt_callback k = { .secret = secret };

	if (take_callback(b, &k, e) < 0)
		return -1;
	if (k.event != EVENT_LIFECYCLE && k.event != EVENT_OTHER)
		return err_set(e, ERR_INTERNAL, "there are no events of the kind %d", (int)k.event);
	for (size_t i = 0; i < s->ncallbacks; i++)
		if (is_same_callback(&s->callbacks[i], &k))
			return err_set(e, ERR_INVALID, "these events are told to this client already");
	if (s->ncallbacks == VIRT_CALLBACKS)
		return err_set(e, ERR_LIMIT, "a client can register for events %d times", VIRT_CALLBACKS);
	k.id = s->next_callback;
	s->next_callback = (k.id + 1) & INT32_MAX;
	s->callbacks[s->ncallbacks++] = k;
	b->p->subscribed = true;
	xdr_put(out, (uint32_t)k.id);
	return 0;
}

int events_register(struct virt_binding *b, struct buf *out, struct err *e)
{
	return register_for(b, false, out, e);
}

int events_register_secret(struct virt_binding *b, struct buf *out, struct err *e)
{
	return register_for(b, true, out, e);
}

int events_deregister(struct virt_binding *b, struct buf *out, struct err *e)
{
	struct virt_session *s = b->session;
	int32_t id = (int32_t)xdr_number(&b->x);

	(void)out;
	if (b->x.broken)
		return virt_undecodable(e);
	for (size_t i = 0; i < s->ncallbacks; i++)
		if (s->callbacks[i].id == id) {
			s->callbacks[i] = s->callbacks[--s->ncallbacks];
			b->p->subscribed = s->ncallbacks > 0;
			return 0;
		}
	return err_set(e, ERR_INTERNAL, "no events are told by the number %d", (int)id);
}

/* ---- telling ---- */

/* libvirt's numbers for what happens to a pool. */
enum { POOL_DEFINED, POOL_UNDEFINED, POOL_STARTED, POOL_STOPPED, POOL_CREATED, POOL_DELETED };
enum { SECRET_DEFINED, SECRET_UNDEFINED };

static const struct {
	const char *name;
	bool secret;
	int event, detail;
	int procedure; /* of the packet that says it */
} kinds[] = {
	{ "pool-defined", false, EVENT_LIFECYCLE, POOL_DEFINED, 370 },
	{ "pool-undefined", false, EVENT_LIFECYCLE, POOL_UNDEFINED, 370 },
	{ "pool-phase", false, EVENT_LIFECYCLE, POOL_STARTED, 370 },
	{ "pool-built", false, EVENT_LIFECYCLE, POOL_CREATED, 370 },
	{ "pool-deleted", false, EVENT_LIFECYCLE, POOL_DELETED, 370 },
	{ "pool-refreshed", false, EVENT_OTHER, 0, 373 },
	{ "secret-defined", true, EVENT_LIFECYCLE, SECRET_DEFINED, 382 },
	{ "secret-undefined", true, EVENT_LIFECYCLE, SECRET_UNDEFINED, 382 },
	{ "secret-value-changed", true, EVENT_OTHER, 0, 383 },
};

/* What happened, in libvirt's words. */
struct told_event {
	size_t kind; /* of the table */
	int detail;
	const char *pool, *usage, *id;
	struct uuid uuid;
};

static const struct event_field *event_field_of(const struct event *ev, const char *key)
{
	for (size_t i = 0; i < ev->nfields; i++)
		if (streq(ev->fields[i].key, key))
			return &ev->fields[i];
	return NULL;
}

static const char *event_text_of(const struct event *ev, const char *key)
{
	const struct event_field *f = event_field_of(ev, key);

	return f && f->text ? f->text : "";
}

/* Between phases that libvirt has no word for nothing happens. */
static bool take_phase(const struct event *ev, struct told_event *t)
{
	int from = phase_from_word(event_text_of(ev, "from")), to = phase_from_word(event_text_of(ev, "to"));

	if (from < 0 || to < 0 || phase_is_active((enum phase)from) == phase_is_active((enum phase)to))
		return false;
	t->detail = phase_is_active((enum phase)to) ? POOL_STARTED : POOL_STOPPED;
	return true;
}

/* A transient pool is not defined, it starts; and the refresh that belongs to a start is not told. */
static bool take_pool_event(struct peer *p, const struct event *ev, struct told_event *t)
{
	const struct event_field *persistent = event_field_of(ev, "persistent");

	t->pool = event_text_of(ev, "pool");

	const struct pool *pool = pool_by_name(p->server->sup, t->pool);

	if (!pool || (persistent && !persistent->number) ||
	    (kinds[t->kind].event == EVENT_OTHER && pool->life.fresh))
		return false;
	t->uuid = pool->uuid;
	return !streq(ev->name, "pool-phase") || take_phase(ev, t);
}

/* False: nobody is told of such a thing. */
static bool tell_take(struct peer *p, const struct event *ev, struct told_event *t)
{
	while (t->kind < ARRAY_LEN(kinds) && !streq(kinds[t->kind].name, ev->name))
		t->kind++;
	if (t->kind == ARRAY_LEN(kinds))
		return false;
	t->detail = kinds[t->kind].detail;
	if (!kinds[t->kind].secret)
		return take_pool_event(p, ev, t);
	t->usage = event_text_of(ev, "usage");
	t->id = event_text_of(ev, "id");
	return uuid_read(event_text_of(ev, "secret"), &t->uuid);
}

static void put_event(struct buf *out, const struct virt_callback *k, const struct told_event *t)
{
	const struct packet_header h = {
		.program = PROGRAM_REMOTE, .version = 1, .procedure = kinds[t->kind].procedure, .serial = 1
	};
	size_t start = packet_begin(out, &h, PACKET_MESSAGE, PACKET_OK);

	xdr_put(out, (uint32_t)k->id);
	if (t->pool)
		xdr_put_text(out, t->pool);
	buf_add(out, t->uuid.b, sizeof(t->uuid.b));
	if (!t->pool) {
		xdr_put(out, secret_usage_from_word(t->usage));
		xdr_put_text(out, t->id);
	}
	if (k->event == EVENT_LIFECYCLE) {
		xdr_put(out, (uint32_t)t->detail);
		xdr_put(out, 0);
	}
	packet_end(out, start, 0);
}

void virt_tell(struct peer *p, const struct event *ev)
{
	const struct virt_session *s = p->own;
	struct told_event t = { 0 };

	if (!s || !tell_take(p, ev, &t))
		return;
	for (size_t i = 0; i < s->ncallbacks; i++) {
		const struct virt_callback *k = &s->callbacks[i];
		cleanup_buf struct buf text = BUF_INIT;

		if (k->secret != kinds[t.kind].secret || k->event != kinds[t.kind].event ||
		    (!k->any && !uuid_equal(&k->uuid, &t.uuid)))
			continue;
		put_event(&text, k, &t);
		peer_event(p, &text);
	}
}
