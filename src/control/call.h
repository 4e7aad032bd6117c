/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One request on its way: from its arguments to its answer. Private to the control room; verbs see it through
 * verb.h only. What belongs to the connection stands in struct peer: a connection may have several calls
 * under way.
 */
#ifndef POOLINIT_CONTROL_CALL_H
#define POOLINIT_CONTROL_CALL_H

#include "base/loop.h"
#include "control/sending.h"
#include "control/verb.h"

struct peer;

enum call_stage {
	CALL_PAYLOAD,  /* its payload is still arriving */
	CALL_RUNNING,  /* in its verb's function */
	CALL_PARKED,   /* waits for the supervisor */
	CALL_FINISHED, /* to be sent */
};

/* One request. Its client owns it. */
struct call {
	struct peer *peer;
	struct call *next; /* of the same client, in the order in which they came */
	const struct verb *verb;
	/* what the client calls it, for the codec; NULL: nothing. Points into text, as values do */
	const char *tag;
	void *own;                     /* the codec's, and freed with the call; NULL: nothing */
	const char *values[VERB_ARGS]; /* of verb->args, in their order; NULL: not given */
	enum call_stage stage;

	bool has_payload;   /* the request brings one, or a stream: */
	uint64_t announced; /* bytes of it */
	char *payload;
	size_t payload_len, payload_got;
	size_t passed; /* bytes of the client's queue that a descriptor comes with; 0: it passes none */
	bool taken;    /* a worker has taken them */
	struct {
		int fd;        /* our end of the pipe to or from the job's worker; -1: none */
		bool in;       /* from the client to the worker */
		uint64_t left; /* in: bytes of the payload that are still to go */
		/* it comes in messages, others between them: the call is fed only while one of its own
		 * arrives */
		bool messages;
		bool framed;        /* the worker is told of holes, and tells of them: struct stream_frame */
		struct watch watch; /* on the pipe, while it is the worker's turn */
	} stream;
	uint64_t job; /* ends when the client goes; 0: none */

	struct buf records, finals; /* of the answer, as the codec writes them */
	struct sending files;       /* what follows the records */
	struct err err;
	bool failed, quit;
	bool subscribe, replay;
	uint64_t since;

	struct waiter waiter;
	struct timer deadline; /* of the whole call */
	uint64_t limit;        /* ms that the whole call may take */

	size_t text_len;
	char text[]; /* of the request, for the codec */
};

/* A call for a request of len bytes, which is copied, to be parsed by the codec. NULL: no memory. */
struct call *call_new(struct peer *p, const char *text, size_t len);
/* Free it, wherever it is: what is parked is withdrawn, a job whose bytes went over this connection is ended,
 * and what may be a secret is wiped. */
void call_free(struct call *c);
/* What a codec does with a new call, in this order: name its verb, give it its arguments, say what it brings
 * along (has_payload, announced), check it. Everything that can be wrong with a request is said by these,
 * before anything happens: ERR_UNKNOWN_VERB, ERR_UNKNOWN_KEY, ERR_INVALID, ERR_MISSING, ERR_DENIED,
 * ERR_TOO_LONG. */
int call_name(struct call *c, const char *verb, struct err *e);
/* key NULL: a bare word, for the next positional argument. value NULL: a bare flag. Both stay the caller's
 * and must live as long as c: in c->text. */
int call_give(struct call *c, const char *key, const char *value, struct err *e);
/* The stage becomes PAYLOAD or RUNNING. */
int call_check(struct call *c, struct err *e);
/* Run its verb, which ends the call or parks it. One that parks has a deadline from the first time on. */
void call_run(struct call *c);
/* For the codec: these parts of two files follow the records as they are. Nothing but the answer's
 * end follows them. */
void call_send_parts(struct call *c, const int fds[2], const struct file_part *parts, size_t n);
/* The same with the first len bytes (not 0) of one file. */
void call_send_file(struct call *c, int fd, size_t len);
/* Close our end of the stream, if there is one. */
void call_end_stream(struct call *c);

#endif
