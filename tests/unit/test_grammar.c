/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --validate: what the strict grammar refuses, and in which words. That its verdicts are libvirt's,
 * tests/host/grammar-differential shows.
 */
#include "base/buf.h"
#include "base/util.h"
#include "check.h"
#include "pool/grammar/grammar.h"
#include "pool/grammar/table.h"

/* NULL: accepted; else the whole sentence. */
struct expected {
	const char *xml, *error;
};

static void compare(enum grammar g, const struct expected *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };
		int r = grammar_check(g, cases[i].xml, strlen(cases[i].xml), "x.xml", &e);

		if (r == 0 && cases[i].error)
			printf("# accepted: %s\n", cases[i].xml);
		CHECK_STR(r < 0 ? e.message : NULL, cases[i].error);
	}
}

#define COMPARE(g, cases) compare(g, cases, ARRAY_LEN(cases))
#define DIR_POOL(more)    "<pool type='dir'><name>x</name>" more "<target><path>/x</path></target></pool>"
#define NETFS_POOL(source)                                                                                   \
	"<pool type='netfs'>\n<name>x</name>\n<source>" source                                               \
	"</source><target><path>/x</path></target></pool>"
#define MPATH_POOL(source)                                                                                   \
	"<pool type='mpath'><name>t</name>" source "<target><path>/dev/mapper</path></target></pool>"
#define SCSI_POOL(adapter)                                                                                   \
	"<pool type='scsi'><name>x</name><source>" adapter                                                   \
	"</source><target><path>/dev</path></target></pool>"
#define FS "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
#define FS_POOL(end)                                                                                         \
	"<pool type='fs' " FS                                                                                \
	"><name>x</name><source><device path='/d'/></source><target><path>/x</path></target>" end "</pool>"

static void pools(void)
{
	static const struct expected cases[] = {
		{ DIR_POOL(""), NULL },
		{ DIR_POOL(
			  "<capacity unit='GiB'>1</capacity><source/><features><cow state='no'/></features>"),
		  NULL },
		{ "<pool type=' dir '><target><path>/x</path></target> <!-- order is free --> "
		  "<name>x</name></pool>",
		  NULL },
		{ "<pool/>", "x.xml:1: <pool>: the attribute type is missing" },
		{ "<pool type='tape'/>",
		  "x.xml:1: <pool>: type=\"tape\" is not one of dir, fs, netfs, logical, disk, iscsi, "
		  "iscsi-direct, scsi, mpath, rbd, sheepdog, gluster, zfs, vstorage" },
		{ "<pool type='dir'><target><path>/x</path></target></pool>",
		  "x.xml:1: <pool>: the element <name> is missing" },
		{ DIR_POOL("<name>y</name>"), "x.xml:1: <name>: <pool> has one of them at most" },
		{ DIR_POOL("\n<colour/>"), "x.xml:2: <colour>: <pool> has no such element here" },
		{ DIR_POOL("\n<uuid>no</uuid>"),
		  "x.xml:2: <uuid>: \"no\" is not a uuid (32 hexadecimal digits, alone or as 8-4-4-4-12)" },
		{ "<pool type='dir'><name>a\n</name></pool>",
		  "x.xml:1: <name>: \"a?\" is not a name (no '/', no line end)" },
		{ DIR_POOL("<uuid>äääääääääääääääääääääääääääääääääääääääääääää</uuid>"),
		  "x.xml:1: <uuid>: \"ääääääääääääääääääääääääääääää…\" is not a uuid (32 hexadecimal "
		  "digits, alone or as 8-4-4-4-12)" },
		{ DIR_POOL("loose"), "x.xml:1: <pool>: it holds elements only, not the text \"loose\"" },
		{ DIR_POOL("<capacity unit='acre'>1</capacity>"),
		  "x.xml:1: <capacity>: unit=\"acre\" is not a unit (bytes, K, KiB, KB, M, …, EB)" },
		{ "<pool type='dir'><name>x<b/></name></pool>",
		  "x.xml:1: <b>: <name> holds a text, not elements" },
		{ "<pool type='dir'><name>x</name><target><path>x</path></target></pool>",
		  "x.xml:1: <path>: \"x\" is not an absolute path" },
		{ "<p:pool type='dir' xmlns:p='urn:p'/>",
		  "x.xml:1: <pool>: it must not be in a namespace, as it is in \"urn:p\"" },
		{ "<volume/>", "x.xml:1: the document is <volume>, not <pool>" },
		{ "<pool type='dir'>", "x.xml:1: Premature end of data in tag pool line 1" },
		{ "<!DOCTYPE pool><pool type='dir'/>",
		  "x.xml:1: document type declarations (DOCTYPE), and with them entities, are not accepted" },
	};

	COMPARE(GRAMMAR_POOL, cases);
}

static void sources(void)
{
	static const struct expected cases[] = {
		{ NETFS_POOL("<dir path='/x'/><host name='h' port='-1'/><host name='::1'/>"), NULL },
		{ NETFS_POOL("<host name='h'/><dir path='share'/><format type='cifs'/>"), NULL },
		{ NETFS_POOL("<host name='h'/><dir path='share'/><format type='nfs'/>"),
		  "x.xml:3: <dir>: path=\"share\" is not an absolute path" },
		{ NETFS_POOL("<host name='h'/><dir path='/x'/><format type='smb'/>"),
		  "x.xml:3: <format>: type=\"smb\" is not one of auto, nfs, cifs, glusterfs" },
		{ NETFS_POOL("<host name='h' port='65536'/><dir path='/x'/>"),
		  "x.xml:3: <host>: port=\"65536\" is not a port (-1 to 65535)" },
		{ NETFS_POOL("<host name='h_h'/><dir path='/x'/>"),
		  "x.xml:3: <host>: name=\"h_h\" is not a host name, IPv4 or IPv6 address" },
		{ NETFS_POOL("<host/><dir path='/x'/>"), "x.xml:3: <host>: the attribute name is missing" },
		{ NETFS_POOL("<host name='h' weight='1'/><dir path='/x'/>"),
		  "x.xml:3: <host>: it has no attribute weight" },
		{ NETFS_POOL("<dir path='/x'/>"), "x.xml:3: <source>: the element <host> is missing" },
		{ SCSI_POOL("<adapter name='host0'/>"), NULL },
		{ SCSI_POOL("<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>"),
		  NULL },
		{ SCSI_POOL("<adapter/>"), "x.xml:1: <adapter>: one of name and parentaddr must be given" },
		{ SCSI_POOL("<adapter name='host0'><parentaddr><address/></parentaddr></adapter>"),
		  "x.xml:1: <adapter>: only one of name and parentaddr must be given" },
		{ SCSI_POOL("<adapter type='fc_host' name='host0'/>"),
		  "x.xml:1: <adapter>: it has no attribute name" },
		{ SCSI_POOL("<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='1'/>"),
		  "x.xml:1: <adapter>: wwpn=\"1\" is not a WWN (16 hexadecimal digits)" },
		{ MPATH_POOL("<source/>"), NULL },
		{ MPATH_POOL("<source><format type='auto'/></source>"), NULL },
		{ MPATH_POOL("<source><format type='ext4'/></source>"),
		  "x.xml:1: <format>: type=\"ext4\" is not one of auto" },
		{ MPATH_POOL("<source><format/></source>"),
		  "x.xml:1: <format>: the attribute type is missing" },
	};

	COMPARE(GRAMMAR_POOL, cases);
}

static void namespaces(void)
{
	static const struct expected cases[] = {
		{ FS_POOL("<fs:mount_opts><fs:option name='sync'/></fs:mount_opts>"), NULL },
		{ FS_POOL("<fs:mount_opts/><boot xmlns='urn:poolinit:boot:1' require='yes' timeout='30s' "
		          "order='-1' onfail='reboot'/>"),
		  NULL },
		{ DIR_POOL("<boot xmlns='urn:poolinit:boot:1'/>"), NULL },
		{ FS_POOL("<fs:mount_opts/><uuid>c7a5fdb2edaf9455926ad65c16db1809</uuid>"),
		  "x.xml:1: <uuid>: it must not come after <mount_opts>, which is the last of <pool>" },
		{ FS_POOL("<fs:mount_opts><option name='sync'/></fs:mount_opts>"),
		  "x.xml:1: <option>: <mount_opts> has no such element here" },
		{ DIR_POOL("<fs:mount_opts " FS "/>"),
		  "x.xml:1: <mount_opts>: <pool> has no such element here, in the namespace "
		  "http://libvirt.org/schemas/storagepool/fs/1.0" },
		{ DIR_POOL("<fill xmlns='urn:poolinit:fill:1'>80 95</fill>"), NULL },
		{ NETFS_POOL("<host name='h'/><dir path='/x'/>"), NULL },
		{ DIR_POOL("<mount xmlns='urn:poolinit:mount:1'>soft</mount>"), NULL },
		{ DIR_POOL("<mount>soft</mount>"), "x.xml:1: <mount>: <pool> has no such element here" },
		{ DIR_POOL("<mount xmlns='urn:poolinit:mount:1' soft='yes'/>"),
		  "x.xml:1: <mount>: it has no attribute soft" },
		{ DIR_POOL("<fill>80 95</fill>"), "x.xml:1: <fill>: <pool> has no such element here" },
		{ DIR_POOL("<boot/>"), "x.xml:1: <boot>: <pool> has no such element here" },
		{ DIR_POOL("<boot xmlns='urn:poolinit:boot:1' onfail='cry'/>"),
		  "x.xml:1: <boot>: onfail=\"cry\" is not one of continue, reboot, poweroff, shell" },
		{ DIR_POOL("<boot xmlns='urn:poolinit:boot:1' timeout='soon'/>"),
		  "x.xml:1: <boot>: timeout=\"soon\" is not a time such as 30s or 2m" },
		{ DIR_POOL("<boot xmlns='urn:poolinit:boot:1' mood='good'/>"),
		  "x.xml:1: <boot>: it has no attribute mood" },
		{ "<pool xmlns:o='urn:o' o:type='dir' type='dir'><name>x</name></pool>",
		  "x.xml:1: <pool>: it has no attribute o:type" },
	};

	COMPARE(GRAMMAR_POOL, cases);
}

#define VOLUME(target) "<volume><name>v</name><target>" target "</target></volume>"
#define LUKS(more)     VOLUME("<encryption format='luks'>" more "</encryption>")
#define PASS           "<secret type='passphrase' usage='u'/>"

static void volumes(void)
{
	static const struct expected cases[] = {
		{ VOLUME("<format type='qcow2'/><compat>1.1</compat><nocow/><clusterSize "
		         "unit='KiB'>64</clusterSize>"),
		  NULL },
		{ LUKS(""), NULL },
		{ LUKS(PASS "<ivgen name='plain'/><cipher name='aes' size='256'/>"), NULL },
		{ "<volume><name>v</name></volume>", "x.xml:1: <volume>: the element <target> is missing" },
		{ "<volume><name>..</name><target/></volume>",
		  "x.xml:1: <name>: \"..\" is not a volume's name (no '/', not \".\" or \"..\")" },
		{ VOLUME("<format type='vhdx'/>"),
		  "x.xml:1: <format>: type=\"vhdx\" is not a volume format" },
		{ VOLUME("<compat>1</compat>"), "x.xml:1: <compat>: \"1\" is not a version such as 1.1" },
		{ VOLUME("<permissions><mode>0888</mode></permissions>"),
		  "x.xml:1: <mode>: \"0888\" is not a mode in octal digits" },
		{ VOLUME("<permissions><owner>root</owner></permissions>"),
		  "x.xml:1: <owner>: \"root\" is not a numeric id or -1" },
		{ VOLUME("<layout xmlns='urn:poolinit:layout:1'>thin pool=x</layout>"), NULL },
		{ VOLUME("<layout>thin pool=x</layout>"),
		  "x.xml:1: <layout>: <target> has no such element here" },
		{ VOLUME("<features><data_file/></features>"),
		  "x.xml:1: <data_file>: <features> has no such element here" },
		{ VOLUME("<timestamps><atime>1.0123456789</atime></timestamps>"),
		  "x.xml:1: <atime>: \"1.0123456789\" is not a time in seconds, with at most nine digits "
		  "behind the point" },
		{ LUKS(PASS "<cipher name='aes' size='256'/>"),
		  "x.xml:1: <encryption>: cipher and ivgen come together or not at all" },
		{ LUKS("<ivgen name='plain'/><cipher name='aes' size='256'/>"),
		  "x.xml:1: <encryption>: cipher needs secret beside it" },
		{ LUKS(PASS "<ivgen name='plain'/><cipher name='aes' size='256' mode='cbc'/>"),
		  "x.xml:1: <cipher>: mode and hash come together or not at all" },
		{ LUKS("<secret type='passphrase'/>"),
		  "x.xml:1: <secret>: one of uuid and usage must be given" },
		{ "<volume type='ploop'><name>v</name><target/></volume>",
		  "x.xml:1: <volume>: type=\"ploop\" is not one of file, block, dir, network, netdir" },
	};

	COMPARE(GRAMMAR_VOLUME, cases);
}

static void secrets(void)
{
	static const struct expected cases[] = {
		{ "<secret ephemeral='no' private='yes'><usage "
		  "type='iscsi'><target>t</target></usage><description/></secret>",
		  NULL },
		{ "<secret/>", NULL },
		{ "<secret ephemeral='maybe'/>", "x.xml:1: <secret>: ephemeral=\"maybe\" is not yes or no" },
		{ "<secret><usage type='iscsi'><name>t</name></usage></secret>",
		  "x.xml:1: <name>: <usage> has no such element here" },
		{ "<secret><usage type='volume'><volume>x</volume></usage></secret>",
		  "x.xml:1: <volume>: \"x\" is not an absolute path" },
		{ "<secret><usage><volume>/x</volume></usage></secret>",
		  "x.xml:1: <usage>: the attribute type is missing" },
		{ "<secret><value>aGk=</value></secret>",
		  "x.xml:1: <value>: <secret> has no such element here" },
	};

	COMPARE(GRAMMAR_SECRET, cases);
}

static void addresses(void)
{
	static const char *const good[] = { "h",
		                            "h.example",
		                            "192.0.2.1",
		                            "999.1",
		                            "::",
		                            "::1",
		                            "1::",
		                            "1:2:3:4:5:6:7:8",
		                            "1:2:3:4:5:6:7::",
		                            "::2:3:4:5:6:7:8",
		                            "1::8",
		                            "::ffff:192.0.2.1",
		                            "1:2:3:4:5:6:192.0.2.1",
		                            "1:2::192.0.2.1" };
	static const char *const bad[] = { "",
		                           " ",
		                           "h_",
		                           "1:2",
		                           ":",
		                           ":::",
		                           "1::2::3",
		                           "1:2:3:4:5:6:7:8:9",
		                           "1:2:3:4:5:6:7",
		                           "1::2:3:4:5:6:7:8",
		                           "::12345",
		                           "::g",
		                           "[::1]",
		                           "fe80::1%eth0",
		                           "::192.0.2.256",
		                           "::192.0.2.01",
		                           "1::2:192.0.2.1",
		                           "::1:" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!text_host_name.fits(good[i])) {
			printf("# refused: %s\n", good[i]);
			CHECK(false);
		}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (text_host_name.fits(bad[i])) {
			printf("# accepted: %s\n", bad[i]);
			CHECK(false);
		}
}

static void words(void)
{
	CHECK(grammar_word_is("yes", "yes"));
	CHECK(grammar_word_is("\n yes\t", "yes"));
	CHECK(grammar_word_is("a \n b", "a b"));
	CHECK(!grammar_word_is("y es", "yes"));
	CHECK(!grammar_word_is("yes no", "yes"));
	CHECK(!grammar_word_is("ye", "yes"));
	CHECK(!grammar_word_is("", "yes"));
	CHECK(!grammar_word_is("Yes", "yes"));
}

/* Each element is in a document with nothing else, so deep that the walk must not follow it. */
static void limits(void)
{
	cleanup_buf struct buf deep = BUF_INIT;
	struct err e = { 0 };

	for (int i = 0; i < 100; i++)
		buf_adds(&deep, "<pool type='dir'>");
	CHECK_INT(grammar_check(GRAMMAR_POOL, deep.data, deep.len, "x.xml", &e), -1);
	CHECK_STR(e.message, "x.xml:1: elements nested deeper than 64");
	CHECK_INT(grammar_check(GRAMMAR_SECRET, "", 0, "x.xml", &e), -1);
}

int main(void)
{
	RUN(pools);
	RUN(sources);
	RUN(namespaces);
	RUN(volumes);
	RUN(secrets);
	RUN(addresses);
	RUN(words);
	RUN(limits);
	return check_done();
}
