/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whom the kernel says that it has killed for want of memory.
 */
#include "check.h"

#include "../../src/base/memory.c"
#include <sys/socket.h>

static int pair[2]; /* a kernel's log, whose records are sent to the other end */

static void logged(const char *record)
{
	CHECK(send(pair[1], record, strlen(record), 0) == (ssize_t)strlen(record));
}

static void only_what_the_kernel_says_counts(void)
{
	struct killed k;

	CHECK(read_record("6,1,2,-;Out of memory: Killed process 99 (refresh) total-vm:1kB\n", &k) &&
	      k.pid == 99 && strcmp(k.name, "refresh") == 0);
	CHECK(read_record("3,1,2,c;Memory cgroup out of memory: Killed process 7 (sweep-definitio) total\n",
	                  &k) &&
	      k.pid == 7);
	CHECK(!read_record("14,1,2,-;Out of memory: Killed process 99 (refresh) total-vm:1kB\n", &k));
	CHECK(!read_record("6,1,2,-;Out of memory: Killed process\n", &k));
	CHECK(!read_record("", &k));
}

static void another_one_is_not_named(void)
{
	pid_t pid = is_first_namespace() ? 99 : 0;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	kept_log = pair[0];
	log_keeper = getpid();
	CHECK(!log_may_name(99, "refresh"));
	logged("6,1,2,-;usb 1-1: new device\n");
	logged("6,1,2,-;Out of memory: Killed process 98 (qemu) total-vm:1kB\n");
	CHECK(!log_may_name(99, "refresh"));
	logged("6,1,2,-;Out of memory: Killed process 99 (refresh) total-vm:1kB\n");
	CHECK(log_may_name(99, "refresh"));
	CHECK(log_may_name(pid, NULL)); /* by its number, or not known */
	CHECK(!log_may_name(100, "update"));
}

int main(void)
{
	RUN(only_what_the_kernel_says_counts);
	RUN(another_one_is_not_named);
	return check_done();
}
