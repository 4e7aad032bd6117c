/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The client program, glusterfs(8): one process a pool, a companion that the supervisor starts and keeps.
 *
 * The library that QEMU and libvirt use instead, libgfapi, loads its translators at run time, so that no
 * static program can have it.
 *
 * The mount lives as long as the process. Where that was killed, a mount is left that answers ENOTCONN to
 * everybody; it is detached before the next process starts. One that is unmounted ends by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "backends/glusterfs.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/util.h"
#include "system/module.h"

/* A daemon that hangs costs as much of a start, unless less is left for each host. */
#define ASK_WITHIN SECONDS(4)

enum { CLIENT_FILE_BYTES = 4096, BRICKS_TOLD = 3 };

/* As the program writes it: "HOST:VOLUME" or "HOST:/VOLUME", and the directory behind it where it mounts one.
 * A host may have colons in it, and so may a directory. */
bool gluster_is_mount_of(const struct gluster_mount *g, const struct mount_entry *m)
{
	size_t len = strlen(m->source), want = strlen(g->volume) + strlen(g->dir);
	const char *at = m->source + (len > want ? len - want : 0);

	if (!streq(m->fstype, "fuse.glusterfs") || len <= want)
		return false;
	if (strncmp(at, g->volume, strlen(g->volume)) != 0 || !streq(at + strlen(g->volume), g->dir))
		return false;
	at -= at[-1] == '/' && at - m->source > 1;
	return at[-1] == ':';
}

/* ---- before a start ---- */

/* A mount that answers is an earlier supervisor's client, which lives. */
int gluster_client_prepare(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                           struct err *e)
{
	demand(d && g && op, e);

	enum pool_state state;
	struct statfs sizes;

	if (mount_check(d, g->is_ours, &state, NULL, e) < 0)
		return -1;
	if (state == STATE_ACTIVE && statfs(g->at, &sizes) == 0)
		return 1;
	if (state == STATE_ACTIVE && mount_detach(g->at, op->deadline, e) < 0)
		return -1;
	if (!spawn_find("glusterfs"))
		return err_set(e, ERR_NO_TOOL,
		               "the program glusterfs is not on this machine (package glusterfs-client; an "
		               "image has it if mkimage was given the definition of a pool that needs it, or "
		               "--backends with gluster)");
	module_load_wanted("fuse");
	return 0;
}

struct volume_question {
	const char *volume;
	uint64_t deadline;
};

static int ask_at(void *arg, const struct address *a, struct err *e)
{
	const struct volume_question *q = arg;

	if (gluster_ask(a, q->volume, q->deadline, e) == 0)
		return 0;
	return e->sys == ENOENT ? -1 : 1;
}

static int port_of(const struct gluster_mount *g, const struct pool_host *h)
{
	const int usual = g->port ? g->port : GLUSTER_PORT;

	return h->port ? h->port : usual;
}

/* The first host that knows the volume. The client program does not go on to the next one where a daemon
 * hangs, so that it is told of this one first. */
static int find_host(const struct pool_def *d, const struct gluster_mount *g, struct op *op, struct err *e)
{
	const size_t n = d->source.nhosts;

	for (size_t i = 0; i < n; i++) {
		const struct pool_host *h = &d->source.hosts[i];
		uint64_t now = clock_ms(), left = op->deadline > now ? op->deadline - now : 0;
		uint64_t share = left / (n - i + 1);
		struct volume_question q = { g->volume, now + (share < ASK_WITHIN ? share : ASK_WITHIN) };
		struct err one = { 0 };

		if (left && net_try(&(struct net_trial){ .host = h->name,
		                                         .port = port_of(g, h),
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

void gluster_client_word(struct buf *words, const char *name, const char *value)
{
	buf_printf(words, "%s%s", name, value);
	buf_addc(words, '\0');
}

/* The program has one port for all servers: of the others those with the same are told, for the time when
 * the first one is gone. */
int gluster_client_command(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                           struct buf *words, struct err *e)
{
	demand(d && g && op && words, e);

	const size_t n = d->source.nhosts;
	int first = find_host(d, g, op, e), port;
	char number[12];

	if (first < 0)
		return -1;
	port = port_of(g, &d->source.hosts[first]);
	snprintf(number, sizeof(number), "%d", port);
	gluster_client_word(words, "glusterfs", "");
	gluster_client_word(words, "--no-daemon", "");
	gluster_client_word(words, "--process-name=fuse", "");
	gluster_client_word(words, "--log-file=/dev/null", "");
	gluster_client_word(words, "--volfile-server-port=", number);
	for (size_t i = 0; i < n; i++) {
		const struct pool_host *h = &d->source.hosts[((size_t)first + i) % n];

		if (port_of(g, h) == port)
			gluster_client_word(words, "--volfile-server=", h->name);
	}
	gluster_client_word(words, "--volfile-id=", g->volume);
	if (g->dir[0])
		gluster_client_word(words, "--subdir-mount=", g->dir);
	gluster_client_word(words, "--direct-io-mode=", "enable"); /* other hosts write there, too */
	return 0;
}

/* ---- does it answer? ---- */

/* Wait until the mount is in the table. Its end, which may come first, is the supervisor's to see. */
static int wait_for_mount(const struct pool_def *d, const struct gluster_mount *g, uint64_t deadline,
                          struct err *e)
{
	struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC),
		                 .events = POLLPRI };
	cleanup_close int fd = mounts.fd;
	enum pool_state state = STATE_INACTIVE;

	if (fd < 0)
		return err_sys(e, errno, "cannot watch the mount table");
	do {
		mountinfo_forget();
		if (mount_check(d, g->is_ours, &state, NULL, e) < 0)
			return -1;
	} while (state != STATE_ACTIVE && poll(&mounts, 1, clock_until(deadline)) > 0);
	return state == STATE_ACTIVE ? 0 : err_set(e, ERR_TIMEOUT, "glusterfs runs but has mounted nothing");
}

int gluster_answers(const struct gluster_mount *g, const char *place, struct err *e)
{
	demand(g && place, e);

	struct statfs sizes;

	if (statfs(place, &sizes) == 0)
		return 0;
	if (errno == ENOTCONN)
		return err_set(e, ERR_STORAGE,
		               "no brick of volume \"%s\" answers, or it is not started (gluster volume "
		               "status %s tells)%s%s",
		               g->volume, g->volume, g->dir[0] ? ", or there is no directory in it " : "",
		               g->dir);
	return err_sys(e, errno, "volume \"%s\" is mounted but does not answer", g->volume);
}

int gluster_client_ready(const struct pool_def *d, const struct gluster_mount *g, struct op *op,
                         struct err *e)
{
	demand(d && g && op, e);
	return wait_for_mount(d, g, op->deadline, e) < 0 ? -1 : gluster_answers(g, g->at, e);
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
static unsigned bricks_lost(const struct gluster_mount *g, unsigned *bricks, struct buf *lost)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	unsigned missing = 0;
	DIR *graph;

	snprintf(path, sizeof(path), "%s/.meta/graphs/active", g->at);
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

void gluster_bricks_check(const struct gluster_mount *g, struct op *op, enum pool_state *state)
{
	demand_or(g && op && state, );

	cleanup_buf struct buf lost = BUF_INIT;
	unsigned bricks = 0, missing = bricks_lost(g, &bricks, &lost);

	if (missing == 0)
		return;
	snprintf(op->why, sizeof(op->why), "%u of the %u bricks of volume \"%.100s\" %s not answer: %.150s%s",
	         missing, bricks, g->volume, missing == 1 ? "does" : "do", buf_str(&lost),
	         missing > BRICKS_TOLD ? ", …" : "");
	*state = STATE_DEGRADED;
}
