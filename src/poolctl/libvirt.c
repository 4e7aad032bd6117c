/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For libvirt's clients: `poolctl uri`, and virt-ssh-helper, which they start at the other end of ssh(1), so
 * that "storage+ssh://HOST/system" needs nothing on HOST but this program by that name. It copies bytes
 * between ssh and the socket of libvirt's protocol, and knows nothing of them.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/util.h"
#include "poolctl/parts.h"
#include "poolctl/poolctl.h"

#define CHUNK (64 * 1024)

/* That socket lies beside the control socket. */
static void libvirt_path(const char *control, bool read_only, char *path, size_t size)
{
	const char *slash = strrchr(control, '/');

	snprintf(path, size, "%.*slibvirt%s", slash ? (int)(slash + 1 - control) : 0, control,
	         read_only ? "-ro" : "");
}

int uri_main(const char *control)
{
	char path[256];

	libvirt_path(control, false, path, sizeof(path));
	if (access(path, F_OK) < 0) {
		fprintf(stderr, "error: there is no socket %s: %s\n", path, strerror(errno));
		return EXIT_NO_SERVER;
	}
	printf("storage+unix:///system?socket=%s\n", path);
	return EXIT_DONE;
}

/* ---- virt-ssh-helper ---- */

/* One direction: what has been read from one end and is not at the other yet. */
struct flow {
	int from, to;
	size_t len, done;
	bool over;
	char data[CHUNK];
};

/* Which of its ends it waits for. */
static struct pollfd flow_waits(const struct flow *f)
{
	bool writes = f->done < f->len;
	struct pollfd p = { .fd = writes ? f->to : f->from, .events = writes ? POLLOUT : POLLIN };

	if (f->over)
		p.fd = -1;
	return p;
}

/* Read, or write what was read. False: it is over. */
static bool flow_step(struct flow *f)
{
	ssize_t n;

	if (f->done < f->len) {
		n = write(f->to, f->data + f->done, f->len - f->done);
		if (n > 0)
			f->done += (size_t)n;
		return n > 0 || errno == EINTR || errno == EAGAIN;
	}
	n = read(f->from, f->data, sizeof(f->data));
	f->len = n > 0 ? (size_t)n : 0;
	f->done = 0;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until the socket's end; when ssh's has no more, what is under way is still answered. */
static void copy_both(int socket)
{
	static struct flow up, down; /* without values, so that they take no room in the program */

	up.from = STDIN_FILENO;
	down.to = STDOUT_FILENO;
	up.to = down.from = socket;
	while (!down.over) {
		struct pollfd p[] = { flow_waits(&up), flow_waits(&down) };

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents && !flow_step(&up)) {
			up.over = true;
			shutdown(socket, SHUT_WR);
		}
		if (p[1].revents)
			down.over = !flow_step(&down);
	}
}

int ssh_helper_main(int argc, char **argv)
{
	bool read_only = argc > 1 && (streq(argv[1], "-r") || streq(argv[1], "--readonly"));
	const char *preset = getenv("POOLINIT_SOCKET");
	char path[256];
	struct err e = { 0 };

	if (argc != 2 + read_only) {
		fprintf(stderr, "usage: virt-ssh-helper [-r] storage:///system\n");
		return EXIT_USAGE;
	}
	libvirt_path(preset && *preset ? preset : DEFAULT_CONTROL, read_only, path, sizeof(path));
	cleanup_close int fd = link_connect(path, &e);
	if (fd < 0) {
		fprintf(stderr, "virt-ssh-helper: %s\n", e.message);
		return EXIT_NO_SERVER;
	}
	copy_both(fd);
	return EXIT_DONE;
}
