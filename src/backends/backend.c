/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one table of backends. Which are in it is decided by `make BACKENDS="…"`; nothing registers itself at run time.
 */
#include "backends/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/util.h"

static const struct backend *const backends[] = {
#ifdef WITH_dir
	&dir_backend,
#endif
#ifdef WITH_fs
	&fs_backend,
#endif
#ifdef WITH_netfs
	&netfs_backend,
#endif
#ifdef WITH_logical
	&logical_backend,
#endif
#ifdef WITH_iscsi
	&iscsi_backend,
#endif
	NULL
};

const struct backend *backend_find(enum pool_type t)
{
	for (size_t i = 0; backends[i]; i++)
		if (backends[i]->type == t)
			return backends[i];
	return NULL;
}

void op_note(struct op *op, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!op || !op->on_note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	op->on_note(op, text);
}
