/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenSSL's names for what digest.c does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "digest.h"
#include "openssl/evp.h"
#include "openssl/rand.h"

const EVP_MD *EVP_md5(void)
{
	return &digest_md5;
}

const EVP_MD *EVP_sha1(void)
{
	return &digest_sha1;
}

const EVP_MD *EVP_sha256(void)
{
	return &digest_sha256;
}

EVP_MD_CTX *EVP_MD_CTX_new(void)
{
	return calloc(1, sizeof(EVP_MD_CTX));
}

void EVP_MD_CTX_free(EVP_MD_CTX *ctx)
{
	if (ctx == NULL)
		return;
	explicit_bzero(ctx, sizeof *ctx);	/* it has seen the CHAP secret */
	free(ctx);
}

int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *md, void *engine)
{
	(void)engine;
	if (ctx == NULL || md == NULL)
		return 0;
	digest_start(ctx, md);
	return 1;
}

int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t size)
{
	if (ctx == NULL || ctx->how == NULL)
		return 0;
	digest_add(ctx, data, size);
	return 1;
}

int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned int *size)
{
	if (ctx == NULL || ctx->how == NULL)
		return 0;
	if (size != NULL)
		*size = (unsigned int)ctx->how->size;
	digest_finish(ctx, out);
	return 1;
}

int RAND_bytes(unsigned char *buf, int size)
{
	while (size > 0) {
		ssize_t got = getrandom(buf, (size_t)size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		buf += got;
		size -= (int)got;
	}
	return size == 0;
}
