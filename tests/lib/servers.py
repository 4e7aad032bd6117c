# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real storage servers on the test's own network: iSCSI (tgt), NFS 3 and 4 (nfs-ganesha), SMB (samba).

Each is started and ready when its constructor returns. They listen on sandbox.SERVER with the standard ports.
suspend() and resume() make one hang and come back, stop() and start() take it away and bring it back.
"""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess

from sandbox import GUEST_MAC, SERVER, Daemon, Failure, command, find_program, need_programs, wait_until

ISCSI_PORT = 3260
NFS_PORT = 2049
MOUNT_PORT = 20048
SMB_PORT = 445
SMB_USER = ("daemon", "battery,staple=correct")  # a user that every machine has


def listens(port, address=SERVER):
    """Does somebody accept connections there?"""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def _rpc(port, program, version, procedure, *words, address=SERVER):
    """What a Sun RPC program answers to a call of a few words; None: it does not, or refuses."""
    call = struct.pack(f">{10 + len(words)}I", 0x706F6F6C, 0, 2, program, version, procedure, 0, 0, 0, 0, *words)
    with contextlib.suppress(OSError, struct.error), socket.create_connection((address, port), timeout=1) as link:
        link.settimeout(1)
        link.sendall(struct.pack(">I", 0x80000000 | len(call)) + call)
        length, = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))
        reply = link.recv(length & 0x7FFFFFFF, socket.MSG_WAITALL)
        # xid, REPLY, MSG_ACCEPTED, verifier (2 words), SUCCESS
        if struct.unpack(">6I", reply[:24])[1:3] == (1, 0) and reply[20:24] == b"\0\0\0\0":
            return reply[24:]
    return None


def rpc_answers(port, program, version, address=SERVER):
    """Does a Sun RPC program answer its null procedure there? (What `rpcinfo -T tcp` asks.)"""
    return _rpc(port, program, version, 0, address=address) is not None


def rpc_registered(program, version):
    """Does rpcbind know of it, by TCP? It hears of a program after that has begun to answer. (PMAPPROC_GETPORT, RFC 1833 section 3.)"""
    return _rpc(111, 100000, 2, 3, program, version, socket.IPPROTO_TCP, 0) not in (None, b"\0\0\0\0")


class Server:
    """What the three have in common: the daemon is replaceable, the settings stay."""

    daemon = None

    def start(self):
        raise NotImplementedError

    def stop(self):
        self.daemon.stop()

    def suspend(self):
        self.daemon.suspend()

    def resume(self):
        self.daemon.resume()


class IscsiServer(Server):
    """Targets made of disk images.

        server = IscsiServer(box)
        server.add("iqn.2026-01.test:disk", [image, ...], chap=("user", "secret twelve"))

    The first image is LUN 1 (LUN 0 is tgt's own controller). ports: more than one gives several paths to the same targets; so do
    further portals ("[fd77::1]:3260"), whose addresses are there already. number: of several servers at a time, which each have ports of their own.
    """

    def __init__(self, box, ports=(ISCSI_PORT,), portals=(), number=0):
        need_programs("tgtd", "tgtadm")
        box.network()
        self.box, self.ports, self.number, self.targets, self.accounts = box, ports, number, {}, {}
        self.portals = [*(f"{SERVER}:{port}" for port in ports), *portals]
        self.start()

    def start(self):
        # In one word: of several --iscsi the last one counts.
        portals = ",".join(f"portal={portal}" for portal in self.portals)
        self.daemon = Daemon(self.box, "tgtd", ["tgtd", "-f", "-C", str(self.number), "--iscsi", portals])
        self.daemon.wait_ready(lambda: all(map(listens, self.ports)) and "State: ready" in self._admin("show", "sys", check=False))
        for settings in self.targets.values():
            self._make(*settings)

    def add(self, iqn, images, chap=None, mutual_chap=None):
        """chap: (user, password) that the initiator must know; mutual_chap: what the target answers with."""
        settings = (len(self.targets) + 1, iqn, [pathlib.Path(i) for i in images], chap, mutual_chap)
        self._make(*settings)
        self.targets[iqn] = settings
        return iqn

    def set(self, iqn, **parameters):
        """Change what the target negotiates: HeaderDigest="CRC32C"."""
        for name, value in parameters.items():
            self._admin("update", "target", "--tid", self.targets[iqn][0], "--name", name, "--value", value)

    def add_lun(self, iqn, image):
        """One more disk in a target that may be in use."""
        settings = self.targets[iqn]
        settings[2].append(pathlib.Path(image))
        self._admin("new", "logicalunit", "--tid", settings[0], "--lun", len(settings[2]), "-b", image)
        return len(settings[2])

    def remove_lun(self, iqn, lun):
        """Take one disk away; the others keep their numbers. tgtd refuses that while it has a command of an initiator's in hand."""
        def removed():
            try:
                self._admin("delete", "logicalunit", "--tid", self.targets[iqn][0], "--lun", lun)
            except Failure as e:
                if "still active" not in str(e):
                    raise
                return False
            return True
        wait_until(f"moment without a command for LUN {lun} of {iqn}", removed)

    def remove(self, iqn):
        """Take a target away under those who use it."""
        self._admin("delete", "target", "--force", "--tid", self.targets.pop(iqn)[0])

    def sessions(self, iqn):
        """How many initiators are logged in."""
        return self._admin("show", "conn", "--tid", self.targets[iqn][0]).count("Session:")

    def wait_sessions(self, iqn, number, seconds):
        """Wait until so many initiators are logged in."""
        try:
            wait_until(f"{number} sessions at the target", lambda: self.sessions(iqn) == number, seconds)
        except Failure as e:
            raise Failure(f"{e}; its connections:\n{self._admin('show', 'conn', '--tid', self.targets[iqn][0])}") from None

    def _make(self, tid, iqn, images, chap, mutual_chap):
        self._admin("new", "target", "--tid", tid, "-T", iqn)
        for lun, image in enumerate(images, 1):
            self._admin("new", "logicalunit", "--tid", tid, "--lun", lun, "-b", image)
        for account, outgoing in ((chap, []), (mutual_chap, ["--outgoing"])):
            if account:
                # tgt has one password for a user name, whatever the target.
                if self.accounts.setdefault(*account) != account[1]:
                    raise Failure(f"the iSCSI server knows {account[0]} by another password")
                self._admin("new", "account", "--user", account[0], "--password", account[1], check=False)
                self._admin("bind", "account", "--tid", tid, "--user", account[0], *outgoing)
        self._admin("bind", "target", "--tid", tid, "-I", "ALL")  # any address may try

    def _admin(self, operation, mode, *args, check=True):
        return command("tgtadm", "-C", self.number, "--lld", "iscsi", "--op", operation, "--mode", mode, *args, check=check, timeout=10)

    def stop(self):
        self.daemon.stop(seconds=0)  # tgtd ignores SIGTERM while it has targets


class NfsServer(Server):
    """Exports, as NFS 3, 4.0, 4.1 and 4.2. exports: {"/export": directory}. port: of a second server, which speaks only 4.
    squashed: those in which root is nobody."""

    def __init__(self, box, exports, port=NFS_PORT, squashed=()):
        need_programs("ganesha.nfsd", "rpcbind")
        box.network()
        self.box, self.exports, self.port, self.squashed = box, exports, port, squashed
        self.name = "ganesha" if port == NFS_PORT else f"ganesha-{port}"
        for directory in exports.values():
            self._on_a_disk(pathlib.Path(directory))
        self.directory = box.directory(self.name)
        if port != NFS_PORT:
            self.start()
            return
        # Version 3 registers its ports, and ganesha does not start when it cannot.
        pathlib.Path("/run/rpcbind").mkdir(exist_ok=True)
        self.rpcbind = Daemon(box, "rpcbind", ["rpcbind", "-f"])
        self.rpcbind.wait_ready(lambda: rpc_answers(111, 100000, 2))
        self.start()

    def _on_a_disk(self, directory):
        """ganesha exports no tmpfs since its version 5: what lies on one is put on a filesystem of its own, in its place."""
        if command("stat", "-f", "-c", "%T", directory).strip() != "tmpfs":
            return
        image = self.box.directory("exports") / f"{sum(1 for _ in (self.box.dir / 'exports').iterdir())}.img"
        megabytes = int(command("du", "-s", "--block-size=1M", directory).split()[0])
        command("mke2fs", "-q", "-F", "-t", "ext4", "-d", directory, image, f"{64 + 2 * megabytes}M", timeout=600)
        command("mount", "-i", "-t", "ext4", "-o", "loop", image, directory)
        (directory / "lost+found").rmdir()

    def start(self):
        blocks = "".join(f"""
EXPORT {{
	Export_Id = {number}; Path = "{directory}"; Pseudo = "{name}";
	Access_Type = RW; Squash = {"Root_Squash" if name in self.squashed else "No_Root_Squash"}; SecType = sys; FSAL {{ Name = VFS; }}
}}""" for number, (name, directory) in enumerate(self.exports.items(), 1))
        config = self.directory / "ganesha.conf"
        # Without a grace period: a client that comes right after the start must not wait 90 s.
        # mount_path_pseudo: version 3 knows the exports by the same names as version 4. allow_set_io_flusher_fail: root has not
        # every capability in a container.
        config.write_text(f"""
NFS_CORE_PARAM {{
	Protocols = {"3, 4" if self.port == NFS_PORT else "4"}; NFS_Port = {self.port}; MNT_Port = {MOUNT_PORT};
	Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; Bind_addr = 0.0.0.0;
	allow_set_io_flusher_fail = true;
}}
NFSv4 {{
	Graceless = true; Only_Numeric_Owners = true; RecoveryBackend = fs; RecoveryRoot = "{self.directory}";
}}
{blocks}
""")
        self.daemon = Daemon(self.box, self.name, ["ganesha.nfsd", "-F", "-f", config, "-L", self.directory / "log",
                                                   "-p", self.directory / "pid"], log=self.directory / "log")
        self.daemon.wait_ready(lambda: rpc_answers(self.port, 100003, 4) and (
            self.port != NFS_PORT or rpc_answers(NFS_PORT, 100003, 3) and rpc_answers(MOUNT_PORT, 100005, 3) and rpc_registered(100005, 3)), 30)


class SmbServer(Server):
    """Shares open to guests. shares: {"share": directory}. private: those that are SMB_USER's alone."""

    def __init__(self, box, shares, private=()):
        need_programs("smbd")
        box.network()
        self.box, self.shares, self.private = box, shares, private
        self.directory = box.directory("samba")
        self.start()

    def _add_user(self, config):
        need_programs("smbpasswd")
        subprocess.run([find_program("smbpasswd"), "-c", config, "-s", "-a", SMB_USER[0]], input=f"{SMB_USER[1]}\n{SMB_USER[1]}\n".encode(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def start(self):
        blocks = "".join(f"\n[{name}]\n\tpath = {directory}\n\tread only = no\n\tforce user = root\n"
                         + (f"\tvalid users = {SMB_USER[0]}\n" if name in self.private else "\tguest ok = yes\n")
                         for name, directory in self.shares.items())
        config = self.directory / "smb.conf"
        own = "".join(f"\t{key} = {self.box.directory('samba/' + key.replace(' ', '-'))}\n"
                      for key in ("private dir", "lock directory", "state directory", "cache directory", "pid directory",
                                  "ncalrpc dir", "usershare path"))
        config.write_text(f"""[global]
	server role = standalone server
	interfaces = {SERVER}/24
	bind interfaces only = yes
	smb ports = {SMB_PORT}
	disable netbios = yes
	map to guest = Bad User
	load printers = no
	printing = bsd
	disable spoolss = yes
	log level = 1
{own}{blocks}""")
        os.chmod(self.directory / "private-dir", 0o700)
        if self.private:
            self._add_user(config)
        self.daemon = Daemon(self.box, "smbd", ["smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", config])
        self.daemon.wait_ready(lambda: listens(SMB_PORT))


class DhcpServer(Server):
    """Gives the machine address, with SERVER as router and name server (busybox's udhcpd)."""

    def __init__(self, box, address):
        need_programs("busybox")
        box.network()
        self.box, self.directory = box, box.directory("dhcp")
        # Bound to the machine's card, because for any other address udhcpd first waits two seconds whether somebody has it.
        (self.directory / "udhcpd.conf").write_text(f"""
start {address}
end {address}
static_lease {GUEST_MAC} {address}
interface tap0
lease_file {self.directory}/leases
pidfile {self.directory}/pid
option subnet 255.255.255.0
option router {SERVER}
option dns {SERVER}
option domain test.invalid
option lease 600
""")
        (self.directory / "leases").touch()
        self.start()

    def start(self):
        self.daemon = Daemon(self.box, "udhcpd", ["busybox", "udhcpd", "-f", self.directory / "udhcpd.conf"])
        # A row of the kernel's table whose local port is 67.
        self.daemon.wait_ready(lambda: ":0043 " in pathlib.Path("/proc/net/udp").read_text())
