/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sd_listen_fds(3): descriptors from 3 on, as many as LISTEN_FDS says, for the process that LISTEN_PID names.
 * LISTEN_FDNAMES serves the log alone: a unit may call them what it likes.
 */
#include "control/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/util.h"

#define FIRST 3
#define MOST  32 /* we know seven paths; those beyond are closed unseen */

/* What the process was given, once. */
static struct {
	int n;
	bool taken[MOST];
	char names[512];
} handed;

/* The decimal number of a variable. -1: there is none. */
static long whole_number(const char *text)
{
	char *end;

	errno = 0;
	long n = text && *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
	return n >= 0 && !errno && *end == '\0' ? n : -1;
}

/* What its unit calls it: the i-th of "name:name". */
static void unit_calls_it(int i, char *name, size_t size)
{
	const char *at = handed.names;

	for (; i > 0 && at; i--) {
		at = strchr(at, ':');
		at += at != NULL;
	}
	snprintf(name, size, "%.*s", at ? (int)strcspn(at, ":") : 0, at ? at : "");
	if (!*name)
		snprintf(name, size, "no name");
}

/* The path that it is bound to; "" where it has none. */
static void bound_path(int fd, char *path, size_t size)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0 || a.sun_family != AF_UNIX)
		a.sun_path[0] = '\0';
	snprintf(path, size, "%.*s", (int)sizeof(a.sun_path), a.sun_path);
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* NULL: clients can be let in from it. */
static const char *unfit(int fd)
{
	if (option_of(fd, SO_TYPE) < 0)
		return "it is no socket";
	if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM)
		return "it is not a local stream socket (ListenStream= with a path makes one)";
	if (option_of(fd, SO_ACCEPTCONN) != 1)
		return "nobody listens at it (Accept=no is what we need)";
	return NULL;
}

/* Of all that are given the socket only one lets clients in: the one with this lock, which is a process's
 * until that ends or closes the socket. Whatever else there is belongs to the open socket, which they share.
 * False: it is another's. */
static bool lock_for_us(int fd, pid_t *rival)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &all) == 0 || (errno != EAGAIN && errno != EACCES))
		return true;
	*rival = fcntl(fd, F_GETLK, &all) == 0 ? all.l_pid : 0;
	return false;
}

static void close_unused(int i, const char *why)
{
	char name[128];

	unit_calls_it(i, name, sizeof(name));
	log_warn(LF_CONTROL, "descriptor %d (%s) of the service manager is closed: %s", FIRST + i, name, why);
	close(FIRST + i);
	handed.taken[i] = true;
}

/* How many there are of those that LISTEN_FDS announces. */
static int count_present(long announced)
{
	int n = 0;

	while (n < announced && n < MOST && fcntl(FIRST + n, F_SETFD, FD_CLOEXEC) == 0)
		n++;
	if (n == MOST && n < announced) {
		log_warn(LF_CONTROL, "LISTEN_FDS says %ld: those behind the first %d are not looked at",
		         announced, MOST);
		for (long fd = FIRST + MOST; fd < FIRST + announced && close((int)fd) == 0; fd++)
			;
	} else if (n < announced) {
		log_warn(LF_CONTROL,
		         "LISTEN_FDS says %ld, but there is no descriptor %d: it and those behind it are "
		         "left out",
		         announced, FIRST + n);
	}
	return n;
}

static int read_variables(const char *pid, const char *fds, const char *names, int other, struct err *e)
{
	long whose = whole_number(pid), announced = whole_number(fds);

	if (!pid && !fds)
		return 0;
	if (whose != getpid()) {
		log_warn(LF_CONTROL,
		         "sockets of the service manager are not taken: LISTEN_PID is \"%.20s\", and this is "
		         "process %d; "
		         "poolinit has to be what the unit starts, with no program between",
		         pid ? pid : "", (int)getpid());
		return 0;
	}
	if (announced < 0 || announced > INT32_MAX - FIRST) {
		log_warn(LF_CONTROL, "sockets of the service manager are not taken: LISTEN_FDS is \"%.20s\"",
		         fds ? fds : "");
		return 0;
	}
	if (other >= FIRST && other - FIRST < announced)
		return err_set(
			e, ERR_INVALID,
			"descriptor %d is a socket of the service manager's (LISTEN_FDS is %ld): what is "
			"written to has to be another one",
			other, announced);
	snprintf(handed.names, sizeof(handed.names), "%s", names ? names : "");
	handed.n = count_present(announced);
	for (int i = 0; i < handed.n; i++) {
		const char *why = unfit(FIRST + i);
		pid_t rival;

		if (why)
			close_unused(i, why);
		else if (!lock_for_us(FIRST + i, &rival))
			return err_set(
				e, ERR_BUSY,
				"process %d has descriptor %d, a socket of the service manager's, too: "
				"only one poolinit answers at a socket",
				(int)rival, FIRST + i);
	}
	return 0;
}

/* Two spellings of one path? */
static bool is_same_place(const char *a, const char *b)
{
	struct stat x, y;

	return streq(a, b) ||
	       (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Its place; -1: there is none. */
static int handed_at(const char *path)
{
	char own[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	for (int i = 0; i < handed.n; i++) {
		if (handed.taken[i])
			continue;
		bound_path(FIRST + i, own, sizeof(own));
		if (is_same_place(own, path))
			return i;
	}
	return -1;
}

int handed_begin(int other, struct err *e)
{
	const char *fds = getenv("LISTEN_FDS");
	int given = fds != NULL;

	if (read_variables(getenv("LISTEN_PID"), fds, getenv("LISTEN_FDNAMES"), other, e) < 0)
		given = -1;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return given;
}

bool handed_holds(const char *path)
{
	return handed_at(path) >= 0;
}

int handed_take(const char *path)
{
	int i = handed_at(path);

	if (i < 0)
		return -1;
	handed.taken[i] = true;
	if (access(path, F_OK) < 0)
		log_warn(LF_CONTROL,
		         "nobody can reach the service manager's socket of %s: its file has gone, and only a "
		         "restart of the socket's unit makes another",
		         path);
	log_debug(LF_CONTROL, "listening at %s, which the service manager keeps", path);
	fcntl(FIRST + i, F_SETFL, fcntl(FIRST + i, F_GETFL) | O_NONBLOCK);
	return FIRST + i;
}

/* Is it a socket that we have already? To close one of two descriptors would give up the lock of both:
 * fcntl(2), "Advisory record locking". */
static bool is_second_of_one(int i)
{
	struct stat it, other;

	for (int k = 0; k < handed.n; k++)
		if (handed.taken[k] && fstat(FIRST + i, &it) == 0 && fstat(FIRST + k, &other) == 0 &&
		    it.st_dev == other.st_dev && it.st_ino == other.st_ino)
			return true;
	return false;
}

void handed_end(void)
{
	for (int i = 0; i < handed.n; i++) {
		char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1], why[256];

		if (handed.taken[i])
			continue;
		if (is_second_of_one(i)) {
			log_warn(LF_CONTROL,
			         "the service manager gives one socket twice: descriptor %d stays unused",
			         FIRST + i);
			continue;
		}
		bound_path(FIRST + i, path, sizeof(path));
		snprintf(why, sizeof(why),
		         "nothing of ours listens at \"%s\" (--run and --socket say where we do), or only "
		         "once",
		         path);
		close_unused(i, why);
	}
}
