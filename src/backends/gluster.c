/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gluster: a volume of a gluster cluster, or a directory in it; volumes are the files there, named
 * gluster://HOST/VOLUME/DIR/NAME. Spec: storage.html, "Gluster pools".
 *
 * The files are reached through a mount that nobody is shown: it lies below our run directory, and what is
 * told to others is the volumes' gluster:// names. From there on everything is as in a directory (list.c,
 * volume.c). Who mounts it, and keeps it mounted, is gluster's client program (glusterfs.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/glusterfs.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/target.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

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

/* "volume/dir" as a name is what some tools of libvirt's have written; libvirt itself refuses it, too. */
static int gluster_validate(const struct pool_def *d, struct err *e)
{
	if (strchr(d->source.name, '/'))
		return err_set(
			e, ERR_INVALID,
			"the gluster volume's name \"%.100s\" has a '/': a directory in it is given as "
			"<dir path='/…'/>",
			d->source.name);
	if (!streq(d->source.dir, "/") && !check_device(d->source.dir))
		return err_set(
			e, ERR_INVALID,
			"the directory of a gluster pool begins with '/', the root of the volume, and has "
			"no \"..\" in it: \"%.100s\"",
			d->source.dir);
	return 0;
}

static bool gluster_is_mount(const struct pool_def *d, const struct mount_entry *m);

/* All of the volume, where only root gets in. */
static struct gluster_mount whole_volume(const struct pool_def *d)
{
	struct gluster_mount g = { .dir = "", .at = d->target.mount, .is_ours = gluster_is_mount };

	snprintf(g.volume, sizeof(g.volume), "%s", d->source.name);
	return g;
}

static bool gluster_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	const struct gluster_mount g = whole_volume(d);

	return gluster_is_mount_of(&g, m);
}

/* ---- the client ---- */

/* What is above it is root's alone: whoever may use the volume's files is asked elsewhere. */
static int make_mount_point(const struct pool_def *d, const struct op *op, struct err *e)
{
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%s/gluster", op->run_dir);
	if (mkdir(above, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make %s", above);
	cleanup_close int fd = target_make(d->target.mount, O_PATH, NULL, e);
	return fd < 0 ? -1 : 0;
}

/* The program is not given a word of a definition that cannot be. */
static int client_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct gluster_mount g = whole_volume(d);
	int rc = gluster_validate(d, e);

	if (rc == 0)
		rc = gluster_client_prepare(d, &g, op, e);
	return rc ? rc : make_mount_point(d, op, e);
}

/* What is on the volume is data: nothing there is a device or a program. */
static int client_command(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	const struct gluster_mount g = whole_volume(d);

	if (gluster_client_command(d, &g, op, words, e) < 0)
		return -1;
	gluster_client_word(words, "--fuse-mountopts=", "nodev,nosuid,noexec");
	gluster_client_word(words, "", g.at);
	return words->failed ? err_set(e, ERR_NO_MEMORY, "cannot start glusterfs: out of memory") : 0;
}

static int client_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	const struct gluster_mount g = whole_volume(d);

	return gluster_client_ready(d, &g, op, e);
}

static const struct service gluster_client = {
	.name = "glusterfs",
	.prepare = client_prepare,
	.command = client_command,
	.ready = client_ready,
};

/* ---- the operations ---- */

/* A brick that is gone may be mirrored by another: then the pool works, and has lost its safety. */
static int gluster_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                         struct err *e)
{
	const struct gluster_mount g = whole_volume(d);

	if (mount_pool_check(d, gluster_is_mount, op, state, detail, e) < 0)
		return -1;
	if (*state == STATE_ACTIVE)
		gluster_bricks_check(&g, op, state);
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

/* Of a client of our own the supervisor sees the end; one that an earlier supervisor has left ends unseen. */
static int gluster_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	(void)asked;
	if (!mount_is_abandoned(d))
		return 0;
	snprintf(op->why, sizeof(op->why), "the client of volume \"%.120s\" had ended", d->source.name);
	return gluster_stop(d, op, e) < 0 ? -1 : 1;
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
	.revive = gluster_revive,
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
