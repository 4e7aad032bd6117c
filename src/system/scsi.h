/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a SCSI disk is asked itself, beside what the kernel knows of it.
 */
#ifndef POOLINIT_SYSTEM_SCSI_H
#define POOLINIT_SYSTEM_SCSI_H

/* Has the disk another size than the kernel takes it for? Then let the kernel ask it again, before this
 * returns. `node`: "/dev/sda". Blocks for as long as the disk does not answer. What is no SCSI disk is left
 * alone. Facts: SBC-3, READ CAPACITY (16); the kernel's Documentation/ABI/testing/sysfs-block, device/rescan.
 */
void scsi_disk_resize(const char *node);

#endif
