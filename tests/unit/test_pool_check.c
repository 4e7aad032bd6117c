/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The grammars of names, at their edges.
 */
#include "base/util.h"
#include "check.h"
#include "pool/check.h"

/* Every word of a NULL-terminated list has this verdict. */
static void all(bool (*grammar)(const char *), bool good, const char *const *words)
{
	for (; *words; words++) {
		if (grammar(*words) != good)
			printf("# \"%s\" is %s\n", *words, good ? "refused" : "accepted");
		CHECK(grammar(*words) == good);
	}
}

#define GOOD(grammar, ...) all(grammar, true, (const char *const[]){ __VA_ARGS__, NULL })
#define BAD(grammar, ...)  all(grammar, false, (const char *const[]){ __VA_ARGS__, NULL })

/* n times the character c. */
static const char *run_of(char c, size_t n)
{
	static char text[512];

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static void text_is_utf8_without_controls(void)
{
	GOOD(check_text, "", "plain", "ä€😀", " ");
	BAD(check_text, "a\tb", "a\nb", "\x7f", "\xc2\x85", "\xc2\x9b", "\xff", "\xc0\xaf", "\xed\xa0\x80",
	    "\xe2\x82", "a\xef\xbf\xbe",
	    "\xef\xbf\xbf"
	    "b");
}

static void pool_names(void)
{
	GOOD(check_pool_name, "a", "two words", " x ", "пул", "-x", "a.b", "a..");
	BAD(check_pool_name, "", ".", "..", "...", ".a", "a/b", "/", "a\nb", "\x01", "\xff");
	CHECK(check_pool_name(run_of('a', 200)));
	CHECK(!check_pool_name(run_of('a', 201)));
}

static void iscsi_names(void)
{
	GOOD(check_iqn, "iqn.2013-06.com.example:storage.disk1", "eui.02004567A425678D",
	     "naa.52004567BA64678D", "demo-target", "a", "A_b");
	BAD(check_iqn, "", "iqn.2013-06.com.example:../x", "a..b", "a/b", "-a", ".a", "a b", "a\n", "a,b",
	    "a'b", "ä");
	CHECK(check_iqn(run_of('a', 223)));
	CHECK(!check_iqn(run_of('a', 224)));
}

static void lvm_names(void)
{
	GOOD(check_lvm_name, "vg", "vg0", "_x", "a-b+c.d", "+", "...");
	BAD(check_lvm_name, "", ".", "..", "-a", "a/b", "a b", "a@b", "a\n", "ä");
	CHECK(check_lvm_name(run_of('a', 127)));
	CHECK(!check_lvm_name(run_of('a', 128)));
}

static void world_wide_names(void)
{
	GOOD(check_wwn, "20000000c9831b4b", "0x20000000C9831B4B", "0X20000000c9831b4b");
	BAD(check_wwn, "", "0x", "20000000c9831b4", "20000000c9831b4bb", "0x0x20000000c983",
	    "20000000c9831b4g", "20:00:00:00:c9:83:1b:4b", " 0000000c9831b4b");
}

static void hosts(void)
{
	GOOD(check_host, "h", "nfs.example.com", "192.0.2.7", "2001:db8::1", "::1", "fe80::1%eth0",
	     "my_host");
	BAD(check_host, "", "-h", ".h", "a..b", "[::1]", "a b", "a/b", "a@b", "h\n", "ä.example",
	    "h:/export");
	GOOD(check_bracketed, "[::1]", "[2001:db8::7]", "[fe80::1%eth0]");
	BAD(check_bracketed, "", "[]", "[", "]", "::1", "[host]", "[::1", "::1]", "[::1]]", "[[::1]",
	    "[::1]:2049", "[a b::1]", "[::1/x]");
	CHECK(check_host(run_of('a', 255)));
	CHECK(!check_host(run_of('a', 256)));
}

static void devices(void)
{
	GOOD(check_device, "/dev/sda", "/a", "/dev/a..b", "/dev/disk/by-path/ip-[::1]:3260-iscsi-iqn.x-lun-0",
	     "LABEL=x", "UUID=1-2", "PARTLABEL=EFI System", "PARTUUID=a-01");
	BAD(check_device, "", "/", "//", "dev/sda", "/dev/..", "/../x", "/dev/../x", "LABEL=", "LABEL=..",
	    "LABEL=a/b", "label=x", "ID=x", "/dev/a\nb", "\xff", "/\xff");
}

static void relative_paths(void)
{
	GOOD(check_relative_path, "a", "a/b", "a.b/..c");
	BAD(check_relative_path, "", "/a", "-a", "..", "../a", "a/..", "a/../b", "a//b", "a/", "a\nb");
	CHECK(!check_relative_path(run_of('a', 256)));
}

int main(void)
{
	RUN(text_is_utf8_without_controls);
	RUN(pool_names);
	RUN(iscsi_names);
	RUN(lvm_names);
	RUN(world_wide_names);
	RUN(hosts);
	RUN(devices);
	RUN(relative_paths);
	return check_done();
}
