/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What happens, as lines ready to send: kept in a ring so that a client that comes later can catch up, and told to listeners at once.
 */
#include <stdarg.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/internal.h"

#define RING_BYTES (32 * 1024)

static void ring_add(struct event_ring *r, uint64_t seq, const struct buf *line)
{
	struct event_line *l = line->failed ? NULL : malloc(sizeof(*l) + line->len + 1);

	if (!l)
		return;                 /* an event that nobody can replay: seq shows the gap */
	l->next = NULL;
	l->seq = seq;
	l->len = line->len;
	memcpy(l->text, line->data, line->len + 1);
	if (!r->first)
		r->last = &r->first;
	*r->last = l;
	r->last = &l->next;
	r->bytes += l->len;
	while (r->bytes > RING_BYTES && r->first->next) {
		struct event_line *old = r->first;

		r->first = old->next;
		r->bytes -= old->len;
		free(old);
	}
}

/* One event: its line is begun by event_begin(), extended by the caller, and sent by event_send(). */
static void event_begin(struct supervisor *s, struct buf *b, const char *event)
{
	line_begin(b, "!");
	line_num(b, "seq", ++s->ring.seq);
	line_fmt(b, "ts", "%llu", (unsigned long long)clock_ms());
	line_str(b, "event", event);
}

static void event_send(struct supervisor *s, struct buf *b)
{
	line_end(b);
	ring_add(&s->ring, s->ring.seq, b);
	for (struct listener *l = s->listeners, *next; l; l = next) {
		next = l->next;
		if (l->on_event && !b->failed)
			l->on_event(l, s->ring.seq, b->data, b->len);
	}
	buf_free(b);
}

void events_emit(struct supervisor *s, const char *event, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	event_begin(s, &b, event);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	event_send(s, &b);
}

void events_phase(struct pool *p, enum phase from)
{
	struct supervisor *s = p->sup;
	struct buf b = BUF_INIT;

	event_begin(s, &b, "pool-phase");
	line_str(&b, "pool", p->name);
	line_str(&b, "from", phase_word(from));
	line_str(&b, "to", phase_word(p->phase));
	line_str(&b, "reason", p->reason);
	line_str(&b, "waits", p->waits_for);
	event_send(s, &b);
	for (struct listener *l = s->listeners, *next; l; l = next) {
		next = l->next;
		if (l->on_phase)
			l->on_phase(l, p, from);
	}
}

void events_replay(struct supervisor *s, uint64_t since, struct buf *out, uint64_t *lost)
{
	uint64_t oldest = s->ring.first ? s->ring.first->seq : s->ring.seq + 1;

	*lost = oldest > since + 1 ? oldest - since - 1 : 0;
	for (const struct event_line *l = s->ring.first; l; l = l->next)
		if (l->seq > since)
			buf_add(out, l->text, l->len);
}

void events_free(struct supervisor *s)
{
	while (s->ring.first) {
		struct event_line *l = s->ring.first;

		s->ring.first = l->next;
		free(l);
	}
}

void listener_add(struct supervisor *s, struct listener *l)
{
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
	if (s->nmilestones == MILESTONES)
		return;
	s->milestones[s->nmilestones++] = (struct milestone){ name, clock_ms() };
}

const struct milestone *milestones(const struct supervisor *s, size_t *n)
{
	*n = s->nmilestones;
	return s->milestones;
}
