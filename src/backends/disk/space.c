/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is free on a disk, and where a new partition goes. Plain arithmetic: nothing is read.
 */
#include "backends/disk/table.h"

#include <stdlib.h>
#include "base/util.h"

static int extent_compare(const void *a, const void *b)
{
	const struct free_span *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static uint64_t align_up(uint64_t at, uint64_t grain)
{
	return (at + grain - 1) / grain * grain;
}

/* What is taken, of the disk or of the extended partition. A sector that describes a logical partition is
 * taken, too; libfdisk keeps a whole grain before one free for it, wherever it is. The first of them, where
 * the extended partition begins, is in nobody's way: no partition begins within a grain of it, and libfdisk
 * puts another such sector beside it. */
static size_t space_taken(const struct partition_table *t, bool logical, struct free_span *out)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct partition *p = &t->list[i];

		if (p->whole || p->size == 0 || (p->kind == PARTITION_LOGICAL) != logical)
			continue;
		out[n++] = (struct free_span){ p->start - (logical ? least(p->start, t->grain) : 0),
			                       p->start + p->size };
	}
	for (size_t i = 1; logical && i < t->nlinks; i++)
		out[n++] = (struct free_span){ t->links[i], t->links[i] + t->sector };
	qsort(out, n, sizeof(*out), extent_compare);
	return n;
}

size_t space_free(const struct partition_table *t, bool logical, struct free_span *out, size_t max)
{
	const struct partition *extended = table_extended(t);
	struct free_span taken[2 * PARTITIONS_MAX];
	uint64_t at = t->first, end = t->end;
	size_t n = 0, count;

	if (logical) {
		at = extended ? extended->start : 0;
		end = extended ? extended->start + extended->size : 0;
	}
	count = space_taken(t, logical, taken);
	for (size_t i = 0; i < count && n < max && at < end; i++) {
		if (taken[i].start > at)
			out[n++] = (struct free_span){ at, least(taken[i].start, end) };
		at = larger(at, taken[i].end);
	}
	if (n < max && at < end)
		out[n++] = (struct free_span){ at, end };
	return n;
}

/* In front of a logical partition there is the sector that describes it, a grain before it as libfdisk has
 * it. */
static uint64_t first_start(const struct partition_table *t, bool logical, uint64_t from)
{
	return align_up(from, t->grain) + (logical ? t->grain : 0);
}

bool space_place(const struct partition_table *t, bool logical, uint64_t size, struct free_span *out,
                 uint64_t *largest)
{
	struct free_span list[2 * PARTITIONS_MAX + 1];
	size_t n = space_free(t, logical, list, ARRAY_LEN(list));
	uint64_t best = UINT64_MAX;

	*largest = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t start = first_start(t, logical, list[i].start), room = list[i].end - list[i].start;

		if (start >= list[i].end)
			continue;
		*largest = larger(*largest, list[i].end - start);
		if (list[i].end - start >= size && room < best) {
			best = room;
			*out = (struct free_span){ start, start + size };
		}
	}
	return best != UINT64_MAX;
}

uint64_t space_room(const struct partition_table *t, const struct partition *p)
{
	bool logical = p->kind == PARTITION_LOGICAL;
	struct free_span list[2 * PARTITIONS_MAX + 1];
	size_t n = space_free(t, logical, list, ARRAY_LEN(list));

	for (size_t i = 0; i < n; i++)
		if (list[i].start == p->start + p->size)
			return list[i].end - p->start;
	return p->size;
}

/* pc98 counts cylinders. */
uint64_t space_round_up(const struct partition_table *t, uint64_t size)
{
	uint64_t unit = t->label == LABEL_PC98 ? t->grain : t->sector;

	return size > UINT64_MAX - unit ? UINT64_MAX / unit * unit : align_up(size, unit);
}
