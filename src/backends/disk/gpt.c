/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The headers of a gpt. libfdisk reads and writes the table; it says of a bad copy only that there is one.
 */
#include "backends/disk/gpt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"

#define ENTRIES_MAX (512 * 1024) /* bytes; the usual number takes 16 KiB */

/* The fields of a header that matter here. */
struct header {
	uint64_t self, other, entries;
	uint32_t length, crc, count, entry, entries_crc;
};

static uint64_t get_le(const unsigned char *b, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | b[bytes];
	return v;
}

static uint32_t crc32(const unsigned char *b, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= b[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* A header whose own checksum is right, at that byte of the disk. */
static bool header_read(const struct table_image *i, uint64_t at, struct header *h)
{
	unsigned char b[TABLE_PAGE];

	if (table_image_get(i, at, b, i->sector) < 0 || memcmp(b, "EFI PART", 8) != 0)
		return false;
	*h = (struct header){
		.length = (uint32_t)get_le(b + 12, 4),
		.crc = (uint32_t)get_le(b + 16, 4),
		.self = get_le(b + 24, 8),
		.other = get_le(b + 32, 8),
		.entries = get_le(b + 72, 8),
		.count = (uint32_t)get_le(b + 80, 4),
		.entry = (uint32_t)get_le(b + 84, 4),
		.entries_crc = (uint32_t)get_le(b + 88, 4),
	};
	if (h->length < 92 || h->length > i->sector || h->self != at / i->sector)
		return false;
	memset(b + 16, 0, 4);
	return crc32(b, h->length) == h->crc;
}

/* How many bytes its entries take; 0: that cannot be. */
static size_t entries_size(const struct header *h)
{
	uint64_t size = (uint64_t)h->count * h->entry;

	return h->entry >= 128 && size <= ENTRIES_MAX ? (size_t)size : 0;
}

/* Is the copy whole? */
static bool is_whole(const struct table_image *i, uint64_t at)
{
	struct header h;
	size_t size;
	bool whole;

	if (!header_read(i, at, &h) || !(size = entries_size(&h)) || h.entries > i->size / i->sector)
		return false;
	cleanup_free unsigned char *bytes = malloc(size);

	whole = bytes && table_image_get(i, h.entries * i->sector, bytes, size) == 0 &&
	        crc32(bytes, size) == h.entries_crc;
	return whole;
}

static void put_le(unsigned char *b, unsigned bytes, uint64_t v)
{
	for (; bytes-- > 0; v >>= 8)
		*b++ = (unsigned char)v;
}

/* libfdisk (2.38) takes a second copy right behind the disk's end for one that is in its place. It
 * moves one that is further off; so the copy of the header says that. */
static bool mend_other(const struct table_image *i)
{
	uint64_t sectors = i->size / i->sector;
	unsigned char b[TABLE_PAGE];
	struct header h;

	if (!header_read(i, i->sector, &h) || h.other != sectors)
		return true;
	if (table_image_get(i, i->sector, b, i->sector) < 0)
		return false;
	put_le(b + 32, 8, sectors + 1);
	put_le(b + 16, 4, 0);
	put_le(b + 16, 4, crc32(b, h.length));
	return pwrite(i->copy, b, i->sector, (off_t)i->sector) == (ssize_t)i->sector;
}

int gpt_load(struct table_image *i, struct err *e)
{
	struct header h;
	size_t size;

	if (!mend_other(i))
		return err_sys(e, errno, "cannot read the partition table of %s", i->name);
	for (unsigned copy = 0; copy < 2; copy++) {
		if (!header_read(i, copy ? i->size - i->sector : i->sector, &h) || !(size = entries_size(&h)))
			continue;
		if (h.entries < i->size / i->sector &&
		    table_image_load(i, h.entries * i->sector, size, e) < 0)
			return -1;
		if (h.other >= i->size / i->sector)
			continue;
		/* its entries lie right before or behind it */
		uint64_t at = h.other * i->sector, before = copy ? 0 : least(at, size);

		if (table_image_load(i, at - before, before + i->sector, e) < 0)
			return -1;
		/* where its entries will be, if it is written at the end of the disk */
		if (table_image_load(i, i->size - least(i->size, size + i->sector), size + i->sector, e) < 0)
			return -1;
	}
	return 0;
}

void gpt_copies(const struct table_image *i, bool *primary_bad, bool *backup_bad)
{
	*primary_bad = !is_whole(i, i->sector);
	*backup_bad = !is_whole(i, i->size - i->sector);
}

uint64_t gpt_end(const struct table_image *i)
{
	struct header h;
	size_t size = 0;

	if (header_read(i, i->sector, &h) || header_read(i, i->size - i->sector, &h))
		size = entries_size(&h);
	return i->size - i->sector - (size + i->sector - 1) / i->sector * i->sector;
}
