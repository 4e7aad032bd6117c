/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Documents that somebody has sent. They are foreign bytes: a process that is closed in reads each, and that
 * one alone, and what comes out is our own spelling of it. One such reader is forked ahead, so that a request
 * does not wait for it.
 */
#ifndef POOLINIT_SUPERVISOR_REQUESTS_DOCUMENTS_H
#define POOLINIT_SUPERVISOR_REQUESTS_DOCUMENTS_H

#include "supervisor/inside.h"

enum document_kind {
	DOCUMENT_POOL,   /* told as operation_send_definition() does */
	DOCUMENT_SOURCE, /* what pools are looked for in: its canonical form */
	DOCUMENT_VOLUME, /* "- volume=NAME capacity=yes allocation=no", and its canonical form */
	DOCUMENT_SECRET, /* its canonical form */
};

/* One document, and what it takes to read it. The texts are the caller's. */
struct sent_document {
	enum document_kind kind;
	bool validate;       /* against the grammar as well */
	enum pool_type type; /* DOCUMENT_SOURCE: of what pools */
	bool is_copy;        /* DOCUMENT_VOLUME: it is made from another volume */
	const char *text;
	size_t len;
	const char *pool; /* DOCUMENT_VOLUME: the definition of its pool; or NULL */
	size_t pool_len;
};

/* Give it to a reader, whose task is `task` from now on (without `run`, and nothing comes `then`). NULL:
 * there is no reader to be had; e says why and on_done is not called. The text is the caller's, and not
 * needed any more afterwards. */
struct worker *document_read(struct supervisor *s, const struct sent_document *d, const struct task *task,
                             struct err *e);
/* The reader that waits goes, and another is forked after it: a secret's value was in our memory, of which it
 * has a copy. */
void documents_renew(struct supervisor *s);
/* Is it the process of a reader that waits? */
bool documents_own(const struct supervisor *s, pid_t pid);
/* The supervisor goes: the reader that waits ends by itself. */
void documents_free(struct supervisor *s);

#endif
