/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's volumes: not objects but an index. The refresh worker writes protocol records, sorted by name, into a memfd; the supervisor maps it
 * and answers from it by binary search. Ten thousand volumes are one descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/internal.h"

int index_new(struct err *e)
{
	int fd = memfd_create("volumes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot make the volume index");
}

/* ---- writing, in the worker ---- */

void index_collect(struct index_builder *b, const struct volume *v)
{
	size_t before = b->records.len;

	if (b->n == b->size) {
		size_t size = b->size ? b->size * 2 : 256;
		size_t *more = realloc(b->offsets, size * sizeof(*more));

		if (!more) {
			b->failed = true;
			return;
		}
		b->offsets = more;
		b->size = size;
	}
	volume_record(v, &b->records);
	if (b->records.len - before > LINE_MAX_BYTES) {         /* no client could read it */
		b->records.len = before;
		return;
	}
	b->offsets[b->n++] = before;
}

/* Length of the "- name=VALUE" that every record begins with. */
static size_t name_len(const char *record, size_t len)
{
	const char *p = memchr(record, '=', len), *end = record + len;

	if (!p)
		return len;
	if (++p < end && *p == '"')
		for (p++; p < end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < end;
	p = memchr(p, ' ', (size_t)(end - p));
	return p ? (size_t)(p - record) : len;
}

/* The name in a record: only that much of it is read, ten thousand times in a refresh. Returns its text, in copy. */
static const char *record_name(const char *record, size_t len, char *copy, size_t size)
{
	struct line l;

	len = name_len(record, len);
	if (len >= size)
		return "";
	memcpy(copy, record, len);
	copy[len] = '\0';
	if (line_parse_reply(copy, len, &l, NULL) < 0)
		return "";
	const char *name = line_get(&l, "name");
	return name ? name : "";
}

static size_t record_len(const char *record, const char *end)
{
	const char *lf = memchr(record, '\n', (size_t)(end - record));

	return lf ? (size_t)(lf - record) : (size_t)(end - record);
}

struct named { char *name; size_t offset; };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* A worker that is about to end: what it allocates goes with it. */
int index_write(struct index_builder *b, int fd, struct err *e)
{
	const char *end = b->records.data + b->records.len;
	struct named *order = calloc(b->n + 1, sizeof(*order));
	struct buf sorted = BUF_INIT;
	char copy[LINE_MAX_BYTES + 1];
	int rc = 0;

	if (!order || b->failed || b->records.failed) {
		free(order);
		return err_set(e, ERR_NO_MEMORY, "cannot sort the volumes: out of memory");
	}
	for (size_t i = 0; i < b->n; i++) {
		const char *record = b->records.data + b->offsets[i];

		order[i].offset = b->offsets[i];
		order[i].name = strdup(record_name(record, record_len(record, end), copy, sizeof(copy)));
		if (!order[i].name)
			sorted.failed = true;
	}
	if (!sorted.failed)
		qsort(order, b->n, sizeof(*order), by_name);
	for (size_t i = 0; i < b->n && !sorted.failed; i++) {
		const char *record = b->records.data + order[i].offset;

		buf_add(&sorted, record, record_len(record, end) + 1);
	}
	for (size_t done = 0; done < sorted.len && !sorted.failed;) {
		ssize_t n = write(fd, sorted.data + done, sorted.len - done);

		if (n < 0) {
			rc = err_sys(e, errno, "cannot write the volume index");
			break;
		}
		done += (size_t)n;
	}
	if (sorted.failed)
		rc = err_set(e, ERR_NO_MEMORY, "cannot sort the volumes: out of memory");
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	for (size_t i = 0; i < b->n; i++)
		free(order[i].name);
	free(order);
	buf_free(&sorted);
	return rc;
}

/* ---- reading, in the supervisor ---- */

void index_drop(struct pool *p)
{
	if (p->index_map)
		munmap((void *)(uintptr_t)p->index_map, p->index_len);
	if (p->index >= 0)
		close(p->index);
	p->index = -1;
	p->index_map = NULL;
	p->index_len = 0;
	p->nvolumes = 0;
}

/* Only a sealed memfd is mapped: nobody can shrink it under us. Takes over fd. */
int index_adopt(struct pool *p, int fd, uint64_t nvolumes, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *map = NULL;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0) {
		close(fd);
		return err_set(e, ERR_INTERNAL, "the volume index of pool \"%s\" was not finished", p->name);
	}
	if (st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED) {
			err_sys(e, errno, "cannot map the volume index of pool \"%s\"", p->name);
			close(fd);
			return -1;
		}
	}
	index_drop(p);
	p->index = fd;
	p->index_map = map;
	p->index_len = (size_t)st.st_size;
	p->nvolumes = nvolumes;
	return 0;
}

const char *volume_find(const struct pool *p, const char *name, size_t *len)
{
	const char *low = p->index_map, *end = low ? low + p->index_len : NULL, *high = end;
	char copy[LINE_MAX_BYTES + 1];

	while (low < high) {
		const char *mid = low + (high - low) / 2;

		while (mid > low && mid[-1] != '\n')
			mid--;
		size_t n = record_len(mid, end);
		int order = strcmp(name, record_name(mid, n, copy, sizeof(copy)));
		if (order == 0) {
			*len = n + 1;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + n + 1;
	}
	return NULL;
}

/* Does the record carry this path or key? */
static bool record_matches(const char *record, size_t len, const char *what)
{
	char copy[LINE_MAX_BYTES + 1];
	struct line l;

	if (len > LINE_MAX_BYTES)
		return false;
	memcpy(copy, record, len);
	copy[len] = '\0';
	return line_parse_reply(copy, len, &l, NULL) >= 0 &&
	       (streq_null(line_get(&l, "path"), what) || streq_null(line_get(&l, "key"), what));
}

/* By path or key. Most are TARGET/NAME, found by name; the others need one walk through the index. */
static const char *find_by_path(const struct pool *p, const char *what, size_t *len)
{
	const char *slash = strrchr(what, '/'), *end = p->index_map + p->index_len;
	const char *r = slash ? volume_find(p, slash + 1, len) : NULL;
	struct buf text = BUF_INIT;

	if (r && record_matches(r, *len - 1, what))
		return r;
	line_quote(&text, what, strlen(what));
	for (r = p->index_map; r && r < end && !text.failed; r += *len) {
		const char *hit = memmem(r, (size_t)(end - r), text.data, text.len);

		if (!hit)
			break;
		while (hit > r && hit[-1] != '\n')
			hit--;
		r = hit;
		*len = record_len(r, end) + 1;
		if (record_matches(r, *len - 1, what)) {
			buf_free(&text);
			return r;
		}
	}
	buf_free(&text);
	return NULL;
}

const char *volume_lookup(struct supervisor *s, struct pool *p, const char *what, struct pool **found, size_t *len, struct err *e)
{
	if (p && !pool_is_active(p)) {
		err_set(e, ERR_STATE, "pool \"%s\" is not active: its volumes are not known", p->name);
		return NULL;
	}
	for (struct pool *q = p ? p : s->pools; q; q = p ? NULL : q->next) {
		const char *r = strchr(what, '/') ? NULL : volume_find(q, what, len);

		if (!r)
			r = find_by_path(q, what, len);
		if (r) {
			*found = q;
			return r;
		}
	}
	if (p)
		err_set(e, ERR_NO_VOLUME, "no volume \"%s\" in pool \"%s\"", what, p->name);
	else
		err_set(e, ERR_NO_VOLUME, "no volume \"%s\" in any active pool", what);
	return NULL;
}
