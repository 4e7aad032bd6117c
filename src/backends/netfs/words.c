/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of <mount>: how a network filesystem is mounted. libvirt has a free text for that, of which
 * nobody knows what is in it before the kernel is asked; here each word is known, its value has a range, and
 * a mistake is told when the pool is defined. Spellings and units are those of nfs(5) and mount.cifs(8).
 */
#include <stdio.h>
#include "backends/netfs/netfs.h"
#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"

#define NFS  NETFS_FOR(NETFS_NFS)
#define CIFS NETFS_FOR(NETFS_CIFS)

enum { MOST_TIMEO = 6000 }; /* tenths of a second: the kernel waits no longer (NFS_MAX_TCP_TIMEOUT) */

static const char *const dialects[] = { "2.0", "2.1", "3", "3.0", "3.0.2", "3.02", "3.1.1", "3.11", NULL };

/* clang-format off */
static const struct word_row {
	const char *word;
	enum { WORD_FLAG, WORD_NUMBER, WORD_NAME, WORD_CHOICE, WORD_UUID } kind;
	unsigned protocols;
	unsigned low, high;         /* of a number */
	const char *const *choices; /* NULL-terminated */
	const char *against;        /* the word that it does not go with; or NULL */
} rows[] = {
	{ "ro",       WORD_FLAG,   NFS | CIFS, 0, 0, NULL, "rw" },
	{ "rw",       WORD_FLAG,   NFS | CIFS, 0, 0, NULL, "ro" },
	{ "soft",     WORD_FLAG,   NFS | CIFS, 0, 0, NULL, "hard" },
	{ "hard",     WORD_FLAG,   NFS | CIFS, 0, 0, NULL, "soft" },
	{ "port",     WORD_NUMBER, NFS | CIFS, 1, UINT16_MAX, NULL, NULL },
	{ "nconnect", WORD_NUMBER, NFS, 1, 16, NULL, NULL },
	{ "timeo",    WORD_NUMBER, NFS, 1, MOST_TIMEO, NULL, NULL },
	{ "retrans",  WORD_NUMBER, NFS, 1, 100, NULL, NULL },
	{ "vers",     WORD_CHOICE, CIFS, 0, 0, dialects, NULL },
	{ "seal",     WORD_FLAG,   CIFS, 0, 0, NULL, NULL },
	{ "user",     WORD_NAME,   CIFS, 0, 0, NULL, NULL },
	{ "domain",   WORD_NAME,   CIFS, 0, 0, NULL, NULL },
	{ "secret",   WORD_UUID,   CIFS, 0, 0, NULL, NULL },
};
/* clang-format on */

/* Which words are there: bits of their numbers. */
struct words_reading {
	struct netfs_words *out;
	unsigned seen;
	struct err *e;
};

static int row_find(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].word) == len && strncmp(rows[i].word, word, len) == 0)
			return (int)i;
	return -1;
}

static bool has_seen(const struct words_reading *r, const char *word)
{
	return r->seen & 1u << row_find(word, strlen(word));
}

/* What stands behind it is not told: it may be a password that was put there by mistake. */
static int refuse_unknown(const char *word, size_t len, struct err *e)
{
	char known[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
		                         rows[i].word);
	return err_set(e, ERR_INVALID, "<mount> has no word \"%.*s\": there are %s", (int)least(len, 40),
	               word, known);
}

static int take_word_number(struct words_reading *r, const struct word_row *row, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < row->low || n > row->high)
		return err_set(r->e, ERR_INVALID, "<mount>: %s=%.40s is not a number from %u to %u",
		               row->word, value, row->low, row->high);
	if (streq(row->word, "port"))
		r->out->port = (int)n;
	else
		buf_printf(&r->out->options, ",%s=%lu", row->word, n);
	return 0;
}

/* The kernel gets it in quotes. */
static int take_user_name(struct words_reading *r, const struct word_row *row, const char *value)
{
	if (!*value || strlen(value) > 255 || strchr(value, '"') || !check_text(value))
		return err_set(r->e, ERR_INVALID, "<mount>: %s=%.40s is empty, too long, or has '\"' in it",
		               row->word, value);
	buf_printf(&r->out->options, ",%s=\"%s\"", row->word, value);
	return 0;
}

static int take_choice(struct words_reading *r, const struct word_row *row, const char *value)
{
	for (const char *const *c = row->choices; *c; c++)
		if (streq(*c, value)) {
			buf_printf(&r->out->options, ",%s=%s", row->word, value);
			return 0;
		}
	return err_set(r->e, ERR_INVALID, "<mount>: %s=%.40s is none of 2.0, 2.1, 3.0, 3.0.2, 3.1.1",
	               row->word, value);
}

static int take_word_value(struct words_reading *r, const struct word_row *row, const char *value)
{
	switch (row->kind) {
	case WORD_NUMBER:
		return take_word_number(r, row, value);
	case WORD_NAME:
		return take_user_name(r, row, value);
	case WORD_CHOICE:
		return take_choice(r, row, value);
	case WORD_UUID:
		r->out->has_secret = uuid_read(value, &r->out->secret);
		return r->out->has_secret
		               ? 0
		               : err_set(r->e, ERR_INVALID,
		                         "<mount>: what stands behind %s= is not the UUID of a secret",
		                         row->word);
	default:
		return err_set(r->e, ERR_INVALID, "<mount>: %s has no value", row->word);
	}
}

/* One word, "NAME" or "NAME=VALUE". */
static int take_mount_word(struct words_reading *r, const char *word)
{
	size_t len = strcspn(word, "=");
	int i = row_find(word, len);

	if (i < 0)
		return refuse_unknown(word, len, r->e);
	if (r->seen & 1u << i)
		return err_set(r->e, ERR_INVALID, "<mount> has %s twice", rows[i].word);
	if (rows[i].against && has_seen(r, rows[i].against))
		return err_set(r->e, ERR_INVALID, "<mount> has both %s and %s", rows[i].against,
		               rows[i].word);
	r->seen |= 1u << i;
	r->out->protocols &= rows[i].protocols;
	if (r->out->protocols == 0)
		return err_set(r->e, ERR_INVALID,
		               "<mount>: %s is of %s alone, and a word before it of the other", rows[i].word,
		               rows[i].protocols == NFS ? "NFS" : "CIFS");
	if (word[len])
		return take_word_value(r, &rows[i], word + len + 1);
	if (rows[i].kind != WORD_FLAG)
		return err_set(r->e, ERR_INVALID, "<mount>: %s needs a value, %s=…", rows[i].word,
		               rows[i].word);
	buf_printf(&r->out->options, ",%s", rows[i].word);
	return 0;
}

int netfs_words_read(const char *text, struct netfs_words *out, struct err *e)
{
	demand(out, e);

	struct words_reading r = { .out = out, .e = e };
	char *words = strdup(text ? text : ""), *save = NULL;
	int rc = words ? 0 : err_set(e, ERR_NO_MEMORY, "cannot read <mount>: out of memory");

	*out = (struct netfs_words){ .protocols = NETFS_ANY };
	for (char *w = words ? strtok_r(words, " \t\r\n", &save) : NULL; w && rc == 0;
	     w = strtok_r(NULL, " \t\r\n", &save))
		rc = take_mount_word(&r, w);
	free(words);
	if (rc == 0 && out->has_secret && !has_seen(&r, "user"))
		rc = err_set(e, ERR_INVALID, "<mount> has a secret, but not the user whose password it is");
	if (rc == 0 && out->options.failed)
		rc = err_set(e, ERR_NO_MEMORY, "cannot read <mount>: out of memory");
	return rc;
}

void netfs_words_free(struct netfs_words *w)
{
	buf_free(&w->options);
}
