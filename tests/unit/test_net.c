/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and reachability: numeric addresses, and what each way of not answering is called.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "backends/servers.h"
#include "base/clock.h"
#include "base/util.h"
#include "check.h"

static void resolves_numeric_addresses(void)
{
	static const struct {
		const char *host, *text;
		int family;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7", AF_INET },
		{ "2001:db8::7", "2001:db8::7", AF_INET6 },
		{ "[2001:db8:0::7]", "2001:db8::7", AF_INET6 },
		{ "[::1]", "::1", AF_INET6 },
	};
	struct err e = { 0 };
	struct addresses set;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(net_resolve(cases[i].host, 2049, &set, &e) == 0);
		CHECK_INT(set.n, 1);
		CHECK_STR(set.list[0].text, cases[i].text);
		CHECK_INT(set.list[0].family, cases[i].family);
		CHECK_INT(set.list[0].port, 2049);
	}
}

static void unknown_names_wait_for_the_network(void)
{
	struct err e = { 0 };
	struct addresses a;

	CHECK(net_resolve("nobody.invalid", 2049, &a, &e) < 0);
	CHECK(err_is(&e, ERR_WAIT_NETWORK));
	CHECK_STR(e.waits_for, "network");
	CHECK(strstr(e.message, "cannot resolve \"nobody.invalid\": ") == e.message);
}

static void refuses_what_is_no_name(void)
{
	char longest[400];
	struct err e = { 0 };
	struct addresses a;

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
	if (fd >= 0) { /* not every machine has IPv6 */
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
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                  .sin_port = htons((uint16_t)a.port) };

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

/* ---- a name with several addresses ---- */

/* "nas" has two addresses, from now on and for this process alone. */
static bool two_addresses(void)
{
	char path[] = "/tmp/poolinit-hosts-XXXXXX";
	static const char text[] = "127.0.0.2 nas\n127.0.0.3 nas\n";
	int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	            unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	            mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;

	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	return done;
}

static struct {
	unsigned n;
	char at[4][64];
	int answers[4];
	enum err_class class;
} uses;

static int use(void *arg, const struct address *a, struct err *e)
{
	unsigned i = uses.n++;

	(void)arg;
	snprintf(uses.at[i], sizeof(uses.at[i]), "%s", a->text);
	return uses.answers[i] == 0 ? 0 : (err_set(e, uses.class, "it said no"), uses.answers[i]);
}

static struct {
	char text[64];
	bool answered;
} told;

static void on_address(struct op *op, const char *address, bool answered)
{
	(void)op;
	snprintf(told.text, sizeof(told.text), "%s", address);
	told.answered = answered;
}

/* A try of both, or of those that listen: what use answers first and second. */
static int trial(int first, int second, struct op *op, bool probe, int port, struct err *e)
{
	memset(&uses, 0, sizeof(uses));
	memset(&told, 0, sizeof(told));
	err_clear(e);
	uses.answers[0] = first;
	uses.answers[1] = second;
	uses.class = ERR_WAIT_SERVER;
	op->on_address = on_address;
	return net_try(&(struct net_trial){ .host = "nas",
	                                    .port = port,
	                                    .family = AF_UNSPEC,
	                                    .probe = probe ? PROBE_ALWAYS : PROBE_NEVER,
	                                    .deadline = clock_ms() + 4000,
	                                    .op = op,
	                                    .use = use },
	               e);
}

static void in_turn(const char *a, const char *b)
{
	struct err e = { 0 };
	struct op op = { .deadline = clock_ms() + 4000 };

	/* The first one will do. */
	CHECK(trial(0, 0, &op, false, 9, &e) == 0 && uses.n == 1);
	CHECK_STR(uses.at[0], a);
	CHECK_STR(told.text, a);
	CHECK(told.answered);
	/* The second one will; the other's answer was final; both will not. */
	CHECK(trial(1, 0, &op, false, 9, &e) == 0 && uses.n == 2);
	CHECK_STR(uses.at[1], b);
	CHECK_STR(told.text, b);
	CHECK(trial(-1, 0, &op, false, 9, &e) < 0 && uses.n == 1 && err_is(&e, ERR_WAIT_SERVER) &&
	      !told.answered);
	CHECK(trial(1, 1, &op, false, 9, &e) < 0 && uses.n == 2);
	CHECK(strstr(e.message, a) && strstr(e.message, b) &&
	      strstr(e.message, "none of the 2 addresses of \"nas\""));
	CHECK_STR(e.waits_for, "server=nas:9");
	/* The one that has answered comes first; the one in which the last attempt ended comes last. */
	op.address = b;
	op.address_answered = true;
	CHECK(trial(0, 0, &op, false, 9, &e) == 0);
	CHECK_STR(uses.at[0], b);
	CHECK(trial(1, 0, &op, false, 9, &e) == 0);
	CHECK_STR(uses.at[1], a);
	op.address = a;
	op.address_answered = false;
	CHECK(trial(1, 0, &op, false, 9, &e) == 0);
	CHECK_STR(uses.at[0], b);
	CHECK_STR(uses.at[1], a);
	/* One that is the name's no more is nobody. */
	op.address = "192.0.2.9";
	CHECK(trial(1, 0, &op, false, 9, &e) == 0);
	CHECK_STR(uses.at[0], a);
	CHECK(net_same_host("nas", "127.0.0.3") && net_same_host("127.0.0.2", "nas") &&
	      !net_same_host("nas", "127.0.0.4"));
}

/* Only the second one listens; then none does. */
static void who_is_not_there(const char *b)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct op op = { .deadline = clock_ms() + 4000 };
	struct err e = { 0 };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, b, &at.sin_addr);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0 &&
	      getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	CHECK(trial(0, 0, &op, true, ntohs(at.sin_port), &e) == 0 && uses.n == 1);
	CHECK_STR(uses.at[0], b);
	close(fd);
	CHECK(trial(0, 0, &op, true, ntohs(at.sin_port), &e) < 0 && uses.n == 0 && !told.text[0]);
	CHECK(strstr(e.message, "127.0.0.2") && strstr(e.message, "127.0.0.3"));
	CHECK(err_is(&e, ERR_WAIT_SERVER));
}

static void every_address_of_a_name_is_tried(void)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct addresses set;

		if (!two_addresses())
			_exit(77);
		CHECK(net_resolve("nas", 9, &set, NULL) == 0 && set.n == 2 && set.list[0].rank == 0 &&
		      set.list[1].rank == 1);
		if (set.n == 2) {
			in_turn(set.list[0].text, set.list[1].text);
			who_is_not_there(set.list[1].text);
		}
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("skip every_address: no mount namespaces here\n");
}

/* The failure that is kept is the one that may pass. */
static void failures_are_told_together(void)
{
	struct err all = { 0 }, one = { 0 };

	err_set(&one, ERR_AUTH, "no");
	net_also(&all, &one);
	CHECK(err_is(&all, ERR_AUTH));
	err_wait(&one, ERR_WAIT_SERVER, "server=b:1", "silent");
	net_also(&all, &one);
	CHECK(err_is(&all, ERR_WAIT_SERVER));
	CHECK_STR(all.waits_for, "server=b:1");
	err_wait(&one, ERR_WAIT_NETWORK, "network", "no route");
	net_also(&all, &one);
	CHECK(err_is(&all, ERR_WAIT_SERVER));
	CHECK_STR(all.message, "no; silent; no route");
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
	RUN(every_address_of_a_name_is_tried);
	RUN(failures_are_told_together);
	return check_done();
}
