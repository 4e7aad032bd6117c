/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernel's iSCSI sessions, as sysfs has them: which there are, whether they are logged in, and how
 * steadily.
 *
 * Facts: drivers/scsi/scsi_transport_iscsi.c of the kernel, which makes /sys/class/iscsi_session and
 * /sys/class/iscsi_connection. One connection belongs to a session here, with its number.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backends/iscsi/iscsi.h"
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"

#define FIRMWARE_TARGETS 2 /* as many as the iBFT has room for */

#define UNSTEADY 3 /* so many breaks, each */
/* not so long after the last one, and the connection is not called well between them */
#define CALM SECONDS(60)

__attribute__((format(printf, 3, 4))) static bool attribute(char *out, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) && file_read_line(AT_FDCWD, path, out, size) > 0;
}

/* The portal of a session: as it was asked for (persistent_*), or where it is connected now, which may differ
 * after a redirection. */
static bool session_portal_is(const char *sys, int sid, const char *const *addresses, int port)
{
	static const char *const pairs[][2] = { { "persistent_address", "persistent_port" },
		                                { "address", "port" } };

	for (size_t p = 0; p < ARRAY_LEN(pairs); p++) {
		char address[256], number[16];

		if (!attribute(address, sizeof(address), "%s/class/iscsi_connection/connection%d:0/%s", sys,
		               sid, pairs[p][0]) ||
		    !attribute(number, sizeof(number), "%s/class/iscsi_connection/connection%d:0/%s", sys,
		               sid, pairs[p][1]) ||
		    atoi(number) != port)
			continue;
		for (size_t i = 0; addresses[i]; i++)
			if (streq(address, addresses[i]))
				return true;
	}
	return false;
}

/* Two addresses as numbers: the firmware's table has every group of IPv6 written out. */
static bool same_address(const char *a, const char *b)
{
	unsigned char x[sizeof(struct in6_addr)], y[sizeof(struct in6_addr)];

	return (inet_pton(AF_INET, a, x) == 1 && inet_pton(AF_INET, b, y) == 1 && !memcmp(x, y, 4)) ||
	       (inet_pton(AF_INET6, a, x) == 1 && inet_pton(AF_INET6, b, y) == 1 && !memcmp(x, y, sizeof(x)));
}

bool iscsi_session_is_firmwares(const char *sys, const struct iscsi_session *s, const char *iqn)
{
	demand_or(sys && s && iqn, false);

	char asked[256], name[300], address[256];

	if (!attribute(asked, sizeof(asked), "%s/class/iscsi_connection/connection%d:0/persistent_address",
	               sys, s->sid))
		return false;
	for (int i = 0; i < FIRMWARE_TARGETS; i++)
		if (attribute(name, sizeof(name), "%s/firmware/ibft/target%d/target-name", sys, i) &&
		    attribute(address, sizeof(address), "%s/firmware/ibft/target%d/ip-addr", sys, i) &&
		    streq(name, iqn) && same_address(address, asked))
			return true;
	return false;
}

/* The SCSI host is a directory above the session: …/host3/session1/iscsi_session/session1. */
static int session_host(const char *sys, int sid)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *p;
	int host, n = snprintf(path, sizeof(path), "%s/class/iscsi_session/session%d", sys, sid);

	if (n < 0 || (size_t)n >= sizeof(path) || !realpath(path, real))
		return -1;
	for (p = strstr(real, "/host"); p; p = strstr(p + 1, "/host"))
		if (sscanf(p, "/host%d/", &host) == 1)
			return host;
	return -1;
}

int iscsi_session_find(const char *sys, const char *iqn, const char *const *addresses, int port,
                       struct iscsi_session *s, bool *elsewhere)
{
	demand_or(sys && iqn && addresses && s, 0);

	char path[PATH_MAX], text[300];
	struct dirent *entry;
	int found = 0;
	DIR *d;

	if (elsewhere)
		*elsewhere = false;
	snprintf(path, sizeof(path), "%s/class/iscsi_session", sys);
	d = opendir(path);
	while (d && !found && (entry = readdir(d))) {
		int sid, used = 0;

		if (sscanf(entry->d_name, "session%d%n", &sid, &used) != 1 || entry->d_name[used] ||
		    !attribute(text, sizeof(text), "%s/%s/targetname", path, entry->d_name) ||
		    !streq(text, iqn))
			continue;
		if (!session_portal_is(sys, sid, addresses, port)) {
			if (elsewhere)
				*elsewhere = true;
			continue;
		}
		found = 1;
		*s = (struct iscsi_session){ .sid = sid, .host = session_host(sys, sid) };
		attribute(s->state, sizeof(s->state), "%s/%s/state", path, entry->d_name);
		attribute(s->patience, sizeof(s->patience), "%s/%s/recovery_tmo", path, entry->d_name);
		s->logged_in = streq(s->state, "LOGGED_IN");
	}
	if (d)
		closedir(d);
	return found;
}

/* ---- how it is ---- */

void iscsi_session_doing(const struct iscsi_session *s, char *out, size_t size)
{
	demand_or(s && out && size > 0, );
	if (streq(s->state, "FAILED"))
		snprintf(out, size,
		         "its connection broke and is being made again; until then reads and writes wait, "
		         "for at most %s s",
		         s->patience);
	else if (streq(s->state, "FREE"))
		snprintf(out, size,
		         "its connection could not be made again within %s s; reads and writes fail until "
		         "the target lets it in",
		         s->patience);
	else
		snprintf(out, size, "the kernel calls it %s", s->state[0] ? s->state : "nothing");
}

/* The state goes from look to look as text: "session=3 breaks=2 at=5012 out". A break is counted when the
 * session is seen not logged in; after CALM without one the count begins anew. */
bool iscsi_session_steady(const struct iscsi_session *s, const char *last, struct buf *detail)
{
	char mine[32];
	int used = snprintf(mine, sizeof(mine), "session=%d", s->sid);
	bool known = last && starts_with(last, mine) && (last[used] == ' ' || !last[used]);
	const char *breaks = known ? strstr(last, " breaks=") : NULL,
		   *at = known ? strstr(last, " at=") : NULL;
	unsigned long n = breaks ? strtoul(breaks + strlen(" breaks="), NULL, 10) : 0;
	uint64_t when = at ? strtoull(at + strlen(" at="), NULL, 10) : 0, now = clock_ms();
	bool was_out = known && strstr(last, " out");

	if (n && now - when > CALM && !was_out)
		n = 0;
	if (!s->logged_in && !was_out)
		n++;
	if (!s->logged_in || was_out)
		when = now;
	if (detail) {
		buf_adds(detail, mine);
		if (n)
			buf_printf(detail, " breaks=%lu at=%llu%s", n, (unsigned long long)when,
			           s->logged_in ? "" : " out");
	}
	return n < UNSTEADY;
}
