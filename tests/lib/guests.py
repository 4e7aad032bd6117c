# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests for libvirt's QEMU driver: a boot sector that says a sentence on its serial line, and turns itself off."""
import ctypes

LIBC = ctypes.CDLL(None)
PR_SET_CHILD_SUBREAPER = 36

SENTENCE = b"a guest from a volume"
# What the driver would have from the machine, and a test has not: users, cgroups, virtlogd, security modules.
SETTINGS = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def boot_sector(last=bytes.fromhex("ba0406 b80020 ef f4 ebfd")):
    """Each byte of the sentence to the first serial port; then the power is turned off: 0x2000 to port 0x604, and halt (the chip set's ACPI, which the
    BIOS has put at 0x600). last: other code instead of that."""
    head = bytes.fromhex("fa 31c0 8ed8 be0000 baf803")          # si: the sentence; dx: the port
    body = bytes.fromhex("ac 84c0 7403 ee ebf8") + last         # until a zero
    where = 0x7C00 + len(head) + len(body)
    code = head.replace(b"\xbe\0\0", b"\xbe" + where.to_bytes(2, "little")) + body
    return (code + SENTENCE + b"\r\n\0").ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)


def adopted(*argv, times=1):
    """The arguments and options of a driver's process, which is started as often. It waits until the QEMUs that it has put into the background are gone, so
    somebody has to reap them: the shell adopts them."""
    script = '"$@"; ' * times + "exit $?"
    return ["bash", "-c", script, "-", *argv], {"preexec_fn": lambda: LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)}


# Nothing is left to do, but the machine stays on.
STAYS = bytes.fromhex("f4 ebfd")


def domain(name, of, disk, serial, encryption=""):
    """serial: a file for what it says. encryption: what stands in its disk's source."""
    return f"""<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='{of}' volume='{disk}'>{encryption}</source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{serial}'/><target port='0'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""
