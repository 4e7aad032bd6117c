/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an NFS server, its rpcbind and its MOUNT service answer. The first byte chooses: a whole answer, the
 * list of exports behind one, the address of a service.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/netfs/netfs.h"
#include "pool/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whoever is told of an export may make a path of it. */
static void is_path(void *arg, const char *dir)
{
	(void)arg;
	if (dir[0] != '/' || strlen(dir) > 1024 || !check_text(dir))
		abort();
}

static void whole_answer(struct xdr *x)
{
	struct err e = { 0 };
	unsigned nameless = 0;

	if (rpc_answer_read(x, 0, &e) == 0)
		exports_read(x, is_path, NULL, &nameless, &e);
	else if (!e.message[0])
		abort();
}

static void list_of_exports(struct xdr *x)
{
	struct err e = { 0 };
	unsigned nameless = 0;

	if (exports_read(x, is_path, NULL, &nameless, &e) < 0 && !e.message[0])
		abort();
}

static void service_address(struct xdr *x)
{
	char text[256] = "";
	size_t len;
	const unsigned char *bytes = xdr_bytes(x, sizeof(text) - 1, &len);

	if (bytes)
		memcpy(text, bytes, len);
	int port = exports_port_of(text);

	if (port < 0 || port > UINT16_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct xdr *) = { whole_answer, list_of_exports, service_address };
	struct xdr x;
	uint8_t *bytes;

	if (size == 0)
		return 0;
	bytes = malloc(size);
	if (!bytes)
		return 0;
	memcpy(bytes, data + 1, size - 1);
	x = (struct xdr){ bytes, size - 1, false };
	readers[data[0] % 3](&x);
	free(bytes);
	return 0;
}
