/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One request on its way: from the line to the answer. Private to the control room; verbs see it through verb.h only.
 */
#ifndef POOLINIT_CONTROL_CALL_H
#define POOLINIT_CONTROL_CALL_H

#include "base/line.h"
#include "base/loop.h"
#include "control/verb.h"

struct peer;

enum call_stage {
	CALL_PAYLOAD,           /* its payload is still arriving */
	CALL_RUNNING,           /* in its verb's function */
	CALL_PARKED,            /* waits for the supervisor */
	CALL_FINISHED,          /* to be sent */
};

struct call {
	struct peer *peer;
	const struct verb *verb;
	struct line line;               /* points into text */
	const char *values[VERB_ARGS];  /* of verb->args, in their order; NULL: not given */
	enum call_stage stage;

	char *payload;
	size_t payload_len, payload_got;
	size_t passed;                  /* bytes of the client's queue that a descriptor comes with; 0: it passes none */
	bool taken;                     /* a worker has taken them */
	struct {
		int fd;                 /* our end of the pipe to or from the job's worker; -1: none */
		bool in;                /* from the client to the worker */
		uint64_t left;          /* in: bytes of the payload that are still to go */
		struct watch watch;     /* on the pipe, while it is the worker's turn */
	} stream;
	uint64_t job;                   /* ends when the client goes; 0: none */

	struct buf records, ok_args;
	int index;                      /* a copy of the pool's memfd, or -1 */
	size_t index_len;
	struct err err;
	bool failed, quit;
	bool subscribe, replay;
	uint64_t since;

	struct waiter waiter;
	bool waits_boot;                /* looked at again at every event */
	struct timer deadline;          /* of that wait, or of the whole call */
	uint64_t limit;                 /* ms that the whole call may take */

	size_t text_len;
	char text[];
};

/* A call for a line of len bytes, which is copied, to be parsed by the caller. NULL: no memory. */
struct call *call_new(struct peer *p, const char *text, size_t len);
/* Withdraws what is parked. Harmless for NULL. */
void call_free(struct call *c);
/* Its stage becomes PAYLOAD or RUNNING. Everything that can be wrong with a request is said here, before anything happens. */
int call_check(struct call *c, enum verb_level level, struct err *e);
void call_run(struct call *c);
/* Append the answer (without an index) to out, and its final line to last, which may be the same. */
void call_answer(struct call *c, struct buf *out, struct buf *last);
/* Close our end of the stream, if there is one. */
void call_end_stream(struct call *c);
/* Something happened: is a parked `wait boot` over? */
void call_look_at_boot(struct call *c);

#endif
