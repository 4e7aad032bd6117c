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
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/contract.h"
#include "base/util.h"

/* What a record has, in the order in which vol-list shows it; readers find a key by its name. */
enum fact_kind {
	FACT_TEXT,   /* NULL: left out */
	FACT_SIZE,   /* always there */
	FACT_NUMBER, /* 0: left out */
	FACT_FLAG,   /* "yes", or left out */
	FACT_FILE,   /* those of an inode: see record_file() */
};
static const struct fact {
	const char *key;
	unsigned short at; /* in struct volume */
	unsigned char kind;
} facts[] = {
#define FACT(key, kind, field)                                                                               \
	{                                                                                                    \
		key, offsetof(struct volume, field), kind                                                    \
	}
	FACT("name", FACT_TEXT, name),
	FACT("type", FACT_TEXT, type),
	FACT("path", FACT_TEXT, path),
	FACT("key", FACT_TEXT, key),
	FACT("format", FACT_TEXT, format),
	FACT("content", FACT_TEXT, content),
	FACT("capacity", FACT_SIZE, capacity),
	FACT("allocation", FACT_SIZE, allocation),
	FACT("physical", FACT_NUMBER, physical),
	{ NULL, 0, FACT_FILE },
	FACT("backing", FACT_TEXT, backing),
	FACT("backing-format", FACT_TEXT, backing_format),
	FACT("data-file", FACT_TEXT, data_file),
	FACT("encryption", FACT_TEXT, encryption),
	FACT("compat", FACT_TEXT, compat),
	FACT("cluster-size", FACT_NUMBER, cluster_size),
	FACT("lazy-refcounts", FACT_FLAG, lazy_refcounts),
	FACT("extended-l2", FACT_FLAG, extended_l2),
	FACT("devices", FACT_TEXT, devices),
	FACT("extent-start", FACT_NUMBER, extent_start),
	FACT("extent-end", FACT_NUMBER, extent_end),
	FACT("paths", FACT_TEXT, paths),
	FACT("snapshots", FACT_TEXT, snapshots),
	FACT("problem", FACT_TEXT, problem),
#undef FACT
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

static void record(const struct volume *v, struct buf *out)
{
	line_begin(out, "-");
	for (const struct fact *f = facts; f < facts + ARRAY_LEN(facts); f++) {
		const void *at = (const char *)v + f->at;
		const uint64_t *number = at;

		if (f->kind == FACT_TEXT)
			line_str(out, f->key, *(const char *const *)at);
		else if (f->kind == FACT_FILE)
			record_file(v, out);
		else if (f->kind == FACT_FLAG)
			line_str(out, f->key, *(const bool *)at ? "yes" : NULL);
		else if (f->kind == FACT_SIZE || *number)
			line_num(out, f->key, *number);
	}
	line_end(out);
}

/* A record that is too long is taken back, and written without one thing more. */
static bool record_fits(const struct volume *v, struct buf *out)
{
	const size_t start = out->len;

	record(v, out);
	if (out->failed || out->len - start <= LINE_MAX_BYTES)
		return true;
	out->len = start;
	out->data[start] = '\0';
	return false;
}

/* A name of 255 bytes that are not text, four characters each, once in the name, once in the path and once in
 * the key; a backing file name of 1023; hundreds of snapshots: what is least missed goes first. */
void volume_record(const struct volume *v, struct buf *out)
{
	demand_or(v->name && v->type, );

	struct volume less = *v;

	if (record_fits(v, out))
		return;
	if (v->key && v->path && streq(v->key, v->path))
		less.key = NULL;
	if (record_fits(&less, out))
		return;
	if (v->snapshots)
		less.problem = "its snapshots are too many to be shown";
	if (v->data_file || v->devices || v->paths)
		less.problem = "what it lies on is too long to be shown";
	if (v->backing)
		less.problem = "the name of its backing file is too long to be shown";
	less.backing = less.backing_format = less.data_file = less.devices = less.paths = less.snapshots =
		NULL;
	record(&less, out);
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
	*v = (struct volume){ 0 };

	bool sound = true;

	for (const struct fact *f = facts; f < facts + ARRAY_LEN(facts); f++) {
		void *at = (char *)v + f->at;

		if (f->kind == FACT_TEXT)
			*(const char **)at = line_get(l, f->key);
		else if (f->kind == FACT_FILE)
			sound = sound && take_file(l, v);
		else if (f->kind == FACT_FLAG)
			*(bool *)at = line_has(l, f->key);
		else
			sound = sound && take_u64(l, f->key, at);
	}
	if (l->kind != LINE_RECORD || !v->name || !*v->name || !v->type || !line_has(l, "capacity") ||
	    !line_has(l, "allocation"))
		return err_set(e, ERR_INTERNAL, "a volume record lacks its name, type or size");
	if (!sound)
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
