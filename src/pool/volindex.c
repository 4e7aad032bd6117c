/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index of a pool's volumes: taking its bytes apart, finding a volume in them, making them.
 */
#include "pool/volindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/line.h"
#include "base/util.h"

/* The letters as a number of 64 bits of the machine's byte order: an index of another version, or of
 * anything else, has others. */
#define MAGIC    0x3178646e696c6f76ULL /* "volindx1" */
#define ALIGN(n) (((n) + 7) & ~(size_t)7)

/* The tail stands at the end because it is known last; who reads begins with it. */
struct tail {
	uint64_t records_len, n, nslots, seed, magic;
};
_Static_assert(sizeof(struct tail) == 40, "a tail is read from where the bytes end");

static const char front[] = "- name=";
#define FRONT (sizeof(front) - 1)

uint64_t volindex_seed(void)
{
	uint64_t seed = 0x2545f4914f6cdd1dULL;

	/* Early in a boot the kernel may have no randomness yet, and does not wait for it. The seed keeps
	 * names from colliding on purpose; the number of the process is better than a constant. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed ^= (uint64_t)getpid() << 20;
	return seed | 1;
}

/* ---- reading ---- */

bool volindex_open(struct volindex *x, const void *data, size_t len)
{
	require_or(((uintptr_t)data & 7) == 0, false);

	const char *bytes = data;
	struct tail tail;
	size_t at;

	*x = (struct volindex){ .records = bytes };
	if (len == 0)
		return true;
	if (len < sizeof(tail) || len % 8)
		return false;
	memcpy(&tail, bytes + len - sizeof(tail), sizeof(tail));
	len -= sizeof(tail);
	if (tail.magic != MAGIC || tail.records_len > len || tail.n > len / sizeof(*x->entries) ||
	    tail.nslots > len / sizeof(*x->slots) || (tail.nslots & (tail.nslots - 1)) ||
	    tail.n > UINT32_MAX - 1)
		return false;
	/* No sum overflows: each part was compared with all that there is. The parts must fill it exactly,
	 * since bytes between them would be unaccounted for. */
	at = ALIGN(tail.records_len);
	if (at + tail.n * sizeof(*x->entries) + ALIGN(tail.nslots * sizeof(*x->slots)) != len)
		return false;
	*x = (struct volindex){
		.records = bytes,
		.records_len = tail.records_len,
		.entries = (const void *)(bytes + at),
		.n = tail.n,
		.slots = (const void *)(bytes + at + tail.n * sizeof(*x->entries)),
		.nslots = tail.nslots,
		.seed = tail.seed,
	};
	return true;
}

const char *volindex_record(const struct volindex *x, size_t i, size_t *len)
{
	demand_or(x && len, NULL);

	const struct volindex_entry *e = i < x->n ? &x->entries[i] : NULL;

	if (!e || e->offset > x->records_len || e->len > x->records_len - e->offset || e->len <= FRONT ||
	    x->records[e->offset + e->len - 1] != '\n')
		return NULL;
	*len = e->len;
	return x->records + e->offset;
}

long volindex_next(const struct volindex *x, uint64_t hash, size_t *at)
{
	demand_or(at, -1);
	demand_or((x->nslots & (x->nslots - 1)) == 0, -1); /* as volindex_open() leaves it */
	while (*at < x->nslots) {
		uint32_t slot = x->slots[(hash + (*at)++) & (x->nslots - 1)];
		const struct volindex_entry *e;

		if (slot == 0)
			return -1;
		/* A number that no entry has is passed over like a foreign hash. */
		if (slot > x->n)
			continue;
		e = &x->entries[slot - 1];
		if (e->name == hash || e->path == hash || e->key == hash)
			return (long)slot - 1;
	}
	return -1;
}

/* Length of the "- name=VALUE" that every record begins with. */
static size_t name_end(const char *record, size_t len)
{
	const char *p = record + FRONT, *end = record + len;

	if (len <= FRONT || memcmp(record, front, FRONT) != 0)
		return 0;
	if (*p == '"')
		for (p++; p < end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < end;
	while (p < end && *p != ' ' && *p != '\n')
		p++;
	return (size_t)(p - record);
}

bool volindex_name(const char *record, size_t len, char *out, size_t size)
{
	demand_or((record || len == 0) && out && size > 0, false);

	char copy[LINE_MAX_BYTES + 1];
	struct line l;
	size_t n = name_end(record, len);
	const char *name;

	if (n == 0 || n >= sizeof(copy))
		return false;
	memcpy(copy, record, n);
	copy[n] = '\0';
	name = line_parse_reply(copy, n, &l, NULL) < 0 ? NULL : line_get(&l, "name");
	if (!name || strlen(name) >= size)
		return false;
	memcpy(out, name, strlen(name) + 1);
	return true;
}

/* Most names need no quotes: those are compared where they lie, and only the others are taken apart. */
static bool has_name(const char *record, size_t len, const char *name)
{
	size_t n = strlen(name);
	char copy[LINE_MAX_BYTES + 1];

	if (record[FRONT] == '"')
		return volindex_name(record, len, copy, sizeof(copy)) && streq(copy, name);
	return len > FRONT + n && memcmp(record + FRONT, name, n) == 0 && record[FRONT + n] == ' ' &&
	       memcmp(record, front, FRONT) == 0;
}

/* An entry is found by a hash that may be its path's: only its name's hash counts here. */
long volindex_by_name(const struct volindex *x, const char *name)
{
	demand_or(x && name, -1);

	uint64_t hash = hash_text(x->seed, name);
	size_t at = 0, len;
	long i;

	while ((i = volindex_next(x, hash, &at)) >= 0) {
		const char *record = x->entries[i].name == hash ? volindex_record(x, (size_t)i, &len) : NULL;

		if (record && has_name(record, len, name))
			return i;
	}
	return -1;
}

size_t volindex_place(const struct volindex *x, const char *name)
{
	demand_or(x && name, 0);

	size_t low = 0, high = x->n, len;
	char at[LINE_MAX_BYTES + 1];

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *record = volindex_record(x, mid, &len);

		if (record && volindex_name(record, len, at, sizeof(at)) && strcmp(at, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- making ---- */

/* Room for one more; NULL, and the builder has failed, without memory. */
static struct volindex_item *new_item(struct volindex_builder *b)
{
	if (b->n == b->size) {
		size_t size = b->size ? b->size * 2 : 64;
		struct volindex_item *more = realloc(b->items, size * sizeof(*more));

		if (!more) {
			b->failed = true;
			return NULL;
		}
		b->items = more;
		b->size = size;
	}
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
	demand_or(e && text, );

	struct volindex_item *i = new_item(b);

	if (i)
		*i = (struct volindex_item){ *e, text };
}

struct named {
	char *name;
	struct volindex_item item;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static const char *text_of(const struct volindex_builder *b, const struct volindex_item *i)
{
	return i->text ? i->text : b->own.data + i->e.offset;
}

/* Sort the records by name, for backends that have a few volumes, as they come. Names are taken out of the
 * records once each: a comparison that parsed two of them would do it n·log(n) times. */
static bool sort(struct volindex_builder *b)
{
	struct named *order = calloc(b->n + 1, sizeof(*order));
	char name[LINE_MAX_BYTES + 1];
	bool ok = order != NULL;

	for (size_t i = 0; ok && i < b->n; i++) {
		if (!volindex_name(text_of(b, &b->items[i]), b->items[i].e.len, name, sizeof(name)))
			name[0] = '\0';
		order[i] = (struct named){ strdup(name), b->items[i] };
		ok = order[i].name != NULL;
	}
	if (ok)
		qsort(order, b->n, sizeof(*order), by_name);
	for (size_t i = 0; ok && i < b->n; i++)
		b->items[i] = order[i].item;
	for (size_t i = 0; order && i < b->n; i++)
		free(order[i].name);
	free(order);
	return ok;
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
 * that what is not written is zero. */
static void fill_map(const struct volindex_builder *b, char *map, size_t records_len, size_t nslots)
{
	struct volindex_entry *entries = (void *)(map + ALIGN(records_len));
	uint32_t *slots = (void *)(entries + b->n);
	uint64_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct volindex_entry *e = &b->items[i].e;

		memcpy(map + at, text_of(b, &b->items[i]), e->len);
		entries[i] = *e;
		entries[i].offset = at;
		at += e->len;
		insert_slot(slots, nslots, e->name, (uint32_t)i + 1);
		insert_slot(slots, nslots, e->path, (uint32_t)i + 1);
		insert_slot(slots, nslots, e->key, (uint32_t)i + 1);
	}
}

int volindex_write(struct volindex_builder *b, uint64_t seed, int fd, struct err *e)
{
	demand(fd >= 0, e);

	struct tail tail = { .n = b->n, .nslots = 8, .seed = seed, .magic = MAGIC };
	size_t hashes = 0, size;
	char *map;

	if (b->failed || b->n >= UINT32_MAX / 4 || (b->unsorted && !sort(b)))
		return err_set(e, ERR_NO_MEMORY, "cannot sort the volumes: out of memory");
	for (size_t i = 0; i < b->n; i++) {
		tail.records_len += b->items[i].e.len;
		hashes += b->items[i].e.key ? 3 : 2;
	}
	/* At most half of the slots are taken, so that a search ends after few steps, and always. */
	while (tail.nslots < 2 * hashes)
		tail.nslots *= 2;
	size = ALIGN(tail.records_len) + b->n * sizeof(struct volindex_entry) +
	       tail.nslots * sizeof(uint32_t) + sizeof(tail);
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, errno, "cannot make the volume index");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, errno, "cannot map the volume index");
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
