/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernel uevents: NETLINK_KOBJECT_UEVENT, group 1. Only messages of the kernel (nl_pid 0, credentials uid 0)
 * are taken.
 */
#ifndef POOLINIT_SYSTEM_UEVENT_H
#define POOLINIT_SYSTEM_UEVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define UEVENT_MAX 8192
_Static_assert(UEVENT_MAX >= 2048, "the kernel sends 2 KiB of variables");
#define UEVENT_TURN 64 /* messages read in one turn of the loop: then it is the others' */

struct uevent {
	/* "add", "change", "remove", … ; all point into the caller's buffer; NULL where absent */
	const char *action;
	const char *devpath; /* "/devices/…", without /sys */
	const char *subsystem;
	const char *devname; /* "sda", "mapper/control" */
	const char *devtype; /* "disk", "partition" */
	const char *modalias;
	/* what a SCSI device had to say of itself: "REPORTED_LUNS_DATA_HAS_CHANGED" */
	const char *unit_attention;
	unsigned major, minor;
};

/* Open a socket that the kernel sends its events to: a non-blocking descriptor, the caller's, or -1. Its
 * queue is large (2 MiB), because a coldplug is thousands of messages. */
int uevent_open(struct err *e);
/* Read one message into buf (UEVENT_MAX). 1: u is filled; 0: nothing to read, or a message that is not the
 * kernel's (call again until UEVENT_EMPTY); UEVENT_LOST: the socket overflowed, walk /sys again;
 * UEVENT_EMPTY: nothing left. */
enum { UEVENT_SKIP = 0, UEVENT_GOT = 1, UEVENT_EMPTY = 2, UEVENT_LOST = 3 };
int uevent_read(int fd, char *buf, size_t size, struct uevent *u);
/* Wait for a block device that comes, or changes, until clock_ms() is `until`. False: none has by then. */
bool uevent_disk_comes(int fd, uint64_t until);
/* Take one message of len bytes apart in place ("add@/devices/…" NUL KEY=value NUL …). False if it is not
 * one: no NUL at its end, no '@'. Keys that are not known are passed. Format: lib/kobject_uevent.c of the
 * kernel. */
int uevent_parse(char *buf, size_t len, struct uevent *u);

#endif
