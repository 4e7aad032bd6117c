/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * netfs: a directory that another host exports (NFS 3 and 4, CIFS), mounted at the target path.
 * Spec: storage.html, "Network filesystem pool". Volumes are the files in it: see list.c.
 *
 * The kernel's NFS client is told everything: version, numeric address, our own address. It resolves
 * nothing, and a failed attempt can take minutes; so the server is tried by a TCP connection first, and each
 * version with its own error, from the newest down. mount.nfs(8) is not needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include "backends/backend.h"
#include "backends/identity.h"
#include "backends/mounted.h"
#include "backends/servers.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/module.h"
#include "system/mount.h"
#include "volumes/directory/list.h"
#include "volumes/file/volume.h"

enum { CREDENTIALS_LIMIT = 4096, RPCBIND_PORT = 111 };

/* One way to mount, in the order in which they are tried. */
/* clang-format off */
static const struct variant {
	const char *format;             /* as in <format type='…'/>; "auto" is nfs */
	const char *fstype;             /* as the kernel calls it */
	const char *version;            /* as in <protocol ver='…'/>; NULL: kernel and server agree on one */
	const char *options;            /* before the definition's own */
	int port;
	const char *modules;
} variants[] = {
	{ "nfs",  "nfs",  "4.2", "vers=4.2",      2049, "nfs nfsv4" },
	{ "nfs",  "nfs",  "4.1", "vers=4.1",      2049, "nfs nfsv4" },
	{ "nfs",  "nfs",  "4.0", "vers=4.0",      2049, "nfs nfsv4" },
	{ "nfs",  "nfs",  "3",   "vers=3,nolock", 2049, "nfs nfsv3" },
	{ "cifs", "cifs", NULL,  NULL,            445,  "cifs" },
};
/* clang-format on */

/* ---- what the definition says ---- */

static bool is_cifs(const struct pool_def *d)
{
	return d->source.format && streq(d->source.format, "cifs");
}

/* glusterfs is libvirt's third format; it would take a FUSE program, which no image has. */
static int netfs_validate(const struct pool_def *d, struct err *e)
{
	const char *format = d->source.format ? d->source.format : "auto";

	if (d->source.nhosts == 0 || !d->source.dir)
		return err_set(e, ERR_INVALID, "a netfs pool needs a source host and a source dir");
	if (!streq(format, "auto") && !streq(format, "nfs") && !streq(format, "cifs"))
		return err_set(e, ERR_UNSUPPORTED,
		               "this build cannot mount netfs pools of format \"%s\"; it can nfs and cifs",
		               format);
	return 0;
}

/* "host:/dir", "[2001:db8::7]:/dir", "//host/share" */
static void source_print(const struct pool_def *d, const char *host, struct buf *out)
{
	const char *dir = d->source.dir;

	if (is_cifs(d))
		buf_printf(out, "//%s/%s", host, dir + strspn(dir, "/"));
	else
		buf_printf(out, strchr(host, ':') && host[0] != '[' ? "[%s]:%s" : "%s:%s", host, dir);
}

/* What one start works with: the definition's own options, taken apart. */
struct netfs_request {
	const struct pool_def *d;
	struct buf own;     /* the options that the kernel gets as they are: ",NAME=VALUE…"; no password */
	char version[16];   /* the only one to try, or empty */
	int port;           /* 0: the variant's */
	bool tcp;           /* the server can be tried by a TCP connection first */
	int family;         /* of the addresses that proto= leaves */
	char address[64];   /* that the options name, in place of the host's; or empty */
	char password[256]; /* cifs: from the options or a credentials file, or empty */
};

static void netfs_request_free(struct netfs_request *q)
{
	explicit_bzero(q->password, sizeof(q->password));
	buf_free(&q->own);
}

/* Value of an option, "NAME=VALUE" in one or name and value apart; NULL: it is another option. */
static const char *value_of(const struct pool_option *o, const char *name)
{
	size_t len = strlen(name);

	if (!starts_with(o->name, name))
		return NULL;
	if (o->value)
		return o->name[len] ? NULL : o->value;
	return o->name[len] == '=' ? o->name + len + 1 : NULL;
}

/* A password that is cut off would be a wrong one, and locks accounts. */
static int take_password(struct netfs_request *q, const char *value, struct err *e)
{
	if ((size_t)snprintf(q->password, sizeof(q->password), "%s", value) >= sizeof(q->password))
		return err_set(e, ERR_INVALID,
		               "cannot use the password in the mount options: it is longer than %zu bytes",
		               sizeof(q->password) - 1);
	return 0;
}

/* Read mount.cifs(8)'s credentials file: "username=", "password=", "domain=" lines. The kernel does not know
 * it, so it is read here. Its bytes are wiped, as they hold the password. */
static int take_credentials(struct netfs_request *q, const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char *save = NULL;
	int rc = 0;

	if (file_read(AT_FDCWD, path, CREDENTIALS_LIMIT, &text, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot read the credentials");
	for (char *line = text.data ? strtok_r(text.data, "\r\n", &save) : NULL; line && rc == 0;
	     line = strtok_r(NULL, "\r\n", &save)) {
		struct pool_option o = { .name = line + strspn(line, " \t") };
		const char *value;

		if ((value = value_of(&o, "username")) || (value = value_of(&o, "user")))
			buf_printf(&q->own, ",user=\"%s\"", value);
		else if ((value = value_of(&o, "domain")) || (value = value_of(&o, "dom")))
			buf_printf(&q->own, ",domain=\"%s\"", value);
		else if ((value = value_of(&o, "password")) || (value = value_of(&o, "pass")))
			rc = take_password(q, value, e);
	}
	if (text.data)
		explicit_bzero(text.data, text.size);
	return rc;
}

/* CIFS: a password is handed on apart from the other options, so that a comma in it does not end it and no
 * message can hold it. */
static int take_option(struct netfs_request *q, const struct pool_option *o, struct err *e)
{
	const char *value = NULL;

	if (is_cifs(q->d) && ((value = value_of(o, "pass")) || (value = value_of(o, "password"))))
		return take_password(q, value, e);
	if (is_cifs(q->d) && ((value = value_of(o, "credentials")) || (value = value_of(o, "cred"))))
		return take_credentials(q, value, e);
	buf_printf(&q->own, ",%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");
	return 0;
}

/* A CIFS server wants to know who we are; a guest needs a name all the same. */
static void add_guest(struct netfs_request *q)
{
	static const char *const naming[] = { "user", "username", "guest", "sec" };
	char value[8];

	for (size_t i = 0; i < ARRAY_LEN(naming); i++)
		if (mount_option_value(buf_str(&q->own), naming[i], value, sizeof(value)))
			return;
	buf_adds(&q->own, ",user=guest,guest");
}

/* The definition's <protocol> or its vers= option leaves one version to try. CIFS versions are handed on as
 * they are: the kernel says which it knows. */
static int version_choose(struct netfs_request *q, struct err *e)
{
	const struct pool_def *d = q->d;
	char value[16];

	if (d->source.protocol)
		snprintf(q->version, sizeof(q->version), "%s", d->source.protocol);
	else if (!is_cifs(d) && (mount_option_value(buf_str(&q->own), "vers", value, sizeof(value)) ||
	                         mount_option_value(buf_str(&q->own), "nfsvers", value, sizeof(value))))
		snprintf(q->version, sizeof(q->version), "%s", value);
	if (!q->version[0] || is_cifs(d))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(variants); i++)
		if (variants[i].version && (streq(q->version, variants[i].version) || streq(q->version, "4")))
			return 0;
	return err_set(e, ERR_UNSUPPORTED, "NFS version \"%s\" is not one of 3, 4, 4.0, 4.1, 4.2",
	               q->version);
}

/* Take the definition apart for a start. What was read is freed with netfs_request_free(), after an error
 * too. */
static int request_make(struct netfs_request *q, const struct pool_def *d, struct err *e)
{
	char value[32];

	*q = (struct netfs_request){ .d = d, .tcp = true, .family = AF_UNSPEC };
	for (size_t i = 0; i < d->nmount_options; i++)
		if (take_option(q, &d->mount_options[i], e) < 0)
			return -1;
	if (is_cifs(d))
		add_guest(q);
	if (q->own.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot read the mount options: out of memory");
	if (mount_option_value(buf_str(&q->own), "port", value, sizeof(value)))
		q->port = atoi(value);
	if (!is_cifs(d) && mount_option_value(buf_str(&q->own), "proto", value, sizeof(value))) {
		q->tcp = starts_with(value, "tcp");
		/* the kernel insists on it */
		q->family = value[0] && value[strlen(value) - 1] == '6' ? AF_INET6 : AF_INET;
	}
	if (!mount_option_value(buf_str(&q->own), "addr", q->address, sizeof(q->address)) && is_cifs(d))
		mount_option_value(buf_str(&q->own), "ip", q->address, sizeof(q->address));
	return version_choose(q, e);
}

/* Is this way of mounting one that the definition allows? "4" is any of version 4. */
static bool is_wanted(const struct netfs_request *q, const struct variant *v)
{
	if (!streq(v->format, is_cifs(q->d) ? "cifs" : "nfs"))
		return false;
	if (!v->version || !q->version[0])
		return true;
	return streq(v->version, q->version) || (streq(q->version, "4") && v->version[0] == '4');
}

/* The first way that will be tried: its port is where the server is looked for. */
static const struct variant *first_wanted(const struct netfs_request *q)
{
	for (size_t i = 0; i < ARRAY_LEN(variants); i++)
		if (is_wanted(q, &variants[i]))
			return &variants[i];
	return NULL;
}

/* ---- mounting ---- */

/* Options for one variant. The kernel resolves no names: the numeric address is mandatory. */
static void options_print(const struct netfs_request *q, const struct variant *v, const struct address *a,
                          struct buf *out)
{
	char local[64];

	buf_printf(out, "%s%s%s=%s", v->options ? v->options : "", v->options ? "," : "",
	           is_cifs(q->d) ? "ip" : "addr", a->text);
	if (a->port != v->port && !q->port)
		buf_printf(out, ",port=%d", a->port);
	if (v->version && v->version[0] == '4' && net_local(a, local, sizeof(local), NULL) == 0)
		buf_printf(out, ",clientaddr=%s", local);
	if (is_cifs(q->d) && q->version[0])
		buf_printf(out, ",vers=%s", q->version);
	buf_adds(out, buf_str(&q->own));
}

/* One attempt: one version, one address. */
static int mount_variant(const struct netfs_request *q, const struct variant *v, const char *host,
                         const struct address *a, struct err *e)
{
	cleanup_buf struct buf source = BUF_INIT, options = BUF_INIT;

	module_load_wanted(v->modules);
	source_print(q->d, host, &source);
	options_print(q, v, a, &options);
	if (source.failed || options.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot mount from %s: out of memory", host);
	if (mount_make(&(struct mount_request){ .fstype = v->fstype,
	                                        .source = buf_str(&source),
	                                        .target = q->d->target.path,
	                                        .options = buf_str(&options),
	                                        .password = q->password[0] ? q->password : NULL },
	               e) == 0)
		return 0;
	/* The kernel says the same of a version whose module it cannot load as of one that the server does
	 * not speak. */
	if (e->sys == ENODEV || e->sys == EPROTONOSUPPORT)
		module_explain(v->modules, e);
	return -1;
}

/* The server or the kernel does not do this version: a lower one may do. Anything else is an answer. */
static bool lower_may_help(const struct err *e)
{
	return e->sys == EPROTONOSUPPORT || e->sys == EINVAL || e->sys == EOPNOTSUPP || e->sys == EPROTO ||
	       e->sys == EREMOTEIO;
}

static int mount_from(const struct netfs_request *q, const char *host, const struct address *a, struct err *e)
{
	for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
		if (!is_wanted(q, &variants[v]))
			continue;
		if (mount_variant(q, &variants[v], host, a, e) == 0)
			return 0;
		if (!lower_may_help(e))
			break;
	}
	if (err_is(e, ERR_AUTH) && !is_cifs(q->d))
		return err_set(e, ERR_AUTH,
		               "cannot mount %s:%s: the server refused: is %s exported to this address?",
		               host, q->d->source.dir, q->d->source.dir);
	if (err_is(e, ERR_WAIT_SERVER))
		snprintf(e->waits_for, sizeof(e->waits_for), "server=%s:%d", a->text, a->port);
	return -1;
}

struct host {
	const struct netfs_request *q;
	const char *name;
};

/* At one address of a host that is there. A server may admit an address of ours and not the other; a password
 * is refused by all of them. */
static int mount_at(void *arg, const struct address *a, struct err *e)
{
	const struct host *h = arg;

	if (mount_from(h->q, h->name, a, e) == 0)
		return 0;
	return net_another_may_do(e) || (err_is(e, ERR_AUTH) && !is_cifs(h->q->d)) ? 1 : -1;
}

/* One host of the source: its addresses, whether one of them is there at all, then the versions. Calls that
 * block for minutes come last. */
static int try_host(const struct netfs_request *q, const struct pool_host *h, struct op *op,
                    size_t hosts_left, struct err *e)
{
	struct host host = { q, h->name };
	uint64_t now = clock_ms();
	const int port = q->port ? q->port : first_wanted(q)->port;

	return net_try(&(struct net_trial){ .host = q->address[0] ? q->address : h->name,
	                                    .port = h->port ? h->port : port,
	                                    .family = q->family,
	                                    .probe = q->tcp ? PROBE_ALWAYS : PROBE_NEVER,
	                                    .deadline = op->deadline > now
	                                                        ? now + (op->deadline - now) / hosts_left
	                                                        : now,
	                                    .op = op,
	                                    .use = mount_at,
	                                    .arg = &host },
	               e);
}

/* A password that one host refuses is not tried at the next: that locks accounts. */
static int try_hosts(const struct netfs_request *q, struct op *op, struct err *e)
{
	size_t n = q->d->source.nhosts;

	for (size_t h = 0; h < n; h++) {
		struct err one = { 0 };

		if (try_host(q, &q->d->source.hosts[h], op, n - h, &one) == 0)
			return 0;
		net_also(e, &one);
		if (is_cifs(q->d) && err_is(&one, ERR_AUTH)) {
			e->class = ERR_AUTH;
			break;
		}
	}
	return -1;
}

/* ---- the operations ---- */

/* Does the mount table's spelling mean this? A final slash, and brackets around an IPv6 address, make no
 * difference. */
static bool same_source(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "[]");
		b += strspn(b, "[]");
		if (*a != *b || !*a)
			break;
	}
	return !a[strspn(a, "/")] && !b[strspn(b, "/")];
}

/* A mount of one of the definition's servers: any of them is the pool's. */
static bool netfs_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	bool same = false;

	if (is_cifs(d) ? !streq(m->fstype, "cifs") && !streq(m->fstype, "smb3")
	               : !streq(m->fstype, "nfs") && !streq(m->fstype, "nfs4"))
		return false;
	for (size_t h = 0; h < d->source.nhosts && !same; h++) {
		cleanup_buf struct buf source = BUF_INIT;

		source_print(d, d->source.hosts[h].name, &source);
		same = same_source(buf_str(&source), m->source);
	}
	return same;
}

static int netfs_start(const struct pool_def *d, struct op *op, struct err *e)
{
	enum pool_state state;
	struct err why = { 0 };
	struct netfs_request q;
	int rc = -1;

	if (netfs_validate(d, e) < 0 || mount_check(d, netfs_is_mount, &state, NULL, e) < 0)
		return -1;
	if (state == STATE_ACTIVE)
		return 0;
	if (request_make(&q, d, &why) == 0)
		rc = try_hosts(&q, op, &why);
	/* The password is wiped whatever came of it. */
	netfs_request_free(&q);
	if (rc < 0 && e)
		*e = why;
	return rc;
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

/* The directory alone: whether two servers are one is asked of the name service, and only where that
 * decides. */
static int netfs_identify(const struct pool_def *d, struct op *op, struct buf *facts, struct err *e)
{
	const struct places *places = places_now(e);

	(void)op;
	if (places)
		identity_path(places, d->target.path, IDENTITY_PLACE, facts);
	return places ? 0 : -1;
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

/* "/export    client,client": the path is everything up to the last run of spaces. */
static bool add_export(const struct pool_def *source, char *line, struct buf *out)
{
	char *end = line + strlen(line);

	while (end > line && end[-1] != ' ' && end[-1] != '\t')
		end--;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	if (*line != '/' || !check_text(line))
		return false;
	netfs_add_found(source, line, "nfs", out);
	return true;
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

/* The MOUNT protocol of NFS 3 lists exports; NFS 4 has no such question. */
static int ask_exports(struct question *k, const char *server, struct err *e)
{
	const char *const argv[] = { "showmount", "--no-headers", "--exports", server, NULL };

	k->found = find_by(argv, k->source, k->op, add_export, k->out, e);
	return k->found < 0 ? -1 : 0;
}

static int ask_exports_at(void *arg, const struct address *a, struct err *e)
{
	return ask_exports(arg, a->text, e) < 0 ? 1 : 0;
}

/* showmount tries one address only: where there are several, it is given one that answers. What only the
 * system's own name service knows is left to it. */
static int find_exports(struct question *k, const char *host, struct err *e)
{
	struct net_trial trial = { .host = host,
		                   .port = RPCBIND_PORT,
		                   .family = AF_UNSPEC,
		                   .probe = PROBE_ALWAYS,
		                   .deadline = k->op->deadline,
		                   .use = ask_exports_at,
		                   .arg = k };
	struct addresses set;

	if (net_resolve(host, RPCBIND_PORT, &set, NULL) < 0 || set.n < 2)
		return ask_exports(k, host, e);
	return net_try(&trial, e);
}

/* What a server offers: its NFS exports by showmount(8), and gluster's volumes where that program is
 * installed. One of the two is enough. */
static int netfs_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	const char *name = source->source.nhosts == 1 ? source->source.hosts[0].name : NULL;
	struct question k = { source, op, out, -1 };
	cleanup_buf struct buf remote = BUF_INIT;
	struct err why = { 0 };
	char host[256];
	int gluster = 0;

	if (!name)
		return err_set(e, ERR_INVALID,
		               "looking for netfs pools needs exactly one host, the server to ask");
	name += *name == '['; /* the brackets belong to a path behind the address */
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(name, "]"), name);
	find_exports(&k, host, &why);
	buf_printf(&remote, "--remote-host=%s", host);
	const char *const volumes[] = {
		"gluster", "--mode=script", buf_str(&remote), "volume", "list", NULL
	};
	if (spawn_find(volumes[0]))
		gluster = find_by(volumes, source, op, add_volume, out, NULL);
	if (k.found > 0 || gluster > 0)
		return 0;
	if (k.found == 0)
		return err_set(e, ERR_STORAGE, "%s exports nothing", host);
	if (e)
		*e = why;
	return err_wrap(
		e, ERR_KEEP,
		"cannot ask %s for its exports (a server that speaks only NFS 4 has no answer to that)",
		host);
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
	.check = netfs_check,
	.start = netfs_start,
	.stop = netfs_stop,
	.builds_directory = true,
	.build = files_build,
	.delete = files_delete,
	.find = netfs_find,
	.identify = netfs_identify,
	.refresh = files_refresh,
	.vol_create = file_vol_create,
	.vol_delete = file_vol_delete,
	.vol_resize = file_vol_resize,
	.vol_wipe = file_vol_wipe,
	.vol_open = file_vol_open,
};
