/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes whose bytes no descriptor gives, because they are had over a protocol: read and written by
 * functions of their pool type, and copied here.
 */
#ifndef POOLINIT_VOLUMES_STORE_H
#define POOLINIT_VOLUMES_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pool/operation.h"
#include "volumes/transfer.h"

/* One volume that is open. Its functions are given ranges that are in it, and do all of a range or fail. */
struct store {
	void *arg;
	const char *name; /* for messages */
	uint64_t size;    /* bytes */
	int (*read)(void *arg, void *data, size_t len, uint64_t at, struct err *e);
	int (*write)(void *arg, const void *data, size_t len, uint64_t at, struct err *e);
	/* NULL: what write() has returned for is stored; else it may be under way until this returns. */
	int (*settle)(void *arg, struct err *e);
	/* Afterwards it reads as zeros there. */
	int (*zero)(void *arg, uint64_t at, uint64_t len, struct err *e);
	/* How many bytes from `at` on are known to read as zeros; 0: none are. */
	uint64_t (*hole)(void *arg, uint64_t at);
};

/* vol-upload and vol-download, as transfer_upload() and transfer_download() are of files and devices. The
 * process gives up root's rights for good with t->passed. */
int store_upload(const struct store *s, struct op *op, const struct volume *v, struct transfer *t,
                 struct err *e);
int store_download(const struct store *s, struct op *op, const struct volume *v, struct transfer *t,
                   struct err *e);
/* Fill a store, which holds zeros, with the first `len` bytes of a file, device or pipe. ERR_STORAGE: there
 * are fewer. `from` is for messages. */
int store_fill(const struct store *s, int fd, uint64_t len, const char *from, struct op *op, struct err *e);
/* Its bytes as a pipe, for who reads descriptors only. A child writes to it; where it fails the pipe ends
 * early. The descriptor is the caller's; the store is the child's from here on. */
int store_pipe(const struct store *s, struct err *e);

#endif
