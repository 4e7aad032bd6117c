/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool stands on, however it is spelled: facts, one a line, "KEY=VALUE SPELLING" (the spelling is for
 * people). Two pools with one fact in common are in each other's way.
 *
 *     dev=8:16 /dev/disk/by-id/x       a block device, by its number
 *     lun=3600…::0 /dev/sdb            the LUN behind it by its world wide name, or a loop device's file, and
 *                                      the partition: another path to it shows them as well
 *     fsuuid=UUID /dev/sdb             the btrfs on it, whose other disks have the same one; or what UUID=
 *                                      names that is not there now
 *     scsihost=3 SCSI host host3       a SCSI host of this boot, by its number
 *     partuuid=UUID PARTUUID=UUID      a partition that is not there now
 *     vg=UUID vg0                      a volume group
 *     place=8:1:/pools/a /srv/link     a directory by filesystem and path in it, whatever is mounted on it
 *     files=8:16:/ /pools/a            the files that one sees there: what is mounted on it counts
 *
 * Nothing here looks below a mount of a network filesystem: paths are followed with the mount table at hand.
 * For workers.
 */
#ifndef POOLINIT_BACKENDS_IDENTITY_H
#define POOLINIT_BACKENDS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "backends/backend.h"
#include "base/buf.h"
#include "base/err.h"

/* The mount table. It is kept, and read again only when something has been mounted or unmounted: a pointer
 * holds until the next call. The process that calls is to stay in its mount namespace. NULL: ERR_NO_MEMORY,
 * or the table cannot be read. */
struct places;
const struct places *places_now(struct err *e);
struct places *places_parse(char *text); /* from a table's text, which is changed; for tests */
void places_free(struct places *t);

/* Write to out the path without links, "." and "..", as far as it can be followed safely (nothing below a
 * mount that may not answer is looked at; the rest of the way is then taken as it is written); false: too
 * long, or links in a circle. */
bool places_resolve(const struct places *t, const char *path, char *out, size_t size);

/* The number of the mount through which one sees what is at the path, or 0; negative if its options say that
 * nothing can be written there. */
int places_mount(const struct places *t, const char *path);

/* Append facts. Those of a path are asked for together: each step of the way is a system call. */
enum { IDENTITY_PLACE = 1, IDENTITY_FILES = 2 };
/* Append facts of a path: which is IDENTITY_PLACE, IDENTITY_FILES or both. */
void identity_path(const struct places *t, const char *path, unsigned which, struct buf *facts);
/* Append dev=… and lun=…, by a device's number. */
void identity_number(dev_t dev, const char *spelling, struct buf *facts);
/* Append files=…, for all files on a device. */
void identity_filesystem(dev_t dev, const char *spelling, struct buf *facts);
/* Append dev, lun and fsuuid of a device, or partuuid. Reads the device. Is it there? `where` (or NULL) gets
 * its number then. One that is not there has the facts that its spelling tells (UUID=, PARTUUID=). */
bool identity_device(const char *spec, dev_t *where, struct buf *facts);

/* The vol_identify of pools whose volumes are devices: dev and lun of the volume and of its partitions, which
 * are written to with it. Nothing of what is no block device, or not there now. */
void identity_volume(const struct volume *v, struct buf *facts);

/* ---- same.c: two pools ---- */

/* Append the facts of a definition: its backend's, or for types that this build cannot start those of its
 * devices and target. What is not there has no facts, which is no error. */
int backend_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e);

/* Is there a fact that both texts have? Then out says it in words: "/dev/disk/by-id/x and /dev/sdb are the
 * same device". The strongest kind is told: a device before a directory. */
bool identity_shared(const char *a, const char *b, char *out, size_t size);

#endif
