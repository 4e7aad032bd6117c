# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for Virtuozzo's client program, vstorage-mount, which cannot be had.

Why it can stand for it. What is known of that program is what libvirt relies on (its storage_backend_vstorage.c): it is called as
`vstorage-mount -c CLUSTER TARGET -m MODE -g GROUP -u USER`, mode in octal, owners by name; it returns when the cluster is mounted, and leaves the
process that serves the mount behind; in the mount table that is TARGET with the source `vstorage://CLUSTER`, of FUSE (fuse.vstorage, as the
subtype of every FUSE filesystem is shown); umount ends it. So this one refuses every other argv, and mounts a FUSE filesystem that the kernel shows
so: the files of a directory that stands for the cluster. An unknown cluster, and one to which this machine was not authorized, are refused with a
status other than 0 and a line on standard error; what the real one says there is not known.
"""
import contextlib
import ctypes
import errno
import grp
import os
import pwd
import re
import struct
import sys

CLUSTERS = "/run/test/clusters"     # a directory for each cluster; a file "argv" beside them gets what the program was called with
(LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR, RENAME, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR,
 FSYNCDIR, CREATE, INTERRUPT, DESTROY, BATCH_FORGET, FALLOCATE, RENAME2) = (
     1, 2, 3, 4, 9, 10, 11, 12, 14, 15, 16, 17, 18, 20, 25, 26, 27, 28, 29, 30, 35, 36, 38, 42, 43, 45)


class Passthrough:
    """FUSE's kernel protocol 7.31 for the files of a directory: enough for pools, one thread, paths by node."""

    def __init__(self, fd, root, owner, mode):
        self.fd, self.root, self.owner, self.mode = fd, root, owner, mode
        self.paths = {1: ""}

    def path(self, node):
        return os.path.join(self.root, self.paths[node])

    def child(self, node, name):
        return os.path.join(self.root, self.paths[node], os.fsdecode(name.rstrip(b"\0")))

    def serve(self):
        with contextlib.suppress(OSError):
            while self.answer(os.read(self.fd, 1 << 18)):
                pass

    def answer(self, request):
        _, opcode, unique, node, uid, gid = struct.unpack_from("<IIQQII", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return True
        try:
            body, error = self.body(opcode, node, request[40:], uid, gid), 0
        except OSError as why:
            body, error = b"", -why.errno
        os.write(self.fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
        return opcode != DESTROY

    def attributes(self, st, node):
        mode, uid, gid = (0o40000 | self.mode, *self.owner) if node == 1 else (st.st_mode, st.st_uid, st.st_gid)
        times = [t // 10**9 for t in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        parts = [t % 10**9 for t in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        return struct.pack("<QQQQQQIIIIIIIIII", st.st_ino, st.st_size, st.st_blocks, *times, *parts, mode, st.st_nlink, uid, gid, 0, 4096, 0)

    def entry(self, path):
        st = os.lstat(path)
        self.paths[st.st_ino] = os.path.relpath(path, self.root)
        return struct.pack("<QQQQII", st.st_ino, 0, 0, 0, 0, 0) + self.attributes(st, st.st_ino)

    def body(self, opcode, node, body, uid, gid):
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 8, 6, 1 << 16, 1, 0, 0, 0, *[0] * 7)
        if opcode == LOOKUP:
            return self.entry(self.child(node, body))
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(os.lstat(self.path(node)), node)
        if opcode == SETATTR:
            return self.setattr(node, body)
        if opcode == CREATE:
            flags, mode = struct.unpack_from("<II", body)
            path = self.child(node, body[16:])
            fd = os.open(path, flags & ~os.O_NOFOLLOW | os.O_CREAT, mode & 0o7777)
            os.fchown(fd, uid, gid)
            return self.entry(path) + struct.pack("<QII", fd, 0, 0)
        if opcode in (OPEN, OPENDIR):
            flags = struct.unpack_from("<I", body)[0]
            return struct.pack("<QII", os.open(self.path(node), flags & ~(os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL | os.O_DIRECT)), 0, 0)
        if opcode in (READ, READDIR):
            handle, offset, size = struct.unpack_from("<QQI", body)
            return os.pread(handle, size, offset) if opcode == READ else self.listing(handle, offset, size)
        if opcode == WRITE:
            handle, offset, size = struct.unpack_from("<QQI", body)
            return struct.pack("<II", os.pwrite(handle, body[40:40 + size], offset), 0)
        if opcode in (RELEASE, RELEASEDIR):
            os.close(struct.unpack_from("<Q", body)[0])
            return b""
        if opcode == STATFS:
            v = os.statvfs(self.root)
            return struct.pack("<QQQQQIIII6I", v.f_blocks, v.f_bfree, v.f_bavail, v.f_files, v.f_ffree, v.f_bsize, 255, v.f_frsize, 0, *[0] * 6)
        self.change(opcode, node, body)
        return self.entry(self.child(node, body[8:])) if opcode == MKDIR else b""

    def setattr(self, node, body):
        valid, _, handle, size, _, atime, mtime, _, ansec, mnsec, _, mode, _, uid, gid = struct.unpack_from("<IIQQQQQQIIIIIII", body)
        path = self.path(node)
        if valid & 1:
            os.chmod(path, mode & 0o7777)
        if valid & 6:
            os.chown(path, uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 8:
            os.truncate(handle if valid & 64 else path, size)
        if valid & (16 | 32):
            st = os.lstat(path)
            os.utime(path, ns=(atime * 10**9 + ansec if valid & 16 else st.st_atime_ns, mtime * 10**9 + mnsec if valid & 32 else st.st_mtime_ns))
        return struct.pack("<QII", 0, 0, 0) + self.attributes(os.lstat(path), node)

    def change(self, opcode, node, body):
        if opcode == MKDIR:
            os.mkdir(self.child(node, body[8:]), struct.unpack_from("<I", body)[0] & 0o7777)
        elif opcode in (UNLINK, RMDIR):
            (os.unlink if opcode == UNLINK else os.rmdir)(self.child(node, body))
        elif opcode in (RENAME, RENAME2):
            to, flags = struct.unpack_from("<QI", body) if opcode == RENAME2 else (*struct.unpack_from("<Q", body), 0)
            old, new = body[16 if opcode == RENAME2 else 8:].rstrip(b"\0").split(b"\0")
            if flags & 1 and os.path.lexists(self.child(to, new)):
                raise OSError(errno.EEXIST, "")
            if flags & ~1:
                raise OSError(errno.EINVAL, "")
            os.rename(self.child(node, old), self.child(to, new))
            self.entry(self.child(to, new))
        elif opcode in (FSYNC, FSYNCDIR):
            os.fsync(struct.unpack_from("<Q", body)[0])
        elif opcode == FALLOCATE:
            handle, offset, length, mode = struct.unpack_from("<QQQI", body)
            if mode:
                raise OSError(errno.EOPNOTSUPP, "")
            os.posix_fallocate(handle, offset, length)
        elif opcode not in (FLUSH, DESTROY):
            raise OSError(errno.ENOSYS, "")

    @staticmethod
    def listing(handle, offset, size):
        out = b""
        for at, entry in enumerate(sorted(os.scandir(handle), key=lambda e: e.name), start=1):
            name = os.fsencode(entry.name)
            part = struct.pack("<QQII", entry.inode(), at, len(name), 4 if entry.is_dir() else 8) + name
            part = part.ljust((len(part) + 7) // 8 * 8, b"\0")
            if at <= offset:
                continue
            if len(out) + len(part) > size:
                break
            out += part
        return out


def mount(cluster, target, owner, mode):
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions" % fd
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"vstorage://" + cluster.encode(), target.encode(), b"fuse.vstorage", 0, options):
        sys.exit("vstorage-mount: cannot mount: " + os.strerror(ctypes.get_errno()))
    if os.fork() == 0:      # the server stays
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        Passthrough(fd, os.path.join(CLUSTERS, cluster), owner, mode).serve()
        os._exit(0)
    os.close(fd)


def main(argv):
    with open(os.path.join(CLUSTERS, "argv"), "a", encoding="utf-8") as file:
        file.write(repr(argv) + "\n")
    if len(argv) != 9 or (argv[0], argv[3], argv[5], argv[7]) != ("-c", "-m", "-g", "-u") or not re.fullmatch("[0-7]{1,4}", argv[4]):
        sys.exit("vstorage-mount: usage: vstorage-mount -c CLUSTER TARGET -m MODE -g GROUP -u USER")
    cluster, target, mode, group, user = argv[1], argv[2], int(argv[4], 8), argv[6], argv[8]
    if not os.path.isdir(os.path.join(CLUSTERS, cluster)):
        sys.exit(f"vstorage-mount: cluster {cluster} is unknown, or this host is not authorized")
    try:
        owner = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError as why:
        sys.exit(f"vstorage-mount: {why}")
    mount(cluster, target, owner, mode)


if __name__ == "__main__":
    main(sys.argv[1:])
