/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program without libvirt's protocol (make LIBVIRT=0): nobody asks for frames.
 */
#include "volumes/frames.h"

int frames_upload(struct copy *c, struct err *e)
{
	(void)c;
	return err_set(e, ERR_UNSUPPORTED, "no frames");
}

int frames_download(struct copy *c, struct err *e)
{
	return frames_upload(c, e);
}
