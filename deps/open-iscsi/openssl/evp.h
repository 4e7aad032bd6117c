/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nine names of OpenSSL's digest interface that open-iscsi calls for CHAP, so that two small programs need not
 * carry a library ten times their size. Same meaning as OpenSSL's; `engine` is ignored.
 */
#ifndef POOLINIT_EVP_H
#define POOLINIT_EVP_H

#include <stddef.h>

typedef struct digest EVP_MD;
typedef struct digest_state EVP_MD_CTX;

const EVP_MD *EVP_md5(void);
const EVP_MD *EVP_sha1(void);
const EVP_MD *EVP_sha256(void);

EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *ctx);

/* Each returns 1, or 0 if ctx is NULL or was given no digest. */
int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *md, void *engine);
int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t size);
int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned int *size);

#endif
