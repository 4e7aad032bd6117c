/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loaded into a supervisor by tests/host/faults: makes memory, processes and the wall clock fail as the test
 * says, in that one process and not in its workers. The test and this share a page. Below it the sanitizer's
 * allocator goes on as always and sees what the failure leads to.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct page {
	int64_t pid;         /* whose allocations and forks fail */
	int64_t countdown;   /* the allocation that fails: 1 is the next; 0: none */
	int64_t failing;     /* how many in a row fail then */
	int64_t allocations; /* seen so far */
	int64_t forks;       /* how many fail */
	int64_t clock;       /* seconds added to the wall clock */
};

static volatile struct page *page;
static char early[65536]; /* for dlsym(3), before the next malloc is known */
static size_t early_used;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULTS_PAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		page = map;
}

static int fails(void)
{
	if (!page || page->pid != getpid())
		return 0;
	page->allocations++;
	if (page->countdown == 0)
		return 0;
	if (page->countdown > 1) {
		page->countdown--;
		return 0;
	}
	if (--page->failing <= 0)
		page->countdown = 0;
	errno = ENOMEM;
	return 1;
}

static void *early_alloc(size_t size)
{
	void *p = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(early) - early_used)
		return NULL;
	early_used += size;
	return p;
}

/* The first call of each finds what is below; what dlsym(3) itself allocates meanwhile comes from the small
 * room. */
#define BELOW(name, type)                                                                                    \
	static type below;                                                                                   \
	static int finding;                                                                                  \
	if (!below && !finding) {                                                                            \
		finding = 1;                                                                                 \
		*(void **)&below = next(name);                                                               \
		finding = 0;                                                                                 \
	}

void *malloc(size_t size)
{
	BELOW("malloc", __typeof__(&malloc))
	return !below ? early_alloc(size) : fails() ? NULL : below(size);
}

void *calloc(size_t n, size_t size)
{
	BELOW("calloc", __typeof__(&calloc))
	return !below ? early_alloc(n * size) : fails() ? NULL : below(n, size);
}

void *realloc(void *p, size_t size)
{
	BELOW("realloc", __typeof__(&realloc))
	return !below ? NULL : fails() ? NULL : below(p, size);
}

char *strdup(const char *s)
{
	BELOW("strdup", __typeof__(&strdup))
	return !below || fails() ? NULL : below(s);
}

char *strndup(const char *s, size_t n)
{
	BELOW("strndup", __typeof__(&strndup))
	return !below || fails() ? NULL : below(s, n);
}

pid_t fork(void)
{
	BELOW("fork", __typeof__(&fork))
	if (page && page->pid == getpid() && page->forks > 0) {
		page->forks--;
		errno = EAGAIN;
		return -1;
	}
	return below();
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	BELOW("clock_gettime", __typeof__(&clock_gettime))
	int rc = below(clock, ts);

	if (rc == 0 && page && clock == CLOCK_REALTIME)
		ts->tv_sec += (time_t)page->clock;
	return rc;
}

time_t time(time_t *t)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	if (t)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
