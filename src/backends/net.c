/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability of storage servers: resolved and tried here, with a bound, before the kernel is asked to mount
 * or log in, because those calls block for minutes on a server that is gone.
 */
#include "backends/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/util.h"

/* getaddrinfo() for TCP with the port as a number. */
static int lookup(const char *host, int port, int flags, struct addrinfo **list)
{
	struct addrinfo want = { .ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	char service[16];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(host, service, &want, list);
}

/* As a number, an IPv6 address with its interface where it needs one. getnameinfo(3) does the same, and brings all that names need: 3 kB. */
static int print_address(const struct sockaddr *a, char *text, size_t size, struct err *e)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const void *bytes = a->sa_family == AF_INET6 ? (const void *)&six->sin6_addr : &((const struct sockaddr_in *)(const void *)a)->sin_addr;
	char name[IF_NAMESIZE];

	if (!inet_ntop(a->sa_family, bytes, text, (socklen_t)size))
		return err_sys(e, errno, "cannot write an address");
	if (a->sa_family == AF_INET6 && six->sin6_scope_id && if_indextoname(six->sin6_scope_id, name))
		snprintf(text + strlen(text), size - strlen(text), "%%%s", name);
	return 0;
}

int net_resolve(const char *host, int port, struct address *out, struct err *e)
{
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
	out->family = list->ai_family;
	out->port = port;
	rc = print_address(list->ai_addr, out->text, sizeof(out->text), e);
	freeaddrinfo(list);
	return rc;
}

/* A non-blocking socket whose connect(2) has begun: 0 done, EINPROGRESS, or another errno. */
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

int net_reachable(const struct address *a, uint64_t timeout_ms, struct err *e)
{
	cleanup_close int fd = -1;
	uint64_t deadline = clock_ms() + timeout_ms;
	char server[96], waits_for[112];
	int error = connect_begin(a, SOCK_STREAM, &fd);

	if (error == EINPROGRESS || error == EINTR)
		error = connect_end(fd, deadline);
	if (error == 0)
		return 0;
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
		err_wait(e, ERR_WAIT_SERVER, waits_for, "%s refuses connections (no such service there now)", server);
		break;
	default:
		err_wait(e, ERR_WAIT_SERVER, waits_for, "cannot connect to %s: %s", server, strerror(error));
	}
	if (e)
		e->sys = error;
	return -1;
}

/* A UDP socket sends nothing when it is connected, but the kernel chooses the route and with it our address. */
int net_local(const struct address *a, char *text, size_t size, struct err *e)
{
	cleanup_close int fd = -1;
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);
	int error = connect_begin(a, SOCK_DGRAM, &fd);

	if (error != 0)
		return err_wait(e, ERR_WAIT_NETWORK, "network", "no route to %s: %s", a->text, strerror(error));
	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0)
		return err_sys(e, errno, "cannot find the local address towards %s", a->text);
	return print_address((struct sockaddr *)&local, text, size, e);
}
