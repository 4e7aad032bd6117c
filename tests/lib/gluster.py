# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real gluster servers (glusterd and its bricks), each in a network and a mount namespace of its own, behind one bridge.

    network = Network(box)                          # SERVER is this end
    one = GlusterServer(box, network, 1)            # 192.168.77.11
    one.volume("gv0", one.brick("gv0"))
    one.cli("volume", "status", "gv0")

suspend() and resume() make one hang and come back, kill() and start() take it away and bring it back.
"""
import contextlib
import os
import signal
import socket
import subprocess

from sandbox import SERVER, Daemon, command, need_programs, wait_until

PORT = 24007
# glusterd's places are fixed: each server has its own there, and sees of /run the test's directory only.
INSIDE = """set -e
for place in var/lib/glusterd var/log/glusterfs; do
	mkdir -p "$0/$place"
	mount --bind "$0/$place" "/$place"
done
mount --bind /run/test /mnt
mount -t tmpfs tmpfs /run
mkdir /run/test
mount --move /mnt /run/test
exec glusterd --no-daemon --log-level=WARNING
"""


class Network:
    """A bridge with this end's address, to which servers are connected. tap: it has a virtual machine's cable, too."""

    def __init__(self, box, tap=False):
        if tap:
            box.network()
        command("ip", "link", "add", "bridge0", "type", "bridge")
        if tap:
            command("ip", "addr", "flush", "dev", "tap0")
            command("ip", "link", "set", "tap0", "master", "bridge0")
        command("ip", "addr", "add", f"{SERVER}/24", "dev", "bridge0")
        command("ip", "link", "set", "bridge0", "up")

    def connect(self, number, address):
        """A namespace of that number with that address on the bridge; its name."""
        name = f"gluster{number}"
        command("ip", "netns", "add", name)
        command("ip", "link", "add", f"out{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        command("ip", "link", "set", f"out{number}", "master", "bridge0", "up")
        command("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            command("ip", "-n", name, "link", "set", device, "up")
        return name


class GlusterServer:
    """One glusterd with its bricks. What it knows and stores stays over kill() and start()."""

    def __init__(self, box, network, number):
        need_programs("glusterd", "gluster", "glusterfs", "glusterfsd", "nsenter")
        self.box, self.number, self.address = box, number, f"192.168.77.{10 + number}"
        self.directory = box.directory(f"server{number}")
        self.namespace = network.connect(number, self.address)
        self.daemon = None
        self.start()

    def start(self):
        argv = ["ip", "netns", "exec", self.namespace, "unshare", "-m", "sh", "-c", INSIDE, self.directory]
        self.daemon = Daemon(self.box, f"glusterd{self.number}", argv)
        self.daemon.wait_ready(self.listens, 60)

    def listens(self):
        """Does it answer? It takes connections before it does."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired), socket.create_connection((self.address, PORT), timeout=1):
            return "Number of Peers" in self.cli("peer", "status", check=False, timeout=5)
        return False

    def cli(self, *words, check=True, timeout=120):
        """gluster(8) on that server; what it says."""
        return command("nsenter", "-t", self.daemon.pid, "-m", "-n", "gluster", "--mode=script", *words, check=check, timeout=timeout)

    def brick(self, volume):
        """The directory of a brick, as the command line names it."""
        return f"{self.address}:{self.files(volume)}"

    def files(self, volume):
        """Where the brick's files are seen."""
        return self.directory / "bricks" / volume

    def volume(self, name, *words):
        """Make a volume, and start it."""
        command("mkdir", "-p", self.directory / "bricks")
        self.cli("volume", "create", name, *words, "force")
        self.cli("volume", "start", name)

    def _signal(self, number):
        for pid in command("ip", "netns", "pids", self.namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def suspend(self):
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def kill(self):
        """As a power failure: glusterd and all bricks are gone at once."""
        self._signal(signal.SIGKILL)
        self.daemon.process.wait()
        wait_until("the end of the server", lambda: not command("ip", "netns", "pids", self.namespace).split())
