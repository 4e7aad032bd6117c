/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * At the end of the machine: sessions whose target does not answer are ended in the kernel, so that reads and
 * writes that wait for it fail.
 *
 * The kernel has them wait for the session's recovery_tmo from the moment at which the connection broke, and
 * takes no other time meanwhile (drivers/scsi/scsi_transport_iscsi.c). iscsid drops a session that is being
 * recovered without asking the target.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include "backends/iscsi/iscsi.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

#define SESSIONS   64  /* that can be out at a time; the kernel gives up others by itself */
#define LOOK_PAUSE 500 /* the kernel tells nobody of a change of that state but the daemon that mends it */
#define LET_GO     SECONDS(5)

struct out {
	int sid;
	uint64_t since; /* clock_ms() of the first look at which it was broken; 0: a free place */
	bool told;
};

/* What is known of the session; NULL: there is no room for it. */
static struct out *place_of_session(struct out list[SESSIONS], int sid)
{
	struct out *free_place = NULL;

	for (size_t i = 0; i < SESSIONS; i++) {
		if (list[i].since && list[i].sid == sid)
			return &list[i];
		if (!list[i].since)
			free_place = &list[i];
	}
	if (free_place)
		*free_place = (struct out){ .sid = sid };
	return free_place;
}

/* False: it is there still. iscsid may be busy, or just being started anew. */
static bool end_session(const char *name, const char *sid, bool told, struct op *op)
{
	const char *const logout[] = { "iscsiadm", "-m", "session", "-r", sid, "-u", NULL };
	char path[300], iqn[IQN_MAX] = "?";
	struct op now = { .deadline = clock_ms() + LET_GO };
	struct err e = { 0 };
	int rc;

	snprintf(path, sizeof(path), "/sys/class/iscsi_session/%s/targetname", name);
	file_read_line(AT_FDCWD, path, iqn, sizeof(iqn));
	rc = iscsiadm_run(logout, 0, "it", &now, &e);
	if (rc < 0 && !told)
		op_note(op, "the target %s does not answer, and its session cannot be ended: %s", iqn,
		        e.message);
	if (rc == 0)
		op_note(op,
		        "the target %s does not answer, and its session is ended: what was to be written "
		        "there is lost",
		        iqn);
	return rc == 0;
}

/* One that is logged in, or is just being made, has all its patience. */
static void look_at_session(const char *name, uint64_t patience, struct out list[SESSIONS], struct op *op)
{
	char path[300], state[32];
	const char *sid = name + strlen("session");
	struct out *at = place_of_session(list, atoi(sid));

	snprintf(path, sizeof(path), "/sys/class/iscsi_session/%s/state", name);
	if (!at || file_read_line(AT_FDCWD, path, state, sizeof(state)) <= 0)
		return;
	if (!streq(state, "FAILED"))
		at->since = 0;
	else if (!at->since)
		at->since = clock_ms();
	if (!at->since || clock_ms() - at->since < patience)
		return;
	if (!end_session(name, sid, at->told, op))
		at->since = clock_ms();
	at->told = true;
}

void iscsi_let_go(struct op *op, uint64_t patience)
{
	struct out list[SESSIONS] = { 0 };

	do {
		DIR *d = opendir("/sys/class/iscsi_session");

		for (const struct dirent *entry; d && (entry = readdir(d));)
			if (starts_with(entry->d_name, "session"))
				look_at_session(entry->d_name, patience, list, op);
		if (d)
			closedir(d);
		poll(NULL, 0, LOOK_PAUSE);
	} while (clock_ms() < op->deadline);
}
