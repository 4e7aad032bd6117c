/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one error idiom of the house.
 *
 *     int f(…, struct err *e);     0 or more on success, negative on failure
 *
 * On failure e holds a class (a stable word, the same on the control socket), an errno where there is one,
 * and one sentence for the operator: action, object, cause, remedy if known. Callers add context on the way
 * up with err_wrap(); nobody prints and returns. On success e is left as it was.
 */
#ifndef POOLINIT_BASE_ERR_H
#define POOLINIT_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_class {
	ERR_NONE = 0,
	/* 1xx: the request or the document is malformed */
	ERR_SYNTAX,       /* "syntax"            a line that is not the protocol's */
	ERR_UNKNOWN_VERB, /* "unknown-verb" */
	ERR_TOO_LONG,     /* "too-long"          line, payload or document over its limit */
	ERR_UNKNOWN_KEY,  /* "unknown-key" */
	ERR_MISSING,      /* "missing-argument" */
	ERR_INVALID,      /* "invalid"           a value or a definition that breaks a rule */
	ERR_XML,          /* "xml"               not well-formed, or over a safety limit */
	/* 2xx: right request, wrong moment */
	ERR_STATE,    /* "wrong-state" */
	ERR_BUSY,     /* "busy"              in use by something else: may pass */
	ERR_EXISTS,   /* "exists" */
	ERR_CONFLICT, /* "source-conflict" */
	ERR_HUNG,     /* "hung"              the storage below does not answer */
	ERR_LIMIT,    /* "limit"             too many clients, workers, records */
	/* 3xx: no such thing */
	ERR_NO_POOL,   /* "no-pool" */
	ERR_NO_VOLUME, /* "no-volume" */
	ERR_NO_SECRET, /* "no-secret" */
	/* 4xx */
	ERR_TIMEOUT, /* "timeout" */
	/* 5xx: storage */
	ERR_STORAGE,      /* "storage"           temporary unless a more exact class is known */
	ERR_WAIT_DEVICE,  /* "wait-device"       not there yet: start again when a device appears */
	ERR_WAIT_NETWORK, /* "wait-network"      no address or route yet */
	ERR_WAIT_SERVER,  /* "wait-server"       the other end does not answer: retry with back-off */
	ERR_AUTH,         /* "auth-failed" */
	ERR_WRONG_FORMAT, /* "wrong-format"      the device holds something else */
	ERR_UNSUPPORTED,  /* "unsupported"       by this pool type, build or kernel */
	ERR_NO_TOOL,      /* "missing-tool" */
	ERR_NO_SPACE,     /* "no-space" */
	ERR_READ_ONLY,    /* "read-only" */
	/* 6xx */
	ERR_DENIED, /* "denied" */
	/* 9xx */
	ERR_INTERNAL,  /* "internal" */
	ERR_NO_MEMORY, /* "no-memory" */
	ERR_CLASSES,

	ERR_KEEP = -1, /* for err_wrap(): keep the class that is there */
};

/* What the supervisor does about a failed start (a column of the class table in err.c). */
enum err_remedy {
	REMEDY_NONE,  /* permanent: say so and stop */
	REMEDY_EVENT, /* wait for the event named in waits_for, and retry on a slow clock as well */
	REMEDY_RETRY, /* retry with back-off */
};

struct err {
	enum err_class class;
	int sys; /* errno, or 0 */
	/* for the ERR_WAIT_ classes: "device=/dev/vg/lv", "network", "server=192.0.2.7:3260" */
	char waits_for[256];
	char message[768]; /* one sentence, no newline, no full stop at the end */
};
_Static_assert(sizeof(struct err) <= 1100, "one lies on the stack of each caller");

/* All four return -1, so that a function can end with `return err_set(…)`. e may be NULL: nothing is
 * recorded. */
int err_set(struct err *e, enum err_class c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Class from errnum, by the table in err.c (EACCES, ENOSPC, EROFS, EBUSY, ETIMEDOUT, ENOMEM …); any other,
 * ENOENT too, is ERR_STORAGE; ": <strerror>" is appended. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Put context in front: "<fmt>: <message so far>". c replaces the class unless it is ERR_KEEP. */
int err_wrap(struct err *e, enum err_class c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A start that lacks something: waits_for says what, in the form shown above. */
int err_wait(struct err *e, enum err_class c, const char *waits_for, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#ifdef __clang_analyzer__ /* it looks at one file at a time: this is what they return */
#define err_set(...)  ((void)(err_set)(__VA_ARGS__), -1)
#define err_sys(...)  ((void)(err_sys)(__VA_ARGS__), -1)
#define err_wrap(...) ((void)(err_wrap)(__VA_ARGS__), -1)
#define err_wait(...) ((void)(err_wait)(__VA_ARGS__), -1)
#endif

/* Is it of that class? False for NULL. */
bool err_is(const struct err *e, enum err_class c);
/* As if nothing had failed. */
void err_clear(struct err *e);

/* The class's word, as on the socket and in JSON; static storage. */
const char *err_word(enum err_class c);
/* The three digits of the protocol. */
int err_code(enum err_class c);
/* What the supervisor does about a start that failed so. */
enum err_remedy err_remedy(enum err_class c);
/* The reverse of err_word(); ERR_INTERNAL for a word that it does not know. */
enum err_class err_class_from_word(const char *word);

#endif
