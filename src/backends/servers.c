/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability of storage servers: resolved and tried here, with a bound, before the kernel is
 * asked to mount or log in, because those calls block for minutes on a server that is gone.
 *
 * A name may have several addresses, of which some are dead. Each is asked for a short time, the one that
 * answered last goes first, and one in whose use a worker has died goes last; so a start is not slow for
 * ever because of one bad address.
 */
#include "backends/servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

/* getaddrinfo() for TCP with the port as a number. */
static int lookup(const char *host, int port, int flags, struct addrinfo **list)
{
	struct addrinfo want = { .ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	char service[16];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(host, service, &want, list);
}

/* As a number, an IPv6 address with its interface where it needs one. getnameinfo(3) does the same, and
 * brings all that names need: 3 kB. */
static int print_address(const struct sockaddr *a, char *text, size_t size, struct err *e)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const void *bytes = a->sa_family == AF_INET6
	                            ? (const void *)&six->sin6_addr
	                            : &((const struct sockaddr_in *)(const void *)a)->sin_addr;
	char name[IF_NAMESIZE];

	if (!inet_ntop(a->sa_family, bytes, text, (socklen_t)size))
		return err_sys(e, errno, "cannot write an address");
	if (a->sa_family == AF_INET6 && six->sin6_scope_id && if_indextoname(six->sin6_scope_id, name))
		snprintf(text + strlen(text), size - strlen(text), "%%%s", name);
	return 0;
}

bool net_has(const struct addresses *set, const char *text)
{
	for (size_t i = 0; i < set->n; i++)
		if (streq(set->list[i].text, text))
			return true;
	return false;
}

/* What the name service answered, each address once. */
static int take_all(const struct addrinfo *list, int port, struct addresses *out, struct err *e)
{
	out->n = 0;
	for (; list && out->n < ARRAY_LEN(out->list); list = list->ai_next) {
		struct address *a = &out->list[out->n];

		*a = (struct address){ .family = list->ai_family, .port = port, .rank = (unsigned)out->n };
		if (print_address(list->ai_addr, a->text, sizeof(a->text), e) < 0)
			return -1;
		out->n += !net_has(out, a->text);
	}
	return 0;
}

int net_resolve(const char *host, int port, struct addresses *out, struct err *e)
{
	demand(host && out, e);

	struct addrinfo *list = NULL;
	char name[256];
	size_t len = strlen(host);

	/* An IPv6 address may be written in brackets, as in URLs. */
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(name))
		return err_set(e, ERR_INVALID, "\"%.64s\" is not a host name", host);
	memcpy(name, host, len);
	name[len] = '\0';

	int rc = lookup(name, port, AI_NUMERICHOST, &list);

	if (rc != 0)
		rc = lookup(name, port, AI_ADDRCONFIG, &list);
	if (rc == EAI_MEMORY)
		return err_set(e, ERR_NO_MEMORY, "cannot resolve \"%s\": out of memory", name);
	if (rc != 0)
		return err_wait(e, ERR_WAIT_NETWORK, "network", "cannot resolve \"%s\": %s", name,
		                rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	rc = take_all(list, port, out, e);
	freeaddrinfo(list);
	return rc;
}

bool net_same_host(const char *a, const char *b)
{
	struct addresses x, y;
	bool same = false;

	if (strcasecmp(a, b) == 0)
		return true;
	if (net_resolve(a, 0, &x, NULL) < 0 || net_resolve(b, 0, &y, NULL) < 0)
		return false;
	for (size_t i = 0; i < x.n && !same; i++)
		same = net_has(&y, x.list[i].text);
	return same;
}

/* Is what they want of a server the same, whoever the server is? An empty key wants nothing. */
static bool want_the_same(const struct pool_def *a, const struct pool_def *b)
{
	cleanup_buf struct buf mine = BUF_INIT, theirs = BUF_INIT;

	pool_source_key_of_any_host(a, &mine);
	pool_source_key_of_any_host(b, &theirs);
	return mine.len && streq(buf_str(&mine), buf_str(&theirs));
}

/* Of several hosts, as NFS replicas have them, one in common is enough. */
static bool hosts_meet(const struct pool_def *a, const struct pool_def *b, int port,
                       const struct pool_host **h, const struct pool_host **g)
{
	for (size_t i = 0; i < a->source.nhosts; i++)
		for (size_t k = 0; k < b->source.nhosts; k++) {
			*h = &a->source.hosts[i];
			*g = &b->source.hosts[k];
			if (((*h)->port ? (*h)->port : port) == ((*g)->port ? (*g)->port : port) &&
			    net_same_host((*h)->name, (*g)->name))
				return true;
		}
	return false;
}

bool net_same_server(const struct pool_def *a, const struct pool_def *b, char *out, size_t size)
{
	demand_or(a && b && out && size > 0, false);

	const struct pool_type_info *info = pool_type_info(a->type);
	const struct pool_host *h, *g;

	if (a->type != b->type || !(info->stands_on & ON_SERVER) || !want_the_same(a, b) ||
	    !hosts_meet(a, b, info->port, &h, &g))
		return false;
	snprintf(out, size, "%.200s and %.200s are the same server, and both want %.200s of it", h->name,
	         g->name, info->fields & FIELD_DEVICE ? a->source.devices[0].path : a->source.dir);
	return true;
}

/* Begin to connect: a non-blocking socket whose connect(2) is done (0), under way (EINPROGRESS) or failed
 * (another errno). *fd is the caller's in any case, -1 if there is none. */
static int connect_begin(const struct address *a, int type, int *fd)
{
	struct addrinfo *list = NULL;
	int result = 0;

	if (lookup(a->text, a->port, AI_NUMERICHOST, &list) != 0)
		return EADDRNOTAVAIL;
	*fd = socket(list->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, list->ai_addr, list->ai_addrlen) < 0)
		result = errno;
	freeaddrinfo(list);
	return result;
}

/* The outcome of a connect(2) under way: 0 or an errno. */
static int connect_end(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	for (;;) {
		int n = poll(&p, 1, clock_until(deadline));

		if (n > 0)
			break;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* "192.0.2.7:2049", "[2001:db8::7]:2049" */
static void address_print(const struct address *a, char *out, size_t size)
{
	snprintf(out, size, a->family == AF_INET6 ? "[%s]:%d" : "%s:%d", a->text, a->port);
}

int net_connect(const struct address *a, uint64_t deadline, struct err *e)
{
	cleanup_close int fd = -1;
	char server[96], waits_for[112];
	int error = connect_begin(a, SOCK_STREAM, &fd);

	if (error == EINPROGRESS || error == EINTR)
		error = connect_end(fd, deadline);
	if (error == 0)
		return steal_fd(&fd);
	address_print(a, server, sizeof(server));
	snprintf(waits_for, sizeof(waits_for), "server=%s", server);
	switch (error) {
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		err_wait(e, ERR_WAIT_NETWORK, "network", "no route to %s", server);
		break;
	case ETIMEDOUT:
		err_wait(e, ERR_WAIT_SERVER, waits_for, "%s does not answer", server);
		break;
	case ECONNREFUSED:
		err_wait(e, ERR_WAIT_SERVER, waits_for, "%s refuses connections (no such service there now)",
		         server);
		break;
	default:
		err_wait(e, ERR_WAIT_SERVER, waits_for, "cannot connect to %s: %s", server, strerror(error));
	}
	if (e)
		e->sys = error;
	return -1;
}

int net_reachable(const struct address *a, uint64_t timeout_ms, struct err *e)
{
	cleanup_close int fd = net_connect(a, clock_ms() + timeout_ms, e);

	return fd < 0 ? -1 : 0;
}

/* A UDP socket sends nothing when it is connected, but the kernel chooses the route and with it our
 * address. */
int net_local(const struct address *a, char *text, size_t size, struct err *e)
{
	demand(text && size > 0, e);

	cleanup_close int fd = -1;
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);
	int error = connect_begin(a, SOCK_DGRAM, &fd);

	if (error != 0)
		return err_wait(e, ERR_WAIT_NETWORK, "network", "no route to %s: %s", a->text,
		                strerror(error));
	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0)
		return err_sys(e, errno, "cannot find the local address towards %s", a->text);
	return print_address((struct sockaddr *)&local, text, size, e);
}

/* ---- one address after the other ---- */

enum { PROBE_MS = 3000, PROBE_LEAST_MS = 100 };

bool net_another_may_do(const struct err *e)
{
	return err_is(e, ERR_WAIT_SERVER) || err_is(e, ERR_WAIT_NETWORK) || err_is(e, ERR_TIMEOUT);
}

void net_also(struct err *all, const struct err *one)
{
	demand_or(all && one, );

	static const int worth[] = { [REMEDY_NONE] = 0, [REMEDY_EVENT] = 1, [REMEDY_RETRY] = 2 };
	struct err sum = *one;

	if (all->class == ERR_NONE) {
		*all = *one;
		return;
	}
	err_set(&sum, one->class, "%s; %s", all->message, one->message);
	if (worth[err_remedy(one->class)] > worth[err_remedy(all->class)]) {
		all->class = one->class;
		all->sys = one->sys;
		memcpy(all->waits_for, one->waits_for, sizeof(all->waits_for));
	}
	memcpy(all->message, sum.message, sizeof(all->message));
}

/* The address that answered last comes first, and one whose use was begun and never ended well comes last. */
static void arrange(struct addresses *set, const struct op *op)
{
	struct address moved;
	size_t i = 0;

	while (op && op->address && i < set->n && !streq(set->list[i].text, op->address))
		i++;
	if (!op || !op->address || i == set->n)
		return;
	moved = set->list[i];
	if (op->address_answered) {
		memmove(set->list + 1, set->list, i * sizeof(moved));
		set->list[0] = moved;
	} else {
		memmove(set->list + i, set->list + i + 1, (set->n - i - 1) * sizeof(moved));
		set->list[set->n - 1] = moved;
	}
}

/* Leave out the addresses of the other family, in the order in which they are. */
static void keep_family(struct addresses *set, int family)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (family == AF_UNSPEC || set->list[i].family == family)
			set->list[n++] = set->list[i];
	set->n = n;
}

/* Only where there is a choice, of addresses or of hosts: the only one need not be remembered. */
static void tell_address(const struct net_trial *t, const struct addresses *set, const struct address *a,
                         bool answered)
{
	if ((set->n > 1 || t->one_of_several) && t->op && t->op->on_address)
		t->op->on_address(t->op, a->text, answered);
}

/* Half of the time that is left belongs to finding out who is there; those that have not been asked yet share
 * it. */
static uint64_t probe_time(uint64_t deadline, size_t left)
{
	uint64_t now = clock_ms(), share = deadline > now ? (deadline - now) / 2 / left : 0;

	if (share > PROBE_MS)
		return PROBE_MS;
	return share < PROBE_LEAST_MS ? PROBE_LEAST_MS : share;
}

/* One address. 0 done; 1 another may do; -1 none will. */
static int try_one(const struct net_trial *t, const struct addresses *set, size_t i, struct err *e)
{
	const struct address *a = &set->list[i];
	bool probe = t->probe == PROBE_ALWAYS || (t->probe == PROBE_SEVERAL && set->n > 1);
	char where[96];
	int rc;

	if (probe && net_reachable(a, probe_time(t->deadline, set->n - i), e) < 0)
		return 1;
	/* should it hang in there, the next attempt begins with another one */
	tell_address(t, set, a, false);
	rc = t->use(t->arg, a, e);
	if (rc == 0) {
		tell_address(t, set, a, true);
	} else if (set->n > 1) {
		address_print(a, where, sizeof(where));
		err_wrap(e, ERR_KEEP, "%s", where);
	}
	return rc;
}

int net_try(const struct net_trial *t, struct err *e)
{
	demand(t->host && t->use, e);

	struct err all = { 0 }, one = { 0 };
	struct addresses set;
	int rc = 1;

	if (net_resolve(t->host, t->port, &set, e) < 0)
		return -1;
	keep_family(&set, t->family);
	if (set.n == 0)
		return err_set(e, ERR_INVALID,
		               "\"%s\" has no address of IPv%d, which the definition's options want", t->host,
		               t->family == AF_INET6 ? 6 : 4);
	arrange(&set, t->op);
	for (size_t i = 0; i < set.n && rc > 0; i++) {
		err_clear(&one);
		rc = try_one(t, &set, i, &one);
		if (rc != 0)
			net_also(&all, &one);
	}
	if (rc == 0)
		return 0;
	if (rc < 0) {
		all.class = one.class;
		all.sys = one.sys;
		memcpy(all.waits_for, one.waits_for, sizeof(all.waits_for));
	} else if (set.n > 1) {
		err_wrap(&all, ERR_KEEP, "none of the %zu addresses of \"%s\" will do", set.n, t->host);
		if (err_is(&all, ERR_WAIT_SERVER))
			snprintf(all.waits_for, sizeof(all.waits_for), "server=%.200s:%d", t->host, t->port);
	}
	if (e)
		*e = all;
	return -1;
}
