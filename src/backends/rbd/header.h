/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the header of an image says, in the bytes in which Ceph's object class "rbd" answers. They come from
 * the cluster, and are read only as far as they go. All numbers are little-endian. Facts: the methods of
 * Ceph's cls/rbd; its encoding of a struct is version (1 byte), oldest version that can be read (1), length
 * (4), members; of a text its length (4), bytes.
 */
#ifndef POOLINIT_BACKENDS_RBD_HEADER_H
#define POOLINIT_BACKENDS_RBD_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RBD_TEXT 256 /* room for an id, a namespace or the name of a snapshot; longer ones are cut off */

/* The snapshot of an image that another one is a clone of. */
struct rbd_parent {
	int64_t pool; /* its number in the cluster; negative: there is no parent */
	char namespace[RBD_TEXT], image[RBD_TEXT] /* its id */;
	uint64_t snapshot;
};

struct rbd_snapshot {
	char name[RBD_TEXT];
	bool of_a_user; /* else of a group, of mirroring, or one that is deleted but for its clones */
};

/* Answers of "get_size", "get_features", "get_flags", "parent_get", "get_snapcontext", "snapshot_get" and
 * "dir_get_name". false: they are too short, or say what cannot be. */
bool rbd_read_size(const void *answer, size_t len, uint64_t *size, unsigned *order);
bool rbd_read_number(const void *answer, size_t len, uint64_t *number);
bool rbd_read_parent(const void *answer, size_t len, struct rbd_parent *p);
/* Their ids, the newest first; at most `room` of them are stored. *n: how many there are. */
bool rbd_read_snapshot_ids(const void *answer, size_t len, uint64_t *ids, size_t room, size_t *n);
bool rbd_read_snapshot(const void *answer, size_t len, struct rbd_snapshot *s);
bool rbd_read_text(const void *answer, size_t len, char *text, size_t size);

/* The map of objects, as its object holds it: how many bytes the objects that exist can have, each `object`
 * bytes long but the last. */
bool rbd_read_object_map(const void *map, size_t len, uint64_t size, uint64_t object, uint64_t *allocated);

#endif
