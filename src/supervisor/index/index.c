/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's volumes: not objects but an index (pool/volindex.h). The refresh worker writes it into a memfd;
 * the supervisor maps it and answers from it in constant time. Ten thousand volumes are one descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/volindex.h"
#include "supervisor/index/index.h"

int index_new(struct err *e)
{
	int fd = memfd_create("volumes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot make the volume index");
}

static void unmap(struct pool *p)
{
	if (p->index_map)
		munmap((void *)(uintptr_t)p->index_map, p->index_size);
	if (p->index >= 0)
		close(p->index);
	p->index = -1;
	p->index_number++;
	p->index_map = NULL;
	p->index_len = p->index_size = 0;
	p->nvolumes = 0;
}

void index_drop(struct pool *p)
{
	unmap(p);
	watch_drop(p);
	touch_drop(p);
}

static int unfinished(const struct pool *p, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "the volume index of pool \"%s\" was not finished", p->name);
}

/* Only a sealed memfd is mapped: nobody can shrink it under us. */
int index_adopt(struct pool *p, int fd, struct err *e)
{
	cleanup_close int mine = fd;
	int seals = fcntl(fd, F_GET_SEALS);
	struct volindex x;
	struct stat st;
	void *map;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size == 0)
		return unfinished(p, e);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, errno, "cannot map the volume index of pool \"%s\"", p->name);
	if (!volindex_open(&x, map, (size_t)st.st_size)) {
		munmap(map, (size_t)st.st_size);
		return unfinished(p, e);
	}
	unmap(p);
	p->index = steal_fd(&mine);
	p->index_map = map;
	p->index_size = (size_t)st.st_size;
	p->index_len = x.records_len;
	p->nvolumes = x.n;
	return 0;
}

/* The volumes of a pool; none if there is no index. It was whole when it was adopted, and nobody can have
 * changed it. */
static void open_index(const struct pool *p, struct volindex *x)
{
	if (!volindex_open(x, p->index_map, p->index_size))
		*x = (struct volindex){ 0 };
}

const char *volume_find(const struct pool *p, const char *name, size_t *len)
{
	struct volindex x;
	long i;

	open_index(p, &x);
	i = volindex_by_name(&x, name);
	return i < 0 ? NULL : volindex_record(&x, (size_t)i, len);
}

/* Does the record carry this path or key? */
static bool record_matches(const char *record, size_t len, const char *what)
{
	char copy[LINE_MAX_BYTES + 1];
	struct line l;

	if (len == 0 || len > LINE_MAX_BYTES)
		return false;
	memcpy(copy, record, len);
	return line_parse_reply(copy, len - 1, &l, NULL) >= 0 &&
	       (streq_null(line_get(&l, "path"), what) || streq_null(line_get(&l, "key"), what));
}

static const char *find_by_path(const struct pool *p, const char *what, size_t *len)
{
	struct volindex x;
	size_t at = 0;
	long i;

	open_index(p, &x);
	uint64_t hash = hash_text(x.seed, what);
	while ((i = volindex_next(&x, hash, &at)) >= 0) {
		const char *record = volindex_record(&x, (size_t)i, len);

		if (record && record_matches(record, *len, what))
			return record;
	}
	return NULL;
}

bool pool_has_index(const struct pool *p)
{
	return p->index >= 0;
}

bool pool_awaits_index(const struct pool *p)
{
	return (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED) && !pool_has_index(p) && !p->stale;
}

int pool_need_index(const struct pool *p, struct err *e)
{
	if (!pool_is_active(p))
		return err_set(e, ERR_STATE, "pool \"%s\" is not active: its volumes are not known", p->name);
	if (pool_has_index(p))
		return 0;
	if (p->stale || p->phase == PHASE_HUNG)
		return err_set(e, ERR_BUSY, "the volumes of pool \"%s\" could not be read: %s", p->name,
		               p->reason ? p->reason : "it is tried again");
	return err_set(e, ERR_BUSY, "the volumes of pool \"%s\" are still being read", p->name);
}

const char *volume_lookup(struct supervisor *s, struct pool *p, const char *what, struct pool **found,
                          size_t *len, struct err *e)
{
	if (p && pool_need_index(p, e) < 0)
		return NULL;
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
