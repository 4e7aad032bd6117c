/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is believed of a daemon that speaks for its own client. The kernel knows nothing of that one: its
 * groups are those that the daemon tells, and those that /etc/group had when this server began.
 */
#include "control/rpc/identity.h"

#include <fcntl.h>

#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "control/peer.h"

#define GROUPS_LIMIT (1024 * 1024)

char *identity_members(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, "/etc/group", GROUPS_LIMIT, &text, NULL) < 0)
		return NULL;
	for (const char *line = buf_str(&text); line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!starts_with(line, "poolinit:"))
			continue;

		size_t len = strcspn(line, "\n"), at = len;

		while (at > 0 && line[at - 1] != ':')
			at--;
		return at < len ? copy_bytes(line + at, len - at) : NULL;
	}
	return NULL;
}

/* Is the name among "user,user"? */
static bool is_member(const char *members, const char *name)
{
	size_t n = name ? strlen(name) : 0;

	for (const char *at = n ? members : NULL; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strcspn(at, ",") == n && strncmp(at, name, n) == 0)
			return true;
	}
	return false;
}

enum verb_level identity_level(const struct server *srv, uint64_t uid, uint64_t gid, const char *name)
{
	if (uid == 0)
		return LEVEL_ADMIN;
	if (srv->has_group && (gid == srv->group || is_member(srv->options.members, name)))
		return LEVEL_OPERATE;
	return LEVEL_READ;
}

bool identity_has_token(const struct server *srv, const char *token)
{
	const char *path = srv->options.token_file;
	unsigned char differs = 0;
	char ours[64];

	demand_or(token, false);
	if (!path || file_read_line(AT_FDCWD, path, ours, sizeof(ours)) <= 0 || strlen(token) != strlen(ours))
		return false;
	for (size_t i = 0; ours[i]; i++) /* in the same time, however much of it is right */
		differs |= (unsigned char)(token[i] ^ ours[i]);
	return differs == 0;
}
