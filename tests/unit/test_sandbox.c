/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sandbox: what a parser needs still works inside, everything else ends the process by SIGSYS.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/util.h"
#include "check.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int pair[2];

/* Run f inside; the status of waitpid. */
static int inside_of(int (*enter)(struct err *e), int (*f)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		struct err e = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		if (enter(&e) < 0)
			_exit(100);
		_exit(f());
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static int inside(int (*f)(void))
{
	return inside_of(sandbox_enter, f);
}

/* ---- what must work ---- */

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

static int parse_something(void)
{
	struct buf b = BUF_INIT;
	char text[] = "zyx", c;

	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "%d %f %s\n", i, 1.5, "text"); /* brk, mmap, mremap */
	char *large = malloc(8 << 20);
	if (b.failed || !large)
		return 1;
	memset(large, 1, 8 << 20);
	free(large);
	qsort(text, 3, 1, compare);
	if (clock_ms() == 0 || getpid() <= 0)
		return 2;
	if (send(pair[0], text, 3, MSG_NOSIGNAL) != 3 || read(pair[1], &c, 1) != 1 || c != 'x')
		return 3;
	struct stat st;
	if (fstat(pair[0], &st) < 0)
		return 4;
	buf_free(&b);
	return 0;
}

static void a_parser_works_inside(void)
{
	CHECK_INT(inside(parse_something), 0);
}

static int log_inside(void)
{
	log_info(LF_POOL, "a line from inside");
	return 0;
}

static void the_log_works_inside(void)
{
	log_to_stderr();
	CHECK_INT(inside(log_inside), 0);
}

static int abort_inside(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void abort_is_an_abort(void)
{
	int status = inside(abort_inside);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- what must not ---- */

static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}
static int try_create(void)
{
	return open("/tmp/test_sandbox.made", O_WRONLY | O_CREAT, 0600) < 0;
}
static int try_stat(void)
{
	struct stat st;
	return stat("/etc/passwd", &st) < 0;
}
static int try_unlink(void)
{
	return unlink("/tmp/test_sandbox.absent") < 0;
}
static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
}
static int try_connect(void)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	return connect(pair[0], &sa, sizeof(sa)) < 0;
}
static int try_sendto(void)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	return sendto(pair[0], "x", 1, 0, &sa, sizeof(sa)) < 0;
}
static int try_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL) < 0;
}
static int try_fork(void)
{
	return fork() < 0;
}
static int try_kill(void)
{
	return kill(getppid(), 0) < 0;
}
static int try_tgkill(void)
{
	return syscall(SYS_tgkill, 1, 1, 0) < 0;
}
static int try_tkill(void)
{
	return syscall(SYS_tkill, 1, 0) < 0;
}
static int try_ptrace(void)
{
	return syscall(SYS_ptrace, 16, 1, 0, 0) < 0;
}
static int try_prctl(void)
{
	return prctl(PR_SET_NAME, "x") < 0;
}
static int try_ioctl(void)
{
	return syscall(SYS_ioctl, 1, 0x5401, NULL) < 0;
}
static int try_chmod(void)
{
	return fchmod(pair[0], 0777) < 0;
}
static int try_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int try_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0;
}

#ifdef __x86_64__
/* The x32 variant of open: the same kernel, other numbers. */
static int try_x32(void)
{
	return syscall(0x40000000 | SYS_open, "/etc/passwd", O_RDONLY) < 0;
}
#endif

static const struct {
	const char *name;
	int (*f)(void);
} forbidden[] = {
	{ "open", try_open },
	{ "create", try_create },
	{ "stat", try_stat },
	{ "unlink", try_unlink },
	{ "socket", try_socket },
	{ "connect", try_connect },
	{ "sendto with an address", try_sendto },
	{ "exec", try_exec },
	{ "fork", try_fork },
	{ "kill", try_kill },
	{ "tgkill of another", try_tgkill },
	{ "tkill of another", try_tkill },
	{ "ptrace", try_ptrace },
	{ "prctl", try_prctl },
	{ "ioctl", try_ioctl },
	{ "fchmod", try_chmod },
	{ "executable mmap", try_mmap_exec },
	{ "executable mprotect", try_mprotect_exec },
#ifdef __x86_64__
	{ "x32 open", try_x32 },
#endif
};

static void forbidden_calls_end_the_process(void)
{
	unlink("/tmp/test_sandbox.made");
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		int status = inside(forbidden[i].f);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			printf("# %s: status %#x\n", forbidden[i].name, (unsigned)status);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
	CHECK(access("/tmp/test_sandbox.made", F_OK) < 0);
	unlink("/tmp/test_sandbox.made");
}

/* ---- landlock, which holds in every build ---- */

static int read_a_file(void)
{
	int fd = open("/etc/passwd", O_RDONLY);

	return fd < 0 && errno == EACCES ? 0 : 1;
}

static int gain_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1;
}

static void privileges_are_given_up_for_good(void)
{
	CHECK_INT(inside(gain_privileges), 0);
}

static void files_are_out_of_reach(void)
{
	long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */);

	if (abi < 1)
		printf("skip - landlock_keeps_files_out_of_reach: this kernel has no landlock\n");
	else
		CHECK_INT(inside(read_a_file), 0);
}

/* ---- who reads what it opens itself ---- */

static int read_the_rest(void)
{
	int dir = openat(AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char entries[4096];
	struct stat st;

	if (dir < 0 || syscall(SYS_getdents64, dir, entries, sizeof(entries)) <= 0)
		return 1;
	if (fstatat(dir, "passwd", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 2;
	fd = openat(dir, "passwd", O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 3;
	fd = openat(dir, "passwd", O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_DATA) != 0 || pread(fd, entries, 16, 0) != 16 ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
		return 4;
	return openat(dir, "no such file", O_RDONLY) < 0 && errno == ENOENT ? 0 : 5;
}

static void a_reader_reads(void)
{
	CHECK_INT(inside_of(sandbox_enter_reading, read_the_rest), 0);
}

static int try_open_to_write(void)
{
	return openat(AT_FDCWD, "/etc/passwd", O_WRONLY | O_APPEND) < 0;
}
static int try_open_to_change(void)
{
	return openat(AT_FDCWD, "/etc/passwd", O_RDWR) < 0;
}
static int try_openat_create(void)
{
	return openat(AT_FDCWD, "/tmp/test_sandbox.made", O_RDONLY | O_CREAT, 0600) < 0;
}
static int try_open_truncate(void)
{
	return openat(AT_FDCWD, "/tmp/test_sandbox.there", O_RDONLY | O_TRUNC) < 0;
}
static int try_tmpfile(void)
{
	return openat(AT_FDCWD, "/tmp", O_RDWR | O_TMPFILE, 0600) < 0;
}
static int try_truncate(void)
{
	return truncate("/tmp/test_sandbox.there", 0) < 0;
}
static int try_link(void)
{
	return linkat(AT_FDCWD, "/tmp/test_sandbox.there", AT_FDCWD, "/tmp/test_sandbox.made", 0) < 0;
}
static int try_mkdir(void)
{
	return mkdirat(AT_FDCWD, "/tmp/test_sandbox.made", 0700) < 0;
}
static int try_rename(void)
{
	return renameat(AT_FDCWD, "/tmp/test_sandbox.there", AT_FDCWD, "/tmp/test_sandbox.made") < 0;
}
static int try_mknod(void)
{
	return mknodat(AT_FDCWD, "/tmp/test_sandbox.made", S_IFIFO | 0600, 0) < 0;
}

static const struct {
	const char *name;
	int (*f)(void);
} forbidden_to_readers[] = {
	{ "open for writing", try_open_to_write },
	{ "open for both", try_open_to_change },
	{ "create", try_openat_create },
	{ "open and truncate", try_open_truncate },
	{ "a file without a name", try_tmpfile },
	{ "truncate", try_truncate },
	{ "link", try_link },
	{ "mkdir", try_mkdir },
	{ "rename", try_rename },
	{ "mknod", try_mknod },
	{ "unlink", try_unlink },
	{ "socket", try_socket },
	{ "connect", try_connect },
	{ "exec", try_exec },
	{ "fork", try_fork },
	{ "kill", try_kill },
	{ "ptrace", try_ptrace },
	{ "prctl", try_prctl },
	{ "ioctl", try_ioctl },
	{ "fchmod", try_chmod },
	{ "executable mmap", try_mmap_exec },
};

static void a_reader_changes_nothing(void)
{
	int fd = open("/tmp/test_sandbox.there", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(write(fd, "there", 5) == 5);
	close(fd);
	unlink("/tmp/test_sandbox.made");
	for (size_t i = 0; i < ARRAY_LEN(forbidden_to_readers); i++) {
		int status = inside_of(sandbox_enter_reading, forbidden_to_readers[i].f);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			printf("# %s: status %#x\n", forbidden_to_readers[i].name, (unsigned)status);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
	CHECK(access("/tmp/test_sandbox.made", F_OK) < 0);
	CHECK(access("/tmp/test_sandbox.there", F_OK) == 0);
	unlink("/tmp/test_sandbox.made");
	unlink("/tmp/test_sandbox.there");
}

/* Landlock alone, as in a build with the sanitizers. */
static int write_nowhere(void)
{
	return openat(AT_FDCWD, "/etc/passwd", O_WRONLY | O_APPEND) < 0 && errno == EACCES &&
	                       openat(AT_FDCWD, "/tmp/test_sandbox.made", O_WRONLY | O_CREAT, 0600) < 0 &&
	                       errno == EACCES
	               ? 0
	               : 1;
}

static void a_reader_has_no_file_to_write(void)
{
	if (syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */) < 1)
		printf("skip - a_reader_has_no_file_to_write: this kernel has no landlock\n");
	else
		CHECK_INT(inside_of(sandbox_enter_reading, write_nowhere), 0);
}

int main(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	RUN(a_parser_works_inside);
	RUN(the_log_works_inside);
	RUN(abort_is_an_abort);
	RUN(a_reader_reads);
	if (SANITIZED) {
		RUN(privileges_are_given_up_for_good);
		RUN(files_are_out_of_reach);
		RUN(a_reader_has_no_file_to_write);
		printf("skip - forbidden_calls_end_the_process: the sanitizer makes calls of its own, so "
		       "there is no filter\n");
	} else {
		RUN(forbidden_calls_end_the_process);
		RUN(a_reader_changes_nothing);
	}
	return check_done();
}
