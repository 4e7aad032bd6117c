# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Ceph cluster of one monitor and one OSD, which has its data in its memory, on the test's own network.

    cluster = Ceph(box)
    cluster.rbd("create", "--size", "1G", "disk")     # Debian's rbd, in the pool "rbd"
    cluster.key("client.admin")

Ceph(box, keeps=True) is one whose OSD has them still when it was killed: in a file, and it is slower.

It is ready when its constructor returns, about two seconds later. There is no manager before start_mgr(): what a manager counts (how full pools
are) is 0 till then.
"""

import json
import os
import pathlib
import subprocess
import uuid

from sandbox import PATIENTLY, REPO, SERVER, Daemon, Failure, Skip, command, find_program, need_programs, wait_until

SECRET_UUID = "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"

SETTINGS = """[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:{server}:3300,v1:{server}:6789]
public_network = {server}/32
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_warn_on_pool_no_redundancy = false
auth_allow_insecure_global_id_reclaim = false
keyring = {dir}/$name.keyring
log_file = {dir}/$name.log
pid_file = {dir}/$name.pid
admin_socket = {dir}/$name.asok
run_dir = {dir}
crash_dir = {dir}
ms_bind_ipv6 = false
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_tick_interval = 1
osd_heartbeat_interval = 1
[client]
log_file =
admin_socket =
pid_file =
[mon]
mon_data = {dir}/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
keyring = {dir}/mon/keyring
[mgr]
mgr_data = {dir}/mgr
mgr_module_path = {dir}/no-modules
mgr_initial_modules =
mgr_stats_period = 1
[osd]
osd_data = {dir}/osd0
keyring = {dir}/osd0/keyring
osd_objectstore = {store}
memstore_device_bytes = 1073741824
bluestore_block_size = 2147483648
osd_class_dir = {classes}
osd_class_load_list = *
osd_class_default_list = *
"""


def _classes():
    """Where the OSD's classes are. Debian 13's programs look for them below the directory in which they are started."""
    return next(iter(pathlib.Path("/usr/lib").glob("*/rados-classes")), pathlib.Path("/usr/lib/rados-classes"))


def full_program():
    """The program under test has to be one with rbd: that of `make full`, where nobody names another. To be called before supervisor is imported."""
    os.environ.setdefault("POOLINIT_TEST_BINARY", str(REPO / "build/full/poolinit"))


def need_full_program():
    """Skip the test where that program has not been built, as where the libraries' sources cannot be had."""
    if not os.path.exists(os.environ["POOLINIT_TEST_BINARY"]):
        raise Skip("the program of make full is not there (make deps-all builds it)")


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, want, what):
    check(got == want, "%s is %r, not %r" % (what, got, want))


def pool_xml(name, source="rbd", hosts="<host name='%s'/>" % SERVER, user="admin", secret=SECRET_UUID, more=""):
    return ("<pool type='rbd'><name>%s</name><source><name>%s</name>%s<auth username='%s' type='ceph'><secret uuid='%s'/></auth></source>%s</pool>"
            % (name, source, hosts, user, secret, more))


def give_key(server, key, secret=SECRET_UUID):
    server.ask("secret-define", "<secret ephemeral='no' private='yes'><uuid>%s</uuid><usage type='ceph'><name>%s</name></usage></secret>"
               % (secret, secret))
    server.ask("secret-set-value " + secret, key)


class Ceph:
    """mon and osd are Daemons: suspend(), resume(), stop(); start_mon() and start_osd() bring one back with what it had."""

    def __init__(self, box, keeps=False):
        need_full_program()
        need_programs("ceph-mon", "ceph-osd", "ceph", "rbd", "rados", "ceph-authtool", "monmaptool")
        box.network()
        self.box, self.dir = box, box.directory("ceph")
        self.fsid = str(uuid.uuid4())
        self.environment = {**os.environ, "CEPH_CONF": str(self.dir / "ceph.conf")}
        (self.dir / "ceph.conf").write_text(SETTINGS.format(fsid=self.fsid, server=SERVER, dir=self.dir, store="bluestore" if keeps else "memstore",
                                                            classes=_classes()))
        self._make_mon()
        self._make_osd()
        self.ceph("osd", "pool", "create", "rbd", "8", "8", "replicated")
        self.ceph("osd", "pool", "application", "enable", "rbd", "rbd")
        self._run("rbd", "pool", "init", "rbd")

    def _run(self, *argv, stdin=None, check=True, timeout=60):
        done = subprocess.run([find_program(argv[0]), *map(str, argv[1:])], input=stdin, capture_output=True, text=True,
                              timeout=timeout * PATIENTLY, env=self.environment, check=False)
        if check and done.returncode:
            raise Failure(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _make_mon(self):
        keys, admin = self.dir / "mon.keyring", self.dir / "client.admin.keyring"
        (self.dir / "mon").mkdir()
        command("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        command("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *",
                "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        command("ceph-authtool", keys, "--import-keyring", admin)
        command("monmaptool", "--create", "--addv", "a", f"[v2:{SERVER}:3300,v1:{SERVER}:6789]", "--fsid", self.fsid,
                self.dir / "monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.dir / "monmap", "--keyring", keys)
        self.start_mon()

    def start_mon(self):
        self.mon = Daemon(self.box, "ceph-mon", ["ceph-mon", "-f", "-i", "a"], env=self.environment)

    def _make_osd(self):
        secret, identity = command("ceph-authtool", "--gen-print-key").strip(), str(uuid.uuid4())
        (self.dir / "osd0").mkdir()
        self.ceph("osd", "new", identity, "-i", "-", stdin='{"cephx_secret": "%s"}' % secret)
        command("ceph-authtool", "--create-keyring", self.dir / "osd0/keyring", "--name", "osd.0", "--add-key", secret)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        self.start_osd()

    def start_osd(self):
        self.osd = Daemon(self.box, "ceph-osd", ["ceph-osd", "-f", "-i", "0"], env=self.environment)
        wait_until("OSD that is up", lambda: "1 up" in self.ceph("osd", "stat"), 60 * PATIENTLY, every=0.2)

    def start_mgr(self):
        """Without any of its modules: it counts. Ready when it has counted."""
        need_programs("ceph-mgr")
        for name in ("mgr", "no-modules"):
            (self.dir / name).mkdir()
        (self.dir / "mgr/keyring").write_text(self.ceph("auth", "get-or-create", "mgr.x", "mon", "allow profile mgr", "osd", "allow *"))
        self.mgr = Daemon(self.box, "ceph-mgr", ["ceph-mgr", "-f", "-i", "x", "--keyring", str(self.dir / "mgr/keyring")], env=self.environment)
        wait_until("manager that counts", lambda: self.df()["stats"]["total_bytes"], 60, every=0.3)

    def df(self):
        return json.loads(self.ceph("df", "--format", "json"))

    def ceph(self, *words, **more):
        return self._run("ceph", "--connect-timeout", str(int(20 * PATIENTLY)), *words, **more)

    def rbd(self, *words, **more):
        """Debian 12's rbd aborts now and then when its threads end, which is no result."""
        for _ in range(5):
            try:
                return self._run("rbd", *words, **more)
            except Failure as why:
                if "thread_name:io_context_pool" not in str(why):
                    raise
        raise Failure("rbd aborts each time")

    def key(self, user):
        return self.ceph("auth", "get-key", user).strip()

    def python(self, text, ceph_pool="rbd"):
        """Run statements with Ceph's own Python library: r is rbd.RBD(), io the pool. For what would be too slow with a program for each step."""
        begin = ("import rados, rbd\ncluster = rados.Rados(conffile=%r, rados_id='admin')\ncluster.connect()\nr = rbd.RBD()\n"
                 "io = cluster.open_ioctx(%r)\n" % (self.environment["CEPH_CONF"], ceph_pool))
        return self._run("python3", "-c", begin + text + "\nio.close()\ncluster.shutdown()\n", timeout=600)
