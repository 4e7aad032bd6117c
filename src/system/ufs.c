/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which ufs it is. Without a word about it the kernel takes every ufs for 4.2BSD's: that of a newer BSD then
 * mounts, and its files read as errors.
 *
 * The superblock lies at one of four places, in either order of bytes; Linux knows one of them for UFS2. Its
 * magic number tells UFS2 from UFS1; of UFS1 only 4.4BSD's wrote down which format its inodes have.
 */
#include "system/ufs.h"

#include <fcntl.h>
#include <stdint.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

enum { INODE_FORMAT = 1324, MAGIC = 1372, SUPERBLOCK = 1376 }; /* struct ufs_super_block */
#define UFS1       0x00011954u
#define UFS2       0x19540119u
#define INODES_44  2u
#define LINUX_UFS2 (64u * 1024)

/* Four bytes in one order or the other. */
static uint32_t word_at(const unsigned char *sb, size_t at, bool big)
{
	uint32_t n = 0;

	for (size_t i = 0; i < 4; i++)
		n = n << 8 | sb[at + (big ? i : 3 - i)];
	return n;
}

int ufs_option(const char *device, struct buf *options, struct err *e)
{
	demand(device && options, e);

	static const uint32_t places[] = { 0, 8 * 1024, LINUX_UFS2, 256 * 1024 };
	cleanup_close int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned char sb[SUPERBLOCK];

	for (size_t i = 0; fd >= 0 && i < 2 * ARRAY_LEN(places); i++) {
		uint32_t at = places[i / 2];
		bool big = i & 1;

		if (file_pread(fd, sb, sizeof(sb), at) != (ssize_t)sizeof(sb))
			continue;
		if (word_at(sb, MAGIC, big) == UFS2 && at != LINUX_UFS2)
			return err_set(
				e, ERR_UNSUPPORTED,
				"%s holds a UFS2 with its superblock at %u, and Linux looks for it at %u "
				"alone",
				device, at, LINUX_UFS2);
		if (word_at(sb, MAGIC, big) == UFS2)
			buf_adds(options, ",ufstype=ufs2");
		else if (word_at(sb, MAGIC, big) == UFS1 && word_at(sb, INODE_FORMAT, big) == INODES_44)
			buf_adds(options, ",ufstype=44bsd");
		if (word_at(sb, MAGIC, big) == UFS2 || word_at(sb, MAGIC, big) == UFS1)
			return 0;
	}
	return 0;
}
