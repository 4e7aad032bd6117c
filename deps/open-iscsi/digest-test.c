/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The test vectors of RFC 1321 A.5, RFC 3174 7.3 and RFC 6234 8.5, through the names that open-iscsi calls. */
#include <stdio.h>
#include <string.h>

#include "openssl/evp.h"

#define LONG "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define DIGITS "1234567890"
#define OCTAL "0123456701234567012345670123456701234567012345670123456701234567"

static const struct {
	const EVP_MD *(*md)(void);
	const char *text;
	int repeat;
	const char *want;
} vectors[] = {
	{ EVP_md5, "", 1, "d41d8cd98f00b204e9800998ecf8427e" },
	{ EVP_md5, "a", 1, "0cc175b9c0f1b6a831c399e269772661" },
	{ EVP_md5, "abc", 1, "900150983cd24fb0d6963f7d28e17f72" },
	{ EVP_md5, "message digest", 1, "f96b697d7cb7938d525a2f31aaf161d0" },
	{ EVP_md5, "abcdefghijklmnopqrstuvwxyz", 1, "c3fcd3d76192e4007dfb496cca67e13b" },
	{ EVP_md5, ALNUM, 1, "d174ab98d277d9f5a5611c2c9f419d9f" },
	{ EVP_md5, DIGITS, 8, "57edf4a22be3c955ac49da2e2107b67a" },

	{ EVP_sha1, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ EVP_sha1, LONG, 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
	{ EVP_sha1, "a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
	{ EVP_sha1, OCTAL, 10, "dea356a2cddd90c7a7ecedc5ebb563934f460452" },

	{ EVP_sha256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ EVP_sha256, LONG, 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ EVP_sha256, "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	{ EVP_sha256, OCTAL, 10, "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5" },
	{ EVP_sha256, "\x19", 1, "68aa2e2ee5dff96e3355e6c7ee373e3d6a4e17f75f9518d843709c0c9bc3e3d4" },
};

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		unsigned char out[32];
		unsigned int size = 0;
		char hex[65] = "";

		EVP_DigestInit_ex(ctx, vectors[i].md(), NULL);
		for (int n = 0; n < vectors[i].repeat; n++)
			EVP_DigestUpdate(ctx, vectors[i].text, strlen(vectors[i].text));
		EVP_DigestFinal_ex(ctx, out, &size);
		EVP_MD_CTX_free(ctx);
		for (unsigned int n = 0; n < size; n++)
			snprintf(hex + 2 * n, 3, "%02x", out[n]);
		if (strcmp(hex, vectors[i].want) != 0) {
			printf("vector %zu: got %s, want %s\n", i, hex, vectors[i].want);
			failed = 1;
		}
	}
	return failed;
}
