/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * netfs: a directory that another host exports (NFS 3 and 4, CIFS), mounted at the target path. Spec:
 * storage.html, "Network filesystem pool". Volumes are the files in it: see list.c. How it is mounted: see
 * mount.c.
 */
#include <stdio.h>
#include <sys/socket.h>
#include "backends/backend.h"
#include "backends/mounted.h"
#include "backends/netfs/netfs.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

enum { RPCBIND_PORT = 111 };

/* ---- the pool ---- */

static int netfs_validate(const struct pool_def *d, struct err *e)
{
	unsigned protocols;

	if (d->source.nhosts == 0 || !d->source.dir)
		return err_set(e, ERR_INVALID, "a netfs pool needs a source host and a source dir");
	return netfs_protocols(d, &protocols, e);
}

/* Only what <mount> says: a format that this build cannot mount can be defined all the same. */
static int netfs_check_mount(const struct pool_def *d, struct err *e)
{
	struct err why = { 0 };

	if (netfs_validate(d, &why) == 0 || !err_is(&why, ERR_INVALID))
		return 0;
	if (e)
		*e = why;
	return -1;
}

static int netfs_start(const struct pool_def *d, struct op *op, struct err *e)
{
	enum pool_state state;

	if (netfs_validate(d, e) < 0 || mount_check(d, netfs_is_mount, &state, NULL, e) < 0)
		return -1;
	return state == STATE_ACTIVE ? 0 : netfs_mount(d, op, e);
}

/* The mount table first, then the server itself: a dead one hangs the probe, which is how it is found. */
static int netfs_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                       struct err *e)
{
	return mount_pool_check(d, netfs_is_mount, op, state, detail, e);
}

static int netfs_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	return mount_pool_stop(d, netfs_is_mount, op, e);
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

/* gluster's own list of volumes, one a line. */
static bool add_volume(const struct pool_def *source, char *line, struct buf *out)
{
	if (!*line || strchr(line, ' ') || !check_relative_path(line)) /* "No volumes present in cluster" */
		return false;
	netfs_add_found(source, line, "glusterfs", out);
	return true;
}

/* Run a tool and take each of its lines. How many there were, or -1. */
static int find_by(const char *const *argv, const struct pool_def *source, struct op *op,
                   bool (*add)(const struct pool_def *, char *, struct buf *), struct buf *out, struct err *e)
{
	struct tool t = { .argv = argv, .deadline = op->deadline, .whole = true };
	char *save = NULL;
	int found = spawn_ok(&t, e);

	for (char *line = found == 0 && t.out.data ? strtok_r(t.out.data, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		found += add(source, line, out);
	tool_free(&t);
	return found;
}

/* What a server is asked for what it offers. */
struct question {
	const struct pool_def *source;
	struct op *op;
	struct buf *out;
	int found;
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

/* What a server offers: its NFS exports, and gluster's volumes where that program is installed. One of the
 * two is enough. */
static int netfs_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	const char *name = source->source.nhosts == 1 ? source->source.hosts[0].name : NULL;
	struct question k = { source, op, out, 0 };
	cleanup_buf struct buf remote = BUF_INIT;
	struct err why = { 0 };
	char host[256];
	int gluster = 0, exports;

	if (!name)
		return err_set(e, ERR_INVALID,
		               "looking for netfs pools needs exactly one host, the server to ask");
	name += *name == '['; /* the brackets belong to a path behind the address */
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(name, "]"), name);
	exports = find_exports(&k, host, &why);
	buf_printf(&remote, "--remote-host=%s", host);
	const char *const volumes[] = {
		"gluster", "--mode=script", buf_str(&remote), "volume", "list", NULL
	};
	if (spawn_find(volumes[0]))
		gluster = find_by(volumes, source, op, add_volume, out, NULL);
	if (k.found > 0 || gluster > 0)
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
	.summary = "a directory that another host exports (NFS, CIFS), mounted; volumes are its files",
	.waits_for = WAIT_NETWORK,
	.same_server = net_same_server,
	.image = IMAGE("netfs", NETFS_MODULES, "", ""),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(30),
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.validate = netfs_validate,
	.check_mount = netfs_check_mount,
	.check = netfs_check,
	.start = netfs_start,
	.stop = netfs_stop,
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
