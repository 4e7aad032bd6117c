/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disk image headers: every answer is a known format, a size that can be, and strings that end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size, uint64_t file_size)
{
	struct image i;

	image_probe(data, size, file_size, &i);
	if (!i.format || i.capacity > INT64_MAX || !memchr(i.backing, 0, sizeof(i.backing)) ||
	    !memchr(i.backing_format, 0, sizeof(i.backing_format)) || !memchr(i.problem, 0, sizeof(i.problem)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size < IMAGE_HEADER_BYTES ? size : IMAGE_HEADER_BYTES, size);
	check(data, size < IMAGE_HEADER_BYTES ? size : IMAGE_HEADER_BYTES, INT64_MAX);
	return 0;
}
