/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an NFS server exports, as its MOUNT service says (RFC 1813, appendix I): rpcbind is asked for the port
 * of the service, the service for its list. What showmount(8) does elsewhere. NFS 4 has no such question: of
 * a server that speaks nothing else nobody can hear it.
 */
#include <netinet/in.h>
#include <stdio.h>
#include "backends/netfs/netfs.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"

/* RFC 1833: version 2 of rpcbind (the port mapper) knows of IPv4 alone, version 3 of all. */
enum { PROGRAM_RPCBIND = 100000, VERSION_PORTMAP = 2, VERSION_RPCBIND = 3, PROCEDURE_GET = 3 };
enum { ADDRESS_MOST = 255 };
/* RFC 1813 appendix I, and RFC 1094 appendix A for version 1: the list is the same. */
enum { PROGRAM_MOUNT = 100005, PROCEDURE_EXPORT = 5, DIRECTORY_MOST = 1024, GROUP_MOST = 255 };

int exports_port_of(const char *address)
{
	demand_or(address, 0);

	const char *low = strrchr(address, '.'), *high = low;
	unsigned a, b;
	char end;

	while (high && high > address && high[-1] != '.')
		high--;
	if (!low || high == address || sscanf(high, "%3u.%3u%c", &a, &b, &end) != 2 || a > 255 || b > 255)
		return 0;
	return (int)(a << 8 | b);
}

/* The arguments are a struct pmap, or a struct rpcb. */
static void question_put(struct buf *out, bool six, uint32_t version)
{
	xdr_put(out, PROGRAM_MOUNT);
	xdr_put(out, version);
	if (six) {
		xdr_put_text(out, "tcp6");
		xdr_put_text(out, ""); /* any address */
		xdr_put_text(out, ""); /* nobody's in particular */
	} else {
		xdr_put(out, IPPROTO_TCP);
		xdr_put(out, 0);
	}
}

/* The port of the MOUNT service of that version; 0: rpcbind knows of none. */
static int port_ask(const struct address *rpcbind, uint32_t version, uint64_t deadline, int *port,
                    struct err *e)
{
	cleanup_buf struct buf arguments = BUF_INIT, answer = BUF_INIT;
	const bool six = rpcbind->family == AF_INET6;
	const struct rpc_call call = { PROGRAM_RPCBIND, six ? VERSION_RPCBIND : VERSION_PORTMAP,
		                       PROCEDURE_GET, &arguments };
	char text[ADDRESS_MOST + 1] = "";
	struct xdr x;
	uint32_t number;
	size_t len;

	question_put(&arguments, six, version);
	if (rpc_call(rpcbind, &call, deadline, &answer, &x, e) < 0)
		return -1;
	if (six) {
		const unsigned char *bytes = xdr_bytes(&x, ADDRESS_MOST, &len);

		if (bytes)
			memcpy(text, bytes, len);
		number = (uint32_t)exports_port_of(text);
		x.broken |= *text && !number;
	} else {
		number = xdr_number(&x);
	}
	if (x.broken || number > UINT16_MAX)
		return err_set(e, ERR_STORAGE, "%s, port %d: what rpcbind answers is no port", rpcbind->text,
		               rpcbind->port);
	*port = (int)number;
	return 0;
}

static bool is_directory_name(const char *dir, size_t len)
{
	return len > 0 && dir[0] == '/' && strlen(dir) == len && check_text(dir);
}

int exports_read(struct xdr *x, netfs_export_fn *add, void *arg, unsigned *nameless, struct err *e)
{
	demand(x && add && nameless, e);

	while (xdr_flag(x)) {
		char dir[DIRECTORY_MOST + 1] = "";
		size_t len, ignored;
		const unsigned char *bytes = xdr_bytes(x, DIRECTORY_MOST, &len);

		if (bytes)
			memcpy(dir, bytes, len);
		while (xdr_flag(x)) /* who may mount it */
			xdr_bytes(x, GROUP_MOST, &ignored);
		if (x->broken)
			break;
		if (is_directory_name(dir, len))
			add(arg, dir);
		else
			++*nameless;
	}
	if (x->broken)
		return err_set(e, ERR_STORAGE, "its list of exports breaks off, or is none");
	if (x->left)
		return err_set(e, ERR_STORAGE, "its list of exports goes on behind its end");
	return 0;
}

int exports_ask(const struct address *rpcbind, uint64_t deadline, netfs_export_fn *add, void *arg,
                struct err *e)
{
	demand(rpcbind && add, e);

	static const uint32_t versions[] = { 3, 1 };
	cleanup_buf struct buf answer = BUF_INIT;
	struct address mount = *rpcbind;
	struct rpc_call call = { .program = PROGRAM_MOUNT, .procedure = PROCEDURE_EXPORT };
	unsigned nameless = 0;
	struct xdr x;

	mount.port = 0;
	for (size_t i = 0; i < ARRAY_LEN(versions) && mount.port == 0; i++) {
		call.version = versions[i];
		if (port_ask(rpcbind, call.version, deadline, &mount.port, e) < 0)
			return -1;
	}
	if (mount.port == 0)
		return err_set(e, ERR_UNSUPPORTED, "%s has no MOUNT service by TCP", rpcbind->text);
	if (rpc_call(&mount, &call, deadline, &answer, &x, e) < 0)
		return -1;
	if (exports_read(&x, add, arg, &nameless, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s, port %d", mount.text, mount.port);
	return (int)least(nameless, INT32_MAX);
}
