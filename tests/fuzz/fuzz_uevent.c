/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: uevent messages. Every pointer of an accepted message points to a string inside it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/uevent.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct uevent u;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (uevent_parse(copy, size, &u)) {
		const char *const all[] = {
			u.action, u.devpath, u.subsystem, u.devname, u.devtype, u.modalias
		};

		if (!u.action || !u.devpath || u.devpath[0] != '/')
			abort();
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			if (all[i] && (all[i] < copy || all[i] + strlen(all[i]) >= copy + size))
				abort();
	}
	free(copy);
	return 0;
}
