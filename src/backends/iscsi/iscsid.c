/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * iscsid beside us: the files it needs, and whether it answers. It is started and kept running by the
 * supervisor.
 *
 * There is one iscsid in a network namespace, at a socket of a fixed name. If one answers it is used, as a
 * second one would fight over the same sessions; only if none does are files made for one of ours.
 */
#include "backends/iscsi/iscsi.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "pool/check.h"
#include "system/module.h"

#define ISCSID_INITIATOR ISCSID_DIR "/initiatorname.iscsi"
#define ADMIN_CONF       "/etc/iscsi/iscsid.conf"
#define ADMIN_INITIATOR  "/etc/iscsi/initiatorname.iscsi"

/* ---- its files ---- */

/* Ours go last, for the last line of a key counts: we retry ourselves, and scan ourselves so as to know when
 * the disks are there. */
static const char iscsid_settings[] = "# The settings that poolinit relies on.\n"
				      "node.startup = manual\n"
				      "node.session.initial_login_retry_max = 1\n"
				      "node.session.scan = manual\n";
static const char iscsid_defaults[] = "node.session.timeo.replacement_timeout = 120\n"
				      "node.conn[0].timeo.login_timeout = 15\n"
				      "node.conn[0].timeo.logout_timeout = 15\n"
				      "node.conn[0].timeo.noop_out_interval = 5\n"
				      "node.conn[0].timeo.noop_out_timeout = 5\n";

bool iscsi_initiator_parse(const char *text, char *out, size_t size)
{
	demand_or(text && out && size > 0, false);

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

/* The name in that file, if it is there and holds one. */
static bool initiator_from(const char *path, char *out, size_t size)
{
	cleanup_buf struct buf text = BUF_INIT;

	return file_read(AT_FDCWD, path, ISCSI_FILE_MAX, &text, NULL) == 0 &&
	       iscsi_initiator_parse(buf_str(&text), out, size);
}

/* A name that stays the same from boot to boot where the machine has something that does. Hashed (FNV-1a),
 * for machine-id(5) is confidential. */
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
	snprintf(out, size, "iqn.2016-04.com.open-iscsi:%012llx",
	         (unsigned long long)(hash & 0xffffffffffffu));
}

/* The administrator's name, else the one of this boot, else a new one. */
static int initiator_write(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	char name[IQN_MAX];

	if (!initiator_from(ADMIN_INITIATOR, name, sizeof(name)) &&
	    !initiator_from(ISCSID_INITIATOR, name, sizeof(name)))
		initiator_invent(name, sizeof(name));
	buf_printf(&text, "InitiatorName=%s\n", name);
	return file_replace(AT_FDCWD, ISCSID_INITIATOR, text.data, text.len, 0600, e);
}

/* The administrator's settings stay, and ours come behind them. */
static int conf_write(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, ADMIN_CONF, ISCSI_FILE_MAX, &text, NULL) < 0) {
		buf_reset(&text);
		buf_adds(&text, iscsid_defaults);
	}
	buf_addc(&text, '\n');
	buf_adds(&text, iscsid_settings);
	return file_replace(AT_FDCWD, ISCSID_CONF, text.data, text.len, 0600, e);
}

/* ---- does it answer? ---- */

/* open-iscsi's usr/mgmt_ipc.h: a request is one struct, whose first two words are command and payload length.
 * How long it is differs between versions; iscsid reads as much as its own has, answers, and closes. So we
 * send zeros enough for any, and read the answer's beginning: command, error, then the name. */
#define IPC_SOCKET        "ISCSIADM_ABSTRACT_NAMESPACE"
#define IPC_REQUEST_BYTES (64 * 1024)
enum { IPC_COMMAND_INITIATOR_NAME = 8 };
enum { IPC_ERROR_ACCESS = 13 }; /* it does not know us as root: there may be no /etc/passwd */

struct ipc_answer {
	uint32_t command, error;
	char name[IQN_MAX];
};

/* A connection to the daemon's socket, which is in the abstract namespace: the one of this network namespace
 * answers. The descriptor, or -errno. */
static int ipc_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(sa.sun_path + 1, IPC_SOCKET, strlen(IPC_SOCKET));
	if (connect(fd, (struct sockaddr *)&sa,
	            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(IPC_SOCKET))) < 0) {
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

/* One real question to the iscsid of this network namespace. 0: answered, with its initiator name; else a
 * negative errno, -ECONNREFUSED if there is none. */
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
		return a.error == IPC_ERROR_ACCESS ? -EACCES : -EPROTO;
	a.name[sizeof(a.name) - 1] = '\0';
	snprintf(name, size, "%s", check_iqn(a.name) ? a.name : "");
	return 0;
}

/* Silence and refusal are told apart: silence may pass. */
static int no_answer(int r, const char *what, struct err *e)
{
	return r == -ETIMEDOUT ? err_set(e, ERR_TIMEOUT, "%s in time", what) : err_sys(e, -r, "%s", what);
}

/* iscsid opens its socket first and the file with its name right after it; so after an "open" event a
 * connection is accepted, and what is asked is answered as soon as it has settled. Nothing is guessed, and
 * there is no timer. */
static int iscsid_ready(const struct pool_def *d, struct op *op, struct err *e)
{
	cleanup_close int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char name[IQN_MAX], events[4096];

	(void)d;
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
			return err_set(e, ERR_TIMEOUT,
			               "iscsid does not answer: it has not opened its socket");
		if (r < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot watch iscsid start");
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
}

int iscsi_transport_load(struct err *e)
{
	struct err why = { 0 };

	module_load_wanted("crypto-crc32c"); /* else the kernel runs modprobe at each login without it */
	/* Built in counts as well, and is not always known as a module. */
	if (module_load("iscsi_tcp", &why) < 0 && access("/sys/class/iscsi_transport/tcp", F_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no iSCSI over TCP: %s", why.message);
	if (module_load("sd_mod", &why) < 0 && access("/sys/bus/scsi/drivers/sd", F_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no SCSI disks: %s", why.message);
	return 0;
}

/* Somebody's iscsid that answers is used as it is: two of them would take each other's sessions. */
static int iscsid_prepare(const struct pool_def *d, struct op *op, struct err *e)
{
	char name[IQN_MAX];
	int r = iscsid_ask(op->deadline, name, sizeof(name));

	(void)d;
	if (r == 0)
		return 1;
	if (r != -ECONNREFUSED)
		return no_answer(r, "an iscsid is running, but does not answer", e);
	/* iscsiadm makes the directory of its records if there is none, and of two that do so at once one
	 * fails. */
	if (iscsi_transport_load(e) < 0 || file_mkdirs(ISCSID_DIR "/nodes", 0700, e) < 0 ||
	    initiator_write(e) < 0 || conf_write(e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot prepare iscsid");
	return 0;
}

static const char *const iscsid_argv[] = { "iscsid", "-f", "-c", ISCSID_CONF, "-i", ISCSID_INITIATOR, NULL };

static const char *const iscsid_programs[] = { "iscsid", "iscsiadm", NULL };

const struct service iscsid_service = {
	.name = "iscsid",
	.prepare = iscsid_prepare,
	.argv = iscsid_argv,
	.programs = iscsid_programs,
	.tells = true,
	.ready = iscsid_ready,
	.let_go = iscsi_let_go,
};
