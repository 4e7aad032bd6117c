/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Deadline and progress of long loops.
 *
 * A loop that copies a terabyte has to end at its deadline, and whoever waits for it wants to see it move.
 * Both are looked at between two pieces, so that a piece must be short beside the deadline.
 */
#include "volumes/pace.h"
#include "base/contract.h"

#define TELL_EVERY 200 /* ms */

static void tell_progress(struct pace *p, uint64_t now)
{
	p->told = now;
	if (p->op->on_progress)
		p->op->on_progress(p->op, p->done, p->total > p->done ? p->total : p->done);
}

int pace_step(struct pace *p, uint64_t n, struct err *e)
{
	require(p->op, e);

	uint64_t now = clock_ms();

	p->done += n;
	if (now >= p->told + TELL_EVERY)
		tell_progress(p, now);
	if (now >= p->op->deadline)
		return err_set(e, ERR_TIMEOUT, "cannot %s: not done in time, after %llu of %llu bytes",
		               p->doing, (unsigned long long)p->done, (unsigned long long)p->total);
	return 0;
}

void pace_end(struct pace *p)
{
	demand_or(p->op, );
	tell_progress(p, clock_ms());
}
