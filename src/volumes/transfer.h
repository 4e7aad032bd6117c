/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vol-upload and vol-download: a client's file, pipe or socket on one side, a volume on the other.
 */
#ifndef POOLINIT_VOLUMES_TRANSFER_H
#define POOLINIT_VOLUMES_TRANSFER_H

#include "pool/operation.h"
#include "volumes/copy.h"

/* One upload or download. The caller fills in all but `done`. `stream` is the client's file, pipe or socket,
 * which stays the caller's. sparse: holes stay holes (skipped when written to a regular file or a volume,
 * found by SEEK_DATA when read). offset and length are of the volume, in bytes; length 0: to the end. *done:
 * bytes, holes among them. */
struct transfer {
	int stream;
	/* a descriptor of that user's: it is read and written with the user's rights, not root's */
	bool passed;
	uid_t uid;
	gid_t gid;
	uint64_t offset, length;
	bool sparse;
	uint64_t done;
};
/* Copy the stream into the volume, or the volume into the stream. open_volume NULL: ERR_UNSUPPORTED, for
 * volumes of that type have no content that could be had. ERR_INVALID: the range is not in the volume. An
 * upload that fails has changed the volume up to t->done, and its message says so. With t->passed the
 * process gives up root's rights for good: it is a worker, and ends afterwards. */
int transfer_upload(vol_open_fn *open_volume, const struct pool_def *d, struct op *op, const struct volume *v,
                    struct transfer *t, struct err *e);
int transfer_download(vol_open_fn *open_volume, const struct pool_def *d, struct op *op,
                      const struct volume *v, struct transfer *t, struct err *e);

/* The parts of both, for volumes that are not opened as a file. The client's file is read or written from
 * where it stands, */
int transfer_client(struct copy_end *end, int fd, struct err *e);
/* with the client's rights, once the volume is open: what the kernel, or whoever listens at a socket, allows
 * root is not to be had by passing a descriptor. */
int transfer_become_client(const struct transfer *t, struct err *e);
/* It is left at the position where it was read or written to, as by read(2) and write(2). */
void transfer_client_advance(const struct copy_end *end);

#endif
