/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Requests and answers: a connection, one question at a time, and what the refusals mean.
 *
 * The servers speak two protocols. The one for clients (opcodes below 0x80) has not changed. Their own, of
 * which a client needs two questions, wants the version that the server has: the first question finds it out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "backends/servers.h"
#include "backends/sheepdog/sheepdog.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

#define ANSWER_WITHIN  SECONDS(60) /* servers that copy objects among themselves keep a question waiting */
#define CONNECT_WITHIN SECONDS(10)
#define NODE_WITHIN    SECONDS(2)

enum {
	CLIENT_VERSION = 0x01,
	SERVER_OPCODES = 0x80,
	SERVER_NEWEST = 0x0a,
	SERVER_OLDEST = 0x05,
	FLAG_WRITE = 0x01,
	FLAG_COPY = 0x02,
	FLAG_DIRECT = 0x08, /* past a server's cache: what is written is on the disks of the cluster */
	NODE_LIST_BYTES = 6144 * 80, /* what every version's longest list fits in */
	NODE_OLD = 56,               /* bytes of an entry in the list before 0.8 */
	NODE_LINKS = 24,             /* at the beginning of later ones */
};

/* ---- numbers ---- */

uint32_t sheep_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t sheep_u64(const uint8_t *at)
{
	return sheep_u32(at) | (uint64_t)sheep_u32(at + 4) << 32;
}

void sheep_put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void sheep_put64(uint8_t *at, uint64_t value)
{
	sheep_put32(at, (uint32_t)value);
	sheep_put32(at + 4, (uint32_t)(value >> 32));
}

/* ---- bytes ---- */

/* The other end does not do what it should: nothing more is asked of it. */
static int sheep_give_up(struct sheep *s, struct err *e, const char *what)
{
	char waits_for[sizeof(s->server) + 8];

	s->broken = true;
	snprintf(waits_for, sizeof(waits_for), "server=%.240s", s->server);
	return err_wait(e, ERR_WAIT_SERVER, waits_for, "the sheepdog server at %s %s", s->server, what);
}

/* Wait until the socket is ready. 0; -1 at the deadline. */
static int socket_await(const struct sheep *s, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = s->fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_until(deadline));
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -1;
}

static int socket_send(struct sheep *s, const void *data, size_t len, uint64_t deadline, struct err *e)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(s->fd, (const char *)data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EINTR)
			continue;
		else if (errno != EAGAIN)
			return sheep_give_up(s, e, "has closed the connection");
		else if (socket_await(s, POLLOUT, deadline) < 0)
			return sheep_give_up(s, e, "takes no more requests");
	}
	return 0;
}

static int socket_receive(struct sheep *s, void *data, size_t len, uint64_t deadline, struct err *e)
{
	for (size_t done = 0; done < len;) {
		if (socket_await(s, POLLIN, deadline) < 0)
			return sheep_give_up(s, e,
			                     done ? "does not answer to the end"
			                          : "takes connections and does not answer");

		ssize_t n = recv(s->fd, (char *)data + done, len - done, MSG_DONTWAIT);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return sheep_give_up(s, e, "has closed the connection");
	}
	return 0;
}

/* ---- one question ---- */

/* The parts of a header that depend on what is asked. */
static void fill_header(const struct sheep_call *c, uint8_t header[SHEEP_HEADER])
{
	switch (c->opcode) {
	case SHEEP_NEW_VDI: /* copies and the size of objects are 0: the cluster's own */
		sheep_put64(header + 16, c->size);
		break;
	case SHEEP_CREATE_OBJECT:
	case SHEEP_READ_OBJECT:
	case SHEEP_WRITE_OBJECT:
	case SHEEP_DISCARD_OBJECT:
		sheep_put64(header + 16, c->object);
		sheep_put64(header + 24, c->copy_from);
		header[32] = c->copies;
		header[33] = c->copy_policy;
		sheep_put32(header + 40, c->offset);
		header[2] |= FLAG_DIRECT;
		break;
	default:
		break;
	}
}

bool sheep_answer_parse(const uint8_t header[SHEEP_HEADER], uint32_t id, struct sheep_call *c)
{
	uint32_t len = sheep_u32(header + 12);

	if (header[1] != c->opcode || sheep_u32(header + 8) != id)
		return false;
	c->result = sheep_u32(header + 16);
	c->nodes = sheep_u32(header + 20);
	c->vdi = sheep_u32(header + 24);
	c->store = sheep_u64(header + 32);
	c->room = sheep_u64(header + 40);
	c->shift = header[26];
	c->got = len;
	return c->out ? len == 0 : len <= c->in_len;
}

/* Send the request. */
static int put_question(struct sheep *s, const struct sheep_call *c, uint64_t deadline, struct err *e)
{
	uint8_t header[SHEEP_HEADER] = { 0 };

	header[0] = (unsigned)c->opcode < SERVER_OPCODES ? CLIENT_VERSION : s->version;
	header[1] = (uint8_t)c->opcode;
	header[2] = (uint8_t)((c->out ? FLAG_WRITE : 0) | (c->copy_from ? FLAG_COPY : 0));
	sheep_put32(header + 8, ++s->id);
	sheep_put32(header + 12, (uint32_t)(c->out ? c->out_len : c->in_len));
	fill_header(c, header);
	if (socket_send(s, header, sizeof(header), deadline, e) < 0)
		return -1;
	return c->out ? socket_send(s, c->out, c->out_len, deadline, e) : 0;
}

int sheep_ask(struct sheep *s, struct sheep_call *c, struct err *e)
{
	demand(c->out_len <= UINT32_MAX && c->in_len <= UINT32_MAX && (c->in || !c->in_len), e);

	const uint64_t deadline = least(s->deadline, clock_ms() + ANSWER_WITHIN);
	uint8_t header[SHEEP_HEADER];

	if (s->broken)
		return sheep_give_up(s, e, "did not answer before");
	if (put_question(s, c, deadline, e) < 0 || socket_receive(s, header, sizeof(header), deadline, e) < 0)
		return -1;
	if (!sheep_answer_parse(header, s->id, c))
		return sheep_give_up(s, e, "answers with what is no answer of a sheepdog server's");
	return socket_receive(s, c->in, c->got, deadline, e);
}

/* What an administrator can do about a refusal. One that no operation here can meet has no row. */
int sheep_refusal(uint32_t result, struct err *e)
{
	static const struct {
		uint32_t result;
		enum err_class class;
		const char *text;
	} refusals[] = {
		{ 0x02, ERR_STORAGE, "an object of it is missing in the cluster" },
		{ 0x03, ERR_STORAGE, "the servers cannot read or write their disks (EIO)" },
		{ 0x04, ERR_EXISTS, "there is a VDI of that name" },
		{ 0x05, ERR_UNSUPPORTED, "the server does not take such a request" },
		{ 0x06, ERR_STORAGE, "the server met an error of its own" },
		{ 0x07, ERR_BUSY, "a virtual machine has it open" },
		{ 0x08, ERR_NO_VOLUME, "there is no such VDI in the cluster" },
		{ 0x0A, ERR_STORAGE, "its inode cannot be read" },
		{ 0x0B, ERR_STORAGE, "its inode cannot be written" },
		{ 0x0E, ERR_NO_VOLUME, "there is no such VDI in the cluster" },
		{ 0x0F, ERR_WAIT_SERVER, "the cluster is starting" },
		{ 0x11, ERR_WAIT_SERVER, "the cluster is shutting down" },
		{ 0x12, ERR_STORAGE, "the server is out of memory" },
		{ 0x13, ERR_NO_SPACE, "the cluster has as many VDIs as there can be" },
		{ 0x14, ERR_UNSUPPORTED, "the server speaks another version of the protocol" },
		{ 0x15, ERR_NO_SPACE, "the cluster is full" },
		{ 0x16, ERR_WAIT_SERVER,
		  "the cluster has not been formatted (\"dog cluster format\" does that)" },
		{ 0x17, ERR_WAIT_SERVER,
		  "the cluster waits for servers that have not joined it again since it was shut down" },
		{ 0x18, ERR_WAIT_SERVER, "the server could not join its cluster" },
		{ 0x19, ERR_WAIT_SERVER,
		  "the cluster has fewer servers than it keeps copies, and stands still" },
		{ 0x1A, ERR_READ_ONLY, "it has become a snapshot meanwhile" },
		{ 0x81, ERR_WAIT_SERVER, "servers are joining or leaving the cluster" },
		{ 0x82, ERR_WAIT_SERVER, "servers are joining or leaving the cluster" },
		{ 0x83, ERR_WAIT_SERVER,
		  "the cluster has not been formatted (\"dog cluster format\" does that)" },
		{ 0x86, ERR_WAIT_SERVER, "the servers do not reach each other" },
		{ 0x8B, ERR_UNSUPPORTED, "the cluster's kind of store cannot do that" },
		{ 0x8C, ERR_WAIT_SERVER, "the server is copying objects and does not serve" },
		{ 0x8D, ERR_WAIT_SERVER, "the server was taken out of its cluster" },
		{ 0x8F, ERR_WAIT_SERVER, "the server wants to be asked again later" },
		{ 0x91, ERR_WAIT_SERVER, "the servers have lost each other" },
		{ 0x95, ERR_WAIT_SERVER, "the server is just joining its cluster" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].result == result)
			return err_set(e, refusals[i].class, "%s", refusals[i].text);
	return err_set(e, ERR_STORAGE, "the server refuses (sheepdog's error 0x%02x)", result);
}

int sheep_do(struct sheep *s, struct sheep_call *c, struct err *e, const char *doing, ...)
{
	char what[320];
	va_list ap;
	int rc = sheep_ask(s, c, e);

	va_start(ap, doing);
	vsnprintf(what, sizeof(what), doing, ap);
	va_end(ap);
	if (rc == 0 && c->result != SHEEP_SUCCESS) {
		rc = sheep_refusal(c->result, e);
		if (err_is(e, ERR_WAIT_SERVER))
			snprintf(e->waits_for, sizeof(e->waits_for), "server=%.240s", s->server);
	}
	return rc < 0 ? err_wrap(e, ERR_KEEP, "%s", what) : 0;
}

/* ---- connections ---- */

void sheep_close(struct sheep *s)
{
	util_close(&s->fd);
	s->fd = -1;
}

/* How is the server's cluster? The question is the servers' own, so that its version comes out by it. */
static int sheep_stat(struct sheep *s, struct sheep_call *c, struct err *e)
{
	if (!s->version)
		s->version = SERVER_NEWEST;
	do {
		*c = (struct sheep_call){ .opcode = SHEEP_STAT };
		if (sheep_ask(s, c, e) < 0)
			return -1;
	} while (c->result == SHEEP_VERSION && --s->version >= SERVER_OLDEST);
	if (c->result == SHEEP_SUCCESS && c->room <= c->store)
		return 0;
	if (c->result == SHEEP_SUCCESS)
		return sheep_give_up(s, e, "says that it has more room than storage");
	sheep_refusal(c->result, e);
	if (err_is(e, ERR_WAIT_SERVER) && e)
		snprintf(e->waits_for, sizeof(e->waits_for), "server=%.240s", s->server);
	return err_wrap(e, ERR_KEEP, "the sheepdog server at %s is there, but", s->server);
}

/* What connecting with one of several hosts takes. */
struct meeting {
	struct sheep *s;
	uint64_t deadline;
};

static int greet(struct meeting *m, struct err *e)
{
	struct sheep_call c;

	m->s->deadline = m->deadline;
	m->s->broken = false;
	if (sheep_stat(m->s, &c, e) == 0)
		return 0;
	sheep_close(m->s);
	m->s->version = 0;
	return -1;
}

/* At one address of a host. 1: another may do. */
static int meet_at(void *arg, const struct address *a, struct err *e)
{
	struct meeting *m = arg;

	snprintf(m->s->server, sizeof(m->s->server), strchr(a->text, ':') ? "[%s]:%d" : "%s:%d", a->text,
	         a->port);
	m->s->fd = net_connect(a, least(m->deadline, clock_ms() + CONNECT_WITHIN), e);
	if (m->s->fd < 0 || greet(m, e) < 0)
		return net_another_may_do(e) ? 1 : -1;
	return 0;
}

/* By the UNIX socket that a server of this machine has in its directory. connect(2) does not wait for what is
 * not there. */
static int meet_socket(struct meeting *m, const char *path, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char waits_for[256];

	_Static_assert(sizeof(address.sun_path) == SHEEP_SOCKET, "SHEEP_SOCKET");
	require(strlen(path) < SHEEP_SOCKET, e);

	snprintf(m->s->server, sizeof(m->s->server), "%.200s", path);
	snprintf(waits_for, sizeof(waits_for), "server=%.200s", path);
	memcpy(address.sun_path, path, strlen(path));
	m->s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (m->s->fd < 0 || connect(m->s->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		sheep_close(m->s);
		return err_wait(e, ERR_WAIT_SERVER, waits_for, "no sheepdog server listens at %s: %s", path,
		                strerror(error));
	}
	return greet(m, e);
}

/* Its share of the time is what the hosts behind it leave, and a bit of that is for telling what came of
 * it. */
static int meet_host(struct sheep *s, const struct pool_host *h, struct op *op, size_t left, struct err *e)
{
	const uint64_t now = clock_ms(), time = op->deadline > now ? op->deadline - now : 0;
	struct meeting m = { s, left == 1 && op->deadline == NEVER ? NEVER : now + time / 8 * 7 / left };

	if (h->name[0] == '/')
		return meet_socket(&m, h->name, e);
	return net_try(&(struct net_trial){ .host = h->name,
	                                    .port = h->port ? h->port : SHEEP_PORT,
	                                    .family = AF_UNSPEC,
	                                    .probe = PROBE_SEVERAL,
	                                    .deadline = m.deadline,
	                                    .op = op,
	                                    .use = meet_at,
	                                    .arg = &m },
	               e);
}

int sheep_open(struct sheep *s, const struct pool_def *d, struct op *op, struct err *e)
{
	demand(d->source.nhosts > 0 && op, e);

	const size_t n = d->source.nhosts;
	struct err all = { 0 };

	*s = (struct sheep){ .fd = -1 };
	for (size_t i = 0; i < n; i++) {
		struct err one = { 0 };

		if (meet_host(s, &d->source.hosts[i], op, n - i, &one) == 0) {
			s->deadline = op->deadline == NEVER ? NEVER
			                                    : op->deadline - (op->deadline - clock_ms()) / 8;
			return 0;
		}
		net_also(&all, &one);
	}
	if (e)
		*e = all;
	return -1;
}

/* ---- the cluster's size ---- */

/* Where a server of the list is, in its entry. */
static void node_address(const uint8_t *entry, size_t size, struct address *a)
{
	const uint8_t *id = size == NODE_OLD ? entry : entry + NODE_LINKS;
	const bool v4 = is_zero((const char *)id, 12);

	*a = (struct address){ .family = v4 ? AF_INET : AF_INET6, .port = id[16] | id[17] << 8 };
	inet_ntop(a->family, v4 ? id + 12 : id, a->text, sizeof(a->text));
}

/* Ask one server of the cluster, over a connection of its own unless it is the one that s has. */
static int node_measure(struct sheep *s, const struct address *a, uint64_t deadline, struct sheep_call *c,
                        struct err *e)
{
	struct sheep other = { .fd = -1, .deadline = deadline, .version = s->version };
	int rc;

	snprintf(other.server, sizeof(other.server), a->family == AF_INET6 ? "[%s]:%d" : "%s:%d", a->text,
	         a->port);
	if (streq(other.server, s->server))
		return sheep_stat(s, c, e);
	other.fd = net_connect(a, deadline, e);
	rc = other.fd < 0 ? -1 : sheep_stat(&other, c, e);
	sheep_close(&other);
	return rc;
}

/* Sums of what servers say: one that claims more than there can be must not make them small. */
static void add_node(const struct sheep_call *c, struct pool_sizes *sizes)
{
	if (c->store > UINT64_MAX / 2 - sizes->capacity)
		return;
	sizes->capacity += c->store;
	sizes->available += c->room;
}

static int measure_nodes(struct sheep *s, const uint8_t *list, size_t n, size_t size, struct op *op,
                         struct pool_sizes *sizes)
{
	const uint64_t now = clock_ms(), until = now + (s->deadline > now ? (s->deadline - now) / 4 : 0);
	size_t silent = 0;

	for (size_t i = 0; i < n; i++) {
		struct sheep_call c;
		struct err why = { 0 };
		struct address a;

		node_address(list + i * size, size, &a);
		if (node_measure(s, &a, least(until, clock_ms() + NODE_WITHIN), &c, &why) == 0)
			add_node(&c, sizes);
		else if (silent++ == 0)
			op_note(op, "the pool's size is told without a server of the cluster: %s",
			        why.message);
	}
	if (silent > 1)
		op_note(op, "the pool's size is told without %zu of %zu servers of the cluster", silent, n);
	return silent == n ? -1 : 0;
}

int sheep_measure(struct sheep *s, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	demand(op && sizes, e);

	cleanup_free uint8_t *list = malloc(NODE_LIST_BYTES);
	struct sheep_call c = { .opcode = SHEEP_NODE_LIST, .in = list, .in_len = NODE_LIST_BYTES }, own;
	size_t size;

	if (!list)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (sheep_do(s, &c, e, "cannot list the servers of the cluster") < 0)
		return -1;
	size = c.nodes ? c.got / c.nodes : 0;
	if (c.nodes && (size < NODE_OLD || (size > NODE_OLD && size < NODE_OLD + NODE_LINKS)))
		return sheep_give_up(s, e, "lists servers of its cluster in a way that is not known here");
	if (c.nodes > 1)
		measure_nodes(s, list, c.nodes, size, op, sizes);
	if (sizes->capacity == 0) { /* it is the only one that can be asked */
		if (sheep_stat(s, &own, e) < 0)
			return -1;
		add_node(&own, sizes);
	}
	sizes->allocation = sizes->capacity - sizes->available;
	return 0;
}
