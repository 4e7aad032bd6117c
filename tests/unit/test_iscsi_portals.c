/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several portals of one target, some of which refuse who we are: how often a name and its password are
 * offered. The portals are listening sockets of the test's, and what iscsid would say of a login is its, too.
 */
#include "backends/iscsi/iscsi.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include "base/util.h"
#include "check.h"

/* A login ends so at each of the portals. */
enum answer { SAYS_NOTHING, REFUSES_US };

static int answer_login(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e);
#define iscsi_login             answer_login
#define iscsi_transport_load(e) 0
#include "backends/iscsi/iscsi.c"
#undef iscsi_login
#undef iscsi_transport_load

#define PORTALS 3

static struct pool_host hosts[PORTALS];
static enum answer answers[PORTALS];
static char asked[PORTALS + 1]; /* "02": the first and the last portal */

static int answer_login(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e)
{
	size_t which = 0, n = strlen(asked);

	(void)d, (void)op;
	while (which < PORTALS - 1 && hosts[which].port != p->port)
		which++;
	CHECK(n < PORTALS);
	if (n < PORTALS)
		asked[n] = (char)('0' + which);
	if (answers[which] == REFUSES_US)
		return err_set(e, ERR_AUTH, "%s failed: %s", p->login, ISCSI_REJECTED);
	return err_set(e, ERR_WAIT_SERVER, "%s failed: no answer in time", p->login);
}

/* A portal that takes connections, at a port that the kernel chooses. */
static int listen_at(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (void *)&a, &len) < 0) {
		perror("listen");
		exit(1);
	}
	*port = ntohs(a.sin_port);
	return fd;
}

static const struct pool_def *definition(enum answer first, enum answer second, enum answer third)
{
	static struct pool_device target = { .path = "iqn.2026-01.example:several" };
	static struct pool_def d = { .type = POOL_ISCSI, .name = "several" };

	d.source.hosts = hosts;
	d.source.nhosts = PORTALS;
	d.source.devices = &target;
	d.source.ndevices = 1;
	d.source.auth = (struct pool_auth){ .kind = AUTH_CHAP, .username = "user", .secret_usage = "san" };
	memcpy(answers, (enum answer[]){ first, second, third }, sizeof(answers));
	memset(asked, 0, sizeof(asked));
	return &d;
}

static struct op operation(const char *avoid)
{
	struct op op = { .deadline = clock_ms() + SECONDS(20), .run_dir = "/run/poolinit" };

	snprintf(op.avoid, sizeof(op.avoid), "%s", avoid);
	return op;
}

static void all_are_tried_where_none_answers(void)
{
	const struct pool_def *d = definition(SAYS_NOTHING, SAYS_NOTHING, SAYS_NOTHING);
	struct op op = operation("");
	struct err e = { 0 };

	CHECK_INT(iscsi_backend.start(d, &op, &e), -1);
	CHECK_INT(e.class, ERR_WAIT_SERVER);
	CHECK_STR(asked, "012");
	CHECK_STR(op.avoid, "");
}

/* The error of the first would have the start tried again, and the password with it. */
static void who_is_refused_asks_no_other_and_stops(void)
{
	const struct pool_def *d = definition(SAYS_NOTHING, REFUSES_US, SAYS_NOTHING);
	struct op op = operation("");
	struct err e = { 0 };

	CHECK_INT(iscsi_backend.start(d, &op, &e), -1);
	CHECK_INT(e.class, ERR_AUTH);
	CHECK(strstr(e.message, "check the secret with usage san") != NULL);
	CHECK_STR(asked, "01");
}

/* Of a pool that is degraded: the looks that come of themselves do not offer the password again. */
static void who_was_refused_is_not_offered_again_unless_asked(void)
{
	const struct pool_def *d = definition(REFUSES_US, SAYS_NOTHING, SAYS_NOTHING);
	struct op first = operation("");
	struct err e = { 0 };

	CHECK_INT(iscsi_backend.revive(d, &first, false, &e), 0);
	CHECK_STR(asked, "0");

	struct op second = operation(first.avoid), third = operation(first.avoid);

	CHECK_INT(iscsi_backend.revive(d, &second, false, &e), 0);
	CHECK_STR(asked, "0");
	definition(SAYS_NOTHING, SAYS_NOTHING, SAYS_NOTHING);
	CHECK_INT(iscsi_backend.revive(d, &third, true, &e), 0);
	CHECK_STR(asked, "012");
	CHECK_STR(third.avoid, "");
}

static void each_portal_has_its_share_of_the_time(void)
{
	struct pool_host many[8] = { 0 };
	struct pool_def d = { .source = { .hosts = many, .nhosts = ARRAY_LEN(many) } };
	uint64_t now = clock_ms(), end = now + SECONDS(45);

	CHECK(portal_deadline(&d, 0, end) < now + SECONDS(6));
	CHECK(portal_deadline(&d, 7, end) >= now + SECONDS(15) && portal_deadline(&d, 7, end) < end);
	CHECK(portal_deadline(&d, 0, NEVER) < now + SECONDS(20));
	CHECK(portal_deadline(&d, 0, 0) >= now && portal_deadline(&d, 0, 0) < now + SECONDS(5));
	d.source.nhosts = 1;
	CHECK(portal_deadline(&d, 0, end) == end);
}

int main(void)
{
	for (size_t i = 0; i < PORTALS; i++) {
		hosts[i].name = "127.0.0.1";
		listen_at(&hosts[i].port);
	}
	RUN(all_are_tried_where_none_answers);
	RUN(who_is_refused_asks_no_other_and_stops);
	RUN(who_was_refused_is_not_offered_again_unless_asked);
	RUN(each_portal_has_its_share_of_the_time);
	return check_done();
}
