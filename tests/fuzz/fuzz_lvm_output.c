/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LVM's reports and device-mapper's names, whatever they hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/logical/lvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every field lies inside the text, and is a string. */
static void look(const char *text, size_t size, const struct lvm_field *f, int n)
{
	for (int i = 0; i < n; i++) {
		if (f[i].key < text || f[i].key > text + size || f[i].value < text ||
		    f[i].value + strlen(f[i].value) > text + size)
			abort();
		if (strcmp(lvm_get(f, n, f[i].key), lvm_get(f, n, f[i].key)) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text, vg[128], lv[128], uuid[39];
	struct lvm_field f[LVM_FIELDS];
	struct err e = { 0 };
	int n;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	lvm_dm_name(text, vg, sizeof(vg), lv, sizeof(lv));
	lvm_dm_vg_uuid(text, uuid);
	while ((n = lvm_next(&at, f, &e)) > 0)
		look(text, size, f, n);
	free(text);
	return 0;
}
