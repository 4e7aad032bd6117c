/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * iscsi: a target on an iSCSI server; its LUNs are the volumes. Specification: storage.html, "iSCSI volume pools".
 *
 * The kernel moves the data; iscsid (open-iscsi) makes and repairs its connections; iscsiadm tells iscsid to log in and out. What sessions there are is
 * read from sysfs, never from a program's output. The story: sessions in the kernel, the daemon beside us, the record that tells it how to log in,
 * then the operations.
 */
#include "backends/iscsi.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include "backends/backend.h"
#include "backends/links.h"
#include "backends/luns.h"
#include "backends/module.h"
#include "backends/net.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/uevent.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/secret.h"

#define ISCSI_PORT       3260
#define REACHABLE_WITHIN SECONDS(3)
#define LOGOUT_WITHIN    SECONDS(10)    /* for the kernel to take a session away after the target has agreed */
#define LOCK_STALE       45              /* seconds; iscsiadm itself gives up after 30 */
#define RECORD_LIMIT     (64 * 1024)
#define IQN_MAX          224            /* RFC 3720 3.2.6.1: 223 bytes */

/* Its own directory, the compiled-in database of our iscsid; fixed, as there can be only one iscsid in a network namespace. */
#define ISCSID_DIR       "/run/iscsi"
#define ISCSID_CONF      ISCSID_DIR "/iscsid.conf"
#define ISCSID_INITIATOR ISCSID_DIR "/initiatorname.iscsi"
#define ADMIN_CONF       "/etc/iscsi/iscsid.conf"
#define ADMIN_INITIATOR  "/etc/iscsi/initiatorname.iscsi"

/* ---- sessions in the kernel ---- */

__attribute__((format(printf, 3, 4)))
static bool attribute(char *out, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) && file_read_line(AT_FDCWD, path, out, size) > 0;
}

/* The portal of a session: as it was asked for (persistent_*), or where it is connected now, which may differ after a redirection. */
static bool session_portal_is(const char *sys, int sid, const char *const *addresses, int port)
{
	static const char *const pairs[][2] = { { "persistent_address", "persistent_port" }, { "address", "port" } };

	for (size_t p = 0; p < ARRAY_LEN(pairs); p++) {
		char address[256], number[16];

		if (!attribute(address, sizeof(address), "%s/class/iscsi_connection/connection%d:0/%s", sys, sid, pairs[p][0]) ||
		    !attribute(number, sizeof(number), "%s/class/iscsi_connection/connection%d:0/%s", sys, sid, pairs[p][1]) ||
		    atoi(number) != port)
			continue;
		for (size_t i = 0; addresses[i]; i++)
			if (streq(address, addresses[i]))
				return true;
	}
	return false;
}

/* The SCSI host is a directory above the session: …/host3/session1/iscsi_session/session1. */
static int session_host(const char *sys, int sid)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *p;
	int host, n = snprintf(path, sizeof(path), "%s/class/iscsi_session/session%d", sys, sid);

	if (n < 0 || (size_t)n >= sizeof(path) || !realpath(path, real))
		return -1;
	for (p = strstr(real, "/host"); p; p = strstr(p + 1, "/host"))
		if (sscanf(p, "/host%d/", &host) == 1)
			return host;
	return -1;
}

int iscsi_session_find(const char *sys, const char *iqn, const char *const *addresses, int port, struct iscsi_session *s, bool *elsewhere)
{
	char path[PATH_MAX], text[300];
	struct dirent *entry;
	int found = 0;
	DIR *d;

	if (elsewhere)
		*elsewhere = false;
	snprintf(path, sizeof(path), "%s/class/iscsi_session", sys);
	d = opendir(path);
	while (d && !found && (entry = readdir(d))) {
		int sid, used = 0;

		if (sscanf(entry->d_name, "session%d%n", &sid, &used) != 1 || entry->d_name[used] ||
		    !attribute(text, sizeof(text), "%s/%s/targetname", path, entry->d_name) || !streq(text, iqn))
			continue;
		if (!session_portal_is(sys, sid, addresses, port)) {
			if (elsewhere)
				*elsewhere = true;
			continue;
		}
		found = 1;
		*s = (struct iscsi_session){ .sid = sid, .host = session_host(sys, sid) };
		s->logged_in = attribute(text, sizeof(text), "%s/%s/state", path, entry->d_name) && streq(text, "LOGGED_IN");
	}
	if (d)
		closedir(d);
	return found;
}

/* ---- the daemon: its files ---- */

/* Ours go last, for the last line of a key counts: we retry ourselves, and scan ourselves so as to know when the disks are there. */
static const char iscsid_settings[] =
	"# The settings that poolinit relies on.\n"
	"node.startup = manual\n"
	"node.session.initial_login_retry_max = 1\n"
	"node.session.scan = manual\n";
static const char iscsid_defaults[] =
	"node.session.timeo.replacement_timeout = 120\n"
	"node.conn[0].timeo.login_timeout = 15\n"
	"node.conn[0].timeo.logout_timeout = 15\n"
	"node.conn[0].timeo.noop_out_interval = 5\n"
	"node.conn[0].timeo.noop_out_timeout = 5\n";

bool iscsi_initiator_parse(const char *text, char *out, size_t size)
{
	static const char key[] = "InitiatorName=";

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (strncmp(text, key, strlen(key)) == 0) {
			const char *value = text + strlen(key);
			size_t len = n - strlen(key);

			while (len && isspace((unsigned char)*value))
				value++, len--;
			while (len && isspace((unsigned char)value[len - 1]))
				len--;
			if (len && len < size && len < IQN_MAX) {
				memcpy(out, value, len);
				out[len] = '\0';
				if (check_iqn(out))
					return true;
			}
		}
		text += n + (text[n] == '\n');
	}
	return false;
}

static bool initiator_from(const char *path, char *out, size_t size)
{
	cleanup_buf struct buf text = BUF_INIT;

	return file_read(AT_FDCWD, path, RECORD_LIMIT, &text, NULL) == 0 && iscsi_initiator_parse(buf_str(&text), out, size);
}

/* A name that stays the same from boot to boot where the machine has something that does. Hashed (FNV-1a), for machine-id(5) is confidential. */
static void initiator_invent(char *out, size_t size)
{
	static const char *const sources[] = { "/etc/machine-id", "/sys/class/dmi/id/product_uuid" };
	char id[128] = "", random[UUID_TEXT];
	uint64_t hash = 0xcbf29ce484222325u;
	struct uuid u;

	for (size_t i = 0; i < ARRAY_LEN(sources) && strlen(id) < 32; i++)
		if (file_read_line(AT_FDCWD, sources[i], id, sizeof(id)) < 32)
			id[0] = '\0';
	if (!id[0]) {
		uuid_make(&u);
		snprintf(id, sizeof(id), "%s", uuid_print(&u, random));
	}
	for (const char *p = id; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	snprintf(out, size, "iqn.2016-04.com.open-iscsi:%012llx", (unsigned long long)(hash & 0xffffffffffffu));
}

/* The administrator's name, else the one of this boot, else a new one. */
static int initiator_write(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char name[IQN_MAX];

	if (!initiator_from(ADMIN_INITIATOR, name, sizeof(name)) && !initiator_from(ISCSID_INITIATOR, name, sizeof(name)))
		initiator_invent(name, sizeof(name));
	buf_printf(&text, "InitiatorName=%s\n", name);
	return file_replace(AT_FDCWD, ISCSID_INITIATOR, text.data, text.len, 0600, e);
}

static int conf_write(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, ADMIN_CONF, RECORD_LIMIT, &text, NULL) < 0) {
		buf_reset(&text);
		buf_adds(&text, iscsid_defaults);
	}
	buf_addc(&text, '\n');
	buf_adds(&text, iscsid_settings);
	return file_replace(AT_FDCWD, ISCSID_CONF, text.data, text.len, 0600, e);
}

/* ---- the daemon: does it answer? ---- */

/* open-iscsi's usr/mgmt_ipc.h: a request is one struct, whose first two words are command and payload length. How long it is differs between versions; iscsid
 * reads as much as its own has, answers, and closes. So we send zeros enough for any, and read the answer's beginning: command, error, then the name. */
#define IPC_SOCKET        "ISCSIADM_ABSTRACT_NAMESPACE"
#define IPC_REQUEST_BYTES (64 * 1024)
enum { IPC_COMMAND_INITIATOR_NAME = 8 };

struct ipc_answer {
	uint32_t command, error;
	char name[IQN_MAX];
};

static int ipc_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(sa.sun_path + 1, IPC_SOCKET, strlen(IPC_SOCKET));
	if (connect(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(IPC_SOCKET))) < 0) {
		int saved = errno;

		close(fd);
		return -saved;
	}
	return fd;
}

/* Read until the struct is full or the other end closes. The rest of a longer answer does not matter. */
static int ipc_receive(int fd, struct ipc_answer *a, uint64_t deadline)
{
	size_t have = 0;

	*a = (struct ipc_answer){ 0 };
	while (have < sizeof(*a)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;
		int ready = poll(&p, 1, clock_until(deadline));

		if (ready == 0)
			return -ETIMEDOUT;
		if (ready < 0 && errno != EINTR)
			return -errno;
		n = recv(fd, (char *)a + have, sizeof(*a) - have, 0);
		if (n > 0)
			have += (size_t)n;
		else if (n == 0)
			break;
		else if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return have < offsetof(struct ipc_answer, name) ? -ECONNRESET : 0;
}

/* One real question to the iscsid of this network namespace. 0: answered, with its initiator name; else a negative errno, -ECONNREFUSED if there is none. */
static int iscsid_ask(uint64_t deadline, char *name, size_t size)
{
	cleanup_close int fd = ipc_connect();
	cleanup_free char *request = calloc(1, IPC_REQUEST_BYTES);
	uint32_t command = IPC_COMMAND_INITIATOR_NAME;
	struct ipc_answer a;
	int r;

	if (fd < 0 || !request)
		return fd < 0 ? fd : -ENOMEM;
	memcpy(request, &command, sizeof(command));
	if (send(fd, request, IPC_REQUEST_BYTES, MSG_NOSIGNAL) < 0)
		return -errno;
	r = ipc_receive(fd, &a, deadline);
	if (r < 0)
		return r;
	if (a.command != IPC_COMMAND_INITIATOR_NAME || a.error != 0)
		return -EPROTO;
	a.name[sizeof(a.name) - 1] = '\0';
	snprintf(name, size, "%s", check_iqn(a.name) ? a.name : "");
	return 0;
}

static int no_answer(int r, const char *what, struct err *e)
{
	return r == -ETIMEDOUT ? err_set(e, ERR_TIMEOUT, "%s in time", what) : err_sys(e, -r, "%s", what);
}

/* iscsid opens its socket first and the file with its name right after it; so after an "open" event a connection is accepted, and what is asked is answered
 * as soon as it has settled. Nothing is guessed, and there is no timer. */
static int iscsid_ready(struct op *op, struct err *e)
{
	cleanup_close int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char name[IQN_MAX], events[4096];

	if (watch < 0 || inotify_add_watch(watch, ISCSID_INITIATOR, IN_OPEN) < 0)
		return err_sys(e, errno, "cannot watch iscsid start");
	for (;;) {
		struct pollfd p = { .fd = watch, .events = POLLIN };
		int r = iscsid_ask(op->deadline, name, sizeof(name));

		if (r == 0) {
			log_debug(LF_ISCSI, "iscsid answers as %s", name);
			return 0;
		}
		if (r != -ECONNREFUSED)
			return no_answer(r, "iscsid does not answer", e);
		r = poll(&p, 1, clock_until(op->deadline));
		if (r == 0)
			return err_set(e, ERR_TIMEOUT, "iscsid does not answer: it has not opened its socket");
		if (r < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot watch iscsid start");
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
}

static int transport_load(struct err *e)
{
	struct err why = { 0 };

	/* Built in counts as well, and is not always known as a module. */
	if (module_load("iscsi_tcp", &why) < 0 && access("/sys/class/iscsi_transport/tcp", F_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no iSCSI over TCP: %s", why.message);
	module_load("sd_mod", NULL);
	return 0;
}

static int iscsid_prepare(struct op *op, struct err *e)
{
	char name[IQN_MAX];
	int r = iscsid_ask(op->deadline, name, sizeof(name));

	if (r == 0)
		return 1;
	if (r != -ECONNREFUSED)
		return no_answer(r, "an iscsid is running, but does not answer", e);
	if (transport_load(e) < 0 || file_mkdirs(ISCSID_DIR, 0700, e) < 0 || initiator_write(e) < 0 || conf_write(e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot prepare iscsid");
	return 0;
}

static const char *const iscsid_argv[] = { "iscsid", "-f", "-c", ISCSID_CONF, "-i", ISCSID_INITIATOR, NULL };

static const struct service iscsid_service = {
	.name    = "iscsid",
	.prepare = iscsid_prepare,
	.argv    = iscsid_argv,
	.ready   = iscsid_ready,
};

/* ---- iscsiadm ---- */

/* open-iscsi's include/iscsi_err.h, as far as an operator can do something about it. */
static const struct outcome { int status; enum err_class class; const char *text; } outcomes[] = {
	{  4, ERR_WAIT_SERVER, "the connection broke" },
	{  5, ERR_STORAGE,     "the target refused the login" },
	{  6, ERR_STORAGE,     "open-iscsi's database cannot be used" },
	{  8, ERR_WAIT_SERVER, "no answer in time" },
	{ 10, ERR_STORAGE,     "the target refused the logout" },
	{ 11, ERR_WAIT_SERVER, "no answer in time" },
	{ 12, ERR_UNSUPPORTED, "this kernel has no iSCSI over TCP" },
	{ 13, ERR_DENIED,      "iscsid does not take orders from us" },
	{ 18, ERR_WAIT_SERVER, "iscsid broke off" },
	{ 19, ERR_STORAGE,     "the target refused the login (is the target's name right, and served at this portal?)" },
	{ 20, ERR_WAIT_SERVER, "iscsid is not running" },
	{ 21, ERR_STORAGE,     "open-iscsi lost the node record" },
	{ 24, ERR_AUTH,        "authentication rejected" },
	{ 28, ERR_BUSY,        "the session is in use" },
	{ 33, ERR_TIMEOUT,     "iscsid did not answer in time" },
};
enum { STATUS_NO_SESSION = 2, STATUS_DATABASE = 6, STATUS_SESSION_EXISTS = 15 };

/* "iscsiadm: initiator reported error (8 - connection timed out)": the reason is the last such line's, else the first message of all. */
void iscsi_reason(const char *messages, char *out, size_t size)
{
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
	char reason[300];

	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (outcomes[i].status == status)
			return err_set(e, outcomes[i].class, "%s failed: %s", doing, outcomes[i].text);
	iscsi_reason(messages, reason, sizeof(reason));
	return err_set(e, ERR_STORAGE, "%s failed: %s (iscsiadm status %d)", doing, reason[0] ? reason : "no reason given", status);
}

/* An iscsiadm that was killed in the middle leaves the database locked for ever. It holds the lock for moments only: an old one is nobody's.
 * The failed operation itself is tried again by whoever wanted it. */
static void database_unlock(void)
{
	static const char lock[] = ISCSID_DIR "/lock.write";
	struct stat st;

	/* A hard link: making it set the inode's ctime, and nothing else does. */
	if (lstat(lock, &st) == 0 && time(NULL) - st.st_ctim.tv_sec > LOCK_STALE && unlink(lock) == 0)
		log_warn(LF_ISCSI, "removed %s, left behind by an iscsiadm that was killed", lock);
}

/* 0, or negative if it could not run, had to be killed or failed. `fine` is a further status that counts as success (0: none). */
static int iscsiadm(const char *const *argv, int fine, const char *doing, struct op *op, struct err *e)
{
	struct tool t = { .argv = argv, .deadline = op->deadline };
	int r = spawn_run(&t, e);

	if (r < 0)
		err_wrap(e, ERR_KEEP, "%s failed", doing);
	else if (t.status != 0 && t.status != fine)
		r = iscsi_failure(t.status, buf_str(&t.err), doing, e);
	if (r < 0 && t.status == STATUS_DATABASE)
		database_unlock();
	tool_free(&t);
	return r;
}

/* ---- the portal, as the definition has it ---- */

struct portal {
	const char *iqn, *host;
	int port;
	char text[300];                 /* "192.0.2.7:3260", "[2001:db8::7]:3260" */
	char iface[32];                 /* open-iscsi's name for the initiator to log in as */
	char login[600];                /* "login to IQN at PORTAL" */
	struct address address;         /* resolved by portal_resolve() */
};

static void portal_of(const struct pool_def *d, struct portal *p)
{
	uint32_t hash = 2166136261u;

	*p = (struct portal){ .iqn = d->source.devices[0].path, .host = d->source.hosts[0].name, .port = d->source.hosts[0].port };
	if (!p->port)
		p->port = ISCSI_PORT;
	snprintf(p->text, sizeof(p->text), strchr(p->host, ':') ? "[%s]:%d" : "%s:%d", p->host, p->port);
	snprintf(p->login, sizeof(p->login), "login to %.223s at %s", p->iqn, p->text);
	for (const char *c = d->source.initiator; c && *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	snprintf(p->iface, sizeof(p->iface), d->source.initiator ? "poolinit-%08x" : "default", hash);
}

static int iscsi_validate(const struct pool_def *d, struct err *e)
{
	if (d->source.nhosts != 1)
		return err_set(e, ERR_INVALID, "an iscsi pool has exactly one <host>, not %zu", d->source.nhosts);
	if (d->source.ndevices != 1)
		return err_set(e, ERR_INVALID, "an iscsi pool has exactly one <device>, the target's name, not %zu", d->source.ndevices);
	if (!d->source.hosts[0].name || !check_host(d->source.hosts[0].name))
		return err_set(e, ERR_INVALID, "\"%s\" is no host name or address", d->source.hosts[0].name ? d->source.hosts[0].name : "");
	if (!check_iqn(d->source.devices[0].path) || !name_is_component(d->source.devices[0].path) || strlen(d->source.devices[0].path) >= IQN_MAX)
		return err_set(e, ERR_INVALID, "\"%s\" is no iSCSI name", d->source.devices[0].path);
	if (d->source.initiator && (!check_iqn(d->source.initiator) || strlen(d->source.initiator) >= IQN_MAX))
		return err_set(e, ERR_INVALID, "\"%s\" is no iSCSI name", d->source.initiator);
	if (d->source.auth.kind != AUTH_NONE && d->source.auth.kind != AUTH_CHAP)
		return err_set(e, ERR_INVALID, "iSCSI authenticates by CHAP only");
	if (d->source.auth.kind == AUTH_CHAP && !iscsi_record_value_ok(d->source.auth.username, strlen(d->source.auth.username)))
		return err_set(e, ERR_INVALID, "the CHAP user name is too long, or has control characters or outer spaces");
	return 0;
}

/* The session to this target through this portal. A name in the definition and an address in the kernel are compared by resolving the name, but only
 * where that decides: a name server that is away must not make an active pool look inactive. */
static int portal_session(struct portal *p, struct iscsi_session *s)
{
	const char *const as_written[] = { p->host, p->address.text[0] ? p->address.text : NULL, NULL };
	const char *resolved[] = { p->address.text, NULL };
	bool elsewhere;

	if (iscsi_session_find("/sys", p->iqn, as_written, p->port, s, &elsewhere))
		return 1;
	if (!elsewhere || p->address.text[0] || net_resolve(p->host, p->port, &p->address, NULL) < 0)
		return 0;
	return iscsi_session_find("/sys", p->iqn, resolved, p->port, s, NULL);
}

/* ---- the record: how iscsid is told to log in, with the password nowhere but in a file of mode 0600 ---- */

/* Where a build of open-iscsi may have its database: ours, then the distributions'. */
static const char *const databases[] = { ISCSID_DIR, "/var/lib/iscsi", "/etc/iscsi" };
static const char record_mark[] = "# made by poolinit for one login\n";

bool iscsi_record_value_ok(const char *value, size_t len)
{
	if (len == 0 || len > 255 || isspace((unsigned char)value[0]) || isspace((unsigned char)value[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)value[i]))
			return false;
	return true;
}

static bool line_has_key(const char *line, size_t len, const char *key)
{
	size_t n = strlen(key);

	return len > n && memcmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == '\t' || line[n] == '=');
}

void iscsi_record_edit(const char *record, const char *const *settings, struct buf *out)
{
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
	if (newest[0] && (st.st_mtim.tv_sec < when->tv_sec || (st.st_mtim.tv_sec == when->tv_sec && st.st_mtim.tv_nsec <= when->tv_nsec)))
		return;
	snprintf(newest, PATH_MAX, "%s", path);
	*when = st.st_mtim;
}

/* Records of a target are files "HOST,PORT", or, with a portal group, "HOST,PORT,GROUP/IFACE". Which of the databases is iscsiadm's shows in which record
 * it wrote last. path (PATH_MAX) is empty if there is none. */
static void record_locate(const struct portal *p, char *path)
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

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

/* Write settings and CHAP into the record that iscsiadm has just made. */
static int record_write(const struct pool_def *d, const char *path, struct op *op, struct err *e)
{
	struct buf old = BUF_INIT, new = BUF_INIT;
	struct secret_value secret = { 0 };
	char password[256] = "";
	const char *settings[] = {
		"node.startup", "manual", "node.session.initial_login_retry_max", "1", "node.session.scan", "manual",
		"node.session.auth.authmethod", "None", NULL, NULL, NULL, NULL, NULL,
	};
	int r = file_read(AT_FDCWD, path, RECORD_LIMIT, &old, e);

	if (r == 0 && d->source.auth.kind == AUTH_CHAP) {
		r = secret_find(&d->source.auth, op->secret_dirs, &secret, e);
		if (r == 0 && !iscsi_record_value_ok((const char *)secret.data, secret.len))
			r = err_set(e, ERR_INVALID, "the secret is no CHAP password: it is empty, longer than 255 bytes, or has control characters or outer spaces");
		if (r == 0) {
			memcpy(password, secret.data, secret.len);
			memcpy(settings + 7, (const char *[]){ "CHAP", "node.session.auth.username", d->source.auth.username,
			                                       "node.session.auth.password", password }, 5 * sizeof(*settings));
		}
	}
	if (r == 0) {
		/* Room for all of it at once, so that growing leaves no copies behind. */
		buf_printf(&new, "%*s", (int)old.len + 4096, "");
		buf_reset(&new);
		buf_adds(&new, record_mark);
		iscsi_record_edit(buf_str(&old), settings, &new);
		r = new.failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : file_replace(AT_FDCWD, path, new.data, new.len, 0600, e);
	}
	explicit_bzero(password, sizeof(password));
	secret_value_free(&secret);
	wipe(&old);
	wipe(&new);
	return r;
}

/* The iface tells iscsid to log in under a name of the pool's own. */
static int iface_make(const struct pool_def *d, const struct portal *p, struct op *op, struct err *e)
{
	const char *const make[] = { "iscsiadm", "-m", "iface", "-I", p->iface, "-o", "new", NULL };
	const char *const name[] = { "iscsiadm", "-m", "iface", "-I", p->iface, "-o", "update", "-n", "iface.initiatorname",
		                     "-v", d->source.initiator, NULL };

	if (!d->source.initiator)
		return 0;
	iscsiadm(make, 0, p->login, op, NULL);          /* it may be there from before; then the update still succeeds */
	return iscsiadm(name, 0, p->login, op, e);
}

/* Log in by a record that lives only as long. What an administrator has recorded for the same portal is put back as it was. */
static int portal_login(const struct pool_def *d, const struct portal *p, struct op *op, struct err *e)
{
	const char *const make[] = { "iscsiadm", "-m", "node", "-T", p->iqn, "-p", p->text, "-I", p->iface, "-o", "new", NULL };
	const char *const login[] = { "iscsiadm", "-m", "node", "-T", p->iqn, "-p", p->text, "-I", p->iface, "--login", NULL };
	struct buf before = BUF_INIT;
	char path[PATH_MAX];
	int r;

	record_locate(p, path);
	if (path[0])
		file_read(AT_FDCWD, path, RECORD_LIMIT, &before, NULL);
	if (iface_make(d, p, op, e) < 0 || iscsiadm(make, 0, p->login, op, e) < 0) {
		wipe(&before);
		return -1;
	}
	record_locate(p, path);
	if (!path[0])
		r = err_set(e, ERR_STORAGE, "%s failed: iscsiadm made a record, but not in " ISCSID_DIR ", /var/lib/iscsi or /etc/iscsi", p->login);
	else if (record_write(d, path, op, e) < 0)
		r = err_wrap(e, ERR_KEEP, "%s failed", p->login);
	else
		r = iscsiadm(login, STATUS_SESSION_EXISTS, p->login, op, e);
	if (before.len && !starts_with(buf_str(&before), record_mark))
		file_replace(AT_FDCWD, path, before.data, before.len, 0600, NULL);
	else if (path[0])
		record_remove(path);
	wipe(&before);
	return r;
}

/* ---- operations ---- */

static int iscsi_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail, struct err *e)
{
	struct iscsi_session s;
	struct portal p;

	(void)op;
	*state = STATE_INACTIVE;
	if (iscsi_validate(d, e) < 0)
		return -1;
	portal_of(d, &p);
	if (!portal_session(&p, &s))
		return 0;
	*state = s.logged_in ? STATE_ACTIVE : STATE_DEGRADED;
	if (detail)
		buf_printf(detail, "session=%d", s.sid);
	return 0;
}

/* The one permanent failure that the operator can mend at once: say where. */
static int explain_rejection(const struct pool_def *d, struct err *e)
{
	char uuid[UUID_TEXT];
	size_t n = strlen(e->message);

	if (!err_is(e, ERR_AUTH))
		return -1;
	if (d->source.auth.kind != AUTH_CHAP)
		snprintf(e->message + n, sizeof(e->message) - n, " (the target wants CHAP, or does not admit this initiator)");
	else if (d->source.auth.by_uuid)
		snprintf(e->message + n, sizeof(e->message) - n, " (check secret %s)", uuid_print(&d->source.auth.secret_uuid, uuid));
	else
		snprintf(e->message + n, sizeof(e->message) - n, " (check the secret with usage %.200s)", d->source.auth.secret_usage);
	return -1;
}

static int iscsi_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct iscsi_session s;
	struct portal p;

	if (iscsi_validate(d, e) < 0)
		return -1;
	portal_of(d, &p);
	if (!portal_session(&p, &s)) {
		/* A dead portal is found out here, in seconds; iscsid would try it for its own, longer time. */
		if (net_resolve(p.host, p.port, &p.address, e) < 0 || net_reachable(&p.address, REACHABLE_WITHIN, e) < 0)
			return err_wrap(e, ERR_KEEP, "%s failed", p.login);
		if (transport_load(e) < 0)
			return err_wrap(e, ERR_KEEP, "%s failed", p.login);
		if (portal_login(d, &p, op, e) < 0)
			return explain_rejection(d, e);
		if (!portal_session(&p, &s))
			return err_set(e, ERR_STORAGE, "%s failed: iscsiadm reports success, but the kernel has no such session", p.login);
	}
	/* A session that is recovering is iscsid's to repair; its LUNs are known already, and asking for them now would block. */
	if (!s.logged_in)
		return 0;
	if (s.host < 0 || luns_rescan(s.host, e) < 0 || luns_settle(s.host, op, e) < 0)
		return err_wrap(e, ERR_STORAGE, "cannot look for the LUNs of %s at %s", p.iqn, p.text);
	return 0;
}

static int iscsi_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct iscsi_session s;
	struct portal p;

	if (iscsi_validate(d, e) < 0)
		return -1;
	portal_of(d, &p);
	if (!portal_session(&p, &s))
		return err_set(e, ERR_STORAGE, "cannot list the LUNs of %s: there is no session with %s", p.iqn, p.text);
	if (s.logged_in && luns_rescan(s.host, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot look for the LUNs of %s at %s", p.iqn, p.text);
	return luns_refresh(d, s.host, op, sizes, e);
}

/* The kernel takes a session apart on its own time: wait, by uevent, until it is no longer listed. */
static int session_await_end(struct portal *p, struct op *op, struct err *e)
{
	uint64_t deadline = clock_ms() + LOGOUT_WITHIN;
	cleanup_close int events = uevent_open(e);
	struct iscsi_session s;

	if (events < 0)
		return -1;
	if (op->deadline < deadline)
		deadline = op->deadline;
	while (portal_session(p, &s)) {
		struct pollfd poll_events = { .fd = events, .events = POLLIN };
		char bytes[UEVENT_MAX];

		if (poll(&poll_events, 1, clock_until(deadline)) == 0)
			return err_set(e, ERR_STORAGE, "the kernel still has session %d", s.sid);
		while (read(events, bytes, sizeof(bytes)) > 0)
			;
	}
	return 0;
}

static int iscsi_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	struct iscsi_session s;
	struct portal p;
	char sid[16], doing[600];
	const char *const logout[] = { "iscsiadm", "-m", "session", "-r", sid, "-u", NULL };

	if (iscsi_validate(d, e) < 0)
		return -1;
	portal_of(d, &p);
	if (!portal_session(&p, &s))
		return 0;
	snprintf(sid, sizeof(sid), "%d", s.sid);
	snprintf(doing, sizeof(doing), "logout from %.223s at %s", p.iqn, p.text);
	if (luns_in_use(s.host, e))
		return err_wrap(e, ERR_BUSY, "%s refused", doing);
	if (iscsiadm(logout, STATUS_NO_SESSION, doing, op, e) < 0)
		return -1;
	return session_await_end(&p, op, e) < 0 ? err_wrap(e, ERR_KEEP, "%s failed", doing) : 0;
}

static const char *const iscsi_modules[] = { "iscsi_tcp", "sd_mod", NULL };

const struct backend iscsi_backend = {
	.type      = POOL_ISCSI,
	.summary   = "a target on an iSCSI server; its LUNs",
	.waits_for = WAIT_NETWORK,
	.modules   = iscsi_modules,
	.service   = &iscsid_service,
	.deadline  = { .start = SECONDS(45), .stop = SECONDS(45), .refresh = SECONDS(60), .check = SECONDS(30) },
	.validate  = iscsi_validate,
	.check     = iscsi_check,
	.start     = iscsi_start,
	.stop      = iscsi_stop,
	.refresh   = iscsi_refresh,
};
