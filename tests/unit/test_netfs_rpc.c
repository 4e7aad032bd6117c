/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Answers of ONC RPC, and lists of exports, as bytes: good ones, and what a server may send instead. Servers
 * on a wire, which are slow or fall silent: tests/host/netfs-wire.
 */
#include "backends/netfs/netfs.h"
#include "base/util.h"
#include "check.h"

enum { NUMBER = 77 };

/* An answer whose results are those bytes. */
static void answer(struct buf *b, uint32_t number, uint32_t kind, uint32_t reply, uint32_t verifier,
                   uint32_t status)
{
	const uint32_t words[] = { number, kind, reply, 0, verifier };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		xdr_put(b, words[i]);
	for (uint32_t i = 0; i < (verifier + 3) / 4 && i < 1000; i++)
		xdr_put(b, 0);
	xdr_put(b, status);
}

static int read_answer(const struct buf *b, struct xdr *x, struct err *e)
{
	*e = (struct err){ 0 };
	*x = (struct xdr){ (const unsigned char *)buf_str(b), b->len, false };
	return rpc_answer_read(x, NUMBER, e);
}

static void a_good_answer_leaves_its_results(void)
{
	for (uint32_t verifier = 0; verifier < 9; verifier++) {
		cleanup_buf struct buf b = BUF_INIT;
		struct xdr x;
		struct err e;

		answer(&b, NUMBER, 1, 0, verifier, 0);
		xdr_put(&b, 42);
		CHECK(read_answer(&b, &x, &e) == 0);
		CHECK_INT(xdr_number(&x), 42);
		CHECK(!x.broken && x.left == 0);
	}
}

static void other_answers_have_their_errors(void)
{
	static const struct {
		uint32_t number, kind, reply, verifier, status;
		enum err_class class;
		const char *said;
	} cases[] = {
		{ NUMBER + 1, 1, 0, 0, 0, ERR_STORAGE, "not an answer" },
		{ NUMBER, 0, 0, 0, 0, ERR_STORAGE, "not an answer" }, /* a call */
		{ NUMBER, 1, 2, 0, 0, ERR_STORAGE, "not an answer" },
		{ NUMBER, 1, 0, 401, 0, ERR_STORAGE, "breaks off" },
		{ NUMBER, 1, 0, 0xffffffff, 0, ERR_STORAGE, "breaks off" },
		{ NUMBER, 1, 0, 0, 1, ERR_UNSUPPORTED, "program" },
		{ NUMBER, 1, 0, 0, 2, ERR_UNSUPPORTED, "version" },
		{ NUMBER, 1, 0, 0, 3, ERR_UNSUPPORTED, "procedure" },
		{ NUMBER, 1, 0, 0, 5, ERR_UNSUPPORTED, "now" },
		{ NUMBER, 1, 0, 0, 6, ERR_STORAGE, "not one of ONC RPC" },
		{ NUMBER, 1, 1, 0, 0, ERR_UNSUPPORTED, "another version of ONC RPC" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_buf struct buf b = BUF_INIT;
		struct xdr x;
		struct err e;

		answer(&b, cases[i].number, cases[i].kind, cases[i].reply, cases[i].verifier,
		       cases[i].status);
		CHECK(read_answer(&b, &x, &e) < 0 && err_is(&e, cases[i].class));
		if (!strstr(e.message, cases[i].said)) {
			printf("# %zu: %s\n", i, e.message);
			check_case_failed = 1;
		}
	}
}

static void an_answer_that_breaks_off_is_told(void)
{
	cleanup_buf struct buf whole = BUF_INIT;
	struct xdr x;
	struct err e;

	answer(&whole, NUMBER, 1, 0, 8, 0);
	for (size_t len = 0; len < whole.len; len++) {
		char *cut = malloc(len ? len : 1); /* of its very length: the sanitizers look behind it */
		struct buf b = { .data = cut, .len = len };

		CHECK(cut != NULL);
		memcpy(cut, whole.data, len);
		x = (struct xdr){ (const unsigned char *)cut, b.len, false };
		e = (struct err){ 0 };
		CHECK(rpc_answer_read(&x, NUMBER, &e) < 0 && err_is(&e, ERR_STORAGE));
		free(cut);
	}
}

/* ---- lists of exports ---- */

static char told[256];

static void tell(void *arg, const char *dir)
{
	size_t used = strlen(told);

	(void)arg;
	snprintf(told + used, sizeof(told) - used, "%s;", dir);
}

static void export_put(struct buf *b, const char *dir, unsigned groups)
{
	xdr_put(b, 1);
	xdr_put_text(b, dir);
	for (unsigned i = 0; i < groups; i++) {
		xdr_put(b, 1);
		xdr_put_text(b, "10.0.0.0/8");
	}
	xdr_put(b, 0);
}

static int list_of(const struct buf *b, unsigned *nameless, struct err *e)
{
	struct xdr x = { (const unsigned char *)buf_str(b), b->len, false };

	told[0] = '\0';
	*nameless = 0;
	*e = (struct err){ 0 };
	return exports_read(&x, tell, NULL, nameless, e);
}

static void a_list_is_told_in_its_order(void)
{
	cleanup_buf struct buf b = BUF_INIT;
	unsigned nameless;
	struct err e;

	export_put(&b, "/export", 0);
	export_put(&b, "/with space", 3);
	export_put(&b, "/", 1);
	xdr_put(&b, 0);
	CHECK(list_of(&b, &nameless, &e) == 0);
	CHECK_STR(told, "/export;/with space;/;");
	CHECK_INT(nameless, 0);
	buf_reset(&b);
	xdr_put(&b, 0);
	CHECK(list_of(&b, &nameless, &e) == 0 && !told[0]);
}

static void names_that_are_none_are_counted(void)
{
	cleanup_buf struct buf b = BUF_INIT;
	unsigned nameless;
	struct err e;

	export_put(&b, "", 0);
	export_put(&b, "relative", 0);
	export_put(&b, "/bell\a", 0);
	export_put(&b, "/\xff", 0);
	export_put(&b, "/good", 0);
	xdr_put(&b, 1);
	xdr_put(&b, 4);
	buf_add(&b, "/a\0b", 4);
	xdr_put(&b, 0);
	xdr_put(&b, 0);
	CHECK(list_of(&b, &nameless, &e) == 0);
	CHECK_STR(told, "/good;");
	CHECK_INT(nameless, 5);
}

static void lists_that_are_none_are_refused(void)
{
	cleanup_buf struct buf whole = BUF_INIT, b = BUF_INIT;
	unsigned nameless;
	struct err e;

	export_put(&whole, "/export", 2);
	xdr_put(&whole, 0);
	for (size_t len = 0; len < whole.len; len++) { /* it breaks off */
		struct buf cut = { .data = whole.data, .len = len };

		CHECK(list_of(&cut, &nameless, &e) < 0 && err_is(&e, ERR_STORAGE));
	}
	xdr_put(&whole, 0); /* it goes on */
	CHECK(list_of(&whole, &nameless, &e) < 0 && strstr(e.message, "behind its end"));
	xdr_put(&b, 2); /* neither yes nor no */
	CHECK(list_of(&b, &nameless, &e) < 0);
	for (uint32_t length = 1025; length; length <<= 1) { /* a name longer than the protocol has */
		buf_reset(&b);
		xdr_put(&b, 1);
		xdr_put(&b, length);
		buf_printf(&b, "%01100d", 0);
		CHECK(list_of(&b, &nameless, &e) < 0 && err_is(&e, ERR_STORAGE));
	}
	buf_reset(&b);
	xdr_put(&b, 1);
	xdr_put_text(&b, "/x");
	xdr_put(&b, 1);
	xdr_put(&b, 256); /* a group's */
	buf_printf(&b, "%0260d", 0);
	CHECK(list_of(&b, &nameless, &e) < 0);
	CHECK_STR(told, "");
}

static void universal_addresses_have_ports(void)
{
	CHECK_INT(exports_port_of("192.0.2.7.8.1"), 2049);
	CHECK_INT(exports_port_of("::.78.80"), 20048);
	CHECK_INT(exports_port_of("0.0.0.0.0.111"), 111);
	static const char *const none[] = {
		"",         ".",     "..",    "111",     "0.111",      "::.256.1",
		"::.1.256", "::.1.", "::..1", "::.1.2x", "::.99999.1", "::.-1.2"
	};

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (exports_port_of(none[i])) {
			printf("# \"%s\" has port %d\n", none[i], exports_port_of(none[i]));
			check_case_failed = 1;
		}
}

int main(void)
{
	RUN(a_good_answer_leaves_its_results);
	RUN(other_answers_have_their_errors);
	RUN(an_answer_that_breaks_off_is_told);
	RUN(a_list_is_told_in_its_order);
	RUN(names_that_are_none_are_counted);
	RUN(lists_that_are_none_are_refused);
	RUN(universal_addresses_have_ports);
	return check_done();
}
