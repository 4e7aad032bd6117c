/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of this type share: a connection to a cluster, and words for what it says.
 */
#ifndef POOLINIT_BACKENDS_RBD_RBD_H
#define POOLINIT_BACKENDS_RBD_RBD_H

#include <rados/librados.h>
#include <rbd/librbd.h>
#include "backends/backend.h"

/* How the name of an image begins that is not whole yet. */
#define RBD_UNFINISHED ".poolinit-"
enum { RBD_NAME = 240 }; /* bytes that the name of a new image may have, with its NUL */

/* A Ceph pool, or a namespace of one, with the connection to its cluster. */
struct rbd_pool {
	rados_t cluster;
	rados_ioctx_t io;
	char ceph_pool[128]; /* its name in the cluster */
	char namespace[128]; /* or "" */
};

/* The rules for <source><name>: "POOL" or "POOL/NAMESPACE". ERR_INVALID says which is broken. */
int rbd_source_name(const struct pool_def *d, char *ceph_pool, char *namespace, size_t size, struct err *e);

/* Open p->io: the Ceph pool and namespace that p names, in the cluster that it is connected to. ERR_STORAGE:
 * there is no such one. */
int rbd_open_ceph_pool(struct rbd_pool *p, struct err *e);

/* Connect to the cluster and open the pool. A worker that does several things of one definition keeps its
 * connection: it is found again, and ends with the process. Bounded by op->deadline. ERR_WAIT_SERVER: no
 * monitor answers; ERR_AUTH: the cluster refuses user or key; ERR_STORAGE: there is no such Ceph pool.
 *
 * The libraries start threads, and change what the process is: in workers only. */
int rbd_pool_open(const struct pool_def *d, struct op *op, struct rbd_pool **pool, struct err *e);

/* An answer of the libraries', a negative errno, as an error: "<fmt>: <why>". Returns -1. */
int rbd_error(struct err *e, int answer, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Open an image; close it by rbd_close(). ERR_NO_VOLUME; ERR_UNSUPPORTED: it is to be changed, and has a
 * journal. One that is only read is not watched, and nobody's lock is asked for. */
int rbd_image_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write,
                   rbd_image_t *image, struct err *e);
/* A librbd_progress_fn_t whose argument is the operation, which hears of it. Returns 0. */
int rbd_progress(uint64_t done, uint64_t total, void *op);
/* It reads as zeros there afterwards, and gives its objects back where all of one is zero. */
int rbd_image_zero(rbd_image_t image, uint64_t at, uint64_t len, struct err *e);
/* Fill an image, which holds zeros, with the first `len` bytes of a file, device or pipe. */
int rbd_fill(rbd_image_t image, int fd, uint64_t len, const char *from, struct op *op, struct err *e);

/* The operations. */
int rbd_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e);
int rbd_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                   const struct vol_input *from, unsigned flags, struct err *e);
int rbd_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
int rbd_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                   unsigned flags, struct err *e);
int rbd_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                 struct err *e);
int rbd_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                 struct err *e);
int rbd_vol_transfer(const struct pool_def *d, struct op *op, const struct volume *v, bool upload,
                     struct transfer *t, struct err *e);

#endif
