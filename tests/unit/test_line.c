/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The line codec: what is taken, what is refused, and that everything written is read back byte for byte.
 */
#include <stdint.h>

#include "base/line.h"
#include "base/util.h"
#include "check.h"

typedef int parser(char *text, size_t len, struct line *l, struct err *e);

/* A line in memory of exactly its size, so that a step beyond it is seen by the sanitizer. */
struct parsed {
	char *text;
	struct line l;
	struct err e;
	int rc;
};

static struct parsed parse_bytes(parser *f, const char *bytes, size_t len)
{
	struct parsed p = { .text = malloc(len + 1) };

	memcpy(p.text, bytes, len);
	p.text[len] = '\n';
	p.rc = f(p.text, len, &p.l, &p.e);
	return p;
}

static struct parsed parse(const char *s)
{
	return parse_bytes(line_parse, s, strlen(s));
}

static struct parsed parse_reply(const char *s)
{
	return parse_bytes(line_parse_reply, s, strlen(s));
}

static void check_refused(struct parsed p, const char *what, enum err_class want)
{
	if (p.rc != -1 || p.e.class != want)
		printf("# %s: %s\n", what, p.rc == 0 ? "taken" : p.e.message);
	CHECK_INT(p.rc, -1);
	CHECK_INT(p.e.class, want);
	CHECK(p.e.message[0] != '\0');
	free(p.text);
}

/* ---- requests ---- */

static void a_verb_alone(void)
{
	struct parsed p = parse("pool-list");

	CHECK_INT(p.rc, 0);
	CHECK_INT(p.l.kind, LINE_REQUEST);
	CHECK_STR(p.l.head, "pool-list");
	CHECK(p.l.tag == NULL && p.l.nargs == 0 && !p.l.has_payload);
	free(p.text);
}

static void every_form_of_argument(void)
{
	struct parsed p = parse("@t.1_-Z pool-start vmstore build=yes --overwrite --timeout=30s text=\"a b\" "
	                        "--note=\"\" \"quo ted\"");

	CHECK_INT(p.rc, 0);
	CHECK_STR(p.l.tag, "t.1_-Z");
	CHECK_STR(p.l.head, "pool-start");
	CHECK_INT(p.l.nargs, 7);
	CHECK(p.l.args[0].key == NULL);
	CHECK_STR(p.l.args[0].value, "vmstore");
	CHECK_STR(line_get(&p.l, "build"), "yes");
	CHECK_STR(line_get(&p.l, "overwrite"), "");
	CHECK(p.l.args[2].value == NULL);
	CHECK_STR(line_get(&p.l, "timeout"), "30s");
	CHECK_STR(line_get(&p.l, "text"), "a b");
	CHECK_STR(line_get(&p.l, "note"), "");
	CHECK(p.l.args[5].value != NULL);
	CHECK(p.l.args[6].key == NULL);
	CHECK_STR(p.l.args[6].value, "quo ted");
	CHECK(line_get(&p.l, "vmstore") == NULL && !line_has(&p.l, "quo ted"));
	free(p.text);
}

static void escapes(void)
{
	struct parsed p = parse("v a=\"\\\"\\\\\\n\\t\\x41\\xfF\\x0a\" b=\"\xc3\xa4\"");

	CHECK_INT(p.rc, 0);
	CHECK_STR(line_get(&p.l, "a"), "\"\\\n\tA\xff\n");
	CHECK_STR(line_get(&p.l, "b"), "\xc3\xa4");
	free(p.text);
}

static void quoted_words_mean_nothing_special(void)
{
	struct parsed p = parse("v \"--all\" \"a=b\" \"=\" \"\"");

	CHECK_INT(p.rc, 0);
	CHECK_INT(p.l.nargs, 4);
	CHECK(p.l.args[0].key == NULL && p.l.args[1].key == NULL && !p.l.has_payload);
	CHECK_STR(p.l.args[0].value, "--all");
	CHECK_STR(p.l.args[1].value, "a=b");
	CHECK_STR(p.l.args[2].value, "=");
	CHECK_STR(p.l.args[3].value, "");
	free(p.text);
}

static void fingers_are_forgiven_spaces_and_cr(void)
{
	struct parsed p = parse("pool-info   x  a=1 \r");

	CHECK_INT(p.rc, 0);
	CHECK_INT(p.l.nargs, 2);
	CHECK_STR(p.l.args[0].value, "x");
	CHECK_STR(line_get(&p.l, "a"), "1");
	free(p.text);
}

static void empty_lines(void)
{
	static const char *const lines[] = { "", "\r", " ", "   \r" };

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct parsed p = parse(lines[i]);

		CHECK_INT(p.rc, 0);
		CHECK_INT(p.l.kind, LINE_EMPTY);
		free(p.text);
	}
}

static void equals_within_a_value(void)
{
	struct parsed p = parse("secret value=Zm9vYg== --key=a=b");

	CHECK_INT(p.rc, 0);
	CHECK_STR(line_get(&p.l, "value"), "Zm9vYg==");
	CHECK_STR(line_get(&p.l, "key"), "a=b");
	free(p.text);
}

static void payloads(void)
{
	static const struct {
		const char *line;
		uint64_t len;
	} good[] = {
		{ "pool-define = 0", 0 },
		{ "pool-define --validate = 17", 17 },
		{ "@1 pool-define  =  17 \r", 17 },
		{ "pool-define = 9223372036854775807", INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct parsed p = parse(good[i].line);

		CHECK_INT(p.rc, 0);
		CHECK(p.l.has_payload && p.l.payload_len == good[i].len);
		free(p.text);
	}
}

static void payloads_that_are_none(void)
{
	static const char *const bad[] = {
		"v =",
		"v = ",
		"v = x",
		"v = -1",
		"v = +1",
		"v = 01",
		"v = 00",
		"v = 1.0",
		"v = 0x1",
		"v = 9223372036854775808",
		"v = 99999999999999999999999",
		"v = \"5\"",
		"v = 5 more",
		"v = 5 = 6",
		"= 5",
		"@t = 5",
		"v = a=5",
		"v =5",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_refused(parse(bad[i]), bad[i], ERR_SYNTAX);
}

static void lines_that_are_none(void)
{
	static const char *const bad[] = {
		"\"pool-list\"",
		"a=b",
		"--all",
		"-x",
		"pool/list",
		"pool-list\tx",
		"p\x7f",
		"v \x01",
		"v \xc2\x85",
		"v a\"b",
		"v a\\b",
		"v \"a",
		"v a=\"b",
		"v \"a\"b",
		"v a=\"b\"c",
		"v \"\\q\"",
		"v \"\\x4\"",
		"v \"\\x4g\"",
		"v \"\\x00\"",
		"v \"\\",
		"v \"\\\"",
		"v \"\\x",
		"v --",
		"v --=x",
		"v ---x",
		"v -x=1",
		"v ---x=1",
		"v =x",
		"v a=",
		"v --a=",
		"v /dev/x=y",
		"v a:b=c",
		"v \xc3\xa4=c",
		"v a=1 a=2",
		"v --a a=1",
		"v --a --a",
		"@",
		"@ v",
		"@t",
		"@t ",
		"@t\"x\" v",
		"@12345678901234567 v",
		"@a/b v",
		"@a=b v",
		"\xff",
		"v \xc0\x80",
		"v \xed\xa0\x80",
		"v \"\xf4\x90\x80\x80\"",
		"* v",
		"! v",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_refused(parse(bad[i]), bad[i], ERR_SYNTAX);
}

static void nul_is_refused_wherever_it_is(void)
{
	check_refused(parse_bytes(line_parse, "\0", 1), "this line", ERR_SYNTAX);
	check_refused(parse_bytes(line_parse, "v \0", 3), "this line", ERR_SYNTAX);
	check_refused(parse_bytes(line_parse, "v a=\"\0\"", 7), "this line", ERR_SYNTAX);
	check_refused(parse_bytes(line_parse_reply, "- a=\0", 5), "this line", ERR_SYNTAX);
}

static void tags_of_sixteen(void)
{
	struct parsed p = parse("@1234567890123456 v");

	CHECK_INT(p.rc, 0);
	CHECK_STR(p.l.tag, "1234567890123456");
	free(p.text);
}

static void the_longest_line_and_one_more(void)
{
	char text[LINE_MAX_BYTES + 1];
	struct parsed p;

	memset(text, 'x', sizeof(text));
	memcpy(text, "v ", 2);
	p = parse_bytes(line_parse, text, LINE_MAX_BYTES - 1);
	CHECK_INT(p.rc, 0);
	CHECK_INT(strlen(p.l.args[0].value), LINE_MAX_BYTES - 3);
	free(p.text);
	check_refused(parse_bytes(line_parse, text, LINE_MAX_BYTES), "this line", ERR_TOO_LONG);
}

static void the_last_argument_and_one_more(void)
{
	char text[400] = "v";
	struct parsed p;

	for (int i = 0; i < LINE_ARGS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " k%d=v", i);
	p = parse(text);
	CHECK_INT(p.rc, 0);
	CHECK_INT(p.l.nargs, LINE_ARGS);
	CHECK_STR(line_get(&p.l, "k31"), "v");
	free(p.text);
	strncat(text, " more", sizeof(text) - strlen(text) - 1);
	check_refused(parse(text), "this line", ERR_TOO_LONG);
}

/* ---- replies ---- */

static void replies_of_every_kind(void)
{
	static const struct {
		const char *line;
		enum line_kind kind;
		size_t nargs;
	} good[] = {
		{ "- name=a size=5", LINE_RECORD, 2 },
		{ "-", LINE_RECORD, 0 },
		{ "OK", LINE_OK, 0 },
		{ "OK kept=config", LINE_OK, 1 },
		{ "@7 OK", LINE_OK, 0 },
		{ "ERR 300 no-pool \"no pool\"", LINE_ERR, 3 },
		{ "ERR 501 wait-device \"no\" waits=\"device=/dev/x\"", LINE_ERR, 4 },
		{ "* poolinit 1 0.1 boot=x state=ready", LINE_GREETING, 5 },
		{ "! seq=1 event=x", LINE_EVENT, 2 },
		{ "", LINE_EMPTY, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct parsed p = parse_reply(good[i].line);

		CHECK_INT(p.rc, 0);
		CHECK_INT(p.l.kind, good[i].kind);
		CHECK_INT(p.l.nargs, good[i].nargs);
		CHECK(p.l.head == NULL && !p.l.has_payload);
		free(p.text);
	}
}

static void reply_payload(void)
{
	struct parsed p = parse_reply("= 4096");

	CHECK_INT(p.rc, 0);
	CHECK_INT(p.l.kind, LINE_PAYLOAD);
	CHECK(p.l.has_payload && p.l.payload_len == 4096);
	free(p.text);
}

static void replies_that_are_none(void)
{
	static const char *const bad[] = {
		"pool-list",
		"ok",
		"OKAY",
		"\"OK\"",
		"-name=a",
		"--",
		"ERR",
		"ERR 300",
		"ERR 300 no-pool",
		"ERR x no-pool \"t\"",
		"ERR 99 x \"t\"",
		"ERR 1000 x \"t\"",
		"ERR a=1 x \"t\"",
		"= x",
		"= 5 6",
		"=5",
		"= 05",
		"- a=1 a=2",
		"- a=",
		"OK = 5",
		"@ OK",
		"- a=\"x",
		"- a=\xff",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_refused(parse_reply(bad[i]), bad[i], ERR_SYNTAX);
}

static void long_records_are_read(void)
{
	struct buf b = BUF_INIT;
	struct parsed p;

	buf_adds(&b, "- path=/");
	for (int i = 0; i < 5000; i++)
		buf_addc(&b, 'x');
	p = parse_bytes(line_parse_reply, b.data, b.len);
	CHECK_INT(p.rc, 0);
	CHECK_INT(strlen(line_get(&p.l, "path")), 5001);
	free(p.text);
	buf_free(&b);
}

static void numbers(void)
{
	struct parsed p = parse_reply(
		"- a=0 b=18446744073709551615 c=18446744073709551616 d=-1 e=5x f=\"\" --g");

	CHECK_INT(p.rc, 0);
	CHECK(line_u64(&p.l, "a", 7) == 0);
	CHECK(line_u64(&p.l, "b", 7) == UINT64_MAX);
	CHECK(line_u64(&p.l, "c", 7) == 7);
	CHECK(line_u64(&p.l, "d", 7) == 7);
	CHECK(line_u64(&p.l, "e", 7) == 7);
	CHECK(line_u64(&p.l, "f", 7) == 7);
	CHECK(line_u64(&p.l, "g", 7) == 7);
	CHECK(line_u64(&p.l, "absent", 7) == 7);
	free(p.text);
}

/* ---- writing ---- */

static void words_are_plain_and_the_rest_is_quoted(void)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{ "word", "word" },
		{ "/dev/disk/by-id/x:0,1;[]{}~'$&", "/dev/disk/by-id/x:0,1;[]{}~'$&" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a=b", "\"a=b\"" },
		{ "a\"b", "\"a\\\"b\"" },
		{ "a\\b", "\"a\\\\b\"" },
		{ "a\nb\t", "\"a\\nb\\t\"" },
		{ "\x01\x7f\r", "\"\\x01\\x7f\\x0d\"" },
		{ "\xff", "\"\\xff\"" },
		{ "\xc3\xa4\xc3", "\"\xc3\xa4\\xc3\"" },
		{ "\xc2\x9b", "\"\\xc2\\x9b\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT;

		line_quote(&b, cases[i].value, strlen(cases[i].value));
		CHECK_STR(buf_str(&b), cases[i].want);
		buf_free(&b);
	}
}

static void records(void)
{
	struct buf b = BUF_INIT;

	line_begin(&b, "- ");
	line_str(&b, "name", "a b");
	line_str(&b, "absent", NULL);
	line_num(&b, "zero", 0);
	line_num(&b, "most", UINT64_MAX);
	line_fmt(&b, "ratio", "%d/%d", 5, 6);
	line_end(&b);
	line_begin(&b, "pool-start");
	line_word(&b, "--all");
	line_word(&b, NULL);
	line_word(&b, "x");
	line_end(&b);
	CHECK_STR(buf_str(&b),
	          "- name=\"a b\" zero=0 most=18446744073709551615 ratio=5/6\npool-start \"--all\" x\n");
	buf_free(&b);
}

static void pieces_bring_their_space(void)
{
	struct buf b = BUF_INIT;

	line_str(&b, "kept", "config");
	CHECK_STR(buf_str(&b), " kept=config");
	buf_free(&b);
}

static void failure_of_the_buffer_is_kept(void)
{
	struct buf b = { .limit = 10 };

	line_begin(&b, "- ");
	line_fmt(&b, "key", "%s", "much too long");
	CHECK(b.failed);
	buf_free(&b);
}

/* Any bytes but NUL, as value and as word, come back. */
static void everything_written_is_read_back(void)
{
	unsigned seed = 1;

	for (int round = 0; round < 3000; round++) {
		char value[40];
		size_t len = (size_t)round % (sizeof(value) - 1);
		struct buf b = BUF_INIT;
		struct parsed p;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			value[i] = round % 3 ? (char)(seed >> 16)
			                     : " =-@\"\\\nax\xc3\xa4\xff"[(seed >> 16) % 12];
			if (!value[i])
				value[i] = '!';
		}
		value[len] = '\0';
		line_begin(&b, "verb");
		line_word(&b, value);
		line_str(&b, "key", value);
		p = parse_bytes(line_parse, b.data, b.len);
		CHECK_INT(p.rc, 0);
		CHECK_INT(p.l.nargs, 2);
		CHECK(p.l.args[0].key == NULL);
		CHECK_STR(p.l.args[0].value, value);
		CHECK_STR(line_get(&p.l, "key"), value);
		free(p.text);
		buf_free(&b);
	}
}

static void errors_travel(void)
{
	struct err e = { 0 }, back = { 0 };
	struct buf b = BUF_INIT;
	struct parsed p;

	err_wait(&e, ERR_WAIT_DEVICE, "device=/dev/a b", "no \"/dev/a b\" yet");
	line_error(&b, &e);
	CHECK_STR(buf_str(&b), "ERR 501 wait-device \"no \\\"/dev/a b\\\" yet\" waits=\"device=/dev/a b\"\n");
	p = parse_bytes(line_parse_reply, b.data, b.len - 1);
	CHECK_INT(p.rc, 0);
	line_to_err(&p.l, &back);
	CHECK(err_is(&back, ERR_WAIT_DEVICE));
	CHECK_STR(back.message, e.message);
	CHECK_STR(back.waits_for, e.waits_for);
	free(p.text);
	buf_free(&b);
}

static void the_text_of_an_error_is_always_quoted(void)
{
	struct err e = { 0 };
	struct buf b = BUF_INIT;

	err_set(&e, ERR_NO_POOL, "word");
	line_error(&b, &e);
	CHECK_STR(buf_str(&b), "ERR 300 no-pool \"word\"\n");
	buf_reset(&b);
	err_clear(&e);
	line_error(&b, &e);
	CHECK_STR(buf_str(&b), "ERR 900 internal \"\"\n");
	buf_free(&b);
}

static void the_longest_error_fits_a_line(void)
{
	struct err e = { .class = ERR_MISSING };
	struct buf b = BUF_INIT;

	char text[sizeof(e.message)], waits[sizeof(e.waits_for)];

	memset(text, '"', sizeof(text) - 1);
	memset(waits, '\xff', sizeof(waits) - 1);
	text[sizeof(text) - 1] = waits[sizeof(waits) - 1] = '\0';
	err_wait(&e, ERR_MISSING, waits, "%s", text);
	line_error(&b, &e);
	CHECK(b.len <= LINE_MAX_BYTES);
	buf_free(&b);
}

static void no_error_from_other_lines(void)
{
	struct parsed p = parse_reply("OK");
	struct err e = { 0 };

	line_to_err(&p.l, &e);
	CHECK(err_is(&e, ERR_INTERNAL));
	free(p.text);
	p = parse_reply("ERR 777 brand-new \"from the future\"");
	CHECK_INT(p.rc, 0);
	line_to_err(&p.l, &e);
	CHECK(err_is(&e, ERR_INTERNAL));
	CHECK_STR(e.message, "from the future");
	free(p.text);
}

int main(void)
{
	RUN(a_verb_alone);
	RUN(every_form_of_argument);
	RUN(escapes);
	RUN(quoted_words_mean_nothing_special);
	RUN(fingers_are_forgiven_spaces_and_cr);
	RUN(empty_lines);
	RUN(equals_within_a_value);
	RUN(payloads);
	RUN(payloads_that_are_none);
	RUN(lines_that_are_none);
	RUN(nul_is_refused_wherever_it_is);
	RUN(tags_of_sixteen);
	RUN(the_longest_line_and_one_more);
	RUN(the_last_argument_and_one_more);
	RUN(replies_of_every_kind);
	RUN(reply_payload);
	RUN(replies_that_are_none);
	RUN(long_records_are_read);
	RUN(numbers);
	RUN(words_are_plain_and_the_rest_is_quoted);
	RUN(records);
	RUN(pieces_bring_their_space);
	RUN(failure_of_the_buffer_is_kept);
	RUN(everything_written_is_read_back);
	RUN(errors_travel);
	RUN(the_text_of_an_error_is_always_quoted);
	RUN(the_longest_error_fits_a_line);
	RUN(no_error_from_other_lines);
	return check_done();
}
