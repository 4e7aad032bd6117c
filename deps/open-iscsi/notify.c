/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sd_notify(3): one datagram to the socket that whoever started us listens on.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "systemd/sd-daemon.h"

int sd_notify(int unset_environment, const char *state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int rc = 1;

	if (len == 0 || len >= sizeof(sa.sun_path))
		return len ? -E2BIG : 0;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@')             /* an abstract name */
		sa.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (unset_environment)
		unsetenv("NOTIFY_SOCKET");
	return rc;
}

int sd_notifyf(int unset_environment, const char *format, ...)
{
	char state[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(state, sizeof(state), format, ap);
	va_end(ap);
	return sd_notify(unset_environment, state);
}
