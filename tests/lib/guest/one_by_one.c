/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * one_by_one DIRECTORY: look at each file and read the first page of it, one after the other, and print how
 * many there were and the milliseconds that it took: what a refresh costs that asks its server one thing at a
 * time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const double began = now_ms();
	char page[4096];
	unsigned n = 0;

	if (!dir)
		return 1;
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;
		int fd;

		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NOFOLLOW);
		if (fd < 0 || read(fd, page, sizeof(page)) < 0)
			return 1;
		close(fd);
		n++;
	}
	printf("%u files %.0f ms\n", n, now_ms() - began);
	return 0;
}
