/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A disk's size. The kernel asks for it once, when it finds the disk; a LUN that its server makes larger has
 * the old one until somebody says so. The question is one command. Only where the answer is another the
 * kernel is told, because it then reads all that it knows of the disk anew.
 */
#include "system/scsi.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/sysfs.h"

#define ANSWER_WITHIN SECONDS(5)

/* A number of so many bytes, the most significant first. */
static uint64_t answer_number(const unsigned char *p, size_t len)
{
	uint64_t n = 0;

	while (len--)
		n = n << 8 | *p++;
	return n;
}

/* In bytes; 0: it does not say. */
static uint64_t capacity(int fd)
{
	unsigned char answer[32] = { 0 }, sense[32];
	unsigned char command[16] = { 0x9e, 0x10, [13] = sizeof(answer) };
	struct sg_io_hdr h = { .interface_id = 'S',
		               .dxfer_direction = SG_DXFER_FROM_DEV,
		               .cmdp = command,
		               .cmd_len = sizeof(command),
		               .dxferp = answer,
		               .dxfer_len = sizeof(answer),
		               .sbp = sense,
		               .mx_sb_len = sizeof(sense),
		               .timeout = ANSWER_WITHIN };
	uint64_t blocks, bytes;

	if (ioctl(fd, (ioctl_request)SG_IO, &h) < 0 || h.status || h.host_status || h.driver_status)
		return 0;
	blocks = answer_number(answer, 8);
	return blocks == UINT64_MAX ||
	                       __builtin_mul_overflow(blocks + 1, answer_number(answer + 8, 4), &bytes)
	               ? 0
	               : bytes;
}

void scsi_disk_resize(const char *node)
{
	demand_or(node, );

	cleanup_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint64_t known = 0, now = fd < 0 ? 0 : capacity(fd);
	char path[PATH_MAX];

	if (now && ioctl(fd, (ioctl_request)BLKGETSIZE64, &known) == 0 && known != now &&
	    sysfs_path(path, sizeof(path), "/sys/class/block/%s/device/rescan", path_base(node)))
		file_poke(AT_FDCWD, path, "1", NULL);
}
