/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may: the credentials that the kernel noted when a client connected. Nothing is looked up by name but one group, once, in /etc/group
 * itself: name services may hang, and there are none at boot.
 */
#include <errno.h>
#include <fcntl.h>
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
enum verb_level access_level(const struct server *srv, int fd, uid_t *uid, pid_t *pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	*uid = (uid_t)-1;
	*pid = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof(peer))
		return LEVEL_READ;
	*uid = peer.uid;
	*pid = peer.pid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return LEVEL_ADMIN;
	if (srv->has_group && (peer.gid == srv->group || has_supplementary(fd, srv->group)))
		return LEVEL_OPERATE;
	return LEVEL_READ;
}
