/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * iscsi: a target on an iSCSI server; its LUNs are the volumes. Specification: storage.html, "iSCSI volume
 * pools".
 *
 * The kernel moves the data; iscsid (open-iscsi) makes and repairs its connections; iscsiadm tells iscsid to
 * log in and out. What sessions there are is read from sysfs, never from a program's output.
 *
 * A definition may name several portals of the target: each has a session of its own, and the volumes are
 * those that the first of them shows which is logged in. One session is enough for the pool, which is
 * degraded then.
 *
 * A session belongs to the machine, not to the pool: one that is there is used, whoever made it, and one
 * that a failed start has begun is ended by stop. Only the firmware's stay: the machine has booted from them.
 * While a session is broken its disks answer nothing; so whatever would ask them looks at the session first.
 */
#include "backends/identity.h"
#include "backends/iscsi/iscsi.h"

#include <errno.h>
#include <poll.h>
#include <search.h>
#include <stdio.h>
#include <sys/socket.h>
#include "backends/luns.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/source.h"
#include "system/uevent.h"
#include "volumes/block.h"

/* for the look whether a portal can be reached: half of it for one that is silent */
#define LOOK_WITHIN SECONDS(6)
/* each of several portals: one that takes connections and says nothing keeps no other waiting */
#define LOGIN_WITHIN  SECONDS(15)
#define REFUSED       "login"     /* what op->avoid says when a portal has refused us */
#define LOGOUT_WITHIN SECONDS(10) /* for the kernel to take a session away after the target has agreed */

/* ---- the portals, as the definition has them ---- */

/* The portal's text, as iscsiadm takes it. */
static void portal_at(struct iscsi_portal *p, const char *host)
{
	p->host = host;
	snprintf(p->text, sizeof(p->text), strchr(p->host, ':') ? "[%s]:%d" : "%s:%d", p->host, p->port);
}

/* One portal as the definition has it. The name of the interface is made of the initiator's name (FNV-1a),
 * since open-iscsi keeps such names in files. */
static void portal_of(const struct pool_def *d, size_t which, const struct op *op, struct iscsi_portal *p)
{
	const struct pool_host *h = &d->source.hosts[which];
	uint32_t hash = 2166136261u;

	*p = (struct iscsi_portal){ .iqn = d->source.devices[0].path, .port = h->port };
	if (!p->port)
		p->port = pool_type_info(POOL_ISCSI)->port;
	if (op->address_answered &&
	    d->source.nhosts == 1) /* of several it is not known whose address it is */
		p->known = op->address;
	portal_at(p, h->name);
	snprintf(p->login, sizeof(p->login), "login to %.223s at %s", p->iqn, p->text);
	for (const char *c = d->source.initiator; c && *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	snprintf(p->iface, sizeof(p->iface), d->source.initiator ? "poolinit-%08x" : "default", hash);
}

/* Whatever becomes an argument of iscsiadm or a line of a record is checked once more here, where it is
 * used. */
static int iscsi_validate(const struct pool_def *d, struct err *e)
{
	if (d->source.nhosts == 0)
		return err_set(e, ERR_INVALID, "an iscsi pool has at least one <host>, the target's portal");
	if (d->source.ndevices != 1)
		return err_set(e, ERR_INVALID,
		               "an iscsi pool has exactly one <device>, the target's name, not %zu",
		               d->source.ndevices);
	for (size_t i = 0; i < d->source.nhosts; i++) {
		const char *host = d->source.hosts[i].name;

		if (!host || !check_host(host))
			return err_set(e, ERR_INVALID, "\"%s\" is no host name or address", host ? host : "");
	}
	if (!check_iqn(d->source.devices[0].path) || !name_is_component(d->source.devices[0].path) ||
	    strlen(d->source.devices[0].path) >= IQN_MAX)
		return err_set(e, ERR_INVALID, "\"%s\" is no iSCSI name", d->source.devices[0].path);
	if (d->source.initiator &&
	    (!check_iqn(d->source.initiator) || strlen(d->source.initiator) >= IQN_MAX))
		return err_set(e, ERR_INVALID, "\"%s\" is no iSCSI name", d->source.initiator);
	if (d->source.auth.kind != AUTH_NONE && d->source.auth.kind != AUTH_CHAP)
		return err_set(e, ERR_INVALID, "iSCSI authenticates by CHAP only");
	if (d->source.auth.kind == AUTH_CHAP &&
	    (!d->source.auth.username ||
	     !iscsi_record_value_ok(d->source.auth.username, strlen(d->source.auth.username))))
		return err_set(e, ERR_INVALID,
		               "the CHAP user name is missing or too long, or has control characters or "
		               "outer spaces");
	return 0;
}

/* The session to this target through this portal. A name in the definition and an address in the kernel are
 * compared by resolving the name, but only where that decides: a name server that is away must not make an
 * active pool look inactive. */
static int portal_session(struct iscsi_portal *p, struct iscsi_session *s)
{
	const char *const as_written[] = { p->host, p->address.text[0] ? p->address.text : p->known, NULL };
	const char *resolved[ARRAY_LEN(((struct addresses *)0)->list) + 1] = { NULL };
	struct addresses set;
	bool elsewhere;

	if (iscsi_session_find("/sys", p->iqn, as_written, p->port, s, &elsewhere))
		return 1;
	if (!elsewhere || p->address.text[0] || net_resolve(p->host, p->port, &set, NULL) < 0)
		return 0;
	for (size_t i = 0; i < set.n; i++)
		resolved[i] = set.list[i].text;
	return iscsi_session_find("/sys", p->iqn, resolved, p->port, s, NULL);
}

/* A clause that says what a session is doing that is not logged in. */
static void not_logged_in(const struct iscsi_portal *p, const struct iscsi_session *s, char *out, size_t size)
{
	char doing[160];

	iscsi_session_doing(s, doing, sizeof(doing));
	snprintf(out, size, "the session with %.120s at %.80s is not logged in: %s", p->iqn, p->text, doing);
}

/* What the kernel has of the target, through all portals. */
struct paths {
	bool found; /* there is a session; p and s are the first that is logged in, if one is */
	struct iscsi_portal p;
	struct iscsi_session s;
	char lacks[400]; /* a clause about the first portal through which nobody is logged in; or "" */
};

static void paths_look(const struct pool_def *d, const struct op *op, struct paths *w)
{
	*w = (struct paths){ .found = false };
	for (size_t i = 0; i < d->source.nhosts; i++) {
		struct iscsi_session s = { 0 };
		struct iscsi_portal p;

		portal_of(d, i, op, &p);

		bool found = portal_session(&p, &s) > 0;

		if (!w->lacks[0] && !found)
			snprintf(w->lacks, sizeof(w->lacks),
			         "there is no session with %.80s at %.80s any more", p.iqn, p.text);
		else if (!w->lacks[0] && !s.logged_in)
			not_logged_in(&p, &s, w->lacks, sizeof(w->lacks));
		if (i == 0 || (found && (!w->found || (s.logged_in && !w->s.logged_in)))) {
			w->p = p;
			w->s = s;
		}
		w->found |= found;
	}
}

/* ---- operations ---- */

/* From sysfs alone, so that a target that is gone hangs nothing; the name service is asked only if that
 * decides. */
static int iscsi_check(const struct pool_def *d, struct op *op, enum pool_state *state, struct buf *detail,
                       struct err *e)
{
	struct paths w;

	*state = STATE_INACTIVE;
	if (iscsi_validate(d, e) < 0)
		return -1;
	paths_look(d, op, &w);
	if (!w.found) {
		snprintf(op->why, sizeof(op->why), "%s", w.lacks);
		return 0;
	}
	bool steady = iscsi_session_steady(&w.s, op->detail, detail);
	if (w.lacks[0])
		snprintf(op->why, sizeof(op->why), "%s", w.lacks);
	else if (!steady)
		snprintf(op->why, sizeof(op->why),
		         "the connection with %.120s at %.80s breaks again and again", w.p.iqn, w.p.text);
	/* a refresh may have said of LUNs that they are not well */
	*state = op->why[0] ? STATE_DEGRADED : STATE_ACTIVE;
	return 0;
}

/* The sessions and their disks: an event about one of them has this made again. */
static int iscsi_ground(const struct pool_def *d, struct op *op, struct buf *words, struct err *e)
{
	struct iscsi_session s;
	struct iscsi_portal p;

	if (iscsi_validate(d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->source.nhosts; i++) {
		portal_of(d, i, op, &p);
		if (!portal_session(&p, &s))
			continue;
		buf_printf(words, "%ssession%d=%s", words->len ? " " : "", s.sid, s.logged_in ? "in" : "out");
		if (luns_ground(s.host, words, e) < 0)
			return -1;
	}
	return 0;
}

/* The one permanent failure that the operator can mend at once: say where. */
static int explain_rejection(const struct pool_def *d, struct err *e)
{
	char uuid[UUID_TEXT];
	size_t n = strlen(e->message);

	if (!err_is(e, ERR_AUTH) || !strstr(e->message, ISCSI_REJECTED))
		return -1;
	if (d->source.auth.kind != AUTH_CHAP)
		snprintf(e->message + n, sizeof(e->message) - n,
		         " (the target wants CHAP, and the definition has no <auth>; or it does not admit "
		         "this initiator)");
	else if (d->source.auth.by_uuid)
		snprintf(e->message + n, sizeof(e->message) - n, " (check secret %s)",
		         uuid_print(&d->source.auth.secret_uuid, uuid));
	else
		snprintf(e->message + n, sizeof(e->message) - n, " (check the secret with usage %.200s)",
		         d->source.auth.secret_usage);
	return -1;
}

/* What login_at() works with, for each address in turn. */
struct login {
	const struct pool_def *d;
	struct iscsi_portal *p;
	struct op *op;
};

/* iscsid resolves a name by itself, and connects to its first address; volumes' paths have what it was given.
 * So the name is given as long as its first address will do, else the number of another. */
static void portal_choose(struct iscsi_portal *p, const struct address *a)
{
	p->address = *a;
	if (a->rank > 0)
		portal_at(p, p->address.text);
}

/* One address of the portal. The kernel's part is loaded only now that somebody answers there. 1: another
 * address may do. */
static int login_at(void *arg, const struct address *a, struct err *e)
{
	const struct login *l = arg;
	struct iscsi_portal p = *l->p;

	portal_choose(&p, a);
	if (iscsi_transport_load(e) < 0)
		return -1;
	l->op->begun = true;
	if (iscsi_login(l->d, &p, l->op, e) < 0)
		return net_another_may_do(e) ? 1 : -1;
	l->p->address = *a;
	return 0;
}

/* A dead portal is found out here, in seconds; iscsid would try it for its own, longer time. */
static int portal_login(const struct pool_def *d, struct iscsi_portal *p, struct op *op, struct err *e)
{
	struct login l = { d, p, op };
	struct net_trial trial = { .host = p->host,
		                   .port = p->port,
		                   .family = AF_UNSPEC,
		                   .deadline = op->deadline,
		                   .op = d->source.nhosts == 1 ? op : NULL,
		                   .use = login_at,
		                   .arg = &l };

	if (net_try(&trial, e) == 0)
		return 0;
	if (!starts_with(e->message, p->login))
		err_wrap(e, ERR_KEEP, "%s failed", p->login);
	return explain_rejection(d, e);
}

/* A session that is there is taken over, also one that somebody else has made; else one is made. Then its
 * LUNs are looked for, and their disks waited for. */
static int portal_start(const struct pool_def *d, size_t which, struct op *op, struct err *e)
{
	struct iscsi_session s;
	struct iscsi_portal p;

	portal_of(d, which, op, &p);
	if (!portal_session(&p, &s)) {
		if (portal_login(d, &p, op, e) < 0)
			return -1;
		if (!portal_session(&p, &s))
			return err_set(
				e, ERR_STORAGE,
				"%s failed: iscsiadm reports success, but the kernel has no such session",
				p.login);
	}
	/* Either the target has not let it in yet, or its connection broke: both are iscsid's to bring to an
	 * end, and asking for LUNs would block. */
	op->begun = true;
	if (!s.logged_in)
		return err_set(e, ERR_WAIT_SERVER,
		               "%s is not complete: there is a session, but the target does not answer it",
		               p.login);
	if (s.host < 0 || luns_rescan(s.host, op, e) < 0 || luns_settle(s.host, op, e) < 0)
		return err_wrap(e, ERR_STORAGE, "cannot look for the LUNs of %s at %s", p.iqn, p.text);
	return 0;
}

/* When the time of a portal is over, so that each of those behind it has a share of what is left. */
static uint64_t portal_deadline(const struct pool_def *d, size_t which, uint64_t deadline)
{
	uint64_t now = clock_ms(), left = deadline > now ? deadline - now : 0;

	return d->source.nhosts == 1 ? deadline
	                             : now + least(LOGIN_WITHIN, left / (d->source.nhosts - which));
}

/* One of several portals. Who we are it may refuse: that is noted, as one try more may lock an account. */
static int portal_try(const struct pool_def *d, size_t which, struct op *op, struct err *e)
{
	uint64_t deadline = op->deadline;

	op->deadline = portal_deadline(d, which, deadline);
	int rc = portal_start(d, which, op, e);
	op->deadline = deadline;
	if (rc < 0 && err_is(e, ERR_AUTH))
		snprintf(op->avoid, sizeof(op->avoid), REFUSED);
	return rc;
}

/* Each portal in turn. One that does is enough; of the others the log tells. Who is refused by one, or has no
 * password, asks no other, and nothing else that is wrong has it tried again. */
static int iscsi_start(const struct pool_def *d, struct op *op, struct err *e)
{
	struct err all = { 0 };
	bool refused = false;
	size_t up = 0;

	if (iscsi_validate(d, e) < 0)
		return -1;
	op->avoid[0] = '\0';
	for (size_t i = 0; i < d->source.nhosts && !refused; i++) {
		struct err one = { 0 };

		if (portal_try(d, i, op, &one) == 0) {
			up++;
			continue;
		}
		net_also(&all, &one);
		refused = err_is(&one, ERR_AUTH) || err_is(&one, ERR_NO_SECRET);
		if (refused)
			all.class = one.class;
	}
	if (up && all.class != ERR_NONE)
		op_note(op, "%zu of %zu portals will do: %s", up, d->source.nhosts, all.message);
	if (!up && e)
		*e = all;
	return up ? 0 : -1;
}

static int iscsi_reached(void *arg, const struct address *a, struct err *e)
{
	(void)arg, (void)a, (void)e;
	return 0;
}

/* Its LUNs are not asked, for that would block. Whether the portal can be reached at all is the most that can
 * be known of the cause. */
static int refresh_later(const struct iscsi_portal *p, const struct iscsi_session *s, struct err *e)
{
	struct net_trial trial = { .host = p->host,
		                   .port = p->port,
		                   .family = AF_UNSPEC,
		                   .deadline = clock_ms() + LOOK_WITHIN,
		                   .use = iscsi_reached };
	struct err why = { 0 };
	char text[400];

	not_logged_in(p, s, text, sizeof(text));
	if (net_try(&trial, &why) < 0)
		return err_set(e, ERR_STORAGE, "%s (%s)", text, why.message);
	return err_set(e, ERR_STORAGE, "%s", text);
}

/* Ask for LUNs, wait for their disks, and report each. A session that is not logged in is not asked: that
 * would block. */
static int iscsi_refresh(const struct pool_def *d, struct op *op, struct pool_sizes *sizes, struct err *e)
{
	struct luns_health health;
	struct paths w;
	char name[128];

	if (iscsi_validate(d, e) < 0)
		return -1;
	paths_look(d, op, &w);

	struct iscsi_session s = w.s;
	struct iscsi_portal p = w.p;

	if (!w.found)
		return err_set(e, ERR_STORAGE, "%s", w.lacks);
	if (!s.logged_in)
		return refresh_later(&p, &s, e);
	/* What somebody removes by hand is not attached again by the event that tells of it: only who asks
	 * for all has the bus asked. */
	bool asked = op->only || luns_rescan(s.host, op, e) == 0;
	if (!asked && !err_is(e, ERR_WAIT_SERVER))
		return err_wrap(e, ERR_KEEP, "cannot look for the LUNs of %s at %s", p.iqn, p.text);
	if (luns_refresh(d, s.host, op, sizes, &health, e) < 0)
		return -1;
	if ((health.sick || !asked) && portal_session(&p, &s) && !s.logged_in) /* it broke meanwhile */
		return refresh_later(&p, &s, e);
	snprintf(name, sizeof(name), "%.80s at %.40s", p.iqn, p.text);
	if (!asked)
		snprintf(op->why, sizeof(op->why), "%s does not answer the question for its LUNs", name);
	luns_trouble(&health, name, op->why, sizeof(op->why));
	return 0;
}

/* A session is iscsid's to repair; what the kernel has set offline is ours to try again, and so is one of
 * several portals that was not there. Once a portal has refused us, only who asks for it has us try again. */
static int iscsi_revive(const struct pool_def *d, struct op *op, bool asked, struct err *e)
{
	struct iscsi_session s;
	struct iscsi_portal p;

	(void)e;
	if (asked)
		op->avoid[0] = '\0';
	for (size_t i = 0; i < d->source.nhosts; i++) {
		struct err ignored = { 0 }; /* the check says which portal is missing */

		portal_of(d, i, op, &p);

		int found = portal_session(&p, &s);

		if (found && s.logged_in)
			luns_wake(s.host);
		else if (!found && d->source.nhosts > 1 && !streq(op->avoid, REFUSED))
			portal_try(d, i, op, &ignored);
	}
	return 0;
}

/* The kernel takes a session apart on its own time: wait, by uevent, until it is no longer listed. */
static int session_await_end(struct iscsi_portal *p, struct op *op, struct err *e)
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

/* One session. The firmware's is left as it is: what the machine has booted from may be on it. */
static int portal_logout(const struct pool_def *d, size_t which, struct op *op, struct err *e)
{
	struct iscsi_session s;
	struct iscsi_portal p;
	char sid[16], doing[600];
	const char *const logout[] = { "iscsiadm", "-m", "session", "-r", sid, "-u", NULL };

	portal_of(d, which, op, &p);
	if (!portal_session(&p, &s))
		return 0;
	if (iscsi_session_is_firmwares("/sys", &s, p.iqn)) {
		op_note(op, "the session with %s at %s is the firmware's (iBFT), and stays", p.iqn, p.text);
		return 0;
	}
	snprintf(sid, sizeof(sid), "%d", s.sid);
	snprintf(doing, sizeof(doing), "logout from %.223s at %s", p.iqn, p.text);
	if (iscsiadm_run(logout, ISCSIADM_NO_SESSION, doing, op, e) < 0)
		return -1;
	return session_await_end(&p, op, e) < 0 ? err_wrap(e, ERR_KEEP, "%s failed", doing) : 0;
}

/* Log out. LUNs in use are refused before, of all portals: a logout would take them away from under whoever
 * uses them. */
static int iscsi_stop(const struct pool_def *d, struct op *op, struct err *e)
{
	struct iscsi_session s;
	struct iscsi_portal p;
	int rc = 0;

	if (iscsi_validate(d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->source.nhosts; i++) {
		portal_of(d, i, op, &p);
		if (portal_session(&p, &s) && !iscsi_session_is_firmwares("/sys", &s, p.iqn) &&
		    luns_in_use(s.host, e))
			return err_wrap(e, ERR_BUSY, "logout from %.223s at %s refused", p.iqn, p.text);
	}
	for (size_t i = 0; i < d->source.nhosts; i++)
		if (portal_logout(d, i, op, rc == 0 ? e : NULL) < 0)
			rc = -1; /* of the others' sessions none is left for that */
	return rc;
}

/* ---- what a server offers ---- */

/* "192.0.2.7:3260,1 NAME": the name, or NULL if a line does not begin like that. */
static const char *target_name(const char *line)
{
	const char *space = strchr(line, ' '),
		   *comma = space ? memrchr(line, ',', (size_t)(space - line)) : NULL;

	return comma && comma > line && strspn(comma + 1, "0123456789") == (size_t)(space - comma - 1)
	               ? space + 1
	               : NULL;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void name_keep(void *name)
{
	(void)name; /* it is in the server's text */
}

/* A target may be offered through several portals, and is named once. How many there are is the server's to
 * say: they are in a tree. */
static void add_target(const struct pool_def *source, const char *name, void **names, struct buf *out)
{
	const struct pool_device device = { .path = name, .part_separator = -1 };
	struct pool_def found = { .type = POOL_ISCSI, .source = source->source };
	const char *const *first = tsearch(name, names, name_compare);

	if (!first || *first != name)
		return;
	found.source.devices = &device;
	found.source.ndevices = 1;
	found.source.name = found.source.dir = found.source.format = NULL;
	pool_source_print(&found, out);
}

/* iscsiadm prints the server's names as they are. One with a space or a line break in it is nobody's: it is
 * left out whole, not cut to what fits. */
void iscsi_targets(const struct pool_def *source, char *text, struct op *op, struct buf *out)
{
	demand_or(source && text && out, );

	void *names = NULL;
	char *save = NULL, *line = strtok_r(text, "\n", &save), *next;
	unsigned refused = 0;

	for (; line; line = next) {
		const char *name = target_name(line);

		next = strtok_r(NULL, "\n", &save);
		if (name && check_iqn(name) && (!next || target_name(next)))
			add_target(source, name, &names, out);
		else
			refused += name != NULL;
	}
	tdestroy(names, name_keep);
	if (refused)
		op_note(op, "left out of what the server offers, for want of an iSCSI name: %u target%s",
		        refused, refused == 1 ? "" : "s");
}

struct discovery {
	const struct pool_def *source;
	struct iscsi_portal *p;
	struct op *op;
	struct buf *out;
	const char *doing;
};

/* Nothing is recorded: the answer is all that is wanted. */
static int discover_at(void *arg, const struct address *a, struct err *e)
{
	const struct discovery *k = arg;
	struct iscsi_portal p = *k->p;

	portal_choose(&p, a);

	const char *const argv[] = { "iscsiadm", "-m", "discovery", "-t", "sendtargets",   "-p",
		                     p.text,     "-I", p.iface,     "-o", "nonpersistent", NULL };
	struct tool t = { .argv = argv, .deadline = k->op->deadline, .whole = true };
	int rc = spawn_run(&t, e);

	if (rc < 0)
		err_wrap(e, ERR_KEEP, "%s failed", k->doing);
	else if (t.status == ISCSIADM_NO_OBJECTS)
		rc = err_set(e, ERR_STORAGE, "%s found no target that it shows to this initiator", k->doing);
	else if (t.status == ISCSIADM_LOGIN || t.status == ISCSIADM_FATAL_LOGIN)
		rc = err_set(e, ERR_WAIT_SERVER,
		             "%s failed: the server let nobody in, or did not answer in time", k->doing);
	else if (t.status)
		rc = iscsi_failure(t.status, buf_str(&t.err), k->doing, e);
	else if (t.out.data)
		iscsi_targets(k->source, t.out.data, k->op, k->out);
	tool_free(&t);
	return rc < 0 && net_another_may_do(e) ? 1 : rc;
}

/* The targets that a portal offers to us (SendTargets). Nothing is left in open-iscsi's database by it. */
static int iscsi_find(const struct pool_def *source, struct op *op, struct buf *out, struct err *e)
{
	struct pool_def d = { .type = POOL_ISCSI, .source = source->source };
	const struct pool_device none = { .path = "", .part_separator = -1 };
	struct iscsi_portal p;
	char doing[400];

	if (source->source.nhosts != 1)
		return err_set(e, ERR_INVALID,
		               "looking for iscsi pools needs exactly one host, the portal to ask");
	d.source.devices = &none;
	d.source.ndevices = 1;
	portal_of(&d, 0, op, &p);
	snprintf(doing, sizeof(doing), "discovery at %.300s", p.text);

	struct discovery k = { source, &p, op, out, doing };
	struct net_trial trial = { .host = p.host,
		                   .port = p.port,
		                   .family = AF_UNSPEC,
		                   .deadline = op->deadline,
		                   .use = discover_at,
		                   .arg = &k };

	if (iscsi_transport_load(e) == 0 &&
	    (!source->source.initiator || iscsi_iface_make(&d, &p, op, e) == 0) && net_try(&trial, e) == 0)
		return 0;
	return e && starts_with(e->message, doing) ? -1 : err_wrap(e, ERR_KEEP, "%s failed", doing);
}

const struct backend iscsi_backend = {
	.type = POOL_ISCSI,
	.summary = "a target on an iSCSI server; its LUNs",
	.waits_for = WAIT_NETWORK,
	.same_server = net_same_server,
	.image = IMAGE("iscsi", "iscsi_tcp sd_mod crypto-crc32c", "", "iscsid iscsiadm"),
	.service = &iscsid_service,
	.stop_frees = true,
	.pause = SECONDS(1),
	.deadline = { .start = SECONDS(45),
	              .stop = SECONDS(45),
	              .refresh = SECONDS(60),
	              .check = SECONDS(30) },
	.validate = iscsi_validate,
	.check = iscsi_check,
	.ground = iscsi_ground,
	.start = iscsi_start,
	.stop = iscsi_stop,
	.revive = iscsi_revive,
	.find = iscsi_find,
	.refresh = iscsi_refresh,
	.vol_wipe = block_vol_wipe,
	.vol_open = block_vol_open,
	.vol_identify = identity_volume,
};
