/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the static program is linked with to run under valgrind 3.19 (tests/host/valgrind-smoke), besides
 * valgrind's own malloc: a wrapper around syscall(2), because valgrind refuses system calls that it does not
 * know. pidfd_open, without which no worker is watched, is asked of the test, which listens at
 * $POOLINIT_TEST_PIDFD and sends the descriptor. The others are refused in silence: fsopen and move_mount,
 * for which there is mount(2); openat2, for which there is openat(2); Landlock; and seccomp, whose filter
 * would hit the calls that valgrind itself makes in a worker (tests/unit/test_sandbox is about both).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* One byte with the descriptor; without one the process is gone. */
static int receive_descriptor(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) != 1 || !(c = CMSG_FIRSTHDR(&m)) ||
	    c->cmsg_type != SCM_RIGHTS) {
		errno = ESRCH;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int ask_for_pidfd(pid_t pid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("POOLINIT_TEST_PIDFD");
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;

	if (s < 0 || !path || strlen(path) >= sizeof(a.sun_path))
		abort();
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    send(s, &pid, sizeof(pid), MSG_NOSIGNAL) != (ssize_t)sizeof(pid))
		abort();
	fd = receive_descriptor(s);
	close(s);
	return fd;
}

long __wrap_syscall(long number, ...)
{
	static const long refused[] = { SYS_fsopen,
		                        SYS_openat2,
		                        SYS_move_mount,
		                        SYS_seccomp,
		                        SYS_landlock_create_ruleset,
		                        SYS_landlock_restrict_self };
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_pidfd_open)
		return ask_for_pidfd((pid_t)a[0]);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (number == refused[i]) {
			errno = ENOSYS;
			return -1;
		}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
