/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volume documents: what is read of each element, what is refused and how that is said, and that the printed
 * form is read back as itself. libvirt's own documents are in tests/conformance.
 */
#include "base/util.h"
#include "check.h"
#include "pool/voldef.h"

static struct pool_def pool_of(enum pool_type type)
{
	return (struct pool_def){ .type = type, .name = "p" };
}

static int read_for(const char *xml, enum pool_type type, enum volume_read_for what, struct volume_def *d,
                    struct err *e)
{
	const struct pool_def pool = pool_of(type);

	return volume_def_read(d, xml, strlen(xml), "doc", &pool, what, e);
}

/* A document with this inside <volume>, read for a dir pool; the caller frees. */
static bool good(const char *inside, struct volume_def *d)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct err e = { 0 };

	buf_printf(&xml, "<volume>%s</volume>", inside);
	if (read_for(buf_str(&xml), POOL_DIR, VOLUME_FOR_CREATE, d, &e) == 0)
		return true;
	printf("# %s\n", e.message);
	memset(d, 0, sizeof(*d));
	return false;
}

#define NAMED "<name>n</name>"
#define SIZED NAMED "<capacity>1048576</capacity>"

/* ---- what is read ---- */

static void little_gets_defaults(void)
{
	struct volume_def d;

	CHECK(good(SIZED, &d));
	CHECK_STR(d.type, "file");
	CHECK_STR(d.name, "n");
	CHECK_STR(d.format, "raw");
	CHECK_INT(d.capacity, 1048576);
	CHECK_INT(d.allocation, 1048576);
	CHECK(d.has_capacity && !d.has_allocation && !d.key && !d.path && !d.compat && !d.nocow &&
	      !d.features_given && !d.backing.given);
	CHECK(!d.perms.given && d.perms.mode == -1 && d.perms.owner == -1 && d.perms.group == -1 &&
	      !d.perms.label);
	CHECK(!d.encryption.format && d.cluster_size == 0);
	volume_def_free(&d);
}

static void everything_is_read(void)
{
	struct volume_def d;

	CHECK(good("<name>a b&lt;é</name><key>k</key><source><device path='/x'/></source><capacity "
	           "unit='G'>5</capacity><allocation "
	           "unit='MB'>3</allocation><physical>7</physical><target><path>/p/a</path><format "
	           "type='qcow2'/><permissions><mode>0640</mode><owner>5</owner><group>-1</group><label>l</"
	           "label></permissions><timestamps><atime>1</atime></timestamps><encryption format='luks' "
	           "engine='qemu'><secret type='passphrase' "
	           "uuid='e78d4b51-a2af-485f-b0f5-afca709a80f4'/><secret type='passphrase' "
	           "usage='/u'/><cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen "
	           "name='plain64' hash='md5'/></encryption><compat>1.1</compat><nocow/><clusterSize "
	           "unit='KiB'>128</clusterSize><features><extended_l2/><lazy_refcounts/><data_file/></"
	           "features></target><backingStore><path>/b</path><format "
	           "type='vmdk'/><permissions><mode>0</mode></permissions></backingStore>",
	           &d));
	CHECK_STR(d.name, "a b<é");
	CHECK_STR(d.key, "k");
	CHECK_INT(d.capacity, 5LL << 30);
	CHECK_INT(d.allocation, 3000000);
	CHECK(d.has_capacity && d.has_allocation);
	CHECK_STR(d.path, "/p/a");
	CHECK_STR(d.format, "qcow2");
	CHECK(d.perms.given && d.perms.mode == 0640 && d.perms.owner == 5 && d.perms.group == -1);
	CHECK_STR(d.perms.label, "l");
	CHECK_STR(d.encryption.format, "luks");
	CHECK_STR(d.encryption.engine, "qemu");
	CHECK(d.encryption.nsecrets == 2 && d.encryption.secrets[0].by_uuid &&
	      !d.encryption.secrets[1].by_uuid);
	CHECK_STR(d.encryption.secrets[1].usage, "/u");
	CHECK_STR(d.encryption.cipher.name, "aes");
	CHECK_INT(d.encryption.cipher.size, 256);
	CHECK_STR(d.encryption.cipher.mode, "xts");
	CHECK_STR(d.encryption.cipher.hash, "sha256");
	CHECK_STR(d.encryption.ivgen.name, "plain64");
	CHECK_STR(d.encryption.ivgen.hash, "md5");
	CHECK_STR(d.compat, "1.1");
	CHECK_INT(d.cluster_size, 131072);
	CHECK(d.nocow && d.features_given && d.lazy_refcounts && d.extended_l2 && d.data_file);
	CHECK(d.backing.given && d.backing.perms.mode == 0);
	CHECK_STR(d.backing.path, "/b");
	CHECK_STR(d.backing.format, "vmdk");
	volume_def_free(&d);
}

static void features_mean_a_compat(void)
{
	struct volume_def d;

	CHECK(good(SIZED "<target><features/></target>", &d) && d.features_given && !d.lazy_refcounts);
	CHECK_STR(d.compat, "1.1");
	volume_def_free(&d);
	CHECK(good(SIZED "<target><compat>0.10</compat><features><lazy_refcounts/></features></target>",
	           &d) &&
	      d.lazy_refcounts);
	CHECK_STR(d.compat, "0.10");
	volume_def_free(&d);
}

static void lenient_where_libvirt_is(void)
{
	static const char *const accepted[] = {
		SIZED "<target/>",
		SIZED "<unknown/>",
		SIZED "<name>other</name>",
		SIZED "<source/><source/>",
		SIZED "<key/>",
		NAMED "<capacity> 10</capacity>",
		NAMED "<capacity>+10</capacity>",
		NAMED "<capacity>0</capacity>",
		NAMED "<capacity unit='E'>7</capacity>",
		SIZED "<allocation>0</allocation>",
		SIZED "<allocation/>",
		SIZED "<allocation unit='zz'/>",
		SIZED "<physical>junk</physical>",
		SIZED "<target><format/></target>",
		SIZED "<target><permissions/></target>",
		SIZED "<target><permissions><mode/></permissions></target>",
		SIZED "<target><permissions><owner> 7 </owner></permissions></target>",
		SIZED "<target><permissions><owner>4294967295</owner></permissions></target>",
		SIZED "<target><compat/></target>",
		SIZED "<target><clusterSize>1000</clusterSize></target>",
		SIZED "<target><timestamps>x</timestamps></target>",
		SIZED "<target><path>relative</path></target>",
		SIZED "<backingStore/>",
		SIZED "<backingStore><format type='junk'/></backingStore>",
		SIZED "<backingStore><path>relative/../path</path></backingStore>",
		NAMED "<backingStore><path>/b</path></backingStore>",
		SIZED "<target><encryption format='default'/></target>",
		SIZED "<target><encryption format='qcow'><cipher/><ivgen/></encryption></target>",
		SIZED "<target><encryption format='luks2'/></target>",
		SIZED "<target><encryption format='luks-any' engine='librbd'/></target>",
		SIZED "<!-- c --><?pi x?>",
		"<name>n<!-- c -->m</name><capacity>1</capacity>",
		"<name>..x</name><capacity>1</capacity>",
		"<name> n </name><capacity>1</capacity>",
		"<name><![CDATA[<n>]]></name><capacity>1</capacity>",
	};

	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct volume_def d;

		if (!good(accepted[i], &d))
			printf("# refused: %s\n", accepted[i]);
		CHECK(d.name != NULL);
		volume_def_free(&d);
	}
}

static void empty_and_doubled_elements_count_as_libvirt_counts_them(void)
{
	struct volume_def d;

	CHECK(good("<name>one</name><name>two</name><capacity>1</capacity><capacity>2</"
	           "capacity><target><path/></target>",
	           &d));
	CHECK_STR(d.name, "one");
	CHECK_INT(d.capacity, 1);
	CHECK_STR(d.path, NULL);
	volume_def_free(&d);
	CHECK(good("<name>n<!-- c -->m</name><capacity>1</capacity>", &d));
	CHECK_STR(d.name, "nm");
	volume_def_free(&d);
}

/* ---- the pool that it is for ---- */

static void formats_are_those_of_the_pool(void)
{
	static const struct {
		enum pool_type pool;
		const char *given, *is;
		bool refused;
	} formats[] = {
		{ POOL_DIR, NULL, "raw", false },
		{ POOL_DIR, "vdi", "vdi", false },
		{ POOL_DIR, "ploop", "ploop", false },
		{ POOL_DIR, "none", NULL, true },
		{ POOL_DIR, "luks", NULL, true },
		{ POOL_DIR, "vhdx", NULL, true },
		{ POOL_DIR, "linux", NULL, true },
		{ POOL_DIR, "QCOW2", NULL, true },
		{ POOL_FS, "qcow2", "qcow2", false },
		{ POOL_NETFS, "vmdk", "vmdk", false },
		{ POOL_GLUSTER, "dir", "dir", false },
		{ POOL_VSTORAGE, NULL, "raw", false },
		{ POOL_DISK, NULL, "none", false },
		{ POOL_DISK, "none", "none", false },
		{ POOL_DISK, "linux-swap", "linux-swap", false },
		{ POOL_DISK, "extended", "extended", false },
		{ POOL_DISK, "qcow2", NULL, true },
		{ POOL_DISK, "raw", NULL, true },
		{ POOL_RBD, NULL, "raw", false },
		{ POOL_LOGICAL, NULL, NULL, false },
		{ POOL_LOGICAL, "junk", NULL, false },
		{ POOL_ISCSI, "junk", NULL, false },
		{ POOL_ZFS, "qcow2", NULL, false },
		{ POOL_SHEEPDOG, "unknown", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		cleanup_buf struct buf xml = BUF_INIT;
		struct volume_def d;
		struct err e = { 0 };
		int rc;

		buf_adds(&xml, "<volume>" SIZED "<target>");
		if (formats[i].given)
			buf_printf(&xml, "<format type='%s'/>", formats[i].given);
		buf_adds(&xml, "</target></volume>");
		rc = read_for(buf_str(&xml), formats[i].pool, VOLUME_FOR_CREATE, &d, &e);
		CHECK_INT(rc, formats[i].refused ? -1 : 0);
		if (rc < 0) {
			CHECK(e.class == ERR_INVALID && strstr(e.message, formats[i].given) &&
			      strstr(e.message, pool_type_word(formats[i].pool)));
			continue;
		}
		CHECK_STR(d.format, formats[i].is);
		volume_def_free(&d);
	}
}

static void a_backing_format_that_is_not_given_is_known_to_be_so(void)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct volume_def d;
	struct err e = { 0 };

	CHECK(good(SIZED "<backingStore><path>/b</path></backingStore>", &d));
	CHECK_STR(d.backing.format, NULL);
	CHECK_STR(d.backing.otherwise, "raw");
	volume_def_print(&d, &out);
	CHECK(strstr(buf_str(&out), "<path>/b</path>\n    <format type='raw'/>\n"));
	volume_def_free(&d);
	buf_reset(&out);
	CHECK(read_for("<volume>" SIZED
	               "<backingStore><path>/b</path><format type='raw'/></backingStore></volume>",
	               POOL_LOGICAL, VOLUME_FOR_CREATE, &d, &e) == 0);
	CHECK(!d.backing.format && !d.backing.otherwise && !d.format);
	volume_def_print(&d, &out);
	CHECK(!strstr(buf_str(&out), "<format"));
	volume_def_free(&d);
}

static void capacity_may_be_missing_where_another_volume_has_one(void)
{
	static const char bare[] = "<volume>" NAMED "</volume>",
			  empty[] = "<volume>" NAMED "<capacity unit='zz'/></volume>",
			  backed[] = "<volume>" NAMED "<backingStore><path>/b</path></backingStore></volume>",
			  unnamed[] = "<volume>" NAMED
				      "<backingStore><format type='raw'/></backingStore></volume>";
	struct volume_def d;
	struct err e = { 0 };

	CHECK(read_for(bare, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0 && e.class == ERR_INVALID &&
	      strstr(e.message, "doc:1: ") && strstr(e.message, "<capacity>"));
	CHECK(read_for(empty, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0);
	CHECK(read_for(unnamed, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0);
	CHECK(read_for(backed, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0 && !d.has_capacity &&
	      d.capacity == 0);
	volume_def_free(&d);
	CHECK(read_for(bare, POOL_DIR, VOLUME_FOR_CREATE_FROM, &d, &e) == 0 && !d.has_capacity &&
	      !d.has_allocation && d.allocation == 0);
	volume_def_free(&d);
	CHECK(read_for("<volume>" NAMED "<capacity>x</capacity></volume>", POOL_DIR, VOLUME_FOR_CREATE_FROM,
	               &d, &e) < 0);
}

/* ---- what is refused ---- */

static const struct {
	const char *inside, *says;
} bad[] = {
	{ "", "no name" },
	{ "<name/><capacity>1</capacity>", "no name" },
	{ "<capacity>1</capacity>", "no name" },
	{ "<name>a/b</name><capacity>1</capacity>", "file name" },
	{ "<name>/</name><capacity>1</capacity>", "file name" },
	{ "<name>.</name><capacity>1</capacity>", "file name" },
	{ "<name>..</name><capacity>1</capacity>", "file name" },
	{ "<name>../x</name><capacity>1</capacity>", "file name" },
	{ "<name>a\nb</name><capacity>1</capacity>", "file name" },
	{ "<name>a\tb</name><capacity>1</capacity>", "file name" },
	{ "<name>a&#x7f;b</name><capacity>1</capacity>", "file name" },
	{ "<name>a&#x85;b</name><capacity>1</capacity>", "file name" },
	{ NAMED, "no <capacity>" },
	{ NAMED "<capacity/>", "no <capacity>" },
	{ NAMED "<capacity>-5</capacity>", "<capacity>: \"-5\"" },
	{ NAMED "<capacity>0x10</capacity>", "<capacity>" },
	{ NAMED "<capacity> 10 </capacity>", "<capacity>" },
	{ NAMED "<capacity>1.5</capacity>", "<capacity>" },
	{ NAMED "<capacity>1e3</capacity>", "<capacity>" },
	{ NAMED "<capacity>10K</capacity>", "<capacity>" },
	{ NAMED "<capacity>ten</capacity>", "<capacity>" },
	{ NAMED "<capacity> </capacity>", "<capacity>" },
	{ NAMED "<capacity>--1</capacity>", "<capacity>" },
	{ NAMED "<capacity>+</capacity>", "<capacity>" },
	{ NAMED "<capacity unit='X'>10</capacity>", "unknown unit \"X\"" },
	{ NAMED "<capacity unit=' K'>10</capacity>", "unknown unit" },
	{ NAMED "<capacity unit='E'>8</capacity>", "too large" },
	{ NAMED "<capacity>9223372036854775808</capacity>", "too large" },
	{ NAMED "<capacity>99999999999999999999999</capacity>", "too large" },
	{ NAMED "<capacity unit='EB'>10</capacity>", "too large" },
	{ SIZED "<allocation>z</allocation>", "<allocation>" },
	{ SIZED "<allocation>-1</allocation>", "<allocation>" },
	{ SIZED "<allocation unit='E'>9</allocation>", "<allocation>: size" },
	{ SIZED "<allocation unit='kk'>9</allocation>", "unknown unit" },
	{ SIZED "<target><clusterSize>x</clusterSize></target>", "<clusterSize>" },
	{ SIZED "<target><clusterSize unit='Q'>1</clusterSize></target>", "unit" },
	{ SIZED "<target><format type='luks'/></target>", "format \"luks\"" },
	{ SIZED "<target><format type='vhdx'/></target>", "format \"vhdx\"" },
	{ SIZED "<target><format type='none'/></target>", "format \"none\"" },
	{ SIZED "<target><format type=' raw'/></target>", "format" },
	{ SIZED "<backingStore><path>/b</path><format type='none'/></backingStore>", "format \"none\"" },
	{ SIZED "<backingStore><path>/b</path><format type='x'/></backingStore>", "format \"x\"" },
	{ SIZED "<backingStore><path>/b</path><permissions><mode>8</mode></permissions></backingStore>",
	  "octal" },
	{ SIZED "<backingStore><path>/a\nb</path></backingStore>", "control characters" },
	{ SIZED "<target><path>/a\tb</path></target>", "control characters" },
	{ SIZED "<key>a\nb</key>", "control characters" },
	{ SIZED "<target><permissions><label>a\nb</label></permissions></target>", "control characters" },
	{ SIZED "<target><permissions><mode>1777</mode></permissions></target>", "octal" },
	{ SIZED "<target><permissions><mode>rw</mode></permissions></target>", "octal" },
	{ SIZED "<target><permissions><mode>-1</mode></permissions></target>", "octal" },
	{ SIZED "<target><permissions><mode>0600 </mode></permissions></target>", "octal" },
	{ SIZED "<target><permissions><owner/></permissions></target>", "owner" },
	{ SIZED "<target><permissions><owner>root</owner></permissions></target>", "owner" },
	{ SIZED "<target><permissions><owner>-2</owner></permissions></target>", "owner" },
	{ SIZED "<target><permissions><owner>+1</owner></permissions></target>", "owner" },
	{ SIZED "<target><permissions><group>4294967296</group></permissions></target>", "group" },
	{ SIZED "<target><permissions><group>1.5</group></permissions></target>", "group" },
	{ SIZED "<target><compat>1</compat></target>", "compat" },
	{ SIZED "<target><compat>1.</compat></target>", "compat" },
	{ SIZED "<target><compat>.1</compat></target>", "compat" },
	{ SIZED "<target><compat>1.1.1</compat></target>", "compat" },
	{ SIZED "<target><compat>a.b</compat></target>", "compat" },
	{ SIZED "<target><compat>1.1,x</compat></target>", "compat" },
	{ SIZED "<target><compat>99999999999.1</compat></target>", "compat" },
	{ SIZED "<target><features><zstd/></features></target>", "feature <zstd>" },
	{ SIZED "<target><features><lazy-refcounts/></features></target>", "feature" },
	{ SIZED "<target><encryption/></target>", "encryption format" },
	{ SIZED "<target><encryption format='aes'/></target>", "format \"aes\"" },
	{ SIZED "<target><encryption format='LUKS'/></target>", "format" },
	{ SIZED "<target><encryption format='luks' engine='default'/></target>", "engine" },
	{ SIZED "<target><encryption format='luks' engine='x'/></target>", "engine \"x\"" },
	{ SIZED "<target><encryption format='luks'><secret/></encryption></target>", "secret" },
	{ SIZED "<target><encryption format='luks'><secret type='passphrase'/></encryption></target>",
	  "neither uuid nor usage" },
	{ SIZED
	  "<target><encryption format='luks'><secret type='passphrase' uuid='x'/></encryption></target>",
	  "not a UUID" },
	{ SIZED "<target><encryption format='luks'><secret type='passphrase' usage='u' "
	        "uuid='e78d4b51-a2af-485f-b0f5-afca709a80f4'/></encryption></target>",
	  "both" },
	{ SIZED "<target><encryption format='luks'><secret type='volume' usage='u'/></encryption></target>",
	  "passphrase" },
	{ SIZED "<target><encryption format='luks'><secret usage='u'/></encryption></target>", "passphrase" },
	{ SIZED "<target><encryption format='luks'><cipher/></encryption></target>", "<cipher> has no name" },
	{ SIZED "<target><encryption format='luks'><cipher name='aes'/></encryption></target>",
	  "<cipher> needs a size" },
	{ SIZED "<target><encryption format='luks'><cipher name='aes' size='-1'/></encryption></target>",
	  "size" },
	{ SIZED
	  "<target><encryption format='luks'><cipher name='aes' size='4294967296'/></encryption></target>",
	  "size" },
	{ SIZED "<target><encryption format='luks'><cipher name='aes' size='big'/></encryption></target>",
	  "size" },
	{ SIZED "<target><encryption format='luks'><ivgen name='plain'/></encryption></target>",
	  "needs a <cipher>" },
	{ SIZED
	  "<target><encryption format='luks'><cipher name='aes' size='1'/><ivgen/></encryption></target>",
	  "<ivgen> has no name" },
};

static void mistakes_are_refused_and_named(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_buf struct buf xml = BUF_INIT;
		struct volume_def d;
		struct err e = { 0 };

		buf_printf(&xml, "\n<volume>%s</volume>", bad[i].inside);
		if (read_for(buf_str(&xml), POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0) {
			printf("# accepted: %s\n", bad[i].inside);
			CHECK(false);
			volume_def_free(&d);
			continue;
		}
		CHECK_INT(e.class, ERR_INVALID);
		if (strncmp(e.message, "doc:2: ", 7) != 0 && strncmp(e.message, "doc:3: ", 7) != 0)
			CHECK_STR(e.message, "doc:2: …");
		if (!strstr(e.message, bad[i].says)) {
			printf("# %s: %s\n", bad[i].inside, e.message);
			CHECK(false);
		}
	}
}

static void types_are_libvirts(void)
{
	static const char *const types[] = { "file", "block", "dir", "network", "netdir", "ploop" };
	struct volume_def d;
	struct err e = { 0 };
	char xml[200];

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		snprintf(xml, sizeof(xml), "<volume type='%s'>" SIZED "</volume>", types[i]);
		CHECK(read_for(xml, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0);
		CHECK_STR(d.type, types[i]);
		volume_def_free(&d);
	}
	CHECK(read_for("<volume type='zz'>" SIZED "</volume>", POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0 &&
	      strstr(e.message, "\"zz\""));
	CHECK(read_for("<volume type=''>" SIZED "</volume>", POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0);
	volume_def_free(&d);
}

static void other_documents_are_refused(void)
{
	static const struct {
		const char *xml;
		enum err_class class;
	} documents[] = {
		{ "", ERR_XML },
		{ "volume", ERR_XML },
		{ "<volume>", ERR_XML },
		{ "<pool type='dir'/>", ERR_XML },
		{ "<volumes>" SIZED "</volumes>", ERR_XML },
		{ "<volume>" SIZED "</volume><volume/>", ERR_XML },
		{ "<!DOCTYPE volume><volume>" SIZED "</volume>", ERR_XML },
		{ "<!DOCTYPE v [<!ENTITY a 'n'>]><volume><name>&a;</name><capacity>1</capacity></volume>",
		  ERR_XML },
		{ "<volume><name>\xff</name><capacity>1</capacity></volume>", ERR_XML },
		{ "<volume><name>a&#1;</name></volume>", ERR_XML },
		{ "<v:volume xmlns:v='urn:x'>" SIZED "</v:volume>", ERR_NONE },
		{ "<volume xmlns:x='urn:x'><x:name>n</x:name><capacity>1</capacity></volume>", ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		struct volume_def d = { 0 };
		struct err e = { 0 };
		int rc = read_for(documents[i].xml, POOL_DIR, VOLUME_FOR_CREATE, &d, &e);

		if (e.class != documents[i].class)
			printf("# %s: %s\n", documents[i].xml, e.message);
		CHECK_INT(e.class, documents[i].class);
		CHECK(rc == 0 || starts_with(e.message, "doc:"));
		volume_def_free(&d);
	}
}

static void sizes_have_limits(void)
{
	cleanup_buf struct buf xml = BUF_INIT;
	struct volume_def d;
	struct err e = { 0 };

	buf_adds(&xml, "<volume><name>");
	for (int i = 0; i < 256; i++)
		buf_addc(&xml, 'n');
	buf_adds(&xml, "</name><capacity>1</capacity></volume>");
	CHECK(read_for(buf_str(&xml), POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0 && e.class == ERR_INVALID &&
	      strlen(e.message) < 400);
	buf_reset(&xml);
	buf_adds(&xml, "<volume>" SIZED "<target><path>");
	while (xml.len <= VOLUME_XML_LIMIT)
		buf_adds(&xml, "0123456789abcdef");
	buf_adds(&xml, "</path></target></volume>");
	CHECK(read_for(buf_str(&xml), POOL_DIR, VOLUME_FOR_CREATE, &d, &e) < 0 && e.class == ERR_XML);
}

/* ---- printing ---- */

static void printed_form_is_read_back_as_itself(void)
{
	static const char *const documents[] = {
		"<volume type='block'><name>a&amp;'&quot;&lt;</name><key>k&gt;</key><capacity "
		"unit='T'>2</capacity><allocation>0</allocation></volume>",
		"<volume><name>n</name><capacity>1</capacity><target><encryption format='luks'><secret "
		"type='passphrase' usage='&apos;'/><cipher name='c' size='1'/><ivgen "
		"name='i'/></encryption><features/><clusterSize "
		"unit='k'>64</clusterSize></target><backingStore><path>p</path></backingStore></volume>",
		"<volume><name>n</name><capacity>1</capacity><target><permissions><mode>0</mode><owner>0</"
		"owner><group>4294967294</group></permissions><encryption "
		"format='default'/><features><data_file/></features></target></volume>",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT;
		struct volume_def d;
		struct err e = { 0 };

		CHECK(read_for(documents[i], POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0);
		volume_def_print(&d, &first);
		volume_def_free(&d);
		CHECK(read_for(buf_str(&first), POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == 0);
		volume_def_print(&d, &second);
		volume_def_free(&d);
		CHECK_STR(buf_str(&second), buf_str(&first));
	}
}

/* Every field, with the strings by their text. */
static void same_definition(const struct volume_def *a, const struct volume_def *b)
{
	cleanup_buf struct buf x = BUF_INIT, y = BUF_INIT;

	volume_def_print(a, &x);
	volume_def_print(b, &y);
	CHECK_STR(buf_str(&x), buf_str(&y));
	CHECK(a->has_capacity == b->has_capacity && a->has_allocation == b->has_allocation &&
	      a->nocow == b->nocow);
	CHECK(a->features_given == b->features_given && a->backing.given == b->backing.given);
	CHECK_STR(a->backing.format, b->backing.format);
	CHECK_STR(a->layout, b->layout);
	CHECK_STR(a->other_format, b->other_format);
}

static void handed_on_it_is_the_same(void)
{
	static const char *const documents[] = {
		NAMED "<target><nocow/></target><backingStore><path>/b</path></backingStore>",
		SIZED "<target><format "
		      "type='qcow2'/><nocow/><compat>0.10</compat></target><backingStore><path>/b</"
		      "path><format type='raw'/></backingStore>",
		SIZED "<allocation>7</allocation><target><features/></target>",
		SIZED "<key>k</key><target><path>/p</path></target>",
		NAMED "<allocation>0</allocation><target><clusterSize>512</clusterSize></"
		      "target><backingStore><path>/b</path></backingStore>",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		struct volume_def d, again = { 0 };
		struct err e = { 0 };

		CHECK(good(documents[i], &d));
		volume_def_print_as_given(&d, &text);
		CHECK(read_for(buf_str(&text), POOL_DIR, VOLUME_FOR_CREATE, &again, &e) == 0);
		same_definition(&d, &again);
		volume_def_free(&d);
		volume_def_free(&again);
	}
}

#define LAYOUT                                                                                               \
	"<volume>" SIZED "<target><format type='qcow2'/><layout xmlns='" VOLUME_LAYOUT_NS                    \
	"'>thin pool=&lt;</layout></target></volume>"

static void layout_is_handed_on_and_is_not_for_files(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct volume_def d, again = { 0 };
	struct err e = { 0 };

	CHECK(read_for(LAYOUT, POOL_LOGICAL, VOLUME_FOR_CREATE, &d, &e) == 0);
	CHECK_STR(d.layout, "thin pool=<");
	CHECK(!d.format);
	CHECK_STR(d.other_format, "qcow2"); /* so that who makes it can refuse it */
	volume_def_print_as_given(&d, &text);
	CHECK(read_for(buf_str(&text), POOL_LOGICAL, VOLUME_FOR_CREATE, &again, &e) == 0);
	same_definition(&d, &again);
	volume_def_free(&d);
	volume_def_free(&again);
	CHECK(read_for(LAYOUT, POOL_DIR, VOLUME_FOR_CREATE, &d, &e) == -1);
	CHECK(strstr(e.message, "has no <layout>") != NULL);
}

static void encryption_is_printed_whole(void)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct volume_def d;

	CHECK(good(SIZED "<target><encryption engine='librbd' format='luks'><ivgen hash='h' "
	                 "name='i'/><cipher hash='s' mode='m' size='7' name='c'/><secret usage='u' "
	                 "type='passphrase'/></encryption></target>",
	           &d));
	volume_def_print(&d, &out);
	volume_def_free(&d);
	CHECK_STR(buf_str(&out),
	          "<volume type='file'>\n  <name>n</name>\n  <capacity unit='bytes'>1048576</capacity>\n"
	          "  <allocation unit='bytes'>1048576</allocation>\n  <target>\n    <format type='raw'/>\n"
	          "    <encryption format='luks' engine='librbd'>\n      <secret type='passphrase' "
	          "usage='u'/>\n"
	          "      <cipher name='c' size='7' mode='m' hash='s'/>\n      <ivgen name='i' hash='h'/>\n   "
	          " </encryption>\n  </target>\n</volume>\n");
}

int main(void)
{
	RUN(little_gets_defaults);
	RUN(everything_is_read);
	RUN(features_mean_a_compat);
	RUN(lenient_where_libvirt_is);
	RUN(empty_and_doubled_elements_count_as_libvirt_counts_them);
	RUN(formats_are_those_of_the_pool);
	RUN(a_backing_format_that_is_not_given_is_known_to_be_so);
	RUN(capacity_may_be_missing_where_another_volume_has_one);
	RUN(mistakes_are_refused_and_named);
	RUN(types_are_libvirts);
	RUN(other_documents_are_refused);
	RUN(sizes_have_limits);
	RUN(printed_form_is_read_back_as_itself);
	RUN(handed_on_it_is_the_same);
	RUN(layout_is_handed_on_and_is_not_for_files);
	RUN(encryption_is_printed_whole);
	return check_done();
}
