/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rtnetlink(7): requests, dumps, and the events that say that something changed.
 *
 * A request is built in a struct of fixed size and answered in one or several messages. Sequence numbers
 * tell which request an answer belongs to. Facts: rtnetlink(7), kernel Documentation/userspace-api/netlink.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "base/contract.h"
#include "base/util.h"
#include "boot/net/rtnl.h"

#define REPLY_BYTES 16384 /* what the kernel fills in one go for a dump */
#define HEARD_TURN  64    /* messages in one turn of the loop */

/* A request as the kernel reads it: header, what it is about, attributes. The largest that this file sends
 * fits. */
struct rtnl_request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
	} body;
	char attributes[256];
};

int rtnl_open(struct rtnl *r, struct err *e)
{
	/* The kernel answers before send() returns; the limit is for a kernel that does not keep to that. */
	struct timeval limit = { .tv_sec = 5 };

	*r = (struct rtnl){ .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) };
	if (r->fd < 0)
		return err_sys(e, errno, "cannot open an rtnetlink socket");
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* ---- requests ---- */

/* An empty request of a type. What is not set stays 0, which means "not given" throughout rtnetlink. */
static struct rtnl_request rtnl_request_new(unsigned short type, unsigned short flags, size_t body)
{
	struct rtnl_request q = { 0 };

	q.head.nlmsg_type = type;
	q.head.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
	q.head.nlmsg_len = (unsigned)NLMSG_LENGTH(body);
	return q;
}

/* The struct has room for every attribute that this file sends. */
static void add_attribute(struct rtnl_request *q, unsigned short type, const void *data, size_t len)
{
	demand_or(data || len == 0, );

	struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	if (NLMSG_ALIGN(q->head.nlmsg_len) + RTA_SPACE(len) > sizeof(*q))
		return;
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	q->head.nlmsg_len = (unsigned)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_SPACE(len));
}

static size_t address_bytes(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* Each request has a number, by which its answer is known: one that came too late for the request before is
 * passed. */
static int rtnl_send(struct rtnl *r, struct rtnl_request *q, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	q->head.nlmsg_seq = ++r->seq;
	do
		n = sendto(r->fd, q, q->head.nlmsg_len, 0, (void *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, errno, "cannot ask the kernel by rtnetlink") : 0;
}

static ssize_t rtnl_receive(struct rtnl *r, void *buf, size_t size, struct err *e)
{
	ssize_t n;

	do
		n = recv(r->fd, buf, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		err_sys(e, errno, "no answer from the kernel by rtnetlink");
	return n;
}

/* Each message of an answer. fn NULL: only the acknowledgement is of interest. Returns 0, or the kernel's
 * -errno. */
typedef void message_fn(const struct nlmsghdr *h, void *arg);

static int read_answer(struct rtnl *r, message_fn *fn, void *arg, struct err *e)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];

	for (;;) {
		ssize_t got = rtnl_receive(r, buf, sizeof(buf), e);

		if (got < 0)
			return -EIO;
		size_t left = (size_t)got;
		for (const struct nlmsghdr *h = (void *)buf;
		     left >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= left;) {
			if (h->nlmsg_seq == r->seq) {
				if (h->nlmsg_type == NLMSG_DONE)
					return 0;
				if (h->nlmsg_type == NLMSG_ERROR)
					return h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
					               ? -EIO
					               : ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
				if (fn)
					fn(h, arg);
			}
			size_t step = NLMSG_ALIGN(h->nlmsg_len);
			if (step > left)
				break;
			left -= step;
			h = (const void *)((const char *)h + step);
		}
	}
}

/* Do it, and give the kernel's verdict as a negative errno; `ignored` is one that means "it is so
 * already". */
static int transact(struct rtnl *r, struct rtnl_request *q, int ignored, struct err *e)
{
	int result;

	q->head.nlmsg_flags |= NLM_F_ACK;
	if (rtnl_send(r, q, e) < 0)
		return -1;
	result = read_answer(r, NULL, NULL, e);
	if (result == 0 || -result == ignored)
		return 0;
	if (result == -EIO && e && e->class != ERR_NONE)
		return -1;
	return err_sys(e, -result, "rtnetlink");
}

/* ---- links ---- */

struct link_walk {
	rtnl_link_fn *fn;
	void *arg;
};

/* One interface, from the attributes of its message. Those that are not known are passed; lengths are the
 * kernel's, and are checked all the same. */
static void link_message(const struct nlmsghdr *h, void *arg)
{
	struct link_walk *walk = arg;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct rtnl_link l = { 0 };

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return;
	l.index = info->ifi_index;
	l.loopback = info->ifi_flags & IFF_LOOPBACK;
	l.ethernet = info->ifi_type == ARPHRD_ETHER && !l.loopback;
	l.up = info->ifi_flags & IFF_UP;
	l.carrier = l.up && (info->ifi_flags & IFF_RUNNING);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*info));
	const struct rtattr *a = (const void *)((const char *)info + NLMSG_ALIGN(sizeof(*info)));
	while (RTA_OK(a, left)) {
		size_t len = RTA_PAYLOAD(a), step = RTA_ALIGN(a->rta_len);

		if (a->rta_type == IFLA_IFNAME && len > 0 && len <= sizeof(l.name))
			memcpy(l.name, RTA_DATA(a), len - 1);
		else if (a->rta_type == IFLA_ADDRESS && len == sizeof(l.mac))
			memcpy(l.mac, RTA_DATA(a), len);
		if (step > left)
			break;
		left -= step;
		a = (const void *)((const char *)a + step);
	}
	if (l.name[0])
		walk->fn(&l, walk->arg);
}

int rtnl_links(struct rtnl *r, rtnl_link_fn *fn, void *arg, struct err *e)
{
	demand(fn, e);

	struct rtnl_request q = rtnl_request_new(RTM_GETLINK, NLM_F_DUMP, sizeof(q.body.link));
	struct link_walk walk = { fn, arg };
	int result;

	if (rtnl_send(r, &q, e) < 0)
		return -1;
	result = read_answer(r, link_message, &walk, e);
	return result < 0 ? err_sys(e, -result, "cannot list the network interfaces") : 0;
}

int rtnl_link_up(struct rtnl *r, int index, struct err *e)
{
	struct rtnl_request q = rtnl_request_new(RTM_NEWLINK, 0, sizeof(q.body.link));

	q.body.link.ifi_index = index;
	/* `change` says which flags are meant; all others stay. */
	q.body.link.ifi_flags = q.body.link.ifi_change = IFF_UP;
	return transact(r, &q, 0, e) < 0 ? err_wrap(e, ERR_KEEP, "cannot bring interface %d up", index) : 0;
}

int rtnl_link_mtu(struct rtnl *r, int index, unsigned mtu, struct err *e)
{
	struct rtnl_request q = rtnl_request_new(RTM_NEWLINK, 0, sizeof(q.body.link));

	q.body.link.ifi_index = index;
	add_attribute(&q, IFLA_MTU, &mtu, sizeof(mtu));
	return transact(r, &q, 0, e) < 0
	               ? err_wrap(e, ERR_KEEP, "cannot set the MTU of interface %d to %u", index, mtu)
	               : 0;
}

/* ---- addresses ---- */

/* IFA_LOCAL and IFA_ADDRESS are the same but on point-to-point links, which are not made here. */
static struct rtnl_request address_request(unsigned short type, unsigned short flags, int index,
                                           const struct ip_address *a)
{
	struct rtnl_request q = rtnl_request_new(type, flags, sizeof(q.body.address));

	q.body.address.ifa_family = (unsigned char)a->family;
	q.body.address.ifa_prefixlen = (unsigned char)a->prefix;
	q.body.address.ifa_index = (unsigned)index;
	add_attribute(&q, IFA_LOCAL, a->bytes, address_bytes(a->family));
	add_attribute(&q, IFA_ADDRESS, a->bytes, address_bytes(a->family));
	return q;
}

int rtnl_address_add(struct rtnl *r, int index, const struct ip_address *a, struct err *e)
{
	demand(a->family == AF_INET || a->family == AF_INET6, e);
	demand(a->prefix <= 8 * address_bytes(a->family), e);

	struct rtnl_request q = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, a);
	char text[IP_TEXT];

	if (a->family == AF_INET6) {
		q.body.address.ifa_flags = IFA_F_NODAD;
	} else if (a->prefix < 31) {
		/* All ones behind the prefix (RFC 919); networks of two addresses or one have none (RFC
		 * 3021). */
		unsigned char broadcast[4];

		for (unsigned i = 0; i < 4; i++) {
			unsigned bits = a->prefix > i * 8 ? a->prefix - i * 8 : 0;

			broadcast[i] = (unsigned char)(a->bytes[i] | (bits >= 8 ? 0 : 0xff >> bits));
		}
		add_attribute(&q, IFA_BROADCAST, broadcast, sizeof(broadcast));
	}
	if (transact(r, &q, EEXIST, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot give interface %d the address %s/%u", index,
		                ip_address_print(a, text), a->prefix);
	return 0;
}

int rtnl_address_remove(struct rtnl *r, int index, const struct ip_address *a, struct err *e)
{
	demand(a->family == AF_INET || a->family == AF_INET6, e);

	struct rtnl_request q = address_request(RTM_DELADDR, 0, index, a);
	char text[IP_TEXT];

	if (transact(r, &q, EADDRNOTAVAIL, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot take the address %s from interface %d",
		                ip_address_print(a, text), index);
	return 0;
}

/* An address that others can reach: the scopes of link-local and loopback ones have larger numbers. */
static void address_message(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *a = NLMSG_DATA(h);
	bool *found = arg;

	if (h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*a)) &&
	    a->ifa_scope < RT_SCOPE_LINK)
		*found = true;
}

bool rtnl_has_address(struct rtnl *r)
{
	struct rtnl_request q = rtnl_request_new(RTM_GETADDR, NLM_F_DUMP, sizeof(q.body.address));
	bool found = false;

	return rtnl_send(r, &q, NULL) == 0 && read_answer(r, address_message, &found, NULL) == 0 && found;
}

/* ---- routes ---- */

int rtnl_route_add(struct rtnl *r, int index, const struct ip_address *to, const struct ip_address *gateway,
                   struct err *e)
{
	demand(to || gateway, e);

	struct rtnl_request q = rtnl_request_new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
	                                         sizeof(q.body.route));
	char text[IP_TEXT];
	bool any = false;

	q.body.route.rtm_family = (unsigned char)(to ? to->family : gateway->family);
	q.body.route.rtm_table = RT_TABLE_MAIN;
	q.body.route.rtm_protocol = RTPROT_BOOT;
	q.body.route.rtm_type = RTN_UNICAST;
	for (size_t i = 0; gateway && i < address_bytes(gateway->family); i++)
		any |= gateway->bytes[i] != 0;
	q.body.route.rtm_scope = any ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	if (to) {
		q.body.route.rtm_dst_len = (unsigned char)to->prefix;
		add_attribute(&q, RTA_DST, to->bytes, address_bytes(to->family));
	}
	if (any) {
		/* The operator, or the DHCP server, says that it is there: then it is, netmask or not. */
		q.body.route.rtm_flags = RTNH_F_ONLINK;
		add_attribute(&q, RTA_GATEWAY, gateway->bytes, address_bytes(gateway->family));
	}
	/* The metric keeps the default routes of several interfaces apart, so that each replaces only its
	 * own. */
	add_attribute(&q, RTA_PRIORITY, &index, sizeof(index));
	add_attribute(&q, RTA_OIF, &index, sizeof(index));
	if (transact(r, &q, EEXIST, e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot set a route through %s on interface %d",
		                gateway ? ip_address_print(gateway, text) : "the link", index);
	return 0;
}

/* ---- events ---- */

int rtnl_listen(struct err *e)
{
	struct sockaddr_nl self = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
		             RTMGRP_IPV6_ROUTE,
	};
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (void *)&self, sizeof(self)) < 0)
		return err_sys(e, errno, "cannot listen to network events");
	return steal_fd(&fd);
}

bool rtnl_heard(int fd)
{
	char buf[REPLY_BYTES];
	bool heard = false;

	for (int turn = 0; turn < HEARD_TURN; turn++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n > 0 || (n < 0 && errno == ENOBUFS))
			heard = true;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return heard;
}
