/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * XDR: what is written is read again; what is cut off anywhere, or announces more than there is, reads as
 * zeroes and is broken.
 */
#include "base/xdr.h"
#include "base/util.h"
#include "check.h"

static struct xdr over(const struct buf *b, size_t len)
{
	return (struct xdr){ .at = (const unsigned char *)buf_str(b), .left = len };
}

static void what_is_written_is_read(void)
{
	struct buf b = BUF_INIT;
	size_t len;

	xdr_put(&b, 0xfffffffeu);
	xdr_put_long(&b, 0x0123456789abcdefu);
	xdr_put_text(&b, "four");
	xdr_put_text(&b, "fives");
	xdr_put_bytes(&b, "\0\1", 2);
	xdr_put(&b, 1);
	CHECK_INT(b.len, 4 + 8 + 8 + 12 + 8 + 4);

	struct xdr x = over(&b, b.len);

	CHECK(xdr_number(&x) == 0xfffffffeu);
	CHECK(xdr_long(&x) == 0x0123456789abcdefu);
	CHECK(memcmp(xdr_bytes(&x, 4, &len), "four", 4) == 0 && len == 4);
	CHECK(memcmp(xdr_bytes(&x, 5, &len), "fives", 5) == 0 && len == 5);
	CHECK(memcmp(xdr_bytes(&x, 100, &len), "\0\1", 2) == 0 && len == 2);
	CHECK(xdr_flag(&x));
	CHECK(!x.broken && x.left == 0);
	CHECK_INT(xdr_number(&x), 0);
	CHECK(x.broken);
	buf_free(&b);
}

static void whatever_is_cut_off_is_broken(void)
{
	struct buf b = BUF_INIT;
	size_t len;

	xdr_put_text(&b, "fives");
	xdr_put_long(&b, 7);
	for (size_t cut = 0; cut < b.len; cut++) {
		char *exact = copy_bytes(b.data, cut); /* so that one byte beyond the end is seen */
		struct xdr x = { .at = (const unsigned char *)exact, .left = cut };
		const unsigned char *at = xdr_bytes(&x, 100, &len);

		CHECK(cut >= 12 ? at && len == 5 : !at && len == 0 && x.broken);
		CHECK_INT(xdr_long(&x), 0);
		CHECK(x.broken);
		CHECK(!xdr_fixed(&x, 0));
		free(exact);
	}
	buf_free(&b);
}

static void lengths_that_cannot_be(void)
{
	static const uint32_t lengths[] = { 6, 9, 4096, 0x7fffffffu, 0xfffffffcu, 0xfffffffdu, 0xffffffffu };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct buf b = BUF_INIT;

		xdr_put(&b, lengths[i]);
		buf_adds(&b, "fives");

		struct xdr x = over(&b, b.len), limited = over(&b, b.len);

		CHECK(!xdr_bytes(&x, SIZE_MAX, &len) && len == 0 && x.broken);
		CHECK(!xdr_bytes(&limited, 5, &len) && len == 0 && limited.broken);
		buf_free(&b);
	}
}

static void flags_are_0_or_1(void)
{
	struct buf b = BUF_INIT;

	xdr_put(&b, 0);
	xdr_put(&b, 2);

	struct xdr x = over(&b, b.len);

	CHECK(!xdr_flag(&x) && !x.broken);
	CHECK(!xdr_flag(&x) && x.broken);
	buf_free(&b);
}

int main(void)
{
	RUN(what_is_written_is_read);
	RUN(whatever_is_cut_off_is_broken);
	RUN(lengths_that_cannot_be);
	RUN(flags_are_0_or_1);
	return check_done();
}
