/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sockets that were handed over: each case is a process of its own, for they are read once. What serve makes
 * of them is tests/host/handed-sockets.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/util.h"
#include "check.h"
#include "control/handed.h"
#include "log_text.h"

static char directory[] = "/tmp/test_handed.XXXXXX";

static const char *path_in(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* Listening at the path, at exactly that descriptor. */
static void give(int fd, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int made = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	CHECK(bind(made, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(made, 1) == 0);
	if (made != fd) {
		CHECK_INT(dup2(made, fd), fd);
		close(made);
	}
}

static void announce(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", "one:two", 1);
}

/* As after exec(3): nothing but standard descriptors is open. */
static void apart(void (*act)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		act();
		fflush(stdout);
		_exit(check_case_failed);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void take(void)
{
	give(3, path_in("a"));
	give(4, path_in("b"));
	announce(2);
	CHECK(!handed_holds(path_in("b")));
	CHECK_INT(handed_begin(-1, NULL), 1);
	CHECK(!handed_holds(path_in("c")));
	CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	CHECK(handed_holds(path_in("b")));
	CHECK(handed_holds(path_in("/b"))); /* another spelling of it: --run may end in a slash */
	CHECK(!handed_holds(path_in("/c")));
	CHECK_INT(handed_take(path_in("b")), 4);
	CHECK(!handed_holds(path_in("b")));
	CHECK_INT(handed_take(path_in("b")), -1);
	CHECK(fcntl(4, F_GETFL) & O_NONBLOCK);
	CHECK_INT(fcntl(4, F_GETFD), FD_CLOEXEC);
	CHECK_INT(fcntl(3, F_GETFD), FD_CLOEXEC);
	handed_end();
	CHECK(!is_open(3) && is_open(4));
	CHECK_INT(handed_take(path_in("a")), -1);

	cleanup_buf struct buf said = BUF_INIT;

	log_text(&said, 0);
	CHECK(strstr(buf_str(&said), "descriptor 3 (one) of the service manager is closed"));
	CHECK(access(path_in("a"), F_OK) == 0);
}

static void one_is_taken_once_and_the_rest_is_closed(void)
{
	apart(take);
}

/* All 108 bytes of it, with no NUL behind them. */
static void longest(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[sizeof(a.sun_path) + 1];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/", directory);
	memset(path + strlen(path), 'x', sizeof(path) - 1 - strlen(path));
	path[sizeof(path) - 1] = '\0';
	memcpy(a.sun_path, path, sizeof(a.sun_path));
	CHECK_INT(fd, 3);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
	announce(1);
	CHECK_INT(handed_begin(-1, NULL), 1);
	CHECK(handed_holds(path));
	CHECK_INT(handed_take(path), 3);
	unlink(path);
}

static void a_path_may_be_as_long_as_the_kernel_takes_it(void)
{
	apart(longest);
}

static void named(void)
{
	struct err e = { 0 };

	give(3, path_in("a"));
	announce(1);
	CHECK_INT(handed_begin(3, &e), -1);
	CHECK_INT(e.class, ERR_INVALID);
	CHECK_STR(
		e.message,
		"descriptor 3 is a socket of the service manager's (LISTEN_FDS is 1): what is written to has "
		"to be another one");
	CHECK(!handed_holds(path_in("a")) && is_open(3));
}

static void a_descriptor_to_write_to_is_none_of_them(void)
{
	apart(named);
}

static void foreign(void)
{
	give(3, path_in("a"));
	announce(1);
	setenv("LISTEN_PID", "1", 1);
	CHECK_INT(handed_begin(-1, NULL), 1);
	CHECK(!handed_holds(path_in("a")));
	handed_end();
	CHECK(is_open(3));
	CHECK(!getenv("LISTEN_PID"));
}

static void what_is_for_another_process_stays_open(void)
{
	apart(foreign);
}

static void none(void)
{
	cleanup_buf struct buf said = BUF_INIT;

	CHECK_INT(handed_begin(3, NULL), 0);
	CHECK(!handed_holds(path_in("a")));
	CHECK_INT(handed_take(path_in("a")), -1);
	handed_end();
	log_text(&said, 0);
	CHECK_STR(buf_str(&said), "");
}

static void without_variables_nothing_is_said(void)
{
	apart(none);
}

int main(void)
{
	if (!mkdtemp(directory))
		return 1;
	RUN(one_is_taken_once_and_the_rest_is_closed);
	RUN(a_path_may_be_as_long_as_the_kernel_takes_it);
	RUN(a_descriptor_to_write_to_is_none_of_them);
	RUN(what_is_for_another_process_stays_open);
	RUN(without_variables_nothing_is_said);
	for (const char *name = "ab"; *name; name++)
		unlink(path_in((char[]){ *name, '\0' }));
	rmdir(directory);
	return check_done();
}
