/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index of a pool's volumes: making one, and an overlay of one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/line.h"
#include "base/random.h"
#include "base/util.h"
#include "pool/volindex_bytes.h"

uint64_t volindex_seed(void)
{
	uint64_t seed;

	random_fill(&seed, sizeof(seed));
	return seed | 1;
}

/* ---- gathering ---- */

static bool items_grow(struct volindex_builder *b, size_t size)
{
	struct volindex_item *more = realloc(b->items, size * sizeof(*more));

	if (!more) {
		b->failed = true;
		return false;
	}
	b->items = more;
	b->size = size;
	return true;
}

/* Room for one more; NULL, and the builder has failed, without memory. */
static struct volindex_item *new_item(struct volindex_builder *b)
{
	if (b->n == b->size && !items_grow(b, b->size ? b->size * 2 : 64))
		return NULL;
	return &b->items[b->n++];
}

/* VOLINDEX_RAW is for a raw file with bytes in it. If those look like an image later, a guest has written
 * them, and the file stays raw (look.c); an empty file may be given any content. */
static uint32_t flags_of(const struct volume *v)
{
	if (!streq(v->type, "file"))
		return 0;
	return VOLINDEX_FILE |
	       (v->format && streq(v->format, "raw") && !v->encryption && !v->problem && v->physical
	                ? VOLINDEX_RAW
	                : 0);
}

bool volindex_add(struct volindex_builder *b, const struct volume *v, uint64_t seed, bool in_order)
{
	require_or(v->name, false);

	size_t before = b->own.len;
	struct volindex_item *i;

	volume_record(v, &b->own);
	if (!b->own.failed && b->own.len - before > LINE_MAX_BYTES) {
		b->own.len = before;
		return false;
	}
	i = b->own.failed ? NULL : new_item(b);
	if (!i) {
		b->failed = true;
		return true;
	}
	b->unsorted |= !in_order;
	*i = (struct volindex_item){ .e = {
					     .offset = before,
					     .len = (uint32_t)(b->own.len - before),
					     .flags = flags_of(v),
					     .name = hash_text(seed, v->name),
					     .path = v->path ? hash_text(seed, v->path) : 0,
					     .inode = v->inode,
					     .size = v->physical,
					     .allocation = v->allocation,
					     .key = v->key && !streq_null(v->key, v->path)
		                                            ? hash_text(seed, v->key)
		                                            : 0,
					     .atime = v->atime.sec,
					     .mtime = v->mtime.sec,
					     .ctime = v->ctime_.sec,
					     .atime_nsec = v->atime.nsec,
					     .mtime_nsec = v->mtime.nsec,
					     .ctime_nsec = v->ctime_.nsec,
				     } };
	return true;
}

void volindex_keep(struct volindex_builder *b, const struct volindex_entry *e, const char *text)
{
	demand_or(e, );

	struct volindex_item *i = new_item(b);

	if (i)
		*i = (struct volindex_item){ *e, text };
}

/* ---- an overlay ---- */

/* Take over x's own changes, up to that one. */
static void take_changes(struct volindex_builder *b, size_t until)
{
	const struct volindex_part *over = &b->over->over;

	for (; b->next < until; b->next++) {
		const struct volindex_entry *e = &over->entries[b->next];
		size_t len;
		const char *record = volindex_record_in(over, e, &len);

		if (record || (e->flags & VOLINDEX_GONE))
			volindex_keep(b, e, record ? record : "");
	}
}

void volindex_overlay_until(struct volindex_builder *b, const char *name)
{
	bool changed;

	take_changes(b, volindex_change(b->over, name, &changed));
	b->next += changed;
	b->mark = b->n;
	b->place = volindex_place(b->over, name, &b->there);
}

void volindex_overlay_set(struct volindex_builder *b)
{
	struct volindex_entry gone = { .flags = VOLINDEX_GONE }, *e = &gone;

	if (b->n > b->mark) {
		e = &b->items[b->n - 1].e;
		e->flags = (e->flags & VOLINDEX_FACTS) | (b->there ? VOLINDEX_REPLACES : 0);
	}
	e->place = (uint32_t)b->place;
	if (e != &gone || !b->there)
		return;
	gone.name = b->over->base.entries[b->place].name;
	volindex_keep(b, &gone, "");
}

void volindex_overlay_end(struct volindex_builder *b)
{
	take_changes(b, b->over->over.n);
	if (b->n >= 2 * volindex_overlay_limit(b->over))
		volindex_fold(b);
}

/* Take over what the base has, up to that entry. */
static void keep_base(struct volindex_builder *b, const struct volindex_part *base, size_t *next,
                      size_t until)
{
	for (; *next < until; ++*next) {
		const struct volindex_entry *e = &base->entries[*next];
		size_t len;
		const char *record = volindex_record_in(base, e, &len);

		if (record)
			volindex_keep(b, e, record);
	}
}

void volindex_fold(struct volindex_builder *b)
{
	struct volindex_builder whole = { .own = b->own, .failed = b->failed };
	size_t next = 0;

	if (!b->over || !items_grow(&whole, b->over->base.n + b->n + 1)) {
		b->failed |= whole.failed;
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		const struct volindex_entry *e = &b->items[i].e;

		keep_base(&whole, &b->over->base, &next, e->place);
		next += (e->flags & (VOLINDEX_REPLACES | VOLINDEX_GONE)) != 0;
		if (!(e->flags & VOLINDEX_GONE))
			volindex_keep(&whole, e, b->items[i].text);
	}
	keep_base(&whole, &b->over->base, &next, b->over->base.n);
	free(b->items);
	*b = whole;
}

/* ---- writing ---- */

static const char *text_of(const struct volindex_builder *b, const struct volindex_item *i)
{
	return i->text ? i->text : b->own.data + i->e.offset;
}

static int by_name(const void *a, const void *b)
{
	const struct volindex_item *const items[] = { a, b };
	char names[2][LINE_MAX_BYTES + 1];

	for (int i = 0; i < 2; i++)
		if (!volindex_name(items[i]->text, items[i]->e.len, names[i], sizeof(names[i])))
			names[i][0] = '\0';
	return strcmp(names[0], names[1]);
}

/* For backends that have a few volumes, as they come. */
static void sort(struct volindex_builder *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->items[i].text = text_of(b, &b->items[i]);
	if (b->n)
		qsort(b->items, b->n, sizeof(*b->items), by_name);
}

/* Open addressing: the next free slot counts. A hash of 0 is none (no key of its own). */
static void insert_slot(uint32_t *slots, size_t nslots, uint64_t hash, uint32_t value)
{
	if (!hash)
		return;
	while (slots[hash & (nslots - 1)])
		hash++;
	slots[hash & (nslots - 1)] = value;
}

/* Lay out the index in its mapping: records, entries with their new offsets, slots. The file was empty, so
 * that what is not written is zero. Where an entry stands over a base means nothing in an index without one.
 */
static void fill_map(const struct volindex_builder *b, char *map, size_t records_len, size_t nslots)
{
	struct volindex_entry *entries = (void *)(map + VOLINDEX_ALIGN(records_len));
	uint32_t *slots = (void *)(entries + b->n);
	uint64_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct volindex_entry *e = &b->items[i].e;

		memcpy(map + at, text_of(b, &b->items[i]), e->len);
		entries[i] = *e;
		entries[i].offset = at;
		if (!b->over) {
			entries[i].flags &= VOLINDEX_FACTS;
			entries[i].place = 0;
		}
		at += e->len;
		insert_slot(slots, nslots, e->name, (uint32_t)i + 1);
		insert_slot(slots, nslots, e->path, (uint32_t)i + 1);
		insert_slot(slots, nslots, e->key, (uint32_t)i + 1);
	}
}

int volindex_write(struct volindex_builder *b, uint64_t seed, int fd, struct err *e)
{
	demand(fd >= 0, e);

	struct volindex_tail tail = { .n = b->n,
		                      .nslots = 8,
		                      .seed = seed,
		                      .id = b->over ? b->over->id : volindex_seed(),
		                      .magic = b->over ? VOLINDEX_MAGIC_OVER : VOLINDEX_MAGIC };
	size_t hashes = 0, size;
	char *map;

	if (b->failed || b->n >= UINT32_MAX / 4)
		return err_set(e, ERR_NO_MEMORY, "cannot sort the volumes: out of memory");
	if (b->unsorted)
		sort(b);
	for (size_t i = 0; i < b->n; i++) {
		tail.records_len += b->items[i].e.len;
		hashes += b->items[i].e.key ? 3 : 2;
	}
	/* At most half of the slots are taken, so that a search ends after few steps, and always. */
	while (tail.nslots < 2 * hashes)
		tail.nslots *= 2;
	size = VOLINDEX_ALIGN(tail.records_len) + b->n * sizeof(struct volindex_entry) +
	       tail.nslots * sizeof(uint32_t) + sizeof(tail);
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, errno, "cannot make the volume index");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, errno, "cannot make the volume index");
	fill_map(b, map, tail.records_len, tail.nslots);
	memcpy(map + size - sizeof(tail), &tail, sizeof(tail));
	munmap(map, size);
	return 0;
}

void volindex_builder_free(struct volindex_builder *b)
{
	free(b->items);
	buf_free(&b->own);
	*b = (struct volindex_builder){ 0 };
}
