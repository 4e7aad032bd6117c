/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All signatures on a device. libblkid calls a device ambivalent that has two, and looks no further than the
 * first member of an array; whether one of them lies within the other's files is seen here, from where they
 * are and where the filesystem ends.
 *
 * Facts: the superblocks of the kernel's own headers (fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h,
 * include/uapi/linux/btrfs_tree.h, include/linux/f2fs_fs.h), the FAT, exFAT and NTFS boot sectors.
 */
#include "system/signature.h"

#include <stdio.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

/* Where a filesystem's superblock says how long it is: so many blocks of so many bytes. */
/* clang-format off */
static const struct extent {
	const char *type;
	uint32_t superblock;
	bool big;                       /* the most significant byte comes first */
	/* `more` belongs to the count; without `block` it counts bytes */
	struct { uint16_t at; uint8_t len, shift; } count, more, block;
	/* a block has 2 to the power of (its number + this) bytes; -1: as many as its number */
	int8_t log;
} extents[] = {
	{ "ext2",  1024,      false, { 0x04, 4, 0 }, { 0x150, 4, 32 }, { 0x18, 4, 0 }, 10 },
	{ "ext3",  1024,      false, { 0x04, 4, 0 }, { 0x150, 4, 32 }, { 0x18, 4, 0 }, 10 },
	{ "ext4",  1024,      false, { 0x04, 4, 0 }, { 0x150, 4, 32 }, { 0x18, 4, 0 }, 10 },
	{ "xfs",   0,         true,  { 0x08, 8, 0 }, { 0, 0, 0 },      { 0x04, 4, 0 }, -1 },
	{ "btrfs", 64 * 1024, false, { 0xd1, 8, 0 }, { 0, 0, 0 },      { 0, 0, 0 },    -1 },
	{ "vfat",  0,         false, { 0x20, 4, 0 }, { 0x13, 2, 0 },   { 0x0b, 2, 0 }, -1 },
	{ "exfat", 0,         false, { 0x48, 8, 0 }, { 0, 0, 0 },      { 0x6c, 1, 0 }, 0 },
	{ "ntfs",  0,         false, { 0x28, 8, 0 }, { 0, 0, 0 },      { 0x0b, 2, 0 }, -1 },
	{ "f2fs",  1024,      false, { 0x24, 8, 0 }, { 0, 0, 0 },      { 0x10, 4, 0 }, 0 },
};
/* clang-format on */

const char *probe_value(blkid_probe p, const char *name)
{
	const char *found = NULL;

	return blkid_probe_lookup_value(p, name, &found, NULL) == 0 ? found : NULL;
}

/* A number of `len` bytes in either order; 0 of no bytes. */
static uint64_t bytes_number(const unsigned char *p, size_t len, bool big)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n = n << 8 | p[big ? i : len - 1 - i];
	return n;
}

/* Where the filesystem ends, in bytes, as its superblock says. 0: it cannot be read; more than 64 bits: as
 * far as there is. */
static uint64_t extent_end(int fd, const struct extent *x)
{
	unsigned char sb[512];

	if (file_pread(fd, sb, sizeof(sb), x->superblock) != (ssize_t)sizeof(sb))
		return 0;

	uint64_t blocks = bytes_number(sb + x->count.at, x->count.len, x->big) |
	                  bytes_number(sb + x->more.at, x->more.len, x->big) << x->more.shift;
	uint64_t block = x->block.len ? bytes_number(sb + x->block.at, x->block.len, x->big) : 1, end;

	if (x->log >= 0)
		block = block < 32 ? (uint64_t)1 << block << x->log : 0;
	return __builtin_mul_overflow(blocks, block, &end) ? UINT64_MAX : end;
}

static uint64_t end_of(int fd, const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(extents); i++)
		if (streq(extents[i].type, type))
			return extent_end(fd, &extents[i]);
	return 0;
}

/* Like probe_value(), as a copy: the next probing takes the original away. */
static void value(blkid_probe p, const char *name, char *out, size_t size)
{
	const char *text;

	out[0] = '\0';
	if (blkid_probe_lookup_value(p, name, &text, NULL) == 0)
		snprintf(out, size, "%s", text);
}

int signatures_read(blkid_probe p, int fd, struct signatures *out)
{
	demand_or(p && out->n <= SIGNATURES, -1);

	char at[24];
	int rc = 0;

	blkid_probe_enable_superblocks(p, 1);
	blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
	                                             BLKID_SUBLKS_USAGE | BLKID_SUBLKS_MAGIC);
	while (out->n < SIGNATURES && (rc = blkid_do_probe(p)) == 0) {
		struct signature *s = &out->items[out->n];

		value(p, "TYPE", s->type, sizeof(s->type));
		value(p, "USAGE", s->usage, sizeof(s->usage));
		value(p, "LABEL", s->label, sizeof(s->label));
		value(p, "UUID", s->uuid, sizeof(s->uuid));
		value(p, "UUID_SUB", s->part, sizeof(s->part));
		value(p, "SBMAGIC_OFFSET", at, sizeof(at));
		s->at = strtoull(at, NULL, 10);
		s->end = end_of(fd, s->type);
		out->n += s->type[0] != '\0';
	}
	return rc < 0 ? -1 : 0;
}

bool signature_is_content(const struct signatures *all, const struct signature *s)
{
	demand_or(all && s, false);
	for (size_t i = 0; i < all->n; i++)
		if (all->items[i].at < s->at && s->at < all->items[i].end)
			return true;
	return false;
}

const struct signature *signatures_member(const struct signatures *all)
{
	for (size_t i = 0; i < all->n; i++)
		if ((streq(all->items[i].usage, "raid") || streq(all->items[i].usage, "crypto")) &&
		    !signature_is_content(all, &all->items[i]))
			return &all->items[i];
	return NULL;
}

void signatures_text(const struct signatures *all, char *out, size_t size)
{
	demand_or(out && size > 0, );

	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < all->n && used < size; i++) {
		const char *between = i + 1 == all->n ? " and " : ", ";

		used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : between,
		                         all->items[i].type);
	}
}
