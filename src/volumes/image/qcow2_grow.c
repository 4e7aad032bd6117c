/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A qcow2 image made larger. An image comes from anywhere, so each table is looked at whole before a byte of
 * the file changes; what is not plain is left to qemu-img. The order of writes is the whole point: at any
 * moment the header speaks of tables that are complete, and what it does not speak of yet, or no longer, is
 * at worst a cluster that nobody uses.
 *
 *   1  behind the end of the file: the longer L1 table, and the refcount blocks that it takes
 *   2  their refcounts                              sync
 *   3  the new blocks into the refcount table       sync
 *   4  the header: size, L1 size and offset         sync
 *   5  the old L1 table's refcounts                 sync
 */
#include "volumes/image/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "volumes/image/qcow2_format.h"

#define NOT_OURS 1

/* The image as it is: its header and both tables, read whole. Offsets and sizes are in bytes unless they say
 * clusters. */
struct qcow2_file {
	int fd;
	uint64_t file_size, capacity, cluster;
	unsigned cluster_bits;
	bool extended;
	unsigned char header[Q_V3_MIN_LEN];
	uint64_t extensions, extensions_end;
	uint64_t l1_entries, l1_offset, l1_clusters;
	unsigned char *l1; /* as in the file */
	uint64_t table_offset, table_clusters, table_entries, per_block;
	uint64_t *table; /* the refcount table: offsets of blocks, 0: none */
};

/* What is put behind the end, in clusters. */
struct addition {
	uint64_t first, end; /* L1 first, then the new refcount blocks */
	uint64_t l1_entries, l1_clusters;
	uint64_t first_block, end_block; /* indices of the refcount table that cover it */
	uint64_t *table;                 /* the refcount table with the new blocks in it */
};

/* ---- reading and writing ---- */

/* All of it. NOT_OURS: the file is shorter than its header says. */
static int read_exactly(const struct qcow2_file *i, void *data, size_t len, uint64_t offset, struct err *e)
{
	ssize_t n = file_pread(i->fd, data, len, offset);

	if (n < 0)
		return err_sys(e, errno, "cannot read the qcow2 image");
	return (size_t)n < len ? NOT_OURS : 0; /* shorter than it says */
}

/* Between two steps: what was written before it is on the disk before anything that refers to it. */
static int sync_image(const struct qcow2_file *i, struct err *e)
{
	return fdatasync(i->fd) < 0 ? err_sys(e, errno, "cannot write the qcow2 image to its disk") : 0;
}

/* ---- is it ours to do? Every answer here: 0 yes, NOT_OURS, -1 ---- */

/* A table must be in the file, whole, and at the beginning of a cluster that is not the header's. */
static bool in_file(const struct qcow2_file *i, uint64_t offset, uint64_t len)
{
	return offset >= i->cluster && offset % i->cluster == 0 && offset < QCOW2_OFFSET_END &&
	       len <= i->file_size && offset <= i->file_size - len;
}

/* Do two ranges of the file share a byte? */
static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Version 3's further fields: only extended L2 entries, and another compression, are features that growing
 * does not touch. */
static int check_version3(struct qcow2_file *i)
{
	uint64_t incompatible = q_get64(i->header, Q_INCOMPATIBLE);
	uint32_t len = q_get32(i->header, Q_HEADER_LEN);

	if ((incompatible & ~(QCOW2_COMPRESSION_TYPE | QCOW2_EXTENDED_L2)) ||
	    q_get64(i->header, Q_AUTOCLEAR) || q_get32(i->header, Q_REFCOUNT_ORDER) != QCOW2_REFCOUNT_ORDER ||
	    len < Q_V3_MIN_LEN || len % 8 || len > i->cluster)
		return NOT_OURS;
	i->extended = (incompatible & QCOW2_EXTENDED_L2) != 0;
	i->extensions = len;
	return i->extended && i->cluster_bits < QCOW2_EXTENDED_BITS_MIN ? NOT_OURS : 0;
}

/* The header's fields, as far as growing needs them. Whatever makes the image more than a plain one makes it
 * qemu-img's. */
static int read_header(struct qcow2_file *i, struct err *e)
{
	const unsigned char *h = i->header;
	struct stat st;
	uint32_t version;
	int result;

	if (fstat(i->fd, &st) < 0)
		return err_sys(e, errno, "cannot read the qcow2 image");
	if (!S_ISREG(st.st_mode))
		return NOT_OURS;
	i->file_size = (uint64_t)st.st_size;
	result = read_exactly(i, i->header, sizeof(i->header), 0, e);
	if (result)
		return result;
	version = q_get32(h, Q_VERSION);
	i->cluster_bits = q_get32(h, Q_CLUSTER_BITS);
	if (q_get32(h, Q_MAGIC) != QCOW2_MAGIC || (version != 2 && version != 3) ||
	    i->cluster_bits < QCOW2_CLUSTER_BITS_MIN || i->cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return NOT_OURS;
	i->cluster = UINT64_C(1) << i->cluster_bits;
	i->extensions = Q_V2_LEN;
	/* A backing file could show its content in the new space. Only opening it would tell, and what a
	 * header names is not opened. */
	if (q_get32(h, Q_CRYPT) || q_get32(h, Q_SNAPSHOTS) || q_get64(h, Q_BACKING_OFFSET) ||
	    q_get32(h, Q_BACKING_LEN) || (version == 3 && check_version3(i)))
		return NOT_OURS;
	i->capacity = q_get64(h, Q_SIZE);
	i->l1_entries = q_get32(h, Q_L1_SIZE);
	i->l1_offset = q_get64(h, Q_L1_OFFSET);
	i->table_offset = q_get64(h, Q_REFTABLE_OFFSET);
	i->table_clusters = q_get32(h, Q_REFTABLE_CLUSTERS);
	return 0;
}

/* Extensions: names of features say nothing; any other is something that growing might have to keep in
 * step. */
static int check_extensions(const struct qcow2_file *i, struct err *e)
{
	uint64_t at = i->extensions;
	unsigned char head[8];

	while (at + sizeof(head) <= i->cluster) {
		uint32_t type, len;
		int result = read_exactly(i, head, sizeof(head), at, e);

		if (result)
			return result;
		type = q_get32(head, 0);
		len = q_get32(head, 4);
		if (type == QCOW2_EXT_END)
			return 0;
		if (type != QCOW2_EXT_FEATURES || len > i->cluster)
			return NOT_OURS;
		at += sizeof(head) + q_units(len, 8) * 8;
	}
	return at <= i->cluster ? 0 : NOT_OURS;
}

/* An entry of the L1 or of the refcount table: nothing, or a table inside the file. */
static bool plain_entry(const struct qcow2_file *i, uint64_t entry, uint64_t flags)
{
	return !(entry & ~(QCOW2_OFFSET_MASK | flags)) &&
	       (!(entry & QCOW2_OFFSET_MASK) || in_file(i, entry & QCOW2_OFFSET_MASK, 1));
}

/* Read the L1 table whole, into i->l1. Each entry is checked, as all of them are written again at another
 * place. */
static int read_l1(struct qcow2_file *i, struct err *e)
{
	uint64_t len = i->l1_entries * 8;
	int result;

	if (len > QCOW2_L1_MAX || i->capacity % 512 ||
	    i->capacity > i->l1_entries * q_l1_covers(i->cluster, i->extended))
		return NOT_OURS;
	i->l1_clusters = q_units(len, i->cluster);
	i->l1 = calloc(1, len + 1);
	if (!i->l1)
		return err_set(e, ERR_NO_MEMORY, "cannot read the qcow2 image: out of memory");
	if (!len)
		return 0;
	if (!in_file(i, i->l1_offset, len))
		return NOT_OURS;
	result = read_exactly(i, i->l1, len, i->l1_offset, e);
	for (uint64_t n = 0; !result && n < i->l1_entries; n++)
		if (!plain_entry(i, q_get64(i->l1 + n * 8, 0), QCOW2_COPIED))
			return NOT_OURS;
	return result;
}

/* Read the refcount table whole, into i->table, in the machine's own byte order. */
static int read_table(struct qcow2_file *i, struct err *e)
{
	uint64_t len = i->table_clusters << i->cluster_bits;
	int result;

	if (!len || len > QCOW2_REFTABLE_MAX || !in_file(i, i->table_offset, len) ||
	    overlap(i->table_offset, len, i->l1_offset, i->l1_clusters << i->cluster_bits))
		return NOT_OURS;
	i->table_entries = len / 8;
	i->per_block = i->cluster / QCOW2_REFCOUNT_BYTES;
	i->table = malloc(len);
	if (!i->table)
		return err_set(e, ERR_NO_MEMORY, "cannot read the qcow2 image: out of memory");
	result = read_exactly(i, i->table, len, i->table_offset, e);
	for (uint64_t n = 0; !result && n < i->table_entries; n++) {
		i->table[n] = be64toh(i->table[n]);
		if (!plain_entry(i, i->table[n], 0) || (i->table[n] && !in_file(i, i->table[n], i->cluster)))
			return NOT_OURS;
	}
	return result;
}

/* ---- refcounts ---- */

/* The refcounts of clusters first … end-1 are all `want`. Where there is no block they are 0. */
static int refcounts_are(const struct qcow2_file *i, uint64_t first, uint64_t end, uint16_t want,
                         struct err *e)
{
	uint16_t counts[4096];

	while (first < end) {
		uint64_t index = first / i->per_block, in_block = first % i->per_block,
			 n = i->per_block - in_block;
		uint64_t block = index < i->table_entries ? i->table[index] : 0;
		int result;

		n = n < end - first ? n : end - first;
		n = n < ARRAY_LEN(counts) ? n : ARRAY_LEN(counts);
		first += n;
		if (!block && want)
			return NOT_OURS;
		if (!block)
			continue;
		result = read_exactly(i, counts, n * QCOW2_REFCOUNT_BYTES,
		                      block + in_block * QCOW2_REFCOUNT_BYTES, e);
		if (result)
			return result;
		for (uint64_t k = 0; k < n; k++)
			if (be16toh(counts[k]) != want)
				return NOT_OURS;
	}
	return 0;
}

/* Set them, in the blocks of that table. Clusters that have no block have no refcount to set. */
static int set_refcounts(const struct qcow2_file *i, const uint64_t *table, uint64_t first, uint64_t end,
                         uint16_t count, struct err *e)
{
	uint16_t counts[4096];

	for (size_t k = 0; k < ARRAY_LEN(counts); k++)
		counts[k] = htobe16(count);
	while (first < end) {
		uint64_t index = first / i->per_block, in_block = first % i->per_block,
			 n = i->per_block - in_block;

		n = n < end - first ? n : end - first;
		n = n < ARRAY_LEN(counts) ? n : ARRAY_LEN(counts);
		if (index < i->table_entries && table[index] &&
		    qcow2_write(i->fd, counts, n * QCOW2_REFCOUNT_BYTES,
		                table[index] + in_block * QCOW2_REFCOUNT_BYTES, e) < 0)
			return -1;
		first += n;
	}
	return 0;
}

/* A block that is going to be written to is nothing else at the same time, and in use once. */
static int check_block(const struct qcow2_file *i, uint64_t index, struct err *e)
{
	uint64_t block = i->table[index];

	if (overlap(block, i->cluster, i->table_offset, i->table_clusters << i->cluster_bits) ||
	    overlap(block, i->cluster, i->l1_offset, i->l1_clusters << i->cluster_bits))
		return NOT_OURS;
	for (uint64_t n = 0; n < i->table_entries; n++)
		if (n != index && i->table[n] == block)
			return NOT_OURS;
	for (uint64_t n = 0; n < i->l1_entries; n++)
		if ((q_get64(i->l1 + n * 8, 0) & QCOW2_OFFSET_MASK) == block)
			return NOT_OURS;
	return refcounts_are(i, block >> i->cluster_bits, (block >> i->cluster_bits) + 1, 1, e);
}

/* The same of each block between two indices of the table that is there. */
static int check_blocks(const struct qcow2_file *i, uint64_t first, uint64_t end, struct err *e)
{
	int result = 0;

	for (uint64_t n = first; !result && n < end && n < i->table_entries; n++)
		if (i->table[n])
			result = check_block(i, n, e);
	return result;
}

/* The old L1 table is in use once, and nothing else is in its clusters: it is written to, or given back. Nor
 * is there in the blocks that say so. */
static int check_old_l1(const struct qcow2_file *i, struct err *e)
{
	uint64_t first = i->l1_offset >> i->cluster_bits, end = first + i->l1_clusters;
	int result;

	if (!i->l1_entries)
		return 0;
	for (uint64_t n = 0; n < i->l1_entries; n++) {
		uint64_t table = q_get64(i->l1 + n * 8, 0) & QCOW2_OFFSET_MASK;

		if (table && overlap(table, i->cluster, i->l1_offset, i->l1_clusters << i->cluster_bits))
			return NOT_OURS;
	}
	for (uint64_t n = 0; n < i->table_entries; n++)
		if (i->table[n] &&
		    overlap(i->table[n], i->cluster, i->l1_offset, i->l1_clusters << i->cluster_bits))
			return NOT_OURS;
	result = refcounts_are(i, first, end, 1, e);
	return result ? result : check_blocks(i, first / i->per_block, (end - 1) / i->per_block + 1, e);
}

/* ---- the header, in one write ---- */

/* The three fields lie side by side in the header, and 24 bytes of one sector are written whole or not at
 * all. What they say changes from the old image to the new one at that moment. */
static int commit(const struct qcow2_file *i, uint64_t capacity, uint64_t l1_entries, uint64_t l1_offset,
                  struct err *e)
{
	/* Q_CRYPT lies between them, and is 0: read_header() has seen to that. */
	unsigned char fields[Q_REFTABLE_OFFSET - Q_SIZE] = { 0 };

	q_put64(fields, 0, capacity);
	q_put32(fields, Q_L1_SIZE - Q_SIZE, (uint32_t)l1_entries);
	q_put64(fields, Q_L1_OFFSET - Q_SIZE, l1_offset);
	if (qcow2_write(i->fd, fields, sizeof(fields), Q_SIZE, e) < 0)
		return -1;
	return sync_image(i, e);
}

/* ---- the short way: the L1 table's clusters have room ---- */

/* The new L1 entries are zeros behind the old ones, in clusters that the table has already. They are on the
 * disk before the header counts them. */
static int grow_in_place(const struct qcow2_file *i, uint64_t capacity, uint64_t l1_entries, struct err *e)
{
	uint64_t more = l1_entries - i->l1_entries;

	if (more) {
		cleanup_free unsigned char *zeros = calloc(more, 8);

		if (!zeros)
			return err_set(e, ERR_NO_MEMORY, "cannot grow the qcow2 image: out of memory");
		if (qcow2_write(i->fd, zeros, more * 8, i->l1_offset + i->l1_entries * 8, e) < 0 ||
		    sync_image(i, e) < 0)
			return -1;
	}
	return commit(i, capacity, l1_entries, i->l1_offset, e);
}

/* ---- the long way: a new L1 table ---- */

/* Where it goes. Blocks that are missing for the addition are part of it, and may need blocks in turn. */
static int plan_addition(const struct qcow2_file *i, struct addition *a, struct err *e)
{
	uint64_t blocks = 0, missing;
	int result;

	a->first = q_units(i->file_size, i->cluster);
	a->l1_clusters = q_units(a->l1_entries * 8, i->cluster);
	a->first_block = a->first / i->per_block;
	for (;; blocks = missing) {
		a->end = a->first + a->l1_clusters + blocks;
		a->end_block = (a->end - 1) / i->per_block + 1;
		if (a->end_block > i->table_entries || a->end >= QCOW2_OFFSET_END >> i->cluster_bits)
			return NOT_OURS; /* the refcount table itself would have to move */
		missing = 0;
		for (uint64_t n = a->first_block; n < a->end_block; n++)
			missing += !i->table[n];
		if (missing == blocks)
			break;
	}
	result = refcounts_are(i, a->first, a->end, 0, e);
	if (!result)
		result = check_blocks(i, a->first_block, a->end_block, e);
	if (result)
		return result;
	a->table = malloc(i->table_entries * 8);
	if (!a->table)
		return err_set(e, ERR_NO_MEMORY, "cannot grow the qcow2 image: out of memory");
	memcpy(a->table, i->table, i->table_entries * 8);
	for (uint64_t n = a->first_block, block = a->first + a->l1_clusters; n < a->end_block; n++)
		if (!a->table[n])
			a->table[n] = block++ << i->cluster_bits;
	return 0;
}

/* Steps 1 and 2. What is new here the image does not know of yet. */
static int write_addition(const struct qcow2_file *i, const struct addition *a, struct err *e)
{
	uint64_t offset = a->first << i->cluster_bits;

	if (ftruncate(i->fd, (off_t)(a->end << i->cluster_bits)) < 0)
		return err_sys(e, errno, "cannot make the qcow2 image's file longer");
	if (qcow2_write(i->fd, i->l1, i->l1_entries * 8, offset, e) < 0 ||
	    set_refcounts(i, a->table, a->first, a->end, 1, e) < 0)
		return -1;
	return sync_image(i, e);
}

/* Step 3. */
static int link_blocks(const struct qcow2_file *i, const struct addition *a, struct err *e)
{
	unsigned char entry[8];

	for (uint64_t n = a->first_block; n < a->end_block; n++) {
		q_put64(entry, 0, a->table[n]);
		if (a->table[n] != i->table[n] &&
		    qcow2_write(i->fd, entry, sizeof(entry), i->table_offset + n * 8, e) < 0)
			return -1;
	}
	return sync_image(i, e);
}

/* Steps 1 to 5 of the head. Up to step 3 everything can be taken back; after step 4 the image is the new
 * one. */
static int grow_moving(const struct qcow2_file *i, uint64_t capacity, struct addition *a, struct err *e)
{
	if (write_addition(i, a, e) < 0) {
		/* Most often: no space. Nothing refers to it yet, so it can go again. */
		if (set_refcounts(i, i->table, a->first, a->end, 0, NULL) == 0)
			(void)!ftruncate(i->fd, (off_t)i->file_size);
		return -1;
	}
	if (link_blocks(i, a, e) < 0 ||
	    commit(i, capacity, a->l1_entries, a->first << i->cluster_bits, e) < 0)
		return -1;
	/* Step 5. The image is grown: that a cluster too many stays in use is no error. */
	if (i->l1_entries && set_refcounts(i, i->table, i->l1_offset >> i->cluster_bits,
	                                   (i->l1_offset >> i->cluster_bits) + i->l1_clusters, 0, NULL) == 0)
		(void)sync_image(i, NULL);
	return 0;
}

/* ---- the whole of it ---- */

/* The order matters: each function has the one before it to thank for numbers that it may use. */
static int read_metadata(struct qcow2_file *i, struct err *e)
{
	int result = read_header(i, e);

	if (!result)
		result = check_extensions(i, e);
	if (!result)
		result = read_l1(i, e);
	if (!result)
		result = read_table(i, e);
	return result;
}

/* Look at everything, then take the short way or the long one. */
static int grow_tables(struct qcow2_file *i, uint64_t capacity, struct err *e)
{
	uint64_t covers, l1_entries;
	struct addition a = { 0 };
	int result = read_metadata(i, e);

	if (result || capacity == i->capacity)
		return result;
	if (capacity < i->capacity)
		return NOT_OURS;
	covers = q_l1_covers(i->cluster, i->extended);
	if (capacity > covers * (QCOW2_L1_MAX / 8))
		return err_set(e, ERR_INVALID,
		               "capacity %llu is too large for a qcow2 image with clusters of %llu bytes: it "
		               "holds %llu",
		               (unsigned long long)capacity, (unsigned long long)i->cluster,
		               (unsigned long long)(covers * (QCOW2_L1_MAX / 8)));
	l1_entries = q_units(capacity, covers);
	if (l1_entries < i->l1_entries)
		l1_entries = i->l1_entries;
	result = check_old_l1(i, e);
	if (result)
		return result;
	if (l1_entries * 8 <= i->l1_clusters << i->cluster_bits)
		return grow_in_place(i, capacity, l1_entries, e);
	a.l1_entries = l1_entries;
	result = plan_addition(i, &a, e);
	if (!result)
		result = grow_moving(i, capacity, &a, e);
	free(a.table);
	return result;
}

/* QEMU marks what it does with an image by locks on bytes 100 … 299 of the file: with all of them taken
 * nobody else has it open, or can open it. Filesystems without locks have none to respect. */
static int lock_image(int fd, short type, struct err *e)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 200 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
		return 0;
	return err_set(e, ERR_BUSY, "the image is in use by another program (a running guest?)");
}

int qcow2_grow(int fd, uint64_t capacity, struct err *e)
{
	struct qcow2_file i = { .fd = fd };
	int result;

	if (capacity > INT64_MAX)
		return err_set(e, ERR_INVALID, "capacity %llu is too large for a qcow2 image",
		               (unsigned long long)capacity);
	if (lock_image(fd, F_WRLCK, e) < 0)
		return -1;
	result = grow_tables(&i, q_units(capacity, 512) * 512, e);
	free(i.l1);
	free(i.table);
	lock_image(fd, F_UNLCK, NULL);
	return result;
}
