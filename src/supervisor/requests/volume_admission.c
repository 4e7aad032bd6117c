/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which operation on a volume is let in: one volume has one writer, or readers; a pool that a job works in is
 * not stopped.
 */
#include <inttypes.h>
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/requests/requests.h"
#include "supervisor/requests/volume_jobs.h"

/* Does job j have that volume? One that only reads it (a copy, a download) shares it with others that
 * read. */
static bool has_volume(const struct volume_job *j, const char *pool, const char *name, bool write)
{
	bool writes = j->operation != VOLUME_DOWNLOAD;

	if (!j->let_in)
		return false;
	if (j->name && streq(j->pool_name, pool) && streq(j->name, name) && (write || writes))
		return true;
	return write && j->input && j->input_pool && streq(j->input_pool->name, pool) &&
	       streq(j->input, name);
}

/* May the job have that volume, to write or to read? */
static int claim(const struct volume_job *j, const char *pool, const char *name, bool write, struct err *e)
{
	for (const struct volume_job *k = j->sup->jobs; k; k = k->next)
		if (k != j && has_volume(k, pool, name, write))
			return err_set(e, ERR_BUSY,
			               "volume \"%s\" of pool \"%s\" is in use by job %" PRIu64
			               " (%s; job-list shows it, job-cancel ends it)",
			               name, pool, k->number, k->verb);
	return 0;
}

int job_check_pool(const struct pool *p, struct err *e)
{
	if (p->phase == PHASE_HUNG)
		return err_set(e, ERR_HUNG, "pool \"%s\" is hung: %s", p->name,
		               p->reason.text ? p->reason.text : "the storage does not answer");
	if (p->phase != PHASE_ACTIVE && p->phase != PHASE_DEGRADED)
		return err_set(e, ERR_STATE, "pool \"%s\" is not active (%s)", p->name, phase_word(p->phase));
	return 0;
}

int job_let_in(struct volume_job *j, struct err *e)
{
	demand(j->name && !j->let_in, e);

	bool create = j->operation == VOLUME_CREATE;
	size_t len;

	if (!j->pool || (j->input && !j->input_pool))
		return err_set(e, ERR_NO_POOL, "pool \"%s\" is no longer defined", j->pool_name);
	if (job_check_pool(j->pool, e) < 0 || (j->input_pool && job_check_pool(j->input_pool, e) < 0))
		return -1;
	if (claim(j, j->pool->name, j->name, j->operation != VOLUME_DOWNLOAD, e) < 0)
		return -1;
	if (j->input && claim(j, j->input_pool->name, j->input, false, e) < 0)
		return -1;
	if (create && volume_find(j->pool, j->name, &len))
		return err_set(e, ERR_EXISTS, "volume \"%s\" exists already in pool \"%s\"", j->name,
		               j->pool->name);
	j->let_in = true;
	return 0;
}

bool volume_jobs_admit_stop(const struct pool *p, const char *what, struct err *e)
{
	for (const struct volume_job *j = p->sup->jobs; j; j = j->next)
		if (j->counted && (j->pool == p || j->input_pool == p)) {
			err_set(e, ERR_BUSY,
			        "cannot %s pool \"%s\": job %" PRIu64
			        " (%s%s%s) works in it (job-cancel ends it)",
			        what, p->name, j->number, j->verb, j->name ? " of " : "",
			        j->name ? j->name : "");
			return false;
		}
	return true;
}
