/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Written from the RFCs' text. Small, not fast: a CHAP login hashes a few hundred bytes. */
#include "digest.h"

#include <string.h>

static uint32_t left(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static uint32_t right(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

/* --- MD5, RFC 1321 section 3.4 --- */

/* T[i] = floor(2^32 * |sin(i + 1)|) */
static const uint32_t md5_sine[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a,
	0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
	0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
	0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
	0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void md5_mix(uint32_t *hash, const uint32_t block[16])
{
	static const uint8_t turn[4][4] = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } };
	uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];

	for (unsigned int i = 0; i < 64; i++) {
		uint32_t f;
		unsigned int word;

		switch (i / 16) {
		case 0:
			f = (b & c) | (~b & d);
			word = i;
			break;
		case 1:
			f = (b & d) | (c & ~d);
			word = 5 * i + 1;
			break;
		case 2:
			f = b ^ c ^ d;
			word = 3 * i + 5;
			break;
		default:
			f = c ^ (b | ~d);
			word = 7 * i;
			break;
		}
		f = b + left(a + f + block[word % 16] + md5_sine[i], turn[i / 16][i % 4]);
		a = d;
		d = c;
		c = b;
		b = f;
	}
	hash[0] += a;
	hash[1] += b;
	hash[2] += c;
	hash[3] += d;
}

const struct digest digest_md5 = {
	.size = 16,
	.start = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 },
	.mix = md5_mix,
};

/* --- SHA-1, RFC 3174 sections 5 and 6.1 --- */

static void sha1_mix(uint32_t *hash, const uint32_t block[16])
{
	uint32_t w[80];
	uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];

	memcpy(w, block, 16 * sizeof *w);
	for (int t = 16; t < 80; t++)
		w[t] = left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (int t = 0; t < 80; t++) {
		uint32_t f;

		if (t < 20)
			f = ((b & c) | (~b & d)) + 0x5a827999;
		else if (t < 40)
			f = (b ^ c ^ d) + 0x6ed9eba1;
		else if (t < 60)
			f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
		else
			f = (b ^ c ^ d) + 0xca62c1d6;
		f += left(a, 5) + e + w[t];
		e = d;
		d = c;
		c = left(b, 30);
		b = a;
		a = f;
	}
	hash[0] += a;
	hash[1] += b;
	hash[2] += c;
	hash[3] += d;
	hash[4] += e;
}

const struct digest digest_sha1 = {
	.size = 20,
	.start = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 },
	.big_endian = 1,
	.mix = sha1_mix,
};

/* --- SHA-256, RFC 6234 sections 5.1 and 6.2 --- */

/* First 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_mix(uint32_t *hash, const uint32_t block[16])
{
	uint32_t w[64], v[8];	/* v: the RFC's a to h */

	memcpy(w, block, 16 * sizeof *w);
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = right(w[t - 15], 7) ^ right(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = right(w[t - 2], 17) ^ right(w[t - 2], 19) ^ w[t - 2] >> 10;
		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
	memcpy(v, hash, sizeof v);
	for (int t = 0; t < 64; t++) {
		uint32_t s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
		uint32_t s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		uint32_t t1 = v[7] + s1 + choice + sha256_k[t] + w[t];

		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (int i = 0; i < 8; i++)
		hash[i] += v[i];
}

const struct digest digest_sha256 = {
	.size = 32,
	.start = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	.big_endian = 1,
	.mix = sha256_mix,
};

/* --- what the three have in common: blocks and padding --- */

/* Byte `i` of a word, in the digest's order, starts at this bit. */
static unsigned int bit(const struct digest *how, size_t i)
{
	return (unsigned int)(how->big_endian ? 3 - i % 4 : i % 4) * 8;
}

static void mix_block(struct digest_state *state)
{
	uint32_t words[16] = { 0 };

	for (size_t i = 0; i < DIGEST_BLOCK; i++)
		words[i / 4] |= (uint32_t)state->block[i] << bit(state->how, i);
	state->how->mix(state->hash, words);
}

void digest_start(struct digest_state *state, const struct digest *how)
{
	state->how = how;
	state->length = 0;
	memcpy(state->hash, how->start, sizeof state->hash);
}

void digest_add(struct digest_state *state, const void *data, size_t size)
{
	for (const uint8_t *next = data, *end = next + size; next < end; next++) {
		state->block[state->length++ % DIGEST_BLOCK] = *next;
		if (state->length % DIGEST_BLOCK == 0)
			mix_block(state);
	}
}

/* A one bit, zeros, and the message's length in bits as the last 64 bits of a block. */
void digest_finish(struct digest_state *state, uint8_t *out)
{
	uint64_t bits = state->length * 8;
	uint8_t length[8];

	for (unsigned int i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (state->how->big_endian ? 7 - i : i) * 8);
	digest_add(state, "\x80", 1);
	while (state->length % DIGEST_BLOCK != DIGEST_BLOCK - sizeof length)
		digest_add(state, "", 1);
	digest_add(state, length, sizeof length);
	for (size_t i = 0; i < state->how->size; i++)
		out[i] = (uint8_t)(state->hash[i / 4] >> bit(state->how, i));
}
