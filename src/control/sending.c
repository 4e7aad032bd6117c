/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parts of files that follow an answer's records. They go from the file into the socket (sendfile(2)), so
 * that a list of a hundred thousand volumes costs this process no memory and no copy.
 */
#include "control/sending.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

bool sending_begin(struct sending *s, const int fds[2], const struct file_part *parts, size_t n)
{
	require_or(parts && n > 0, false);

	bool failed = false;

	*s = (struct sending){ .parts = malloc(n * sizeof(*parts)), .n = n };
	for (size_t i = 0; i < ARRAY_LEN(s->fds); i++) {
		s->fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		failed |= s->fds[i] < 0 && fds[i] >= 0;
	}
	if (failed || !s->parts) {
		sending_end(s);
		return false;
	}
	memcpy(s->parts, parts, n * sizeof(*parts));
	return true;
}
