/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu-img, for the formats that we do not write ourselves: its command lines, and running it.
 *
 * What it opens does not depend on what is in an image: every image is a tree of formats, files and backing
 * files that we name ("backing": null where there is none). It opens the files that we have opened, by
 * /proc/self/fd/N. What a format has no option for (the extents of a vmdk, the data file of a qcow2) is
 * refused before, see clone.c, and out of its reach if the image changes meanwhile: it is confined
 * (base/jail.h), or not run. Passphrases reach it as pipes, never by argv, environment or a file: a file
 * could be named by such a header, and be copied out as its data.
 */
#ifndef POOLINIT_VOLUMES_IMAGE_QEMU_IMG_H
#define POOLINIT_VOLUMES_IMAGE_QEMU_IMG_H

#include <stddef.h>
#include "pool/operation.h"

/* ---- command lines (qemu_img.c): nothing is run or opened ---- */

struct qemu_img_words {
	struct arena arena;
	const char *argv[32]; /* NULL-terminated */
	size_t n;
};
/* Free the words. Nothing made from them may be used any more. */
void qemu_img_words_free(struct qemu_img_words *w);
#define cleanup_words __attribute__((cleanup(qemu_img_words_free)))

/* One image on a command line. */
struct qemu_img_file {
	const char *path;
	const char *format; /* of the volume: "raw", "iso", "qcow2", …; NULL: raw */
	bool luks;          /* encrypted so */
	bool block;         /* a block device */
	const char *secret; /* path of the pipe with its passphrase; NULL without one */
	/* the image under it, as we know it; NULL: it has none, whatever its header says */
	const struct qemu_img_file *backing;
};

/* May qemu-img be asked for this at all? ERR_UNSUPPORTED or ERR_INVALID: a format that cannot be made, an
 * encryption that it has no way for, preallocation or a backing file where the format has none. */
int qemu_img_check(const struct volume_def *v, unsigned flags, struct err *e);
/* "qemu-img create …" for a definition; to.format and to.luks are the definition's own. w is filled from
 * nothing, and needs no free on failure. Errors of this and the next two: as qemu_img_check(),
 * ERR_NO_MEMORY. */
int qemu_img_create_words(struct qemu_img_words *w, const struct volume_def *v, unsigned flags,
                          const struct qemu_img_file *to, struct err *e);
/* "qemu-img convert …" of one image into a new one; where either is encrypted, into one that
 * qemu_img_create_words() has made. */
int qemu_img_convert_words(struct qemu_img_words *w, const struct volume_def *v, unsigned flags,
                           const struct qemu_img_file *from, const struct qemu_img_file *to, struct err *e);
/* "qemu-img resize …" to a capacity in bytes; shrink: it may become smaller. */
int qemu_img_resize_words(struct qemu_img_words *w, const struct qemu_img_file *image, uint64_t capacity,
                          bool shrink, struct err *e);

/* ---- running it (qemu_img_run.c) ---- */

/* An image that is open here. */
struct qemu_img_open {
	int fd;
	const char *format;
	bool luks;
	const struct secret_value *secret; /* NULL without one */
	/* To be made larger over a backing file that may be larger too: what is added must be made zeros, or
	 * that one's bytes would show. Its backing file is not opened for that; an empty file of this size
	 * stands in for it. 0: without. */
	uint64_t covered;
	/* to be read together with this one, which is under it; NULL: without */
	const struct qemu_img_open *backing;
};

#define QEMU_IMG_LAYERS 16 /* images over one another, at most */

/* Run it, and wait until op->deadline. All three: ERR_NO_TOOL where qemu-img is not installed, ERR_NO_SPACE;
 * its own words otherwise (ERR_STORAGE). v.capacity is what is made, in bytes. The descriptors stay the
 * caller's. */
int qemu_img_create(const struct volume_def *v, unsigned flags, const struct qemu_img_open *to, struct op *op,
                    struct err *e);
int qemu_img_convert(const struct volume_def *v, unsigned flags, const struct qemu_img_open *from,
                     const struct qemu_img_open *to, struct op *op, struct err *e);
int qemu_img_resize(const struct qemu_img_open *image, uint64_t capacity, bool shrink, struct op *op,
                    struct err *e);

#endif
