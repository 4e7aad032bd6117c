/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log: one line a message, to the kernel's log (boot), to standard error (serve), always kept in a ring
 * of the last messages for the `log` verb. Messages from workers travel as records and are logged by the
 * supervisor.
 */
#ifndef POOLINIT_BASE_LOG_H
#define POOLINIT_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

enum log_level { LOG_ERR_, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* One facility a room; the table in log.c has their names (boot, net, pool, worker, control, iscsi, lvm,
 * device, module). */
enum log_facility {
	LF_BOOT,
	LF_NET,
	LF_POOL,
	LF_WORKER,
	LF_CONTROL,
	LF_ISCSI,
	LF_LVM,
	LF_DEVICE,
	LF_MODULE,
	LF_CONFIG,
	LF_COUNT
};

/* Lines "poolinit: FACILITY: text", each in one write(2). Where standard error does not take a line at once
 * it is only in the ring: the log never waits. */
void log_to_stderr(void);
int log_to_kmsg(struct err *e); /* /dev/kmsg; lines begin "poolinit: " */
/* Set what is wanted: "info", or "warn,net=debug,pool=info", as the poolinit.log parameter and the `log`
 * verb have it. A level alone is for all facilities, and undoes what was said of single ones before it.
 * ERR_INVALID: bad text, which changes nothing. */
int log_set(const char *spec, struct err *e);
/* Would a message of this facility and level be kept? For callers to whom making its text is work. */
bool log_wanted(enum log_facility f, enum log_level l);
/* What is wanted, as a number; and as it was there, for a process that was forked before it was said. */
uint32_t log_levels(void);
void log_set_levels(uint32_t levels);
/* Log one message: into the ring, and to where lines go. At most 880 bytes of it; control characters are
 * escaped, so that a message is one line. Never waits. */
void log_msg(enum log_facility f, enum log_level l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A message of the ring. Texts are good for the call; seq counts from 1, ts is clock_ms(). */
struct log_entry {
	uint64_t seq, ts;
	const char *level, *facility, *text;
};
/* The ring's messages (64 KiB at most), oldest first, those after `since`. tell() must not log. */
void log_each(uint64_t since, void (*tell)(void *arg, const struct log_entry *m), void *arg);

#define log_error(f, ...) log_msg(f, LOG_ERR_, __VA_ARGS__)
#define log_warn(f, ...)  log_msg(f, LOG_WARN, __VA_ARGS__)
#define log_info(f, ...)  log_msg(f, LOG_INFO, __VA_ARGS__)
#define log_debug(f, ...) log_msg(f, LOG_DEBUG, __VA_ARGS__)

#endif
