/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sockets at which libvirt's clients are answered, beside the control socket.
 */
#ifndef POOLINIT_BOOT_LIBVIRT_H
#define POOLINIT_BOOT_LIBVIRT_H

#include "control/server.h"

#define LIBVIRT_SOCKETS 6

struct libvirt {
	struct server *servers[LIBVIRT_SOCKETS]; /* NULL: that one is not there */
	char *members;                           /* of the group poolinit; or NULL */
};

/* Make them: two in the run directory; with `daemons` those of libvirt's storage and secret daemons, too,
 * where none of these answers, and without it those of them that a service manager has handed over. Nobody
 * asks for handed sockets after this. What cannot be had is a problem (`status` shows it), and nothing more.
 * o: as for the control socket. A build without libvirt makes none. */
void libvirt_open(struct libvirt *l, struct supervisor *s, const struct server_options *o, bool daemons);
/* Let clients in. */
void libvirt_accept(struct libvirt *l);
/* Let nobody in any more (server_stop()). */
void libvirt_stop(struct libvirt *l);
void libvirt_close(struct libvirt *l);

#endif
