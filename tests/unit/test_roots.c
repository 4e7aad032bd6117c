/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammar of root= and rootfstype=: what is taken, and what is refused with which words.
 */
#include "check.h"
#include "base/util.h"
#include "boot/root/roots.h"

static struct arena arena;
static struct root_list list;
static struct err e;

static int parse(const char *value)
{
	list = (struct root_list){ .n = 77 };
	err_clear(&e);
	return roots_parse(value, &arena, &list, &e);
}

/* Refused, and nothing is changed. */
static bool refused(const char *value, const char *words)
{
	bool right = parse(value) < 0 && list.n == 77 && e.class == ERR_INVALID && strstr(e.message, words);

	if (!right)
		printf("# %s: %s\n", value, e.message);
	return right;
}

static bool is_device(const char *value)
{
	return parse(value) == 0 && list.n == 1 && list.items[0].kind == ROOT_DEVICE &&
	       streq(list.items[0].name, value) && streq(list.items[0].text, value) && !list.items[0].volume;
}

static void devices_by_any_name(void)
{
	CHECK(is_device("/dev/sda1"));
	CHECK(is_device("/dev/mapper/sys-root"));
	CHECK(is_device("/dev/disk/by-label/a\\x2cb"));
	CHECK(is_device("UUID=0c8a7b4e-6d0e-4f9e-8b1c-0f6f1b8a2d11"));
	CHECK(is_device("LABEL=root fs"));
	CHECK(is_device("PARTUUID=1234-01"));
	CHECK(is_device("PARTLABEL=root=a"));
	CHECK(is_device("/dev/nvme0n1p2"));
}

static void pools_and_their_volumes(void)
{
	CHECK_INT(parse("pool:sys"), 0);
	CHECK_INT(list.items[0].kind, ROOT_POOL);
	CHECK_STR(list.items[0].name, "sys");
	CHECK(!list.items[0].volume);
	CHECK_INT(parse("pool:images/debian/a.squashfs"), 0);
	CHECK_INT(list.items[0].kind, ROOT_VOLUME);
	CHECK_STR(list.items[0].name, "images");
	CHECK_STR(list.items[0].volume, "debian/a.squashfs");
	CHECK_STR(list.items[0].text, "pool:images/debian/a.squashfs");
	CHECK_INT(parse("pool:pool:x/root"), 0); /* a pool's name may have a colon */
	CHECK_STR(list.items[0].name, "pool:x");
}

static void a_list_keeps_its_order(void)
{
	CHECK_INT(parse("LABEL=A,pool:sys/b,/dev/vdc"), 0);
	CHECK_INT(list.n, 3);
	CHECK_STR(list.items[0].text, "LABEL=A");
	CHECK_STR(list.items[1].volume, "b");
	CHECK_STR(list.items[2].name, "/dev/vdc");
	CHECK_INT(parse("LABEL=A,LABEL=A"), 0);
	CHECK_INT(list.n, 2);
	CHECK_INT(parse("LABEL=1,LABEL=2,LABEL=3,LABEL=4,LABEL=5,LABEL=6,LABEL=7,LABEL=8"), 0);
	CHECK_INT(parse("LABEL=1,LABEL=2,LABEL=3,LABEL=4,LABEL=5,LABEL=6,LABEL=7,LABEL=8,LABEL=9"), -1);
	CHECK_INT(e.class, ERR_TOO_LONG);
	CHECK_INT(list.n, 77);
}

static void empty_items_are_refused(void)
{
	CHECK(refused("", "\"\" is no root"));
	CHECK(refused(",", "\"\" is no root"));
	CHECK(refused("/dev/vda,", "\"\" is no root"));
	CHECK(refused(",/dev/vda", "\"\" is no root"));
	CHECK(refused("/dev/vda,,/dev/vdb", "\"\" is no root"));
	CHECK(refused(" /dev/vda", "UUID="));
}

static void what_is_no_device_is_refused(void)
{
	CHECK(refused("/dev", "\"/dev\" is no root"));
	CHECK(refused("/dev/../etc/passwd", "without \"..\""));
	CHECK(refused("/etc/passwd", "is no root"));
	CHECK(refused("vda1", "is no root: /dev/"));
	CHECK(refused("uuid=0c8a", "UUID="));
	CHECK(refused("ID=ata-x", "is no root"));
	CHECK(refused("UUID=", "filesystem's UUID"));
	CHECK(refused("UUID=a/b", "filesystem's UUID"));
	CHECK(refused("LABEL=", "filesystem's label"));
	CHECK(refused("LABEL=..", "filesystem's label"));
	CHECK(refused("LABEL=a\x1b[2J", "filesystem's label"));
	CHECK(refused("LABEL=\xff", "filesystem's label"));
	CHECK(refused("PARTLABEL=", "partition's name"));
	CHECK(refused("PARTUUID=", "own UUID"));
}

static void the_kernels_other_forms_say_what_to_write(void)
{
	CHECK(refused("8:1", "is no root"));
	CHECK(refused("0801", "is no root"));
	CHECK(refused("PARTUUID=1234-01/PARTNROFF=1", "partition's own UUID"));
	CHECK(refused("/dev/nfs", "netfs pool"));
	CHECK(refused("/dev/nfs4", "netfs pool"));
	CHECK(refused("/dev/ram0", "initramfs"));
	CHECK(refused("nfs:192.0.2.1:/export", "netfs pool"));
	CHECK(refused("nfs4:192.0.2.1:/export", "netfs pool"));
	CHECK(refused("iscsi:192.0.2.1::::iqn.2026-01.example:a", "iscsi pool"));
	CHECK(refused("zfs:tank/root", "is no root"));
	CHECK(refused("auto", "is no root"));
}

static void names_that_no_pool_or_volume_has_are_refused(void)
{
	CHECK(refused("pool:", "cannot be the name of a pool"));
	CHECK(refused("pool:/root", "cannot be the name of a pool"));
	CHECK(refused("pool:.hidden", "cannot be the name of a pool"));
	CHECK(refused("pool:a\nb", "cannot be the name of a pool"));
	CHECK(refused("pool:sys/", "pool:NAME/VOLUME"));
	CHECK(refused("pool:sys//root", "pool:NAME/VOLUME"));
	CHECK(refused("pool:sys/../root", "pool:NAME/VOLUME"));
	CHECK(refused("pool:sys/root/", "pool:NAME/VOLUME"));
	CHECK(refused("pool:sys/-root", "pool:NAME/VOLUME"));
	CHECK(refused("Pool:sys", "is no root"));
	CHECK(refused("pool=sys", "is no root"));
	CHECK(refused("LABEL=A,pool:", "cannot be the name of a pool"));
}

static void types_are_the_kernels_names(void)
{
	static const char *const good[] = { "ext4", "xfs", "squashfs", "hfsplus", "v7", "fuse.glusterfs" };
	static const char *const bad[] = { "",         "4ext",  "Ext4",
		                           "ext4,xfs", "ext4 ", "../x",
		                           "-t",       "ext\n", "a_very_long_name_of_a_filesystem" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(roots_is_fstype(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!roots_is_fstype(bad[i]));
}

int main(void)
{
	RUN(devices_by_any_name);
	RUN(pools_and_their_volumes);
	RUN(a_list_keeps_its_order);
	RUN(empty_items_are_refused);
	RUN(what_is_no_device_is_refused);
	RUN(the_kernels_other_forms_say_what_to_write);
	RUN(names_that_no_pool_or_volume_has_are_refused);
	RUN(types_are_the_kernels_names);
	arena_free(&arena);
	return check_done();
}
