/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole files: read with a limit, replace atomically, make directories.
 */
#ifndef POOLINIT_BASE_FILE_H
#define POOLINIT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

/* Append the file's bytes to b. Only regular files (and those of /proc, /sys) are opened; ERR_INVALID: it is
 * something else; ERR_TOO_LONG above `limit` bytes. dirfd may be AT_FDCWD. On failure part of it may be in
 * b. */
int file_read(int dirfd, const char *path, size_t limit, struct buf *b, struct err *e);
/* The same of one that is open, from where it is; `path` is for messages. */
int file_read_open(int fd, const char *path, size_t limit, struct buf *b, struct err *e);
/* Read up to size bytes from an offset; fewer only at the end of the file. -1 with errno. The descriptor's
 * own position stays. */
ssize_t file_pread(int fd, void *out, size_t size, uint64_t offset);
/* All of it. -1 with errno. */
int file_write(int fd, const void *data, size_t len);
/* openat2(2) (Linux 5.6), with O_CLOEXEC. -1 with errno; ENOSYS: this kernel has no such call. */
int file_open_how(int dir, const char *path, int flags, uint64_t resolve);
/* An entry of a directory, not opened (O_PATH), and never what a link there leads to. `resolve`: openat2(2)'s
 * RESOLVE_… bits, which a kernel without that call does not see to. -1 with errno. */
int file_seek(int dir, const char *name, uint64_t resolve);
/* First line of a small file (sysfs attributes), without the newline. Returns its length, or -1 with errno
 * set (EOVERFLOW: it does not fit). */
ssize_t file_read_line(int dirfd, const char *path, char *out, size_t size);
/* Replace path by these bytes: written beside it, fsynced, renamed, directory fsynced, so that after a power
 * cut there is the old file or the new one. Its mode is `mode`, whatever the umask. On failure the old file
 * stands and no other is left. ERR_NO_SPACE, ERR_READ_ONLY, ERR_DENIED are told apart; ERR_INVALID: that is
 * no name of a file. */
int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* The same for a text that others read (0644). The directory is made if need be. */
int file_leave(const char *dir, const char *name, const char *text, struct err *e);
/* A copy of a program's bytes, written over what is there. On failure none is there. */
int file_copy_program(const char *from, const char *path, struct err *e);
/* Remove what file_replace() left in a directory when its process was killed, of every name that is_ours()
 * takes. Only while nobody replaces any there: what is being written looks the same. */
void file_sweep(int dir, bool (*is_ours)(const char *name));
/* That many characters, 12 at most, which nobody else has chosen, and a NUL. O_EXCL decides, so that early
 * boot need not wait for entropy. */
void file_random_suffix(char *out, int len);
/* Write to an existing file or attribute (sysfs), in one write(2), as the kernel's attributes want it. The
 * errno is in e->sys. */
int file_poke(int dirfd, const char *path, const char *text, struct err *e);
/* Is what is open on a filesystem of one of these kinds (statfs(2)'s f_type; a list that 0 ends)? False too
 * if that cannot be known. */
bool file_is_on(int fd, const uint32_t *kinds);
/* fsync(2) of a directory, so that a new entry is there after a power cut. The descriptor may be open for the
 * path alone (O_PATH). -1 with errno. */
int file_sync_dir(int dir);
/* mkdir -p. Existing directories are left as they are. Nothing waits for a disk: for what a boot makes
 * anew. */
int file_mkdirs(const char *path, mode_t mode, struct err *e);
/* The same for what is there after a power cut: each is synced into its parent. Not in the supervisor. */
int file_mkdirs_kept(const char *path, mode_t mode, struct err *e);
/* Remove a file; absence is success. The directory is fsynced. */
int file_remove(int dirfd, const char *path, struct err *e);
/* Close every descriptor but 0, 1, 2 and this one (-1: none). For a child that may outlive its parent:
 * readers of the parent's pipes are to see their end. */
void file_keep_only(int fd);
/* Collapse "//" and drop a final '/', as libvirt does to target paths: two leading slashes stay, "x://" is
 * left alone. In place. */
void path_tidy(char *path);
/* What stands behind the last slash; the whole path where there is none. Points into it. */
const char *path_base(const char *path);
/* One component that may become a file name: not empty, no '/', no control characters, not "." or "..", at
 * most 255 bytes. */
bool name_is_component(const char *name);

#endif
