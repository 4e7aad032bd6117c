/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What poolctl's files share: the connection, one reply, and the ways to print it.
 */
#ifndef POOLINIT_CONTROL_CLIENT_PARTS_H
#define POOLINIT_CONTROL_CLIENT_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"
#include "control/verb.h"

enum exit_status { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_SERVER = 3, EXIT_TIMED_OUT = 4 };

/* ---- client_link.c: lines over the socket, blocking ---- */

struct link {
	int fd;
	struct buf in;
	size_t at;                      /* of in: taken */
};

struct record { size_t at, len; };

/* One whole reply. */
struct reply {
	struct buf raw;                 /* the records' lines, each with a NUL */
	struct record *records;
	size_t nrecords, room;
	struct buf text;                /* the payload */
	bool has_text;
	struct buf final_text;
	struct line final;              /* points into it */
	bool failed;
	struct err err;                 /* of an ERR */
};

/* Connect and read the greeting. ERR_WAIT_SERVER: nobody listens there. */
int link_open(struct link *l, const char *path, struct err *e);
void link_close(struct link *l);
int link_send(struct link *l, const struct buf *b, struct err *e);
/* The next line, without its LF but with a NUL; it stays until the next call. 1; 0: the server closed; -1. */
int link_line(struct link *l, char **line, size_t *len, struct err *e);
/* Is there a whole line that needs no read? */
bool link_has_line(const struct link *l);
/* Everything up to the final line; events in between go to on_event, if that is not NULL. */
int reply_read(struct link *l, struct reply *r, void (*on_event)(void *arg, char *line, size_t len), void *arg, struct err *e);
/* Take record i apart; once only, it is changed by it. */
int reply_record(struct reply *r, size_t i, struct line *out, struct err *e);
void reply_free(struct reply *r);

/* ---- the command line, as given ---- */

struct command {
	const char *socket;
	bool json, quiet;
	const struct verb *verb;
	const char *values[VERB_ARGS];  /* of verb->args; flags: "yes" */
	const char *file;               /* for verbs with a payload */
};

const char *command_value(const struct command *c, const char *name);
bool command_flag(const struct command *c, const char *name);

/* ---- client_table.c ---- */

/* A table as virsh prints it. Cells are not copied; a NULL is printed as "-". */
struct table {
	const char *const *titles;
	size_t columns, rows, room;
	const char **cells;
	struct arena arena;             /* for cells that had to be made */
	bool failed;
};

void table_begin(struct table *t, const char *const *titles, size_t columns);
/* A row of `columns` cells to fill in. NULL: no memory. */
const char **table_row(struct table *t);
/* 0 and the text in out, or ERR_NO_MEMORY. heading: with titles and the dashed line. */
int table_print(struct table *t, bool heading, struct buf *out, struct err *e);
void table_free(struct table *t);
/* Text that can do no harm to a terminal: control characters and bytes that are not UTF-8 as \xHH. The same pointer if nothing had to change. */
const char *table_safe(struct arena *a, const char *text);
const char *table_size(struct arena *a, const struct line *l, const char *key); /* "1.50 GiB"; NULL if absent */

/* ---- client_print.c, client_json.c ---- */

int print_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
int json_reply(const struct command *c, struct reply *r, struct buf *out, struct err *e);
void json_error(const struct err *e, struct buf *out);
/* The state column: virsh's word for what virsh has a word for, else our phase. */
const char *state_word(const char *phase, const char *active);

/* ---- client_watch.c ---- */

int watch_main(const struct command *c);
int events_main(const struct command *c);

#endif
