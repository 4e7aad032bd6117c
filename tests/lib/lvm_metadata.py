# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first MiB of a physical volume, taken apart, changed, and put together again with right or wrong checksums."""
import re
import struct
import zlib

SECTOR, AREA, HEAD = 512, 4096, 512
BIG = (0, 1, 511, 512, 4096, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 512, (1 << 64) - 1)
NUMBERS = (b"0", b"1", b"-1", b"2147483648", b"4294967295", b"4294967296", b"18446744073709551615", b"99999999999999999999", b"1000000000", b'"x"', b"[]")
STRINGS = (b"", b"../../x", b"A" * 3000, b"\x1b[2J", b"%n%s", b"pv0", b"pv9", b"lv0", b"striped", b"mirror", b"raid1", b"thin-pool", b"thin", b"cache",
           b"snapshot", b"vdo", b"error", b"zero", b"writecache", b"PARTIAL", b"EXPORTED", b"CLUSTERED", b"LOCKED", b"VISIBLE", b"sanlock", b"whatever")
PIECES = (b"{", b"}", b"[", b"]", b"=", b'"', b"#", b"\\", b"\0", b"\n", b"{" * 200, b"[" * 500, b"a{" * 300, b"system_id = \"else\"\n", b"lock_type = \"odd\"\n")


def checksum(data):
    """LVM's: CRC-32 that begins with another number and is not inverted."""
    return zlib.crc32(bytes(data), 0xf597a6cf ^ 0xffffffff) ^ 0xffffffff


class Disk:
    """Its first MiB. `text`: the metadata as it was."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.bytes = bytearray(f.read(1 << 20))
        assert self.bytes[SECTOR:SECTOR + 8] == b"LABELONE"
        at, length, total, _ = struct.unpack_from("<QQII", self.bytes, AREA + 40)
        self.text = bytes(self.bytes[AREA + at:AREA + at + length])
        assert checksum(self.text) == total

    def sums(self, image):
        """Make the checksums of label and area right."""
        struct.pack_into("<I", image, SECTOR + 16, checksum(image[SECTOR + 20:2 * SECTOR]))
        struct.pack_into("<I", image, AREA, checksum(image[AREA + 4:AREA + HEAD]))
        return image

    def with_text(self, text, at=HEAD, right=True):
        """The disk with this text as its metadata, which begins at `at` in the area and may run over its end."""
        image, room = bytearray(self.bytes), struct.unpack_from("<Q", self.bytes, AREA + 32)[0]
        text = text[:room - 2 * HEAD]
        for i in range(0, len(text)):
            place = at + i
            image[AREA + (place if place < room else place - room + HEAD)] = text[i]
        struct.pack_into("<QQII", image, AREA + 40, at, len(text), checksum(text) ^ (not right), 0)
        return self.sums(image)

    def edit(self, pattern, new):
        """With one part of the text replaced."""
        text = re.sub(pattern, new, self.text, count=1, flags=re.S)
        assert text != self.text, pattern
        return self.with_text(text)

    # ---- mutations ----

    def _text(self, r, text):
        t, at = bytearray(text), r.randrange(len(text))
        kind = r.randrange(9)
        if kind == 0:
            t[at] ^= 1 << r.randrange(8)
        elif kind == 1:
            t[at:at] = r.choice(PIECES)
        elif kind == 2:
            del t[at:at + r.choice((1, 3, 20, 200))]
        elif kind == 3:
            there = r.randrange(len(t))
            t[at:at] = t[there:there + r.choice((10, 100, 600))]
        elif kind == 4:
            found = r.choice(list(re.finditer(rb"= (\d+)", text)) or [re.match(b"()", text)])
            t[found.start(1):found.end(1)] = r.choice(NUMBERS)
        elif kind == 5:
            found = r.choice(list(re.finditer(rb'"([^"\n]*)"', text)) or [re.match(b"()", text)])
            t[found.start(1):found.end(1)] = r.choice(STRINGS)
        elif kind == 6:
            del t[max(at, 1):]
        else:
            lines = text.split(b"\n")
            a, b = r.randrange(len(lines)), r.randrange(len(lines))
            if kind == 7:
                lines[a], lines[b] = lines[b], lines[a]
            else:
                lines[a:a + 1] = [lines[a]] * r.choice((0, 2, 30))
            t = bytearray(b"\n".join(lines))
        return bytes(t) or b"x"

    def mutation(self, r):
        """One of the ways in which the disk may be wrong, by the random numbers of r."""
        kind = r.randrange(10)
        if kind < 6:
            text = self.text
            for _ in range(r.choice((1, 1, 1, 2, 5))):
                text = self._text(r, text)
            return self.with_text(text, right=r.random() < 0.9)
        if kind == 6:
            room = struct.unpack_from("<Q", self.bytes, AREA + 32)[0]
            return self.with_text(self.text, at=(room - r.randrange(HEAD, 2048)) // HEAD * HEAD)
        image = bytearray(self.bytes)
        for _ in range(r.choice((1, 2, 6))):
            where = r.choice((SECTOR + 8 + 8 * r.randrange(24), AREA + 24 + 8 * r.randrange(6)))
            if kind == 7:
                struct.pack_into("<Q", image, where, r.choice((*BIG, r.getrandbits(64), r.getrandbits(20))))
            else:
                image[where + r.randrange(8)] = r.choice((0, 255, r.randrange(256)))
        return image if kind == 9 else self.sums(image)
