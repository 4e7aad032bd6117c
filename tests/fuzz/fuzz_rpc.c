/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: libvirt's protocol. A client of a server in this process says whatever it likes: any bytes,
 * packets that are packets, or what a script says (rpc_script.h), as the first byte has it. Verbs are the
 * real table, with answers that are made up here, so that no worker is needed; but a pool's volumes are
 * listed as always, of an index that may be damaged. Whatever comes, the server stays whole, what it says is
 * packets, and another client is answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/util.h"
#include "control/codec.h"
#include "control/peer.h"
#include "control/verbs/verbs.h"
#include "pool/volindex.h"
#include "rpc_script.h"
#include "supervisor/index/index.h"
#include "supervisor/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
/* libFuzzer's own; where the corpus is only replayed there is none */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));

/* The first byte of an input: how the client speaks. */
enum { HOW_PACKETS = 1, HOW_OPENED = 2, HOW_SLOWLY = 4, HOW_SCRIPT = 8, HOW_LATE = 16 };

#define UUID  "8d0d2b4e-2f0a-4a6e-9b3f-0d2b7a6c1e01"
#define VERBS 128
#define PIPES 64

static struct loop loop;
static struct supervisor sup;
static struct server server;
static struct pool pools[2];
static struct verb verbs[VERBS];
static int nowhere; /* a descriptor that is no end of a pipe */
/* the workers' ends of streams */
static struct {
	int fd;
	struct call *c;
	bool in, late; /* late: it is not done before somebody says so */
} pipes[PIPES];
static size_t npipes;
static bool workers_are_late;

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
	pipes[npipes].late = workers_are_late;
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

/* ---- the volumes of pool "one" ---- */

static struct {
	char bytes[8192];
	size_t len;
	bool damaged;
} index_file;

static int memory_file(void)
{
	int fd = memfd_create("volumes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	require(fd >= 0);
	return fd;
}

/* A name that XDR pads, one with what the line protocol quotes, one that has a key of its own, one that has
 * nothing but a name. */
static void index_write(void)
{
	static const struct volume volumes[] = {
		{ .name = "a", .type = "file", .path = "/pools/one/a", .capacity = 1, .format = "raw" },
		{ .name = "b \"q\"\n\\", .type = "file", .path = "/pools/one/b \"q\"\n\\" },
		{ .name = "c", .type = "block", .path = "/dev/c", .key = "the key", .capacity = UINT64_MAX },
		{ .name = "four", .type = "network", .path = "four" },
	};
	const uint64_t seed = 1; /* so that a run can be repeated */
	struct volindex_builder b = { 0 };
	int fd = memory_file();
	ssize_t n;

	for (size_t i = 0; i < ARRAY_LEN(volumes); i++)
		require(volindex_add(&b, &volumes[i], seed, true));
	require(volindex_write(&b, seed, fd, NULL) == 0);
	volindex_builder_free(&b);
	n = pread(fd, index_file.bytes, sizeof(index_file.bytes), 0);
	require(n > 0 && n < (ssize_t)sizeof(index_file.bytes));
	index_file.len = (size_t)n;
	close(fd);
}

/* The pool's index is these bytes from now on, unless they are seen to be none. */
static bool index_take(const char *bytes)
{
	struct err e = { 0 };
	int fd = memory_file();

	require(write(fd, bytes, index_file.len) == (ssize_t)index_file.len);
	require(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	return index_adopt(&pools[0], fd, &e) == 0;
}

/* What a worker that was broken into may have written. */
static void index_damage(size_t at, uint8_t byte)
{
	char bytes[sizeof(index_file.bytes)];

	memcpy(bytes, index_file.bytes, index_file.len);
	bytes[at % index_file.len] = (char)byte;
	index_file.damaged |= index_take(bytes);
}

static void index_mend(void)
{
	if (index_file.damaged)
		require(index_take(index_file.bytes));
	index_file.damaged = false;
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
	nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);
	require(nowhere >= 0);
	log_set("error", NULL);
	require(loop_init(&loop, &e) == 0);
	for (; verb_table[n].name; n++) {
		require(n + 1 < VERBS);
		verbs[n] = verb_table[n];
		if (!streq(verbs[n].name, "vol-list"))
			verbs[n].run = answer;
	}
	sup.loop = &loop;
	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		pools[i] = (struct pool){ .sup = &sup, .name = i ? strdup("two") : strdup("one") };
		pools[i].phase = i ? PHASE_INACTIVE : PHASE_ACTIVE;
		pools[i].def.target = strdup("/pools/one");
		pools[i].volumes.base.fd = pools[i].volumes.over.fd = -1;
		require(uuid_read(UUID, &pools[i].uuid));
		pools[i].uuid.b[15] = (unsigned char)(pools[i].uuid.b[15] + i);
	}
	pools[0].next = &pools[1];
	index_write();
	require(index_take(index_file.bytes));
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

static void end_pipe(size_t i, bool failed)
{
	struct call *c = pipes[i].c;
	struct err e = { 0 };

	close(pipes[i].fd);
	pipes[i] = pipes[--npipes];
	if (!is_call_there(c) || c->stage != CALL_PARKED)
		return;
	final_num(c, "bytes", 3);
	if (failed) {
		err_set(&e, ERR_STORAGE, "it cannot be read");
		call_fail(c, &e);
	} else {
		call_ok(c);
	}
}

static void work_pipes(bool all)
{
	static char bytes[65536];

	for (size_t i = 0; i < npipes;) {
		ssize_t n = pipes[i].in && !pipes[i].late ? read(pipes[i].fd, bytes, sizeof(bytes)) : 0;

		if (!all && (pipes[i].late || n > 0 || (n < 0 && errno == EAGAIN)))
			i++;
		else
			end_pipe(i, false);
	}
}

/* What a worker does without being asked: it ends, well or not, goes on, or says something. */
static void work_one(const struct deed *o)
{
	const struct stream_frame odd = { .length = o->c & 1 ? UINT64_MAX : 5, .hole = o->c >> 1 & 1 };
	size_t i = npipes ? o->a % npipes : 0;
	ssize_t n = 0;

	if (o->b % 7 == 6)
		index_damage((size_t)o->a << 8 | o->c, o->b);
	if (!npipes)
		return;
	switch (o->b % 7) {
	case 0:
	case 1:
		end_pipe(i, o->b % 7);
		return;
	case 2:
		pipes[i].late = !pipes[i].late;
		return;
	case 3:
		n = pipes[i].in ? 0 : write(pipes[i].fd, &odd, sizeof(odd));
		break;
	case 4:
		n = pipes[i].in ? 0 : write(pipes[i].fd, "some more", 5);
		break;
	case 5: /* it reads no more, and is not done */
		if (pipes[i].in)
			dup2(nowhere, pipes[i].fd);
	}
	(void)n;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++) {
		loop_round(&loop, clock_ms());
		work_pipes(false);
	}
}

/* ---- the client ---- */

/* What comes back is packets, with nothing between them. NULL: it is not read. */
static void hear(int fd, struct buf *heard)
{
	static char bytes[65536];
	ssize_t n;

	if (!heard)
		return;

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

/* Another client is answered all the same; now and then it is a new one. */
static void another(void)
{
	static int fd = -1, times;
	const struct packet_header h = {
		.program = PROGRAM_REMOTE, .version = 1, .procedure = 66, .serial = 9
	};
	struct buf ask = BUF_INIT;
	char bytes[64];
	ssize_t n = -1;

	if (times++ % 32 == 0) {
		if (fd >= 0)
			close(fd);
		fd = connect_one();
	}
	packet_empty(&ask, &h, PACKET_CALL, PACKET_OK);
	require(send(fd, ask.data, ask.len, MSG_NOSIGNAL) == (ssize_t)ask.len);
	for (int i = 0; i < 20 && n < 0; i++) {
		turn();
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
	require(n == 36);
	buf_free(&ask);
}

static void happen(void)
{
	events_emit(&sup, &(struct event){ .name = "secret-value-changed",
	                                   .fields = { { .key = "secret", .text = UUID } },
	                                   .nfields = 1 });
	for (struct peer *p = server.peers; p; p = p->next)
		virt_tell(p, &(struct event){ .name = "pool-built",
		                              .fields = { { .key = "pool", .text = "one" } },
		                              .nfields = 1 });
}

/* What a script says; true: the client reads no more. */
static bool play(int fd, const uint8_t *data, size_t size, size_t piece, struct buf *heard)
{
	struct buf said = BUF_INIT;
	struct deed broken = { .kind = OP_KINDS };
	bool deaf = false;

	for (size_t i = 0; i < OPS && size >= OP_BYTES; i++, data += OP_BYTES, size -= OP_BYTES) {
		struct deed o = deed_read(data);
		size_t start = said.len;

		if (deed_packet(&o, &said)) {
			if (broken.kind == OP_BREAK)
				break_packet(&said, start, &broken);
			broken.kind = OP_KINDS;
			continue;
		}
		say(fd, buf_str(&said), said.len, piece, deaf ? NULL : heard);
		buf_free(&said);
		if (o.kind == OP_WORKER)
			work_one(&o);
		else if (o.kind == OP_BREAK)
			broken = o;
		else if (o.kind == OP_DEAF)
			deaf = !deaf;
		else if (o.kind == OP_SHUT && o.a % 8 == 0)
			shutdown(fd, SHUT_WR);
		else if (o.kind == OP_EVENT)
			happen();
	}
	say(fd, buf_str(&said), said.len, piece, deaf ? NULL : heard);
	buf_free(&said);
	return deaf;
}

static void converse(int fd, uint8_t how, const uint8_t *data, size_t size)
{
	struct buf said = BUF_INIT, heard = BUF_INIT;
	size_t piece = how & HOW_SLOWLY ? 7 : 60000;
	bool deaf = false;

	workers_are_late = how & HOW_LATE;
	if (how & HOW_OPENED)
		open_first(&said);
	if (how & HOW_SCRIPT) {
		say(fd, buf_str(&said), said.len, 60000, &heard);
		deaf = play(fd, data, size, how & HOW_SLOWLY ? 97 : 60000, &heard);
	} else {
		if (how & HOW_PACKETS)
			structured(data, size, &said);
		else
			buf_add(&said, (const char *)data, size);
		say(fd, buf_str(&said), said.len, piece, &heard);
		happen();
	}
	turn();
	if (!deaf)
		hear(fd, &heard);
	buf_free(&said);
	buf_free(&heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	begin();
	fd = connect_one();
	if (size)
		converse(fd, data[0], data + 1, size - 1);
	another();
	close(fd);
	turn();
	work_pipes(true);
	turn();
	require(server.npeers == 1); /* the other one */
	index_mend();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	uint32_t dice = seed;
	size_t n;

	if (size == 0 || most < 1 + OP_BYTES || rolled(&dice) % 16 == 0)
		return LLVMFuzzerMutate(data, size, most);
	if (!(data[0] & HOW_SCRIPT) && rolled(&dice) % 8)
		return LLVMFuzzerMutate(data, size, most);
	if (rolled(&dice) % 32 == 0)
		data[0] ^= (uint8_t)(rolled(&dice) & (HOW_SLOWLY | HOW_LATE));
	if (!(data[0] & HOW_SCRIPT))
		data[0] = (uint8_t)(HOW_SCRIPT | HOW_OPENED | (data[0] & HOW_SLOWLY));
	most = most > 1 + OPS * OP_BYTES ? OPS : (most - 1) / OP_BYTES;
	n = (size - 1) / OP_BYTES < most ? (size - 1) / OP_BYTES : most;
	for (uint32_t times = 1 + rolled(&dice) % 4; times > 0; times--)
		n = script_mutate(data + 1, n, most, &dice);
	return 1 + n * OP_BYTES;
}
