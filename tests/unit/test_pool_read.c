/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading pool documents: what each element becomes, and what is refused, with source, line and reason. What
 * libvirt itself accepts and refuses is in test_conformance.c.
 */
#include <limits.h>

#include "base/util.h"
#include "check.h"
#include "pool/def.h"

static struct pool_def d;
static struct err e;

static bool reads(const char *xml)
{
	err_clear(&e);
	pool_def_free(&d);
	if (pool_read(&d, xml, strlen(xml), "t.xml", &e) == 0)
		return true;
	printf("# %s\n", e.message);
	return false;
}

/* Refused as invalid, at this line, with this word in the reason; and nothing is left to free. */
static bool refused(const char *xml, int line, const char *word)
{
	char place[40];
	struct pool_def bad;

	err_clear(&e);
	if (pool_read(&bad, xml, strlen(xml), "t.xml", &e) == 0) {
		printf("# accepted: %s\n", xml);
		pool_def_free(&bad);
		return false;
	}
	snprintf(place, sizeof(place), "t.xml:%d: ", line);
	if (e.class == ERR_INVALID && starts_with(e.message, place) && strstr(e.message, word))
		return true;
	printf("# got: %s %s\n", err_word(e.class), e.message);
	return false;
}

/* A dir pool of that name. */
static const char *named(const char *name)
{
	static char xml[1024];

	snprintf(xml, sizeof(xml),
	         "<pool type='dir'>\n<name>%s</name><target><path>/p</path></target></pool>", name);
	return xml;
}

/* A pool of that type with that <source>, which stands on line 2. */
static const char *sourced(const char *type, const char *source)
{
	static char xml[4096];

	snprintf(xml, sizeof(xml),
	         "<pool type='%s'><name>t</name><target><path>/p</path></target>\n<source>%s</source></pool>",
	         type, source);
	return xml;
}

static void dir_pool_is_read(void)
{
	CHECK(reads("<pool type='dir'><name>vm "
	            "images</name><uuid>751F8E7E-d2e9-463d-8ffe-d38f5e13a19b</uuid><target><path>/a//b/</"
	            "path><permissions><mode>0750</mode><owner>107</owner><group>-1</group><label>l</label></"
	            "permissions></target></pool>"));
	CHECK_INT(d.type, POOL_DIR);
	CHECK_STR(d.name, "vm images");
	CHECK(d.uuid_given && d.uuid.b[0] == 0x75 && d.uuid.b[15] == 0x9b);
	CHECK_STR(d.target.path, "/a/b");
	CHECK_INT(d.target.perms.mode, 0750);
	CHECK_INT(d.target.perms.owner, 107);
	CHECK_INT(d.target.perms.group, -1);
	CHECK_STR(d.target.perms.label, "l");
	CHECK(!d.source.given && !d.source.format && !d.boot.given && d.cow == -1);
}

static void iscsi_pool_is_read(void)
{
	CHECK(reads(sourced("iscsi",
	                    "<host name='192.0.2.7' port='3261'/><device "
	                    "path='iqn.2013-06.com.example:vm'/><initiator><iqn "
	                    "name='iqn.2013-06.com.example:me'/></initiator><auth type='chap' "
	                    "username='u'><secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/></auth>")));
	CHECK_INT(d.source.nhosts, 1);
	CHECK_STR(d.source.hosts[0].name, "192.0.2.7");
	CHECK_INT(d.source.hosts[0].port, 3261);
	CHECK_STR(d.source.devices[0].path, "iqn.2013-06.com.example:vm");
	CHECK_STR(d.source.initiator, "iqn.2013-06.com.example:me");
	CHECK_INT(d.source.auth.kind, AUTH_CHAP);
	CHECK_STR(d.source.auth.username, "u");
	CHECK(d.source.auth.by_uuid && d.source.auth.secret_uuid.b[0] == 0x2e);
}

static void netfs_pool_is_read(void)
{
	CHECK(reads("<pool type='netfs' "
	            "xmlns:f='http://libvirt.org/schemas/storagepool/fs/1.0'><name>t</name><source><host "
	            "name='a'/><host name='fe80::1%eth0'/><dir path='/e//x/'/><format type='nfs'/><protocol "
	            "ver='4.2'/></source><target><path>/p</path></target><f:mount_opts><f:option "
	            "name='ro'/><f:option name='noatime'/></f:mount_opts></pool>"));
	CHECK_INT(d.source.nhosts, 2);
	CHECK_STR(d.source.hosts[1].name, "fe80::1%eth0");
	CHECK_STR(d.source.dir, "/e/x");
	CHECK_STR(d.source.format, "nfs");
	CHECK_STR(d.source.protocol, "4.2");
	CHECK_INT(d.nmount_options, 2);
	CHECK_STR(d.mount_options[1].name, "noatime");
}

static void logical_pool_takes_its_names_from_each_other(void)
{
	CHECK(reads("<pool type='logical'><name>vg0</name><target><path>/elsewhere</path></target></pool>"));
	CHECK_STR(d.source.name, "vg0");
	CHECK_STR(d.target.path, "/dev/vg0");
	CHECK_STR(d.source.format, "lvm2");
	CHECK(reads("<pool type='logical'><source><name>vg1</name></source></pool>"));
	CHECK_STR(d.name, "vg1");
}

static void fs_pool_takes_devices_by_label(void)
{
	static const char *const good[] = { "/dev/sda1",         "LABEL=data", "UUID=0a1b-2c3d",
		                            "PARTLABEL=my disk", "PARTUUID=x", "//dev/x" };
	static const char *const bad[] = { "sda1",   "dev/sda",   "/dev/../etc",   "/..",
		                           "LABEL=", "LABEL=a/b", "LABEL=..",      "label=x",
		                           "/",      "-t",        "LABEL=a&#10;b", "/dev/a&#9;b" };
	char source[200];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(source, sizeof(source), "<device path='%s'/>", good[i]);
		CHECK(reads(sourced("fs", source)));
		CHECK_STR(d.source.devices[0].path, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(source, sizeof(source), "<device path='%s'/>", bad[i]);
		CHECK(refused(sourced("fs", source), 2, ""));
		CHECK(refused(sourced("disk", source), 2, ""));
	}
}

static void first_of_two_equal_elements_counts(void)
{
	CHECK(reads("<pool "
	            "type='dir'><name>a</name><name>b</name><target><path>/p</path></target><target><path>/"
	            "q</path></target></pool>"));
	CHECK_STR(d.name, "a");
	CHECK_STR(d.target.path, "/p");
}

static void uuid_is_made_up_when_there_is_none(void)
{
	struct uuid first;

	CHECK(reads(named("x")));
	CHECK(!d.uuid_given);
	first = d.uuid;
	CHECK(reads(named("x")));
	CHECK(!uuid_equal(&first, &d.uuid));
}

static void boot_element_is_read(void)
{
	CHECK(reads(
		"<pool type='dir'><name>t</name><target><path>/p</path></target><boot xmlns='" POOL_BOOT_NS
		"' require='yes' timeout='1500ms' order='-3' onfail='shell'/></pool>"));
	CHECK(d.boot.given);
	CHECK_INT(d.boot.require, 1);
	CHECK_INT(d.boot.timeout_ms, 1500);
	CHECK_INT(d.boot.order, -3);
	CHECK_INT(d.boot.onfail, ONFAIL_SHELL);
	CHECK(reads("<pool type='dir' xmlns:b='" POOL_BOOT_NS
	            "'><name>t</name><target><path>/p</path></target><b:boot require='no'/></pool>"));
	CHECK_INT(d.boot.require, 0);
	CHECK_INT(d.boot.order, INT_MIN);
	CHECK_INT(d.boot.onfail, ONFAIL_UNSET);
}

static void boot_element_without_our_namespace_is_ignored(void)
{
	CHECK(reads("<pool type='dir'><name>t</name><target><path>/p</path></target><boot "
	            "require='perhaps'/></pool>"));
	CHECK(!d.boot.given);
	CHECK_INT(d.boot.require, -1);
}

static void mistakes_in_the_boot_element_are_said(void)
{
	static const char *const bad[] = { "require='maybe'", "requires='yes'", "timeout='soon'",
		                           "timeout='0'",     "timeout='-1s'",  "timeout='400d'",
		                           "order='first'",   "order=''",       "order='99999999999'",
		                           "onfail='panic'",  "onfail=''" };
	char xml[400];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(xml, sizeof(xml),
		         "<pool type='dir'><name>t</name><target><path>/p</path></target>\n<boot "
		         "xmlns='" POOL_BOOT_NS "' %s/></pool>",
		         bad[i]);
		CHECK(refused(xml, 2, ""));
	}
}

static void fill_marks_are_read_and_mistakes_said(void)
{
	static const char *const bad[] = { "",       "80",     "80 95 99", "95 80", "0 90",
		                           "80 101", "80 95%", "eighty",   "-1 90", "80,95" };
	char xml[400];

	CHECK(reads("<pool type='dir'><name>t</name><target><path>/p</path></target>"
	            "<fill xmlns='" POOL_FILL_NS "'>\n 70 100</fill></pool>"));
	CHECK_INT(d.fill_marks[0], 70);
	CHECK_INT(d.fill_marks[1], 100);
	CHECK(reads(named("t")));
	CHECK_INT(d.fill_marks[0], 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(xml, sizeof(xml),
		         "<pool type='dir'><name>t</name><target><path>/p</path></target>\n<fill "
		         "xmlns='" POOL_FILL_NS "'>%s</fill></pool>",
		         bad[i]);
		CHECK(refused(xml, 2, "two marks"));
	}
}

/* What they mean is the type's: words that are wrong are told by backend_validate(). */
static void words_of_mount_are_kept_as_they_are(void)
{
	CHECK(reads("<pool type='netfs'><name>t</name><source><host name='h'/><dir path='/d'/></source>"
	            "<target><path>/p</path></target><mount xmlns='" POOL_MOUNT_NS
	            "'>\n  soft nconnect=99\n</mount></pool>"));
	CHECK(d.mount_words && strstr(d.mount_words, "soft nconnect=99"));
	CHECK(reads("<pool type='dir'><name>t</name><target><path>/p</path></target><mount>soft</mount>"
	            "<mount xmlns='" POOL_MOUNT_NS "'/></pool>"));
	CHECK(!d.mount_words);
}

static void names_that_cannot_be_files_are_refused(void)
{
	char longest[202], xml[400];

	CHECK(refused(named("a/b"), 2, "file name"));
	CHECK(refused(named("."), 2, "file name"));
	CHECK(refused(named(".."), 2, "file name"));
	CHECK(refused(named("../../etc/passwd"), 2, ""));
	CHECK(refused(named("a\nb"), 2, "control"));
	CHECK(refused(named("a&#x9b;b"), 2, "control"));
	CHECK(refused(named(""), 1, "no name"));
	memset(longest, 'n', 201);
	longest[201] = '\0';
	CHECK(refused(named(longest), 2, "201 bytes"));
	longest[200] = '\0';
	CHECK(reads(named(longest)));
	snprintf(xml, sizeof(xml), "%s", named("пул …"));
	CHECK(reads(xml));
}

/* As a pretty printer leaves them; blanks that somebody has put there stay. */
static void line_breaks_around_a_text_are_none_of_it(void)
{
	CHECK(reads(
		"<pool type='dir'>\n<name>\n\t vm images \n  "
		"</name><uuid>\n751f8e7e-d2e9-463d-8ffe-d38f5e13a19b\n</uuid><target><path>\r\n    /a/b\r\n  "
		"</path><permissions><mode>\n 0750\n</mode><label>\n</label></permissions></target></pool>"));
	CHECK_STR(d.name, "vm images");
	CHECK(d.uuid_given);
	CHECK_STR(d.target.path, "/a/b");
	CHECK_INT(d.target.perms.mode, 0750);
	CHECK(!d.target.perms.label);
	CHECK(reads(named(" x ")));
	CHECK_STR(d.name, " x ");
	CHECK(reads(named("\n x ")));
	CHECK_STR(d.name, "x ");
	CHECK(refused(named("x&#10;y"), 2, "file name"));
	CHECK(reads("<pool type='logical'><source><name>\n  vg0\n</name></source></pool>"));
	CHECK_STR(d.source.name, "vg0");
}

static void hosts_that_are_none_are_refused(void)
{
	static const char *const bad[] = { "",      "a b",      "-x",  "a/b",     "..",       "a..b",
		                           "[nas]", "a;reboot", "a,b", "h&#10;x", "h\xc3\xa4" };
	char source[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(source, sizeof(source), "<host name='%s'/><dir path='/e'/>", bad[i]);
		CHECK(refused(sourced("netfs", source), 2, "host"));
	}
}

static void iscsi_names_that_climb_are_refused(void)
{
	static const char *const bad[] = { "iqn.2013-06.com.example:../../etc",
		                           "iqn.2013-06.com.example:..",
		                           "iqn/x",
		                           "-T",
		                           ".hidden",
		                           "a b",
		                           "iqn.x&#10;y",
		                           "a%" };
	char source[300];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(source, sizeof(source), "<host name='h'/><device path='%s'/>", bad[i]);
		CHECK(refused(sourced("iscsi", source), 2, ""));
		snprintf(source, sizeof(source), "<host name='h'/><initiator><iqn name='%s'/></initiator>",
		         bad[i]);
		CHECK(refused(sourced("iscsi", source), 2, ""));
	}
}

static void group_names_that_lvm_refuses_are_refused(void)
{
	static const char *const bad[] = { "a/b", "-vg", "..", ".", "a b", "v&#10;g", "v\xc3\xa4" };
	char source[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(source, sizeof(source), "<name>%s</name>", bad[i]);
		CHECK(refused(sourced("logical", source), 2, ""));
	}
	CHECK(refused("<pool type='logical'><name>two words</name></pool>", 1, "volume group"));
	CHECK(reads(sourced("logical", "<name>vg+0_a.b-c</name>")));
}

static void source_names_that_climb_are_refused(void)
{
	static const char *const types[] = { "zfs", "vstorage", "sheepdog" };
	static const char *const bad[] = { "../x", "a/../b", "/abs", "-o", "a//b", "a/" };
	char source[200];

	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			snprintf(source, sizeof(source), "<host name='h'/><name>%s</name>", bad[i]);
			CHECK(refused(sourced(types[t], source), 2, ""));
		}
	CHECK(refused(sourced("vstorage", "<name>a/b</name>"), 2, "cluster"));
}

static void adapters_that_are_no_hosts_are_refused(void)
{
	CHECK(refused(sourced("scsi", "<adapter name='../../x'/>"), 2, "SCSI host"));
	CHECK(refused(sourced("scsi",
	                      "<adapter type='fc_host' wwnn='20000000c9831b4' wwpn='20000000c9831b4b'/>"),
	              2, "16 hexadecimal"));
	CHECK(refused(sourced("scsi", "<adapter type='fc_host' parent='..' wwnn='20000000c9831b4b' "
	                              "wwpn='20000000c9831b4b'/>"),
	              2, "SCSI host"));
	CHECK(refused(sourced("scsi", "<adapter type='scsi_host'><parentaddr unique_id='1'><address "
	                              "slot='0x20'/></parentaddr></adapter>"),
	              2, "0x1f"));
	CHECK(refused(sourced("scsi", "<adapter type='scsi_host' name='host1'><parentaddr "
	                              "unique_id='1'><address slot='1'/></parentaddr></adapter>"),
	              2, "not both"));
}

static void paths_with_control_characters_are_refused(void)
{
	CHECK(refused("<pool type='dir'><name>t</name>\n<target><path>/a\nb</path></target></pool>", 2,
	              "control"));
	CHECK(refused("<pool type='dir'><name>t</name>\n<target><path>/a&#127;b</path></target></pool>", 2,
	              "control"));
	CHECK(refused(sourced("netfs", "<host name='h'/><dir path='/e&#10;x'/>"), 2, "control"));
	CHECK(refused(
		sourced("iscsi",
	                "<host name='h'/><auth type='chap' username='a&#10;b'><secret usage='s'/></auth>"),
		2, "control"));
}

static void lines_of_the_culprit_are_named(void)
{
	CHECK(refused("<pool type='dir'>\n <name>t</name>\n <uuid>1</uuid>\n "
	              "<target><path>/p</path></target>\n</pool>",
	              3, "not a UUID"));
	CHECK(refused("<pool type='dir'>\n <name>t</name>\n <target><path>/p</path>\n  <permissions>\n   "
	              "<mode>1777</mode>\n </permissions></target>\n</pool>",
	              5, "octal"));
	CHECK(refused("<pool>\n<name>t</name></pool>", 1, "no type"));
	CHECK(refused("<pool type='dir' xmlns='urn:other'><name>t</name></pool>", 1, "no name"));
}

static void too_large_or_not_xml_has_its_own_class(void)
{
	struct buf b = BUF_INIT;
	struct pool_def bad;

	for (int i = 0; i < POOL_XML_LIMIT / 16 + 1; i++)
		buf_adds(&b, "<pool/><!-- x -->");
	err_clear(&e);
	CHECK(pool_read(&bad, b.data, b.len, "big.xml", &e) < 0 && e.class == ERR_XML &&
	      starts_with(e.message, "big.xml:1: "));
	err_clear(&e);
	CHECK(pool_read(&bad, "x", 1, "(command line)", &e) < 0 && e.class == ERR_XML &&
	      starts_with(e.message, "(command line):1: "));
	buf_free(&b);
}

static void source_key(const char *xml, const char *want)
{
	struct buf b = BUF_INIT;

	CHECK(reads(xml));
	pool_source_key(&d, &b);
	CHECK_STR(buf_str(&b), want);
	buf_free(&b);
}

static void source_keys_say_what_the_storage_is(void)
{
	source_key(named("x"), "dir:/p");
	source_key(sourced("fs", "<device path='LABEL=a'/><device path='/dev/b'/>"), "dev:LABEL=a");
	source_key(sourced("netfs", "<host name='H.example'/><dir path='/e/'/>"), "netfs:h.example:/e");
	source_key(sourced("netfs", "<host name='FE80::1' port='2050'/><dir path='/e/'/>"),
	           "netfs:[fe80::1]:2050:/e");
	source_key(sourced("netfs", "<host name='[FE80::1]' port='2050'/><dir path='/e/'/>"),
	           "netfs:[fe80::1]:2050:/e");
	CHECK_STR(d.source.hosts[0].name, "[FE80::1]");
	CHECK(refused(sourced("netfs", "<host name='[nas]'/><dir path='/e/'/>"), 2, ""));
	CHECK(refused(sourced("iscsi", "<host name='[fe80::1]'/><device path='iqn.x'/>"), 2, ""));
	source_key(sourced("iscsi", "<host name='h'/><device path='iqn.x'/>"), "iscsi:h:3260/iqn.x/");
	source_key(sourced("iscsi", "<host name='h' port='3260'/><device path='iqn.x'/><initiator><iqn "
	                            "name='i'/></initiator>"),
	           "iscsi:h:3260/iqn.x/i");
	source_key(sourced("iscsi", "<host name='h'/>"), "");
	source_key(sourced("logical", "<device path='/dev/sda'/><name>vg0</name>"), "vg:vg0");
	source_key(sourced("disk", "<device path='/dev/sda'/>"), "dev:/dev/sda");
	source_key(sourced("scsi", "<adapter name='scsi_host5'/>"), "scsi:host5");
	source_key(sourced("scsi", "<adapter name='fc_host5'/>"), "scsi:host5");
	source_key(sourced("scsi",
	                   "<adapter type='fc_host' wwnn='0x20000000C9831b4b' wwpn='10000000c9831b4b'/>"),
	           "scsi:20000000c9831b4b/10000000c9831b4b");
	source_key(sourced("mpath", ""), "mpath:");
	source_key(sourced("gluster", "<host name='h'/><name>v</name>"), "gluster:h:24007/v/");
	source_key(sourced("zfs", "<name>tank/vm</name>"), "zfs:tank/vm");
	source_key(sourced("vstorage", "<name>c</name>"), "vstorage:c");
	source_key(sourced("sheepdog", "<host name='h' port='7000'/>"), "sheepdog:h:7000");
	source_key(sourced("rbd", "<host name='h'/><name>p</name>"), "");
	source_key(sourced("iscsi-direct",
	                   "<host name='h'/><device path='x'/><initiator><iqn name='i'/></initiator>"),
	           "");
}

static void type_words_and_numbers_agree(void)
{
	for (int t = 0; t < POOL_TYPES; t++) {
		CHECK_INT(pool_type_from_word(pool_type_word((enum pool_type)t)), t);
		CHECK(!(pool_type_info((enum pool_type)t)->required &
		        ~pool_type_info((enum pool_type)t)->fields));
	}
	CHECK_INT(pool_type_from_word("DIR"), -1);
	CHECK_INT(pool_type_from_word(""), -1);
}

int main(void)
{
	RUN(dir_pool_is_read);
	RUN(iscsi_pool_is_read);
	RUN(netfs_pool_is_read);
	RUN(logical_pool_takes_its_names_from_each_other);
	RUN(fs_pool_takes_devices_by_label);
	RUN(first_of_two_equal_elements_counts);
	RUN(uuid_is_made_up_when_there_is_none);
	RUN(boot_element_is_read);
	RUN(boot_element_without_our_namespace_is_ignored);
	RUN(mistakes_in_the_boot_element_are_said);
	RUN(fill_marks_are_read_and_mistakes_said);
	RUN(words_of_mount_are_kept_as_they_are);
	RUN(names_that_cannot_be_files_are_refused);
	RUN(line_breaks_around_a_text_are_none_of_it);
	RUN(hosts_that_are_none_are_refused);
	RUN(iscsi_names_that_climb_are_refused);
	RUN(group_names_that_lvm_refuses_are_refused);
	RUN(source_names_that_climb_are_refused);
	RUN(adapters_that_are_no_hosts_are_refused);
	RUN(paths_with_control_characters_are_refused);
	RUN(lines_of_the_culprit_are_named);
	RUN(too_large_or_not_xml_has_its_own_class);
	RUN(source_keys_say_what_the_storage_is);
	RUN(type_words_and_numbers_agree);
	pool_def_free(&d);
	return check_done();
}
