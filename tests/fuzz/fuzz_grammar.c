/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --validate on any bytes: a verdict, and with a refusal a reason that says where.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/grammar/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (enum grammar g = GRAMMAR_POOL; g <= GRAMMAR_SECRET; g++) {
		struct err e = { 0 };

		if (grammar_check(g, (const char *)data, size, "fuzz", &e) == 0) {
			if (e.class != ERR_NONE)
				abort();
		} else if (e.class == ERR_NONE || strncmp(e.message, "fuzz:", 5) != 0) {
			abort();
		}
	}
	return 0;
}
