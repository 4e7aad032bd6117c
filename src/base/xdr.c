/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading looks at every number before it uses it: the bytes are somebody else's.
 */
#include "base/xdr.h"

#include <string.h>

#include "base/contract.h"

const unsigned char *xdr_fixed(struct xdr *x, size_t n)
{
	const unsigned char *at = x->at;

	if (x->broken || n > x->left) {
		x->broken = true;
		return NULL;
	}
	x->at += n;
	x->left -= n;
	return at;
}

uint32_t xdr_number(struct xdr *x)
{
	const unsigned char *p = xdr_fixed(x, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t xdr_long(struct xdr *x)
{
	uint64_t high = xdr_number(x);

	return high << 32 | xdr_number(x);
}

bool xdr_flag(struct xdr *x)
{
	uint32_t number = xdr_number(x);

	x->broken |= number > 1;
	return !x->broken && number == 1;
}

const unsigned char *xdr_bytes(struct xdr *x, size_t most, size_t *len)
{
	size_t n = xdr_number(x);
	const unsigned char *at;

	*len = 0;
	if (n > most) {
		x->broken = true;
		return NULL;
	}
	at = xdr_fixed(x, (n + 3) / 4 * 4); /* what fills up the last four is not looked at */
	if (at)
		*len = n;
	return at;
}

void xdr_put(struct buf *out, uint32_t number)
{
	const unsigned char bytes[4] = { (unsigned char)(number >> 24), (unsigned char)(number >> 16),
		                         (unsigned char)(number >> 8), (unsigned char)number };

	buf_add(out, bytes, sizeof(bytes));
}

void xdr_put_long(struct buf *out, uint64_t number)
{
	xdr_put(out, (uint32_t)(number >> 32));
	xdr_put(out, (uint32_t)number);
}

void xdr_pad(struct buf *out, size_t len)
{
	static const char zeroes[4];

	buf_add(out, zeroes, (4 - len % 4) % 4);
}

void xdr_put_bytes(struct buf *out, const void *data, size_t len)
{
	demand_or(len <= UINT32_MAX, );
	xdr_put(out, (uint32_t)len);
	buf_add(out, data, len);
	xdr_pad(out, len);
}

void xdr_put_text(struct buf *out, const char *text)
{
	xdr_put_bytes(out, text, strlen(text));
}
