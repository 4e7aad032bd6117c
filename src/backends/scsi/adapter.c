/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which SCSI host a definition means. The kernel numbers hosts as they come, so a number is good for one boot
 * only; a PCI address with a unique id, and the world wide names of a Fibre Channel port, stay.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include "backends/scsi/scsi.h"
#include "base/contract.h"
#include "base/util.h"
#include "system/sysfs.h"

int scsi_host_number(const char *name)
{
	demand_or(name, -1);

	static const char *const prefixes[] = { "scsi_host", "fc_host", "host" };
	int number, used = 0;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		const char *digits = name + strlen(prefixes[i]);

		if (starts_with(name, prefixes[i]) && isdigit((unsigned char)*digits) &&
		    strlen(digits) <= 9 && sscanf(digits, "%d%n", &number, &used) == 1 && !digits[used])
			return number;
	}
	return -1;
}

/* ---- by PCI address ---- */

/* Is it "0000:00:1f.2"? */
static bool is_pci_address(const char *part, size_t len)
{
	static const char shape[] = "xxxx:xx:xx.x";

	for (size_t i = 0; i < len && len == strlen(shape); i++)
		if (shape[i] == 'x' ? !isxdigit((unsigned char)part[i]) : part[i] != shape[i])
			return false;
	return len == strlen(shape);
}

/* The PCI device that a host belongs to is the nearest one above it: those above that are bridges. */
static bool is_of_pci_device(const char *path, const char *address)
{
	const char *nearest = "";

	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (is_pci_address(p, strcspn(p, "/")))
			nearest = p;
	}
	return strncasecmp(nearest, address, strlen(address)) == 0;
}

static int host_by_address(const char *sys, const struct pool_adapter *a)
{
	char class[PATH_MAX], dir[PATH_MAX], path[PATH_MAX], address[32], id[16];
	int found = -1;

	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", a->domain, a->bus, a->slot, a->function);
	snprintf(id, sizeof(id), "%u", a->unique_id);
	DIR *d = sysfs_path(class, sizeof(class), "%s/class/scsi_host", sys) ? opendir(class) : NULL;
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		int host = scsi_host_number(entry->d_name);

		if (host >= 0 && (found < 0 || host < found) &&
		    sysfs_path(path, sizeof(path), "%s/%s", class, entry->d_name) && realpath(path, dir) &&
		    is_of_pci_device(dir, address) && sysfs_attribute_is(dir, "unique_id", id))
			found = host;
	}
	if (d)
		closedir(d);
	return found;
}

/* ---- by world wide names ---- */

bool fc_wwn(const char *text, char out[WWN_TEXT])
{
	demand_or(text, false);

	size_t n = 0;

	text += text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
	for (; n < WWN_TEXT - 1 && isxdigit((unsigned char)text[n]); n++)
		out[n] = (char)tolower((unsigned char)text[n]);
	out[n] = '\0';
	return n == WWN_TEXT - 1 && !text[n];
}

static bool is_wwn(const char *dir, const char *attribute, const char *wanted)
{
	char text[64], has[WWN_TEXT], wants[WWN_TEXT];

	return !wanted || (sysfs_attribute(dir, attribute, text, sizeof(text)) && fc_wwn(text, has) &&
	                   fc_wwn(wanted, wants) && streq(has, wants));
}

int fc_host_find(const char *sys, const char *wwnn, const char *wwpn)
{
	demand_or(sys, -1);

	char class[PATH_MAX], dir[PATH_MAX];
	DIR *d = sysfs_path(class, sizeof(class), "%s/class/fc_host", sys) ? opendir(class) : NULL;
	const struct dirent *entry;
	int found = -1;

	while (d && (entry = readdir(d))) {
		int host = scsi_host_number(entry->d_name);

		if (host >= 0 && (found < 0 || host < found) &&
		    sysfs_path(dir, sizeof(dir), "%s/%s", class, entry->d_name) &&
		    is_wwn(dir, "node_name", wwnn) && is_wwn(dir, "port_name", wwpn))
			found = host;
	}
	if (d)
		closedir(d);
	return found;
}

void fc_port_state(const char *sys, int host, char *out, size_t size)
{
	char dir[PATH_MAX];

	out[0] = '\0';
	if (sysfs_path(dir, sizeof(dir), "%s/class/fc_host/host%d", sys, host))
		sysfs_attribute(dir, "port_state", out, size);
}

/* ---- any of them ---- */

int scsi_adapter_host(const char *sys, const struct pool_adapter *a)
{
	demand_or(sys && a, -1);

	char dir[PATH_MAX];
	int host;

	if (a->kind == ADAPTER_FC_HOST)
		return fc_host_find(sys, a->wwnn, a->wwpn);
	if (!a->name)
		return host_by_address(sys, a);
	host = scsi_host_number(a->name);
	return host >= 0 && sysfs_path(dir, sizeof(dir), "%s/class/scsi_host/host%d", sys, host) &&
	                       access(dir, F_OK) == 0
	               ? host
	               : -1;
}

const char *scsi_adapter_text(const struct pool_adapter *a, char *out, size_t size)
{
	demand_or(a && out && size > 0, "");
	if (a->kind == ADAPTER_FC_HOST)
		snprintf(out, size, "Fibre Channel port %.20s of node %.20s", a->wwpn, a->wwnn);
	else if (a->name)
		snprintf(out, size, "SCSI host %.60s", a->name);
	else
		snprintf(out, size, "SCSI host %u of PCI device %04x:%02x:%02x.%x", a->unique_id, a->domain,
		         a->bus, a->slot, a->function);
	return out;
}
