/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header of an image that is open, looked at again before something is done to it.
 */
#ifndef POOLINIT_VOLUMES_IMAGE_HEADER_H
#define POOLINIT_VOLUMES_IMAGE_HEADER_H

#include "base/err.h"
#include "pool/image/image.h"

/* Probe the header of what fd is open on, a file or device of `size` bytes. ERR_STATE if it is not of the
 * format that the index has for it any more (refresh the pool), ERR_WRONG_FORMAT if its header makes no
 * sense. name is for messages. It parses a guest's bytes in the worker itself: what is to be done to the
 * image would read them there anyway. */
int image_file_look(int fd, uint64_t size, const char *format, const char *name, struct image *out,
                    struct err *e);
/* Does the file hold all of its content but a backing file's? ERR_UNSUPPORTED: it names others for it (a
 * qcow2 data file, the extents of a vmdk descriptor), which a tool would open. */
int image_file_complete(int fd, const struct image *image, const char *name, struct err *e);

#endif
