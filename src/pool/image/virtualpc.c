/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Virtual PC and Hyper-V: VHD (Microsoft's Virtual Hard Disk Image Format Specification 1.0), whose last
 * sector describes it and, unless it is a fixed disk, its first one too; VHDX ([MS-VHDX]), whose facts lie in
 * a region that a table at 192 KiB points to.
 */
#include <inttypes.h>

#include "base/utf8.h"
#include "base/util.h"
#include "pool/image/parts.h"

static uint32_t utf16_unit(const unsigned char *text, size_t at, size_t len, bool big_endian)
{
	if (at + 2 > len)
		return 0;
	return (uint32_t)(big_endian ? bytes_big(text + at, 2) : bytes_little(text + at, 2));
}

/* UTF-16 that ends with a 0 or after len bytes, as the name of the backing file. */
static void set_backing_utf16(struct image *i, const unsigned char *text, size_t len, bool big_endian)
{
	size_t n = 0;
	uint32_t c;

	for (size_t at = 0; (c = utf16_unit(text, at, len, big_endian)) != 0; at += 2) {
		uint32_t low = utf16_unit(text, at + 2, len, big_endian);

		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			at += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = 0xfffd; /* half a character */
		}
		if (n + 5 > sizeof(i->backing)) {
			image_problem(i, "name of the parent is longer than %zu bytes",
			              sizeof(i->backing) - 1);
			n = 0;
			break;
		}
		n += utf8_put(i->backing + n, c);
	}
	i->backing[n] = '\0';
}

/* ---- VHD ---- */

/* The version is 1.0 in all files there are; of the types only the three are in use (3 is a dynamic disk). */
enum { VHD_VERSION = 0x10000, VHD_FIXED = 2, VHD_DIFFERENCING = 4 };

/* The header behind the footer's copy: block size at 32, and at 64 the name of the parent, in UTF-16. */
static void read_vpc_dynamic(const struct head *h, struct image *i, uint64_t offset, uint64_t type)
{
	unsigned char header[1024];

	if (!image_fetch(h, offset, header, sizeof(header)) || memcmp(header, "cxsparse", 8) != 0)
		return;
	image_set_cluster(i, bytes_big(header + 32, 4), 1);
	if (type == VHD_DIFFERENCING)
		set_backing_utf16(i, header + 64, 512, true);
}

/* A dynamic or differencing disk begins with a copy of its footer (big-endian): version at 12, where the
 * next header lies at 16, original and current size at 40 and 48, type at 60, checksum at 64. */
void image_read_vpc(const struct head *h, struct image *i)
{
	if (!image_need(h, i, 64))
		return;
	if (big(h, 12, 4) != VHD_VERSION) {
		image_problem(i, "VHD version 0x%" PRIx64 " is not known", big(h, 12, 4));
		return;
	}
	/* current size; the original one, before it, is wrong after a resize */
	image_set_capacity(i, big(h, 48, 8), 1);
	read_vpc_dynamic(h, i, big(h, 16, 8), big(h, 60, 4));
}

/* All bytes of the footer added up, its checksum's own left out, and inverted. */
static bool checksum_is_right(const unsigned char *footer)
{
	uint32_t sum = 0;

	for (size_t b = 0; b < SECTOR; b++)
		if (b < 64 || b >= 68)
			sum += footer[b];
	return ~sum == bytes_big(footer + 64, 4);
}

/* A fixed disk is its content and a footer. Eight letters at the end of a raw image do not make it one: all
 * of the footer has to be right. */
bool image_read_vpc_fixed(const unsigned char *trailer, uint64_t file_size, struct image *i)
{
	uint64_t size = bytes_big(trailer + 48, 8);

	if (memcmp(trailer, "conectix", 8) != 0 || bytes_big(trailer + 12, 4) != VHD_VERSION ||
	    bytes_big(trailer + 60, 4) != VHD_FIXED || size > file_size - SECTOR ||
	    !checksum_is_right(trailer))
		return false;
	i->capacity = size;
	return true;
}

/* ---- VHDX ---- */

enum { LOCATOR_HEADER = 20, LOCATOR_PAIR = 12 };
/* a table's first page is more than anybody fills */
enum { GUID = 16, REGIONS_HEADER = 16, METADATA_HEADER = 32, ENTRY = 32, TABLE = 4096 };
#define VHDX_REGIONS (192 << 10)

/* GUIDs as they lie in the file. */
#define METADATA_REGION "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
#define FILE_PARAMETERS "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
#define VIRTUAL_SIZE    "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
#define PARENT_LOCATOR  "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"

/* The entry of that GUID in a table whose entries begin at `first`. NULL: none. */
static const unsigned char *find_entry(const unsigned char *table, size_t first, uint64_t count,
                                       const char *guid)
{
	for (size_t at = first; count-- > 0 && at + ENTRY <= TABLE; at += ENTRY)
		if (memcmp(table + at, guid, GUID) == 0)
			return table + at;
	return NULL;
}

/* The metadata table: the number of its entries is at 10. */
static const unsigned char *find_item(const unsigned char *metadata, const char *guid)
{
	return find_entry(metadata, METADATA_HEADER, bytes_little(metadata + 10, 2), guid);
}

/* The first n bytes of an item of the metadata region. Its entry has the offset within the region at 16 and
 * the length at 20. */
static bool fetch_item(const struct head *h, uint64_t region, const unsigned char *metadata, const char *guid,
                       unsigned char *out, size_t n)
{
	const unsigned char *entry = find_item(metadata, guid);

	return entry && bytes_little(entry + 20, 4) >= n &&
	       image_fetch(h, region + bytes_little(entry + 16, 4), out, n);
}

/* A text among the locator's bytes, as the name of the backing file. */
static void set_backing_at(struct image *i, const unsigned char *locator, size_t len, uint64_t offset,
                           uint64_t n)
{
	i->backing[0] = '\0';
	if (offset <= len && n <= len - offset)
		set_backing_utf16(i, locator + offset, (size_t)n, false);
}

/* Pairs of texts: where key and value begin (4 bytes each), how long they are (2 bytes each). */
static bool find_vhdx_parent(struct image *i, const unsigned char *locator, size_t len, const char *key)
{
	uint64_t pairs = bytes_little(locator + LOCATOR_HEADER - 2, 2);

	for (size_t at = LOCATOR_HEADER; pairs-- > 0 && at + LOCATOR_PAIR <= len; at += LOCATOR_PAIR) {
		const unsigned char *pair = locator + at;

		set_backing_at(i, locator, len, bytes_little(pair, 4), bytes_little(pair + 8, 2));
		if (!streq(i->backing, key))
			continue;
		set_backing_at(i, locator, len, bytes_little(pair + 4, 4), bytes_little(pair + 10, 2));
		return i->backing[0] != '\0';
	}
	i->backing[0] = '\0';
	return false;
}

/* The parent of a differencing disk, by the path that a reader is to try first. */
static void read_vhdx_parent(const struct head *h, struct image *i, uint64_t region,
                             const unsigned char *metadata)
{
	const unsigned char *entry = find_item(metadata, PARENT_LOCATOR);
	unsigned char locator[2048];
	size_t len = entry ? (size_t)bytes_little(entry + 20, 4) : 0;

	if (len < LOCATOR_HEADER || len > sizeof(locator) ||
	    !image_fetch(h, region + bytes_little(entry + 16, 4), locator, len) ||
	    (!find_vhdx_parent(i, locator, len, "relative_path") &&
	     !find_vhdx_parent(i, locator, len, "absolute_win32_path")))
		image_problem(i, "has a parent, whose name cannot be read");
}

void image_read_vhdx(const struct head *h, struct image *i)
{
	unsigned char table[TABLE], item[8];
	const unsigned char *entry;
	uint64_t region;

	if (!image_fetch(h, VHDX_REGIONS, table, sizeof(table)) || memcmp(table, "regi", 4) != 0 ||
	    !(entry = find_entry(table, REGIONS_HEADER, bytes_little(table + 8, 4), METADATA_REGION))) {
		image_problem(i, "virtual size is not known: no region table");
		return;
	}
	region = bytes_little(entry + 16, 8);
	if (!image_fetch(h, region, table, sizeof(table)) || memcmp(table, "metadata", 8) != 0 ||
	    !fetch_item(h, region, table, VIRTUAL_SIZE, item, 8)) {
		image_problem(i, "virtual size is not known: no metadata at %" PRIu64, region);
		return;
	}
	image_set_capacity(i, bytes_little(item, 8), 1);
	if (!fetch_item(h, region, table, FILE_PARAMETERS, item, 8))
		return;
	image_set_cluster(i, bytes_little(item, 4), 1);
	if (bytes_little(item + 4, 4) & 1 << 1)
		read_vhdx_parent(h, i, region, table);
}
