/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A verb is a function from named arguments to records and payloads. It knows no socket and no codec, so that
 * a second way of carrying the same verbs can be added beside the line protocol. The table in verbs/verbs.c
 * is the only list: help, man page, completion and tests are made from it.
 */
#ifndef POOLINIT_CONTROL_VERB_H
#define POOLINIT_CONTROL_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "supervisor/supervisor.h"

/* Who may: by SO_PEERCRED. uid 0 everything; group `poolinit` up to operate; others, if the socket's mode
 * lets them connect at all, read. */
enum verb_level { LEVEL_READ, LEVEL_OPERATE, LEVEL_ADMIN };

enum arg_kind {
	ARG_WORD,
	ARG_FLAG,
	ARG_DURATION,
	ARG_NUMBER,
	ARG_SIZE, /* "10", "10G", "512MiB": bytes if without a unit */
	ARG_FILE, /* poolctl: the file that becomes the payload; never a key of the request */
	ARG_DATA, /* poolctl: the file whose descriptor goes along (SCM_RIGHTS); never a key of the request */
};

/* An argument of a verb: one row of its list. */
struct verb_arg {
	const char *name; /* as key; positional ones are also taken as bare words, in the table's order */
	enum arg_kind kind;
	bool positional, required;
	enum verb_level level : 8; /* needed for this argument, where it is more than the verb's own */
	const char *help;
};

/* How long a request may wait for its answer where it says no timeout=. Each is longer than all that may have
 * to be done for it, one after the other. */
#define LIMIT_ASK    SECONDS(30)  /* a question: the volumes may have to be read first */
#define LIMIT_CHANGE SECONDS(120) /* of a definition or a secret: others may be before it */
#define LIMIT_FIND   SECONDS(90)
#define LIMIT_POOL   SECONDS(300) /* start, stop, refresh */
#define LIMIT_BUILD  SECONDS(900) /* a filesystem of many terabytes */
/* Volumes have no size that is too large, and most tools say nothing of how far they are: nobody who waits
 * for honest work is to be told that it is late. */
#define LIMIT_MAKE SECONDS(86400) /* a day: made of zeros, copied or converted, at the pace of one disk */
/* a week: wiped many times over, or moved as slowly as the client likes */
#define LIMIT_JOB SECONDS(604800)

#define VERB_ARGS 32 /* at most so many an array, without the final NULL */

struct call;

/* A verb: one row of the table. All of it is static. */
struct verb {
	const char *name;
	enum verb_level level;
	/* ms, one of those above; 0: it is answered at once, or waits for as long as it was told to */
	uint32_t limit;
	const char *help; /* one line */
	/* what comes back: the keys of its records, then of its OK line; for the documentation */
	const char *answer;
	const struct verb_arg *args; /* ends with a NULL name */
	uint32_t payload_max;        /* bytes; 0: takes none */
	bool payload_required;
	bool data;  /* takes a descriptor, or a stream of payload frames (vol-upload, vol-download) */
	bool local; /* done by poolctl with the help of others: no request of that name exists */
	/* Either finishes the call (call_ok, call_fail) or parks it (call_waiter, and the waiter's done
	 * finishes it). */
	void (*run)(struct call *c);
};

/* verbs/verbs.c: the table, which ends with a NULL name. A server is given it (server_options.verbs), so that
 * what is below the verbs need not know them. */
extern const struct verb verb_table[];
/* The verb of that name in the table; NULL: there is none. */
const struct verb *verb_find(const char *name);
/* The i-th verb; NULL after the last. */
const struct verb *verb_at(size_t i);

/* verb.c */
/* The verb of that name in any table that ends with a NULL name; NULL: there is none. */
const struct verb *verb_among(const struct verb *table, const char *name);
/* The argument of that name; NULL: the verb has none such. */
const struct verb_arg *verb_arg(const struct verb *v, const char *name);
/* Its place among the verb's arguments; that of their end if it is none of them. */
size_t verb_arg_index(const struct verb *v, const char *name);
/* "read", "operate", "admin". */
const char *verb_level_word(enum verb_level l);

/* ---- what a verb's function may do with its call ----
 *
 * The call is good until call_ok() or call_fail(), which end it once, and until its client goes. Texts that
 * are returned here are the call's own. */

/* Whom the verb may ask. */
struct supervisor *call_supervisor(struct call *c);
/* The name of its verb. */
const char *call_verb(struct call *c);
/* Those arguments that its verb takes. */
const struct verb_arg *call_args(const struct call *c);
/* The table that its verb is of. */
const struct verb *call_verbs(const struct call *c);
/* Has the client shown that private secrets may be shown to it? */
bool call_is_trusted(const struct call *c);
/* The client's level; that it is enough for the verb and its arguments was looked at before. */
enum verb_level call_level(const struct call *c);
/* What was given for an argument; NULL: nothing. Values were checked by their kind before. */
const char *call_arg(struct call *c, const char *name);
/* Was the flag given, and not as "no"? */
bool call_flag(struct call *c, const char *name);
/* Milliseconds; `otherwise` if it was not given. */
uint64_t call_duration(struct call *c, const char *name, uint64_t otherwise);
/* Milliseconds of timeout=; 0 if not given. A call that was begun anew has what is left of it. */
uint64_t call_time_left(struct call *c);
/* Bytes; `otherwise` if it was not given. */
uint64_t call_size(struct call *c, const char *name, uint64_t otherwise);
/* The payload, *len bytes and a NUL; NULL: the request had none. */
const char *call_payload(struct call *c, size_t *len);
/* How a request brings a payload along, for errors. */
const char *call_payload_hint(const struct call *c);
/* Does a descriptor come along? It is in the client's socket, and o is told how the worker takes it. */
bool call_passes(struct call *c, struct volume_order *o);
/* The worker has taken it. Without this the connection ends with the answer. */
void call_taken(struct call *c);
/* For verbs with .data. Did the request announce a stream? STREAM_OPEN: its length shows at its end. */
#define STREAM_OPEN UINT64_MAX
bool call_streams(struct call *c, uint64_t *len);
/* Bytes of the request to a worker, or of a worker to the answer (in pieces, as they come): a pipe, of which
 * the worker's end is returned, to be closed by the caller after the fork. Once a call. -1: e says why. */
int call_stream(struct call *c, bool in, struct err *e);
/* How the client's codec has it: enum vol_transfer_flags. */
unsigned call_transfer_flags(const struct call *c);
/* That job is ended when the client goes. */
void call_stream_job(struct call *c, uint64_t job);
/* A waiter's progress: a record before the answer. */
void call_progress(struct waiter *w, uint64_t job, uint64_t done, uint64_t total);

/* ---- the answer: typed fields, which the client's codec writes as they are filled in ---- */

/* A record: its fields stand between begin and end. A value NULL is no field. */
void record_begin(struct call *c);
void record_str(struct call *c, const char *key, const char *value);
void record_num(struct call *c, const char *key, uint64_t value);
void record_flag(struct call *c, const char *key, bool value);
void record_end(struct call *c);
/* Records that exist already, as lines "- key=value …" (a volume index has them so): copied where the
 * client's codec writes lines, too. */
void call_records(struct call *c, const char *data, size_t len);
/* All of a pool's volume index, from its memfd; behind it no record follows. The pool has an index
 * (pool_need_index()). */
void call_index(struct call *c, const struct pool *p);
/* Bytes: a document, a value. From a file (a memfd that a worker has filled) they are sent without passing
 * through this process' memory; the descriptor stays the caller's, and no record follows. */
void call_bytes(struct call *c, const char *data, size_t len);
void call_file(struct call *c, int fd, size_t len);
/* Fields of the end of the answer, if it is a good one. */
void final_str(struct call *c, const char *key, const char *value);
void final_num(struct call *c, const char *key, uint64_t value);
void final_flag(struct call *c, const char *key, bool value);
/* The answer is what was filled in. It ends the call. */
void call_ok(struct call *c);
/* The answer is e; records and bytes filled in before are dropped. It ends the call. */
void call_fail(struct call *c, const struct err *e);

/* ---- waiting, and what concerns the connection ---- */
/* The call's waiter, to park on; withdrawn by itself when the client goes. From here on the call waits: the
 * waiter's done ends it, or call_fail() at once. */
struct waiter *call_waiter(struct call *c);
/* In done: what it waited for has come, and its verb begins anew. */
void call_again(struct call *c);
/* In done: whose waiter it is. */
static inline struct call *call_of(struct waiter *w)
{
	return w->owner;
}
/* Answer when boot is done (server_options.on_wait_boot). */
void call_wait_boot(struct call *c, uint64_t deadline);
/* Answer when the root may be changed (server_options.on_follow). */
void call_follow(struct call *c, const char *root);
/* End the machine, or this process, as server_options.on_shutdown does. -1: refused, e says why. */
int call_shutdown(struct call *c, const char *how, struct err *e);
/* The state of the whole: the greeting's word. */
const char *call_state(struct call *c);
/* How many clients are connected. */
unsigned call_clients(struct call *c);
/* After the answer the client hears of events; replay: also of those since that number, as far as they are
 * remembered. */
void call_subscribe(struct call *c, uint64_t since, bool replay);
/* It hears of events no more. */
void call_unsubscribe(struct call *c);
/* Close the connection after the answer. */
void call_quit(struct call *c);

#endif
