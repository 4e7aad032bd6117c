/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The content of a new volume taken from another one.
 */
#ifndef POOLINIT_VOLUMES_FILE_CLONE_H
#define POOLINIT_VOLUMES_FILE_CLONE_H

#include "pool/operation.h"

/* Fill the new, empty file `fd`, or a device that is large enough, for definition v (its capacity is what is
 * wanted, 0 as the source's) from a volume of any pool.
 *
 * Same format and options: the bytes, shared where the filesystem can (VOL_REFLINK: shared or not at all).
 * The copy has the source's backing file and passphrase. Anything else: a conversion, by qemu-img, into an
 * image without a backing file. What is under the source is read with it only if each image is a regular file
 * in the directory of the source's pool and the header above gives its format: nothing else that a header
 * names is opened. Images that keep data in other files are neither copied nor converted. secret: the new
 * volume's, or NULL. From a volume whose secret is private only without op->operate, or into one whose secret
 * is private too (ERR_DENIED). */
int clone_content(int fd, const struct pool_def *d, const struct volume_def *v, const struct vol_input *from,
                  unsigned flags, const struct secret_value *secret, struct op *op, struct err *e);

#endif
