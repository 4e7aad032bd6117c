/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log: where lines go, what is wanted, and the ring of the last messages.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/line.h"
#include "base/utf8.h"
#include "base/util.h"

#define RING_SIZE (64 * 1024)
#define TEXT_MAX  880 /* with the prefix it fits a record of the kernel's log, which refuses longer ones */
_Static_assert(TEXT_MAX <= UINT16_MAX && TEXT_MAX < RING_SIZE / 2, "a message fits its entry, and the ring");

static const char *const facilities[LF_COUNT] = {
	[LF_BOOT] = "boot",       [LF_NET] = "net",       [LF_POOL] = "pool", [LF_WORKER] = "worker",
	[LF_CONTROL] = "control", [LF_ISCSI] = "iscsi",   [LF_LVM] = "lvm",   [LF_DEVICE] = "device",
	[LF_MODULE] = "module",   [LF_CONFIG] = "config",
};

/* clang-format off */
static const struct { const char *word; int kernel; } levels[] = {
	[LOG_ERR_]  = { "error", 3 },
	[LOG_WARN]  = { "warn",  4 },
	[LOG_INFO]  = { "info",  6 },
	[LOG_DEBUG] = { "debug", 7 },
};
/* clang-format on */

/* A message in the ring; its text follows. */
struct ring_entry {
	uint64_t seq, ts;
	uint16_t len;
	uint8_t level, facility;
};

/* The one piece of state outside the supervisor's struct: everybody logs. The ring is touched, and so takes
 * memory, only as far as it is used. Offsets count on for ever; their place in the ring is the remainder. */
static struct {
	unsigned char wanted[LF_COUNT];
	bool set; /* wanted[] holds something */
	bool to_stderr;
	int kmsg;         /* 0: none */
	pid_t kmsg_owner; /* a forked worker may have closed the descriptor and opened something else there */
	uint64_t seq;
	uint64_t oldest, next;
	char ring[RING_SIZE];
} state;

/* ---- what is wanted ---- */

static int find_level(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strlen(levels[i].word) == len && memcmp(levels[i].word, word, len) == 0)
			return (int)i;
	return -1;
}

static int find_facility(const char *word, size_t len)
{
	for (int i = 0; i < LF_COUNT; i++)
		if (strlen(facilities[i]) == len && memcmp(facilities[i], word, len) == 0)
			return i;
	return -1;
}

/* Before anybody has said what is wanted: "info" of everything. */
static void defaults(void)
{
	if (!state.set)
		memset(state.wanted, LOG_INFO, sizeof(state.wanted));
	state.set = true;
}

/* One "level" or "facility=level". */
static int set_one(unsigned char *wanted, const char *item, size_t len, struct err *e)
{
	const char *equals = memchr(item, '=', len);
	const char *word = equals ? equals + 1 : item;
	int level = find_level(word, len - (size_t)(word - item));
	int facility;

	if (level < 0)
		return err_set(e, ERR_INVALID, "\"%.*s\" is not a log level: error, warn, info or debug",
		               (int)(len - (size_t)(word - item)), word);
	if (!equals) {
		memset(wanted, level, LF_COUNT);
		return 0;
	}
	facility = find_facility(item, (size_t)(equals - item));
	if (facility < 0)
		return err_set(e, ERR_INVALID,
		               "\"%.*s\" is not a log facility: boot, net, pool, worker, control, iscsi, "
		               "lvm, device, module or config",
		               (int)(equals - item), item);
	wanted[facility] = (unsigned char)level;
	return 0;
}

int log_set(const char *spec, struct err *e)
{
	demand(spec, e);

	unsigned char wanted[LF_COUNT];

	defaults();
	memcpy(wanted, state.wanted, sizeof(wanted));
	for (const char *item = spec;;) {
		size_t len = strcspn(item, ",");

		if (set_one(wanted, item, len < 64 ? len : 64, e) < 0)
			return -1;
		if (!item[len])
			break;
		item += len + 1;
	}
	memcpy(state.wanted, wanted, sizeof(wanted));
	return 0;
}

bool log_wanted(enum log_facility f, enum log_level l)
{
	defaults();
	return (unsigned)f < LF_COUNT && l <= (enum log_level)state.wanted[f];
}

#define LEVEL_BITS 2
_Static_assert(ARRAY_LEN(levels) <= 1 << LEVEL_BITS && LF_COUNT * LEVEL_BITS <= 32,
               "all levels in one number");

uint32_t log_levels(void)
{
	uint32_t all = 0;

	defaults();
	for (unsigned f = 0; f < LF_COUNT; f++)
		all |= (uint32_t)state.wanted[f] << f * LEVEL_BITS;
	return all;
}

void log_set_levels(uint32_t all)
{
	for (unsigned f = 0; f < LF_COUNT; f++)
		state.wanted[f] = all >> f * LEVEL_BITS & ((1U << LEVEL_BITS) - 1);
	state.set = true;
}

/* ---- the ring ---- */

/* Bytes go round: what does not fit at the end goes on at the beginning. */
static void ring_write(const void *data, size_t len)
{
	size_t at = state.next % RING_SIZE;
	size_t first = len < RING_SIZE - at ? len : RING_SIZE - at;

	memcpy(state.ring + at, data, first);
	memcpy(state.ring, (const char *)data + first, len - first);
	state.next += len;
}

static void ring_read(uint64_t from, void *out, size_t len)
{
	size_t at = from % RING_SIZE;
	size_t first = len < RING_SIZE - at ? len : RING_SIZE - at;

	memcpy(out, state.ring + at, first);
	memcpy((char *)out + first, state.ring, len - first);
}

/* The oldest messages make room for the new one. */
static void ring_append(enum log_facility f, enum log_level l, const char *text, size_t len)
{
	struct ring_entry m = { .seq = ++state.seq,
		                .ts = clock_ms(),
		                .len = (uint16_t)len,
		                .level = (uint8_t)l,
		                .facility = (uint8_t)f };

	while (state.next + sizeof(m) + len - state.oldest > RING_SIZE) {
		struct ring_entry old;

		ring_read(state.oldest, &old, sizeof(old));
		state.oldest += sizeof(old) + old.len;
	}
	ring_write(&m, sizeof(m));
	ring_write(text, len);
}

void log_each(uint64_t since, void (*tell)(void *arg, const struct log_entry *m), void *arg)
{
	demand_or(tell, );
	for (uint64_t at = state.oldest; at < state.next;) {
		char text[TEXT_MAX + 1];
		struct ring_entry m;

		ring_read(at, &m, sizeof(m));
		ring_read(at + sizeof(m), text, m.len);
		text[m.len] = '\0';
		at += sizeof(m) + m.len;
		if (m.seq > since)
			tell(arg, &(struct log_entry){ m.seq, m.ts, levels[m.level].word,
			                               facilities[m.facility], text });
	}
}

/* ---- where lines go ---- */

void log_to_stderr(void)
{
	state.to_stderr = true;
}

int log_to_kmsg(struct err *e)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, errno, "cannot log to /dev/kmsg");
	if (state.kmsg > 0 && state.kmsg_owner == getpid())
		close(state.kmsg);
	state.kmsg = fd;
	state.kmsg_owner = getpid();
	/* The kernel drops what user space writes in bursts, and a boot is a burst. As the first process we
	 * may ask it not to. */
	if (getpid() == 1)
		file_poke(AT_FDCWD, "/proc/sys/kernel/printk_devkmsg", "on\n", NULL);
	return 0;
}

static void write_line(int fd, const char *line, size_t len)
{
	while (write(fd, line, len) < 0 && errno == EINTR)
		;
}

/* The log must never make the process wait: what a full pipe or a stopped terminal does not take is only in
 * the ring. (The kernel's log never blocks, and poll says nothing about writing to it.) */
static bool takes_a_line(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && !(p.revents & POLLERR);
}

/* Control characters and bytes that are not text as \xHH, the rest as it is. Returns the length. */
static size_t clean(const char *text, char *out, size_t size)
{
	size_t left = strlen(text), len = 0;

	while (left > 0) {
		size_t n = utf8_len(text, left);
		bool plain = n > 0 && !utf8_is_hidden(text, n);

		if (n == 0)
			n = 1;
		if (len + (plain ? n : 4 * n) >= size)
			break;
		if (plain)
			memcpy(out + len, text, n);
		for (size_t i = 0; !plain && i < n; i++)
			snprintf(out + len + 4 * i, 5, "\\x%02x", (unsigned char)text[i]);
		len += plain ? n : 4 * n;
		text += n;
		left -= n;
	}
	out[len] = '\0';
	return len;
}

void log_msg(enum log_facility f, enum log_level l, const char *fmt, ...)
{
	require_or((unsigned)f < LF_COUNT && (unsigned)l <= LOG_DEBUG, );

	char raw[TEXT_MAX + 1], text[TEXT_MAX + 1], line[TEXT_MAX + 64];
	bool to_kmsg = state.kmsg > 0 && state.kmsg_owner == getpid();
	va_list ap;
	size_t len;
	int n;

	if (!log_wanted(f, l))
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(raw))
		raw[utf8_cut(raw, sizeof(raw) - 1)] = '\0';
	len = clean(raw, text, sizeof(text));
	ring_append(f, l, text, len);
	n = snprintf(line, sizeof(line), "<%d>poolinit: %s: %s\n", levels[l].kernel, facilities[f], text);
	if (to_kmsg)
		write_line(state.kmsg, line, (size_t)n);
	if (state.to_stderr && takes_a_line(STDERR_FILENO))
		write_line(STDERR_FILENO, line + 3, (size_t)n - 3); /* without the kernel's "<6>" */
}
