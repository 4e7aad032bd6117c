// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where calls into what is left out end. The backend refuses images that would lead here; should one come all the same, its worker ends, and the
// supervisor says so.
#include <stdlib.h>
#include <unistd.h>

void ceph_left_out(void)
{
	static const char text[] = "librbd: this image needs a part of Ceph (journals, mirroring, migration) that this program does not have\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}
