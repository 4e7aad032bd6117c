/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program without libvirt's protocol (make LIBVIRT=0).
 */
#include "boot/libvirt.h"

void libvirt_open(struct libvirt *l, struct supervisor *s, const struct server_options *o, bool daemons)
{
	struct err e = { 0 };

	(void)l;
	(void)o;
	err_set(&e, ERR_UNSUPPORTED, "this build does not speak libvirt's protocol");
	if (daemons)
		supervisor_add_problem(s, "libvirt", &e);
}

void libvirt_accept(struct libvirt *l)
{
	(void)l;
}

void libvirt_close(struct libvirt *l)
{
	(void)l;
}
