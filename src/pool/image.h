/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disk image headers. The bytes are untrusted: a guest wrote them. Nothing that a header names is ever opened.
 */
#ifndef POOLINIT_POOL_IMAGE_H
#define POOLINIT_POOL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_HEADER_BYTES (64 * 1024)

struct image {
	const char *format;             /* static word; "raw" when nothing else is recognised */
	uint64_t capacity;              /* bytes */
	char backing[1024];             /* as written in the header; empty: none */
	char backing_format[32];
	const char *encryption;         /* static word or NULL */
	const char *compat;             /* "0.10", "1.1" or NULL */
	uint64_t cluster_size;
	bool lazy_refcounts, extended_l2;
	char problem[128];              /* recognised but not understood, e.g. "header truncated at 99 bytes"; else empty */
};

/* Recognise an image by its first bytes (IMAGE_HEADER_BYTES or the whole file). file_size is the size of the file or device. Never fails. */
void image_probe(const unsigned char *head, size_t len, uint64_t file_size, struct image *out);

#endif
