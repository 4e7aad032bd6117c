# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private world for one test: its own network, mounts and processes.

    from sandbox import Sandbox, run

    def main(box):
        with box.case("two and two are four"):
            assert 2 + 2 == 4

    run(main)

run() goes on inside new network, mount and process namespaces, as their process 1, and calls main() with a
Sandbox. Everything a test makes lies below box.dir, on a tmpfs that only this mount namespace has;
every process it starts dies with process 1. So nothing is left behind, however the test ends, and tests that
use the same ports and names can run side by side. The user's umask, PATH, language and places for temporary files, and the machine's
/etc/hosts, do not get in: there are others in here, the same everywhere.

Results are lines as tests/run counts them: "ok - WHAT", "not ok - WHAT", "skip WHAT: WHY". A test that cannot run here
raises Skip.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

REPO = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "poolinit"

# How much more time everything gets than usual, for a machine that is busy.
PATIENTLY = float(os.environ.get("POOLINIT_TEST_PATIENCE", "1"))

SERVER = "192.168.77.1"  # servers listen here, on the test's own network
GUEST = "192.168.77.2"  # and a virtual machine is there
GUEST_MAC = "52:54:00:77:00:02"
# Nothing answers here, not even "unreachable": outside GUEST's subnet, and nobody forwards. What a packet filter
# that drops or a dead router looks like.
SILENT = "198.51.100.1"


class Skip(Exception):
    """This test cannot run here; the text says why."""


class Failure(AssertionError):
    """What a test wanted did not happen."""


def wait_until(what, condition, seconds=15.0, every=0.02):
    """Poll until condition() gives something true, and return that; the one way in which tests wait.

    what is for the message: "FAILED: no WHAT within N s". An exception from condition() ends the wait.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"no {what} within {seconds:g} s")
        time.sleep(every)


def open_files(pid):
    """What each descriptor of a process is open on: {number: what readlink(2) says}. One closed meanwhile is left out."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def need_programs(*names):
    """Skip the test unless these programs are installed."""
    missing = [name for name in names if not find_program(name)]
    if missing:
        raise Skip("not installed: " + ", ".join(missing) + " (tests/packages lists what to install)")


def find_program(name):
    """Its path, or None. /usr/sbin is looked through too: many a PATH lacks it."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


@contextlib.contextmanager
def hidden(*names):
    """These programs, as if they were not installed; those that are not anyway are left alone. Inside the sandbox only."""
    paths = [os.path.realpath(path) for path in map(find_program, names) if path]
    nothing = pathlib.Path("/run/test-hidden")
    nothing.touch(mode=0o600)
    for path in paths:
        command("mount", "--bind", nothing, path)
    try:
        yield
    finally:
        for path in paths:
            command("umount", path)


def command(*argv, check=True, timeout=60, **options):
    """Run a program to its end and return what it wrote; on failure the exception's text holds its messages."""
    argv = [str(a) for a in argv]
    path = find_program(argv[0])
    if not path:
        raise Failure(f"{argv[0]} is not installed")
    for _ in range(40):
        done = subprocess.run([path, *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, **options)
        # For LUKS it measures the CPU, and gives up by chance where the clock is coarse: that is no result.
        if argv[0] != "qemu-img" or "Unable to get accurate CPU usage" not in done.stderr:
            break
    if check and done.returncode:
        raise Failure(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Daemon:
    """A server in the foreground, as a child of the test, with its output in a file.

    Started when made. stop() asks with SIGTERM, then kills; suspend() and resume() make it hang and come back.
    """

    def __init__(self, box, name, argv, log=None, **options):
        self.box, self.name = box, name
        self.log = log or box.dir / f"{name}.log"
        path = find_program(argv[0])
        if not path:
            raise Skip(f"{argv[0]} is not installed (tests/packages lists what to install)")
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen([path, *map(str, argv[1:])], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, start_new_session=True, **options)
        box.on_failure(self.show)

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self, condition, seconds=15.0):
        """Poll until condition() is true; if the process ends first, that is the failure reported."""

        def ready():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with status {self.process.returncode} before it was ready:\n{self.tail()}")
            return condition()

        wait_until(f"ready {self.name}", ready, seconds)

    def _signal(self, number):
        # It leads a session of its own, so this reaches the processes it forked too, and nothing else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def suspend(self):
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def stop(self, seconds=3.0):
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()
        self._signal(signal.SIGKILL)  # children it did not take with it

    def tail(self, lines=15):
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def show(self):
        if self.tail():
            kept = shutil.copy(self.log, self.box.log_file(self.name))
            print(f"# what {self.name} had to say: {kept}")


class Sandbox:
    """What a test gets: box.dir for its files, box.logs for what should outlive it, box.case() for its results."""

    def __init__(self, name):
        self.name = name
        self.dir = pathlib.Path("/run/test")
        # The only place outside the sandbox that a test writes to.
        self.logs = pathlib.Path(os.environ.get("POOLINIT_TEST_LOGS") or REPO / "build" / "test-logs")
        self.failed = 0
        self._on_failure = []
        self._network = False

    def log_file(self, suffix):
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{self.name}-{suffix}.log"

    def on_failure(self, show):
        """Call show() when the test fails, while everything still runs: to print what helps to understand it."""
        self._on_failure.append(show)

    def directory(self, name):
        path = self.dir / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def case(self, what):
        """One line of the result. A failure inside is reported and the test goes on with what follows."""
        started = time.monotonic()
        try:
            yield
        except Skip as why:
            print(f"skip {what}: {why}", flush=True)
        except Exception as problem:
            self.fail(what, problem)
        else:
            print(f"ok - {what} ({time.monotonic() - started:.2f} s)", flush=True)

    def fail(self, what, problem):
        self.failed += 1
        print(f"not ok - {what}")
        # Where in the test, and what; how the library got there is of use only when the library is at fault.
        frames = traceback.extract_tb(problem.__traceback__)
        if isinstance(problem, AssertionError):
            frames = [f for f in frames if pathlib.Path(f.filename).name == pathlib.Path(sys.argv[0]).name] or frames
        text = "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(problem))
        print("".join(f"# {line}\n" for line in text.splitlines()), end="")
        for show in self._on_failure:
            with contextlib.suppress(Exception):
                show()
        self._on_failure.clear()  # once is enough
        sys.stdout.flush()

    def network(self):
        """Bring up the test's network: SERVER on this end of a cable whose other end a virtual machine gets."""
        if self._network:
            return
        if not os.path.exists("/dev/net/tun"):
            raise Skip("no /dev/net/tun")
        need_programs("ip")
        # The cable's name is fixed: there is no other in this namespace.
        command("ip", "tuntap", "add", "tap0", "mode", "tap")
        command("ip", "addr", "add", f"{SERVER}/24", "dev", "tap0")
        command("ip", "link", "set", "tap0", "up")
        self._network = True


def run(main, timeout=300, must=False):
    """Run main(Sandbox) in a private world of its own and exit with its result. must: a skip is a failure."""
    name = pathlib.Path(sys.argv[0]).name
    _enter(name, must)
    # As process 1 of its namespace it ignores every signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(int(timeout * PATIENTLY))
    box = Sandbox(name)
    try:
        command("mount", "-t", "proc", "proc", "/proc")
        command("mount", "-t", "tmpfs", "-o", "mode=755,size=25%", "tmpfs", "/run")      # several tests at once leave the machine some memory
        command("ip", "link", "set", "lo", "up")
        _settle()
        box.dir.mkdir()
        main(box)
    except Skip as why:
        print(f"skip {name}: {why}")
        box.failed += must
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as problem:
        box.fail(name, problem)
    sys.stdout.flush()
    # Without Python's own goodbyes: they would wait for threads whose command hangs in a machine.
    os._exit(1 if box.failed else 0)


def _enter(name, must):
    """Go on as process 1 of new namespaces; the process that was started stays outside, waits and passes the result on."""
    CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
    MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x4000, 0x40000, 1
    if os.geteuid() != 0:
        print(f"skip {name}: needs root, to make namespaces of its own")
        sys.exit(int(must))
    if not find_program("ip") or not find_program("mount"):
        print(f"skip {name}: needs ip (iproute2) and mount")
        sys.exit(int(must))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET):
        print(f"skip {name}: cannot make namespaces: {os.strerror(ctypes.get_errno())}")
        sys.exit(int(must))
    inside = os.fork()
    if inside:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: os.kill(inside, signal.SIGTERM))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
        status = os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1])
        os._exit(status if status >= 0 else 128 - status)
    # However the one outside ends, the kernel kills process 1, and with it everything in here.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


# As Debian's installer writes it.
HOSTS = """127.0.0.1 localhost
127.0.1.1 machine
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
"""


def _settle():
    """Put something of our own in the place of what differs between machines and users."""
    os.umask(0o022)
    for name in list(os.environ):
        if name.startswith(("LC_", "LANG", "LIBVIRT_", "VIRSH_", "LVM_", "QEMU_", "MAKE")) or name in (
                "BASH_ENV", "CDPATH", "EDITOR", "ENV", "GREP_OPTIONS", "MFLAGS", "PAGER", "POSIXLY_CORRECT", "TZ", "VISUAL"):
            del os.environ[name]
    os.environ.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", TMPDIR="/run/test-tmp")
    # What binds a function of a library when it is first called leaves the processor's registers on the stack, and with them what was copied
    # last, which may be a secret. The static program binds nothing, and the one of the sanitizers must not seem to leave traces.
    os.environ["LD_BIND_NOW"] = "1"
    os.mkdir(os.environ["TMPDIR"])
    os.chmod(os.environ["TMPDIR"], 0o1777)
    tempfile.tempdir = None  # asked anew
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    hosts = pathlib.Path("/run/test-hosts")
    hosts.write_text(HOSTS)
    if os.path.exists("/etc/hosts"):
        command("mount", "--bind", hosts, "/etc/hosts")


def _on_alarm(*_):
    raise Failure("the test's time is up")


def human_size(text):
    """'64M' -> 67108864"""
    number, unit = re.fullmatch(r"(\d+)([KMGT]?)", str(text)).groups()
    return int(number) << (10 * " KMGT".index(unit or " "))
