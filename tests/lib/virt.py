# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's protocol, as far as tests speak it themselves: packets, and the XDR of their payloads."""
import socket
import struct
import uuid

REMOTE, KEEPALIVE = 0x20008086, 0x6B656570
CALL, REPLY, MESSAGE, STREAM, CALL_WITH_FDS, REPLY_WITH_FDS, HOLE = range(7)
OK, ERROR, CONTINUE = range(3)
DEADLINE = 30.0


# ---- XDR ----

def u32(number):
    return struct.pack(">I", number & 0xFFFFFFFF)


def u64(number):
    return struct.pack(">Q", number & 0xFFFFFFFFFFFFFFFF)


def data(value):
    return u32(len(value)) + value + bytes(-len(value) % 4)


def text(value):
    return data(value.encode("utf-8", "surrogateescape"))


def maybe(value):
    return u32(0) if value is None else u32(1) + text(value)


def pool(name, identity):
    return text(name) + uuid.UUID(identity).bytes


def volume(of, name, key=""):
    return text(of) + text(name) + text(key)


def secret(identity, usage=0, name=""):
    return uuid.UUID(identity).bytes + u32(usage) + text(name)


class Payload:
    """What is left of one."""

    def __init__(self, left):
        self.left = left

    def take(self, count):
        assert count <= len(self.left), "the payload ends"
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def data(self):
        count = self.u32()
        return self.take(count + -count % 4)[:count]

    def text(self):
        return self.data().decode("utf-8", "surrogateescape")

    def maybe(self):
        return self.text() if self.u32() else None

    def uuid(self):
        return str(uuid.UUID(bytes=self.take(16)))

    def pool(self):
        return self.text(), self.uuid()

    def volume(self):
        return self.text(), self.text(), self.text()

    def secret(self):
        return self.uuid(), self.u32(), self.text()

    def list(self, item):
        return [item(self) for _ in range(self.u32())]


# ---- packets ----

def packet(procedure, payload=b"", program=REMOTE, version=1, kind=CALL, serial=1, status=OK):
    return struct.pack(">IIIiIII", 28 + len(payload), program, version, procedure, kind, serial, status) + payload


class Packet:
    def __init__(self, raw):
        _, self.program, self.version, self.procedure, self.kind, self.serial, self.status = struct.unpack(">IIIiIII", raw[:28])
        self.raw, self.bytes = raw, raw[28:]
        self.payload = Payload(self.bytes)

    def __str__(self):
        return "kind %d, procedure %d, serial %d, status %d, %d bytes%s" % (
            self.kind, self.procedure, self.serial, self.status, len(self.bytes), ": %s" % self.error() if self.status == ERROR else "")

    def error(self):
        return Refused(Payload(self.bytes))


class Refused(Exception):
    """The server said ERROR."""

    def __init__(self, said):
        self.code, self.domain = said.i32(), said.i32()
        self.message, self.level = said.maybe(), said.i32()
        assert said.u32() == 0, "an error with a domain"
        self.texts = [said.maybe(), said.maybe(), said.maybe()]
        self.numbers = [said.i32(), said.i32()]
        assert said.u32() == 0 and not said.left, "an error with a network, or with more"
        super().__init__("%d/%d %s" % (self.code, self.domain, self.message))


class Client:
    """One connection. call() returns the reply's payload, or raises Refused; packets that come meanwhile are kept."""

    def __init__(self, path, name="storage:///system", flags=0, opened=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.serial, self.kept, self.buffer = 0, [], b""
        if opened:
            self.call(66)
            self.call(1, maybe(name) + u32(flags))

    def send(self, raw):
        self.socket.sendall(raw)

    def begin(self, procedure, payload=b"", **header):
        self.serial += 1
        self.send(packet(procedure, payload, serial=self.serial, **header))
        return self.serial

    def read(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError("the server closed the connection")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def packet(self):
        """The next one that comes."""
        head = self.read(4)
        return Packet(head + self.read(struct.unpack(">I", head)[0] - 4))

    def wait(self, wanted):
        """The first packet of which that is true."""
        for i, one in enumerate(self.kept):
            if wanted(one):
                return self.kept.pop(i)
        while True:
            one = self.packet()
            if wanted(one):
                return one
            self.kept.append(one)

    def reply(self, serial):
        one = self.wait(lambda p: p.kind == REPLY and p.serial == serial)
        if one.status == ERROR:
            raise one.error()
        return one.payload

    def call(self, procedure, payload=b"", **header):
        return self.reply(self.begin(procedure, payload, **header))

    def stream(self, serial):
        return self.wait(lambda p: p.kind in (STREAM, HOLE) and p.serial == serial)

    def event(self):
        return self.wait(lambda p: p.kind == MESSAGE and p.program == REMOTE)

    def is_closed(self):
        """The server has closed it, or does so soon."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        return True

    def close(self):
        self.socket.close()
