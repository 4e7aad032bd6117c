# SPDX-License-Identifier: LGPL-2.1-or-later
"""iSCSI portals that misbehave. Most stand before a good server and pass on what its initiators and it say, but for one thing:

    portal = Portal(3300, "mute")
    ... a pool with <host name=SERVER port='3300'/> ...
    portal.mode = "good"            # it mends its ways, for what is connected already, too

Modes: MODES. connections counts those that were ever made.
"""

import contextlib
import socket
import struct
import threading
import time

from sandbox import SERVER
from servers import ISCSI_PORT

HEADER = 48
LOGIN, COMMAND, LOGIN_ANSWER = 0x03, 0x01, 0x23
MOVED_TEMPORARILY = (1, 1)
TEST_UNIT_READY, READS = 0x00, {0x08, 0x28, 0x88, 0xA8}

MODES = {
    "good": "passes everything on",
    "silent": "accepts and says nothing",
    "close": "accepts and hangs up",
    "redirect": "answers each login by: you are to go where you have just been",
    "drip": "passes the server's bytes on one by one, twenty a second",
    "drop": "hangs up a second after each login",
    "deaf": "passes on no question whether a disk is ready",
    "mute": "passes on no read of a disk",
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
            if self.mode == "silent":
                while client.recv(65536):
                    pass
                return
            with socket.create_connection((SERVER, self.server)) as server:
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                self._requests(client, server)

    def _requests(self, client, server):
        """From the initiator to the server, PDU by PDU."""
        while True:
            pdu = read_pdu(client)
            if not pdu:
                shut(server)
                return
            if pdu[0] & 0x3F == COMMAND and (self.mode == "deaf" and pdu[32] == TEST_UNIT_READY or self.mode == "mute" and pdu[32] in READS):
                continue
            server.sendall(pdu)

    def _answers(self, server, client):
        """From the server to the initiator."""
        end = time.monotonic() + 1
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.mode == "drop" and time.monotonic() > end:
                    break
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
