/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The line codec: the one grammar for the control socket, for workers' answers and for state files (PROTOCOL
 * in docs/).
 *
 *     request   [ "@" tag SP ] verb *( SP arg ) [ SP "=" SP N ]
 *     arg       word | key "=" value | "--" key [ "=" value ]
 *     value     word | '"' with \" \\ \n \t \r \xHH '"'
 *     record    "- " key=value …          final   "OK" …  |  "ERR" SP code SP class SP quoted
 */
#ifndef POOLINIT_BASE_LINE_H
#define POOLINIT_BASE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define LINE_MAX_BYTES 4096 /* including the LF */
#define LINE_ARGS      32
#define LINE_TAG       16
_Static_assert(LINE_TAG < LINE_MAX_BYTES, "a tag is the smallest part of a line");

/* One argument: a bare word has no key; a flag (`--all`) has no value. */
struct line_arg {
	const char *key;
	const char *value;
};

enum line_kind {
	LINE_EMPTY,
	LINE_REQUEST, /* head = verb */
	LINE_RECORD,  /* "- …" */
	LINE_PAYLOAD, /* "= N": payload_len */
	LINE_OK,
	LINE_ERR,      /* args: three bare words, code class text */
	LINE_GREETING, /* "* …" */
	LINE_EVENT,    /* "! …" */
};

struct line {
	enum line_kind kind;
	const char *tag;  /* without the '@', or NULL */
	const char *head; /* the verb of a request, else NULL */
	struct line_arg args[LINE_ARGS];
	size_t nargs;
	bool has_payload; /* a request that ends in "= N", or a payload line */
	uint64_t payload_len;
};

/* Take apart one line of len bytes (without its LF; a final CR is dropped): a request. The text is changed
 * in place and l points into it; text[len], where the LF was, must be writable too. An empty line is
 * LINE_EMPTY, and no error. Errors: ERR_SYNTAX, ERR_TOO_LONG (the line, or too many arguments). NUL, control
 * characters and malformed UTF-8 are ERR_SYNTAX, and so are a key given twice and "key=" without a value. */
int line_parse(char *text, size_t len, struct line *l, struct err *e);
/* The same for a line of which it is known that it comes from a server or a worker: "- ", "= ", "OK", "ERR",
 * "* ", "! ". Its length is the caller's to limit: a record with escaped paths may be longer than a
 * request. */
int line_parse_reply(char *text, size_t len, struct line *l, struct err *e);

/* Value of key=value or --key=value; NULL if absent (a bare --key answers ""). It points into the line's
 * text. */
const char *line_get(const struct line *l, const char *key);
/* Is the key there, with a value or without? */
bool line_has(const struct line *l, const char *key);
/* Unsigned decimal value of a key; `otherwise` if absent or not a number. */
uint64_t line_u64(const struct line *l, const char *key, uint64_t otherwise);

/* Writing. A record is line_begin(b, "- "), any number of line_str/line_num/…, line_end(b); each of them
 * brings its own space unless one is there. Values that are not plain words are quoted; bytes that are not
 * UTF-8 text, and control characters, become \xHH. A NULL value writes nothing. */
void line_begin(struct buf *b, const char *head);
void line_word(struct buf *b, const char *value); /* " value": a bare argument */
void line_str(struct buf *b, const char *key, const char *value);
/* " key=" and a decimal number, or what printf(3) makes. */
void line_num(struct buf *b, const char *key, uint64_t value);
void line_fmt(struct buf *b, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void line_end(struct buf *b);
/* "ERR 5xx class \"…\"\n"; waits_for travels as key waits= */
void line_error(struct buf *b, const struct err *e);
/* The reverse: fill e from a parsed LINE_ERR; another kind of line makes an ERR_INTERNAL. */
void line_to_err(const struct line *l, struct err *e);
void line_quote(struct buf *b, const char *value, size_t len); /* the value alone, quoted if it needs it */

#endif
