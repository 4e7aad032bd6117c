# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real roots for test machines, as images of an ext4 filesystem: a busybox and its init, and Debians made by tests/lib/guest-root.

Each starts the test's agent (tests/lib/guest/agent) when it is up, and has poolctl.
"""

import os
import pathlib
import shutil
import subprocess

import images
from sandbox import REPO, Skip, command, find_program, need_programs
from vm import GUEST_SCRIPTS, default_binary

BUSYBOX_INITTAB = """::sysinit:/bin/busybox sh /test/writable
::once:/test/agent
::ctrlaltdel:/bin/busybox reboot
::shutdown:/bin/busybox umount -a -r
"""
# A root that stays read-only (an image) has a copy of the agent's directory in memory.
WRITABLE = """/bin/busybox mount -o remount,rw / && exit
/bin/busybox cp -a /test /run/test && /bin/busybox mount --bind /run/test /test
"""
AGENT_UNIT = "/etc/systemd/system/agent.service"
AGENT_LINK = "/etc/systemd/system/multi-user.target.wants/agent.service"
# Those of tests/lib/guest-root whose init is systemd.
SYSTEMD = ("systemd", "initiator", "trixie")
SYSTEMD_UNIT = """[Unit]
Description=The test's hand
[Service]
ExecStart=/test/agent
KillMode=process
[Install]
WantedBy=multi-user.target
"""


def _files():
    """{path in the root: (source, mode)} of what every root is given."""
    need_programs("busybox", "debugfs")
    if not default_binary():
        raise Skip("build/poolinit is not there (make)")
    return {"/test/agent": (GUEST_SCRIPTS / "agent", 0o755), "/bin/busybox": (find_program("busybox"), 0o755),
            "/sbin/poolctl": (default_binary(), 0o755)}


def busybox_tree(box, name, init=True):
    """The files of a root that is nothing but busybox. init: False, or the bytes of /sbin/init, for what is no root."""
    tree = box.directory(f"tree-{name}")
    for directory in ("bin", "sbin", "usr/sbin", "etc", "test", "dev", "proc", "sys", "run", "tmp", "srv/data", "root"):
        (tree / directory).mkdir(parents=True)
    for name, (source, mode) in _files().items():
        shutil.copy(source, tree / name[1:])
        (tree / name[1:]).chmod(mode)
    (tree / "etc/inittab").write_text(BUSYBOX_INITTAB)
    (tree / "test/writable").write_text(WRITABLE)
    if isinstance(init, bytes):
        (tree / "sbin/init").write_bytes(init)
        (tree / "sbin/init").chmod(0o755)
    elif init:
        (tree / "sbin/init").symlink_to("/bin/busybox")  # by an absolute link: it counts in the new root
    return tree


def busybox(box, path, label="ROOT", init=True, extra=()):
    """An ext4 filesystem with a busybox_tree(). extra: {path: text} of further files."""
    tree = busybox_tree(box, path.name, init)
    for name, text in dict(extra).items():
        (tree / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tree / name[1:]).write_text(text)
    return from_tree(path, tree, "64M", label)


def squashfs(path, tree):
    """The files of a directory as an image."""
    need_programs("mksquashfs")
    command("mksquashfs", tree, path, "-quiet", "-no-progress", "-comp", "gzip", "-Xcompression-level", "1", "-noappend", timeout=600)
    return pathlib.Path(path)


def with_tree(data, tree, at=0, block=4096):
    """Write the hash tree of a file to another, or behind its own data, from this byte on. Its root hash. block: at most its filesystem's."""
    need_programs("veritysetup")
    where = [f"--hash-offset={at}", f"--data-blocks={at // block}"] if at else []
    said = command("veritysetup", "format", f"--data-block-size={block}", *where, data, tree)
    return next(line.split()[-1] for line in said.splitlines() if line.startswith("Root hash:"))


def from_tree(path, tree, size, label):
    """An ext4 filesystem with the files of a directory, whoever owns them."""
    need_programs("mke2fs")
    images.blank(path, size)
    command("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", tree, path, timeout=600)
    return pathlib.Path(path)


def guest(name):
    """The directory that tests/lib/guest-root NAME made: it is not to be changed."""
    made = subprocess.run([REPO / "tests/lib/guest-root", "--there", name], capture_output=True, check=False, encoding="utf-8")
    if made.returncode:
        raise Skip(made.stderr.strip().rpartition("\n")[2])
    return pathlib.Path(made.stdout.strip())


def debian_tree(box, title, name):
    """The files of guest(NAME), whose init is systemd, with what every root is given: for what is not ext4."""
    tree = box.directory(f"tree-{title}")
    command("cp", "-a", f"{guest(name)}/.", tree, timeout=600)
    (tree / "test").mkdir()
    (tree / "srv/data").mkdir()
    for to, (source, mode) in _files().items():
        shutil.copy(source, tree / to[1:])
        (tree / to[1:]).chmod(mode)
    (tree / AGENT_UNIT[1:]).write_text(SYSTEMD_UNIT)
    (tree / AGENT_LINK[1:]).symlink_to(AGENT_UNIT)
    return tree


def debian(path, name, size="1G", label="ROOT", extra=(), programs=(), links=(), tree=None):
    """guest(NAME), or a tree that was made of it, as an ext4 filesystem. extra: {path: text} of further files, programs: {path: file}, links: {path: to where}."""
    tree = tree or guest(name)
    from_tree(path, tree, size, label)
    texts, files, links = dict(extra or {}), {**_files(), **{to: (source, 0o755) for to, source in dict(programs).items()}}, dict(links)
    if name in SYSTEMD:
        texts[AGENT_UNIT], links[AGENT_LINK] = SYSTEMD_UNIT, AGENT_UNIT
    elif name == "runit":
        files["/etc/sv/agent/run"] = (GUEST_SCRIPTS / "agent", 0o755)
        links["/etc/runit/runsvdir/default/agent"] = "/etc/sv/agent"
    else:
        texts.setdefault("/etc/inittab", (tree / "etc/inittab").read_text() + "\nag:23:once:/test/agent\n")
    above = {str(parent) for to in (*files, *texts, *links) for parent in pathlib.PurePath(to).parents}
    words = [f"mkdir {directory}" for directory in sorted(above | {"/srv/data"}) if not os.path.lexists(f"{tree}{directory}")]
    words += [word for to, where in links.items() for word in (f"rm {to}", f"symlink {to} {where}")]
    for destination, (source, mode) in files.items():
        real = f"/usr{destination}" if destination.split("/")[1] in ("bin", "sbin") else destination  # those are links there
        words += [f"rm {real}", f"write {source} {real}", f"set_inode_field {real} mode 0{0o100000 | mode:o}"]
    for destination, text in texts.items():
        source = path.with_suffix(".text" + destination.replace("/", "-"))
        source.write_text(text)
        words += [f"rm {destination}", f"write {source} {destination}"]
    script = path.with_suffix(".debugfs")
    script.write_text("\n".join(words) + "\n")
    command("debugfs", "-w", "-f", script, path)
    return path
