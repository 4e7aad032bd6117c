/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program without libvirt's protocol (make LIBVIRT=0).
 */
#include <stdio.h>

#include "poolctl/parts.h"
#include "poolctl/poolctl.h"

int uri_main(const char *control)
{
	(void)control;
	fputs("error: this build does not speak libvirt's protocol\n", stderr);
	return EXIT_NO_SERVER;
}

int ssh_helper_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return uri_main(NULL);
}
