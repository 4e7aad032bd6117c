/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a worker allocates depends on directories, servers and metadata that somebody else made. So it has a
 * limit, which makes malloc(3) fail like any other lack of memory; and where many of them, or the kernel's
 * own part, use up everything all the same, a worker goes before anything else does.
 *
 * The kernel tells nobody why it kills. It counts, though, for the whole machine, and names in its log whom
 * it has killed. A process that was killed while the count rose is one of those if the log names it, or if
 * there is no log to be read here.
 */
#include "base/memory.h"

#include <errno.h>
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
#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

#define MIB        ((size_t)1024 * 1024)
#define LEAST      (64 * MIB)
#define MOST       (1024 * MIB)
#define COUNT_OF   "\noom_kill "
#define VMSTAT_MAX (16 * 1024)

static uint64_t last; /* of memory_watch(); 0: nothing is known */

size_t memory_limit(void)
{
	struct sysinfo machine;
	struct rlimit r;
	uint64_t bytes = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit / 4 : MOST;

	if (SANITIZED || getrlimit(RLIMIT_DATA, &r) < 0) /* the shadow would count */
		return 0;
	/* Below 64 MiB no XML library and no LVM would do its work; above a gigabyte something is wrong
	 * anyway. */
	bytes = bytes < LEAST ? LEAST : least(bytes, MOST);
	return (size_t)least(bytes, r.rlim_max);
}

/* Private memory that can be written. Not all that is mapped: files and memory that is shared take nothing
 * from anybody by being mapped. */
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

void memory_unbound(void)
{
	file_poke(AT_FDCWD, "/proc/self/oom_score_adj", "0", NULL);
	set_limit(SIZE_MAX);
}

void memory_bound_tool(void)
{
	set_limit(MOST);
}

/* What is still to come counts against RLIMIT_MEMLOCK, and mmap(2) fails beyond it. So that is asked for only
 * where the limit does not count: a process for which it counts may lock nothing while it is 0. */
void memory_keep(void)
{
	struct rlimit r, probe = { 0 };
	int rc = -1;

	if (SANITIZED) /* the shadow is most of the address space */
		return;
	if (getrlimit(RLIMIT_MEMLOCK, &r) == 0) {
		probe.rlim_max = r.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &probe) == 0)
			rc = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
		setrlimit(RLIMIT_MEMLOCK, &r);
	}
	if (rc < 0)
		mlockall(MCL_CURRENT | MCL_ONFAULT);
}

/* ---- the kernel's log ---- */

#define RECORD_MAX  8192
#define RECORDS_MAX 16384 /* read at once: more than the log holds */
#define NAMED       32

static int kept_log = -1; /* the supervisor's, from when it first watched */
static pid_t log_keeper;

/* A line of the kernel's log about a process that it has killed. The number is that of the first process
 * namespace. */
struct killed {
	pid_t pid;
	char name[16];
};

/* Keep the kernel's log open from now on, at its end: only what comes later is of interest. In a child it is
 * opened anew. */
static void log_keep(void)
{
	if (log_keeper == getpid())
		return;
	log_keeper = getpid();
	kept_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kept_log >= 0)
		lseek(kept_log, 0, SEEK_END);
}

/* "6,1234,5678,-;Out of memory: Killed process 99 (refresh) …". Others than the kernel write with a
 * facility. */
static bool read_record(const char *record, struct killed *k)
{
	const char *text = strchr(record, ';'), *at = text ? strstr(text, "Killed process ") : NULL;

	return at && strtoul(record, NULL, 10) < 8 &&
	       sscanf(at, "Killed process %d (%15[^)]", &k->pid, k->name) == 2;
}

static bool is_first_namespace(void)
{
	char text[32];
	ssize_t n = readlink("/proc/self/ns/pid", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strcmp(text, "pid:[4026531836]") == 0;
}

/* False only if the kernel's log can be read and does not name it. What is read is read once, and kept for
 * those that are asked about later. */
static bool log_may_name(pid_t pid, const char *name)
{
	static struct killed all[NAMED];
	static size_t n;
	bool numbers = is_first_namespace(), found = false;
	char record[RECORD_MAX];

	if (kept_log < 0 || log_keeper != getpid() || !(numbers ? pid != 0 : name != NULL))
		return true;
	for (unsigned left = RECORDS_MAX; left > 0; left--) {
		ssize_t len = read(kept_log, record, sizeof(record) - 1);

		if (len < 0 && errno != EPIPE && errno != EINTR && errno != EINVAL)
			break; /* the end; the others tell of records that are lost or too long */
		record[len > 0 ? len : 0] = '\0';
		n += read_record(record, &all[n % NAMED]);
	}
	for (size_t i = 0; i < NAMED; i++)
		found |= numbers ? all[i].pid == pid
		                 : strncmp(all[i].name, name, sizeof(all[i].name) - 1) == 0;
	return found;
}

/* ---- the kernel's count ---- */

/* How many the kernel has killed, and one; 0: it does not say. The supervisor keeps the file open. */
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

void *memory_unforked(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_WIPEONFORK);
	return memory;
}

uint64_t memory_watch(void)
{
	static uint64_t counted;
	uint64_t now = clock_ms();

	/* The kernel adds up each of its counters for this: not for each of many workers that start at
	 * once. */
	log_keep();
	if (!last || now - counted >= SECONDS(1)) {
		last = count(true);
		counted = now;
	}
	return last;
}

void memory_watched(uint64_t since)
{
	last = since;
}

bool memory_took(pid_t pid, const char *name, int status, uint64_t since)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && last &&
	       count(false) > (since ? since : last) && log_may_name(pid, name);
}

const char *memory_ending(pid_t pid, const char *name, int status, uint64_t since)
{
	static char text[80];

	if (memory_took(pid, name, status, since))
		return "was ended by the kernel: out of memory";
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "died by signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
	return text;
}
