/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inotify: files that come and go in a local directory are seen without a refresh. One instance serves all
 * pools. A path that hangs must not hang the supervisor, so the worker of a refresh adds the watch (the
 * instance is one, whoever holds its descriptor) and says which number it got.
 *
 * Writing is not listened to, closing after it is: a guest that writes to its disk must not wake anybody.
 *
 * fanotify: errors that a filesystem meets, whoever made it meet them (Linux 5.16, and what the filesystem
 * tells: ext4 does, xfs and btrfs not everywhere). The pool is looked at then, for the kernel may have made
 * the filesystem read-only. Marked in the same way, by the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include "base/contract.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/index/index.h"
#include "volumes/file/publish.h"

#define LISTENED                                                                                             \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF |   \
	 IN_ONLYDIR)
#define TURN    4 /* reads in one turn of the loop: then it is the others' */
#define BATCH   4096
#define WATCHES "watches" /* whose problem it is, in status */

#ifndef FAN_FS_ERROR
#define FAN_FS_ERROR 0x8000
#endif

/* ---- in the worker ---- */

int watch_directory(int inotify, int dir)
{
	demand_or(inotify >= 0 && dir >= 0, -1);

	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return inotify_add_watch(inotify, path, LISTENED);
}

uint64_t watch_errors(int fanotify, int dir)
{
	struct statfs fs;
	uint64_t id;

	if (fanotify < 0 || fstatfs(dir, &fs) < 0 ||
	    fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, dir, ".") < 0)
		return 0;
	memcpy(&id, &fs.f_fsid, sizeof(id));
	return id;
}

/* ---- in the supervisor ---- */

/* A directory that two pools share has one number. */
static void watch_tell(struct supervisor *s, int number, const char *name)
{
	for (struct pool *p = s->pools; p; p = p->next)
		if (number < 0 ? p->volumes.watch > 0 : p->volumes.watch == number)
			touch_later(p, name);
}

/* The kernel has taken a watch away, with its directory: everything there may be another thing now. */
static void lose(struct supervisor *s, int number)
{
	for (struct pool *p = s->pools; p; p = p->next)
		if (p->volumes.watch == number) {
			p->volumes.watch = 0;
			touch_later(p, NULL);
		}
}

/* Does any pool have a watch of that number? */
static bool is_known_watch(const struct supervisor *s, int number)
{
	for (const struct pool *p = s->pools; p; p = p->next)
		if (p->volumes.watch == number)
			return true;
	return false;
}

/* One event. Names that are being written beside (publish.h) are not told of: nobody lists them. */
static void watch_take(struct supervisor *s, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		watch_tell(s, -1, NULL);
	else if (!is_known_watch(s, e->wd)) /* of a watch whose number is on its way to us, or that is gone */
		s->strangers |= s->watching > 0;
	else if (e->mask & (IN_IGNORED | IN_UNMOUNT))
		lose(s, e->wd);
	else if (e->mask & IN_MOVE_SELF) /* another directory may be in its place */
		watch_tell(s, e->wd, NULL);
	else if (e->len && !publish_is_temporary(e->name))
		watch_tell(s, e->wd, e->name);
}

/* A few reads a turn: a directory that never rests must not keep the loop. What is left wakes it again. */
static void on_changes(struct watch *w, uint32_t events)
{
	struct supervisor *s = w->owner;
	char batch[BATCH] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)events;
	for (int turn = 0; turn < TURN; turn++) {
		ssize_t n = read(w->fd, batch, sizeof(batch));

		if (n <= 0)
			return;
		for (const char *at = batch; at < batch + n;) {
			const struct inotify_event *e = (const void *)at;

			watch_take(s, e);
			at += sizeof(*e) + e->len;
		}
	}
}

/* Of each filesystem there is one event at most, however many errors it has met. */
static void on_errors(struct watch *w, uint32_t events)
{
	struct supervisor *s = w->owner;
	char batch[BATCH] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
	const struct fanotify_event_metadata *m = (void *)batch;
	ssize_t n = read(w->fd, batch, sizeof(batch));
	uint64_t id = 0;

	(void)events;
	for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
		if (m->event_len >= sizeof(*m) + sizeof(struct fanotify_event_info_fid))
			memcpy(&id, (const char *)(m + 1) + offsetof(struct fanotify_event_info_fid, fsid),
			       sizeof(id));
		for (struct pool *p = s->pools; p; p = p->next)
			if (p->volumes.errors && p->volumes.errors == id) {
				touch_look(p);
				touch_doubt(p); /* ext4 tells before it turns read-only */
			}
	}
}

/* Where the kernel has none, errors are seen at the next refresh or verb. */
static void listen_to_errors(struct supervisor *s)
{
	int fd = s->errors.watched
	                 ? -1
	                 : fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK,
	                                 O_RDONLY);

	if (fd < 0)
		return;
	s->errors = (struct watch){ .fd = -1, .on_event = on_errors, .owner = s };
	if (loop_watch(s->loop, &s->errors, fd, EPOLLIN, NULL) < 0)
		close(fd);
}

int watch_errors_of(const struct supervisor *s)
{
	return s->errors.watched ? s->errors.fd : -1;
}

int watch_begin(struct supervisor *s)
{
	struct err e = { 0 };
	int fd;

	s->watching++;
	listen_to_errors(s);
	if (!s->inotify.watched) {
		fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		s->inotify = (struct watch){ .fd = -1, .on_event = on_changes, .owner = s };
		if (fd < 0 || loop_watch(s->loop, &s->inotify, fd, EPOLLIN, &e) < 0) {
			err_sys(&e, fd < 0 ? errno : e.sys,
			        "changes in directories are seen at the next refresh only");
			if (supervisor_note_problem(s, WATCHES, &e))
				log_warn(LF_POOL, "%s", e.message);
			if (fd >= 0)
				close(fd);
			return -1;
		}
		supervisor_forget_problems(s, WATCHES);
	}
	return s->inotify.fd;
}

/* Something that came before we knew whose it was may have been this pool's: the refresh under way may not
 * have seen it. */
void watch_number(struct pool *p, int number)
{
	int old = p->volumes.watch;

	if (number <= 0 || number == old)
		return;
	p->volumes.watch = number;
	if (old && !is_known_watch(p->sup, old))
		inotify_rm_watch(p->sup->inotify.fd, old);
	if (p->sup->strangers)
		touch_later(p, NULL);
}

void watch_over(struct supervisor *s)
{
	require_or(s->watching > 0, );
	if (--s->watching == 0)
		s->strangers = false;
}

void watch_drop(struct pool *p)
{
	int old = p->volumes.watch;

	p->volumes.errors = 0;
	p->volumes.watch = 0;
	if (old && !is_known_watch(p->sup, old))
		inotify_rm_watch(p->sup->inotify.fd, old);
}

void watch_free(struct supervisor *s)
{
	struct watch *const all[] = { &s->inotify, &s->errors, &s->late };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int fd = all[i]->fd;

		if (!all[i]->watched)
			continue;
		loop_unwatch(s->loop, all[i]);
		close(fd);
	}
}
