/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rbd: a pool of a Ceph cluster; its block images are the volumes. Specification: storage.html, "RBD pools".
 *
 * Nothing of such a pool is on this machine: no device, no mount. It is active when a start has found the
 * cluster and the pool in it, which a file in our run directory remembers, and degraded while the cluster
 * does not answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backends/rbd/options.h"
#include "backends/rbd/rbd.h"
#include "base/file.h"
#include "base/util.h"

/* Only an IPv6 address has colons, in brackets or not. */
static int check_monitor(const char *name, struct err *e)
{
	const char *bare = name + (*name == '[');
	unsigned char address[16];
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(bare, "%]"), bare);
	if (!strchr(name, ':') || inet_pton(AF_INET6, text, address) == 1)
		return 0;
	return err_set(e, ERR_INVALID,
	               "<host name='%.200s'> is no name and no address: a port is said by port='…'", name);
}

static int rbd_validate(const struct pool_def *d, struct err *e)
{
	char ceph_pool[128], namespace[128];

	if (d->source.auth.kind != AUTH_NONE && d->source.auth.kind != AUTH_CEPH)
		return err_set(e, ERR_INVALID, "the <auth> of an rbd pool is of type ceph");
	if (d->source.auth.kind == AUTH_CEPH && !d->source.auth.username)
		return err_set(e, ERR_INVALID, "<auth type='ceph'> needs a username");
	for (size_t i = 0; i < d->source.nhosts; i++)
		if (check_monitor(d->source.hosts[i].name, e) < 0)
			return -1;
	if (rbd_options_check(d->rbd_options, d->nrbd_options, e) < 0)
		return -1;
	return rbd_source_name(d, ceph_pool, namespace, sizeof(ceph_pool), e);
}

/* ---- is it active ---- */

static void mark_path(const struct pool_def *d, const struct op *op, char *path, size_t size)
{
	char uuid[UUID_TEXT];

	snprintf(path, size, "%s/rbd/%s", op->run_dir, uuid_print(&d->uuid, uuid));
}

static int rbd_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                     struct err *e)
{
	char path[PATH_MAX];
	struct rbd_pool *pool;
	struct err why = { 0 };

	(void)detail, (void)e;
	mark_path(d, op, path, sizeof(path));
	*state = STATE_INACTIVE;
	if (access(path, F_OK) < 0)
		return 0;
	*state = STATE_ACTIVE;
	if (rbd_pool_open(d, op, &pool, &why) < 0) {
		*state = STATE_DEGRADED;
		snprintf(op->why, sizeof(op->why), "%.390s", why.message);
	}
	return 0;
}

static int rbd_start(const struct pool_def *d, struct op *op, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct rbd_pool *pool;

	if (rbd_pool_open(d, op, &pool, e) < 0)
		return -1;
	mark_path(d, op, path, sizeof(path));
	snprintf(dir, sizeof(dir), "%s/rbd", op->run_dir);
	return file_mkdirs(dir, 0700, e) < 0 ? -1 : file_replace(AT_FDCWD, path, "", 0, 0600, e);
}

static int rbd_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	char path[PATH_MAX];

	mark_path(d, op, path, sizeof(path));
	return unlink(path) < 0 && errno != ENOENT ? err_sys(e, errno, "cannot remove %s", path) : 0;
}

const struct backend rbd_backend = {
	.type = POOL_RBD,
	.summary = "a pool of a Ceph cluster; volumes are its block images (in `make full` only)",
	.waits_for = WAIT_NETWORK,
	.image = IMAGE("rbd", "", "", ""),
	.stop_frees = true,
	.look_again = SECONDS(5),
	.deadline = { .start = SECONDS(30), .stop = SECONDS(5), .refresh = SECONDS(60), .check = SECONDS(6) },
	.validate = rbd_validate,
	.check = rbd_check,
	.start = rbd_start,
	.stop = rbd_stop,
	.refresh = rbd_refresh,
	.vol_create = rbd_vol_create,
	.vol_delete = rbd_vol_delete,
	.deletes_snapshots = true,
	.vol_resize = rbd_vol_resize,
	.vol_wipe = rbd_vol_wipe,
	.vol_open = rbd_vol_open,
	.vol_transfer = rbd_vol_transfer,
};
