/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool's source is, in one line: two definitions with the same line mean the same storage. Made from
 * the definition alone, so two spellings of one device or host are two sources here; the backends find out
 * when they start.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/contract.h"
#include "base/util.h"
#include "pool/check.h"
#include "pool/def.h"

/* Host names (RFC 4343) and hexadecimal digits mean the same in either case, so that keys have the lower
 * one. */
static void add_lower_case(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_addc(out, (char)tolower((unsigned char)*s));
}

/* "host", "host:port", "[IPv6]:port"; the port is left out where it is not given and has no usual value. */
static void add_host(const struct pool_host *h, int usual_port, struct buf *out)
{
	bool v6 = strchr(h->name, ':') && h->name[0] != '['; /* in brackets it may be already */
	int port = h->port ? h->port : usual_port;

	buf_adds(out, v6 ? "[" : "");
	add_lower_case(out, h->name);
	buf_adds(out, v6 ? "]" : "");
	if (port)
		buf_printf(out, ":%d", port);
}

/* A world wide name without its "0x": with and without it is one port. */
static void add_wwn(const char *wwn, struct buf *out)
{
	add_lower_case(out, wwn + (wwn[0] == '0' && (wwn[1] == 'x' || wwn[1] == 'X') ? 2 : 0));
}

/* "scsi_host5", "fc_host5" and "host5" are one host. */
static void add_adapter(const struct pool_adapter *a, struct buf *out)
{
	const char *name = a->name;

	if (a->kind == ADAPTER_FC_HOST) {
		add_wwn(a->wwnn, out);
		buf_addc(out, '/');
		add_wwn(a->wwpn, out);
	} else if (name) {
		if (starts_with(name, "scsi_host"))
			name += strlen("scsi_");
		else if (starts_with(name, "fc_host"))
			name += strlen("fc_");
		buf_adds(out, name);
	} else {
		buf_printf(out, "pci-%04x:%02x:%02x.%x/%u", a->domain, a->bus, a->slot, a->function,
		           a->unique_id);
	}
}

/* Append the part of the definition that a letter of the key stands for (def.h); nothing for one that is not
 * given. */
static void add_part(const struct pool_def *d, char letter, struct buf *out)
{
	demand_or(strchr("DHadhint", letter), ); /* a letter that type.c has and this function has not */

	const struct {
		char letter;
		const char *text;
	} texts[] = {
		{ 'D', d->source.ndevices ? d->source.devices[0].path : NULL },
		{ 'd', d->source.dir },
		{ 'i', d->source.initiator },
		{ 'n', d->source.name },
		{ 't', d->target.path },
	};

	/* Types with a host in their key demand one of their documents, so that hosts[0] is there. */
	demand_or(d->source.nhosts > 0 || !strchr("Hh", letter), );
	if (letter == 'H' || letter == 'h')
		add_host(&d->source.hosts[0], letter == 'H' ? pool_type_info(d->type)->port : 0, out);
	else if (letter == 'a')
		add_adapter(&d->source.adapter, out);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].letter == letter)
			buf_adds(out, texts[i].text ? texts[i].text : "");
}

/* Walk the type's key. A key that needs a device is empty where the definition has none: such a pool takes
 * what it finds, and is compared when it has started. */
static void add_key(const struct pool_def *d, bool hosts, struct buf *out)
{
	const char *at = pool_type_info(d->type)->key;

	if (!at || (strstr(at, "%D") && d->source.ndevices == 0))
		return;
	for (; *at; at++)
		if (*at != '%')
			buf_addc(out, *at);
		else if (tolower((unsigned char)*++at) != 'h' || hosts)
			add_part(d, *at, out);
}

void pool_source_key(const struct pool_def *d, struct buf *out)
{
	add_key(d, true, out);
}

void pool_source_key_of_any_host(const struct pool_def *d, struct buf *out)
{
	add_key(d, false, out);
}

const char *pool_device(const struct pool_def *d, size_t i, char room[PATH_MAX])
{
	demand_or(i < d->source.ndevices && room, NULL);

	const char *given = d->source.devices[i].path;

	if (check_device(given))
		return given;
	if (pool_type_info(d->type)->device != WORD_ZPOOL_PART || check_zpool_word(given))
		return NULL;
	snprintf(room, PATH_MAX, "/dev/%.4000s", given);
	return room;
}

/* zpool has words of its own among the devices, and may have them more than once. */
const char *pool_device_twice(const struct pool_def *d)
{
	char a[PATH_MAX], b[PATH_MAX];

	for (size_t i = 1; i < d->source.ndevices; i++) {
		const char *device = pool_device(d, i, a), *other;

		for (size_t k = 0; device && k < i; k++)
			if ((other = pool_device(d, k, b)) && streq(device, other))
				return d->source.devices[i].path;
	}
	return NULL;
}
