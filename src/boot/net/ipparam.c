/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ip=: ten fields between colons, or one word, or a device and a word.
 *
 * A command line that was written for another initramfs is to work here. So everything that the kernel
 * accepts is accepted, what others have added is told as unsupported, and a field that makes no sense is
 * left out with a sentence rather than taking the rest with it; but no machine gets an address that nobody
 * meant for it.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/util.h"
#include "boot/net/ipparam.h"

enum field {
	F_CLIENT,
	F_SERVER,
	F_GATEWAY,
	F_NETMASK,
	F_HOSTNAME,
	F_DEVICE,
	F_AUTOCONF,
	F_DNS0,
	F_DNS1,
	F_NTP0,
	FIELDS
};

static const char *const field_names[FIELDS] = {
	"client address", "server address", "gateway", "netmask", "host name",
	"device",         "autoconf",       "dns0",    "dns1",    "ntp0",
};

struct autoconf {
	const char *word;
	enum ip_method method;
	bool supported;
};

static const struct autoconf autoconfs[] = {
	{ "off", IP_OFF, true },       { "none", IP_OFF, true },    { "static", IP_STATIC, true },
	{ "dhcp", IP_DHCP, true },     { "on", IP_DHCP, true },     { "any", IP_DHCP, true },
	{ "both", IP_DHCP, true },     { "bootp", IP_DHCP, false }, { "rarp", IP_DHCP, false },
	{ "ibft", IP_DHCP, false },    { "dhcp6", IP_DHCP, false }, { "auto6", IP_DHCP, false },
	{ "either6", IP_DHCP, false }, { "link6", IP_DHCP, false }, { "link-local", IP_DHCP, false },
};

/* NULL: not a word for a method, so that it is some other field. */
static const struct autoconf *autoconf_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(autoconfs); i++)
		if (streq(word, autoconfs[i].word))
			return &autoconfs[i];
	return NULL;
}

/* ---- single values ---- */

int ip_address_parse(const char *text, struct ip_address *out, struct err *e)
{
	demand(text && out, e);

	char copy[IP_TEXT];
	size_t len = strlen(text);
	struct ip_address a = { 0 };

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(copy))
		return err_set(e, ERR_INVALID, "\"%.60s…\" is not an address", text);
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, a.bytes) == 1) {
		a.family = AF_INET;
		a.prefix = 32;
	} else if (inet_pton(AF_INET6, copy, a.bytes) == 1) {
		a.family = AF_INET6;
		a.prefix = 128;
	} else {
		return err_set(e, ERR_INVALID, "\"%s\" is not an address", copy);
	}
	*out = a;
	return 0;
}

const char *ip_address_print(const struct ip_address *a, char out[IP_TEXT])
{
	if (!a->family || !inet_ntop(a->family, a->bytes, out, IP_TEXT))
		snprintf(out, IP_TEXT, "none");
	return out;
}

bool ip_address_is_loopback(const struct ip_address *a)
{
	return a->family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK((const void *)a->bytes) : a->bytes[0] == 127;
}

bool ip_address_is_host(const struct ip_address *a)
{
	uint32_t v4 = (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 | (uint32_t)a->bytes[2] << 8 |
	              a->bytes[3];
	uint32_t hosts = a->prefix && a->prefix < 31 ? UINT32_MAX >> a->prefix : 0;

	if (ip_address_is_loopback(a))
		return false;
	if (a->family == AF_INET6)
		return a->bytes[0] != 0xff && !IN6_IS_ADDR_UNSPECIFIED((const void *)a->bytes);
	return a->bytes[0] != 0 && !IN_MULTICAST(v4) && v4 != UINT32_MAX &&
	       (!hosts || ((v4 & hosts) && (v4 & hosts) != hosts));
}

/* Digits and nothing else, up to max. -1: something else. */
static int parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -1;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return -1;
	}
	*out = n;
	return 0;
}

int ip_netmask_parse(const char *text, int family, unsigned *prefix, struct err *e)
{
	require(family == AF_INET || family == AF_INET6, e);

	struct in_addr mask;
	uint32_t bits;

	if (parse_number(text, family == AF_INET ? 32 : 128, prefix) == 0)
		return 0;
	if (family != AF_INET || inet_pton(AF_INET, text, &mask) != 1)
		return err_set(e, ERR_INVALID, "\"%s\" is neither a netmask nor a prefix length", text);
	bits = ntohl(mask.s_addr);
	if (~bits & (~bits + 1))
		return err_set(e, ERR_INVALID, "the ones of netmask \"%s\" do not stand together", text);
	for (*prefix = 0; bits; bits <<= 1)
		(*prefix)++;
	return 0;
}

/* What the kernel takes where no netmask is given: the address's class. */
static unsigned class_prefix(const struct ip_address *a)
{
	if (a->family == AF_INET6)
		return 64;
	return 8U + (a->bytes[0] >= 128 ? 8U : 0U) + (a->bytes[0] >= 192 ? 8U : 0U);
}

/* What the kernel lets an interface be called (dev_valid_name in net/core/dev.c). */
static bool device_name_ok(const char *s)
{
	if (!*s || strlen(s) >= IFNAMSIZ || streq(s, ".") || streq(s, ".."))
		return false;
	for (; *s; s++)
		if (*s == '/' || *s == ':' || *s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

/* As the kernel and DHCP servers have them, and people: an underscore is no letter of RFC 1123, and in many a
 * host's name. */
bool ip_name_ok(const char *s)
{
	if (!isalnum((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-._", *s))
			return false;
	return true;
}

bool ip_address_is_any(const struct ip_address *a)
{
	static const unsigned char zero[sizeof(a->bytes)];

	return a->family && memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

static int bad_field(enum field f, struct err *e)
{
	return err_wrap(e, ERR_KEEP, "%s", field_names[f]);
}

/* ---- the fields ---- */

/* Split at colons, those in brackets excepted. Returns the number of fields, at most FIELDS; -1 with e: there
 * were more, or a bracket is open. */
static int split_fields(char *text, char *fields[FIELDS], int *n, struct err *e)
{
	for (*n = 0;;) {
		char *end = text;

		if (*n == FIELDS)
			return err_set(e, ERR_INVALID, "more than %d fields", FIELDS);
		fields[(*n)++] = text;
		while (*end && *end != ':') {
			if (*end == '[') {
				end = strchr(end, ']');
				if (!end)
					return err_set(e, ERR_INVALID, "a ']' is missing");
			}
			end++;
		}
		if (!*end)
			return 0;
		*end = '\0';
		text = end + 1;
	}
}

/* Boot loaders write 0.0.0.0 where they have nothing, and the kernel reads it so. */
static int take_field_address(char *const *fields, enum field f, struct ip_address *out, struct err *e)
{
	struct ip_address a = { 0 };

	if (*fields[f] && ip_address_parse(fields[f], &a, e) < 0)
		return bad_field(f, e);
	if (!a.family || ip_address_is_any(&a))
		return 0;
	/* A name server may be here. */
	if (!ip_address_is_host(&a) && !(f >= F_DNS0 && ip_address_is_loopback(&a))) {
		err_set(e, ERR_INVALID, "\"%s\" cannot be a host's address", fields[f]);
		return bad_field(f, e);
	}
	*out = a;
	return 0;
}

/* The client's network: from "/24" behind its address, the netmask field, or its class. */
static int take_netmask(const char *slash, const char *mask, struct ip_address *client, struct err *e)
{
	unsigned prefix = 0;

	client->prefix = class_prefix(client);
	if (!slash && !*mask)
		return 0;
	if (ip_netmask_parse(slash ? slash : mask, client->family, &prefix, e) < 0)
		return bad_field(F_NETMASK, e);
	if (prefix)
		client->prefix = prefix;
	return slash && *mask ? err_set(e, ERR_INVALID,
	                                "a netmask is given twice: behind the client address, which counts, "
	                                "and as a field")
	                      : 0;
}

/* An empty field names no interface: any that suits will do. */
static int take_device(const char *text, struct ip_param *p, struct err *e)
{
	if (!*text)
		return 0;
	if (!device_name_ok(text)) {
		err_set(e, ERR_INVALID, "\"%s\" cannot be the name of a network interface", text);
		return bad_field(F_DEVICE, e);
	}
	memcpy(p->device, text, strlen(text) + 1);
	return 0;
}

/* A name that is bad is left out, and the host has none: the rest of the parameter does not depend on it. */
static int take_hostname(const char *text, struct ip_param *p, struct err *e)
{
	if (*text && (strlen(text) >= sizeof(p->hostname) || !ip_name_ok(text))) {
		err_set(e, ERR_INVALID, "\"%s\" cannot be a host name", text);
		return bad_field(F_HOSTNAME, e);
	}
	memcpy(p->hostname, text, strlen(text) + 1);
	return 0;
}

/* An empty word is the kernel's default, "any". */
static int take_autoconf(const char *word, struct ip_param *p, struct err *e)
{
	const struct autoconf *a = autoconf_find(*word ? word : "any");

	p->method = p->client.family ? IP_STATIC : IP_OFF;
	if (!a) {
		err_set(e, ERR_INVALID, "\"%s\" is none of off, none, on, any, dhcp, both", word);
		return bad_field(F_AUTOCONF, e);
	}
	if (p->client.family)
		return 0;
	if (a->method == IP_STATIC)
		return err_set(e, ERR_INVALID, "\"%s\" without a client address", word);
	if (!a->supported)
		return err_set(e, ERR_UNSUPPORTED, "\"%s\" is not supported: give an address or \"dhcp\"",
		               word);
	p->method = a->method;
	return 0;
}

/* ---- what is wrong is left out ---- */

/* Of a parameter: all that is wrong with it, and whether what is left says whom to give which address. */
struct faults {
	struct err all;
	bool unusable;
};

/* Note what is wrong, behind what was wrong already. True: nothing is. */
static bool good(struct faults *w, int rc, const struct err *why)
{
	char before[sizeof(w->all.message)];

	if (rc >= 0)
		return true;
	if (w->all.class == ERR_NONE) {
		w->all = *why;
		return false;
	}
	memcpy(before, w->all.message, sizeof(before));
	err_set(&w->all, w->all.class, "%s; %s", before, why->message);
	return false;
}

/* Without the address or the interface that was meant nothing is configured: neither another address, nor
 * another interface. */
static void must(struct faults *w, int rc, const struct err *why)
{
	w->unusable |= !good(w, rc, why);
}

/* dracut.cmdline(7) has an MTU and a hardware address behind AUTOCONF. */
static int say_not_set(const char *text, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
	               "\"%s\" behind the autoconf field: an MTU or a hardware address is not set here",
	               text);
}

/* Name and time servers, where dracut may have its MTU. */
static void parse_servers(char *const *fields, struct ip_param *p, struct faults *w)
{
	struct err e = { 0 };
	unsigned mtu;

	if (parse_number(fields[F_DNS0], UINT16_MAX, &mtu) == 0) {
		good(w, say_not_set(fields[F_DNS0], &e), &e);
		return;
	}
	good(w, take_field_address(fields, F_DNS0, &p->dns[0], &e), &e);
	good(w, take_field_address(fields, F_DNS1, &p->dns[1], &e), &e);
	good(w, take_field_address(fields, F_NTP0, &p->ntp, &e), &e);
}

/* All ten fields. Address and interface decide whether anything is configured; each of the others is left
 * out if it is wrong. The netmask is read before the address is judged, as it says what is a network's own
 * address. */
static void parse_full(char *const *fields, struct ip_param *p, struct faults *w)
{
	char *slash = strchr(fields[F_CLIENT], '/');
	struct err e = { 0 };

	if (slash)
		*slash++ = '\0';
	must(w, take_field_address(fields, F_CLIENT, &p->client, &e), &e);
	if (p->client.family)
		good(w, take_netmask(slash, fields[F_NETMASK], &p->client, &e), &e);
	if (p->client.family && !ip_address_is_host(&p->client)) {
		err_set(&e, ERR_INVALID, "\"%s/%u\" is its network's, not a host's", fields[F_CLIENT],
		        p->client.prefix);
		must(w, bad_field(F_CLIENT, &e), &e);
	}
	good(w, take_field_address(fields, F_SERVER, &p->server, &e), &e);
	good(w, take_field_address(fields, F_GATEWAY, &p->gateway, &e), &e);
	good(w, take_hostname(fields[F_HOSTNAME], p, &e), &e);
	must(w, take_device(fields[F_DEVICE], p, &e), &e);
	good(w, take_autoconf(fields[F_AUTOCONF], p, &e), &e);
	parse_servers(fields, p, w);
	if (p->client.family && p->gateway.family && p->client.family != p->gateway.family) {
		good(w, err_set(&e, ERR_INVALID, "client address and gateway are not of the same family"),
		     &e);
		p->gateway.family = 0;
	}
	if (!p->client.family && p->method != IP_DHCP && !w->unusable &&
	    (p->gateway.family || strspn(fields[F_NETMASK], "0.") < strlen(fields[F_NETMASK])))
		good(w, err_set(&e, ERR_INVALID, "a netmask or gateway without a client address"), &e);
}

/* "dhcp", "off"; "eth0:dhcp"; dracut's "eth0:dhcp:1500:52:54:00:12:34:56". Not a one-field "192.0.2.5": that
 * is the full form with its other fields left out, as it is with an address before a wrong server's. */
static bool is_short(char *const *fields, int n)
{
	struct ip_address a;

	if (n <= 2)
		return autoconf_find(fields[n - 1]) != NULL;
	return *fields[0] && autoconf_find(fields[1]) && ip_address_parse(fields[0], &a, NULL) < 0;
}

static void parse_short(char *const *fields, int n, struct ip_param *p, struct faults *w)
{
	struct err e = { 0 };

	if (n >= 2)
		must(w, take_device(fields[0], p, &e), &e);
	good(w, take_autoconf(fields[n >= 2 ? 1 : 0], p, &e), &e);
	for (int i = 2; i < n; i++)
		if (*fields[i]) {
			good(w, say_not_set(fields[i], &e), &e);
			return;
		}
}

int ip_param_parse(const char *value, struct ip_param *out, struct err *e)
{
	demand(value && out, e);

	char text[512], empty[] = "";
	char *fields[FIELDS];
	struct faults w = { .unusable = false };
	struct err why = { 0 };
	size_t len = strlen(value);
	int n = 0;

	*out = (struct ip_param){ .method = IP_OFF };
	if (!len)
		return err_set(e, ERR_INVALID, "ip= without a value");
	if (len >= sizeof(text))
		return err_set(e, ERR_TOO_LONG, "ip= is longer than %zu bytes", sizeof(text) - 1);
	memcpy(text, value, len + 1);
	for (int i = 0; i < FIELDS; i++)
		fields[i] = empty;
	if (!good(&w, split_fields(text, fields, &n, &why), &why) && n < FIELDS)
		w.unusable = true;
	else if (is_short(fields, n))
		parse_short(fields, n, out, &w);
	else
		parse_full(fields, out, &w);
	if (w.unusable)
		out->method = IP_OFF;
	if (w.all.class == ERR_NONE)
		return 0;
	return err_set(e, w.all.class, "ip=%s: %s%s", value, w.all.message,
	               out->method == IP_OFF ? ": no address is set by it" : " (the rest of it counts)");
}

int bootif_parse(const char *value, unsigned char mac[6], struct err *e)
{
	demand(value && mac, e);

	const char *p = value;
	unsigned n = 0;

	/* pxelinux puts the hardware type in front: 01 is Ethernet, and what else boot loaders and their
	 * templates write there means the same. */
	if (strlen(p) == 20 && isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]) &&
	    (p[2] == '-' || p[2] == ':'))
		p += 3;
	while (n < 6 && isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1])) {
		char pair[3] = { p[0], p[1], '\0' };

		mac[n++] = (unsigned char)strtoul(pair, NULL, 16);
		p += 2;
		if (n < 6 && (*p == '-' || *p == ':'))
			p++;
		else
			break;
	}
	/* No interface has the address of a group: the hardware type was taken for its first byte, and the
	 * last one is missing. */
	if (n != 6 || *p || (mac[0] & 1))
		return err_set(e, ERR_INVALID, "BOOTIF=%s is not a hardware address (01-52-54-00-12-34-56)",
		               value);
	return 0;
}
