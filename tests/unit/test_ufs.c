/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which ufs a disk holds, by superblocks that are made here. (Whole filesystems of makefs's:
 * tests/qemu/fs-formats.)
 */
#include "system/ufs.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "check.h"

/* The option for a file with a superblock at that place: its magic number and its inodes' format, in that
 * order of bytes. */
static const char *option(off_t at, uint32_t magic, uint32_t inodes, bool big)
{
	static char found[200];
	cleanup_buf struct buf options = BUF_INIT;
	unsigned char sb[1376] = { 0 };
	char path[] = "/tmp/test_ufs.XXXXXX";
	struct err e = { 0 };
	int fd = mkstemp(path);

	for (size_t i = 0; i < 4; i++) {
		sb[1372 + i] = (unsigned char)(magic >> (big ? 24 - 8 * i : 8 * i));
		sb[1324 + i] = (unsigned char)(inodes >> (big ? 24 - 8 * i : 8 * i));
	}
	CHECK(fd >= 0 && pwrite(fd, sb, sizeof(sb), at) == (ssize_t)sizeof(sb));
	if (ufs_option(path, &options, &e) < 0)
		snprintf(found, sizeof(found), "%s", strstr(e.message, "holds"));
	else
		snprintf(found, sizeof(found), "%s", buf_str(&options));
	close(fd);
	unlink(path);
	return found;
}

static void each_is_told_by_its_superblock(void)
{
	CHECK_STR(option(65536, 0x19540119, 0, false), ",ufstype=ufs2");
	CHECK_STR(option(65536, 0x19540119, 0, true), ",ufstype=ufs2");
	CHECK_STR(option(8192, 0x00011954, 2, false), ",ufstype=44bsd");
	CHECK_STR(option(8192, 0x00011954, 2, true), ",ufstype=44bsd");
	CHECK_STR(option(0, 0x00011954, 2, false), ",ufstype=44bsd");
}

static void what_linux_does_not_find_is_said(void)
{
	CHECK_STR(option(8192, 0x19540119, 0, false),
	          "holds a UFS2 with its superblock at 8192, and Linux looks for it at 65536 alone");
	CHECK_STR(option(262144, 0x19540119, 0, true),
	          "holds a UFS2 with its superblock at 262144, and Linux looks for it at 65536 alone");
}

static void others_are_not_guessed(void)
{
	CHECK_STR(option(8192, 0x00011954, 0, false), "");
	CHECK_STR(option(8192, 0x00011954, 0xffffffff, true), "");
	CHECK_STR(option(8192, 0x00011955, 2, false), "");
	CHECK_STR(option(16384, 0x00011954, 2, false), "");
	CHECK_INT(ufs_option("/nothing/here", &(struct buf)BUF_INIT, NULL), 0);
	CHECK_INT(ufs_option("/dev/null", &(struct buf)BUF_INIT, NULL), 0);
}

int main(void)
{
	RUN(each_is_told_by_its_superblock);
	RUN(what_linux_does_not_find_is_said);
	RUN(others_are_not_guessed);
	return check_done();
}
