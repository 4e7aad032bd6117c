/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sheepdog: a cluster of sheepdog servers; its virtual disks are volumes. Spec: storage.html, "Sheepdog
 * pools".
 *
 * Nothing of this machine carries such a pool: it is active while one of its hosts answers, and degraded
 * while none does. The first host of the definition that answers is asked, over TCP, or over the socket of a
 * server on this machine where a host's name is a path.
 */
#include <stdio.h>
#include "backends/sheepdog/sheepdog.h"
#include "base/util.h"

static int sheepdog_validate(const struct pool_def *d, struct err *e)
{
	for (size_t i = 0; i < d->source.nhosts; i++)
		if (d->source.hosts[i].name[0] == '/' && strlen(d->source.hosts[i].name) >= SHEEP_SOCKET)
			return err_set(e, ERR_INVALID, "%.200s is too long for the path of a socket",
			               d->source.hosts[i].name);
	return 0;
}

static int sheepdog_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct sheep s;

	if (sheep_open(&s, d, op, e) < 0)
		return -1;
	sheep_close(&s);
	return 0;
}

/* A pool that was never seen active is not there; one that was has lost its servers for now. */
static int sheepdog_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                          struct err *e)
{
	struct err why = { 0 };
	struct sheep s;

	(void)e;
	if (sheep_open(&s, d, op, &why) == 0) {
		*state = STATE_ACTIVE;
		if (detail)
			buf_printf(detail, "server=%s", s.server);
		sheep_close(&s);
		return 0;
	}
	*state = op->detail ? STATE_DEGRADED : STATE_INACTIVE;
	if (detail && op->detail)
		buf_adds(detail, op->detail);
	snprintf(op->why, sizeof(op->why), "%.390s", why.message);
	return 0;
}

static int sheepdog_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct sheep s;
	int rc;

	*sizes = (struct pool_sizes){ 0 };
	if (sheep_open(&s, d, op, e) < 0)
		return -1;
	rc = sheep_measure(&s, op, sizes, e);
	if (rc == 0)
		rc = sheep_vol_list(&s, d, op, e);
	sheep_close(&s);
	return rc;
}

const struct backend sheepdog_backend = {
	.type = POOL_SHEEPDOG,
	.summary = "a sheepdog cluster; its virtual disks",
	.waits_for = WAIT_NETWORK,
	.image = IMAGE("sheepdog", "", "", ""),
	.look_again = SECONDS(2),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(10),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.validate = sheepdog_validate,
	.check = sheepdog_check,
	.start = sheepdog_start,
	.refresh = sheepdog_refresh,
	.vol_create = sheep_vol_create,
	.vol_delete = sheep_vol_delete,
	.vol_resize = sheep_vol_resize,
	.vol_wipe = sheep_vol_wipe,
	.vol_open = sheep_vol_open,
	.vol_transfer = sheep_vol_transfer,
};
