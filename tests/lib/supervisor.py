# SPDX-License-Identifier: LGPL-2.1-or-later
"""poolinit serve in a directory of its own, and a client that speaks the line protocol."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import time

from sandbox import REPO, Failure, wait_until

DEADLINE = 30.0


def binary(sanitized=True):
    """The program under test: the sanitizers' build unless the test is about the real one."""
    return os.environ.get("POOLINIT_TEST_BINARY") or str(REPO / ("build/san/poolinit" if sanitized else "build/poolinit"))


class Failed(Exception):
    """The server said ERR."""

    def __init__(self, code, word, text):
        super().__init__("%s %s %s" % (code, word, text))
        self.code, self.word, self.text = code, word, text


WORD = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?|("(?:[^"\\]|\\.)*")')
ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def unquote(value):
    if not value.startswith('"'):
        return value

    def escape(match):
        text = match[1].decode()
        return bytes([int(text[1:], 16)]) if len(text) == 3 else ESCAPES[text].encode()

    raw = value[1:-1].encode("utf-8", "surrogateescape")
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", escape, raw).decode("utf-8", "surrogateescape")


def fields(text):
    """key=value pairs of a record; bare words get True."""
    found = {}
    for key, value, lone in WORD.findall(text):
        if lone:
            found[unquote(lone)] = True
        else:
            found[key] = unquote(value) if value != "" else True
    return found


class Client:
    """One connection. ask() returns (records, payloads, fields of OK) or raises Failed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.connect(path)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.events = []

    def connect(self, path):
        """Where many connect at once the queue may be full for a moment, and a socket with a deadline is refused instead of waiting."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.socket.connect(path)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def line(self):
        text = self.file.readline()
        if not text:
            raise EOFError("the server closed the connection")
        return text.decode("utf-8", "surrogateescape").rstrip("\n")

    def send(self, request, payload=None):
        data = request.encode("utf-8", "surrogateescape")
        if payload is not None:
            payload = payload.encode() if isinstance(payload, str) else payload
            data += b" = %d\n" % len(payload) + payload
        else:
            data += b"\n"
        self.socket.sendall(data)

    def reply(self):
        records, payloads = [], []
        while True:
            text = self.line()
            if text.startswith("@"):
                text = text.split(" ", 1)[1]
            if text.startswith("- "):
                records.append(fields(text[2:]))
            elif text.startswith("= "):
                payloads.append(self.file.read(int(text[2:])))
            elif text.startswith("! "):
                self.events.append(fields(text[2:]))
            elif text.startswith("OK"):
                return records, payloads, fields(text[2:])
            elif text.startswith("ERR "):
                _, code, word, rest = text.split(" ", 3)
                raise Failed(int(code), word, next(iter(fields(rest))))
            else:
                raise AssertionError("not a line of the protocol: %r" % text)

    def ask(self, request, payload=None):
        self.send(request, payload)
        return self.reply()

    def event(self):
        """The next event of a subscription."""
        if self.events:
            return self.events.pop(0)
        text = self.line()
        assert text.startswith("! "), text
        return fields(text[2:])

    def close(self):
        self.file.close()
        self.socket.close()


def children_of(pid):
    """{process: its name} of all children."""
    names = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            pids = [int(child) for child in children.read().split()]
    except OSError:
        pids = []
    for child in pids:
        try:
            with open(f"/proc/{child}/comm", encoding="utf-8", errors="replace") as comm:
                names[child] = comm.read().rstrip("\n")
        except OSError:
            pass
    return names


def processes_of(pid):
    """The children of a supervisor: (its readers of documents, all others). One reader is there before there is anything to read, and so is
    one worker that waits for work, which is in neither list."""
    names = children_of(pid)
    return [child for child, name in names.items() if name == "parse"], [child for child, name in names.items() if name not in ("parse", "wait")]


def memory(pid):
    """What the process has in its writable memory (not the sanitizer's shadow)."""
    found = []
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps, open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for line in maps:
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            start, end = int(start, 16), int(end, 16)
            if rights.startswith("rw") and end - start <= 64 << 20:
                with contextlib.suppress(OSError):
                    mem.seek(start)
                    found.append(mem.read(end - start))
    return b"".join(found)


def waiting_of(pid):
    """The worker of a supervisor that waits for work, in a list; none is there while anything brief is under way, and a moment after."""
    return [child for child, name in children_of(pid).items() if name == "wait"]


def worker_waits(pid):
    """The supervisor, which has read its definitions, has nothing to do."""
    return wait_until("a worker that waits for the next operation", lambda: waiting_of(pid))[0]


def none_waits(pid):
    """The worker that waits, which could do one more operation, ends; the next one is forked after an operation."""
    worker_waits(pid)
    end_waiting(pid)


def end_waiting(pid):
    """No worker waits, at this moment."""
    def ended():
        waiting = waiting_of(pid)
        for one in waiting:     # or another, if there was an operation meanwhile (a look at the mount table, say)
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        return not waiting
    wait_until("end of the worker that waited", ended)


def reader_waits(pid):
    """Somebody has been here, and a moment has passed: the supervisor has all that it has at rest."""
    wait_until("a reader that waits for the next document", lambda: len(processes_of(pid)[0]) == 1)
    worker_waits(pid)


def patiently(ask):
    """What it answers, though a connection or two may be lost to a failure that is meant for the supervisor."""
    for _ in range(4):
        try:
            return ask()
        except (EOFError, ConnectionError, Failed):
            pass
    return ask()


class Supervisor:
    """`poolinit serve` below a directory of the test's sandbox. It dies with the sandbox."""

    def __init__(self, box, name="serve", sanitized=True, arguments=(), log="debug"):
        self.directory = str(box.directory(name))
        self.config = os.path.join(self.directory, "config")
        self.run = os.path.join(self.directory, "run")
        self.path = os.path.join(self.run, "control")
        self.binary = binary(sanitized)
        self.arguments = list(arguments)
        self.log_level = log
        self.process = None
        os.makedirs(os.path.join(self.config, "storage", "autostart"), exist_ok=True)
        box.on_failure(lambda: print("# ---- the supervisor's log ----\n" + self.messages()[-4000:]))

    def define(self, name, xml, autostart=True):
        """A definition on disk, before the start."""
        file = os.path.join(self.config, "storage", name + ".xml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(xml)
        if autostart:
            os.symlink("../%s.xml" % name, os.path.join(self.config, "storage", "autostart", name + ".xml"))
        return file

    def dir_pool(self, name, autostart=True, make=True):
        target = os.path.join(self.directory, "pools", name)
        if make:
            os.makedirs(target, exist_ok=True)
        self.define(name, "<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>" % (name, target), autostart)
        return target

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--config", self.config, "--run", self.run, "--socket", self.path,
                 "--log", self.log_level, *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("answer on the socket", self.answers, DEADLINE)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise Failure("the supervisor ended with status %d:\n%s" % (self.process.returncode, self.messages()))
        try:
            Client(self.path).close()
            return True
        except (OSError, EOFError):
            return False

    def messages(self):
        try:
            with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def client(self):
        return Client(self.path)

    def ask(self, request, payload=None):
        client = self.client()
        try:
            return client.ask(request, payload)
        finally:
            client.close()

    def refused(self, request, payload=None):
        """The request must fail; what the server said of it."""
        try:
            answer = self.ask(request, payload)
        except Failed as said:
            return said
        raise Failure("%r was not refused: %r" % (request, answer))

    def pools(self):
        return {r["name"]: r for r in self.ask("pool-list --all")[0]}

    def problems(self):
        return [r["text"] for r in self.ask("status")[0] if r["kind"] == "problem"]

    def wait_phase(self, name, *phases, seconds=DEADLINE):
        self.ask("wait pool=%s phase=%s timeout=%ds" % (name, ",".join(phases), seconds))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """An orderly end. Its exit status: what the sanitizers found is seen there."""
        self.process.terminate()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("the supervisor did not end after SIGTERM:\n" + self.messages()) from None
