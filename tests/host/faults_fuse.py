# SPDX-License-Identifier: LGPL-2.1-or-later
"""A filesystem that can stop answering: the kernel's FUSE protocol, spoken by a process of its own, with one file in it, or with many that are slow.

While it hangs it takes requests and does not answer them. Whoever asked then sleeps uninterruptibly: not even SIGKILL ends it.
"""
import contextlib
import ctypes
import errno
import mmap
import os
import select
import signal
import struct
import time

from sandbox import Failure, Skip, wait_until

(LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, GETXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT, DESTROY,
 BATCH_FORGET) = 1, 2, 3, 14, 15, 17, 18, 22, 25, 26, 27, 28, 29, 34, 36, 38, 42
MS_NOSUID, MS_NODEV, MNT_FORCE, MNT_DETACH = 2, 4, 1, 2
libc = ctypes.CDLL(None, use_errno=True)


class Fuse:
    """Mounted at `target` when made; hang() and answer() switch; end() takes it away, hung or not. To find a name takes it `delay` seconds, one
    after the other."""

    def __init__(self, target, content=b"fuse", names=(b"file.img",), delay=0):
        self.target, self.content, self.names, self.delay = str(target), content, names, delay
        os.makedirs(self.target, exist_ok=True)
        try:
            self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as why:
            raise Skip("no /dev/fuse: %s" % why.strerror) from None
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self.fd
        if libc.mount(b"faults", self.target.encode(), b"fuse", MS_NOSUID | MS_NODEV, options):
            raise Skip("cannot mount fuse: " + os.strerror(ctypes.get_errno()))
        self.switch = mmap.mmap(-1, mmap.PAGESIZE)
        self.server = os.fork()
        if self.server == 0:
            with contextlib.suppress(BaseException):
                signal.alarm(0)
                self._serve()
            os._exit(0)
        os.close(self.fd)

    def hang(self):
        self.switch[0] = 1

    def answer(self):
        self.switch[0] = 0

    def fail(self, error):
        """Answer everything but what the mount itself needs with this errno; 0: no more."""
        self.switch[2] = error

    def held(self):
        """How many requests are being held: who asked sleeps in the kernel."""
        return self.switch[1]

    def held_at_work(self):
        """How many of them are more than the end of a descriptor."""
        return self.switch[4]

    def end(self):
        self.answer()
        libc.umount2(self.target.encode(), MNT_FORCE | MNT_DETACH)
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)

    # ---- the server ----

    def _serve(self):
        os.set_blocking(self.fd, False)
        kept = []
        while True:
            select.select([self.fd], [], [], 0.005)
            with contextlib.suppress(BlockingIOError):
                request = os.read(self.fd, 1 << 17)
                kept.append(request)
            if not self.switch[0]:
                for request in kept:
                    self._answer(request)
                kept.clear()
            self.switch[1] = min(len(kept), 255)
            self.switch[4] = min(sum(struct.unpack_from("<II", request)[1] not in (FLUSH, RELEASE) for request in kept), 255)

    def _answer(self, request):
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        try:
            body, error = self._body(opcode, node, request[40:]), 0
        except OSError as why:
            body, error = b"", -why.errno
        with contextlib.suppress(OSError):      # who asked has gone meanwhile
            os.write(self.fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)

    def _attributes(self, node):
        mode, size = (0o40755, 4096) if node == 1 else (0o100644, len(self.content))
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 512, 0)

    def _body(self, opcode, node, body):
        if self.switch[2] and opcode in (LOOKUP, OPENDIR, READDIR, OPEN, READ, STATFS):
            raise OSError(self.switch[2], "")
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 8, 6, 1 << 16, 1, 0, 0, 0, *[0] * 7)
        if opcode == LOOKUP:
            if body.rstrip(b"\0") not in self.names:
                raise OSError(errno.ENOENT, "")
            time.sleep(self.delay)
            found = 2 + self.names.index(body.rstrip(b"\0"))
            return struct.pack("<QQQQII", found, 0, 0, 0, 0, 0) + self._attributes(found)
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if opcode == READDIR:
            offset, size = struct.unpack_from("<QI", body, 8)
            entries = [(1, 4, b"."), (1, 4, b"..")] + [(2 + n, 8, name) for n, name in enumerate(self.names)]
            rows = b""
            for at, (entry, kind, name) in enumerate(entries[offset:], offset + 1):
                row = self._entry(entry, at, kind, name)
                if len(rows) + len(row) > size:
                    break
                rows += row
            return rows
        if opcode == READ:
            offset, size = struct.unpack_from("<QI", body, 8)
            return self.content[offset:offset + size]
        if opcode == STATFS:
            return struct.pack("<QQQQQIIII6I", 1000, 500, 500, 10, 5, 4096, 255, 4096, 0, *[0] * 6)
        if opcode in (RELEASE, RELEASEDIR, FLUSH, ACCESS, DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "")

    @staticmethod
    def _entry(node, offset, kind, name):
        return (struct.pack("<QQII", node, offset, len(name), kind) + name).ljust(24 + (len(name) + 7) // 8 * 8, b"\0")


def works(target):
    """Does the little server do what a filesystem does?"""
    f = Fuse(target)
    try:
        wait_until("file", lambda: os.listdir(target) == ["file.img"])
        with open(os.path.join(target, "file.img"), "rb") as file:
            if file.read() != b"fuse":
                raise Failure("the file is not what it should be")
    finally:
        f.end()
