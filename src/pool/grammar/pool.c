/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of a pool's document: what all types share, the elements of <source> one by one, then a shape a
 * type. From the leaves to the root.
 *
 * The facts are those of libvirt's storagepool.rng, which `virsh --validate` applies. A table here is one
 * definition there; where a definition is used by several types it is one table that several point to.
 * Tables are constants without any code, so that the whole grammar costs no time and no memory until
 * somebody asks for it.
 */
#include "pool/grammar/table.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pool/def.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define FS_NS      "http://libvirt.org/schemas/storagepool/fs/1.0"
#define RBD_NS     "http://libvirt.org/schemas/storagepool/rbd/1.0"

static const struct attribute_rule name_attributes[] = { { "name", true, &text_any }, { 0 } };

/* ---- name, uuid, sizes, features ---- */

static const struct element_rule name = { .name = "name", .text = &text_object_name };
static const struct element_rule uuid = { .name = "uuid", .text = &text_uuid };
static const struct element_rule capacity = { .name = "capacity",
	                                      .text = &text_unsigned_long,
	                                      .attributes = grammar_unit };
static const struct element_rule allocation = { .name = "allocation",
	                                        .text = &text_unsigned_long,
	                                        .attributes = grammar_unit };
static const struct element_rule available = { .name = "available",
	                                       .text = &text_unsigned_long,
	                                       .attributes = grammar_unit };

static const struct attribute_rule cow_attributes[] = { { "state", true, &text_yes_no }, { 0 } };
static const struct element_rule cow = { .name = "cow", .attributes = cow_attributes };
static const struct child_rule features_children[] = { { &cow, AT_MOST_ONCE, ANY_PLACE }, { 0 } };
static const struct element_rule features = { .name = "features", .children = features_children };

/* ---- what a source is made of ---- */

static const struct element_rule vendor = { .name = "vendor", .attributes = name_attributes };
static const struct element_rule product = { .name = "product", .attributes = name_attributes };
static const struct element_rule source_name = { .name = "name", .text = &text_any };

static const struct attribute_rule host_attributes[] = { { "name", true, &text_host_name },
	                                                 { "port", false, &text_port },
	                                                 { 0 } };
static const struct element_rule host = { .name = "host", .attributes = host_attributes };

static const struct attribute_rule extent_attributes[] = { { "start", true, &text_unsigned_long },
	                                                   { "end", true, &text_unsigned_long },
	                                                   { 0 } };
/* What <device> holds in a document that libvirt has written: where there is room on the disk. Nobody reads
 * it back. */
static const struct element_rule free_extent = { .name = "freeExtent", .attributes = extent_attributes };
static const struct attribute_rule device_attributes[] = { { "path", true, &text_device_source },
	                                                   { "part_separator", false, &text_yes_no },
	                                                   { 0 } };
static const struct child_rule device_children[] = { { &free_extent, ANY_NUMBER, ANY_PLACE }, { 0 } };
static const struct element_rule device = { .name = "device",
	                                    .attributes = device_attributes,
	                                    .children = device_children };
static const struct attribute_rule target_device_attributes[] = { { "path", true, &text_iqn }, { 0 } };
/* iscsi-direct has no plain names for targets, as iscsi has. */
static const struct element_rule target_device = { .name = "device", .attributes = target_device_attributes };

static const struct attribute_rule dir_attributes[] = { { "path", true, &text_absolute_directory }, { 0 } };
static const struct element_rule dir = { .name = "dir", .attributes = dir_attributes };
static const struct attribute_rule share_attributes[] = { { "path", true, &text_some_path }, { 0 } };
static const struct element_rule share = { .name = "dir", .attributes = share_attributes };

static const struct attribute_rule protocol_attributes[] = { { "ver", true, &text_any }, { 0 } };
static const struct element_rule protocol = { .name = "protocol", .attributes = protocol_attributes };

static const struct element_rule initiator_iqn = { .name = "iqn", .attributes = name_attributes };
static const struct child_rule initiator_children[] = { { &initiator_iqn, ONCE, ANY_PLACE }, { 0 } };
static const struct element_rule initiator = { .name = "initiator", .children = initiator_children };

static const struct attribute_rule secret_attributes[] = { { "uuid", false, &text_any },
	                                                   { "usage", false, &text_any },
	                                                   { 0 } };
static const struct tie_rule secret_ties[] = { { EXACTLY_ONE_OF, "@uuid", "@usage" }, { 0 } };
static const struct element_rule secret = { .name = "secret",
	                                    .attributes = secret_attributes,
	                                    .ties = secret_ties };
static const struct text_rule auth_type = { .what = "chap or ceph", .words = WORDS("chap", "ceph") };
static const struct attribute_rule auth_attributes[] = { { "type", true, &auth_type },
	                                                 { "username", true, &text_any },
	                                                 { 0 } };
static const struct child_rule auth_children[] = { { &secret, ONCE, ANY_PLACE }, { 0 } };
static const struct element_rule auth = { .name = "auth",
	                                  .attributes = auth_attributes,
	                                  .children = auth_children };

/* ---- <format> of a source: what it may say depends on the pool's type ---- */

static const struct text_rule fs_formats = { .words = WORDS("auto", "ext2", "ext3", "ext4", "ufs", "iso9660",
	                                                    "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs",
	                                                    "ocfs2", "vmfs") };
static const struct text_rule nfs_formats = { .what = "one of auto, nfs, cifs, glusterfs",
	                                      .words = WORDS("auto", "nfs") };
static const struct text_rule share_formats = { .words = WORDS("cifs", "glusterfs") };
static const struct text_rule disk_formats = { .words = WORDS("unknown", "dos", "dvh", "gpt", "mac", "bsd",
	                                                      "pc98", "sun", "lvm2") };
static const struct text_rule logical_formats = { .words = WORDS("unknown", "lvm2") };

static const struct attribute_rule fs_format_attributes[] = { { "type", true, &fs_formats }, { 0 } };
static const struct attribute_rule nfs_format_attributes[] = { { "type", true, &nfs_formats }, { 0 } };
static const struct attribute_rule share_format_attributes[] = { { "type", true, &share_formats }, { 0 } };
static const struct text_rule mpath_formats = { .words = WORDS("auto") };
static const struct attribute_rule mpath_format_attributes[] = { { "type", true, &mpath_formats }, { 0 } };
static const struct attribute_rule disk_format_attributes[] = { { "type", true, &disk_formats }, { 0 } };
static const struct attribute_rule logical_format_attributes[] = { { "type", true, &logical_formats },
	                                                           { 0 } };
/* Those of disk and logical may hold who made the thing. */
static const struct child_rule maker_children[] = { { &vendor, AT_MOST_ONCE, ANY_PLACE },
	                                            { &product, AT_MOST_ONCE, ANY_PLACE },
	                                            { 0 } };

static const struct element_rule fs_format = { .name = "format", .attributes = fs_format_attributes };
static const struct element_rule nfs_format = { .name = "format", .attributes = nfs_format_attributes };
static const struct element_rule share_format = { .name = "format", .attributes = share_format_attributes };
static const struct element_rule mpath_format = { .name = "format", .attributes = mpath_format_attributes };
static const struct element_rule disk_format = { .name = "format",
	                                         .attributes = disk_format_attributes,
	                                         .children = maker_children };
static const struct element_rule logical_format = { .name = "format",
	                                            .attributes = logical_format_attributes,
	                                            .children = maker_children };

/* ---- <adapter> ---- */

static const struct attribute_rule address_attributes[] = {
	{ "domain", false, &text_pci_domain },    { "bus", false, &text_pci_bus },
	{ "slot", false, &text_pci_slot },        { "function", false, &text_pci_function },
	{ "multifunction", false, &text_on_off }, { 0 },
};
static const struct element_rule address = { .name = "address", .attributes = address_attributes };
static const struct attribute_rule parentaddr_attributes[] = { { "unique_id", false, &text_positive_integer },
	                                                       { 0 } };
static const struct child_rule parentaddr_children[] = { { &address, ONCE, ANY_PLACE }, { 0 } };
static const struct element_rule parentaddr = { .name = "parentaddr",
	                                        .attributes = parentaddr_attributes,
	                                        .children = parentaddr_children };

static const struct text_rule adapter_type = { .what = "scsi_host or fc_host",
	                                       .words = WORDS("scsi_host", "fc_host") };
static const struct attribute_rule adapter_attributes[] = { { "type", false, &adapter_type }, { 0 } };
static const struct attribute_rule fc_host_attributes[] = {
	{ "parent", false, &text_any },
	{ "managed", false, &text_yes_no },
	{ "parent_wwnn", false, &text_world_wide_name },
	{ "parent_wwpn", false, &text_world_wide_name },
	{ "parent_fabric_wwn", false, &text_world_wide_name },
	{ "wwnn", true, &text_world_wide_name },
	{ "wwpn", true, &text_world_wide_name },
	{ 0 },
};
static const struct attribute_rule scsi_host_attributes[] = { { "name", false, &text_any }, { 0 } };
static const struct child_rule scsi_host_children[] = { { &parentaddr, AT_MOST_ONCE, ANY_PLACE }, { 0 } };
static const struct tie_rule scsi_host_ties[] = { { EXACTLY_ONE_OF, "@name", "parentaddr" }, { 0 } };
static const struct shape_rule adapter_shapes[] = {
	{ .words = WORDS("fc_host"), .attributes = fc_host_attributes },
	{ .attributes = scsi_host_attributes, .children = scsi_host_children, .ties = scsi_host_ties },
};
static const struct element_rule adapter = {
	.name = "adapter",
	.attributes = adapter_attributes,
	.shaped_by = "type",
	.shapes = adapter_shapes,
};

/* ---- <source>, a type each ---- */

#define MAKER                                                                                                \
	{ &vendor, AT_MOST_ONCE, ANY_PLACE },                                                                \
	{                                                                                                    \
		&product, AT_MOST_ONCE, ANY_PLACE                                                            \
	}

static const struct child_rule fs_source_children[] = {
	{ &device, ONCE, ANY_PLACE }, { &fs_format, AT_MOST_ONCE, ANY_PLACE }, MAKER, { 0 }
};
static const struct child_rule netfs_source_children[] = { { &host, ONCE_OR_MORE, ANY_PLACE }, MAKER, { 0 } };
static const struct child_rule nfs_children[] = {
	{ &dir, ONCE, ANY_PLACE },
	{ &nfs_format, AT_MOST_ONCE, ANY_PLACE },
	{ &protocol, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct child_rule share_children[] = { { &share, ONCE, ANY_PLACE },
	                                            { &share_format, ONCE, ANY_PLACE },
	                                            { 0 } };
static const struct shape_rule netfs_shapes[] = {
	{ .words = WORDS("cifs", "glusterfs"), .children = share_children },
	{ .children = nfs_children },
};
static const struct child_rule logical_source_children[] = {
	{ &source_name, ANY_NUMBER, ANY_PLACE },
	{ &device, ANY_NUMBER, ANY_PLACE },
	{ &logical_format, AT_MOST_ONCE, ANY_PLACE },
	MAKER,
	{ 0 },
};
static const struct child_rule disk_source_children[] = {
	{ &device, ONCE, ANY_PLACE }, { &disk_format, AT_MOST_ONCE, ANY_PLACE }, MAKER, { 0 }
};
static const struct child_rule iscsi_source_children[] = {
	{ &host, ONCE_OR_MORE, ANY_PLACE },
	{ &device, ONCE, ANY_PLACE },
	{ &initiator, AT_MOST_ONCE, ANY_PLACE },
	{ &auth, AT_MOST_ONCE, ANY_PLACE },
	MAKER,
	{ 0 },
};
static const struct child_rule iscsi_direct_source_children[] = {
	{ &host, ONCE_OR_MORE, ANY_PLACE },
	{ &target_device, ONCE, ANY_PLACE },
	{ &initiator, ONCE, ANY_PLACE },
	{ &auth, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct child_rule scsi_source_children[] = { { &adapter, ONCE, ANY_PLACE }, MAKER, { 0 } };
static const struct child_rule rbd_source_children[] = {
	{ &source_name, ONCE, ANY_PLACE },
	{ &host, ONCE_OR_MORE, ANY_PLACE },
	{ &auth, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct child_rule sheepdog_source_children[] = { { &host, ONCE_OR_MORE, ANY_PLACE },
	                                                      { &source_name, ONCE, ANY_PLACE },
	                                                      { 0 } };
static const struct child_rule gluster_source_children[] = {
	{ &host, ONCE_OR_MORE, ANY_PLACE },
	{ &source_name, ONCE, ANY_PLACE },
	{ &dir, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct child_rule zfs_source_children[] = { { &source_name, ONCE, ANY_PLACE },
	                                                 { &device, AT_MOST_ONCE, ANY_PLACE },
	                                                 { 0 } };
static const struct child_rule vstorage_source_children[] = { { &source_name, ONCE, ANY_PLACE }, { 0 } };

static const struct element_rule dir_source = { .name = "source", .children = maker_children };
static const struct element_rule fs_source = { .name = "source", .children = fs_source_children };
static const struct element_rule netfs_source = {
	.name = "source",
	.children = netfs_source_children,
	.shaped_by_child = "format",
	.shaped_by = "type",
	.shapes = netfs_shapes,
};
static const struct element_rule logical_source = { .name = "source", .children = logical_source_children };
static const struct element_rule disk_source = { .name = "source", .children = disk_source_children };
static const struct element_rule iscsi_source = { .name = "source", .children = iscsi_source_children };
static const struct element_rule iscsi_direct_source = { .name = "source",
	                                                 .children = iscsi_direct_source_children };
static const struct element_rule scsi_source = { .name = "source", .children = scsi_source_children };
static const struct child_rule mpath_source_children[] = { { &mpath_format, AT_MOST_ONCE, ANY_PLACE },
	                                                   { 0 } };
static const struct element_rule mpath_source = { .name = "source", .children = mpath_source_children };
static const struct element_rule rbd_source = { .name = "source", .children = rbd_source_children };
static const struct element_rule sheepdog_source = { .name = "source", .children = sheepdog_source_children };
static const struct element_rule gluster_source = { .name = "source", .children = gluster_source_children };
static const struct element_rule zfs_source = { .name = "source", .children = zfs_source_children };
static const struct element_rule vstorage_source = { .name = "source", .children = vstorage_source_children };

/* ---- <target>, <refresh>, and the options in namespaces of their own ---- */

static const struct element_rule path = { .name = "path", .text = &text_absolute_path };
static const struct child_rule target_children[] = { { &path, ONCE, ANY_PLACE },
	                                             { &grammar_permissions, AT_MOST_ONCE, ANY_PLACE },
	                                             { 0 } };
static const struct child_rule logical_target_children[] = {
	{ &path, AT_MOST_ONCE, ANY_PLACE }, { &grammar_permissions, AT_MOST_ONCE, ANY_PLACE }, { 0 }
};
static const struct element_rule target = { .name = "target", .children = target_children };
static const struct element_rule logical_target = { .name = "target", .children = logical_target_children };

static const struct text_rule refresh_allocation = { .what = "default or capacity",
	                                             .words = WORDS("default", "capacity") };
static const struct attribute_rule refresh_volume_attributes[] = {
	{ "allocation", false, &refresh_allocation }, { 0 }
};
static const struct element_rule refresh_volume = { .name = "volume",
	                                            .attributes = refresh_volume_attributes };
static const struct child_rule refresh_children[] = { { &refresh_volume, AT_MOST_ONCE, ANY_PLACE }, { 0 } };
static const struct element_rule refresh = { .name = "refresh", .children = refresh_children };

static const struct element_rule mount_option = { .name = "option",
	                                          .ns = FS_NS,
	                                          .attributes = name_attributes };
static const struct child_rule mount_opts_children[] = { { &mount_option, ANY_NUMBER, ANY_PLACE }, { 0 } };
static const struct element_rule mount_opts = { .name = "mount_opts",
	                                        .ns = FS_NS,
	                                        .children = mount_opts_children };

static const struct attribute_rule rbd_option_attributes[] = { { "name", true, &text_any },
	                                                       { "value", true, &text_any },
	                                                       { 0 } };
static const struct element_rule rbd_option = { .name = "option",
	                                        .ns = RBD_NS,
	                                        .attributes = rbd_option_attributes };
static const struct child_rule config_opts_children[] = { { &rbd_option, ANY_NUMBER, ANY_PLACE }, { 0 } };
static const struct element_rule config_opts = { .name = "config_opts",
	                                         .ns = RBD_NS,
	                                         .children = config_opts_children };

/* ---- <boot>: ours, not libvirt's; its rules are those of the reader (read.c) ---- */

static bool fits_timeout(const char *text)
{
	struct err why = { 0 };
	uint64_t ms;

	return clock_parse(text, &ms, &why) == 0 && ms > 0;
}

static bool fits_order(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	return end != text && *end == '\0' && value > INT_MIN && value <= INT_MAX;
}

static bool fits_onfail(const char *text)
{
	return pool_onfail_from_word(text) != ONFAIL_UNSET;
}

static const struct text_rule boot_timeout = { .what = "a time such as 30s or 2m", .fits = fits_timeout };
static const struct text_rule boot_order = { .what = "a whole number", .fits = fits_order };
static const struct text_rule boot_onfail = { .what = "one of continue, reboot, poweroff, shell",
	                                      .fits = fits_onfail };
static const struct attribute_rule boot_attributes[] = {
	{ "require", false, &text_yes_no },
	{ "timeout", false, &boot_timeout },
	{ "order", false, &boot_order },
	{ "onfail", false, &boot_onfail },
	{ 0 },
};
static const struct element_rule boot = { .name = "boot", .ns = POOL_BOOT_NS, .attributes = boot_attributes };

static const struct element_rule fill = { .name = "fill", .ns = POOL_FILL_NS, .text = &text_any };
static const struct element_rule mount = { .name = "mount", .ns = POOL_MOUNT_NS, .text = &text_any };

/* ---- the pool ---- */

/* clang-format off */
#define NAMED     { &name, ONCE, ANY_PLACE }
#define ANONYMOUS { &name, AT_MOST_ONCE, ANY_PLACE }
#define TARGET    { &target, ONCE, ANY_PLACE }
/* clang-format on */

static const struct child_rule dir_children[] = {
	NAMED, { &dir_source, AT_MOST_ONCE, ANY_PLACE }, TARGET, { 0 }
};
static const struct child_rule fs_children[] = {
	NAMED, { &fs_source, ONCE, ANY_PLACE }, TARGET, { &mount_opts, AT_MOST_ONCE, LAST_PLACE }, { 0 }
};
static const struct child_rule netfs_children[] = {
	NAMED, { &netfs_source, ONCE, ANY_PLACE }, TARGET, { &mount_opts, AT_MOST_ONCE, ANY_PLACE }, { 0 }
};
static const struct child_rule logical_children[] = {
	ANONYMOUS, { &logical_source, ONCE, ANY_PLACE }, { &logical_target, ONCE, ANY_PLACE }, { 0 }
};
static const struct child_rule disk_children[] = { NAMED, { &disk_source, ONCE, ANY_PLACE }, TARGET, { 0 } };
static const struct child_rule iscsi_children[] = {
	NAMED, { &iscsi_source, ONCE, ANY_PLACE }, TARGET, { 0 }
};
static const struct child_rule iscsi_direct_children[] = { NAMED,
	                                                   { &iscsi_direct_source, ONCE, ANY_PLACE },
	                                                   { 0 } };
static const struct child_rule scsi_children[] = { NAMED, { &scsi_source, ONCE, ANY_PLACE }, TARGET, { 0 } };
static const struct child_rule mpath_children[] = {
	NAMED, { &mpath_source, AT_MOST_ONCE, ANY_PLACE }, TARGET, { 0 }
};
static const struct child_rule rbd_children[] = {
	ANONYMOUS,
	{ &rbd_source, ONCE, ANY_PLACE },
	{ &refresh, AT_MOST_ONCE, ANY_PLACE },
	{ &config_opts, AT_MOST_ONCE, ANY_PLACE },
	{ 0 },
};
static const struct child_rule sheepdog_children[] = { ANONYMOUS,
	                                               { &sheepdog_source, ONCE, ANY_PLACE },
	                                               { 0 } };
static const struct child_rule gluster_children[] = { ANONYMOUS,
	                                              { &gluster_source, ONCE, ANY_PLACE },
	                                              { 0 } };
static const struct child_rule zfs_children[] = {
	ANONYMOUS, { &zfs_source, ONCE, ANY_PLACE }, { &target, AT_MOST_ONCE, ANY_PLACE }, { 0 }
};
static const struct child_rule vstorage_children[] = {
	ANONYMOUS, { &vstorage_source, ONCE, ANY_PLACE }, TARGET, { 0 }
};

static const struct shape_rule pool_shapes[] = {
	{ .words = WORDS("dir"), .children = dir_children },
	{ .words = WORDS("fs"), .children = fs_children },
	{ .words = WORDS("netfs"), .children = netfs_children },
	{ .words = WORDS("logical"), .children = logical_children },
	{ .words = WORDS("disk"), .children = disk_children },
	{ .words = WORDS("iscsi"), .children = iscsi_children },
	{ .words = WORDS("iscsi-direct"), .children = iscsi_direct_children },
	{ .words = WORDS("scsi"), .children = scsi_children },
	{ .words = WORDS("mpath"), .children = mpath_children },
	{ .words = WORDS("rbd"), .children = rbd_children },
	{ .words = WORDS("sheepdog"), .children = sheepdog_children },
	{ .words = WORDS("gluster"), .children = gluster_children },
	{ .words = WORDS("zfs"), .children = zfs_children },
	{ .words = WORDS("vstorage"), .children = vstorage_children },
	{ 0 }, /* an unknown type, which the attribute's own rule refuses */
};

static const struct text_rule pool_type = { .words = WORDS("dir", "fs", "netfs", "logical", "disk", "iscsi",
	                                                   "iscsi-direct", "scsi", "mpath", "rbd", "sheepdog",
	                                                   "gluster", "zfs", "vstorage") };
static const struct attribute_rule pool_attributes[] = { { "type", true, &pool_type }, { 0 } };
static const struct child_rule pool_children[] = {
	{ &uuid, AT_MOST_ONCE, ANY_PLACE },
	{ &capacity, AT_MOST_ONCE, ANY_PLACE },
	{ &allocation, AT_MOST_ONCE, ANY_PLACE },
	{ &available, AT_MOST_ONCE, ANY_PLACE },
	{ &features, AT_MOST_ONCE, ANY_PLACE },
	{ &boot, AT_MOST_ONCE, EVEN_BEHIND_LAST },
	{ &fill, AT_MOST_ONCE, EVEN_BEHIND_LAST },
	{ &mount, AT_MOST_ONCE, EVEN_BEHIND_LAST },
	{ 0 },
};
const struct element_rule grammar_pool = {
	.name = "pool",
	.attributes = pool_attributes,
	.children = pool_children,
	.shaped_by = "type",
	.shapes = pool_shapes,
};
