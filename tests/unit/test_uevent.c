/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernel uevents: recorded messages, broken ones, and forged ones on a real socket.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "system/uevent.h"
#include "base/util.h"
#include "check.h"

static struct uevent u;

/* In memory of exactly the message's size. */
static int parse(const char *bytes, size_t len)
{
	static char *copy;

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, bytes, len);
	return uevent_parse(copy, len, &u);
}

#define PARSE(text) parse(text, sizeof(text)) /* with the final NUL */

static void takes_a_disk_apart(void)
{
	CHECK(PARSE("add@/devices/pci0/block/sda\0ACTION=add\0DEVPATH=/devices/pci0/block/"
	            "sda\0SUBSYSTEM=block\0MAJOR=8\0MINOR=16\0DEVNAME=sda\0DEVTYPE=disk\0DISKSEQ=9\0SEQNUM="
	            "1234"));
	CHECK_STR(u.action, "add");
	CHECK_STR(u.devpath, "/devices/pci0/block/sda");
	CHECK_STR(u.subsystem, "block");
	CHECK_STR(u.devname, "sda");
	CHECK_STR(u.devtype, "disk");
	CHECK(u.modalias == NULL);
	CHECK_INT(u.major, 8);
	CHECK_INT(u.minor, 16);
}

static void takes_a_modalias(void)
{
	CHECK(PARSE("add@/devices/x\0ACTION=add\0DEVPATH=/devices/"
	            "x\0SUBSYSTEM=pci\0MODALIAS=pci:v00001AF4d00001001sv*"));
	CHECK_STR(u.modalias, "pci:v00001AF4d00001001sv*");
	CHECK(u.devname == NULL && u.devtype == NULL);
	CHECK_INT(u.major, 0);
}

static void the_heading_is_enough(void)
{
	CHECK(PARSE("remove@/devices/x"));
	CHECK_STR(u.action, "remove");
	CHECK_STR(u.devpath, "/devices/x");
	CHECK(u.subsystem == NULL);
}

static void keys_are_whole_words(void)
{
	CHECK(PARSE("add@/d\0XACTION=no\0DEVNAMES=no\0ACTIO=no\0MAJOR\0=\0\0MINOR=7x"));
	CHECK_STR(u.action, "add");
	CHECK(u.devname == NULL);
	CHECK_INT(u.minor, 7);
}

static void what_is_no_message(void)
{
	CHECK(!parse("", 0));
	CHECK(!PARSE(""));
	CHECK(!parse("add@/devices/x", 14)); /* not terminated */
	CHECK(!PARSE("libudev"));
	CHECK(!PARSE("libudev\0add@/x"));
	CHECK(!PARSE("@/devices/x"));
	CHECK(!PARSE("add@devices/x"));
	CHECK(!PARSE("add@"));
	CHECK(!PARSE("add@/x\0DEVPATH=relative"));
	CHECK(u.devname == NULL);
}

/* ---- on a real socket ---- */

/* Read until a message for this path comes or two seconds pass. */
static int wait_for(int fd, const char *devpath)
{
	char buf[UEVENT_MAX];
	uint64_t deadline = clock_ms() + 2000;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, clock_until(deadline)) == 1) {
		int rc = uevent_read(fd, buf, sizeof(buf), &u);

		if (rc == UEVENT_GOT && streq(u.devpath, devpath))
			return streq(u.action, "change");
	}
	return -1;
}

static void hears_the_kernel(void)
{
	struct err e = { 0 };
	int fd = uevent_open(&e);
	char buf[UEVENT_MAX];

	CHECK(fd >= 0);
	CHECK_INT(uevent_read(fd, buf, sizeof(buf), &u), UEVENT_EMPTY);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	if (file_poke(AT_FDCWD, "/sys/class/mem/null/uevent", "change", &e) < 0)
		printf("skip - hears_a_real_event: needs a writable /sys\n");
	else
		CHECK_INT(wait_for(fd, "/devices/virtual/mem/null"), 1);
	close(fd);
}

/* Another process (root may) sends to the same group, in the kernel's words. */
static void believes_nobody_else(void)
{
	static const char forged[] =
		"add@/devices/evil\0ACTION=add\0DEVPATH=/devices/evil\0SUBSYSTEM=block\0DEVNAME=evil";
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct err e = { 0 };
	int fd = uevent_open(&e),
	    liar = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[UEVENT_MAX];

	CHECK(fd >= 0 && liar >= 0);
	if (sendto(liar, forged, sizeof(forged), 0, (struct sockaddr *)&group, sizeof(group)) < 0) {
		printf("skip - refuses_a_forged_event: needs the right to send to the group\n");
	} else {
		CHECK_INT(poll(&p, 1, 2000), 1);
		CHECK_INT(uevent_read(fd, buf, sizeof(buf), &u), UEVENT_SKIP);
	}
	close(fd);
	close(liar);
}

static void overflow_is_told(void)
{
	struct err e = { 0 };
	int fd = uevent_open(&e), rc = UEVENT_EMPTY;
	int small = 1;
	char buf[UEVENT_MAX];

	CHECK(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 200; i++) {
		if (file_poke(AT_FDCWD, "/sys/class/mem/null/uevent", "change", NULL) < 0) {
			printf("skip - overflow_is_told_by_the_kernel: needs a writable /sys\n");
			close(fd);
			return;
		}
	}
	for (int i = 0; i < 300 && rc != UEVENT_LOST; i++)
		rc = uevent_read(fd, buf, sizeof(buf), &u);
	CHECK_INT(rc, UEVENT_LOST);
	close(fd);
}

static void a_message_that_does_not_fit_is_lost(void)
{
	struct err e = { 0 };
	int fd = uevent_open(&e);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[16];

	CHECK(fd >= 0);
	if (file_poke(AT_FDCWD, "/sys/class/mem/null/uevent", "change", NULL) == 0) {
		CHECK_INT(poll(&p, 1, 2000), 1);
		CHECK_INT(uevent_read(fd, buf, sizeof(buf), &u), UEVENT_LOST);
	}
	close(fd);
}

int main(void)
{
	RUN(takes_a_disk_apart);
	RUN(takes_a_modalias);
	RUN(the_heading_is_enough);
	RUN(keys_are_whole_words);
	RUN(what_is_no_message);
	RUN(hears_the_kernel);
	RUN(believes_nobody_else);
	RUN(overflow_is_told);
	RUN(a_message_that_does_not_fit_is_lost);
	return check_done();
}
