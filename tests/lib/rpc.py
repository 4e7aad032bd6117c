# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server of ONC RPC (RFC 5531) that says what a test wants, good or bad: rpcbind, MOUNT and NFS as far as they are asked before a mount.

    with RpcServer("127.0.0.1", 111, exports(["/export"])):
        ...

Real servers are in servers.py; this one is for what they do not say.
"""

import contextlib
import socket
import struct
import threading
from typing import NamedTuple

RPCBIND, NFS, MOUNT = 100000, 100003, 100005


class Call(NamedTuple):
    number: int
    program: int
    version: int
    procedure: int


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return numbers(len(value)) + value + bytes(-len(value) % 4)


def record(message):
    """One fragment, which is the last."""
    return numbers(0x80000000 | len(message)) + message


def answer(call, results=b"", status=0):
    """A whole answer that was accepted."""
    return record(numbers(call.number, 1, 0, 0, 0, status) + results)


def export_list(directories, groups=("10.0.0.0/8",)):
    """What the MOUNT service says of them: who may mount them, all of the same groups."""
    who = b"".join(numbers(1) + text(group) for group in groups) + numbers(0)
    return b"".join(numbers(1) + text(directory) + who for directory in directories) + numbers(0)


def exports(directories, port=111, **options):
    """rpcbind and the MOUNT service at one port."""

    def say(call):
        if call.program == MOUNT:
            return answer(call, export_list(directories, **options))
        return answer(call, numbers(port) if call.version == 2 else text(f"::.{port >> 8}.{port & 255}"))

    return say


class RpcServer:
    """say(call) gives the bytes that go back, or pieces of them, one after the other; None: nothing, and the connection stays."""

    def __init__(self, address, port, say):
        self.say, self.calls, self._ends = say, [], threading.Event()
        self._socket = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=32)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ends.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self):
        while not self._ends.is_set():
            try:
                link = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link):
        with contextlib.suppress(OSError), link:
            mark = link.recv(4, socket.MSG_WAITALL)
            if len(mark) < 4:
                return      # who only looks whether somebody is there
            call = link.recv(struct.unpack(">I", mark)[0] & 0x7FFFFFFF, socket.MSG_WAITALL)
            call = Call(*(struct.unpack(">6I", call[:24])[i] for i in (0, 3, 4, 5)))
            self.calls.append(call)
            said = self.say(call)
            for piece in [said] if isinstance(said, bytes) else said or ():
                if self._ends.is_set():
                    return
                link.sendall(piece)
            if said is None:
                self._ends.wait()
