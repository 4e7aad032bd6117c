/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * starts SOCKET POOL N: stop and start a pool N times over one connection, and print of each start the
 * microseconds that it took, and for how many of these anything ran on the processors, a line each. A program
 * of its own because a shell that starts a client each time would measure mostly itself.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What all processors have spent with all processes. */
static uint64_t ran_us(void)
{
	FILE *in = fopen("/proc/schedstat", "r");
	unsigned long long ns, sum = 0;
	char line[4096];

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %llu", &ns) == 1)
			sum += ns;
	if (in)
		fclose(in);
	return sum / 1000;
}

/* The answer's last line begins with OK. */
static int ask(FILE *in, int fd, const char *verb, const char *pool)
{
	static char line[65536];

	if (dprintf(fd, "%s %s\n", verb, pool) < 0)
		return -1;
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, "OK", 2) == 0)
			return 0;
		if (strncmp(line, "ERR", 3) == 0)
			break;
	}
	printf("%s %s: %s", verb, pool, line);
	return -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	if (argc != 4 || !in)
		return 64;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 1;
	for (int n = atoi(argv[3]); n > 0; n--) {
		uint64_t began, ran;

		if (ask(in, fd, "pool-destroy", argv[2]) < 0)
			return 1;
		ran = ran_us();
		began = now_us();
		if (ask(in, fd, "pool-start", argv[2]) < 0)
			return 1;
		began = now_us() - began;
		printf("%llu %llu\n", (unsigned long long)began, (unsigned long long)(ran_us() - ran));
	}
	return 0;
}
