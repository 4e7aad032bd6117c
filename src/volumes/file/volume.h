/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes that are files of a directory: made, deleted, resized, wiped, opened. The volume operations of dir,
 * fs and netfs.
 *
 * What is opened lies in the pool's directory itself and is a regular file there: a link is listed (list.c),
 * but nothing is read or written through it. A hard link that somebody may have put there to what is not his
 * (files_is_doubtful()) is opened for root alone; it can be deleted.
 *
 * Backing files. The path is written into the image as it stands in the document. It must name an existing
 * regular file or block device, seen from the pool's directory; it is looked at, never opened. Its format
 * must be given, unless it is a volume that the pool's index knows. Only such a volume can give the capacity
 * where the document has none. A text that QEMU would take for a protocol ("nbd:…", "json:…") is refused. For
 * who only operates, what is elsewhere is looked at as nobody, and taken unseen where nobody can see: what
 * root alone may know is not told.
 */
#ifndef POOLINIT_VOLUMES_FILE_VOLUME_H
#define POOLINIT_VOLUMES_FILE_VOLUME_H

#include <sys/stat.h>
#include "pool/operation.h"

/* Make a volume as the definition says; see `from` in operation.h for one that is made from another. flags:
 * vol_create_flags. Seen whole or not at all (publish.h). ERR_EXISTS; ERR_INVALID and ERR_UNSUPPORTED before
 * anything is made; ERR_NO_SPACE; ERR_NO_TOOL: that format takes qemu-img. op->made says what a raw file is.
 */
int file_vol_create(const struct pool_def *d, struct op *op, const struct volume_def *v,
                    const struct vol_input *from, unsigned flags, struct err *e);
/* Delete a volume. A link is taken away itself, never what it leads to. A directory must be empty
 * (ERR_BUSY). What is gone already is success. Devices are not deleted: ERR_UNSUPPORTED. */
int file_vol_delete(const struct pool_def *d, struct op *op, const struct volume *v, struct err *e);
/* Give a volume another capacity, in bytes; flags: vol_resize_flags. Smaller only with VOL_SHRINK, and never
 * below what is allocated. On failure a raw file and a qcow2 image are as before. */
int file_vol_resize(const struct pool_def *d, struct op *op, const struct volume *v, uint64_t capacity,
                    unsigned flags, struct err *e);
/* The whole file, whatever its format: an image is none any more after it. */
int file_vol_wipe(const struct pool_def *d, struct op *op, const struct volume *v, const char *algorithm,
                  struct err *e);
/* The content for upload or download: the file itself, so that an image goes as it is. *size is the file's
 * length. */
int file_vol_open(const struct pool_def *d, struct op *op, const struct volume *v, bool write, uint64_t *size,
                  struct err *e);

/* ---- for the files that this is made of ---- */

/* Open a volume's file below the pool's directory, mode O_RDONLY or O_RDWR. Whatever is put in the way
 * meanwhile is not opened; *st is of what was. ERR_NO_VOLUME, ERR_UNSUPPORTED (a link, a directory, a
 * device), ERR_DENIED (op->operate, and a doubtful hard link). */
int file_volume_open(const struct pool_def *d, const struct op *op, const char *name, int mode,
                     struct stat *st, struct err *e);
struct line;
/* The volume of that name in op->index. False: none is known. Its strings lie in line, and
 * those of line in text: all three are the caller's, and live together. */
bool file_volume_known(const struct op *op, const char *name, struct buf *text, struct line *line,
                       struct volume *v);
/* The passphrase of an encrypted volume that is there: the secret whose usage is its path. */
int file_volume_secret(const struct op *op, const struct volume *v, struct secret_value *out, struct err *e);

#endif
