/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A stream in which holes are told: before each part of its bytes, and for each hole, stands a frame. Between
 * a worker and the supervisor, for clients of libvirt's protocol, whose streams are so.
 */
#ifndef POOLINIT_VOLUMES_FRAMES_H
#define POOLINIT_VOLUMES_FRAMES_H

#include "volumes/copy.h"

/* So many bytes follow, or a hole of that size, of which nothing does. As it lies in memory: it never leaves
 * this machine, and a pipe takes it at once or not at all. */
struct stream_frame {
	uint64_t length;
	uint64_t hole; /* 0 or 1 */
};

/* Write what comes, from c->to.at on, until the stream ends: a hole is zeros. As copy_run(); ERR_INVALID: it
 * is more than c->length. */
int frames_upload(struct copy *c, struct err *e);
/* Send c->length bytes from c->from.at on. ERR_STORAGE: there are fewer now. */
int frames_download(struct copy *c, struct err *e);

#endif
