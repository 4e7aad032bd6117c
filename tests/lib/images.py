# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images: filesystems by label, configuration disks, volume groups. All sparse files, none needs a mount.

Each maker takes the path of the file to write and returns it; contents are {"name": "text" or bytes}.
They take a few tenths of a second, so nothing is cached.
"""

import contextlib
import os
import pathlib
import struct
import tempfile

from loops import loop
from sandbox import command, human_size, need_programs


def blank(path, size):
    """An empty, sparse disk."""
    with open(path, "wb") as file:
        file.truncate(human_size(size))
    return pathlib.Path(path)


@contextlib.contextmanager
def _directory_of(contents):
    with tempfile.TemporaryDirectory(dir="/run") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        for path, data in (contents or {}).items():
            file = directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data if isinstance(data, bytes) else data.encode())
        yield directory


def ext4(path, size="32M", label="", contents=None, uuid=None, offset=None):
    """An ext4 filesystem; with offset, one of that size at that byte inside an existing file."""
    need_programs("mke2fs")
    if offset is None:
        blank(path, size)
    # Discarding would punch a hole through whatever else is in the file.
    extended = "nodiscard" + (f",offset={offset}" if offset is not None else "")
    options = ["-U", uuid] if uuid else []
    with _directory_of(contents) as directory:
        command("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", directory, "-E", extended, *options,
                path, f"{human_size(size) >> 10}k")
    return pathlib.Path(path)


def xfs(path, size="300M", label=""):
    """An empty XFS filesystem (300 MB is the least that mkfs.xfs makes)."""
    need_programs("mkfs.xfs")
    blank(path, size)
    command("mkfs.xfs", "-q", "-f", *(["-L", label] if label else []), path)
    return pathlib.Path(path)


def btrfs(path, size="120M", label=""):
    """An empty btrfs of one device, 1 MiB smaller than the disk."""
    need_programs("mkfs.btrfs")
    blank(path, human_size(size))
    command("mkfs.btrfs", "-q", "-f", "-b", human_size(size) - (1 << 20), *(["-L", label] if label else []), path)
    return pathlib.Path(path)


def btrfs_pair(first, second, label, size="120M"):
    """An empty btrfs of two devices."""
    need_programs("mkfs.btrfs")
    command("mkfs.btrfs", "-q", "-f", "-L", label, *(blank(path, human_size(size)) or path for path in (first, second)))
    return pathlib.Path(first), pathlib.Path(second)


def vfat(path, size="16M", label="", contents=None):
    need_programs("mkfs.vfat", "mcopy")
    blank(path, size)
    command("mkfs.vfat", *(["-n", label] if label else []), path)
    with _directory_of(contents) as directory:
        for entry in sorted(directory.iterdir()):
            command("mcopy", "-s", "-i", path, entry, "::/")
    return pathlib.Path(path)


def iso9660(path, label="", contents=None):
    need_programs("genisoimage")
    with _directory_of(contents) as directory:
        command("genisoimage", "-quiet", "-r", "-V", label, "-o", path, directory)
    return pathlib.Path(path)


def config_disk(path, label, contents, maker=ext4):
    """A disk for poolinit.config=LABEL=…: contents as in /config, {"storage/a.xml": …}."""
    return maker(path, label=label, contents=contents)


# ---- headers of disk images, made by hand ---------------------------------------------------------------

# For what no honest program writes. All return bytes: the first ones of a file.


def _names_backing(head, backing, offset_at, length_at, form, at):
    """Write a backing file's name at `at`, and where it is into the header."""
    if backing:
        struct.pack_into(form, head, offset_at, at)
        struct.pack_into(form[0] + "I", head, length_at, len(backing))
        head[at:at + len(backing)] = backing
    return head


def qcow2_header(backing=b"", backing_format=b"", capacity=1 << 20, version=3, data_file=b"", changes=()):
    """changes: (offset, bytes) written over it at the end."""
    head = bytearray(4096)
    struct.pack_into(">4sIQIIQI", head, 0, b"QFI\xfb", version, 0, 0, 16, capacity, 0)
    at = 72
    if version == 3:
        struct.pack_into(">QQQII", head, 72, 4 if data_file else 0, 0, 0, 4, 104)
        at = 104
    for kind, text in (0xE2792ACA, backing_format), (0x44415441, data_file):
        if text:
            struct.pack_into(">II", head, at, kind, len(text))
            head[at + 8:at + 8 + len(text)] = text
            at += 8 + (len(text) + 7) // 8 * 8
    _names_backing(head, backing, 8, 16, ">Q", at + 8)
    for offset, data in changes:
        head[offset:offset + len(data)] = data
    return bytes(head)


def qcow_header(backing=b"", capacity=1 << 20):
    head = bytearray(2048)
    struct.pack_into(">4sI", head, 0, b"QFI\xfb", 1)
    struct.pack_into(">QB", head, 24, capacity, 12)
    return bytes(_names_backing(head, backing, 8, 16, ">Q", 48))


def qed_header(backing=b"", capacity=1 << 20):
    head = bytearray(2048)
    struct.pack_into("<4sIIIQ", head, 0, b"QED\0", 65536, 4, 1, 1 if backing else 0)
    struct.pack_into("<Q", head, 48, capacity)
    return bytes(_names_backing(head, backing, 56, 60, "<I", 64))


def cow_header(backing=b"", capacity=1 << 20):
    return struct.pack(">4sI1024sIQI", b"OOOM", 2, backing, 0, capacity, 512)


def vmdk_descriptor(parent=b"", extents=(b'RW 2048 SPARSE "x.vmdk"',)):
    lines = [b"# Disk DescriptorFile", b"version=1", b"CID=fffffffe", b"parentCID=ffffffff"]
    if parent:
        lines.append(b'parentFileNameHint="' + parent + b'"')
    return b"\n".join([*lines, *extents, b""])


def vmdk_header(parent=b"", sectors=2048):
    text = vmdk_descriptor(parent)
    return struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, sectors, 128, 1, 20).ljust(512, b"\0") + text.ljust(20 * 512, b"\0")


def vpc_header(parent="", capacity=1 << 20):
    """A dynamic VHD; with a parent, a differencing one."""
    foot = bytearray(struct.pack(">8sIIQ", b"conectix", 2, 0x10000, 512).ljust(512, b"\0"))
    struct.pack_into(">QQ", foot, 40, capacity, capacity)
    struct.pack_into(">I", foot, 60, 4 if parent else 3)
    rest = bytearray(struct.pack(">8s", b"cxsparse").ljust(1024, b"\0"))
    struct.pack_into(">I", rest, 32, 2 << 20)
    name = parent.encode("utf-16-be")
    rest[64:64 + len(name)] = name
    return bytes(foot + rest)


def luks_header(payload_sectors):
    return struct.pack(">6sH", b"LUKS\xba\xbe", 1).ljust(104, b"\0") + struct.pack(">I", payload_sectors).ljust(488, b"\0")


# ---- volume groups ----------------------------------------------------------------------------------------

# LVM writes its metadata to a loop device without asking the kernel's device-mapper, which the host may not have: volumes
# are allocated, not activated. A linear volume in a fresh group is one run of extents, so what goes into it is
# written straight to its place in the file.

_LVM_CONF = """
devices { dir = "/dev" scan = [ "/dev" ] filter = [ "a|^%s$|", "r|.*|" ] use_devicesfile = 0 }
activation { udev_sync = 0 udev_rules = 0 }
backup { backup = 0 archive = 0 }
global { event_activation = 0 }
"""


def volume_group(path, name, volumes, size="128M"):
    """A disk that is the one physical volume of a group.

    volumes: {"lv0": {"size": "32M", "fs": "ext4", "label": "DATA", "contents": {…}}}, or "image": a file with what is on it; without
    either it stays empty.
    """
    need_programs("lvm")
    blank(path, size)
    with loop(path) as device, tempfile.TemporaryDirectory(dir="/run") as system:
        (pathlib.Path(system) / "lvm.conf").write_text(_LVM_CONF % device)
        env = {**os.environ, "LVM_SYSTEM_DIR": system, "LVM_SUPPRESS_FD_WARNINGS": "1"}

        def lvm(verb, *args):
            return command("lvm", verb, "--driverloaded", "n", *args, env=env)

        lvm("pvcreate", "-ff", "-y", device)
        lvm("vgcreate", name, device)
        for volume, what in volumes.items():
            lvm("lvcreate", "-an", "-Zn", "-Wn", "-n", volume, "-L", what["size"], name)
        where = {}
        report = ["--noheadings", "--nosuffix", "--units", "b", "--separator", " "]
        start = int(lvm("pvs", *report, "-o", "pe_start", device))
        for line in lvm("lvs", *report, "-o", "lv_name,vg_extent_size,seg_pe_ranges", name).splitlines():
            volume, extent, ranges = line.split()
            where[volume] = start + int(extent) * int(ranges.rpartition(":")[2].partition("-")[0])
    for volume, what in volumes.items():
        if what.get("fs") == "ext4":
            ext4(path, what["size"], what.get("label", ""), what.get("contents"), offset=where[volume])
        elif what.get("image"):
            command("dd", f"if={what['image']}", f"of={path}", "bs=1M", f"seek={where[volume]}", "oflag=seek_bytes", "conv=notrunc,sparse", "status=none")
        elif what.get("fs"):
            raise Failure(f"no recipe for {what['fs']} on a volume")
    return pathlib.Path(path)


def partitioned(path, parts):
    """A disk with a GPT, and in it a partition with the contents of each of the files."""
    need_programs("sfdisk")
    sizes = [-(-part.stat().st_size // (1 << 20)) for part in parts]
    blank(path, f"{sum(sizes) + 2}M")
    table = "label: gpt\n" + "".join(f"size={size}MiB\n" for size in sizes)
    command("sh", "-c", 'printf %s "$2" | sfdisk --quiet "$1"', "sh", path, table)
    for number, part in enumerate(parts):
        command("dd", f"if={part}", f"of={path}", "bs=1M", f"seek={1 + sum(sizes[:number])}", "conv=notrunc,sparse", "status=none")
    return pathlib.Path(path)


def copy(source, target):
    """Another disk with the same contents, still sparse."""
    command("cp", "--sparse=always", source, target)
    return pathlib.Path(target)
