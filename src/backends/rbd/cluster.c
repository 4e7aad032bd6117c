/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The connection to a Ceph cluster, and the life of its libraries in this program.
 *
 * librbd and librados are C++: when they are linked into a program, hundreds of constructors run before
 * main(), and a connection has a dozen threads. None of that may be in PID 1. So the linker puts their
 * constructors apart (layout.ld), and they run here, in a worker that needs them, before its first call.
 */
#include "backends/rbd/rbd.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include "backends/rbd/options.h"
#include "backends/servers.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

/* ---- the libraries ---- */

typedef void constructor(void);
/* In a build with the system's shared libraries there are none of ours to call. */
extern constructor *const rbd_constructors[] __attribute__((weak, visibility("hidden")));
extern constructor *const rbd_constructors_end[] __attribute__((weak, visibility("hidden")));

/* musl gives a thread 128 kB: Ceph's own stacks are written for 8 MB, of which they touch little. */
#define THREAD_STACK (1024 * 1024)

#define CONNECT_LIMIT 10000 /* ms */

static void libraries_begin(void)
{
	static bool begun;
	pthread_attr_t attr;

	if (begun)
		return;
	begun = true;
	if (pthread_attr_init(&attr) == 0) {
		if (pthread_attr_setstacksize(&attr, THREAD_STACK) == 0)
			pthread_setattr_default_np(&attr);
		pthread_attr_destroy(&attr);
	}
	for (constructor *const *c = rbd_constructors; c < rbd_constructors_end; c++)
		(*c)();
}

/* ---- what the cluster says ---- */

int rbd_error(struct err *e, int answer, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (answer == -ETIMEDOUT)
		return err_set(e, ERR_TIMEOUT, "%s: the cluster does not answer", what);
	if (answer == -EDQUOT || answer == -ENOSPC)
		return err_set(e, ERR_NO_SPACE, "%s: the Ceph pool is full, or its quota is", what);
	if (answer == -EPERM || answer == -EACCES)
		return err_set(e, ERR_DENIED,
		               "%s: the user's capabilities do not allow it (ceph auth get client.NAME shows "
		               "them)",
		               what);
	if (answer == -ESHUTDOWN)
		return err_set(e, ERR_STORAGE, "%s: the cluster has put this client on its blocklist", what);
	return err_sys(e, -answer, "%s", what);
}

/* "ceph1, 192.0.2.7:6789" */
static void hosts_text(const struct pool_def *d, struct buf *out)
{
	for (size_t i = 0; i < d->source.nhosts; i++) {
		const struct pool_host *h = &d->source.hosts[i];
		bool bare = strchr(h->name, ':') && *h->name != '[';

		if (i)
			buf_adds(out, ", ");
		buf_printf(out, bare ? "[%s]" : "%s", h->name);
		if (h->port)
			buf_printf(out, ":%d", h->port);
	}
}

/* Which secret holds the key, for whoever has to look it up. */
static void secret_text(const struct pool_auth *a, char *out, size_t size)
{
	char uuid[UUID_TEXT];

	if (a->by_uuid)
		snprintf(out, size, "secret %s", uuid_print(&a->secret_uuid, uuid));
	else
		snprintf(out, size, "the secret with usage %.120s", a->secret_usage);
}

static int connect_failed(const struct pool_def *d, int answer, struct err *e)
{
	const struct pool_auth *a = &d->source.auth;
	cleanup_buf struct buf hosts = BUF_INIT;
	char secret[200], server[200];

	hosts_text(d, &hosts);
	if (answer == -EACCES || answer == -EPERM || answer == -EOPNOTSUPP || answer == -EKEYREJECTED) {
		if (a->kind != AUTH_CEPH)
			return err_set(e, ERR_AUTH,
			               "the cluster of %s wants cephx, and the definition has no <auth>",
			               buf_str(&hosts));
		secret_text(a, secret, sizeof(secret));
		return err_set(e, ERR_AUTH,
		               "the cluster of %s refuses user client.%s with its key (check %s)",
		               buf_str(&hosts), a->username, secret);
	}
	if (answer == -ETIMEDOUT || answer == -ENOENT || answer == -EINVAL) {
		snprintf(server, sizeof(server), "server=%.180s", d->source.hosts[0].name);
		return err_wait(e, ERR_WAIT_SERVER, server, "no monitor of %s %s", buf_str(&hosts),
		                answer == -ETIMEDOUT ? "answers" : "has an address that can be found");
	}
	return err_sys(e, -answer, "cannot connect to the Ceph cluster of %s", buf_str(&hosts));
}

/* ---- how it is told ---- */

/* What a connection of ours has set, before what the definition says: nothing is read from this machine, and
 * nothing is written but to the cluster. */
static const struct setting {
	const char *name, *value;
} settings[] = {
	{ "keyring", "" },
	{ "log_file", "" },
	{ "log_to_stderr", "false" },
	{ "err_to_stderr", "false" },
	{ "log_to_syslog", "false" },
	{ "clog_to_syslog", "false" },
	{ "clog_to_monitors", "false" },
	{ "admin_socket", "" },
	/* A cluster has options for its clients, too; what is set here goes before them. */
	{ "heartbeat_file", "" },
	{ "rbd_default_format", "2" },
	/* Calls end by themselves. Who has no answer of any monitor by then will have none; an OSD may be
	 * starting. */
	{ "client_mount_timeout", "10" },
	{ "rados_mon_op_timeout", "15" },
	{ "rados_osd_op_timeout", "30" },
	/* A cache of written data would have to be flushed by a worker that may be killed. */
	{ "rbd_cache", "false" },
};

static int set(rados_t cluster, const char *name, const char *value, struct err *e)
{
	int answer = rados_conf_set(cluster, name, value);

	/* The value is not said: it may be a key. */
	return answer < 0 ? err_set(e, ERR_INVALID,
	                            "librados has no option \"%.100s\", or none of that value", name)
	                  : 0;
}

/* Ceph's CryptoKey: its kind (2 bytes), when it was made (8), the length of the key (2), the key. librados
 * says of another only that something is invalid. */
static bool is_key(const struct secret_value *s)
{
	const unsigned char *b = (const unsigned char *)s->data;

	return s->len >= 12 + 16 && (b[10] | b[11] << 8) >= 16 && (size_t)(b[10] | b[11] << 8) <= s->len - 12;
}

/* The key of the user, as cephx has it: in base64. */
static int set_key(rados_t cluster, const struct pool_def *d, const struct op *op, struct err *e)
{
	cleanup_secret_value struct secret_value secret = { 0 };
	struct buf text = BUF_INIT;
	char name[200];
	int rc;

	if (d->source.auth.kind != AUTH_CEPH)
		return set(cluster, "auth_supported", "none", e);
	if (secret_find(&d->source.auth, op->secret_dirs, &secret, e) < 0)
		return -1;
	secret_text(&d->source.auth, name, sizeof(name));
	if (!is_key(&secret))
		return err_set(e, ERR_AUTH,
		               "the value of %s is no key of Ceph: it must be what \"ceph auth get-key "
		               "client.%s\" prints",
		               name, d->source.auth.username);
	base64_encode(secret.data, secret.len, &text);
	rc = text.failed ? err_set(e, ERR_NO_MEMORY, "cannot use the key: out of memory") : 0;
	if (rc == 0 && rados_conf_set(cluster, "key", buf_str(&text)) < 0)
		rc = err_set(e, ERR_AUTH, "librados does not take the value of %s as a key", name);
	if (text.len)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	return rc < 0 ? -1 : set(cluster, "auth_supported", "cephx", e);
}

static int configure(rados_t cluster, const struct pool_def *d, const struct op *op, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (set(cluster, settings[i].name, settings[i].value, e) < 0)
			return -1;
	if (set_key(cluster, d, op, e) < 0 || rbd_options_check(d->rbd_options, d->nrbd_options, e) < 0)
		return -1;
	for (size_t i = 0; i < d->nrbd_options; i++)
		if (set(cluster, d->rbd_options[i].name, d->rbd_options[i].value, e) < 0)
			return -1;
	return 0;
}

/* ---- the connection ---- */

int rbd_source_name(const struct pool_def *d, char *ceph_pool, char *namespace, size_t size, struct err *e)
{
	const char *name = d->source.name, *slash = strchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : strlen(name);

	if (!len || (slash && (!slash[1] || strchr(slash + 1, '/'))) || strchr(name, '@'))
		return err_set(e, ERR_INVALID, "\"%.200s\" is no name of a Ceph pool: POOL or POOL/NAMESPACE",
		               name);
	if (len >= size || (slash && strlen(slash + 1) >= size))
		return err_set(e, ERR_INVALID, "the name of Ceph pool \"%.100s…\" is too long", name);
	snprintf(ceph_pool, size, "%.*s", (int)len, name);
	snprintf(namespace, size, "%s", slash ? slash + 1 : "");
	return 0;
}

int rbd_open_ceph_pool(struct rbd_pool *p, struct err *e)
{
	int answer = rados_ioctx_create(p->cluster, p->ceph_pool, &p->io);
	bool there = false;

	if (answer == -ENOENT)
		return err_set(e, ERR_STORAGE, "the cluster has no pool \"%s\"", p->ceph_pool);
	if (answer < 0)
		return rbd_error(e, answer, "cannot open Ceph pool \"%s\"", p->ceph_pool);
	/* Where the pool or its quota is full, what frees room is done, and the rest is refused. Ceph would
	 * let all of it wait. */
	rados_set_pool_full_try(p->io);
	if (!p->namespace[0])
		return 0;
	answer = rbd_namespace_exists(p->io, p->namespace, &there);
	if (answer < 0)
		return rbd_error(e, answer, "cannot look for namespace \"%s\" of Ceph pool \"%s\"",
		                 p->namespace, p->ceph_pool);
	if (!there)
		return err_set(e, ERR_STORAGE, "Ceph pool \"%s\" has no namespace \"%s\"", p->ceph_pool,
		               p->namespace);
	rados_ioctx_set_namespace(p->io, p->namespace);
	return 0;
}

/* Monitors that librados is told of: it names each by a letter, and aborts where two have the same. */
#define MONITORS 100

struct connecting {
	rados_t cluster;
	const struct pool_def *d;
	uint64_t names_until; /* clock_ms(); names are asked for till then */
};

/* "192.0.2.7:6789,[2001:db8::7]". librados would take no list with one name that has no address: of several
 * monitors one is enough. */
static size_t monitors(const struct connecting *c, struct buf *out)
{
	const struct pool_def *d = c->d;
	struct addresses found;
	size_t n = 0;

	for (size_t i = 0; i < d->source.nhosts; i++) {
		const struct pool_host *h = &d->source.hosts[i];
		const bool is_name = !strchr(h->name, ':') && h->name[strspn(h->name, "0123456789.")];

		if ((is_name && n && clock_ms() > c->names_until) ||
		    net_resolve(h->name, h->port, &found, NULL) < 0)
			continue;
		for (size_t k = 0; k < found.n && n < MONITORS; k++, n++) {
			buf_printf(out, found.list[k].family == AF_INET6 ? "%s[%s]" : "%s%s", n ? "," : "",
			           found.list[k].text);
			if (h->port)
				buf_printf(out, ":%d", h->port);
		}
	}
	return out->failed ? 0 : n;
}

static void *connect_cluster(void *arg)
{
	const struct connecting *c = arg;
	cleanup_buf struct buf list = BUF_INIT;
	int answer = monitors(c, &list) ? rados_conf_set(c->cluster, "mon_host", buf_str(&list)) : -ENOENT;

	return (void *)(intptr_t)(answer < 0 ? answer : rados_connect(c->cluster));
}

/* librados has a time for connecting, and begins anew when it is over; and the name service knows none of it.
 * So a thread connects. If it has not by then, it is left behind: the worker ends. */
static int connect_in_time(rados_t cluster, const struct pool_def *d, const struct op *op)
{
	static struct connecting c; /* of a thread that is left behind, too */
	int left = clock_until(op->deadline);
	struct timespec until;
	void *answer = NULL;
	pthread_t thread;

	left = left < 0 || left > CONNECT_LIMIT ? CONNECT_LIMIT : left - left / 8;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += left / 1000;
	until.tv_nsec += left % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	c = (struct connecting){ cluster, d, clock_ms() + (uint64_t)left / 2 };
	if (pthread_create(&thread, NULL, connect_cluster, &c) != 0)
		return -EAGAIN;
	return pthread_timedjoin_np(thread, &answer, &until) == 0 ? (int)(intptr_t)answer : -ETIMEDOUT;
}

static int connect_pool(const struct pool_def *d, struct op *op, struct rbd_pool *p, struct err *e)
{
	int answer;

	if (rbd_source_name(d, p->ceph_pool, p->namespace, sizeof(p->ceph_pool), e) < 0)
		return -1;
	answer = rados_create(&p->cluster, d->source.auth.kind == AUTH_CEPH ? d->source.auth.username : NULL);
	if (answer < 0)
		return rbd_error(e, answer, "cannot begin with librados");
	if (configure(p->cluster, d, op, e) < 0)
		return -1;
	answer = connect_in_time(p->cluster, d, op);
	return answer < 0 ? connect_failed(d, answer, e) : rbd_open_ceph_pool(p, e);
}

int rbd_pool_open(const struct pool_def *d, struct op *op, struct rbd_pool **pool, struct err *e)
{
	demand(d && op && d->source.name && d->source.nhosts && pool, e);

	/* One process serves one pool. What fails is left as it is: the worker ends. */
	static struct rbd_pool kept;
	static bool connected;

	if (!connected) {
		libraries_begin();
		if (connect_pool(d, op, &kept, e) < 0)
			return -1;
		connected = true;
	}
	*pool = &kept;
	return 0;
}
