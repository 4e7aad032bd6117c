/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stable device names on trees that stand for /sys and /dev, shaped like those of real machines; names as
 * udev gives them there.
 */
#include "system/links.h"

#include "base/clock.h"
#include "base/spawn.h"
#include "base/util.h"
#include "check.h"
#include "fixture.h"

static char root[PATH_MAX], sys_root[PATH_MAX], dev_root[PATH_MAX], run_root[PATH_MAX];
static const struct device_roots roots = { sys_root, dev_root, run_root };

static void begin(void)
{
	fixture_make(root);
	fixture_path(sys_root, "%s/sys", root);
	fixture_path(dev_root, "%s/dev", root);
	fixture_path(run_root, "%s/run", root);
	fixture(dev_root, "", "null");
	fixture(run_root, "", "keep");
	fixture(sys_root, "", "class/block/.keep");
}

static void end(void)
{
	fixture_remove(root);
}

/* A disk at this place below /sys, its class link, its node in /dev. */
static void disk(const char *dir, const char *name)
{
	char path[PATH_MAX], link[PATH_MAX];

	fixture_path(path, "%s/block/%s", dir, name);
	fixture_device(sys_root, path, "block");
	fixture(sys_root, "0\n", "%s/size", path);
	fixture_path(link, "class/block/%s", name);
	fixture_link(sys_root, path, link);
	fixture_path(link, "%s/device", path);
	fixture_link(sys_root, dir, link);
	fixture(dev_root, "", "%s", name);
}

static void partition(const char *dir, const char *disk_name, int number)
{
	char path[PATH_MAX], link[PATH_MAX];

	fixture_path(path, "%s/block/%s/%s%d", dir, disk_name, disk_name, number);
	fixture_device(sys_root, path, "block");
	fixture(sys_root, number == 1 ? "1\n" : "2\n", "%s/partition", path);
	fixture_path(link, "class/block/%s%d", disk_name, number);
	fixture_link(sys_root, path, link);
	fixture(dev_root, "", "%s%d", disk_name, number);
}

#define PCI5 "devices/pci0000:00/0000:00:05.0"

static void pci(void)
{
	fixture_device(sys_root, PCI5, "pci");
}

static const char *by_path(const char *name)
{
	static char out[600];

	return link_by_path(sys_root, name, out, sizeof(out)) == 0 ? out : NULL;
}

static const char *names(const char *name, bool content)
{
	static struct buf out;

	buf_reset(&out);
	link_names(&roots, name, content, &out);
	return buf_str(&out);
}

/* ---- by-path ---- */

static void virtio_disk_is_at_its_pci_address(void)
{
	begin();
	pci();
	fixture_device(sys_root, PCI5 "/virtio2", "virtio");
	disk(PCI5 "/virtio2", "vda");
	partition(PCI5 "/virtio2", "vda", 1);
	fixture(sys_root, "DISK 01/x\n", PCI5 "/virtio2/block/vda/serial");
	CHECK_STR(by_path("vda"), "pci-0000:00:05.0");
	CHECK_STR(by_path("vda1"), "pci-0000:00:05.0-part1");
	CHECK_STR(names("vda1", false),
	          "disk/by-path/pci-0000:00:05.0-part1\ndisk/by-path/virtio-pci-0000:00:05.0-part1\n"
	          "disk/by-id/virtio-DISK_01_x-part1\n");
	end();
}

static void bridges_do_not_belong_to_the_name(void)
{
	static const char dir[] = "devices/pci0000:00/0000:00:1c.0/0000:03:00.0/virtio0";

	begin();
	fixture_device(sys_root, "devices/pci0000:00/0000:00:1c.0", "pci");
	fixture_device(sys_root, "devices/pci0000:00/0000:00:1c.0/0000:03:00.0", "pci");
	fixture_device(sys_root, dir, "virtio");
	disk(dir, "vdb");
	CHECK_STR(by_path("vdb"), "pci-0000:03:00.0");
	end();
}

static void scsi_host(const char *parent, unsigned host, unsigned target, const char *lun, const char *name)
{
	char dir[PATH_MAX];

	fixture_path(dir, "%s/host%u", parent, host);
	fixture_device(sys_root, dir, "scsi");
	fixture_path(dir, "%s/host%u/target%u:0:%u", parent, host, host, target);
	fixture_device(sys_root, dir, "scsi");
	fixture_path(dir, "%s/host%u/target%u:0:%u/%u:0:%u:%s", parent, host, host, target, host, target,
	             lun);
	fixture_device(sys_root, dir, "scsi");
	disk(dir, name);
}

static void scsi_hosts_count_from_the_first_of_their_adapter(void)
{
	begin();
	pci();
	fixture_device(sys_root, PCI5 "/virtio1", "virtio");
	scsi_host(PCI5 "/virtio1", 6, 0, "0", "sda");
	scsi_host(PCI5 "/virtio1", 7, 3, "1", "sdb");
	CHECK_STR(by_path("sda"), "pci-0000:00:05.0-scsi-0:0:0:0");
	CHECK_STR(by_path("sdb"), "pci-0000:00:05.0-scsi-1:0:3:1");
	end();
}

static void ata_disk_is_at_its_port(void)
{
	begin();
	fixture_device(sys_root, "devices/pci0000:00/0000:00:1f.2", "pci");
	fixture(sys_root, "2\n", "class/ata_port/ata4/port_no");
	scsi_host("devices/pci0000:00/0000:00:1f.2/ata4", 3, 0, "0", "sda");
	CHECK_STR(by_path("sda"), "pci-0000:00:1f.2-ata-2.0");
	CHECK_STR(names("sda", false),
	          "disk/by-path/pci-0000:00:1f.2-ata-2.0\ndisk/by-path/pci-0000:00:1f.2-ata-2\n");
	end();
}

static void iscsi_session(unsigned session, const char *target, const char *address, const char *port)
{
	fixture(sys_root, target, "class/iscsi_session/session%u/targetname", session);
	fixture(sys_root, address, "class/iscsi_connection/connection%u:0/persistent_address", session);
	fixture(sys_root, port, "class/iscsi_connection/connection%u:0/persistent_port", session);
}

static void iscsi_lun(unsigned host, unsigned session, const char *lun, const char *name)
{
	char dir[PATH_MAX];

	fixture_path(dir, "devices/platform/host%u/session%u/target%u:0:0/%u:0:0:%s", host, session, host,
	             host, lun);
	fixture_device(sys_root, dir, "scsi");
	disk(dir, name);
}

static void iscsi_lun_is_named_by_portal_and_target(void)
{
	begin();
	iscsi_session(3, "iqn.2026-01.example:vm\n", "192.0.2.7\n", "3260\n");
	iscsi_lun(2, 3, "1", "sdc");
	CHECK_STR(by_path("sdc"), "ip-192.0.2.7:3260-iscsi-iqn.2026-01.example:vm-lun-1");
	partition("devices/platform/host2/session3/target2:0:0/2:0:0:1", "sdc", 2);
	CHECK_STR(by_path("sdc2"), "ip-192.0.2.7:3260-iscsi-iqn.2026-01.example:vm-lun-1-part2");
	end();
}

static void luns_above_255_are_written_as_addresses(void)
{
	begin();
	iscsi_session(1, "iqn.x:t\n", "2001:db8::7\n", "3261\n");
	iscsi_lun(0, 1, "255", "sda");
	iscsi_lun(0, 1, "256", "sdb");
	iscsi_lun(0, 1, "16640", "sdc");
	CHECK_STR(by_path("sda"), "ip-2001:db8::7:3261-iscsi-iqn.x:t-lun-255");
	CHECK_STR(by_path("sdb"), "ip-2001:db8::7:3261-iscsi-iqn.x:t-lun-0x0100000000000000");
	CHECK_STR(by_path("sdc"), "ip-2001:db8::7:3261-iscsi-iqn.x:t-lun-0x4100000000000000");
	end();
}

static void usb_stick_is_at_its_port(void)
{
	static const char port[] = "devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4";
	char dir[PATH_MAX];

	begin();
	fixture_device(sys_root, "devices/pci0000:00/0000:00:14.0", "pci");
	fixture_device(sys_root, "devices/pci0000:00/0000:00:14.0/usb2", "usb");
	fixture_device(sys_root, "devices/pci0000:00/0000:00:14.0/usb2/2-1", "usb");
	fixture_device(sys_root, port, "usb");
	fixture(sys_root, "0951\n", "%s/idVendor", port);
	fixture(sys_root, "60A44C413\n", "%s/serial", port);
	fixture_path(dir, "%s/2-1.4:1.0", port);
	fixture_device(sys_root, dir, "usb");
	scsi_host(dir, 4, 0, "0", "sdd");
	fixture(sys_root, "Kingston\n", "%s/host4/target4:0:0/4:0:0:0/vendor", dir);
	fixture(sys_root, "DataTraveler 3.0\n", "%s/host4/target4:0:0/4:0:0:0/model", dir);
	CHECK_STR(by_path("sdd"), "pci-0000:00:14.0-usb-0:1.4:1.0-scsi-0:0:0:0");
	CHECK(strstr(names("sdd", false), "disk/by-id/usb-Kingston_DataTraveler_3.0_60A44C413-0:0\n") !=
	      NULL);
	end();
}

static void nvme_namespace_has_its_number(void)
{
	static const char controller[] = "devices/pci0000:00/0000:00:05.0/nvme/nvme0";
	char dir[PATH_MAX];

	begin();
	pci();
	fixture_device(sys_root, controller, "nvme");
	fixture(sys_root, "QEMU NVMe Ctrl     \n", "%s/model", controller);
	fixture(sys_root, "abc 1\n", "%s/serial", controller);
	fixture_path(dir, "%s/nvme0n1", controller);
	fixture_device(sys_root, dir, "block");
	fixture_link(sys_root, dir, "class/block/nvme0n1");
	fixture(sys_root, "1\n", "%s/nsid", dir);
	fixture(sys_root, "eui.0025385b71b0d1b4\n", "%s/wwid", dir);
	fixture_path(dir, "%s/nvme0n1/device", controller);
	fixture_link(sys_root, controller, dir);
	CHECK_STR(names("nvme0n1", false),
	          "disk/by-path/pci-0000:00:05.0-nvme-1\ndisk/by-id/nvme-eui.0025385b71b0d1b4\n"
	          "disk/by-id/nvme-QEMU_NVMe_Ctrl_abc_1\ndisk/by-id/nvme-QEMU_NVMe_Ctrl_abc_1_1\n");
	end();
}

/* What is built into a chip, as on most arm64 machines. */

#define SOC  "devices/platform/soc"
#define EMMC SOC "/fe340000.mmc/mmc_host/mmc0/mmc0:0001"

static void emmc(const char *controller, const char *bus, const char *card)
{
	fixture_device(sys_root, controller, bus);
	fixture_device(sys_root, card, "mmc");
	fixture(sys_root, "DG4016\n", "%s/name", card);
	fixture(sys_root, "0x1a2b3c4d\n", "%s/serial", card);
}

static void emmc_is_at_its_controller(void)
{
	static const char amba[] = SOC "/48220000.sdmmc",
			  card[] = SOC "/48220000.sdmmc/mmc_host/mmc1/mmc1:aaaa";

	begin();
	fixture_device(sys_root, SOC, "platform");
	emmc(SOC "/fe340000.mmc", "platform", EMMC);
	disk(EMMC, "mmcblk0");
	disk(EMMC, "mmcblk0boot1");
	CHECK_STR(names("mmcblk0", false),
	          "disk/by-path/platform-fe340000.mmc\ndisk/by-id/mmc-DG4016_0x1a2b3c4d\n");
	CHECK_STR(names("mmcblk0boot1", false),
	          "disk/by-path/platform-fe340000.mmc-boot1\ndisk/by-id/mmc-DG4016_0x1a2b3c4d-boot1\n");
	emmc(amba, "amba", card);
	disk(card, "mmcblk1");
	CHECK_STR(by_path("mmcblk1"), "platform-soc-amba-48220000.sdmmc");
	end();
}

static void bridges_and_hosts_of_a_chip_belong_to_the_name(void)
{
	static const char bridge[] = "devices/platform/4010000000.pcie",
			  usb[] = SOC "/xhci-hcd.0.auto/usb1/1-2";
	char dir[PATH_MAX];

	begin();
	fixture_device(sys_root, bridge, "platform");
	fixture_path(dir, "%s/pci0000:00/0000:00:03.0", bridge);
	fixture_device(sys_root, dir, "pci");
	fixture_path(dir, "%s/pci0000:00/0000:00:03.0/virtio2", bridge);
	fixture_device(sys_root, dir, "virtio");
	disk(dir, "vda");
	CHECK_STR(names("vda", false), "disk/by-path/platform-4010000000.pcie-pci-0000:00:03.0\n");
	fixture_device(sys_root, "devices/platform/a003e00.virtio_mmio", "platform");
	fixture_device(sys_root, "devices/platform/a003e00.virtio_mmio/virtio1", "virtio");
	disk("devices/platform/a003e00.virtio_mmio/virtio1", "vdb");
	CHECK_STR(names("vdb", false), "disk/by-path/platform-a003e00.virtio_mmio\n");
	fixture_device(sys_root, SOC, "platform");
	fixture_device(sys_root, SOC "/xhci-hcd.0.auto", "platform");
	fixture_device(sys_root, SOC "/xhci-hcd.0.auto/usb1", "usb");
	fixture_device(sys_root, usb, "usb");
	fixture_path(dir, "%s/1-2:1.0", usb);
	fixture_device(sys_root, dir, "usb");
	scsi_host(dir, 0, 0, "0", "sda");
	CHECK_STR(by_path("sda"), "platform-xhci-hcd.0.auto-usb-0:2:1.0-scsi-0:0:0:0");
	end();
}

static void what_is_not_understood_has_no_path(void)
{
	begin();
	disk("devices/virtual", "loop0");
	pci();
	scsi_host(PCI5 "/host0/port-0:0/end_device-0:0", 0, 0, "0", "sda"); /* SAS */
	scsi_host("devices/nobus", 1, 0, "0", "sdb");                       /* nothing addressable above */
	fixture_device(sys_root, PCI5 "/strange0", "strange");
	disk(PCI5 "/strange0", "xda"); /* an address, but not the whole of it */
	iscsi_lun(5, 9, "0", "sdc");   /* no such session any more */
	CHECK_STR(by_path("loop0"), NULL);
	CHECK_STR(by_path("sda"), NULL);
	CHECK_STR(by_path("sdb"), NULL);
	CHECK_STR(by_path("xda"), NULL);
	CHECK_STR(by_path("sdc"), NULL);
	CHECK_STR(by_path("sdz"), NULL);
	CHECK_STR(by_path("../sda"), NULL);
	end();
}

/* ---- by-id ---- */

#define SDA PCI5 "/virtio1/host0/target0:0:0/0:0:0:0"

static void scsi_disk(void)
{
	pci();
	fixture_device(sys_root, PCI5 "/virtio1", "virtio");
	scsi_host(PCI5 "/virtio1", 0, 0, "0", "sda");
	fixture(sys_root, "QEMU    \n", SDA "/vendor");
	fixture(sys_root, "QEMU HARDDISK   \n", SDA "/model");
}

static void page(const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];

	fixture_path(path, "%s/" SDA "/%s", sys_root, name);
	fixture_bytes(path, data, len);
}

static const char *serial(void)
{
	static char out[512];

	return link_scsi_serial(sys_root, "sda", out, sizeof(out), NULL) == 0 ? out : NULL;
}

/* T10 vendor, then NAA registered extended, both of the logical unit, as tgtd sends them. */
static const unsigned char page83[] = {
	0x00, 0x83, 0x00, 0x2c, 0x02, 0x01, 0x00, 0x14, 'I',  'E', 'T', ' ', ' ',  ' ',  ' ',  ' ',
	'0',  '0',  '0',  '1',  '0',  '0',  '0',  '1',  0,    0,   0,   0,   0x01, 0x03, 0x00, 0x10,
	0x60, 0,    0,    0,    0,    0,    0,    0,    0x0e, 0,   0,   0,   0,    0x01, 0,    0x01,
};

static void naa_is_preferred(void)
{
	begin();
	scsi_disk();
	page("vpd_pg83", page83, sizeof(page83));
	fixture(sys_root, "t10.something else\n", SDA "/wwid");
	CHECK_STR(serial(), "360000000000000000e00000000010001");
	CHECK(strstr(names("sda", false), "disk/by-id/scsi-360000000000000000e00000000010001\n"
	                                  "disk/by-id/wwn-0x60000000000000000e00000000010001\n") != NULL);
	end();
}

static void a_name_is_unique_when_its_maker_is_in_it(void)
{
	static const struct {
		const char *serial;
		bool unique;
	} cases[] = {
		{ "36001405f000000010000000000000000", true },
		{ "35000c50015ea71ac", true },
		{ "320000000c9831b4b", true },
		{ "321000000000031b4b", false },
		{ "20000c50015ea71ac", true },
		{ "360000000000000000e00000000010001", false }, /* tgt's: target and LUN, and no maker */
		{ "35000000000000001", false },
		{ "333333330000007d0", false }, /* locally assigned */
		{ "20000000000010001", false },
		{ "1IET_00010001", false },
		{ "SQEMU_HARDDISK_1", false },
		{ "36001405f", false },
		{ "3", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_INT(link_serial_is_unique(cases[i].serial), cases[i].unique);
}

static void t10_is_taken_when_there_is_no_naa(void)
{
	unsigned char only[28];

	begin();
	scsi_disk();
	memcpy(only, page83, sizeof(only));
	only[3] = 0x18;
	page("vpd_pg83", only, sizeof(only));
	CHECK_STR(serial(), "1IET_00010001");
	CHECK(strstr(names("sda", false), "wwn-") == NULL);
	end();
}

static void vendor_specific_is_completed_by_vendor_and_model(void)
{
	static const unsigned char qemu[] = { 0, 0x83, 0, 8, 0x02, 0x00, 0, 4, 'd', 'r', 'v', '0' };

	begin();
	scsi_disk();
	page("vpd_pg83", qemu, sizeof(qemu));
	CHECK_STR(serial(), "0QEMU_QEMU_HARDDISK_drv0");
	end();
}

static void other_sources_are_taken_in_turn(void)
{
	static const unsigned char unit[] = { 0, 0x80, 0, 5, 'S', 'N', ' ', '1', '2' };

	begin();
	scsi_disk();
	CHECK_STR(serial(), NULL);
	page("vpd_pg80", unit, sizeof(unit));
	CHECK_STR(serial(), "SQEMU_QEMU_HARDDISK_SN_12");
	fixture(sys_root, "naa.5000c500a1b2c3d4\n", SDA "/wwid");
	CHECK_STR(serial(), "35000c500a1b2c3d4");
	fixture(sys_root, "t10.ATA     QEMU HARDDISK    QM00001 \n", SDA "/wwid");
	CHECK_STR(serial(), "1ATA_QEMU_HARDDISK_QM00001");
	fixture(sys_root, "uuid.1234\n", SDA "/wwid");
	CHECK_STR(serial(), "SQEMU_QEMU_HARDDISK_SN_12");
	end();
}

/* Whatever a target sends there, nothing beyond the page is read. The sanitizer watches. */
static void malformed_pages_are_survived(void)
{
	unsigned char bad[sizeof(page83)];

	begin();
	scsi_disk();
	for (size_t len = 0; len <= sizeof(page83); len++) {
		page("vpd_pg83", page83, len);
		if (len < 28)
			CHECK_STR(serial(), NULL);
		else if (len < sizeof(page83))
			CHECK_STR(serial(), "1IET_00010001");
	}
	memset(bad, 0xff, sizeof(bad));
	page("vpd_pg83", bad, sizeof(bad));
	CHECK_STR(serial(), NULL);
	memcpy(bad, page83, sizeof(bad));
	bad[7] = 0xff; /* a descriptor longer than the page */
	page("vpd_pg83", bad, sizeof(bad));
	CHECK_STR(serial(), NULL);
	memcpy(bad, page83, sizeof(bad));
	bad[5] |= 0x10; /* a target port's name is not the disk's */
	bad[29] |= 0x10;
	page("vpd_pg83", bad, sizeof(bad));
	CHECK_STR(serial(), NULL);
	end();
}

static void names_from_devices_are_harmless(void)
{
	begin();
	pci();
	fixture_device(sys_root, PCI5 "/virtio2", "virtio");
	disk(PCI5 "/virtio2", "vda");
	fixture(sys_root, "../../etc/passwd\n", PCI5 "/virtio2/block/vda/serial");
	CHECK(strstr(names("vda", false), "disk/by-id/virtio-.._.._etc_passwd\n") != NULL);
	fixture(sys_root, "   \n", PCI5 "/virtio2/block/vda/serial");
	CHECK(strstr(names("vda", false), "by-id") == NULL);
	end();
}

static void dm(const char *node, const char *name, const char *uuid)
{
	disk("devices/virtual", node);
	fixture(sys_root, name, "devices/virtual/block/%s/dm/name", node);
	fixture(sys_root, uuid, "devices/virtual/block/%s/dm/uuid", node);
	fixture(sys_root, "0\n", "devices/virtual/block/%s/dm/suspended", node);
}

#define LV_UUID "LVM-0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

static void logical_volumes_have_their_names_and_hidden_parts_have_none(void)
{
	begin();
	dm("dm-0", "vg-lv\n", LV_UUID "\n");
	dm("dm-1", "vg-lv-real\n", LV_UUID "-real\n");
	CHECK_STR(names("dm-0", false), "disk/by-id/dm-name-vg-lv\ndisk/by-id/dm-uuid-" LV_UUID "\n");
	CHECK_STR(names("dm-1", false), "");
	end();
}

/* ---- content and links ---- */

static bool have_mke2fs;

static void make_ext4(const char *node, const char *label, const char *uuid)
{
	char path[PATH_MAX];
	const char *const argv[] = {
		"mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-U", uuid, path, NULL
	};
	struct tool t = { .argv = argv, .deadline = clock_ms() + SECONDS(20) };
	struct err e = { 0 };

	fixture_path(path, "%s/%s", dev_root, node);
	if (truncate(path, 2 * 1024 * 1024) < 0 || spawn_ok(&t, &e) < 0) {
		printf("# %s\n", e.message);
		exit(1);
	}
	tool_free(&t);
}

static const char *link_to(const char *name)
{
	static char target[PATH_MAX];
	char path[PATH_MAX];
	ssize_t n;

	fixture_path(path, "%s/%s", dev_root, name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return n > 0 ? target : NULL;
}

static void update(const char *name)
{
	struct err e = { 0 };

	CHECK_INT(links_update(&roots, name, true, &e), 0);
	CHECK_STR(e.message, "");
}

static void two_disks(void)
{
	begin();
	fixture_device(sys_root, PCI5 "/virtio0", "virtio");
	fixture_device(sys_root, "devices/pci0000:00/0000:00:06.0/virtio1", "virtio");
	pci();
	fixture_device(sys_root, "devices/pci0000:00/0000:00:06.0", "pci");
	disk(PCI5 "/virtio0", "vda");
	disk("devices/pci0000:00/0000:00:06.0/virtio1", "vdb");
}

#define UUID_A "11111111-2222-4333-8444-555555555555"
#define UUID_B "66666666-7777-4888-9999-aaaaaaaaaaaa"

static void content_gives_label_and_uuid(void)
{
	two_disks();
	make_ext4("vda", "my disk/1", UUID_A);
	update("vda");
	CHECK_STR(link_to("disk/by-uuid/" UUID_A), "../../vda");
	CHECK_STR(link_to("disk/by-label/my\\x20disk\\x2f1"), "../../vda");
	CHECK_STR(link_to("disk/by-path/pci-0000:00:05.0"), "../../vda");
	end();
}

static void the_first_keeps_a_name_and_the_second_gets_it_after(void)
{
	two_disks();
	make_ext4("vda", "SAME", UUID_A);
	make_ext4("vdb", "SAME", UUID_B);
	update("vda");
	update("vdb");
	CHECK_STR(link_to("disk/by-label/SAME"), "../../vda");
	update("vda");
	CHECK_STR(link_to("disk/by-label/SAME"), "../../vda");
	make_ext4("vda", "OTHER", UUID_A);
	update("vda");
	CHECK_STR(link_to("disk/by-label/SAME"), NULL);
	CHECK_STR(link_to("disk/by-label/OTHER"), "../../vda");
	update("vdb");
	CHECK_STR(link_to("disk/by-label/SAME"), "../../vdb");
	end();
}

static void a_device_that_is_gone_loses_its_links(void)
{
	char path[PATH_MAX];

	two_disks();
	make_ext4("vda", "GONE", UUID_A);
	update("vda");
	fixture_path(path, "%s/class/block/vda", sys_root);
	CHECK_INT(unlink(path), 0);
	update("vda");
	CHECK_STR(link_to("disk/by-label/GONE"), NULL);
	CHECK_STR(link_to("disk/by-uuid/" UUID_A), NULL);
	CHECK_STR(link_to("disk/by-path/pci-0000:00:05.0"), NULL);
	fixture_path(path, "%s/links/vda", run_root);
	CHECK(access(path, F_OK) < 0);
	end();
}

static void a_walk_finds_all_and_forgets_what_is_gone(void)
{
	struct err e = { 0 };
	char path[PATH_MAX];

	two_disks();
	make_ext4("vda", "ONE", UUID_A);
	make_ext4("vdb", "TWO", UUID_B);
	CHECK_INT(links_update_all(&roots, &e), 0);
	CHECK_STR(link_to("disk/by-label/ONE"), "../../vda");
	CHECK_STR(link_to("disk/by-label/TWO"), "../../vdb");
	fixture_path(path, "%s/class/block/vda", sys_root);
	CHECK_INT(unlink(path), 0);
	make_ext4("vdb", "ONE", UUID_B);
	CHECK_INT(links_update_all(&roots, &e), 0);
	CHECK_STR(link_to("disk/by-label/ONE"), "../../vdb");
	CHECK_STR(link_to("disk/by-label/TWO"), NULL);
	end();
}

static void a_dangling_link_is_nobodys(void)
{
	char path[PATH_MAX];

	two_disks();
	make_ext4("vda", "L", UUID_A);
	fixture_path(path, "%s/disk/by-label/L", dev_root);
	fixture_parents(path);
	CHECK_INT(symlink("../../sdq7", path), 0);
	update("vda");
	CHECK_STR(link_to("disk/by-label/L"), "../../vda");
	end();
}

static void a_foreign_file_in_the_way_is_left_alone(void)
{
	two_disks();
	make_ext4("vda", "L", UUID_A);
	fixture(dev_root, "mine", "disk/by-label/L");
	update("vda");
	CHECK_STR(link_to("disk/by-label/L"), NULL);
	CHECK_STR(link_to("disk/by-uuid/" UUID_A), "../../vda");
	end();
}

static void a_forged_record_removes_nothing_else(void)
{
	char path[PATH_MAX];
	struct stat st;

	two_disks();
	fixture_path(path, "%s/other", root);
	/* as a link of that name would point, if the record were believed */
	CHECK_INT(symlink("../../../vda", path), 0);
	fixture(run_root, "disk/../../other\n../other\nother\n", "links/vda");
	update("vda");
	CHECK(lstat(path, &st) == 0);
	end();
}

static void a_stalled_device_is_not_read(void)
{
	begin();
	dm("dm-0", "vg-lv\n", LV_UUID "\n");
	CHECK(!device_stalled(sys_root, "dm-0"));
	fixture(sys_root, "1\n", "devices/virtual/block/dm-0/dm/suspended");
	CHECK(device_stalled(sys_root, "dm-0"));
	dm("dm-1", "vg-top\n", LV_UUID "\n");
	fixture(sys_root, "", "devices/virtual/block/dm-1/slaves/dm-0");
	CHECK(device_stalled(sys_root, "dm-1"));
	if (have_mke2fs) {
		make_ext4("dm-0", "FROZEN", UUID_A);
		CHECK(strstr(names("dm-0", true), "FROZEN") == NULL);
		fixture(sys_root, "0\n", "devices/virtual/block/dm-0/dm/suspended");
		CHECK(strstr(names("dm-0", true), "disk/by-label/FROZEN\n") != NULL);
	}
	scsi_disk();
	fixture(sys_root, "running\n", SDA "/state");
	CHECK(!device_stalled(sys_root, "sda"));
	fixture(sys_root, "transport-offline\n", SDA "/state");
	CHECK(device_stalled(sys_root, "sda"));
	CHECK(!device_stalled(sys_root, "no-such-device"));
	/* a map answers while one of its paths does */
	dm("dm-2", "map\n", "mpath-3600140500000001\n");
	fixture(sys_root, "", "devices/virtual/block/dm-2/slaves/sda");
	CHECK(device_stalled(sys_root, "dm-2"));
	fixture(sys_root, "", "devices/virtual/block/dm-2/slaves/dm-0");
	fixture(sys_root, "0\n", "devices/virtual/block/dm-0/dm/suspended");
	CHECK(!device_stalled(sys_root, "dm-2"));
	end();
}

static void names_that_are_no_device_are_refused(void)
{
	struct err e = { 0 };

	begin();
	CHECK_INT(links_update(&roots, "../vda", true, &e), -1);
	CHECK_INT(e.class, ERR_INVALID);
	CHECK_INT(links_update(&roots, "", true, NULL), -1);
	end();
}

int main(void)
{
	have_mke2fs = spawn_find("mke2fs") != NULL;
	RUN(virtio_disk_is_at_its_pci_address);
	RUN(bridges_do_not_belong_to_the_name);
	RUN(scsi_hosts_count_from_the_first_of_their_adapter);
	RUN(ata_disk_is_at_its_port);
	RUN(iscsi_lun_is_named_by_portal_and_target);
	RUN(luns_above_255_are_written_as_addresses);
	RUN(usb_stick_is_at_its_port);
	RUN(nvme_namespace_has_its_number);
	RUN(emmc_is_at_its_controller);
	RUN(bridges_and_hosts_of_a_chip_belong_to_the_name);
	RUN(what_is_not_understood_has_no_path);
	RUN(naa_is_preferred);
	RUN(a_name_is_unique_when_its_maker_is_in_it);
	RUN(t10_is_taken_when_there_is_no_naa);
	RUN(vendor_specific_is_completed_by_vendor_and_model);
	RUN(other_sources_are_taken_in_turn);
	RUN(malformed_pages_are_survived);
	RUN(names_from_devices_are_harmless);
	RUN(logical_volumes_have_their_names_and_hidden_parts_have_none);
	RUN(a_stalled_device_is_not_read);
	RUN(a_forged_record_removes_nothing_else);
	RUN(names_that_are_no_device_are_refused);
	if (!have_mke2fs) {
		printf("skip - links by content: no mke2fs\n");
		return check_done();
	}
	RUN(content_gives_label_and_uuid);
	RUN(the_first_keeps_a_name_and_the_second_gets_it_after);
	RUN(a_device_that_is_gone_loses_its_links);
	RUN(a_walk_finds_all_and_forgets_what_is_gone);
	RUN(a_dangling_link_is_nobodys);
	RUN(a_foreign_file_in_the_way_is_left_alone);
	return check_done();
}
