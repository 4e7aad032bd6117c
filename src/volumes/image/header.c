/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Image headers of open files.
 *
 * A guest can change the header of its image at any time. So what the index says of an image is not trusted
 * when something is to be done with it: the header is read again from the descriptor that will be used.
 */
#include "volumes/image/header.h"

#include <errno.h>
#include <fcntl.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

/* An open image, and where it could not be read. What is not there looks like what cannot be read: only
 * `error` tells. */
struct opened {
	int fd, error;
	uint64_t at;
};

/* For image_probe_file(), which cannot tell "not there" from "cannot be read": the first read error is kept.
 */
static size_t read_opened(void *arg, uint64_t offset, unsigned char *out, size_t size)
{
	struct opened *o = arg;
	ssize_t n = file_pread(o->fd, out, size, offset);

	if (n < 0 && !o->error) {
		o->error = errno;
		o->at = offset;
	}
	return n < 0 ? 0 : (size_t)n;
}

int image_file_look(int fd, uint64_t size, const char *format, const char *name, struct image *out,
                    struct err *e)
{
	demand(fd >= 0 && format && name && out, e);

	static unsigned char head[IMAGE_HEADER_BYTES];
	struct opened opened = { .fd = fd };
	const struct image_file file = { size, read_opened, &opened };
	size_t len = read_opened(&opened, 0, head, sizeof(head));

	image_probe_file(head, len, &file, out);
	if (opened.error)
		return err_sys(e, opened.error, "cannot read volume \"%s\" at %llu", name,
		               (unsigned long long)opened.at);
	if (!streq(image_format_in_xml(out->format), image_format_in_xml(format)))
		return err_set(e, ERR_STATE,
		               "volume \"%s\" is not a %s image any more but %s: refresh the pool", name,
		               format, out->format);
	if (out->problem[0])
		return err_set(e, ERR_WRONG_FORMAT, "volume \"%s\" is not usable: %s", name, out->problem);
	return 0;
}

/* A vmdk file is an image of its own, or it is (or, with capacity 0, contains) a text that names where the
 * data is. */
static bool is_vmdk_image(int fd, const struct image *image)
{
	unsigned char magic[4] = "";

	return image->capacity && file_pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       (!memcmp(magic, "KDMV", 4) || !memcmp(magic, "COWD", 4));
}

int image_file_complete(int fd, const struct image *image, const char *name, struct err *e)
{
	demand(image->format && name, e);
	if (image->data_file[0])
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" keeps its data in another file (%.200s), which is not opened",
		               name, image->data_file);
	if (streq(image->format, "vmdk") && !is_vmdk_image(fd, image))
		return err_set(e, ERR_UNSUPPORTED,
		               "volume \"%s\" is a description of other files, which are not opened", name);
	return 0;
}
