/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one table of backends. Which are in it is decided by src/backends/list and `make BACKENDS="…"`; nothing
 * registers itself at run time.
 *
 * A type that is not in the list is not in the program at all: its functions are referred to from here
 * alone, and the linker drops the rest.
 */
#include "backends/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"

/* BACKENDS: "BACKEND(dir)BACKEND(fs)…", from src/backends/list. */
#define BACKEND(type) extern const struct backend type##_backend;
BACKENDS
#undef BACKEND
#define BACKEND(type) &type##_backend,
static const struct backend *const backends[] = { BACKENDS NULL };

const struct backend *backend_find(enum pool_type t)
{
	for (size_t i = 0; backends[i]; i++)
		if (backends[i]->type == t)
			return backends[i];
	return NULL;
}

int backend_locate(struct pool_def *d, const char *run_dir, struct err *e)
{
	const struct backend *b = backend_find(d->type);

	return b && b->locate ? b->locate(d, run_dir, e) : 0;
}

const char *backend_modules(const struct backend *b, size_t *len)
{
	demand_or(b && b->image && len, "");

	/* "backend:TYPE:MODULES:MORE:PROGRAMS" */
	const char *at = strchr(strchr(b->image, ':') + 1, ':') + 1;

	*len = strcspn(at, ":");
	return at;
}

/* The grammar takes whatever libvirt takes; what cannot be meant is refused before anything is done. */
int backend_validate(const struct pool_def *d, struct err *e)
{
	demand(d && (unsigned)d->type < POOL_TYPES, e);

	const struct backend *b = backend_find(d->type);
	const char *path = d->target.path;

	if (path && *path != '/')
		return err_set(e, ERR_INVALID, "the target path \"%.200s\" is not absolute", path);
	for (size_t i = 0; i < d->source.nhosts; i++)
		if (d->source.hosts[i].port < 0 || d->source.hosts[i].port > UINT16_MAX)
			return err_set(e, ERR_INVALID, "host %s has no port %d: there are 1 to %d",
			               d->source.hosts[i].name, d->source.hosts[i].port, UINT16_MAX);
	return b && b->validate ? b->validate(d, e) : 0;
}

int backend_accept(const struct pool_def *d, struct err *e)
{
	const struct backend *b = backend_find(d->type);
	struct err why = { 0 };

	/* the element is ours, and means nothing else */
	if (d->mount_words && b && !b->has_mount_words)
		return err_set(e, ERR_INVALID, "a pool of type %s has no <mount>", pool_type_word(d->type));
	if (backend_validate(d, &why) == 0 || !err_is(&why, ERR_INVALID))
		return 0;
	return err_set(e, ERR_INVALID, "%s", why.message);
}
