/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Physical volumes, as they lie on the disk. One of the first four sectors is the label; the header behind it
 * says where metadata areas are; an area's header says where in it the text is, which may run over the area's
 * end and go on behind that header.
 */
#include "backends/logical/lvm_label.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/util.h"

enum {
	SECTOR = 512,
	LABEL_SECTORS = 4,
	LABEL_SUM = 16,
	LABEL_SUMMED = 20,
	LABEL_OFFSET = 20,
	LABEL_TYPE = 24,
	LABEL_LEN = 32,
	PV_AREAS = LVM_ID + 8, /* after uuid and size */
	AREA_HEADER = 512,
	AREA_MAGIC = 4,
	AREA_START = 24,
	AREA_SIZE = 32,
	AREA_TEXT = 40,
	AREAS_MOST = 2,
	READ_MOST = 64 * 1024,
	TEXT_MOST = 16 * 1024 * 1024,
	DEPTH_MOST = 64,
	IGNORED = 1, /* flag of an area that is not in use */
};

struct label_source {
	lvm_read_fn *read;
	void *arg;
	struct lvm_label *out;
	uint8_t *block; /* READ_MOST bytes, aligned */
};

__attribute__((format(printf, 2, 3))) static bool trouble(struct lvm_label *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->problem, sizeof(out->problem), fmt, ap);
	va_end(ap);
	return false;
}

static uint64_t number_at(const uint8_t *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static void mark_add(struct lvm_label *out, uint64_t number)
{
	out->mark = (out->mark ^ number) * 0x9e3779b97f4a7c15ULL;
}

static uint32_t checksum(const uint8_t *p, size_t len)
{
	uint32_t table[16], sum = 0xf597a6cf;

	for (uint32_t i = 0; i < ARRAY_LEN(table); i++) {
		table[i] = i;
		for (int bit = 0; bit < 4; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	while (len--) {
		sum ^= *p++;
		sum = sum >> 4 ^ table[sum & 15];
		sum = sum >> 4 ^ table[sum & 15];
	}
	return sum;
}

/* `len` bytes from anywhere on the device, in as few reads as that takes: a server may be far. No block is
 * read that is not needed, and where a read of several fails, the block that cannot be read is found. */
static bool read_bytes(struct label_source *s, uint8_t *data, size_t len, uint64_t at)
{
	size_t most = READ_MOST;

	while (len) {
		uint64_t start = at - at % LVM_BLOCK;
		size_t skip = (size_t)(at - start), part = (size_t)least(len, most - skip);
		size_t want = (skip + part + LVM_BLOCK - 1) / LVM_BLOCK * LVM_BLOCK;
		ssize_t n = s->read(s->arg, s->block, want, start);

		if (n <= (ssize_t)skip && want > LVM_BLOCK) {
			most = LVM_BLOCK;
			continue;
		}
		if (n < 0)
			return trouble(s->out, "cannot be read at %llu: %s", (unsigned long long)start,
			               strerror(errno));
		if ((size_t)n <= skip)
			return trouble(s->out, "its LVM metadata goes beyond its end");
		part = (size_t)least(part, (size_t)n - skip);
		memcpy(data, s->block + skip, part);
		data += part;
		at += part;
		len -= part;
	}
	return true;
}

/* ---- the group's metadata: text ---- */

static bool is_id_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '!' ||
	       c == '#';
}

/* "oanUNy-57yh-…" to its 32 characters. */
static bool id_take(const char *text, size_t len, char out[LVM_ID])
{
	char id[LVM_ID];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '-')
			continue;
		if (n == LVM_ID || !is_id_character(text[i]))
			return false;
		id[n++] = text[i];
	}
	if (n == LVM_ID)
		memcpy(out, id, LVM_ID);
	return n == LVM_ID;
}

struct word {
	const char *text;
	size_t len;
	bool quoted;
};

struct label_reading {
	const char *p, *end;
	struct lvm_label *out;
	unsigned depth;  /* of sections */
	bool in_volumes; /* inside physical_volumes */
};

static void skip_blanks(struct label_reading *r)
{
	while (r->p < r->end) {
		if (*r->p == '#')
			while (r->p < r->end && *r->p != '\n')
				r->p++;
		else if (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')
			r->p++;
		else
			return;
	}
}

/* A bare word, a string or one mark of punctuation. len 0: the end, or a string without one. */
static struct word word_next(struct label_reading *r)
{
	struct word w = { 0 };

	skip_blanks(r);
	w.text = r->p;
	if (r->p == r->end)
		return w;
	if (*r->p == '"') {
		w.quoted = true;
		w.text = ++r->p;
		while (r->p < r->end && *r->p != '"')
			r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
		if (r->p >= r->end)
			return (struct word){ 0 };
		w.len = (size_t)(r->p++ - w.text);
		return w;
	}
	do
		r->p++;
	while (r->p < r->end && !strchr("{}[]=,#\" \t\r\n", *r->p) && !strchr("{}[]=,", *w.text));
	w.len = (size_t)(r->p - w.text);
	return w;
}

static bool word_is(const struct word *w, const char *text)
{
	return !w->quoted && w->len == strlen(text) && memcmp(w->text, text, w->len) == 0;
}

/* It may become part of a sentence, so it is plain text. */
static void word_copy(const struct word *w, char out[LVM_NAME])
{
	size_t n = (size_t)least(w->len, LVM_NAME - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = w->text[i] > ' ' && w->text[i] <= '~' ? w->text[i] : '?';
	out[n] = '\0';
}

static void pv_take(struct lvm_label *out, const struct word *value)
{
	if (out->pvs == LVM_MEMBERS)
		out->more = true;
	else if (id_take(value->text, value->len, out->pv_ids[out->pvs]))
		out->pvs++;
}

/* One "key = value" that matters. */
static void value_take(struct label_reading *r, const struct word *key, const struct word *value)
{
	struct lvm_label *out = r->out;

	if (r->depth == 3 && r->in_volumes && word_is(key, "id"))
		pv_take(out, value);
	if (r->depth != 1)
		return;
	if (word_is(key, "id"))
		id_take(value->text, value->len, out->vg); /* a NUL is behind it already */
	else if (word_is(key, "seqno"))
		out->seqno = strtoull(value->text, NULL, 10); /* the text ends with a NUL */
	else if (word_is(key, "system_id"))
		word_copy(value, out->system_id);
	else if (word_is(key, "lock_type"))
		word_copy(value, out->lock_type);
	else if (word_is(key, "status") && value->len == 9 && memcmp(value->text, "CLUSTERED", 9) == 0)
		/* how it was said before there were lock types */
		snprintf(out->lock_type, sizeof(out->lock_type), "clvm");
}

/* Behind a "=": one value, or a list of them. */
static bool value_read(struct label_reading *r, const struct word *key)
{
	struct word value = word_next(r);

	if (!value.text || (!value.len && !value.quoted))
		return false;
	if (!word_is(&value, "[")) {
		value_take(r, key, &value);
		return true;
	}
	for (;;) {
		value = word_next(r);
		if (!value.text || (!value.len && !value.quoted))
			return false;
		if (word_is(&value, "]"))
			return true;
		value_take(r, key, &value);
	}
}

static bool section_begin(struct label_reading *r, const struct word *name)
{
	if (r->depth == 0 && r->out->name[0])
		return false; /* a second group in one text */
	if (r->depth == 0)
		word_copy(name, r->out->name);
	if (r->depth == 1)
		r->in_volumes = word_is(name, "physical_volumes");
	return ++r->depth < DEPTH_MOST;
}

static bool text_read(struct label_reading *r)
{
	for (;;) {
		struct word key = word_next(r), mark;

		if (!key.text)
			return false;
		if (!key.len && !key.quoted)
			return r->depth == 0;
		if (word_is(&key, "}")) {
			if (r->depth-- == 0)
				return false;
			continue;
		}
		mark = word_next(r);
		if (!mark.text || !mark.len ||
		    !(word_is(&mark, "{") ? section_begin(r, &key)
		                          : word_is(&mark, "=") && value_read(r, &key)))
			return false;
	}
}

static void group_forget(struct lvm_label *out)
{
	out->vg[0] = out->name[0] = out->system_id[0] = out->lock_type[0] = '\0';
	out->seqno = 0;
	out->pvs = 0;
	out->more = false;
}

static bool text_take(struct lvm_label *out, const char *text, size_t len)
{
	struct label_reading r = { .p = text, .end = text + strnlen(text, len), .out = out };

	if (text_read(&r) && out->vg[0] && out->name[0] && out->pvs)
		return true;
	group_forget(out);
	return trouble(out, "its LVM metadata is damaged: the text is not understood");
}

/* ---- the metadata area ---- */

struct area {
	uint64_t start, size, text, len;
	uint32_t sum;
};

static int area_bad(struct label_source *s, const char *why)
{
	trouble(s->out, "its LVM metadata %s", why);
	return -1;
}

/* 1: it holds a text; 0: none, or is not in use; -1: it cannot be used. */
static int area_read(struct label_source *s, struct area *a)
{
	static const char magic[] = " LVM2 x[5A%r0N*>";
	uint8_t head[AREA_HEADER];

	if (!read_bytes(s, head, sizeof(head), a->start))
		return -1;
	if (checksum(head + 4, sizeof(head) - 4) != number_at(head, 4) ||
	    memcmp(head + AREA_MAGIC, magic, strlen(magic)) != 0 ||
	    number_at(head + AREA_START, 8) != a->start)
		return area_bad(s, "is damaged: the area's header has a wrong checksum");
	a->size = number_at(head + AREA_SIZE, 8);
	a->text = number_at(head + AREA_TEXT, 8);
	a->len = number_at(head + AREA_TEXT + 8, 8);
	a->sum = (uint32_t)number_at(head + AREA_TEXT + 16, 4);
	mark_add(s->out, number_at(head, 4) << 32 | a->sum);
	if (!a->text || number_at(head + AREA_TEXT + 20, 4) & IGNORED)
		return 0;
	if (a->size <= AREA_HEADER || a->text < AREA_HEADER || a->text >= a->size ||
	    a->len > a->size - AREA_HEADER)
		return area_bad(s, "is damaged: the text lies outside its area");
	if (a->len > TEXT_MOST)
		return area_bad(s, "is longer than 16 MiB");
	return 1;
}

static bool text_load(struct label_source *s, const struct area *a, char *text)
{
	size_t first = (size_t)least(a->len, a->size - a->text);

	if (!read_bytes(s, (uint8_t *)text, first, a->start + a->text) ||
	    !read_bytes(s, (uint8_t *)text + first, (size_t)a->len - first, a->start + AREA_HEADER))
		return false;
	text[a->len] = '\0';
	return checksum((const uint8_t *)text, (size_t)a->len) == a->sum ||
	       trouble(s->out, "its LVM metadata is damaged: the text has a wrong checksum");
}

/* True: the group is known from it, or it has nothing to say. */
static bool area_look(struct label_source *s, uint64_t start)
{
	struct area a = { .start = start };
	int holds = area_read(s, &a);
	cleanup_free char *text = holds > 0 ? malloc((size_t)a.len + 1) : NULL;

	if (holds <= 0)
		return holds == 0;
	if (!text)
		return trouble(s->out, "no memory for its LVM metadata");
	return text_load(s, &a, text) && text_take(s->out, text, (size_t)a.len);
}

/* Somebody may be writing it just now: then the next look finds it whole. */
static bool area_try(struct label_source *s, uint64_t start)
{
	bool whole = start <= INT64_MAX && area_look(s, start);

	return whole || (start <= INT64_MAX && area_look(s, start));
}

/* ---- label and header ---- */

/* The areas named in the header: data areas up to one at 0, then metadata areas. The number of these, or -1:
 * the list does not end. */
static int areas_find(const uint8_t *p, const uint8_t *end, uint64_t areas[AREAS_MOST])
{
	int list = 0, n = 0;

	for (; list < 2 && end - p >= 16; p += 16) {
		uint64_t at = number_at(p, 8);

		if (!at)
			list++;
		else if (list == 1 && n < AREAS_MOST)
			areas[n++] = at;
	}
	return list == 2 ? n : -1;
}

static const uint8_t *label_find(const uint8_t *head, size_t len)
{
	for (size_t at = 0; at < LABEL_SECTORS * SECTOR && at + SECTOR <= len; at += SECTOR)
		if (memcmp(head + at, "LABELONE", 8) == 0 && number_at(head + at + 8, 8) == at / SECTOR &&
		    memcmp(head + at + LABEL_TYPE, "LVM2 001", 8) == 0 &&
		    checksum(head + at + LABEL_SUMMED, SECTOR - LABEL_SUMMED) ==
		            number_at(head + at + LABEL_SUM, 4))
			return head + at;
	return NULL;
}

static void label_look(struct label_source *s, const uint8_t *label)
{
	uint64_t header = number_at(label + LABEL_OFFSET, 4), areas[AREAS_MOST];
	struct lvm_label *out = s->out;
	bool known = false;
	int n;

	out->member = true;
	mark_add(out, number_at(label + LABEL_SUM, 4));
	if (header < LABEL_LEN || header > SECTOR - PV_AREAS ||
	    !id_take((const char *)label + header, LVM_ID, out->pv)) {
		trouble(out, "its LVM label is damaged: it leads to no header of a physical volume");
		return;
	}
	n = areas_find(label + header + PV_AREAS, label + SECTOR, areas);
	if (n < 0) {
		trouble(out, "its LVM label is damaged: the list of its areas has no end");
		return;
	}
	for (int i = 0; i < n && !out->vg[0]; i++)
		known |= area_try(s, areas[i]);
	if (known)
		out->problem[0] = '\0';
	else if (n && !out->problem[0])
		trouble(out, "its LVM metadata lies outside the device");
}

void lvm_label_read(lvm_read_fn *read, void *arg, struct lvm_label *out)
{
	struct label_source s = { .read = read, .arg = arg, .out = out };
	uint8_t head[LABEL_SECTORS * SECTOR];
	const uint8_t *label;
	ssize_t n;

	*out = (struct lvm_label){ 0 };
	s.block = aligned_alloc(LVM_BLOCK, READ_MOST);
	if (!s.block) {
		trouble(out, "no memory to look at it");
		return;
	}
	n = read(arg, s.block, LVM_BLOCK, 0);
	if (n < 0) {
		trouble(out, "cannot be read at 0: %s", strerror(errno));
	} else {
		memcpy(head, s.block, sizeof(head));
		label = label_find(head, (size_t)least((uint64_t)n, sizeof(head)));
		if (label)
			label_look(&s, label);
	}
	free(s.block);
}
