/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Growing an image that somebody has damaged: what is refused is left as it was, what is grown keeps
 * everything but the tables that growing is about.
 *
 *     byte 0      0x80: the rest is the file as it stands; else cluster size (2 bits), compat, preallocation,
 *     extended L2, capacity before (3 bits)
 *     byte 1      capacity afterwards, as a power of two; mostly small, so that it is quick
 *     then        damage: offset (2 bytes), what is to be there (1 byte); …
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volumes/image/qcow2.h"
#include "volumes/image/qcow2_format.h"

#define FILE_MAX (1 << 18)

static unsigned char before[FILE_MAX], after[FILE_MAX], may_change[FILE_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t contents(int fd, unsigned char *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		abort();
	memset(out, 0, FILE_MAX);
	if (pread(fd, out, FILE_MAX, 0) < 0)
		abort();
	return (size_t)st.st_size;
}

static void make(int fd, uint8_t how, const uint8_t *damage, size_t len)
{
	struct qcow2_options o = {
		.cluster_size = UINT64_C(512) << 2 * (how & 3),
		.compat = how & 4 ? "0.10" : "1.1",
		.preallocation = how & 8 ? QCOW2_PREALLOC_METADATA : QCOW2_PREALLOC_OFF,
		.capacity = (uint64_t)(how >> 4 & 7) << 14,
	};

	o.extended_l2 = (how & 7) == 3;
	if (qcow2_create(fd, &o, NULL) < 0)
		abort();
	for (; len >= 3; damage += 3, len -= 3)
		if (pwrite(fd, damage + 2, 1, damage[0] << 8 | damage[1]) != 1)
			abort();
}

static void allow(uint64_t offset, uint64_t len)
{
	if (offset < FILE_MAX)
		memset(may_change + offset, 1, len < FILE_MAX - offset ? (size_t)len : FILE_MAX - offset);
}

/* By the old header: size and L1 fields, the refcount table, its blocks, the L1 table's clusters. */
static void allow_tables(void)
{
	uint64_t cluster = UINT64_C(1) << q_get32(before, Q_CLUSTER_BITS),
		 table = q_get64(before, Q_REFTABLE_OFFSET);
	uint64_t len = q_get32(before, Q_REFTABLE_CLUSTERS) * cluster;

	memset(may_change, 0, FILE_MAX);
	allow(Q_SIZE, Q_REFTABLE_OFFSET - Q_SIZE);
	allow(table, len);
	for (uint64_t at = table; at + 8 <= table + len && at + 8 <= FILE_MAX; at += 8)
		if (q_get64(before + at, 0))
			allow(q_get64(before + at, 0), cluster);
	allow(q_get64(before, Q_L1_OFFSET) + q_get32(before, Q_L1_SIZE) * 8,
	      q_units(q_get32(before, Q_L1_SIZE) * 8, cluster) * cluster - q_get32(before, Q_L1_SIZE) * 8);
}

/* The L1 table is the old one and nothing after it. */
static void check_l1(void)
{
	uint64_t old = q_get64(before, Q_L1_OFFSET), new = q_get64(after, Q_L1_OFFSET);
	uint64_t old_len = q_get32(before, Q_L1_SIZE) * UINT64_C(8),
		 new_len = q_get32(after, Q_L1_SIZE) * UINT64_C(8);

	if (new_len < old_len)
		abort();
	for (uint64_t at = 0; at < new_len && new + at < FILE_MAX; at++)
		if (after[new + at] != (at < old_len ? before[old + at] : 0))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC), result;
	size_t old_size, new_size;
	uint64_t capacity;

	if (size < 2 || size > 65536 || fd < 0) {
		close(fd);
		return 0;
	}
	capacity = UINT64_C(1) << (data[1] < 224 ? data[1] % 32 : data[1] & 63);
	if (!(data[0] & 0x80))
		make(fd, data[0], data + 2, size - 2);
	else if (pwrite(fd, data + 2, size - 2, 0) != (ssize_t)(size - 2))
		abort();
	old_size = contents(fd, before);
	result = qcow2_grow(fd, capacity, NULL);
	new_size = contents(fd, after);
	close(fd);
	if (result) {
		if (new_size != old_size || memcmp(before, after, FILE_MAX) != 0)
			abort();
		return 0;
	}
	if (new_size < old_size || q_get64(after, Q_SIZE) != q_units(capacity, 512) * 512)
		abort();
	if (q_get64(before, Q_SIZE) == q_get64(after, Q_SIZE))
		return memcmp(before, after, FILE_MAX) != 0 ? abort(), 0 : 0;
	allow_tables();
	for (size_t at = 0; at < old_size && at < FILE_MAX; at++)
		if (before[at] != after[at] && !may_change[at])
			abort();
	check_l1();
	return 0;
}
