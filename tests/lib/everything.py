# SPDX-License-Identifier: LGPL-2.1-or-later
"""The surroundings of appliance.Site, and more: one pool at least of every type that works, on real servers and disks where they can be had.

    site = Everything(box)
    site.prepare(image)         # a first boot makes the zpool: this machine's kernel has no ZFS
    vm = site.boot(image)

STAND_INS names the pools behind which something of ours stands in for a server that nobody can have.
"""

import pathlib

import images
import sheepdog
import zfs_guest
from appliance import Pools, Site, autostart, pool
from ceph import Ceph
from gluster import GlusterServer, Network
from sandbox import SERVER, command
from vm import GUEST_SCRIPTS, Vm

CEPH_SECRET = "6e1b2f0c-3c1d-4c55-9f5e-0d9c1a5e7b11"
CLIENT = pathlib.Path("/usr/local/sbin/vstorage-mount")
# Two LUNs are one disk by its name, seen on two ways; the third is one of its own.
HBA = ["-device", "virtio-scsi-pci,id=hba,addr=0x1c"]
LUNS = (("both", 1, "0x5000c50015ea71ac"), ("both", 2, "0x5000c50015ea71ac"), ("own", 3, "0x5000c50015ea71ad"))


class Everything(Site):
    """Site's eight pools, and nine more: gluster mounted where it is seen, a disk, a SCSI host, multipath, Ceph, gluster, ZFS, and two stand-ins."""

    POOLS = (*Site.POOLS, "glusterfs", "parts", "hba", "mpath", "rbd", "gluster", "zfs", "sheepdog", "vstorage")
    STAND_INS = {"sheepdog": "a server of the tests' own that speaks sheepdog's protocol",
                 "vstorage": "a client program of the tests' own, whose cluster has one file"}

    def __init__(self, box):
        network = Network(box, tap=True)    # the bridge has to be there before servers take its address
        super().__init__(box)
        self.gluster = GlusterServer(box, network, 1)
        self.gluster.volume("gv0", self.gluster.brick("gv0"))
        self.ceph = Ceph(box)
        self.ceph.rbd("create", "--size", "64M", "vm-disk")
        self.sheep = sheepdog.Server(sheepdog.Cluster(), SERVER)
        sheepdog.Dog(self.sheep.cluster).create("vdi0", 8 << 20)
        self._disks += [self.partitions(), images.blank(box.dir / "zpool.img", "96M")]
        self._luns = {name: images.blank(box.dir / f"lun-{name}.img", "32M") for name in ("both", "own")}
        self.config.update(self.definitions())
        self.config.update(self.ceph_secret())

    def partitions(self):
        disk = images.blank(self.box.dir / "parts.img", "64M")
        command("parted", "-s", disk, "mklabel", "gpt", "mkpart", "one", "1MiB", "17MiB", "mkpart", "two", "17MiB", "25MiB")
        return disk

    def definitions(self):
        mounted = "/srv/{}".format
        adapter = "<adapter type='scsi_host'><parentaddr unique_id='0'><address domain='0x0000' bus='0x00' slot='0x1c' function='0x0'/></parentaddr></adapter>"
        cephx = f"<auth type='ceph' username='admin'><secret uuid='{CEPH_SECRET}'/></auth>"
        host = f"<host name='{SERVER}'/>"
        sources = {
            "glusterfs": ("netfs", f"<host name='{self.gluster.address}'/><dir path='gv0'/><format type='glusterfs'/>", mounted("glusterfs")),
            "parts": ("disk", "<device path='/dev/disk/by-id/virtio-disk3'/><format type='gpt'/>", "/dev"),
            "hba": ("scsi", adapter, "/dev/disk/by-path"),
            "mpath": ("mpath", "<format type='auto'/>", "/dev/mapper"),
            "rbd": ("rbd", f"{host}<name>rbd</name>{cephx}", None),
            "gluster": ("gluster", f"<host name='{self.gluster.address}'/><name>gv0</name><dir path='/'/>", None),
            "zfs": ("zfs", "<name>tank</name><device path='/dev/disk/by-id/virtio-disk4'/>", "/dev/zvol/tank"),
            "sheepdog": ("sheepdog", f"{host}<name>sheep</name>", None),
            "vstorage": ("vstorage", "<name>cl1</name>", mounted("vstorage")),
        }
        return autostart({name: pool(kind, name, f"<source>{source}</source>", target) for name, (kind, source, target) in sources.items()})

    def ceph_secret(self):
        return {f"secrets/{CEPH_SECRET}.xml": f"<secret ephemeral='no' private='yes'><uuid>{CEPH_SECRET}</uuid>"
                                              "<usage type='ceph'><name>client.admin</name></usage></secret>\n",
                f"secrets/{CEPH_SECRET}.base64": self.ceph.key("client.admin")}

    def image(self, config=None, **options):
        """What the definitions take is brought by mkimage; nothing is named here."""
        tree = zfs_guest.install()
        command("mount", "-t", "tmpfs", "tmpfs", CLIENT.parent)
        command("gcc", "-O2", "-static", "-o", CLIENT, GUEST_SCRIPTS / "vstorage_mount.c")
        return super().image(config, tree=tree, **options)

    def hardware(self):
        words = list(HBA)
        for number, (name, lun, wwn) in enumerate(LUNS):
            words += ["-drive", f"if=none,id=lun{number},file={self._luns[name]},format=raw,file.locking=off",
                      "-device", f"scsi-hd,bus=hba.0,scsi-id=0,lun={lun},drive=lun{number},wwn={wwn},share-rw=on"]
        return words

    def boot(self, image=None, cmdline="", **options):
        return super().boot(image, cmdline, memory=1536, devices=self.hardware(), **options)

    def prepare(self, image):
        """Make what only a machine with ZFS can make."""
        vm = Vm(self.box, image, disks=self._disks, cmdline="poolinit.autostart=none", network=False, memory=768, name="prepare")
        pools = Pools(vm)
        vm.wait_agent()
        vm.wait("the disk", "[ -e /dev/disk/by-id/virtio-disk4 ]")
        for words in ("pool-build zfs", "pool-start zfs", "vol-create-as zfs zvol0 8M", "pool-destroy zfs"):
            pools.ctl(words)
        reason = vm.power_off()
        assert reason == "guest-shutdown", reason
        return pathlib.Path(self._disks[-1])
