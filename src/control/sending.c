/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parts of files that follow an answer's records. They go from the file into the socket (sendfile(2)), so
 * that a list of a hundred thousand volumes costs this process no memory and no copy.
 */
#include "control/sending.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/util.h"

void sending_end(struct sending *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->fds) && sending_is_on(s); i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	free(s->parts);
	*s = (struct sending){ .n = 0 };
}

bool sending_begin(struct sending *s, const struct file_part *parts, size_t n)
{
	require_or(parts && n > 0, false);

	int from[2] = { parts[0].fd, -1 };

	for (size_t i = 1; i < n; i++)
		if (parts[i].fd != from[0])
			from[1] = parts[i].fd;
	*s = (struct sending){ .fds = { -1, -1 }, .parts = calloc(n, sizeof(*parts)), .n = n };
	for (int k = 0; k < 2; k++)
		s->fds[k] = from[k] < 0 ? -1 : fcntl(from[k], F_DUPFD_CLOEXEC, 0);
	if (!s->parts || s->fds[0] < 0 || (from[1] >= 0 && s->fds[1] < 0)) {
		sending_end(s);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		s->parts[i] = parts[i];
		s->parts[i].fd = s->fds[parts[i].fd != from[0]];
	}
	return true;
}
