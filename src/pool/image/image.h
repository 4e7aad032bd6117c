/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disk image headers. The bytes are untrusted: a guest wrote them. Nothing that a header names is ever
 * opened.
 */
#ifndef POOLINIT_POOL_IMAGE_IMAGE_H
#define POOLINIT_POOL_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

/* What is read of a file before anything is known of it: enough for the last magic that the table knows (ISO
 * 9660, at 32 KiB) and for the headers with their extensions. */
#define IMAGE_HEADER_BYTES (64 * 1024)

/* What is known of an image. Texts are as the header has them: any bytes but NUL, control characters among
 * them. Whoever prints them escapes them. */
struct image {
	/* static word, qemu-img's own; "raw" when nothing else is recognised. In XML:
	 * image_format_in_xml() */
	const char *format;
	const char *content;     /* static word for what a raw image holds, "squashfs" or "erofs"; or NULL */
	uint64_t capacity;       /* bytes; that of the file where the header does not tell */
	char backing[1024];      /* as written in the header; empty: none. As a path: image_backing_path() */
	char backing_format[32]; /* empty: the header does not tell, which is never an invitation to look */
	char data_file[1024];    /* of qcow2: the name of the raw file that holds the data; empty: none */
	const char *encryption;  /* "qcow", "luks", "luks2" or NULL */
	const char *compat;      /* "0.10", "1.1" or NULL */
	uint64_t cluster_size;   /* bytes; also what others call block or grain; 0: not known */
	bool lazy_refcounts, extended_l2;
	/* recognised but not understood, e.g. "header truncated at 99 bytes"; else empty */
	char problem[128];
};

/* The rest of the file, for the few formats that keep facts elsewhere. Asked only when the head leaves a
 * question: 512 bytes at the end when it was nothing known (fixed VHD, Apple disk images), a few small reads
 * for vhdx. */
struct image_file {
	uint64_t size; /* of the file or device */
	/* Bytes at offset; how many there were: fewer than n is the end of the file or an error. NULL: there
	 * is no more than the head. */
	size_t (*read)(void *arg, uint64_t offset, unsigned char *out, size_t n);
	void *arg;
};

/* Recognise an image by its first bytes (IMAGE_HEADER_BYTES or the whole file, whichever is less) and, where
 * they do not suffice, by what f->read gives. Never fails: what is not recognised is "raw", what is wrong
 * with it stands in `problem`. out holds no pointers into head. No memory is taken, no file opened; it is
 * written for a process that is closed in, and needs nothing outside of itself. */
void image_probe_file(const unsigned char *head, size_t len, const struct image_file *f, struct image *out);
/* The same from its first bytes alone. file_size is the size of the file or device. */
void image_probe(const unsigned char *head, size_t len, uint64_t file_size, struct image *out);

/* libvirt's word for a volume's format (pool formats such as "linux" pass as they are): it has "ploop" for
 * parallels, and takes vhdx for raw. NULL for NULL; static storage, or the argument itself. */
const char *image_format_in_xml(const char *format);

/* Append a backing file's name as a path, by text alone: relative ones begin at the image's directory;
 * "json:…", "nbd:…", "http://…" stay as they are. Nothing is looked up: the file need not exist, and links
 * in the path are not followed. */
void image_backing_path(const char *image_path, const char *backing, struct buf *out);

#endif
