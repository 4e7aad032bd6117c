/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The role "poolinit-dhcp": called by udhcpc at each event, with the lease in the environment; applies it and
 * ends.
 *
 * What the environment holds came from the network: each value is parsed as what it must be, and dropped if
 * it is not.
 *
 * It runs as a child of udhcpc, not of the supervisor: it shares no memory with it, and the supervisor hears
 * of its work as it hears of anybody's, by rtnetlink. What it has set is kept in a file, so that the next
 * event takes away that address and no other.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/early.h"
#include "boot/net/dhcp.h"
#include "boot/net/resolv.h"
#include "boot/net/rtnl.h"

#define DEFAULT_RUN_DIR "/run/poolinit"
#define REFUSALS_TOLD   8 /* of one lease: how much there is to refuse is the server's to decide */

/* One event of udhcpc, and the interface that it is about. */
struct lease {
	const char *device, *run_dir;
	int index;
	struct rtnl rtnl;
	char file[512];    /* run_dir/network/DEVICE.lease: the address that we have given the interface */
	char trouble[512]; /* run_dir/network/DEVICE.trouble: it has been said that nobody answers */
	unsigned refused;
};

/* A fact of the lease, from the environment; "" where the server did not give it. */
static const char *lease_fact(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* Call fn for each word of a list; what it cannot take is passed over. */
static void each_word(const char *list, void (*fn)(struct lease *l, const char *word, void *arg),
                      struct lease *l, void *arg)
{
	while (*list) {
		size_t len = strcspn(list, " ,\t\n");
		char word[256];

		if (len > 0 && len < sizeof(word)) {
			memcpy(word, list, len);
			word[len] = '\0';
			fn(l, word, arg);
		}
		list += len + (list[len] != '\0');
	}
}

/* "192.0.2.0/24". IPv4 only, as DHCP's own options are. */
static bool parse_prefixed(const char *text, struct ip_address *out)
{
	char copy[IP_TEXT + 4];
	char *slash, *end;
	long prefix;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (!slash)
		return false;
	*slash = '\0';
	prefix = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end || prefix < 0 || prefix > 32 || ip_address_parse(copy, out, NULL) < 0 ||
	    out->family != AF_INET)
		return false;
	out->prefix = (unsigned)prefix;
	return true;
}

/* An address of a list that is one of a host; of others it is said that they are passed over. */
static bool parse_host(struct lease *l, const char *what, const char *word, struct ip_address *out)
{
	if (ip_address_parse(word, out, NULL) == 0 && out->family == AF_INET && ip_address_is_host(out))
		return true;
	if (l->refused++ < REFUSALS_TOLD)
		log_warn(LF_NET, "%s: the DHCP server's %s \"%.40s\" cannot be a host's address: passed over",
		         l->device, what, word);
	return false;
}

/* ---- the address ---- */

/* What an earlier event has set, if it is not `keep`. */
static void drop_address(struct lease *l, const struct ip_address *keep)
{
	char text[IP_TEXT + 4];
	struct ip_address old;
	struct err e = { 0 };

	if (file_read_line(AT_FDCWD, l->file, text, sizeof(text)) < 0 || !parse_prefixed(text, &old))
		return;
	if (keep && old.prefix == keep->prefix && memcmp(old.bytes, keep->bytes, 4) == 0)
		return;
	if (rtnl_address_remove(&l->rtnl, l->index, &old, &e) < 0)
		log_warn(LF_NET, "%s: %s", l->device, e.message);
}

/* Whoever answers on the wire is believed: so what would cut this machine off is not. udhcpc has counted a
 * mask's ones for `mask`. */
static int check_address(struct ip_address *a, struct err *e)
{
	const char *mask = *lease_fact("mask") ? lease_fact("mask") : "24";
	struct ip_address server;

	if (*lease_fact("subnet"))
		mask = lease_fact("subnet");
	if (ip_address_parse(lease_fact("ip"), a, e) < 0 ||
	    ip_netmask_parse(mask, AF_INET, &a->prefix, e) < 0)
		return -1;
	if (a->family != AF_INET || a->prefix == 0 || !ip_address_is_host(a))
		return err_set(e, ERR_INVALID, "%s with mask %s cannot be a host's address", lease_fact("ip"),
		               mask);
	if (ip_address_parse(lease_fact("serverid"), &server, NULL) == 0 &&
	    memcmp(server.bytes, a->bytes, 4) == 0)
		return err_set(e, ERR_INVALID, "%s is the server's own address", lease_fact("ip"));
	return 0;
}

/* The client keeps what it has been given, and says no more. It ends, is started again, and asks
 * everybody. */
static void ask_anew(void)
{
	char path[32], name[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)getppid());
	if (file_read_line(AT_FDCWD, path, name, sizeof(name)) > 0 &&
	    (streq(name, "udhcpc") || streq(name, "busybox")))
		kill(getppid(), SIGTERM);
}

/* Give the interface its address, and remember it with the number of the client that has got it. An offer
 * that would cut this machine off is refused, and the client is made to ask again. */
static int take_lease_address(struct lease *l, struct ip_address *a, struct err *e)
{
	char text[IP_TEXT], line[IP_TEXT + 32];

	if (check_address(a, e) < 0) {
		ask_anew();
		return err_wrap(e, ERR_KEEP, "%s: the offer is refused", l->device);
	}
	/* First the old one: taking away an interface's primary address takes the later ones of its network
	 * with it. */
	drop_address(l, a);
	if (rtnl_link_up(&l->rtnl, l->index, e) < 0 || rtnl_address_add(&l->rtnl, l->index, a, e) < 0)
		return -1;
	snprintf(line, sizeof(line), "%s/%u\n%d\n", ip_address_print(a, text), a->prefix, (int)getppid());
	return file_replace(AT_FDCWD, l->file, line, strlen(line), 0644, e);
}

/* ---- routes ---- */

/* A route that the kernel refuses is told, and the others are set. */
static void set_route(struct lease *l, const struct ip_address *to, const struct ip_address *gateway)
{
	struct err e = { 0 };

	if (rtnl_route_add(&l->rtnl, l->index, to, gateway, &e) < 0 && l->refused++ < REFUSALS_TOLD)
		log_warn(LF_NET, "%s: %s", l->device, e.message);
}

/* The default route. Only the first router is used: the others are for when it is dead, which nobody here
 * would notice. */
static void take_router(struct lease *l, const char *word, void *arg)
{
	bool *done = arg;
	struct ip_address gateway;

	if (*done || streq(word, "0.0.0.0") || !parse_host(l, "router", word, &gateway))
		return; /* 0.0.0.0: there is none */
	*done = true;
	set_route(l, NULL, &gateway);
}

/* A route to what is not on any network would take it from this machine. */
static bool is_nobodys(const struct ip_address *to)
{
	return to->bytes[0] == 127 || to->bytes[0] >= 224;
}

/* RFC 3442: "NETWORK/BITS GATEWAY" in turn; 0.0.0.0: without one, it is on this network. */
static void take_classless(struct lease *l, const char *word, void *arg)
{
	struct ip_address *to = arg, gateway;

	if (!to->family) {
		parse_prefixed(word, to);
		return;
	}
	/* On the link are the networks of which the server says so, but not the whole world. */
	bool on_link = streq(word, "0.0.0.0");
	bool usable = on_link ? to->prefix && ip_address_parse(word, &gateway, NULL) == 0
	                      : parse_host(l, "router", word, &gateway);

	if (usable && (!to->prefix || !is_nobodys(to)))
		set_route(l, to->prefix ? to : NULL, &gateway);
	*to = (struct ip_address){ 0 };
}

/* Routes of a lease. Those of an earlier one are replaced by it, or go with their address. */
static void take_routes(struct lease *l)
{
	struct ip_address to = { 0 };
	bool done = false;

	/* A client that understands classless routes must not use the router option beside them. */
	if (*lease_fact("staticroutes"))
		each_word(lease_fact("staticroutes"), take_classless, l, &to);
	else
		each_word(lease_fact("router"), take_router, l, &done);
}

/* ---- names ---- */

static void add_nameserver(struct lease *l, const char *word, void *arg)
{
	struct ip_address a;
	char text[IP_TEXT];

	if (parse_host(l, "name server", word, &a))
		buf_printf(arg, "nameserver %s\n", ip_address_print(&a, text));
}

static void add_domain(struct lease *l, const char *word, void *arg)
{
	(void)l;
	if (ip_name_ok(word))
		buf_printf(arg, " %s", word);
}

/* Name servers and search domains; and the host name, where nobody has given this machine one. */
static int take_name_servers(struct lease *l, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT, domains = BUF_INIT;
	char current[65] = "";

	each_word(lease_fact("dns"), add_nameserver, l, &text);
	each_word(*lease_fact("search") ? lease_fact("search") : lease_fact("domain"), add_domain, l,
	          &domains);
	if (domains.len)
		buf_printf(&text, "search%s\n", buf_str(&domains));
	gethostname(current, sizeof(current) - 1);
	if (ip_name_ok(lease_fact("hostname")) && strlen(lease_fact("hostname")) <= 64 &&
	    (!*current || streq(current, "(none)") || streq(current, "localhost")))
		sethostname(lease_fact("hostname"), strlen(lease_fact("hostname")));
	return resolv_set(l->run_dir, l->device, buf_str(&text), e);
}

/* The packet size that the server gives, if it is one that works. Too small a one would break IPv6. */
static void take_mtu(struct lease *l)
{
	char *end;
	unsigned long mtu = strtoul(lease_fact("mtu"), &end, 10);
	struct err e = { 0 };

	/* RFC 2132: at least 68; IPv6 needs 1280, and so does everybody's patience. */
	if (*lease_fact("mtu") && !*end && mtu >= 576 && mtu <= 65535 &&
	    rtnl_link_mtu(&l->rtnl, l->index, (unsigned)mtu, &e) < 0)
		log_warn(LF_NET, "%s: %s", l->device, e.message);
}

/* ---- udhcpc's events ---- */

/* A lease, new or renewed: the size of packets before the address, since a first packet may follow at once.
 */
static int on_bound(struct lease *l, struct err *e)
{
	struct ip_address a;

	take_mtu(l);
	if (take_lease_address(l, &a, e) < 0)
		return -1;
	take_routes(l);
	if (take_name_servers(l, e) < 0) {
		log_warn(LF_NET, "%s: %s", l->device, e->message);
		err_clear(e);
	}
	if (l->refused > REFUSALS_TOLD)
		log_warn(LF_NET, "%s: nor can %u more of the DHCP server's addresses and routes be used",
		         l->device, l->refused - REFUSALS_TOLD);
	return file_remove(AT_FDCWD, l->trouble, e);
}

/* Was the lease got by the client that calls us now? Its number is the second line of the file. */
static bool is_own_lease(const struct lease *l)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(AT_FDCWD, l->file, sizeof(l->file), &text, NULL) < 0)
		return false;
	const char *second = strchr(buf_str(&text), '\n');
	return second && atoi(second + 1) == (int)getppid();
}

/* A client says so when it begins, and when its lease has ended. One that was started again after it died
 * begins too, and takes nothing away from under the pools: the address stands until the new client has got
 * one. */
static int on_deconfig(struct lease *l, struct err *e)
{
	char address[IP_TEXT + 4];
	bool had = dhcp_lease(l->run_dir, l->device, address, sizeof(address));

	if (rtnl_link_up(&l->rtnl, l->index, e) < 0)
		return -1;
	if (!had || !is_own_lease(l))
		return 0;
	log_warn(LF_NET, "%s: the DHCP lease of %s is lost", l->device, address);
	drop_address(l, NULL);
	if (file_remove(AT_FDCWD, l->file, e) < 0)
		return -1;
	return resolv_set(l->run_dir, l->device, "", e);
}

/* Nobody answers. udhcpc says so every few seconds; once is enough, until there was a lease again. A file
 * remembers it, because each call is a new process. */
static int on_trouble(struct lease *l, struct err *e)
{
	if (access(l->trouble, F_OK) == 0)
		return 0;
	log_warn(LF_NET, "%s: no DHCP server answers yet%s%.200s: asking on", l->device,
	         *lease_fact("message") ? ": " : "", lease_fact("message"));
	return file_replace(AT_FDCWD, l->trouble, "", 0, 0644, e);
}

static const struct {
	const char *name;
	int (*run)(struct lease *l, struct err *e);
} udhcpc_events[] = {
	{ "deconfig", on_deconfig }, { "bound", on_bound }, { "renew", on_bound },
	{ "leasefail", on_trouble }, { "nak", on_trouble },
};

/* What every event needs: the interface, which udhcpc names, our directory, a socket to the kernel. */
static int lease_open(struct lease *l, struct err *e)
{
	char dir[450];

	l->run_dir = *lease_fact("POOLINIT_RUN") ? lease_fact("POOLINIT_RUN") : DEFAULT_RUN_DIR;
	l->device = lease_fact("interface");
	if (!name_is_component(l->device) || strlen(l->device) >= IFNAMSIZ)
		return err_set(e, ERR_INVALID, "udhcpc names no interface: this role is for udhcpc only");
	l->index = (int)if_nametoindex(l->device);
	if (l->index <= 0)
		return err_sys(e, errno, "there is no interface %s", l->device);
	snprintf(dir, sizeof(dir), "%.400s/network", l->run_dir);
	snprintf(l->file, sizeof(l->file), "%s/%s.lease", dir, l->device);
	snprintf(l->trouble, sizeof(l->trouble), "%s/%s.trouble", dir, l->device);
	if (file_mkdirs(dir, 0755, e) < 0)
		return -1;
	return rtnl_open(&l->rtnl, e);
}

int dhcp_main(int argc, char **argv)
{
	struct lease l = { .rtnl = { .fd = -1 } };
	struct err e = { 0 };
	int r = 0;

	/* A container's messages are not the machine's. The supervisor tells of the lease itself when it sees
	 * the address. */
	if (argc != 2 || !early_is_machine() || log_to_kmsg(NULL) < 0)
		log_to_stderr();
	if (argc != 2) {
		log_error(LF_NET, DHCP_ROLE " is called by udhcpc, with one event");
		return 2;
	}
	r = lease_open(&l, &e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(udhcpc_events); i++)
		if (streq(argv[1], udhcpc_events[i].name))
			r = udhcpc_events[i].run(&l, &e);
	rtnl_close(&l.rtnl);
	if (r < 0)
		log_error(LF_NET, "DHCP event \"%.20s\": %s", argv[1], e.message);
	return r < 0;
}
