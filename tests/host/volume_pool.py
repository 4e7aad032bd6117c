# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pool of file volumes for tests: its operations through backend-op, and what its directory looks like."""

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import images
from sandbox import REPO, Failure, command, need_programs

OP = os.environ.get("POOLINIT_BACKEND_OP") or str(REPO / "build" / "san" / "host" / "backend-op")
MIB = 1 << 20
PREALLOC_METADATA, REFLINK = 1, 2
ALLOCATE, SHRINK = 1, 2


class Answer:
    """What an operation reported: its final word, and its records as text."""

    def __init__(self, text, status):
        self.text, self.status = text, status
        self.ok = bool(re.search(r"^OK$", text, re.M)) and status == 0
        error = re.search(r'^ERR (\d+) (\S+) "(.*)"', text, re.M)
        self.word = error[2] if error else ""
        self.message = error[3].replace('\\"', '"') if error else ""
        if not self.ok and not error:
            raise Failure(f"backend-op ended with status {status}:\n{text}")

    def number(self, key):
        return int(re.search(rf"\b{key}=(\d+)", self.text)[1])


def op(*argv, stdin=subprocess.DEVNULL, stdout=None, prefix=(), traced=False):
    """Run backend-op; with stdout, that is the program's, and its records come by another descriptor. traced: prefix is a tracer."""
    read, write = os.pipe()
    argv = [*map(str, prefix), OP, *map(str, argv), f"report={write}"]
    if not any(word.startswith("timeout=") for word in argv):
        argv.append("timeout=110000")  # a key is derived in seconds of a processor, which a busy machine may take long to give
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"} if traced else None  # leaks are looked for by tracing itself
    done = subprocess.run(argv, stdin=stdin, stdout=stdout or subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120, pass_fds=(write,), env=env)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    if done.stderr:
        raise Failure(f"backend-op {argv}: status {done.returncode}\n{text}{done.stderr.decode()}")
    return Answer(text, done.returncode)


def volume_xml(name, capacity=None, allocation=0, format=None, target="", backing=None, backing_format=None):
    """A volume document. allocation None: left out."""
    return (f"<volume><name>{name}</name>" + (f"<capacity>{capacity}</capacity>" if capacity is not None else "")
            + (f"<allocation>{allocation}</allocation>" if allocation is not None else "")
            + "<target>" + (f"<format type='{format}'/>" if format else "") + target + "</target>"
            + (f"<backingStore><path>{backing}</path>" + (f"<format type='{backing_format}'/>" if backing_format else "") + "</backingStore>"
               if backing else "") + "</volume>")


class Pool:
    """A pool over a directory. Operations answer; does_ and fails_ assert as well."""

    def __init__(self, box, name, target, type="dir", source=""):
        self.box, self.name, self.target = box, name, pathlib.Path(target)
        self.target.mkdir(parents=True, exist_ok=True)
        self.file = box.directory("pools") / f"{name}.xml"
        self.file.write_text(f"<pool type='{type}'><name>{name}</name>{source}<target><path>{self.target}</path></target></pool>")
        self.secrets = None

    def __truediv__(self, name):
        return self.target / name

    def op(self, verb, *more, **options):
        if self.secrets:
            more = (*more, f"secrets={self.secrets}")
        return op(self.file, verb, *more, **options)

    def document(self, xml):
        path = self.box.directory("documents") / f"{self.name}.xml"
        path.write_text(xml)
        return path

    def create(self, name, *args, flags=0, source=None, frompool=None, options=None, **kwargs):
        """vol-create, or vol-create-from with source; arguments as volume_xml()'s."""
        more = [f"flags={flags}"] + ([f"from={source}"] if source else []) + ([f"frompool={frompool.file}"] if frompool else [])
        return self.op("vol-create", self.document(volume_xml(name, *args, **kwargs)), *more, **(options or {}))

    def does(self, answer):
        assert answer.ok, answer.text
        return answer

    def fails(self, answer, word, *texts):
        """It failed with that class and those words, and left nothing behind."""
        assert not answer.ok, f"it went well:\n{answer.text}"
        assert answer.word == word, f"class {answer.word}, not {word}: {answer.text}"
        for text in texts:
            assert text in answer.message, f"{text!r} is not in {answer.message!r}"
        self.no_leftovers()
        return answer

    def names(self):
        return sorted(os.listdir(self.target))

    def no_leftovers(self):
        left = [n for n in self.names() if n.startswith(".")]
        assert not left, f"left behind: {left}"

    @contextlib.contextmanager
    def unchanged(self):
        """What is inside leaves the pool's directory as it was."""
        before = self.state()
        yield
        after = self.state()
        assert before == after, f"changed: {sorted(set(before.items()) ^ set(after.items()))}"

    def state(self):
        """Every entry with what it is and holds."""
        out = {}
        for entry in os.scandir(self.target):
            st = entry.stat(follow_symlinks=False)
            content = digest(entry.path) if entry.is_file(follow_symlinks=False) else os.readlink(entry.path) if entry.is_symlink() else ""
            out[entry.name] = (st.st_mode, st.st_uid, st.st_gid, st.st_size if entry.is_file(follow_symlinks=False) else 0, content)
        return out


def digest(path):
    hash = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            hash.update(chunk)
    return hash.hexdigest()


def allocated(path):
    return os.stat(path).st_blocks * 512


def segments(path):
    """The data segments of a file: [(start, end)]."""
    out, at = [], 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            out.append((start, at))
    return out


def sparse_file(path, size=64 * MIB):
    """Data in three places, holes between: the first megabyte, one in the middle, the last."""
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (0, size // 2, size - MIB):
            file.seek(at)
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())
    return path


def check_image(path, format):
    """qemu-img finds nothing wrong; leaks count as wrong here."""
    command("qemu-img", "check", "-f", format, path)


@contextlib.contextmanager
def mounted(image, target, options="loop"):
    target.mkdir(parents=True, exist_ok=True)
    command("mount", "-o", options, image, target)
    try:
        yield target
    finally:
        command("umount", target)


def make_filesystem(kind, path, size):
    """A filesystem image of that kind."""
    if kind == "btrfs":
        need_programs("mkfs.btrfs")
        images.blank(path, size)
        command("mkfs.btrfs", "-q", path)
    else:
        getattr(images, kind)(path, size)
    return path


@contextlib.contextmanager
def filesystem(box, kind, size="300M"):
    """A directory on a filesystem of that kind, by its own mount."""
    target = box.directory(f"on-{kind}-{size}")
    if kind == "tmpfs":
        command("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", target)
        try:
            yield target
        finally:
            command("umount", target)
        return
    path = box.dir / f"{kind}-{size}.img"
    with mounted(make_filesystem(kind, path, size), target):
        yield target
    path.unlink()
