/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Procedures that are about the connection and this host. They are answered at once, without a verb.
 */
#include "control/rpc/identity.h"
#include "control/rpc/rpc.h"

#include <limits.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "backends/backend.h"
#include "base/contract.h"
#include "base/util.h"

/* Whose protocol and features we speak: clients ask only for what that version of libvirt had. Number: major
 * * 1000000 + minor * 1000 + release. */
#define AS_LIBVIRT 9000000

/* ---- opening ---- */

/* The name must be one that we go by: "storage:///system" and the like, with any query behind it. A client
 * that names nothing takes what is there. ERR_INVALID: there is no such driver here, or a host is named;
 * ERR_UNSUPPORTED: the driver has no such path. */
static int check_uri(const char *name, struct err *e)
{
	static const char *const drivers[] = { "storage", "secret", "qemu" };
	const char *colon = strchr(name, ':');
	size_t len = colon ? (size_t)(colon - name) : 0;
	bool driver = false;

	if (!*name)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		driver |= len == strlen(drivers[i]) && strncmp(name, drivers[i], len) == 0;
	if (!driver || !starts_with(colon, ":///"))
		return err_set(e, ERR_INVALID,
		               "nothing goes by the name \"%.200s\" here: storage:///system and "
		               "secret:///system do",
		               name);
	len = strcspn(colon + 4, "?");
	if ((len == 6 && strncmp(colon + 4, "system", len) == 0) ||
	    (len == 7 && strncmp(colon + 4, "session", len) == 0 && geteuid() != 0))
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "there is no \"%.200s\" here: \"%.*s:///system\" there is", name,
	               (int)(colon - name), name);
}

int session_open(struct virt_binding *b, struct buf *out, struct err *e)
{
	enum { READ_ONLY = 1 };
	struct virt_session *s = b->session;
	bool named = xdr_number(&b->x);
	const char *name = "";
	uint32_t flags;

	(void)out;
	if (named && virt_text(b, &name, e) < 0)
		return -1;
	flags = xdr_number(&b->x);
	if (b->x.broken)
		return virt_undecodable(e);
	if (s->open)
		return err_set(e, ERR_INTERNAL, "this connection is open already");
	if (check_uri(name, e) < 0)
		return -1;
	s->uri = strdup(*name ? name : "storage:///system");
	if (!s->uri)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->secrets = starts_with(name, "secret:");
	s->open = true;
	if (flags & READ_ONLY)
		s->most = b->p->level = LEVEL_READ;
	return 0;
}

int session_close(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)out;
	(void)e;
	b->p->closing = true;
	return 0;
}

/* Registering for the end of the connection: that is all that there is to tell of it. */
int session_nothing(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)b;
	(void)out;
	(void)e;
	return 0;
}

int session_feature(struct virt_binding *b, struct buf *out, struct err *e)
{
	enum { KEEPALIVE = 10, CALLBACK_IDS = 14, CLOSE_CALLBACK = 15 };
	uint32_t feature = xdr_number(&b->x);

	if (b->x.broken)
		return virt_undecodable(e);
	if (!b->session->open && feature != KEEPALIVE)
		return err_set(e, ERR_INTERNAL, "this connection is not open");
	xdr_put(out, feature == KEEPALIVE || feature == CALLBACK_IDS || feature == CLOSE_CALLBACK);
	return 0;
}

/* One way to show who one is: the socket itself (SO_PEERCRED), which takes no word. */
int session_auth_list(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)b;
	(void)e;
	xdr_put(out, 1);
	xdr_put(out, 0);
	return 0;
}

int session_yes(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)b;
	(void)e;
	xdr_put(out, 1);
	return 0;
}

/* ---- who it is ---- */

enum param_type { PARAM_INT = 1, PARAM_UINT, PARAM_LONG, PARAM_ULONG, PARAM_DOUBLE, PARAM_BOOL, PARAM_TEXT };

/* What a daemon says of its own client. */
struct identity {
	bool has_user, is_remote; /* by a name of another kind */
	uint64_t uid, gid;
	const char *name, *token;
};

/* One of the parameters, of which we know the names, and use those that say something here. */
static int take_parameter(struct virt_binding *b, struct identity *who, struct err *e)
{
	static const char *const unused[] = { "group-name", "process-id", "process-time", "selinux-context" };
	const char *key, *text = NULL;
	uint64_t number = 0;
	uint32_t type;

	if (virt_text(b, &key, e) < 0)
		return -1;
	type = xdr_number(&b->x);
	if (type == PARAM_TEXT) {
		if (virt_text(b, &text, e) < 0)
			return -1;
	} else if (type == PARAM_LONG || type == PARAM_ULONG || type == PARAM_DOUBLE) {
		number = xdr_long(&b->x);
	} else {
		number = xdr_number(&b->x);
	}
	if (b->x.broken || type < PARAM_INT || type > PARAM_TEXT)
		return virt_undecodable(e);
	if (streq(key, "unix-user-id") && !text) {
		who->has_user = true;
		who->uid = number;
	} else if (streq(key, "unix-group-id") && !text) {
		who->gid = number;
	} else if (streq(key, "user-name") && text) {
		who->name = text;
	} else if (streq(key, "system.token") && text) {
		who->token = text;
	} else if (streq(key, "sasl-user-name") || streq(key, "x509-distinguished-name")) {
		who->is_remote = true;
	} else {
		for (size_t i = 0; i < ARRAY_LEN(unused); i++)
			if (streq(key, unused[i]))
				return 0;
		return err_set(e, ERR_UNKNOWN_KEY, "an identity has no \"%.80s\"", key);
	}
	return 0;
}

/* A daemon of libvirt's passes on who its client is. It counts from root alone. Who says nothing of a user
 * speaks for itself, and so does who shows the token: a guest needs its secrets whoever starts it. */
int session_identity(struct virt_binding *b, struct buf *out, struct err *e)
{
	enum { PARAMETERS = 20 };
	struct identity who = { .gid = UINT64_MAX };
	struct peer *p = b->p;
	uint32_t n = xdr_number(&b->x);

	(void)out;
	if (n > PARAMETERS)
		return virt_undecodable(e);
	for (uint32_t i = 0; i < n; i++)
		if (take_parameter(b, &who, e) < 0)
			return -1;
	if (xdr_number(&b->x) || b->x.broken)
		return virt_undecodable(e);
	if (p->uid != 0)
		return err_set(e, ERR_DENIED, "who a client is, is believed of root alone");
	p->trusted = who.token && identity_has_token(p->server, who.token);

	enum verb_level level = b->session->most;

	if (who.has_user && !p->trusted)
		level = identity_level(p->server, who.uid, who.gid, who.name);
	else if (who.is_remote && !p->trusted)
		level = LEVEL_READ;
	p->level = level < b->session->most ? level : b->session->most;
	return 0;
}

/* ---- this host ---- */

int session_type(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)e;
	xdr_put_text(out, b->session->secrets ? "secret" : "storage");
	return 0;
}

int session_uri(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)e;
	xdr_put_text(out, b->session->uri);
	return 0;
}

int session_version(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)b;
	(void)e;
	xdr_put_long(out, AS_LIBVIRT);
	return 0;
}

int session_hostname(struct virt_binding *b, struct buf *out, struct err *e)
{
	struct utsname u;

	(void)b;
	(void)e;
	xdr_put_text(out, uname(&u) == 0 ? u.nodename : "localhost");
	return 0;
}

/* virt-manager asks for it every second. What is not known of the processors is one of each. */
int session_node_info(struct virt_binding *b, struct buf *out, struct err *e)
{
	enum { MODEL = 32 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct utsname u = { 0 };
	struct sysinfo s = { 0 };

	(void)b;
	(void)e;
	uname(&u);
	sysinfo(&s);
	for (size_t i = 0, n = strnlen(u.machine, MODEL - 1); i < MODEL; i++)
		xdr_put(out, i < n ? (unsigned char)u.machine[i] : 0);
	xdr_put_long(out, (uint64_t)s.totalram * s.mem_unit / 1024);
	xdr_put(out, cpus > 0 ? (uint32_t)cpus : 1);
	xdr_put(out, 0); /* MHz */
	xdr_put(out, 1); /* nodes */
	xdr_put(out, 1); /* sockets of one, */
	xdr_put(out, cpus > 0 ? (uint32_t)cpus : 1);
	xdr_put(out, 1); /* threads of a core */
	return 0;
}

/* Enough for programs that want to know the architecture, and which pool types there are. */
int session_capabilities(struct virt_binding *b, struct buf *out, struct err *e)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct utsname u = { 0 };

	(void)b;
	(void)e;
	uname(&u);
	buf_printf(&xml,
	           "<capabilities>\n\n  <host>\n    <cpu>\n      <arch>%s</arch>\n    </cpu>\n  </host>\n\n"
	           "  <pool>\n    <enum name='type'>\n",
	           u.machine);
	for (int t = 0; t < POOL_TYPES; t++)
		if (backend_find((enum pool_type)t))
			buf_printf(&xml, "      <value>%s</value>\n", pool_type_word((enum pool_type)t));
	buf_adds(&xml, "    </enum>\n  </pool>\n\n</capabilities>\n");
	xdr_put_text(out, buf_str(&xml));
	out->failed |= xml.failed;
	return 0;
}

/* What a host of guests has, and we have none of: a number, or a list. */
int session_none(struct virt_binding *b, struct buf *out, struct err *e)
{
	(void)b;
	(void)e;
	xdr_put(out, 0);
	return 0;
}

/* A list that has its length behind it. */
int session_none_listed(struct virt_binding *b, struct buf *out, struct err *e)
{
	xdr_put(out, 0);
	return session_none(b, out, e);
}
