/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Printing pools, where libvirt's documents (test_conformance.c) do not reach: everything at once, escapes,
 * live sizes, our own element, and what a type does not have.
 */
#include "base/util.h"
#include "check.h"
#include "pool/def.h"

/* Read, set the sizes of a live pool, print. */
static void prints(const char *xml, const char *want)
{
	struct buf b = BUF_INIT;
	struct pool_def d;
	struct err e = { 0 };

	if (pool_read(&d, xml, strlen(xml), "t", &e) == 0) {
		pool_print(&d, &b);
		pool_def_free(&d);
	}
	CHECK_STR(e.message, "");
	CHECK_STR(buf_str(&b), want);
	buf_free(&b);
}

#define UUID "<uuid>1c13165a-d0f4-3aee-b447-30fb38789091</uuid>"
#define SIZES                                                                                                \
	"  <capacity unit='bytes'>0</capacity>\n  <allocation unit='bytes'>0</allocation>\n  <available "    \
	"unit='bytes'>0</available>\n"

static void scsi_adapter_with_everything(void)
{
	prints("<pool type='scsi'><name>t</name>" UUID
	       "<source><adapter managed='no' type='fc_host' wwpn='10000000c9831b4b' wwnn='20000000c9831b4b' "
	       "parent_fabric_wwn='30000000c9831b4b' parent_wwpn='40000000c9831b4b' "
	       "parent_wwnn='50000000c9831b4b' "
	       "parent='scsi_host3'/></source><target><path>/dev/disk/by-path</path></target></pool>",
	       "<pool type='scsi'>\n  <name>t</name>\n  " UUID "\n" SIZES "  <source>\n"
	       "    <adapter type='fc_host' parent='scsi_host3' parent_wwnn='50000000c9831b4b' "
	       "parent_wwpn='40000000c9831b4b' parent_fabric_wwn='30000000c9831b4b' managed='no' "
	       "wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>\n"
	       "  </source>\n  <target>\n    <path>/dev/disk/by-path</path>\n  </target>\n</pool>\n");
}

static void boot_element_comes_last_and_shortest(void)
{
	prints("<pool type='fs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><boot "
	       "xmlns='" POOL_BOOT_NS
	       "' onfail='reboot' order='10' timeout='30000ms' require='yes'/><name>t</name>" UUID
	       "<source><device "
	       "path='LABEL=data'/></source><target><path>/p</path></target><fs:mount_opts><fs:option "
	       "name='ro'/></fs:mount_opts><refresh><volume allocation='default'/></refresh></pool>",
	       "<pool type='fs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>\n  "
	       "<name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n    <device path='LABEL=data'/>\n    <format type='auto'/>\n  </source>\n  "
	       "<target>\n    <path>/p</path>\n  </target>\n"
	       "  <refresh>\n    <volume allocation='default'/>\n  </refresh>\n"
	       "  <fs:mount_opts>\n    <fs:option name='ro'/>\n  </fs:mount_opts>\n"
	       "  <boot xmlns='urn:poolinit:boot:1' require='yes' timeout='30s' order='10' "
	       "onfail='reboot'/>\n</pool>\n");
	prints("<pool type='dir'><name>t</name>" UUID
	       "<target><path>/p</path></target><boot xmlns='" POOL_BOOT_NS
	       "' timeout='250ms' order='0'/></pool>",
	       "<pool type='dir'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n  </source>\n  <target>\n    <path>/p</path>\n  </target>\n"
	       "  <boot xmlns='urn:poolinit:boot:1' timeout='250ms' order='0'/>\n</pool>\n");
}

static void fill_marks_are_printed(void)
{
	prints("<pool type='dir'><fill xmlns='" POOL_FILL_NS "'> 70  90 </fill><name>t</name>" UUID
	       "<target><path>/p</path></target></pool>",
	       "<pool type='dir'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n  </source>\n  <target>\n    <path>/p</path>\n  </target>\n"
	       "  <fill xmlns='urn:poolinit:fill:1'>70 90</fill>\n</pool>\n");
}

static void words_of_mount_are_printed_as_they_are(void)
{
	prints("<pool type='netfs'><mount xmlns='" POOL_MOUNT_NS
	       "'>soft  user=a&amp;b</mount><name>t</name>" UUID
	       "<source><host name='h'/><dir path='/d'/></source><target><path>/p</path></target></pool>",
	       "<pool type='netfs'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n    <host name='h'/>\n    <dir path='/d'/>\n    <format type='auto'/>\n"
	       "  </source>\n  <target>\n    <path>/p</path>\n  </target>\n"
	       "  <mount xmlns='urn:poolinit:mount:1'>soft  user=a&amp;b</mount>\n</pool>\n");
}

static void text_and_attributes_are_escaped(void)
{
	prints("<pool type='netfs'><name>a &amp; &lt;b&gt; 'c' \"d\"</name>" UUID
	       "<source><host name='h'/><dir path=\"/it's &lt;&quot;\"/><vendor "
	       "name='&amp;'/></source><target><path>/p</path></target></pool>",
	       "<pool type='netfs'>\n  <name>a &amp; &lt;b&gt; &apos;c&apos; &quot;d&quot;</name>\n  " UUID
	       "\n" SIZES "  <source>\n    <host name='h'/>\n    <dir path='/it&apos;s &lt;&quot;'/>\n    "
	       "<format type='auto'/>\n    <vendor name='&amp;'/>\n"
	       "  </source>\n  <target>\n    <path>/p</path>\n  </target>\n</pool>\n");
}

static void what_the_type_has_not_is_left_out(void)
{
	prints("<pool type='dir'><name>t</name>" UUID
	       "<source><name>n</name><host name='h'/><device path='/dev/x'/><dir path='/d'/><initiator><iqn "
	       "name='i'/></initiator><format type='ext4'/></source><target><path>/p</path></target></pool>",
	       "<pool type='dir'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n  </source>\n  <target>\n    <path>/p</path>\n  </target>\n</pool>\n");
}

/* libvirt has no format there: any word but ours is left out, and none is made up. */
static void a_format_of_our_own_is_kept(void)
{
	static const char *const left_out[] = { "", "<source/>", "<source><format type='ext4'/></source>" };
	char text[512];

	prints("<pool type='mpath'><name>t</name>" UUID
	       "<source><format type='auto'/></source><target><path>/dev/mapper</path></target></pool>",
	       "<pool type='mpath'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n    <format type='auto'/>\n  </source>\n  <target>\n    "
	       "<path>/dev/mapper</path>\n"
	       "  </target>\n</pool>\n");
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++) {
		snprintf(text, sizeof(text),
		         "<pool type='mpath'><name>t</name>" UUID "%s<target><path>/p</path></target></pool>",
		         left_out[i]);
		prints(text,
		       "<pool type='mpath'>\n  <name>t</name>\n  " UUID "\n" SIZES
		       "  <source>\n  </source>\n  <target>\n    <path>/p</path>\n  </target>\n</pool>\n");
	}
}

static void secret_type_is_kept(void)
{
	prints("<pool type='iscsi'><name>t</name>" UUID
	       "<source><host name='h'/><auth username='u' type='chap'><secret type='iscsi' "
	       "usage='a&amp;b'/></auth></source><target><path>/p</path></target></pool>",
	       "<pool type='iscsi'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n    <host name='h'/>\n    <auth type='chap' username='u'>\n"
	       "      <secret type='iscsi' usage='a&amp;b'/>\n    </auth>\n  </source>\n  <target>\n    "
	       "<path>/p</path>\n  </target>\n</pool>\n");
}

static void mode_zero_and_root_are_printed(void)
{
	prints("<pool type='dir'><name>t</name>" UUID
	       "<target><path>/p</path><permissions><mode>0</mode><owner>0</owner><group>4294967294</group></"
	       "permissions></target></pool>",
	       "<pool type='dir'>\n  <name>t</name>\n  " UUID "\n" SIZES
	       "  <source>\n  </source>\n  <target>\n    <path>/p</path>\n    <permissions>\n"
	       "      <mode>00</mode>\n      <owner>0</owner>\n      <group>4294967294</group>\n    "
	       "</permissions>\n  </target>\n</pool>\n");
}

static void sizes_of_a_live_pool_are_printed(void)
{
	const char xml[] =
		"<pool "
		"type='dir'><name>t</name><capacity>77</capacity><target><path>/p</path></target></pool>";
	struct buf b = BUF_INIT;
	struct pool_def d;

	CHECK(pool_read(&d, xml, strlen(xml), "t", NULL) == 0);
	CHECK_INT(d.capacity, 0);
	d.capacity = 9223372036854775807;
	d.allocation = 1;
	d.available = 2;
	pool_print(&d, &b);
	CHECK(strstr(buf_str(&b), "  <capacity unit='bytes'>9223372036854775807</capacity>\n  <allocation "
	                          "unit='bytes'>1</allocation>\n"
	                          "  <available unit='bytes'>2</available>\n"));
	pool_def_free(&d);
	buf_free(&b);
}

int main(void)
{
	RUN(scsi_adapter_with_everything);
	RUN(boot_element_comes_last_and_shortest);
	RUN(fill_marks_are_printed);
	RUN(words_of_mount_are_printed_as_they_are);
	RUN(text_and_attributes_are_escaped);
	RUN(what_the_type_has_not_is_left_out);
	RUN(a_format_of_our_own_is_kept);
	RUN(secret_type_is_kept);
	RUN(mode_zero_and_root_are_printed);
	RUN(sizes_of_a_live_pool_are_printed);
	return check_done();
}
