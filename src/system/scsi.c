/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a SCSI device is asked directly: one command a question, and the few bytes of its answer that matter.
 */
#include "system/scsi.h"

#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/contract.h"
#include "base/util.h"

#define ANSWER_WITHIN 5000 /* ms */
#define TRIES         3    /* a unit attention ends a command that the device has not even looked at */

enum { CHECK_CONDITION = 2, UNIT_ATTENTION = 6, CDB_LONG = 16 };

/* The sense key, in fixed or descriptor format (SPC-4, 4.5). */
static int sense_key(const unsigned char *sense, size_t len)
{
	if (len < 3)
		return -1;
	return (sense[0] & 0x7f) >= 0x72 ? sense[1] & 0x0f : sense[2] & 0x0f;
}

/* One command that reads at most `len` bytes. The length of the answer, or -1. */
static int scsi_command(int fd, const unsigned char *command, unsigned char command_len, void *answer,
                        unsigned len)
{
	unsigned char cdb[CDB_LONG], sense[32];

	memset(answer, 0, len);
	for (int i = 0; i < TRIES; i++) {
		struct sg_io_hdr h = { .interface_id = 'S',
			               .dxfer_direction = len ? SG_DXFER_FROM_DEV : SG_DXFER_NONE,
			               .cmdp = memcpy(cdb, command, command_len),
			               .cmd_len = command_len,
			               .dxferp = answer,
			               .dxfer_len = len,
			               .sbp = sense,
			               .mx_sb_len = sizeof(sense),
			               .timeout = ANSWER_WITHIN };

		if (ioctl(fd, (ioctl_request)SG_IO, &h) < 0 || h.host_status)
			return -1;
		if (h.status == 0)
			return (int)len - (h.resid > 0 ? h.resid : 0);
		if (h.status != CHECK_CONDITION || sense_key(sense, h.sb_len_wr) != UNIT_ATTENTION)
			return -1;
	}
	return -1;
}

/* A big-endian number of n bytes. */
static uint64_t number_from(const unsigned char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

bool scsi_is_gone(int fd)
{
	enum { QUALIFIER = 0xe0, NO_SUCH_LUN = 0x60 };
	static const unsigned char inquiry[6] = { 0x12, 0, 0, 0, 36, 0 };
	unsigned char answer[36];

	return scsi_command(fd, inquiry, sizeof(inquiry), answer, sizeof(answer)) > 0 &&
	       (answer[0] & QUALIFIER) == NO_SUCH_LUN;
}

/* The last block's address and the length of a block. The short form has 32 bits for the address, and says
 * ffffffff where that is not enough. */
uint64_t scsi_capacity(int fd)
{
	static const unsigned char capacity16[16] = { 0x9e, 0x10, [13] = 32 };
	static const unsigned char capacity10[10] = { 0x25 };
	unsigned char answer[32];

	if (scsi_command(fd, capacity16, sizeof(capacity16), answer, sizeof(answer)) >= 12)
		return (number_from(answer, 8) + 1) * number_from(answer + 8, 4);
	if (scsi_command(fd, capacity10, sizeof(capacity10), answer, 8) < 8 ||
	    number_from(answer, 4) == UINT32_MAX)
		return 0;
	return (number_from(answer, 4) + 1) * number_from(answer + 4, 4);
}

bool scsi_is_ready(int fd)
{
	static const unsigned char ready[6] = { 0 };
	unsigned char none[1];

	return scsi_command(fd, ready, sizeof(ready), none, 0) == 0;
}

enum scsi_alua scsi_alua_of(const unsigned char *answer, size_t len, unsigned group)
{
	demand_or(answer, ALUA_UNKNOWN);

	enum { HEADER = 4, DESCRIPTOR = 8, PORT = 4 };
	size_t end = len < HEADER ? 0 : HEADER + (size_t)number_from(answer, 4);

	if (end > len)
		end = len;
	for (size_t at = HEADER; at + DESCRIPTOR <= end; at += DESCRIPTOR + (size_t)answer[at + 7] * PORT)
		if (number_from(answer + at + 2, 2) == group)
			return (enum scsi_alua)(answer[at] & 0x0f);
	return ALUA_UNKNOWN;
}

enum scsi_alua scsi_alua(int fd, unsigned group)
{
	enum { ROOM = 4096 };
	static const unsigned char report[12] = { 0xa3, 0x0a, [8] = ROOM >> 8, [9] = ROOM & 0xff };
	unsigned char answer[ROOM];
	int n = scsi_command(fd, report, sizeof(report), answer, sizeof(answer));

	return n > 0 ? scsi_alua_of(answer, (size_t)n, group) : ALUA_UNKNOWN;
}
