/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's sockets: our own, for whoever names them, and, where that is asked for, those at which libvirt's
 * own programs look for a storage and a secret daemon. A daemon that answers there keeps its socket.
 */
#include "boot/libvirt.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/contract.h"
#include "control/codec.h"
#include "control/handed.h"
#include "control/rpc/identity.h"

#define LIBVIRT_RUN     "/run/libvirt"
#define LIBVIRT_CLIENTS 256 /* a daemon of libvirt's has a connection for each client of its own */

static const struct {
	const char *name; /* without a '/': in the run directory */
	bool read_only;
	bool daemons;
} sockets[LIBVIRT_SOCKETS] = {
	{ "libvirt", false, false },
	{ "libvirt-ro", true, false },
	{ LIBVIRT_RUN "/virtstoraged-sock", false, true },
	{ LIBVIRT_RUN "/virtstoraged-sock-ro", true, true },
	{ LIBVIRT_RUN "/virtsecretd-sock", false, true },
	{ LIBVIRT_RUN "/virtsecretd-sock-ro", true, true },
};

/* A socket of the daemons' that a service manager has handed over is asked for by that. 0, or -1: without one
 * that was to be there. */
static int open_one(struct libvirt *l, size_t i, struct supervisor *s, const struct server_options *o,
                    bool daemons, struct err *e)
{
	const char *run_dir = supervisor_options(s)->run_dir, *name = sockets[i].name;
	struct server_options own = *o;
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", *name == '/' ? "" : run_dir, *name == '/' ? "" : "/", name);
	daemons |= sockets[i].daemons && handed_holds(path);
	if (sockets[i].daemons && !daemons)
		return 0;
	own.path = path;
	own.codec = &virt_codec;
	own.read_only = sockets[i].read_only;
	own.public = sockets[i].daemons;
	own.clients = LIBVIRT_CLIENTS;
	own.token_file = daemons ? LIBVIRT_RUN "/common/system.token" : NULL;
	own.members = l->members;

	l->servers[i] = server_new(s, &own, e);
	if (!l->servers[i])
		return -1;
	server_seal(l->servers[i]);
	return 0;
}

void libvirt_open(struct libvirt *l, struct supervisor *s, const struct server_options *o, bool daemons)
{
	demand_or(l && s && o, );

	struct err e = { 0 };

	l->members = identity_members();
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++) {
		if (open_one(l, i, s, o, daemons, &e) < 0) {
			supervisor_add_problem(s, "libvirt", &e);
			err_clear(&e);
		}
	}
	handed_end();
}

void libvirt_accept(struct libvirt *l)
{
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++)
		if (l->servers[i])
			server_accept(l->servers[i]);
}

void libvirt_stop(struct libvirt *l)
{
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++)
		if (l->servers[i])
			server_stop(l->servers[i]);
}

void libvirt_close(struct libvirt *l)
{
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++) {
		server_free(l->servers[i]);
		l->servers[i] = NULL;
	}
	free(l->members);
	l->members = NULL;
}
