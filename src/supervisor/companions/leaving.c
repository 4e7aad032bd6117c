/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What companions whose storage lies on the network leave behind in /run when the initramfs goes: their
 * programs, and word to those services of the real root that would take from them what they live on. And how
 * they go on when it has gone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/spawn.h"
#include "base/util.h"
#include "supervisor/companions/companions.h"
#include "system/links.h"
#include "system/sysfs.h"

#define NETWORKS    "/run/systemd/network"
#define UTAB        "/run/mount/utab"
#define MOUNT_TRIES 20

static void leave_text(const char *dir, const char *name, const char *text)
{
	struct err e = { 0 };

	if (file_leave(dir, name, text, &e) < 0)
		log_warn(LF_POOL, "%s", e.message);
}

/* ---- programs ---- */

/* Are all of them there? */
static bool keep_programs(const char *const *programs)
{
	char path[PATH_MAX];
	struct err e = { 0 };
	bool all = true;

	for (; *programs; programs++) {
		const char *from = spawn_find(*programs);

		all &= from != NULL;
		if (!from || starts_with(from, KEPT_PROGRAMS "/"))
			continue;
		snprintf(path, sizeof(path), KEPT_PROGRAMS "/%s", *programs);
		if (file_mkdirs(KEPT_PROGRAMS, 0755, &e) < 0 || file_copy_program(from, path, &e) < 0) {
			log_warn(LF_POOL, "%s", e.message);
			all = false;
		}
	}
	return all;
}

/* It goes on in the real root: one that runs, and one that is started there because it has just failed here
 * (in the root nobody else would mend its sessions). Not another one's, nor one whose programs are missing,
 * as the root's own is used then. */
static bool goes_on(const struct service_view *v)
{
	return v->service->programs && !streq_null(v->state, "foreign") &&
	       (keep_programs(v->service->programs) || v->pid);
}

/* Two would take each other's sessions. The root's own service is active, because others ask whether it is,
 * but runs nothing; its socket is not made. systemd.unit(5), "drop-in". */
static void have_service_stand_back(const char *name)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), SYSTEMD_UNITS "/%s.service.d", name);
	leave_text(dir, "poolinit.conf",
	           "[Service]\nType=oneshot\nRemainAfterExit=yes\nRestart=no\nPIDFile=\nExecStartPre=\n"
	           "ExecStart=\nExecStart=/bin/true\nExecStartPost=\nExecStop=\nExecStopPost=\n");
	snprintf(dir, sizeof(dir), SYSTEMD_UNITS "/%s.socket.d", name);
	leave_text(dir, "poolinit.conf", "[Unit]\nConditionPathExists=!" KEPT_PROGRAMS "\n");
}

/* ---- the end ---- */

/* What systemd reads for a shutdown only when there is one, from a root that may not answer any more. A unit
 * that another one names it has read, and keeps. */
#define READ_AHEAD                                                                                           \
	"umount.target final.target poweroff.target reboot.target halt.target kexec.target "                 \
	"systemd-poweroff.service systemd-reboot.service systemd-halt.service systemd-kexec.service"

/* systemd holds the FIFO open while the unit is up. Nothing is run at its stop, nor is that ordered behind
 * another's: it is among the first things of a shutdown. A unit of this kind has to name a service.
 * systemd.socket(5), systemd.special(7). */
static void have_end_told(const char *fifo, const char *conflicts)
{
	const char *name = path_base(fifo);
	char unit[64], text[768], link[PATH_MAX], to[80];

	unlink(fifo);
	if (mkfifo(fifo, 0600) < 0 || chmod(fifo, 0600) < 0) {
		log_warn(LF_POOL, "%s: %s", fifo, strerror(errno));
		return;
	}
	snprintf(text, sizeof(text),
	         "[Unit]\nDescription=Word of the end for poolinit\nDefaultDependencies=no\n"
	         "Conflicts=%s\nBefore=shutdown.target " READ_AHEAD
	         "\nIgnoreOnIsolate=yes\nRefuseManualStop=yes\n"
	         "[Socket]\nListenFIFO=%s\nSocketMode=0600\n",
	         conflicts, fifo);
	snprintf(unit, sizeof(unit), "%s.socket", name);
	leave_text(SYSTEMD_UNITS, unit, text);
	snprintf(to, sizeof(to), "../%s", unit);
	snprintf(link, sizeof(link), SYSTEMD_UNITS "/sysinit.target.wants/%s", unit);
	snprintf(unit, sizeof(unit), "%s.service", name);
	leave_text(SYSTEMD_UNITS, unit, "[Service]\nType=oneshot\nExecStart=/bin/true\n");
	if (file_mkdirs(SYSTEMD_UNITS "/sysinit.target.wants", 0755, NULL) < 0 ||
	    (symlink(to, link) < 0 && errno != EEXIST))
		log_warn(LF_POOL, "%s: %s", link, strerror(errno));
}

/* ---- the network ---- */

/* systemd-networkd would begin by taking the addresses away that the session goes by. Each of its networks is
 * told to keep them; what else it says of an interface counts as before, and one that no file is about is not
 * touched. systemd.network(5), KeepConfiguration=. */
static void keep_addresses_of(const char *networks)
{
	char path[PATH_MAX];
	DIR *d = opendir(networks);

	for (const struct dirent *entry; d && (entry = readdir(d));) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot || !streq(dot, ".network"))
			continue;
		snprintf(path, sizeof(path), NETWORKS "/%s.d", entry->d_name);
		leave_text(path, "poolinit.conf", "[Network]\nKeepConfiguration=yes\n");
	}
	if (d)
		closedir(d);
}

static void keep_addresses(const char *root)
{
	static const char *const places[] = { "etc", "usr/lib", "lib" };
	char path[PATH_MAX];

	keep_addresses_of(NETWORKS);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s/%s/systemd/network", root, places[i]);
		keep_addresses_of(path);
	}
}

/* ---- mounts ---- */

/* A disk of a session's: sysfs has it below that. */
static bool is_session_disk(const char *sysname)
{
	char dir[PATH_MAX];
	int part;

	return sysfs_block("/sys", sysname, dir, &part) && strstr(dir, "/session");
}

bool supervisor_on_session(dev_t dev)
{
	cleanup_buf struct buf below = BUF_INIT;
	char name[64];

	if (!device_sysname(dev, name, sizeof(name)))
		return false;
	if (is_session_disk(name))
		return true;
	device_below(name, &below);
	for (const char *word = buf_str(&below); *word == ' '; word += 1 + strcspn(word + 1, " ")) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 1, "="), word + 1);
		if (is_session_disk(name))
			return true;
	}
	return false;
}

struct remote_mounts {
	const char *root; /* what lies in it is another's */
	struct buf lines;
};

/* As libmount writes it (util-linux, libmount/src/tab_update.c). Names with a space would have to be escaped:
 * they are left out. */
static int note_remote_mount(const struct mount_entry *m, void *arg)
{
	struct remote_mounts *r = arg;

	if (!path_is_below(m->target, r->root) && !strpbrk(m->target, " \t\\") &&
	    !strpbrk(m->root, " \t\\") && supervisor_on_session(m->dev))
		buf_printf(&r->lines, "SRC=%s TARGET=%s ROOT=%s OPTS=_netdev\n", m->source, m->target,
		           m->root);
	return 0;
}

/* A filesystem on a disk is a local one to systemd, which ends after the network, unless that is said. */
static void note_remote_mounts(const char *root)
{
	struct remote_mounts r = { .root = root, .lines = BUF_INIT };

	file_read(AT_FDCWD, UTAB, 1 << 20, &r.lines, NULL);
	size_t before = r.lines.len;
	if (mountinfo_each(note_remote_mount, &r, NULL) == 0 && r.lines.len > before)
		leave_text("/run/mount", "utab", buf_str(&r.lines));
	buf_free(&r.lines);
}

/* Only a root on a session can leave process 1 without what it runs. */
static void leave_word_of_the_end(const char *root)
{
	struct stat st;

	if (stat(root, &st) < 0 || !supervisor_on_session(st.st_dev))
		return;
	have_end_told(POWEROFF_FIFO, "poweroff.target halt.target");
	have_end_told(REBOOT_FIFO, "reboot.target kexec.target");
}

bool services_pack(const struct supervisor *s, const char *root, bool systemd)
{
	struct service_view v;
	bool any = false;

	for (size_t i = 0; service_at(s, i, &v); i++) {
		if (!goes_on(&v))
			continue;
		any = true;
		if (systemd)
			have_service_stand_back(v.service->name);
	}
	if (any && systemd) {
		keep_addresses(root);
		leave_word_of_the_end(root);
	}
	if (any)
		note_remote_mounts(root);
	return any;
}

/* ---- after ---- */

/* Does it do something at this signal, other than end? proc(5), "SigCgt". */
static bool takes_signal(pid_t pid, int sig)
{
	static const char key[] = "SigCgt:";
	cleanup_buf struct buf status = BUF_INIT;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(AT_FDCWD, path, 1 << 16, &status, NULL) < 0)
		return false;
	const char *at = strstr(buf_str(&status), key);
	return at && (strtoull(at + strlen(key), NULL, 16) >> (sig - 1) & 1);
}

/* In its root, which is the initramfs's: what was there has moved, or was removed. Whoever changed the root
 * may still be removing directories in it, but removes each of them once. */
static void mount_there(pid_t pid, const char *kind, const char *place)
{
	char path[64];
	int rc = -1;

	snprintf(path, sizeof(path), "/proc/%d/root/%s", pid, place);
	for (unsigned i = 0; rc < 0 && i < MOUNT_TRIES; i++) {
		mkdir(path, 0755);
		rc = mount(kind, path, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	}
	if (rc < 0)
		log_error(LF_POOL, "cannot mount %s for iscsid: %s", path, strerror(errno));
}

/* Nothing may be mounted over what the real root has. One of whom it cannot be told is taken for such. */
static bool in_our_root(pid_t pid)
{
	struct stat its, ours;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return stat(path, &its) < 0 || stat("/", &ours) < 0 ||
	       (its.st_dev == ours.st_dev && its.st_ino == ours.st_ino);
}

/* One that is not ours would end by the signal, and another one breaks each session so as to make it its
 * own: it stays where it is, and is given back what it looks at: the kernel, and whether whoever asks it is
 * root. */
static void live_where_it_is(pid_t pid)
{
	char etc[64];

	mount_there(pid, "sysfs", "sys");
	mount_there(pid, "proc", "proc");
	mount_there(pid, "tmpfs", "etc");
	snprintf(etc, sizeof(etc), "/proc/%d/root/etc", pid);
	leave_text(etc, "passwd", "root:x:0:0::/:/bin/sh\n");
}

void services_follow_root(struct supervisor *s)
{
	struct service_view v;

	for (size_t i = 0; service_at(s, i, &v); i++) {
		if (!v.pid || !v.service->programs)
			continue;
		if (takes_signal(v.pid, FOLLOW_SIGNAL) || in_our_root(v.pid))
			kill(v.pid, FOLLOW_SIGNAL);
		else
			live_where_it_is(v.pid);
	}
}
