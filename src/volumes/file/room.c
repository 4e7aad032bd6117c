/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How much still fits. The quota of a project (ext4, xfs) and of a server's user (NFS) is in what statvfs(2)
 * says; that of a btrfs subvolume is not.
 *
 * What a filesystem keeps for root (f_bfree has it, f_bavail not) is not counted: guests mostly write as
 * ordinary users.
 */
#include "volumes/file/room.h"

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include "base/contract.h"
#include "base/util.h"

#define GROUP_BITS 48 /* the rest of a group's number is its level; a subvolume's own has 0 */

/* One item of the quota tree into `item`. */
static bool quota_item(int fd, uint32_t type, uint64_t subvolume, void *item, size_t size)
{
	struct btrfs_ioctl_search_args a = { .key = {
						     .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
						     .min_type = type,
						     .max_type = type,
						     .min_offset = subvolume,
						     .max_offset = subvolume,
						     .max_transid = UINT64_MAX,
						     .nr_items = 1,
					     } };
	struct btrfs_ioctl_search_header found;

	if (ioctl(fd, (ioctl_request)BTRFS_IOC_TREE_SEARCH, &a) < 0 || a.key.nr_items != 1)
		return false;
	memcpy(&found, a.buf, sizeof(found));
	memcpy(item, a.buf + sizeof(found), size);
	return found.type == type && found.offset == subvolume && found.len >= size;
}

/* Items are little-endian. */
static uint64_t little_endian(uint64_t disk)
{
	unsigned char b[8];
	uint64_t n = 0;

	memcpy(b, &disk, sizeof(b));
	for (int i = 7; i >= 0; i--)
		n = n << 8 | b[i];
	return n;
}

static uint64_t rest(uint64_t limit, uint64_t used)
{
	return limit > used ? limit - used : 0;
}

/* How much of `left` the subvolume's own quota group allows, which is numbered as the subvolume is. Groups
 * above it, which several subvolumes share, are not looked at. Without quotas, or without the right to read
 * them, all of it is allowed. */
static uint64_t within_quota(int fd, uint64_t left)
{
	struct btrfs_ioctl_ino_lookup_args where = { .objectid = BTRFS_FIRST_FREE_OBJECTID };
	struct btrfs_qgroup_limit_item limit;
	struct btrfs_qgroup_info_item used;

	if (ioctl(fd, (ioctl_request)BTRFS_IOC_INO_LOOKUP, &where) < 0 || where.treeid >> GROUP_BITS ||
	    !quota_item(fd, BTRFS_QGROUP_LIMIT_KEY, where.treeid, &limit, sizeof(limit)) ||
	    !quota_item(fd, BTRFS_QGROUP_INFO_KEY, where.treeid, &used, sizeof(used)))
		return left;
	if (little_endian(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
		left = least(left, rest(little_endian(limit.max_rfer), little_endian(used.rfer)));
	if (little_endian(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_EXCL)
		left = least(left, rest(little_endian(limit.max_excl), little_endian(used.excl)));
	return left;
}

int room_read(int fd, struct statvfs *s, uint64_t *left)
{
	demand_or(fd >= 0 && s && left, -1);

	struct statfs kind;

	if (fstatvfs(fd, s) < 0 || fstatfs(fd, &kind) < 0)
		return -1;
	*left = (uint64_t)s->f_bavail * s->f_frsize;
	if ((uint32_t)kind.f_type == (uint32_t)BTRFS_SUPER_MAGIC)
		*left = within_quota(fd, *left);
	return 0;
}
