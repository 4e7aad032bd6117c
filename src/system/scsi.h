/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a SCSI device is asked directly, with SG_IO on its block device. Each question waits for the device
 * up to five seconds, and longer where the kernel recovers it meanwhile: who must not hang asks through
 * device_ask(). Silence and errors are no answer, whatever they may mean.
 */
#ifndef POOLINIT_SYSTEM_SCSI_H
#define POOLINIT_SYSTEM_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the target say that it has no such LUN? INQUIRY, which any LUN answers, also one that is not there: by
 * its peripheral qualifier (SPC-4, 6.6.2). */
bool scsi_is_gone(int fd);
/* READ CAPACITY (SBC-3, 5.15 and 5.16): the disk's size now, in bytes, whatever the kernel knew before; 0: it
 * does not say. */
uint64_t scsi_capacity(int fd);
/* TEST UNIT READY (SPC-4, 6.47): would it take a read or a write now? */
bool scsi_is_ready(int fd);
/* ALUA, the state of a target port group for this LUN (REPORT TARGET PORT GROUPS, SPC-4, 6.37). */
enum scsi_alua {
	ALUA_OPTIMIZED = 0,
	ALUA_NON_OPTIMIZED = 1,
	ALUA_STANDBY = 2,
	ALUA_UNAVAILABLE = 3,
	ALUA_OFFLINE = 14,
	ALUA_TRANSITIONING = 15,
	ALUA_UNKNOWN = -1
};
enum scsi_alua scsi_alua(int fd, unsigned group);
/* Find the group's state in a REPORT TARGET PORT GROUPS answer of len bytes. */
enum scsi_alua scsi_alua_of(const unsigned char *answer, size_t len, unsigned group);

#endif
