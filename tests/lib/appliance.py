# SPDX-License-Identifier: LGPL-2.1-or-later
"""poolinit as the first process of a machine with real storage around it: what the tests of the whole have in common.

    site = Site(box)
    vm = site.boot(box)
    pools = Pools(vm)
    assert pools.wait("vmstore", "active")

Site is the surroundings (servers, disks) and the definitions of eight pools on them, given by all the ways there are.
"""

import base64
import json
import re

import images
from sandbox import SERVER, Failure, Skip, command, find_program
from servers import IscsiServer, NfsServer, SmbServer
from vm import IP, PATIENCE, Image, Vm, default_binary

IQN = "iqn.2026-01.test.poolinit:san"
CHAP = ("poolinit", "correct-horse-battery")

SOCKET = "/run/poolinit/control"
# Within how many milliseconds it has to answer, whatever happens.
ANSWER_MS = 50


# ---- definitions --------------------------------------------------------------------------------------------

def pool(kind, name, source, target, boot=""):
    return f"<pool type='{kind}'><name>{name}</name>{source}<target><path>{target}</path></target>{boot}</pool>"


def dir_pool(name, path):
    return pool("dir", name, "", path)


def fs_pool(name, device, target=None, kind="auto"):
    return pool("fs", name, f"<source><device path='{device}'/><format type='{kind}'/></source>", target or f"/srv/{name}")


def logical_pool(name, group):
    return pool("logical", name, f"<source><name>{group}</name><format type='lvm2'/></source>", f"/dev/{group}")


def nfs_pool(name, directory="/export", host=SERVER, target=None):
    return pool("netfs", name, f"<source><host name='{host}'/><dir path='{directory}'/><format type='nfs'/></source>",
                target or f"/srv/{name}")


def cifs_pool(name, share="share", host=SERVER, target=None):
    return pool("netfs", name, f"<source><host name='{host}'/><dir path='{share}'/><format type='cifs'/></source>",
                target or f"/srv/{name}")


def iscsi_pool(name, iqn=IQN, host=SERVER, port=None, user=CHAP[0], usage="san"):
    where = f"<host name='{host}'" + (f" port='{port}'" if port else "") + "/>"
    auth = f"<auth type='chap' username='{user}'><secret usage='{usage}'/></auth>" if user else ""
    return pool("iscsi", name, f"<source>{where}<device path='{iqn}'/>{auth}</source>", "/dev/disk/by-path")


def chap_secret(usage="san", password=CHAP[1], uuid="2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"):
    """{file: text} as libvirt keeps a secret."""
    return {f"secrets/{uuid}.xml": f"<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid>"
                                   f"<usage type='iscsi'><target>{usage}</target></usage></secret>\n",
            f"secrets/{uuid}.base64": base64.b64encode(password.encode()).decode()}


def autostart(definitions):
    """{pool name: XML} as a configuration directory in which all of them are marked autostart."""
    files = {}
    for name, text in definitions.items():
        files[f"storage/{name}.xml"] = text + "\n"
        files[f"storage/autostart/{name}.xml"] = ""  # as on a medium without links
    return files


# ---- surroundings -------------------------------------------------------------------------------------------

class Site:
    """Servers, disks, and eight pools: a directory, ext4 by label, a volume group on a disk, NFS, CIFS, iSCSI with CHAP, a volume
    group on a LUN of that target, and a filesystem on a volume of that group."""

    POOLS = ("plain", "data", "vg0", "nfs", "cifs", "san", "vgsan", "vmstore")

    def __init__(self, box):
        self.box = box
        if not default_binary():
            raise Skip("build/poolinit is not there (make)")
        self.export, self.share = box.directory("export"), box.directory("share")
        (self.export / "nfs.raw").write_bytes(b"\0" * 4096)
        (self.share / "cifs.raw").write_bytes(b"\0" * 4096)
        self.iscsi = IscsiServer(box)
        self.iscsi.add(IQN, [
            images.volume_group(box.dir / "lun1.img", "vgsan",
                                {"vmstore": {"size": "64M", "fs": "ext4", "label": "VMSTORE", "contents": {"vm.raw": b"\0" * 4096}}}),
            images.blank(box.dir / "lun2.img", "16M"),
        ], chap=CHAP)
        self.nfs = NfsServer(box, {"/export": self.export})
        self.smb = SmbServer(box, {"share": self.share})
        # As the machine finds them; a boot gets copies, so that every boot of a test begins alike.
        self._disks = [
            images.ext4(box.dir / "data.img", label="DATA", contents={"data.raw": b"\0" * 4096}),
            images.volume_group(box.dir / "vg0.img", "vg0", {"lv0": {"size": "32M", "fs": "ext4", "label": "LV0"}, "lv1": {"size": "8M"}}),
            images.config_disk(box.dir / "config.img", "POOLCONFIG", autostart({
                "nfs": nfs_pool("nfs"), "cifs": cifs_pool("cifs"), "vg0": logical_pool("vg0", "vg0")})),
        ]
        self.config = {**autostart({"plain": dir_pool("plain", "/srv/plain"), "data": fs_pool("data", "LABEL=DATA"),
                                    "san": iscsi_pool("san"), "vgsan": logical_pool("vgsan", "vgsan")}), **chap_secret()}
        self.cmdline = f'{IP} poolinit.config=LABEL=POOLCONFIG poolinit.pool="{fs_pool("vmstore", "/dev/vgsan/vmstore")}"'
        self._boots = 0
        self._images = {}

    def image(self, config=None, **options):
        """The image with these definitions in it (default: the site's own); made once for the same arguments."""
        key = repr((config, options))
        if key not in self._images:
            self._images[key] = Image(self.box, config=config or self.config, name=f"image{len(self._images)}",
                                      texts={"/srv/plain/plain.raw": "x" * 4096}, **options)
        return self._images[key]

    def boot(self, image=None, cmdline="", **options):
        """A machine that has just been switched on."""
        self._boots += 1
        name = f"vm{self._boots}"
        disks = [images.copy(disk, self.box.dir / f"{name}-{disk.name}") for disk in self._disks]
        return Vm(self.box, image or self.image(), disks=disks, cmdline=f"{self.cmdline} {cmdline}".strip(), name=name, **options)


# ---- what the machine says ----------------------------------------------------------------------------------

class Pools:
    """poolctl in the machine, and its answers as Python's."""

    def __init__(self, vm):
        self.vm = vm

    def ctl(self, arguments, check=True, seconds=PATIENCE):
        """Run poolctl; its Result."""
        return self.vm.run(f"/sbin/poolctl {arguments}", check=check, seconds=seconds)

    def json(self, arguments):
        """A verb's answer: a list of records, or the one record."""
        return json.loads(self.ctl(f"--json {arguments}").out)

    def list(self):
        """{name: record of pool-list}"""
        return {record["name"]: record for record in self.json("pool-list --all")}

    def info(self, name):
        return self.json(f"pool-info {name}")

    def phase(self, name):
        return self.list()[name]["phase"]

    def volumes(self, name):
        return {record["name"]: record for record in self.json(f"vol-list {name}")}

    def wait(self, name, phase, seconds=PATIENCE):
        """Until the pool is in the phase, by the socket's own wait."""
        result = self.ctl(f"wait pool={name} phase={phase} timeout={int(seconds * 1000)}ms", check=False, seconds=seconds + 10)
        if result.status:
            raise Failure(f"pool {name} did not become {phase} within {seconds:g} s: {result.out}{result.err}; it is {self.info(name)}")

    def timeline(self):
        """[(milliseconds since the kernel began, what, pool or "")]"""
        return [(record["ms"], record["what"], record.get("pool", "")) for record in self.json("timeline")]

    def active_at(self):
        """{pool: milliseconds since the kernel began at which it became active}"""
        return {pool: ms for ms, what, pool in self.timeline() if what == "active" and pool}


def boot_line(vm, seconds=PATIENCE):
    """The line with which boot ends: (active, wanted, milliseconds since /init)."""
    _, match = vm.console.wait(r"pools (\d+)/(\d+) active in (\d+) ms", seconds)
    return tuple(map(int, match.groups()))


class Latency:
    """Asks the socket for all pools every 10 ms, from inside the machine, from when it is made until stop().

        with Latency(vm) as latency: ...
        assert latency.worst_ms <= ANSWER_MS
    """

    STOP = "/test/latency.stop"

    def __init__(self, vm, seconds=300.0):
        self.vm = vm
        self._future = vm.begin(f"rm -f {self.STOP}; exec /test/latency {SOCKET} {self.STOP}", seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.vm.run(f"touch {self.STOP}")
        result = self._future.result()
        if result.status:
            raise Failure(f"the socket stopped answering: {result.out}{result.err}")
        figures = dict(re.findall(r"(\w+)=(\d+)", result.out))
        self.requests, self.late = int(figures["requests"]), int(figures["late"])
        self.worst_ms, self.median_ms = int(figures["worst_us"]) / 1000, int(figures["median_us"]) / 1000
        self.first_ms, self.worst_at = int(figures["first_ms"]), int(figures["worst_ms"])
        self.own_ms = int(figures["own_us"]) / 1000

    def __str__(self):
        return (f"{self.requests} requests, median {self.median_ms:.1f} ms, worst {self.worst_ms:.1f} ms ({self.worst_at / 1000:.3f} s after power-on), "
                f"{self.own_ms:.1f} ms without waits for a processor, {self.late} late")


def guest_programs(box, names=("latency", "starts")):
    """{destination: file} of the programs in tests/lib/guest that measure, for Image(files=…)."""
    compilers = [name for name in ("musl-gcc", "gcc", "cc") if find_program(name)]
    if not compilers:
        raise Skip("no C compiler")
    for name in names:
        command(compilers[0], "-O2", "-static", "-o", box.dir / name, f"{__file__.rpartition('/')[0]}/guest/{name}.c")
    return {f"/test/{name}": box.dir / name for name in names}


def latency_program(box):
    """The one behind Latency."""
    return guest_programs(box, ["latency"])


# It asks on in the new root: it stays in the directory of the socket, which moves.
EARLY = """#!/bin/busybox sh
/bin/busybox mknod /dev/null c 1 3
(
	while [ ! -S /run/poolinit/control ]; do /bin/busybox usleep 20000; done
	cd /run && exec /test/latency poolinit/control latency.stop >latency.out 2>&1
) </dev/null &
exec /init
"""


def early_client(box):
    """For Image(files=…): with rdinit=/test/early a client asks from the first answer on, through the change of root, until early_figures()."""
    (box.dir / "early").write_text(EARLY)
    (box.dir / "early").chmod(0o755)
    return {"/test/early": box.dir / "early", **latency_program(box)}


def early_figures(vm):
    """What that client has measured, {name: number}. It ends."""
    vm.run("touch /run/latency.stop")
    said = vm.wait("the client's figures", "grep . /run/latency.out").out
    print(f"# {vm.name}: {said.strip()}", flush=True)
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", said)}
