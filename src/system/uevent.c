/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernel uevents: a socket that only listens to the kernel, and its messages taken apart.
 *
 * The kernel's messages come over a netlink group to which others can send as well. The sender's address and
 * credentials are looked at for each; a queue that has overflowed is told apart from one that is empty,
 * because the answer to it is to look at everything again.
 */
#include "system/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/contract.h"
#include "base/util.h"

#define GROUP_KERNEL 1                 /* group 2 is udevd's */
#define QUEUE_SIZE   (2 * 1024 * 1024) /* of the kernel's memory: a coldplug is thousands of messages */

int uevent_open(struct err *e)
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                              NETLINK_KOBJECT_UEVENT);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL };
	const int size = QUEUE_SIZE, on = 1;

	if (fd < 0)
		return err_sys(e, errno, "cannot listen to device events");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		/* not root: as much as there may be */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_sys(e, errno, "cannot listen to device events");
	return steal_fd(&fd);
}

/* Any process may send to a netlink group; the kernel's own port is 0, and it is uid 0. */
static bool from_kernel(struct msghdr *h, const struct sockaddr_nl *sender)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	struct ucred cred;

	if (h->msg_namelen < sizeof(*sender) || sender->nl_family != AF_NETLINK || sender->nl_pid != 0)
		return false;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len < CMSG_LEN(sizeof(cred)))
		return false;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	return cred.uid == 0;
}

int uevent_read(int fd, char *buf, size_t size, struct uevent *u)
{
	demand_or(buf && size > 0 && u, UEVENT_SKIP);
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_nl sender = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr h = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ENOBUFS ? UEVENT_LOST : UEVENT_EMPTY;
	if (!from_kernel(&h, &sender))
		return UEVENT_SKIP;
	if (h.msg_flags & MSG_TRUNC)
		return UEVENT_LOST;
	return uevent_parse(buf, (size_t)n, u) ? UEVENT_GOT : UEVENT_SKIP;
}

/* ---- one message ---- */

/* Digits up to the first character that is none; a number that is too large stops growing. */
static unsigned decimal(const char *s)
{
	unsigned n = 0;

	for (; *s >= '0' && *s <= '9' && n < UINT32_MAX / 10; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return n;
}

/* One KEY=value. The value stays where it is, in the caller's buffer. */
static void take_pair(struct uevent *u, const char *pair)
{
	/* clang-format off */
	const struct { const char *key; const char **text; unsigned *number; } known[] = {
		{ "ACTION=",    &u->action,    NULL },
		{ "DEVPATH=",   &u->devpath,   NULL },
		{ "SUBSYSTEM=", &u->subsystem, NULL },
		{ "DEVNAME=",   &u->devname,   NULL },
		{ "DEVTYPE=",   &u->devtype,   NULL },
		{ "MODALIAS=",  &u->modalias,  NULL },
		{ "SDEV_UA=",   &u->unit_attention, NULL },
		{ "MAJOR=",     NULL, &u->major },
		{ "MINOR=",     NULL, &u->minor },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!starts_with(pair, known[i].key))
			continue;
		pair += strlen(known[i].key);
		if (known[i].text)
			*known[i].text = pair;
		else
			*known[i].number = decimal(pair);
		return;
	}
}

int uevent_parse(char *buf, size_t len, struct uevent *u)
{
	demand_or((buf || len == 0) && u, false);

	char *at, *pair;

	memset(u, 0, sizeof(*u));
	if (len == 0 || buf[len - 1] != '\0')
		return false;
	at = strchr(buf, '@');
	if (!at || at == buf || at[1] != '/')
		return false;
	*at = '\0';
	u->action = buf;
	u->devpath = at + 1;
	for (pair = at + 1 + strlen(at + 1) + 1; pair < buf + len; pair += strlen(pair) + 1)
		take_pair(u, pair);
	return u->devpath[0] == '/';
}

bool uevent_disk_comes(int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char bytes[UEVENT_MAX];
	struct uevent u;
	bool comes = false;
	int got;

	while (!comes && poll(&p, 1, clock_until(until)) > 0)
		while ((got = uevent_read(fd, bytes, sizeof(bytes), &u)) != UEVENT_EMPTY)
			comes |= got == UEVENT_LOST ||
			         (got == UEVENT_GOT && u.subsystem && streq(u.subsystem, "block") &&
			          !streq(u.action, "remove"));
	return comes;
}
