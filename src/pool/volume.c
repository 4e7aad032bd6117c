/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume as a protocol record, and back again.
 *
 * A record is written once, by the worker that has looked at the volume, and read by many: supervisor,
 * client, the next refresh. Writing is the hot path of a refresh of a large pool, so that numbers are
 * printed without printf(3).
 */
#include "pool/volume.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/contract.h"
#include "base/util.h"

/* Which of a volume's strings are written: long ones may have to stay away, a record is one line of the
 * protocol. */
struct trim {
	bool key, below;
	const char *problem;
};

/* ---- out ---- */

/* Decimal digits before `at`: ten thousand records in a refresh are worth doing without printf(3). Returns
 * where they begin. */
static char *digits(char *at, uint64_t value)
{
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	return at;
}

/* "SEC.NNNNNNNNN" */
static void time_field(struct buf *out, const char *key, int64_t sec, uint32_t nsec)
{
	char text[40] = { 0 }, *at = digits(text + sizeof(text) - 1, 1000000000 + nsec % 1000000000);

	*at = '.'; /* over the leading 1 */
	at = digits(at, sec < 0 ? -(uint64_t)sec : (uint64_t)sec);
	if (sec < 0)
		*--at = '-';
	line_str(out, key, at);
}

/* Octal, with the 0 before it. */
static void mode_field(struct buf *out, const char *key, unsigned mode)
{
	char text[16] = { 0 }, *at = text + sizeof(text) - 1;

	do
		*--at = (char)('0' + (mode & 7));
	while (mode >>= 3);
	*--at = '0';
	line_str(out, key, at);
}

/* Facts of an inode. Owner and group come with the mode or not at all, and the three times together: who
 * reads a record looks for one of them and expects the others. */
static void record_file(const struct volume *v, struct buf *out)
{
	if (v->has_perms) {
		mode_field(out, "mode", v->mode);
		line_num(out, "owner", v->owner);
		line_num(out, "group", v->group);
	}
	if (v->has_times) {
		time_field(out, "atime", v->atime.sec, v->atime.nsec);
		time_field(out, "mtime", v->mtime.sec, v->mtime.nsec);
		time_field(out, "ctime", v->ctime_.sec, v->ctime_.nsec);
	}
	if (v->inode)
		line_num(out, "inode", v->inode);
}

/* The order of the keys is the order in which vol-list shows them; readers find them by name. */
static void record(const struct volume *v, const struct trim *trim, struct buf *out)
{
	line_begin(out, "-");
	line_str(out, "name", v->name);
	line_str(out, "type", v->type);
	line_str(out, "path", v->path);
	line_str(out, "key", trim->key ? NULL : v->key);
	line_str(out, "format", v->format);
	line_str(out, "content", v->content);
	line_num(out, "capacity", v->capacity);
	line_num(out, "allocation", v->allocation);
	if (v->physical)
		line_num(out, "physical", v->physical);
	record_file(v, out);
	line_str(out, "backing", trim->below ? NULL : v->backing);
	line_str(out, "backing-format", trim->below ? NULL : v->backing_format);
	line_str(out, "data-file", trim->below ? NULL : v->data_file);
	line_str(out, "encryption", v->encryption);
	line_str(out, "compat", v->compat);
	if (v->cluster_size)
		line_num(out, "cluster-size", v->cluster_size);
	if (v->lazy_refcounts)
		line_str(out, "lazy-refcounts", "yes");
	if (v->extended_l2)
		line_str(out, "extended-l2", "yes");
	line_str(out, "devices", trim->below ? NULL : v->devices);
	if (v->extent_end) {
		line_num(out, "extent-start", v->extent_start);
		line_num(out, "extent-end", v->extent_end);
	}
	line_str(out, "paths", trim->below ? NULL : v->paths);
	line_str(out, "problem", trim->problem);
	line_end(out);
}

/* A name of 255 bytes that are not text, four characters each, once in the name, once in the path and once in
 * the key; a backing file name of 1023: what is least missed goes first. */
void volume_record(const struct volume *v, struct buf *out)
{
	demand_or(v->name && v->type, );

	static const char long_backing[] = "the name of its backing file is too long to be shown",
			  long_other[] = "what it lies on is too long to be shown";
	const bool same = v->key && v->path && streq(v->key, v->path);
	const char *other = v->data_file || v->devices || v->paths ? long_other : v->problem;
	const struct trim trims[] = {
		{ .problem = v->problem },
		{ .key = same, .problem = v->problem },
		{ .key = same, .below = true, .problem = v->backing ? long_backing : other },
	};
	size_t start = out->len;

	for (size_t i = 0; i < ARRAY_LEN(trims); i++) {
		if (i > 0 && (out->failed || out->len - start <= LINE_MAX_BYTES))
			return;
		if (i > 0) {
			out->len = start;
			out->data[start] = '\0';
		}
		record(v, &trims[i], out);
	}
}

/* ---- in ---- */

/* Decimal (or, with base 8, octal) and nothing else; up to `max`. */
static bool take_number(const char *text, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(unsigned char)*text - '0';

		if (digit >= base || value > (max - digit) / base)
			return false;
		value = value * base + digit;
	}
	*out = value;
	return true;
}

/* An optional number: what is absent stays 0. */
static bool take_u64(const struct line *l, const char *key, uint64_t *out)
{
	const char *text = line_get(l, key);

	return !text || take_number(text, 10, UINT64_MAX, out);
}

/* "SEC.NNNNNNNNN"; seconds may be negative. */
static bool take_time(const struct line *l, const char *key, int64_t *sec, uint32_t *nsec)
{
	const char *text = line_get(l, key), *dot = text ? strchr(text, '.') : NULL;
	char seconds[24];
	uint64_t s, n;
	bool negative;

	if (!dot || dot - text >= (long)sizeof(seconds) || strlen(dot + 1) != 9)
		return false;
	negative = *text == '-';
	text += negative;
	snprintf(seconds, sizeof(seconds), "%.*s", (int)(dot - text), text);
	if (!take_number(seconds, 10, INT64_MAX, &s) || !take_number(dot + 1, 10, 999999999, &n))
		return false;
	*sec = negative ? -(int64_t)s : (int64_t)s;
	*nsec = (uint32_t)n;
	return true;
}

/* What record_file() has written. Owner and group are expected where there is a mode, and the three times
 * where there is one. */
static bool take_file(const struct line *l, struct volume *v)
{
	uint64_t mode = 0, owner = 0, group = 0;

	v->has_perms = line_has(l, "mode");
	if (v->has_perms) {
		if (!take_number(line_get(l, "mode"), 8, 07777, &mode) ||
		    !take_number(line_get(l, "owner"), 10, UINT32_MAX, &owner) ||
		    !take_number(line_get(l, "group"), 10, UINT32_MAX, &group))
			return false;
		v->mode = (unsigned)mode;
		v->owner = (uint32_t)owner;
		v->group = (uint32_t)group;
	}
	v->has_times = line_has(l, "mtime");
	if (v->has_times && (!take_time(l, "atime", &v->atime.sec, &v->atime.nsec) ||
	                     !take_time(l, "mtime", &v->mtime.sec, &v->mtime.nsec) ||
	                     !take_time(l, "ctime", &v->ctime_.sec, &v->ctime_.nsec)))
		return false;
	return take_u64(l, "inode", &v->inode);
}

int volume_from_record(const struct line *l, struct volume *v, struct err *e)
{
	demand(l && v, e);
	*v = (struct volume){
		.name = line_get(l, "name"),
		.type = line_get(l, "type"),
		.path = line_get(l, "path"),
		.key = line_get(l, "key"),
		.format = line_get(l, "format"),
		.content = line_get(l, "content"),
		.backing = line_get(l, "backing"),
		.backing_format = line_get(l, "backing-format"),
		.data_file = line_get(l, "data-file"),
		.encryption = line_get(l, "encryption"),
		.compat = line_get(l, "compat"),
		.devices = line_get(l, "devices"),
		.paths = line_get(l, "paths"),
		.problem = line_get(l, "problem"),
		.lazy_refcounts = line_has(l, "lazy-refcounts"),
		.extended_l2 = line_has(l, "extended-l2"),
	};
	if (l->kind != LINE_RECORD || !v->name || !*v->name || !v->type || !line_has(l, "capacity") ||
	    !line_has(l, "allocation"))
		return err_set(e, ERR_INTERNAL, "a volume record lacks its name, type or size");
	if (!take_u64(l, "capacity", &v->capacity) || !take_u64(l, "allocation", &v->allocation) ||
	    !take_u64(l, "physical", &v->physical) || !take_u64(l, "cluster-size", &v->cluster_size) ||
	    !take_u64(l, "extent-start", &v->extent_start) || !take_u64(l, "extent-end", &v->extent_end) ||
	    !take_file(l, v))
		return err_set(e, ERR_INTERNAL, "the record of volume \"%.200s\" holds a number that is none",
		               v->name);
	if (!v->key)
		v->key = v->path;
	return 0;
}

void volume_from_stat(struct volume *v, const struct stat *st)
{
	v->has_perms = true;
	v->mode = st->st_mode & 07777;
	v->owner = st->st_uid;
	v->group = st->st_gid;
	v->has_times = true;
	v->atime.sec = st->st_atim.tv_sec;
	v->atime.nsec = (uint32_t)st->st_atim.tv_nsec;
	v->mtime.sec = st->st_mtim.tv_sec;
	v->mtime.nsec = (uint32_t)st->st_mtim.tv_nsec;
	v->ctime_.sec = st->st_ctim.tv_sec;
	v->ctime_.nsec = (uint32_t)st->st_ctim.tv_nsec;
}
