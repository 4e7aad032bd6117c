/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What poolctl's files share: the connection, one reply, and the ways to print it.
 */
#ifndef POOLINIT_POOLCTL_PARTS_H
#define POOLINIT_POOLCTL_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"
#include "control/verb.h"

enum exit_status { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_SERVER = 3, EXIT_TIMED_OUT = 4 };

/* ---- link.c: lines over the socket, blocking ---- */

struct link {
	int fd;
	struct buf in;
	size_t at;   /* of in: taken */
	int signals; /* a signalfd(2) to look at while a reply is waited for; -1: none */
	int (*on_signal)(void *arg, struct err *e); /* 0: go on waiting; -1: give up */
	void *arg;
};

struct record {
	size_t at, len;
};

/* One whole reply. */
struct reply {
	struct buf raw; /* the records' lines, each with a NUL */
	struct record *records;
	size_t nrecords, room;
	struct buf text; /* the payload */
	bool has_text;
	struct buf final_text;
	struct line final; /* points into it */
	bool failed;
	struct err err; /* of an ERR */
};

/* Bytes that are wiped when they are given back: they may be a secret. */
struct request_payload {
	char *data;
	size_t len, room;
};

/* Connect and read the greeting. ERR_WAIT_SERVER: nobody listens there. */
int link_open(struct link *l, const char *path, struct err *e);
/* Close the connection and free what was read ahead. Harmless if it was never open. */
void link_close(struct link *l);
/* fd goes along with the first byte (SCM_RIGHTS); -1: none. */
int link_send(struct link *l, const void *data, size_t len, int fd, struct err *e);
/* The next line, without its LF but with a NUL; it stays until the next call. 1; 0: the server closed; -1. */
int link_line(struct link *l, char **line, size_t *len, struct err *e);
/* Is there a whole line that needs no read? */
bool link_has_line(const struct link *l);
/* Everything up to the final line. on_line, if that is not NULL, is shown records ("- …") and events ("! …")
 * as they come; true: it has taken it. Events that nobody takes are dropped. */
int reply_read(struct link *l, struct reply *r, bool (*on_line)(void *arg, char *line, size_t len), void *arg,
               struct err *e);
/* Take record i apart; once only, it is changed by it. */
int reply_record(struct reply *r, size_t i, struct line *out, struct err *e);
/* Free everything; the reply is empty again. */
void reply_free(struct reply *r);

/* Send a request, to whose line its payload (NULL: none) and its LF are added; fd goes along with it (-1:
 * none). ERR_TOO_LONG. */
int link_request(struct link *l, struct buf *line, const struct request_payload *p, int fd, struct err *e);
/* A request line (without its LF) and a payload (NULL: none) over a connection of its own, for what is done
 * with the help of several verbs. An ERR is a failure too. The reply is to be freed in every case. */
int ask_once(const char *socket, const char *request, const struct request_payload *p, struct reply *r,
             struct err *e);
/* The same on a connection that is open. */
int link_ask(struct link *l, const char *request, const struct request_payload *p, struct reply *r,
             bool (*on_line)(void *, char *, size_t), void *arg, struct err *e);

/* ---- args.c: the command line, as given ---- */

struct command {
	const char *socket;
	bool json, quiet;
	const struct verb *verb;
	const char *values[VERB_ARGS]; /* of verb->args; flags: "yes" */
	const char *file;              /* the one of ARG_FILE or ARG_DATA; NULL: none */
};

/* What was given for an argument; NULL: nothing. It is one of the words of the command line. */
const char *command_value(const struct command *c, const char *name);
/* Was --NAME given? */
bool command_flag(const struct command *c, const char *name);
/* The words behind the verb. ERR_INVALID, ERR_MISSING, ERR_UNKNOWN_KEY. */
int command_take(struct command *c, char **words, struct err *e);
/* --json, --quiet: may stand before the verb or after it. */
bool command_manner(struct command *c, const char *word);
/* Is it that option, or the short form of it? */
bool command_asks(const char *word, const char *name, const char *letter);

/* ---- request.c: one request and its answer ---- */

/* Wipe and free it: it may be a secret. */
void payload_free(struct request_payload *p);
/* All of a file, or of standard input ("-"). ERR_TOO_LONG above limit. */
int payload_read(struct request_payload *p, const char *path, size_t limit, struct err *e);

/* Send the command, print the answer; the exit status. */
int exchange(const struct command *c);
/* The server knows of no file: where it says in which line of the document something is wrong, that is a line
 * of this one. NULL: the document was made of options, and who gave them sees no lines. */
void name_document(const char *file, struct err *e);
/* Say what went wrong (as JSON to standard output for --json) and return the exit status that goes with
 * it. */
int refused(const struct command *c, const struct err *e);    /* the server said ERR */
int unanswered(const struct command *c, const struct err *e); /* there was no answer at all */

/* ---- data.c: the file whose descriptor goes along ---- */

struct data {
	int fd; /* -1: none */
	bool download;
	pid_t pump; /* fd is a pipe: a child moves the bytes between it and the file; 0: fd is the file */
	/* a file that was made for it, and is removed if nothing comes of it; NULL: it was there */
	const char *made;
};

/* Open the file that goes along with a verb, for reading (upload) or writing (download); "-" is standard
 * input or output. Close it with data_close(). */
int data_open(const struct command *c, struct data *d, struct err *e);
/* well: the transfer went well so far. On failure the child that moved the bytes says why in e. */
int data_close(struct data *d, bool well, struct err *e);

/* ---- job.c: operations that take long ---- */

/* What is known of the job that is waited for. */
struct job_wait {
	const struct command *command;
	uint64_t job;   /* 0: not said yet */
	char text[128]; /* what is shown of it */
	bool shown, terminal;
	int signals; /* signalfd(2); -1: an interrupt ends us as ever */
	bool cancelled;
};

bool job_wanted(const struct command *c); /* is the verb one that runs as a job, waited for here? */
void job_begin(struct job_wait *p, const struct command *c, struct link *l);
bool job_line(void *arg, char *line, size_t len);
void job_end(struct job_wait *p);

/* ---- table.c ---- */

/* A table as virsh prints it. Cells are not copied; a NULL is printed as "-". */
struct table {
	const char *const *titles;
	size_t columns, rows, room;
	const char **cells;
	struct arena arena; /* for cells that had to be made */
	bool failed;
};

/* Begin a table of so many columns; titles must last as long as it does. */
void table_begin(struct table *t, const char *const *titles, size_t columns);
/* A row of `columns` cells to fill in. NULL: no memory. */
const char **table_row(struct table *t);
/* 0 and the text in out, or ERR_NO_MEMORY. heading: with titles and the dashed line. */
int table_print(struct table *t, bool heading, struct buf *out, struct err *e);
/* Free the cells' places. The texts in them are their owners'. */
void table_free(struct table *t);
/* Text that can do no harm to a terminal: control characters and bytes that are not UTF-8 as \xHH. The same
 * pointer if nothing had to change. */
const char *table_safe(struct arena *a, const char *text);
/* "1.50 GiB"; NULL if absent */
const char *table_size(struct arena *a, const struct line *l, const char *key);

/* ---- page.c: what printing has in common ---- */

/* What printing one reply needs. */
struct page {
	const struct command *command;
	struct reply *reply;
	struct buf *out;
	struct err *e;
};

/* The value, or "-". */
const char *record_get(const struct line *l, const char *key);
/* The state column: virsh's word for what virsh has a word for, else our phase. */
const char *pool_state_word(const char *phase, const char *active);
/* Take the only record of the reply apart. */
int page_record(const struct page *p, struct line *l);
void page_end(const struct page *p); /* the empty line below everything, unless --quiet */
/* A new row for record i, which is taken apart; NULL: it cannot be, and the table has failed. */
const char **page_row(const struct page *p, struct table *t, size_t i, struct line *l);
/* the table, notes below it; frees both */
int page_table(const struct page *p, struct table *t, struct buf *notes);

/* ---- print.c, say.c, print_system.c ---- */

/* What people read of a reply, verb by verb. -1: what the server sent makes no sense. */
int print_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
int print_sentence(const struct page *p); /* say.c: for verbs that answer with an OK alone */
/* print_system.c */
int print_status(const struct page *p);
int print_timeline(const struct page *p);
int print_log(const struct page *p);
int print_version(const struct page *p);
int print_jobs(const struct page *p);

/* ---- json.c ---- */

/* The reply for programs, as JSON: an object, or a list of them for verbs that list. */
int json_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
/* An error as a JSON object: code, class and text as the protocol has them. */
void json_error(const struct err *e, struct buf *out);

/* ---- watch.c ---- */

int watch_main(const struct command *c);
int events_main(const struct command *c);

/* ---- verbs that are done here ---- */

int edit_main(const struct command *c);       /* edit.c */
int pool_event_main(const struct command *c); /* event.c */
/* xpath.c: --xpath, --wrap: from the whole document to what is wanted of it. */
int xpath_select(const struct command *c, struct buf *text, struct err *e);

#endif
