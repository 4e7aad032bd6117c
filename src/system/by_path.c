/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The name of a block device by the way to it: udev's path_id, from the device up to its bus.
 *
 * The walk goes from the disk up through sysfs, and each kind of bus adds what its address is. A name is
 * given only if every step is understood: half a path could be that of two devices.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/util.h"
#include "system/links.h"
#include "system/sysfs.h"

/* The name in the making. It grows from the disk toward the bus: each step is put in front of what is there.
 */
struct way {
	const char *sys;
	char text[512];
	bool parent_known; /* there is a bus address at the root … */
	/* … and all between it and the disk is understood: otherwise the name would not be unique */
	bool transport_known;
	bool refused;
};

__attribute__((format(printf, 2, 3))) static void way_prepend(struct way *w, const char *fmt, ...)
{
	char step[512], whole[sizeof(w->text)];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(step) ||
	    !sysfs_path(whole, sizeof(whole), "%s%s%s", step, w->text[0] ? "-" : "", w->text))
		w->refused = true;
	else
		memcpy(w->text, whole, sizeof(whole));
}

/* Up to the topmost of the directly enclosing devices of this subsystem: PCI bridges and USB hubs do not
 * belong to the name. */
static void skip_subsystem(char *dir, const char *subsystem)
{
	char up[PATH_MAX], name[64];

	memcpy(up, dir, strlen(dir) + 1);
	while (sysfs_to_parent(up)) {
		sysfs_subsystem(up, name, sizeof(name));
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
		sysfs_path(out, size, "lun-%lu", lun);
	else
		sysfs_path(out, size, "lun-0x%04lx%04lx00000000", lun & 0xffff, (lun >> 16) & 0xffff);
}

/* Cut dir after the component that begins with this, as in ".../session3/target…": its name, or NULL. */
static const char *enclosing(char *dir, const char *prefix)
{
	do {
		if (starts_with(path_base(dir), prefix) &&
		    isdigit((unsigned char)path_base(dir)[strlen(prefix)]))
			return path_base(dir);
	} while (sysfs_to_parent(dir));
	return NULL;
}

/* A LUN of an iSCSI session: by portal and target, as the session was asked for. Where it is connected now
 * may change. */
static void way_iscsi(struct way *w, const char *device, unsigned long lun)
{
	char up[PATH_MAX], dir[PATH_MAX], target[256], address[128], port[16], lun_name[32];
	const char *session;

	memcpy(up, device, strlen(device) + 1);
	session = enclosing(up, "session");
	lun_text(lun, lun_name, sizeof(lun_name));
	if (!session || !sysfs_path(dir, sizeof(dir), "%s/class/iscsi_session/%s", w->sys, session) ||
	    !sysfs_attribute(dir, "targetname", target, sizeof(target)) ||
	    !sysfs_path(dir, sizeof(dir), "%s/class/iscsi_connection/connection%s:0", w->sys,
	                session + strlen("session")) ||
	    !sysfs_attribute(dir, "persistent_address", address, sizeof(address)) ||
	    !sysfs_attribute(dir, "persistent_port", port, sizeof(port))) {
		w->refused = true;
		return;
	}
	w->parent_known = true;
	way_prepend(w, "ip-%s:%s-iscsi-%s-%s", address, port, target, lun_name);
}

/* A LUN behind a Fibre Channel port: by the port's world wide name. */
static void way_fibre_channel(struct way *w, const char *device, unsigned long lun)
{
	char up[PATH_MAX], dir[PATH_MAX], port[64], lun_name[32];
	const char *rport;

	memcpy(up, device, strlen(device) + 1);
	rport = enclosing(up, "rport-");
	lun_text(lun, lun_name, sizeof(lun_name));
	if (!rport || !sysfs_path(dir, sizeof(dir), "%s/class/fc_remote_ports/%s", w->sys, rport) ||
	    !sysfs_attribute(dir, "port_name", port, sizeof(port))) {
		w->refused = true;
		return;
	}
	w->parent_known = true;
	way_prepend(w, "fc-%s-%s", port, lun_name);
}

/* An ATA disk: by the port that it is plugged into. libata's own numbers depend on the order of drivers. */
static void way_ata(struct way *w, const char *device, unsigned bus, unsigned target)
{
	char up[PATH_MAX], dir[PATH_MAX], port[16];
	const char *ata;

	memcpy(up, device, strlen(device) + 1);
	ata = enclosing(up, "ata");
	if (!ata || !sysfs_path(dir, sizeof(dir), "%s/class/ata_port/%s", w->sys, ata) ||
	    !sysfs_attribute(dir, "port_no", port, sizeof(port))) {
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
static void way_scsi_host(struct way *w, const char *device, unsigned host, unsigned bus, unsigned target,
                          unsigned long lun)
{
	char dir[PATH_MAX];
	unsigned base = host;
	struct dirent *entry;
	DIR *d;

	memcpy(dir, device, strlen(device) + 1);
	d = enclosing(dir, "host") && sysfs_to_parent(dir) ? opendir(dir) : NULL;
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
		return; /* target or host: not addressed by themselves */
	if (strstr(dir, "/session"))
		way_iscsi(w, dir, lun);
	else if (strstr(dir, "/rport-"))
		way_fibre_channel(w, dir, lun);
	else if (strstr(dir, "/ata"))
		way_ata(w, dir, bus, target);
	else if (strstr(dir, "/end_device-") || strstr(dir, "/vmbus_"))
		w->refused = true; /* SAS expanders and Hyper-V have rules of their own */
	else
		way_scsi_host(w, dir, host, bus, target, lun);
	enclosing(dir, "host");
}

/* A USB device: by the ports through which it is reached ("1-2.3" is port 3 of the hub at port 2 of bus 1).
 */
static void way_usb(struct way *w, char *dir)
{
	const char *port = strchr(path_base(dir), '-');

	w->transport_known = true;
	if (!port)
		return;
	way_prepend(w, "usb-0:%s", port + 1);
	skip_subsystem(dir, "usb");
}

/* A PCI function by its address; bridges above it do not belong to the name. */
static void way_pci(struct way *w, char *dir)
{
	w->parent_known = true;
	way_prepend(w, "pci-%s", path_base(dir));
	skip_subsystem(dir, "pci");
}

/* What is built into a chip sits on one of these two buses: most on the first, ARM's own controllers on the
 * other. */
static void way_chip(struct way *w, char *dir, const char *bus)
{
	w->parent_known = w->transport_known = true;
	way_prepend(w, "%s-%s", bus, path_base(dir));
	skip_subsystem(dir, bus);
}

static void way_platform(struct way *w, char *dir)
{
	way_chip(w, dir, "platform");
}

static void way_amba(struct way *w, char *dir)
{
	way_chip(w, dir, "amba");
}

/* Firmware's tables describe the machine; what they alone know of is below them. */
static void way_acpi(struct way *w, char *dir)
{
	w->parent_known = true;
	way_prepend(w, "acpi-%s", path_base(dir));
	skip_subsystem(dir, "acpi");
}

/* A virtio device is one with what carries it (PCI, mmio), which has the address. */
static void way_virtio(struct way *w, char *dir)
{
	w->transport_known = true;
	skip_subsystem(dir, "virtio");
}

/* An NVMe namespace: its number was put in front by the disk itself, and the controller is a PCI function
 * above. */
static void way_nvme(struct way *w, char *dir)
{
	w->parent_known = w->transport_known = true; /* the namespace was put in front by the disk itself */
	skip_subsystem(dir, "nvme");
}

static const struct {
	const char *subsystem;
	void (*step)(struct way *w, char *dir);
} steps[] = {
	{ "scsi", way_scsi }, { "usb", way_usb },   { "pci", way_pci },       { "platform", way_platform },
	{ "amba", way_amba }, { "acpi", way_acpi }, { "virtio", way_virtio }, { "nvme", way_nvme },
};

int link_by_path(const char *sys, const char *sysname, char *out, size_t size)
{
	demand_or(sys && sysname && out && size > 0, -1);

	struct way w = { .sys = sys };
	char dir[PATH_MAX], subsystem[64], nsid[16], area[32];
	int part;

	if (!sysfs_block(sys, sysname, dir, &part) || strstr(dir, "/virtual/"))
		return -1;
	if (starts_with(path_base(dir), "nvme") && sysfs_attribute(dir, "nsid", nsid, sizeof(nsid)))
		way_prepend(&w, "nvme-%s", nsid);
	/* Directories that no step knows are passed: they are no part of udev's names either. */
	while (sysfs_to_parent(dir) && !w.refused) {
		sysfs_subsystem(dir, subsystem, sizeof(subsystem));
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
		return sysfs_path(out, size, "%s-part%d", w.text, part) ? 0 : -1;
	return sysfs_path(out, size, "%s%s", w.text, link_boot_area(sysname, area, sizeof(area))) ? 0 : -1;
}
