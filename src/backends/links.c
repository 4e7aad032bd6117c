/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * /dev/disk/by-* where no udev makes them. First the names: by the way to the device (by-path), by what the device says of itself (by-id), by what
 * is on it (by-uuid, by-label, by-partuuid, by-partlabel). Then the links. Last, who uses a device.
 * The rules are those of udev's 60-persistent-storage.rules and its path_id and scsi_id, so that names stay the same with and without it.
 */
#include "backends/links.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/hdreg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backends/device.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/util.h"

#define LINKS_LIMIT (64 * 1024)         /* bytes of a device's list of links */

/* ---- reading sysfs ---- */

__attribute__((format(printf, 3, 4)))
static bool path_of(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size;
}

/* An attribute below a device's directory; false if it is absent or empty. */
static bool attribute(const char *dir, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];

	return path_of(path, sizeof(path), "%s/%s", dir, name) && file_read_line(AT_FDCWD, path, out, size) > 0;
}

static bool attribute_is(const char *dir, const char *name, const char *value)
{
	char text[64];

	return attribute(dir, name, text, sizeof(text)) && streq(text, value);
}

/* Base name of the link dir/subsystem: "pci", "scsi"; empty for directories that are no devices. */
static void subsystem_of(const char *dir, char *out, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n = -1;

	if (path_of(path, sizeof(path), "%s/subsystem", dir))
		n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	path_of(out, size, "%s", path_base(target));
}

/* Cut the last component off. False at the top. */
static bool to_parent(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return false;
	*slash = '\0';
	return true;
}

/* The device's real directory in /sys/devices; for a partition that of its disk, and *part its number (else 0). */
static bool block_dir(const char *sys, const char *sysname, char *dir, int *part)
{
	char path[PATH_MAX], number[16];

	*part = 0;
	if (!path_of(path, sizeof(path), "%s/class/block/%s", sys, sysname) || !realpath(path, dir))
		return false;
	if (attribute(dir, "partition", number, sizeof(number))) {
		*part = atoi(number);
		return to_parent(dir);
	}
	return true;
}

/* ---- by-path: udev's path_id, from the device up to its bus ---- */

struct way {
	const char *sys;
	char text[512];
	bool parent_known;      /* there is a bus address at the root … */
	bool transport_known;   /* … and all between it and the disk is understood: otherwise the name would not be unique */
	bool refused;
};

__attribute__((format(printf, 2, 3)))
static void way_prepend(struct way *w, const char *fmt, ...)
{
	char step[512], whole[sizeof(w->text)];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(step) || !path_of(whole, sizeof(whole), "%s%s%s", step, w->text[0] ? "-" : "", w->text))
		w->refused = true;
	else
		memcpy(w->text, whole, sizeof(whole));
}

/* Up to the topmost of the directly enclosing devices of this subsystem: PCI bridges and USB hubs do not belong to the name. */
static void skip_subsystem(char *dir, const char *subsystem)
{
	char up[PATH_MAX], name[64];

	memcpy(up, dir, strlen(dir) + 1);
	while (to_parent(up)) {
		subsystem_of(up, name, sizeof(name));
		if (!name[0])
			continue;
		if (!streq(name, subsystem))
			return;
		memcpy(dir, up, strlen(up) + 1);
	}
}

/* SAM LUNs below 256 are written as such, others as the eight bytes. */
static void lun_text(unsigned long lun, char *out, size_t size)
{
	if (lun < 256)
		path_of(out, size, "lun-%lu", lun);
	else
		path_of(out, size, "lun-0x%04lx%04lx00000000", lun & 0xffff, (lun >> 16) & 0xffff);
}

/* Cut dir after the component that begins with this, as in ".../session3/target…": its name, or NULL. */
static const char *enclosing(char *dir, const char *prefix)
{
	do {
		if (starts_with(path_base(dir), prefix) && isdigit((unsigned char)path_base(dir)[strlen(prefix)]))
			return path_base(dir);
	} while (to_parent(dir));
	return NULL;
}

static void way_iscsi(struct way *w, const char *device, unsigned long lun)
{
	char up[PATH_MAX], dir[PATH_MAX], target[256], address[128], port[16], lun_name[32];
	const char *session;

	memcpy(up, device, strlen(device) + 1);
	session = enclosing(up, "session");
	lun_text(lun, lun_name, sizeof(lun_name));
	if (!session || !path_of(dir, sizeof(dir), "%s/class/iscsi_session/%s", w->sys, session) ||
	    !attribute(dir, "targetname", target, sizeof(target)) ||
	    !path_of(dir, sizeof(dir), "%s/class/iscsi_connection/connection%s:0", w->sys, session + strlen("session")) ||
	    !attribute(dir, "persistent_address", address, sizeof(address)) || !attribute(dir, "persistent_port", port, sizeof(port))) {
		w->refused = true;
		return;
	}
	w->parent_known = true;
	way_prepend(w, "ip-%s:%s-iscsi-%s-%s", address, port, target, lun_name);
}

static void way_fibre_channel(struct way *w, const char *device, unsigned long lun)
{
	char up[PATH_MAX], dir[PATH_MAX], port[64], lun_name[32];
	const char *rport;

	memcpy(up, device, strlen(device) + 1);
	rport = enclosing(up, "rport-");
	lun_text(lun, lun_name, sizeof(lun_name));
	if (!rport || !path_of(dir, sizeof(dir), "%s/class/fc_remote_ports/%s", w->sys, rport) ||
	    !attribute(dir, "port_name", port, sizeof(port))) {
		w->refused = true;
		return;
	}
	w->parent_known = true;
	way_prepend(w, "fc-%s-%s", port, lun_name);
}

static void way_ata(struct way *w, const char *device, unsigned bus, unsigned target)
{
	char up[PATH_MAX], dir[PATH_MAX], port[16];
	const char *ata;

	memcpy(up, device, strlen(device) + 1);
	ata = enclosing(up, "ata");
	if (!ata || !path_of(dir, sizeof(dir), "%s/class/ata_port/%s", w->sys, ata) || !attribute(dir, "port_no", port, sizeof(port))) {
		w->refused = true;
		return;
	}
	/* Devices behind a port multiplier have a bus; master and slave differ in the target. */
	if (bus)
		way_prepend(w, "ata-%s.%u.0", port, bus);
	else
		way_prepend(w, "ata-%s.%u", port, target);
}

/* Host numbers are given out as drivers load: count from the first host of the same adapter. */
static void way_scsi_host(struct way *w, const char *device, unsigned host, unsigned bus, unsigned target, unsigned long lun)
{
	char dir[PATH_MAX];
	unsigned base = host;
	struct dirent *entry;
	DIR *d;

	memcpy(dir, device, strlen(device) + 1);
	d = enclosing(dir, "host") && to_parent(dir) ? opendir(dir) : NULL;
	if (!d) {
		w->refused = true;
		return;
	}
	while ((entry = readdir(d))) {
		unsigned n;

		if (sscanf(entry->d_name, "host%u", &n) == 1 && n < base)
			base = n;
	}
	closedir(d);
	way_prepend(w, "scsi-%u:%u:%u:%lu", host - base, bus, target, lun);
}

/* A SCSI disk's own place; dir is left at its host, which ends what SCSI has to say. */
static void way_scsi(struct way *w, char *dir)
{
	unsigned host, bus, target;
	unsigned long lun;

	w->transport_known = true;
	if (sscanf(path_base(dir), "%u:%u:%u:%lu", &host, &bus, &target, &lun) != 4)
		return;                 /* target or host: not addressed by themselves */
	if (strstr(dir, "/session"))
		way_iscsi(w, dir, lun);
	else if (strstr(dir, "/rport-"))
		way_fibre_channel(w, dir, lun);
	else if (strstr(dir, "/ata"))
		way_ata(w, dir, bus, target);
	else if (strstr(dir, "/end_device-") || strstr(dir, "/vmbus_"))
		w->refused = true;      /* SAS expanders and Hyper-V have rules of their own */
	else
		way_scsi_host(w, dir, host, bus, target, lun);
	enclosing(dir, "host");
}

static void way_usb(struct way *w, char *dir)
{
	const char *port = strchr(path_base(dir), '-');

	w->transport_known = true;
	if (!port)
		return;
	way_prepend(w, "usb-0:%s", port + 1);
	skip_subsystem(dir, "usb");
}

static void way_pci(struct way *w, char *dir)
{
	w->parent_known = true;
	way_prepend(w, "pci-%s", path_base(dir));
	skip_subsystem(dir, "pci");
}

static void way_platform(struct way *w, char *dir)
{
	w->parent_known = w->transport_known = true;
	way_prepend(w, "platform-%s", path_base(dir));
	skip_subsystem(dir, "platform");
}

static void way_virtio(struct way *w, char *dir)
{
	w->transport_known = true;
	skip_subsystem(dir, "virtio");
}

static void way_nvme(struct way *w, char *dir)
{
	w->parent_known = w->transport_known = true;    /* the namespace was put in front by the disk itself */
	skip_subsystem(dir, "nvme");
}

static const struct {
	const char *subsystem;
	void (*step)(struct way *w, char *dir);
} steps[] = {
	{ "scsi", way_scsi }, { "usb", way_usb }, { "pci", way_pci }, { "platform", way_platform }, { "virtio", way_virtio }, { "nvme", way_nvme },
};

int link_by_path(const char *sys, const char *sysname, char *out, size_t size)
{
	struct way w = { .sys = sys };
	char dir[PATH_MAX], subsystem[64], nsid[16];
	int part;

	if (!block_dir(sys, sysname, dir, &part) || strstr(dir, "/virtual/"))
		return -1;
	if (starts_with(path_base(dir), "nvme") && attribute(dir, "nsid", nsid, sizeof(nsid)))
		way_prepend(&w, "nvme-%s", nsid);
	while (to_parent(dir) && !w.refused) {
		subsystem_of(dir, subsystem, sizeof(subsystem));
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			if (streq(subsystem, steps[i].subsystem)) {
				steps[i].step(&w, dir);
				break;
			}
		}
	}
	if (w.refused || !w.parent_known || !w.transport_known || !w.text[0])
		return -1;
	if (part)
		return path_of(out, size, "%s-part%d", w.text, part) ? 0 : -1;
	return path_of(out, size, "%s", w.text) ? 0 : -1;
}

/* ---- by-id: what the device says of itself ---- */

/* Trim, make each run of white space one '_', and every character that is not safe in a link name '_'. */
static void name_tidy(char *s)
{
	char *out = s;

	for (char *p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (isspace(c)) {
			if (out > s && out[-1] != ' ')
				*out++ = ' ';
		} else {
			*out++ = isalnum(c) || strchr("#+-.:=@_", c) ? (char)c : '_';
		}
	}
	if (out > s && out[-1] == ' ')
		out--;
	*out = '\0';
	for (char *p = s; *p; p++)
		if (*p == ' ')
			*p = '_';
}

/* The identifiers of SCSI page 0x83, in scsi_id's order of preference. */
static const struct { unsigned char type; int naa; } id_preference[] = {
	{ 3, 6 }, { 3, 5 }, { 3, -1 }, { 2, -1 }, { 1, -1 }, { 0, -1 },
};

/* The descriptor in a page 0x83 of that type (and kind of NAA, unless -1) that names the logical unit; NULL: none. */
static const unsigned char *page83_find(const unsigned char *page, size_t len, unsigned char type, int naa)
{
	size_t end = 4 + (size_t)(page[2] << 8 | page[3]);

	if (end > len)
		end = len;
	for (size_t at = 4; at + 4 <= end && at + 4 + page[at + 3] <= end; at += 4 + (size_t)page[at + 3]) {
		const unsigned char *d = page + at;

		if ((d[1] & 0x30) != 0 || (d[1] & 0x0f) != type || d[3] == 0)
			continue;
		if (naa < 0 || d[4] >> 4 == naa)
			return d;
	}
	return NULL;
}

static void page83_text(const unsigned char *d, const char *dir, struct buf *b)
{
	char vendor[32] = "", model[64] = "";

	buf_printf(b, "%x", d[1] & 0x0f);
	if ((d[1] & 0x0f) == 0 && attribute(dir, "vendor", vendor, sizeof(vendor)) && attribute(dir, "model", model, sizeof(model)))
		buf_printf(b, "%-8s%-16s", vendor, model);
	for (size_t i = 0; i < d[3]; i++) {
		if ((d[0] & 0x0f) == 1)
			buf_printf(b, "%02x", d[4 + i]);
		else if (d[4 + i])
			buf_addc(b, (char)d[4 + i]);
	}
}

/* Binary attribute. Length, or 0. */
static size_t attribute_bytes(const char *dir, const char *name, unsigned char *out, size_t size)
{
	char path[PATH_MAX];
	cleanup_close int fd = path_of(path, sizeof(path), "%s/%s", dir, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);

	return n > 0 ? (size_t)n : 0;
}

static bool serial_from_page83(const char *dir, struct buf *b, bool *naa)
{
	unsigned char page[1024];
	size_t len = attribute_bytes(dir, "vpd_pg83", page, sizeof(page));

	for (size_t i = 0; len > 4 && i < ARRAY_LEN(id_preference); i++) {
		const unsigned char *d = page83_find(page, len, id_preference[i].type, id_preference[i].naa);

		if (!d)
			continue;
		*naa = (d[1] & 0x0f) == 3 && (d[0] & 0x0f) == 1;
		page83_text(d, dir, b);
		return true;
	}
	return false;
}

/* The kernel's own reading of that page: "naa.6001…", "eui.…", "t10.VENDOR …". */
static bool serial_from_wwid(const char *dir, struct buf *b, bool *naa)
{
	static const struct { const char *prefix; char type; } kinds[] = { { "naa.", '3' }, { "eui.", '2' }, { "t10.", '1' } };
	char wwid[300];

	if (!attribute(dir, "wwid", wwid, sizeof(wwid)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!starts_with(wwid, kinds[i].prefix))
			continue;
		*naa = kinds[i].type == '3';
		buf_printf(b, "%c%s", kinds[i].type, wwid + strlen(kinds[i].prefix));
		return true;
	}
	return false;
}

/* Page 0x80: the unit serial number, unique only together with vendor and model. */
static bool serial_from_page80(const char *dir, struct buf *b)
{
	unsigned char page[260];
	char vendor[32] = "", model[64] = "";
	size_t len = attribute_bytes(dir, "vpd_pg80", page, sizeof(page));

	if (len <= 4 || !page[3] || (size_t)page[3] + 4 > len)
		return false;
	attribute(dir, "vendor", vendor, sizeof(vendor));
	attribute(dir, "model", model, sizeof(model));
	buf_printf(b, "S%-8s%-16s%.*s", vendor, model, (int)page[3], (const char *)page + 4);
	return true;
}

int link_scsi_serial(const char *sys, const char *sysname, char *out, size_t size, bool *naa)
{
	cleanup_buf struct buf b = BUF_INIT;
	char dir[PATH_MAX];
	bool world_wide = false;
	int part;

	if (!block_dir(sys, sysname, dir, &part) || !path_of(dir + strlen(dir), sizeof(dir) - strlen(dir), "/device"))
		return -1;
	if (!serial_from_page83(dir, &b, &world_wide) && !serial_from_wwid(dir, &b, &world_wide) && !serial_from_page80(dir, &b))
		return -1;
	if (!path_of(out, size, "%s", buf_str(&b)))
		return -1;
	name_tidy(out);
	if (naa)
		*naa = world_wide;
	return out[0] && out[1] ? 0 : -1;
}

/* The names so far, all of one device; `part` is "" or "-partN". */
struct names {
	const struct device_roots *roots;
	const char *sysname;
	char dir[PATH_MAX];             /* of the disk, in /sys/devices */
	char part[16];
	struct buf *out;
};

__attribute__((format(printf, 2, 3)))
static void name_add(struct names *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(n->out, fmt, ap);
	va_end(ap);
	buf_addc(n->out, '\n');
}

/* An ATA disk answers IDENTIFY with its full model and serial number; SCSI's inquiry has only sixteen characters of the model. */
static bool ata_identity(struct names *n, char *out, size_t size)
{
	char path[PATH_MAX], model[41], serial[21];
	struct hd_driveid id;
	cleanup_close int fd = -1;

	if (!path_of(path, sizeof(path), "%s/%s", n->roots->dev, path_base(n->dir)))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, HDIO_GET_IDENTITY, &id) < 0)
		return false;
	path_of(model, sizeof(model), "%.40s", (const char *)id.model);
	path_of(serial, sizeof(serial), "%.20s", (const char *)id.serial_no);
	name_tidy(model);
	name_tidy(serial);
	return model[0] && path_of(out, size, serial[0] ? "%s_%s" : "%s", model, serial);
}

/* The USB device above, if any: its serial number with the mass storage's vendor and model. */
static bool usb_identity(struct names *n, char *out, size_t size)
{
	char up[PATH_MAX], device[PATH_MAX], vendor[32] = "", model[64] = "", serial[128];
	unsigned host, bus, target;
	unsigned long lun;

	if (!path_of(up, sizeof(up), "%s/device", n->dir) || !realpath(up, device))
		return false;
	memcpy(up, device, strlen(device) + 1);
	attribute(device, "vendor", vendor, sizeof(vendor));
	attribute(device, "model", model, sizeof(model));
	if (sscanf(path_base(device), "%u:%u:%u:%lu", &host, &bus, &target, &lun) != 4)
		return false;
	while (to_parent(up)) {
		if (!attribute(up, "idVendor", serial, sizeof(serial)))
			continue;
		if (!attribute(up, "serial", serial, sizeof(serial)))
			return false;
		name_tidy(vendor);
		name_tidy(model);
		name_tidy(serial);
		return path_of(out, size, "%s_%s_%s-%u:%lu", vendor, model, serial, target, lun);
	}
	return false;
}

static void names_scsi(struct names *n)
{
	char serial[512], vendor[32] = "", device[PATH_MAX];
	bool naa;

	if (!path_of(device, sizeof(device), "%s/device", n->dir))
		return;
	attribute(device, "vendor", vendor, sizeof(vendor));
	if (strstr(n->dir, "/usb") && usb_identity(n, serial, sizeof(serial))) {
		name_add(n, "disk/by-id/usb-%s%s", serial, n->part);
		return;
	}
	if (starts_with(vendor, "ATA") && ata_identity(n, serial, sizeof(serial)))
		name_add(n, "disk/by-id/ata-%s%s", serial, n->part);
	if (link_scsi_serial(n->roots->sys, n->sysname, serial, sizeof(serial), &naa) < 0)
		return;
	if (!starts_with(vendor, "ATA"))
		name_add(n, "disk/by-id/scsi-%s%s", serial, n->part);
	if (naa)
		name_add(n, "disk/by-id/wwn-0x%s%s", serial + 1, n->part);
}

static void names_virtio(struct names *n)
{
	char serial[64];

	if (!attribute(n->dir, "serial", serial, sizeof(serial)))
		return;
	name_tidy(serial);
	if (serial[0])
		name_add(n, "disk/by-id/virtio-%s%s", serial, n->part);
}

static void names_nvme(struct names *n)
{
	char device[PATH_MAX], wwid[256], model[64], serial[64], nsid[16];

	if (attribute(n->dir, "wwid", wwid, sizeof(wwid))) {
		name_tidy(wwid);
		name_add(n, "disk/by-id/nvme-%s%s", wwid, n->part);
	}
	if (!path_of(device, sizeof(device), "%s/device", n->dir) || !attribute(device, "model", model, sizeof(model)) ||
	    !attribute(device, "serial", serial, sizeof(serial)))
		return;
	name_tidy(model);
	name_tidy(serial);
	name_add(n, "disk/by-id/nvme-%s_%s%s", model, serial, n->part);
	if (attribute(n->dir, "nsid", nsid, sizeof(nsid)))
		name_add(n, "disk/by-id/nvme-%s_%s_%s%s", model, serial, nsid, n->part);
}

static void names_dm(struct names *n)
{
	char name[256], uuid[256];

	if (!attribute(n->dir, "dm/name", name, sizeof(name)) || strchr(name, '/'))
		return;
	name_add(n, "disk/by-id/dm-name-%s", name);
	if (attribute(n->dir, "dm/uuid", uuid, sizeof(uuid)) && !strchr(uuid, '/'))
		name_add(n, "disk/by-id/dm-uuid-%s", uuid);
}

static const struct {
	const char *prefix;             /* of the disk's kernel name */
	void (*add)(struct names *n);
} identities[] = {
	{ "sd", names_scsi }, { "sr", names_scsi }, { "vd", names_virtio }, { "nvme", names_nvme }, { "dm-", names_dm },
};

/* ---- by-uuid, by-label, by-part*: what is on the device ---- */

/* "Lit is\xe9" cannot be a file name everywhere: udev's \x20 form, by libblkid, which defines it. */
static void name_encoded(struct names *n, const char *kind, const char *value)
{
	char encoded[4 * 256 + 1];

	if (value && value[0] && blkid_encode_string(value, encoded, sizeof(encoded)) == 0)
		name_add(n, "disk/%s%s", kind, encoded);
}

static const char *probe_value(blkid_probe probe, const char *name)
{
	const char *value = NULL;

	return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : NULL;
}

static void names_filesystem(struct names *n, blkid_probe probe)
{
	const char *usage = probe_value(probe, "USAGE"), *type = probe_value(probe, "TYPE"), *uuid = probe_value(probe, "UUID");

	if (type && streq(type, "LVM2_member"))
		name_encoded(n, "by-id/lvm-pv-uuid-", uuid);
	if (!usage)
		return;
	if (streq(usage, "filesystem") || streq(usage, "other") || streq(usage, "crypto"))
		name_encoded(n, "by-uuid/", uuid);
	if (streq(usage, "filesystem") || streq(usage, "other"))
		name_encoded(n, "by-label/", probe_value(probe, "LABEL"));
}

static void names_content(struct names *n)
{
	char path[PATH_MAX];
	blkid_probe probe = NULL;
	cleanup_close int fd = -1;

	if (!path_of(path, sizeof(path), "%s/%s", n->roots->dev, n->sysname))
		return;
	for (char *p = path + strlen(n->roots->dev); *p; p++)
		if (*p == '!')                  /* sysfs writes "cciss/c0d0" so */
			*p = '/';
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	probe = blkid_new_probe();
	if (fd >= 0 && probe && blkid_probe_set_device(probe, fd, 0, 0) == 0 && blkid_probe_get_size(probe) > 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
		blkid_probe_enable_partitions(probe, 1);
		blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
		/* More than one signature: udev makes no links then, and neither does anybody know what it is. */
		if (blkid_do_safeprobe(probe) >= 0) {
			names_filesystem(n, probe);
			name_encoded(n, "by-partuuid/", probe_value(probe, "PART_ENTRY_UUID"));
			name_encoded(n, "by-partlabel/", probe_value(probe, "PART_ENTRY_NAME"));
		}
	}
	if (probe)
		blkid_free_probe(probe);
}

/* Devices whose content is nobody's business, and those that would block: floppies, RAM disks, raw flash. */
static bool nameless(const char *sysname)
{
	static const char *const prefixes[] = { "ram", "fd", "mtd", "zram" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (starts_with(sysname, prefixes[i]))
			return true;
	return false;
}

/* Hidden parts of a logical volume or of a pool: their uuid has a suffix. What they hold belongs to the volume above. */
static bool dm_private(const struct names *n)
{
	char uuid[256];

	return attribute(n->dir, "dm/uuid", uuid, sizeof(uuid)) && starts_with(uuid, "LVM-") && strlen(uuid) > strlen("LVM-") + 64;
}

bool device_stalled(const char *sys, const char *sysname)
{
	char dir[PATH_MAX], slaves[PATH_MAX], state[64];
	struct dirent *entry;
	bool stalled;
	int part;
	DIR *d;

	if (!block_dir(sys, sysname, dir, &part))
		return false;
	if (attribute_is(dir, "dm/suspended", "1"))
		return true;
	if (attribute(dir, "device/state", state, sizeof(state)) && !streq(state, "running") && !streq(state, "live"))
		return true;
	stalled = false;
	d = path_of(slaves, sizeof(slaves), "%s/slaves", dir) ? opendir(slaves) : NULL;
	while (d && !stalled && (entry = readdir(d)))
		stalled = entry->d_name[0] != '.' && device_stalled(sys, entry->d_name);
	if (d)
		closedir(d);
	return stalled;
}

void link_names(const struct device_roots *r, const char *sysname, bool content, struct buf *out)
{
	struct names n = { .roots = r, .sysname = sysname, .out = out };
	char path[600];
	int part;

	if (nameless(sysname) || !block_dir(r->sys, sysname, n.dir, &part) || dm_private(&n))
		return;
	if (part)
		path_of(n.part, sizeof(n.part), "-part%d", part);
	if (link_by_path(r->sys, sysname, path, sizeof(path)) == 0) {
		name_add(&n, "disk/by-path/%s", path);
		/* What udev called virtio disks before, and still does beside the other name. */
		if (starts_with(sysname, "vd") && starts_with(path, "pci-"))
			name_add(&n, "disk/by-path/virtio-%s", path);
	}
	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		if (starts_with(sysname, identities[i].prefix))
			identities[i].add(&n);
	if (content && !device_stalled(r->sys, sysname))
		names_content(&n);
}

/* ---- the links ---- */

/* "../../sda1" for "disk/by-id/x" and "sda1". */
static bool link_target(const char *name, const char *node, char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = name; *p && n + 4 < size; p++)
		if (*p == '/') {
			memcpy(out + n, "../", 3);
			n += 3;
		}
	return path_of(out + n, size - n, "%s", node);
}

/* Whose it is now: 1 ours already, 0 free (nobody's, or of a device that is gone), -1 another device's. */
static int link_owner(const char *path, const char *target)
{
	char now[PATH_MAX];
	ssize_t n = readlink(path, now, sizeof(now) - 1);
	struct stat st;

	if (n < 0)
		return errno == ENOENT ? 0 : -1;
	now[n] = '\0';
	if (streq(now, target))
		return 1;
	return stat(path, &st) < 0 && errno == ENOENT ? 0 : -1;
}

/* 1: the link is there and ours; 0: the name is another device's; -1: it could not be made. */
static int link_make(const struct device_roots *r, const char *name, const char *node, struct err *e)
{
	char path[PATH_MAX], beside[PATH_MAX], target[PATH_MAX];
	int owner;

	if (!path_of(path, sizeof(path), "%s/%s", r->dev, name) || !link_target(name, node, target, sizeof(target)) ||
	    !path_of(beside, sizeof(beside), "%s.%d.new", path, (int)getpid()))
		return err_set(e, ERR_TOO_LONG, "cannot make link %s: the name is too long", name);
	owner = link_owner(path, target);
	if (owner != 0)
		return owner > 0;
	*strrchr(path, '/') = '\0';
	if (file_mkdirs(path, 0755, e) < 0)
		return -1;
	path[strlen(path)] = '/';
	/* By rename, so that a dangling link is replaced in one step and nobody sees the name missing. */
	if (symlink(target, beside) < 0 || rename(beside, path) < 0) {
		int saved = errno;

		unlink(beside);
		return err_sys(e, saved, "cannot make link %s", path);
	}
	return 1;
}

static void link_remove(const struct device_roots *r, const char *name, const char *node)
{
	char path[PATH_MAX], target[PATH_MAX], now[PATH_MAX];
	ssize_t n;

	if (strstr(name, "..") || !starts_with(name, "disk/") || !path_of(path, sizeof(path), "%s/%s", r->dev, name) ||
	    !link_target(name, node, target, sizeof(target)))
		return;
	n = readlink(path, now, sizeof(now) - 1);
	if (n < 0)
		return;
	now[n] = '\0';
	if (streq(now, target))
		unlink(path);
}

static bool list_has(const struct buf *list, const char *line, size_t len)
{
	const char *p = buf_str(list);

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n == len && memcmp(p, line, n) == 0)
			return true;
		p += n + (p[n] == '\n');
	}
	return false;
}

/* Call for each line of a list, NUL-terminated. The list is changed while a line is looked at, and restored. */
static char *list_next(char **at)
{
	char *line = *at, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*at = end ? end + 1 : NULL;
	return line;
}

static void links_drop_stale(const struct device_roots *r, struct buf *old, const struct buf *now, const char *node)
{
	char *at = old->data, *line;

	while ((line = list_next(&at)))
		if (!list_has(now, line, strlen(line)))
			link_remove(r, line, node);
}

int links_update(const struct device_roots *r, const char *sysname, struct err *e)
{
	cleanup_buf struct buf wanted = BUF_INIT, ours = BUF_INIT, old = BUF_INIT;
	char record[PATH_MAX], dir[PATH_MAX], node[NAME_MAX + 1];
	char *at, *line;
	int result = 0;

	if (!name_is_component(sysname) || !path_of(node, sizeof(node), "%s", sysname) ||
	    !path_of(dir, sizeof(dir), "%s/links", r->run) || !path_of(record, sizeof(record), "%s/%s", dir, sysname))
		return err_set(e, ERR_INVALID, "\"%s\" is no name of a block device", sysname);
	for (char *p = node; *p; p++)
		if (*p == '!')
			*p = '/';
	file_read(AT_FDCWD, record, LINKS_LIMIT, &old, NULL);
	link_names(r, sysname, true, &wanted);
	at = wanted.data;
	while ((line = list_next(&at))) {
		int made = link_make(r, line, node, e);

		if (made > 0)
			buf_printf(&ours, "%s\n", line);
		else if (made < 0)
			result = -1;
	}
	if (wanted.failed || ours.failed)
		return err_set(e, ERR_NO_MEMORY, "cannot make links for %s: out of memory", sysname);
	if (streq(buf_str(&old), buf_str(&ours)))
		return result;
	if (!ours.len && result == 0) {
		links_drop_stale(r, &old, &ours, node);
		return file_remove(AT_FDCWD, record, e);
	}
	if (file_mkdirs(dir, 0755, e) < 0 || file_replace(AT_FDCWD, record, ours.data, ours.len, 0644, e) < 0)
		result = -1;
	links_drop_stale(r, &old, &ours, node);
	return result;
}

/* Each entry of a directory; the first failure is remembered, the others still get their links. */
static int links_update_each(const struct device_roots *r, const char *dir, bool gone_only, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int result = 0;

	while (d && (entry = readdir(d))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.' || !path_of(path, sizeof(path), "%s/class/block/%s", r->sys, entry->d_name))
			continue;
		if (gone_only && access(path, F_OK) == 0)
			continue;
		if (links_update(r, entry->d_name, result == 0 ? e : NULL) < 0)
			result = -1;
	}
	if (d)
		closedir(d);
	return result;
}

int links_update_all(const struct device_roots *r, struct err *e)
{
	char dir[PATH_MAX];

	/* What is gone gives its names free before those that are there ask for them. */
	if (!path_of(dir, sizeof(dir), "%s/links", r->run) || links_update_each(r, dir, true, e) < 0)
		return -1;
	return path_of(dir, sizeof(dir), "%s/class/block", r->sys) ? links_update_each(r, dir, false, e) : -1;
}

/* ---- as device.h has it ---- */

bool device_udevd_runs(void)
{
	return access("/run/udev/control", F_OK) == 0;
}

int device_links(const char *sysname, const char *run_dir, struct err *e)
{
	const struct device_roots roots = { "/sys", "/dev", run_dir };

	return links_update(&roots, sysname, e);
}

int device_links_all(const char *run_dir, struct err *e)
{
	const struct device_roots roots = { "/sys", "/dev", run_dir };

	return links_update_all(&roots, e);
}

/* ---- who uses a device ---- */

struct mounted_search { dev_t dev; const char *what; struct buf *who; };

static void user_add(struct buf *who, const char *how, const char *what)
{
	buf_printf(who, "%s%s %s", who->len ? ", " : "", how, what);
}

static int user_mount(const struct mount_entry *m, void *arg)
{
	struct mounted_search *s = arg;

	/* btrfs shows a device number of its own: there the source tells. */
	if (m->dev == s->dev || streq(m->source, s->what))
		user_add(s->who, "mounted at", m->target);
	return 0;
}

static void user_swap(const char *node, struct buf *who)
{
	cleanup_buf struct buf swaps = BUF_INIT;

	if (file_read(AT_FDCWD, "/proc/swaps", LINKS_LIMIT, &swaps, NULL) == 0)
		for (const char *p = buf_str(&swaps); *p; p += strcspn(p, "\n"), p += *p == '\n')
			if (strncmp(p, node, strlen(node)) == 0 && isspace((unsigned char)p[strlen(node)]))
				user_add(who, "used as", "swap");
}

static void user_holders(const char *sysname, struct buf *who)
{
	char path[PATH_MAX], name[256];
	struct dirent *entry;
	DIR *d = path_of(path, sizeof(path), "/sys/class/block/%s/holders", sysname) ? opendir(path) : NULL;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!path_of(path, sizeof(path), "/sys/class/block/%s", entry->d_name) || !attribute(path, "dm/name", name, sizeof(name)))
			path_of(name, sizeof(name), "%s", entry->d_name);
		user_add(who, "held by", name);
	}
	if (d)
		closedir(d);
}

/* Does one of this process's descriptors stand for the device? stat() on the magic link looks at the open file, not at a path. */
static bool process_has_open(const char *pid, dev_t dev)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *d = path_of(path, sizeof(path), "/proc/%s/fd", pid) ? opendir(path) : NULL;

	while (d && !found && (entry = readdir(d))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);

		if (n < 5 || memcmp(target, "/dev/", 5) != 0)
			continue;               /* never stat what may lie on a dead server */
		found = fstatat(dirfd(d), entry->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == dev;
	}
	if (d)
		closedir(d);
	return found;
}

static void user_processes(dev_t dev, struct buf *who)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (d && found < 3 && (entry = readdir(d))) {
		char path[64], name[64] = "?", text[128];

		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == (int)getpid() || !process_has_open(entry->d_name, dev))
			continue;
		if (path_of(path, sizeof(path), "/proc/%.16s/comm", entry->d_name))
			file_read_line(AT_FDCWD, path, name, sizeof(name));
		path_of(text, sizeof(text), "%s (%.16s)", name, entry->d_name);
		user_add(who, "open in", text);
		found++;
	}
	if (d)
		closedir(d);
}

static void users_of_one(const char *sysname, struct buf *who)
{
	char dir[PATH_MAX], number[32], node[PATH_MAX];
	struct mounted_search search = { .who = who, .what = node };
	unsigned major, minor;

	if (!path_of(dir, sizeof(dir), "/sys/class/block/%s", sysname) || !attribute(dir, "dev", number, sizeof(number)) ||
	    sscanf(number, "%u:%u", &major, &minor) != 2 || !path_of(node, sizeof(node), "/dev/%s", sysname))
		return;
	search.dev = makedev(major, minor);
	mountinfo_each(user_mount, &search, NULL);
	user_swap(node, who);
	user_holders(sysname, who);
	user_processes(search.dev, who);
}

bool device_users(const char *sysname, struct buf *who)
{
	char path[PATH_MAX], part[PATH_MAX];
	size_t before = who->len;
	struct dirent *entry;
	DIR *d = path_of(path, sizeof(path), "/sys/class/block/%s", sysname) ? opendir(path) : NULL;

	users_of_one(sysname, who);
	while (d && (entry = readdir(d)))
		if (starts_with(entry->d_name, sysname) && path_of(part, sizeof(part), "%s/%s/partition", path, entry->d_name) &&
		    access(part, F_OK) == 0)
			users_of_one(entry->d_name, who);
	if (d)
		closedir(d);
	return who->len > before;
}
