/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Probing a device with libblkid: what device.c and device_content.c share.
 */
#ifndef POOLINIT_SYSTEM_DEVICE_PROBE_H
#define POOLINIT_SYSTEM_DEVICE_PROBE_H

#include <blkid/blkid.h>
#include "base/err.h"

/* Open a device for probing. Non-blocking: an empty drive must not wait for its medium. NULL with e. */
blkid_probe device_probe(const char *path, int *fd, struct err *e);
/* blkid_do_safeprobe(), which has several signatures found as DEVICE_AMBIVALENT; other negative answers are
 * read errors. Newer libblkids say of what is ambivalent that it could not be read, but only what could not
 * be read leaves an errno. */
enum { DEVICE_AMBIVALENT = -2 };
int device_safeprobe(blkid_probe p);

#endif
