/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzz target: a sheepdog server, whatever it answers. The input is all that it sends: the answers to the
 * questions of a refresh, of a look at one VDI, and of reading it. What is taken for a VDI is within the
 * limits.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include "backends/sheepdog/sheepdog.h"
#include "base/clock.h"
#include "base/util.h"
#include "volumes/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The questions have numbers that the input cannot know of: each answer in it gets its opcode and number
 * here, unless the input's first byte wants them as they are. */
static uint8_t answers[256 * 1024];

static void number_answers(size_t size, const uint8_t *opcodes, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at + SHEEP_HEADER <= size; i++) {
		answers[at + 1] = opcodes[i];
		sheep_put32(answers + at + 8, (uint32_t)i + 1);
		at += SHEEP_HEADER + sheep_u32(answers + at + 12) % (size + 1);
	}
}

static void server_open(struct sheep *s, size_t size, int *other)
{
	const int room = 2 * (int)sizeof(answers);
	int ends[2];

	*s = (struct sheep){ .fd = -1, .deadline = clock_ms() + SECONDS(10), .version = 10 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(ends[1], answers, size, MSG_NOSIGNAL) < 0)
		abort();
	shutdown(ends[1], SHUT_WR);
	s->fd = ends[0];
	*other = ends[1];
}

static int look(const struct sheep_vdi *v, void *arg, struct err *e)
{
	size_t *n = arg;

	(void)e;
	if (!v->name[0] || v->nmap > SHEEP_OBJECTS || v->id == 0 || v->id >= SHEEP_VDIS ||
	    strlen(v->name) >= SHEEP_NAME)
		abort();
	(*n)++;
	return 0;
}

static void refresh(size_t size, bool numbered)
{
	static const uint8_t opcodes[] = { SHEEP_NODE_LIST,    SHEEP_STAT,        SHEEP_READ_VDIS,
		                           SHEEP_READ_DELETED, SHEEP_READ_OBJECT, SHEEP_READ_OBJECT,
		                           SHEEP_READ_OBJECT };
	struct op op = { .deadline = clock_ms() + SECONDS(10) };
	struct pool_sizes sizes = { 0 };
	struct sheep s;
	size_t n = 0;
	int other;

	if (numbered)
		number_answers(size, opcodes, ARRAY_LEN(opcodes));
	sheep_put32(answers + 20,
	            sheep_u32(answers + 20) % 2); /* of several servers each would be connected with */
	server_open(&s, size, &other);
	if (sheep_measure(&s, &op, &sizes, NULL) == 0 && sizes.allocation + sizes.available != sizes.capacity)
		abort();
	sheep_each(&s, &op, true, look, &n, NULL);
	sheep_close(&s);
	close(other);
}

static void read_one(size_t size, bool numbered)
{
	static const uint8_t opcodes[] = { SHEEP_VDI_INFO, SHEEP_READ_OBJECT, SHEEP_READ_OBJECT,
		                           SHEEP_READ_OBJECT };
	struct sheep_content c = { .sheep.fd = -1 };
	struct store store;
	char bytes[4096];
	int other;

	if (numbered)
		number_answers(size, opcodes, ARRAY_LEN(opcodes));
	server_open(&c.sheep, size, &other);
	if (sheep_find(&c.sheep, "a", &c.vdi, NULL) == 0 && !c.vdi.hyper && c.vdi.size) {
		sheep_content_store(&c, &store);
		for (uint64_t at = 0; at < store.size && !c.sheep.broken; at += sizeof(bytes)) {
			const uint64_t hole = store.hole(store.arg, at);

			if (hole > store.size - at)
				abort();
			if (hole)
				break;
			store.read(store.arg, bytes, (size_t)least(sizeof(bytes), store.size - at), at, NULL);
		}
	}
	sheep_content_close(&c);
	close(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const bool numbered = data[0] & 1, one = data[0] & 2;

	size = least(size - 1, sizeof(answers));
	memcpy(answers, data + 1, size);
	(one ? read_one : refresh)(size, numbered);
	return 0;
}
