/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * iscsiadm and its database. Running the tool, the meaning of its answers, and the record that tells iscsid
 * how to log in: made for one login and removed after it, for the CHAP password stands in it. It stands
 * nowhere else: in no argument, no environment, no message.
 *
 * iscsiadm prints for people, and its messages differ between versions; its exit status does not. So the
 * status decides which class an error has, and the text is only quoted.
 */
#include "backends/iscsi/iscsi.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/util.h"
#include "pool/secret/secret.h"

/* ---- iscsiadm ---- */

#define LOST_RECORD "open-iscsi lost the node record"

/* open-iscsi's include/iscsi_err.h, as far as an operator can do something about it. */
static const struct outcome {
	int status;
	enum err_class class;
	const char *text;
} outcomes[] = {
	{ 4, ERR_WAIT_SERVER, "the connection broke" },
	{ 5, ERR_STORAGE, "the target refused the login" },
	{ 6, ERR_STORAGE, "open-iscsi's database cannot be used" },
	{ 8, ERR_WAIT_SERVER, "no answer in time" },
	{ 10, ERR_STORAGE, "the target refused the logout" },
	{ 11, ERR_WAIT_SERVER, "no answer in time" },
	{ 12, ERR_UNSUPPORTED, "this kernel has no iSCSI over TCP" },
	{ 13, ERR_DENIED, "iscsid does not take orders from us" },
	{ 18, ERR_WAIT_SERVER, "iscsid broke off" },
	{ 19, ERR_STORAGE,
	  "the target refused the login, or its answer is none (is its name right, and served at this "
	  "portal?)" },
	{ 20, ERR_WAIT_SERVER, "iscsid is not running" },
	{ ISCSIADM_NO_OBJECTS, ERR_STORAGE, LOST_RECORD },
	{ 24, ERR_AUTH, ISCSI_REJECTED },
	{ 28, ERR_BUSY, "the session is in use" },
	{ 33, ERR_TIMEOUT, "iscsid did not answer in time" },
	/* These are of our own iscsid (deps/open-iscsi/logins.patch). */
	{ 64, ERR_AUTH, "the target does not admit this initiator's name" },
	{ 65, ERR_STORAGE, "this portal serves no target of that name" },
	{ 66, ERR_STORAGE, "the target refused the login" },
	{ 67, ERR_STORAGE, "what the target sent for the authentication cannot be accepted" },
};

/* CHAP, as far as we are concerned: 80 and open-iscsi's auth_dbg_status. What a target gets wrong may be
 * mended there; credentials are not tried again. */
#define CHAP_FIRST 80
#define CHAP_LAST  (CHAP_FIRST + 36)
#define MUTUAL     " (mutual CHAP: username_in and password_in of iscsid.conf)"
/* clang-format off */
static const struct outcome chap_outcomes[] = {
	{  3, ERR_AUTH,    "the target did not prove who it is" MUTUAL },
	{  4, ERR_STORAGE, "the target wants another kind of authentication than CHAP" },
	{  5, ERR_STORAGE, "the target wants a CHAP algorithm that was not offered" },
	{  7, ERR_AUTH,    "the CHAP secret is too short" },
	{ 14, ERR_STORAGE, "the target does not say which authentication it wants" },
	{ 15, ERR_STORAGE, "the target names no CHAP algorithm" },
	{ 16, ERR_STORAGE, "the target's CHAP challenge has no identifier" },
	{ 17, ERR_STORAGE, "the target sends no CHAP challenge" },
	{ 18, ERR_AUTH,    "the target does not answer our CHAP challenge" MUTUAL },
	{ 19, ERR_AUTH,    "the target does not name itself in its answer to our CHAP challenge" MUTUAL },
	{ 20, ERR_STORAGE, "the target does not say which authentication it wants" },
	{ 21, ERR_STORAGE, "the target refuses to authenticate by CHAP" },
	{ 22, ERR_AUTH,    "the target wants no authentication, and so does not prove who it is" MUTUAL },
	{ 23, ERR_STORAGE, "the target knows none of the CHAP algorithms that were offered" },
	{ 24, ERR_AUTH,    "the target's CHAP challenge is our own one" },
	{ 25, ERR_AUTH,    "both sides have the same CHAP secret" MUTUAL },
	{ 26, ERR_AUTH,    "the target wants CHAP, and there is no secret" },
	{ 27, ERR_STORAGE, "the identifier of the target's CHAP challenge is no number" },
	{ 28, ERR_STORAGE, "the target's CHAP challenge is empty, too long, or no number" },
	{ 29, ERR_AUTH,    "the target's answer to our CHAP challenge is no number" MUTUAL },
	{ 35, ERR_STORAGE, "the target's CHAP challenge is too long" },
};
/* clang-format on */

/* "iscsiadm: initiator reported error (8 - connection timed out)": the reason is the last such line's, else
 * the first message of all. */
void iscsi_reason(const char *messages, char *out, size_t size)
{
	demand_or(messages && out && size > 0, );

	static const char tag[] = "iscsiadm: ", reported[] = "reported error (";
	bool exact = false;

	out[0] = '\0';
	for (const char *p = messages; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t n = strcspn(p, "\n");
		const char *r;

		if (strncmp(p, tag, strlen(tag)) != 0)
			continue;
		r = memmem(p, n, reported, strlen(reported));
		if (r) {
			r += strlen(reported);
			snprintf(out, size, "%.*s", (int)strcspn(r, ")\n"), r);
			exact = true;
		} else if (!out[0] && !exact) {
			snprintf(out, size, "%.*s", (int)(n - strlen(tag)), p + strlen(tag));
		}
	}
	for (char *p = out; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
}

int iscsi_failure(int status, const char *messages, const char *doing, struct err *e)
{
	demand(messages && doing, e);

	char reason[300];

	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (outcomes[i].status == status)
			return err_set(e, outcomes[i].class, "%s failed: %s", doing, outcomes[i].text);
	for (size_t i = 0; i < ARRAY_LEN(chap_outcomes); i++)
		if (CHAP_FIRST + chap_outcomes[i].status == status)
			return err_set(e, chap_outcomes[i].class, "%s failed: %s", doing,
			               chap_outcomes[i].text);
	if (status >= CHAP_FIRST && status <= CHAP_LAST)
		return err_set(e, ERR_STORAGE,
		               "%s failed: the target does not keep to CHAP (iscsid's log says how)", doing);
	iscsi_reason(messages, reason, sizeof(reason));
	return err_set(e, ERR_STORAGE, "%s failed: %s (iscsiadm status %d)", doing,
	               reason[0] ? reason : "no reason given", status);
}

/* 0, or negative if it could not run, had to be killed or failed. `fine` is a further status that counts as
 * success (0: none). */
int iscsiadm_run(const char *const *argv, int fine, const char *doing, struct op *op, struct err *e)
{
	demand(argv && argv[0] && doing && op, e);

	struct tool t = { .argv = argv, .deadline = op->deadline };
	int r = spawn_run(&t, e);

	if (r < 0)
		err_wrap(e, ERR_KEEP, "%s failed", doing);
	else if (t.status != 0 && t.status != fine)
		r = iscsi_failure(t.status, buf_str(&t.err), doing, e);
	tool_free(&t);
	return r;
}

/* ---- the record ---- */

/* Where a build of open-iscsi may have its database: ours, then the distributions'. */
static const char *const databases[] = { ISCSID_DIR, "/var/lib/iscsi", "/etc/iscsi" };
static const char record_mark[] = "# made by poolinit for one login\n";

bool iscsi_record_value_ok(const char *value, size_t len)
{
	demand_or(value, false);
	if (len == 0 || len > 255 || isspace((unsigned char)value[0]) ||
	    isspace((unsigned char)value[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)value[i]))
			return false;
	return true;
}

/* A line "KEY = VALUE" of a record; white space may be missing. */
static bool line_has_key(const char *line, size_t len, const char *key)
{
	size_t n = strlen(key);

	return len > n && memcmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == '\t' || line[n] == '=');
}

void iscsi_record_edit(const char *record, const char *const *settings, struct buf *out)
{
	demand_or(record && settings && out, );
	for (const char *p = record; *p;) {
		size_t n = strcspn(p, "\n");
		bool replaced = false;

		for (size_t i = 0; settings[i] && !replaced; i += 2)
			replaced = line_has_key(p, n, settings[i]);
		if (!replaced) {
			buf_add(out, p, n);
			buf_addc(out, '\n');
		}
		p += n + (p[n] == '\n');
	}
	for (size_t i = 0; settings[i]; i += 2)
		buf_printf(out, "%s = %s\n", settings[i], settings[i + 1]);
}

/* Newer than the newest so far? Then it is that. */
static void record_consider(const char *path, char *newest, struct timespec *when)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (newest[0] && (st.st_mtim.tv_sec < when->tv_sec ||
	                  (st.st_mtim.tv_sec == when->tv_sec && st.st_mtim.tv_nsec <= when->tv_nsec)))
		return;
	snprintf(newest, PATH_MAX, "%s", path);
	*when = st.st_mtim;
}

/* Records of a target are files "HOST,PORT", or, with a portal group, "HOST,PORT,GROUP/IFACE". Which of the
 * databases is iscsiadm's shows in which record it wrote last. path (PATH_MAX) is empty if there is none. */
static void record_locate(const struct iscsi_portal *p, char *path)
{
	struct timespec when = { 0 };

	path[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(databases); i++) {
		char dir[300], name[1024], portal[320];
		struct dirent *entry;
		DIR *d;

		snprintf(dir, sizeof(dir), "%s/nodes/%.223s", databases[i], p->iqn);
		snprintf(portal, sizeof(portal), "%s,%d", p->host, p->port);
		d = opendir(dir);
		while (d && (entry = readdir(d))) {
			if (!starts_with(entry->d_name, portal))
				continue;
			if (entry->d_name[strlen(portal)] == '\0')
				snprintf(name, sizeof(name), "%s/%s", dir, portal);
			else if (entry->d_name[strlen(portal)] == ',')
				snprintf(name, sizeof(name), "%s/%s/%s", dir, entry->d_name, p->iface);
			else
				continue;
			record_consider(name, path, &when);
		}
		if (d)
			closedir(d);
	}
}

/* Take the record away, and the directories that became empty by it. */
static void record_remove(const char *path)
{
	char dir[PATH_MAX];

	if (file_remove(AT_FDCWD, path, NULL) < 0)
		return;
	snprintf(dir, sizeof(dir), "%s", path);
	for (char *slash = strrchr(dir, '/'); slash; slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (streq(path_base(dir), "nodes") || rmdir(dir) < 0)
			return;
	}
}

/* The buffer may hold a password. */
static void wipe_text(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

/* Write a record of this text, with our settings and CHAP. The password stands in memory twice, here and in
 * the record's text: both are wiped, also after an error. */
static int record_write(const struct pool_def *d, const char *path, const struct buf *text, struct op *op,
                        struct err *e)
{
	struct buf new = BUF_INIT;
	struct secret_value secret = { 0 };
	char password[256] = "";
	const char *settings[] = {
		"node.startup",
		"manual",
		"node.session.initial_login_retry_max",
		"1",
		"node.session.scan",
		"manual",
		"node.session.auth.authmethod",
		"None",
		NULL,
		NULL,
		NULL,
		NULL,
		NULL,
	};
	int r = 0;

	if (d->source.auth.kind == AUTH_CHAP) {
		r = secret_find(&d->source.auth, op->secret_dirs, &secret, e);
		if (r == 0 && !iscsi_record_value_ok((const char *)secret.data, secret.len))
			r = err_set(e, ERR_INVALID,
			            "the secret is no CHAP password: it is empty, longer than 255 bytes, or "
			            "has control characters or outer spaces");
		if (r == 0) {
			memcpy(password, secret.data, secret.len);
			memcpy(settings + 7,
			       (const char *[]){ "CHAP", "node.session.auth.username",
			                         d->source.auth.username, "node.session.auth.password",
			                         password },
			       5 * sizeof(*settings));
		}
	}
	if (r == 0) {
		/* Room for all of it at once, so that growing leaves no copies behind. */
		buf_printf(&new, "%*s", (int)text->len + 4096, "");
		buf_reset(&new);
		buf_adds(&new, record_mark);
		iscsi_record_edit(buf_str(text), settings, &new);
		r = new.failed ? err_set(e, ERR_NO_MEMORY, "out of memory")
		               : file_replace(AT_FDCWD, path, new.data, new.len, 0600, e);
	}
	explicit_bzero(password, sizeof(password));
	secret_value_free(&secret);
	wipe_text(&new);
	return r;
}

/* The iface tells iscsid to log in under a name of the pool's own. */
int iscsi_iface_make(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e)
{
	const char *const make[] = { "iscsiadm", "-m", "iface", "-I", p->iface, "-o", "new", NULL };
	const char *const name[] = { "iscsiadm",
		                     "-m",
		                     "iface",
		                     "-I",
		                     p->iface,
		                     "-o",
		                     "update",
		                     "-n",
		                     "iface.initiatorname",
		                     "-v",
		                     d->source.initiator,
		                     NULL };

	if (!d->source.initiator)
		return 0;
	/* it may be there from before; then the update still succeeds */
	iscsiadm_run(make, 0, p->login, op, NULL);
	return iscsiadm_run(name, 0, p->login, op, e);
}

/* A record as iscsiadm's "new" makes it, of what iscsid is told (conf) and the portal. The old layout has one
 * file for each portal, and is the one that iscsiadm takes while it knows no portal group. Facts:
 * open-iscsi's usr/idbm.c. */
void iscsi_record_new(const char *conf, const struct iscsi_portal *p, struct buf *out)
{
	demand_or(conf && p && out, );
	buf_printf(out,
	           "%s\nnode.name = %s\nnode.conn[0].address = %s\nnode.conn[0].port = %d\n"
	           "iface.iscsi_ifacename = default\niface.transport_name = tcp\n",
	           conf, p->iqn, p->host, p->port);
}

/* Where nobody but us has a database it is ours, and the record needs no iscsiadm. True: this is its text,
 * and path (PATH_MAX) where it is to be. */
static bool record_make(const struct iscsi_portal *p, char *path, struct buf *text)
{
	struct buf conf = BUF_INIT;
	char dir[300];

	for (size_t i = 1; i < ARRAY_LEN(databases); i++) {
		snprintf(dir, sizeof(dir), "%s/nodes", databases[i]);
		if (access(dir, F_OK) == 0)
			return false;
	}
	snprintf(dir, sizeof(dir), ISCSID_DIR "/nodes/%.223s", p->iqn);
	bool fits = streq(p->iface, "default") &&
	            file_read(AT_FDCWD, ISCSID_CONF, ISCSI_FILE_MAX, &conf, NULL) == 0 &&
	            file_mkdirs(dir, 0700, NULL) == 0;
	if (fits) {
		buf_printf(text, "%*s", (int)conf.len + 1024, ""); /* as in record_write() */
		buf_reset(text);
		iscsi_record_new(buf_str(&conf), p, text);
		snprintf(path, PATH_MAX, "%s/%s,%d", dir, p->host, p->port);
	}
	wipe_text(&conf);
	return fits && !text->failed;
}

/* As it is in iscsiadm's own database. path (PATH_MAX): where. */
static int record_make_there(const struct pool_def *d, const struct iscsi_portal *p, char *path,
                             struct buf *text, struct op *op, struct err *e)
{
	const char *const make[] = { "iscsiadm", "-m", "node",   "-T", p->iqn, "-p",
		                     p->text,    "-I", p->iface, "-o", "new",  NULL };

	if (iscsi_iface_make(d, p, op, e) < 0 || iscsiadm_run(make, 0, p->login, op, e) < 0)
		return -1;
	record_locate(p, path);
	if (!path[0])
		return err_set(e, ERR_STORAGE,
		               "%s failed: iscsiadm made a record, but not in " ISCSID_DIR
		               ", /var/lib/iscsi or /etc/iscsi",
		               p->login);
	wipe_text(text);
	return file_read(AT_FDCWD, path, ISCSI_FILE_MAX, text, e) < 0
	               ? err_wrap(e, ERR_KEEP, "%s failed", p->login)
	               : 0;
}

/* By a record of this text at path. 1: may_miss, and iscsiadm's database has no such record. */
static int login_by(const struct pool_def *d, const struct iscsi_portal *p, const char *path,
                    const struct buf *text, bool may_miss, struct op *op, struct err *e)
{
	const char *const login[] = { "iscsiadm", "-m", "node",   "-T",      p->iqn, "-p",
		                      p->text,    "-I", p->iface, "--login", NULL };
	struct err missed = { 0 };

	if (record_write(d, path, text, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s failed", p->login);
	if (!may_miss)
		return iscsiadm_run(login, ISCSIADM_SESSION_EXISTS, p->login, op, e);
	if (iscsiadm_run(login, ISCSIADM_SESSION_EXISTS, p->login, op, &missed) == 0)
		return 0;
	if (strstr(missed.message, LOST_RECORD))
		return 1;
	if (e)
		*e = missed;
	return -1;
}

/* Log in by a record that lives only as long. What an administrator has recorded for the same portal is put
 * back as it was. */
int iscsi_login(const struct pool_def *d, const struct iscsi_portal *p, struct op *op, struct err *e)
{
	struct buf before = BUF_INIT, text = BUF_INIT;
	char path[PATH_MAX];
	int r = 1;

	record_locate(p, path);
	if (path[0]) {
		file_read(AT_FDCWD, path, ISCSI_FILE_MAX, &before, NULL);
	} else if (record_make(p, path, &text)) {
		r = login_by(d, p, path, &text, true, op, e);
		record_remove(path);
	}
	if (r > 0) {
		r = record_make_there(d, p, path, &text, op, e);
		if (r == 0)
			r = login_by(d, p, path, &text, false, op, e);
		if (before.len && !starts_with(buf_str(&before), record_mark))
			file_replace(AT_FDCWD, path, before.data, before.len, 0600, NULL);
		else if (path[0])
			record_remove(path);
	}
	wipe_text(&before);
	wipe_text(&text);
	return r;
}
