/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What poolctl's files share: the connection, one reply, and the ways to print it.
 *
 * A command is taken apart (args.c), sent as one request (request.c) and answered by one reply (link.c),
 * which is printed as a table, a sentence or JSON. What takes several requests, or never ends, has a file of
 * its own. poolctl knows nothing of pools: verbs, arguments and help come from the table that the server has
 * too (control/verb.h), and what a record's keys mean is known to the files that print them.
 */
#ifndef POOLINIT_POOLCTL_PARTS_H
#define POOLINIT_POOLCTL_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"
#include "control/verb.h"

/* What poolctl ends with; --help and the manual page have the list. */
enum exit_status { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_SERVER = 3, EXIT_TIMED_OUT = 4 };

/* ---- link.c: lines over the socket, blocking ---- */

/* One connection. Everything here blocks: poolctl has nothing else to do. */
struct link {
	int fd;        /* -1: closed */
	struct buf in; /* what was read ahead */
	size_t at;     /* of in: taken */
	int signals;   /* a signalfd(2) to look at while a reply is waited for; -1: none */
	int (*on_signal)(void *arg, struct err *e); /* 0: go on waiting; -1: give up */
	void *arg;
};

/* Where a record's line is, in the reply's raw bytes. */
struct record {
	size_t at, len;
};

/* One whole reply. It owns all of it; reply_free() gives it back, also after an error. */
struct reply {
	struct buf raw; /* the records' lines, each with a NUL */
	struct record *records;
	size_t nrecords, room;
	/* The payload: a document, a value of a secret, a list of names. It may be any bytes; has_text tells
	 * an empty one from none. */
	struct buf text;
	bool has_text;
	/* The last line, taken apart: the fields of an OK (`final` points into final_text), or what an ERR
	 * says. */
	struct buf final_text;
	struct line final;
	bool failed;
	struct err err;
};

/* Bytes that are wiped when they are given back: they may be a secret. */
struct request_payload {
	char *data;
	size_t len, room;
};

#define DEFAULT_CONTROL "/run/poolinit/control"

/* libvirt.c: print the URI of the socket that lies beside the control socket. */
int uri_main(const char *control);

/* Connect to a socket of poolinit's; returns the descriptor. ERR_WAIT_SERVER: nobody listens there. */
int link_connect(const char *path, struct err *e);
/* Connect to the socket at `path` and read the greeting. ERR_WAIT_SERVER: nobody listens there; ERR_SYNTAX:
 * what answers is not poolinit; or the error with which the server refuses us. After an error the link is
 * closed. */
int link_open(struct link *l, const char *path, struct err *e);
/* Close the connection and free what was read ahead. Harmless if it was never open. */
void link_close(struct link *l);
/* Send all of it. fd goes along with the first byte (SCM_RIGHTS); -1: none. A server that has closed the
 * connection is no error here: perhaps it has said why, which the reply tells. */
int link_send(struct link *l, const void *data, size_t len, int fd, struct err *e);
/* The next line, without its LF but with a NUL; it stays until the next call. 1; 0: the server closed; -1. */
int link_line(struct link *l, char **line, size_t *len, struct err *e);
/* Is there a whole line that needs no read? */
bool link_has_line(const struct link *l);
/* Read everything up to the final line; r is filled from nothing. on_line, if that is not NULL, is shown
 * records ("- …") and events ("! …") as they come; true: it has taken it. Events that nobody takes are
 * dropped. An ERR of the server is no failure of this: see r->failed and r->err. ERR_WAIT_SERVER: the
 * connection ended before the reply did. */
int reply_read(struct link *l, struct reply *r, bool (*on_line)(void *arg, char *line, size_t len), void *arg,
               struct err *e);
/* Take record i apart, in place; once only, since it is changed by it. The texts of `out` live as long as
 * the reply. */
int reply_record(struct reply *r, size_t i, struct line *out, struct err *e);
/* Free everything; the reply is empty again. */
void reply_free(struct reply *r);

/* Send a request: its line, to which the length of its payload (NULL: none) and its LF are added, and the
 * payload behind it; fd goes along (-1: none). ERR_TOO_LONG: the line is longer than a request may be. */
int link_request(struct link *l, struct buf *line, const struct request_payload *p, int fd, struct err *e);
/* Send a request line (without its LF) and a payload (NULL: none) over a connection of its own, for what is
 * done with the help of several verbs, and read the reply. An ERR is a failure too, with the server's error
 * in e. The reply is to be freed in every case. */
int ask_once(const char *socket, const char *request, const struct request_payload *p, struct reply *r,
             struct err *e);
/* The same on a connection that is open. */
int link_ask(struct link *l, const char *request, const struct request_payload *p, struct reply *r,
             bool (*on_line)(void *, char *, size_t), void *arg, struct err *e);

/* ---- args.c: the command line, as given ---- */

/* The command line, bound to the arguments of its verb. Texts point into argv. */
struct command {
	const char *socket;
	bool json, quiet;
	const struct verb *verb;
	/* What was given for each of verb->args, in the table's order; NULL: nothing, "yes": a flag. */
	const char *values[VERB_ARGS];
	const char *file; /* the one of ARG_FILE or ARG_DATA; "-": standard input or output; NULL: none */
};

/* What was given for an argument; NULL: nothing. It is one of the words of the command line. */
const char *command_value(const struct command *c, const char *name);
/* Was --NAME given? */
bool command_flag(const struct command *c, const char *name);
/* Bind the words behind the verb to its arguments. ERR_INVALID (given twice), ERR_MISSING (a value, or an
 * argument that the verb needs), ERR_UNKNOWN_KEY. A secret's value on the command line is refused, and not
 * repeated. */
int command_take(struct command *c, char **words, struct err *e);
/* Take --json or --quiet, which may stand before the verb or after it. False: it is another word. */
bool command_manner(struct command *c, const char *word);
/* Is it that option, or the short form of it? */
bool command_asks(const char *word, const char *name, const char *letter);

/* ---- request.c: one request and its answer ---- */

/* Wipe and free it: it may be a secret. */
void payload_free(struct request_payload *p);
/* Read all of a file, or of standard input ("-"), into memory that is wiped when it is given back.
 * ERR_TOO_LONG above limit bytes. payload_free() in every case. */
int payload_read(struct request_payload *p, const char *path, size_t limit, struct err *e);

/* Send the command with its payload and its file, wait, print the answer; the exit status. This is what most
 * verbs are. */
int exchange(const struct command *c);
/* The server knows of no file: where it says in which line of the document something is wrong, that is a line
 * of this one. NULL: the document was made of options, and who gave them sees no lines. */
void name_document(const char *file, struct err *e);
/* Say what went wrong (as JSON to standard output for --json) and return the exit status that goes with it:
 * the server said ERR, or something failed here. */
int refused(const struct command *c, const struct err *e);
/* The same where there was no answer at all. */
int unanswered(const struct command *c, const struct err *e);

/* ---- data.c: the file whose descriptor goes along ---- */

struct data {
	int fd; /* -1: none */
	bool download;
	pid_t pump; /* fd is a pipe: a child moves the bytes between it and the file; 0: fd is the file */
	/* a file that was made for it, and is removed if nothing comes of it; NULL: it was there */
	const char *made;
};

/* Open the file that goes along with a verb, for reading (upload) or writing (download); "-" is standard
 * input or output. What the server would not take is moved by a child through a pipe. A verb without such a
 * file: fd is -1, and that is no error. Close it with data_close(). */
int data_open(const struct command *c, struct data *d, struct err *e);
/* Close the descriptor and, where a child moves the bytes, wait for its end. well: the transfer went well so
 * far. A file that was made for a download is removed if it did not. On failure the child that moved the
 * bytes says why in e. */
int data_close(struct data *d, bool well, struct err *e);

/* ---- job.c: operations that take long ---- */

/* What is known of the job that is waited for. One at a time: poolctl does one thing. */
struct job_wait {
	const struct command *command;
	uint64_t job;   /* 0: not said yet */
	char text[128]; /* what is shown of it */
	bool shown, terminal;
	int signals; /* signalfd(2); -1: an interrupt ends us as ever */
	bool cancelled;
};

/* Is the verb one that runs as a job, and is it waited for here? */
bool job_wanted(const struct command *c);
/* Watch for Ctrl-C while l waits for the reply. Where no job is waited for nothing changes. */
void job_begin(struct job_wait *p, const struct command *c, struct link *l);
/* reply_read()'s on_line: takes the records that tell of the job's number and progress. */
bool job_line(void *arg, char *line, size_t len);
/* Take the progress off the screen, and close what job_begin() opened. */
void job_end(struct job_wait *p);

/* ---- table.c ---- */

/* A table as virsh prints it. Cells are not copied, and must last until it is printed; a NULL is printed as
 * "-". Cells that have to be made live in the arena. */
struct table {
	const char *const *titles;
	size_t columns, rows, room;
	const char **cells;
	struct arena arena; /* for cells that had to be made */
	bool failed;
};

/* Begin a table of so many columns; titles must last as long as it does. */
void table_begin(struct table *t, const char *const *titles, size_t columns);
/* Begin a row of `columns` cells, all NULL, to fill in; it stays where it is until the next. NULL: no
 * memory, and the table has failed. */
const char **table_row(struct table *t);
/* Append the table's text to out, or ERR_NO_MEMORY. heading: with titles and the dashed line. Cells become
 * safe for a terminal by it. */
int table_print(struct table *t, bool heading, struct buf *out, struct err *e);
/* Free the cells' places. The texts in them are their owners'. */
void table_free(struct table *t);
/* Text that can do no harm to a terminal: control characters and bytes that are not UTF-8 as \xHH, in the
 * arena. The same pointer if nothing had to change; "?" without memory. */
const char *table_safe(struct arena *a, const char *text);
/* A size of the record as people read it, "1.50 GiB", in the arena; NULL if absent. */
const char *table_size(struct arena *a, const struct line *l, const char *key);

/* ---- page.c: what printing has in common ---- */

/* What printing one reply needs: what was asked, what came back, where it goes. */
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
/* The empty line below everything, unless --quiet. */
void page_end(const struct page *p);
/* A new row for record i, which is taken apart; NULL: it cannot be, and the table has failed. */
const char **page_row(const struct page *p, struct table *t, size_t i, struct line *l);
/* Print the table, with the notes below it; both are freed. */
int page_table(const struct page *p, struct table *t, struct buf *notes);

/* ---- print.c, say.c, print_system.c ---- */

/* Append what people read of a reply, verb by verb. -1: what the server sent makes no sense, or memory is
 * short. */
int print_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
int print_sentence(const struct page *p); /* say.c: for verbs that answer with an OK alone */
/* print_system.c */
int print_status(const struct page *p);
int print_timeline(const struct page *p);
int print_blame(const struct page *p);
int print_log(const struct page *p);
int print_version(const struct page *p);
int print_jobs(const struct page *p);
/* chart.c: the timeline as a picture (SVG 1.1) */
int print_chart(const struct page *p);

/* ---- json.c ---- */

/* The reply for programs, as JSON: an object, or a list of them for verbs that list. */
int json_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
/* An error as a JSON object: code, class and text as the protocol has them. */
void json_error(const struct err *e, struct buf *out);

/* ---- watch.c: each returns the exit status ---- */

int watch_main(const struct command *c);
int events_main(const struct command *c);

/* ---- verbs that are done here ---- */

int edit_main(const struct command *c);       /* edit.c */
int pool_event_main(const struct command *c); /* event.c */
/* xpath.c: --xpath, --wrap: from the whole document to what is wanted of it. */
int xpath_select(const struct command *c, struct buf *text, struct err *e);

#endif
