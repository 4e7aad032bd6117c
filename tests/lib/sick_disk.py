# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is well or not, on order: a loop device on the one file of a FUSE filesystem whose server fails reads, writes or flushes."""

import ctypes
import errno
import mmap
import os
import select
import signal
import struct
import subprocess

from loops import loop
from sandbox import Failure, Skip

(LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, GETXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT,
 DESTROY, BATCH_FORGET, FALLOCATE) = 1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 22, 25, 26, 27, 28, 29, 34, 36, 38, 42, 43
HEADER, MNT_DETACH, MS_NOSUID, MS_NODEV = 40, 2, 2, 4
libc = ctypes.CDLL(None, use_errno=True)


class SickDisk:
    """`device` has the content of `image`. reads_fail(), writes_fail(), flushes_fail() and well() say what it does from now on."""

    def __init__(self, box, image, unseen=False):
        self.unseen = unseen    # the device looks as if nobody had it open
        self.image, self.size = str(image), os.path.getsize(image)
        self.mount = str(box.dir / f"sick-{os.path.basename(self.image)}")
        self.switch = mmap.mmap(-1, mmap.PAGESIZE)

    def __enter__(self):
        os.makedirs(self.mount, exist_ok=True)
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd
        if libc.mount(b"sick", self.mount.encode(), b"fuse", MS_NOSUID | MS_NODEV, options):
            raise Skip("cannot mount fuse: " + os.strerror(ctypes.get_errno()))
        self.server = os.fork()
        if self.server == 0:
            try:
                libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
                signal.alarm(0)
                self._serve(fd)
            finally:
                os._exit(0)
        os.close(fd)
        self._loop = loop(self.mount + "/disk", unseen=self.unseen)
        self.device = self._loop.__enter__()
        return self

    def __exit__(self, *why):
        self.well()
        self._loop.__exit__(*why)
        libc.umount2(self.mount.encode(), MNT_DETACH)
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)

    def reads_fail(self, begin=0, end=None):
        """From here on what is not in the kernel's memory cannot be read."""
        struct.pack_into("<QQ", self.switch, 0, begin, self.size if end is None else end)
        self.forget()

    def writes_fail(self):
        self.switch[16] = 1

    def flushes_fail(self):
        self.switch[18] = 1

    def hang(self):
        """Who reads it from here on sleeps in the kernel until it is well."""
        self.switch[17] = 1
        self.forget()

    def well(self):
        struct.pack_into("<QQ", self.switch, 0, 0, 0)
        self.switch[16] = self.switch[17] = self.switch[18] = 0
        self.forget()

    def forget(self):
        """What the kernel remembers of it, as far as it is not in use."""
        if hasattr(self, "device"):
            subprocess.run(["blockdev", "--flushbufs", self.device], check=False, stderr=subprocess.DEVNULL)

    # ---- the server ----

    def _serve(self, fd):
        held = []
        os.set_blocking(fd, False)
        with open(self.image, "r+b", buffering=0) as disk:
            while True:
                if not self.switch[17]:
                    while held:
                        unique, body = held.pop()
                        out = self._answer(disk, READ, 2, body)
                        os.write(fd, struct.pack("<IiQ", 16 + len(out), 0, unique) + out)
                select.select([fd], [], [], 0.02 if held else 1)
                try:
                    request = os.read(fd, 1 << 18)
                except OSError as why:
                    if why.errno == errno.ENODEV:
                        return
                    continue
                _, op, unique, node = struct.unpack_from("<IIQQ", request)
                if op == READ and self.switch[17]:
                    held.append((unique, request[HEADER:]))
                    continue
                if op in (FORGET, BATCH_FORGET, INTERRUPT):
                    continue
                try:
                    out, error = self._answer(disk, op, node, request[HEADER:]), 0
                except OSError as why:
                    out, error = b"", why.errno
                os.write(fd, struct.pack("<IiQ", 16 + len(out), -error, unique) + out)

    def _attributes(self, node):
        mode, size = (0o40755, 4096) if node == 1 else (0o100600, self.size)
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _answer(self, disk, op, node, body):
        begin, end = struct.unpack_from("<QQ", self.switch)
        if op == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 17, 1 << 5, 16, 12, 1 << 17, 1, 0, 0, 0, *[0] * 7)
        if op == LOOKUP and body.rstrip(b"\0") == b"disk":
            return struct.pack("<QQQQII", 2, 0, 1000, 1000, 0, 0) + self._attributes(2)
        if op in (GETATTR, SETATTR):
            return struct.pack("<QII", 1000, 0, 0) + self._attributes(node)
        if op == OPEN:
            return struct.pack("<QII", 0, 1, 0)  # direct: the kernel keeps no copy
        if op == OPENDIR:
            return struct.pack("<QII", 0, 0, 0)
        if op == STATFS:
            return struct.pack("<QQQQQIIII6I", 1000, 500, 500, 10, 5, 4096, 255, 4096, 0, *[0] * 6)
        if op in (READ, WRITE):
            offset, size = struct.unpack_from("<QI", body, 8)
            if (op == READ and offset < end and offset + size > begin) or (op == WRITE and self.switch[16]):
                raise OSError(errno.EIO, "sick")
            if op == READ:
                return os.pread(disk.fileno(), size, offset)
            os.pwrite(disk.fileno(), body[HEADER:HEADER + size], offset)
            return struct.pack("<II", size, 0)
        if op == FSYNC and (self.switch[16] or self.switch[18]):
            raise OSError(errno.EIO, "sick")
        if op in (RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY, FSYNC):
            return b""
        raise OSError(errno.ENOENT if op == LOOKUP else errno.ENOSYS, "not here")
