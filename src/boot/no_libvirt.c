/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program without libvirt's protocol (make LIBVIRT=0).
 */
#include "boot/libvirt.h"

#include "base/log.h"

void libvirt_open(struct libvirt *l, struct supervisor *s, const struct server_options *o, bool daemons)
{
	(void)l;
	(void)s;
	(void)o;
	if (daemons)
		log_warn(LF_BOOT, "no libvirt in this build");
}

void libvirt_accept(struct libvirt *l)
{
	(void)l;
}

void libvirt_stop(struct libvirt *l)
{
	(void)l;
}

void libvirt_close(struct libvirt *l)
{
	(void)l;
}
