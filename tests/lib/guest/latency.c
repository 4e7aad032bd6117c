/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * latency SOCKET STOPFILE: ask for all pools every 10 ms, each time over a new connection, until STOPFILE
 * exists; then print how long the answers took:
 *
 *     requests=N worst_us=N median_us=N late=N first_ms=N worst_ms=N own_us=N
 *
 * late counts answers that took more than 50 ms; first_ms is the machine's uptime at the first answer,
 * worst_ms at the worst. own_us is the worst without the time that process 1, which answers, and this one
 * waited for a processor. As long as nobody listens yet it waits. A program of its own because a shell that
 * starts a client each time would measure mostly itself.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LATE_US 50000
#define KEPT    1000000

static uint64_t now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void pause_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* How long this process has waited for a processor, in all. */
static uint64_t waited_us(const char *schedstat)
{
	FILE *file = fopen(schedstat, "re");
	unsigned long long waited = 0;

	if (file) {
		if (fscanf(file, "%*u %llu", &waited) != 1)
			waited = 0;
		fclose(file);
	}
	return waited / 1000;
}

static uint64_t both_waited_us(void)
{
	return waited_us("/proc/1/schedstat") + waited_us("/proc/self/schedstat");
}

/* 0: answered; -1: nobody listens; -2: the connection ended before the answer did. */
static int ask(const char *path)
{
	static const char request[] = "pool-list all=yes\nquit\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char data[65536];
	size_t have = 0;
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	n = write(fd, request, sizeof(request) - 1);
	while (n > 0 && have < sizeof(data) - 1 && (n = read(fd, data + have, sizeof(data) - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	data[have] = '\0';
	return strstr(data, "\nOK pools=") ? 0 : -2;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static uint32_t took[KEPT];
	unsigned n = 0, late = 0;
	uint64_t first = 0, worst = 0, own = 0;
	uint32_t longest = 0;

	if (argc != 3)
		return 64;
	while (n < KEPT && access(argv[2], F_OK) != 0) {
		uint64_t before = both_waited_us(), began = now_us(CLOCK_MONOTONIC);
		int answer = ask(argv[1]);

		if (answer == 0) {
			took[n] = (uint32_t)(now_us(CLOCK_MONOTONIC) - began);
			uint64_t waited = both_waited_us() - before;

			late += took[n] > LATE_US;
			if (took[n] > longest) {
				longest = took[n];
				worst = now_us(CLOCK_BOOTTIME) / 1000;
			}
			if (took[n] > waited && took[n] - waited > own)
				own = took[n] - waited;
			n++;
			if (!first)
				first = now_us(CLOCK_BOOTTIME) / 1000;
		} else if (answer == -2 || first) {
			printf("failed: after %u answers, at %llu ms\n", n,
			       (unsigned long long)(now_us(CLOCK_BOOTTIME) / 1000));
			return 1;
		}
		pause_ms(10);
	}
	if (!n)
		return 1;
	qsort(took, n, sizeof(took[0]), compare);
	printf("requests=%u worst_us=%u median_us=%u late=%u first_ms=%llu worst_ms=%llu own_us=%llu\n", n,
	       took[n - 1], took[n / 2], late, (unsigned long long)first, (unsigned long long)worst,
	       (unsigned long long)own);
	return 0;
}
