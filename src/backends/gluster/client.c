/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The client program, glusterfs(8): one process a pool, a companion that the supervisor starts and keeps.
 * It mounts the volume in our run directory, where only root gets in.
 *
 * The library that QEMU and libvirt use instead, libgfapi, loads its translators at run time, so that no
 * static program can have it.
 *
 * The mount lives as long as the process. Where that was killed, a mount is left that answers ENOTCONN to
 * everybody; it is detached before the next process starts. One that is unmounted ends by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "backends/gluster/gluster.h"
#include "backends/mounted.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/module.h"
#include "system/target.h"

/* A daemon that hangs costs as much of a start, unless less is left for each host. */
#define ASK_WITHIN SECONDS(4)

bool gluster_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	const char *volume = strrchr(m->source, ':');

	return streq(m->fstype, "fuse.glusterfs") && volume && streq(volume + 1, d->source.name);
}

/* ---- before a start ---- */

/* "volume/dir" as a name is what some tools of libvirt's have written; libvirt itself refuses it, too. */
int gluster_validate(const struct pool_def *d, struct err *e)
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

/* A mount that answers is an earlier supervisor's client, which lives. */
static int client_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	enum pool_state state;
	struct statfs sizes;

	if (gluster_validate(d, e) < 0 || mount_check(d, gluster_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state == STATE_ACTIVE && statfs(d->target.mount, &sizes) == 0)
		return 1;
	if (state == STATE_ACTIVE && mount_detach(d->target.mount, op->deadline, e) < 0)
		return -1;
	if (!spawn_find("glusterfs"))
		return err_set(e, ERR_NO_TOOL,
		               "the program glusterfs is not on this machine (package glusterfs-client; an "
		               "image has it if mkimage was given a definition of a gluster pool, or "
		               "--backends with gluster)");
	module_load_wanted("fuse");
	return make_mount_point(d, op, e);
}

struct volume_question {
	const struct pool_def *d;
	uint64_t deadline;
};

static int ask_at(void *arg, const struct address *a, struct err *e)
{
	const struct volume_question *q = arg;

	if (gluster_ask(a, q->d->source.name, q->deadline, e) == 0)
		return 0;
	return e->sys == ENOENT ? -1 : 1;
}

static int host_port(const struct pool_host *h)
{
	return h->port ? h->port : GLUSTER_PORT;
}

/* The first host that knows the volume. The client program does not go on to the next one where a daemon
 * hangs, so that it is told of this one first. */
static int find_host(const struct pool_def *d, struct op *op, struct err *e)
{
	const size_t n = d->source.nhosts;

	for (size_t i = 0; i < n; i++) {
		const struct pool_host *h = &d->source.hosts[i];
		uint64_t now = clock_ms(), left = op->deadline > now ? op->deadline - now : 0;
		uint64_t share = left / (n - i + 1);
		struct volume_question q = { d, now + (share < ASK_WITHIN ? share : ASK_WITHIN) };
		struct err one = { 0 };

		if (left && net_try(&(struct net_trial){ .host = h->name,
		                                         .port = host_port(h),
		                                         .probe = PROBE_ALWAYS,
		                                         .deadline = q.deadline,
		                                         .use = ask_at,
		                                         .arg = &q },
		                    &one) == 0)
			return (int)i;
		net_also(e, &one);
	}
	return -1;
}

static void add_argument(struct buf *words, const char *name, const char *value)
{
	buf_printf(words, "%s%s", name, value);
	buf_addc(words, '\0');
}

/* The program has one port for all servers: of the others those with the same are told, for the time when
 * the first one is gone. What is on the volume is data: nothing there is a device or a program. */
static int client_command(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	const size_t n = d->source.nhosts;
	int first = find_host(d, op, e);
	char port[12];

	if (first < 0)
		return -1;
	snprintf(port, sizeof(port), "%d", host_port(&d->source.hosts[first]));
	add_argument(words, "glusterfs", "");
	add_argument(words, "--no-daemon", "");
	add_argument(words, "--process-name=fuse", "");
	add_argument(words, "--log-file=/dev/null", "");
	add_argument(words, "--volfile-server-port=", port);
	for (size_t i = 0; i < n; i++) {
		const struct pool_host *h = &d->source.hosts[((size_t)first + i) % n];

		if (host_port(h) == host_port(&d->source.hosts[first]))
			add_argument(words, "--volfile-server=", h->name);
	}
	add_argument(words, "--volfile-id=", d->source.name);
	add_argument(words, "--fuse-mountopts=", "nodev,nosuid,noexec");
	add_argument(words, "--direct-io-mode=", "enable"); /* other hosts write there, too */
	add_argument(words, "", d->target.mount);
	return words->failed ? err_set(e, ERR_NO_MEMORY, "cannot start glusterfs: out of memory") : 0;
}

/* ---- does it answer? ---- */

/* Wait until the mount is in the table. Its end, which may come first, is the supervisor's to see. */
static int wait_for_mount(const struct pool_def *d, uint64_t deadline, struct err *e)
{
	struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC),
		                 .events = POLLPRI };
	cleanup_close int fd = mounts.fd;
	enum pool_state state = STATE_INACTIVE;

	if (fd < 0)
		return err_sys(e, errno, "cannot watch the mount table");
	do {
		mountinfo_forget();
		if (mount_check(d, gluster_is_mount, &state, NULL, e) < 0)
			return -1;
	} while (state != STATE_ACTIVE && poll(&mounts, 1, clock_until(deadline)) > 0);
	return state == STATE_ACTIVE ? 0 : err_set(e, ERR_TIMEOUT, "glusterfs runs but has mounted nothing");
}

/* The client mounts first, and asks the bricks when somebody looks. */
static int client_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	struct statfs sizes;

	if (wait_for_mount(d, op->deadline, e) < 0)
		return -1;
	if (statfs(d->target.mount, &sizes) == 0)
		return 0;
	if (errno == ENOTCONN)
		return err_set(e, ERR_STORAGE,
		               "no brick of volume \"%s\" answers, or it is not started (gluster volume "
		               "status %s tells)",
		               d->source.name, d->source.name);
	return err_sys(e, errno, "volume \"%s\" is mounted but does not answer", d->source.name);
}

const struct service gluster_client = {
	.name = "glusterfs",
	.prepare = client_prepare,
	.command = client_command,
	.ready = client_ready,
};
