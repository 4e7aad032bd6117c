/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a worker allocates depends on directories, servers and metadata that somebody else made. So it has a limit, which makes malloc(3) fail like any
 * other lack of memory; and where many of them, or the kernel's own part, use up everything all the same, a worker goes before anything else does.
 *
 * The kernel tells nobody why it kills. It counts, though: a process that was killed while the count rose is taken for one of those.
 */
#include "base/memory.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/util.h"

#define MIB      ((size_t)1024 * 1024)
#define LEAST    (64 * MIB)
#define MOST     (1024 * MIB)
#define COUNT_OF "\noom_kill "
#define VMSTAT_MAX (16 * 1024)

static uint64_t last;           /* of memory_watch(); 0: nothing is known */

size_t memory_limit(void)
{
	struct sysinfo machine;
	struct rlimit r;
	uint64_t bytes = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit / 4 : MOST;

	if (SANITIZED || getrlimit(RLIMIT_DATA, &r) < 0)        /* the shadow would count */
		return 0;
	bytes = bytes < LEAST ? LEAST : least(bytes, MOST);
	return (size_t)least(bytes, r.rlim_max);
}

/* Private memory that can be written. Not all that is mapped: files and memory that is shared take nothing from anybody by being mapped. */
static void set_limit(size_t bytes)
{
	struct rlimit r;

	if (SANITIZED || getrlimit(RLIMIT_DATA, &r) < 0)
		return;
	r.rlim_cur = least(bytes, r.rlim_max);
	setrlimit(RLIMIT_DATA, &r);
}

void memory_bound(void)
{
	file_poke(AT_FDCWD, "/proc/self/oom_score_adj", "1000", NULL);
	set_limit(memory_limit());
}

void memory_bound_tool(void)
{
	set_limit(MOST);
}

void memory_keep(void)
{
	if (!SANITIZED)                 /* the shadow is most of the address space */
		mlockall(MCL_CURRENT | MCL_ONFAULT);
}

/* How many the kernel has killed, and one; 0: it does not say. The supervisor asks at each worker's start, and keeps the file open. */
static uint64_t count(bool keep)
{
	static int kept = -1;
	static pid_t keeper;
	bool ours = kept >= 0 && keeper == getpid();
	int fd = ours ? kept : open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	char text[VMSTAT_MAX];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	if (keep && fd >= 0) {
		kept = fd;
		keeper = getpid();
	} else if (fd >= 0 && !ours) {
		close(fd);
	}
	const char *at = strstr(text, COUNT_OF);

	return at ? strtoull(at + sizeof(COUNT_OF) - 1, NULL, 10) + 1 : 0;
}

uint64_t memory_watch(void)
{
	return last = count(true);
}

bool memory_took(int status, uint64_t since)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && last && count(false) > (since ? since : last);
}

const char *memory_ending(int status, uint64_t since)
{
	static char text[80];

	if (memory_took(status, since))
		return "was ended by the kernel: out of memory";
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "died by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
	return text;
}
