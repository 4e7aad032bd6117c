/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The requests that one client has under way, in the order in which they came. With a codec that allows one
 * at a time there is one at most.
 */
#include "base/contract.h"
#include "control/codec.h"
#include "control/peer.h"

void calls_add(struct peer *p, struct call *c)
{
	require_or(c && !c->next && c->peer == p, );

	struct call **last = &p->calls;

	while (*last)
		last = &(*last)->next;
	*last = c;
	p->ncalls++;
	if (c->has_payload && !c->stream.messages)
		p->feeding = c;
}

/* Is there one that is so? */
static bool any(const struct peer *p, bool (*is)(const struct call *c))
{
	const struct call *c = p->calls;

	while (c && !is(c))
		c = c->next;
	return c;
}

/* One whose client has to say first that it has sent all is not over for it. */
static bool call_is_finished(const struct call *c)
{
	bool sending = c->stream.messages && c->stream.in && stream_is_open(c) && !c->failed;

	return c->stage == CALL_FINISHED && !sending;
}

bool calls_any_finished(const struct peer *p)
{
	return any(p, call_is_finished);
}

bool calls_any_streams(const struct peer *p)
{
	return any(p, stream_is_open);
}

unsigned calls_count(const struct peer *p, bool messages)
{
	unsigned n = 0;

	for (const struct call *c = p->calls; c; c = c->next)
		n += c->stream.messages == messages;
	return n;
}

struct call *calls_answerable(const struct peer *p)
{
	struct call *c = !sending_is_on(&p->files) ? p->calls : NULL;

	while (c && (!call_is_finished(c) || stream_is_open(c)))
		c = c->next;
	return c;
}
