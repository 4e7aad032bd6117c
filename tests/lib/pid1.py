# SPDX-License-Identifier: LGPL-2.1-or-later
"""poolinit as process 1 of namespaces of its own: a small root on a tmpfs, a private /proc with a command line of the test's choice.

reboot(2) in a PID namespace ends that namespace; its parent sees the kernel's word for it: killed by SIGINT for power off and halt,
by SIGHUP for reboot.
"""
import os
import pty
import shutil
import signal
import subprocess

from sandbox import Failure, command, wait_until
from supervisor import Client, DEADLINE, binary

POWEROFF = HALT = -signal.SIGINT
REBOOT = -signal.SIGHUP

# Becomes poolinit by exec, so that poolinit is process 1.
PREPARE = """
set -e
mount -t proc proc "$1/proc"
mount --bind "$1/cmdline" "$1/proc/cmdline"
exec chroot "$1" /init
"""


class Machine:
    """One such init. Everything in it dies with the test's sandbox."""

    def __init__(self, box, name, cmdline="", sanitized=True, console=False):
        self.root = str(box.directory(name))
        self.cmdline = cmdline
        self.log_path = os.path.join(str(box.dir), name + ".log")
        self.process = self.pid = None
        self.console = None
        self._shown = bytearray()
        self._make_root(binary(sanitized))
        if console:
            self._make_console()
        box.on_failure(lambda: print("# ---- the log of %s ----\n%s" % (name, self.messages()[-4000:])))

    def _make_root(self, program):
        command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.root)
        for name in ("proc", "sys", "dev", "etc", "config/storage/autostart", "pools", "mnt", "marks"):
            os.makedirs(self.path(name))
        for name in ("usr", "lib", "lib64", "bin", "sbin"):
            if os.path.islink("/" + name):
                os.symlink(os.readlink("/" + name), self.path(name))
            elif os.path.isdir("/" + name):
                os.makedirs(self.path(name))
                command("mount", "--rbind", "/" + name, self.path(name))
        command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.path("dev"))
        for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("urandom", 1, 9)):
            os.mknod(self.path("dev/" + name), 0o20666, os.makedev(major, minor))
        shutil.copy2(program, self.path("init"))

    def _make_console(self):
        self.console, slave = pty.openpty()
        name = os.ttyname(slave)
        open(self.path("dev/console"), "w", encoding="utf-8").close()
        command("mount", "--bind", name, self.path("dev/console"))
        os.set_blocking(self.console, False)

    def path(self, name):
        return os.path.join(self.root, name)

    def inside(self, name):
        """A path as the machine sees it, with what it has mounted itself."""
        return "/proc/%d/root/%s" % (self.pid, name)

    def dir_pool(self, name, autostart=True, make=True, extra=""):
        if make:
            os.makedirs(self.path("pools/" + name))
        with open(self.path("config/storage/%s.xml" % name), "w", encoding="utf-8") as out:
            out.write("<pool type='dir'><name>%s</name>%s<target><path>/pools/%s</path></target></pool>" % (name, extra, name))
        if autostart:
            open(self.path("config/storage/autostart/%s.xml" % name), "w", encoding="utf-8").close()

    def script(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + text)
        os.chmod(self.path(name), 0o755)
        return "/" + name

    def start(self, answers=True):
        with open(self.path("cmdline"), "w", encoding="utf-8") as out:
            out.write(self.cmdline + "\n")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount", "--net", "--uts", "--kill-child", "sh", "-c", PREPARE, "sh", self.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.pid = wait_until("process 1", self._find_pid, DEADLINE)
        if answers:
            wait_until("answer on the socket", self._answers, DEADLINE)
        return self

    def _find_pid(self):
        if self.process.poll() is not None:
            raise Failure("it ended with %s:\n%s" % (self.process.returncode, self.messages()))
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as children:
            pids = children.read().split()
        return int(pids[0]) if pids else None

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure("it ended with %s:\n%s" % (self.process.returncode, self.messages()))
        try:
            Client(self.inside("run/poolinit/control")).close()
            return True
        except (OSError, EOFError):
            return False

    def ask(self, request):
        client = Client(self.inside("run/poolinit/control"))
        try:
            return client.ask(request)
        finally:
            client.close()

    def state(self):
        return self.ask("status")[2]["state"]

    def problems(self):
        return [r["text"] for r in self.ask("status")[0] if r["kind"] == "problem"]

    def wait_boot(self, seconds=60):
        return self.ask("wait boot timeout=%ds" % seconds)[2]["state"]

    def run(self, *argv):
        """A program inside, started from outside: what it leaves behind becomes process 1's."""
        # Not captured: what stays behind would keep the pipe open.
        subprocess.run(["nsenter", "--target", str(self.pid), "--pid", "--mount", "--net", "--uts", "--root", "--wd=/", *argv],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True)

    def processes(self):
        """(pid, state, command) of the children of process 1, seen from outside."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as stat:
                    text = stat.read()
            except OSError:
                continue
            name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
            if int(rest[1]) == self.pid:
                found.append((int(entry), rest[0], name))
        return found

    def signal(self, number):
        os.kill(self.pid, number)

    def end(self, seconds=DEADLINE):
        """How it ended: POWEROFF, HALT, REBOOT; anything else is a status or signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure("it did not end within %s s" % seconds) from None

    def messages(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def says(self, text, seconds=DEADLINE):
        wait_until("message %r" % text, lambda: text in self.messages(), seconds)

    def shown(self):
        """What the console has shown so far."""
        try:
            while True:
                self._shown += os.read(self.console, 4096)
        except OSError:
            pass
        return self._shown.decode(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()
