/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: the mount table. Every entry is complete, and its strings lie inside the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mountinfo.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	const char *begin, *end;
};

static int look(const struct mount_entry *m, void *arg)
{
	const char *const all[] = { m->root, m->target, m->options, m->fstype, m->source, m->super_options };
	const struct text *t = arg;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!all[i] || all[i] < t->begin || all[i] + strlen(all[i]) > t->end)
			abort();
	if (m->id < 0 || m->parent < 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	struct text t = { copy, copy + size };

	if (!copy)
		abort();
	memcpy(copy, data, size);
	copy[size] = '\0';
	mountinfo_parse(copy, look, &t);
	free(copy);
	return 0;
}
