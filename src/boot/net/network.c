/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What ip= asks for, done as the interfaces come.
 *
 * Each ip= is a task. Whenever the kernel says that something changed, all open tasks look at the interfaces
 * there are: a task with a device waits for it by name, one without takes BOOTIF's, or the first with a
 * carrier; DHCP without a device asks on all of them, and the first lease ends the others.
 *
 * There is no state machine of an interface: every look begins with what the kernel says now, and does what
 * is still to be done. So events may be lost, come twice or come late.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/net/dhcp.h"
#include "boot/net/ipparam.h"
#include "boot/net/network.h"
#include "boot/net/resolv.h"
#include "boot/net/rtnl.h"

#define TASKS   16
#define LINKS   64
#define CLIENTS 16

/* One ip= of the command line, and how far it is. */
struct net_task {
	struct ip_param param;
	char device[IFNAMSIZ]; /* the interface it has been given */
	bool done;             /* static: set; DHCP: the client runs, or a lease ended the search */
};

struct network {
	struct supervisor *sup;
	const char *run_dir;
	struct watch events;
	struct rtnl rtnl;
	struct net_task tasks[TASKS];
	size_t ntasks;
	struct dhcp_client clients[CLIENTS];
	unsigned char bootif[6];
	bool has_bootif, configuring, off, ready;
	struct rtnl_link links[LINKS]; /* as they are now */
	size_t nlinks;
	struct chore open_tasks; /* those that could not be done though they might have been */
};

/* ---- the interfaces ---- */

static void note_link(const struct rtnl_link *l, void *arg)
{
	struct network *n = arg;

	if (n->nlinks < LINKS)
		n->links[n->nlinks++] = *l;
}

/* The interfaces as the kernel has them now. More than LINKS of them are not looked at. */
static int look_at_links(struct network *n, struct err *e)
{
	n->nlinks = 0;
	return rtnl_links(&n->rtnl, note_link, n, e);
}

static const struct rtnl_link *link_named(const struct network *n, const char *name)
{
	for (size_t i = 0; i < n->nlinks; i++)
		if (streq(n->links[i].name, name))
			return &n->links[i];
	return NULL;
}

/* An interface that is down has no carrier: it is switched on to see whether it has one. */
static void bring_up(struct network *n, const struct rtnl_link *l)
{
	struct err e = { 0 };

	if (!l->up && rtnl_link_up(&n->rtnl, l->index, &e) < 0)
		log_warn(LF_NET, "%s: %s", l->name, e.message);
}

/* Does another task name this interface, or has it got it? */
static bool has_other_task(const struct network *n, const struct rtnl_link *l, const struct net_task *by)
{
	for (size_t i = 0; i < n->ntasks; i++) {
		const struct net_task *t = &n->tasks[i];

		if (t != by && (streq(t->param.device, l->name) || streq(t->device, l->name)))
			return true;
	}
	return false;
}

/* May the task have this interface? The one that it names; else a wired one that nobody else has, and
 * BOOTIF's if there is one. */
static bool suits_task(const struct network *n, const struct rtnl_link *l, const struct net_task *t)
{
	if (t->param.device[0])
		return streq(l->name, t->param.device);
	if (!l->ethernet || has_other_task(n, l, t))
		return false;
	return !n->has_bootif || memcmp(l->mac, n->bootif, sizeof(n->bootif)) == 0;
}

/* ---- tasks ---- */

/* The first time that an interface with an address has its carrier is a milestone of the boot. */
static void network_ready(struct network *n)
{
	if (!n->ready)
		milestone(n->sup, "network");
	n->ready = true;
}

/* Address, then route: the gateway is reachable only then. */
static int set_static(struct network *n, struct net_task *t, const struct rtnl_link *l, struct err *e)
{
	const struct ip_param *p = &t->param;
	char address[IP_TEXT], gateway[IP_TEXT];

	if (rtnl_link_up(&n->rtnl, l->index, e) < 0 ||
	    rtnl_address_add(&n->rtnl, l->index, &p->client, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s", l->name);
	if (p->gateway.family && rtnl_route_add(&n->rtnl, l->index, NULL, &p->gateway, e) < 0)
		return err_wrap(e, ERR_KEEP, "%s", l->name);
	log_info(LF_NET, "%s: %s/%u, gateway %s", l->name, ip_address_print(&p->client, address),
	         p->client.prefix, ip_address_print(&p->gateway, gateway));
	return 0;
}

/* Give the address to the interface that the task names, or to the first that suits and has a carrier. */
static int try_static(struct network *n, struct net_task *t, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n->nlinks; i++) {
		const struct rtnl_link *l = &n->links[i];

		if (!suits_task(n, l, t))
			continue;
		bring_up(n, l);
		/* Which of several is meant shows in the carrier; a named one is set at once. */
		if (!t->param.device[0] && !l->carrier)
			continue;
		if (set_static(n, t, l, e) < 0) {
			rc = -1;
			continue;
		}
		snprintf(t->device, sizeof(t->device), "%s", l->name);
		t->done = true;
		return 0;
	}
	return rc;
}

static bool client_runs(const struct network *n, const char *device)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (streq(n->clients[i].device, device))
			return true;
	return false;
}

/* A DHCP client for an interface, in the first place that is free. */
static int start_client(struct network *n, const char *device, struct err *e)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (!n->clients[i].device[0]) {
			log_info(LF_NET, "%s: asking for an address by DHCP", device);
			return dhcp_start(&n->clients[i], supervisor_loop(n->sup), n->run_dir, device, e);
		}
	return err_set(e, ERR_LIMIT, "%s: more than %d DHCP clients", device, CLIENTS);
}

/* The search is over: the interface that got a lease belongs to the task, clients on interfaces that nobody
 * named end. */
static void end_search(struct network *n, struct net_task *t, const char *device, const char *address)
{
	log_info(LF_NET, "%s: %s by DHCP", device, address);
	snprintf(t->device, sizeof(t->device), "%s", device);
	t->done = true;
	for (size_t i = 0; i < CLIENTS; i++) {
		const struct rtnl_link *l = n->clients[i].device[0] ? link_named(n, n->clients[i].device)
		                                                    : NULL;

		if (l && !streq(l->name, device) && !has_other_task(n, l, t))
			dhcp_stop(&n->clients[i]);
	}
}

/* A client on every interface that suits and has a carrier; the first lease ends the search. */
static int try_dhcp(struct network *n, struct net_task *t, struct err *e)
{
	char address[IP_TEXT + 4];
	int rc = 0;

	for (size_t i = 0; i < n->nlinks; i++) {
		const struct rtnl_link *l = &n->links[i];

		if (!suits_task(n, l, t))
			continue;
		bring_up(n, l);
		if (client_runs(n, l->name)) {
			if (dhcp_lease(n->run_dir, l->name, address, sizeof(address))) {
				end_search(n, t, l->name, address);
				return 0;
			}
		} else if (l->carrier && start_client(n, l->name, e) < 0) {
			rc = -1;
		}
	}
	return rc;
}

/* What can be done now? Each open task looks at the interfaces as they are at this moment; one that fails
 * does not keep the others. -1: it is tried again later (a chore). */
static int do_tasks(void *network, struct err *e)
{
	struct network *n = network;
	int rc = 0;

	if (look_at_links(n, e) < 0)
		return -1;
	for (size_t i = 0; i < n->ntasks; i++) {
		struct net_task *t = &n->tasks[i];

		if (!t->done && (t->param.method == IP_DHCP ? try_dhcp : try_static)(n, t, e) < 0)
			rc = -1;
		const struct rtnl_link *l = t->done ? link_named(n, t->device) : NULL;
		if (l && l->carrier)
			network_ready(n);
	}
	return rc;
}

/* Something changed. */
static void configure_waiting(struct network *n)
{
	if (n->configuring)
		chore_try(n->sup, &n->open_tasks);
}

/* Something changed: first what we have to do about it, then the pools that wait for the network. */
static void on_events(struct watch *w, uint32_t events)
{
	struct network *n = w->owner;

	(void)events;
	if (!rtnl_heard(w->fd))
		return;
	configure_waiting(n);
	supervisor_network_event(n->sup);
}

/* ---- what the parameters say ---- */

static void add_task(struct network *n, const struct ip_param *p)
{
	require_or(n->ntasks < TASKS, );
	n->tasks[n->ntasks++] = (struct net_task){ .param = *p };
}

/* One ip=. Its problems are told, and what is good of it counts. */
static void take_ip(struct network *n, struct parameters *p, const char *value, struct buf *resolv)
{
	struct ip_param param;
	struct err e = { 0 };
	char text[IP_TEXT];

	if (ip_param_parse(value, &param, &e) == 0 && param.method != IP_OFF && n->ntasks == TASKS) {
		err_set(&e, ERR_LIMIT, "ip=%s: more than %d interfaces", value, TASKS);
		param.method = IP_OFF;
	}
	if (e.class != ERR_NONE)
		parameters_problem(p, "(command line)", &e);
	if (param.hostname[0] && sethostname(param.hostname, strlen(param.hostname)) < 0)
		log_warn(LF_NET, "cannot set the host name \"%s\": %s", param.hostname, strerror(errno));
	for (size_t i = 0; i < ARRAY_LEN(param.dns); i++)
		if (param.dns[i].family)
			buf_printf(resolv, "nameserver %s\n", ip_address_print(&param.dns[i], text));
	if (param.ntp.family) {
		char path[512], line[IP_TEXT + 1];

		snprintf(path, sizeof(path), "%s/ntp-servers", n->run_dir);
		snprintf(line, sizeof(line), "%s\n", ip_address_print(&param.ntp, text));
		file_replace(AT_FDCWD, path, line, strlen(line), 0644, &e);
	}
	if (param.method == IP_OFF)
		n->off = true;
	else
		add_task(n, &param);
}

/* One nameserver=. It is written to /etc/resolv.conf together with those of ip=. */
static void take_nameserver(struct parameters *p, const char *value, struct buf *resolv)
{
	struct ip_address a;
	struct err e = { 0 };
	char text[IP_TEXT];

	if (ip_address_parse(value, &a, &e) == 0 && !ip_address_is_host(&a) && !ip_address_is_loopback(&a))
		err_set(&e, ERR_INVALID, "\"%s\" cannot be a host's address", value);
	if (e.class == ERR_NONE) {
		buf_printf(resolv, "nameserver %s\n", ip_address_print(&a, text));
	} else {
		err_wrap(&e, ERR_KEEP, "nameserver=");
		parameters_problem(p, "(command line)", &e);
	}
}

/* The kernel leaves loopback off. Programs that talk to themselves by 127.0.0.1 would not find anybody. */
static void loopback_up(struct network *n)
{
	const struct rtnl_link *lo = look_at_links(n, NULL) == 0 ? link_named(n, "lo") : NULL;

	if (lo)
		bring_up(n, lo);
}

void network_configure(struct network *n, struct parameters *p)
{
	demand_or(n && p, );

	cleanup_buf struct buf resolv = BUF_INIT;
	struct err e = { 0 };

	n->configuring = true;
	loopback_up(n);
	if (p->bootif) {
		/* One that cannot be read names an interface all the same: none that is here. */
		n->has_bootif = true;
		if (bootif_parse(p->bootif, n->bootif, &e) < 0) {
			memset(n->bootif, 0, sizeof(n->bootif));
			parameters_problem(p, "(command line)", &e);
		}
	}
	for (size_t i = 0; i < p->nameserver.n; i++)
		take_nameserver(p, p->nameserver.items[i], &resolv);
	for (size_t i = 0; i < p->ip.n; i++)
		take_ip(n, p, p->ip.items[i], &resolv);
	err_clear(&e);
	if (resolv.len && resolv_set(n->run_dir, RESOLV_COMMAND_LINE, buf_str(&resolv), &e) < 0)
		supervisor_add_problem(n->sup, "network", &e);
	configure_waiting(n);
}

void network_needed(struct network *n)
{
	demand_or(n, );
	if (!n->configuring || n->ntasks || n->off || rtnl_has_address(&n->rtnl))
		return;
	log_info(LF_NET, "a pool needs the network and there is no ip=: as if ip=dhcp had been given");
	add_task(n, &(struct ip_param){ .method = IP_DHCP });
	configure_waiting(n);
}

/* ---- from beginning to end ---- */

struct network *network_listen(struct supervisor *s, struct err *e)
{
	demand_or(s, NULL);

	struct network *n = calloc(1, sizeof(*n));
	int fd;

	if (!n) {
		err_set(e, ERR_NO_MEMORY, "cannot listen to network events: out of memory");
		return NULL;
	}
	n->sup = s;
	n->run_dir = supervisor_options(s)->run_dir;
	n->events = (struct watch){ .fd = -1, .on_event = on_events, .owner = n };
	n->rtnl.fd = -1;
	n->open_tasks = (struct chore){ .origin = "network", .attempt = do_tasks, .owner = n };
	fd = rtnl_listen(e);
	if (fd < 0 || rtnl_open(&n->rtnl, e) < 0 ||
	    loop_watch(supervisor_loop(s), &n->events, fd, EPOLLIN, e) < 0) {
		if (fd >= 0)
			close(fd);
		rtnl_close(&n->rtnl);
		free(n);
		return NULL;
	}
	return n;
}

bool network_owns(const struct network *n, pid_t pid)
{
	for (size_t i = 0; n && i < CLIENTS; i++)
		if (n->clients[i].pid == pid)
			return true;
	return false;
}

void network_free(struct network *n)
{
	int fd;

	if (!n)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		dhcp_stop(&n->clients[i]);
	chore_end(&n->open_tasks);
	fd = n->events.fd;
	loop_unwatch(supervisor_loop(n->sup), &n->events);
	if (fd >= 0)
		close(fd);
	rtnl_close(&n->rtnl);
	free(n);
}
