# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of a virtual machine that are well or not, on order, without the machine being told:

    disk = SickDisk(box, images.ext4(box.dir / "a.img"))
    vm = Vm(box, image, disks=[disk.url])
    disk.fault("read", 0, 4096)     # these bytes cannot be read; MODES names the others
    disk.well()

A server of network block devices on a UNIX socket, which QEMU passes on as a virtio disk. Its threads end with the test's process.
"""

import contextlib
import os
import socket
import struct
import threading
import time

READ, WRITE, DISCONNECT, FLUSH = range(4)
EIO, EINVAL = 5, 22
OPT_ABORT, OPT_GO, ACK, INFO, UNSUPPORTED = 2, 7, 1, 3, 0x80000001
OPTION, OPTION_ANSWER, REQUEST, ANSWER = b"IHAVEOPT", 0x0003E889045565A9, 0x25609513, 0x67446698
FLAGS = 1 | 4  # they are told, and there is a flush

MODES = {
    "well": "everything is answered",
    "read": "reads that touch the range fail",
    "write": "writes and flushes fail",
    "flush": "flushes fail, what is written is nevertheless there",
    "hang": "nothing is answered until it is well again",
}


class SickDisk:
    def __init__(self, box, image, seconds=0.0):
        """With seconds, the first read fails, which is the kernel's for a partition table, and from the second one on all do for so long."""
        self.image, self.size = str(image), os.path.getsize(image)
        self.path = f"{box.dir}/{os.path.basename(self.image)}.nbd"
        self.url = f"nbd+unix:///?socket={self.path}"
        self.mode, self.begin, self.end, self.seconds, self.until = "well", 0, self.size, seconds, 0.0
        self.reads = self.refused = 0
        self._changed = threading.Condition()
        self._file = os.open(self.image, os.O_RDWR)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def fault(self, mode, begin=0, end=None):
        assert mode in MODES, mode
        with self._changed:
            self.mode, self.begin, self.end = mode, begin, self.size if end is None else end
            self._changed.notify_all()

    def well(self):
        self.fault("well")

    def put(self, data):
        """Another content at its beginning, as if another host had written it."""
        os.pwrite(self._file, data, 0)

    # ---- the server ----

    def _serve(self):
        while True:
            link, _ = self._socket.accept()
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link):
        with link, contextlib.suppress(OSError, EOFError):
            if self._greet(link):
                lock = threading.Lock()
                while self._request(link, lock):
                    pass

    def _greet(self, link):
        link.sendall(b"NBDMAGIC" + OPTION + struct.pack(">H", 1 | 2))
        take(link, 4)
        while True:
            option, length = struct.unpack(">8xII", take(link, 16))
            take(link, length)

            def answer(kind, data=b"", option=option):
                link.sendall(struct.pack(">QIII", OPTION_ANSWER, option, kind, len(data)) + data)

            if option == OPT_GO:
                answer(INFO, struct.pack(">HQH", 0, self.size, FLAGS))
                answer(ACK)
                return True
            if option == OPT_ABORT:
                answer(ACK)
                return False
            answer(UNSUPPORTED)

    def _request(self, link, lock):
        magic, _, kind, handle, offset, length = struct.unpack(">IHHQQI", take(link, 28))
        assert magic == REQUEST
        if kind == DISCONNECT:
            return False
        data = take(link, length) if kind == WRITE else b""
        if self.mode == "hang":     # one thread for each, so that the others are held as well
            threading.Thread(target=self._answer, args=(link, lock, kind, handle, offset, length, data), daemon=True).start()
        else:
            self._answer(link, lock, kind, handle, offset, length, data)
        return True

    def _answer(self, link, lock, kind, handle, offset, length, data):
        with self._changed:
            self._changed.wait_for(lambda: self.mode != "hang")
        error, out = (EIO, b"") if self._refuses(kind, offset, length) else self._do(kind, offset, length, data)
        with lock, contextlib.suppress(OSError):
            link.sendall(struct.pack(">IIQ", ANSWER, error, handle) + out)

    def _refuses(self, kind, offset, length):
        if kind == READ:
            self.reads += 1
            if self.seconds and self.reads < 3:
                self.until = time.monotonic() + self.seconds
        bad = (kind == READ and (self.mode == "read" and offset < self.end and offset + length > self.begin or time.monotonic() < self.until) or
               kind in (WRITE, FLUSH) and self.mode == "write" or kind == FLUSH and self.mode == "flush")
        self.refused += bad
        return bad

    def _do(self, kind, offset, length, data):
        if kind == READ:
            return 0, os.pread(self._file, length, offset).ljust(length, b"\0")
        if kind == WRITE:
            os.pwrite(self._file, data, offset)
        return (0 if kind in (WRITE, FLUSH) else EINVAL), b""


def take(link, length):
    """So many bytes; EOFError at the end."""
    data = link.recv(length, socket.MSG_WAITALL) if length else b""
    if len(data) < length:
        raise EOFError
    return data
