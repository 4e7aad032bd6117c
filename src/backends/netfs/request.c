/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a definition asks of the kernel: its <mount>, its <protocol> and its <fs:mount_opts>, taken apart for
 * one protocol. What <fs:mount_opts> says comes last, and counts; only a host's port counts more. A password
 * goes apart from all of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include "backends/netfs/netfs.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "pool/secret/secret.h"
#include "system/mount.h"

enum { CREDENTIALS_LIMIT = 4096 };

void netfs_request_free(struct netfs_request *q)
{
	explicit_bzero(q->password, sizeof(q->password));
	buf_free(&q->own);
}

/* ---- who we are, for CIFS ---- */

/* Value of an option, "NAME=VALUE" in one or name and value apart; NULL: it is another option. */
static const char *value_of(const struct pool_option *o, const char *name)
{
	size_t len = strlen(name);

	if (!starts_with(o->name, name))
		return NULL;
	if (o->value)
		return o->name[len] ? NULL : o->value;
	return o->name[len] == '=' ? o->name + len + 1 : NULL;
}

/* A password that is cut off would be a wrong one, and locks accounts. */
static int take_password(struct netfs_request *q, const char *value, struct err *e)
{
	if ((size_t)snprintf(q->password, sizeof(q->password), "%s", value) >= sizeof(q->password))
		return err_set(e, ERR_INVALID,
		               "cannot use the password in the mount options: it is longer than %zu bytes",
		               sizeof(q->password) - 1);
	return 0;
}

/* Read mount.cifs(8)'s credentials file: "username=", "password=", "domain=" lines. The kernel does not know
 * it, so it is read here. Its bytes are wiped, as they hold the password. */
static int take_credentials(struct netfs_request *q, const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char *save = NULL;
	int rc = 0;

	if (file_read(AT_FDCWD, path, CREDENTIALS_LIMIT, &text, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot read the credentials");
	for (char *line = text.data ? strtok_r(text.data, "\r\n", &save) : NULL; line && rc == 0;
	     line = strtok_r(NULL, "\r\n", &save)) {
		struct pool_option o = { .name = line + strspn(line, " \t") };
		const char *value;

		if ((value = value_of(&o, "username")) || (value = value_of(&o, "user")))
			buf_printf(&q->own, ",user=\"%s\"", value);
		else if ((value = value_of(&o, "domain")) || (value = value_of(&o, "dom")))
			buf_printf(&q->own, ",domain=\"%s\"", value);
		else if ((value = value_of(&o, "password")) || (value = value_of(&o, "pass")))
			rc = take_password(q, value, e);
	}
	if (text.data)
		explicit_bzero(text.data, text.size);
	return rc;
}

/* The secret that <mount> names. */
static int take_secret(struct netfs_request *q, const struct uuid *secret, const char *const *dirs,
                       struct err *e)
{
	cleanup_secret_value struct secret_value value = { 0 };

	if (secret_find_by_uuid(secret, dirs, &value, e) < 0)
		return -1;
	if (strlen((const char *)value.data) != value.len)
		return err_set(e, ERR_INVALID,
		               "the secret that <mount> names has a NUL in it: no password has");
	return take_password(q, (const char *)value.data, e);
}

/* A CIFS server wants to know who we are; a guest needs a name all the same. A guest's session has no key, so
 * that nothing in it can be encrypted: the kernel would say "try again" of it, for ever. */
static int add_guest(struct netfs_request *q, struct err *e)
{
	static const char *const naming[] = { "user", "username", "guest", "sec" };
	char value[8];

	for (size_t i = 0; i < ARRAY_LEN(naming); i++)
		if (mount_option_value(buf_str(&q->own), naming[i], value, sizeof(value)))
			return 0;
	if (mount_option_value(buf_str(&q->own), "seal", value, sizeof(value)))
		return err_set(
			e, ERR_INVALID,
			"a guest cannot have what it sends encrypted: seal needs a user, and its secret");
	buf_adds(&q->own, ",user=guest,guest");
	q->guest = true;
	return 0;
}

/* ---- the options ---- */

/* CIFS: a password is handed on apart from the other options, so that a comma in it does not end it and no
 * message can hold it. */
static int take_option(struct netfs_request *q, const struct pool_option *o, struct err *e)
{
	const char *value = NULL;

	if (q->protocol == NETFS_CIFS && ((value = value_of(o, "pass")) || (value = value_of(o, "password"))))
		return take_password(q, value, e);
	if (q->protocol == NETFS_CIFS &&
	    ((value = value_of(o, "credentials")) || (value = value_of(o, "cred"))))
		return take_credentials(q, value, e);
	buf_printf(&q->own, ",%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");
	return 0;
}

static int take_words(struct netfs_request *q, const char *const *secret_dirs, struct err *e)
{
	struct netfs_words words;
	int rc = netfs_words_read(q->d->mount_words, &words, e);

	buf_adds(&q->own, buf_str(&words.options));
	q->port = words.port;
	if (rc == 0 && words.has_secret)
		rc = take_secret(q, &words.secret, secret_dirs, e);
	netfs_words_free(&words);
	return rc;
}

/* <protocol>, or NFS's option vers=, leaves one version to try. CIFS's are handed on as they are: the kernel
 * says which it knows. */
static void version_choose(struct netfs_request *q)
{
	char value[sizeof(q->version)];

	if (q->d->source.protocol)
		snprintf(q->version, sizeof(q->version), "%s", q->d->source.protocol);
	else if (q->protocol == NETFS_NFS &&
	         (mount_option_value(buf_str(&q->own), "vers", value, sizeof(value)) ||
	          mount_option_value(buf_str(&q->own), "nfsvers", value, sizeof(value))))
		memcpy(q->version, value, sizeof(value));
}

/* What the options say about where the server is: they are for the kernel, but we connect first. */
static void place_choose(struct netfs_request *q)
{
	const char *own = buf_str(&q->own);
	char value[32];

	if (mount_option_value(own, "port", value, sizeof(value)))
		q->port = atoi(value);
	if (q->protocol == NETFS_NFS && mount_option_value(own, "proto", value, sizeof(value))) {
		q->tcp = starts_with(value, "tcp");
		/* the kernel insists on it */
		q->family = value[0] && value[strlen(value) - 1] == '6' ? AF_INET6 : AF_INET;
	}
	if (!mount_option_value(own, "addr", q->address, sizeof(q->address)) && q->protocol == NETFS_CIFS)
		mount_option_value(own, "ip", q->address, sizeof(q->address));
}

int netfs_request_make(struct netfs_request *q, const struct pool_def *d, enum netfs_protocol protocol,
                       const char *const *secret_dirs, struct err *e)
{
	demand(q && d, e);

	*q = (struct netfs_request){ .d = d, .protocol = protocol, .tcp = true, .family = AF_UNSPEC };
	if (take_words(q, secret_dirs, e) < 0)
		return -1;
	for (size_t i = 0; i < d->nmount_options; i++)
		if (take_option(q, &d->mount_options[i], e) < 0)
			return -1;
	if (protocol == NETFS_CIFS && add_guest(q, e) < 0)
		return -1;
	if (q->own.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot read the mount options: out of memory");
	place_choose(q);
	version_choose(q);
	return 0;
}
