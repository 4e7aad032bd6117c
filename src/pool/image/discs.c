/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is only read: ISO 9660 (ECMA-119), compressed loops, Apple's disk images, and the read-only
 * filesystems squashfs and erofs, which are raw images with a content that is known.
 */
#include <inttypes.h>

#include "base/util.h"
#include "pool/image/parts.h"

void image_read_iso(const struct head *h, struct image *i)
{
	(void)h;
	(void)i; /* its size is that of the file, as long as anybody writes discs at once */
}

/* Behind the shell script that gives a cloop image its magic: size of a block at 128, their number at 132,
 * big-endian. */
void image_read_cloop(const struct head *h, struct image *i)
{
	if (image_need(h, i, 136))
		image_set_capacity(i, big(h, 132, 4), big(h, 128, 4));
}

/* The last sector of an Apple disk image (the "UDIF resource file" trailer, 512 bytes, big-endian): "koly",
 * version 4, its own length, …, and at 492 the number of sectors behind all of it. */
bool image_read_dmg(const unsigned char *trailer, uint64_t file_size, struct image *i)
{
	(void)file_size;
	if (memcmp(trailer, "koly\0\0\0\4\0\0\2\0", 12) != 0)
		return false;
	image_set_capacity(i, bytes_big(trailer + 492, 8), SECTOR);
	return true;
}

/* Such a filesystem says how long it is. A shorter file is one that was not copied to its end. */
static void set_content(const struct head *h, struct image *i, const char *content, uint64_t bytes)
{
	i->content = content;
	if (bytes > h->file->size)
		image_problem(i, "%s of %" PRIu64 " bytes is cut off at %" PRIu64, content, bytes,
		              h->file->size);
}

/* squashfs 4.0 (kernel Documentation/filesystems/squashfs.rst; the superblock is struct squashfs_super_block
 * of fs/squashfs/squashfs_fs.h, little-endian): block size at 12, its logarithm at 22, version at 28, bytes
 * used at 40. The magic alone is four letters that any text could begin with, so that block size and
 * logarithm have to agree. */
void image_read_squashfs(const struct head *h, struct image *i)
{
	if (head_has(h, 0, 96) && little(h, 28, 2) == 4 && little(h, 22, 2) < 32 &&
	    little(h, 12, 4) == 1ULL << little(h, 22, 2))
		set_content(h, i, "squashfs", little(h, 40, 8));
}

/* EROFS (kernel Documentation/filesystems/erofs.rst): the superblock lies at 1024, little-endian; the
 * logarithm of its block size at 12 of it (512 bytes to 64 KiB), the number of blocks at 36. */
void image_read_erofs(const struct head *h, struct image *i)
{
	if (head_has(h, 1024, 128) && h->data[1036] >= 9 && h->data[1036] <= 16)
		set_content(h, i, "erofs", little(h, 1060, 4) << h->data[1036]);
}
