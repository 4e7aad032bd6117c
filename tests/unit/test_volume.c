/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes: a record and back without loss, hostile names, records that are none, and libvirt's XML.
 */
#include "base/util.h"
#include "check.h"
#include "pool/volume.h"

static const struct volume full = {
	.name = "OtherDemo.img",
	.type = "file",
	.key = "the key",
	.path = "/var/lib/libvirt/images/OtherDemo.img",
	.format = "qcow2",
	.capacity = 5368709120,
	.allocation = 294912,
	.physical = 300000,
	.has_perms = true,
	.mode = 0644,
	.owner = 0,
	.group = 4294967294,
	.has_times = true,
	.atime = { 1341933637, 273190990 },
	.mtime = { 1341930622, 0 },
	.ctime_ = { -1, 7 },
	.inode = UINT64_MAX,
	.content = "squashfs",
	.data_file = "data\n",
	.backing = "/dev/null",
	.backing_format = "raw",
	.encryption = "luks",
	.compat = "1.1",
	.cluster_size = 65536,
	.lazy_refcounts = true,
	.extended_l2 = true,
	.problem = "header truncated at 99 bytes",
	.devices = "/dev/sdb1 /dev/sdc",
};

/* Record, parse, back again; text is kept in *b, in which v points. */
static int there_and_back(const struct volume *in, struct buf *b, struct volume *v)
{
	struct err e = { 0 };
	struct line l;

	buf_reset(b);
	volume_record(in, b);
	CHECK(!b->failed && b->len > 0 && b->data[b->len - 1] == '\n' && b->len <= LINE_MAX_BYTES);
	if (line_parse_reply(b->data, b->len - 1, &l, &e) < 0 || volume_from_record(&l, v, &e) < 0) {
		printf("# %s\n", e.message);
		return -1;
	}
	return 0;
}

static void same(const struct volume *got, const struct volume *want)
{
	CHECK_STR(got->name, want->name);
	CHECK_STR(got->type, want->type);
	CHECK_STR(got->key, want->key);
	CHECK_STR(got->path, want->path);
	CHECK_STR(got->format, want->format);
	CHECK(got->capacity == want->capacity && got->allocation == want->allocation &&
	      got->physical == want->physical);
	CHECK(got->has_perms == want->has_perms && got->mode == want->mode && got->owner == want->owner &&
	      got->group == want->group);
	CHECK(got->has_times == want->has_times && got->inode == want->inode);
	CHECK(got->atime.sec == want->atime.sec && got->atime.nsec == want->atime.nsec);
	CHECK(got->mtime.sec == want->mtime.sec && got->mtime.nsec == want->mtime.nsec);
	CHECK(got->ctime_.sec == want->ctime_.sec && got->ctime_.nsec == want->ctime_.nsec);
	CHECK_STR(got->backing, want->backing);
	CHECK_STR(got->backing_format, want->backing_format);
	CHECK_STR(got->content, want->content);
	CHECK_STR(got->data_file, want->data_file);
	CHECK_STR(got->encryption, want->encryption);
	CHECK_STR(got->compat, want->compat);
	CHECK(got->cluster_size == want->cluster_size && got->lazy_refcounts == want->lazy_refcounts &&
	      got->extended_l2 == want->extended_l2);
	CHECK_STR(got->problem, want->problem);
	CHECK_STR(got->devices, want->devices);
}

static void record_keeps_everything(void)
{
	struct buf b = BUF_INIT;
	struct volume v;

	CHECK_INT(there_and_back(&full, &b, &v), 0);
	same(&v, &full);
	buf_free(&b);
}

static void record_of_little_is_short(void)
{
	const struct volume in = { .name = "a", .type = "block", .key = "/dev/a", .path = "/dev/a" };
	struct buf b = BUF_INIT;
	struct volume v;

	volume_record(&in, &b);
	CHECK_STR(buf_str(&b), "- name=a type=block path=/dev/a key=/dev/a capacity=0 allocation=0\n");
	CHECK_INT(there_and_back(&in, &b, &v), 0);
	same(&v, &in);
	buf_free(&b);
}

static void hostile_names_stay_one_line(void)
{
	const struct volume in = { .name = "a b\nOK \"x\" \\ = \x01\xff",
		                   .type = "file",
		                   .key = "k=v",
		                   .path = "/p/\xc2\x9b[2J",
		                   .backing = "json:{\"a\": 1}" };
	struct buf b = BUF_INIT;
	struct volume v;

	volume_record(&in, &b);
	CHECK(strchr(b.data, '\n') == b.data + b.len - 1);
	CHECK_INT(there_and_back(&in, &b, &v), 0);
	same(&v, &in);
	buf_free(&b);
}

/* The longest that a file system allows, all of it in need of escapes, and the longest backing file name of
 * an image. */
static void longest_names_still_make_a_record(void)
{
	char name[256], path[600], backing[1024];
	struct buf b = BUF_INIT;
	struct volume v, in = full;

	memset(name, '\xff', 255);
	name[255] = '\0';
	snprintf(path, sizeof(path), "/var/lib/libvirt/images/a/rather/long/directory/%s", name);
	memset(backing, '\x01', 1023);
	backing[1023] = '\0';
	in.name = name;
	in.key = in.path = path;
	in.backing = backing;
	CHECK_INT(there_and_back(&in, &b, &v), 0);
	CHECK_STR(v.name, name);
	CHECK_STR(v.path, path);
	CHECK_STR(v.key, path);
	CHECK(v.backing == NULL);
	CHECK(v.problem && strstr(v.problem, "backing file"));
	in.backing = "/short";
	in.problem = "other";
	CHECK_INT(there_and_back(&in, &b, &v), 0);
	CHECK_STR(v.problem, "other");
	CHECK_STR(v.backing, "/short");
	buf_free(&b);
}

static void a_volume_on_very_many_devices_is_listed_and_keeps_its_key(void)
{
	struct volume v = { .name = "lv",
		            .type = "block",
		            .path = "/dev/vg/lv",
		            .key = "0123456789",
		            .capacity = 1,
		            .allocation = 1 },
		      back;
	cleanup_buf struct buf b = BUF_INIT, devices = BUF_INIT;

	for (int i = 0; i < 400; i++)
		buf_printf(&devices, "%s/dev/disk/%d", i ? " " : "", i);
	v.devices = buf_str(&devices);
	CHECK(there_and_back(&v, &b, &back) == 0);
	CHECK_STR(back.key, v.key);
	CHECK_STR(back.path, v.path);
	CHECK(!back.devices && back.problem && strstr(back.problem, "too long to be shown"));
}

static void records_follow_each_other_in_one_buffer(void)
{
	struct buf b = BUF_INIT;
	size_t first;

	volume_record(&full, &b);
	first = b.len;
	volume_record(&full, &b);
	CHECK_INT(b.len, 2 * first);
	CHECK(memcmp(b.data, b.data + first, first) == 0);
	buf_free(&b);
}

static void records_that_are_none_are_refused(void)
{
	static const char *const bad[] = {
		"OK",
		"- type=file capacity=1 allocation=1",
		"- name=\"\" type=file capacity=1 allocation=1",
		"- name=a capacity=1 allocation=1",
		"- name=a type=file allocation=1",
		"- name=a type=file capacity=1",
		"- name=a type=file capacity=-1 allocation=1",
		"- name=a type=file capacity=0x1 allocation=1",
		"- name=a type=file capacity=18446744073709551616 allocation=1",
		"- name=a type=file capacity=1 allocation=1 mode=0899 owner=0 group=0",
		"- name=a type=file capacity=1 allocation=1 mode=0644 owner=0",
		"- name=a type=file capacity=1 allocation=1 mode=0644 owner=4294967296 group=0",
		"- name=a type=file capacity=1 allocation=1 mode=10000 owner=0 group=0",
		"- name=a type=file capacity=1 allocation=1 mtime=1.000000000",
		"- name=a type=file capacity=1 allocation=1 mtime=1 atime=1 ctime=1",
		"- name=a type=file capacity=1 allocation=1 mtime=1.5 atime=1.000000000 ctime=1.000000000",
		"- name=a type=file capacity=1 allocation=1 mtime=99999999999999999999.000000000 "
		"atime=1.000000000 ctime=1.000000000",
		"- name=a type=file capacity=1 allocation=1 mtime=99999999999999999999999999999.000000000 "
		"atime=1.000000000 ctime=1.000000000",
		"- name=a type=file capacity=1 allocation=1 inode=x",
		"- name=a type=file capacity=1 allocation=1 cluster-size=\"\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[300];
		struct err e = { 0 };
		struct volume v;
		struct line l;

		snprintf(text, sizeof(text), "%s", bad[i]);
		CHECK(line_parse_reply(text, strlen(text), &l, &e) == 0);
		if (volume_from_record(&l, &v, &e) == 0)
			printf("# accepted: %s\n", bad[i]);
		CHECK(volume_from_record(&l, &v, &e) < 0 && e.class == ERR_INTERNAL);
	}
}

static void prints(const struct volume *v, const char *want)
{
	struct buf b = BUF_INIT;

	volume_print(v, &b);
	CHECK_STR(buf_str(&b), want);
	buf_free(&b);
}

static void xml_of_a_volume_with_everything(void)
{
	prints(&full,
	       "<volume type='file'>\n  <name>OtherDemo.img</name>\n  <key>the key</key>\n  <source>\n    "
	       "<device path='/dev/sdb1'>\n    </device>\n"
	       "    <device path='/dev/sdc'>\n    </device>\n  </source>\n"
	       "  <capacity unit='bytes'>5368709120</capacity>\n  <allocation "
	       "unit='bytes'>294912</allocation>\n  <physical unit='bytes'>300000</physical>\n"
	       "  <target>\n    <path>/var/lib/libvirt/images/OtherDemo.img</path>\n    <format "
	       "type='qcow2'/>\n"
	       "    <permissions>\n      <mode>0644</mode>\n      <owner>0</owner>\n      "
	       "<group>-2</group>\n    </permissions>\n"
	       "    <timestamps>\n      <atime>1341933637.273190990</atime>\n      "
	       "<mtime>1341930622</mtime>\n      <ctime>-1.000000007</ctime>\n      <btime>0</btime>\n"
	       "    </timestamps>\n"
	       "    <encryption format='luks'>\n    </encryption>\n    <compat>1.1</compat>\n    "
	       "<clusterSize unit='B'>65536</clusterSize>\n"
	       "    <features>\n      <lazy_refcounts/>\n      <extended_l2/>\n    </features>\n  </target>\n"
	       "  <backingStore>\n    <path>/dev/null</path>\n    <format type='raw'/>\n  "
	       "</backingStore>\n</volume>\n");
}

/* libvirt's vol-logical.xml, without the label that nobody reads, and vol-qcow2-1.1.xml's features. */
static void xml_as_libvirt_prints_it(void)
{
	const struct volume swap = { .name = "Swap",
		                     .type = "block",
		                     .key = "r4xkCv-MQhr-WKIT-R66x-Epn2-e8hG-1Z5gY0",
		                     .path = "/dev/HostVG/Swap",
		                     .capacity = 2080374784,
		                     .allocation = 2080374784,
		                     .has_perms = true,
		                     .mode = 0660,
		                     .group = 6,
		                     .backing = "/dev/HostVG/snapshot" };
	const struct volume plain = {
		.name = "a&b'", .type = "file", .path = "/p/a&b'", .format = "qcow2", .compat = "1.1"
	};
	const struct volume old = {
		.name = "o", .type = "file", .path = "/p/o", .format = "qcow2", .compat = "0.10"
	};

	prints(&swap, "<volume type='block'>\n  <name>Swap</name>\n  "
	              "<key>r4xkCv-MQhr-WKIT-R66x-Epn2-e8hG-1Z5gY0</key>\n"
	              "  <capacity unit='bytes'>2080374784</capacity>\n  <allocation "
	              "unit='bytes'>2080374784</allocation>\n"
	              "  <target>\n    <path>/dev/HostVG/Swap</path>\n    <permissions>\n      "
	              "<mode>0660</mode>\n      <owner>0</owner>\n      <group>6</group>\n"
	              "    </permissions>\n  </target>\n  <backingStore>\n    "
	              "<path>/dev/HostVG/snapshot</path>\n  </backingStore>\n</volume>\n");
	prints(&plain, "<volume type='file'>\n  <name>a&amp;b&apos;</name>\n  <capacity "
	               "unit='bytes'>0</capacity>\n  <allocation unit='bytes'>0</allocation>\n"
	               "  <target>\n    <path>/p/a&amp;b&apos;</path>\n    <format type='qcow2'/>\n    "
	               "<compat>1.1</compat>\n    <features/>\n  </target>\n</volume>\n");
	prints(&old, "<volume type='file'>\n  <name>o</name>\n  <capacity unit='bytes'>0</capacity>\n  "
	             "<allocation unit='bytes'>0</allocation>\n"
	             "  <target>\n    <path>/p/o</path>\n    <format type='qcow2'/>\n    "
	             "<compat>0.10</compat>\n  </target>\n</volume>\n");
}

static void xml_holds_no_control_characters(void)
{
	const struct volume v = { .name = "a\x1b[2J\x01\xff",
		                  .type = "file",
		                  .path = "/p",
		                  .backing = "b\x02<\xc2\x9b\x7f\r\xef\xbf\xbf" };
	struct buf b = BUF_INIT;

	volume_print(&v, &b);
	CHECK(strstr(buf_str(&b), "<name>a?[2J?"
	                          "?</name>") &&
	      strstr(buf_str(&b), "<path>/b?&lt;&#x9b;&#x7f;&#xd;?</path>"));
	buf_free(&b);
}

int main(void)
{
	RUN(record_keeps_everything);
	RUN(record_of_little_is_short);
	RUN(hostile_names_stay_one_line);
	RUN(longest_names_still_make_a_record);
	RUN(a_volume_on_very_many_devices_is_listed_and_keeps_its_key);
	RUN(records_follow_each_other_in_one_buffer);
	RUN(records_that_are_none_are_refused);
	RUN(xml_of_a_volume_with_everything);
	RUN(xml_as_libvirt_prints_it);
	RUN(xml_holds_no_control_characters);
	return check_done();
}
