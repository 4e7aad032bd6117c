/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fourteen pool types, as far as their definitions tell. Whoever wants to know something of a type asks
 * here.
 */
#include "pool/def.h"

#include "base/contract.h"
#include "base/util.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Formats of volumes that are files, the default first. A "none" that is not the default is listed for
 * libvirt's sake; no volume can be made of it. */
static const char *const file_formats[] = { "raw", "none", "dir",   "bochs", "cloop", "dmg",
	                                    "iso", "vpc",  "vdi",   "fat",   "vhd",   "ploop",
	                                    "cow", "qcow", "qcow2", "qed",   "vmdk",  NULL };

static const struct pool_type_info types[POOL_TYPES] = {
	[POOL_DIR] = {
		.word = "dir", .fields = FIELD_COW, .key = "dir:%t", .volume_formats = file_formats,
		/* it may be the root of a device that is mounted there */
		.stands_on = ON_DIRECTORY | ON_DEVICES,
	},
	[POOL_FS] = {
		.word = "fs", .fields = FIELD_DEVICE | FIELD_COW | FIELD_MOUNT_OPTIONS,
		.required = FIELD_DEVICE, .key = "dev:%D",
		.stands_on = ON_DIRECTORY | ON_DEVICES, .mounts = true, .device = WORD_BLOCK_DEVICE,
		.formats = WORDS("auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2",
			"vfat", "hfs+", "xfs", "ocfs2", "vmfs"),
		.volume_formats = file_formats,
	},
	[POOL_NETFS] = {
		.word = "netfs", .fields = FIELD_HOST | FIELD_DIR | FIELD_MOUNT_OPTIONS | FIELD_BRACKETS,
		.required = FIELD_HOST | FIELD_DIR,
		.key = "netfs:%h:%d", .port = 2049, .stands_on = ON_DIRECTORY | ON_SERVER, .mounts = true,
		.root_is_nobody = true,
		.formats = WORDS("auto", "nfs", "glusterfs", "cifs"), .volume_formats = file_formats,
	},
	[POOL_LOGICAL] = {              /* a host has one volume group, one zpool and one cluster of a name */
		.word = "logical", .fields = FIELD_NAME | FIELD_DEVICE, .key = "vg:%n",
		.stands_on = ON_DEVICES, .labels_devices = true,
		.target_in = "/dev", .device = WORD_BLOCK_DEVICE, .name = WORD_VOLUME_GROUP,
		.formats = WORDS("lvm2", "unknown"),
	},
	[POOL_DISK] = {
		.word = "disk", .fields = FIELD_DEVICE, .required = FIELD_DEVICE, .key = "dev:%D",
		.stands_on = ON_DEVICES, .device = WORD_BLOCK_DEVICE,
		.formats = WORDS("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"),
		.volume_formats = WORDS("none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm",
			"linux-raid", "extended"),
	},
	[POOL_ISCSI] = {                /* two initiators may log in to one target: those are two pools */
		.word = "iscsi", .fields = FIELD_HOST | FIELD_DEVICE | FIELD_INITIATOR,
		.required = FIELD_HOST, .key = "iscsi:%H/%D/%i", .port = 3260,
		.stands_on = ON_SERVER, .device = WORD_ISCSI_TARGET,
	},
	/* a client in user space, as rbd is: any number of them may share a source */
	[POOL_ISCSI_DIRECT] = {
		.word = "iscsi-direct", .fields = FIELD_HOST | FIELD_DEVICE | FIELD_INITIATOR |
			FIELD_NO_TARGET, .required = FIELD_HOST | FIELD_INITIATOR,
		.port = 3260, .device = WORD_ISCSI_TARGET,
	},
	[POOL_SCSI] = {
		.word = "scsi", .fields = FIELD_ADAPTER, .required = FIELD_ADAPTER, .key = "scsi:%a",
		.stands_on = ON_DEVICES,
	},
	[POOL_MPATH] = { .word = "mpath", .key = "mpath:", .own_formats = WORDS("auto") },
	[POOL_RBD] = {
		.word = "rbd", .fields = FIELD_HOST | FIELD_NAME | FIELD_NO_TARGET | FIELD_RBD_OPTIONS,
		.required = FIELD_HOST | FIELD_NAME,
		.volume_formats = WORDS("raw"), .has_layout = true,
	},
	[POOL_SHEEPDOG] = {
		.word = "sheepdog", .fields = FIELD_HOST | FIELD_NAME | FIELD_NO_TARGET | FIELD_SOCKET,
		.required = FIELD_HOST, .key = "sheepdog:%h", .port = 7000,
	},
	[POOL_GLUSTER] = {
		.word = "gluster", .fields = FIELD_HOST | FIELD_NAME | FIELD_DIR | FIELD_NO_TARGET,
		.required = FIELD_HOST, .key = "gluster:%H/%n%d",
		.port = 24007, .mounts = true, .volume_formats = file_formats,
	},
	[POOL_ZFS] = {
		.word = "zfs", .fields = FIELD_NAME | FIELD_DEVICE, .key = "zfs:%n", .stands_on = ON_DEVICES,
		.target_in = "/dev/zvol",
		.device = WORD_ZPOOL_PART,
	},
	[POOL_VSTORAGE] = {
		.word = "vstorage", .fields = FIELD_NAME, .key = "vstorage:%n", .stands_on = ON_DIRECTORY,
		.mounts = true, .name = WORD_CLUSTER,
		.volume_formats = file_formats,
	},
};

const struct pool_type_info *pool_type_info(enum pool_type t)
{
	demand_or((unsigned)t < POOL_TYPES, &types[0]);
	return &types[t];
}

const char *pool_type_word(enum pool_type t)
{
	demand_or((unsigned)t < POOL_TYPES, "");
	return types[t].word;
}

int pool_type_from_word(const char *word)
{
	demand_or(word, -1);
	for (int t = 0; t < POOL_TYPES; t++)
		if (streq(types[t].word, word))
			return t;
	return -1;
}
