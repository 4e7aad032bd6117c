/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability: numeric addresses, and what each way of not answering is called.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "backends/net.h"
#include "base/clock.h"
#include "base/util.h"
#include "check.h"

static void resolves_numeric_addresses(void)
{
	static const struct { const char *host, *text; int family; } cases[] = {
		{ "192.0.2.7", "192.0.2.7", AF_INET },
		{ "2001:db8::7", "2001:db8::7", AF_INET6 },
		{ "[2001:db8:0::7]", "2001:db8::7", AF_INET6 },
		{ "[::1]", "::1", AF_INET6 },
	};
	struct err e = { 0 };
	struct address a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(net_resolve(cases[i].host, 2049, &a, &e) == 0);
		CHECK_STR(a.text, cases[i].text);
		CHECK_INT(a.family, cases[i].family);
		CHECK_INT(a.port, 2049);
	}
}

static void unknown_names_wait_for_the_network(void)
{
	struct err e = { 0 };
	struct address a;

	CHECK(net_resolve("nobody.invalid", 2049, &a, &e) < 0);
	CHECK(err_is(&e, ERR_WAIT_NETWORK));
	CHECK_STR(e.waits_for, "network");
	CHECK(strstr(e.message, "cannot resolve \"nobody.invalid\": ") == e.message);
}

static void refuses_what_is_no_name(void)
{
	char longest[400];
	struct err e = { 0 };
	struct address a;

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(net_resolve(longest, 1, &a, &e) < 0 && err_is(&e, ERR_INVALID));
	CHECK(net_resolve("", 1, &a, &e) < 0 && err_is(&e, ERR_INVALID));
	CHECK(net_resolve("[]", 1, &a, &e) < 0 && err_is(&e, ERR_INVALID));
}

/* A listening socket on 127.0.0.1 or ::1; its address in *a. */
static int listener(int family, int backlog, struct address *a)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	struct sockaddr *any = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	if (fd < 0 || bind(fd, any, len) < 0 || listen(fd, backlog) < 0 || getsockname(fd, any, &len) < 0)
		return -1;
	a->family = family;
	a->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	snprintf(a->text, sizeof(a->text), "%s", family == AF_INET ? "127.0.0.1" : "::1");
	return fd;
}

static void a_listening_server_is_reachable(void)
{
	struct err e = { 0 };
	struct address a;
	int fd = listener(AF_INET, 8, &a);

	CHECK(fd >= 0 && net_reachable(&a, 1000, &e) == 0);
	close(fd);
	fd = listener(AF_INET6, 8, &a);
	if (fd >= 0) {                          /* not every machine has IPv6 */
		CHECK(net_reachable(&a, 1000, &e) == 0);
		close(fd);
	}
	CHECK(e.class == ERR_NONE);
}

static void a_closed_port_refuses(void)
{
	struct err e = { 0 };
	char waits_for[64], start[64];
	struct address a;
	int fd = listener(AF_INET, 8, &a);

	close(fd);
	CHECK(net_reachable(&a, 1000, &e) < 0);
	CHECK(err_is(&e, ERR_WAIT_SERVER));
	CHECK_INT(e.sys, ECONNREFUSED);
	snprintf(waits_for, sizeof(waits_for), "server=127.0.0.1:%d", a.port);
	snprintf(start, sizeof(start), "127.0.0.1:%d refuses", a.port);
	CHECK_STR(e.waits_for, waits_for);
	CHECK(strstr(e.message, start) == e.message);
}

/* A server that does not accept: its queue is filled, further connections get no answer. */
static void silence_ends_at_the_bound(void)
{
	struct err e = { 0 };
	struct address a;
	int fd = listener(AF_INET, 0, &a), clients[4];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)a.port) };

	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(clients[i], (struct sockaddr *)&to, sizeof(to));
	}
	uint64_t start = clock_ms();

	CHECK(net_reachable(&a, 150, &e) < 0);
	CHECK(clock_ms() - start >= 150 && clock_ms() - start < 1500);
	CHECK(err_is(&e, ERR_WAIT_SERVER));
	CHECK(strstr(e.message, "does not answer") != NULL);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
	close(fd);
}

static void tells_the_local_address(void)
{
	struct address a = { .text = "127.0.0.1", .family = AF_INET, .port = 2049 };
	char text[64] = "";
	struct err e = { 0 };

	CHECK(net_local(&a, text, sizeof(text), &e) == 0);
	CHECK_STR(text, "127.0.0.1");
}

/* In a network namespace of its own, where not even the loopback is up. */
static void without_a_route_it_waits_for_the_network(void)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct address a = { .text = "192.0.2.7", .family = AF_INET, .port = 2049 };
		struct err e = { 0 };
		char text[64];

		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
			_exit(77);
		CHECK(net_reachable(&a, 1000, &e) < 0 && err_is(&e, ERR_WAIT_NETWORK));
		CHECK_STR(e.waits_for, "network");
		CHECK_STR(e.message, "no route to 192.0.2.7:2049");
		err_clear(&e);
		CHECK(net_local(&a, text, sizeof(text), &e) < 0 && err_is(&e, ERR_WAIT_NETWORK));
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip without_a_route: no network namespaces here\n");
}

int main(void)
{
	RUN(resolves_numeric_addresses);
	RUN(unknown_names_wait_for_the_network);
	RUN(refuses_what_is_no_name);
	RUN(a_listening_server_is_reachable);
	RUN(a_closed_port_refuses);
	RUN(silence_ends_at_the_bound);
	RUN(tells_the_local_address);
	RUN(without_a_route_it_waits_for_the_network);
	return check_done();
}
