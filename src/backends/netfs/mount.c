/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Mounting from one of the definition's hosts, by one of the protocols that it leaves.
 *
 * The kernel is told everything: version, numeric address, our own address. It resolves nothing, and an
 * attempt at a server that is dead or hangs can take it minutes. So nobody is asked to mount before somebody
 * answers there; each host, and each protocol of it, has its share of the time; and the mount itself is made
 * by a child that is given up when the share is over. Each version is tried by itself, from the newest down,
 * so that each has its own error. mount.nfs(8) is not needed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "backends/netfs/netfs.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"
#include "system/module.h"
#include "system/mount.h"

enum { PING_MS = 5000, ANSWER_MS = 500, KILLED_MS = 1000 };
enum { PROGRAM_NFS = 100003, PROCEDURE_NULL = 0 };

/* ---- formats, protocols and versions ---- */

/* "host:/dir", "[2001:db8::7]:/dir" */
static void print_nfs(const char *host, const char *dir, struct buf *out)
{
	buf_printf(out, strchr(host, ':') && host[0] != '[' ? "[%s]:%s" : "%s:%s", host, dir);
}

/* "//host/share" */
static void print_cifs(const char *host, const char *dir, struct buf *out)
{
	buf_printf(out, "//%s/%s", host, dir + strspn(dir, "/"));
}

/* clang-format off */
static const struct protocol {
	const char *fstypes[2]; /* as the mount table calls its mounts */
	const char *address;    /* the option by which the kernel is told the server's */
	int port;
	/* the source, as the kernel has it */
	void (*print)(const char *host, const char *dir, struct buf *out);
} protocols[NETFS_PROTOCOLS] = {
	[NETFS_NFS]  = { { "nfs", "nfs4" },  "addr", 2049, print_nfs },
	[NETFS_CIFS] = { { "cifs", "smb3" }, "ip",   445,  print_cifs },
	[NETFS_GLUSTER] = { .port = GLUSTER_PORT },
};

/* What <format> leaves. */
static const struct {
	const char *word;
	unsigned protocols;
} formats[] = {
	{ "auto", NETFS_ANY },
	{ "nfs",  NETFS_FOR(NETFS_NFS) },
	{ "cifs", NETFS_FOR(NETFS_CIFS) },
	{ "glusterfs", NETFS_FOR(NETFS_GLUSTER) },
};

/* One way to mount, in the order in which they are tried. */
static const struct netfs_way {
	enum netfs_protocol protocol;
	const char *fstype;             /* as the kernel calls it */
	const char *version;            /* as in <protocol ver='…'/>; NULL: kernel and server agree on one */
	const char *options;            /* before the definition's own */
	const char *modules;
} ways[] = {
	{ NETFS_NFS,  "nfs",  "4.2", "vers=4.2",      "nfs nfsv4" },
	{ NETFS_NFS,  "nfs",  "4.1", "vers=4.1",      "nfs nfsv4" },
	{ NETFS_NFS,  "nfs",  "4.0", "vers=4.0",      "nfs nfsv4" },
	{ NETFS_NFS,  "nfs",  "3",   "vers=3,nolock", "nfs nfsv3" },
	{ NETFS_CIFS, "cifs", NULL,  NULL,            "cifs" },
};
/* clang-format on */

/* Does that way have the version? "4" is any of its minor ones. */
static bool has_version(const struct netfs_way *w, const char *version)
{
	return w->version && (streq(w->version, version) || (streq(version, "4") && w->version[0] == '4'));
}

static bool is_nfs_version(const char *version)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (has_version(&ways[i], version))
			return true;
	return false;
}

static int no_such_version(const char *version, struct err *e)
{
	return err_set(e, ERR_INVALID, "NFS version \"%.40s\" is not one of 3, 4, 4.0, 4.1, 4.2", version);
}

/* What <format> leaves, and the source: an export of NFS is an absolute path, and has versions that
 * <protocol> can name; a gluster volume has a name. */
static int protocols_of_source(const struct pool_def *d, unsigned *set, struct err *e)
{
	const char *format = d->source.format ? d->source.format : "auto";
	struct gluster_mount g;

	*set = 0;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (streq(formats[i].word, format))
			*set = formats[i].protocols;
	if (*set == 0)
		return err_set(e, ERR_UNSUPPORTED,
		               "cannot mount netfs pools of format \"%s\": nfs, cifs and glusterfs can be",
		               format);
	if (*set == NETFS_FOR(NETFS_GLUSTER))
		return d->source.protocol
		               ? err_set(e, ERR_INVALID,
		                         "a gluster volume has no <protocol>: only NFS has versions")
		               : netfs_gluster_mount(d, &g, e);
	if (netfs_gluster_mount(d, &g, NULL) < 0)
		*set &= ~NETFS_FOR(NETFS_GLUSTER);
	if (d->source.dir[0] != '/')
		*set &= ~NETFS_FOR(NETFS_NFS);
	if (d->source.protocol)
		*set &= NETFS_FOR(NETFS_NFS);
	if (d->source.protocol && !is_nfs_version(d->source.protocol))
		return no_such_version(d->source.protocol, e);
	return 0;
}

/* Whose words are those that not all protocols have? */
static const char *words_owner(unsigned set)
{
	if (set == NETFS_FOR(NETFS_NFS))
		return "NFS";
	return set == NETFS_FOR(NETFS_CIFS) ? "CIFS" : "NFS and CIFS";
}

int netfs_protocols(const struct pool_def *d, unsigned *set, struct err *e)
{
	demand(set, e);

	struct netfs_words words;
	int rc = netfs_words_read(d->mount_words, &words, e);

	if (rc == 0)
		rc = protocols_of_source(d, set, e);
	if (rc == 0 && *set == 0)
		rc = err_set(e, ERR_INVALID,
		             "an NFS export is an absolute path, and only NFS has a <protocol>: nothing "
		             "can be mounted from \"%.100s\"",
		             d->source.dir);
	if (rc == 0 && (*set &= words.protocols) == 0)
		rc = err_set(e, ERR_INVALID, "<mount> has words of %s, and nothing of that is \"%.100s\"",
		             words_owner(words.protocols), d->source.dir);
	netfs_words_free(&words);
	return rc;
}

/* Is this a way that the definition allows? "4" is any of version 4. */
static bool is_wanted(const struct netfs_request *q, const struct netfs_way *w)
{
	if (w->protocol != q->protocol)
		return false;
	if (!w->version || !q->version[0])
		return true;
	return has_version(w, q->version);
}

/* The first way that will be tried; NULL: there is no such version. */
static const struct netfs_way *first_wanted(const struct netfs_request *q)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (is_wanted(q, &ways[i]))
			return &ways[i];
	return NULL;
}

/* ---- which mounts are ours ---- */

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

bool netfs_is_mount(const struct pool_def *d, const struct mount_entry *m)
{
	struct gluster_mount g;
	unsigned set;
	bool same = false;

	if (protocols_of_source(d, &set, NULL) < 0)
		return false;
	if ((set & NETFS_FOR(NETFS_GLUSTER)) && netfs_gluster_mount(d, &g, NULL) == 0 &&
	    gluster_is_mount_of(&g, m))
		return true;
	for (size_t p = 0; p < NETFS_GLUSTER; p++) {
		const struct protocol *row = &protocols[p];

		if (!(set & NETFS_FOR(p)) ||
		    (!streq(m->fstype, row->fstypes[0]) && !streq(m->fstype, row->fstypes[1])))
			continue;
		for (size_t h = 0; h < d->source.nhosts && !same; h++) {
			cleanup_buf struct buf source = BUF_INIT;

			row->print(d->source.hosts[h].name, d->source.dir, &source);
			same = same_source(buf_str(&source), m->source);
		}
	}
	return same;
}

/* ---- one attempt ---- */

/* One host, by one protocol. */
struct attempt {
	const struct netfs_request *q;
	const char *host;
	uint64_t deadline;
};

/* Options for one way. The kernel resolves no names: the numeric address is mandatory. */
static void options_print(const struct netfs_request *q, const struct netfs_way *w, const struct address *a,
                          struct buf *out)
{
	const struct protocol *p = &protocols[q->protocol];
	char local[64], port[16];

	buf_printf(out, "%s%s%s=%s", w->options ? w->options : "", w->options ? "," : "", p->address,
	           a->text);
	if (w->version && w->version[0] == '4' && net_local(a, local, sizeof(local), NULL) == 0)
		buf_printf(out, ",clientaddr=%s", local);
	buf_adds(out, buf_str(&q->own));
	/* behind the definition's own: a host's port counts */
	if (a->port !=
	    (mount_option_value(buf_str(&q->own), "port", port, sizeof(port)) ? atoi(port) : p->port))
		buf_printf(out, ",port=%d", a->port);
}

/* The child that makes the mount: it holds nothing of ours, above all not the way to the supervisor, and goes
 * when we do. */
static _Noreturn void mount_and_end(const struct mount_request *r, struct err *said, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	syscall(SYS_close_range, 3u, ~0u, 0u);
	_exit(mount_make(r, said) < 0);
}

/* Wait for the child's end. Its status; -1: it did not end in time. */
static int child_end(pid_t child, int pidfd, uint64_t deadline)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int status = -1, n;

	while ((n = poll(&p, 1, clock_until(deadline))) < 0 && errno == EINTR)
		;
	return n > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

/* mount_make() until the deadline. A server that answers at first may fall silent then, and the kernel's
 * patience is not ours; whoever waits for a server in there can be killed. */
static int mount_in_time(const struct mount_request *r, uint64_t deadline, struct err *e)
{
	struct err *said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	                        0);
	const pid_t self = getpid();
	cleanup_close int pidfd = -1;
	pid_t child;
	int status = -1, rc = -1;

	if (said == MAP_FAILED)
		return err_set(e, ERR_NO_MEMORY, "cannot mount %s: out of memory", r->source);
	err_set(said, ERR_INTERNAL, "cannot mount %s: who was to do it has died", r->source);
	child = fork();
	if (child == 0)
		mount_and_end(r, said, self);
	pidfd = child > 0 ? (int)syscall(SYS_pidfd_open, child, 0) : -1;
	if (pidfd < 0)
		err_sys(said, errno, "cannot mount %s", r->source);
	else
		status = child_end(child, pidfd, deadline);
	if (status < 0 && child > 0) {
		kill(child, SIGKILL);
		status = child_end(child, pidfd, clock_ms() + KILLED_MS);
		if (!WIFEXITED(status)) /* else it had come to its end, good or bad, at the last moment */
			status = -1;
	}
	if (status < 0 && pidfd >= 0) {
		err_set(said, ERR_WAIT_SERVER,
		        "cannot mount %s (%s) at %s: the server is there, but does not answer in time",
		        r->source, r->fstype, r->target);
		said->sys = ETIMEDOUT;
	}
	if (status == 0)
		rc = 0;
	else if (e)
		*e = *said;
	munmap(said, sizeof(*said));
	return rc;
}

/* One attempt: one way, one address. */
static int mount_way(const struct attempt *t, const struct netfs_way *w, const struct address *a,
                     struct err *e)
{
	cleanup_buf struct buf source = BUF_INIT, options = BUF_INIT;
	const struct netfs_request *q = t->q;

	module_load_wanted(w->modules);
	protocols[q->protocol].print(t->host, q->d->source.dir, &source);
	options_print(q, w, a, &options);
	if (source.failed || options.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot mount from %s: out of memory", t->host);
	if (mount_in_time(&(struct mount_request){ .fstype = w->fstype,
	                                           .source = buf_str(&source),
	                                           .target = q->d->target.path,
	                                           .options = buf_str(&options),
	                                           .password = q->password[0] ? q->password : NULL },
	                  t->deadline, e) == 0)
		return 0;
	/* The kernel says the same of a version whose module it cannot load as of one that the server does
	 * not speak. */
	if (e->sys == ENODEV || e->sys == EPROTONOSUPPORT)
		module_explain(w->modules, e);
	return -1;
}

/* The server or the kernel does not do this version: a lower one may do. Anything else is an answer. */
static bool lower_may_help(const struct err *e)
{
	return e->sys == EPROTONOSUPPORT || e->sys == EINVAL || e->sys == EOPNOTSUPP || e->sys == EPROTO ||
	       e->sys == EREMOTEIO;
}

static int mount_from(const struct attempt *t, const struct address *a, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (!is_wanted(t->q, &ways[i]))
			continue;
		if (mount_way(t, &ways[i], a, e) == 0)
			return 0;
		if (!lower_may_help(e))
			break;
	}
	if (err_is(e, ERR_AUTH) && t->q->protocol == NETFS_NFS)
		return err_set(e, ERR_AUTH,
		               "cannot mount %s:%s: the server refused: is %s exported to this address?",
		               t->host, t->q->d->source.dir, t->q->d->source.dir);
	if (err_is(e, ERR_WAIT_SERVER))
		snprintf(e->waits_for, sizeof(e->waits_for), "server=%s:%d", a->text, a->port);
	return -1;
}

/* Does an NFS server answer there? The kernel would find out as well, in minutes. Any good answer will do:
 * which versions it speaks is the kernel's to find out. */
static int nfs_ping(const struct attempt *t, const struct address *a, struct err *e)
{
	const struct rpc_call call = { .program = PROGRAM_NFS,
		                       .version = (uint32_t)(first_wanted(t->q)->version[0] - '0'),
		                       .procedure = PROCEDURE_NULL };
	cleanup_buf struct buf answer = BUF_INIT;
	struct err why = { 0 };
	struct xdr results;

	if (rpc_call(a, &call, least(t->deadline, clock_ms() + PING_MS), &answer, &results, &why) == 0 ||
	    err_is(&why, ERR_UNSUPPORTED) || err_is(&why, ERR_AUTH))
		return 0;
	*e = why;
	return err_wrap(e, net_another_may_do(e) ? ERR_KEEP : ERR_STORAGE, "no NFS server is there");
}

/* Does a gluster server have the volume? Who mounts it is not us. */
static int volume_at(const struct attempt *t, const struct address *a, struct err *e)
{
	struct gluster_mount g;

	if (netfs_gluster_mount(t->q->d, &g, e) < 0)
		return -1;
	if (gluster_ask(a, g.volume, t->deadline, e) == 0)
		return 0;
	return e->sys == ENOENT ? -1 : 1;
}

/* At one address of a host that is there. A server may admit an address of ours and not the other; a password
 * is refused by all of them. */
static int mount_at(void *arg, const struct address *a, struct err *e)
{
	const struct attempt *t = arg;
	const bool nfs = t->q->protocol == NETFS_NFS;

	if (t->q->protocol == NETFS_GLUSTER)
		return volume_at(t, a, e);
	if (nfs && t->q->tcp && nfs_ping(t, a, e) < 0)
		return 1;
	if (mount_from(t, a, e) == 0)
		return 0;
	return net_another_may_do(e) || (err_is(e, ERR_AUTH) && nfs) ? 1 : -1;
}

/* ---- one host after the other ---- */

/* What a start works with: a request for each protocol that is left. */
struct start {
	const struct pool_def *d;
	struct op *op;
	unsigned set;  /* of protocols */
	bool rejected; /* a CIFS server has refused who we are, and there is no way out */
	bool gluster;  /* a server has it as a volume */
	struct netfs_request requests[NETFS_PROTOCOLS];
};

/* The share of the time until `deadline` that the first of so many has. A little is left for the answer. */
static uint64_t share_of(uint64_t deadline, size_t many)
{
	uint64_t now = clock_ms(), left = deadline > now + ANSWER_MS ? deadline - now - ANSWER_MS : 0;

	return now + left / many;
}

/* One host, by one protocol: its addresses, whether somebody answers at one of them, then the versions. */
static int try_protocol(struct start *s, const struct netfs_request *q, const struct pool_host *h,
                        uint64_t deadline, struct err *e)
{
	struct attempt t = { q, h->name, deadline };
	const int port = q->port ? q->port : protocols[q->protocol].port;

	if (q->protocol == NETFS_NFS && !first_wanted(q)) /* by the option vers= */
		return no_such_version(q->version, e);
	return net_try(&(struct net_trial){ .host = q->address[0] ? q->address : h->name,
	                                    .port = h->port ? h->port : port,
	                                    .family = q->family,
	                                    .probe = q->tcp ? PROBE_ALWAYS : PROBE_NEVER,
	                                    .deadline = deadline,
	                                    .op = s->op,
	                                    .one_of_several = s->d->source.nhosts > 1,
	                                    .use = mount_at,
	                                    .arg = &t },
	               e);
}

/* May the next protocol be tried after what this one said? Not where the server has refused us, or what is
 * wanted is no option at all: that is its answer. */
static bool other_protocol_may_do(const struct err *e)
{
	return !err_is(e, ERR_AUTH) && !err_is(e, ERR_INVALID) && !err_is(e, ERR_BUSY);
}

/* Is that refusal the answer to the start? A guest's is not where another protocol may do: nobody is locked
 * out, and a server that is still to come up may have it. */
static bool is_rejection(const struct start *s, enum netfs_protocol p, const struct err *e)
{
	return p == NETFS_CIFS && err_is(e, ERR_AUTH) &&
	       !(s->requests[p].guest && (s->set & ~NETFS_FOR(NETFS_CIFS)));
}

/* A host's name has no address for either protocol: once is enough. Where one protocol may do later and the
 * other never, it is worth to wait (net_also()). */
static int try_host(struct start *s, const struct pool_host *h, uint64_t deadline, struct err *e)
{
	unsigned left = s->set;

	for (size_t p = 0; p < NETFS_PROTOCOLS; p++) {
		const size_t shares = (size_t)__builtin_popcount(left);
		struct err one = { 0 };

		if (!(left & NETFS_FOR(p)))
			continue;
		left &= ~NETFS_FOR(p);
		if (try_protocol(s, &s->requests[p], h, share_of(deadline, shares), &one) == 0) {
			s->gluster = p == NETFS_GLUSTER;
			return 0;
		}
		net_also(e, &one);
		s->rejected |= is_rejection(s, (enum netfs_protocol)p, &one);
		if (s->rejected)
			e->class = one.class;
		if (s->rejected || err_is(&one, ERR_WAIT_NETWORK) ||
		    (!other_protocol_may_do(&one) && !s->requests[p].guest))
			return -1;
	}
	return -1;
}

/* The host whose address the last start has used; n: it is not known. */
static size_t known_host(const struct start *s)
{
	const struct pool_host *hosts = s->d->source.hosts;
	const size_t n = s->d->source.nhosts;
	struct addresses set;

	for (size_t i = 0; i < n && n > 1 && s->op->address; i++)
		if (streq(hosts[i].name, s->op->address) ||
		    (net_resolve(hosts[i].name, 0, &set, NULL) == 0 && net_has(&set, s->op->address)))
			return i;
	return n;
}

/* Which host comes as the i-th of n: the known one first if it answered, and last if the start got stuck in
 * it; the others as the document has them. */
static size_t host_at(size_t i, size_t n, size_t known, bool answered)
{
	if (known == n)
		return i;
	if (answered)
		return i == 0 ? known : i - (i <= known);
	return i == n - 1 ? known : i + (i >= known);
}

/* A password that one host refuses is not tried at the next: that locks accounts. */
static int try_hosts(struct start *s, struct err *e)
{
	const size_t n = s->d->source.nhosts, known = known_host(s);
	const bool answered = s->op->address_answered; /* before this start: it changes on the way */

	for (size_t i = 0; i < n; i++) {
		const struct pool_host *h = &s->d->source.hosts[host_at(i, n, known, answered)];
		struct err one = { 0 };

		if (try_host(s, h, share_of(s->op->deadline, n - i), &one) == 0)
			return 0;
		net_also(e, &one);
		if (s->rejected) {
			e->class = ERR_AUTH;
			break;
		}
	}
	return -1;
}

int netfs_mount(const struct pool_def *d, struct op *op, struct err *e)
{
	demand(d && op, e);

	struct start s = { .d = d, .op = op };
	struct err why = { 0 };
	int rc = netfs_protocols(d, &s.set, &why);

	for (size_t p = 0; p < NETFS_PROTOCOLS && rc == 0; p++)
		if (s.set & NETFS_FOR(p))
			rc = netfs_request_make(&s.requests[p], d, (enum netfs_protocol)p, op->secret_dirs,
			                        &why);
	if (rc == 0)
		rc = try_hosts(&s, &why);
	/* Passwords are wiped whatever came of it. */
	for (size_t p = 0; p < NETFS_PROTOCOLS; p++)
		netfs_request_free(&s.requests[p]);
	if (rc == 0 && s.gluster)
		rc = err_wait(&why, ERR_WAIT_SERVER, "service=glusterfs",
		              "the gluster volume \"%s\" is to be mounted by its client", d->source.dir);
	if (rc < 0 && e)
		*e = why;
	return rc;
}
