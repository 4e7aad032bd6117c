/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two questions to gluster's management daemon, glusterd: do you know this volume, and which do you have?
 *
 * The client program asks the first one, too, but it waits for ever for a daemon that has accepted its
 * connection and hangs, and all that it tells of a volume that is not there is an exit status. The second is
 * what `gluster volume list` asks, a program that few clients have.
 *
 * Facts: gluster's rpc/xdr/src/glusterfs3-xdr.x (gf_getspec_req, gf_getspec_rsp), cli1-xdr.x (gf_cli_req,
 * gf_cli_rsp), rpc/rpc-lib/src/protocol-common.h (numbers), libglusterfs/src/dict.c (how a dictionary is
 * written); RFC 5531 for the call around it. The daemon wants to be told which versions of volumes a client
 * can do; we do not say, so that of a volume that is there it may say ENOTSUP.
 */
#include <errno.h>
#include <stdio.h>
#include "backends/glusterfs.h"
#include "base/contract.h"
#include "base/util.h"

enum { PROGRAM_VERSION = 2 };
enum { HANDSHAKE_PROGRAM = 14398633, HANDSHAKE_GETSPEC = 2 };
enum { CLI_PROGRAM = 1238463, CLI_LIST_VOLUME = 33 };

/* ---- one call ---- */

/* Whatever is wrong with this server may not be so with another, or later. */
static int glusterd_call(const struct address *a, uint32_t program, uint32_t procedure,
                         const struct buf *body, uint64_t deadline, struct buf *answer, struct xdr *x,
                         struct err *e)
{
	const struct rpc_call call = { program, PROGRAM_VERSION, procedure, body };

	if (body->failed)
		return err_set(e, ERR_NO_MEMORY, "cannot ask glusterd: out of memory");
	if (rpc_call(a, &call, deadline, answer, x, e) == 0)
		return 0;
	if (e && !err_is(e, ERR_WAIT_NETWORK)) {
		e->class = ERR_WAIT_SERVER;
		snprintf(e->waits_for, sizeof(e->waits_for), "server=%s:%d", a->text, a->port);
	}
	return err_wrap(e, ERR_KEEP, "cannot ask glusterd");
}

int gluster_read_answer(struct xdr *x)
{
	bool failed = xdr_number(x) >> 31;
	uint32_t error = xdr_number(x);

	if (x->broken)
		return -1;
	if (!failed)
		return 0;
	return error > 0 && error < 4096 ? (int)error : EIO;
}

/* ---- which volumes do you have? ---- */

static uint32_t pair_number(const unsigned char *p)
{
	struct xdr x = { p, sizeof(uint32_t), false };

	return xdr_number(&x);
}

/* A dictionary: how many pairs, then of each the lengths of key and value, the key and its NUL, the value. */
static int read_pairs(const unsigned char *at, const unsigned char *end, gluster_volume_fn *take, void *arg)
{
	uint32_t pairs;
	int found = 0;

	if (end - at < 4)
		return -1;
	pairs = pair_number(at);
	for (at += 4; pairs; pairs--) {
		size_t left = (size_t)(end - at), key, value;

		if (left < 8)
			return -1;
		key = pair_number(at);
		value = pair_number(at + 4);
		left -= 8;
		if (key >= left || value > left - key - 1 || at[8 + key])
			return -1;
		at += 8;
		if (key > strlen("volume") && memcmp(at, "volume", strlen("volume")) == 0 && value > 1 &&
		    memchr(at + key + 1, '\0', value) == at + key + value) {
			take(arg, (const char *)at + key + 1);
			found++;
		}
		at += key + 1 + value;
	}
	return found;
}

int gluster_read_list(struct xdr *x, gluster_volume_fn *take, void *arg)
{
	const unsigned char *pairs;
	size_t len;

	if (gluster_read_answer(x) != 0)
		return -1;
	xdr_bytes(x, RPC_ANSWER_LIMIT, &len); /* a text for people */
	pairs = xdr_bytes(x, RPC_ANSWER_LIMIT, &len);
	if (x->broken)
		return -1;
	return len ? read_pairs(pairs, pairs + len, take, arg) : 0;
}

int gluster_list(const struct address *a, uint64_t deadline, gluster_volume_fn *take, void *arg,
                 struct err *e)
{
	demand(a && take, e);

	cleanup_buf struct buf body = BUF_INIT, answer = BUF_INIT;
	struct xdr x, whole;
	int found, error;

	xdr_put(&body, 4); /* an empty dictionary, of so many bytes */
	xdr_put(&body, 0);
	if (glusterd_call(a, CLI_PROGRAM, CLI_LIST_VOLUME, &body, deadline, &answer, &x, e) < 0)
		return -1;
	whole = x;
	found = gluster_read_list(&x, take, arg);
	if (found >= 0)
		return found;
	error = gluster_read_answer(&whole);
	return err_set(e, ERR_STORAGE, "the gluster server %s does not tell its volumes: %s", a->text,
	               error > 0 ? strerror(error) : "its answer makes no sense");
}

/* ---- do you know this volume? ---- */

struct volume_wanted {
	const char *volume;
	bool there;
};

static void look_for_volume(void *arg, const char *name)
{
	struct volume_wanted *w = arg;

	w->there |= streq(name, w->volume);
}

/* What a daemon says of a volume that it does not know is ENOENT up to gluster 10, and ENOMEM since 11, which
 * may also be meant: the list tells. */
static bool is_unknown(const struct address *a, int error, const char *volume, uint64_t deadline)
{
	struct volume_wanted w = { .volume = volume };

	if (error == 0 || error == ENOTSUP)
		return false;
	return error == ENOENT || (gluster_list(a, deadline, look_for_volume, &w, NULL) >= 0 && !w.there);
}

int gluster_ask(const struct address *a, const char *volume, uint64_t deadline, struct err *e)
{
	demand(a && volume, e);

	cleanup_buf struct buf body = BUF_INIT, answer = BUF_INIT;
	char waits_for[96];
	struct xdr x;
	int error;

	xdr_put(&body, 0);
	xdr_put_text(&body, volume);
	xdr_put(&body, 0);
	if (glusterd_call(a, HANDSHAKE_PROGRAM, HANDSHAKE_GETSPEC, &body, deadline, &answer, &x, e) < 0)
		return -1;
	error = gluster_read_answer(&x);
	snprintf(waits_for, sizeof(waits_for), "server=%s:%d", a->text, a->port);
	if (error < 0)
		return err_wait(e, ERR_WAIT_SERVER, waits_for,
		                "what answers at %s makes no sense as a gluster server", a->text);
	if (!is_unknown(a, error, volume, deadline))
		return 0;
	err_wait(e, ERR_WAIT_SERVER, waits_for,
	         "the gluster server %s has no volume \"%s\" (gluster volume list shows what it has)",
	         a->text, volume);
	if (e)
		e->sys = ENOENT;
	return -1;
}
