/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verb table's own rules, and what poolctl prints where no server's answer could bring it about.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/util.h"
#include "check.h"
#include "poolctl/parts.h"
#include "control/codec.h"
#include "control/peer.h"
#include "control/verbs/verbs.h"
#include "supervisor/inside.h"
#include "supervisor/work/waiting.h"

static void table_of_verbs_keeps_its_promises(void)
{
	const struct verb *v;
	size_t n = 0;

	for (size_t i = 0; (v = verb_at(i)); i++) {
		bool optional = false;

		CHECK(verb_find(v->name) == v);
		CHECK(v->help && v->help[0] && v->answer && !v->run == v->local);
		CHECK(!v->payload_required || v->payload_max > 0);
		CHECK(!v->data || !v->payload_max);
		for (n = 0; v->args[n].name; n++) {
			const struct verb_arg *a = &v->args[n];

			CHECK(verb_arg(v, a->name) == a); /* no name twice */
			CHECK(a->help && a->help[0]);
			CHECK(!(a->kind == ARG_FLAG && a->positional));
			CHECK(!(a->positional && a->required && optional));
			optional = optional || (a->positional && !a->required);
		}
		CHECK(n <= VERB_ARGS && n <= LINE_ARGS);
	}
	CHECK(!verb_find("") && !verb_find("pool") && !verb_find("pool-list ") && !verb_find("POOL-LIST"));
}

static void reading_never_needs_more_than_read(void)
{
	static const char *const change[] = { "pool-define", "pool-create", "pool-undefine", "pool-autostart",
		                              "shutdown" };

	for (size_t i = 0; i < ARRAY_LEN(change); i++)
		CHECK_INT(verb_find(change[i])->level, LEVEL_ADMIN);
	CHECK_INT(verb_find("pool-start")->level, LEVEL_OPERATE);
	CHECK_INT(verb_find("pool-list")->level, LEVEL_READ);
	CHECK_INT(verb_find("wait")->level, LEVEL_READ);
}

static void usage_is_made_from_the_table(void)
{
	struct buf b = BUF_INIT;

	help_usage(verb_find("pool-start"), &b);
	CHECK_STR(buf_str(&b), "pool-start pool [--build] [--no-overwrite] [--overwrite] [timeout=DURATION]");
	buf_reset(&b);
	help_usage(verb_find("pool-define"), &b);
	CHECK_STR(buf_str(&b), "pool-define [--validate] = N");
	buf_free(&b);
}

static void man_text_has_no_stray_control_lines(void)
{
	struct buf b = BUF_INIT;

	help_man(verb_table, &b);
	for (const char *line = buf_str(&b); *line; line = strchr(line, '\n') + 1) {
		CHECK(*line != '\'' && *line != '\n');
		CHECK(*line != '.' || strchr("STBR", line[1]));
	}
	buf_free(&b);
}

static void terminals_are_safe_from_names(void)
{
	struct arena a = { 0 };
	const char *plain = "plain n\xc3\xa4me";

	CHECK(table_safe(&a, plain) == plain);
	CHECK_STR(table_safe(&a, "a\033[2Jb"), "a\\x1b[2Jb");
	CHECK_STR(table_safe(&a, "two\nlines\r\t\x7f"), "two\\x0alines\\x0d\\x09\\x7f");
	CHECK_STR(table_safe(&a, "\xff\xfe half \xc3"), "\\xff\\xfe half \\xc3");
	CHECK_STR(table_safe(&a, "c1 \xc2\x9b"), "c1 \\xc2\\x9b");
	CHECK_STR(table_safe(&a, ""), "");
	arena_free(&a);
}

static void tables_have_columns(void)
{
	static const char *const titles[] = { "Name", "State" };
	struct buf out = BUF_INIT;
	struct err e = { 0 };
	struct table t;

	table_begin(&t, titles, 2);
	CHECK_INT(table_print(&t, true, &out, &e), 0);
	CHECK_STR(buf_str(&out), " Name   State\n---------------\n");
	const char **row = table_row(&t);
	row[0] = "n\xc3\xa4hen"; /* five characters, six bytes */
	row = table_row(&t);
	row[0] = "x";
	row[1] = "a\nb";
	buf_reset(&out);
	CHECK_INT(table_print(&t, true, &out, &e), 0);
	CHECK_STR(buf_str(&out), " Name    State\n-----------------\n n\xc3\xa4hen   -\n x       a\\x0ab\n");
	buf_reset(&out);
	CHECK_INT(table_print(&t, false, &out, &e), 0);
	CHECK_STR(buf_str(&out), " n\xc3\xa4hen   -\n x       a\\x0ab\n");
	buf_free(&out);
	table_free(&t);
}

/* A reply of one record, as it arrives. */
static void json_of(const char *record, const char *expected)
{
	struct command c = { .verb = verb_find("pool-info") };
	struct reply r = { 0 };
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	buf_add(&r.raw, record, strlen(record) + 1);
	r.records = calloc(1, sizeof(*r.records));
	r.records[0].len = strlen(record);
	r.nrecords = 1;
	CHECK_INT(json_reply(&c, &r, &out, &e), 0);
	CHECK_STR(buf_str(&out), expected);
	buf_free(&out);
	reply_free(&r);
}

static void json_keeps_what_a_value_is(void)
{
	json_of("- name=123 capacity=456 autostart=yes reason=yes",
	        "{\"name\": \"123\", \"capacity\": 456, \"autostart\": true, \"reason\": \"yes\"}\n");
	json_of("- name=\"a \\\"b\\\" \\\\ \\n\\t\\x1b\\x7f\"",
	        "{\"name\": \"a \\\"b\\\" \\\\ \\n\\t\\u001b\\u007f\"}\n");
	json_of("- name=\"\\xff\\xc3\\xa4\"", "{\"name\": \"\\u00ff\xc3\xa4\"}\n");
	json_of("- capacity=007 allocation=x autostart=perhaps",
	        "{\"capacity\": \"007\", \"allocation\": \"x\", \"autostart\": \"perhaps\"}\n");
	json_of("-", "{}\n");
}

static void json_of_an_error_is_an_object(void)
{
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	err_wait(&e, ERR_WAIT_DEVICE, "device=/dev/\"x\"", "no \"x\"");
	json_error(&e, &out);
	CHECK_STR(buf_str(&out), "{\"error\": {\"code\": 501, \"class\": \"wait-device\", \"message\": \"no "
	                         "\\\"x\\\"\", \"waits\": \"device=/dev/\\\"x\\\"\"}}\n");
	buf_free(&out);
}

/* ---- a request on its way ---- */

/* What is said of this line; NULL: it is in order. */
static const char *checked(const char *text, enum err_class class)
{
	static struct err e;
	struct loop loop = { 0 };
	struct server srv = { .loop = &loop, .options = { .codec = &line_codec, .verbs = verb_table } };
	struct peer p = { .server = &srv, .level = LEVEL_ADMIN };
	struct call *c = call_new(&p, text, strlen(text));
	struct line line;
	int rc;

	err_clear(&e);
	rc = line_parse(c->text, strlen(text), &line, &e) < 0 ? -1 : lines_bind(c, &line, &e);
	CHECK_INT(e.class, class);
	if (rc == 0)
		c->stage = CALL_FINISHED;
	call_free(c);
	return rc < 0 ? e.message : NULL;
}

static void sizes_are_checked(void)
{
	static const char *const good[] = { "0",  "1", "1b", "10G", "512MiB", "7E", "9223372036854775807",
		                            "1kb" };
	static const char *const bad[] = {
		"-1", "+1",  "1.5G", "8E", "9223372036854775808", "99999999999999999999999999", "10Q",
		"G",  "1 G", "0x10", "1GG"
	};
	char line[128];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(line, sizeof(line), "vol-create-as p v %s", good[i]);
		CHECK_STR(checked(line, ERR_NONE), NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(line, sizeof(line), "vol-create-as p v \"%s\"", bad[i]);
		const char *said = checked(line, ERR_INVALID);
		CHECK(said && starts_with(said, "vol-create-as: capacity: "));
		snprintf(line, sizeof(line), "vol-create-as p v 1 allocation=\"%s\"", bad[i]);
		said = checked(line, ERR_INVALID);
		CHECK(said && starts_with(said, "vol-create-as: allocation: "));
	}
	checked("vol-create-as p v capacity=\"\"", ERR_MISSING);
	checked("vol-create-as p v 1 capacity=2", ERR_INVALID);
	checked("vol-create-as p v", ERR_MISSING);
}

static void sizes_are_read(void)
{
	struct loop loop = { 0 };
	struct server srv = { .loop = &loop, .options = { .codec = &line_codec, .verbs = verb_table } };
	struct peer p = { .server = &srv, .level = LEVEL_ADMIN };
	const char *text = "vol-create-as p v 10G";
	struct call *c = call_new(&p, text, strlen(text));
	struct line line;
	struct err e = { 0 };

	CHECK(line_parse(c->text, strlen(text), &line, &e) == 0 && lines_bind(c, &line, &e) == 0);
	CHECK_INT(call_size(c, "capacity", 7), 10LL << 30);
	CHECK_INT(call_size(c, "allocation", 7), 7);
	CHECK_STR(call_verb(c), "vol-create-as");
	c->stage = CALL_FINISHED;
	call_free(c);
}

static void files_are_not_arguments_of_a_request(void)
{
	const char *said = checked("vol-upload v file=/etc/shadow", ERR_UNKNOWN_KEY);

	CHECK(said && !strstr(said, "file,") && strstr(said, "it takes: vol, pool"));
	checked("pool-define x.xml = 0", ERR_UNKNOWN_KEY);
	/* the file has no place of its own on the socket */
	CHECK_STR(checked("vol-download v p", ERR_NONE), NULL);
	checked("vol-download v p file", ERR_UNKNOWN_KEY);
	checked("pool-edit x", ERR_UNKNOWN_VERB);
}

static void streams_are_not_held_in_memory(void)
{
	CHECK_STR(checked("vol-upload v = 1099511627776", ERR_NONE), NULL);
	CHECK_STR(checked("vol-upload v = 0", ERR_NONE), NULL);
	checked("vol-create p = 1048577", ERR_TOO_LONG);
	checked("version = 1", ERR_INVALID);
}

/* ---- one client ---- */

struct talk {
	struct loop loop;
	struct supervisor sup;
	struct server srv;
	int client;
};

static void talk_begin(struct talk *t)
{
	static const struct upward up = { .on_worker_over = waiting_expect };
	struct err e = { 0 };
	int ends[2];

	*t = (struct talk){ .srv = { .boot_id = "test" } };
	t->srv.loop = &t->loop;
	t->srv.options.codec = &line_codec;
	t->srv.options.verbs = verb_table;
	CHECK(loop_init(&t->loop, &e) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	t->client = ends[1];
	t->sup.loop = &t->loop;
	t->sup.up = &up;
	t->srv.sup = &t->sup;
	t->srv.empty = (struct timer){ .on_expiry = passed_on_timer, .owner = &t->srv };
	struct peer *p = peer_new(&t->srv);
	CHECK(p != NULL);
	p->fd = ends[0];
	access_look(&t->srv, p);
	CHECK(peer_begin(p, &e) == 0);
}

/* Let the server work until it has nothing more to say; what it said. */
static const char *talk_hear(struct talk *t)
{
	static char text[65536];
	size_t len = 0;

	for (int quiet = 0; quiet < 3;) {
		loop_round(&t->loop, clock_ms() + 1);
		ssize_t n = recv(t->client, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
		quiet = n > 0 ? 0 : quiet + 1;
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	return text;
}

static void say(struct talk *t, const char *text)
{
	CHECK(send(t->client, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static void talk_end(struct talk *t)
{
	while (t->srv.peers)
		peer_free(t->srv.peers);
	close(t->client);
	for (uint64_t end = clock_ms() + 5000; t->srv.shelves && clock_ms() < end;)
		loop_round(&t->loop, clock_ms() + 10);
	CHECK(!t->srv.shelves && !t->srv.leaving && !t->sup.workers);
	passed_end(&t->srv);
	loop_close(&t->loop);
}

/* Send text with n copies of a descriptor. */
static void send_with(int socket, const char *text, int fd, size_t n)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(100 * sizeof(int))];
	} control = { 0 };
	struct iovec room = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &room, .msg_iovlen = 1, .msg_control = &control };

	control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
		                         .cmsg_type = SCM_RIGHTS,
		                         .cmsg_len = (socklen_t)CMSG_LEN(n * sizeof(int)) };
	m.msg_controllen = (socklen_t)CMSG_SPACE(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &fd, sizeof(int));
	CHECK(sendmsg(socket, &m, 0) == (ssize_t)strlen(text));
}

/* How many descriptors of this process are that file. */
static int open_copies(int fd)
{
	struct stat want, st;
	int n = 0;

	fstat(fd, &want);
	for (int i = 0; i < 256; i++)
		n += fstat(i, &st) == 0 && st.st_ino == want.st_ino && st.st_dev == want.st_dev;
	return n;
}

/* What the server says to one message with n descriptors, behind another without. The client is gone then,
 * and none of them ever came in. */
static const char *passed(const char *before, const char *text, size_t n)
{
	int fd = memfd_create("passed", MFD_CLOEXEC);
	const char *said;
	struct talk t;

	talk_begin(&t);
	talk_hear(&t);
	if (before)
		say(&t, before);
	send_with(t.client, text, fd, n);
	said = talk_hear(&t);
	CHECK(!t.srv.peers);
	CHECK_INT(open_copies(fd), 1);
	talk_end(&t);
	close(fd);
	return said;
}

static void descriptors_nobody_wants_end_the_connection(void)
{
	CHECK(strstr(passed(NULL, "version\n", 1), "ERR 105 invalid \"a descriptor that no request takes"));
	CHECK(strstr(passed("version\n", "version\n", 1), "\nOK")); /* what was asked before is answered */
	CHECK(strstr(passed(NULL, "version\n", 100), "ERR 105"));
	CHECK(strstr(passed(NULL, "vol-upload\n", 2), "ERR 103")); /* refused before it is run */
	CHECK(strstr(passed(NULL, "vers", 1), "ERR 105"));
	CHECK(strstr(passed("vers", "ion\n", 1), "ERR 105"));
	passed("vol-create p = 9\nhalf", "half", 1);
	passed("vol-upload = 9\nhalf", "half", 1);
}

/* The queue is looked at only when nothing can come any more, and nothing is read that a descriptor may come
 * with. */
static void a_socket_is_closed_when_it_is_empty(void)
{
	int fd = memfd_create("passed", MFD_CLOEXEC);
	struct talk t;

	talk_begin(&t);
	talk_hear(&t);
	send_with(t.client, "version\n", fd, 1);
	send_with(t.client, "version\n", fd, 3);
	peer_free(t.srv.peers);
	CHECK_INT(passed_waiting(&t.srv, getuid()), 1);
	CHECK(send(t.client, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	talk_end(&t);
	CHECK_INT(passed_waiting(&t.srv, getuid()), 0);
	talk_begin(&t);
	say(&t, "version\nversion\n");
	peer_free(t.srv.peers);
	CHECK(!t.srv.shelves);
	talk_end(&t);
	close(fd);
}

static void requests_come_in_pieces(void)
{
	struct talk t;

	talk_begin(&t);
	CHECK(starts_with(talk_hear(&t), "* poolinit 1 "));
	for (const char *p = "@a version\n@b quit\n"; *p; p++)
		CHECK(send(t.client, p, 1, 0) == 1);
	const char *said = talk_hear(&t);
	CHECK(strstr(said, "@a OK\n") && strstr(said, "@b OK\n"));
	CHECK(!t.srv.peers);
	talk_end(&t);
}

static void a_refused_stream_is_skipped_or_ends_the_connection(void)
{
	struct talk t;
	const char *said;

	talk_begin(&t);
	talk_hear(&t);
	say(&t, "vol-upload = 5\nquit\n@x version\n");
	said = talk_hear(&t);
	CHECK(starts_with(said, "ERR 103") && strstr(said, "@x OK\n"));
	say(&t, "vol-upload = 99999999\nversion\n");
	said = talk_hear(&t);
	CHECK(starts_with(said, "ERR 103") && !strstr(said, "OK"));
	CHECK(!t.srv.peers);
	talk_end(&t);
}

int main(void)
{
	RUN(sizes_are_checked);
	RUN(sizes_are_read);
	RUN(files_are_not_arguments_of_a_request);
	RUN(streams_are_not_held_in_memory);
	RUN(descriptors_nobody_wants_end_the_connection);
	RUN(a_socket_is_closed_when_it_is_empty);
	RUN(requests_come_in_pieces);
	RUN(a_refused_stream_is_skipped_or_ends_the_connection);
	RUN(table_of_verbs_keeps_its_promises);
	RUN(reading_never_needs_more_than_read);
	RUN(usage_is_made_from_the_table);
	RUN(man_text_has_no_stray_control_lines);
	RUN(terminals_are_safe_from_names);
	RUN(tables_have_columns);
	RUN(json_keeps_what_a_value_is);
	RUN(json_of_an_error_is_an_object);
	return check_done();
}
