/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * <rbd:config_opts>: which options of librados a definition may set. Whoever may define a pool must not have
 * librados write, as root, into a file of this machine, or read one.
 */
#ifndef POOLINIT_BACKENDS_RBD_OPTIONS_H
#define POOLINIT_BACKENDS_RBD_OPTIONS_H

#include "pool/def.h"

/* ERR_INVALID says which is refused. Whether librados has an option is found out by a start. */
int rbd_options_check(const struct pool_option *options, size_t n, struct err *e);

#endif
