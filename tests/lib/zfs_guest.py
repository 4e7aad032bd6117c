# SPDX-License-Identifier: LGPL-2.1-or-later
"""zpools in a machine as ZFS's own programs see them there: what poolinit says is compared with that.

    image = Image(box, **zfs_guest.parts(), …)
    zfs = Zfs(vm)
    assert zfs.volumes("tank")["tank/a"] == 8388608
"""

import os
import pathlib
import re
import subprocess

from sandbox import CACHE, REPO, Skip, command
from vm import PATIENCE, kernel_version, program

PROGRAMS = ("zpool", "zfs")


def directory():
    """Where deps/zfs has put ZFS for the machine's kernel."""
    done = subprocess.run([REPO / "deps" / "zfs", "--there", kernel_version()], env={**os.environ, "XDG_CACHE_HOME": str(CACHE.parent)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(done.stderr.strip().rpartition("\n")[2])
    return pathlib.Path(done.stdout.strip())


def parts():
    """What an Image needs for it: the programs with what they load, the kernel's modules and ZFS's among them."""
    there = directory()
    libraries = [path for path in (there / "programs").rglob("*.so*") if "/lib/" in str(path)]
    search = ":".join(sorted({str(path.parent) for path in libraries}))
    files = program("sfdisk", "blockdev")
    for name in PROGRAMS:
        tool = next(path for path in (there / "programs").rglob(name) if path.parent.name == "sbin")
        files[f"/usr/sbin/{name}"] = tool
        for line in command("env", f"LD_LIBRARY_PATH={search}", "ldd", tool).splitlines():
            if found := re.search(r"(\S+) => (/\S+) \(0x|^\s*(/\S+) \(0x", line):
                path = pathlib.Path(found[2] or found[3])
                inside = f"/usr/lib/{path.name}" if there in path.parents else str(path)
                files[inside] = path.resolve()
    return {"files": files, "tree": there / "lib" / "modules" / kernel_version(), "modules": ["zfs"]}


class Zfs:
    """zpool and zfs in the machine."""

    def __init__(self, vm):
        self.vm = vm

    def run(self, words, check=True, seconds=PATIENCE):
        """"zpool list" or "zfs list"."""
        return self.vm.run(words, check=check, seconds=seconds)

    def rows(self, words):
        return [line.split("\t") for line in self.run(words).out.splitlines()]

    def value(self, dataset, name):
        return self.run(f"zfs get -H -p -o value {name} {dataset}").out.strip()

    def volumes(self, dataset):
        """{full name: bytes}"""
        return {name: int(size) for name, size in self.rows(f"zfs list -H -p -r -t volume -o name,volsize {dataset}")}

    def zpools(self):
        """{name: health} of those that are imported."""
        return dict(self.rows("zpool list -H -o name,health"))

    def wait_health(self, zpool, health, seconds=PATIENCE):
        self.vm.wait(f"zpool {zpool} to be {health}", f"[ $(zpool list -H -o health {zpool}) = {health} ]", seconds)
