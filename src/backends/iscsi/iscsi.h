/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the three files of the iscsi backend have in common: iscsi.c (the operations), iscsid.c (the daemon
 * beside us), iscsiadm.c (iscsiadm and its records). The readers of foreign bytes (the kernel's session
 * attributes, open-iscsi's files and messages) are here for tests and fuzzers, too.
 */
#ifndef POOLINIT_BACKENDS_ISCSI_ISCSI_H
#define POOLINIT_BACKENDS_ISCSI_ISCSI_H

#include <stdbool.h>
#include <stddef.h>
#include "backends/backend.h"
#include "backends/servers.h"
#include "base/buf.h"
#include "base/err.h"

#define IQN_MAX 224 /* RFC 3720 3.2.6.1: 223 bytes */
/* the compiled-in database of our iscsid, and its files; there can be only one in a network namespace */
#define ISCSID_DIR     "/run/iscsi"
#define ISCSID_CONF    ISCSID_DIR "/iscsid.conf"
#define ISCSI_FILE_MAX (64 * 1024)

/* ---- session.c, iscsi.c ---- */

/* A session of the kernel's, as /sys/class/iscsi_session has it. */
struct iscsi_session {
	int sid;
	int host;       /* SCSI host number, -1 if it has none yet */
	bool logged_in; /* else it is recovering, or on its way out */
	/* the kernel's word: LOGGED_IN, FAILED (recovering), FREE (given up by the kernel; iscsid goes on) */
	char state[32];
	char patience[16]; /* seconds from the one to the other */
};

/* Write what one that is not logged in is doing, a clause for op->why. */
void iscsi_session_doing(const struct iscsi_session *s, char *out, size_t size);
/* False: its connection has broken again and again of late. `last` is what the last look has written to
 * `detail` (or NULL), which is what this one writes. */
bool iscsi_session_steady(const struct iscsi_session *s, const char *last, struct buf *detail);

/* The session to this target through this portal; `addresses` are texts that may stand for the portal's host
 * (NULL-terminated), of which one must be what the session was made with or is connected to. 1 found, 0 none.
 * *elsewhere (may be NULL): the target has a session through another portal. */
int iscsi_session_find(const char *sys, const char *iqn, const char *const *addresses, int port,
                       struct iscsi_session *s, bool *elsewhere);

/* Did the firmware log in, before there was a kernel, and tell of it in its table (iBFT)? Facts: the kernel's
 * drivers/firmware/iscsi_ibft.c and Documentation/ABI/testing/sysfs-ibft. */
bool iscsi_session_is_firmwares(const char *sys, const struct iscsi_session *s, const char *iqn);

/* The portal and target of a definition that has been validated. */
struct iscsi_portal {
	const char *iqn, *host;
	int port;
	char text[300];         /* "192.0.2.7:3260", "[2001:db8::7]:3260" */
	char iface[32];         /* open-iscsi's name for the initiator to log in as */
	char login[600];        /* "login to IQN at PORTAL" */
	struct address address; /* of the host, the one that is used; or empty */
	const char *known;      /* the one that was used last, where the host has several; or NULL */
};

/* The targets of a discovery, as iscsiadm prints them, one a line: appended to out as <source> elements.
 * `text` is taken apart. Names that are no iSCSI names are left out, and op hears how many. */
void iscsi_targets(const struct pool_def *source, char *text, struct op *op, struct buf *out);

/* ---- letting_go.c ---- */

/* As struct service has it. */
void iscsi_let_go(struct op *op, uint64_t patience);

/* ---- iscsid.c ---- */

extern const struct service iscsid_service;
extern const struct backend iscsi_backend;

/* Load the kernel's part: iSCSI over TCP, and the driver for disks. ERR_UNSUPPORTED if it has none. */
int iscsi_transport_load(struct err *e);
/* Find the name in a file like /etc/iscsi/initiatorname.iscsi ("InitiatorName=iqn…"); false if there is none
 * that is an iSCSI name and fits. */
bool iscsi_initiator_parse(const char *text, char *out, size_t size);

/* ---- iscsiadm.c ---- */

/* Log in with the definition's initiator name and CHAP secret. Success also if the session is there already.
 * p->text is what iscsid is given as the portal. ERR_AUTH: the target refuses who we are, which is not to be
 * tried again; ERR_NO_SECRET; ERR_WAIT_SERVER: the target may answer later. The record with the password is
 * removed, whatever comes of it. */
int iscsi_login(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e);
/* Run iscsiadm, by op's deadline. `fine` is a further exit status that counts as success (0: none); `doing`
 * begins the error's sentence. Errors as iscsi_failure(), and those of running it. */
int iscsiadm_run(const char *const *argv, int fine, const char *doing, struct op *op, struct err *e);
enum {
	ISCSIADM_NO_SESSION = 2,
	ISCSIADM_LOGIN = 5,
	ISCSIADM_SESSION_EXISTS = 15,
	ISCSIADM_FATAL_LOGIN = 19,
	ISCSIADM_NO_OBJECTS = 21,
};
/* Enter the definition's initiator name, if it has one, under the name p->iface in open-iscsi's database.
 * Nothing happens where it has none. */
int iscsi_iface_make(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e);

#define ISCSI_REJECTED "authentication rejected"
/* Fill e for an exit status of iscsiadm's, with what its messages say where the status says nothing: `doing`
 * ("login to IQN at PORTAL") is put in front. Returns -1. Statuses: open-iscsi's include/iscsi_err.h, and
 * those of our own patch (deps/open-iscsi/logins.patch). */
int iscsi_failure(int status, const char *messages, const char *doing, struct err *e);
/* What iscsiadm's messages say of the reason, one sentence without newline; empty if nothing. */
void iscsi_reason(const char *messages, char *out, size_t size);
/* A record for a login at the portal as the default initiator, with the settings of a text like iscsid.conf.
 */
void iscsi_record_new(const char *conf, const struct iscsi_portal *p, struct buf *out);
/* A record of open-iscsi's database with some of its settings replaced; `settings` are pairs key, value,
 * ended by NULL. Lines of other keys stay. */
void iscsi_record_edit(const char *record, const char *const *settings, struct buf *out);
/* Can the value stand in a record? Lines are trimmed there, and a value is at most 255 bytes. */
bool iscsi_record_value_ok(const char *value, size_t len);

#endif
