/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeping secrets: which there are, which rules their definitions follow, and where they and their values are
 * written. Blocking file work, for workers.
 *
 * Two of the directories are ours to write: the configuration's and the one of this boot (in run_dir, which
 * is memory). Secrets that are ephemeral, and all of them where the configuration cannot be written, are kept
 * in the latter, which is looked through first.
 */
#ifndef POOLINIT_POOL_SECRET_STORE_H
#define POOLINIT_POOL_SECRET_STORE_H

#include "pool/secret/secret.h"

/* Where secrets are. The strings are the caller's. */
struct secret_store {
	/* where secrets are looked for, the first that has one counts; NULL-terminated */
	const char *const *dirs;
	const char *config, *run; /* ours; config may be NULL */
};

enum secret_kept { KEPT_CONFIG, KEPT_RUN };

/* Remove what a crash has left half-written in our directories. Not while another change is under way: that
 * looks the same. */
void secret_store_sweep(const struct secret_store *st);
/* Call fn for every secret that counts, by uuid. Files that are none are passed over. A negative answer of
 * fn ends it and is returned. A directory that is there and cannot be read is an error. */
int secret_store_each(const struct secret_store *st,
                      int (*fn)(const struct secret_def *s, bool has_value, void *arg), void *arg,
                      struct err *e);
/* Find a secret by UUID or by usage. *dir is where it is. ERR_NO_SECRET; ERR_INVALID: several have that
 * usage. Free with secret_def_free(). */
int secret_store_find(const struct secret_store *st, const char *which, struct secret_def *s,
                      const char **dir, struct err *e);
/* Keep a definition: new, or changed; the value stays. *kept says where, so that the caller can warn of a
 * secret that the next boot does not know. ERR_EXISTS: another one is for the same, or it would be for
 * something else; ERR_DENIED: it is private and would not be; ERR_LIMIT: there are SECRET_FILES_LIMIT
 * already. */
int secret_store_define(const struct secret_store *st, const struct secret_def *s, enum secret_kept *kept,
                        struct err *e);
/* Keep a value for a secret that secret_store_find() has found in dir. It goes where the definition is, and
 * with it to one of our directories where that one is not ours. The bytes stay the caller's, who wipes them.
 */
int secret_store_set(const struct secret_store *st, const struct secret_def *s, const char *dir,
                     const void *value, size_t len, enum secret_kept *kept, struct err *e);
/* Remove a secret from our directories: value first, then the definition, so that no value is left that
 * nobody knows of. ERR_STATE: it comes from a directory that is not ours. */
int secret_store_forget(const struct secret_store *st, const struct secret_def *s, struct err *e);

#endif
