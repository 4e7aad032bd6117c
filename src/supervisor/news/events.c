/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What happens: told to listeners at once, and kept in a ring so that a client that comes later can catch up.
 *
 * Events are numbered without gaps from 1 on, per supervisor. The ring is bounded by bytes, not by events:
 * how much memory it takes does not depend on how long the reasons are that events carry. One that no memory
 * could be had for leaves a gap in the numbers, by which a client knows that it has missed something.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/news/news.h"

#define RING_BYTES (32 * 1024)

/* ---- making one ---- */

/* A field more. One that there is no room for would be missing in silence: EVENT_FIELDS is to grow then. */
static void event_keep(struct event *ev, struct event_field f)
{
	require_or(f.key && ev->nfields < EVENT_FIELDS, );
	ev->fields[ev->nfields++] = f;
}

void event_str(struct event *ev, const char *key, const char *text)
{
	if (text)
		event_keep(ev, (struct event_field){ .key = key, .kind = EVENT_TEXT, .text = text });
}

void event_num(struct event *ev, const char *key, uint64_t number)
{
	event_keep(ev, (struct event_field){ .key = key, .kind = EVENT_NUMBER, .number = number });
}

void event_flag(struct event *ev, const char *key, bool flag)
{
	event_keep(ev, (struct event_field){ .key = key, .kind = EVENT_FLAG, .number = flag });
}

/* ---- the ring: the name, then of each field the kind (a byte), the key, and the text or the number ---- */

/* Append the event as the ring has it. Numbers are not aligned there, and are copied byte by byte. */
static void pack(struct buf *b, const struct event *ev)
{
	buf_add(b, ev->name, strlen(ev->name) + 1);
	for (size_t i = 0; i < ev->nfields; i++) {
		const struct event_field *f = &ev->fields[i];

		buf_addc(b, (char)f->kind);
		buf_add(b, f->key, strlen(f->key) + 1);
		if (f->kind == EVENT_TEXT)
			buf_add(b, f->text, strlen(f->text) + 1);
		else
			buf_add(b, &f->number, sizeof(f->number));
	}
}

/* The texts stay where they are. */
static void unpack(const struct past_event *past, struct event *ev)
{
	const char *at = past->packed, *end = at + past->len;

	*ev = (struct event){ .name = at, .seq = past->seq, .ts = past->ts };
	for (at += strlen(at) + 1; at < end; ev->nfields++) {
		struct event_field *f = &ev->fields[ev->nfields];

		f->kind = (enum event_kind) * at++;
		f->key = at;
		at += strlen(at) + 1;
		if (f->kind == EVENT_TEXT) {
			f->text = at;
			at += strlen(at) + 1;
		} else {
			memcpy(&f->number, at, sizeof(f->number));
			at += sizeof(f->number);
		}
	}
}

/* Put it at the end of the ring, and let the oldest go that have no room any more; the newest stays, however
 * long it is. */
static void remember(struct event_ring *r, const struct event *ev)
{
	cleanup_buf struct buf b = BUF_INIT;

	pack(&b, ev);
	struct past_event *past = b.failed ? NULL : malloc(sizeof(*past) + b.len);
	if (!past)
		return; /* an event that nobody can replay: seq shows the gap */
	*past = (struct past_event){ .seq = ev->seq, .ts = ev->ts, .len = b.len };
	memcpy(past->packed, b.data, b.len);
	if (!r->first)
		r->last = &r->first;
	*r->last = past;
	r->last = &past->next;
	r->bytes += sizeof(*past) + past->len;
	while (r->bytes > RING_BYTES && r->first->next) {
		struct past_event *old = r->first;

		r->first = old->next;
		r->bytes -= sizeof(*old) + old->len;
		free(old);
	}
}

void events_emit(struct supervisor *s, struct event *ev)
{
	demand_or(ev && ev->name, );
	ev->seq = ++s->ring.seq;
	ev->ts = clock_ms();
	remember(&s->ring, ev);
	/* a listener may remove itself when it is told */
	for (struct listener *l = s->listeners, *next; l; l = next) {
		next = l->next;
		if (l->on_event)
			l->on_event(l, ev);
	}
}

void events_phase(struct pool *p, enum phase from)
{
	struct supervisor *s = p->sup;
	struct event ev = { .name = "pool-phase" };

	event_str(&ev, "pool", p->name);
	event_str(&ev, "from", phase_word(from));
	event_str(&ev, "to", phase_word(p->phase));
	event_str(&ev, "reason", p->reason.text);
	event_str(&ev, "waits", p->reason.waits_for);
	events_emit(s, &ev);
	for (struct listener *l = s->listeners, *next; l; l = next) {
		next = l->next;
		if (l->on_phase)
			l->on_phase(l, p, from);
	}
}

uint64_t events_forgotten(const struct supervisor *s, uint64_t since)
{
	uint64_t oldest = s->ring.first ? s->ring.first->seq : s->ring.seq + 1;

	return oldest > since + 1 ? oldest - since - 1 : 0;
}

void events_replay(const struct supervisor *s, uint64_t since,
                   void (*tell)(void *arg, const struct event *ev), void *arg)
{
	demand_or(tell, );
	for (const struct past_event *past = s->ring.first; past; past = past->next) {
		struct event ev;

		if (past->seq <= since)
			continue;
		unpack(past, &ev);
		tell(arg, &ev);
	}
}

void events_free(struct supervisor *s)
{
	while (s->ring.first) {
		struct past_event *past = s->ring.first;

		s->ring.first = past->next;
		free(past);
	}
}

void listener_add(struct supervisor *s, struct listener *l)
{
	/* one that is there already would make the list a circle */
	for (const struct listener *k = s->listeners; k; k = k->next)
		require_or(k != l, );
	l->next = s->listeners;
	s->listeners = l;
}

void listener_remove(struct supervisor *s, struct listener *l)
{
	for (struct listener **p = &s->listeners; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			return;
		}
}

void milestone(struct supervisor *s, const char *name)
{
	demand_or(name, );
	if (s->nmilestones == MILESTONES)
		return;
	s->milestones[s->nmilestones++] = (struct milestone){ name, clock_ms() };
}

const struct milestone *milestones(const struct supervisor *s, size_t *n)
{
	*n = s->nmilestones;
	return s->milestones;
}
