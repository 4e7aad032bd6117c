/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two pools on the same storage, however it is spelled. The registry compares definitions as texts, and
 * refuses those that are equal; here, in a worker, what they mean is compared: devices by number and content,
 * directories by filesystem and path.
 *
 * Nobody else's storage is asked for it. A pool that runs has said what it stands on when it was started; of
 * one that does not run the source devices are looked at and the mount table is read.
 */
#include "backends/identity.h"
#include "base/contract.h"
#include "base/util.h"
#include "supervisor/work/work.h"

/* What a pool of that type stands on: ON_DEVICES, ON_DIRECTORY, ON_SERVER. */
static unsigned stands_on(enum pool_type t)
{
	return pool_type_info(t)->stands_on;
}

/* One definition that is compared with all pools. Its facts are asked for once, and only if there is a pool
 * to compare it with. */
struct comparison {
	const struct pool_def *d;
	struct op *op;
	bool asked;
	struct buf mine; /* facts of d, once they were asked for */
	struct err *e;
};

static int conflict_found(const struct comparison *c, const struct pool_view *p, const char *words)
{
	return err_set(c->e, ERR_CONFLICT, "pool \"%s\" has the same source as pool \"%s\" (%s): %s",
	               c->d->name, p->name, p->origin, words);
}

/* Another pool that does not run, by one of its definitions. */
static int compare_definition(const struct comparison *c, const struct pool_view *p, enum pool_type type,
                              const char *target, const char *xml)
{
	unsigned common = stands_on(type) & stands_on(c->d->type);
	bool as_found = (stands_on(type) & ON_DIRECTORY) && !pool_type_info(type)->mounts;
	cleanup_buf struct buf theirs = BUF_INIT;
	cleanup_pool_def struct pool_def def = { 0 };
	unsigned asked = (common & ON_DIRECTORY ? IDENTITY_PLACE : 0) | (as_found ? IDENTITY_FILES : 0);
	const struct places *places = target && asked ? places_now(NULL) : NULL;
	const struct backend *b = backend_find(c->d->type);
	char words[512];

	if (places)
		identity_path(places, target, asked, &theirs);
	if (!as_found && (common & (ON_DEVICES | ON_SERVER)) &&
	    pool_read(&def, xml, strlen(xml), p->origin, NULL) == 0) {
		if (common & ON_DEVICES)
			backend_identify(&def, c->op, &theirs, NULL);
		if ((common & ON_SERVER) && b && b->same_server &&
		    b->same_server(c->d, &def, words, sizeof(words)))
			return conflict_found(c, p, words);
	}
	return !theirs.failed && identity_shared(buf_str(&c->mine), buf_str(&theirs), words, sizeof(words))
	               ? conflict_found(c, p, words)
	               : 0;
}

/* A pool that runs has said what it stands on when it was started, which is not asked again; one that has a
 * definition for later is compared by both. */
static int compare_pool(const struct comparison *c, const struct pool_view *p, enum conflict_with with)
{
	char words[512];
	int rc = 0;

	if (phase_is_active(p->phase) && p->identity) {
		if (identity_shared(buf_str(&c->mine), p->identity, words, sizeof(words)))
			return conflict_found(c, p, words);
		if (stands_on(p->type) & stands_on(c->d->type) & ON_SERVER)
			rc = compare_definition(c, p, p->type, NULL, p->xml);
	} else {
		rc = compare_definition(c, p, p->type, p->target, p->xml);
	}
	if (rc == 0 && p->has_next && with == CONFLICT_DEFINED)
		rc = compare_definition(c, p, p->next_type, p->next_target, p->next_xml);
	return rc;
}

/* Can the two have anything in common, by their types? */
static bool is_candidate(const struct comparison *c, const struct pool_view *p, enum conflict_with with)
{
	unsigned theirs = stands_on(p->type);

	if (with == CONFLICT_DEFINED && p->has_next)
		theirs |= stands_on(p->next_type);
	return !streq(p->name, c->d->name) && (theirs & stands_on(c->d->type));
}

/* May a start do without the look? Devices are searched for it, and pools that wait look often. A volume
 * group has one name, and names are compared by the registry; what is a part of one is refused as a
 * filesystem by what it holds. A device that is not there stands in nobody's way. */
static bool is_beyond_doubt(const struct comparison *c, const struct pool_view *p)
{
	const struct pool_type_info *mine = pool_type_info(c->d->type);

	if (mine->labels_devices || pool_type_info(p->type)->labels_devices)
		return true;
	return c->mine.len && (mine->required & FIELD_DEVICE) && !strstr(buf_str(&c->mine), "dev=");
}

/* A pool that is being started already goes first: it was forked before us, so that of two only the second
 * sees the other. What cannot be found out is no conflict. */
int conflict_check(const struct pool_views *others, const struct pool_def *d, struct op *op,
                   enum conflict_with with, struct err *e)
{
	demand(others && d && d->name && op, e);

	struct comparison c = { .d = d, .op = op, .e = e };
	int rc = 0;

	for (size_t i = 0; i < others->n && rc == 0; i++) {
		const struct pool_view *p = &others->list[i];

		if (!is_candidate(&c, p, with) || (with == CONFLICT_RUNNING && is_beyond_doubt(&c, p)))
			continue;
		if (!c.asked && backend_identify(d, op, &c.mine, NULL) < 0)
			break;
		c.asked = true;
		if (with == CONFLICT_RUNNING && is_beyond_doubt(&c, p))
			break;
		rc = compare_pool(&c, p, with);
	}
	buf_free(&c.mine);
	return rc;
}
