/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volume records, as a worker that a hostile image has taken over might write them; and records of volumes
 * with such names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A record that was accepted comes back as it went. */
static void again(const struct volume *v)
{
	struct buf record = BUF_INIT, xml = BUF_INIT;
	struct volume other;
	struct line l;

	volume_print(v, &xml);
	volume_record(v, &record);
	if (record.len <= LINE_MAX_BYTES) {
		if (line_parse_reply(record.data, record.len - 1, &l, NULL) < 0 ||
		    volume_from_record(&l, &other, NULL) < 0)
			abort();
		if (strcmp(other.name, v->name) != 0 || other.capacity != v->capacity ||
		    other.inode != v->inode)
			abort();
	}
	buf_free(&record);
	buf_free(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct volume v;
	struct line l;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (line_parse_reply(text, size, &l, NULL) == 0 && volume_from_record(&l, &v, NULL) == 0)
		again(&v);
	memcpy(text, data, size);
	if (text[0]) {
		v = (struct volume){
			.name = text, .type = "file", .path = text, .key = "k", .backing = text
		};
		again(&v);
	}
	free(text);
	return 0;
}
