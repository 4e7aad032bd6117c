/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The name of a block device by what it says of itself: serial numbers, world wide names, device-mapper's
 * names. As udev's scsi_id, ata_id and 60-persistent-storage.rules have them.
 *
 * Names are made of what a device says of itself, which may be anything: bytes that do not belong in a file
 * name become '_', as udev has them, so that the same disk has the same name with and without it.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/hdreg.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

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
static const struct {
	unsigned char type;
	int naa;
} id_preference[] = {
	{ 3, 6 }, { 3, 5 }, { 3, -1 }, { 2, -1 }, { 1, -1 }, { 0, -1 },
};

/* The descriptor in a page 0x83 (SPC-4, "Device Identification VPD page") of that type (and kind of NAA,
 * unless -1) that names the logical unit; NULL: none. The page has its length at 2; a descriptor has the
 * code set at 0, association and type at 1, its length at 3 and the identifier at 4. The device wrote all of
 * it: no length is believed further than the page is long. */
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

/* As scsi_id prints it: the type, for a vendor's own identifier vendor and model, then the identifier,
 * binary ones in hexadecimal. */
static void page83_text(const unsigned char *d, const char *dir, struct buf *b)
{
	char vendor[32] = "", model[64] = "";

	buf_printf(b, "%x", d[1] & 0x0f);
	if ((d[1] & 0x0f) == 0 && sysfs_attribute(dir, "vendor", vendor, sizeof(vendor)) &&
	    sysfs_attribute(dir, "model", model, sizeof(model)))
		buf_printf(b, "%-8s%-16s", vendor, model);
	for (size_t i = 0; i < d[3]; i++) {
		if ((d[0] & 0x0f) == 1)
			buf_printf(b, "%02x", d[4 + i]);
		else if (d[4 + i])
			buf_addc(b, (char)d[4 + i]);
	}
}

/* SCSI's device identification: the first of the preferred kinds of identifier that the page has. */
static bool serial_from_page83(const char *dir, struct buf *b, bool *naa)
{
	unsigned char page[1024];
	size_t len = sysfs_attribute_bytes(dir, "vpd_pg83", page, sizeof(page));

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
	static const struct {
		const char *prefix;
		char type;
	} kinds[] = { { "naa.", '3' }, { "eui.", '2' }, { "t10.", '1' } };
	char wwid[300];

	if (!sysfs_attribute(dir, "wwid", wwid, sizeof(wwid)))
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
	size_t len = sysfs_attribute_bytes(dir, "vpd_pg80", page, sizeof(page));

	if (len <= 4 || !page[3] || (size_t)page[3] + 4 > len)
		return false;
	sysfs_attribute(dir, "vendor", vendor, sizeof(vendor));
	sysfs_attribute(dir, "model", model, sizeof(model));
	buf_printf(b, "S%-8s%-16s%.*s", vendor, model, (int)page[3], (const char *)page + 4);
	return true;
}

int link_scsi_serial(const char *sys, const char *sysname, char *out, size_t size, bool *naa)
{
	demand_or(sys && sysname && out && size > 0, -1);

	cleanup_buf struct buf b = BUF_INIT;
	char dir[PATH_MAX];
	bool world_wide = false;
	int part;

	if (!sysfs_block(sys, sysname, dir, &part) ||
	    !sysfs_path(dir + strlen(dir), sizeof(dir) - strlen(dir), "/device"))
		return -1;
	if (!serial_from_page83(dir, &b, &world_wide) && !serial_from_wwid(dir, &b, &world_wide) &&
	    !serial_from_page80(dir, &b))
		return -1;
	if (!sysfs_path(out, size, "%s", buf_str(&b)))
		return -1;
	name_tidy(out);
	if (naa)
		*naa = world_wide;
	return out[0] && out[1] ? 0 : -1;
}

/* NAA 5 and 6 begin with the maker's number, six digits (IEEE's OUI), as EUI-64 does; NAA 2 has it behind
 * three others (SPC-4, 7.8.6). */
bool link_serial_is_unique(const char *serial)
{
	static const struct {
		char kind[3];
		unsigned char maker;
	} kinds[] = { { "35", 2 }, { "36", 2 }, { "32", 5 }, { "2", 1 } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (starts_with(serial, kinds[i].kind))
			return strlen(serial) > 16 && !starts_with(serial + kinds[i].maker, "000000");
	return false;
}

void link_name_add(struct link_names *n, const char *fmt, ...)
{
	demand_or(n && n->out, );
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(n->out, fmt, ap);
	va_end(ap);
	buf_addc(n->out, '\n');
}

/* An ATA disk answers IDENTIFY with its full model and serial number; SCSI's inquiry has only sixteen
 * characters of the model. */
static bool ata_identity(struct link_names *n, char *out, size_t size)
{
	char path[PATH_MAX], model[41], serial[21];
	struct hd_driveid id;
	cleanup_close int fd = -1;

	if (!sysfs_path(path, sizeof(path), "%s/%s", n->roots->dev, path_base(n->dir)))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, HDIO_GET_IDENTITY, &id) < 0)
		return false;
	sysfs_path(model, sizeof(model), "%.40s", (const char *)id.model);
	sysfs_path(serial, sizeof(serial), "%.20s", (const char *)id.serial_no);
	name_tidy(model);
	name_tidy(serial);
	return model[0] && sysfs_path(out, size, serial[0] ? "%s_%s" : "%s", model, serial);
}

/* The USB device above, if any: its serial number with the mass storage's vendor and model. */
static bool usb_identity(struct link_names *n, char *out, size_t size)
{
	char up[PATH_MAX], device[PATH_MAX], vendor[32] = "", model[64] = "", serial[128];
	unsigned host, bus, target;
	unsigned long lun;

	if (!sysfs_path(up, sizeof(up), "%s/device", n->dir) || !realpath(up, device))
		return false;
	memcpy(up, device, strlen(device) + 1);
	sysfs_attribute(device, "vendor", vendor, sizeof(vendor));
	sysfs_attribute(device, "model", model, sizeof(model));
	if (sscanf(path_base(device), "%u:%u:%u:%lu", &host, &bus, &target, &lun) != 4)
		return false;
	while (sysfs_to_parent(up)) {
		if (!sysfs_attribute(up, "idVendor", serial, sizeof(serial)))
			continue;
		if (!sysfs_attribute(up, "serial", serial, sizeof(serial)))
			return false;
		name_tidy(vendor);
		name_tidy(model);
		name_tidy(serial);
		return sysfs_path(out, size, "%s_%s_%s-%u:%lu", vendor, model, serial, target, lun);
	}
	return false;
}

/* A drive on an ATA port has its maker's name where a disk has "ATA". udev asks those of SPC-4 and later. */
static bool may_be_ata(const char *device, const char *vendor)
{
	char level[16];

	return starts_with(vendor, "ATA") ||
	       (sysfs_attribute_is(device, "type", "5") &&
	        sysfs_attribute(device, "scsi_level", level, sizeof(level)) && atoi(level) >= 6);
}

/* udev's order: a USB device by USB's serial number, since bridges invent SCSI ones; an ATA disk by what ATA
 * says; all others by SCSI's page 0x83. */
static void names_scsi(struct link_names *n)
{
	char serial[512], vendor[32] = "", device[PATH_MAX];
	bool naa, ata = false;

	if (!sysfs_path(device, sizeof(device), "%s/device", n->dir))
		return;
	sysfs_attribute(device, "vendor", vendor, sizeof(vendor));
	if (strstr(n->dir, "/usb") && usb_identity(n, serial, sizeof(serial))) {
		link_name_add(n, "disk/by-id/usb-%s%s", serial, n->part);
		return;
	}
	if (may_be_ata(device, vendor) && ata_identity(n, serial, sizeof(serial))) {
		link_name_add(n, "disk/by-id/ata-%s%s", serial, n->part);
		ata = true;
	}
	if (link_scsi_serial(n->roots->sys, n->sysname, serial, sizeof(serial), &naa) < 0)
		return;
	if (!ata && !starts_with(vendor, "ATA"))
		link_name_add(n, "disk/by-id/scsi-%s%s", serial, n->part);
	if (naa)
		link_name_add(n, "disk/by-id/wwn-0x%s%s", serial + 1, n->part);
}

/* A virtio disk's serial number is what its host gave it (QEMU's serial=), 20 characters at most. */
static void names_virtio(struct link_names *n)
{
	char serial[64];

	if (!sysfs_attribute(n->dir, "serial", serial, sizeof(serial)))
		return;
	name_tidy(serial);
	if (serial[0])
		link_name_add(n, "disk/by-id/virtio-%s%s", serial, n->part);
}

/* NVMe: by the namespace's own identifier, and by the controller's model and serial number, with the number
 * of the namespace where one is known. */
static void names_nvme(struct link_names *n)
{
	char device[PATH_MAX], wwid[256], model[64], serial[64], nsid[16];

	if (sysfs_attribute(n->dir, "wwid", wwid, sizeof(wwid))) {
		name_tidy(wwid);
		link_name_add(n, "disk/by-id/nvme-%s%s", wwid, n->part);
	}
	if (!sysfs_path(device, sizeof(device), "%s/device", n->dir) ||
	    !sysfs_attribute(device, "model", model, sizeof(model)) ||
	    !sysfs_attribute(device, "serial", serial, sizeof(serial)))
		return;
	name_tidy(model);
	name_tidy(serial);
	link_name_add(n, "disk/by-id/nvme-%s_%s%s", model, serial, n->part);
	if (sysfs_attribute(n->dir, "nsid", nsid, sizeof(nsid)))
		link_name_add(n, "disk/by-id/nvme-%s_%s_%s%s", model, serial, nsid, n->part);
}

const char *link_boot_area(const char *sysname, char *out, size_t size)
{
	const char *area = starts_with(sysname, "mmcblk") ? strstr(sysname, "boot") : NULL;

	return area && sysfs_path(out, size, "-%s", area) ? out : "";
}

/* An SD card or eMMC, which most small machines have. */
static void names_mmc(struct link_names *n)
{
	char name[64], serial[64], area[32];

	if (!sysfs_attribute(n->dir, "device/name", name, sizeof(name)) ||
	    !sysfs_attribute(n->dir, "device/serial", serial, sizeof(serial)))
		return;
	name_tidy(name);
	name_tidy(serial);
	if (name[0] && serial[0])
		link_name_add(n, "disk/by-id/mmc-%s_%s%s%s", name, serial, n->part,
		              link_boot_area(n->sysname, area, sizeof(area)));
}

/* device-mapper: the name that it was given, and the uuid, which begins with who made it ("LVM-", "mpath-").
 */
static void names_dm(struct link_names *n)
{
	char name[256], uuid[256];

	if (!sysfs_attribute(n->dir, "dm/name", name, sizeof(name)) || strchr(name, '/'))
		return;
	link_name_add(n, "disk/by-id/dm-name-%s", name);
	if (sysfs_attribute(n->dir, "dm/uuid", uuid, sizeof(uuid)) && !strchr(uuid, '/'))
		link_name_add(n, "disk/by-id/dm-uuid-%s", uuid);
}

static const struct {
	const char *prefix; /* of the disk's kernel name */
	void (*add)(struct link_names *n);
} identities[] = {
	{ "sd", names_scsi },   { "sr", names_scsi },    { "vd", names_virtio },
	{ "nvme", names_nvme }, { "mmcblk", names_mmc }, { "dm-", names_dm },
};

void link_names_by_id(struct link_names *n)
{
	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		if (starts_with(n->sysname, identities[i].prefix))
			identities[i].add(n);
}
