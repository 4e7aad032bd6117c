/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file of vol-upload and vol-download: opened here, with the rights of who calls; the server gets its descriptor.
 */
#include "control/client_parts.h"

#include <errno.h>
#include <fcntl.h>

#include "base/util.h"

/* As virsh does: a file that is there is emptied, one that is not is made, readable by nobody else. */
static int open_for_download(const char *path, struct data *d, struct err *e)
{
	d->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd >= 0)
		d->made = path;
	else if (errno == EEXIST)
		d->fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	return d->fd < 0 ? err_sys(e, errno, "cannot create %s", path) : 0;
}

static int open_for_upload(const char *path, struct data *d, struct err *e)
{
	d->fd = open(path, O_RDONLY | O_CLOEXEC);
	return d->fd < 0 ? err_sys(e, errno, "cannot open %s", path) : 0;
}

int data_open(const struct command *c, struct data *d, struct err *e)
{
	bool download = streq(c->verb->name, "vol-download");

	*d = (struct data){ .fd = -1 };
	if (!c->verb->data || !c->file)
		return 0;
	if (streq(c->file, "-")) {
		d->fd = fcntl(download ? STDOUT_FILENO : STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return d->fd < 0 ? err_sys(e, errno, "cannot use standard %s", download ? "output" : "input") : 0;
	}
	return download ? open_for_download(c->file, d, e) : open_for_upload(c->file, d, e);
}

void data_close(struct data *d, bool well)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	if (d->made && !well)
		unlink(d->made);
	d->made = NULL;
}
