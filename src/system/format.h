/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Before a device is written to: what is on it, who uses it; then formatting it. The rule is that what holds
 * data is refused, by what was found, unless it is to be overwritten; and what is in use is refused always.
 * Blocking: for workers.
 */
#ifndef POOLINIT_SYSTEM_FORMAT_H
#define POOLINIT_SYSTEM_FORMAT_H

#include <stdbool.h>
#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

/* Append everything that libblkid recognises there, each signature once: "an ext4 filesystem (label vm), a
 * gpt partition table". Nothing is appended where there is nothing. Signatures whose checksum is wrong count
 * too: they were data. ERR_WAIT_DEVICE and ERR_STORAGE as device_content(). */
int format_look(const char *path, struct buf *found, struct err *e);

/* May the device be written to? `spec` is how the definition calls it. Finds it, refuses it in use
 * (ERR_BUSY, naming by whom), write-protected (ERR_READ_ONLY) and, without `overwrite`, holding something
 * (ERR_EXISTS): a signature that libblkid knows, or any byte that is not zero in its first or last MiB. path
 * (PATH_MAX) receives its node, *dev its number. Nothing is written; that nobody takes the device afterwards
 * is for mkfs, or the kernel, to notice. */
int format_claim(const char *spec, bool overwrite, char *path, size_t size, dev_t *dev, struct err *e);

/* Make a filesystem with the mkfs program for `format` ("ext4", "xfs", …), which is told not to ask:
 * format_claim() has. deadline: clock_ms(). Flushed when it returns. ERR_NO_TOOL, ERR_INVALID (auto: which
 * one?), ERR_UNSUPPORTED (no program makes it), ERR_STORAGE with mkfs's own last words. */
int format_make(const char *format, const char *path, uint64_t deadline, struct err *e);
/* Is there a program that makes it? The errors of format_make(), before anything is touched. */
int format_possible(const char *format, struct err *e);

/* Zero the first and the last MiB, and flush: no signature is left that anything looks for. ERR_BUSY: the
 * kernel uses the device. */
int format_wipe_ends(const char *path, struct err *e);
/* The first MiB alone: what pvremove leaves of a physical volume, which would count as data. */
int format_wipe_head(const char *path, struct err *e);

/* Flush the device, its own cache too, so that what was written outlives a power cut. */
int format_flush(const char *path, struct err *e);

#endif
