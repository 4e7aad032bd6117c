# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine that boots an image made by initramfs/mkimage, and the ways to talk to it.

    image = Image(box, config=directory)
    vm = Vm(box, image, disks=[images.ext4(box.dir / "a.img", label="DATA")], cmdline="poolinit.autostart=all")
    vm.console.wait(r"pools 3/3 active")
    print(vm.run("poolctl pool-list").out)
    vm.add_disk(images.ext4(box.dir / "b.img", label="LATE"))
    vm.run("poolctl shutdown", check=False)
    assert vm.wait_exit() == "guest-shutdown"

The machine sees the test's network as eth0 (sandbox.GUEST; servers are at sandbox.SERVER) and the disks as virtio
disks, in their order. It dies with the test.
"""

import base64
import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

from sandbox import CACHE, GUEST, GUEST_MAC, PATIENTLY, REPO, SERVER, Failure, Skip, command, find_program, need_programs, wait_until

# What QEMU emulates of an architecture: its program, what Debian calls the architecture, machine, CPU (where it is emulated), serial line.
# The plainest CPU is by far the fastest to emulate: with "max" the same boot takes two to three times as long, for the
# kernel then uses AVX, SMAP, pointer authentication and the like. RDRAND is the exception: without it the first processes wait
# a second each.
Board = collections.namedtuple("Board", "qemu debian machine cpu console")
BOARDS = {
    "x86_64": Board("qemu-system-x86_64", "amd64", "q35", "qemu64,+rdrand", "ttyS0"),
    "aarch64": Board("qemu-system-aarch64", "arm64", "virt,gic-version=max", "cortex-a57", "ttyAMA0"),
}
HOST = os.uname().machine
GUEST_SCRIPTS = REPO / "tests" / "lib" / "guest"
# How many seconds anything may take when nothing says otherwise. Far more than it does: an emulated machine on a busy host can
# be ten times slower than usual, and a test that passes never waits that long. POOLINIT_TEST_PATIENCE: so many times that.
PATIENCE = 180.0 * PATIENTLY

# An emulated CPU loses its timer now and then (QEMU 10, on a busy machine), and waits for it from then on. The kernel says so itself.
LOST_TIMER = r"rcu: .* kthread timer wakeup didn't happen"

PORTS = 4  # commands that a test can have running in the machine at the same time

# What poolinit and the rig tell eth0: the kernel's own syntax.
IP = f"ip={GUEST}::{SERVER}:255.255.255.0:poolinit:eth0:off"

# Nothing that a test looks at, but it saves some of the emulated boot. The check of the timer panics where the emulator gets no turn meanwhile.
QUICK = "mitigations=off cryptomgr.notests no_timer_check"
# For machines whose answers are timed: README ("Kernel command line") advises it. A kernel that gives up the processor only where it likes, such as
# Debian's 6.12, lets nobody run for up to 160 ms while one slow processor loads a module.
PREEMPT = "preempt=full"


# ---- kernel -------------------------------------------------------------------------------------------------

def unpacked(arch, package):
    """The directory of a package of another architecture, as deps/unpacked has left it: a test has no network to fetch it from."""
    directory = CACHE / f"debian-{BOARDS[arch].debian}" / package
    if not directory.is_dir():
        raise Skip(f"Debian's package {package} for {BOARDS[arch].debian} is not there (deps/unpacked {arch} {package} fetches it)")
    return directory


def kernel_version():
    """The newest kernel in /boot that has its modules, or the one POOLINIT_TEST_KERNEL names."""
    if os.environ.get("POOLINIT_TEST_KERNEL"):
        return os.environ["POOLINIT_TEST_KERNEL"]

    def numbers(version):
        return [int(n) for n in re.findall(r"\d+", version)]

    there = [p.name[len("vmlinuz-"):] for p in pathlib.Path("/boot").glob("vmlinuz-*")]
    there = [v for v in there if pathlib.Path("/lib/modules", v, "modules.dep").exists()]
    if not there:
        raise Skip(f"no kernel with modules in /boot and /lib/modules (Debian package linux-image-{BOARDS[HOST].debian})")
    return max(there, key=numbers)


def kernel_file(version):
    """The kernel for QEMU: unpacked, if it can be started that way, because an emulated CPU unpacks it for five seconds.

    Unpacked ones are kept in the cache directory.
    """
    packed = pathlib.Path("/boot") / f"vmlinuz-{version}"
    config = pathlib.Path("/boot") / f"config-{version}"
    if not config.exists() or "CONFIG_PVH=y" not in config.read_text():
        return packed
    stat = packed.stat()
    unpacked = CACHE / "test-kernel" / f"{version}-{stat.st_size}-{int(stat.st_mtime)}"
    if not unpacked.exists():
        data = packed.read_bytes()
        # The boot protocol's header: number of 512-byte set-up sectors, then offset and length of what is packed.
        start = (data[0x1F1] + 1) * 512 + int.from_bytes(data[0x248:0x24C], "little")
        payload = data[start:start + int.from_bytes(data[0x24C:0x250], "little")]
        kernel = _unpack(payload)
        if not kernel or kernel[:4] != b"\x7fELF":
            return packed
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=unpacked.parent, delete=False) as file:
            file.write(kernel)
        os.rename(file.name, unpacked)
        for old in unpacked.parent.iterdir():       # of kernels that have gone; one is 65 MB
            if time.time() - old.stat().st_mtime > 30 * 86400:
                old.unlink()
    with contextlib.suppress(OSError):
        os.utime(unpacked)
    return unpacked


def _unpack(data):
    # Behind the packed bytes stands their unpacked length, which the tools report as trailing garbage.
    import lzma
    import zlib
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(data)
    if data[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd" and find_program("zstd"):
        return subprocess.run(["zstd", "-dcq"], input=data[:-4], stdout=subprocess.PIPE, check=False).stdout
    return None


# ---- image --------------------------------------------------------------------------------------------------

def program(*names):
    """{destination: source} of dynamically linked programs of this machine with the libraries they need."""
    files = {}
    for name in names:
        path = find_program(name)
        if not path:
            raise Skip(f"{name} is not installed (tests/packages lists what to install)")
        files["/usr/sbin/" + pathlib.Path(name).name] = path
        for line in command("ldd", path, check=False).splitlines():
            found = re.search(r"(/\S+) \(0x", line)
            if found:
                files[found.group(1)] = os.path.realpath(found.group(1))
    return files


def stand_in(box, program, poolinit):
    """A copy of a program that says of pool types what poolinit does: mkimage reads that behind the program's own bytes as well."""
    table = re.findall(rb"backend:[a-z-]+:[^:\0]*:[^:\0]*:[^:\0]*", pathlib.Path(poolinit).read_bytes())
    copy = box.dir / "stand-in"
    copy.write_bytes(pathlib.Path(program).read_bytes() + b"\0".join([b"", *table, b""]))
    copy.chmod(0o755)
    return copy


class Image:
    """An initramfs for a test: mkimage's, with the agent and a busybox beside poolinit.

    config    directory that becomes /config, or {"storage/a.xml": text, ...}
    binary    the poolinit to test (default: $POOLINIT_TEST_BINARY or build/poolinit); None for a machine without one
    backends  the pool types whose modules are in it (default: all)
    files     {destination: source path} to add
    texts     {destination: text} to add
    packed    modules that are compressed in it, as they are in an image that was not made by mkimage
    tree      where that kernel's modules are, if not in /lib/modules: with more of them than the machine has
    options   further words for mkimage
    arch      what machine it is for; of another architecture than this machine's, kernel and busybox are those of deps/unpacked
    """

    def __init__(self, box, config=None, binary="", backends="", filesystems="ext4 xfs vfat iso9660",
                 drivers="virtio", modules=(), files=None, texts=None, name="image", packed=(), tree=None, options=(), arch=HOST):
        need_programs("depmod")
        self.arch = arch
        self.path = box.dir / f"{name}.initramfs"
        self.binary = default_binary(arch) if binary == "" else binary
        if arch == HOST:
            need_programs("busybox")
            self.version = kernel_version()
            self.kernel = kernel_file(self.version)
            busybox, options = find_program("busybox"), [f"--kernel={self.version}", *options]
        else:
            self.kernel = next((unpacked(arch, "kernel") / "boot").glob("vmlinuz-*"))
            self.version = self.kernel.name.partition("-")[2]
            busybox, options = unpacked(arch, "busybox-static") / "bin" / "busybox", [f"--arch={arch}", *options]

        root = box.dir / f"{name}.root"
        (root / "test").mkdir(parents=True)
        for script in ("agent", "first"):
            shutil.copy(GUEST_SCRIPTS / script, root / "test" / script)
        for destination, source in (files or {}).items():
            target = root / destination.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        for destination, text in (texts or {}).items():
            target = root / destination.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        if isinstance(config, dict):
            directory = box.dir / f"{name}.config"
            for destination, text in config.items():
                target = directory / destination
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text if isinstance(text, bytes) else text.encode())
            config = directory

        # Without a poolinit, busybox takes its place in the plan; /test/first is the first process then.
        binary = self.binary or stand_in(box, busybox, default_binary(arch))
        companions = {name: companion(name, arch) for name in ("iscsid", "iscsiadm") if not backends or "iscsi" in backends.split()}
        if not self.binary:
            companions = {name: path or busybox for name, path in companions.items()}
        options += [f"--{name}={path}" for name, path in companions.items() if path]
        options += [f"--config={config}"] if config else []
        options += [f"--modules={tree}"] if tree else []
        options += [f"--add-module={module}" for module in modules]
        # Not packed: an emulated CPU is slower at unpacking than at anything that packing would save.
        self.report = command(REPO / "initramfs" / "mkimage", "--binary", binary,
                              "--busybox", busybox, "--backends", backends, "--filesystems", filesystems, "--drivers", drivers,
                              "--add-file", f"{root}:/", "--compress", "none", "--output", self.path, *options, timeout=PATIENCE)
        if packed:
            self._pack(box.directory(f"{name}.packed"), packed)

    def _pack(self, root, names):
        """A second archive behind the first one, which the kernel unpacks over it: these modules as .ko.xz, and an index that says so."""
        need_programs("cpio", "xz")
        with self.path.open("rb") as archive:
            subprocess.run(["cpio", "-idm", "--quiet", "lib/modules/*"], cwd=root, stdin=archive, check=True)
        wanted = {name.replace("_", "-") for name in names}
        for module in [m for m in root.rglob("*.ko") if m.stem.replace("_", "-") in wanted]:
            command("xz", "--check=crc32", "--lzma2=dict=1MiB", module)  # as the kernel's own makefiles have it
            wanted.remove(module.stem.replace("_", "-"))
        assert not wanted, f"the image has no {wanted}"
        command("depmod", "-b", root, self.version)
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix in (".xz", ".bin", ".dep"))
        done = subprocess.run(["cpio", "-o", "--quiet", "-H", "newc", "-R", "0:0"], cwd=root, input="\n".join(names).encode(), stdout=subprocess.PIPE, check=True)
        with self.path.open("ab") as archive:
            archive.write(b"\0" * (-archive.tell() % 4) + done.stdout)

    def unpacks_modules(self):
        """Does the kernel unpack modules that xz has compressed?"""
        config = pathlib.Path("/boot") / f"config-{self.version}"
        text = config.read_text() if config.exists() else ""
        return "CONFIG_MODULE_DECOMPRESS=y" in text and "CONFIG_MODULE_COMPRESS_XZ=y" in text


class Firmware:
    """UEFI, which starts what the machine's first disk has as EFI/BOOT/BOOTX64.EFI, with that program's own command line."""

    arch = "x86_64"
    parts = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")

    def __init__(self, version):
        if HOST != self.arch or not all(map(os.path.exists, self.parts)):
            raise Skip("no firmware for this machine's architecture (Debian package ovmf)")
        self.binary, self.kernel = default_binary(), kernel_file(version)

    def words(self, directory):
        variables = shutil.copy(self.parts[1], directory / "variables")
        return ["-drive", f"if=pflash,format=raw,readonly=on,file={self.parts[0]}", "-drive", f"if=pflash,format=raw,file={variables}"]


def default_binary(arch=HOST):
    """The poolinit under test, or None if it is not built."""
    path = REPO / "build" / arch / "poolinit"
    if arch == HOST:
        path = pathlib.Path(os.environ.get("POOLINIT_TEST_BINARY") or REPO / "build" / "poolinit")
    return path if path.exists() else None


def companion(name, arch=HOST):
    """The static iscsid or iscsiadm that goes into the image with the binary: beside it, as make leaves them."""
    binary = default_binary(arch)
    if binary and (binary.parent / name).exists():
        return binary.parent / name
    return None


# ---- accelerator --------------------------------------------------------------------------------------------

def accelerator(kernel):
    """"kvm" where it works, else "tcg". A /dev/kvm may be there and yet never run a guest, so one is tried: five seconds,
    once per boot of this machine. POOLINIT_TEST_ACCEL overrides."""
    if os.environ.get("POOLINIT_TEST_ACCEL"):
        return os.environ["POOLINIT_TEST_ACCEL"]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    note = CACHE / "test-kvm"
    here = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        boot, answer = note.read_text().split()
        if boot == here:
            return answer
    answer = "tcg"
    with contextlib.suppress(subprocess.TimeoutExpired):
        # With no root filesystem it panics and, with panic=-1, restarts at once: that it gets there is the proof.
        done = subprocess.run([find_program(BOARDS[HOST].qemu), *_machine(HOST, "kvm"), "-m", "256", "-serial", "stdio",
                               "-kernel", kernel, "-append", f"console={BOARDS[HOST].console} panic=-1"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=5, check=False)
        if b"Kernel panic" in done.stdout:
            answer = "kvm"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{here} {answer}\n")
    return answer


def _machine(arch, accel, steady=False, random=True):
    board = BOARDS[arch]
    cpu = "host" if accel == "kvm" else board.cpu if random else board.cpu.split(",")[0]
    # One CPU: counting instructions does not go together with several.
    clock = ["-smp", "1", "-icount", "shift=0,sleep=off" if steady == "jumps" else "shift=0"] if steady else ["-smp", "2"]
    return ["-machine", f"{board.machine},accel={accel}", "-cpu", cpu, *clock, "-nodefaults", "-display", "none", "-no-reboot"]


# ---- machine ------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Result:
    """What came of a command in the machine."""
    status: int
    out: str
    err: str


class Vm:
    """A running machine.

    disks     image files, in the order in which they become vda, vdb, ...
    cmdline   what the kernel command line has besides console and the like
    mode      "poolinit": poolinit is process 1 and starts the agent when boot is done;
              "early": the agent is there from the beginning; "bare": no poolinit. Default: poolinit, if the image has one
    quiet     True: only warnings go to the console. Default: without poolinit, whose log goes where the kernel's goes
    network   False: no network card
    steady    True: the machine's clock counts its instructions, one a nanosecond, so that times measured inside are those of a
              machine with one slow CPU, and the same to a few per cent however busy the host is; for tests of speed.
              Such a machine is always emulated, and takes two to three times as long. "jumps": when it is idle its clock goes on to the
              next thing that it waits for, at once; what is outside, servers and the test, is slow to it then
    random    False: nothing in it makes random numbers, so that the kernel has none for its first seconds
    """

    def __init__(self, box, image, disks=(), cmdline="", mode="", memory=384, quiet=None, network=True, agent=True,
                 steady=False, random=True, name="vm", devices=()):
        """devices: further words for QEMU's command line, for disks of other kinds."""
        board = BOARDS[image.arch]
        need_programs(board.qemu)
        self.box, self.image, self.name = box, image, name
        mode = mode or ("poolinit" if image.binary else "bare")
        self.directory = box.directory(name)
        self.log = box.log_file(name)
        accel = "tcg" if steady or not random or image.arch != HOST else accelerator(image.kernel)

        if quiet is None:
            quiet = mode == "bare"
        words = [f"console={board.console}", "panic=-1", QUICK] + (["quiet"] if quiet else [])
        if mode != "poolinit":
            words += ["rdinit=/test/first", f"test.mode={mode}"]
        elif agent:
            words += ["poolinit.exec=/test/agent"]
        if mode == "bare" and network:
            words += [f"test.address={GUEST}/24"]
        self.cmdline = " ".join(words + [cmdline]).strip()
        if len(self.cmdline) > 2047:
            raise Failure(f"the command line has {len(self.cmdline)} bytes; the kernel takes 2047")

        if isinstance(image, Firmware):
            boots = image.words(self.directory)
        else:
            boots = ["-kernel", image.kernel, "-initrd", image.path, "-append", self.cmdline]
        argv = [find_program(board.qemu), *_machine(image.arch, accel, steady, random), "-m", str(memory), *boots,
                *(["-device", "virtio-rng-pci"] if random else []),
                "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
                "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
                "-device", f"virtio-serial-pci,max_ports={PORTS + 1}"]
        for number in range(PORTS):
            argv += ["-chardev", f"socket,id=agent{number},path={self.directory}/agent{number},server=on,wait=off",
                     "-device", f"virtserialport,chardev=agent{number},name=poolinit.test.{number}"]
        if network:
            box.network()
            argv += ["-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no",
                     "-device", f"virtio-net-pci,id=nic,netdev=net,mac={GUEST_MAC},romfile="]
        self._disks, self._again = 0, False
        for path in disks:
            argv += ["-drive", f"if=none,id=disk{self._disks},file={path},format=raw,cache=writeback",
                     "-device", f"virtio-blk-pci,drive=disk{self._disks},serial=disk{self._disks}"]
            self._disks += 1
        # What is plugged in later needs a slot of its own.
        self._free_slots = [f"slot{number}" for number in range(6)]
        for number, slot in enumerate(self._free_slots):
            argv += ["-device", f"pcie-root-port,id={slot},chassis={number + 1},slot={number + 1}"]

        self._argv = [str(a) for a in (*argv, *devices)]
        box.on_failure(self.show)
        self._switch_on()

    def _switch_on(self):
        self.started = time.monotonic()
        self.process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.console = Console(self)
        self.monitor = Monitor(self)
        # Now, before the guest opens them: a port whose host side is not connected reads as ended.
        self._agents = [Agent(self, number) for number in range(PORTS)]
        self._idle = list(self._agents)
        self._idle_changed = threading.Condition()
        self._workers = concurrent.futures.ThreadPoolExecutor(PORTS)

    # -- inside the machine --

    def wait_agent(self, seconds=PATIENCE):
        """Until commands can run in the machine; returns the seconds since power-on."""
        deadline = time.monotonic() + seconds
        while not self._agents[0].has_said_something(1) and time.monotonic() < deadline:
            if self.console.find(LOST_TIMER) and not self.console.find("poolinit: ") and not self._again:
                self._switch_on_again()
                deadline = time.monotonic() + seconds
        for agent in self._agents:
            agent.wait_ready(seconds)
        return time.monotonic() - self.started

    def _switch_on_again(self):
        """Once, and only where no program of ours has begun: it is as if nothing had been."""
        self._again = True
        print(f"# the emulator has lost a timer of {self.name}, whose kernel hangs: off and on before its first program", flush=True)
        self.kill()
        self._switch_on()

    def run(self, shell_command, check=True, seconds=PATIENCE):
        """Run a command in the machine's shell and return its Result. May be called from several threads."""
        result = self._with_agent(lambda agent: agent.run(shell_command, seconds), seconds)
        if check and result.status:
            raise Failure(f"in the machine: {shell_command}: status {result.status}\n{result.out}{result.err}")
        return result

    def begin(self, shell_command, seconds=PATIENCE):
        """Start a command and go on; returns a Future, whose result() waits for the command's Result."""
        return self._workers.submit(self.run, shell_command, False, seconds)

    def wait(self, what, shell_command, seconds=PATIENCE):
        """Repeat a command until it succeeds; returns its Result."""
        last = None

        def succeeded():
            nonlocal last
            last = self.run(shell_command, check=False)
            return last.status == 0

        try:
            # Not as often as on the host: each look is work for the machine, which the test may be measuring.
            wait_until(what, succeeded, seconds, every=0.2)
        except Failure as failure:
            raise Failure(f"{failure}; the machine's last answer to {shell_command}: {last}") from None
        return last

    def copy(self, source, destination, mode=0o644, seconds=PATIENCE):
        """Put a file (a path, or bytes) into the machine."""
        data = source if isinstance(source, bytes) else pathlib.Path(source).read_bytes()
        result = self._with_agent(lambda agent: agent.put(data, destination, mode, seconds), seconds)
        if result.status:
            raise Failure(f"cannot write {destination} in the machine: {result.err}")

    def _with_agent(self, work, seconds):
        with self._idle_changed:
            if not self._idle_changed.wait_for(lambda: self._idle, seconds):
                raise Failure(f"all {PORTS} agents in the machine are busy")
            agent = self._idle.pop()
        # An agent whose command did not end in time is not used again: it may be stuck for good.
        result = work(agent)
        with self._idle_changed:
            self._idle.append(agent)
            self._idle_changed.notify()
        return result

    # -- around the machine --

    def add_disk(self, path, serial=None):
        """Plug a disk in while the machine runs; returns its id for remove_disk()."""
        identity = f"disk{self._disks}"
        self._disks += 1
        slot = self._free_slots.pop(0)
        self.monitor.command("blockdev-add", **{"node-name": identity, "driver": "raw",
                                                "file": {"driver": "file", "filename": str(path)}})
        self.monitor.command("device_add", driver="virtio-blk-pci", id=identity + "-device", drive=identity, bus=slot,
                             serial=serial or identity)
        return identity

    def remove_disk(self, identity):
        """Ask the machine to let go of a disk that was plugged in."""
        self.monitor.command("device_del", id=identity + "-device")

    def link(self, up):
        """Pull out the network cable, or put it back."""
        self.monitor.command("set_link", name="nic", up=up)

    def power_button(self):
        self.monitor.command("system_powerdown")

    def power_off(self, shell_command="/sbin/poolctl shutdown", seconds=PATIENCE):
        """Run the command that ends the machine, which may or may not answer; returns why the machine went off."""
        with contextlib.suppress(Failure):
            self.run(shell_command, check=False, seconds=seconds)
        return self.wait_exit(seconds)

    def wait_exit(self, seconds=PATIENCE):
        """Until the machine is off; returns why: "guest-shutdown", "guest-reset", "guest-panic", ..."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"the machine was still on after {seconds:g} s") from None
        self.console.finish()
        return self.monitor.exit_reason()

    def kill(self):
        """Pull the power cord."""
        self.process.kill()
        self.process.wait()
        self.console.finish()

    def show(self):
        print(f"# ---- console of {self.name}, all of it in {self.log} ----\n{self.console.tail(40)}")


class Console:
    """Everything that the machine writes to its serial line, with the seconds since power-on before each line."""

    def __init__(self, vm):
        self._vm = vm
        self._text = ""
        self.raw = bytearray()  # as it came
        self.lines = []  # (seconds, text)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        partial = b""
        with open(self._vm.log, "w", encoding="utf-8") as log:
            while data := self._vm.process.stdout.read1(4096):
                now = time.monotonic() - self._vm.started
                *lines, partial = (partial + data).split(b"\n")
                with self._changed:
                    self.raw += data
                    for line in lines:
                        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line.decode(errors="replace"))
                        self.lines.append((now, text))
                        print(f"[{now:8.3f}] {text}", file=log, flush=True)
                    self._text = partial.decode(errors="replace")
                    self._changed.notify_all()
            with self._changed:
                if self._text:
                    self.lines.append((time.monotonic() - self._vm.started, self._text))
                    print(self._text, file=log)
                self._text = ""
                self._changed.notify_all()

    def find(self, pattern):
        """(seconds, match) of the first line that has it, or None. A prompt without line end counts too."""
        for seconds, text in [*self.lines, (time.monotonic() - self._vm.started, self._text)]:
            if match := re.search(pattern, text):
                return seconds, match
        return None

    def wait(self, pattern, seconds=PATIENCE):
        """Until a line has it: (seconds since power-on, match)."""
        found = None

        def seen():
            nonlocal found
            found = self.find(pattern)
            return found or not self._thread.is_alive()

        with self._changed:
            self._changed.wait_for(seen, seconds)
        if not found:
            ended = "" if self._thread.is_alive() else ", and the machine has ended"
            raise Failure(f"the console did not show /{pattern}/ within {seconds:g} s{ended}")
        return found

    def type(self, text):
        self._vm.process.stdin.write(text.encode())
        self._vm.process.stdin.flush()

    def finish(self):
        self._thread.join(5)

    def tail(self, count):
        with self._changed:
            lines = [f"[{seconds:8.3f}] {text}" for seconds, text in self.lines[-count:]]
            return "\n".join(lines + ([self._text] if self._text else []))


class _Link:
    """A connection to one of QEMU's sockets."""

    def __init__(self, vm, name):
        self._vm = vm
        path = f"{vm.directory}/{name}"
        self._socket = socket.socket(socket.AF_UNIX)

        def connected():
            if vm.process.poll() is not None:
                vm.console.finish()
                raise Failure("QEMU ended at once:\n" + vm.console.tail(10))
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self._socket.connect(path)
                return True
            return False

        wait_until(f"connection to QEMU's socket {name}", connected, 15)
        self._stream = self._socket.makefile("rwb")


class Monitor(_Link):
    """QEMU's machine protocol: monitor.command("device_add", driver=…), monitor.wait_event("SHUTDOWN")."""

    def __init__(self, vm):
        super().__init__(vm, "qmp")
        self.events = []
        self._receive()  # its greeting
        self.command("qmp_capabilities")

    def _receive(self, seconds=60.0):
        self._socket.settimeout(seconds)
        line = self._stream.readline()
        if not line:
            raise Failure("QEMU closed its monitor")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def command(self, name, /, **arguments):
        self._stream.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self._stream.flush()
        while True:
            message = self._receive()
            if "error" in message:
                raise Failure(f"QEMU: {name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def wait_event(self, name, seconds=15.0):
        deadline = time.monotonic() + seconds
        while not (found := [e for e in self.events if e["event"] == name]):
            try:
                self._receive(max(0.01, deadline - time.monotonic()))
            except TimeoutError:
                raise Failure(f"no event {name} from QEMU within {seconds:g} s") from None
        return found[-1]

    def exit_reason(self):
        with contextlib.suppress(Failure, OSError):
            return self.wait_event("SHUTDOWN", 2)["data"]["reason"]
        return "unknown"


class Agent(_Link):
    """The host's half of tests/lib/guest/agent."""

    def __init__(self, vm, number):
        super().__init__(vm, f"agent{number}")
        self._number = number
        self._ready = False
        self._looking = threading.Lock()  # it says so once: of two threads that wait for that, one would wait for ever
        self._count = 0

    def _line(self, deadline, what):
        self._socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            line = self._stream.readline()
        except TimeoutError:
            raise Failure(f"no answer from the machine in time to: {what}") from None
        if not line:
            raise Failure(f"the machine ended before it answered: {what}")
        return line.decode(errors="replace").split()

    def has_said_something(self, seconds):
        return self._ready or bool(select.select([self._socket], [], [], seconds)[0])

    def wait_ready(self, seconds):
        with self._looking:
            if not self._ready:
                self._line(time.monotonic() + seconds, "is the agent up?")
                self._ready = True

    def run(self, shell_command, seconds):
        encoded = base64.b64encode(shell_command.encode()).decode()
        return self._request(f"run {int(seconds) + 1} {encoded}", b"", shell_command, seconds)

    def put(self, data, destination, mode, seconds):
        encoded = base64.b64encode(destination.encode()).decode()
        return self._request(f"put {mode:o} {len(data)} {encoded}", data, f"write {destination}", seconds)

    def _request(self, line, data, what, seconds):
        deadline = time.monotonic() + seconds
        self.wait_ready(seconds)
        self._count += 1
        self._stream.write(f"{self._count} {line}\n".encode() + data)
        self._stream.flush()
        while True:
            number, status, out, err = map(int, self._line(deadline, what))
            texts = [self._stream.read(size).decode(errors="replace") for size in (out, err)]
            if number == self._count:
                return Result(status, *texts)


def interact(vm):
    """Keys to the machine, its console to the terminal, until it is off."""
    shown = 0
    terminal = sys.stdin.isatty()
    before = termios.tcgetattr(0) if terminal else None
    try:
        if terminal:
            tty.setraw(0)
        while vm.process.poll() is None:
            fresh = vm.console.raw[shown:]
            shown += len(fresh)
            os.write(1, fresh)
            if select.select([0], [], [], 0.02)[0]:
                keys = os.read(0, 1024)
                if not keys:
                    break
                vm.console.type(keys.decode(errors="replace"))
    finally:
        if terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    vm.console.finish()
    os.write(1, vm.console.raw[shown:])
