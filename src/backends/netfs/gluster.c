/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A gluster volume as a network filesystem: its name is the source's directory, and what stands behind that a
 * directory in it. The kernel has no such filesystem: gluster's own program mounts it (glusterfs.c), a
 * companion that is called for when a server was found to have the volume.
 */
#include <fcntl.h>
#include <stdio.h>
#include "backends/netfs/netfs.h"
#include "base/util.h"
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

static int netfs_client_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	struct gluster_mount g;
	int rc = client_mount(d, &g, e);

	if (rc == 0)
		rc = gluster_client_prepare(d, &g, op, e);
	if (rc)
		return rc;
	cleanup_close int fd = target_make(d->target.path, O_PATH, NULL, e);
	return fd < 0 ? -1 : 0;
}

static int netfs_client_command(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	struct netfs_request q;
	struct gluster_mount g;
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
	gluster_client_word(words, "", g.at);
	netfs_request_free(&q);
	if (rc == 0 && words->failed)
		rc = err_set(e, ERR_NO_MEMORY, "cannot start glusterfs: out of memory");
	return rc;
}

static int netfs_client_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	struct gluster_mount g;

	return client_mount(d, &g, e) < 0 ? -1 : gluster_client_ready(d, &g, op, e);
}

const struct service netfs_client = {
	.name = "glusterfs",
	.prepare = netfs_client_prepare,
	.command = netfs_client_command,
	.ready = netfs_client_ready,
	.on_call = true,
};
