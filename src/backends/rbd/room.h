/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How much room a Ceph pool has, as the monitors' `df` says it in JSON.
 */
#ifndef POOLINIT_BACKENDS_RBD_ROOM_H
#define POOLINIT_BACKENDS_RBD_ROOM_H

#include <stdbool.h>
#include "pool/operation.h"

/* Fill in capacity, allocation and available from the pool's row: what is stored in it, and what can be
 * stored yet. False, and sizes unchanged: it has none there, or one that says nothing. json ends with NUL; it
 * is foreign. */
bool rbd_room_read(const char *json, const char *ceph_pool, struct pool_sizes *sizes);

/* How full the cluster is, as op->fill says it: "cluster data=41.27%". total 0: that is not known, "". */
void rbd_room_cluster(uint64_t used, uint64_t total, char *fill, size_t size);
/* The same from `df`. */
void rbd_room_read_cluster(const char *json, char *fill, size_t size);

#endif
