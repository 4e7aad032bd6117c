/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pool's volumes: not objects but an index (pool/volindex.h). The refresh worker writes it into a memfd;
 * the supervisor maps it and answers from it in constant time. Ten thousand volumes are one descriptor, and
 * one more for the overlay of what has changed since.
 *
 * The worker has read foreign bytes, and may be anybody's. So what it wrote is sealed before it is mapped,
 * and no number in it is believed (volindex.h): a broken index finds the wrong volumes, and harms nothing
 * else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/contract.h"
#include "base/hash.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/volindex.h"
#include "supervisor/index/index.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

int index_new(struct err *e)
{
	int fd = memfd_create("volumes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot make the volume index");
}

/* Give back one of the two files. The descriptor goes with the mapping. */
static void unmap(struct index_file *f)
{
	if (f->map)
		munmap((void *)(uintptr_t)f->map, f->size);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct index_file){ .fd = -1 };
}

/* x: what the files of the pool are now. */
static void index_becomes(struct pool *p, const struct volindex *x)
{
	p->volumes.index = *x;
	p->volumes.number = ++p->sup->last_index;
	p->volumes.count = x->n;
}

void index_drop(struct pool *p)
{
	if (pool_has_index(p)) {
		unmap(&p->volumes.base);
		unmap(&p->volumes.over);
		index_becomes(p, &(struct volindex){ 0 });
	}
	watch_drop(p);
	touch_drop(p);
}

/* The worker has died in the midst of it, or is not the one that we forked. */
static int unfinished(const struct pool *p, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "the volume index of pool \"%s\" was not finished", p->name);
}

/* Nobody can change the file or its size any more. The kernel refuses F_SEAL_WRITE while somebody has a
 * writable mapping (memfd_create(2)), so that what is checked once stays true. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Only a sealed memfd is mapped: it may come from a worker that is not ours any more. */
static int map_index(struct index_file *f, const struct pool *p, struct err *e)
{
	int seals = fcntl(f->fd, F_GET_SEALS);
	struct stat st;
	void *map;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(f->fd, &st) < 0 || st.st_size == 0)
		return unfinished(p, e);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, errno, "cannot map the volume index of pool \"%s\"", p->name);
	f->map = map;
	f->size = (size_t)st.st_size;
	return 0;
}

int index_adopt(struct pool *p, int fd, struct err *e)
{
	demand(fd >= 0, e);

	struct index_file new = { .fd = fd }, *old = &p->volumes.base;
	struct volindex x;

	if (map_index(&new, p, e) < 0) {
		close(fd);
		return -1;
	}
	if (!volindex_open(&x, new.map, new.size)) {
		old = &p->volumes.over;
		x = p->volumes.index;
		if (!volindex_lay(&x, new.map, new.size)) {
			unmap(&new);
			return unfinished(p, e);
		}
	}
	unmap(&p->volumes.over);
	unmap(old); /* where that is the same, there is nothing in it now */
	*old = new;
	index_becomes(p, &x);
	/* With a change of the whole index it would have gone, too. */
	volumes_were_read(p);
	return 0;
}

void volumes_were_read(const struct pool *p)
{
	/* Before Linux 5.18 it is kept. */
	madvise((void *)(uintptr_t)p->volumes.base.map, p->volumes.base.size, MADV_DONTNEED_LOCKED);
}

const char *volume_find(const struct pool *p, const char *name, size_t *len)
{
	demand_or(name && len, NULL);

	long i = volindex_by_name(&p->volumes.index, name);

	return i < 0 ? NULL : volindex_record(&p->volumes.index, (size_t)i, len);
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

/* A path and a key are found by their hash, which others may have, too: each that has it is compared. */
static const char *find_by_path(const struct pool *p, const char *what, size_t *len)
{
	uint64_t hash = hash_text(p->volumes.index.seed, what);
	size_t at = 0;
	long i;

	while ((i = volindex_next(&p->volumes.index, hash, &at)) >= 0) {
		const char *record = volindex_record(&p->volumes.index, (size_t)i, len);

		if (record && record_matches(record, *len, what))
			return record;
	}
	return NULL;
}

bool pool_has_index(const struct pool *p)
{
	return p->volumes.base.fd >= 0;
}

bool pool_awaits_index(const struct pool *p)
{
	return (p->phase == PHASE_ACTIVE || p->phase == PHASE_DEGRADED) && !pool_has_index(p) &&
	       !p->tries.stale;
}

int pool_need_index(const struct pool *p, struct err *e)
{
	if (!pool_is_active(p))
		return err_set(e, ERR_STATE, "pool \"%s\" is not active: its volumes are not known", p->name);
	if (pool_has_index(p))
		return 0;
	if (p->tries.stale || p->phase == PHASE_HUNG)
		return err_set(e, ERR_BUSY, "the volumes of pool \"%s\" could not be read: %s", p->name,
		               p->reason.text ? p->reason.text : "it is tried again");
	return err_set(e, ERR_BUSY, "the volumes of pool \"%s\" are still being read", p->name);
}

const char *volume_lookup(const struct supervisor *s, struct pool *p, const char *what, struct pool **found,
                          size_t *len, struct err *e)
{
	demand_or(what && found && len, NULL);
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
