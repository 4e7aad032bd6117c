/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fourteen pool types as the grammar sees them.
 */
#include "pool/def.h"

#include "base/util.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Formats of volumes that are files, the default first. "none" is listed for libvirt's sake; no volume can be
 * made of it. */
static const char *const file_formats[] = { "raw", "none", "dir",   "bochs", "cloop", "dmg",
	                                    "iso", "vpc",  "vdi",   "fat",   "vhd",   "ploop",
	                                    "cow", "qcow", "qcow2", "qed",   "vmdk",  NULL };

static const struct pool_type_info types[POOL_TYPES] = {
	[POOL_DIR] = { "dir", .volume_formats = file_formats },
	[POOL_FS] = { "fs", FIELD_DEVICE, FIELD_DEVICE,
	              WORDS("auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat",
	                    "hfs+", "xfs", "ocfs2", "vmfs"),
	              file_formats },
	[POOL_NETFS] = { "netfs", FIELD_HOST | FIELD_DIR, FIELD_HOST | FIELD_DIR,
	                 WORDS("auto", "nfs", "glusterfs", "cifs"), file_formats },
	[POOL_LOGICAL] = { "logical", FIELD_NAME | FIELD_DEVICE, 0, WORDS("lvm2", "unknown"), NULL },
	[POOL_DISK] = { "disk", FIELD_DEVICE, FIELD_DEVICE,
	                WORDS("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"),
	                WORDS("none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid",
	                      "extended") },
	[POOL_ISCSI] = { "iscsi", FIELD_HOST | FIELD_DEVICE | FIELD_INITIATOR, FIELD_HOST, NULL, NULL },
	[POOL_ISCSI_DIRECT] = { "iscsi-direct", FIELD_HOST | FIELD_DEVICE | FIELD_INITIATOR | FIELD_NO_TARGET,
	                        FIELD_HOST | FIELD_INITIATOR, NULL, NULL },
	[POOL_SCSI] = { "scsi", FIELD_ADAPTER, FIELD_ADAPTER, NULL, NULL },
	[POOL_MPATH] = { "mpath", 0, 0, NULL, NULL },
	[POOL_RBD] = { "rbd", FIELD_HOST | FIELD_NAME | FIELD_NO_TARGET, FIELD_HOST | FIELD_NAME, NULL,
	               WORDS("raw") },
	[POOL_SHEEPDOG] = { "sheepdog", FIELD_HOST | FIELD_NAME | FIELD_NO_TARGET, FIELD_HOST, NULL, NULL },
	[POOL_GLUSTER] = { "gluster", FIELD_HOST | FIELD_NAME | FIELD_DIR | FIELD_NO_TARGET, FIELD_HOST, NULL,
	                   file_formats },
	[POOL_ZFS] = { "zfs", FIELD_NAME | FIELD_DEVICE, 0, NULL, NULL },
	[POOL_VSTORAGE] = { "vstorage", FIELD_NAME, 0, NULL, file_formats },
};

const struct pool_type_info *pool_type_info(enum pool_type t)
{
	return &types[t];
}

const char *pool_type_word(enum pool_type t)
{
	return types[t].word;
}

int pool_type_from_word(const char *word)
{
	for (int t = 0; t < POOL_TYPES; t++)
		if (streq(types[t].word, word))
			return t;
	return -1;
}
