/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a client does, as a script for fuzz_rpc: four bytes for each thing it does, so that a mutation makes
 * another client of it and not noise. Calls have the arguments that their rows name, each of them one of a
 * few that are right, wrong, long or nothing; streams have packets of data, holes and ends.
 */
#ifndef POOLINIT_FUZZ_RPC_SCRIPT_H
#define POOLINIT_FUZZ_RPC_SCRIPT_H

#include "control/rpc/rpc.h"

#define OP_BYTES 4
#define OPS      40 /* of one script: what is longer is cut off, or a run would take too long */

enum op_kind {
	OP_CALL,   /* a procedure, with arguments */
	OP_DATA,   /* of a stream: so many bytes */
	OP_HOLE,   /* so large */
	OP_END,    /* OK or ERROR */
	OP_TURN,   /* what was said so far is sent, and the server works */
	OP_WORKER, /* a worker does something: fuzz_rpc.c */
	OP_BREAK,  /* the next packet is not what it should be */
	OP_PING,
	OP_DEAF,  /* from now on the client reads nothing, or reads again */
	OP_SHUT,  /* it says no more */
	OP_EVENT, /* something happens that clients may want to hear */
	OP_KINDS
};

/* Four bytes of a script. The serial is in the first one, so that packets of one stream have it in common. */
struct deed {
	enum op_kind kind;
	uint32_t serial;
	uint8_t a, b, c;
};

static struct deed deed_read(const uint8_t *at)
{
	return (struct deed){
		.kind = at[0] % OP_KINDS, .serial = at[0] / OP_KINDS % 4, .a = at[1], .b = at[2], .c = at[3]
	};
}

/* Procedures that there are, and some that there are not. */
static const short procedures[] = {
	1,   2,   3,   4,   6,   7,   59,  60,  66,  70,  110, 149, 157, 360, 361, 368, 369, 380, 381,  419,
	403, 71,  72,  73,  74,  281, 75,  76,  77,  78,  79,  80,  81,  82,  83,  84,  85,  86,  391,  87,
	88,  89,  90,  154, 155, 91,  92,  282, 93,  125, 94,  95,  96,  97,  98,  378, 99,  100, 165,  259,
	208, 209, 260, 139, 140, 287, 141, 147, 142, 143, 144, 145, 146, 51,  273, 0,   23,  370, 9999,
};

/* ---- arguments: of each a choice of four bits, of which 0 to 7 are right ---- */

static const unsigned char one_uuid[16] = { 0x8d, 0x0d, 0x2b, 0x4e, 0x2f, 0x0a, 0x4a, 0x6e,
	                                    0x9b, 0x3f, 0x0d, 0x2b, 0x7a, 0x6c, 0x1e, 0x01 };

static void put_text(struct buf *out, const char *right, unsigned choice)
{
	static const char *const others[] = { "nothing", "two", "", "a/../b \"\xff\"" };
	static const size_t lengths[] = { 6000, 255, 1 };
	static char filler[6000]; /* NULs */

	if (choice < 8)
		xdr_put_text(out, right);
	else if (choice < 12)
		xdr_put_text(out, others[choice - 8]);
	else if (choice < 15)
		xdr_put_bytes(out, filler, lengths[choice - 12]);
	else
		xdr_put(out, STRING_MOST + 1);
}

static void put_uuid(struct buf *out, unsigned choice)
{
	unsigned char uuid[16];

	memcpy(uuid, one_uuid, sizeof(uuid));
	uuid[15] = (unsigned char)(uuid[15] + (choice < 8 ? choice & 1 : choice));
	buf_add(out, uuid, sizeof(uuid));
}

static void put_number(struct buf *out, unsigned choice)
{
	static const uint32_t numbers[] = { 0, 0, 0,     1,     1,          2,          4,          16384,
		                            3, 8, 16385, 0x100, 0x7fffffff, 0x80000000, 0xffffffff, 64 };

	xdr_put(out, numbers[choice & 15]);
}

static void put_size(struct buf *out, unsigned choice)
{
	static const uint64_t sizes[] = { 0,          0,         0,          3,          100,
		                          150,        4096,      262144,     1,          1 << 20,
		                          1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 99,
		                          5 };

	xdr_put_long(out, sizes[choice & 15]);
}

#define DOCUMENT "<pool type='dir'><name>x</name><target><path>/x</path></target></pool>"

/* What stands in a packet for each kind: t a text, o one that may be left out, u a uuid, s a size, and n a
 * number, which is also what those are that are not here. */
static const struct {
	const char *parts, *texts[3];
} layouts[VIRT_KINDS] = {
	[VIRT_TYPE] = { "t", { "dir" } },
	[VIRT_KEY] = { "t", { "/pools/one/v" } },
	[VIRT_PATH] = { "t", { "/pools//one/./v" } },
	[VIRT_CAPACITY] = { "s", { NULL } },
	[VIRT_OFFSET] = { "s", { NULL } },
	[VIRT_LENGTH] = { "s", { NULL } },
	[VIRT_POOL] = { "tu", { "one" } },
	[VIRT_POOL_NAME] = { "t", { "one" } },
	[VIRT_POOL_UUID] = { "u", { NULL } },
	[VIRT_POOL_PATH] = { "t", { "/pools/one" } },
	[VIRT_POOL_OF] = { "ttt", { "one", "v", "/pools/one/v" } },
	[VIRT_VOLUME] = { "ttt", { "one", "v", "/pools/one/v" } },
	[VIRT_INPUT] = { "ttt", { "one", "v", "/pools/one/v" } },
	[VIRT_VOLUME_NAME] = { "t", { "v" } },
	[VIRT_SECRET] = { "unt", { NULL, NULL, "client.x" } },
	[VIRT_WHICH_UUID] = { "u", { NULL } },
	[VIRT_WHICH_USAGE] = { "nt", { NULL, "client.x" } },
	[VIRT_DOCUMENT] = { "t", { DOCUMENT } },
	[VIRT_MAYBE_DOCUMENT] = { "o", { "<source/>" } },
	[VIRT_VALUE] = { "t", { DOCUMENT } },
};

static void put_part(struct buf *out, char part, const char *text, unsigned choice)
{
	if (part == 'o')
		xdr_put(out, choice & 1);
	if (part == 't' || (part == 'o' && (choice & 1)))
		put_text(out, text, choice);
	else if (part == 'u')
		put_uuid(out, choice);
	else if (part == 's')
		put_size(out, choice);
	else if (part == 'n')
		put_number(out, choice);
}

/* Its second part and its third are wrong only with some of the choices that make the first one wrong. */
static void put_argument(struct buf *out, enum virt_kind kind, unsigned choice)
{
	const char *parts = layouts[kind].parts ? layouts[kind].parts : "n";

	for (size_t i = 0; parts[i]; i++)
		put_part(out, parts[i], layouts[kind].texts[i], i == 0 || choice >> i & 1 ? choice : 0);
}

static void put_parameter(struct buf *out, unsigned choice)
{
	static const char *const keys[] = { "unix-user-id", "unix-group-id", "user-name",  "system.token",
		                            "process-id",   "nobody's",      "group-name", "sasl-user-name" };
	uint32_t type = choice % 9;

	xdr_put_text(out, keys[choice / 2 % 8]);
	xdr_put(out, type);
	if (type == 7)
		put_text(out, "0123456789abcdef", choice);
	else if (type >= 3 && type <= 5)
		put_size(out, choice);
	else
		put_number(out, choice);
}

/* Of procedures that are answered without a verb. */
static void put_local(struct buf *out, int32_t number, unsigned bits)
{
	switch (number) {
	case 1:
		xdr_put(out, (bits & 1) == 0);
		if ((bits & 1) == 0)
			put_text(out, bits & 0x100 ? "secret:///system" : "qemu:///system?x=y",
			         bits >> 1 & 15);
		xdr_put(out, bits >> 5 & 1);
		return;
	case 368:
	case 380:
		xdr_put(out, bits & 3);
		xdr_put(out, bits >> 2 & 1);
		if (bits & 4)
			put_argument(out, number == 368 ? VIRT_POOL : VIRT_SECRET, bits >> 4 & 15);
		return;
	case 419:
		xdr_put(out, bits & 3);
		for (unsigned i = 0; i < (bits & 3); i++)
			put_parameter(out, bits >> (2 + 4 * i) & 31);
		xdr_put(out, 0);
		return;
	default:
		put_number(out, bits & 15);
		put_number(out, bits >> 4 & 15);
	}
}

/* ---- packets ---- */

static void put_call(struct buf *out, const struct deed *o)
{
	struct packet_header h = { .program = PROGRAM_REMOTE,
		                   .version = 1,
		                   .procedure = procedures[o->a % ARRAY_LEN(procedures)],
		                   .serial = o->serial };
	const struct virt_procedure *row = virt_procedure(h.procedure);
	unsigned bits = (unsigned)o->b << 8 | o->c;
	size_t start = packet_begin(out, &h, PACKET_CALL, PACKET_OK);

	if (row && row->verb)
		for (size_t i = 0; i < VIRT_ARGUMENTS && row->args[i] != VIRT_NO_MORE; i++)
			put_argument(out, row->args[i], bits >> (4 * i) & 15);
	else
		put_local(out, h.procedure, bits);
	packet_end(out, start, 0);
}

static struct packet_header of_stream(const struct deed *o)
{
	return (struct packet_header){ .program = PROGRAM_REMOTE,
		                       .version = 1,
		                       .procedure = o->a & 1 ? PROCEDURE_DOWNLOAD : PROCEDURE_UPLOAD,
		                       .serial = o->serial };
}

static void put_data(struct buf *out, const struct deed *o)
{
	static const uint32_t sizes[] = { 1,  3,    50,   100, 150,   4096,  16, 24,
		                          28, 5000, 1000, 2,   65536, 70000, 0,  200000 };
	static char filler[200000];
	struct packet_header h = of_stream(o);
	size_t start = packet_begin(out, &h, PACKET_STREAM, PACKET_CONTINUE);

	buf_add(out, filler, sizes[o->b & 15]);
	packet_end(out, start, 0);
}

static void put_hole(struct buf *out, const struct deed *o)
{
	struct packet_header h = of_stream(o);
	size_t start = packet_begin(out, &h, PACKET_HOLE, PACKET_CONTINUE);

	put_size(out, o->b);
	xdr_put(out, o->c & 0x10);
	packet_end(out, start, 0);
}

/* One field of a packet that begins there, or a byte of it. */
static void break_packet(struct buf *out, size_t start, const struct deed *o)
{
	size_t len = out->len - start, at = o->a & 0x80 ? o->b : (size_t)(o->a & 7) * 4 + 3;

	if (at < len)
		out->data[start + at] = (char)(out->data[start + at] + (o->c ? o->c : 1));
}

/* The packet of that op, if it is one that has a packet. */
static bool deed_packet(const struct deed *o, struct buf *out)
{
	struct packet_header h;

	switch (o->kind) {
	case OP_CALL:
		put_call(out, o);
		return true;
	case OP_DATA:
		put_data(out, o);
		return true;
	case OP_HOLE:
		put_hole(out, o);
		return true;
	case OP_END:
		h = of_stream(o);
		packet_empty(out, &h, PACKET_STREAM, o->b % 4 == 3 ? PACKET_ERROR : PACKET_OK);
		return true;
	case OP_PING:
		h = (struct packet_header){ .program = PROGRAM_KEEPALIVE,
			                    .version = 1,
			                    .procedure = o->a & 1 ? KEEPALIVE_PONG : KEEPALIVE_PING };
		packet_empty(out, &h, PACKET_MESSAGE, PACKET_OK);
		return true;
	default:
		return false;
	}
}

/* ---- mutations that know what a script is ---- */

static uint32_t rolled(uint32_t *dice)
{
	*dice = *dice * 1664525 + 1013904223;
	return *dice >> 8;
}

/* Upload and download, with what makes them go on. */
static void deed_roll(uint8_t *at, uint32_t *dice)
{
	static const uint8_t often[] = { OP_CALL, OP_CALL, OP_CALL, OP_DATA,  OP_DATA,
		                         OP_HOLE, OP_END,  OP_TURN, OP_WORKER };
	uint32_t kind = rolled(dice) % 4 ? often[rolled(dice) % ARRAY_LEN(often)] : rolled(dice) % OP_KINDS;

	at[0] = (uint8_t)(kind + rolled(dice) % 4 * OP_KINDS);
	at[1] = (uint8_t)rolled(dice);
	at[2] = (uint8_t)rolled(dice);
	at[3] = (uint8_t)rolled(dice);
	if (kind == OP_CALL && rolled(dice) % 2) {
		at[1] = 60 + (uint8_t)(rolled(dice) % 2); /* where those two stand among the procedures */
		at[2] = (uint8_t)((rolled(dice) % 2 ? 3 << 4 : 0) +
		                  rolled(dice) % 8); /* sparse, or not; its length */
		at[3] &= 0x77;
	}
}

/* Of n ops, with room for `most`; the number that there are then. */
static size_t script_mutate(uint8_t *ops, size_t n, size_t most, uint32_t *dice)
{
	size_t i = n ? rolled(dice) % n : 0, j = n ? rolled(dice) % n : 0;
	uint8_t kept[OP_BYTES];

	switch (n ? rolled(dice) % 6 : 0) {
	case 0: /* one more */
	case 1: /* one of them again */
		if (n == most)
			break;
		memcpy(kept, ops + j * OP_BYTES, n ? OP_BYTES : 0);
		memmove(ops + (i + 1) * OP_BYTES, ops + i * OP_BYTES, (n - i) * OP_BYTES);
		if (n && rolled(dice) % 3 == 0)
			memcpy(ops + i * OP_BYTES, kept, OP_BYTES);
		else
			deed_roll(ops + i * OP_BYTES, dice);
		return n + 1;
	case 2: /* one less */
		memmove(ops + i * OP_BYTES, ops + (i + 1) * OP_BYTES, (n - i - 1) * OP_BYTES);
		return n - 1;
	case 3: /* in another order */
		memcpy(kept, ops + i * OP_BYTES, OP_BYTES);
		memcpy(ops + i * OP_BYTES, ops + j * OP_BYTES, OP_BYTES);
		memcpy(ops + j * OP_BYTES, kept, OP_BYTES);
		return n;
	case 4: /* another argument */
		ops[i * OP_BYTES + rolled(dice) % OP_BYTES] = (uint8_t)rolled(dice);
		return n;
	}
	if (n)
		deed_roll(ops + i * OP_BYTES, dice);
	return n;
}

#endif
