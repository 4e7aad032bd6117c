# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loop devices: files as disks of this machine. They go away with the process that made them."""
import contextlib
import fcntl
import os
import struct

from sandbox import Failure, command

LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_CLR_FD = 0x4C82, 0x4C0A, 0x4C01
READ_ONLY, AUTOCLEAR, PARTSCAN = 1, 4, 8
EBUSY = 16


@contextlib.contextmanager
def loop(path, flags=0):
    """A loop device on the file; it goes away with this process at the latest."""
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
    try:
        yield device
    finally:
        fcntl.ioctl(descriptor, LOOP_CLR_FD)
        os.close(descriptor)


@contextlib.contextmanager
def idle_loop(path):
    """The same, and no process has it open: one that is in use is not formatted."""
    device = command("losetup", "--find", "--show", path).strip()
    try:
        yield device
    finally:
        command("losetup", "--detach", device)
