# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for a sheepdog cluster, and a client of its own to look at it with. No Debian has the real server any more.

Why it can stand for it. It is written from the published protocol (sheepdog 1.0: include/sheepdog_proto.h, include/internal_proto.h) and from
what the real server can be seen to do with a request, not from what our client sends:

- headers of 48 bytes, little-endian; a request with FLAG_WRITE is followed by data_length bytes, an answer by as many as it says, never more
  than were asked for; the answer has the request's opcode and id, and the cluster's epoch;
- opcodes from 0x80 are the servers' own: another version than the server's is VER_MISMATCH; a client's version may be anything up to 2;
- a cluster that is not formatted (WAIT_FOR_FORMAT) or not complete (WAIT_FOR_JOIN) answers so to all but READ_VDIS, READ_DEL_VDIS,
  GET_NODE_LIST and GET_CLUSTER_DEFAULT; one that shuts down answers SHUTDOWN to all;
- READ_VDIS and READ_DEL_VDIS want a data_length of exactly 2 MiB, NEW_VDI one of 256, GET_VDI_INFO and DEL_VDI 256 or 512 (name, tag);
- a VDI's number is the FNV-1a hash of its name in 24 bits, or the next that is free; numbers of deleted VDIs stay in use. A name is looked for
  from the last number of that run down, and a snapshot with the name above all others means that there is no working VDI;
- an inode has 256 bytes of name, 256 of tag, times and sizes of 64 bits, and a list of 2^20 numbers from byte 4664 on; its object and data
  objects can be written in part, within their size only (INVALID_PARMS); reading what is not there is NO_OBJ; an object of a snapshot is
  READONLY; CREATE_AND_WRITE makes it whole, as zeros or, with FLAG_COW, as a copy of cow_oid, which must be there;
- version 1.0 (`counts`) frees an object when no inode lists it any more, and DEL_VDI of a VDI whose inode lists objects says SUCCESS and does
  nothing; older ones (0.8) remove the VDI's own objects at DEL_VDI, and have neither READ_DEL_VDIS nor GET_CLUSTER_DEFAULT.

The same operations were tried by hand with the real server of 1.0 and its own client, `dog`; what both said was the same.

It is stricter than the real one in this: a write has to name the copies and the policy of its VDI, and a flag that means nothing there is
INVALID_PARMS. What it leaves out: several servers that hold different objects, erasure codes, hyper volumes (their head only), locks.
"""
import contextlib
import os
import socket
import struct
import threading
import time

PORT = 7000
(CREATE, READ, WRITE, DISCARD, NEW_VDI, VDI_INFO, READ_VDIS, DEL_VDI, DEFAULT, NODES, STAT, READ_DEL) = (
    1, 2, 3, 5, 0x11, 0x14, 0x15, 0x17, 0x18, 0x82, 0x86, 0xC9)
(OK, NO_OBJ, VDI_EXIST, INVALID, NO_VDI, NO_TAG, FULL, SHUTDOWN, MISMATCH, NO_SPACE, WAIT_FORMAT, WAIT_JOIN, READONLY) = (
    0, 2, 4, 5, 8, 0xE, 0x13, 0x11, 0x14, 0x15, 0x16, 0x17, 0x1A)
FLAG_WRITE, FLAG_COW, FLAG_DIRECT = 1, 2, 8
FORCED = (READ_VDIS, READ_DEL, NODES, DEFAULT)
VDIS, LIST, ENTRIES = 1 << 24, 4664, 1 << 20
AT_TAG, AT_TIMES, AT_SIZE, AT_POLICY, AT_STORE, AT_COPIES, AT_SHIFT, AT_SNAP, AT_ID, AT_PARENT = 256, 512, 536, 552, 553, 554, 555, 556, 560, 564
BITMAP = VDIS // 8


def number_of(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value & (VDIS - 1)


def inode_of(vid):
    return 1 << 63 | vid << 32


def object_of(vid, index):
    return vid << 32 | index


class Request:
    def __init__(self, header, data):
        self.version, self.opcode, self.flags, self.epoch, self.id, self.length = struct.unpack_from("<BBHIII", header)
        self.oid, self.cow, self.copies, self.policy = struct.unpack_from("<QQBB", header, 16)
        self.offset = struct.unpack_from("<I", header, 40)[0]
        self.size, self.base, self.new_copies, self.new_policy, self.store, self.shift, self.snapid = struct.unpack_from("<QIBBBBI", header, 16)
        self.data = data


class Cluster:
    """What all servers of a cluster share. `room` bytes are free at the beginning."""

    def __init__(self, counts=True, copies=1, shift=22, room=1 << 40):
        self.counts, self.copies, self.shift, self.store = counts, copies, shift, room
        self.status = OK            # or what is answered instead
        self.used, self.deleted, self.objects = set(), set(), {}
        self.lock = threading.RLock()
        self.nodes = []             # (address, port) of each
        self.version = 0x0A if counts else 0x09
        self.seen = []              # opcodes of all requests
        self.fail = {}              # opcode: what is answered to it

    # ---- objects ----

    def size_of(self, oid):
        return LIST + 4 * ENTRIES + 8 * ENTRIES if oid >> 63 else 1 << self.objects[inode_of(oid >> 32)][AT_SHIFT]

    def head(self, vid):
        return self.objects[inode_of(vid)]

    def text(self, vid, at=0):
        return bytes(self.head(vid)[at:at + 256]).split(b"\0")[0].decode()

    def is_snapshot(self, vid):
        return struct.unpack_from("<Q", self.head(vid), AT_TIMES + 8)[0] != 0

    def listed(self, vid):
        """{index: number} of what an inode lists."""
        head = self.head(vid)
        numbers = struct.unpack_from("<%dI" % ((len(head) - LIST) // 4), head, LIST)
        return {i: n for i, n in enumerate(numbers) if n}

    def put(self, oid, offset, data):
        whole = self.objects[oid]
        if len(whole) < offset + len(data):
            whole.extend(bytes(offset + len(data) - len(whole)))
        whole[offset:offset + len(data)] = data

    def free(self):
        """Data objects that no inode lists go, where references are counted."""
        listed = {object_of(n, i) for vid in self.used for i, n in self.listed(vid).items()}
        for oid in [oid for oid in self.objects if not oid >> 63 and oid not in listed]:
            del self.objects[oid]

    def data_objects(self):
        return sorted(oid for oid in self.objects if not oid >> 63)

    def available(self):
        return self.store - sum(self.size_of(oid) for oid in self.data_objects())

    # ---- requests ----

    def answer(self, r):
        """(result, data, fields of the answer's header)"""
        with self.lock:
            self.seen.append(r.opcode)
            return self._answer(r)

    def _answer(self, r):
        if (r.version != self.version) if r.opcode >= 0x80 else r.version > 2:
            return MISMATCH, b"", {}
        if r.opcode not in HANDLERS or (not self.counts and r.opcode in (READ_DEL, DEFAULT)):
            return INVALID, b"", {}
        if self.status == SHUTDOWN or (self.status and r.opcode not in FORCED):
            return self.status, b"", {}
        if r.opcode in self.fail:
            return self.fail[r.opcode], b"", {}
        answer = HANDLERS[r.opcode](self, r)
        return answer if isinstance(answer, tuple) else (answer, b"", {})

    def stat(self, r):
        return (OK, b"", {"store": self.store // max(1, len(self.nodes)), "free": self.available() // max(1, len(self.nodes))}) if r.flags == 0 else INVALID

    def node_list(self, r):
        entries = b"".join(struct.pack("<24x12s4sH22xHxxIQ", bytes(12), socket.inet_aton(address), port, 64, i, self.store) for i, (address, port) in
                           enumerate(self.nodes))
        assert len(entries) == 80 * len(self.nodes) and r.length >= 6144 * 80, "the real server would write over its own memory"
        return OK, entries, {"nodes": len(self.nodes)}

    def bitmap(self, r):
        if r.length != BITMAP:
            return INVALID
        bits = bytearray(BITMAP)
        for vid in self.used if r.opcode == READ_VDIS else self.deleted:
            bits[vid // 8] |= 1 << vid % 8
        return OK, bytes(bits), {}

    def default(self, _):
        return OK, b"", {"shift": self.shift}

    def names(self, r, lengths):
        if r.length not in lengths or not r.flags & FLAG_WRITE:
            return None, None
        return tuple(r.data[at:at + 256].split(b"\0")[0].decode("utf-8", "surrogateescape") for at in (0, 256))

    def run_of(self, name):
        first = vid = max(1, number_of(name))
        while vid in self.used:
            vid = vid + 1 if vid + 1 < VDIS else 1
        return first, vid

    def look_up(self, name, tag="", snapid=0):
        """(result, number, the next snapshot's id)"""
        first, free = self.run_of(name)
        vid, result = free, NO_VDI
        while vid != first:
            vid = vid - 1 if vid > 1 else VDIS - 1
            if self.text(vid) != name:
                continue
            own, snapshot = struct.unpack_from("<I", self.head(vid), AT_SNAP)[0], self.is_snapshot(vid)
            if not tag and not snapid:
                return (NO_VDI if snapshot else OK), vid, own + 1
            if snapshot and (tag and self.text(vid, AT_TAG) == tag or snapid == own):
                return OK, vid, own + 1
            result = NO_TAG
        return result, 0, 1

    def vdi_info(self, r):
        name, tag = self.names(r, (256, 512))
        if name is None:
            return INVALID
        result, vid, _ = self.look_up(name, tag, r.snapid)
        return result, b"", {"vdi": vid, "copies": self.copies} if result == OK else {}

    def new_vdi(self, r):
        name, _ = self.names(r, (256,))
        if name is None or r.new_policy or r.flags != FLAG_WRITE:
            return INVALID
        result, old, snap = self.look_up(name)
        if bool(r.snapid) != (result == OK):
            return VDI_EXIST if result == OK else NO_VDI
        vid = self.run_of(name)[1]
        head = bytearray(LIST)
        head[:len(name.encode())] = name.encode()
        now = int(time.time()) << 32
        struct.pack_into("<QQQQ", head, AT_TIMES, now, 0, 0, r.size)
        struct.pack_into("<BBBBIII", head, AT_POLICY, 0, r.store, r.new_copies or self.copies, r.shift or self.shift, snap, vid, r.base)
        if r.base:
            if r.base not in self.used:
                return 9
            head[LIST:] = self.head(r.base)[LIST:]
        if r.snapid:
            struct.pack_into("<Q", self.head(old), AT_TIMES + 8, now)
        self.objects[inode_of(vid)] = head
        self.used.add(vid)
        return OK, b"", {"vdi": vid, "copies": self.copies}

    def del_vdi(self, r):
        name, tag = self.names(r, (256, 512))
        if name is None:
            return INVALID
        result, vid, _ = self.look_up(name, tag, r.snapid)
        if result:
            return result
        listed = self.listed(vid)
        self.deleted.add(vid)
        if self.counts and listed:
            return OK, b"", {"vdi": vid}
        for index, owner in listed.items():
            if owner == vid:
                del self.objects[object_of(vid, index)]
        head = self.head(vid)
        head[:256] = bytes(256)
        struct.pack_into("<Q", head, AT_SIZE, 0)
        del head[LIST:]
        return OK, b"", {"vdi": vid}

    def read(self, r):
        if r.oid not in self.objects:
            return NO_OBJ
        if r.flags & ~FLAG_DIRECT or r.offset + r.length > self.size_of(r.oid):
            return INVALID
        return OK, bytes(self.objects[r.oid][r.offset:r.offset + r.length]).ljust(r.length, b"\0"), {}

    def write(self, r):
        vid = r.oid >> 32 & (VDIS - 1)
        if vid not in self.used or (r.copies, r.policy) != (self.head(vid)[AT_COPIES], self.head(vid)[AT_POLICY]):
            return INVALID
        create = r.opcode == CREATE
        if not r.flags & FLAG_WRITE or r.flags & ~(FLAG_WRITE | FLAG_DIRECT | (FLAG_COW if create else 0)) or bool(r.cow) != bool(r.flags & FLAG_COW):
            return INVALID
        if r.offset + r.length > self.size_of(r.oid):
            return INVALID
        if not r.oid >> 63 and self.is_snapshot(vid):
            return READONLY
        if create and self.available() < 1 << self.head(vid)[AT_SHIFT]:
            return NO_SPACE
        if r.cow and r.cow not in self.objects:
            return NO_OBJ
        if create:
            self.objects[r.oid] = bytearray(self.objects[r.cow]) if r.cow else bytearray()
        elif r.oid not in self.objects:
            return NO_OBJ
        self.put(r.oid, r.offset, r.data)
        if self.counts and r.oid >> 63 and r.offset >= LIST:
            self.free()
        return OK

    def discard(self, r):
        vid, index = r.oid >> 32, r.oid & 0xFFFFFFFF
        if vid not in self.used:
            return NO_OBJ
        if index in self.listed(vid):
            self.put(inode_of(vid), LIST + 4 * index, bytes(4))
            self.objects.pop(r.oid, None)
        return OK


HANDLERS = {STAT: Cluster.stat, NODES: Cluster.node_list, READ_VDIS: Cluster.bitmap, READ_DEL: Cluster.bitmap, DEFAULT: Cluster.default,
            VDI_INFO: Cluster.vdi_info, NEW_VDI: Cluster.new_vdi, DEL_VDI: Cluster.del_vdi, READ: Cluster.read, WRITE: Cluster.write,
            CREATE: Cluster.write, DISCARD: Cluster.discard}


class Server:
    """One server of a cluster, at an address and port or at the path of a socket."""

    def __init__(self, cluster, address="127.0.0.1", port=PORT, path=None):
        self.cluster = cluster
        self.connections = []
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
        else:
            cluster.nodes.append((address, port))
            self.socket = socket.create_server((address, port))
        self.socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.socket.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, struct.error, EOFError), connection:
            while True:
                self.respond(connection, *self.request(connection))

    @staticmethod
    def _bytes(connection, length):
        data = bytearray()
        while len(data) < length:
            part = connection.recv(min(1 << 20, length - len(data)))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def request(self, connection):
        header = self._bytes(connection, 48)
        flags, _, _, length = struct.unpack_from("<HIII", header, 2)
        return header, self._bytes(connection, length) if flags & FLAG_WRITE else b""

    def respond(self, connection, header, data):
        request = Request(header, data)
        result, body, fields = self.cluster.answer(request)
        connection.sendall(self.header(request, result, body, fields) + body)

    @staticmethod
    def header(request, result, body, fields):
        answer = bytearray(struct.pack("<BBHIIII28x", 0, request.opcode, 0, 1, request.id, len(body), result))
        for name, kind, at in (("nodes", "<I", 20), ("vdi", "<I", 24), ("shift", "<B", 26), ("store", "<Q", 32), ("free", "<Q", 40)):
            if name in fields:
                struct.pack_into(kind, answer, at, fields[name])
        return bytes(answer)

    def stop(self):
        """It is gone: nobody can connect, and who is connected is cut off."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Hostile(Server):
    """One that does something else than it should, from the `after`-th request on: `how` gets the connection, the request and the true answer."""

    def __init__(self, cluster, how, after=0, **where):
        self.how, self.after, self.count = how, after, 0
        super().__init__(cluster, **where)

    def respond(self, connection, header, data):
        request = Request(header, data)
        result, body, fields = self.cluster.answer(request)
        answer = self.header(request, result, body, fields) + body
        self.count += 1
        if self.count > self.after:
            self.how(connection, request, answer)
        else:
            connection.sendall(answer)


class Dog:
    """Another client than ours, by which the tests make snapshots and look at what is there."""

    def __init__(self, cluster):
        self.cluster = cluster

    def ask(self, opcode, data=b"", length=0, vdi=(0, 0, 0), obj=None, flags=None):
        header = bytearray(48)
        struct.pack_into("<BBHIII", header, 0, self.cluster.version if opcode >= 0x80 else 2, opcode, (FLAG_WRITE if data else 0) if flags is None else
                         flags, 0, 7, len(data) or length)
        if obj:
            oid, offset = obj
            struct.pack_into("<QQBBxxII", header, 16, oid, 0, self.cluster.copies, 0, 0, offset)
        else:
            size, base, snapid = vdi
            struct.pack_into("<QIBBBBI", header, 16, size, base, 0, 0, 0, 0, snapid)
        result, body, fields = self.cluster.answer(Request(bytes(header), data))
        assert result == OK, "sheepdog's 0x%02x" % result
        return body, fields

    def number(self, name, tag=""):
        return self.ask(VDI_INFO, name.encode().ljust(256, b"\0") + tag.encode().ljust(256, b"\0"))[1]["vdi"]

    def create(self, name, size):
        return self.ask(NEW_VDI, name.encode().ljust(256, b"\0"), vdi=(size, 0, 0))[1]["vdi"]

    def snapshot(self, name, tag):
        vid = self.number(name)
        size = struct.unpack_from("<Q", self.cluster.head(vid), AT_SIZE)[0]
        self.ask(WRITE, tag.encode().ljust(256, b"\0"), obj=(inode_of(vid), AT_TAG))
        return self.ask(NEW_VDI, name.encode().ljust(256, b"\0"), vdi=(size, vid, 1))[1]["vdi"]

    def content(self, name, tag="", offset=0, length=None):
        vid = self.number(name, tag)
        head = self.cluster.head(vid)
        size, shift = struct.unpack_from("<Q", head, AT_SIZE)[0], head[AT_SHIFT]
        listed, whole = self.cluster.listed(vid), bytearray(size)
        for index, owner in listed.items():
            begin = index << shift
            part = self.ask(READ, length=min(1 << shift, size - begin), obj=(object_of(owner, index), 0))[0]
            whole[begin:begin + len(part)] = part
        return bytes(whole[offset:offset + (size if length is None else length)])


def socket_of(directory):
    """Where a server of this machine has its socket: "sock" in its directory."""
    return os.path.join(directory, "sock")
