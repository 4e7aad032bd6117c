/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small trees that stand for /sys and /dev: files with text, links, and a place for them that goes away with
 * the test.
 */
#ifndef POOLINIT_TESTS_FIXTURE_H
#define POOLINIT_TESTS_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static inline void fixture_path(char out[PATH_MAX], const char *fmt,
                                                                      ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(out, PATH_MAX, fmt, ap) >= PATH_MAX) {
		fprintf(stderr, "path too long: %s\n", out);
		exit(1);
	}
	va_end(ap);
}

static inline void fixture_parents(const char *path)
{
	char dir[PATH_MAX];

	fixture_path(dir, "%s", path);
	for (char *p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(dir, 0755);
		*p = '/';
	}
}

/* Bytes into the file that root and the format make together; directories as needed. */
static inline void fixture_bytes(const char *path, const void *data, size_t len)
{
	FILE *f;

	fixture_parents(path);
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

__attribute__((format(printf, 3, 4))) static inline void fixture(const char *root, const char *text,
                                                                 const char *fmt, ...)
{
	char path[PATH_MAX];
	char name[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	fixture_path(path, "%s/%s", root, name);
	fixture_bytes(path, text, strlen(text));
}

static inline void fixture_link(const char *root, const char *to, const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];

	fixture_path(path, "%s/%s", root, name);
	fixture_path(target, "%s/%s", root, to);
	fixture_parents(path);
	if (symlink(target, path) < 0) {
		perror(path);
		exit(1);
	}
}

/* A device directory below root with its subsystem, as the kernel shows it. */
static inline void fixture_device(const char *root, const char *dir, const char *subsystem)
{
	char path[PATH_MAX], bus[PATH_MAX];

	fixture(root, "", "%s/uevent", dir);
	fixture_path(bus, "bus/%s", subsystem);
	fixture_path(path, "%s/%s/.", root, bus);
	fixture_parents(path);
	fixture_path(path, "%s/subsystem", dir);
	fixture_link(root, bus, path);
}

static inline int fixture_unlink(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static inline void fixture_remove(const char *root)
{
	nftw(root, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_make(char root[PATH_MAX])
{
	fixture_path(root, "/tmp/poolinit-test-XXXXXX");
	if (!mkdtemp(root)) {
		perror(root);
		exit(1);
	}
}

/* A mount (and network) namespace of our own, in which the test may cover /sys, /dev and /run. False: this
 * process may not. */
static inline bool fixture_namespace(int more)
{
	return unshare(CLONE_NEWNS | more) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* An empty tmpfs over a directory. Devices in it work. */
static inline bool fixture_cover(const char *path)
{
	return mount("tmpfs", path, "tmpfs", 0, "mode=755") == 0;
}

#endif
