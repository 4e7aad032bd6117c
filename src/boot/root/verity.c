/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dm-verity through libdevmapper. What the kernel is told of the tree stands in its superblock, and nothing
 * there need be believed: whoever changes it changes what the blocks hash to.
 *
 * Facts: Documentation/admin-guide/device-mapper/verity.rst of the kernel for the table; cryptsetup's
 * on-disk format (docs/v1.0.7 and its wiki, DMVerity) for the superblock, which lies in a block of its own
 * before the tree.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/root/ending.h"
#include "boot/root/root.h"
#include "boot/root/verity.h"
#include "pool/check.h"
#include "system/device.h"
#include "system/module.h"

#define MAP_NAME     "verity-root"
#define HASH_LEAST   32 /* hexadecimal digits */
#define HASH_MOST    128
#define SALT_MOST    256
#define BLOCK_MOST   65536
#define SYSLOG_ERROR 3 /* syslog(3), LOG_ERR: its header and base/log.h do not go together */

/* As it lies on the medium, little-endian. */
struct superblock {
	char signature[8];
	uint32_t version, hash_type;
	uint8_t uuid[16];
	char algorithm[32];
	uint32_t data_block, hash_block; /* bytes */
	uint64_t data_blocks;
	uint16_t salt_len;
	uint8_t reserved[6];
	uint8_t salt[SALT_MOST];
	uint8_t padding[168];
};
_Static_assert(sizeof(struct superblock) == 512, "one sector");

/* The tree: on which device, from which byte on. */
struct tree {
	dev_t dev;
	char node[PATH_MAX];
	uint64_t at;
};

/* ---- what was asked for ---- */

static bool is_hash(const char *hash)
{
	size_t len = strspn(hash, "0123456789abcdefABCDEF");

	return !hash[len] && len >= HASH_LEAST && len <= HASH_MOST && len % 2 == 0;
}

static bool is_offset(const char *where)
{
	return *where >= '0' && *where <= '9';
}

int verity_check(const char *hash, const char *tree, struct err *e)
{
	demand(hash && tree, e);

	unsigned long long at;
	char *end;

	if (!is_hash(hash))
		return err_set(e, ERR_INVALID, "roothash=: \"%.140s\" is no hash", hash);
	if (!*tree)
		return err_set(e, ERR_MISSING,
		               "roothash= takes verityhash=, which says where the hash tree is");
	errno = 0;
	at = strtoull(tree, &end, 10);
	if (is_offset(tree) ? *end || errno || at % 512 : !check_device(tree))
		return err_set(e, ERR_INVALID,
		               "verityhash=: \"%s\" is neither a device nor bytes in whole sectors", tree);
	return 0;
}

static int find_tree(const char *node, dev_t dev, const char *where, struct tree *t, struct err *e)
{
	*t = (struct tree){ .dev = dev };
	snprintf(t->node, sizeof(t->node), "%s", node);
	if (!is_offset(where))
		return device_find(where, t->node, sizeof(t->node), &t->dev, e);
	t->at = strtoull(where, NULL, 10);
	return 0;
}

/* ---- the superblock ---- */

static bool is_block_size(uint32_t n)
{
	return n >= 512 && n <= BLOCK_MOST && (n & (n - 1)) == 0;
}

static bool is_algorithm(const char name[32])
{
	size_t len = strnlen(name, 32);

	return len > 0 && len < 32 && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

static int read_superblock(const struct tree *t, struct superblock *s, struct err *e)
{
	cleanup_close int fd = open(t->node, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", t->node);
	if (file_pread(fd, s, sizeof(*s), t->at) != (ssize_t)sizeof(*s) ||
	    memcmp(s->signature, "verity\0", sizeof(s->signature)) != 0)
		return err_set(e, ERR_WRONG_FORMAT, "%s has no hash tree at byte %llu", t->node,
		               (unsigned long long)t->at);
	s->hash_type = le32toh(s->hash_type);
	s->data_block = le32toh(s->data_block);
	s->hash_block = le32toh(s->hash_block);
	s->data_blocks = le64toh(s->data_blocks);
	s->salt_len = le16toh(s->salt_len);
	if (le32toh(s->version) != 1 || s->hash_type > 1 || !is_block_size(s->data_block) ||
	    !is_block_size(s->hash_block) || s->salt_len > SALT_MOST || !is_algorithm(s->algorithm) ||
	    !s->data_blocks || s->data_blocks > (UINT64_MAX >> 1) / s->data_block)
		return err_set(e, ERR_WRONG_FORMAT, "the hash tree at byte %llu of %s is none that is known",
		               (unsigned long long)t->at, t->node);
	return 0;
}

/* ---- the map ---- */

static char last_said[200];

/* What libdevmapper would print becomes the reason of our error. */
__attribute__((format(printf, 5, 6))) static void keep_said(int level, const char *file, int line, int number,
                                                            const char *format, ...)
{
	va_list ap;

	(void)file, (void)line, (void)number;
	if ((level & 7) > SYSLOG_ERROR)
		return;
	va_start(ap, format);
	vsnprintf(last_said, sizeof(last_said), format, ap);
	va_end(ap);
}

static struct dm_task *begin_map_task(int type)
{
	struct dm_task *t;

	dm_log_with_errno_init(keep_said);
	dm_udev_set_sync_support(0);
	t = dm_task_create(type);
	if (t && dm_task_set_name(t, MAP_NAME))
		return t;
	if (t)
		dm_task_destroy(t);
	return NULL;
}

static void describe(const struct superblock *s, dev_t data, const struct tree *t, const char *hash,
                     struct buf *table)
{
	uint64_t first = (t->at + sizeof(*s) + s->hash_block - 1) / s->hash_block;

	buf_printf(table, "%u %u:%u %u:%u %u %u %llu %llu %s %s ", s->hash_type, major(data), minor(data),
	           major(t->dev), minor(t->dev), s->data_block, s->hash_block,
	           (unsigned long long)s->data_blocks, (unsigned long long)first, s->algorithm, hash);
	for (unsigned i = 0; i < s->salt_len; i++)
		buf_printf(table, "%02x", s->salt[i]);
	if (!s->salt_len)
		buf_adds(table, "-");
}

static int make_map(uint64_t bytes, const char *table, char *out, size_t size, struct err *e)
{
	struct dm_task *t = begin_map_task(DM_DEVICE_CREATE);
	struct dm_info info;
	int rc = 0;

	if (t && dm_task_set_ro(t) && dm_task_add_target(t, 0, bytes / 512, "verity", table) &&
	    dm_task_run(t) && dm_task_get_info(t, &info))
		rc = snprintf(out, size, "/dev/dm-%u", info.minor);
	else
		err_set(e, ERR_UNSUPPORTED, "roothash=: cannot check with dm-verity: %s",
		        last_said[0] ? last_said : "the kernel refuses it");
	if (t)
		dm_task_destroy(t);
	dm_task_update_nodes();
	return rc > 0 ? 0 : -1;
}

/* It goes with its last user: at once if it has none. Harmless where there is none. */
static void remove_map(void)
{
	struct dm_task *t = begin_map_task(DM_DEVICE_REMOVE);

	if (t) {
		dm_task_deferred_remove(t);
		dm_task_run(t);
		dm_task_destroy(t);
	}
	dm_task_update_nodes();
}

/* The first block is looked at here, because a filesystem that cannot be read says nothing of a hash. */
static int check_map(const char *node, const char *hash, struct err *e)
{
	cleanup_close int fd = open(node, O_RDONLY | O_CLOEXEC);
	char first[512];

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", node);
	if (file_pread(fd, first, sizeof(first), 0) == (ssize_t)sizeof(first))
		return 0;
	return err_set(e, ERR_WRONG_FORMAT,
	               "roothash=%.16s… is not the hash of what is there: it was changed, "
	               "or another one is meant",
	               hash);
}

int verity_open(const char *node, const char *hash, const char *tree, char *out, size_t size, struct err *e)
{
	demand(node && hash && tree && out, e);

	cleanup_buf struct buf table = BUF_INIT;
	struct superblock s;
	struct tree t;
	char path[PATH_MAX];
	dev_t dev;

	if (verity_check(hash, tree, e) < 0 || device_find(node, path, sizeof(path), &dev, e) < 0 ||
	    find_tree(path, dev, tree, &t, e) < 0 || read_superblock(&t, &s, e) < 0)
		return -1;
	describe(&s, dev, &t, hash, &table);
	if (table.failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	module_load_wanted("dm-mod dm-verity");
	remove_map(); /* of a worker that was killed */
	if (make_map(s.data_blocks * s.data_block, buf_str(&table), out, size, e) < 0)
		return module_explain("dm-verity", e);
	if (check_map(out, hash, e) == 0)
		return 0;
	remove_map();
	return -1;
}

/* systemd reads roothash= as well, and waits 90 s for partitions that have their names from it, before
 * anything else. A unit in /run counts before what its generator writes. systemd-veritysetup-generator(8),
 * systemd.unit(5). */
static void tell_systemd(void)
{
	static const char text[] = "[Unit]\nDescription=Verity protection of the root, by poolinit\n"
				   "DefaultDependencies=no\nIgnoreOnIsolate=yes\n"
				   "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n";
	struct err e = { 0 };

	if (file_leave(SYSTEMD_UNITS, "systemd-veritysetup@root.service", text, &e) < 0)
		log_warn(LF_BOOT, "%s", e.message);
}

void verity_over(int rc)
{
	remove_map();
	if (rc == 0 && ending_has_systemd(ROOT_DIR))
		tell_systemd();
}
