/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices by name and tag, without any: what is refused, what is waited for, and how contents are called.
 * Real ones: tests/host/fs-pools.
 */
#include <errno.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include "backends/backend.h"
#include "system/device.h"
#include "base/util.h"
#include "check.h"

static char path[PATH_MAX];
static dev_t dev;

static void what_is_neither_path_nor_tag_is_invalid(void)
{
	static const char *const specs[] = { "", "vda", "label=x", "ID=x", "LABEL", "./x" };

	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct err e = { 0 };

		CHECK(device_find(specs[i], path, sizeof(path), &dev, &e) < 0 && err_is(&e, ERR_INVALID));
	}
}

static void a_missing_device_is_waited_for(void)
{
	static const char *const specs[] = { "/dev/nosuch",  "/dev/null/below",
		                             "/nowhere/x",   "LABEL=no such label here",
		                             "UUID=zzzz",    "PARTLABEL=nosuch",
		                             "PARTUUID=zz-9" };
	char waits_for[256];

	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct err e = { 0 };

		CHECK(device_find(specs[i], path, sizeof(path), &dev, &e) < 0 && err_is(&e, ERR_WAIT_DEVICE));
		snprintf(waits_for, sizeof(waits_for), "device=%s", specs[i]);
		CHECK_STR(e.waits_for, waits_for);
		CHECK(strstr(e.message, specs[i]) != NULL);
	}
}

static void what_is_no_block_device_is_refused(void)
{
	static const char *const specs[] = { "/dev/null", "/etc/passwd", "/tmp" };

	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct err e = { 0 };

		CHECK(device_find(specs[i], path, sizeof(path), &dev, &e) < 0 &&
		      err_is(&e, ERR_WRONG_FORMAT));
		CHECK(strstr(e.message, "is not a block device") != NULL);
	}
}

static void a_long_tag_does_no_harm(void)
{
	char spec[5000] = "LABEL=";
	struct err e = { 0 };

	memset(spec + 6, '/', sizeof(spec) - 7);
	CHECK(device_find(spec, path, sizeof(path), &dev, &e) < 0 && err_is(&e, ERR_WAIT_DEVICE));
	memset(spec, 'x', sizeof(spec) - 1);
	spec[0] = '/';
	e = (struct err){ 0 };
	CHECK(device_find(spec, path, sizeof(path), &dev, &e) < 0);
}

static void of_a_device_that_is_gone_nothing_can_be_told(void)
{
	CHECK(device_matches("/dev/null", makedev(1, 3)) == 0); /* a character device of that number */
	CHECK(device_matches("/dev/nosuch", makedev(8, 0)) == -1);
	CHECK(device_matches("LABEL=x", makedev(4095, 4095)) == -1);
	CHECK(device_node(makedev(4095, 4095), path, sizeof(path)) < 0);
	CHECK(!device_is_read_only(makedev(4095, 4095)));
}

static void contents_of_nothing_are_an_error(void)
{
	struct device_content c;
	struct err e = { 0 };

	CHECK(device_content("/dev/nosuch", &c, &e) < 0 && err_is(&e, ERR_WAIT_DEVICE));
	CHECK_STR(e.waits_for, "device=/dev/nosuch");
	e = (struct err){ 0 };
	CHECK(device_content("/dev/null", &c, &e) < 0 && err_is(&e, ERR_STORAGE));
	CHECK_STR(c.type, "");
}

static void contents_are_told_in_words(void)
{
	static const struct {
		struct device_content c;
		const char *text;
	} cases[] = {
		{ { .type = "xfs", .usage = "filesystem" }, "xfs" },
		{ { .type = "LVM2_member", .usage = "raid" }, "an LVM physical volume" },
		{ { .type = "crypto_LUKS", .usage = "crypto" }, "a LUKS container" },
		{ { .type = "linux_raid_member", .usage = "raid" }, "a member of a RAID array" },
		{ { .table = "gpt" }, "a gpt partition table" },
		{ { .type = "iso9660", .table = "dos" }, "iso9660" },
		{ { .ambivalent = true }, "the signatures of more than one filesystem" },
		{ { .ambivalent = false }, "nothing that is recognised" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(device_content_text(&cases[i].c, text, sizeof(text)), cases[i].text);
}

static void a_type_without_a_backend_has_none(void)
{
	CHECK(backend_find(POOL_RBD) == NULL && backend_find(POOL_ZFS) == NULL &&
	      backend_find(POOL_TYPES) == NULL);
	for (int t = 0; t < POOL_TYPES; t++) {
		const struct backend *b = backend_find((enum pool_type)t);

		/* One whose start brings nothing up has nothing to stop. */
		if (b)
			CHECK(b->type == (enum pool_type)t && b->summary && b->check && b->start &&
			      (b->stop || t == POOL_DISK || t == POOL_SHEEPDOG) && b->refresh);
	}
}

int main(void)
{
	RUN(what_is_neither_path_nor_tag_is_invalid);
	RUN(a_missing_device_is_waited_for);
	RUN(what_is_no_block_device_is_refused);
	RUN(a_long_tag_does_no_harm);
	RUN(of_a_device_that_is_gone_nothing_can_be_told);
	RUN(contents_of_nothing_are_an_error);
	RUN(contents_are_told_in_words);
	RUN(a_type_without_a_backend_has_none);
	return check_done();
}
