/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Directories of definitions read once more: a change of definitions like any other, which waits for its
 * turn, and is over when the last of them has been read.
 */
#include "base/log.h"
#include "base/util.h"
#include "supervisor/config/registry.h"
#include "supervisor/requests/requests.h"

/* It is its turn: no definition is changed meanwhile. */
static void begin_reload(struct request *r)
{
	struct supervisor *s = r->sup;
	struct err e = { 0 };

	if (sources_reload(s, &e)) {
		reload_on_source(s);
		return;
	}
	if (!r->waiters) /* asked for by a signal: nobody else is told */
		log_error(LF_CONFIG, "cannot read the definitions again: %s", e.message);
	request_end(r, &e);
}

/* When all have been read, whoever asked is told. */
void reload_on_source(struct supervisor *s)
{
	struct request *r = s->changing;

	if (r && r->change == begin_reload && !sources_reloading(s))
		request_end(r, NULL);
}

int supervisor_reload(struct supervisor *s, struct waiter *w, struct err *e)
{
	struct request *r = request_new(s, NULL, w, e);

	if (r)
		request_change(r, begin_reload);
	return r ? 0 : -1;
}
