/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The error idiom: one table of classes, and four ways to fill an error.
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"

struct class_fact {
	const char *word;
	int code;
	enum err_remedy remedy;
};

/* clang-format off */
static const struct class_fact classes[ERR_CLASSES] = {
	[ERR_NONE]         = { "none",             900, REMEDY_NONE },

	[ERR_SYNTAX]       = { "syntax",           100, REMEDY_NONE },
	[ERR_UNKNOWN_VERB] = { "unknown-verb",     101, REMEDY_NONE },
	[ERR_TOO_LONG]     = { "too-long",         102, REMEDY_NONE },
	[ERR_MISSING]      = { "missing-argument", 103, REMEDY_NONE },
	[ERR_UNKNOWN_KEY]  = { "unknown-key",      104, REMEDY_NONE },
	[ERR_INVALID]      = { "invalid",          105, REMEDY_NONE },
	[ERR_XML]          = { "xml",              106, REMEDY_NONE },

	[ERR_STATE]        = { "wrong-state",      200, REMEDY_NONE },
	[ERR_BUSY]         = { "busy",             201, REMEDY_RETRY },
	[ERR_EXISTS]       = { "exists",           202, REMEDY_NONE },
	[ERR_CONFLICT]     = { "source-conflict",  203, REMEDY_NONE },
	[ERR_HUNG]         = { "hung",             204, REMEDY_RETRY },
	[ERR_LIMIT]        = { "limit",            205, REMEDY_RETRY },

	[ERR_NO_POOL]      = { "no-pool",          300, REMEDY_NONE },
	[ERR_NO_VOLUME]    = { "no-volume",        301, REMEDY_NONE },
	[ERR_NO_SECRET]    = { "no-secret",        302, REMEDY_NONE },

	[ERR_TIMEOUT]      = { "timeout",          400, REMEDY_RETRY },

	[ERR_STORAGE]      = { "storage",          500, REMEDY_RETRY },
	[ERR_WAIT_DEVICE]  = { "wait-device",      501, REMEDY_EVENT },
	[ERR_WAIT_NETWORK] = { "wait-network",     502, REMEDY_EVENT },
	[ERR_WAIT_SERVER]  = { "wait-server",      503, REMEDY_RETRY },
	[ERR_AUTH]         = { "auth-failed",      504, REMEDY_NONE },
	[ERR_WRONG_FORMAT] = { "wrong-format",     505, REMEDY_NONE },
	[ERR_UNSUPPORTED]  = { "unsupported",      506, REMEDY_NONE },
	[ERR_NO_TOOL]      = { "missing-tool",     507, REMEDY_NONE },
	[ERR_NO_SPACE]     = { "no-space",         508, REMEDY_RETRY },
	[ERR_READ_ONLY]    = { "read-only",        509, REMEDY_NONE },

	[ERR_DENIED]       = { "denied",           600, REMEDY_NONE },

	[ERR_INTERNAL]     = { "internal",         900, REMEDY_RETRY },
	[ERR_NO_MEMORY]    = { "no-memory",        901, REMEDY_RETRY },
};
/* clang-format on */

/* What an errno means to an operator; anything else is ERR_STORAGE. */
/* clang-format off */
static const struct { int sys; enum err_class class; } by_errno[] = {
	{ EACCES,       ERR_DENIED },
	{ EPERM,        ERR_DENIED },
	{ ENOSPC,       ERR_NO_SPACE },
	{ EDQUOT,       ERR_NO_SPACE },
	{ EROFS,        ERR_READ_ONLY },
	{ EBUSY,        ERR_BUSY },
	{ ETXTBSY,      ERR_BUSY },
	{ EEXIST,       ERR_EXISTS },
	{ ETIMEDOUT,    ERR_TIMEOUT },
	{ ENETUNREACH,  ERR_WAIT_NETWORK },
	{ ENETDOWN,     ERR_WAIT_NETWORK },
	{ EADDRNOTAVAIL, ERR_WAIT_NETWORK },
	{ EHOSTUNREACH, ERR_WAIT_SERVER },
	{ EHOSTDOWN,    ERR_WAIT_SERVER },
	{ ECONNREFUSED, ERR_WAIT_SERVER },
	{ ECONNRESET,   ERR_WAIT_SERVER },
	{ ENOMEM,       ERR_NO_MEMORY },
	{ EMFILE,       ERR_LIMIT },
	{ ENFILE,       ERR_LIMIT },
	{ EAGAIN,       ERR_LIMIT },
	{ ENOSYS,       ERR_UNSUPPORTED },
	{ EOPNOTSUPP,   ERR_UNSUPPORTED },
	{ ENAMETOOLONG, ERR_INVALID },
	{ ELOOP,        ERR_INVALID },
	{ EFBIG,        ERR_TOO_LONG },
};
/* clang-format on */

static const struct class_fact *class_fact_of(enum err_class c)
{
	return &classes[(unsigned)c < ERR_CLASSES ? c : ERR_INTERNAL];
}

/* A message may quote foreign bytes; it must stay one line of text whatever they are. */
static void sanitize(char *s)
{
	size_t left = strlen(s);

	while (left > 0) {
		size_t n = utf8_len(s, left);

		if (n == 0) {
			n = 1;
			*s = '?';
		} else if (utf8_is_hidden(s, n)) {
			memset(s, ' ', n);
		}
		s += n;
		left -= n;
	}
}

/* The arguments may point into e itself, so the sentence is made beside it. `tail` is appended after ": " if
 * not NULL. */
__attribute__((format(printf, 2, 0))) static void compose(struct err *e, const char *fmt, va_list ap,
                                                          const char *tail)
{
	char text[sizeof(e->message)];
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)least((uint64_t)n, sizeof(text) - 1);

	text[len] = '\0';
	if (tail)
		snprintf(text + len, sizeof(text) - len, "%s%s", len ? ": " : "", tail);
	len = strlen(text);
	if (len == sizeof(text) - 1)
		text[utf8_cut(text, len)] = '\0';
	sanitize(text);
	memcpy(e->message, text, strlen(text) + 1);
}

int(err_set)(struct err *e, enum err_class c, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	compose(e, fmt, ap, NULL);
	va_end(ap);
	e->class = c;
	e->sys = 0;
	e->waits_for[0] = '\0';
	return -1;
}

int(err_sys)(struct err *e, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	compose(e, fmt, ap, strerror(errnum));
	va_end(ap);
	e->class = ERR_STORAGE;
	for (size_t i = 0; i < ARRAY_LEN(by_errno); i++)
		if (by_errno[i].sys == errnum)
			e->class = by_errno[i].class;
	e->sys = errnum;
	e->waits_for[0] = '\0';
	return -1;
}

int(err_wrap)(struct err *e, enum err_class c, const char *fmt, ...)
{
	char cause[sizeof(e->message)];
	va_list ap;

	if (!e)
		return -1;
	memcpy(cause, e->message, sizeof(cause));
	va_start(ap, fmt);
	compose(e, fmt, ap, cause[0] ? cause : NULL);
	va_end(ap);
	if (c != ERR_KEEP)
		e->class = c;
	if (e->class == ERR_NONE)
		e->class = ERR_INTERNAL;
	return -1;
}

int(err_wait)(struct err *e, enum err_class c, const char *waits_for, const char *fmt, ...)
{
	char copy[sizeof(e->waits_for)];
	va_list ap;

	if (!e)
		return -1;
	snprintf(copy, sizeof(copy), "%s", waits_for ? waits_for : "");
	va_start(ap, fmt);
	compose(e, fmt, ap, NULL);
	va_end(ap);
	e->class = c;
	e->sys = 0;
	memcpy(e->waits_for, copy, sizeof(copy));
	return -1;
}

bool err_is(const struct err *e, enum err_class c)
{
	return e && e->class == c;
}

void err_clear(struct err *e)
{
	e->class = ERR_NONE;
	e->sys = 0;
	e->waits_for[0] = '\0';
	e->message[0] = '\0';
}

const char *err_word(enum err_class c)
{
	return class_fact_of(c)->word;
}

int err_code(enum err_class c)
{
	return class_fact_of(c)->code;
}

enum err_remedy err_remedy(enum err_class c)
{
	return class_fact_of(c)->remedy;
}

enum err_class err_class_from_word(const char *word)
{
	for (int c = ERR_NONE + 1; c < ERR_CLASSES; c++)
		if (streq(classes[c].word, word))
			return (enum err_class)c;
	return ERR_INTERNAL;
}
