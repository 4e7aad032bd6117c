# SPDX-License-Identifier: LGPL-2.1-or-later
"""poolctl against a supervisor of the test, and a libvirtd of the test's own to compare it with."""
import os
import pathlib
import shutil
import subprocess

from sandbox import Daemon, Failure, Skip, command, find_program


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, want):
    check(got == want, "got\n%s\nwant\n%s" % (got, want))


class Poolctl:
    """Calling it runs a command that must succeed and say nothing on standard error; the answer is what it prints."""

    def __init__(self, server):
        self.server = server
        self.binary = os.path.join(server.directory, "poolctl")
        os.symlink(server.binary, self.binary)
        self.argv = [self.binary, "--socket", server.path]

    def run(self, *words, stdin="", **environment):
        return subprocess.run([*self.argv, *words], input=stdin, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})

    def __call__(self, *words, **more):
        done = self.run(*words, **more)
        check(done.returncode == 0 and done.stderr == "", "%r: status %d, %s" % (words, done.returncode, done.stderr))
        return done.stdout

    def fails(self, status, text, *words, **more):
        done = self.run(*words, **more)
        check(done.returncode == status, "%r: status %d, not %d: %s%s" % (words, done.returncode, status, done.stdout, done.stderr))
        check(text in done.stderr and done.stderr.startswith("error: "), "%r: %r" % (words, done.stderr))
        equal(done.stdout, "")
        return done.stderr


class Libvirtd:
    """As it is installed, but in directories of this namespace, without the pools and secrets that are defined there."""

    def __init__(self, box):
        if not find_program("libvirtd") or not find_program("virsh"):
            raise Skip("libvirtd or virsh is not installed (tests/packages lists what to install)")
        settings = box.dir / "etc-libvirt"
        shutil.copytree("/etc/libvirt", settings, symlinks=True, ignore=shutil.ignore_patterns("storage", "secrets"))
        for directory in ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"):
            if os.path.isdir(directory):
                command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
        shutil.copytree(settings, "/etc/libvirt", symlinks=True, dirs_exist_ok=True)
        command("mount", "-t", "sysfs", "sysfs", "/sys")  # with the network devices of this namespace, not of another
        # libvirtd asks polkit about its clients, which is not there; it would let root in.
        with open("/etc/libvirt/libvirtd.conf", "a", encoding="utf-8") as file:
            file.write('\nauth_unix_rw = "none"\n')
        self.environment = {"LC_ALL": "C.UTF-8", "HOME": str(box.dir), "PATH": os.environ["PATH"], "EDITOR": "true"}
        self.daemon = Daemon(box, "libvirtd", ["libvirtd", "--pid-file", "/run/libvirtd.pid"])
        self.daemon.wait_ready(lambda: pathlib.Path("/run/libvirt/libvirt-sock").exists())

    def virsh(self, *words, stdin="", timeout=60):
        uri = "secret:///system" if words[0].startswith("secret-") else "storage:///system?mode=legacy"
        return subprocess.run([find_program("virsh"), "-c", uri, *words], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=self.environment)

    def stop(self):
        self.daemon.stop()
