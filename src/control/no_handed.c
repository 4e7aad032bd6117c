/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program that takes no sockets from a service manager (make LIBVIRT=0).
 */
#include "control/handed.h"

bool handed_begin(void)
{
	return false;
}

int handed_take(const char *path)
{
	(void)path;
	return -1;
}
