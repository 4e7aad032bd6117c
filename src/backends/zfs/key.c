/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The key of an encrypted dataset comes from a secret, and goes to zfs(8) by its standard input: it stands in
 * no argument and in no file. What has lent a dataset its key (its encryption root) may be one above it.
 */
#include <stdio.h>
#include "backends/zfs/zfs.h"
#include "base/util.h"
#include "pool/secret/secret.h"

int zfs_load_key(const struct pool_def *d, struct op *op, struct err *e)
{
	char status[32], root[ZFS_NAME], usage[PATH_MAX];
	const char *const argv[] = { "zfs", "load-key", "-L", "prompt", root, NULL };
	const struct volume_secret secret = { .type = "passphrase", .usage = usage };
	cleanup_secret_value struct secret_value key = { 0 };

	if (zfs_get(zfs_dataset(d), "keystatus", status, sizeof(status), op, e) < 0)
		return -1;
	if (!streq(status, "unavailable"))
		return 0;
	snprintf(usage, sizeof(usage), ZVOL_DIR "/%s", zfs_dataset(d));
	if (zfs_get(zfs_dataset(d), "encryptionroot", root, sizeof(root), op, e) < 0 ||
	    secret_find_volume(&secret, op->secret_dirs, &key, e) < 0 ||
	    zfs_run_told(argv, key.data, key.len, op, e) < 0)
		return err_wrap(e, ERR_KEEP, "it is encrypted, and its key cannot be loaded");
	return 0;
}
