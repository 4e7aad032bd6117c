/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether two pools stand on the same: the facts of their definitions (identity.c) are compared. The servers
 * that they name are compared in servers.c.
 */
#include <stdio.h>
#include "backends/identity.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"

/* By the table of types: of those whose definition says all of it, and of those without a backend here, which
 * may be somebody else's on the same machine. */
static int identify_by_fields(const struct pool_def *d, struct buf *facts, struct err *e)
{
	unsigned stands_on = pool_type_info(d->type)->stands_on;

	for (size_t i = 0; i < d->source.ndevices && (stands_on & ON_DEVICES); i++)
		if (check_device(d->source.devices[i].path)) /* zpool has words of its own as well */
			identity_device(d->source.devices[i].path, NULL, facts);
	if (d->target.path && (stands_on & ON_DIRECTORY)) {
		const struct places *t = places_now(e);

		if (!t)
			return -1;
		identity_path(t, d->target.path, IDENTITY_PLACE, facts);
	}
	return 0;
}

int backend_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const struct backend *b = backend_find(d->type);

	if ((b && b->identify ? b->identify(d, op, facts, e) : identify_by_fields(d, facts, e)) < 0)
		return -1;
	return facts->failed ? err_set(e, ERR_NO_MEMORY,
	                               "cannot say what pool \"%s\" stands on: out of memory", d->name)
	                     : 0;
}

/* ---- two pools ---- */

/* clang-format off */
static const struct kind { const char *key; const char *differ, *same; } kinds[] = {
	{ "dev=",      "%s and %s are the same device",                "both are on device %s" },
	{ "lun=",      "%s and %s are two paths to the same disk",     "both are on the disk %s" },
	{ "scsihost=", "%s and %s are the same SCSI host",             "both have %s" },
	{ "partuuid=", "%s and %s are the same partition",             "both are on %s" },
	{ "fsuuid=",   "%s and %s are disks of the same filesystem", "both are on the filesystem %s" },
	{ "vg=",       "%s and %s are the same volume group",          "both are volume group %s" },
	{ "place=",    "%s and %s are the same directory",             "both have the target %s" },
	{ "files=",    "%s and %s hold the same files",                "both have the files at %s" },
};
/* clang-format on */

/* Length of the fact at `line` without its spelling. */
static size_t fact_len(const char *line)
{
	return strcspn(line, " \n");
}

/* What stands behind the fact, for people. */
static void spelling_of(const char *line, char *out, size_t size)
{
	const char *s = line + fact_len(line);

	s += *s == ' ';
	snprintf(out, size, "%.*s", (int)strcspn(s, "\n"), s);
}

/* The same fact among those of another pool; NULL: it has none such. */
static const char *find_fact(const char *facts, const char *fact, size_t n)
{
	for (const char *p = facts; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (fact_len(p) == n && memcmp(p, fact, n) == 0)
			return p;
	return NULL;
}

/* The sentence's format is one of the table's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* In one sentence, and with one name where both pools use the same. */
static void sentence(const struct kind *k, const char *a, const char *b, char *out, size_t size)
{
	char mine[256], yours[256];

	spelling_of(a, mine, sizeof(mine));
	spelling_of(b, yours, sizeof(yours));
	if (streq(mine, yours))
		snprintf(out, size, k->same, mine);
	else
		snprintf(out, size, k->differ, mine, yours);
}
#pragma GCC diagnostic pop

bool identity_shared(const char *a, const char *b, char *out, size_t size)
{
	demand_or(a && b && out && size > 0, false);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (const char *p = a; *p; p += strcspn(p, "\n"), p += *p == '\n') {
			const char *other = starts_with(p, kinds[i].key) ? find_fact(b, p, fact_len(p))
			                                                 : NULL;

			if (!other)
				continue;
			sentence(&kinds[i], p, other, out, size);
			return true;
		}
	return false;
}
