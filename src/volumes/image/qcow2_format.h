/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The qcow2 format in numbers (QEMU docs/interop/qcow2.txt): where the header's fields are, what its bits
 * mean, how large tables may be. All integers in an image are big-endian.
 */
#ifndef POOLINIT_VOLUMES_IMAGE_QCOW2_FORMAT_H
#define POOLINIT_VOLUMES_IMAGE_QCOW2_FORMAT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include "base/err.h"

#define QCOW2_MAGIC 0x514649fbU /* "QFI" 0xfb */

/* Offsets of the header's fields, in bytes ("Header" of the specification). */
enum qcow2_header {
	Q_MAGIC = 0,
	Q_VERSION = 4,
	Q_BACKING_OFFSET = 8,
	Q_BACKING_LEN = 16,
	Q_CLUSTER_BITS = 20,
	Q_SIZE = 24,
	Q_CRYPT = 32,
	Q_L1_SIZE = 36,
	Q_L1_OFFSET = 40,
	Q_REFTABLE_OFFSET = 48,
	Q_REFTABLE_CLUSTERS = 56,
	Q_SNAPSHOTS = 60,
	Q_SNAPSHOTS_OFFSET = 64,
	Q_V2_LEN = 72, /* version 2 ends here */
	Q_INCOMPATIBLE = 72,
	Q_COMPATIBLE = 80,
	Q_AUTOCLEAR = 88,
	Q_REFCOUNT_ORDER = 96,
	Q_HEADER_LEN = 100,
	Q_V3_MIN_LEN = 104,
	Q_V3_LEN = 112, /* with the compression type */
};

#define QCOW2_DIRTY            (UINT64_C(1) << 0) /* incompatible features */
#define QCOW2_CORRUPT          (UINT64_C(1) << 1)
#define QCOW2_DATA_FILE        (UINT64_C(1) << 2)
#define QCOW2_COMPRESSION_TYPE (UINT64_C(1) << 3)
#define QCOW2_EXTENDED_L2      (UINT64_C(1) << 4)
#define QCOW2_LAZY_REFCOUNTS   (UINT64_C(1) << 0) /* compatible features */

#define QCOW2_EXT_END      0x00000000U /* header extensions */
#define QCOW2_EXT_BACKING  0xe2792acaU
#define QCOW2_EXT_FEATURES 0x6803f857U

#define QCOW2_COPIED      (UINT64_C(1) << 63) /* L1 and L2 entries: refcount is exactly one */
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define QCOW2_OFFSET_END  (UINT64_C(1) << 56) /* an entry holds offsets below it */

#define QCOW2_CLUSTER_BITS_MIN   9
#define QCOW2_CLUSTER_BITS_MAX   21
#define QCOW2_EXTENDED_BITS_MIN  14                   /* 32 subclusters of 512 bytes */
#define QCOW2_L1_MAX             (UINT64_C(32) << 20) /* bytes, as QEMU limits them */
#define QCOW2_REFTABLE_MAX       (UINT64_C(8) << 20)
#define QCOW2_REFCOUNT_ORDER     4 /* 16 bits a cluster */
#define QCOW2_REFCOUNT_BYTES     2
#define QCOW2_BACKING_MAX        1023
#define QCOW2_BACKING_FORMAT_MAX 15

/* A number of the image, at any offset: the bytes need not be aligned. */
static inline uint32_t q_get32(const unsigned char *h, unsigned at)
{
	uint32_t v;

	memcpy(&v, h + at, sizeof(v));
	return be32toh(v);
}

static inline uint64_t q_get64(const unsigned char *h, unsigned at)
{
	uint64_t v;

	memcpy(&v, h + at, sizeof(v));
	return be64toh(v);
}

static inline void q_put32(unsigned char *h, size_t at, uint32_t v)
{
	v = htobe32(v);
	memcpy(h + at, &v, sizeof(v));
}

static inline void q_put64(unsigned char *h, size_t at, uint64_t v)
{
	v = htobe64(v);
	memcpy(h + at, &v, sizeof(v));
}

static inline uint64_t q_units(uint64_t n, uint64_t unit) /* how many units hold n; n is far below 2^64 */
{
	return (n + unit - 1) / unit;
}

/* Bytes of a disk that one L1 entry, which is one L2 table, describes. */
static inline uint64_t q_l1_covers(uint64_t cluster, int extended)
{
	return cluster / (extended ? 16 : 8) * cluster;
}

/* All of it, at that place of the image (qcow2.c). */
int qcow2_write(int fd, const void *data, size_t len, uint64_t offset, struct err *e);

#endif
