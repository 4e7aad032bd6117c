/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between image.c and the families of formats (image_*.c): the bytes, how they are read, and one function a
 * format.
 */
#ifndef POOLINIT_POOL_IMAGE_PARTS_H
#define POOLINIT_POOL_IMAGE_PARTS_H

#include <string.h>
#include "pool/image/image.h"

#define SECTOR 512
_Static_assert(IMAGE_HEADER_BYTES % SECTOR == 0, "headers are read by whole sectors");

/* The bytes that there are. */
struct head {
	const unsigned char *data;
	size_t len;
	const struct image_file *file;
};

/* Note what is wrong with it; the first one counts, since later ones usually come of it. At most 127 bytes.
 */
void image_problem(struct image *i, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Set the capacity to count × unit bytes, if such a size exists (up to INT64_MAX, which is what off_t
 * holds); else that is the problem, and the capacity stays. */
void image_set_capacity(struct image *i, uint64_t count, uint64_t unit);
/* Set the cluster size to count × unit bytes, up to 256 MiB, the most that any format has; 0: not known.
 * unit is not 0. */
void image_set_cluster(struct image *i, uint64_t count, uint64_t unit);
/* Copy a name of len bytes at offset of the head: not to be trusted, not even to end. `what` is what it
 * names, for the problem. name has room for `size` bytes with the NUL. */
void image_set_name(const struct head *h, struct image *i, char *name, size_t size, uint64_t offset,
                    uint64_t len, const char *what);
/* Are the first n bytes there? If not, the header's being cut short is the problem. */
bool image_need(const struct head *h, struct image *i, size_t n);
/* n bytes at offset of the file, from the head or by the file's read. False: the file has them not, or
 * cannot be read. */
bool image_fetch(const struct head *h, uint64_t offset, unsigned char *out, size_t n);

/* Are the n bytes at offset among those at hand? Written so that no sum can overflow: both numbers come from
 * the image. */
static inline bool head_has(const struct head *h, uint64_t offset, uint64_t n)
{
	return offset <= h->len && n <= h->len - offset;
}

/* Are they these? */
static inline bool head_at(const struct head *h, uint64_t offset, const char *bytes, size_t n)
{
	return head_has(h, offset, n) && memcmp(h->data + offset, bytes, n) == 0;
}

/* n bytes as a number; the caller has made sure that they are there. */
static inline uint64_t bytes_big(const unsigned char *bytes, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | bytes[i];
	return v;
}

static inline uint64_t bytes_little(const unsigned char *bytes, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | bytes[n];
	return v;
}

/* A number of the head at a fixed offset; the caller has asked image_need() or head_has() before. */
static inline uint64_t big(const struct head *h, size_t offset, size_t n)
{
	return bytes_big(h->data + offset, n);
}

static inline uint64_t little(const struct head *h, size_t offset, size_t n)
{
	return bytes_little(h->data + offset, n);
}

/* One function a format. It is called when the magic is there and i->format is set, and fills in the rest.
 * Offsets in these functions are those of the format's own specification, which the head of each file names;
 * all numbers are untrusted. */
typedef void image_reader(const struct head *h, struct image *i);

image_reader image_read_qcow, image_read_qed;                                             /* qcow.c */
image_reader image_read_vmdk, image_read_vmdk_text, image_read_cowd, image_read_sesparse; /* vmdk.c */
image_reader image_read_vpc, image_read_vhdx;                                             /* virtualpc.c */
image_reader image_read_luks1, image_read_luks2;                                          /* luks.c */
image_reader image_read_vdi, image_read_bochs, image_read_cow, image_read_parallels;      /* emulators.c */
image_reader image_read_iso, image_read_cloop, image_read_squashfs, image_read_erofs;     /* discs.c */

/* Formats with a trailer are given the last 512 bytes of the file. False: it is not of that format. */
bool image_read_vpc_fixed(const unsigned char *trailer, uint64_t file_size, struct image *i);
bool image_read_dmg(const unsigned char *trailer, uint64_t file_size, struct image *i);

#endif
