/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sheepdog's protocol: which headers are answers, which inodes are VDIs, what refusals mean.
 */
#include "backends/sheepdog/sheepdog.h"
#include "base/util.h"
#include "check.h"

static void an_answer_is_one_to_the_question(void)
{
	uint8_t header[SHEEP_HEADER] = { 0 };
	struct sheep_call c = { .opcode = SHEEP_READ_OBJECT, .in_len = 4096 };

	header[1] = SHEEP_READ_OBJECT;
	sheep_put32(header + 8, 7);
	sheep_put32(header + 12, 4096);
	CHECK(sheep_answer_parse(header, 7, &c));
	CHECK_INT(c.got, 4096);
	CHECK(!sheep_answer_parse(header, 8, &c));
	sheep_put32(header + 12, 4097); /* more than was asked for */
	CHECK(!sheep_answer_parse(header, 7, &c));
	sheep_put32(header + 12, 1);
	c.out = header; /* there is none to a question that brings data */
	CHECK(!sheep_answer_parse(header, 7, &c));
	header[1] = SHEEP_WRITE_OBJECT;
	CHECK(!sheep_answer_parse(header, 7, &c));
}

static void inode(uint8_t head[SHEEP_INODE_HEAD], uint32_t id)
{
	memset(head, 0, SHEEP_INODE_HEAD);
	memcpy(head, "disk", 5);
	sheep_put64(head + SHEEP_AT_SIZE, UINT64_C(10) << 30);
	head[554] = 3;
	head[555] = SHEEP_SHIFT;
	sheep_put32(head + 560, id);
}

static void an_inode_is_read(void)
{
	static uint8_t head[SHEEP_INODE_HEAD];
	struct sheep_vdi v;

	inode(head, 0xabcdef);
	CHECK(sheep_vdi_parse(head, 0xabcdef, &v));
	CHECK_STR(v.name, "disk");
	CHECK_INT(v.size, INT64_C(10) << 30);
	CHECK_INT(v.copies, 3);
	CHECK(!v.snapshot && !v.hyper);
	CHECK_INT(sheep_objects(&v, v.size), 2560);
	CHECK_INT(sheep_objects(&v, 1), 1);
	sheep_put64(head + 520, 1);
	CHECK(sheep_vdi_parse(head, 0xabcdef, &v) && v.snapshot);
}

static void an_inode_that_cannot_be_is_none(void)
{
	static const struct {
		size_t at, len;
		uint8_t byte;
	} wrong[] = {
		{ 0, 256, 'x' },            /* a name without an end */
		{ SHEEP_AT_TAG, 256, 'x' }, /* likewise a tag */
		{ SHEEP_AT_SIZE, 8, 0xff }, /* a size that no list is long enough for */
		{ 555, 1, 0 },
		{ 555, 1, 63 },   /* objects of a byte, of 8 EiB */
		{ 560, 4, 0x11 }, /* another VDI's */
	};
	static uint8_t head[SHEEP_INODE_HEAD];
	struct sheep_vdi v;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		inode(head, 5);
		memset(head + wrong[i].at, wrong[i].byte, wrong[i].len);
		CHECK(!sheep_vdi_parse(head, 5, &v));
	}
	inode(head, 5);
	memset(head + SHEEP_AT_SIZE, 0xff, 8); /* a hyper volume's size says nothing of a list */
	head[553] = 1;
	CHECK(sheep_vdi_parse(head, 5, &v) && v.hyper);
}

static void a_refusal_says_what_can_be_done(void)
{
	struct err e = { 0 };

	CHECK_INT(sheep_refusal(0x16, &e), -1);
	CHECK(err_is(&e, ERR_WAIT_SERVER) && strstr(e.message, "cluster format"));
	sheep_refusal(0x15, &e);
	CHECK(err_is(&e, ERR_NO_SPACE));
	sheep_refusal(0x77, &e);
	CHECK(err_is(&e, ERR_STORAGE) && strstr(e.message, "0x77"));
}

static void objects_have_the_numbers_of_the_protocol(void)
{
	CHECK(sheep_inode(0xabcdef) == UINT64_C(0x80abcdef00000000));
	CHECK(sheep_object(0xabcdef, 17) == UINT64_C(0x00abcdef00000011));
}

int main(void)
{
	RUN(an_answer_is_one_to_the_question);
	RUN(an_inode_is_read);
	RUN(an_inode_that_cannot_be_is_none);
	RUN(a_refusal_says_what_can_be_done);
	RUN(objects_have_the_numbers_of_the_protocol);
	return check_done();
}
