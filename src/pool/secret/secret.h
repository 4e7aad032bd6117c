/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Secrets as libvirt stores them: DIR/UUID.xml says what it is for, DIR/UUID.base64 holds the value.
 * Values are wiped after use and appear in no log, error, argv or environment.
 */
#ifndef POOLINIT_POOL_SECRET_SECRET_H
#define POOLINIT_POOL_SECRET_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "pool/def.h"

#define SECRET_XML_LIMIT   (64 * 1024)
#define SECRET_VALUE_LIMIT (64 * 1024) /* of a value's bytes */
#define SECRET_FILES_LIMIT 4096        /* *.xml looked at in a directory */

/* In the order of libvirt's numbers. */
enum secret_usage { SECRET_NONE, SECRET_VOLUME, SECRET_CEPH, SECRET_ISCSI, SECRET_TLS, SECRET_VTPM };

/* What a secret is for. Its value is not here: it is read when it is used, and wiped afterwards. */
struct secret_def {
	struct arena arena;
	struct uuid uuid;
	bool uuid_given;
	bool ephemeral, private;
	const char *description;
	enum secret_usage usage;
	const char *usage_id; /* target, name, or volume path */
};

/* Read a <secret> document (libvirt's "Secret XML format"). `source` stands in front of errors, which are
 * ERR_XML, ERR_INVALID or ERR_NO_MEMORY. Free with secret_def_free(); after an error there is nothing to
 * free. A secret without a UUID gets a random one, and uuid_given is false. */
int secret_read(struct secret_def *s, const char *xml, size_t len, const char *source, struct err *e);
/* Append libvirt's own canonical form, which has no value in it. */
void secret_print(const struct secret_def *s, struct buf *out);
/* Free the definition with all its texts. It is empty then: freeing it again is harmless. */
void secret_def_free(struct secret_def *s);
/* libvirt's word for a usage, "volume"; static storage. */
const char *secret_usage_word(enum secret_usage u);
/* The reverse; SECRET_NONE for a word that it does not know. */
enum secret_usage secret_usage_from_word(const char *word);

/* The value that an <auth> element names, looked for in each directory of the NULL-terminated list, in order.
 * ERR_NO_SECRET names the uuid or usage and the directories; a secret for another usage is ERR_INVALID.
 * Blocking (reads files). Free with secret_value_free(), which wipes. data[len] is NUL; there may be others
 * before it. */
struct secret_value {
	unsigned char *data;
	size_t len;
	bool private;
}; /* private: as its definition says */
int secret_find(const struct pool_auth *auth, const char *const *dirs, struct secret_value *out,
                struct err *e);
/* Wipe the value before its memory is given back. */
void secret_value_free(struct secret_value *v);
#define cleanup_secret_value __attribute__((cleanup(secret_value_free)))
/* One file of a directory, by its name UUID.xml, and the value that belongs to it. ERR_INVALID: it defines
 * another secret than it is named after. */
int secret_load(const char *dir, const char *name, struct secret_def *s, struct err *e);
/* Is that the file's name, without .xml, of the secret of that UUID? */
bool secret_is_named(const char *name, const struct uuid *uuid);
/* The value of a secret whose directory is known. ERR_NO_SECRET: it has none; ERR_INVALID: its file holds no
 * base64, or nothing. Free with secret_value_free(). */
int secret_load_value(const char *dir, const struct uuid *uuid, struct secret_value *out, struct err *e);
/* The same of a secret that is for nothing that libvirt has a word for: it has no <usage>. */
int secret_find_by_uuid(const struct uuid *uuid, const char *const *dirs, struct secret_value *out,
                        struct err *e);
/* The same for what a volume's <encryption> names. */
struct volume_secret;
int secret_find_volume(const struct volume_secret *secret, const char *const *dirs, struct secret_value *out,
                       struct err *e);

/* Append len bytes as base64 (RFC 4648 section 4), without line ends. */
void base64_encode(const void *data, size_t len, struct buf *out);
/* Write the bytes that text means to out, which has room for `size`. Returns their number; -1: this is no
 * base64, or it does not fit. White space is passed over; out may have been written to in part all the same.
 */
long base64_decode(const char *text, size_t len, unsigned char *out, size_t size);

#endif
