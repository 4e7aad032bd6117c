/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes from one descriptor to another by the shortest way that both allow: copy_file_range, sendfile,
 * splice, or through memory.
 *
 * Each of the ways is a call of the kernel that knows some pairs of ends only. They are tried in order, the
 * cheapest first, and what fails with an error that means "not these two" is left out for the rest of the
 * copy.
 */
#ifndef POOLINIT_VOLUMES_COPY_H
#define POOLINIT_VOLUMES_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include "volumes/pace.h"

#define COPY_TO_END UINT64_MAX

/* One end. A file or block device is read and written at `at`, its own position left alone; a pipe or socket
 * (seeks false) as it comes. */
struct copy_end {
	int fd;
	uint64_t at;
	bool seeks;
	bool block;       /* a block device */
	const char *name; /* for messages */
};

struct copy {
	struct copy_end from, to;
	uint64_t length; /* at most; COPY_TO_END: until there is no more */
	bool sparse; /* holes stay holes, and blocks of zeros from where no holes can be seen become holes */
	bool fresh;  /* `to` is a new file: where nothing is written there are zeros */
	/* Through memory from the start. sendfile(2) and splice(2) keep a pipe locked while they wait for a
	 * file: whoever has the pipe's other end waits with them then, even if it must not wait. */
	bool in_memory;
	struct pace pace;
	uint64_t done; /* bytes, holes among them */
	unsigned way;  /* private */
};

/* Fill in what an end is, from the descriptor, which stays the caller's; so does name. ERR_INVALID: not a
 * file, block device, pipe or socket. `at` is 0. */
int copy_end_set(struct copy_end *end, int fd, const char *name, struct err *e);
/* Copy c->length bytes, both ends going on from their `at`. A source that ends early is no error: see done.
 * A final hole of a regular file is made too. Does not sync. ERR_TIMEOUT: the deadline of pace.op has
 * passed; what was copied by then stays there, and done says how much it is. Blocks: for workers. */
int copy_run(struct copy *c, struct err *e);
/* A hole of the source: zeros at the other end, unless that is new and has them anyway. */
int copy_hole(struct copy *c, uint64_t length, struct err *e);

/* Zeros from `at` on, `length` bytes: a hole where the file can have one, zeros otherwise. A file that is
 * shorter becomes that long. Looks at no deadline. */
int copy_zero(const struct copy_end *end, uint64_t at, uint64_t length, struct err *e);

#endif
