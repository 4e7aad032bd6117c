# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian with systemd as the real root of our own initramfs: what holds after its boot, ten minutes later, and when everything was restarted.

    whole = Whole("a volume", vm, ["sys", "data"], r"/dev/mapper/sys-root / ext4 rw", volume_is_seen)
    whole.is_seen(steps_on)
"""

import re

from appliance import Latency, Pools, early_figures
from vm import PATIENCE

# A slow machine needs longer for a start than systemd has patience.
SLOW = "systemd.default_timeout_start_sec=900"
# Process 1, and every service and socket that is up and may be restarted, but for the test's hand: those that have a process, and those that once did something.
# The sockets of journald and udevd cannot be closed alone, which systemd says itself; and what blk-availability.service does at its stop is to unmount and to
# deactivate all volumes, which nothing starts again.
RESTART = r"""export PATH=/usr/sbin:/usr/bin:$PATH
systemctl daemon-reexec
until systemctl list-units >/dev/null 2>&1; do sleep 1; done
active=$(systemctl list-units --type=service --type=socket --state=active --plain --no-legend | cut -d ' ' -f 1)
for unit in $(systemctl show -p Id -p CanStop -p RefuseManualStart -p RefuseManualStop $active |
		awk 'BEGIN { RS = "" } !/Refuse[A-Za-z]*=yes|CanStop=no/ && match($0, /Id=[^\n]*/) { print substr($0, RSTART + 3, RLENGTH - 3) }'); do
	case $unit in
	agent.service | blk-availability.service | systemd-journald*.socket | systemd-udevd*.socket) continue ;;
	esac
	echo $unit
	systemctl restart $unit || { echo "cannot restart $unit"; systemctl status $unit; }
done
udevadm trigger --settle
"""
RESTARTED = {"systemd-udevd.service", "systemd-journald.service", "dbus.service", "lvm2-monitor.service", "systemd-udev-trigger.service",
             "systemd-remount-fs.service", "systemd-sysctl.service", "dm-event.socket"}


class Whole:
    """A machine, and what is special to where its root lies.

    active: its pools; mounted: what /proc/mounts says of the root; looks: called with the machine each time that all is looked at; inactive: further pools.
    """

    def __init__(self, title, vm, active, mounted, looks=lambda vm: None, inactive=()):
        self.title, self.vm, self.active, self.mounted, self.looks = title, vm, active, mounted, looks
        self.phases = {**dict.fromkeys(active, "active"), **dict.fromkeys(inactive, "inactive")}
        self.pools, self.pid = Pools(vm), None

    def is_well(self):
        """All that somebody may ask of a system that is up; and the supervisor is the one that it was the first time."""
        vm = self.vm
        vm.wait("the end of the boot", "systemctl is-system-running | grep -v starting", 3 * PATIENCE)
        failed = vm.run("systemctl --failed --plain --no-legend", check=False).out
        assert not failed, failed + vm.run("journalctl -b --no-pager -q -p warning | tail -n 40", check=False).out
        assert vm.run("systemctl is-active multi-user.target").out.strip() == "active"
        mounts = vm.run("cat /proc/mounts").out
        assert re.search(self.mounted, mounts), mounts
        found = vm.run("for p in $(grep -l ^@ /proc/[0-9]*/cmdline); do grep -lx poolinit ${p%cmdline}comm; done", check=False).out.split()
        assert len(found) == 1 and self.pid in (None, found[0]), (self.pid, found)
        self.pid = found[0]
        phases = {name: record["phase"] for name, record in self.pools.list().items()}
        assert phases == self.phases, phases
        if "data" in self.active:
            assert vm.run("cat /srv/data/data.raw").out == "data"
        vm.run("dd if=/dev/urandom of=/root/written bs=65536 count=4 conv=fsync 2>/dev/null && rm /root/written")
        self.looks(vm)

    def is_seen(self, later, also=()):
        """later: has ten minutes pass for the machine. also: what is to be among the restarted."""
        box, vm = self.vm.box, self.vm
        with box.case(f"{self.title}: multi-user is reached, no unit has failed, pools are active, and the supervisor is that of the initramfs"):
            vm.wait_agent(3 * PATIENCE)
            self.is_well()
            waited = vm.console.find("Timed out waiting")
            assert not waited, waited
        with box.case(f"{self.title}: its socket answers before, while and after the root changes"):
            assert early_figures(vm)["requests"] > 50
        self.stays(later, also)

    def stays(self, later, also=(), unmounted=()):
        """The same, of a machine that has been seen to be well. It needs latency_program(). unmounted: pools that something among the restarted unmounts,
        behind the supervisor's back: they come back by themselves."""
        box, vm = self.vm.box, self.vm
        with box.case(f"{self.title}: so it is ten minutes later"):
            later(vm)
            self.is_well()
        with box.case(f"{self.title}: and when process 1 and every service were restarted, while the socket answers"):
            vm.copy(box.dir / "latency", "/test/latency", 0o755)
            with Latency(vm, 3 * PATIENCE) as latency:
                said = vm.run(RESTART, seconds=3 * PATIENCE).out
            print(f"# {latency}\n# restarted: {' '.join(said.split())}", flush=True)
            assert "cannot" not in said and RESTARTED | set(also) <= set(said.split()), said
            for name in unmounted:
                self.pools.wait(name, "active")
            self.is_well()


def lies_on(device, *volumes):
    """looks= for a root on a device, and for volumes of the group "sys": what udev, lsblk and lvs say."""
    def looks(vm):
        assert f"DEVNAME={vm.run(f'readlink -f {device}').out.strip()}" in vm.run(f"udevadm info {device}").out
        links = vm.run(f"udevadm info -q symlink {device}").out
        assert "disk/by-uuid/" in links and "disk/by-label/ROOT" in links, links
        tree = vm.run("lsblk -rno NAME,TYPE,MOUNTPOINTS").out
        assert re.search(r"^\S+ (lvm|part) /$", tree, re.M), tree
        for volume in volumes:
            told = vm.run(f"udevadm info /dev/sys/{volume}").out
            assert f"DM_NAME=sys-{volume}" in told and "DM_UUID=LVM-" in told and "DM_UDEV_RULES_VSN" in told, told
            assert f"sys-{volume} lvm" in tree, tree
        if volumes:
            rows = vm.run("lvs --noheadings -o lv_name,lv_active,lv_device_open").out.split("\n")
            assert {row.split()[0] for row in rows if row} == set(volumes) and all("active" in row for row in rows if row), rows
    return looks


def steps_on(vm):
    """The machine's time of day. What is outside keeps its own, so that no other clock can go on."""
    vm.run("date -s @$(($(date +%s) + 600))")


def goes_on(vm):
    """All its clocks: nobody outside is waited for."""
    vm.run("awk '{print $1}' /proc/uptime >/run/before")
    vm.wait("ten minutes", "awk -v before=$(cat /run/before) '{exit $1 < before + 600}' /proc/uptime", 3 * PATIENCE)
