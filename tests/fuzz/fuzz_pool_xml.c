/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool and secret documents. What is read must print, be read again, and print the same; what is refused must
 * say where.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/def.h"
#include "pool/secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pool(const char *xml, size_t len)
{
	struct buf first = BUF_INIT, second = BUF_INIT, key = BUF_INIT;
	struct err e = { 0 };
	struct pool_def d;

	if (pool_read(&d, xml, len, "fuzz", &e) < 0) {
		if (e.class == ERR_NONE || strncmp(e.message, "fuzz:", 5) != 0)
			abort();
		return;
	}
	pool_print(&d, &first);
	pool_source_key(&d, &key);
	pool_def_free(&d);
	if (first.len < POOL_XML_LIMIT) {
		if (pool_read(&d, buf_str(&first), first.len, "fuzz", &e) < 0)
			abort();
		pool_print(&d, &second);
		if (strcmp(buf_str(&first), buf_str(&second)) != 0)
			abort();
		pool_def_free(&d);
	}
	buf_free(&first);
	buf_free(&second);
	buf_free(&key);
}

static void secret(const char *xml, size_t len)
{
	struct secret_def s;
	struct buf out = BUF_INIT;

	if (secret_read(&s, xml, len, "fuzz", NULL) < 0)
		return;
	secret_print(&s, &out);
	secret_def_free(&s);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pool((const char *)data, size);
	secret((const char *)data, size);
	return 0;
}
