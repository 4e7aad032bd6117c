# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk whose cache does not survive a power cut: what was not flushed may be there afterwards, or a part of it, or nothing.

    with LossyDisk(box, image) as disk:
        ...                             # disk.device is used
        here = disk.mark()              # where in its history we are
    disk.cut(here, rng, "/after.img")   # the disk as a power cut at that moment may have left it
"""

import os
import struct

from sandbox import command
from sick_disk import FSYNC, HEADER, WRITE, SickDisk

RECORD = struct.Struct("<cQI")  # what, where, how many bytes follow
SECTOR = 512
KEPT = (0.0, 0.3, 0.5, 0.8, 1.0)  # how much of what was not flushed a cut leaves
TORN = 0.1


class LossyDisk(SickDisk):
    """Its history is a file: the server appends each write and each flush before it answers."""

    def __init__(self, box, image):
        super().__init__(box, image, unseen=True)
        self.base = self.image + ".base"
        self.history = self.image + ".history"
        command("cp", "--sparse=auto", self.image, self.base)
        self._log = os.open(self.history, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def mark(self):
        """How much of the history there is now."""
        return os.fstat(self._log).st_size

    def records(self):
        """All of it: (where the record ends, b"w" or b"f", offset, where its data begins, how long that is)."""
        at, end = 0, self.mark()
        while at < end:
            what, offset, length = RECORD.unpack(os.pread(self._log, RECORD.size, at))
            at += RECORD.size + length
            yield at, what, offset, at - length, length

    def cut(self, where, rng, path):
        """Write the disk to path. How many writes were not flushed, and how many of those are lost or torn."""
        command("cp", "--sparse=auto", self.base, path)
        history = [r for r in self.records() if r[0] <= where]
        flushed = max((end for end, what, *_ in history if what == b"f"), default=0)
        kept, loose, lost = rng.choice(KEPT), 0, 0
        with open(path, "r+b", buffering=0) as out:
            for end, what, offset, data, length in history:
                if what != b"w":
                    continue
                if end > flushed:
                    loose += 1
                    if rng.random() >= kept:
                        lost += 1
                        continue
                    if length > SECTOR and rng.random() < TORN:
                        length = rng.randrange(SECTOR, length, SECTOR)
                        lost += 1
                os.pwrite(out.fileno(), os.pread(self._log, length, data), offset)
        return loose, lost

    def _answer(self, disk, op, node, body):
        out = super()._answer(disk, op, node, body)
        if op == WRITE:
            offset, size = struct.unpack_from("<QI", body, 8)
            os.write(self._log, RECORD.pack(b"w", offset, size) + body[HEADER:HEADER + size])
        elif op == FSYNC:
            os.write(self._log, RECORD.pack(b"f", 0, 0))
        return out
