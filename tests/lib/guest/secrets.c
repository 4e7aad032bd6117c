/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * secrets FILE STOPFILE: look at the command line and the environment of every process, again and again, until STOPFILE exists, for the
 * texts that are in FILE, a line each; then print
 *
 *     rounds=N processes=N seen=N
 *
 * and of the first that had it its name. Processes are those that were looked at, each as often as it was. No text stands in an
 * argument of this program's, which looks at itself, too.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char secrets[1024], bytes[1 << 20], first[64] = "-";

/* Has this file of a process one of the texts? A process that has gone has nothing. */
static int has(const char *pid, const char *name)
{
	char path[300];
	ssize_t n = -1, used = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, bytes + used, sizeof(bytes) - (size_t)used)) > 0)
		used += n;
	if (fd >= 0)
		close(fd);
	for (const char *text = secrets; used > 0 && *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (*text != '\n' && memmem(bytes, (size_t)used, text, strcspn(text, "\n")))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long rounds = 0, processes = 0, seen = 0;
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, secrets, sizeof(secrets) - 1);

	if (n <= 0)
		return 2;
	for (; access(argv[2], F_OK) < 0; rounds++) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while (proc && (entry = readdir(proc))) {
			if (!isdigit((unsigned char)entry->d_name[0]))
				continue;
			processes++;
			if (!has(entry->d_name, "cmdline") && !has(entry->d_name, "environ"))
				continue;
			if (!seen++)
				snprintf(first, sizeof(first), "%s", bytes);
		}
		if (proc)
			closedir(proc);
	}
	printf("rounds=%lu processes=%lu seen=%lu first=%s\n", rounds, processes, seen, first);
	return 0;
}
