/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A new qcow2 image. Everything in it lies in one row, so that each cluster from the first to the last is in
 * use exactly once:
 *
 *     header | refcount table | refcount blocks | L1 table | L2 tables | data       (the last two: only if
 *     preallocated)
 *
 * Growing one is in qcow2_grow.c.
 */
#include "volumes/image/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/contract.h"
#include "base/util.h"
#include "volumes/image/qcow2_format.h"

#define CHUNK (256 * 1024) /* tables are written in pieces of this size */
_Static_assert(CHUNK % sizeof(uint64_t) == 0, "a piece ends with a whole entry");

/* Where everything is, in clusters from the beginning. */
struct layout {
	uint64_t capacity, cluster;
	unsigned cluster_bits, version;
	uint64_t reftable, blocks, l1, l2, data, end;
	uint64_t l1_entries;
	const struct qcow2_options *o;
};

/* ---- what can be ---- */

/* Cluster size, version and features; fills in what follows from them. Limits: the specification, and QEMU
 * where that has narrower ones. */
static int check_features(const struct qcow2_options *o, struct layout *l, struct err *e)
{
	const char *compat = o->compat ? o->compat : "1.1";

	l->cluster = o->cluster_size ? o->cluster_size : 65536;
	while ((UINT64_C(1) << l->cluster_bits) < l->cluster && l->cluster_bits <= QCOW2_CLUSTER_BITS_MAX)
		l->cluster_bits++;
	if (l->cluster != UINT64_C(1) << l->cluster_bits || l->cluster_bits < QCOW2_CLUSTER_BITS_MIN ||
	    l->cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return err_set(e, ERR_INVALID,
		               "a qcow2 cluster size must be a power of two between 512 bytes and 2 MiB, not "
		               "%llu bytes",
		               (unsigned long long)l->cluster);
	if (!streq(compat, "0.10") && !streq(compat, "1.1"))
		return err_set(e, ERR_INVALID, "qcow2 compat=\"%.40s\" is not known: 0.10 and 1.1 are",
		               compat);
	l->version = streq(compat, "1.1") ? 3 : 2;
	if (l->version < 3 && (o->lazy_refcounts || o->extended_l2))
		return err_set(e, ERR_INVALID, "qcow2 feature %s needs compat 1.1",
		               o->lazy_refcounts ? "lazy_refcounts" : "extended_l2");
	if (o->extended_l2 && l->cluster_bits < QCOW2_EXTENDED_BITS_MIN)
		return err_set(
			e, ERR_INVALID,
			"qcow2 feature extended_l2 needs a cluster size of at least 16 KiB, not %llu bytes",
			(unsigned long long)l->cluster);
	return 0;
}

/* Bytes of the header up to the backing file's name: fields, the format's extension, the end mark. Where the
 * names of features are written as well there is room for everything. */
static size_t header_len(const struct layout *l)
{
	size_t fields = l->version >= 3 ? Q_V3_LEN : Q_V2_LEN;

	return fields + 8 + q_units(strlen(l->o->backing_format), 8) * 8 + 8;
}

/* What a header has room for. The specification gives the name 1023 bytes and wants it in the first cluster.
 */
static int check_layout_backing(const struct layout *l, struct err *e)
{
	const struct qcow2_options *o = l->o;
	size_t len;

	if (!o->backing)
		return o->backing_format ? err_set(e, ERR_INVALID, "a backing format without a backing file")
		                         : 0;
	len = strlen(o->backing);
	if (!len || len > QCOW2_BACKING_MAX)
		return err_set(e, ERR_INVALID,
		               "the backing file's name has %zu bytes: a qcow2 image holds 1 to %d", len,
		               QCOW2_BACKING_MAX);
	if (!o->backing_format || !*o->backing_format)
		return err_set(
			e, ERR_INVALID,
			"the format of backing file \"%.200s\" must be given: it is not safe to guess it",
			o->backing);
	if (strlen(o->backing_format) > QCOW2_BACKING_FORMAT_MAX)
		return err_set(e, ERR_INVALID, "\"%.40s\" is no format of a backing file", o->backing_format);
	if (header_len(l) + len > l->cluster)
		return err_set(
			e, ERR_INVALID,
			"the backing file's name has %zu bytes: a cluster of %llu bytes has no room for it",
			len, (unsigned long long)l->cluster);
	if (o->preallocation != QCOW2_PREALLOC_OFF && !o->extended_l2)
		return err_set(e, ERR_INVALID,
		               "a qcow2 image with a backing file can be preallocated only with extended_l2");
	return 0;
}

/* The refcounts must count the clusters that they themselves are in. Grows to a fixed point in few rounds. */
static int lay_out(struct layout *l, uint64_t l2_tables, uint64_t data_clusters, struct err *e)
{
	uint64_t per_block = l->cluster / QCOW2_REFCOUNT_BYTES;
	uint64_t l1_clusters = q_units(l->l1_entries * 8, l->cluster);
	uint64_t rest = 1 + l1_clusters + l2_tables + data_clusters, blocks = 0, table = 0;

	for (;;) {
		uint64_t more_blocks = q_units(rest + table + blocks, per_block),
			 more_table = q_units(more_blocks * 8, l->cluster);

		if (more_blocks == blocks && more_table == table)
			break;
		blocks = more_blocks;
		table = more_table;
	}
	l->reftable = 1;
	l->blocks = l->reftable + table;
	l->l1 = l->blocks + blocks;
	l->l2 = l->l1 + l1_clusters;
	l->data = l->l2 + l2_tables;
	l->end = l->data + data_clusters;
	if (blocks * 8 > QCOW2_REFTABLE_MAX || l->end >= QCOW2_OFFSET_END >> l->cluster_bits)
		return err_set(e, ERR_INVALID,
		               "capacity %llu is too large for a preallocated qcow2 image with clusters of "
		               "%llu bytes: use larger ones",
		               (unsigned long long)l->capacity, (unsigned long long)l->cluster);
	return 0;
}

/* Everything about the new image that can be computed: nothing is written before all of it fits the format.
 * An image without preallocation has an L1 table of zeros, and no L2 tables. */
static int plan(const struct qcow2_options *o, struct layout *l, struct err *e)
{
	uint64_t covers;
	bool prealloc = o->preallocation != QCOW2_PREALLOC_OFF;

	*l = (struct layout){ .o = o };
	if (check_features(o, l, e) < 0 || check_layout_backing(l, e) < 0)
		return -1;
	covers = q_l1_covers(l->cluster, o->extended_l2);
	if (o->capacity > covers * (QCOW2_L1_MAX / 8))
		return err_set(e, ERR_INVALID,
		               "capacity %llu is too large for a qcow2 image with clusters of %llu bytes: it "
		               "holds %llu; use larger clusters",
		               (unsigned long long)o->capacity, (unsigned long long)l->cluster,
		               (unsigned long long)(covers * (QCOW2_L1_MAX / 8)));
	l->capacity = q_units(o->capacity, 512) * 512;
	l->l1_entries = q_units(l->capacity, covers);
	return lay_out(l, prealloc ? l->l1_entries : 0, prealloc ? q_units(l->capacity, l->cluster) : 0, e);
}

int qcow2_check(const struct qcow2_options *o, struct err *e)
{
	struct layout l;

	return plan(o, &l, e);
}

/* ---- writing ---- */

int qcow2_write(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	demand(data || len == 0, e);
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot write the qcow2 image");
		data = (const char *)data + n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Write count entries of `stride` bytes at cluster `where`, which hold the offsets of consecutive clusters
 * from `first`. An extended L2 entry's second half, the bitmap of its subclusters, stays 0: they are
 * nobody's yet. */
static int write_offsets(int fd, const struct layout *l, uint64_t where, uint64_t first, uint64_t count,
                         size_t stride, uint64_t flags, struct err *e)
{
	uint64_t offset = where << l->cluster_bits;
	cleanup_free unsigned char *chunk = calloc(1, CHUNK);

	if (!chunk)
		return err_set(e, ERR_NO_MEMORY, "cannot write the qcow2 image: out of memory");
	while (count > 0) {
		size_t n = count < CHUNK / stride ? (size_t)count : CHUNK / stride;

		for (size_t i = 0; i < n; i++)
			q_put64(chunk, i * stride, (first + i) << l->cluster_bits | flags);
		if (qcow2_write(fd, chunk, n * stride, offset, e) < 0)
			return -1;
		first += n;
		count -= n;
		offset += n * stride;
	}
	return 0;
}

/* Every cluster up to the end is in use once. */
static int write_refcounts(int fd, const struct layout *l, struct err *e)
{
	uint64_t offset = l->blocks << l->cluster_bits, left = l->end * QCOW2_REFCOUNT_BYTES;
	cleanup_free unsigned char *chunk = calloc(1, CHUNK);

	if (!chunk)
		return err_set(e, ERR_NO_MEMORY, "cannot write the qcow2 image: out of memory");
	/* Refcounts are big-endian: the second byte of each is the 1. */
	for (size_t i = 1; i < CHUNK; i += QCOW2_REFCOUNT_BYTES)
		chunk[i] = 1;
	while (left > 0) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (qcow2_write(fd, chunk, n, offset, e) < 0)
			return -1;
		offset += n;
		left -= n;
	}
	return 0;
}

/* 0; 1: this filesystem cannot promise space. */
static int allocate(int fd, uint64_t end, struct err *e)
{
	while (fallocate(fd, 0, 0, (off_t)end) < 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 1;
		if (errno != EINTR)
			return err_sys(e, errno, "cannot allocate %llu bytes for the qcow2 image",
			               (unsigned long long)end);
	}
	return 0;
}

/* Space for the data: claimed from the filesystem, or, where it cannot promise any, by writing zeros. */
static int claim_space(int fd, const struct layout *l, struct err *e)
{
	uint64_t offset = l->data << l->cluster_bits, end = l->end << l->cluster_bits;
	int result = allocate(fd, end, e);
	cleanup_free unsigned char *zeros = NULL;

	if (result <= 0)
		return result;
	zeros = calloc(1, CHUNK);
	if (!zeros)
		return err_set(e, ERR_NO_MEMORY, "cannot write the qcow2 image: out of memory");
	for (; offset < end; offset += CHUNK)
		if (qcow2_write(fd, zeros, end - offset < CHUNK ? (size_t)(end - offset) : CHUNK, offset, e) <
		    0)
			return -1;
	return 0;
}

/* ---- the header ---- */

/* The names that programs print for feature bits they do not know. */
static const struct feature {
	unsigned char type, bit;
	const char *name;
} features[] = {
	{ 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },         { 0, 2, "external data file" },
	{ 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
	{ 2, 0, "bitmaps" },
};

/* An entry of the extension has 48 bytes: the set (0 incompatible, 1 compatible, 2 autoclear), the bit, the
 * name. */
static size_t put_feature_names(unsigned char *h, size_t at)
{
	q_put32(h, at, QCOW2_EXT_FEATURES);
	q_put32(h, at + 4, ARRAY_LEN(features) * 48);
	at += 8;
	for (size_t i = 0; i < ARRAY_LEN(features); i++, at += 48) {
		h[at] = features[i].type;
		h[at + 1] = features[i].bit;
		memcpy(h + at + 2, features[i].name, strlen(features[i].name));
	}
	return at;
}

/* Extensions, the mark of their end, the backing file's name behind it. Returns where all of that ends. */
static size_t put_extensions(const struct layout *l, unsigned char *h, size_t at)
{
	const struct qcow2_options *o = l->o;

	if (o->backing_format) {
		size_t len = strlen(o->backing_format);

		q_put32(h, at, QCOW2_EXT_BACKING);
		q_put32(h, at + 4, (uint32_t)len);
		memcpy(h + at + 8, o->backing_format, len);
		at += 8 + q_units(len, 8) * 8;
	}
	if (l->version >= 3 && l->cluster >= 4096) /* a small cluster has better use for its room */
		at = put_feature_names(h, at);
	at += 8; /* the end mark: type 0, length 0 */
	if (o->backing) {
		size_t len = strlen(o->backing);

		q_put64(h, Q_BACKING_OFFSET, at);
		q_put32(h, Q_BACKING_LEN, (uint32_t)len);
		memcpy(h + at, o->backing, len);
		at += len;
	}
	return at;
}

/* Written last: a file that is cut short before is no image at all. */
static int write_header(int fd, const struct layout *l, struct err *e)
{
	unsigned char h[4096] = { 0 };

	q_put32(h, Q_MAGIC, QCOW2_MAGIC);
	q_put32(h, Q_VERSION, l->version);
	q_put32(h, Q_CLUSTER_BITS, l->cluster_bits);
	q_put64(h, Q_SIZE, l->capacity);
	q_put32(h, Q_L1_SIZE, (uint32_t)l->l1_entries);
	q_put64(h, Q_L1_OFFSET, l->l1_entries ? l->l1 << l->cluster_bits : 0);
	q_put64(h, Q_REFTABLE_OFFSET, l->reftable << l->cluster_bits);
	q_put32(h, Q_REFTABLE_CLUSTERS, (uint32_t)(l->blocks - l->reftable));
	if (l->version >= 3) {
		q_put64(h, Q_INCOMPATIBLE, l->o->extended_l2 ? QCOW2_EXTENDED_L2 : 0);
		q_put64(h, Q_COMPATIBLE, l->o->lazy_refcounts ? QCOW2_LAZY_REFCOUNTS : 0);
		q_put32(h, Q_REFCOUNT_ORDER, QCOW2_REFCOUNT_ORDER);
		q_put32(h, Q_HEADER_LEN, Q_V3_LEN);
	}
	return qcow2_write(fd, h, put_extensions(l, h, l->version >= 3 ? Q_V3_LEN : Q_V2_LEN), 0, e);
}

/* Something that holds bytes already is somebody's: it is not written over. */
static int empty_file(int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot write the qcow2 image");
	if (!S_ISREG(st.st_mode) || st.st_size != 0)
		return err_set(
			e, ERR_INVALID,
			"cannot write the qcow2 image: what it is to be written to is not an empty file");
	return 0;
}

int qcow2_create(int fd, const struct qcow2_options *o, struct err *e)
{
	demand(fd >= 0 && o, e);

	struct layout l;
	uint64_t clusters;

	if (plan(o, &l, e) < 0 || empty_file(fd, e) < 0)
		return -1;
	/* The file gets its length first: whatever is not written below is a hole, which reads as the zeros
	 * that a table without entries consists of. */
	if (ftruncate(fd, (off_t)(l.end << l.cluster_bits)) < 0)
		return err_sys(e, errno, "cannot make the qcow2 image %llu bytes long",
		               (unsigned long long)(l.end << l.cluster_bits));
	if (o->preallocation == QCOW2_PREALLOC_FALLOC && claim_space(fd, &l, e) < 0)
		return -1;
	clusters = l.end - l.data;
	if (write_offsets(fd, &l, l.l2, l.data, clusters, o->extended_l2 ? 16 : 8, QCOW2_COPIED, e) < 0 ||
	    write_offsets(fd, &l, l.l1, l.l2, l.data - l.l2, 8, QCOW2_COPIED, e) < 0 ||
	    write_offsets(fd, &l, l.reftable, l.blocks, l.l1 - l.blocks, 8, 0, e) < 0 ||
	    write_refcounts(fd, &l, e) < 0)
		return -1;
	return write_header(fd, &l, e);
}
