/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may: the credentials that the kernel noted when a client connected. Nothing is looked up by name but
 * one group, once, in /etc/group itself: name services may hang, and there are none at boot.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/util.h"
#include "control/peer.h"

#define GROUP_NAME  "poolinit"
#define GROUP_LIMIT (1024 * 1024)
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* The gid of a line "poolinit:x:123:…"; false if the line is another group's, or not such a line. */
static bool group_line(const char *line, gid_t *group)
{
	size_t n = strlen(GROUP_NAME);
	char *end;

	if (strncmp(line, GROUP_NAME ":", n + 1) != 0)
		return false;
	const char *number = strchr(line + n + 1, ':');
	if (!number || number[1] < '0' || number[1] > '9')
		return false;
	errno = 0;
	unsigned long gid = strtoul(number + 1, &end, 10);
	if (errno || *end != ':' || gid >= (gid_t)-1)
		return false;
	*group = (gid_t)gid;
	return true;
}

bool access_group(gid_t *group)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, "/etc/group", GROUP_LIMIT, &text, NULL) < 0)
		return false;
	for (const char *line = buf_str(&text); line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (group_line(line, group))
			return true;
	}
	return false;
}

/* Has the client that group among its supplementary ones? When the kernel cannot say so, it has not. */
static bool has_supplementary(int fd, gid_t group)
{
	socklen_t len = 0;
	bool found = false;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE || len == 0)
		return false;
	gid_t *groups = malloc(len);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*groups); i++)
			found = found || groups[i] == group;
	free(groups);
	return found;
}

/* Admin is root, and whoever runs this supervisor. */
static enum verb_level level_of(const struct server *srv, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return LEVEL_ADMIN;
	if (srv->has_group && (peer->gid == srv->group || has_supplementary(fd, srv->group)))
		return LEVEL_OPERATE;
	return LEVEL_READ;
}

void access_look(const struct server *srv, struct peer *p)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	p->uid = (uid_t)-1;
	p->gid = (gid_t)-1;
	p->level = LEVEL_READ;
	if (getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof(peer))
		return;
	p->uid = peer.uid;
	p->gid = peer.gid;
	p->pid = peer.pid;
	p->level = srv->options.read_only ? LEVEL_READ : level_of(srv, p->fd, &peer);
}

/* ---- places ---- */

/* What readers ask can be asked again. Of the others only those go who have asked nothing. */
static bool may_be_dismissed(const struct peer *p, enum verb_level by)
{
	return p->level < by && (p->level == LEVEL_READ || !p->calls);
}

/* Of the lowest level the one whose last request is longest ago; NULL: nobody goes for a client of that
 * level. */
static struct peer *find_dismissable(const struct server *srv, enum verb_level by)
{
	struct peer *found = NULL;

	for (struct peer *p = srv->peers; p; p = p->next)
		if (may_be_dismissed(p, by) && (!found || p->level < found->level ||
		                                (p->level == found->level && p->active <= found->active)))
			found = p;
	return found;
}

/* A client that has closed its connection, which its own turn has not noticed yet: whoever comes after it
 * finds its place free. */
static bool has_hung_up(const struct peer *p)
{
	struct pollfd end = { .fd = p->fd };

	return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR));
}

bool access_drop_hung_up(struct server *srv)
{
	bool dropped = false;
	struct peer *next;

	for (struct peer *p = srv->peers; p; p = next) {
		next = p->next;
		if (!has_hung_up(p))
			continue;
		peer_free(p);
		dropped = true;
	}
	return dropped;
}

bool access_dismiss_for(struct server *srv, const struct peer *p)
{
	struct peer *gone = find_dismissable(srv, p->level);
	struct err why = { 0 };

	if (!gone)
		return false;
	err_set(&why, ERR_LIMIT, "this connection's place was needed for a client with the level \"%s\"",
	        verb_level_word(p->level));
	peer_dismiss(gone, &why);
	return true;
}

/* Is there a place for one more, and if not, whose fault is it? */
enum room { ROOM, FULL, FULL_FOR_USER };

/* Sockets that a user has left behind count as clients of that user. */
static enum room find_room(const struct server *srv, const struct peer *p)
{
	bool admin = p->level == LEVEL_ADMIN;
	unsigned others = 0, own = passed_waiting(srv, p->uid);

	for (const struct peer *q = srv->peers; q; q = q->next) {
		others += q->level != LEVEL_ADMIN;
		own += q->uid == p->uid;
	}
	if (!admin && p->uid != 0 && own >= CONTROL_PER_USER)
		return FULL_FOR_USER;
	return srv->npeers < srv->options.clients &&
	                       (admin || others < srv->options.clients - CONTROL_RESERVE)
	               ? ROOM
	               : FULL;
}

int access_place(struct server *srv, const struct peer *p, struct err *e)
{
	enum room room = find_room(srv, p);

	if (room != ROOM) {
		access_drop_hung_up(srv);
		room = find_room(srv, p);
	}
	if (room == ROOM)
		return 0;
	if (room == FULL_FOR_USER)
		return err_set(e, ERR_LIMIT, "user %u has %d clients connected already, which is the limit",
		               (unsigned)p->uid, CONTROL_PER_USER);
	if (!access_dismiss_for(srv, p))
		return err_set(e, ERR_LIMIT, "%u clients are connected already, and the limit is %u%s",
		               srv->npeers, srv->options.clients,
		               p->level == LEVEL_ADMIN ? "" : ", some of them kept for root");
	return 0;
}
