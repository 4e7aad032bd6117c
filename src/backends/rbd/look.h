/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the images of a Ceph pool are, asked of the cluster without opening any.
 */
#ifndef POOLINIT_BACKENDS_RBD_LOOK_H
#define POOLINIT_BACKENDS_RBD_LOOK_H

#include "backends/rbd/rbd.h"
#include "base/arena.h"

struct rbd_origin;

/* The caller fills in name and id (and sets everything else to 0); rbd_look() the rest, whose texts are the
 * arena's. */
struct rbd_image {
	const char *name, *id; /* id "": of the old format, which has no header of this kind */
	int answer;            /* 0; -ENOENT: it is gone; else why nothing is known of it */
	uint64_t size, allocation;
	const char *parent;    /* "POOL/IMAGE@SNAPSHOT" or NULL */
	const char *snapshots; /* "before after", the oldest first, or NULL */
	/* private */
	unsigned order;
	uint64_t features, flags;
	const uint64_t *snapshot_ids;
	size_t nsnapshots;
	const struct rbd_origin *origin;
};

/* Fill in n images. by_map: the allocation of one that has a map of its objects is what they take; else it is
 * the size. One that cannot be understood fails nothing. ERR_TIMEOUT: the cluster stopped answering, or
 * op->deadline is over. */
int rbd_look(const struct rbd_pool *p, struct rbd_image *images, size_t n, bool by_map, struct arena *a,
             struct op *op, struct err *e);

#endif
