/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gluster: a volume of a gluster cluster, or a directory in it; volumes are the files there, named
 * gluster://HOST/VOLUME/DIR/NAME. Spec: storage.html, "Gluster pools".
 *
 * The files are reached through a mount that nobody is shown: it lies below our run directory, and what is
 * told to others is the volumes' gluster:// names. From there on everything is as in a directory (list.c,
 * volume.c). Who mounts it, and keeps it mounted, is the client program (client.c).
 */
#include "backends/gluster/gluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "backends/mounted.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

enum { CLIENT_FILE_BYTES = 4096, BRICKS_TOLD = 3 };

/* ---- what the definition says ---- */

/* "gluster://host:port/volume/dir": the host that the definition names first, whichever answers. */
static void uri_print(const struct pool_def *d, const char *dir, struct buf *out)
{
	const struct pool_host *h = &d->source.hosts[0];

	buf_printf(out, strchr(h->name, ':') ? "gluster://[%s]" : "gluster://%s", h->name);
	if (h->port)
		buf_printf(out, ":%d", h->port);
	buf_printf(out, "/%s%s", d->source.name, dir);
}

static int gluster_locate(struct pool_def *d, const char *run_dir, struct err *e)
{
	const char *dir = d->source.dir && !streq(d->source.dir, "/") ? d->source.dir : "";
	cleanup_buf struct buf uri = BUF_INIT;
	char uuid[UUID_TEXT];

	uri_print(d, dir, &uri);
	d->target.mount = arena_printf(&d->arena, "%s/gluster/%s", run_dir, uuid_print(&d->uuid, uuid));
	d->target.path = arena_printf(&d->arena, "%s/gluster/%s%s", run_dir, uuid, dir);
	d->target.uri = arena_strdup(&d->arena, buf_str(&uri));
	if (uri.failed || !d->target.mount || !d->target.path || !d->target.uri)
		return err_set(e, ERR_NO_MEMORY, "cannot find pool \"%s\": out of memory", d->name);
	return 0;
}

/* ---- the bricks, as the client sees them ---- */

/* The client shows what it is made of as files below /.meta of its mount: one directory a translator. It
 * answers for them itself, without a server. */
static bool client_file(int graph, const char *translator, const char *file, struct buf *text)
{
	char path[NAME_MAX + 40];

	buf_reset(text);
	return snprintf(path, sizeof(path), "%s/%s", translator, file) < (int)sizeof(path) &&
	       file_read(graph, path, CLIENT_FILE_BYTES, text, NULL) == 0 && !text->failed;
}

static void add_brick(int graph, const char *translator, unsigned n, struct buf *out)
{
	cleanup_buf struct buf host = BUF_INIT, dir = BUF_INIT;

	if (n > BRICKS_TOLD || !client_file(graph, translator, "options/remote-host", &host) ||
	    !client_file(graph, translator, "options/remote-subvolume", &dir))
		return;
	buf_printf(out, "%s%.*s:%.*s", out->len ? ", " : "", (int)strcspn(buf_str(&host), "\n"),
	           buf_str(&host), (int)strcspn(buf_str(&dir), "\n"), buf_str(&dir));
}

/* How many bricks the client has no connection to; the first of them are told in `lost`. */
static unsigned bricks_lost(const struct pool_def *d, unsigned *bricks, struct buf *lost)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	unsigned missing = 0;
	DIR *graph;

	snprintf(path, sizeof(path), "%s/.meta/graphs/active", d->target.mount);
	graph = opendir(path);
	for (struct dirent *entry; graph && (entry = readdir(graph));) {
		if (!client_file(dirfd(graph), entry->d_name, "type", &text) ||
		    !starts_with(buf_str(&text), "protocol/client"))
			continue;
		++*bricks;
		if (client_file(dirfd(graph), entry->d_name, "private", &text) &&
		    strstr(buf_str(&text), "connected = 0"))
			add_brick(dirfd(graph), entry->d_name, ++missing, lost);
	}
	if (graph)
		closedir(graph);
	return missing;
}

/* ---- the operations ---- */

/* A brick that is gone may be mirrored by another: then the pool works, and has lost its safety. */
static int gluster_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                         struct err *e)
{
	cleanup_buf struct buf lost = BUF_INIT;
	unsigned bricks = 0, missing;

	if (mount_pool_check(d, gluster_is_mount, op, state, detail, e) < 0)
		return -1;
	if (*state != STATE_ACTIVE)
		return 0;
	missing = bricks_lost(d, &bricks, &lost);
	if (missing == 0)
		return 0;
	snprintf(op->why, sizeof(op->why), "%u of the %u bricks of volume \"%.100s\" %s not answer: %.150s%s",
	         missing, bricks, d->source.name, missing == 1 ? "does" : "do", buf_str(&lost),
	         missing > BRICKS_TOLD ? ", …" : "");
	*state = STATE_DEGRADED;
	return 0;
}

/* The client is up by now. What may be missing is the directory. */
static int gluster_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct err why = { 0 };
	char waits_for[sizeof(e->waits_for)];
	enum pool_state state;

	if (mount_check(d, gluster_is_mount, &state, NULL, e) < 0)
		return -1;
	snprintf(waits_for, sizeof(waits_for), "server=%.200s", d->source.hosts[0].name);
	if (state != STATE_ACTIVE)
		return err_wait(e, ERR_WAIT_SERVER, waits_for, "volume \"%s\" is not mounted any more",
		                d->source.name);
	op->begun = true;
	/* whichever mount of the volume it was in before */
	cleanup_close int fd = target_open_path(d->target.path, O_RDONLY, &why);
	if (fd >= 0)
		return 0;
	if (why.sys == ENOENT)
		return err_wait(e, ERR_WAIT_SERVER, waits_for,
		                "there is no directory %s in volume \"%s\" (pool-start --build makes it)",
		                d->source.dir, d->source.name);
	if (e)
		*e = why;
	return err_wrap(e, ERR_KEEP, "cannot open %s in volume \"%s\"", d->source.dir, d->source.name);
}

/* Without its mount the client ends by itself, whoever has started it. */
static int gluster_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	return mount_pool_stop(d, gluster_is_mount, op, e);
}

/* The directory is in the volume: there is none to make while that is not mounted. */
static int gluster_build(const struct pool_def *d, struct op *op, unsigned flags, struct err *e)
{
	enum pool_state state;

	if (mount_check(d, gluster_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state != STATE_ACTIVE)
		return err_set(
			e, ERR_STATE,
			"the directory of a gluster pool can be made only while its volume is mounted: "
			"pool-start --build does both");
	return streq(d->target.path, d->target.mount) ? 0 : files_build(d, op, flags, e);
}

/* ---- what a server offers ---- */

/* Whoever looks for pools. */
struct list_question {
	const struct pool_def *source;
	uint64_t deadline;
	struct buf *out;
};

/* One source, as a document. It borrows the strings of the question. */
static void add_volume_found(void *arg, const char *name)
{
	const struct list_question *q = arg;
	struct pool_def found = { .type = POOL_GLUSTER };

	if (!check_relative_path(name) || strchr(name, '/'))
		return;
	found.source.hosts = q->source->source.hosts;
	found.source.nhosts = 1;
	found.source.dir = "/";
	found.source.name = name;
	pool_source_print(&found, q->out);
}

static int list_at(void *arg, const struct address *a, struct err *e)
{
	struct list_question *q = arg;

	return gluster_list(a, q->deadline, add_volume_found, q, e) < 0 ? 1 : 0;
}

static int gluster_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	const struct pool_host *h = source->source.hosts;
	struct list_question q = { source, op->deadline, out };

	if (source->source.nhosts != 1)
		return err_set(e, ERR_INVALID,
		               "looking for gluster pools needs exactly one host, the server to ask");
	return net_try(&(struct net_trial){ .host = h->name,
	                                    .port = h->port ? h->port : GLUSTER_PORT,
	                                    .probe = PROBE_ALWAYS,
	                                    .deadline = op->deadline,
	                                    .use = list_at,
	                                    .arg = &q },
	               e);
}

/* What the client opens by name: its transport, the translators that a client's side of a volume may be made
 * of (glusterd's and the bricks' own are ten times as large), and what the C library needs to end a thread.
 */
#define TRANSLATOR(name) "+glusterfs/*/xlator/" name
#define GLUSTER_PROGRAMS                                                                                     \
	"@glusterfs+glusterfs/*/rpc-transport/*+libgcc_s.so.1" TRANSLATOR("cluster/*") TRANSLATOR("debug/*") \
		TRANSLATOR("performance/*") TRANSLATOR("mount/fuse.so") TRANSLATOR("meta.so")                \
			TRANSLATOR("protocol/client.so") TRANSLATOR("system/posix-acl.so")                   \
				TRANSLATOR("features/utime.so") TRANSLATOR("features/shard.so")              \
					TRANSLATOR("features/read-only.so")                                  \
						TRANSLATOR("features/gfid-access.so")                        \
							TRANSLATOR("features/snapview-client.so")            \
								TRANSLATOR("features/cloudsync.so")

const struct backend gluster_backend = {
	.type = POOL_GLUSTER,
	.summary = "a volume of a gluster cluster, or a directory in it; volumes are its files",
	.waits_for = WAIT_NETWORK,
	.needs = "gluster volume",
	.same_server = net_same_server,
	.image = IMAGE("gluster", "fuse", "", GLUSTER_PROGRAMS),
	.service = &gluster_client,
	.look_again = SECONDS(5),
	.deadline = { .start = SECONDS(30),
	              .stop = SECONDS(60), /* a brick that hangs is given up after 42 s (ping-timeout) */
	              .refresh = SECONDS(60),
	              .check = SECONDS(5) },
	.validate = gluster_validate,
	.locate = gluster_locate,
	.check = gluster_check,
	.start = gluster_start,
	.stop = gluster_stop,
	.builds_directory = true,
	.build = gluster_build,
	.find = gluster_find,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
