/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Base64 as in RFC 4648 section 4.
 *
 * Values of secrets pass here: no memory is taken beyond the caller's, and nothing is kept.
 */
#include <string.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/secret/secret.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct buf *out)
{
	demand_or(data || len == 0, );

	const unsigned char *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		/* Three bytes as one number of 24 bits, whose four groups of six bits are four characters.
		 * Missing bytes are zero bits, and their characters '='. */
		unsigned three = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) |
		                 (n > 2 ? (unsigned)p[i + 2] : 0);

		buf_addc(out, alphabet[three >> 18]);
		buf_addc(out, alphabet[three >> 12 & 63]);
		buf_addc(out, n > 1 ? alphabet[three >> 6 & 63] : '=');
		buf_addc(out, n > 2 ? alphabet[three & 63] : '=');
	}
}

/* Each four characters make three bytes; padding only at the very end, and the bits under it are zero. */
long base64_decode(const char *text, size_t len, unsigned char *out, size_t size)
{
	demand_or((text || len == 0) && (out || size == 0), -1);

	size_t chars = 0, pad = 0, made = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at;

		if (is_space(text[i]))
			continue;
		at = text[i] ? strchr(alphabet, text[i]) : NULL;
		if (text[i] == '=')
			pad++;
		else if (!at || pad > 0)
			return -1;
		bits = bits << 6 | (at ? (unsigned)(at - alphabet) : 0);
		if (++chars % 4 != 0)
			continue;
		if (pad > 2 || (pad > 0 && (bits & ((1u << 8 * pad) - 1))) || size - made < 3 - pad)
			return -1;
		for (size_t k = 0; k < 3 - pad; k++)
			out[made++] = (unsigned char)(bits >> (16 - 8 * k));
		bits = 0;
		if (pad > 0)
			size = made; /* nothing may follow */
	}
	return chars % 4 == 0 && pad <= 2 ? (long)made : -1;
}
