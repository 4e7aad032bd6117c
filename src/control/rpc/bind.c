/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a packet to a call: what stands in it, by the kinds of its row, becomes arguments of the row's verb.
 * Texts stay where they are in the packet, of which the call has a copy.
 */
#include "control/rpc/rpc.h"

#include <inttypes.h>
#include <stdio.h>

#include "backends/backend.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/secret/secret.h"

int virt_undecodable(struct err *e)
{
	return err_set(e, ERR_SYNTAX, "the packet's payload is not what this procedure takes");
}

/* ---- parts ---- */

/* Its length word gives way to it, so that there is room for the NUL. What follows a NUL of its own is cut
 * off. */
int virt_text(struct virt_binding *b, const char **text, struct err *e)
{
	size_t len;
	const unsigned char *at = xdr_bytes(&b->x, STRING_MOST, &len);

	if (!at)
		return virt_undecodable(e);

	char *to = (char *)(uintptr_t)at - 4;

	memmove(to, at, len);
	to[len] = '\0';
	*text = to;
	return 0;
}

/* Any number but 0 says that it is there: go-libvirt writes its own. */
static int maybe_text(struct virt_binding *b, const char **text, struct err *e)
{
	*text = NULL;
	return xdr_number(&b->x) ? virt_text(b, text, e) : 0;
}

static int bind_uuid(struct virt_binding *b, struct uuid *u, struct err *e)
{
	const unsigned char *at = xdr_fixed(&b->x, sizeof(u->b));

	if (!at)
		return virt_undecodable(e);
	memcpy(u->b, at, sizeof(u->b));
	return 0;
}

static int bind_u32(struct virt_binding *b, uint32_t *n, struct err *e)
{
	*n = xdr_number(&b->x);
	return b->x.broken ? virt_undecodable(e) : 0;
}

/* The verb is given it, unless it is none. */
static int bind_give(struct virt_binding *b, const char *as, const char *value, struct err *e)
{
	return value ? call_give(b->c, as, value, e) : 0;
}

static int give_flag(struct virt_binding *b, const char *as, struct err *e)
{
	return call_give(b->c, as, NULL, e);
}

/* ---- one function a kind ---- */

static int bind_text(struct virt_binding *b, const char *as, struct err *e)
{
	const char *text;

	return virt_text(b, &text, e) < 0 ? -1 : bind_give(b, as, text, e);
}

/* libvirt has a code of its own for a type that nobody knows. */
static int bind_type(struct virt_binding *b, const char *as, struct err *e)
{
	const char *word;

	if (virt_text(b, &word, e) < 0)
		return -1;
	if (pool_type_from_word(word) < 0)
		return err_set(e, ERR_INTERNAL, "there is no pool type \"%.80s\"", word);
	return bind_give(b, as, word, e);
}

/* "//" and "/./" are "/": what is longer than it need be is made shorter where it stands. */
static int bind_path(struct virt_binding *b, const char *as, struct err *e)
{
	const char *text;

	if (virt_text(b, &text, e) < 0)
		return -1;

	char *to = (char *)(uintptr_t)text;

	for (const char *at = text; *at; at++) {
		bool again = at[0] == '/' && (at[1] == '/' || (at[1] == '.' && at[2] == '/'));

		if (!again)
			*to++ = *at;
		else if (at[1] == '.')
			at++;
	}
	*to = '\0';
	if (!*text)
		return err_set(e, ERR_NO_VOLUME, "no volume has an empty path");
	return bind_give(b, as, text, e);
}

static int give_number(struct virt_binding *b, const char *as, uint64_t n, struct err *e)
{
	char *text = b->q->numbers[b->q->numbers[0][0] != '\0'];

	snprintf(text, sizeof(b->q->numbers[0]), "%" PRIu64, n);
	return bind_give(b, as, text, e);
}

static int bind_number(struct virt_binding *b, const char *as, struct err *e)
{
	uint64_t n = xdr_long(&b->x);

	return b->x.broken ? virt_undecodable(e) : give_number(b, as, n, e);
}

static int bind_size(struct virt_binding *b, const char *as, struct err *e)
{
	uint64_t n = xdr_long(&b->x);

	if (b->x.broken)
		return virt_undecodable(e);
	if (streq(as, "length"))
		b->q->stream.length = n;
	return n ? give_number(b, as, n, e) : 0;
}

static int unknown_flags(const struct virt_binding *b, uint32_t flags, struct err *e)
{
	return err_set(e, ERR_UNKNOWN_KEY, "%s does not take the flags 0x%x", b->q->row->verb, flags);
}

/* Two opposite flags of an upload's stream and the like are the verb's to refuse. */
static int bind_flags(struct virt_binding *b, const char *as, struct err *e)
{
	const struct virt_procedure *row = b->q->row;
	uint32_t flags, left;

	(void)as;
	if (bind_u32(b, &flags, e) < 0)
		return -1;
	left = flags;
	for (unsigned i = 0; i < VIRT_FLAG_BITS; i++) {
		if (!(flags & 1u << i) || !row->flags[i])
			continue;
		left &= ~(1u << i);
		if (give_flag(b, row->flags[i], e) < 0)
			return -1;
		b->q->stream.sparse |= streq(row->flags[i], "sparse");
	}
	return left ? unknown_flags(b, left, e) : 0;
}

/* The verb knows pairs of opposites as the flags have them, but that it lists active pools where it is not
 * told otherwise. */
static int bind_types(struct virt_binding *b, const char *as, struct err *e)
{
	static const char *const opposites[] = { "persistent", "transient", "autostart", "no-autostart" };
	static const char *const words[] = { "dir",     "fs",   "netfs",    "logical",     "disk",
		                             "iscsi",   "scsi", "mpath",    "rbd",         "sheepdog",
		                             "gluster", "zfs",  "vstorage", "iscsi-direct" };
	enum { INACTIVE = 1, ACTIVE = 2, TYPES_AT = 6, TYPES_MASK = (1 << ARRAY_LEN(words)) - 1 };
	uint32_t flags, types;
	size_t len = 0;

	(void)as;
	if (bind_u32(b, &flags, e) < 0)
		return -1;
	types = flags >> TYPES_AT & TYPES_MASK;
	if (flags >> TYPES_AT & ~(uint32_t)TYPES_MASK)
		return unknown_flags(b, flags, e);
	if ((flags & (INACTIVE | ACTIVE)) != ACTIVE &&
	    give_flag(b, (flags & (INACTIVE | ACTIVE)) == INACTIVE ? "inactive" : "all", e) < 0)
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(opposites); i++)
		if (flags & 4u << i && give_flag(b, opposites[i], e) < 0)
			return -1;
	if (types == 0 || types == TYPES_MASK)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (types & 1u << i)
			len += (size_t)snprintf(b->q->types + len, sizeof(b->q->types) - len, "%s%s",
			                        len ? "," : "", words[i]);
	return bind_give(b, "type", b->q->types, e);
}

/* autostart: 1 or 0, where the verb has a flag for 0. */
static int bind_switch(struct virt_binding *b, const char *as, struct err *e)
{
	uint32_t on;

	if (bind_u32(b, &on, e) < 0)
		return -1;
	return on ? 0 : give_flag(b, as, e);
}

static int bind_most(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	if (bind_u32(b, &b->q->most, e) < 0)
		return -1;
	if (b->q->most > LIST_MOST)
		return err_set(e, ERR_SYNTAX, "a list of %d names: 0 to %d can be asked for", (int)b->q->most,
		               LIST_MOST);
	return 0;
}

static int bind_physical(struct virt_binding *b, const char *as, struct err *e)
{
	uint32_t flags;

	(void)as;
	if (bind_u32(b, &flags, e) < 0)
		return -1;
	b->q->physical = flags & 1;
	return flags > 1 ? unknown_flags(b, flags, e) : 0;
}

static int bind_need(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	if (bind_u32(b, &b->q->most, e) < 0)
		return -1;
	if (b->q->most)
		b->q->most = LIST_MOST;
	return 0;
}

/* ---- pools ---- */

/* No pool: the verb need not be asked. The name is copied: the pool may go before its call does. */
static int give_pool(struct virt_binding *b, const struct pool *p, const char *what, const char *value,
                     struct err *e)
{
	if (!p)
		return err_set(e, ERR_NO_POOL, "no pool with the %s \"%.300s\"", what, value);
	if ((size_t)snprintf(b->q->pool, sizeof(b->q->pool), "%s", p->name) >= sizeof(b->q->pool))
		return err_set(e, ERR_TOO_LONG, "a pool's name of more than %zu bytes",
		               sizeof(b->q->pool) - 1);
	return bind_give(b, "pool", b->q->pool, e);
}

static int give_pool_by_uuid(struct virt_binding *b, struct err *e)
{
	struct uuid u;

	if (bind_uuid(b, &u, e) < 0)
		return -1;
	uuid_print(&u, b->q->uuid);
	return give_pool(b, pool_by_uuid(b->p->server->sup, &u), "uuid", b->q->uuid, e);
}

static int bind_pool(struct virt_binding *b, const char *as, struct err *e)
{
	const char *name;

	(void)as;
	return virt_text(b, &name, e) < 0 ? -1 : give_pool_by_uuid(b, e);
}

static int bind_pool_uuid(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	return give_pool_by_uuid(b, e);
}

/* Is it on its way, so that in a moment it may be up? */
static bool is_coming(struct virt_binding *b, const struct pool *p)
{
	if (!p->want.active || pool_is_active(p))
		return false;
	return p->phase == PHASE_INACTIVE || p->phase == PHASE_CHECKING || p->phase == PHASE_STARTING ||
	       streq(call_state(b->c), "starting");
}

static int bind_pool_name(struct virt_binding *b, const char *as, struct err *e)
{
	const char *name;

	(void)as;
	if (virt_text(b, &name, e) < 0)
		return -1;

	struct pool *p = pool_by_name(b->p->server->sup, name);

	if (p && is_coming(b, p))
		b->awaited = p;
	return give_pool(b, p, "name", name, e);
}

static int bind_pool_path(struct virt_binding *b, const char *as, struct err *e)
{
	struct pool *p = pool_first(b->p->server->sup);
	const char *path;

	(void)as;
	if (virt_text(b, &path, e) < 0)
		return -1;
	while (p && !(pool_is_active(p) && p->def.target && streq(p->def.target, path)))
		p = p->next;
	return give_pool(b, p, "target path", path, e);
}

/* ---- volumes ---- */

struct named_volume {
	const char *pool, *name, *key;
};

static int take_volume(struct virt_binding *b, struct named_volume *v, struct err *e)
{
	return virt_text(b, &v->pool, e) < 0 || virt_text(b, &v->name, e) < 0 || virt_text(b, &v->key, e) < 0
	               ? -1
	               : 0;
}

/* What a verb takes for a path is no name here. */
static int give_volume(struct virt_binding *b, const char *name, struct err *e)
{
	if (!*name || strchr(name, '/'))
		return err_set(e, ERR_NO_VOLUME, "no volume with the name \"%.300s\"", name);
	return bind_give(b, "vol", name, e);
}

static int bind_volume(struct virt_binding *b, const char *as, struct err *e)
{
	struct named_volume v;

	if (take_volume(b, &v, e) < 0)
		return -1;

	if (!pool_by_name(b->p->server->sup, v.pool))
		return give_pool(b, NULL, "name", v.pool, e);
	return bind_give(b, as, v.pool, e) < 0 ? -1 : give_volume(b, v.name, e);
}

static int bind_pool_of(struct virt_binding *b, const char *as, struct err *e)
{
	struct named_volume v;

	(void)as;
	if (take_volume(b, &v, e) < 0)
		return -1;
	return give_pool(b, pool_by_name(b->p->server->sup, v.pool), "name", v.pool, e);
}

static int bind_volume_name(struct virt_binding *b, const char *as, struct err *e)
{
	const char *name;

	(void)as;
	return virt_text(b, &name, e) < 0 ? -1 : give_volume(b, name, e);
}

static int bind_algorithm(struct virt_binding *b, const char *as, struct err *e)
{
	static const char *const words[] = { "zero",     "nnsa",      "dod",        "bsi",    "gutmann",
		                             "schneier", "pfitzner7", "pfitzner33", "random", "trim" };
	uint32_t n;

	if (bind_u32(b, &n, e) < 0)
		return -1;
	if (n >= ARRAY_LEN(words))
		return err_set(e, ERR_INVALID, "there is no way to wipe with the number %u", n);
	return bind_give(b, as, words[n], e);
}

/* ---- secrets ---- */

static int take_secret_uuid(struct virt_binding *b, struct err *e)
{
	struct uuid u;

	if (bind_uuid(b, &u, e) < 0)
		return -1;
	uuid_print(&u, b->q->uuid);
	return 0;
}

static int bind_secret(struct virt_binding *b, const char *as, struct err *e)
{
	const char *usage;
	uint32_t type;

	if (take_secret_uuid(b, e) < 0 || bind_u32(b, &type, e) < 0 || virt_text(b, &usage, e) < 0)
		return -1;
	return bind_give(b, as, b->q->uuid, e);
}

static int bind_which_uuid(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	return take_secret_uuid(b, e);
}

static int bind_which_usage(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	return bind_u32(b, &b->q->usage, e) < 0 ? -1 : virt_text(b, &b->q->usage_id, e);
}

/* ---- what is sent along ---- */

static int bind_document(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	if (virt_text(b, &b->document, e) < 0)
		return -1;
	b->document_len = strlen(b->document);
	return 0;
}

static int bind_maybe_document(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	if (maybe_text(b, &b->document, e) < 0)
		return -1;
	b->document_len = b->document ? strlen(b->document) : 0;
	return 0;
}

static int bind_value(struct virt_binding *b, const char *as, struct err *e)
{
	(void)as;
	b->document = (const char *)xdr_bytes(&b->x, SECRET_VALUE_LIMIT, &b->document_len);
	return b->document ? 0 : virt_undecodable(e);
}

/* How a kind is taken, and which argument of the verb it becomes, where that is not said by the kind. */
static const struct {
	int (*bind)(struct virt_binding *b, const char *as, struct err *e);
	const char *as;
} kinds_of_arguments[VIRT_KINDS] = {
	[VIRT_TYPE] = { bind_type, "type" },
	[VIRT_KEY] = { bind_text, "key" },
	[VIRT_PATH] = { bind_path, "path" },
	[VIRT_CAPACITY] = { bind_number, "capacity" },
	[VIRT_OFFSET] = { bind_size, "offset" },
	[VIRT_LENGTH] = { bind_size, "length" },
	[VIRT_FLAGS] = { bind_flags, NULL },
	[VIRT_TYPES] = { bind_types, NULL },
	[VIRT_SWITCH] = { bind_switch, "disable" },
	[VIRT_MOST] = { bind_most, NULL },
	[VIRT_NEED] = { bind_need, NULL },
	[VIRT_PHYSICAL] = { bind_physical, NULL },
	[VIRT_POOL] = { bind_pool, NULL },
	[VIRT_POOL_NAME] = { bind_pool_name, NULL },
	[VIRT_POOL_UUID] = { bind_pool_uuid, NULL },
	[VIRT_POOL_PATH] = { bind_pool_path, NULL },
	[VIRT_POOL_OF] = { bind_pool_of, NULL },
	[VIRT_VOLUME] = { bind_volume, "pool" },
	[VIRT_INPUT] = { bind_volume, "inputpool" },
	[VIRT_VOLUME_NAME] = { bind_volume_name, NULL },
	[VIRT_SECRET] = { bind_secret, "secret" },
	[VIRT_WHICH_UUID] = { bind_which_uuid, NULL },
	[VIRT_WHICH_USAGE] = { bind_which_usage, NULL },
	[VIRT_DOCUMENT] = { bind_document, NULL },
	[VIRT_MAYBE_DOCUMENT] = { bind_maybe_document, NULL },
	[VIRT_VALUE] = { bind_value, NULL },
	[VIRT_ALGORITHM] = { bind_algorithm, "algorithm" },
};

/* ---- the whole ---- */

/* A document, or a value, is the call's payload, and is there. */
static void take_document(struct virt_binding *b)
{
	struct call *c = b->c;

	if (!c->payload || !b->document)
		return;
	memcpy(c->payload, b->document, b->document_len);
	c->payload_got = b->document_len;
}

/* Volumes that are no descriptor have no holes that could be told. */
static int check_holes(struct virt_binding *b, struct err *e)
{
	const struct pool *p = pool_by_name(b->p->server->sup, call_arg(b->c, "pool"));
	const struct backend *backend = p ? backend_find(p->type) : NULL;

	if (!backend || !backend->vol_transfer)
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	               "holes of volumes of %s pools cannot be told: they are sent without \"sparse\"",
	               pool_type_word(p->type));
}

int virt_bind(struct virt_binding *b, struct err *e)
{
	const struct virt_procedure *row = b->q->row;
	struct call *c = b->c;

	b->q->most = LIST_MOST;
	if (call_name(c, row->verb, e) < 0 || (row->given && give_flag(b, row->given, e) < 0))
		return -1;
	for (size_t i = 0; i < VIRT_ARGUMENTS && row->args[i] != VIRT_NO_MORE; i++)
		if (kinds_of_arguments[row->args[i]].bind(b, kinds_of_arguments[row->args[i]].as, e) < 0)
			return -1;
	c->has_payload = b->document || streq(row->verb, "vol-upload");
	c->announced = b->document ? b->document_len : STREAM_OPEN;
	if (call_check(c, e) < 0 || (b->q->stream.sparse && check_holes(b, e) < 0))
		return -1;
	if (row->stream) {
		c->stream.messages = true;
		c->stream.framed = b->q->stream.sparse;
		c->stream.left = 0;
	}
	take_document(b);
	return 0;
}
