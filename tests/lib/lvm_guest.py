# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volume groups in a machine as LVM's own program sees them there: what poolinit says is compared with that.

    image = Image(box, files=lvm_guest.files(), texts=lvm_guest.TEXTS, …)
    lvm = Lvm(vm)
    assert lvm.volumes("vg0")["lv0"]["lv_size"] == "8388608"
"""

import json

from vm import PATIENCE, program

# Where poolinit does not find it. Debian's lvm waits for udev unless told that there is none.
DIRECTORY = "/test/lvm"
CONF = """
activation { udev_sync = 0 udev_rules = 0 verify_udev_operations = 0 monitoring = 0 }
devices { obtain_device_list_from_udev = 0 external_device_info_source = "none" use_devicesfile = 0 }
global { event_activation = 0 use_lvmlockd = 0 use_lvmpolld = 0 thin_check_executable = "" cache_check_executable = "" }
backup { backup = 0 archive = 0 }
"""
TEXTS = {f"{DIRECTORY}/lvm.conf": CONF}
FIELDS = "lv_name,lv_uuid,lv_size,lv_attr,segtype,origin,pool_lv,stripes,data_percent,lv_path,lv_dm_path,lv_active"


def files():
    return program("lvm")


class Lvm:
    """The lvm program in the machine."""

    def __init__(self, vm):
        self.vm = vm

    def run(self, words, check=True, seconds=PATIENCE):
        return self.vm.run(f"LVM_SYSTEM_DIR={DIRECTORY} LVM_SUPPRESS_FD_WARNINGS=1 /usr/sbin/lvm {words}", check=check, seconds=seconds)

    def report(self, verb, fields, *words):
        out = self.run(f"{verb} --reportformat json --units b --nosuffix -o {fields} {' '.join(words)}").out
        return next(iter(json.loads(out)["report"][0].values()))

    def volumes(self, group):
        """{name: its fields} of the volumes that are no hidden part of another."""
        return {row["lv_name"]: row for row in self.report("lvs", FIELDS, group)}

    def group(self, name):
        return self.report("vgs", "vg_name,vg_uuid,vg_size,vg_free,pv_count,vg_missing_pv_count,vg_extent_size,vg_exported", name)[0]

    def check(self, group):
        """vgck has nothing to say. The group, and {name: fields} of its volumes, with one command: each takes an emulated machine a while."""
        lvm = f"LVM_SYSTEM_DIR={DIRECTORY} LVM_SUPPRESS_FD_WARNINGS=1 /usr/sbin/lvm"
        shape = "--reportformat json --units b --nosuffix -o"
        done = self.vm.run(f"{lvm} vgck {group} && {lvm} vgs {shape} vg_size,vg_free {group} && echo '&' && {lvm} lvs {shape} {FIELDS} {group}")
        vgs, _, lvs = done.out.partition("&")
        assert group not in done.err and vgs.lstrip().startswith("{"), done     # of others it may have a lot to say
        volumes = json.loads(lvs)["report"][0]["lv"]
        return json.loads(vgs)["report"][0]["vg"][0], {row["lv_name"]: row for row in volumes}
