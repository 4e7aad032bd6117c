# SPDX-License-Identifier: LGPL-2.1-or-later
"""poolinit serve in a directory of its own, and a client that speaks the line protocol, for host tests."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 30.0


def binary(sanitized=True):
    """The program under test: the sanitizers' build unless the test is about the real one."""
    name = "build/san/poolinit" if sanitized else "build/poolinit"
    return os.environ.get("POOLINIT", os.path.join(ROOT, name))


def until(what, condition, deadline=DEADLINE):
    """Poll until condition() is true; its value is returned."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("timed out waiting until " + what)
        time.sleep(0.01)


class Failed(Exception):
    """The server said ERR."""

    def __init__(self, code, word, text):
        super().__init__("%s %s %s" % (code, word, text))
        self.code, self.word, self.text = code, word, text


WORD = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?|("(?:[^"\\]|\\.)*")')
ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def unquote(value):
    if value is None or not value.startswith('"'):
        return value
    raw = value[1:-1].encode("latin-1", "surrogateescape") if value.isascii() else value[1:-1].encode()
    out = re.sub(rb'\\(x[0-9a-fA-F]{2}|.)',
                 lambda m: bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" and len(m[1]) == 3
                 else ESCAPES[m[1].decode()].encode(), raw)
    return out.decode("utf-8", "surrogateescape")


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
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.events = []

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


class Daemon:
    """A supervisor below a temporary directory; `with` ends it and removes everything."""

    def __init__(self, directory=None, sanitized=True, arguments=(), log="debug"):
        self.made = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="poolinit-test.")
        self.config = os.path.join(self.directory, "config")
        self.run = os.path.join(self.directory, "run")
        self.path = os.path.join(self.run, "control")
        self.binary = binary(sanitized)
        self.arguments = list(arguments)
        self.log_level = log
        self.process = None
        os.makedirs(os.path.join(self.config, "storage", "autostart"), exist_ok=True)

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
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config, "--run", self.run, "--socket", self.path, "--log", self.log_level]
            + self.arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until("the socket answers", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("the supervisor ended with status %d:\n%s" % (self.process.returncode, self.messages()))
        try:
            Client(self.path).close()
            return True
        except (OSError, EOFError):
            return False

    def messages(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def client(self):
        return Client(self.path)

    def ask(self, request, payload=None):
        client = self.client()
        try:
            return client.ask(request, payload)
        finally:
            client.close()

    def pools(self):
        return {r["name"]: r for r in self.ask("pool-list --all")[0]}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """An orderly end. The exit status is returned: the sanitizers' findings are seen in it."""
        self.process.terminate()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the supervisor did not end after SIGTERM:\n" + self.messages())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.made:
            shutil.rmtree(self.directory, ignore_errors=True)


def main(cases):
    """Run the cases (functions); their names, with spaces for underlines, are what is printed."""
    bad = 0
    for case in cases:
        name = case.__name__.replace("_", " ")
        try:
            result = case()
            if isinstance(result, str):
                print("skip - %s: %s" % (name, result))
            else:
                print("ok - %s" % name)
        except Exception:
            bad += 1
            print("\n".join("# " + text for text in traceback.format_exc().splitlines()))
            print("not ok - %s" % name)
        sys.stdout.flush()
    sys.exit(1 if bad else 0)
