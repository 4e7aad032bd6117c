/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * At the end of the machine: companions let go of storage that does not answer. One worker watches all of it.
 */
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "supervisor/work/worker.h"

#define ITS_END SECONDS(1) /* of the worker's time */

/* The worker reads it in its copy of our memory. */
static struct letting_go order;

static void say_let_go(struct op *op, const char *text)
{
	worker_send_note(op->arg, text);
}

static int run_let_go(struct worker_io *io, void *arg, struct err *e)
{
	struct supervisor *s = arg;
	struct op op = { .deadline = io->deadline - ITS_END, .arg = io, .on_note = say_let_go };
	struct service_view v;

	(void)e;
	for (size_t i = 0; service_at(s, i, &v); i++)
		if (v.service->let_go)
			v.service->let_go(&op, order.patience);
	return 0;
}

static void on_let_go(struct worker *w, const struct line *l)
{
	(void)w;
	if (!line_has(l, "note"))
		return;
	log_error(LF_POOL, "%s", line_get(l, "note"));
	if (order.on_gone)
		order.on_gone(order.arg);
}

static void on_watched(struct worker *w, const struct err *e, bool left)
{
	(void)w, (void)e, (void)left;
}

void supervisor_let_go(struct supervisor *s, const struct letting_go *l)
{
	struct task task = { .what = "let-go",
		             .timeout = l->within,
		             .run = run_let_go,
		             .arg = s,
		             .on_record = on_let_go,
		             .on_done = on_watched };
	struct err e = { 0 };

	order = *l;
	if (s->services && !worker_start(s, &task, &e))
		log_error(LF_POOL, "%s", e.message);
}
