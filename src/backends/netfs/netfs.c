/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * netfs: a directory that another host exports (NFS 3 and 4, CIFS, gluster), mounted at the target path.
 * Spec: storage.html, "Network filesystem pool". Volumes are the files in it: see list.c. How it is mounted:
 * see mount.c.
 */
#include <stdio.h>
#include <sys/socket.h>
#include "backends/backend.h"
#include "backends/mounted.h"
#include "backends/netfs/netfs.h"
#include "base/clock.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

enum { RPCBIND_PORT = 111 };

#define VOLUMES_WITHIN SECONDS(3)

/* ---- the pool ---- */

static int netfs_validate(const struct pool_def *d, struct err *e)
{
	unsigned protocols;

	if (d->source.nhosts == 0 || !d->source.dir)
		return err_set(e, ERR_INVALID, "a netfs pool needs a source host and a source dir");
	if (netfs_protocols(d, &protocols, e) < 0)
		return -1;
	return protocols == NETFS_FOR(NETFS_GLUSTER) ? netfs_gluster_check(d, e) : 0;
}

/* Of a gluster volume the mount may have lost the program that serves it. */
static int netfs_start(const struct pool_def *d, struct op *op, struct err *e)
{
	enum pool_state state;

	if (netfs_validate(d, e) < 0 || mount_check(d, netfs_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state != STATE_ACTIVE)
		return netfs_mount(d, op, e);
	if (!netfs_is_gluster(d))
		return 0;
	if (mount_is_abandoned(d))
		return mount_detach(d->target.path, op->deadline, e) < 0 ? -1 : netfs_mount(d, op, e);
	op->begun = true;
	return 0;
}

/* The mount table first, then the server itself: a dead one hangs the probe, which is how it is found. */
static int netfs_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                       struct err *e)
{
	struct gluster_mount g;

	if (mount_pool_check(d, netfs_is_mount, op, state, detail, e) < 0)
		return -1;
	if (*state == STATE_ACTIVE && netfs_is_gluster(d) && netfs_gluster_mount(d, &g, NULL) == 0)
		gluster_bricks_check(&g, op, state);
	return 0;
}

static int netfs_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	return mount_pool_stop(d, netfs_is_mount, op, e);
}

/* NFS and CIFS come back with their server. A gluster volume is mounted anew where its client has ended
 * unseen, which is one that an earlier supervisor has left. */
static int netfs_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	(void)asked;
	if (!netfs_is_gluster(d) || !mount_is_abandoned(d))
		return 0;
	snprintf(op->why, sizeof(op->why), "the client of volume \"%.120s\" had ended", d->source.dir);
	return netfs_stop(d, op, e) < 0 ? -1 : 1;
}

/* ---- what a server offers ---- */

/* One source that the server offers, as a document. It borrows the strings of the question. */
static void netfs_add_found(const struct pool_def *source, const char *dir, const char *format,
                            struct buf *out)
{
	struct pool_def found = { .type = POOL_NETFS };

	found.source.hosts = source->source.hosts;
	found.source.nhosts = 1;
	found.source.dir = dir;
	found.source.format = format;
	pool_source_print(&found, out);
}

/* What a server is asked for what it offers. */
struct question {
	const struct pool_def *source;
	struct op *op;
	struct buf *out;
	int found;
	uint64_t volumes_until; /* clock_ms(): when its gluster daemon is listened to no longer */
};

static void add_export(void *arg, const char *dir)
{
	struct question *k = arg;

	netfs_add_found(k->source, dir, "nfs", k->out);
	k->found++;
}

/* At one address, in half of the time that is left: there may be another one. What a broken list said before
 * it broke is not offered. */
static int exports_at(void *arg, const struct address *a, struct err *e)
{
	struct question *k = arg;
	size_t before = k->out->len;
	uint64_t now = clock_ms(), left = k->op->deadline > now ? k->op->deadline - now : 0;
	int nameless = exports_ask(a, now + left / 2, add_export, k, e);

	if (nameless < 0) {
		k->out->len = before;
		k->found = 0;
		return 1;
	}
	if (nameless > 0)
		op_note(k->op, "%s exports %d directories whose names are none: they are left out", a->text,
		        nameless);
	return 0;
}

/* The MOUNT protocol of NFS 3 lists exports; NFS 4 has no such question. */
static int find_exports(struct question *k, const char *host, struct err *e)
{
	return net_try(&(struct net_trial){ .host = host,
	                                    .port = RPCBIND_PORT,
	                                    .family = AF_UNSPEC,
	                                    .probe = PROBE_ALWAYS,
	                                    .deadline = k->op->deadline,
	                                    .use = exports_at,
	                                    .arg = k },
	               e);
}

static void add_volume(void *arg, const char *name)
{
	struct question *k = arg;

	if (!check_relative_path(name) || strchr(name, '/'))
		return;
	netfs_add_found(k->source, name, "glusterfs", k->out);
	k->found++;
}

static int volumes_at(void *arg, const struct address *a, struct err *e)
{
	struct question *k = arg;

	return gluster_list(a, k->volumes_until, add_volume, k, e) < 0 ? 1 : 0;
}

/* Most servers are none of gluster's: one that is silent costs little. */
static void find_volumes(struct question *k, const char *host)
{
	const uint64_t now = clock_ms(), left = k->op->deadline > now ? k->op->deadline - now : 0;
	struct err ignored = { 0 };

	k->volumes_until = now + least(left / 2, VOLUMES_WITHIN);
	net_try(&(struct net_trial){ .host = host,
	                             .port = GLUSTER_PORT,
	                             .probe = PROBE_ALWAYS,
	                             .deadline = k->volumes_until,
	                             .use = volumes_at,
	                             .arg = k },
	        &ignored);
}

/* What a server offers: its NFS exports, and its gluster volumes. One of the two is enough. */
static int netfs_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	const char *name = source->source.nhosts == 1 ? source->source.hosts[0].name : NULL;
	struct question k = { .source = source, .op = op, .out = out };
	struct err why = { 0 };
	char host[256];
	int exports;

	if (!name)
		return err_set(e, ERR_INVALID,
		               "looking for netfs pools needs exactly one host, the server to ask");
	name += *name == '['; /* the brackets belong to a path behind the address */
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(name, "]"), name);
	exports = find_exports(&k, host, &why);
	find_volumes(&k, host);
	if (k.found > 0)
		return 0;
	if (exports == 0)
		return err_set(e, ERR_STORAGE, "%s exports nothing", host);
	if (e)
		*e = why;
	return err_wrap(e, ERR_KEEP, "cannot ask %s for its exports%s", host,
	                net_another_may_do(&why) || err_is(&why, ERR_UNSUPPORTED)
	                        ? " (a server that speaks only NFS 4 has no answer to that)"
	                        : "");
}

/* The cipher and hash modules are those that cifs asks for by name when it talks to a server: no dependency
 * table lists them. */
#define NETFS_MODULES                                                                                        \
	"nfs nfsv3 nfsv4 cifs crypto-gcm crypto-ccm crypto-ctr crypto-ghash crypto-cmac crypto-hmac "        \
	"crypto-aes crypto-sha256 "                                                                          \
	"crypto-sha512 crypto-md5 crypto-ecb nls_utf8"

const struct backend netfs_backend = {
	.type = POOL_NETFS,
	.summary =
		"a directory that another host exports (NFS, CIFS, gluster), mounted; volumes are its files",
	.waits_for = WAIT_NETWORK,
	.same_server = net_same_server,
	/* two texts: what gluster volumes take is brought only for pools of that format */
	.image = IMAGE("netfs", NETFS_MODULES, "", "") "\0" IMAGE("netfs-glusterfs", "fuse", "",
	                                                          GLUSTER_PROGRAMS),
	.service = &netfs_client,
	.look_again = SECONDS(5),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.validate = netfs_validate,
	.has_mount_words = true,
	.check = netfs_check,
	.start = netfs_start,
	.stop = netfs_stop,
	.revive = netfs_revive,
	.builds_directory = true,
	.build = files_build,
	.delete = files_delete,
	.find = netfs_find,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
