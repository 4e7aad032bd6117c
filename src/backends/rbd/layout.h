/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What <layout> may say of a new image, in words with spaces between them:
 *
 *     order=22             objects of 2^22 bytes (12 to 25)
 *     features=61          which features, as the number that they are in rbd(8)
 *     stripe-unit=65536    bytes; together with
 *     stripe-count=16
 *     data-pool=NAME       another Ceph pool for the data
 *     flat                 of a clone: nothing of it is shared with what it is of
 */
#ifndef POOLINIT_BACKENDS_RBD_LAYOUT_H
#define POOLINIT_BACKENDS_RBD_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/* What is not said is 0, empty or false: the cluster's own choice. */
struct rbd_layout {
	uint64_t order, stripe_unit, stripe_count;
	bool has_features;
	uint64_t features;
	char data_pool[128];
	bool flat;
};

/* text: of the document, or NULL. ERR_INVALID says which word is none; ERR_UNSUPPORTED: a journal is wanted.
 */
int rbd_layout_read(const char *text, struct rbd_layout *l, struct err *e);

#endif
