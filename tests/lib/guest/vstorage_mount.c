// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vstorage-mount -c CLUSTER TARGET -m MODE -g GROUP -u USER, for `make demo-all`: stands in for Virtuozzo's client program, of which
 * tests/lib/vstorage.py says what is known. It mounts what the kernel shows as that program's filesystem, with one file in it that
 * nobody can change, and leaves behind the process that serves it. FUSE's protocol: the kernel's include/uapi/linux/fuse.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOT = FUSE_ROOT_ID, FILE_NODE = 2, FILE_SIZE = 8 << 20, BLOCK = 4096, MOST = 1 << 17 };
#define FILE_NAME "vm.raw"

static mode_t root_mode;
static char zeros[MOST];

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr attr = { .ino = node, .nlink = 1, .blksize = BLOCK };

	attr.mode = node == ROOT ? S_IFDIR | root_mode : S_IFREG | 0444;
	attr.size = node == ROOT ? 0 : FILE_SIZE;
	return attr;
}

/* Of several offsets the kernel asks for the first alone when it has got all. */
static size_t listing(const struct fuse_read_in *in, void *body)
{
	struct fuse_dirent *entry = body;

	if (in->offset > 0)
		return 0;
	*entry = (struct fuse_dirent){ .ino = FILE_NODE, .off = 1, .namelen = strlen(FILE_NAME), .type = DT_REG };
	memcpy(entry->name, FILE_NAME, entry->namelen);
	return FUSE_DIRENT_SIZE(entry);
}

/* What is said to one request: the length of the body, or minus the errno. */
static int answer(const struct fuse_in_header *head, const void *arg, void *body)
{
	switch (head->opcode) {
	case FUSE_INIT:
		*(struct fuse_init_out *)body = (struct fuse_init_out){ .major = 7, .minor = 31, .max_write = MOST };
		return sizeof(struct fuse_init_out);
	case FUSE_LOOKUP:
		if (strcmp(arg, FILE_NAME) != 0)
			return -ENOENT;
		*(struct fuse_entry_out *)body = (struct fuse_entry_out){ .nodeid = FILE_NODE, .attr = attr_of(FILE_NODE) };
		return sizeof(struct fuse_entry_out);
	case FUSE_GETATTR:
		*(struct fuse_attr_out *)body = (struct fuse_attr_out){ .attr = attr_of(head->nodeid) };
		return sizeof(struct fuse_attr_out);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		memset(body, 0, sizeof(struct fuse_open_out));
		return sizeof(struct fuse_open_out);
	case FUSE_READDIR:
		return (int)listing(arg, body);
	case FUSE_READ: {
		const struct fuse_read_in *in = arg;
		uint64_t left = in->offset < FILE_SIZE ? FILE_SIZE - in->offset : 0;

		memcpy(body, zeros, in->size < left ? in->size : left);
		return (int)(in->size < left ? in->size : left);
	}
	case FUSE_STATFS:
		*(struct fuse_statfs_out *)body =
			(struct fuse_statfs_out){ .st = { .blocks = 1 << 20, .bfree = 1 << 19, .bavail = 1 << 19, .bsize = BLOCK, .frsize = BLOCK, .namelen = 255 } };
		return sizeof(struct fuse_statfs_out);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
	case FUSE_DESTROY:
		return 0;
	default:
		return -ENOSYS;
	}
}

static void serve(int fd)
{
	static char request[MOST + BLOCK], body[MOST];

	for (;;) {
		const struct fuse_in_header *head = (void *)request;
		ssize_t n = read(fd, request, sizeof(request));

		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n <= 0)
			_exit(0);
		if (head->opcode == FUSE_FORGET || head->opcode == FUSE_BATCH_FORGET || head->opcode == FUSE_INTERRUPT)
			continue;
		int said = answer(head, head + 1, body);
		struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + (said > 0 ? (size_t)said : 0)), .error = said < 0 ? said : 0, .unique = head->unique };
		struct iovec parts[] = { { &out, sizeof(out) }, { body, out.len - sizeof(out) } };
		if (writev(fd, parts, 2) < 0 && errno != ENOENT)
			_exit(1);
	}
}

int main(int argc, char **argv)
{
	char options[128], source[128];

	if (argc != 10 || strcmp(argv[1], "-c") != 0 || strcmp(argv[4], "-m") != 0 || strcmp(argv[6], "-g") != 0 || strcmp(argv[8], "-u") != 0) {
		fprintf(stderr, "vstorage-mount: not called as libvirt does\n");
		return 2;
	}
	int fd = open("/dev/fuse", O_RDWR);
	root_mode = (mode_t)strtoul(argv[5], NULL, 8);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
	snprintf(source, sizeof(source), "vstorage://%s", argv[2]);
	if (fd < 0 || mount(source, argv[3], "fuse.vstorage", 0, options) < 0) {
		perror("vstorage-mount: cannot mount");
		return 1;
	}
	if (fork() == 0) {
		setsid();
		for (int n = 0; n < 3; n++)
			close(n);
		serve(fd);
	}
	return 0;
}
