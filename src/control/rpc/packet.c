/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Packets, and what our classes of errors are called there.
 */
#include "control/rpc/packet.h"

#include <errno.h>

#include "base/contract.h"
#include "base/util.h"
#include "base/xdr.h"

uint32_t packet_length(const char *bytes)
{
	struct xdr x = { .at = (const unsigned char *)bytes, .left = PACKET_LENGTH };

	return xdr_number(&x);
}

void packet_read(const char *bytes, struct packet_header *h)
{
	struct xdr x = { .at = (const unsigned char *)bytes, .left = PACKET_HEAD };

	h->length = xdr_number(&x);
	h->program = xdr_number(&x);
	h->version = xdr_number(&x);
	h->procedure = (int32_t)xdr_number(&x);
	h->type = xdr_number(&x);
	h->serial = xdr_number(&x);
	h->status = xdr_number(&x);
}

size_t packet_begin(struct buf *out, const struct packet_header *h, enum packet_type type,
                    enum packet_status status)
{
	size_t start = out->len;

	xdr_put(out, 0);
	xdr_put(out, h->program);
	xdr_put(out, h->version);
	xdr_put(out, (uint32_t)h->procedure);
	xdr_put(out, type);
	xdr_put(out, h->serial);
	xdr_put(out, status);
	return start;
}

void packet_end(struct buf *out, size_t start, size_t more)
{
	if (out->failed)
		return;

	size_t length = out->len - start + more;

	for (size_t i = 0; i < 4; i++)
		out->data[start + i] = (char)(unsigned char)(length >> (24 - 8 * i));
}

void packet_empty(struct buf *out, const struct packet_header *h, enum packet_type type,
                  enum packet_status status)
{
	packet_end(out, packet_begin(out, h, type, status), 0);
}

/* ---- errors ---- */

enum {
	CODE_INTERNAL = 1,
	CODE_NO_MEMORY = 2,
	CODE_NO_SUPPORT = 3,
	CODE_NO_CONNECTION = 5,
	CODE_INVALID_ARGUMENT = 8,
	CODE_FAILED = 9,
	CODE_XML = 27,
	CODE_DENIED = 29,
	CODE_XML_SYNTAX = 35,
	CODE_SYSTEM = 38,
	CODE_RPC = 39,
	CODE_AUTH = 45,
	CODE_NO_POOL = 49,
	CODE_NO_VOLUME = 50,
	CODE_WRONG_STATE = 55,
	CODE_INVALID_SECRET = 65,
	CODE_NO_SECRET = 66,
	CODE_TIMEOUT = 68,
	CODE_UNSUPPORTED_ARGUMENT = 74,
	CODE_WRONG_FORMAT = 75,
	CODE_BUSY = 87,
	CODE_VOLUME_EXISTS = 90,
	LEVEL_IS_ERROR = 2,
};

static const unsigned char codes[ERR_CLASSES] = {
	[ERR_NONE] = CODE_INTERNAL,
	[ERR_SYNTAX] = CODE_RPC,
	[ERR_UNKNOWN_VERB] = CODE_RPC,
	[ERR_TOO_LONG] = CODE_RPC,
	[ERR_MISSING] = CODE_INVALID_ARGUMENT,
	[ERR_UNKNOWN_KEY] = CODE_INVALID_ARGUMENT,
	[ERR_INVALID] = CODE_INVALID_ARGUMENT,
	[ERR_XML] = CODE_XML_SYNTAX,
	[ERR_STATE] = CODE_WRONG_STATE,
	[ERR_BUSY] = CODE_BUSY,
	[ERR_EXISTS] = CODE_FAILED,
	[ERR_CONFLICT] = CODE_FAILED,
	[ERR_HUNG] = CODE_SYSTEM,
	[ERR_LIMIT] = CODE_FAILED,
	[ERR_NO_POOL] = CODE_NO_POOL,
	[ERR_NO_VOLUME] = CODE_NO_VOLUME,
	[ERR_NO_SECRET] = CODE_NO_SECRET,
	[ERR_TIMEOUT] = CODE_TIMEOUT,
	[ERR_STORAGE] = CODE_SYSTEM,
	[ERR_WAIT_DEVICE] = CODE_SYSTEM,
	[ERR_WAIT_NETWORK] = CODE_SYSTEM,
	[ERR_WAIT_SERVER] = CODE_SYSTEM,
	[ERR_AUTH] = CODE_AUTH,
	[ERR_WRONG_FORMAT] = CODE_WRONG_FORMAT,
	[ERR_UNSUPPORTED] = CODE_NO_SUPPORT,
	[ERR_NO_TOOL] = CODE_SYSTEM,
	[ERR_NO_SPACE] = CODE_SYSTEM,
	[ERR_READ_ONLY] = CODE_SYSTEM,
	[ERR_DENIED] = CODE_DENIED,
	[ERR_INTERNAL] = CODE_INTERNAL,
	[ERR_NO_MEMORY] = CODE_NO_MEMORY,
};

/* clang-format off */
const struct packet_code codes_of_documents[] = { { ERR_INVALID, CODE_XML, false }, { 0 } };
const struct packet_code codes_of_volumes[] = {
	{ ERR_INVALID, CODE_XML, false }, { ERR_EXISTS, CODE_VOLUME_EXISTS, false }, { 0 }
};
const struct packet_code codes_of_marks[] = { { ERR_STATE, CODE_INTERNAL, false }, { 0 } };
const struct packet_code codes_of_values[] = { { ERR_DENIED, CODE_INVALID_SECRET, false }, { 0 } };
const struct packet_code codes_of_names[] = {
	{ ERR_INVALID, CODE_NO_CONNECTION, true }, { ERR_UNSUPPORTED, CODE_INTERNAL, true }, { 0 }
};
const struct packet_code codes_of_events[] = { { ERR_INVALID, CODE_INVALID_ARGUMENT, true }, { 0 } };
const struct packet_code codes_of_identities[] = {
	{ ERR_UNKNOWN_KEY, CODE_UNSUPPORTED_ARGUMENT, true }, { 0 }
};
/* clang-format on */

static struct packet_code code_of(const struct packet_code *special, enum err_class class)
{
	for (; special && special->class != ERR_NONE; special++)
		if (special->class == class)
			return *special;
	return (struct packet_code){ .class = class,
		                     .code = (unsigned)class < ERR_CLASSES ? codes[class]
		                                                           : (unsigned)CODE_INTERNAL };
}

static enum packet_domain domain_of(const struct packet_code *code, enum packet_domain domain)
{
	if (code->apart)
		return DOMAIN_NONE;
	return code->code == CODE_RPC ? DOMAIN_RPC : domain;
}

/* An optional text that is there. */
static void put_some(struct buf *out, const char *text)
{
	xdr_put(out, 1);
	xdr_put_text(out, text);
}

void packet_error(struct buf *out, const struct packet_header *h, enum packet_type type,
                  enum packet_domain domain, const struct packet_code *special, const struct err *e)
{
	size_t start = packet_begin(out, h, type, PACKET_ERROR);
	struct packet_code code = code_of(special, e->class);

	xdr_put(out, code.code);
	xdr_put(out, domain_of(&code, domain));
	put_some(out, e->message); /* go-libvirt takes it for granted that there is one */
	xdr_put(out, LEVEL_IS_ERROR);
	xdr_put(out, 0); /* no domain (a guest) */
	put_some(out, "%s");
	put_some(out, e->message);
	xdr_put(out, 0); /* no third text */
	xdr_put(out, e->sys ? (uint32_t)e->sys : UINT32_MAX);
	xdr_put(out, UINT32_MAX);
	xdr_put(out, 0); /* no network */
	packet_end(out, start, 0);
}
