/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a pool's source is, in one line: two definitions with the same line mean the same storage. Made from
 * the definition alone, so two spellings of one device or host are two sources here; the backends find out
 * when they start.
 */
#include <ctype.h>
#include <inttypes.h>

#include "base/util.h"
#include "pool/def.h"

#define ISCSI_PORT   3260
#define GLUSTER_PORT 24007

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

static void netfs_key(const struct pool_def *d, struct buf *out)
{
	buf_adds(out, "netfs:");
	add_host(&d->source.hosts[0], 0, out);
	buf_printf(out, ":%s", d->source.dir);
}

static void gluster_key(const struct pool_def *d, struct buf *out)
{
	buf_adds(out, "gluster:");
	add_host(&d->source.hosts[0], GLUSTER_PORT, out);
	buf_printf(out, "/%s%s", d->source.name, d->source.dir);
}

/* Two initiators may log in to one target: those are two pools. */
static void iscsi_key(const struct pool_def *d, struct buf *out)
{
	if (d->source.ndevices == 0)
		return;
	buf_adds(out, "iscsi:");
	add_host(&d->source.hosts[0], ISCSI_PORT, out);
	buf_printf(out, "/%s/%s", d->source.devices[0].path, d->source.initiator ? d->source.initiator : "");
}

static void add_wwn(const char *wwn, struct buf *out)
{
	add_lower_case(out, wwn + (wwn[0] == '0' && (wwn[1] == 'x' || wwn[1] == 'X') ? 2 : 0));
}

/* "scsi_host5", "fc_host5" and "host5" are one host. */
static void scsi_key(const struct pool_def *d, struct buf *out)
{
	const struct pool_adapter *a = &d->source.adapter;
	const char *name = a->name;

	buf_adds(out, "scsi:");
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

static void sheepdog_key(const struct pool_def *d, struct buf *out)
{
	buf_adds(out, "sheepdog:");
	add_host(&d->source.hosts[0], 0, out);
}

static void dir_key(const struct pool_def *d, struct buf *out)
{
	buf_printf(out, "dir:%s", d->target.path);
}

static void device_key(const struct pool_def *d, struct buf *out)
{
	buf_printf(out, "dev:%s", d->source.devices[0].path);
}

/* A host has one volume group, one zpool and one cluster of a name. */
static void vg_key(const struct pool_def *d, struct buf *out)
{
	buf_printf(out, "vg:%s", d->source.name);
}

static void name_key(const struct pool_def *d, struct buf *out)
{
	buf_printf(out, "%s:%s", pool_type_word(d->type), d->source.name);
}

static void mpath_key(const struct pool_def *d, struct buf *out)
{
	(void)d;
	buf_adds(out, "mpath:");
}

/* rbd and iscsi-direct are clients in user space: any number of them may share a source. */
static void (*const keys[POOL_TYPES])(const struct pool_def *, struct buf *) = {
	[POOL_DIR] = dir_key,         [POOL_FS] = device_key,   [POOL_NETFS] = netfs_key,
	[POOL_LOGICAL] = vg_key,      [POOL_DISK] = device_key, [POOL_ISCSI] = iscsi_key,
	[POOL_SCSI] = scsi_key,       [POOL_MPATH] = mpath_key, [POOL_SHEEPDOG] = sheepdog_key,
	[POOL_GLUSTER] = gluster_key, [POOL_ZFS] = name_key,    [POOL_VSTORAGE] = name_key,
};

void pool_source_key(const struct pool_def *d, struct buf *out)
{
	if (keys[d->type])
		keys[d->type](d, out);
}
