/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parts of files that follow an answer's records: a volume index in its parts, a value.
 */
#ifndef POOLINIT_CONTROL_SENDING_H
#define POOLINIT_CONTROL_SENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* len bytes (not 0) of one of two files, which cannot become shorter */
struct file_part {
	unsigned file; /* 0 or 1 */
	uint64_t at;
	size_t len;
};

/* What is still to be sent; all zero: nothing. */
struct sending {
	int fds[2]; /* of its own; the second may be -1 */
	struct file_part *parts;
	size_t n, next;
	bool pipe; /* bytes that are in a pipe already: fds[0], of which `at` means nothing */
};

static inline bool sending_is_on(const struct sending *s)
{
	return s->n > 0;
}

/* These n parts (not 0). Descriptors are copied: a refresh may swap the pool's index while this one is still
 * being sent. False: no memory, or no descriptor is left. */
bool sending_begin(struct sending *s, const int fds[2], const struct file_part *parts, size_t n);
/* Close what it has. */
void sending_end(struct sending *s);

#endif
