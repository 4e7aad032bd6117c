/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A gluster volume as a network filesystem: its name is the source's directory, and what stands behind that a
 * directory in it. The kernel has no such filesystem: gluster's own program mounts it (glusterfs.c), a
 * companion that is called for when a server was found to have the volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "backends/netfs/netfs.h"
#include "base/clock.h"
#include "base/util.h"
#include "system/mount.h"
#include "system/target.h"

bool netfs_is_gluster(const struct pool_def *d)
{
	struct mount_entry m;
	bool is;

	if (mount_of_pool(d, &m, NULL) <= 0)
		return false;
	is = streq(m.fstype, "fuse.glusterfs");
	mount_entry_free(&m);
	return is;
}

/* As a mount at the pool's target. */
static int client_mount(const struct pool_def *d, struct gluster_mount *g, struct err *e)
{
	if (netfs_gluster_mount(d, g, e) < 0)
		return -1;
	g->is_ours = netfs_is_mount;
	return 0;
}

/* ---- options ---- */

/* Those of mount.glusterfs(8) that mean something for a pool, by the program's own names. */
static const struct {
	const char *option;
	bool has_value;
	const char *word;
} options[] = {
	{ "ro", false, "--read-only" },
	{ "acl", false, "--acl" },
	{ "transport", true, "--volfile-server-transport=" },
	{ "attribute-timeout", true, "--attribute-timeout=" },
	{ "entry-timeout", true, "--entry-timeout=" },
	{ "negative-timeout", true, "--negative-timeout=" },
	{ "log-level", true, "--log-level=" },
};

/* Those that are the kernel's, whatever it mounts. The first three are not set where the definition has what
 * is behind them: what is on the volume is data. */
static const char *const guards[][2] = { { "nodev", "dev" }, { "nosuid", "suid" }, { "noexec", "exec" } };
static const char *const of_kernel[] = { "noatime", "nodiratime", "relatime", "sync", "dirsync" };
/* Those that say nothing here: the definition's port is in the request. */
static const char *const of_nobody[] = { "rw", "port", "_netdev", "defaults" };

static bool is_one_of(const char *option, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(list[i], option))
			return true;
	return false;
}

static void add_guards(const char *own, struct buf *mount)
{
	char value[2];

	for (size_t i = 0; i < ARRAY_LEN(guards); i++)
		if (!mount_option_value(own, guards[i][1], value, sizeof(value)))
			buf_printf(mount, "%s%s", mount->len ? "," : "", guards[i][0]);
}

/* One option, "NAME" or "NAME=VALUE": a word of the program's, or one more of the kernel's. */
static int client_option(const char *option, char *value, struct buf *words, struct buf *mount, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (streq(options[i].option, option) && options[i].has_value == !!value) {
			gluster_client_word(words, options[i].word, value ? value : "");
			return 0;
		}
	for (size_t i = 0; i < ARRAY_LEN(guards); i++)
		if (is_one_of(option, guards[i], 2) && !value)
			return 0;
	if (is_one_of(option, of_nobody, ARRAY_LEN(of_nobody)))
		return 0;
	if (!is_one_of(option, of_kernel, ARRAY_LEN(of_kernel)) || value)
		return err_set(
			e, ERR_INVALID,
			"a gluster volume has no mount option \"%.40s\"%s: there are ro, acl, transport=, "
			"attribute-timeout=, entry-timeout=, negative-timeout=, log-level=, and noatime, "
			"nodiratime, relatime, sync, dirsync, dev, suid, exec",
			option, value ? " with a value" : "");
	buf_printf(mount, "%s%s", mount->len ? "," : "", option);
	return 0;
}

/* own: ",NAME=VALUE…", as a request has them. */
static int client_options(char *own, struct buf *words, struct err *e)
{
	cleanup_buf struct buf mount = BUF_INIT;
	char *save = NULL;

	add_guards(own, &mount);
	for (char *o = strtok_r(own, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		char *value = strchr(o, '=');

		if (value)
			*value++ = '\0';
		if (client_option(o, value, words, &mount, e) < 0)
			return -1;
	}
	if (mount.len)
		gluster_client_word(words, "--fuse-mountopts=", buf_str(&mount));
	words->failed |= mount.failed;
	return 0;
}

int netfs_gluster_check(const struct pool_def *d, struct err *e)
{
	cleanup_buf struct buf words = BUF_INIT;
	struct netfs_request q;
	int rc = netfs_request_make(&q, d, NETFS_GLUSTER, NULL, e);

	buf_addc(&q.own, ','); /* so that there is a text */
	if (rc == 0 && !q.own.failed)
		rc = client_options(q.own.data, &words, e);
	netfs_request_free(&q);
	return rc;
}

/* ---- the companion ---- */

/* Where the program mounts it: where only root gets in. It takes a path, and in a directory that others own,
 * a path may lead elsewhere by the time that it mounts. */
static int private_place(const struct pool_def *d, const struct op *op, char place[PATH_MAX], struct err *e)
{
	char uuid[UUID_TEXT];

	snprintf(place, PATH_MAX, "%s/gluster", op->run_dir);
	if (mkdir(place, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make %s", place);
	snprintf(place, PATH_MAX, "%s/gluster/%s", op->run_dir, uuid_print(&d->uuid, uuid));
	return 0;
}

static int netfs_client_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	struct gluster_mount g;
	char place[PATH_MAX];
	int rc = client_mount(d, &g, e);

	if (rc == 0)
		rc = gluster_client_prepare(d, &g, op, e);
	if (rc)
		return rc;
	/* one that was broken off may have left its own there */
	if (private_place(d, op, place, e) < 0 || mount_detach(place, op->deadline, e) < 0)
		return -1;
	cleanup_close int own = target_make(place, O_PATH, NULL, e);
	cleanup_close int fd = own < 0 ? -1 : target_make(d->target.path, O_PATH, NULL, e);
	return fd < 0 ? -1 : 0;
}

/* What the program has mounted, once more at the pool's target, by a descriptor; the program's own place is
 * given up. */
static int bring_in(const struct pool_def *d, const char *place, struct err *e)
{
	cleanup_close int target = target_make(d->target.path, O_PATH, NULL, e);
	char link[40];

	if (target < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", target);
	if (mount(place, link, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, errno, "cannot mount %s at %s", place, d->target.path);
	/* by force it would end the program's connection, and with that both mounts */
	return umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0
	               ? err_sys(e, errno, "cannot unmount %s", place)
	               : 0;
}

/* Wait for the program's mount. Does it answer? 1: it is where it belongs already; 0: it is at the program's
 * own place, which is left to the program while nothing answers. */
static int await_mount(const struct pool_def *d, const struct gluster_mount *g, const char *place,
                       struct op *op, struct err *e)
{
	struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC),
		                 .events = POLLPRI };
	cleanup_close int fd = mounts.fd;
	enum pool_state state = STATE_INACTIVE;
	struct mount_entry m;
	int there;

	if (fd < 0)
		return err_sys(e, errno, "cannot watch the mount table");
	do {
		mountinfo_forget();
		if (mount_check(d, netfs_is_mount, &state, NULL, e) < 0)
			return -1;
		there = state == STATE_ACTIVE ? 0 : mountinfo_find(place, &m, e);
		if (there > 0)
			mount_entry_free(&m);
	} while (state != STATE_ACTIVE && !there && poll(&mounts, 1, clock_until(op->deadline)) > 0);
	if (there == 0 && state != STATE_ACTIVE)
		return err_set(e, ERR_TIMEOUT, "glusterfs runs but has mounted nothing");
	if (there < 0 || gluster_answers(g, there ? place : g->at, e) < 0)
		return -1;
	return state == STATE_ACTIVE;
}

static int netfs_client_command(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	struct netfs_request q;
	struct gluster_mount g;
	char place[PATH_MAX] = "";
	int rc = client_mount(d, &g, e);

	if (rc < 0)
		return -1;
	rc = netfs_request_make(&q, d, NETFS_GLUSTER, op->secret_dirs, e);
	g.port = q.port;
	if (rc == 0)
		rc = gluster_client_command(d, &g, op, words, e);
	buf_addc(&q.own, ','); /* so that there is a text */
	if (rc == 0 && !q.own.failed)
		rc = client_options(q.own.data, words, e);
	words->failed |= q.own.failed;
	netfs_request_free(&q);
	if (rc == 0)
		rc = private_place(d, op, place, e);
	gluster_client_word(words, "", place);
	if (rc == 0 && words->failed)
		rc = err_set(e, ERR_NO_MEMORY, "cannot start glusterfs: out of memory");
	return rc;
}

static int netfs_client_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	struct gluster_mount g;
	char place[PATH_MAX];

	if (client_mount(d, &g, e) < 0 || private_place(d, op, place, e) < 0)
		return -1;
	int there = await_mount(d, &g, place, op, e);
	if (there < 0)
		return -1;
	return there ? 0 : bring_in(d, place, e);
}

const struct service netfs_client = {
	.name = "glusterfs",
	.prepare = netfs_client_prepare,
	.command = netfs_client_command,
	.ready = netfs_client_ready,
	.on_call = true,
};
