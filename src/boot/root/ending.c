/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of a machine whose root was handed over. systemd has ended all services and unmounted what it
 * could. What is left is the root, and below it the storage that the supervisor still holds: a volume group,
 * a session. The root has to go first, and whoever runs from it cannot unmount it; so the last program is
 * this one, which has nothing but itself.
 *
 * The supervisor has come along: pivot_root(2) takes each process with it whose root was the old one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "boot/root/ending.h"
#include "boot/root/root.h"
#include "boot/roles.h"

#define PLACE      "/run/initramfs"
#define OLD_ROOT   "/oldroot"
#define POOLS_TIME SECONDS(20) /* ROOT_STOP_TIME, and a little for the supervisor to end */
_Static_assert(POOLS_TIME > ROOT_STOP_TIME, "the supervisor gives up before we do");

/* ---- before ---- */

bool ending_has_systemd(const char *path)
{
	cleanup_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int there = root < 0 ? -1
	                                   : file_open_how(root, "/lib/systemd/systemd-shutdown", O_PATH,
	                                                   ROOT_LINKS);

	return there >= 0;
}

/* /run may be mounted so that nothing in it can be run, and systemd would not look at this program then. */
void ending_allow_programs(void)
{
	struct statvfs fs;

	if (statvfs(PLACE, &fs) == 0 && (fs.f_flag & ST_NOEXEC) &&
	    (mount(PLACE, PLACE, NULL, MS_BIND, NULL) < 0 ||
	     mount(NULL, PLACE, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL) < 0))
		log_warn(LF_BOOT, "cannot allow programs in " PLACE ": %s", strerror(errno));
}

void ending_prepare(const char *root)
{
	struct err e = { 0 };

	if (!ending_has_systemd(root))
		return;
	if (file_mkdirs(PLACE, 0755, &e) < 0 ||
	    file_copy_program("/proc/self/exe", PLACE "/" ENDING_ROLE, &e) < 0)
		log_warn(LF_BOOT, "%s", e.message);
	else
		ending_allow_programs();
}

/* ---- the role ---- */

#define MOUNTS 256

struct old_mounts {
	char *targets[MOUNTS];
	size_t n;
};

static int note_old(const struct mount_entry *m, void *arg)
{
	struct old_mounts *list = arg;

	if (path_is_below(m->target, OLD_ROOT) && list->n < MOUNTS &&
	    (list->targets[list->n] = strdup(m->target)))
		list->n++;
	return 0;
}

/* The newest first. The kernel's own filesystems hold nothing, and may be in use. What a worker of the
 * supervisor's is looking at goes when that has ended, which is before the pools below it are stopped. */
static void unmount_old(void)
{
	static const char *const kernels[] = { "/dev", "/proc", "/sys", "/run" };
	struct old_mounts list = { .n = 0 };
	char path[32];

	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		snprintf(path, sizeof(path), OLD_ROOT "%s", kernels[i]);
		umount2(path, MNT_DETACH);
	}
	mountinfo_each(note_old, &list, NULL);
	while (list.n-- > 0)
		if (umount2(list.targets[list.n], UMOUNT_NOFOLLOW) < 0 &&
		    umount2(list.targets[list.n], UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			log_error(LF_BOOT, "cannot unmount %s: %s", list.targets[list.n], strerror(errno));
}

/* The supervisor is a child of process 1 since its beginning. Nobody else is called so. */
static void tell_supervisor(int sig)
{
	DIR *d = opendir("/proc");
	char path[64], name[32];

	for (struct dirent *entry; d && (entry = readdir(d));) {
		int pid = atoi(entry->d_name);

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (pid > 1 && file_read_line(AT_FDCWD, path, name, sizeof(name)) > 0 &&
		    streq(name, "poolinit"))
			kill(pid, sig);
	}
	if (d)
		closedir(d);
}

/* Until no child is left, or the time is over. Every process is ours by now. */
static void await_children(uint64_t deadline)
{
	sigset_t child;
	int left;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 || (left = clock_until(deadline)) == 0)
			return;
		if (pid == 0)
			sigtimedwait(&child, NULL,
			             &(struct timespec){ left / 1000, (long)(left % 1000) * 1000000 });
	}
}

static int command_of(const char *word)
{
	static const struct {
		const char *word;
		int command;
	} commands[] = {
		{ "reboot", RB_AUTOBOOT },
		{ "halt", (int)RB_HALT_SYSTEM },
		{ "kexec", (int)LINUX_REBOOT_CMD_KEXEC },
	};

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (streq(commands[i].word, word))
			return commands[i].command;
	return RB_POWER_OFF;
}

int ending_main(int argc, char **argv)
{
	sigset_t all;

	if (getpid() != 1) {
		fprintf(stderr, "poolinit: " ENDING_ROLE " is for the end of a machine, as process 1\n");
		return EXIT_USAGE;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	log_to_kmsg(NULL);
	log_info(LF_BOOT, "unmounting the root, and stopping the pools below it");
	unmount_old();
	tell_supervisor(ROOT_STOP_SIGNAL);
	await_children(clock_ms() + POOLS_TIME);
	kill(-1, SIGKILL);
	sync();
	reboot(command_of(argc > 1 ? argv[1] : ""));
	log_error(LF_BOOT, "reboot(2): %s", strerror(errno));
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
