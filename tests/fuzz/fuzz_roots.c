/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: the value of root=. What is taken is what the rest of the boot can do something with: a pool's
 * name, a volume's, or a device's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "boot/root/roots.h"
#include "pool/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_bytes(data, size);
	struct root_list list = { .n = 0 };
	struct arena a = { 0 };
	struct err e = { 0 };

	if (!text)
		abort();
	if (roots_parse(text, &a, &list, &e) < 0 && (list.n || !e.message[0]))
		abort();
	for (size_t i = 0; i < list.n; i++) {
		const struct root *r = &list.items[i];

		if ((r->kind == ROOT_VOLUME) != (r->volume != NULL))
			abort();
		if (r->kind == ROOT_DEVICE ? !check_device(r->name) : !check_pool_name(r->name))
			abort();
		if (strchr(r->text, ',') || !strstr(text, r->text))
			abort();
	}
	(void)roots_is_fstype(text);
	arena_free(&a);
	free(text);
	return 0;
}
