/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Verbs know no codec: here they answer in JSON, one object a line, over a server of this process with real
 * workers. The codec is this file's own, and lets four requests be under way at once.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"
#include "control/codec.h"
#include "control/peer.h"
#include "supervisor/inside.h"

/* ---- the codec ---- */

static const struct codec json_codec;

static void quote(struct buf *b, const char *data, size_t len)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < ' ')
			buf_printf(b, "\\u%04x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

static void json_key(struct buf *b, const char *key)
{
	if (b->len && b->data[b->len - 1] != '{')
		buf_addc(b, ',');
	buf_printf(b, "\"%s\":", key);
}

static void json_str(struct buf *b, const char *key, const char *value)
{
	json_key(b, key);
	quote(b, value, strlen(value));
}

static void json_num(struct buf *b, const char *key, uint64_t value)
{
	json_key(b, key);
	buf_printf(b, "%llu", (unsigned long long)value);
}

static void json_flag(struct buf *b, const char *key, bool value)
{
	json_key(b, key);
	buf_adds(b, value ? "true" : "false");
}

static void json_begin(struct buf *b)
{
	buf_adds(b, b->len ? ",{" : "{");
}

static void json_end(struct buf *b)
{
	buf_addc(b, '}');
}

static void json_bytes(struct buf *b, const char *data, size_t len)
{
	json_begin(b);
	json_key(b, "bytes");
	quote(b, data, len);
	json_end(b);
}

static void json_records(struct buf *b, const char *data, size_t len)
{
	for (const char *p = data, *end; p < data + len; p = end + 1) {
		char text[LINE_MAX_BYTES + 1];
		struct line l;

		end = memchr(p, '\n', (size_t)(data + len - p));
		CHECK(end && (size_t)(end - p) < sizeof(text));
		memcpy(text, p, (size_t)(end - p) + 1);
		CHECK(line_parse_reply(text, (size_t)(end - p), &l, NULL) == 0 && l.kind == LINE_RECORD);
		json_begin(b);
		for (size_t i = 0; i < l.nargs; i++)
			if (streq(l.args[i].key, "capacity") || streq(l.args[i].key, "allocation"))
				json_num(b, l.args[i].key, strtoull(l.args[i].value, NULL, 10));
			else
				json_str(b, l.args[i].key, l.args[i].value);
		json_end(b);
	}
}

static void from_file(struct call *c, int fd, const struct file_part *part,
                      void (*add)(struct buf *b, const char *data, size_t len))
{
	cleanup_free char *data = malloc(part->len);

	CHECK(data && pread(fd, data, part->len, (off_t)part->at) == (ssize_t)part->len);
	add(&c->records, data, part->len);
}

static void json_records_files(struct call *c, const int fds[2], const struct file_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		from_file(c, fds[parts[i].file], &parts[i], json_records);
}

static void json_bytes_file(struct call *c, int fd, size_t len)
{
	from_file(c, fd, &(struct file_part){ 0, 0, len }, json_bytes);
}

static void message(struct buf *out, const char *tag)
{
	buf_addc(out, '{');
	if (tag)
		json_str(out, "id", tag);
}

static void json_chunk(const struct call *c, struct buf *out, const char *data, size_t len)
{
	message(out, c->tag);
	json_key(out, "chunk");
	quote(out, data, len);
	buf_adds(out, "}\n");
}

static void json_progress(const struct call *c, struct buf *out, uint64_t job, uint64_t done, uint64_t total)
{
	message(out, c->tag);
	json_num(out, "job", job);
	json_num(out, "progress", done);
	json_num(out, "total", total);
	buf_adds(out, "}\n");
}

static void json_error(struct buf *out, const char *tag, const struct err *e)
{
	message(out, tag);
	json_str(out, "error", err_word(e->class));
	json_str(out, "message", e->message);
	buf_adds(out, "}\n");
}

static void json_answer(struct call *c, struct buf *out, struct buf *last)
{
	CHECK(out == last);
	if (c->failed) {
		json_error(out, c->tag, &c->err);
		return;
	}
	message(out, c->tag);
	json_key(out, "records");
	buf_printf(out, "[%s],\"ok\":{%s}}\n", buf_str(&c->records), buf_str(&c->finals));
}

static void json_event(struct buf *out, const struct event *ev)
{
	message(out, NULL);
	json_str(out, "event", ev->name);
	if (ev->seq)
		json_num(out, "seq", ev->seq);
	codec_event_fields(&json_codec, out, ev);
	buf_adds(out, "}\n");
}

static void json_greet(struct buf *out, const char *boot_id, const char *state)
{
	message(out, NULL);
	json_str(out, "poolinit", POOLINIT_VERSION);
	json_flag(out, "booted", boot_id[0]);
	json_str(out, "state", state);
	buf_adds(out, "}\n");
}

/* A string, whose quote *at stands on, or a number or true up to its end. It is taken apart in place. */
static char *json_value(char **at)
{
	char *value = *at, *to = *at, *p = *at;

	if (*p != '"') {
		p += strcspn(p, ",}");
		*at = p;
		return value;
	}
	for (p++; *p && *p != '"'; p++)
		*to++ = p[0] == '\\' ? *++p : *p;
	*to = '\0';
	*at = p + 1;
	return value;
}

/* {"id":"1","do":"VERB","payload":"…", and arguments by name}, "do" before the arguments. */
static int bind_object(struct call *c, const char **payload, struct err *e)
{
	for (char *at = c->text, sep = '{'; sep != '}' && *at;) {
		at++;
		char *key = json_value(&at);
		at++;
		bool text = *at == '"';
		char *value = json_value(&at);
		sep = *at;
		if (!text)
			*at = '\0';
		if (streq(key, "id"))
			c->tag = value;
		else if (streq(key, "payload"))
			*payload = value;
		else if (streq(key, "do") ? call_name(c, value, e) < 0
		                          : call_give(c, key, streq(value, "true") ? NULL : value, e) < 0)
			return -1;
		if (!text)
			*at = sep;
	}
	c->has_payload = *payload;
	c->announced = *payload ? strlen(*payload) : 0;
	if (call_check(c, e) < 0)
		return -1;
	if (c->payload) {
		memcpy(c->payload, *payload, c->payload_len);
		c->payload_got = c->payload_len;
	}
	return 0;
}

static bool json_take(struct peer *p)
{
	const char *lf = p->in.len ? memchr(p->in.data, '\n', p->in.len) : NULL, *payload = NULL;
	struct err e = { 0 };

	if (!lf)
		return false;
	struct call *c = call_new(p, p->in.data, (size_t)(lf - p->in.data));
	CHECK(c != NULL);
	buf_consume(&p->in, (size_t)(lf - p->in.data) + 1);
	if (bind_object(c, &payload, &e) == 0) {
		peer_take(p, c, false);
		return true;
	}
	c->has_payload = false; /* it came with the request: nothing of it follows */
	peer_refuse(p, c, &e);
	return true;
}

static const struct codec json_codec = {
	.calls = 4,
	.payload_hint = "a member \"payload\"",
	.greet = json_greet,
	.take = json_take,
	.event = json_event,
	.error = json_error,
	.begin = json_begin,
	.str = json_str,
	.num = json_num,
	.flag = json_flag,
	.end = json_end,
	.records = json_records,
	.bytes = json_bytes,
	.records_files = json_records_files,
	.bytes_file = json_bytes_file,
	.stream = stream_plain,
	.chunk = json_chunk,
	.progress = json_progress,
	.answer = json_answer,
};

/* ---- a server that speaks it: a pool "one" with a volume "v", which is active, and a pool "two", which is
 * not ---- */

#define UUID "8d0d2b4e-2f0a-4a6e-9b3f-0d2b7a6c1e01"

static struct {
	char dir[64], config[PATH_MAX], run[PATH_MAX], path[PATH_MAX];
	struct loop loop;
	struct supervisor *s;
	struct supervisor_options options;
	struct server *server;
} env;

struct client {
	int fd;
	char text[65536];
	size_t len;
	char line[65536];
};

/* The next line that it hears; "" if there is none for a while. */
static const char *hear_for(struct client *c, uint64_t ms)
{
	uint64_t deadline = clock_ms() + ms;
	char *lf;

	while (!(lf = memchr(c->text, '\n', c->len)) && clock_ms() < deadline) {
		loop_round(&env.loop, clock_ms() + 5);
		ssize_t n = recv(c->fd, c->text + c->len, sizeof(c->text) - c->len, MSG_DONTWAIT);
		if (n == 0)
			break;
		c->len += n > 0 ? (size_t)n : 0;
	}
	if (!lf)
		return "";
	size_t n = (size_t)(lf - c->text);
	memcpy(c->line, c->text, n);
	c->line[n] = '\0';
	c->len -= n + 1;
	memmove(c->text, lf + 1, c->len);
	return c->line;
}

static const char *hear(struct client *c)
{
	return hear_for(c, SECONDS(20));
}

static void say(struct client *c, const char *text)
{
	CHECK(send(c->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
	      send(c->fd, "\n", 1, MSG_NOSIGNAL) == 1);
}

static const char *ask(struct client *c, const char *text)
{
	say(c, text);
	return hear(c);
}

static void enter(struct client *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*c = (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", env.path);
	CHECK(connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	CHECK_STR(hear(c), "{\"poolinit\":\"" POOLINIT_VERSION "\",\"booted\":true,\"state\":\"ready\"}");
}

static bool volume_known(void)
{
	size_t len;

	return pool_by_name(env.s, "one") && volume_find(pool_by_name(env.s, "one"), "v", &len);
}

static void define(const char *name, const char *uuid)
{
	char xml[1024], file[80];

	snprintf(xml, sizeof(xml),
	         "<pool type='dir'><name>%s</name><uuid>%s</uuid><target><path>%s/%s</path></target></pool>",
	         name, uuid, env.dir, name);
	snprintf(file, sizeof(file), "storage/%s.xml", name);
	fixture(env.config, xml, "%s", file);
}

static void begin(void)
{
	char root[PATH_MAX];
	struct err e = { 0 };

	fixture_make(root);
	snprintf(env.dir, sizeof(env.dir), "%.63s", root);
	fixture_path(env.config, "%s/config", env.dir);
	fixture_path(env.run, "%s/run", env.dir);
	fixture_path(env.path, "%s/socket", env.dir);
	fixture(env.dir, "some \"content\"\n", "one/v");
	fixture(env.dir, "", "two/w");
	define("one", UUID);
	define("two", "8d0d2b4e-2f0a-4a6e-9b3f-0d2b7a6c1e02");
	fixture_link(env.config, "storage/one.xml", "storage/autostart/one.xml");
	env.options = (struct supervisor_options){ .config_dir = env.config, .run_dir = env.run };
	CHECK(loop_init(&env.loop, &e) == 0);
	env.s = supervisor_new(&env.loop, &env.options, &e);
	CHECK(env.s && supervisor_add_source(env.s, SOURCE_DIRECTORY, env.config, NULL, &e) == 0);
	env.server = server_new(env.s, &(struct server_options){ .path = env.path, .codec = &json_codec },
	                        &e);
	CHECK(env.server != NULL);
	server_accept(env.server);
	supervisor_go(env.s);
	for (uint64_t deadline = clock_ms() + SECONDS(20); !volume_known() && clock_ms() < deadline;)
		loop_round(&env.loop, clock_ms() + 50);
	CHECK(volume_known());
}

static void end(void)
{
	server_free(env.server);
	supervisor_free(env.s);
	loop_close(&env.loop);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	fixture_remove(env.dir);
}

static void has(const char *line, const char *part)
{
	if (!strstr(line, part))
		printf("# no %s in %s\n", part, line);
	CHECK(strstr(line, part) != NULL);
}

/* ---- the cases ---- */

static void records_have_typed_fields(void)
{
	struct client c;

	begin();
	enter(&c);
	CHECK_STR(ask(&c, "{\"id\":\"1\",\"do\":\"version\"}"),
	          "{\"id\":\"1\",\"records\":[{\"program\":\"poolinit\",\"version\":\"" POOLINIT_VERSION
	          "\",\"protocol\":1}],\"ok\":{}}");
	CHECK_STR(ask(&c, "{\"id\":\"2\",\"do\":\"pool-list\",\"all\":true,\"name\":true}"),
	          "{\"id\":\"2\",\"records\":[{\"name\":\"one\"},{\"name\":\"two\"}],\"ok\":{\"pools\":2}}");
	const char *said = ask(&c, "{\"id\":\"3\",\"do\":\"pool-info\",\"pool\":\"one\"}");
	has(said, "{\"id\":\"3\",\"records\":[{\"name\":\"one\",\"uuid\":\"" UUID
	          "\",\"type\":\"dir\",\"phase\":\"active\",\"want\":\"active\",\"autostart\":true,"
	          "\"persistent\":true,\"capacity\":");
	has(said, "\"volumes\":1,\"target\":\"");
	CHECK_STR(ask(&c, "{\"id\":\"4\",\"do\":\"pool-uuid\",\"pool\":\"one\"}"),
	          "{\"id\":\"4\",\"records\":[{\"uuid\":\"" UUID "\"}],\"ok\":{}}");
	CHECK_STR(ask(&c, "{\"id\":\"5\",\"do\":\"job-list\"}"),
	          "{\"id\":\"5\",\"records\":[],\"ok\":{\"jobs\":0}}");
	said = ask(&c, "{\"id\":\"6\",\"do\":\"status\"}");
	has(said, "{\"id\":\"6\",\"records\":[{\"kind\":\"supervisor\",\"pid\":");
	has(said, "\"pools\":2,\"wanted\":1,\"active\":1,\"clients\":1,");
	said = ask(&c, "{\"id\":\"7\",\"do\":\"help\",\"verb\":\"version\"}");
	has(said, "{\"id\":\"7\",\"records\":[{");
	has(ask(&c, "{\"id\":\"8\",\"do\":\"timeline\"}"), "\"what\":\"active\",\"pool\":\"one\"}");
	has(ask(&c, "{\"id\":\"9\",\"do\":\"log\"}"), "{\"id\":\"9\",\"records\":[");
	close(c.fd);
	end();
}

static void volumes_come_out_of_the_index(void)
{
	char expected[PATH_MAX];
	struct client c;

	begin();
	enter(&c);
	const char *said = ask(&c, "{\"id\":\"1\",\"do\":\"vol-list\",\"pool\":\"one\"}");
	has(said, "{\"id\":\"1\",\"records\":[{\"name\":\"v\",");
	has(said, "\"capacity\":15,");
	has(said, "}],\"ok\":{\"pool\":\"one\",\"volumes\":1}}");
	said = ask(&c, "{\"id\":\"2\",\"do\":\"vol-info\",\"vol\":\"v\",\"pool\":\"one\"}");
	has(said, "\"capacity\":15,");
	has(said, "}],\"ok\":{\"pool\":\"one\"}}");
	fixture_path(expected,
	             "{\"id\":\"3\",\"records\":[{\"path\":\"%s/one/v\"}],\"ok\":{\"pool\":\"one\"}}",
	             env.dir);
	CHECK_STR(ask(&c, "{\"id\":\"3\",\"do\":\"vol-path\",\"vol\":\"v\"}"), expected);
	has(ask(&c, "{\"id\":\"4\",\"do\":\"vol-dumpxml\",\"vol\":\"v\"}"),
	    "{\"id\":\"4\",\"records\":[{\"bytes\":\"<volume type='file'>\\u000a");
	CHECK_STR(ask(&c, "{\"id\":\"5\",\"do\":\"vol-create-as\",\"pool\":\"one\",\"name\":\"new\","
	                  "\"capacity\":4096}"),
	          "{\"id\":\"5\",\"records\":[],\"ok\":{\"pool\":\"one\",\"volume\":\"new\"}}");
	close(c.fd);
	end();
}

static void bytes_come_whole_and_in_pieces(void)
{
	struct client c;

	begin();
	enter(&c);
	const char *said = ask(&c, "{\"id\":\"1\",\"do\":\"pool-dumpxml\",\"pool\":\"one\"}");
	has(said,
	    "{\"id\":\"1\",\"records\":[{\"bytes\":\"<pool type='dir'>\\u000a  <name>one</name>\\u000a");
	has(said, "</pool>\\u000a\"}],\"ok\":{\"pool\":\"one\"}}");
	CHECK_STR(ask(&c, "{\"id\":\"2\",\"do\":\"vol-download\",\"vol\":\"v\"}"),
	          "{\"id\":\"2\",\"chunk\":\"some \\\"content\\\"\\u000a\"}");
	CHECK_STR(hear(&c),
	          "{\"id\":\"2\",\"records\":[],\"ok\":{\"bytes\":15,\"pool\":\"one\",\"volume\":\"v\"}}");
	close(c.fd);
	end();
}

static void a_value_is_bytes_without_a_frame(void)
{
	struct client c;

	begin();
	enter(&c);
	has(ask(&c, "{\"id\":\"1\",\"do\":\"secret-define\",\"payload\":\"<secret><uuid>" UUID
	            "</uuid></secret>\"}"),
	    "{\"id\":\"1\",\"records\":[],\"ok\":{\"secret\":\"" UUID "\",\"kept\":\"");
	has(ask(&c, "{\"id\":\"2\",\"do\":\"secret-set-value\",\"secret\":\"" UUID
	            "\",\"plain\":true,\"payload\":\"pass \\\"word\\\"\"}"),
	    "{\"id\":\"2\",\"records\":[],\"ok\":{\"secret\":\"" UUID "\",\"kept\":\"");
	CHECK_STR(ask(&c,
	              "{\"id\":\"3\",\"do\":\"secret-get-value\",\"secret\":\"" UUID "\",\"plain\":true}"),
	          "{\"id\":\"3\",\"records\":[{\"bytes\":\"pass \\\"word\\\"\"}],\"ok\":{\"secret\":\"" UUID
	          "\"}}");
	has(ask(&c, "{\"id\":\"4\",\"do\":\"secret-list\"}"),
	    "{\"id\":\"4\",\"records\":[{\"uuid\":\"" UUID "\",");
	close(c.fd);
	end();
}

static void errors_say_whose_they_are(void)
{
	struct client c;

	begin();
	enter(&c);
	CHECK_STR(ask(&c, "{\"id\":\"1\",\"do\":\"pool-info\",\"pool\":\"three\"}"),
	          "{\"id\":\"1\",\"error\":\"no-pool\",\"message\":\"no pool with the name or uuid "
	          "\\\"three\\\" (pool-list --all shows what there is)\"}");
	has(ask(&c, "{\"id\":\"2\",\"do\":\"pool-fly\"}"), "{\"id\":\"2\",\"error\":\"unknown-verb\",");
	has(ask(&c, "{\"id\":\"3\",\"do\":\"pool-info\"}"), "{\"id\":\"3\",\"error\":\"missing-argument\",");
	has(ask(&c, "{\"id\":\"4\",\"do\":\"pool-info\",\"colour\":\"red\"}"),
	    "{\"id\":\"4\",\"error\":\"unknown-key\",");
	CHECK_STR(ask(&c, "{\"id\":\"5\",\"do\":\"pool-define\"}"),
	          "{\"id\":\"5\",\"error\":\"missing-argument\",\"message\":\"pool-define needs a payload: a "
	          "member \\\"payload\\\"\"}");
	has(ask(&c, "{\"id\":\"6\",\"do\":\"pool-define\",\"payload\":\"<pool\"}"),
	    "{\"id\":\"6\",\"error\":\"");
	has(ask(&c, "{\"id\":\"7\",\"do\":\"version\"}"), "{\"id\":\"7\",\"records\":["); /* and it goes on */
	close(c.fd);
	end();
}

static void events_have_typed_fields(void)
{
	struct client c, late;

	begin();
	enter(&c);
	CHECK_STR(ask(&c, "{\"id\":\"1\",\"do\":\"subscribe\"}"), "{\"id\":\"1\",\"records\":[],\"ok\":{}}");
	say(&c, "{\"id\":\"2\",\"do\":\"pool-define\",\"payload\":\"<pool "
	        "type='dir'><name>three</name><target><path>/tmp/none/three</path></target></pool>\"}");
	const char *said = hear(&c);
	has(said, "{\"event\":\"pool-defined\",\"seq\":");
	has(said, ",\"pool\":\"three\",\"persistent\":true}");
	has(hear(&c), "{\"id\":\"2\",\"records\":[],\"ok\":{\"pool\":\"three\",\"uuid\":\"");
	enter(&late);
	CHECK_STR(ask(&late, "{\"id\":\"1\",\"do\":\"subscribe\",\"since\":0}"),
	          "{\"id\":\"1\",\"records\":[],\"ok\":{}}");
	bool phase = false, refreshed = false, defined = false;
	while (!defined && *(said = hear_for(&late, 2000))) {
		phase = phase || strstr(said, ",\"pool\":\"one\",\"from\":\"starting\",\"to\":\"active\"}");
		refreshed = refreshed || (strstr(said, "\"event\":\"pool-refreshed\"") &&
		                          strstr(said, ",\"pool\":\"one\",\"volumes\":1}"));
		defined = strstr(said, ",\"pool\":\"three\",\"persistent\":true}");
	}
	CHECK(phase && refreshed && defined);
	close(c.fd);
	close(late.fd);
	end();
}

static void answers_come_as_they_are_ready(void)
{
	bool waited = false, started = false;
	struct client c;

	begin();
	enter(&c);
	say(&c, "{\"id\":\"wait\",\"do\":\"wait\",\"pool\":\"two\"}");
	say(&c, "{\"id\":\"never\",\"do\":\"wait\",\"pool\":\"two\",\"phase\":\"failed\"}");
	has(ask(&c, "{\"id\":\"first\",\"do\":\"version\"}"), "{\"id\":\"first\",");
	say(&c, "{\"id\":\"start\",\"do\":\"pool-start\",\"pool\":\"two\"}");
	has(ask(&c, "{\"id\":\"second\",\"do\":\"pool-name\",\"pool\":\"" UUID "\"}"),
	    "{\"id\":\"second\",\"records\":[{\"name\":\"one\"}]");
	for (int i = 0; i < 2; i++) {
		const char *said = hear(&c);

		waited = waited || streq(said, "{\"id\":\"wait\",\"records\":[],\"ok\":{\"pool\":\"two\","
		                               "\"phase\":\"active\"}}");
		started = started ||
		          starts_with(said, "{\"id\":\"start\",\"records\":[],\"ok\":{\"pool\":\"two\"");
	}
	CHECK(waited && started);
	close(c.fd); /* "never" goes with its client */
	for (uint64_t deadline = clock_ms() + SECONDS(20); env.server->npeers && clock_ms() < deadline;)
		loop_round(&env.loop, clock_ms() + 20);
	CHECK_INT(env.server->npeers, 0);
	end();
}

static void no_more_are_under_way_than_the_codec_says(void)
{
	char text[128];
	struct client c, other;

	begin();
	enter(&c);
	enter(&other);
	for (unsigned i = 0; i < json_codec.calls; i++) {
		snprintf(text, sizeof(text), "{\"id\":\"%u\",\"do\":\"wait\",\"pool\":\"two\"}", i);
		say(&c, text);
	}
	say(&c, "{\"id\":\"more\",\"do\":\"version\"}");
	CHECK_STR(hear_for(&c, 200), "");
	has(ask(&other, "{\"id\":\"1\",\"do\":\"pool-start\",\"pool\":\"two\"}"),
	    "{\"id\":\"1\",\"records\":[],\"ok\":{\"pool\":\"two\"");
	for (unsigned i = 0; i < json_codec.calls; i++)
		has(hear(&c), "\",\"records\":[],\"ok\":{\"pool\":\"two\",\"phase\":\"active\"}}");
	has(hear(&c), "{\"id\":\"more\",");
	say(&c, "{\"id\":\"a\",\"do\":\"wait\",\"pool\":\"two\",\"phase\":\"failed\"}");
	say(&c, "{\"id\":\"b\",\"do\":\"wait\",\"pool\":\"two\",\"phase\":\"failed\"}");
	CHECK_STR(hear_for(&c, 100), "");
	server_free(env.server); /* those who wait are told */
	env.server = NULL;
	has(hear(&c), "{\"id\":\"a\",\"error\":\"");
	has(hear(&c), "{\"id\":\"b\",\"error\":\"");
	close(c.fd);
	close(other.fd);
	end();
}

/* Its time is up, as if that had come. */
static void let_time_pass(void)
{
	struct timer *t = &env.server->peers->stall;

	CHECK(t->armed);
	loop_disarm(&env.loop, t);
	t->on_expiry(t);
}

static void who_reads_slowly_is_not_let_go(void)
{
	static const char request[] = "{\"id\":\"1\",\"do\":\"help\"}\n";
	char some[64 * 1024];
	struct client c;

	begin();
	enter(&c);
	/* Requests until it is not read any more, because it does not read. */
	for (uint64_t deadline = clock_ms() + SECONDS(20);
	     !env.server->peers->stall.armed && clock_ms() < deadline; loop_round(&env.loop, clock_ms()))
		send(c.fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(recv(c.fd, some, sizeof(some), MSG_DONTWAIT), sizeof(some));
		let_time_pass();
		CHECK_INT(env.server->npeers, 1);
	}
	let_time_pass(); /* it has read nothing since */
	CHECK_INT(env.server->npeers, 0);
	close(c.fd);
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set("error", NULL);
	RUN(records_have_typed_fields);
	RUN(volumes_come_out_of_the_index);
	RUN(bytes_come_whole_and_in_pieces);
	RUN(a_value_is_bytes_without_a_frame);
	RUN(errors_say_whose_they_are);
	RUN(events_have_typed_fields);
	RUN(answers_come_as_they_are_ready);
	RUN(no_more_are_under_way_than_the_codec_says);
	RUN(who_reads_slowly_is_not_let_go);
	return check_done();
}
