/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The last index as a cache: which files have not changed since, by what stat(2) says of them.
 */
#include "volumes/directory/parts.h"

#include <string.h>
#include "base/contract.h"

long cache_find(const struct look *k, const char *name)
{
	return k->cache ? volindex_by_name(k->cache, name) : -1;
}

/* What changes with the content: a file that was written has another ctime at least. What does not: when it
 * was read last, and how much of it the filesystem has really allocated by now. */
bool cache_holds(const struct look *k, long i, const struct stat *st, bool *all)
{
	demand_or(i >= 0 && all, false);

	const struct volindex_entry *e = volindex_entry(k->cache, (size_t)i);

	if (!e || !(e->flags & VOLINDEX_FILE) || e->inode == 0 || e->inode != st->st_ino ||
	    e->size != (uint64_t)st->st_size || e->mtime != st->st_mtim.tv_sec ||
	    e->mtime_nsec != (uint32_t)st->st_mtim.tv_nsec || e->ctime != st->st_ctim.tv_sec ||
	    e->ctime_nsec != (uint32_t)st->st_ctim.tv_nsec)
		return false;
	*all = e->atime == st->st_atim.tv_sec && e->atime_nsec == (uint32_t)st->st_atim.tv_nsec &&
	       e->allocation == (uint64_t)st->st_blocks * 512;
	return true;
}

bool cache_is_raw(const struct look *k, long i)
{
	const struct volindex_entry *e = volindex_entry(k->cache, (size_t)i);

	return e && (e->flags & VOLINDEX_RAW);
}

bool cache_is_silent(const struct look *k, const char *name)
{
	static const char problem[] = " problem=\"" SILENT;
	long i = cache_find(k, name);
	size_t len;
	const char *record = i < 0 ? NULL : volindex_record(k->cache, (size_t)i, &len);

	return record && memmem(record, len, problem, sizeof(problem) - 1);
}

bool cache_volume(const struct look *k, long i, char *copy, size_t size, struct line *l, struct volume *v)
{
	demand_or(i >= 0 && copy && size > 0, false);

	size_t len;
	const char *record = volindex_record(k->cache, (size_t)i, &len);

	if (!record || len > size)
		return false;
	memcpy(copy, record, len);
	return line_parse_reply(copy, len - 1, l, NULL) == 0 && volume_from_record(l, v, NULL) == 0;
}
