/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: what a Ceph cluster answers about an image, and about its room. The first byte of the input
 * says which question was asked. Texts end where there is room for them; the sizes of a pool add up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Types of which not every program has the whole are tested from their sources. */
#include "backends/rbd/header.c"
#include "backends/rbd/room.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static void read_texts(const void *answer, size_t len)
{
	struct rbd_parent p;
	struct rbd_snapshot s;
	char text[5];

	if (rbd_read_parent(answer, len, &p))
		expect(strlen(p.namespace) < RBD_TEXT && strlen(p.image) < RBD_TEXT);
	if (rbd_read_snapshot(answer, len, &s))
		expect(strlen(s.name) < RBD_TEXT);
	if (rbd_read_text(answer, len, text, sizeof(text)))
		expect(strlen(text) < sizeof(text) && strlen(text) + 4 <= len);
}

static void read_numbers(const void *answer, size_t len)
{
	uint64_t n, ids[4];
	unsigned order;
	size_t count;

	if (rbd_read_size(answer, len, &n, &order))
		expect(len >= 9 && order < 64);
	if (rbd_read_snapshot_ids(answer, len, ids, ARRAY_LEN(ids), &count))
		expect(count <= len / 8);
	for (uint64_t size = 0; size < 100000; size += 33333)
		if (rbd_read_object_map(answer, len, size, 4096, &n))
			expect(n <= size);
}

static void read_room(const char *answer, size_t len)
{
	struct pool_sizes sizes = { 0 };
	char *json = copy_bytes(answer, len), fill[40];

	if (!json)
		abort();
	if (rbd_room_read(json, "rbd", &sizes))
		expect(sizes.capacity == sizes.allocation + sizes.available && sizes.capacity > 0);
	rbd_room_read_cluster(json, fill, sizeof(fill));
	expect(strlen(fill) < sizeof(fill) - 1);
	free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of its own size, so that reading behind the end is seen */
	char *copy;

	if (!size)
		return 0;
	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (*data % 3 == 0)
		read_texts(copy, size - 1);
	else if (*data % 3 == 1)
		read_numbers(copy, size - 1);
	else
		read_room(copy, size - 1);
	free(copy);
	return 0;
}
