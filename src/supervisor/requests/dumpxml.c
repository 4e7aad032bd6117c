/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's document for those who ask: printed by a worker, which reads the definition again.
 */
#include "base/util.h"
#include "supervisor/requests/requests.h"
#include "supervisor/work/work.h"

/* The text may be missing for want of memory, although the worker went well. */
static void after_print(struct request *r, const struct err *e)
{
	struct err lost = { 0 };

	if (!e && !r->text) {
		err_set(&lost, ERR_NO_MEMORY, "cannot print the document: out of memory");
		e = &lost;
	}
	request_end(r, e);
}

int pool_dumpxml(struct pool *p, bool inactive, struct waiter *w, struct err *e)
{
	struct pool_view view;
	struct operation o = { .pool = &view, .live = !inactive && pool_is_active(p) };
	struct request *r = request_new(p->sup, p->name, w, e);

	if (!r)
		return -1;
	view_fill(&view, p);
	return request_run(r, "print", DEADLINE_PARSE, operation_print, &o, after_print, e) < 0
	               ? request_refuse(r)
	               : 0;
}
