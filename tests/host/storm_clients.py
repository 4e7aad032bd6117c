# SPDX-License-Identifier: LGPL-2.1-or-later
"""The clients of tests/host/storm: honest ones that ask at random, hostile ones, and one that measures.

Each is a process of its own with the credentials of its level. It reports to the test through a pipe, one JSON object a line:
{"done": N}, {"bad": "what was wrong"}, {"worst": seconds}, {"away": seconds}.
"""
import array
import contextlib
import json
import os
import random
import select
import signal
import socket
import struct
import time

from supervisor import Client, Failed

CANARY = b"what-only-root-may-read"
LEVELS = {"read": 0, "operate": 1, "admin": 2}
GRACE = 15.0                    # seconds beyond its limit that an answer may take on a machine that is busy with this test
NO_TIMEOUT = 100.0              # what a request without a timeout= of its own may take
NOT_ASKED = {"shutdown", "quit"}
# What would destroy the test's own pools: asked for the scratch pools alone.
SCRATCH_ONLY = {"pool-define", "pool-define-as", "pool-create", "pool-create-as", "pool-undefine", "pool-delete", "pool-build"}


class Verbs:
    """The verb table, as the server tells it: a new verb takes part by itself."""

    def __init__(self, client):
        self.verbs = {}
        for name in client.ask("help --format=list")[1][0].decode().split():
            records = client.ask("help " + name)[0]
            arguments = [r for r in records if "argument" in r]
            payload = any("payload" in r for r in records)
            level = next(r["level"] for r in records if "verb" in r)
            self.verbs[name] = (level, arguments, payload)

    def names(self):
        return sorted(set(self.verbs) - NOT_ASKED)


class Asker:
    """Makes requests at random."""

    def __init__(self, verbs, rng, pools, scratch, where):
        self.verbs, self.rng, self.pools, self.scratch, self.where = verbs, rng, pools, scratch, where

    def volume(self):
        return "v%d" % self.rng.randrange(12)

    def word(self, name, verb):
        r = self.rng
        pool = r.choice(self.scratch) if verb in SCRATCH_ONLY else r.choice(self.pools + self.scratch + ["none"])
        fixed = {
            "pool": pool, "inputpool": r.choice(self.pools), "vol": self.volume(), "newname": self.volume(),
            "name": r.choice(self.scratch) if verb.startswith("pool-") else self.volume(),
            "what": self.volume(), "type": r.choice(["dir", "netfs", "logical"]), "target": self.where,
            "format": r.choice(["raw", "raw", "qcow2"]), "backing-vol": self.volume(), "backing-vol-format": "raw",
            "algorithm": "zero", "phase": r.choice(["active", "inactive", "failed,hung"]), "for": "boot",
            "secret": "00000000-1111-2222-3333-%012d" % r.randrange(3), "verb": "pool-list", "level": "info",
            "source-host": "127.0.0.1", "host": "127.0.0.1", "initiator": "iqn.2026-01.example:none",
        }
        return fixed.get(name, "x")

    def value(self, argument, verb):
        kind = argument["kind"]
        if kind == "number":
            return str(self.rng.randrange(50))
        if kind == "size":
            return self.rng.choice(["0", "1", "4k", "64k", "1M", "3M"])
        if kind == "duration":
            return "%dms" % self.rng.choice([200, 1000, 4000])
        return self.word(argument["argument"], verb)

    def payload(self, verb):
        name = self.rng.choice(self.scratch)
        if verb.startswith("secret-define"):
            return "<secret ephemeral='no' private='%s'><uuid>00000000-1111-2222-3333-%012d</uuid><usage type='volume'><volume>/x%d</volume></usage></secret>" % (
                self.rng.choice(["yes", "no"]), self.rng.randrange(3), self.rng.randrange(3))
        if verb.startswith("secret"):
            return "c2VjcmV0"
        if verb.startswith("vol-create"):
            return "<volume><name>%s</name><capacity>65536</capacity></volume>" % self.volume()
        if verb.startswith("vol"):
            return "x" * self.rng.choice([0, 1, 5000, 100000])
        if verb.startswith("find"):
            return "<source><host name='127.0.0.1'/></source>"
        return "<pool type='dir'><name>%s</name><target><path>%s/%s</path></target></pool>" % (name, self.where, name)

    def request(self):
        """(verb, line, payload or None, seconds within which it must be answered)"""
        r = self.rng
        verb = r.choice(self.verbs.names())
        _, arguments, takes_payload = self.verbs.verbs[verb]
        line, limit = verb, NO_TIMEOUT
        for a in arguments:
            name, kind = a["argument"], a["kind"]
            if kind in ("file", "data") or name in ("print-xml", "how"):
                continue
            if name in ("build", "overwrite", "no-overwrite") and verb not in SCRATCH_ONLY:
                continue
            if name == "timeout":
                ms = r.choice([300, 1000, 4000])
                line += " timeout=%dms" % ms
                limit = ms / 1000
            elif kind == "flag":
                line += " --" + name if r.random() < 0.15 else ""
            elif a["required"] == "yes" or name == "pool" or r.random() < 0.2:
                line += " %s=%s" % (name, self.value(a, verb))
        payload = self.payload(verb) if takes_payload or verb == "vol-upload" else None
        return verb, line, payload, limit + GRACE


def say(report, **what):
    os.write(report, json.dumps(what).encode()[:4000] + b"\n")


def become(uid, gids):
    os.setgroups(list(gids))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def spawn(world, body, uid=0, gids=()):
    """Run body(report) in a process of its own; (pid, the end of the pipe to read)."""
    mine, its = os.pipe()
    pid = os.fork()
    if pid:
        os.close(its)
        return pid, mine
    status = 1
    try:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        random.seed()
        if uid:
            become(uid, gids)
        body(its)
        status = 0
    except BaseException as why:        # noqa: B902: whatever it is, the test hears of it
        with contextlib.suppress(OSError):
            say(its, bad="%s of a client: %r" % (type(why).__name__, why))
    finally:
        os._exit(status)


def connect(path, seconds=30.0):
    """A connection with its greeting read, or None: the server had no place for this user."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return Client(path)
        except (OSError, EOFError, TimeoutError):
            select.select([], [], [], 0.05)
    return None


def receive_reply(client, limit):
    """The class of the answer ("ok" or an error's), and whether the canary was in it."""
    client.socket.settimeout(limit)
    try:
        _, payloads, _ = client.reply()
        return "ok", any(CANARY in p for p in payloads)
    except Failed as said:
        # Its worker was killed by this test: that is what it says, and as it should be.
        killed = said.word == "internal" and "signal 9" in said.text
        return "killed" if killed else said.word, CANARY.decode() in said.text


def honest(world, level, seed):
    """Asks and asks; every answer must come in its time, and be refused or not as the level says."""

    def body(report):
        rng = random.Random(seed)
        asker = Asker(world.verbs, rng, world.pools, world.scratch, world.where)
        done = 0
        while not world.is_over():
            client = connect(world.path)
            if client is None:
                say(report, bad="%s: no connection within 30 s" % level)
                return
            for _ in range(rng.randrange(1, 30)):
                if world.is_over():
                    break
                verb, line, payload, limit = asker.request()
                began = time.monotonic()
                try:
                    client.send(line, payload)
                    word, leaked = receive_reply(client, limit)
                except (TimeoutError, socket.timeout):
                    say(report, bad="%s: no answer to %r within %.1f s" % (level, line, time.monotonic() - began))
                    break
                except (EOFError, OSError) as why:
                    say(report, bad="%s: %r ended the connection: %s" % (level, line, why))
                    break
                done += 1
                if leaked and level != "admin":
                    say(report, bad="%s: %r showed what only root may read" % (level, line))
                if LEVELS[world.verbs.verbs[verb][0]] > LEVELS[level] and word not in ("denied", "unknown-verb", "invalid", "missing-argument"):
                    say(report, bad="%s: %r was answered %r" % (level, line, word))
                if word == "internal":
                    say(report, bad="%s: %r was answered with a fault of the program" % (level, line))
            with contextlib.suppress(OSError):
                client.close()
        say(report, done=done)

    return body


def waited_for_cpu(*pids):
    """Seconds that these processes were ready to run and had no processor, as the kernel counts them (Documentation/scheduler/sched-stats.rst)."""
    total = 0
    for pid in pids:
        with open("/proc/%s/schedstat" % pid, encoding="ascii") as f:
            total += int(f.read().split()[1])
    return total / 1e9


def pulse(world):
    """pool-list all the time, as root and before everybody else: the longest that the supervisor was away.

    A machine with too few processors makes everybody wait: what the supervisor and this client waited for one is told apart.
    """

    def body(report):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
        worst, away, done = 0.0, 0.0, 0
        while not world.is_over():
            waited, began = waited_for_cpu("self", world.pid), time.monotonic()
            client = Client(world.path)
            for _ in range(50):
                client.ask("pool-list --all")
                took = time.monotonic() - began
                now = waited_for_cpu("self", world.pid)
                worst, away = max(worst, took), max(away, took - (now - waited))
                done += 1
                select.select([], [], [], 0.01)
                waited, began = waited_for_cpu("self", world.pid), time.monotonic()
            client.close()
        say(report, done=done, worst=worst, away=away)

    return body


# ---- the hostile ones ----

def lingering():
    """A TCP connection whose close(2) waits: unsent bytes, SO_LINGER, and nobody who reads."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(8)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    s.connect(server.getsockname())
    s.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            s.send(b"x" * 65536)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
    return [s.detach(), server.detach()]


def descriptors(world, rng):
    """Some descriptors of some kind; all are to be closed."""
    def of(*names):
        fds = []
        for name, flags in names:
            with contextlib.suppress(OSError):
                fds.append(os.open(name, flags | os.O_NONBLOCK))
        return fds

    def pair(kind):
        a, b = socket.socketpair(socket.AF_UNIX, kind)
        return [a.detach(), b.detach()]

    kinds = [
        lingering,
        lambda: of(("/dev/null", os.O_RDWR), ("/dev/zero", os.O_RDONLY)),
        lambda: of(("/proc/self/stat", os.O_RDONLY), ("/proc/self/mem", os.O_RDONLY), ("/proc/%d/stat" % world.pid, os.O_RDONLY)),
        lambda: of(("/", os.O_PATH), ("/tmp", os.O_RDONLY | os.O_DIRECTORY)),
        lambda: of(("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)),
        lambda: of((os.path.join(world.mine, "v0"), os.O_RDWR)),
        lambda: list(os.pipe()),
        lambda: pair(socket.SOCK_DGRAM),
        lambda: pair(socket.SOCK_STREAM),
        lambda: pair(socket.SOCK_SEQPACKET),
        lambda: [os.memfd_create("m")],
        lambda: [select.epoll().fileno()],
        lambda: [os.eventfd(0)],
        lambda: [socket.create_server(("127.0.0.1", 0)).detach()],
    ]
    return rng.choice(kinds)()


def pass_descriptors(world, rng):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(3)
        s.connect(world.path)
        for _ in range(rng.randrange(1, 12)):
            fds = descriptors(world, rng)
            request = rng.choice([b"pool-list\n", b"vol-download v0 pool=mine timeout=1s\n", b"vol-upload v0 pool=mine timeout=1s\n", b"nonsense\n",
                                  b"wait pool=mem phase=failed timeout=1s\n", b"vol-up", b"\n", b"help format=markdown\n"])
            try:
                s.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds * rng.choice([1, 1, 1, 30])))])
            finally:
                for fd in fds:
                    with contextlib.suppress(OSError):
                        os.close(fd)
        if rng.random() < 0.5:
            s.recv(1 << 16)


def half_requests(world, rng):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        s.connect(world.path)
        s.sendall(rng.choice([b"pool-li", b"vol-create mine = 100\n<volume>", b"@x", b'pool-info "', b"\x00\n", b"\xff\xfe\n", b"x" * 5000,
                              b"vol-upload v0 pool=mine = 1000000\nabc", b"pool-list = 99999999999999999999\n"]))
        if rng.random() < 0.3:
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            s.recv(4096)


def many_connections(world, rng):
    held = []
    try:
        for _ in range(rng.choice([5, 40])):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            held.append(s)
            s.connect(world.path)
    finally:
        select.select([], [], [], rng.random() * 2)     # they stay for a while: that is the attack
        for s in held:
            s.close()


def never_reads(world, rng):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        s.connect(world.path)
        for _ in range(300):
            s.sendall(b"help format=markdown\nlog\n")


def swap(world, rng):
    """The owner of a pool's directory and of its parent changes what the names in it lead to, and asks for volumes meanwhile."""
    mine, secret = world.mine, world.secret
    action = rng.randrange(5)
    if action == 0:
        os.rename(mine, mine + ".aside")
        try:
            os.symlink(secret, mine)
            ask_volumes(world, rng)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(mine)
            os.rename(mine + ".aside", mine)
        return
    name = os.path.join(mine, "l%d" % rng.randrange(3))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    targets = [os.path.join(secret, "v0"), "/etc/shadow", os.path.join(world.hung, "file.img"), mine, "/dev/zero"]
    os.symlink(rng.choice(targets), name)
    if action == 2:
        os.rename(name, os.path.join(mine, "v1"))
    ask_volumes(world, rng)


def ask_volumes(world, rng):
    client = Client(world.path)
    try:
        for _ in range(6):
            volume = rng.choice(["v0", "v1", "v2", "l0", "l1", "l2"])
            client.socket.settimeout(10)
            request = rng.choice([
                "vol-download %s pool=mine timeout=2s", "vol-wipe %s pool=mine timeout=2s", "vol-info %s pool=mine", "vol-dumpxml %s pool=mine",
                "vol-resize %s 128k pool=mine timeout=2s", "vol-delete %s pool=mine timeout=2s", "vol-clone %s v9 pool=mine timeout=2s"]) % volume
            with contextlib.suppress(Failed):
                records, payloads, _ = client.ask(request)
                text = repr(records).encode() + b"".join(payloads)
                if CANARY in text or b"rootbacking" in text:
                    raise AssertionError("%s showed what only root may read" % request)
            with contextlib.suppress(Failed):
                client.ask("vol-upload %s pool=mine timeout=2s" % volume, b"overwritten")
            with contextlib.suppress(Failed):
                client.ask(rng.choice(["vol-create-as mine %s 64k timeout=2s" % volume, "pool-refresh mine timeout=2s"]))
    finally:
        client.close()


def hostile(world, seed, actions):
    def body(report):
        rng = random.Random(seed)
        done = 0
        while not world.is_over():
            try:
                rng.choice(actions)(world, rng)
            except (OSError, EOFError):     # turned away, cut off: as it should be
                select.select([], [], [], 0.02)
            done += 1
        say(report, done=done)

    return body
