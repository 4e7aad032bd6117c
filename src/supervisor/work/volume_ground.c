/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume may be what another pool stands on: a LUN of the one is the disk of the other. The kernel keeps
 * nobody from writing to a disk whose partitions nobody has mounted, so that whoever writes looks here first.
 *
 * A pool that runs has said what it stands on when it was started; of one that is being started the
 * definition tells.
 */
#include "backends/identity.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/work/work.h"

bool volumes_are_devices(enum pool_type type)
{
	const struct backend *b = backend_find(type);

	return b && b->vol_identify;
}

/* Does what has these facts carry the pool? */
static bool carries(const struct pool_view *p, const char *facts, struct op *op, char *words, size_t size)
{
	cleanup_buf struct buf theirs = BUF_INIT;
	cleanup_pool_def struct pool_def def = { 0 };

	if (phase_is_active(p->phase) && p->identity)
		return identity_shared(facts, p->identity, words, size);
	return pool_read(&def, p->xml, strlen(p->xml), p->origin, NULL) == 0 &&
	       backend_identify(&def, op, &theirs, NULL) == 0 &&
	       identity_shared(facts, buf_str(&theirs), words, size);
}

int volume_check_ground(const struct backend *b, const struct volume_work *work, const struct volume *v,
                        struct op *op, struct err *e)
{
	demand(b && work->sup && work->pool && v->name && op, e);

	cleanup_buf struct buf facts = BUF_INIT;
	struct pool_views others = { 0 };
	char words[512];
	int rc = 0;

	if (!b->vol_identify)
		return 0;
	b->vol_identify(v, &facts);
	if (facts.failed || views_of(work->sup, POOLS_RUNNING, &others) < 0)
		return err_set(e, ERR_NO_MEMORY, "cannot tell who uses volume \"%s\": out of memory",
		               v->name);
	for (const struct pool_view *p = others.list; rc == 0 && p < others.list + others.n; p++)
		if (!streq(p->name, work->pool->name) && (pool_type_info(p->type)->stands_on & ON_DEVICES) &&
		    carries(p, buf_str(&facts), op, words, sizeof(words)))
			rc = err_set(e, ERR_BUSY,
			             "volume \"%s\" is what pool \"%s\" stands on (%s): nothing was written "
			             "(pool-destroy stops that pool)",
			             v->name, p->name, words);
	free(others.list);
	return rc;
}
