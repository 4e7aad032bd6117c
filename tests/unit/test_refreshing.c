/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What follows from a refresh that went well.
 */
#include "supervisor/steps/refreshing.c"

#include <string.h>
#include "check.h"

/* Thin pools and snapshots: nothing tells how full they are. */
static void what_fills_up_is_looked_at_and_is_in_nobodys_way(void)
{
	struct loop loop;
	struct supervisor s = { .loop = &loop };
	struct pool p = { .sup = &s,
		          .name = (char *)(uintptr_t) "p",
		          .type = POOL_DIR,
		          .phase = PHASE_ACTIVE,
		          .want.active = true,
		          .reason.fill = (char *)(uintptr_t) "tp0 data=41.27%",
		          .work = { .updating = true, .found = STATE_ACTIVE, .fresh_index = -1 },
		          .volumes = { .base.fd = index_new(NULL), .over.fd = -1 } };
	struct pool_view view;
	struct update u;

	CHECK_INT(loop_init(&loop, NULL), 0);
	p.tries.retry = (struct timer){ .on_expiry = pool_on_clock, .owner = &p };
	refreshed(&p, backend_find(POOL_DIR));
	CHECK(p.tries.retry.armed && p.tries.retry.deadline <= clock_ms() + SLOW_LOOK);
	/* a volume that is made meanwhile is looked at by its maker */
	CHECK(update_prepare(&u, &p, &view, "new"));
	update_drop(&u);
	CHECK(!p.want.refresh);
	pool_on_clock(&p.tries.retry);
	CHECK(p.want.refresh);
	loop_disarm(&loop, &p.tries.retry);
	close(p.volumes.base.fd);
	loop_close(&loop);
}

int main(void)
{
	RUN(what_fills_up_is_looked_at_and_is_in_nobodys_way);
	return check_done();
}
