/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MD5 (RFC 1321), SHA-1 (RFC 3174) and SHA-256 (RFC 6234): what CHAP uses. */
#ifndef POOLINIT_DIGEST_H
#define POOLINIT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BLOCK 64		/* bytes; the same for all three */

struct digest {
	size_t size;		/* of the result, in bytes */
	uint32_t start[8];
	int big_endian;		/* how words, the result and the length are stored */
	void (*mix)(uint32_t *hash, const uint32_t block[16]);
};

struct digest_state {
	const struct digest *how;
	uint32_t hash[8];
	uint64_t length;	/* of the message so far, in bytes */
	uint8_t block[DIGEST_BLOCK];
};

extern const struct digest digest_md5, digest_sha1, digest_sha256;

void digest_start(struct digest_state *state, const struct digest *how);
void digest_add(struct digest_state *state, const void *data, size_t size);
/* Writes state->how->size bytes; afterwards the state must be started anew. */
void digest_finish(struct digest_state *state, uint8_t *out);

#endif
