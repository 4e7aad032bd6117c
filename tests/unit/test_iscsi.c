/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * iSCSI without a target: sessions on trees that stand for /sys, open-iscsi's files and messages, the rules
 * of a definition, and our side of the talk with iscsid, against stand-ins that behave and misbehave. (Logins
 * to a real target are tested in the virtual machine.)
 */
#include "backends/iscsi/iscsi.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "backends/backend.h"
#include "base/file.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

#define IQN "iqn.2026-01.example:vm"

/* ---- sessions ---- */

static char root[PATH_MAX];

static void session(int sid, const char *target, const char *asked, const char *connected, const char *port,
                    const char *state)
{
	char dir[PATH_MAX], link[PATH_MAX];

	fixture_path(dir, "devices/platform/host%d/session%d/iscsi_session/session%d", sid + 4, sid, sid);
	fixture(root, target, "%s/targetname", dir);
	fixture(root, state, "%s/state", dir);
	fixture_path(link, "class/iscsi_session/session%d", sid);
	fixture_link(root, dir, link);
	fixture(root, asked, "class/iscsi_connection/connection%d:0/persistent_address", sid);
	fixture(root, port, "class/iscsi_connection/connection%d:0/persistent_port", sid);
	fixture(root, connected, "class/iscsi_connection/connection%d:0/address", sid);
	fixture(root, port, "class/iscsi_connection/connection%d:0/port", sid);
}

static int find(const char *iqn, const char *address, int port, struct iscsi_session *s, bool *elsewhere)
{
	const char *const addresses[] = { address, NULL };

	return iscsi_session_find(root, iqn, addresses, port, s, elsewhere);
}

static void a_session_is_found_by_target_and_portal(void)
{
	struct iscsi_session s;
	bool elsewhere;

	fixture_make(root);
	session(1, "iqn.2026-01.example:other\n", "192.0.2.7\n", "192.0.2.7\n", "3260\n", "LOGGED_IN\n");
	session(2, IQN "\n", "192.0.2.8\n", "192.0.2.8\n", "3260\n", "LOGGED_IN\n");
	session(3, IQN "\n", "192.0.2.7\n", "192.0.2.7\n", "3260\n", "LOGGED_IN\n");
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, NULL), 1);
	CHECK_INT(s.sid, 3);
	CHECK_INT(s.host, 7);
	CHECK(s.logged_in);
	CHECK_INT(find(IQN, "192.0.2.8", 3260, &s, &elsewhere), 1);
	CHECK_INT(s.sid, 2);
	CHECK_INT(find(IQN, "192.0.2.7", 3261, &s, &elsewhere), 0);
	CHECK(elsewhere);
	CHECK_INT(find(IQN "x", "192.0.2.7", 3260, &s, &elsewhere), 0);
	CHECK(!elsewhere);
	CHECK_INT(find("iqn.2026-01.example:v", "192.0.2.7", 3260, &s, &elsewhere), 0);
	fixture_remove(root);
}

static void a_name_or_the_address_behind_it_will_do(void)
{
	const char *const both[] = { "storage.example", "2001:db8::7", NULL };
	struct iscsi_session s;

	fixture_make(root);
	session(1, IQN "\n", "storage.example\n", "2001:db8::7\n", "3260\n", "LOGGED_IN\n");
	CHECK_INT(find(IQN, "storage.example", 3260, &s, NULL), 1);
	CHECK_INT(find(IQN, "2001:db8::7", 3260, &s, NULL), 1);
	CHECK_INT(find(IQN, "storage", 3260, &s, NULL), 0);
	CHECK_INT(iscsi_session_find(root, IQN, both, 3260, &s, NULL), 1);
	fixture_remove(root);
}

static void the_firmwares_session_is_known_by_its_table(void)
{
	struct iscsi_session s;

	fixture_make(root);
	session(1, IQN "\n", "192.0.2.7\n", "192.0.2.7\n", "3260\n", "LOGGED_IN\n");
	session(2, IQN "\n", "2001:db8::7\n", "2001:db8::7\n", "3260\n", "LOGGED_IN\n");
	session(3, IQN "\n", "192.0.2.8\n", "192.0.2.8\n", "3260\n", "LOGGED_IN\n");
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, NULL), 1);
	CHECK(!iscsi_session_is_firmwares(root, &s, IQN));
	fixture(root, IQN "\n", "firmware/ibft/target0/target-name");
	fixture(root, "192.0.2.7\n", "firmware/ibft/target0/ip-addr");
	fixture(root, IQN "\n", "firmware/ibft/target1/target-name");
	fixture(root, "2001:0db8:0000:0000:0000:0000:0000:0007\n", "firmware/ibft/target1/ip-addr");
	CHECK(iscsi_session_is_firmwares(root, &s, IQN));
	CHECK(!iscsi_session_is_firmwares(root, &s, IQN "x"));
	CHECK_INT(find(IQN, "2001:db8::7", 3260, &s, NULL), 1);
	CHECK(iscsi_session_is_firmwares(root, &s, IQN));
	CHECK_INT(find(IQN, "192.0.2.8", 3260, &s, NULL), 1);
	CHECK(!iscsi_session_is_firmwares(root, &s, IQN));
	fixture_remove(root);
}

static void a_session_that_recovers_is_not_logged_in(void)
{
	struct iscsi_session s;

	fixture_make(root);
	session(1, IQN "\n", "192.0.2.7\n", "192.0.2.7\n", "3260\n", "FAILED\n");
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, NULL), 1);
	CHECK(!s.logged_in);
	fixture_remove(root);
}

static const char *after(const char *last, bool in, bool *steady)
{
	static struct buf detail;
	const struct iscsi_session s = { .sid = 3, .logged_in = in };

	buf_reset(&detail);
	*steady = iscsi_session_steady(&s, last, &detail);
	return buf_str(&detail);
}

static void what_a_session_is_doing_is_said(void)
{
	struct iscsi_session s;
	char text[200];

	fixture_make(root);
	session(3, IQN "\n", "192.0.2.7\n", "192.0.2.7\n", "3260\n", "FAILED\n");
	fixture(root, "120\n", "class/iscsi_session/session3/recovery_tmo");
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, NULL), 1);
	iscsi_session_doing(&s, text, sizeof(text));
	CHECK_STR(text, "its connection broke and is being made again; until then reads and writes wait, for "
	                "at most 120 s");
	snprintf(s.state, sizeof(s.state), "FREE");
	iscsi_session_doing(&s, text, sizeof(text));
	CHECK_STR(text, "its connection could not be made again within 120 s; reads and writes fail until "
	                "the target lets it in");
	snprintf(s.state, sizeof(s.state), "LOGGED_OUT");
	iscsi_session_doing(&s, text, sizeof(text));
	CHECK_STR(text, "the kernel calls it LOGGED_OUT");
	fixture_remove(root);
}

/* One break is no news once it is over; three of them in a row are, until it has been quiet for a while. */
static void a_connection_that_breaks_again_and_again_is_not_steady(void)
{
	char last[200];
	bool steady;

	CHECK_STR(after(NULL, true, &steady), "session=3");
	CHECK(steady);
	snprintf(last, sizeof(last), "%s", after("session=3", false, &steady));
	CHECK(starts_with(last, "session=3 breaks=1 at=") && strstr(last, " out") && steady);
	snprintf(last, sizeof(last), "%s", after(last, false, &steady));
	CHECK(starts_with(last, "session=3 breaks=1 at="));
	snprintf(last, sizeof(last), "%s", after(last, true, &steady));
	CHECK(starts_with(last, "session=3 breaks=1 at=") && !strstr(last, " out") && steady);
	for (int i = 0; i < 2; i++) {
		snprintf(last, sizeof(last), "%s", after(last, false, &steady));
		snprintf(last, sizeof(last), "%s", after(last, true, &steady));
	}
	CHECK(starts_with(last, "session=3 breaks=3 at=") && !steady);
	CHECK_STR(after("session=3 breaks=9 at=1", true, &steady), "session=3");
	CHECK(steady);
	CHECK_STR(after("session=31 breaks=9 at=1 out", true, &steady), "session=3");
	CHECK(steady);
}

static void odd_trees_are_survived(void)
{
	struct iscsi_session s;
	bool elsewhere;

	fixture_make(root);
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, &elsewhere), 0);
	CHECK(!elsewhere);
	fixture(root, IQN "\n", "class/iscsi_session/session1x/targetname");
	fixture(root, IQN "\n", "class/iscsi_session/sessionx/targetname");
	fixture(root, "\n", "class/iscsi_session/session4/targetname");
	/* no connection: on its way in or out */
	fixture(root, IQN "\n", "class/iscsi_session/session5/targetname");
	CHECK_INT(find(IQN, "192.0.2.7", 3260, &s, &elsewhere), 0);
	fixture_remove(root);
}

/* ---- records ---- */

static const char *edited(const char *record, const char *const *settings)
{
	static struct buf out;

	buf_reset(&out);
	iscsi_record_edit(record, settings, &out);
	return buf_str(&out);
}

static void settings_replace_their_lines_and_no_others(void)
{
	static const char record[] =
		"# BEGIN RECORD 2.1.11\nnode.name = " IQN
		"\nnode.startup = automatic\nnode.session.auth.username_in = keep\n"
		"node.session.auth.username = old\nnode.session.auth.authmethod = None\n# END RECORD\n";
	static const char *const settings[] = {
		"node.startup", "manual", "node.session.auth.username", "u", "node.session.auth.password",
		"p w",          NULL
	};

	CHECK_STR(
		edited(record, settings),
		"# BEGIN RECORD 2.1.11\nnode.name = " IQN
		"\nnode.session.auth.username_in = keep\nnode.session.auth.authmethod = None\n# END RECORD\n"
		"node.startup = manual\nnode.session.auth.username = u\nnode.session.auth.password = p w\n");
}

static void a_new_record_has_what_iscsid_is_told_and_the_portal(void)
{
	const struct iscsi_portal p = { .iqn = IQN, .host = "2001:db8::7", .port = 3261 };
	struct buf text = BUF_INIT;

	iscsi_record_new(
		"# administrator's\nnode.session.timeo.replacement_timeout = 5\nnode.startup = manual", &p,
		&text);
	CHECK_STR(buf_str(&text), "# administrator's\nnode.session.timeo.replacement_timeout = 5\n"
	                          "node.startup = manual\nnode.name = " IQN
	                          "\nnode.conn[0].address = 2001:db8::7\nnode.conn[0].port = 3261\n"
	                          "iface.iscsi_ifacename = default\niface.transport_name = tcp\n");
	buf_free(&text);
}

static void odd_records_are_survived(void)
{
	static const char *const settings[] = { "a", "1", NULL };

	CHECK_STR(edited("", settings), "a = 1\n");
	CHECK_STR(edited("\n\n", settings), "\n\na = 1\n");
	CHECK_STR(edited("b = 2", settings), "b = 2\na = 1\n");
	CHECK_STR(edited("a=0\na\t= 0\nab = 0\na", settings), "ab = 0\na\na = 1\n");
}

static void what_a_record_cannot_hold_is_refused(void)
{
	static const char odd[] = "with # and = and 'quotes' \xc3\xa9";
	char longest[257];

	memset(longest, 'x', 256);
	longest[256] = '\0';
	CHECK(iscsi_record_value_ok("secret", 6));
	CHECK(iscsi_record_value_ok(odd, strlen(odd)));
	CHECK(iscsi_record_value_ok(longest, 255));
	CHECK(!iscsi_record_value_ok(longest, 256));
	CHECK(!iscsi_record_value_ok("", 0));
	CHECK(!iscsi_record_value_ok(" x", 2));
	CHECK(!iscsi_record_value_ok("x\n", 2));
	CHECK(!iscsi_record_value_ok("a\nnode.session.auth.authmethod = None", 37));
	CHECK(!iscsi_record_value_ok("a\0b", 3));
	CHECK(!iscsi_record_value_ok("a\x7f"
	                             "b",
	                             3));
}

/* ---- messages ---- */

static const char *reason(const char *messages)
{
	static char out[300];

	iscsi_reason(messages, out, sizeof(out));
	return out;
}

static void the_reason_is_found_in_messages(void)
{
	CHECK_STR(reason("iscsiadm: Could not login to [iface: default, target: " IQN
	                 ", portal: 192.0.2.7,3260].\n"
	                 "iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization "
	                 "failure)\n"
	                 "iscsiadm: Could not log into all portals\n"),
	          "24 - iSCSI login failed due to authorization failure");
	CHECK_STR(reason("iscsiadm: No records found\n"), "No records found");
	CHECK_STR(reason("noise\niscsiadm: first\niscsiadm: second\n"), "first");
	CHECK_STR(reason(""), "");
	CHECK_STR(reason("iscsiadm"), "");
	CHECK_STR(reason("iscsiadm: "), "");
	CHECK_STR(reason("iscsiadm: initiator reported error ("), "");
	CHECK_STR(reason("iscsiadm: a\tb\x1b[31m"), "a b [31m");
}

static const char *failure(int status)
{
	static struct err e;

	iscsi_failure(status, "", "login", &e);
	return e.message;
}

static void statuses_have_their_classes(void)
{
	static const struct {
		int status;
		enum err_class class;
	} known[] = {
		{ 24, ERR_AUTH },        { 8, ERR_WAIT_SERVER }, { 4, ERR_WAIT_SERVER },
		{ 11, ERR_WAIT_SERVER }, { 19, ERR_STORAGE },    { 12, ERR_UNSUPPORTED },
		{ 20, ERR_WAIT_SERVER }, { 28, ERR_BUSY },       { 64, ERR_AUTH },
		{ 65, ERR_STORAGE },     { 83, ERR_AUTH },       { 85, ERR_STORAGE },
		{ 199, ERR_STORAGE },
	};
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		CHECK_INT(iscsi_failure(known[i].status, "", "login", &e), -1);
		CHECK_INT(e.class, known[i].class);
	}
	CHECK_STR(e.message, "login failed: no reason given (iscsiadm status 199)");
	CHECK_STR(failure(64), "login failed: the target does not admit this initiator's name");
	CHECK_STR(failure(65), "login failed: this portal serves no target of that name");
	CHECK_STR(failure(85), "login failed: the target wants a CHAP algorithm that was not offered");
	CHECK_STR(failure(83), "login failed: the target did not prove who it is (mutual CHAP: username_in "
	                       "and password_in of iscsid.conf)");
	CHECK_STR(failure(111), "login failed: the target does not keep to CHAP (iscsid's log says how)");
	iscsi_failure(24, "whatever", "login to " IQN " at 192.0.2.7:3260", &e);
	CHECK_STR(e.message, "login to " IQN " at 192.0.2.7:3260 failed: authentication rejected");
}

static struct pool_host host = { "192.0.2.7", 0 };
static struct pool_device target = { IQN, -1 };

static struct pool_def definition(void)
{
	host = (struct pool_host){ "192.0.2.7", 0 };
	target = (struct pool_device){ IQN, -1 };
	return (struct pool_def){
		.type = POOL_ISCSI,
		.name = "p",
		.target = { .path = "/dev/disk/by-path" },
		.source = { .hosts = &host, .nhosts = 1, .devices = &target, .ndevices = 1 },
	};
}

static char noted[200];

static void note(struct op *op, const char *text)
{
	(void)op;
	snprintf(noted, sizeof(noted), "%s", text);
}

/* How often `word` stands in what is made of a discovery's answer. */
static int offered(const char *text, const char *word)
{
	struct pool_def d = definition();
	struct op op = { .on_note = note };
	char *copy = strdup(text);
	struct buf out = BUF_INIT;
	int n = 0;

	noted[0] = '\0';
	iscsi_targets(&d, copy, &op, &out);
	for (const char *p = buf_str(&out); (p = strstr(p, word)); p++)
		n++;
	buf_free(&out);
	free(copy);
	return n;
}

static void targets_are_offered_whole_or_not_at_all(void)
{
	CHECK_INT(offered("192.0.2.7:3260,1 iqn.2026-01.t:a\n[2001:db8::7]:3260,2 "
	                  "iqn.2026-01.t:a\n192.0.2.7:3260,1 iqn.2026-01.t:b\n",
	                  "<device"),
	          2);
	CHECK_STR(noted, "");
	/* a space, a line break, and an honest one after them */
	static const char odd[] = "192.0.2.7:3260,1 iqn.2026-01.t:x y\n192.0.2.7:3260,1 "
				  "iqn.2026-01.t:cut\nrest\n192.0.2.7:3260,1 iqn.2026-01.t:ok\n";
	CHECK_INT(offered(odd, "<device"), 1);
	CHECK_INT(offered(odd, "iqn.2026-01.t:ok"), 1);
	CHECK(strstr(noted, "2 targets"));
	CHECK_INT(offered("", "<device"), 0);
	CHECK_INT(offered("no target at all\n,1 iqn.2026-01.t:a\nx:1, \nx:1,z iqn.2026-01.t:a", "<device"),
	          0);
}

static void an_initiator_name_is_read(void)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "InitiatorName=iqn.1993-08.org.debian:01:abc\n", "iqn.1993-08.org.debian:01:abc" },
		{ "## comment\n\nInitiatorName= iqn.2026-01.example:host \nInitiatorAlias=x",
		  "iqn.2026-01.example:host" },
		{ "GenerateName=yes\n", NULL },
		{ "#InitiatorName=iqn.x\n", NULL },
		{ "InitiatorName=\n", NULL },
		{ "InitiatorName", NULL },
		{ "", NULL },
		{ "InitiatorName=../../etc\n", NULL },
		{ "InitiatorName=iqn with spaces\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char name[224] = "";
		bool found = iscsi_initiator_parse(cases[i].text, name, sizeof(name));

		CHECK_STR(found ? name : NULL, cases[i].name);
	}
}

/* ---- definitions ---- */

static int validate(const struct pool_def *d)
{
	struct err e = { 0 };
	int r = iscsi_backend.validate(d, &e);

	if (r < 0) {
		CHECK_INT(e.class, ERR_INVALID);
		CHECK(e.message[0] != '\0');
	}
	return r;
}

static void a_plain_definition_is_fine(void)
{
	struct pool_def d = definition();

	CHECK_INT(validate(&d), 0);
	d.source.initiator = "iqn.2026-01.example:initiator";
	d.source.auth = (struct pool_auth){ .kind = AUTH_CHAP, .username = "user" };
	CHECK_INT(validate(&d), 0);
}

static void each_of_several_portals_is_checked(void)
{
	struct pool_host hosts[] = { { .name = "192.0.2.7" }, { .name = "2001:db8::7", .port = 3261 } };
	struct pool_def d = definition();

	d.source.hosts = hosts;
	d.source.nhosts = 2;
	CHECK_INT(validate(&d), 0);
	hosts[1].name = "host;reboot";
	CHECK(validate(&d) < 0);
}

static void dangerous_definitions_are_refused(void)
{
	static const char *const names[] = {
		"../../etc/passwd", "iqn.2026-01.example:../x", "..", ".", "", "iqn.x y", "iqn\n", "-T", "a/b"
	};
	static const char *const hosts[] = { "", "a b", "host;reboot", "host/..", "a\nb" };
	char longest[300];
	struct pool_def d;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		d = definition();
		target.path = names[i];
		if (validate(&d) == 0 && !streq(names[i], "-T"))
			printf("# accepted: %s\n", names[i]);
		CHECK(streq(names[i], "-T") || validate(&d) < 0);
		if (names[i][0] && !streq(names[i], "-T")) {
			d = definition();
			d.source.initiator = names[i];
			CHECK(streq(names[i], ".") || streq(names[i], "..") || validate(&d) < 0);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		d = definition();
		host.name = hosts[i];
		CHECK(validate(&d) < 0);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "iqn.2026-01.example:", 20);
	longest[sizeof(longest) - 1] = '\0';
	d = definition();
	target.path = longest;
	CHECK(validate(&d) < 0);
	d = definition();
	d.source.nhosts = 0;
	CHECK(validate(&d) < 0);
	d = definition();
	d.source.ndevices = 0;
	CHECK(validate(&d) < 0);
	d = definition();
	d.source.auth = (struct pool_auth){ .kind = AUTH_CEPH, .username = "u" };
	CHECK(validate(&d) < 0);
	d = definition();
	d.source.auth = (struct pool_auth){ .kind = AUTH_CHAP, .username = "u\nnode.x = y" };
	CHECK(validate(&d) < 0);
}

static void a_dead_portal_is_found_out_before_anything_is_run(void)
{
	struct pool_def d = definition();
	struct op op = { .deadline = clock_ms() + SECONDS(20), .run_dir = "/run/poolinit" };
	uint64_t before = clock_ms();
	struct err e = { 0 };

	host.name = "127.0.0.1";
	host.port = 1;
	CHECK_INT(iscsi_backend.start(&d, &op, &e), -1);
	CHECK_INT(e.class, ERR_WAIT_SERVER);
	CHECK_STR(e.waits_for, "server=127.0.0.1:1");
	CHECK(starts_with(e.message, "login to " IQN " at 127.0.0.1:1 failed: "));
	CHECK(clock_ms() - before < SECONDS(5));
}

static void without_session_there_is_nothing_to_stop_or_list(void)
{
	struct pool_def d = definition();
	struct op op = { .deadline = clock_ms() + SECONDS(5), .run_dir = "/run/poolinit" };
	enum pool_state state = STATE_ACTIVE;
	struct pool_sizes sizes;
	struct err e = { 0 };

	CHECK_INT(iscsi_backend.check(&d, &op, &state, NULL, &e), 0);
	CHECK_INT(state, STATE_INACTIVE);
	CHECK_INT(iscsi_backend.stop(&d, &op, &e), 0);
	CHECK_INT(iscsi_backend.refresh(&d, &op, &sizes, &e), -1);
	CHECK_INT(e.class, ERR_STORAGE);
}

/* ---- the talk with iscsid ---- */

/* What a stand-in does with a connection. The request's length is that of open-iscsi 2.1.11. */
enum manner { ANSWERS, SILENT, HANGS_UP, REFUSES, BABBLES };
#define REQUEST_BYTES 16112

struct answer {
	uint32_t command, error;
	char name[2456];
};

static void serve_one(int listener, enum manner manner)
{
	int fd = accept(listener, NULL, NULL);
	struct answer a = { 0 };
	char request[REQUEST_BYTES];
	size_t have = 0;

	if (manner == SILENT)
		pause();
	while (manner != HANGS_UP && have < sizeof(request)) {
		ssize_t n = read(fd, request + have, sizeof(request) - have);

		if (n <= 0)
			_exit(1);
		have += (size_t)n;
	}
	memcpy(&a.command, request, sizeof(a.command));
	if (manner == REFUSES)
		a.error = 13;
	if (manner == BABBLES)
		memset(&a, 0xff, sizeof(a));
	else
		snprintf(a.name, sizeof(a.name), "iqn.2026-01.example:host");
	if (manner != HANGS_UP && write(fd, &a, sizeof(a)) != (ssize_t)sizeof(a))
		_exit(1);
	close(fd);
}

/* A stand-in for iscsid: opens its socket after `delay`, then its name file, then answers. */
static pid_t iscsid_start(enum manner manner, int delay)
{
	static const char name[] = "ISCSIADM_ABSTRACT_NAMESPACE";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	poll(NULL, 0, delay);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(sa.sun_path + 1, name, strlen(name));
	if (bind(fd, (struct sockaddr *)&sa,
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) < 0 ||
	    listen(fd, 32) < 0)
		_exit(1);
	close(open("/run/iscsi/initiatorname.iscsi", O_RDONLY));
	for (;;)
		serve_one(fd, manner);
}

static void iscsid_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int ready(uint64_t timeout, struct err *e)
{
	struct op op = { .deadline = clock_ms() + timeout };

	*e = (struct err){ 0 };
	return iscsi_backend.service->ready(NULL, &op, e);
}

static void an_iscsid_that_answers_is_ready(void)
{
	struct err e;
	pid_t pid = iscsid_start(ANSWERS, 0);

	CHECK_INT(ready(SECONDS(10), &e), 0);
	CHECK_INT(ready(SECONDS(10), &e), 0);
	iscsid_stop(pid);
}

static void one_that_starts_slowly_is_waited_for_and_no_longer(void)
{
	uint64_t before = clock_ms();
	struct err e;
	pid_t pid = iscsid_start(ANSWERS, 300);

	CHECK_INT(ready(SECONDS(20), &e), 0);
	CHECK(clock_ms() - before >= 300 && clock_ms() - before < SECONDS(10));
	iscsid_stop(pid);
}

static void one_that_does_not_answer_is_not_ready(void)
{
	static const struct {
		enum manner manner;
		enum err_class class;
	} cases[] = {
		{ SILENT, ERR_TIMEOUT },
		{ HANGS_UP, ERR_STORAGE },
		{ REFUSES, ERR_DENIED },
		{ BABBLES, ERR_STORAGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;
		pid_t pid = iscsid_start(cases[i].manner, 0);

		CHECK_INT(ready(500, &e), -1);
		/* One that hangs up may be seen as an end or as a reset, whichever the kernel tells first. */
		CHECK(e.class == cases[i].class ||
		      (cases[i].manner == HANGS_UP && e.class == ERR_WAIT_SERVER));
		CHECK(strstr(e.message, "iscsid does not answer") != NULL);
		iscsid_stop(pid);
	}
}

static void none_at_all_is_not_ready_at_the_deadline(void)
{
	uint64_t before = clock_ms();
	struct err e;

	CHECK_INT(ready(200, &e), -1);
	CHECK_INT(e.class, ERR_TIMEOUT);
	CHECK(clock_ms() - before >= 200 && clock_ms() - before < SECONDS(5));
}

static void an_iscsid_of_somebody_else_is_used(void)
{
	struct op op = { .deadline = clock_ms() + SECONDS(10) };
	struct err e = { 0 };
	pid_t pid = iscsid_start(ANSWERS, 0);

	CHECK_INT(ready(SECONDS(10), &e), 0);
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), 1);
	iscsid_stop(pid);
}

static void one_that_hangs_is_not_doubled(void)
{
	struct op op = { .deadline = clock_ms() + 500 };
	struct err e = { 0 };
	pid_t pid = iscsid_start(SILENT, 0);

	ready(100, &e);
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), -1);
	CHECK(strstr(e.message, "does not answer") != NULL);
	iscsid_stop(pid);
}

static void files_are_prepared_and_the_name_stays(void)
{
	struct op op = { .deadline = clock_ms() + SECONDS(10) };
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, conf = BUF_INIT;
	struct err e = { 0 };
	struct stat st;

	CHECK(fixture_cover("/etc"));
	fixture("/sys", "", "class/iscsi_transport/tcp/handle"); /* the kernel's part is there */
	fixture("/sys", "", "bus/scsi/drivers/sd/bind");
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), 0);
	CHECK_STR(e.message, "");
	CHECK_INT(file_read(AT_FDCWD, "/run/iscsi/initiatorname.iscsi", 4096, &first, &e), 0);
	CHECK(starts_with(buf_str(&first), "InitiatorName=iqn.2016-04.com.open-iscsi:"));
	CHECK_INT(file_read(AT_FDCWD, "/run/iscsi/iscsid.conf", 65536, &conf, &e), 0);
	CHECK(strstr(buf_str(&conf), "\nnode.session.scan = manual\n") != NULL);
	CHECK(strstr(buf_str(&conf), "node.conn[0].timeo.login_timeout = 15\n") != NULL);
	CHECK(stat("/run/iscsi/initiatorname.iscsi", &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), 0);
	file_read(AT_FDCWD, "/run/iscsi/initiatorname.iscsi", 4096, &second, &e);
	CHECK_STR(buf_str(&second), buf_str(&first));
	umount2("/etc", MNT_DETACH);
}

static void the_administrators_name_and_settings_are_kept(void)
{
	struct op op = { .deadline = clock_ms() + SECONDS(10) };
	cleanup_buf struct buf name = BUF_INIT, conf = BUF_INIT;
	struct err e = { 0 };

	CHECK(fixture_cover("/etc"));
	fixture("/etc", "InitiatorName=iqn.2026-01.example:admin\n", "iscsi/initiatorname.iscsi");
	fixture("/etc", "node.session.scan = auto\nnode.session.timeo.replacement_timeout = 7",
	        "iscsi/iscsid.conf");
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), 0);
	file_read(AT_FDCWD, "/run/iscsi/initiatorname.iscsi", 4096, &name, &e);
	CHECK_STR(buf_str(&name), "InitiatorName=iqn.2026-01.example:admin\n");
	file_read(AT_FDCWD, "/run/iscsi/iscsid.conf", 65536, &conf, &e);
	CHECK(starts_with(buf_str(&conf),
	                  "node.session.scan = auto\nnode.session.timeo.replacement_timeout = 7\n"));
	CHECK(strstr(buf_str(&conf), "\nnode.session.scan = manual\n") != NULL);
	umount2("/etc", MNT_DETACH);
}

static void without_the_kernels_part_nothing_is_started(void)
{
	struct op op = { .deadline = clock_ms() + SECONDS(10) };
	struct err e = { 0 };

	fixture_remove("/sys/class");
	CHECK_INT(iscsi_backend.service->prepare(NULL, &op, &e), -1);
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	CHECK(strstr(e.message, "this kernel has no iSCSI over TCP") != NULL);
}

int main(void)
{
	RUN(a_session_is_found_by_target_and_portal);
	RUN(a_name_or_the_address_behind_it_will_do);
	RUN(the_firmwares_session_is_known_by_its_table);
	RUN(a_session_that_recovers_is_not_logged_in);
	RUN(what_a_session_is_doing_is_said);
	RUN(a_connection_that_breaks_again_and_again_is_not_steady);
	RUN(odd_trees_are_survived);
	RUN(settings_replace_their_lines_and_no_others);
	RUN(a_new_record_has_what_iscsid_is_told_and_the_portal);
	RUN(odd_records_are_survived);
	RUN(what_a_record_cannot_hold_is_refused);
	RUN(the_reason_is_found_in_messages);
	RUN(statuses_have_their_classes);
	RUN(targets_are_offered_whole_or_not_at_all);
	RUN(an_initiator_name_is_read);
	RUN(a_plain_definition_is_fine);
	RUN(each_of_several_portals_is_checked);
	RUN(dangerous_definitions_are_refused);
	RUN(a_dead_portal_is_found_out_before_anything_is_run);
	RUN(without_session_there_is_nothing_to_stop_or_list);
	/* Abstract sockets belong to a network namespace, and there is one iscsid in each. */
	if (!fixture_namespace(CLONE_NEWNET) || !fixture_cover("/run") || !fixture_cover("/sys")) {
		printf("skip - talking to iscsid: no namespaces of our own (not root)\n");
		return check_done();
	}
	RUN(files_are_prepared_and_the_name_stays);
	RUN(the_administrators_name_and_settings_are_kept);
	RUN(an_iscsid_that_answers_is_ready);
	RUN(one_that_starts_slowly_is_waited_for_and_no_longer);
	RUN(one_that_does_not_answer_is_not_ready);
	RUN(none_at_all_is_not_ready_at_the_deadline);
	RUN(an_iscsid_of_somebody_else_is_used);
	RUN(one_that_hangs_is_not_doubled);
	RUN(without_the_kernels_part_nothing_is_started);
	return check_done();
}
