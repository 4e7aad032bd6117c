/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The packets of libvirt's protocol: a length, a header of six numbers, a payload. All of it is XDR.
 */
#ifndef POOLINIT_CONTROL_RPC_PACKET_H
#define POOLINIT_CONTROL_RPC_PACKET_H

#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define PACKET_LENGTH 4                       /* bytes of the length */
#define PACKET_HEAD   28                      /* bytes of the length and the header */
#define PACKET_MOST   (32u * 1024 * 1024 + 4) /* bytes: a longer one ends the connection */
#define STRING_MOST   (4u * 1024 * 1024)      /* bytes of one string */
#define LIST_MOST     16384                   /* pools, volumes or secrets in one list */

#define PROGRAM_REMOTE    0x20008086u
#define PROGRAM_KEEPALIVE 0x6b656570u
enum { KEEPALIVE_PING = 1, KEEPALIVE_PONG = 2 };

enum packet_type {
	PACKET_CALL,
	PACKET_REPLY,
	PACKET_MESSAGE, /* an event, or keepalive */
	PACKET_STREAM,
	PACKET_CALL_WITH_FDS,
	PACKET_REPLY_WITH_FDS,
	PACKET_HOLE, /* of a stream */
};
enum packet_status { PACKET_OK, PACKET_ERROR, PACKET_CONTINUE };

struct packet_header {
	uint32_t length; /* of the whole packet */
	uint32_t program, version;
	int32_t procedure;
	uint32_t type, serial, status;
};

/* Whose error it is, in libvirt's numbers. */
enum packet_domain {
	DOMAIN_NONE = 0,
	DOMAIN_RPC = 7,
	DOMAIN_STORAGE = 18,
	DOMAIN_SECRET = 30,
	DOMAIN_STREAMS = 38,
};

/* What the first PACKET_LENGTH bytes say. */
uint32_t packet_length(const char *bytes);
/* The header at the front of PACKET_HEAD bytes. */
void packet_read(const char *bytes, struct packet_header *h);
/* Begin a packet that answers h, or belongs to its stream; returns where, for packet_end(), which fills in
 * the length: what was written since, and `more` bytes that follow by another way. */
size_t packet_begin(struct buf *out, const struct packet_header *h, enum packet_type type,
                    enum packet_status status);
void packet_end(struct buf *out, size_t start, size_t more);
/* A whole packet without a payload. */
void packet_empty(struct buf *out, const struct packet_header *h, enum packet_type type,
                  enum packet_status status);
/* libvirt's numbers for errors, of those classes that are not always the same; ends with ERR_NONE. */
struct packet_code {
	enum err_class class;
	unsigned code;
	bool apart; /* in DOMAIN_NONE, whatever the procedure is about */
};
extern const struct packet_code codes_of_documents[]; /* pools and secrets by their XML */
extern const struct packet_code codes_of_volumes[];   /* the same for volumes */
extern const struct packet_code codes_of_marks[];     /* for autostart: of a transient pool */
extern const struct packet_code codes_of_values[];    /* of secrets */
extern const struct packet_code codes_of_names[];     /* by which a connection is opened */
extern const struct packet_code codes_of_events[];    /* for who registers for them */
extern const struct packet_code codes_of_identities[];
/* A whole packet that says e. special: or NULL. */
void packet_error(struct buf *out, const struct packet_header *h, enum packet_type type,
                  enum packet_domain domain, const struct packet_code *special, const struct err *e);

#endif
