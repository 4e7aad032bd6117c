/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * XDR (RFC 4506): numbers in network order, everything a multiple of four bytes. What NFS and gluster servers
 * answer in, and libvirt's clients ask in.
 */
#ifndef POOLINIT_BASE_XDR_H
#define POOLINIT_BASE_XDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

/* What is left of the bytes that are read. Whoever reads beyond the end, or a thing that cannot be, gets
 * zeroes, and `broken` stays set. */
struct xdr {
	const unsigned char *at;
	size_t left;
	bool broken;
};
uint32_t xdr_number(struct xdr *x);
uint64_t xdr_long(struct xdr *x);
/* 0 or 1: anything else is broken. */
bool xdr_flag(struct xdr *x);
/* n bytes without a length. They stay whose they are; NULL: broken. */
const unsigned char *xdr_fixed(struct xdr *x, size_t n);
/* Variable-length bytes, at most so many; *len is 0 where it is broken. They stay whose they are. */
const unsigned char *xdr_bytes(struct xdr *x, size_t most, size_t *len);

/* A number, into four bytes that are there. */
static inline void xdr_write(char *to, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*to++ = (char)(unsigned char)(number >> shift);
}
/* Append a number, one of 64 bits, bytes with their length, a text. */
void xdr_put(struct buf *out, uint32_t number);
void xdr_put_long(struct buf *out, uint64_t number);
void xdr_put_bytes(struct buf *out, const void *data, size_t len);
void xdr_put_text(struct buf *out, const char *text);
/* Zeroes behind so many bytes, up to a multiple of four. */
void xdr_pad(struct buf *out, size_t len);

#endif
