/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The DHCP client as a child: started, watched, started again.
 *
 * udhcpc is busybox's, which every small image has. It speaks DHCP and nothing else; what it learns it hands
 * to a script, which is this program under another name (lease.c). So no interpreter is needed, and the
 * facts of a lease are checked by the code that uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/contract.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/spawn.h"
#include "base/util.h"
#include "boot/net/dhcp.h"

#define AGAIN_FIRST SECONDS(1)
#define AGAIN_LAST  SECONDS(60)
_Static_assert(AGAIN_FIRST << 6 >= AGAIN_LAST, "six failures lead to the longest wait");

static int start_child(struct dhcp_client *c, struct err *e);

bool dhcp_lease(const char *run_dir, const char *device, char *address, size_t size)
{
	demand_or(device && address && size > 0, false);

	char path[512];

	snprintf(path, sizeof(path), "%s/network/%s.lease", run_dir, device);
	return file_read_line(AT_FDCWD, path, address, size) > 0;
}

/* Again in 1 s, 2 s, … 60 s. */
static void start_client_later(struct dhcp_client *c)
{
	uint64_t wait = AGAIN_FIRST << (c->failures < 6 ? c->failures : 6);

	c->failures++;
	loop_arm(c->loop, &c->again, clock_ms() + (wait < AGAIN_LAST ? wait : AGAIN_LAST));
}

/* The client ends only if something is wrong with it, or if lease.c has ended it: either way another one is
 * started. */
static void on_client_exit(struct watch *w, uint32_t events)
{
	struct dhcp_client *c = w->owner;
	int fd = w->fd, status = 0;
	pid_t pid = c->pid;

	(void)events;
	if (waitpid(pid, &status, WNOHANG) == 0)
		return;
	loop_unwatch(c->loop, w);
	close(fd);
	c->pid = 0;
	log_warn(LF_NET, "%s: the DHCP client %s: it is started again", c->device,
	         memory_ending(pid, NULL, status, 0));
	start_client_later(c);
}

/* The pause is over. What goes wrong now is said once, and tried again all the same. */
static void on_client_again(struct timer *t)
{
	struct dhcp_client *c = t->owner;
	struct err e = { 0 };

	if (start_child(c, &e) == 0)
		return;
	if (!c->complained)
		log_error(LF_NET, "%s", e.message);
	c->complained = true;
	start_client_later(c);
}

/* A link to ourselves, named after the role, so that the image needs no file for it. */
static int script_link(const char *run_dir, char *path, size_t size, struct err *e)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(e, errno, "cannot find the path of this program");
	self[n] = '\0';
	snprintf(path, size, "%s/" DHCP_ROLE, run_dir);
	if (file_mkdirs(run_dir, 0755, e) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot replace %s", path);
	return symlink(self, path) < 0 ? err_sys(e, errno, "cannot make %s", path) : 0;
}

static int start_child(struct dhcp_client *c, struct err *e)
{
	const char *udhcpc = spawn_find("udhcpc"), *busybox = udhcpc ? NULL : spawn_find("busybox");
	char script[512], run_dir[512];

	if (!udhcpc && !busybox)
		return err_set(e, ERR_NO_TOOL,
		               "cannot configure %s by DHCP: neither udhcpc nor busybox is there", c->device);
	if (script_link(c->run_dir, script, sizeof(script), e) < 0)
		return err_wrap(e, ERR_KEEP, "cannot configure %s by DHCP", c->device);
	/* udhcpc hands its environment on to the script, which learns so where our state is. */
	snprintf(run_dir, sizeof(run_dir), "POOLINIT_RUN=%s", c->run_dir);
	/* Three requests a second apart, a pause of two seconds, and so on for ever. */
	const char *const argv[] = {
		udhcpc ? udhcpc : busybox,
		udhcpc ? "-f" : "udhcpc",
		"-f",
		"-i",
		c->device,
		"-s",
		script,
		"-t",
		"3",
		"-T",
		"1",
		"-A",
		"2",
		"-O",
		"mtu",
		"-O",
		"staticroutes",
		"-O",
		"search",
		NULL,
	};
	const char *const env[] = { run_dir, NULL };
	int pidfd = spawn_service(argv, env, -1, &c->pid, e);
	if (pidfd < 0)
		return -1;
	if (loop_watch(c->loop, &c->exit, pidfd, EPOLLIN, e) == 0)
		return 0;
	close(pidfd);
	spawn_forget(c->loop, c->pid);
	c->pid = 0;
	return -1;
}

int dhcp_start(struct dhcp_client *c, struct loop *l, const char *run_dir, const char *device, struct err *e)
{
	demand(l && run_dir && device && *device, e);
	*c = (struct dhcp_client){ .loop = l, .run_dir = run_dir };
	c->exit = (struct watch){ .fd = -1, .on_event = on_client_exit, .owner = c };
	c->again = (struct timer){ .on_expiry = on_client_again, .owner = c };
	snprintf(c->device, sizeof(c->device), "%s", device);
	if (start_child(c, e) < 0) {
		c->device[0] = '\0';
		return -1;
	}
	return 0;
}

void dhcp_stop(struct dhcp_client *c)
{
	int fd = c->exit.fd;

	if (!c->device[0])
		return;
	loop_disarm(c->loop, &c->again);
	loop_unwatch(c->loop, &c->exit);
	if (fd >= 0)
		close(fd);
	if (c->pid > 0)
		spawn_forget(c->loop, c->pid);
	c->pid = 0;
	c->device[0] = '\0';
}
