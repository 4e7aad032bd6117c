/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2-tool: make and grow qcow2 images as the backends do, for tests/host/qcow2, and die or run out of
 * space on the way if asked to.
 *
 *     qcow2-tool create FILE capacity=N [cluster=N] [compat=WORD] [lazy] [extended]
 *     [prealloc=metadata|falloc] [backing=NAME] [format=WORD]
 *     qcow2-tool grow FILE capacity=N
 *     further words: die=N (the Nth call that changes the file is half done, then the process is gone),
 *     fail=N (it fails: no space)
 *
 * Ends with "OK changes=N" (status 0), "NOT-OURS" (2) or "ERR class "…"" (1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "volumes/image/qcow2.h"
#include "base/util.h"

static unsigned long changes, die_at, fail_at;

/* ---- what the library calls instead of the C library ---- */

static int trouble(void)
{
	if (++changes == fail_at) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (trouble() < 0)
		return -1;
	if (changes == die_at) {
		syscall(SYS_pwrite64, fd, data, len > 512 ? len / 2 / 512 * 512 : 0, offset);
		_exit(9);
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, data, len, offset);
}

int ftruncate(int fd, off_t len)
{
	if (trouble() < 0)
		return -1;
	if (changes == die_at)
		_exit(9);
	return (int)syscall(SYS_ftruncate, fd, len);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (trouble() < 0)
		return -1;
	if (changes == die_at) {
		syscall(SYS_fallocate, fd, mode, offset, len / 2);
		_exit(9);
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int fdatasync(int fd)
{
	if (trouble() < 0)
		return -1;
	if (changes == die_at)
		_exit(9);
	(void)fd; /* the test reads through the same cache: no need to wear out a disk */
	return 0;
}

/* ---- the command line ---- */

static bool is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && strncmp(word, name, len) == 0;
}

static int read_word(const char *word, struct qcow2_options *o)
{
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value++ - word) : strlen(word);

	if (!value)
		value = "";
	if (is(word, len, "capacity"))
		o->capacity = strtoull(value, NULL, 10);
	else if (is(word, len, "cluster"))
		o->cluster_size = strtoull(value, NULL, 10);
	else if (is(word, len, "compat"))
		o->compat = value;
	else if (is(word, len, "lazy"))
		o->lazy_refcounts = true;
	else if (is(word, len, "extended"))
		o->extended_l2 = true;
	else if (is(word, len, "prealloc"))
		o->preallocation = streq(value, "falloc") ? QCOW2_PREALLOC_FALLOC : QCOW2_PREALLOC_METADATA;
	else if (is(word, len, "backing"))
		o->backing = value;
	else if (is(word, len, "format"))
		o->backing_format = value;
	else if (is(word, len, "die"))
		die_at = strtoul(value, NULL, 10);
	else if (is(word, len, "fail"))
		fail_at = strtoul(value, NULL, 10);
	else
		return -1;
	return 0;
}

static int usage(void)
{
	fputs("usage: qcow2-tool create|grow FILE WORD…\n", stderr);
	return 3;
}

int main(int argc, char **argv)
{
	struct qcow2_options o = { 0 };
	struct err e = { 0 };
	bool create = argc > 2 && streq(argv[1], "create");
	int fd, result;

	for (int i = 3; i < argc; i++)
		if (read_word(argv[i], &o) < 0)
			return usage();
	if (argc < 3 || (!create && !streq(argv[1], "grow")))
		return usage();
	fd = open(argv[2], O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0) {
		perror(argv[2]);
		return 3;
	}
	result = create ? qcow2_create(fd, &o, &e) : qcow2_grow(fd, o.capacity, &e);
	close(fd);
	if (result < 0)
		printf("ERR %s \"%s\"\n", err_word(e.class), e.message);
	else if (result == 0)
		printf("OK changes=%lu\n", changes);
	else
		puts("NOT-OURS");
	return result < 0 ? 1 : result ? 2 : 0;
}
