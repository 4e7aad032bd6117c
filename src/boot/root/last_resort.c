/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * When the root lies on a network, and its server is dead, whatever process 1 does next may wait: it runs
 * programs from the root, and has itself not all of its memory. We have all of ours. So process 1 tells us by
 * what it does without waiting for anything, the closing of a file: a FIFO in memory that it holds for a unit
 * of its own (supervisor_pack()). Then storage that does not answer is let go of. With a root that fails
 * instead of waiting most shutdowns come to their end; of those that do not the machine's end is done here.
 *
 * Who asks process 1 (systemctl, which asks logind over D-Bus) has to be in memory for that as well: what
 * they run is read when the real root's boot is over, and the kernel keeps it for as long as it has the room.
 */
#include "boot/root/last_resort.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "boot/root/root.h"
#include "supervisor/work/worker.h"

#define GRACE      SECONDS(7)   /* for process 1, once something was given up */
#define END_TIME   SECONDS(18)  /* for our own end of the machine */
#define STOP_TIME  SECONDS(5)   /* for the pools, when what they wait for fails */
#define WATCH_TIME SECONDS(300) /* a shutdown that was cancelled is no danger for longer */
#define SETTLED    SECONDS(30)  /* for the real root's boot, which has enough to read */
#define READ_TIME  SECONDS(60)
#define MAPS_MOST  (1 << 18)
_Static_assert(SERVER_PATIENCE + GRACE + END_TIME <= SHUTDOWN_BOUND,
               "a dead root is not worth more time than another");

/* ---- before ---- */

static void read_file(const char *path)
{
	static char block[16384];
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	while (fd >= 0 && read(fd, block, sizeof(block)) > 0)
		;
}

/* The program and the libraries of a process, of which it has in memory only what it has used. */
static void read_mapped(const char *pid)
{
	cleanup_buf struct buf maps = BUF_INIT;
	char path[NAME_MAX + 16], *at, *end;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	if (file_read(AT_FDCWD, path, MAPS_MOST, &maps, NULL) < 0)
		return;
	for (at = maps.data; at && (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		char *file = strchr(at, '/');

		if (file && strstr(at, " 00000000 ") &&
		    (starts_with(file, "/usr/") || starts_with(file, "/lib")))
			read_file(file);
	}
}

static bool takes_part(const char *pid)
{
	static const char *const names[] = { "systemd", "systemd-logind", "dbus-daemon", "dbus-broker" };
	char path[NAME_MAX + 16], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, name, sizeof(name) - 1) <= 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (streq(name, names[i]))
			return true;
	return false;
}

/* systemctl runs only then; its libraries are process 1's. */
static int run_read_ahead(struct worker_io *io, void *arg, struct err *e)
{
	static const char *const programs[] = { "/usr/bin/systemctl", "/lib/systemd/systemd-shutdown" };
	DIR *d = opendir("/proc");

	(void)io, (void)arg, (void)e;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		read_file(programs[i]);
	for (const struct dirent *entry; d && (entry = readdir(d));)
		if (takes_part(entry->d_name))
			read_mapped(entry->d_name);
	if (d)
		closedir(d);
	return 0;
}

static void on_read_ahead(struct worker *w, const struct err *e, bool left)
{
	(void)w, (void)left;
	if (e)
		log_warn(LF_BOOT, "what a shutdown needs cannot be read ahead: %s", e->message);
	else
		log_info(LF_BOOT, "what a shutdown needs of the root has been read ahead");
}

static void on_settled(struct timer *t)
{
	struct last_resort *r = t->owner;
	struct task task = {
		.what = "read-ahead", .timeout = READ_TIME, .run = run_read_ahead, .on_done = on_read_ahead
	};
	struct err e = { 0 };

	if (!worker_start(r->sup, &task, &e))
		on_read_ahead(NULL, &e, false);
}

/* ---- then ---- */

static void on_grace_over(struct timer *t)
{
	struct last_resort *r = t->owner;
	struct err e = { 0 };

	if (supervisor_on_session(r->root)) /* it was another one that is gone */
		return;
	log_error(LF_BOOT,
	          "process 1 does not end the machine, whose storage has gone: it is ended without it");
	r->watchdog.fd = -1; /* it is process 1's */
	r->shutdown = (struct shutdown){
		.sup = r->sup, .payload = &r->payload, .watchdog = &r->watchdog, .beside = true
	};
	if (shutdown_begin(&r->shutdown, r->verb, &e) < 0)
		log_error(LF_BOOT, "%s", e.message);
	r->shutdown.bound = clock_ms() + END_TIME;
}

static void on_given_up(void *arg)
{
	struct last_resort *r = arg;

	if (!r->gone && !supervisor_shutting_down(r->sup))
		loop_arm(supervisor_loop(r->sup), &r->limit, clock_ms() + GRACE);
	r->gone = true;
}

static void unwatch(struct last_resort *r, struct watch *w)
{
	int fd = w->fd;

	if (!w->watched)
		return;
	loop_unwatch(supervisor_loop(r->sup), w);
	close(fd);
}

static void on_fifo_end(struct watch *w, uint32_t events)
{
	struct last_resort *r = w->owner;

	struct pollfd other = { .fd = w == &r->reboot ? r->poweroff.fd : r->reboot.fd };

	(void)events;
	if (poll(&other, 1, 0) > 0 && (other.revents & POLLHUP)) {
		log_info(LF_BOOT,
		         "process 1 has closed all that it had: it ends the machine itself, or has failed");
		unwatch(r, &r->poweroff);
		unwatch(r, &r->reboot);
		return;
	}
	r->verb = w == &r->reboot ? "reboot" : "poweroff";
	unwatch(r, &r->poweroff);
	unwatch(r, &r->reboot);
	log_info(LF_BOOT, "the %s begins: storage that does not answer is no longer awaited", r->verb);
	supervisor_let_go(r->sup, &(struct letting_go){ SERVER_PATIENCE, WATCH_TIME, on_given_up, r });
}

/* A FIFO tells its reader of the end of its last writer, and of none before there was one. EPOLLRDHUP, which
 * no FIFO has, stands for a hang-up alone: what might be written to it is of no interest. */
static void listen_at(struct last_resort *r, struct watch *w, const char *fifo)
{
	struct err e = { 0 };
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	*w = (struct watch){ .fd = -1, .on_event = on_fifo_end, .owner = r };
	if (fd >= 0 && loop_watch(supervisor_loop(r->sup), w, fd, EPOLLRDHUP, &e) < 0) {
		log_warn(LF_BOOT, "%s: %s", fifo, e.message);
		close(fd);
	}
}

void last_resort_begin(struct last_resort *r, struct supervisor *sup)
{
	struct stat st;

	r->sup = sup;
	r->root = stat("/", &st) == 0 ? st.st_dev : 0;
	r->limit = (struct timer){ .on_expiry = on_grace_over, .owner = r };
	r->settled = (struct timer){ .on_expiry = on_settled, .owner = r };
	listen_at(r, &r->poweroff, POWEROFF_FIFO);
	listen_at(r, &r->reboot, REBOOT_FIFO);
	if (r->poweroff.watched)
		loop_arm(supervisor_loop(sup), &r->settled, clock_ms() + SETTLED);
}

uint64_t last_resort_stop_time(struct last_resort *r)
{
	if (r->sup)
		loop_disarm(supervisor_loop(r->sup), &r->limit);
	return r->gone && !supervisor_on_session(r->root) ? STOP_TIME : ROOT_STOP_TIME;
}

void last_resort_end(struct last_resort *r)
{
	if (!r->sup)
		return;
	loop_disarm(supervisor_loop(r->sup), &r->limit);
	loop_disarm(supervisor_loop(r->sup), &r->settled);
	unwatch(r, &r->poweroff);
	unwatch(r, &r->reboot);
}
