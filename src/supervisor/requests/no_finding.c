/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In place of finding.c in a program none of whose pool types can look for its sources.
 */
#include "backends/backend.h"
#include "base/util.h"
#include "supervisor/requests/requests.h"

void requests_kick(struct supervisor *s)
{
	(void)s;
}

int pool_find_sources(struct supervisor *s, enum pool_type type, const char *xml, size_t len,
                      uint64_t timeout, struct waiter *w, struct err *e)
{
	(void)s, (void)xml, (void)len, (void)timeout, (void)w;
	return err_set(e, ERR_UNSUPPORTED, "pools of type %s cannot be looked for%s", pool_type_word(type),
	               backend_find(type) ? "" : " by this build");
}
