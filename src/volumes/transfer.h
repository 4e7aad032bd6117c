/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vol-upload and vol-download: a client's file, pipe or socket on one side, a volume on the other.
 */
#ifndef POOLINIT_VOLUMES_TRANSFER_H
#define POOLINIT_VOLUMES_TRANSFER_H

#include "base/util.h"
#include "pool/operation.h"

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
	bool framed;    /* the stream is a pipe, with a frame before each part (frames.h) */
	bool up_to_end; /* download: a range that is not all in the volume is cut */
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

/* ---- the parts of it that do not depend on what a volume is, for store.c ---- */

struct copy_end;
/* The client's end: a file is read or written from where it stands. */
int transfer_client_end(struct copy_end *end, int fd, struct err *e);
/* The client's file is left at the position where it was read or written to, as by read(2) and write(2). */
void transfer_client_advance(const struct copy_end *end);
/* Give up root's rights for the client's, if a descriptor was passed: the volume is open by then. */
int transfer_become_client(const struct transfer *t, struct err *e);
/* How many bytes will be written at most; UINT64_MAX: that is not known. */
uint64_t transfer_most(const struct transfer *t, const struct copy_end *from);
/* Where a download's range may reach behind the end: make it end there. */
static inline void transfer_cut(struct transfer *t, uint64_t size)
{
	if (!t->up_to_end)
		return;
	t->offset = least(t->offset, size);
	t->length = least(t->length, size - t->offset);
}
/* Is a range of a volume of this size all in it? ERR_INVALID. A length that is not known (UINT64_MAX) is 0.
 */
int transfer_check_range(const char *what, uint64_t offset, uint64_t length, const char *name, uint64_t size,
                         struct err *e);
/* `room` bytes were taken: has the stream more? ERR_INVALID. */
int transfer_check_rest(const struct copy_end *from, uint64_t done, const char *name, uint64_t room,
                        struct err *e);

#endif
