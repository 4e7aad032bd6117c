/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index of a pool's volumes: taking its bytes apart, finding a volume in them.
 */
#include "pool/volindex.h"

#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/line.h"
#include "base/util.h"
#include "pool/volindex_bytes.h"

#define SMALL   256           /* volumes: so few are written whole in no time */
#define CHANGES 512           /* in an overlay, at most, when it begins to be worn */
#define MOST    (8 * CHANGES) /* nobody who is honest lays more over a base */
#define HIDES   (VOLINDEX_REPLACES | VOLINDEX_GONE)
/* Slots that one search looks at. At most half of them are taken, and the hashes are seeded: a search that is
 * longer was made so, to keep us. */
#define PROBES 1024

static const char front[] = "- name=";
#define FRONT (sizeof(front) - 1)

/* ---- the bytes ---- */

/* Take apart what stands in one file: a base or an overlay. NULL: there is no such part. */
static const struct volindex_tail *open_part(struct volindex_part *p, uint64_t magic, const void *data,
                                             size_t len)
{
	const char *bytes = data;
	const struct volindex_tail *tail;
	size_t at;

	if (len < sizeof(*tail) || len % 8)
		return NULL;
	len -= sizeof(*tail);
	tail = (const void *)(bytes + len);
	if (tail->magic != magic || tail->records_len > len || tail->n > len / sizeof(*p->entries) ||
	    tail->nslots > len / sizeof(*p->slots) || (tail->nslots & (tail->nslots - 1)) ||
	    tail->n > UINT32_MAX - 1)
		return NULL;
	/* No sum overflows: each part was compared with all that there is. The parts must fill it exactly,
	 * since bytes between them would be unaccounted for. */
	at = VOLINDEX_ALIGN(tail->records_len);
	if (at + tail->n * sizeof(*p->entries) + VOLINDEX_ALIGN(tail->nslots * sizeof(*p->slots)) != len)
		return NULL;
	*p = (struct volindex_part){
		.records = bytes,
		.records_len = tail->records_len,
		.entries = (const void *)(bytes + at),
		.n = tail->n,
		.slots = (const void *)(bytes + at + tail->n * sizeof(*p->entries)),
		.nslots = tail->nslots,
	};
	return tail;
}

bool volindex_open(struct volindex *x, const void *data, size_t len)
{
	require_or(((uintptr_t)data & 7) == 0, false);

	const struct volindex_tail *tail;

	*x = (struct volindex){ .base.records = data };
	tail = open_part(&x->base, VOLINDEX_MAGIC, data, len);
	if (!tail)
		return len == 0;
	x->n = x->base.n;
	x->seed = tail->seed;
	x->id = tail->id;
	return true;
}

/* Where each change belongs in the base must be in order: then whoever goes through both meets each entry
 * once. *n: volumes of both. */
static bool is_in_order(const struct volindex_part *base, const struct volindex_part *over, size_t *n)
{
	size_t next = 0;

	*n = base->n;
	for (size_t i = 0; i < over->n; i++) {
		const struct volindex_entry *e = &over->entries[i];
		bool hides = e->flags & HIDES;

		if (e->place < next || e->place > base->n || (hides && e->place == base->n))
			return false;
		next = e->place + hides;
		*n -= hides;
		*n += !(e->flags & VOLINDEX_GONE);
	}
	return true;
}

bool volindex_lay(struct volindex *x, const void *data, size_t len)
{
	require_or(((uintptr_t)data & 7) == 0, false);

	struct volindex_part over;
	const struct volindex_tail *tail = open_part(&over, VOLINDEX_MAGIC_OVER, data, len);
	size_t n;

	if (!tail || over.n > MOST || over.nslots > 16 * MOST || tail->id != x->id || tail->seed != x->seed ||
	    !is_in_order(&x->base, &over, &n))
		return false;
	x->over = over;
	x->n = n;
	return true;
}

/* ---- entries and their records ---- */

/* An entry of one part that has the hash, or -1. */
static long probe(const struct volindex_part *p, uint64_t hash, size_t *at)
{
	demand_or((p->nslots & (p->nslots - 1)) == 0, -1); /* as open_part() leaves it */
	while (*at < p->nslots && *at < PROBES) {
		uint32_t slot = p->slots[(hash + (*at)++) & (p->nslots - 1)];
		const struct volindex_entry *e;

		if (slot == 0)
			return -1;
		/* A number that no entry has is passed over like a foreign hash. */
		if (slot > p->n)
			continue;
		e = &p->entries[slot - 1];
		if (e->name == hash || e->path == hash || e->key == hash)
			return (long)slot - 1;
	}
	return -1;
}

/* Is the i-th of the base hidden by a change? */
static bool is_laid_over(const struct volindex *x, size_t i)
{
	size_t at = 0;
	long k;

	while ((k = probe(&x->over, x->base.entries[i].name, &at)) >= 0)
		if ((x->over.entries[k].flags & HIDES) && x->over.entries[k].place == i)
			return true;
	return false;
}

const struct volindex_entry *volindex_entry(const struct volindex *x, size_t i)
{
	if (i < x->base.n)
		return is_laid_over(x, i) ? NULL : &x->base.entries[i];
	i -= x->base.n;
	return i < x->over.n && !(x->over.entries[i].flags & VOLINDEX_GONE) ? &x->over.entries[i] : NULL;
}

const char *volindex_record_in(const struct volindex_part *p, const struct volindex_entry *e, size_t *len)
{
	if (e->offset > p->records_len || e->len > p->records_len - e->offset || e->len <= FRONT ||
	    p->records[e->offset + e->len - 1] != '\n')
		return NULL;
	*len = e->len;
	return p->records + e->offset;
}

const char *volindex_record(const struct volindex *x, size_t i, size_t *len)
{
	demand_or(x && len, NULL);

	const struct volindex_part *part = i < x->base.n ? &x->base : &x->over;
	const struct volindex_entry *e = volindex_entry(x, i);

	return e ? volindex_record_in(part, e, len) : NULL;
}

/* ---- finding ---- */

long volindex_next(const struct volindex *x, uint64_t hash, size_t *at)
{
	demand_or(at, -1);

	size_t from;
	long i;

	while (*at < x->over.nslots) {
		i = probe(&x->over, hash, at);
		if (i < 0)
			*at = x->over.nslots;
		else if (!(x->over.entries[i].flags & VOLINDEX_GONE))
			return (long)x->base.n + i;
	}
	from = *at - x->over.nslots;
	while ((i = probe(&x->base, hash, &from)) >= 0 && is_laid_over(x, (size_t)i))
		;
	*at = from + x->over.nslots;
	return i;
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
		const struct volindex_entry *e = volindex_entry(x, (size_t)i);
		const char *record = e && e->name == hash ? volindex_record(x, (size_t)i, &len) : NULL;

		if (record && has_name(record, len, name))
			return i;
	}
	return -1;
}

/* ---- in the order of names ---- */

/* The change that is next, if it belongs where the base is. */
static const struct volindex_entry *change_at(const struct volindex *x, const struct volindex_walk *w)
{
	return w->over < x->over.n && x->over.entries[w->over].place <= w->base ? &x->over.entries[w->over]
	                                                                        : NULL;
}

long volindex_walk(const struct volindex *x, struct volindex_walk *w)
{
	const struct volindex_entry *change;

	while ((change = change_at(x, w))) {
		w->over++;
		w->base += (change->flags & HIDES) != 0;
		if (!(change->flags & VOLINDEX_GONE))
			return (long)(x->base.n + w->over - 1);
	}
	return w->base < x->base.n ? (long)w->base++ : -1;
}

/* Changes lie together as far as nothing of the base comes between them; those of volumes that are gone have
 * no bytes. */
static void run_of_changes(const struct volindex *x, struct volindex_walk *w, struct volindex_run *run)
{
	const struct volindex_entry *change;

	*run = (struct volindex_run){ .over = true };
	while ((change = change_at(x, w))) {
		if (change->len && !run->len)
			run->offset = change->offset;
		if (change->len)
			run->len = change->offset + change->len - run->offset;
		w->over++;
		w->base += (change->flags & HIDES) != 0;
	}
}

/* The base's records up to the next change. */
static void run_of_base(const struct volindex *x, struct volindex_walk *w, struct volindex_run *run)
{
	size_t until = w->over < x->over.n ? x->over.entries[w->over].place : x->base.n, end;

	*run = (struct volindex_run){ .offset = x->base.entries[w->base].offset };
	end = until < x->base.n ? x->base.entries[until].offset : x->base.records_len;
	run->len = end - run->offset;
	w->base = until;
}

bool volindex_run(const struct volindex *x, struct volindex_walk *w, struct volindex_run *run)
{
	while (w->base < x->base.n || w->over < x->over.n) {
		size_t most;

		if (change_at(x, w))
			run_of_changes(x, w, run);
		else
			run_of_base(x, w, run);
		most = run->over ? x->over.records_len : x->base.records_len;
		if (run->len && run->offset <= most && run->len <= most - run->offset)
			return true;
	}
	return false;
}

/* A change of a volume that is gone has its name in the base's record. */
static size_t search(const struct volindex_part *p, const struct volindex_part *base, const char *name,
                     bool *found)
{
	size_t low = 0, high = p->n, len;
	char at[LINE_MAX_BYTES + 1];

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct volindex_entry *e = &p->entries[mid];
		bool gone = p != base && (e->flags & VOLINDEX_GONE);
		const char *record = gone ? volindex_record_in(base, &base->entries[e->place], &len)
		                          : volindex_record_in(p, e, &len);
		int order = record && volindex_name(record, len, at, sizeof(at)) ? strcmp(at, name) : 1;

		*found |= order == 0;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t volindex_place(const struct volindex *x, const char *name, bool *found)
{
	demand_or(x && name && found, 0);
	return search(&x->base, &x->base, name, found);
}

size_t volindex_change(const struct volindex *x, const char *name, bool *found)
{
	demand_or(x && name && found, 0);
	return search(&x->over, &x->base, name, found);
}

/* ---- when to fold ---- */

size_t volindex_overlay_limit(const struct volindex *x)
{
	size_t most = CHANGES;

	if (x->base.n < SMALL)
		return 0;
	while (most * most > 4 * x->base.n)
		most /= 2;
	return most;
}

bool volindex_is_worn(const struct volindex *x)
{
	return x->over.n && x->over.n >= volindex_overlay_limit(x);
}
