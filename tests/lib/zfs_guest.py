# SPDX-License-Identifier: LGPL-2.1-or-later
"""zpools in a machine as ZFS's own programs see them there: what poolinit says is compared with that.

    image = Image(box, backends="zfs", tree=zfs_guest.install(), …)
    zfs = Zfs(vm)
    assert zfs.volumes("tank")["tank/a"] == 8388608
"""

import os
import pathlib
import subprocess

from sandbox import CACHE, REPO, Skip, command
from vm import PATIENCE, kernel_version


def directory():
    """Where deps/zfs has put ZFS for the machine's kernel."""
    done = subprocess.run([REPO / "deps" / "zfs", "--there", kernel_version()], env={**os.environ, "XDG_CACHE_HOME": str(CACHE.parent)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(done.stderr.strip().rpartition("\n")[2])
    return pathlib.Path(done.stdout.strip())


def install():
    """This test, and what it runs, sees ZFS's programs where Debian's packages have them, so that mkimage finds them there, with their libraries.

    The result is where that kernel's modules are, with those of ZFS among them.
    """
    there = directory()
    for place in (there / "programs" / "sbin", *(there / "programs" / "lib").glob("*-linux-gnu")):
        over = pathlib.Path("/usr") / place.relative_to(there / "programs")
        command("mount", "-t", "overlay", "zfs", "-o", f"lowerdir={place}:{over}", over)
    return there / "lib" / "modules" / kernel_version()


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
        return self.run(f"zfs get -H -p -o value {name} '{dataset}'").out.strip()

    def volumes(self, dataset):
        """{full name: bytes}"""
        return {name: int(size) for name, size in self.rows(f"zfs list -H -p -r -t volume -o name,volsize '{dataset}'")}

    def zpools(self):
        """{name: health} of those that are imported."""
        return dict(self.rows("zpool list -H -o name,health"))

    def wait_health(self, zpool, health, seconds=PATIENCE):
        self.vm.wait(f"zpool {zpool} to be {health}", f"[ $(zpool list -H -o health {zpool}) = {health} ]", seconds)
