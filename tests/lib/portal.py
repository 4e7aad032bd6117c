# SPDX-License-Identifier: LGPL-2.1-or-later
"""iSCSI portals that misbehave. Most stand before a good server and pass on what its initiators and it say, but for one thing:

    portal = Portal(3300, "mute")
    ... a pool with <host name=SERVER port='3300'/> ...
    portal.mode = "good"            # it mends its ways, for what is connected already, too

Modes: MODES. connections counts those that were ever made.
"""

import contextlib
import re
import socket
import struct
import threading
import time

from sandbox import SERVER
from servers import ISCSI_PORT

HEADER = 48
LOGIN, COMMAND, LOGIN_ANSWER, TEXT_ANSWER, ANSWER, DATA = 0x03, 0x01, 0x23, 0x24, 0x21, 0x25
MOVED_TEMPORARILY = (1, 1)
TEST_UNIT_READY, READS = 0x00, {0x08, 0x28, 0x88, 0xA8}
WRITES = {0x0A, 0x2A, 0x8A, 0xAA, 0x41, 0x93, 0x42}      # also the same block over and over, and UNMAP
AFFECTED = {"mute": READS, "unreadable": READS, "unwritable": WRITES}
SENSE = {"unreadable": b"\x11", "unwritable": b"\x0c"}         # a medium error, and which
CHECK_CONDITION, HAS_STATUS = 2, 0x01

# what of the server's bytes is replaced by what is as long
SPOILED = {"algorithm": (rb"CHAP_A=\d", b"CHAP_A=9"), "challenge": (rb"CHAP_C=0x..", b"CHAP_C=0xzz")}

# What stands before the server's own targets: (name, address). The first does not fit in open-iscsi, the second leads nowhere, the last is no name.
ODD = ((b"iqn.2026-01.test.poolinit:" + b"l" * 400, SERVER.encode()), (b"iqn.2026-01.test.poolinit:nowhere", b"no host"),
       (b"iqn.2026-01.test.poolinit:with a space", SERVER.encode()))

MODES = {
    "good": "passes everything on",
    "silent": "accepts and says nothing",
    "close": "accepts and hangs up",
    "garbage": "answers what is no PDU",
    "flood": "answers each login by a PDU that is longer than any may be, and has no end",
    "redirect": "answers each login by: you are to go where you have just been",
    "drip": "passes the server's bytes on one by one, twenty a second",
    "drop": "hangs up a second after each login",
    "algorithm": "demands a CHAP algorithm that nobody has offered",
    "challenge": "sends a CHAP challenge that is no number",
    "names": "puts targets that cannot be before those that the server has",
    "deaf": "passes on no question whether a disk is ready",
    "mute": "passes on no answer to a read of a disk",
    "unreadable": "answers reads as a target does whose disk cannot be read",
    "unwritable": "the same with writes",
}


class Portal:
    """Listens from the beginning; its threads end with the test's process."""

    def __init__(self, port, mode, server=ISCSI_PORT):
        assert mode in MODES, mode
        self.port, self.mode, self.server, self.connections = port, mode, server, 0
        self.socket = socket.create_server((SERVER, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.socket.accept()
            self.connections += 1
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, contextlib.suppress(OSError):
            if self.mode == "close":
                return
            if self.mode == "redirect":
                self._redirect(client)
                return
            if self.mode == "garbage":
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
            if self.mode == "flood":
                pdu = read_pdu(client)
                client.sendall(bytes([LOGIN_ANSWER]) + pdu[1:5] + b"\xff\xff\xff" + pdu[8:HEADER])
                while True:
                    client.sendall(bytes(1 << 16))
            if self.mode in ("silent", "garbage"):
                while client.recv(65536):
                    pass
                return
            with socket.create_connection((SERVER, self.server)) as server:
                tasks = {}
                threading.Thread(target=self._answers, args=(server, client, tasks), daemon=True).start()
                self._requests(client, server, tasks)

    def _requests(self, client, server, tasks):
        """From the initiator to the server, PDU by PDU. tasks: those whose answers are not passed on as they are, and in which mode they were asked."""
        while True:
            pdu = read_pdu(client)
            if not pdu:
                shut(server)
                return
            if pdu[0] & 0x3F == COMMAND and self.mode == "deaf" and pdu[32] == TEST_UNIT_READY:
                continue
            if pdu[0] & 0x3F == COMMAND and self.mode in AFFECTED and pdu[32] in AFFECTED[self.mode]:
                tasks[pdu[16:20]] = self.mode
            server.sendall(pdu)

    def _answers(self, server, client, tasks):
        """From the server to the initiator, PDU by PDU."""
        end = time.monotonic() + 1
        with contextlib.suppress(OSError):
            while data := read_pdu(server):
                if self.mode == "drop" and time.monotonic() > end:
                    break
                if data[16:20] in tasks and data[0] & 0x3F in (ANSWER, DATA):
                    if data[0] & 0x3F == DATA and not data[1] & HAS_STATUS:
                        continue
                    asked = tasks.pop(data[16:20])
                    if asked == "mute":
                        continue
                    data = failure(data, SENSE[asked])
                if self.mode in SPOILED:
                    data = re.sub(SPOILED[self.mode][0], SPOILED[self.mode][1], data)
                if self.mode == "names" and data[0] & 0x3F == TEXT_ANSWER:
                    data = with_odd_targets(data)
                if self.mode != "drip":
                    client.sendall(data)
                    continue
                for byte in data:
                    client.sendall(bytes([byte]))
                    time.sleep(0.05)
        shut(client)

    def _redirect(self, client):
        pdu = read_pdu(client)
        if not pdu:
            return
        text = f"TargetAddress={SERVER}:{self.port},1\0".encode()
        task, command = struct.unpack_from(">I", pdu, 16)[0], struct.unpack_from(">I", pdu, 24)[0]
        header = struct.pack(">BBBBI8sIIIII2B10x", LOGIN_ANSWER, 0x80 | pdu[1] & 0x0F, 0, 0, len(text), pdu[8:16], task, 0, 1, command, command + 8,
                             *MOVED_TEMPORARILY)
        client.sendall(header + text + b"\0" * (-len(text) % 4))
        client.recv(1)


def with_odd_targets(pdu):
    own = pdu[HEADER:HEADER + int.from_bytes(pdu[5:8], "big")]
    text = b"".join(b"TargetName=%s\0TargetAddress=%s:%d,1\0" % (*target, ISCSI_PORT) for target in ODD) + own
    return pdu[:5] + len(text).to_bytes(3, "big") + pdu[8:HEADER] + text + b"\0" * (-len(text) % 4)


def failure(pdu, code):
    """The answer with which a target says that the medium failed, in the place of this one."""
    sense = b"\x70\0\x03\0\0\0\0\x0a\0\0\0\0" + code + b"\0" * 5
    data = struct.pack(">H", len(sense)) + sense
    header = bytes([ANSWER, 0x80, 0, CHECK_CONDITION, 0]) + len(data).to_bytes(3, "big") + bytes(8) + pdu[16:20] + bytes(4) + pdu[24:36] + bytes(12)
    return header + data + b"\0" * (-len(data) % 4)


def read_pdu(link):
    """One whole PDU, without digests; b"" at the end."""
    header = link.recv(HEADER, socket.MSG_WAITALL)
    if len(header) < HEADER:
        return b""
    more = header[4] * 4 + (int.from_bytes(header[5:8], "big") + 3 & ~3)
    return header + (link.recv(more, socket.MSG_WAITALL) if more else b"")


def shut(link):
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
