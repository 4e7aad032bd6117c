/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ip=, nameserver= and BOOTIF=: the words of the kernel's nfsroot syntax, and nothing done with them yet.
 *
 *     ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF:DNS0:DNS1:NTP0
 *     (Documentation/admin-guide/nfs/nfsroot.rst)
 *     ip=AUTOCONF     ip=DEVICE:AUTOCONF[:MTU[:MAC]]
 *     (dracut.cmdline(7); an MTU or a hardware address is told as not set)
 *
 * IPv6 addresses stand in brackets; CLIENT may carry its prefix length ("192.0.2.5/24"), and so may NETMASK
 * ("24").
 */
#ifndef POOLINIT_BOOT_NET_IPPARAM_H
#define POOLINIT_BOOT_NET_IPPARAM_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include "base/err.h"

struct ip_address {
	int family; /* AF_INET, AF_INET6; 0: none */
	unsigned char bytes[16];
	unsigned prefix; /* bits of the network; 32 or 128 where it means nothing */
};

enum ip_method {
	IP_OFF, /* "off", "none", without an address: leave the network alone */
	IP_STATIC,
	IP_DHCP, /* "dhcp", "on", "any", "both" */
};

struct ip_param {
	enum ip_method method;
	struct ip_address client, server, gateway;
	char device[IFNAMSIZ]; /* empty: whichever has a carrier first (or BOOTIF's) */
	char hostname[65];
	struct ip_address dns[2], ntp;
};

/* Read one value of ip=. -1 says which fields are wrong and why, and *out holds the rest all the same: what
 * counts is what was meant for certain. Where the address or the interface is what is wrong, the method is
 * IP_OFF: nothing else is configured instead. As in the kernel, an address that is given wins over AUTOCONF,
 * one that is 0.0.0.0 is not given, and a missing netmask is the address's class (A, B, C; 64 for IPv6).
 * "bootp", "rarp" and what others have added ("ibft", "dhcp6", …) are ERR_UNSUPPORTED. */
int ip_param_parse(const char *value, struct ip_param *out, struct err *e);

/* A numeric address, IPv6 with or without brackets. */
int ip_address_parse(const char *text, struct ip_address *out, struct err *e);
/* Can one host have it, seen from another? Not what stands for none, for whoever asks, for a group or for
 * all; nor, with the prefix that it has, for its network or all in it. */
bool ip_address_is_host(const struct ip_address *a);
bool ip_address_is_loopback(const struct ip_address *a);
/* Read "255.255.255.0" or "24" into a number of bits; family is AF_INET or AF_INET6, which has the second
 * form only. The ones must stand together. ERR_INVALID otherwise. */
int ip_netmask_parse(const char *text, int family, unsigned *prefix, struct err *e);
#define IP_TEXT 64
_Static_assert(IP_TEXT > sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"), "any address fits");
bool ip_address_is_any(const struct ip_address *a); /* 0.0.0.0 or :: */
/* A host's or a domain's name that can be used. */
bool ip_name_ok(const char *s);
/* As inet_ntop(3) prints it, without the prefix; "none" for no address. Returns out. */
const char *ip_address_print(const struct ip_address *a, char out[IP_TEXT]);

/* Read the hardware address of BOOTIF=: "01-52-54-00-12-34-56" (pxelinux; the hardware type in front may be
 * any) or "52:54:00:12:34:56". ERR_INVALID: it is none. */
int bootif_parse(const char *value, unsigned char mac[6], struct err *e);

#endif
