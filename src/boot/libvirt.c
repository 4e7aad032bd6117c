/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's sockets: our own, for whoever names them, and, where that is asked for, those at which libvirt's
 * own programs look for a storage and a secret daemon. A daemon that answers there keeps its socket.
 */
#include "boot/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "control/codec.h"
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

static void make_token(char token[LIBVIRT_TOKEN])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[(LIBVIRT_TOKEN - 1) / 2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return;
	for (size_t i = 0; i < sizeof(random); i++) {
		token[2 * i] = digits[random[i] >> 4];
		token[2 * i + 1] = digits[random[i] & 15];
	}
	token[LIBVIRT_TOKEN - 1] = '\0';
}

/* The token by which root's daemons know each other: whoever of them comes first makes it, holding a lock. */
static int take_token(struct libvirt *l, struct err *e)
{
	const char *path = LIBVIRT_RUN "/common/system.token";
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[LIBVIRT_TOKEN] = "";
	ssize_t n;

	if (file_mkdirs(LIBVIRT_RUN "/common", 0755, e) < 0)
		return -1;
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
		return err_sys(e, errno, "cannot use %s, by which libvirt's daemons know each other", path);
	n = read(fd, text, sizeof(text) - 1);
	if (n == 0) {
		make_token(text);
		n = pwrite(fd, text, strlen(text), 0);
	}
	if (n != LIBVIRT_TOKEN - 1 || strlen(text) != LIBVIRT_TOKEN - 1)
		return err_set(e, ERR_STORAGE, "%s holds no token", path);
	memcpy(l->token, text, sizeof(text));
	return 0;
}

static struct server *open_one(struct libvirt *l, size_t i, struct supervisor *s,
                               const struct server_options *o, struct err *e)
{
	const char *run_dir = supervisor_options(s)->run_dir, *name = sockets[i].name;
	struct server_options own = *o;
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", *name == '/' ? "" : run_dir, *name == '/' ? "" : "/", name);
	own.path = path;
	own.codec = &virt_codec;
	own.read_only = sockets[i].read_only;
	own.public = sockets[i].daemons;
	own.clients = LIBVIRT_CLIENTS;
	own.token = l->token[0] ? l->token : NULL;
	own.members = l->members;
	return server_new(s, &own, e);
}

void libvirt_open(struct libvirt *l, struct supervisor *s, const struct server_options *o, bool daemons)
{
	demand_or(l && s && o, );

	struct err e = { 0 };

	l->members = identity_members();
	if (daemons && take_token(l, &e) < 0)
		supervisor_add_problem(s, "libvirt", &e);
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++) {
		if (sockets[i].daemons && !daemons)
			continue;
		err_clear(&e);
		l->servers[i] = open_one(l, i, s, o, &e);
		if (!l->servers[i])
			supervisor_add_problem(s, "libvirt", &e);
	}
}

void libvirt_accept(struct libvirt *l)
{
	for (size_t i = 0; i < LIBVIRT_SOCKETS; i++)
		if (l->servers[i])
			server_accept(l->servers[i]);
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
