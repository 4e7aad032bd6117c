/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: libvirt's protocol. A client of a server in this process says whatever it likes, with packets
 * that are packets (the first byte is odd) or with any bytes; verbs are the real table, with answers that are
 * made up here, so that no worker is needed. Whatever comes, the server stays whole, what it says is packets,
 * and a client that comes afterwards is answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"
#include "control/rpc/rpc.h"
#include "control/verbs/verbs.h"
#include "supervisor/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UUID  "8d0d2b4e-2f0a-4a6e-9b3f-0d2b7a6c1e01"
#define VERBS 128
#define PIPES 64

static struct loop loop;
static struct supervisor sup;
static struct server server;
static struct pool pools[2];
static struct verb verbs[VERBS];
/* the workers' ends of streams */
static struct {
	int fd;
	struct call *c;
	bool in;
} pipes[PIPES];
static size_t npipes;

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- made-up answers ---- */

static void answer_record(struct call *c)
{
	record_begin(c);
	record_str(c, "name", "one");
	record_str(c, "uuid", UUID);
	record_str(c, "type", "file");
	record_str(c, "phase", "active");
	record_flag(c, "autostart", true);
	record_str(c, "path", "/pools/one/v \"quoted\"");
	record_str(c, "usage", "ceph");
	record_str(c, "id", "client.x");
	record_num(c, "capacity", UINT64_MAX);
	record_end(c);
}

/* A stream has a pipe, and is over when its other end is. */
static void answer_stream(struct call *c, bool in)
{
	const struct stream_frame hole = { .length = 4096, .hole = 1 }, some = { .length = 3 };
	struct err e = { 0 };
	int fd = npipes < PIPES ? call_stream(c, in, &e) : -1;

	if (fd < 0) {
		err_set(&e, ERR_LIMIT, "no more");
		call_fail(c, &e);
		return;
	}
	call_waiter(c);
	pipes[npipes].fd = fd;
	pipes[npipes].c = c;
	pipes[npipes++].in = in;
	if (in)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!in && (call_transfer_flags(c) & VOL_FRAMED)) {
		require(write(fd, &hole, sizeof(hole)) == sizeof(hole));
		require(write(fd, &some, sizeof(some)) == sizeof(some));
	}
	if (!in)
		require(write(fd, "abc", 3) == 3);
}

static void answer(struct call *c)
{
	const char *verb = call_verb(c);
	struct err e = { 0 };
	size_t len;

	if (call_arg(c, "vol") && streq(call_arg(c, "vol"), "nothing")) {
		err_set(&e, ERR_NO_VOLUME, "no volume \"nothing\"");
		call_fail(c, &e);
		return;
	}
	if (starts_with(verb, "vol-upload") || starts_with(verb, "vol-download")) {
		answer_stream(c, verb[4] == 'u');
		return;
	}
	if (strstr(verb, "dumpxml") || strstr(verb, "get-value") || strstr(verb, "capabilities"))
		call_bytes(c, "<document/>", 11);
	else if (!call_payload(c, &len))
		answer_record(c);
	final_str(c, "pool", "one");
	final_str(c, "uuid", UUID);
	final_str(c, "volume", "v");
	final_str(c, "secret", UUID);
	final_num(c, "volumes", 3);
	call_ok(c);
}

/* ---- the server ---- */

static void begin(void)
{
	static bool begun;
	struct err e = { 0 };
	size_t n = 0;

	if (begun)
		return;
	begun = true;
	signal(SIGPIPE, SIG_IGN);
	log_set("error", NULL);
	require(loop_init(&loop, &e) == 0);
	for (; verb_table[n].name; n++) {
		require(n + 1 < VERBS);
		verbs[n] = verb_table[n];
		verbs[n].run = answer;
	}
	sup.loop = &loop;
	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		pools[i] = (struct pool){ .sup = &sup, .name = i ? strdup("two") : strdup("one") };
		pools[i].phase = i ? PHASE_INACTIVE : PHASE_ACTIVE;
		pools[i].def.target = strdup("/pools/one");
		require(uuid_read(UUID, &pools[i].uuid));
		pools[i].uuid.b[15] = (unsigned char)(pools[i].uuid.b[15] + i);
	}
	pools[0].next = &pools[1];
	sup.pools = pools;
	server = (struct server){ .sup = &sup,
		                  .loop = &loop,
		                  .options = { .codec = &virt_codec, .verbs = verbs } };
	server.empty = (struct timer){ .on_expiry = passed_on_timer, .owner = &server };
}

static int connect_one(void)
{
	struct peer *p = peer_new(&server);
	struct err e = { 0 };
	int ends[2];

	require(p && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	p->fd = ends[0];
	p->level = LEVEL_ADMIN;
	require(peer_begin(p, &e) == 0);
	return ends[1];
}

/* The workers' part: what is uploaded is read, and a stream that has ended ends its job. */
static bool is_call_there(const struct call *c)
{
	for (const struct peer *p = server.peers; p; p = p->next)
		for (const struct call *q = p->calls; q; q = q->next)
			if (q == c)
				return true;
	return false;
}

static void work_pipes(bool all)
{
	char bytes[65536];

	for (size_t i = 0; i < npipes;) {
		ssize_t n = pipes[i].in ? read(pipes[i].fd, bytes, sizeof(bytes)) : 0;
		struct call *c = pipes[i].c;

		if (!all && (n > 0 || (n < 0 && errno == EAGAIN))) {
			i++;
			continue;
		}
		close(pipes[i].fd);
		pipes[i] = pipes[--npipes];
		if (is_call_there(c) && c->stage == CALL_PARKED) {
			final_num(c, "bytes", 3);
			call_ok(c);
		}
	}
}

static void turn(void)
{
	for (int i = 0; i < 4; i++) {
		loop_round(&loop, clock_ms());
		work_pipes(false);
	}
}

/* ---- the client ---- */

/* What comes back is packets, with nothing between them. */
static void hear(int fd, struct buf *heard)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_add(heard, bytes, (size_t)n);
	while (heard->len >= PACKET_HEAD) {
		uint32_t length = packet_length(heard->data);
		struct packet_header h;

		packet_read(heard->data, &h);
		require(length >= PACKET_HEAD && length <= PACKET_MOST && h.status <= PACKET_CONTINUE);
		require(h.type == PACKET_REPLY || h.type == PACKET_MESSAGE || h.type == PACKET_STREAM ||
		        h.type == PACKET_HOLE);
		if (heard->len < length)
			break;
		buf_consume(heard, length);
	}
}

/* As much as the server takes, in pieces of at most so many bytes. */
static void say(int fd, const char *data, size_t size, size_t piece, struct buf *heard)
{
	for (size_t done = 0, idle = 0; done < size && idle < 8;) {
		size_t n = size - done < piece ? size - done : piece;
		ssize_t sent = send(fd, data + done, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		done += sent > 0 ? (size_t)sent : 0;
		idle = sent > 0 ? 0 : idle + 1;
		turn();
		hear(fd, heard);
	}
}

/* Procedures that there are, and some that there are not. */
static const short procedures[] = {
	1,   2,   3,   4,   6,   7,   59,  60,  66,  70,  110, 149, 157, 360, 361, 368, 369, 380, 381,  419,
	403, 71,  72,  73,  74,  281, 75,  76,  77,  78,  79,  80,  81,  82,  83,  84,  85,  86,  391,  87,
	88,  89,  90,  154, 155, 91,  92,  282, 93,  125, 94,  95,  96,  97,  98,  378, 99,  100, 165,  259,
	208, 209, 260, 139, 140, 287, 141, 147, 142, 143, 144, 145, 146, 51,  273, 0,   23,  370, 9999,
};

/* From bytes to packets with headers that are mostly right: of each the procedure, the type, serial and
 * status in one byte each, the payload's length in two. */
static void structured(const uint8_t *data, size_t size, struct buf *out)
{
	while (size >= 5) {
		size_t len = (size_t)data[3] << 8 | data[4];
		struct packet_header h = { .program = data[2] & 0x80 ? PROGRAM_KEEPALIVE : PROGRAM_REMOTE,
			                   .version = 1,
			                   .procedure = procedures[data[0] % ARRAY_LEN(procedures)],
			                   .serial = data[1] >> 4 };

		data += 5;
		size -= 5;
		if (len > size)
			len = size;
		size_t start = packet_begin(out, &h, data[-4] & 7, data[-3] & 3);
		buf_add(out, data, len);
		packet_end(out, start, 0);
		data += len;
		size -= len;
	}
}

static void open_first(struct buf *out)
{
	const struct packet_header h = { .program = PROGRAM_REMOTE, .version = 1, .procedure = 1 };
	size_t start = packet_begin(out, &h, PACKET_CALL, PACKET_OK);

	xdr_put(out, 1);
	xdr_put_text(out, "storage:///system");
	xdr_put(out, 0);
	packet_end(out, start, 0);
}

/* Another client is answered all the same. */
static void another(void)
{
	const struct packet_header h = {
		.program = PROGRAM_REMOTE, .version = 1, .procedure = 66, .serial = 9
	};
	struct buf ask = BUF_INIT;
	char bytes[64];
	int fd = connect_one();
	ssize_t n = -1;

	packet_empty(&ask, &h, PACKET_CALL, PACKET_OK);
	require(send(fd, ask.data, ask.len, MSG_NOSIGNAL) == (ssize_t)ask.len);
	for (int i = 0; i < 20 && n < 0; i++) {
		turn();
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
	require(n == 36);
	close(fd);
	turn();
	buf_free(&ask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf said = BUF_INIT, heard = BUF_INIT;
	uint8_t how = size ? data[0] : 0;
	int fd;

	begin();
	fd = connect_one();
	if (how & 2)
		open_first(&said);
	if (size && (how & 1))
		structured(data + 1, size - 1, &said);
	else if (size)
		buf_add(&said, data + 1, size - 1);
	say(fd, buf_str(&said), said.len, how & 4 ? 7 : 60000, &heard);
	events_emit(&sup, &(struct event){ .name = "secret-value-changed",
	                                   .fields = { { .key = "secret", .text = UUID } },
	                                   .nfields = 1 });
	for (struct peer *p = server.peers; p; p = p->next)
		virt_tell(p, &(struct event){ .name = "pool-built",
		                              .fields = { { .key = "pool", .text = "one" } },
		                              .nfields = 1 });
	turn();
	hear(fd, &heard);
	another();
	close(fd);
	turn();
	work_pipes(true);
	turn();
	require(server.npeers == 0);
	buf_free(&said);
	buf_free(&heard);
	return 0;
}
