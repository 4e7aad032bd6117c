/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the three files about a host's LUNs share, for them alone: luns_bus.c (what the bus has reported),
 * luns_links.c (their stable names), luns.c (volumes).
 */
#ifndef POOLINIT_BACKENDS_LUNS_INSIDE_H
#define POOLINIT_BACKENDS_LUNS_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pool/operation.h"

struct lun {
	unsigned host, bus, target;
	unsigned long long lun;
	char block[64]; /* "sda"; empty: no block device (yet) */
	bool gone;      /* the target no longer has it */
	bool blank;     /* it was read, and holds nothing that is known */
	char format[16];
	char sick[160]; /* why it is not well, or "" */
	char *by_path;  /* what path_id would call it, or NULL */
	char *serial;   /* what scsi_id would print, or NULL */
};

struct lun_list {
	struct lun *item;
	size_t n, size, without_block;
};

/* ---- luns_bus.c ---- */

void luns_free(struct lun_list *l);
/* All disks and roms of the host, sorted; other devices (enclosures, tapes, controllers) are no storage for
 * volumes. l is filled anew. */
int luns_list(const char *sys, int host, struct lun_list *l, struct err *e);
/* List, and list again at each uevent, until every disk has its block device. Those whose driver does not
 * come stay without one. */
int luns_await(int host, struct op *op, struct lun_list *l, struct err *e);
/* What the kernel says of the way to a LUN: "" if nothing is wrong with it. */
void lun_state(const char *block, char *out, size_t size);
/* Its size in bytes, as the kernel knows it. */
uint64_t lun_size(const char *block);
/* Fill in what each is called by its place and by itself. */
void luns_name(struct lun_list *l);
/* Throw away what is queued on a descriptor; what matters is only that something happened. */
void luns_drain(int fd);

static inline uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- luns_links.c ---- */

struct lun_link {
	dev_t dev;
	char *path;
};

struct link_list {
	struct lun_link *item;
	size_t n, size;
};

/* The links in a directory to the LUNs' devices. Our own are made here and now; udev's are waited for:
 * inotify on the directory, or on the nearest one above it that exists. */
int lun_links_await(const char *dir, const struct lun_list *luns, struct op *op, struct link_list *links,
                    struct err *e);
/* The device's link in the directory that was read: the name that path_id would give if it is among them,
 * else the first; NULL: it has none. */
const char *lun_link_of(const struct link_list *l, dev_t dev, const char *preferred);
void lun_links_free(struct link_list *l);

#endif
