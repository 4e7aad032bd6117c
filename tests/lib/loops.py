# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loop devices: files as disks of this machine. They go away with the process that made them."""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import stat
import struct
import tempfile

from sandbox import Failure

LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_CLR_FD = 0x4C82, 0x4C0A, 0x4C01
READ_ONLY, AUTOCLEAR, PARTSCAN = 1, 4, 8
BLKPG, DEL_PARTITION = 0x1269, 2
EBUSY = 16


def with_empty_loop(use):
    """What use(device) says of a loop device that nothing is attached to. Another process may take it meanwhile: then it is used with the next one."""
    for _ in range(64):
        with open("/dev/loop-control") as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        try:
            said = use(f"/dev/loop{number}")
        finally:
            with open(f"/sys/block/loop{number}/size") as size:
                empty = size.read().strip() == "0"
        if empty:
            return said
    raise Failure("no loop device stays free")


@contextlib.contextmanager
def loop(path, flags=0, unseen=False):
    """A loop device on the file; it goes away with this process at the latest. What is open by a name in /dev counts as in use: unseen, it is not."""
    with open("/dev/loop-control") as control, open(path, "rb" if flags & READ_ONLY else "r+b") as backing:
        for _ in range(64):  # another process may take the free one first
            device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            descriptor = os.open(device, (os.O_RDONLY if flags & READ_ONLY else os.O_RDWR) | os.O_CLOEXEC)
            config = bytearray(304)  # struct loop_config: fd, block size, struct loop_info64 with lo_flags at byte 52
            struct.pack_into("II", config, 0, backing.fileno(), 0)
            struct.pack_into("I", config, 8 + 52, AUTOCLEAR | flags)
            try:
                fcntl.ioctl(descriptor, LOOP_CONFIGURE, bytes(config))
                break
            except OSError as error:
                os.close(descriptor)
                if error.errno != EBUSY:
                    raise
        else:
            raise Failure("no free loop device")
    if not flags & PARTSCAN:
        drop_partitions(descriptor, device)
    if unseen:
        descriptor = reopened(descriptor)
    try:
        yield device
    finally:
        drop_partitions(descriptor, device)
        fcntl.ioctl(descriptor, LOOP_CLR_FD)
        os.close(descriptor)


def drop_partitions(descriptor, device):
    """Partitions that the kernel was told of outlive what was attached, and would be the next one's: so they go before it is used, and after."""
    for place in pathlib.Path("/sys/block", os.path.basename(device)).glob(f"{os.path.basename(device)}p*/partition"):
        part = ctypes.create_string_buffer(struct.pack("=qqi132x", 0, 0, int(place.read_text())))      # struct blkpg_partition
        with contextlib.suppress(OSError):      # in use, or gone by now
            fcntl.ioctl(descriptor, BLKPG, struct.pack("iii4xP", DEL_PARTITION, 0, len(part), ctypes.addressof(part)))


def reopened(descriptor):
    """The same device by a node of our own."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        node = directory + "/node"
        os.mknod(node, 0o600 | stat.S_IFBLK, os.fstat(descriptor).st_rdev)
        other = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
    os.close(descriptor)
    return other
