/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The parts of the iscsi backend that are looked at by themselves: what foreign bytes are read (the kernel's session attributes, open-iscsi's records
 * and messages), so that tests and fuzzers can reach them.
 */
#ifndef POOLINIT_BACKENDS_ISCSI_H
#define POOLINIT_BACKENDS_ISCSI_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

/* A session of the kernel's, as /sys/class/iscsi_session has it. */
struct iscsi_session {
	int sid;
	int host;               /* SCSI host number, -1 if it has none yet */
	bool logged_in;         /* else it is recovering, or on its way out */
};

/* The session to this target through this portal; `addresses` are texts that may stand for the portal's host (NULL-terminated), of which one must be
 * what the session was made with or is connected to. 1 found, 0 none. *elsewhere (may be NULL): the target has a session through another portal. */
int iscsi_session_find(const char *sys, const char *iqn, const char *const *addresses, int port, struct iscsi_session *s, bool *elsewhere);

/* A record of open-iscsi's database with some of its settings replaced; `settings` are pairs key, value, ended by NULL. Lines of other keys stay. */
void iscsi_record_edit(const char *record, const char *const *settings, struct buf *out);
/* Can the value stand in a record? Lines are trimmed there, and a value is at most 255 bytes. */
bool iscsi_record_value_ok(const char *value, size_t len);

/* What iscsiadm's messages say of the reason, one sentence without newline; empty if nothing. */
void iscsi_reason(const char *messages, char *out, size_t size);

/* The name in a file like /etc/iscsi/initiatorname.iscsi; false if there is none that is an iSCSI name. */
bool iscsi_initiator_parse(const char *text, char *out, size_t size);

/* The error for an exit status of iscsiadm's: `doing` ("login to IQN at PORTAL") is put in front. */
int iscsi_failure(int status, const char *messages, const char *doing, struct err *e);

#endif
