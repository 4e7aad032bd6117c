# SPDX-License-Identifier: LGPL-2.1-or-later
"""The formats of fs pools: what a pool of each can do on Debian's kernel, and how a disk of it is made, by its own tool.

tests/qemu/fs-formats starts each; docs/generate makes README's table of it.
"""

import collections
import pathlib
import struct

import images
from sandbox import command, need_programs

FILE = "disk.raw"       # in those that nothing can be written to

# name        what libblkid calls it, with a word behind it where there are several of one
# definition  the word of <format type='…'>; "": libvirt has none for it, and auto finds it
# driver      the kernel's, in a mount table; "": it cannot be mounted, because of `why`, and `words` is what the error says
# writes      volumes can be made in it
# make        of (path, directory with FILE)
Format = collections.namedtuple("Format", "name definition driver writes make words why", defaults=("", "this kernel has no driver for it"))


def _tool(*words, size=None):
    """A maker: a program with its arguments, where "@" stands for the image and "@@" for the directory."""
    def make(path, directory):
        need_programs(words[0])
        if size:
            images.blank(path, size)
        command(*({"@": path, "@@": directory}.get(word, word) for word in words))
    return make


def _wrapped(path, directory):
    """xorriso makes HFS+ beside an ISO 9660, as a partition of 512-byte blocks of Apple's map: that alone."""
    need_programs("xorriso")
    whole = path.with_suffix(".hybrid")
    command("xorriso", "-as", "mkisofs", "-quiet", "-hfsplus", "-o", whole, directory)
    data = whole.read_bytes()
    for entry in (data[at:at + 512] for at in range(512, 64 * 512, 512)):
        if entry[48:57] == b"Apple_HFS":
            start, blocks = struct.unpack_from(">II", entry, 8)
            path.write_bytes(data[start * 512:(start + blocks) * 512])


def _btree(longest_key, records, nodes):
    """A file of HFS's records: a header node, a leaf if there are records, and nodes of 512 bytes that are free."""
    leaf, used = bytearray(512), 2 if records else 1
    if records:
        struct.pack_into(">IIbBH", leaf, 0, 0, 0, -1, 1, len(records))
    at = 14
    for i, record in enumerate(records):
        leaf[at:at + len(record)] = record
        struct.pack_into(">H", leaf, 510 - 2 * i, at)
        at += len(record)
    struct.pack_into(">H", leaf, 510 - 2 * len(records), at)
    head = bytearray(512)
    first = 1 if records else 0
    struct.pack_into(">IIbBH", head, 0, 0, 0, 1, 0, 3)
    struct.pack_into(">HIIIIHHII", head, 14, first, first, len(records), first, first, 512, longest_key, nodes, nodes - used)
    head[248] = 0xff << (8 - used) & 0xff       # the map of the nodes
    struct.pack_into(">HHHH", head, 504, 504, 248, 120, 14)
    return (bytes(head) + (bytes(leaf) if records else b"")).ljust(nodes * 512, b"\0")


def _hfs(path, _):
    """An empty volume, as "Inside Macintosh: Files" (2) describes it: no tool that makes one is in every Debian."""
    # Linux hangs at the first change where the map of the blocks shares one with what is before it: so they are as long as a sector.
    name, block, blocks, nodes, start = b"HFS", 512, 8000, 64, 8
    each = nodes * 512 // block                 # of the two files that every volume has
    root = struct.pack(">BBIB3s", 6 + len(name), 0, 1, len(name), name) + struct.pack(">BBHHI", 1, 0, 0, 0, 2) + bytes(60)
    thread = struct.pack(">BBIBx", 6, 0, 2, 0) + struct.pack(">BB8xIB31s", 3, 0, 1, len(name), name)
    record = struct.pack(">HIIHHHHHIIHIH28pIHIIIHII32xHHHIHHHHHHIHHHHHH", 0x4244, 0, 0, 0x0100, 0, 3, 0, blocks, block, nodes * 512, start, 16,
                         blocks - 2 * each, name, 0, 0, 0, nodes * 512, nodes * 512, 0, 0, 0, 0, 0, 0,
                         nodes * 512, 0, each, 0, 0, 0, 0, nodes * 512, each, each, 0, 0, 0, 0)
    images.blank(path, start * 512 + blocks * block + 1024)
    with path.open("r+b") as file:
        for at, data in ((1024, record), (3 * 512, ((1 << 2 * each) - 1).to_bytes(2 * each // 8, "big")), (start * 512, _btree(7, [], nodes)),
                         (start * 512 + each * block, _btree(37, [root, thread], nodes)), (start * 512 + blocks * block, record)):
            file.seek(at)
            file.write(data)


def _gfs(path, directory):
    """No tool is left that makes a gfs: gfs2's, with the numbers of the older format in its superblock (struct gfs_sb)."""
    _tool("mkfs.gfs2", "-q", "-O", "-p", "lock_nolock", "-j", "1", "-J", "8", "@", size="64M")(path, directory)
    with path.open("r+b") as file:
        file.seek(64 << 10)
        head = bytearray(file.read(512))
        struct.pack_into(">II", head, 24, 1309, 1401)
        file.seek(64 << 10)
        file.write(head)


def _vmfs(path, _):
    """VMware's tool runs on VMware alone: the numbers by which libblkid knows the filesystem and its volume."""
    images.blank(path, "8M")
    with path.open("r+b") as file:
        file.seek(0x200000)
        file.write(struct.pack("<I", 0x2fabf15e))


FORMATS = (
    Format("ext2", "ext2", "ext2", True, _tool("mkfs.ext2", "-q", "@", size="8M")),
    Format("ext3", "ext3", "ext3", True, _tool("mkfs.ext3", "-q", "@", size="16M")),
    Format("ext4", "ext4", "ext4", True, _tool("mkfs.ext4", "-q", "@", size="16M")),
    Format("xfs", "xfs", "xfs", True, _tool("mkfs.xfs", "-q", "@", size="300M")),
    Format("vfat", "vfat", "vfat", True, _tool("mkfs.vfat", "@", size="16M")),
    Format("iso9660", "iso9660", "iso9660", False, _tool("genisoimage", "-quiet", "-r", "-o", "@", "@@")),
    Format("udf", "udf", "udf", True, _tool("mkudffs", "@", size="16M")),
    # -T: both have the time of one second, and with it one uuid
    Format("ufs (UFS1, 4.4BSD)", "ufs", "ufs", False, _tool("makefs", "-T", "1700000000", "-t", "ffs", "-o", "version=1", "-s", "4m", "@", "@@")),
    Format("ufs (the same, big-endian)", "ufs", "ufs", False,
           _tool("makefs", "-T", "1700000000", "-t", "ffs", "-B", "be", "-o", "version=1", "-s", "4m", "@", "@@")),
    # makefs writes the superblock where NetBSD has it, too; no tool of Debian's puts it where FreeBSD and Linux do
    Format("ufs (UFS2, as makefs makes it)", "ufs", "", False, _tool("makefs", "-t", "ffs", "-o", "version=2", "-s", "4m", "@", "@@"),
           "superblock at 8192, and Linux looks for it at 65536 alone", "Linux looks for its superblock elsewhere"),
    Format("gfs2 (lock_nolock)", "gfs2", "gfs2", True,
           _tool("mkfs.gfs2", "-q", "-O", "-p", "lock_nolock", "-j", "1", "-J", "8", "@", size="64M")),
    Format("ocfs2 (local)", "ocfs2", "ocfs2", True, _tool("mkfs.ocfs2", "-q", "-x", "-M", "local", "-J", "size=4M", "@", size="64M")),
    Format("hfs+", "hfs+", "hfsplus", False, _wrapped),
    Format("gfs", "gfs", "", False, _gfs, "no driver gfs,"),
    Format("vmfs", "vmfs", "", False, _vmfs, "no driver vmfs,"),
    Format("hfs", "", "hfs", True, _hfs),
    Format("btrfs", "", "btrfs", True, _tool("mkfs.btrfs", "-q", "@", size="120M")),
    Format("exfat", "", "exfat", True, _tool("mkfs.exfat", "@", size="8M")),
    Format("f2fs", "", "f2fs", True, _tool("mkfs.f2fs", "-q", "@", size="64M")),
    Format("jfs", "", "jfs", True, _tool("mkfs.jfs", "-q", "@", size="16M")),
    Format("nilfs2", "", "nilfs2", True, _tool("mkfs.nilfs2", "-q", "@", size="130M")),
    Format("reiserfs", "", "reiserfs", True, _tool("mkfs.reiserfs", "-q", "-f", "@", size="64M")),
    Format("minix", "", "minix", True, _tool("mkfs.minix", "@", size="8M")),
    Format("erofs", "", "erofs", False, _tool("mkfs.erofs", "@", "@@")),
    Format("squashfs", "", "squashfs", False, _tool("mksquashfs", "@@", "@", "-quiet", "-no-progress")),
    Format("romfs", "", "romfs", False, _tool("genromfs", "-f", "@", "-d", "@@")),
    Format("ntfs", "", "", False, _tool("mkfs.ntfs", "-F", "-Q", "-q", "@", size="8M"), "no driver ntfs3 or ntfs,"),
    Format("cramfs", "", "", False, _tool("mkfs.cramfs", "@@", "@"), "no driver cramfs,"),
)


def make(row, directory, contents):
    """The disk of one format, in a directory; contents: a directory with FILE."""
    path = pathlib.Path(directory) / (row.name.translate(str.maketrans(" ,()", "____")) + ".img")
    row.make(path, contents)
    return path


def table():
    """The matrix, as the README has it."""
    yield "| on the disk | `<format type=…>` | a pool of it |"
    yield "|---|---|---|"
    for row in FORMATS:
        word = f"`{row.definition}`, `auto`" if row.definition else "`auto`"
        can = "volumes can be made" if row.writes else "read-only: its files are volumes"
        yield f"| {row.name} | {word} | {can if row.driver else 'refused: ' + row.why} |"
