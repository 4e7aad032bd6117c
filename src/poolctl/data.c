/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file of vol-upload and vol-download: opened here, with the rights of who calls; the server gets its
 * descriptor. What the server does not take (a terminal, a device, a file of /proc, a datagram socket) is
 * read or written here too, at the other end of a pipe.
 *
 * The bytes of a volume go past the protocol: the descriptor travels with the request (SCM_RIGHTS), and a
 * worker of the server copies between it and the volume. So nothing is copied twice, and the server opens no
 * path of a client's.
 */
#include "poolctl/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/contract.h"
#include "base/util.h"

/* A filesystem whose files are made up, though it counts blocks. */
#define EFIVARFS 0xde5e81e4U

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

/* With the caller's own rights: the server is root, and opens nothing for a client. */
static int open_for_upload(const char *path, struct data *d, struct err *e)
{
	struct stat st;

	d->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (d->fd >= 0 && fstat(d->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		util_close(&d->fd);
		d->fd = -1;
		errno = EISDIR;
	}
	return d->fd < 0 ? err_sys(e, errno, "cannot open %s", path) : 0;
}

/* Is it a file, block device, pipe or stream socket? A filesystem without blocks makes its files up; a tmpfs
 * without a limit only looks like one, and loses nothing by the pipe. */
static bool takes_descriptor(int fd)
{
	struct stat st;
	struct statfs fs;
	int type = 0;
	struct sockaddr_storage peer;
	socklen_t size = sizeof(type), len = sizeof(peer);

	if (fstat(fd, &st) < 0)
		return true; /* the server says what is wrong */
	if (S_ISREG(st.st_mode))
		return fstatfs(fd, &fs) == 0 && fs.f_blocks > 0 && (unsigned)fs.f_type != EFIVARFS;
	if (S_ISSOCK(st.st_mode))
		return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		       getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
	return S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode);
}

/* In a child: move bytes until the end, and end with 0 or the errno of what went wrong. */
static _Noreturn void pump(int from, int to)
{
	static char bytes[64 * 1024];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno != EINTR)
			_exit(errno);
		for (ssize_t done = 0, some; done < n;) {
			some = write(to, bytes + done, (size_t)(n - done));
			if (some < 0 && errno != EINTR)
				_exit(errno);
			if (some > 0)
				done += some;
		}
	}
	_exit(0);
}

/* A pipe in place of the file. */
static int open_pump(struct data *d, bool download, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	d->pump = fork();
	if (d->pump == 0) {
		close(ends[download]);
		signal(SIGINT, SIG_DFL);
		pump(download ? ends[0] : d->fd, download ? d->fd : ends[1]);
	}
	int failed = d->pump < 0 ? errno : 0;
	close(ends[!download]);
	close(d->fd);
	d->fd = ends[download];
	if (!failed)
		return 0;
	d->pump = 0;
	return err_sys(e, failed, "cannot start a process that moves the bytes");
}

/* The file that was named, or a duplicate of a standard descriptor, which stays open for messages. */
static int open_file(const struct command *c, struct data *d, bool download, struct err *e)
{
	if (!streq(c->file, "-"))
		return download ? open_for_download(c->file, d, e) : open_for_upload(c->file, d, e);
	d->fd = fcntl(download ? STDOUT_FILENO : STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0)
		return err_sys(e, errno, "cannot use standard %s", download ? "output" : "input");
	return 0;
}

int data_open(const struct command *c, struct data *d, struct err *e)
{
	demand(c->verb && d, e);

	bool download = streq(c->verb->name, "vol-download");

	*d = (struct data){ .fd = -1 };
	if (!c->verb->data || !c->file)
		return 0;
	if (open_file(c, d, download, e) < 0)
		return -1;
	d->download = download;
	return takes_descriptor(d->fd) ? 0 : open_pump(d, download, e);
}

/* An upload has all that it wanted; a download's last bytes are still to be written. */
static int end_pump(struct data *d, bool well, struct err *e)
{
	int status = 0;

	if (!d->download || !well)
		kill(d->pump, SIGTERM);
	while (waitpid(d->pump, &status, 0) < 0 && errno == EINTR)
		;
	d->pump = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) && !(WEXITSTATUS(status) == EPIPE && !d->download))
		return err_sys(e, WEXITSTATUS(status),
		               d->download ? "cannot write what was downloaded"
		                           : "cannot read what is to be uploaded");
	return 0;
}

int data_close(struct data *d, bool well, struct err *e)
{
	int rc = 0;

	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	if (d->pump)
		rc = end_pump(d, well, e);
	if (d->made && (!well || rc < 0))
		unlink(d->made);
	/* A file that was there before is left as it is, cut off: the caller had asked for it to be written.
	 */
	d->made = NULL;
	return rc;
}
